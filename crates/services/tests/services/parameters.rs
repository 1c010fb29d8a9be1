//! The Parameter Store of Systems Manager.

use serde_json::{Value, json};

use crate::rig::{Rig, text};

fn ssm(rig: &mut Rig, name: &str, input: Value) -> Value {
    rig.call("ssm", name, input).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn put(rig: &mut Rig, name: &str, kind: &str, value: &str) {
    let input = json!({ "Name": name, "Type": kind, "Value": value, "Overwrite": true });
    ssm(rig, "PutParameter", input);
}

fn names(list: &Value) -> Vec<String> {
    list.as_array().expect("a list").iter().map(|found| text(&found["Name"])).collect()
}

/// ERR-SSM-1, and as Terraform's `aws_ssm_parameter` reads it back.
#[test]
fn a_parameter_is_read_as_it_was_put() {
    let mut rig = Rig::new();
    let input = json!({
        "Name": "/shop/url", "Type": "String", "Value": "http://x", "Description": "where",
        "Tags": [{ "Key": "env", "Value": "prod" }],
    });
    assert_eq!(
        ssm(&mut rig, "PutParameter", input.clone()),
        json!({ "Version": 1, "Tier": "Standard" })
    );
    let found = ssm(&mut rig, "GetParameter", json!({ "Name": "/shop/url" }));
    let arn = "arn:aws:ssm:us-east-1:000000000000:parameter/shop/url";
    assert_eq!(
        found["Parameter"],
        json!({
            "Name": "/shop/url", "Type": "String", "Value": "http://x", "Version": 1,
            "LastModifiedDate": rig.now.0 as f64 / 1000.0, "ARN": arn, "DataType": "text",
        })
    );
    assert_eq!(rig.refuses("ssm", "PutParameter", input).0, "ParameterAlreadyExists");
    put(&mut rig, "/shop/url", "String", "http://y");
    for (name, value) in [("/shop/url:1", "http://x"), (arn, "http://y")] {
        let found = ssm(&mut rig, "GetParameter", json!({ "Name": name }));
        assert_eq!(found["Parameter"]["Value"], value, "{name}");
    }
    let described = ssm(
        &mut rig,
        "DescribeParameters",
        json!({ "ParameterFilters": [{ "Key": "Name", "Option": "Equals", "Values": ["/shop/url"] }] }),
    );
    let described = &described["Parameters"][0];
    assert_eq!((&described["Description"], &described["Version"]), (&json!("where"), &json!(2)));
    let tags = json!({ "ResourceType": "Parameter", "ResourceId": "/shop/url" });
    let listed = ssm(&mut rig, "ListTagsForResource", tags);
    assert_eq!(listed["TagList"], json!([{ "Key": "env", "Value": "prod" }]));
    assert_eq!(
        rig.refuses("ssm", "GetParameter", json!({ "Name": "/shop/url:9" })).0,
        "ParameterVersionNotFound"
    );
    ssm(&mut rig, "DeleteParameter", json!({ "Name": "/shop/url" }));
    let (code, message) = rig.refuses("ssm", "GetParameter", json!({ "Name": "/shop/url" }));
    assert_eq!((code.as_str(), message.as_str()), ("ParameterNotFound", ""));
    let several = ssm(&mut rig, "GetParameters", json!({ "Names": ["/shop/url"] }));
    assert_eq!(several["InvalidParameters"], json!(["/shop/url"]));
}

/// ECS-TD-19: a container is given the same value.
#[test]
fn a_secure_string_is_opened_for_those_who_ask() {
    let mut rig = Rig::new();
    put(&mut rig, "key", "SecureString", "hunter2");
    let closed = ssm(&mut rig, "GetParameter", json!({ "Name": "key" }));
    assert_eq!(closed["Parameter"]["Value"], "sealed:hunter2");
    let open = ssm(&mut rig, "GetParameter", json!({ "Name": "key", "WithDecryption": true }));
    assert_eq!(open["Parameter"]["Value"], "hunter2");
    let found = rig.platform.find_value("arn:aws:ssm:us-east-1:000000000000:parameter/key");
    assert_eq!(found.map(|found| found.value.0.clone()), Ok("sealed:hunter2".to_owned()));
    let described = ssm(&mut rig, "DescribeParameters", json!({}));
    assert_eq!(described["Parameters"][0]["KeyId"], "alias/aws/ssm");
    // A value of type String is sealed where it is kept, too.
    put(&mut rig, "plain", "String", "swordfish");
    let kept = serde_json::to_string(&rig.platform).expect("JSON");
    assert!(!kept.replace("sealed:swordfish", "").contains("swordfish"));
}

#[test]
fn parameters_are_found_by_path_and_filter() {
    let mut rig = Rig::new();
    for name in ["/shop/a", "/shop/b", "/shop/deep/c", "d"] {
        put(&mut rig, name, "String", name);
    }
    put(&mut rig, "/shop/s", "SecureString", "s");
    let by_path = |rig: &mut Rig, members: Value| {
        let mut input = json!({ "Path": "/shop" });
        input
            .as_object_mut()
            .expect("object")
            .extend(members.as_object().cloned().expect("object"));
        ssm(rig, "GetParametersByPath", input)
    };
    let found = by_path(&mut rig, json!({}));
    assert_eq!(names(&found["Parameters"]), ["/shop/a", "/shop/b", "/shop/s"]);
    let found = by_path(&mut rig, json!({ "Recursive": true, "MaxResults": 3 }));
    assert_eq!(names(&found["Parameters"]), ["/shop/a", "/shop/b", "/shop/deep/c"]);
    let rest = json!({ "Recursive": true, "NextToken": found["NextToken"] });
    assert_eq!(names(&by_path(&mut rig, rest)["Parameters"]), ["/shop/s"]);
    for (filter, expected) in [
        (json!({ "Key": "Type", "Values": ["SecureString"] }), vec!["/shop/s"]),
        (json!({ "Key": "Name", "Option": "Contains", "Values": ["deep"] }), vec!["/shop/deep/c"]),
        (
            json!({ "Key": "Path", "Option": "OneLevel", "Values": ["/shop/deep"] }),
            vec!["/shop/deep/c"],
        ),
        (json!({ "Key": "Name", "Option": "BeginsWith", "Values": ["d"] }), vec!["d"]),
    ] {
        let input = json!({ "ParameterFilters": [filter.clone()] });
        let found = ssm(&mut rig, "DescribeParameters", input);
        assert_eq!(names(&found["Parameters"]), expected, "{filter}");
    }
    let wrong = json!({ "ParameterFilters": [{ "Key": "Colour", "Values": ["red"] }] });
    assert_eq!(rig.refuses("ssm", "DescribeParameters", wrong).0, "InvalidFilterKey");
    let deleted = ssm(&mut rig, "DeleteParameters", json!({ "Names": ["d", "none"] }));
    assert_eq!(
        (&deleted["DeletedParameters"], &deleted["InvalidParameters"]),
        (&json!(["d"]), &json!(["none"]))
    );
}

#[test]
fn versions_are_kept_with_what_came_with_them() {
    let mut rig = Rig::new();
    put(&mut rig, "/a", "String", "one");
    put(&mut rig, "/a", "String", "two");
    let label = |version: u64| json!({ "Name": "/a", "ParameterVersion": version, "Labels": ["live", "1st"] });
    let answer = ssm(&mut rig, "LabelParameterVersion", label(1));
    assert_eq!(answer, json!({ "InvalidLabels": ["1st"], "ParameterVersion": 1 }));
    let live = ssm(&mut rig, "GetParameter", json!({ "Name": "/a:live" }));
    assert_eq!(
        (&live["Parameter"]["Value"], &live["Parameter"]["Selector"]),
        (&json!("one"), &json!(":live"))
    );
    ssm(&mut rig, "LabelParameterVersion", label(2));
    let history = ssm(&mut rig, "GetParameterHistory", json!({ "Name": "/a" }));
    let labels: Vec<_> = history["Parameters"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|version| (version["Value"].clone(), version["Labels"].clone()))
        .collect();
    assert_eq!(labels, [(json!("one"), json!([])), (json!("two"), json!(["live"]))]);
    let answer = ssm(&mut rig, "UnlabelParameterVersion", label(2));
    assert_eq!(answer, json!({ "RemovedLabels": ["live"], "InvalidLabels": ["1st"] }));
    // A value that came another way is a version like the others.
    let command = neargate_core::input::Command::PutParameter {
        name: "/a".into(),
        value: neargate_core::secrets::Sealed("sealed:three".into()),
    };
    rig.commands(vec![command]);
    let newest = ssm(&mut rig, "GetParameter", json!({ "Name": "/a" }));
    let newest = &newest["Parameter"];
    assert_eq!(
        (&newest["Value"], &newest["Version"], &newest["Type"]),
        (&json!("three"), &json!(3), &json!("String"))
    );
}

/// A hundred versions are kept. What came with a version goes with it, and all of it with the
/// parameter.
#[test]
fn versions_are_forgotten_with_what_came_with_them() {
    let mut rig = Rig::new();
    let kept = |rig: &Rig| rig.platform.notes_starting("record:ssm/parameter-version/").count();
    put(&mut rig, "/ab", "String", "another");
    for number in 0..101 {
        put(&mut rig, "/a", "String", &format!("value {number}"));
    }
    assert_eq!(kept(&rig), 101);
    let history = ssm(&mut rig, "GetParameterHistory", json!({ "Name": "/a", "MaxResults": 1 }));
    assert_eq!(history["Parameters"][0]["Version"], 2);
    let label = json!({ "Name": "/a", "ParameterVersion": 2, "Labels": ["live"] });
    ssm(&mut rig, "LabelParameterVersion", label.clone());
    let input = json!({ "Name": "/a", "Value": "one too many", "Overwrite": true });
    let (code, why) = rig.refuses("ssm", "PutParameter", input.clone());
    assert_eq!(code, "ParameterMaxVersionLimitExceeded");
    assert!(why.contains("live"), "{why}");
    ssm(&mut rig, "UnlabelParameterVersion", label);
    assert_eq!(ssm(&mut rig, "PutParameter", input)["Version"], 102);
    ssm(&mut rig, "DeleteParameter", json!({ "Name": "/a" }));
    assert_eq!(kept(&rig), 1);
}

#[test]
fn values_and_names_have_their_bounds() {
    let mut rig = Rig::new();
    let input = |name: &str, value: &str| json!({ "Name": name, "Type": "String", "Value": value });
    for (name, code) in [
        ("/aws/mine", "AccessDeniedException"),
        ("ssm-mine", "ValidationException"),
        ("a/b", "ValidationException"),
        ("/a b", "ValidationException"),
        ("/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16", "HierarchyLevelLimitExceededException"),
    ] {
        assert_eq!(rig.refuses("ssm", "PutParameter", input(name, "x")).0, code, "{name}");
    }
    let long = "x".repeat(4097);
    assert_eq!(rig.refuses("ssm", "PutParameter", input("/a", &long)).0, "ValidationException");
    let mut tiered = input("/a", &long);
    tiered["Tier"] = json!("Intelligent-Tiering");
    assert_eq!(ssm(&mut rig, "PutParameter", tiered)["Tier"], "Advanced");
    let untyped = json!({ "Name": "/b", "Value": "x" });
    assert_eq!(rig.refuses("ssm", "PutParameter", untyped).0, "ValidationException");
}

/// Terraform's data sources read it before they make a task definition.
#[test]
fn public_parameters_are_there() {
    let mut rig = Rig::new();
    let name = "/aws/service/aws-for-fluent-bit/stable";
    let found = ssm(&mut rig, "GetParameter", json!({ "Name": name }));
    let value = text(&found["Parameter"]["Value"]);
    assert!(value.starts_with("906394416424.dkr.ecr.us-east-1.amazonaws.com/"), "{value}");
    let path = json!({ "Path": "/aws/service/aws-for-fluent-bit" });
    let found = ssm(&mut rig, "GetParametersByPath", path);
    assert_eq!(found["Parameters"].as_array().map(Vec::len), Some(2));
}
