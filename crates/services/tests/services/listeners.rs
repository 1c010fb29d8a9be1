//! Listeners and their rules.

use serde_json::{Value, json};

use crate::rig::{Rig, text};

fn rule(rig: &mut Rig, listener: &str, priority: u32) -> String {
    let rule = rig.elb(
        "CreateRule",
        json!({
            "ListenerArn": listener,
            "Priority": priority,
            "Conditions": [{ "Field": "path-pattern", "Values": [format!("/{priority}/*")] }],
            "Actions": [fixed("200")],
            "Tags": [{ "Key": "made", "Value": priority.to_string() }],
        }),
    );
    text(&rule["Rules"][0]["RuleArn"])
}

fn fixed(code: &str) -> Value {
    json!({
        "Type": "fixed-response",
        "FixedResponseConfig": { "StatusCode": code, "ContentType": "text/plain", "MessageBody": "x" },
    })
}

fn priorities(rig: &mut Rig, listener: &str) -> Vec<(String, String)> {
    let rules = rig.elb("DescribeRules", json!({ "ListenerArn": listener }));
    let rules = rules["Rules"].as_array().expect("a list").clone();
    rules.iter().map(|r| (text(&r["Priority"]), text(&r["RuleArn"]))).collect()
}

/// ALB-RULE-1, ALB-RULE-2, ALB-HDR-10.
#[test]
fn rules_keep_their_arns_when_priorities_change() {
    let mut rig = Rig::new();
    let (_, _, listener) = rig.create_load_balancer();
    let (ten, twenty) = (rule(&mut rig, &listener, 10), rule(&mut rig, &listener, 20));
    let all = priorities(&mut rig, &listener);
    let default = all[2].1.clone();
    let expected = [
        ("10".to_owned(), ten.clone()),
        ("20".into(), twenty.clone()),
        ("default".into(), default),
    ];
    assert_eq!(all, expected);
    // They change places, in one step.
    let swap = json!([
        { "RuleArn": ten, "Priority": 20 },
        { "RuleArn": twenty, "Priority": 10 },
    ]);
    rig.elb("SetRulePriorities", json!({ "RulePriorities": swap }));
    let all = priorities(&mut rig, &listener);
    assert_eq!((&all[0].1, &all[1].1), (&twenty, &ten));
    let found = rig.elb("DescribeRules", json!({ "RuleArns": [ten] }))["Rules"][0].clone();
    assert_eq!(
        (&found["Priority"], &found["Conditions"][0]["Values"][0]),
        (&json!("20"), &json!("/10/*"))
    );
    let tags = rig.elb("DescribeTags", json!({ "ResourceArns": [ten] }));
    assert_eq!(tags["TagDescriptions"][0]["Tags"][0]["Value"], "10", "tags stay with the rule");
    let onto = json!([{ "RuleArn": ten, "Priority": 10 }]);
    let refusal = rig.refuses("elbv2", "SetRulePriorities", json!({ "RulePriorities": onto }));
    assert_eq!(refusal, ("PriorityInUse".into(), "Priority '10' is currently in use".into()));
    // The place of a moved rule is free, and the new one there is another rule.
    let away = json!([{ "RuleArn": twenty, "Priority": 30 }]);
    rig.elb("SetRulePriorities", json!({ "RulePriorities": away }));
    let new = rule(&mut rig, &listener, 10);
    assert!(new != ten && new != twenty);
    rig.elb("DeleteRule", json!({ "RuleArn": twenty }));
    let all: Vec<String> =
        priorities(&mut rig, &listener).into_iter().map(|(_, arn)| arn).collect();
    assert_eq!(all[..2], [new, ten]);
    assert_eq!(rig.refuses("elbv2", "DeleteRule", json!({ "RuleArn": twenty })).0, "RuleNotFound");
    let default = json!({ "RuleArn": all[2] });
    assert_eq!(rig.refuses("elbv2", "DeleteRule", default).0, "OperationNotPermitted");
}

