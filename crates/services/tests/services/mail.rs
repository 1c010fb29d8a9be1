//! SES: identities and configuration sets.

use serde_json::{Value, json};

use crate::rig::{Rig, text};

fn ses(rig: &mut Rig, name: &str, input: Value) -> Value {
    rig.call("ses", name, input).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn a_domain_is_verified_by_its_record_where_its_zone_is_here() {
    let mut rig = Rig::new();
    let domain = json!({ "Domain": "shop.test" });
    let asked = json!({ "Identities": ["shop.test", "other.test"] });
    let token = ses(&mut rig, "VerifyDomainIdentity", domain.clone())["VerificationToken"].clone();
    let status = |rig: &mut Rig| {
        let read = ses(rig, "GetIdentityVerificationAttributes", asked.clone());
        let all = read["VerificationAttributes"].as_object().expect("object").clone();
        assert_eq!(all.len(), 1, "only what is known");
        text(&all["shop.test"]["VerificationStatus"])
    };
    assert_eq!(status(&mut rig), "Success", "nobody here knows better");
    let zone = json!({ "Name": "shop.test", "CallerReference": "1" });
    let zone = rig.call("route53", "CreateHostedZone", zone).expect("made");
    assert_eq!(status(&mut rig), "Pending");
    let change = json!({ "HostedZoneId": zone["HostedZone"]["Id"], "ChangeBatch": { "Changes": [{
        "Action": "CREATE",
        "ResourceRecordSet": {
            "Name": "_amazonses.shop.test",
            "Type": "TXT",
            "TTL": 60,
            "ResourceRecords": [{ "Value": format!("\"{}\"", text(&token)) }],
        },
    }] } });
    rig.call("route53", "ChangeResourceRecordSets", change).expect("made");
    assert_eq!(status(&mut rig), "Success");
    let again = ses(&mut rig, "VerifyDomainIdentity", domain.clone());
    assert_eq!(again["VerificationToken"], token);
    let tokens = ses(&mut rig, "VerifyDomainDkim", domain);
    assert_eq!(tokens["DkimTokens"].as_array().expect("list").len(), 3);
    let read = ses(&mut rig, "GetIdentityDkimAttributes", asked);
    assert_eq!(read["DkimAttributes"]["shop.test"]["DkimVerificationStatus"], "Pending");
}

#[test]
fn a_mail_from_domain_lies_below_its_identity() {
    let mut rig = Rig::new();
    ses(&mut rig, "VerifyDomainIdentity", json!({ "Domain": "shop.test" }));
    let set = |from: &str| json!({ "Identity": "shop.test", "MailFromDomain": from });
    let refused = rig.refuses("ses", "SetIdentityMailFromDomain", set("mail.other.test"));
    assert_eq!(refused.0, "InvalidParameterValue");
    ses(&mut rig, "SetIdentityMailFromDomain", set("mail.shop.test"));
    let asked = json!({ "Identities": ["shop.test"] });
    let read = ses(&mut rig, "GetIdentityMailFromDomainAttributes", asked.clone());
    let own = &read["MailFromDomainAttributes"]["shop.test"];
    assert_eq!(own["BehaviorOnMXFailure"], "UseDefaultValue");
    ses(&mut rig, "SetIdentityMailFromDomain", json!({ "Identity": "shop.test" }));
    let read = ses(&mut rig, "GetIdentityMailFromDomainAttributes", asked);
    assert_eq!(read["MailFromDomainAttributes"], json!({}));
}

#[test]
fn a_configuration_set_has_options_and_destinations() {
    let mut rig = Rig::new();
    let create = json!({ "ConfigurationSet": { "Name": "mail" } });
    ses(&mut rig, "CreateConfigurationSet", create.clone());
    let refused = rig.refuses("ses", "CreateConfigurationSet", create);
    assert_eq!(refused.0, "ConfigurationSetAlreadyExists");
    let destination = |topic: &str| {
        json!({ "ConfigurationSetName": "mail", "EventDestination": {
            "Name": "bounces",
            "Enabled": true,
            "MatchingEventTypes": ["bounce"],
            "SNSDestination": { "TopicARN": topic },
        } })
    };
    ses(&mut rig, "CreateConfigurationSetEventDestination", destination("arn:a"));
    ses(&mut rig, "UpdateConfigurationSetEventDestination", destination("arn:b"));
    let off = json!({ "ConfigurationSetName": "mail", "Enabled": false });
    ses(&mut rig, "UpdateConfigurationSetSendingEnabled", off);
    let tls =
        json!({ "ConfigurationSetName": "mail", "DeliveryOptions": { "TlsPolicy": "Require" } });
    ses(&mut rig, "PutConfigurationSetDeliveryOptions", tls);
    let wanted = ["eventDestinations", "deliveryOptions", "reputationOptions"];
    let read = json!({ "ConfigurationSetName": "mail", "ConfigurationSetAttributeNames": wanted });
    let read = ses(&mut rig, "DescribeConfigurationSet", read);
    assert_eq!(read["EventDestinations"][0]["SNSDestination"]["TopicARN"], "arn:b");
    assert_eq!(read["DeliveryOptions"]["TlsPolicy"], "Require");
    assert_eq!(read["ReputationOptions"]["SendingEnabled"], false);
    let plain = json!({ "ConfigurationSetName": "mail" });
    let read = ses(&mut rig, "DescribeConfigurationSet", plain.clone());
    assert_eq!(read.as_object().expect("object").len(), 1, "only what was asked for");
    let gone = json!({ "ConfigurationSetName": "mail", "EventDestinationName": "none" });
    let refused = rig.refuses("ses", "DeleteConfigurationSetEventDestination", gone);
    assert_eq!(refused.0, "EventDestinationDoesNotExist");
    ses(&mut rig, "DeleteConfigurationSet", plain.clone());
    let refused = rig.refuses("ses", "DescribeConfigurationSet", plain);
    assert_eq!(refused.0, "ConfigurationSetDoesNotExist");
}
