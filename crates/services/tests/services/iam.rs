//! IAM: documents are kept as sent, and things go in the order that IAM demands.

use serde_json::{Value, json};

use crate::rig::Rig;

const EXECUTION: &str = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy";

fn trust() -> String {
    let text = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole",
        "Principal":{"Service":"ecs-tasks.amazonaws.com"}}]}"#;
    text.to_owned()
}

fn allow(action: &str) -> String {
    let statement = json!([{ "Effect": "Allow", "Action": action, "Resource": "*" }]);
    json!({ "Version": "2012-10-17", "Statement": statement }).to_string()
}

fn iam(rig: &mut Rig, name: &str, input: Value) -> Value {
    rig.call("iam", name, input).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn refuses(rig: &mut Rig, name: &str, input: Value) -> (String, String) {
    let error = rig.call("iam", name, input).expect_err(name);
    (error.code, error.message)
}

fn create_role(rig: &mut Rig, name: &str) -> Value {
    let input = json!({
        "RoleName": name,
        "Path": "/shop/",
        "AssumeRolePolicyDocument": trust(),
        "Tags": [{ "Key": "team", "Value": "a" }],
    });
    iam(rig, "CreateRole", input)["Role"].clone()
}

fn decoded(text: &Value) -> String {
    let text = text.as_str().expect("text");
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let hex = [rest.next().expect("hex"), rest.next().expect("hex")];
                let hex = std::str::from_utf8(&hex).expect("hex");
                u8::from_str_radix(hex, 16).expect("hex")
            }
            _ => byte,
        });
    }
    String::from_utf8(bytes).expect("text")
}

#[test]
fn a_role_comes_back_as_it_was_made_and_changed() {
    let mut rig = Rig::new();
    let role = create_role(&mut rig, "task");
    assert_eq!(role["Arn"], "arn:aws:iam::000000000000:role/shop/task");
    assert_eq!(role["MaxSessionDuration"], 3600);
    assert_eq!(decoded(&role["AssumeRolePolicyDocument"]), trust(), "every blank is as sent");
    let name = json!({ "RoleName": "task" });
    let with = |member: &str, value: Value| {
        let mut input = name.clone();
        input[member] = value;
        input
    };
    iam(&mut rig, "UpdateRole", with("MaxSessionDuration", json!(7200)));
    iam(&mut rig, "UpdateRoleDescription", with("Description", json!("of the shop")));
    iam(&mut rig, "PutRolePermissionsBoundary", with("PermissionsBoundary", json!(EXECUTION)));
    iam(&mut rig, "TagRole", with("Tags", json!([{ "Key": "env", "Value": "dev" }])));
    iam(&mut rig, "UntagRole", with("TagKeys", json!(["team"])));
    let other = trust().replace("ecs-tasks", "ecs");
    iam(&mut rig, "UpdateAssumeRolePolicy", with("PolicyDocument", json!(other)));
    let read = iam(&mut rig, "GetRole", name.clone())["Role"].clone();
    assert_eq!(read["RoleId"], role["RoleId"]);
    assert_eq!(read["MaxSessionDuration"], 7200);
    assert_eq!(read["Description"], "of the shop");
    assert_eq!(read["PermissionsBoundary"]["PermissionsBoundaryArn"], EXECUTION);
    assert_eq!(read["Tags"], json!([{ "Key": "env", "Value": "dev" }]));
    assert_eq!(decoded(&read["AssumeRolePolicyDocument"]), other);
    let listed = iam(&mut rig, "ListRoles", json!({ "PathPrefix": "/shop/" }));
    assert_eq!(listed["Roles"][0]["RoleName"], "task");
    let none = iam(&mut rig, "ListRoles", json!({ "PathPrefix": "/other/" }));
    assert_eq!(none["Roles"], json!([]));
    let again = json!({ "RoleName": "task", "AssumeRolePolicyDocument": trust() });
    assert_eq!(refuses(&mut rig, "CreateRole", again).0, "EntityAlreadyExists");
    let broken = json!({ "RoleName": "x", "AssumeRolePolicyDocument": "{" });
    assert_eq!(refuses(&mut rig, "CreateRole", broken).0, "MalformedPolicyDocument");
    let gone = refuses(&mut rig, "GetRole", json!({ "RoleName": "none" }));
    assert_eq!(gone.0, "NoSuchEntity");
    assert_eq!(gone.1, "The role with name none cannot be found.");
}

