//! ACM: a certificate is issued when its domains are validated, as far as anybody here can tell.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::rig::{Rig, text};

const CERTIFICATE: &str = include_str!("../../src/acm/x509_ec.pem");

fn acm(rig: &mut Rig, name: &str, input: Value) -> Value {
    rig.call("acm", name, input).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn request(rig: &mut Rig, method: &str) -> Value {
    let input = json!({
        "DomainName": "shop.test",
        "SubjectAlternativeNames": ["*.shop.test"],
        "ValidationMethod": method,
        "IdempotencyToken": "once",
    });
    let arn = acm(rig, "RequestCertificate", input)["CertificateArn"].clone();
    json!({ "CertificateArn": arn })
}

fn describe(rig: &mut Rig, by_arn: &Value) -> Value {
    acm(rig, "DescribeCertificate", by_arn.clone())["Certificate"].clone()
}

#[test]
fn a_certificate_waits_for_its_record_in_a_zone_that_is_here() {
    let mut rig = Rig::new();
    let zone = json!({ "Name": "shop.test", "CallerReference": "1" });
    let zone = rig.call("route53", "CreateHostedZone", zone).expect("made");
    let zone = text(&zone["HostedZone"]["Id"]).replace("/hostedzone/", "");
    let by_arn = request(&mut rig, "DNS");
    assert_eq!(request(&mut rig, "DNS"), by_arn, "the same token is the same request");
    let waiting = describe(&mut rig, &by_arn);
    assert_eq!(waiting["Status"], "PENDING_VALIDATION");
    assert_eq!(waiting["KeyAlgorithm"], "RSA_2048");
    let options = waiting["DomainValidationOptions"].as_array().expect("list").clone();
    assert_eq!(options.len(), 2);
    assert_eq!(options[0]["ResourceRecord"], options[1]["ResourceRecord"]);
    let early = rig.refuses("acm", "GetCertificate", by_arn.clone());
    assert_eq!(early.0, "RequestInProgressException");
    let record = &options[0]["ResourceRecord"];
    let change = |action: &str| {
        json!({ "HostedZoneId": zone, "ChangeBatch": { "Changes": [{
            "Action": action,
            "ResourceRecordSet": {
                "Name": record["Name"],
                "Type": "CNAME",
                "TTL": 60,
                "ResourceRecords": [{ "Value": record["Value"] }],
            },
        }] } })
    };
    rig.call("route53", "ChangeResourceRecordSets", change("CREATE")).expect("made");
    assert_eq!(describe(&mut rig, &by_arn)["Status"], "ISSUED");
    rig.call("route53", "ChangeResourceRecordSets", change("DELETE")).expect("gone");
    let issued = describe(&mut rig, &by_arn);
    assert_eq!(issued["Status"], "ISSUED", "what is issued stays so");
    assert_eq!(issued["NotAfter"], 4_102_444_799_i64);
    let whole = acm(&mut rig, "GetCertificate", by_arn.clone());
    for part in ["Certificate", "CertificateChain"] {
        assert!(text(&whole[part]).starts_with("-----BEGIN CERTIFICATE-----"), "{part}");
    }
    acm(&mut rig, "DeleteCertificate", by_arn.clone());
    let gone = rig.refuses("acm", "DescribeCertificate", by_arn);
    assert_eq!(gone.0, "ResourceNotFoundException");
}

#[test]
fn a_certificate_for_a_zone_elsewhere_or_by_mail_is_issued_at_once() {
    for method in ["DNS", "EMAIL"] {
        let mut rig = Rig::new();
        let by_arn = request(&mut rig, method);
        let issued = describe(&mut rig, &by_arn);
        assert_eq!(issued["Status"], "ISSUED", "{method}");
        assert!(issued["IssuedAt"].is_number());
    }
}

#[test]
fn no_private_key_is_kept_readable() {
    let mut rig = Rig::new();
    request(&mut rig, "DNS");
    let key = "-----BEGIN PRIVATE KEY-----\nnot for you\n-----END PRIVATE KEY-----\n";
    let import = json!({
        "Certificate": STANDARD.encode(CERTIFICATE),
        "PrivateKey": STANDARD.encode(key),
        "Tags": [{ "Key": "team", "Value": "a" }],
    });
    let by_arn = acm(&mut rig, "ImportCertificate", import);
    let imported = describe(&mut rig, &by_arn);
    assert_eq!((&imported["Type"], &imported["Status"]), (&json!("IMPORTED"), &json!("ISSUED")));
    assert_eq!(imported["DomainName"], "ec.shop.test");
    assert_eq!(imported["KeyAlgorithm"], "EC_prime256v1");
    let tags = acm(&mut rig, "ListTagsForCertificate", by_arn);
    assert_eq!(tags["Tags"], json!([{ "Key": "team", "Value": "a" }]));
    // The test's rooms mark what they have sealed.
    let records: Vec<&str> =
        rig.platform.notes_starting("record:acm/").map(|(_, text)| text).collect();
    assert_eq!(records.len(), 2);
    for record in records {
        let record: Value = serde_json::from_str(record).expect("JSON");
        assert!(text(&record["key"]).starts_with("sealed:"));
        assert_eq!(
            record.to_string().matches("PRIVATE KEY").count(),
            text(&record["key"]).matches("PRIVATE KEY").count()
        );
    }
    let broken =
        json!({ "Certificate": STANDARD.encode("no"), "PrivateKey": STANDARD.encode(key) });
    let refused = rig.refuses("acm", "ImportCertificate", broken);
    assert_eq!(refused.0, "InvalidParameterException");
}
