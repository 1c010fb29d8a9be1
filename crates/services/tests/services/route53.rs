//! Route 53: zones, and batches of changes that hold together.

use serde_json::{Value, json};

use crate::rig::{Rig, text};

fn call(rig: &mut Rig, name: &str, input: Value) -> Value {
    rig.call("route53", name, input).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn zone(rig: &mut Rig, name: &str) -> String {
    let input = json!({ "Name": name, "CallerReference": name });
    text(&call(rig, "CreateHostedZone", input)["HostedZone"]["Id"]).replace("/hostedzone/", "")
}

fn a(name: &str, value: &str) -> Value {
    json!({ "Name": name, "Type": "A", "TTL": 60, "ResourceRecords": [{ "Value": value }] })
}

fn batch(zone: &str, changes: &[(&str, Value)]) -> Value {
    let changes =
        changes.iter().map(|(action, set)| json!({ "Action": action, "ResourceRecordSet": set }));
    json!({ "HostedZoneId": zone, "ChangeBatch": { "Changes": changes.collect::<Value>() } })
}

fn names(listed: &Value) -> Vec<String> {
    let records = listed["ResourceRecordSets"].as_array().expect("list");
    records.iter().map(|r| format!("{} {}", text(&r["Name"]), text(&r["Type"]))).collect()
}

#[test]
fn a_zone_starts_with_its_servers_and_goes_when_it_is_empty() {
    let mut rig = Rig::new();
    let id = zone(&mut rig, "Shop.test");
    let by_id = json!({ "Id": id });
    let read = call(&mut rig, "GetHostedZone", by_id.clone());
    assert_eq!(read["HostedZone"]["Name"], "shop.test.");
    assert_eq!(read["HostedZone"]["ResourceRecordSetCount"], 2);
    let servers = read["DelegationSet"]["NameServers"].as_array().expect("list").len();
    let listed = call(&mut rig, "ListResourceRecordSets", json!({ "HostedZoneId": id }));
    assert_eq!(names(&listed), ["shop.test. NS", "shop.test. SOA"]);
    let values = &listed["ResourceRecordSets"][0]["ResourceRecords"];
    assert_eq!(values.as_array().expect("list").len(), servers);
    let again = json!({ "Name": "shop.test", "CallerReference": "Shop.test" });
    let error = rig.call("route53", "CreateHostedZone", again).expect_err("same reference");
    assert_eq!((error.code.as_str(), error.status), ("HostedZoneAlreadyExists", 409));
    let made = call(
        &mut rig,
        "ChangeResourceRecordSets",
        batch(&id, &[("CREATE", a("www.shop.test", "10.0.0.1"))]),
    );
    let change = call(&mut rig, "GetChange", json!({ "Id": made["ChangeInfo"]["Id"] }));
    assert_eq!(change["ChangeInfo"]["Status"], "INSYNC");
    assert_eq!(change["ChangeInfo"]["SubmittedAt"], made["ChangeInfo"]["SubmittedAt"]);
    assert_eq!(rig.refuses("route53", "DeleteHostedZone", by_id.clone()).0, "HostedZoneNotEmpty");
    call(
        &mut rig,
        "ChangeResourceRecordSets",
        batch(&id, &[("DELETE", a("www.shop.test", "10.0.0.1"))]),
    );
    call(&mut rig, "DeleteHostedZone", by_id.clone());
    let error = rig.call("route53", "GetHostedZone", by_id).expect_err("gone");
    assert_eq!((error.code.as_str(), error.status), ("NoSuchHostedZone", 404));
    let left = call(&mut rig, "GetHostedZoneCount", json!({}));
    assert_eq!(left["HostedZoneCount"], 0);
}

#[test]
fn a_batch_that_cannot_be_changes_nothing() {
    let mut rig = Rig::new();
    let id = zone(&mut rig, "shop.test");
    call(
        &mut rig,
        "ChangeResourceRecordSets",
        batch(&id, &[("CREATE", a("www.shop.test", "10.0.0.1"))]),
    );
    let cname = |name: &str| json!({ "Name": name, "Type": "CNAME", "TTL": 60, "ResourceRecords": [{ "Value": "x." }] });
    let weighted = |weight: u32| {
        let mut record = a("www.shop.test", "10.0.0.2");
        record["SetIdentifier"] = json!("one");
        record["Weight"] = json!(weight);
        record
    };
    let text_record = json!({ "Name": "t.shop.test", "Type": "TXT", "TTL": 60,
        "ResourceRecords": [{ "Value": "no quotes" }] });
    let alias = json!({ "Name": "b.shop.test", "Type": "A", "AliasTarget": {
        "HostedZoneId": id, "DNSName": "none.shop.test", "EvaluateTargetHealth": false } });
    let soa = {
        let listed = call(&mut rig, "ListResourceRecordSets", json!({ "HostedZoneId": id }));
        listed["ResourceRecordSets"][1].clone()
    };
    for (action, record, says) in [
        ("CREATE", a("www.shop.test", "10.0.0.2"), "but it already exists"),
        ("DELETE", a("none.shop.test", "10.0.0.2"), "but it was not found"),
        ("DELETE", a("www.shop.test", "10.0.0.2"), "do not match the current values"),
        ("UPSERT", a("www.other.test", "10.0.0.2"), "is not permitted in zone shop.test."),
        ("UPSERT", a("b.shop.test", "10.0.0"), "not a valid IPv4 address"),
        ("UPSERT", cname("shop.test"), "not permitted at apex"),
        ("UPSERT", cname("www.shop.test"), "conflicts with other records"),
        ("UPSERT", weighted(1), "another routing policy"),
        ("UPSERT", text_record, "enclosed in quotation marks"),
        ("UPSERT", alias, "that target was not found"),
        ("DELETE", soa, "exactly one SOA record"),
    ] {
        let changes = [("UPSERT", a("new.shop.test", "10.0.0.9")), (action, record)];
        let refused = rig.refuses("route53", "ChangeResourceRecordSets", batch(&id, &changes));
        assert_eq!(refused.0, "InvalidChangeBatch");
        assert!(refused.1.contains(says), "{} is not about {says}", refused.1);
    }
    let nothing = json!({ "Name": "n.shop.test", "Type": "A" });
    let refused =
        rig.refuses("route53", "ChangeResourceRecordSets", batch(&id, &[("UPSERT", nothing)]));
    assert_eq!(refused.0, "InvalidInput");
    let listed = call(&mut rig, "ListResourceRecordSets", json!({ "HostedZoneId": id }));
    assert_eq!(names(&listed), ["shop.test. NS", "shop.test. SOA", "www.shop.test. A"]);
}

#[test]
fn record_sets_are_listed_from_the_top_down_and_in_pages() {
    let mut rig = Rig::new();
    let id = zone(&mut rig, "shop.test");
    let weighted = |set: &str| {
        let mut record = a("w.shop.test", "10.0.0.2");
        record["SetIdentifier"] = json!(set);
        record["Weight"] = json!(10);
        record
    };
    let changes = [
        ("CREATE", a("b.shop.test", "10.0.0.1")),
        ("CREATE", a("*.b.shop.test", "10.0.0.1")),
        ("CREATE", a("a.shop.test", "10.0.0.1")),
        ("CREATE", weighted("two")),
        ("CREATE", weighted("one")),
    ];
    call(&mut rig, "ChangeResourceRecordSets", batch(&id, &changes));
    let mut input = json!({ "HostedZoneId": id, "MaxItems": "2" });
    let mut all = Vec::new();
    loop {
        let page = call(&mut rig, "ListResourceRecordSets", input.clone());
        all.extend(names(&page));
        if page["IsTruncated"] == false {
            break;
        }
        for (from, to) in [
            ("NextRecordName", "StartRecordName"),
            ("NextRecordType", "StartRecordType"),
            ("NextRecordIdentifier", "StartRecordIdentifier"),
        ] {
            input[to] = page.get(from).cloned().unwrap_or_default();
        }
    }
    assert_eq!(
        all,
        [
            "shop.test. NS",
            "shop.test. SOA",
            "a.shop.test. A",
            "b.shop.test. A",
            "\\052.b.shop.test. A",
            "w.shop.test. A",
            "w.shop.test. A",
        ]
    );
    let from = json!({ "HostedZoneId": id, "StartRecordName": "*.b.shop.test",
        "StartRecordType": "A", "MaxItems": "1" });
    assert_eq!(names(&call(&mut rig, "ListResourceRecordSets", from)), ["\\052.b.shop.test. A"]);
}

#[test]
fn zones_are_found_by_name_and_have_tags() {
    let mut rig = Rig::new();
    let ids: Vec<String> =
        ["b.test", "a.test", "c.a.test"].iter().map(|name| zone(&mut rig, name)).collect();
    let tags = json!({
        "ResourceType": "hostedzone",
        "ResourceId": ids[0],
        "AddTags": [{ "Key": "team", "Value": "a" }],
    });
    call(&mut rig, "ChangeTagsForResource", tags);
    let which = json!({ "ResourceType": "hostedzone", "ResourceId": ids[0] });
    let read = call(&mut rig, "ListTagsForResource", which);
    assert_eq!(read["ResourceTagSet"]["Tags"], json!([{ "Key": "team", "Value": "a" }]));
    let first = call(&mut rig, "ListHostedZonesByName", json!({ "MaxItems": "2" }));
    let names: Vec<&Value> =
        first["HostedZones"].as_array().expect("list").iter().map(|z| &z["Name"]).collect();
    assert_eq!(names, ["a.test.", "c.a.test."]);
    assert_eq!(first["NextDNSName"], "b.test.");
    let from = json!({ "DNSName": "b.test" });
    let second = call(&mut rig, "ListHostedZonesByName", from);
    assert_eq!(second["HostedZones"][0]["Name"], "b.test.");
    let page = call(&mut rig, "ListHostedZones", json!({ "MaxItems": "2" }));
    let rest = json!({ "Marker": page["NextMarker"] });
    assert_eq!(
        call(&mut rig, "ListHostedZones", rest)["HostedZones"].as_array().expect("list").len(),
        1
    );
}