#[test]
fn a_role_goes_only_when_nothing_hangs_on_it() {
    let mut rig = Rig::new();
    create_role(&mut rig, "task");
    let role = || json!({ "RoleName": "task" });
    let attach = json!({ "RoleName": "task", "PolicyArn": EXECUTION });
    iam(&mut rig, "AttachRolePolicy", attach.clone());
    let text = allow("sqs:*");
    let put = json!({ "RoleName": "task", "PolicyName": "queue", "PolicyDocument": text });
    iam(&mut rig, "PutRolePolicy", put);
    iam(&mut rig, "CreateInstanceProfile", json!({ "InstanceProfileName": "host" }));
    let profile = json!({ "InstanceProfileName": "host", "RoleName": "task" });
    iam(&mut rig, "AddRoleToInstanceProfile", profile.clone());

    let inline = json!({ "RoleName": "task", "PolicyName": "queue" });
    let read = iam(&mut rig, "GetRolePolicy", inline.clone());
    assert_eq!(decoded(&read["PolicyDocument"]), text);
    assert_eq!(iam(&mut rig, "ListRolePolicies", role())["PolicyNames"], json!(["queue"]));
    let attached = iam(&mut rig, "ListAttachedRolePolicies", role());
    assert_eq!(
        attached["AttachedPolicies"],
        json!([{ "PolicyName": "AmazonECSTaskExecutionRolePolicy", "PolicyArn": EXECUTION }])
    );
    let who = iam(&mut rig, "ListEntitiesForPolicy", json!({ "PolicyArn": EXECUTION }));
    assert_eq!(who["PolicyRoles"][0]["RoleName"], "task");

    for (operation, input, says) in [
        ("DetachRolePolicy", attach, "detach all policies"),
        ("DeleteRolePolicy", inline, "delete policies first"),
        ("RemoveRoleFromInstanceProfile", profile, "remove roles from instance profile"),
    ] {
        let (code, why) = refuses(&mut rig, "DeleteRole", role());
        assert_eq!(code, "DeleteConflict");
        assert!(why.contains(says), "{why}");
        iam(&mut rig, operation, input.clone());
        assert_eq!(refuses(&mut rig, operation, input).0, "NoSuchEntity", "{operation} twice");
    }
    iam(&mut rig, "DeleteRole", role());
    assert_eq!(refuses(&mut rig, "DeleteRole", role()).0, "NoSuchEntity");
    let unknown = json!({ "RoleName": "task", "PolicyArn": "arn:aws:iam::aws:policy/None" });
    create_role(&mut rig, "task");
    let (code, why) = refuses(&mut rig, "AttachRolePolicy", unknown);
    assert_eq!(code, "NoSuchEntity");
    assert!(why.contains("not attachable"), "{why}");
}

#[test]
fn a_managed_policy_has_five_versions_at_most_and_one_in_force() {
    let mut rig = Rig::new();
    create_role(&mut rig, "task");
    let input = json!({ "PolicyName": "queue", "PolicyDocument": allow("sqs:A") });
    let policy = iam(&mut rig, "CreatePolicy", input.clone())["Policy"].clone();
    assert_eq!(refuses(&mut rig, "CreatePolicy", input).0, "EntityAlreadyExists");
    let arn = policy["Arn"].clone();
    assert_eq!(arn, "arn:aws:iam::000000000000:policy/queue");
    for version in 2..=5 {
        let input = json!({
            "PolicyArn": arn,
            "PolicyDocument": allow(&format!("sqs:{version}")),
            "SetAsDefault": true,
        });
        let made = iam(&mut rig, "CreatePolicyVersion", input);
        assert_eq!(made["PolicyVersion"]["VersionId"], format!("v{version}"));
    }
    let more = json!({ "PolicyArn": arn, "PolicyDocument": allow("sqs:6") });
    assert_eq!(refuses(&mut rig, "CreatePolicyVersion", more.clone()).0, "LimitExceeded");
    let version = |id: &str| json!({ "PolicyArn": arn, "VersionId": id });
    let (code, _) = refuses(&mut rig, "DeletePolicyVersion", version("v5"));
    assert_eq!(code, "DeleteConflict", "it is the default");
    iam(&mut rig, "SetDefaultPolicyVersion", version("v1"));
    iam(&mut rig, "DeletePolicyVersion", version("v5"));
    let sixth = iam(&mut rig, "CreatePolicyVersion", more);
    assert_eq!(sixth["PolicyVersion"]["VersionId"], "v6", "no number comes twice");
    let read = iam(&mut rig, "GetPolicyVersion", version("v1"));
    assert_eq!(decoded(&read["PolicyVersion"]["Document"]), allow("sqs:A"));
    assert_eq!(read["PolicyVersion"]["IsDefaultVersion"], true);

    let by_arn = json!({ "PolicyArn": arn });
    let attach = json!({ "RoleName": "task", "PolicyArn": arn });
    iam(&mut rig, "AttachRolePolicy", attach.clone());
    let read = iam(&mut rig, "GetPolicy", by_arn.clone());
    assert_eq!(read["Policy"]["AttachmentCount"], 1);
    assert!(refuses(&mut rig, "DeletePolicy", by_arn.clone()).1.contains("attached to entities"));
    iam(&mut rig, "DetachRolePolicy", attach);
    assert!(refuses(&mut rig, "DeletePolicy", by_arn.clone()).1.contains("more than one version"));
    let listed = iam(&mut rig, "ListPolicyVersions", by_arn.clone());
    let ids: Vec<&Value> =
        listed["Versions"].as_array().expect("list").iter().map(|v| &v["VersionId"]).collect();
    assert_eq!(ids, ["v6", "v4", "v3", "v2", "v1"]);
    for id in ["v2", "v3", "v4", "v6"] {
        iam(&mut rig, "DeletePolicyVersion", version(id));
    }
    iam(&mut rig, "DeletePolicy", by_arn.clone());
    assert_eq!(refuses(&mut rig, "GetPolicy", by_arn).0, "NoSuchEntity");
}