#[test]
fn rules_are_modified_in_place() {
    let mut rig = Rig::new();
    let (_, group, listener) = rig.create_load_balancer();
    let rule = rule(&mut rig, &listener, 5);
    let forward = json!({ "Type": "forward", "ForwardConfig": { "TargetGroups": [
        { "TargetGroupArn": group, "Weight": 3 },
    ]}});
    let change = json!({
        "RuleArn": rule,
        "Conditions": [{ "Field": "host-header", "HostHeaderConfig": { "Values": ["*.example.com"] } }],
        "Actions": [forward],
    });
    let changed = rig.elb("ModifyRule", change)["Rules"][0].clone();
    assert_eq!(changed["RuleArn"], json!(rule));
    assert_eq!(changed["Conditions"][0]["Values"], json!(["*.example.com"]));
    assert_eq!(changed["Actions"][0]["TargetGroupArn"], json!(group), "ALB-ACT-2");
    assert_eq!(changed["Actions"][0]["ForwardConfig"]["TargetGroups"][0]["Weight"], 3);
}

#[test]
fn redirects_come_back_complete() {
    let mut rig = Rig::new();
    let (balancer, ..) = rig.create_load_balancer();
    let config = json!({ "Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301" });
    let listener = rig.elb(
        "CreateListener",
        json!({
            "LoadBalancerArn": balancer,
            "Port": 8081,
            "Protocol": "HTTP",
            "DefaultActions": [{ "Type": "redirect", "RedirectConfig": config }],
        }),
    );
    assert_eq!(
        listener["Listeners"][0]["DefaultActions"][0]["RedirectConfig"],
        json!({
            "Protocol": "HTTPS",
            "Host": "#{host}",
            "Port": "443",
            "Path": "/#{path}",
            "Query": "#{query}",
            "StatusCode": "HTTP_301",
        }),
        "ALB-ACT-5"
    );
    let spec = rig.platform.load_balancer("lb").expect("there").listeners[&8081].spec.clone();
    assert_eq!(spec.host_port, 8081, "the same port of this machine where it is free");
}

/// A listener that moves to another port stays the same listener.
#[test]
fn listeners_keep_their_arn_when_the_port_changes() {
    let mut rig = Rig::new();
    let (balancer, _, listener) = rig.create_load_balancer();
    let rule = rule(&mut rig, &listener, 1);
    let moved = rig.elb("ModifyListener", json!({ "ListenerArn": listener, "Port": 8080 }));
    assert_eq!(moved["Listeners"][0]["ListenerArn"], json!(listener));
    assert_eq!(moved["Listeners"][0]["Port"], 8080);
    assert_eq!(priorities(&mut rig, &listener)[0].1, rule);
    let second = json!({
        "LoadBalancerArn": balancer,
        "Port": 80,
        "Protocol": "HTTP",
        "DefaultActions": [fixed("404")],
    });
    let second = text(&rig.elb("CreateListener", second)["Listeners"][0]["ListenerArn"]);
    assert_ne!(second, listener);
    let all = rig.elb("DescribeListeners", json!({ "LoadBalancerArn": balancer }));
    assert_eq!(all["Listeners"].as_array().map(Vec::len), Some(2));
}

