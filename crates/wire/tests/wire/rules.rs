//! Rules of decoding and encoding that are not told by what boto3 happens to send.

use neargate_wire::{Auth, HttpRequest, Models, Wire};
use serde_json::{Value, json};

use crate::stage::{Told, ecs, elbv2, form, rest, text, wire};

fn input(request: &HttpRequest) -> Value {
    let services = Told::always(json!({}));
    let response = wire().handle(request, &services, 0);
    assert!(response.status < 300, "{}", text(&response));
    services.only().2
}

#[test]
fn unknown_members_and_nulls_are_ignored() {
    let body = r#"{"cluster":"a","coffee":{"a":[1]},"nextToken":null}"#;
    assert_eq!(input(&ecs("ListServices", body)), json!({ "cluster": "a" }));
    let request = elbv2("Action=DescribeTargetGroups&Coffee.1=a&Names.member.1=b&Names.member.x=c");
    assert_eq!(input(&request), json!({ "Names": ["b"] }));
}

#[test]
fn an_empty_body_is_an_empty_input() {
    assert_eq!(input(&ecs("ListClusters", "")), json!({}));
}

#[test]
fn a_query_may_come_in_the_path_and_without_a_version() {
    let request =
        rest("elasticloadbalancing", "GET", "/?Action=DescribeTargetGroups&Names.member.1=a+b", "");
    assert_eq!(input(&request), json!({ "Names": ["a b"] }));
    // Unsigned, the version is enough; a client may sign nothing.
    let mut request = form("sts", "Action=GetCallerIdentity&Version=2011-06-15");
    request.headers.truncate(1);
    assert_eq!(input(&request), json!({}));
}

#[test]
fn gaps_in_numbers_keep_the_order() {
    let request =
        elbv2("Action=DescribeTargetGroups&Names.member.10=c&Names.member.2=b&Names.member.0=a");
    assert_eq!(input(&request), json!({ "Names": ["a", "b", "c"] }));
}

#[test]
fn query_answers_are_written_as_aws_does() {
    let output = json!({ "TargetGroups": [{
        "TargetGroupName": "a&b", "Port": 80, "HealthCheckEnabled": false, "LoadBalancerArns": [],
        "Matcher": { "HttpCode": "200" }, "Coffee": 1, "VpcId": null,
    }]});
    let response = wire().handle(&elbv2("Action=DescribeTargetGroups"), &Told::always(output), 0);
    let id = response.header("x-amzn-RequestId").expect("an id");
    let expected = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<DescribeTargetGroupsResponse \
         xmlns=\"http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/\">\
         <DescribeTargetGroupsResult><TargetGroups><member>\
         <HealthCheckEnabled>false</HealthCheckEnabled><LoadBalancerArns></LoadBalancerArns>\
         <Matcher><HttpCode>200</HttpCode></Matcher><Port>80</Port>\
         <TargetGroupName>a&amp;b</TargetGroupName></member></TargetGroups>\
         </DescribeTargetGroupsResult><ResponseMetadata><RequestId>{id}</RequestId>\
         </ResponseMetadata></DescribeTargetGroupsResponse>"
    );
    assert_eq!(text(&response), expected);
    assert_eq!(response.header("content-type"), Some("text/xml"));
}

/// ERR-WIRE-5: a time is a number in JSON.
#[test]
fn json_times_are_numbers() {
    let output = json!({ "service": { "createdAt": 1_440_938_160.25, "serviceName": null } });
    let services = Told::always(output);
    let request = ecs("CreateService", r#"{"serviceName":"a"}"#);
    let response = wire().handle(&request, &services, 0);
    assert_eq!(text(&response), r#"{"service":{"createdAt":1440938160.25}}"#);
}

#[test]
fn a_wire_of_the_product_serves_its_models_without_the_tests_ones() {
    let wire = Wire::new(Models::embedded(), Auth::Any);
    let services: Vec<&str> = wire.models().services().collect();
    assert!(services.contains(&"ecs") && !services.contains(&"batch"), "{services:?}");
    let (known, others) = wire.models().operations("sts");
    assert!(known.contains(&"GetCallerIdentity") && !known.contains(&"AssumeRoot"));
    assert!(others.contains(&"AssumeRoot"));
}

#[test]
fn mistakes_in_answers_are_found() {
    let wire = wire();
    let check = |output: Value| wire.check_answer("ecs", "DescribeServices", &output);
    let good = json!({ "services": [{ "serviceName": "a", "desiredCount": 1, "events": null }] });
    assert_eq!(check(good), Vec::<String>::new());
    let mistakes = check(json!({ "services": [{ "servicename": "a", "desiredCount": "1" }] }));
    assert_eq!(mistakes.len(), 2, "{mistakes:?}");
    assert!(mistakes.iter().any(|m| m.contains("services[0].servicename")), "{mistakes:?}");
    assert_eq!(wire.check_answer("ecs", "MakeCoffee", &json!({})).len(), 1);
}

#[test]
fn request_ids_differ() {
    let (wire, services) = (wire(), Told::always(json!({})));
    let ids: std::collections::HashSet<String> = (0..1000)
        .map(|_| wire.handle(&ecs("ListClusters", ""), &services, 7))
        .map(|response| response.header("x-amzn-requestid").expect("an id").to_owned())
        .collect();
    assert_eq!(ids.len(), 1000);
}

#[test]
fn header_values_cannot_begin_a_line() {
    let services = Told::always(json!({ "ETag": "a\r\nSet-Cookie: b" }));
    let response = wire().handle(&rest("s3", "PUT", "/b/k", "x"), &services, 0);
    assert_eq!(response.header("etag"), Some("a  Set-Cookie: b"));
}

/// The table of operations may name the code that a service really answers.
#[test]
fn the_table_may_choose_the_code_for_broken_constraints() {
    let text = include_str!("../models/batch.json");
    let chosen = text.replace("\"options\": {}", "\"options\": {\"validation\":\"BadCoffee\"}");
    assert_ne!(text, chosen);
    let mut models = Models::embedded();
    models.add("batch", &chosen).expect("a model");
    let request = rest("batch", "POST", "/v1/registerjobdefinition", "{}");
    let wire = Wire::new(models, Auth::Any);
    let response = wire.handle(&request, &Told::always(json!({})), 0);
    assert_eq!((response.status, response.header("x-amzn-errortype")), (400, Some("BadCoffee")));
}