#[test]
fn aws_managed_policies_exist_and_lists_come_in_pages() {
    let mut rig = Rig::new();
    let read = iam(&mut rig, "GetPolicy", json!({ "PolicyArn": EXECUTION }))["Policy"].clone();
    let version = json!({ "PolicyArn": EXECUTION, "VersionId": read["DefaultVersionId"] });
    let document = iam(&mut rig, "GetPolicyVersion", version);
    assert!(decoded(&document["PolicyVersion"]["Document"]).contains("ecr:GetAuthorizationToken"));
    let mut input = json!({ "Scope": "AWS", "PathPrefix": "/job-function/", "MaxItems": 3 });
    let mut names = Vec::new();
    loop {
        let page = iam(&mut rig, "ListPolicies", input.clone());
        let policies = page["Policies"].as_array().expect("list");
        names.extend(policies.iter().map(|policy| policy["PolicyName"].clone()));
        match page.get("Marker") {
            Some(marker) => input["Marker"] = marker.clone(),
            None => break,
        }
    }
    assert!(names.len() > 3 && names.contains(&json!("ViewOnlyAccess")), "{names:?}");
}

#[test]
fn a_role_of_a_service_is_changed_by_nobody_else() {
    let mut rig = Rig::new();
    let input = json!({ "AWSServiceName": "ecs.application-autoscaling.amazonaws.com" });
    let role = iam(&mut rig, "CreateServiceLinkedRole", input)["Role"].clone();
    let name = json!({ "RoleName": "AWSServiceRoleForApplicationAutoScaling_ECSService" });
    assert_eq!(role["RoleName"], name["RoleName"]);
    assert_eq!(refuses(&mut rig, "DeleteRole", name.clone()).0, "UnmodifiableEntity");
    let task = iam(&mut rig, "DeleteServiceLinkedRole", name.clone());
    let status = iam(&mut rig, "GetServiceLinkedRoleDeletionStatus", task);
    assert_eq!(status["Status"], "SUCCEEDED");
    assert_eq!(refuses(&mut rig, "GetRole", name).0, "NoSuchEntity");
}

#[test]
fn an_identity_provider_is_known_by_its_url() {
    let mut rig = Rig::new();
    let input = json!({
        "Url": "https://token.actions.githubusercontent.com",
        "ClientIDList": ["sts.amazonaws.com"],
        "ThumbprintList": ["6938fd4d98bab03faadb97b34396831e3780aea1"],
    });
    let made = iam(&mut rig, "CreateOpenIDConnectProvider", input.clone());
    let arn = "arn:aws:iam::000000000000:oidc-provider/token.actions.githubusercontent.com";
    assert_eq!(made["OpenIDConnectProviderArn"], arn);
    assert_eq!(refuses(&mut rig, "CreateOpenIDConnectProvider", input).0, "EntityAlreadyExists");
    let client = json!({ "OpenIDConnectProviderArn": arn, "ClientID": "other" });
    iam(&mut rig, "AddClientIDToOpenIDConnectProvider", client);
    let by_arn = json!({ "OpenIDConnectProviderArn": arn });
    let read = iam(&mut rig, "GetOpenIDConnectProvider", by_arn.clone());
    assert_eq!(read["Url"], "token.actions.githubusercontent.com");
    assert_eq!(read["ClientIDList"], json!(["sts.amazonaws.com", "other"]));
    iam(&mut rig, "DeleteOpenIDConnectProvider", by_arn.clone());
    assert_eq!(refuses(&mut rig, "GetOpenIDConnectProvider", by_arn).0, "NoSuchEntity");
}