/// ERR-ELB-2, ERR-ELB-6, ERR-ELB-7, ALB-RULE-*, ALB-ACT-*.
#[test]
fn err_elb_refusals_of_listeners_and_rules() {
    let mut rig = Rig::new();
    let (balancer, _, listener) = rig.create_load_balancer();
    let on_80 = |action: Value| json!({ "LoadBalancerArn": balancer, "Port": 80, "Protocol": "HTTP", "DefaultActions": [action] });
    let (code, message) = rig.refuses("elbv2", "CreateListener", on_80(fixed("404")));
    assert_eq!(code, "DuplicateListener");
    let expected =
        format!("A listener already exists on this port for this load balancer '{balancer}'");
    assert_eq!(message, expected);
    let (code, message) = rig.refuses("elbv2", "DescribeListeners", json!({}));
    assert_eq!(code, "ValidationError");
    assert_eq!(message, "You must specify either listener ARNs or a load balancer ARN");
    let tls = json!({ "LoadBalancerArn": balancer, "Port": 443, "Protocol": "HTTPS", "DefaultActions": [] });
    assert_eq!(rig.refuses("elbv2", "CreateListener", tls).0, "ValidationError");
    let udp = json!({ "LoadBalancerArn": balancer, "Port": 443, "Protocol": "UDP", "DefaultActions": [] });
    assert_eq!(rig.refuses("elbv2", "CreateListener", udp).0, "UnsupportedProtocol");
    rule(&mut rig, &listener, 10);
    let path = json!({ "Field": "path-pattern", "Values": ["/a"] });
    for (priority, condition, action, code) in [
        (10, path.clone(), fixed("200"), "PriorityInUse"),
        (0, path.clone(), fixed("200"), "ValidationError"),
        (50_001, path.clone(), fixed("200"), "ValidationError"),
        (11, json!({ "Field": "nose", "Values": ["a"] }), fixed("200"), "ValidationError"),
        (11, json!({ "Field": "path-pattern", "Values": [] }), fixed("200"), "ValidationError"),
        (
            11,
            json!({ "Field": "host-header", "Values": ["nodot"] }),
            fixed("200"),
            "ValidationError",
        ),
        (
            11,
            json!({ "Field": "source-ip", "Values": ["1.1.1.1/8"] }),
            fixed("200"),
            "InvalidConfigurationRequest",
        ),
        (
            11,
            json!({ "Field": "path-pattern", "Values": ["/1", "/2", "/3", "/4", "/5", "/6"] }),
            fixed("200"),
            "ValidationError",
        ),
        (11, path.clone(), fixed("302"), "ValidationError"),
        (
            11,
            path.clone(),
            json!({ "Type": "redirect", "RedirectConfig": { "StatusCode": "HTTP_301" } }),
            "InvalidLoadBalancerAction",
        ),
        (
            11,
            path.clone(),
            json!({ "Type": "forward", "TargetGroupArn": "arn:aws:elasticloadbalancing:r:a:targetgroup/x/1" }),
            "TargetGroupNotFound",
        ),
        (11, path, json!({ "Type": "authenticate-oidc" }), "InvalidConfigurationRequest"),
    ] {
        let input = json!({
            "ListenerArn": listener,
            "Priority": priority,
            "Conditions": [condition],
            "Actions": [action],
        });
        assert_eq!(rig.refuses("elbv2", "CreateRule", input.clone()).0, code, "{input}");
    }
    let gone = listener.replace("/lb/", "/other/");
    let gone = json!({ "ListenerArn": gone });
    assert_eq!(rig.refuses("elbv2", "DescribeRules", gone).0, "ListenerNotFound");
}

/// ALB-LSN-1: what TLS needs is kept, also beside a change of something else.
#[test]
fn a_listener_with_tls_shows_its_certificates() {
    let mut rig = Rig::new();
    let (balancer, ..) = rig.create_load_balancer();
    let certificate =
        |n: u32| json!({ "CertificateArn": format!("arn:aws:acm:us-east-1:0:certificate/{n}") });
    let mut input = json!({
        "LoadBalancerArn": balancer,
        "Port": 443,
        "Protocol": "HTTPS",
        "Certificates": [certificate(1)],
        "DefaultActions": [fixed("404")],
        "Tags": [{ "Key": "a", "Value": "b" }],
    });
    input["SslPolicy"] = json!("ELBSecurityPolicy-1999");
    assert_eq!(rig.refuses("elbv2", "CreateListener", input.clone()).0, "SSLPolicyNotFound");
    input["SslPolicy"] = Value::Null;
    let made = rig.elb("CreateListener", input)["Listeners"][0].clone();
    assert_eq!(made["SslPolicy"], "ELBSecurityPolicy-2016-08");
    assert_eq!(made["Certificates"], json!([certificate(1)]));
    let arn = made["ListenerArn"].clone();
    let more = json!({ "ListenerArn": arn, "Certificates": [certificate(2), certificate(3)] });
    rig.elb("AddListenerCertificates", more);
    let less = json!({ "ListenerArn": arn, "Certificates": [certificate(2)] });
    rig.elb("RemoveListenerCertificates", less);
    let change = json!({ "ListenerArn": arn, "DefaultActions": [fixed("503")] });
    assert_eq!(rig.elb("ModifyListener", change)["Listeners"][0]["Protocol"], "HTTPS");
    let all = rig.elb("DescribeListenerCertificates", json!({ "ListenerArn": arn }));
    let all: Vec<_> = all["Certificates"].as_array().expect("a list").to_vec();
    assert_eq!(
        (all.len(), &all[0]["IsDefault"], &all[1]["IsDefault"]),
        (2, &json!(true), &json!(false))
    );
    let tags = rig.elb("DescribeTags", json!({ "ResourceArns": [arn] }));
    assert_eq!(tags["TagDescriptions"][0]["Tags"][0]["Value"], "b");
}
