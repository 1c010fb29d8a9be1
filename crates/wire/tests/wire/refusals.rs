//! What is refused, with which code and words, in the protocol the client reads (ERR-WIRE-2 to
//! ERR-WIRE-6). Nothing here may answer 5xx: clients would try again for minutes.

use neargate_wire::{AwsError, HttpRequest};
use serde_json::json;

use crate::stage::{Told, ecs, elbv2, form, json as aws_json, refusal, rest, text, wire};

fn refused(request: &HttpRequest) -> (String, String) {
    let services = Told::always(json!({}));
    let response = wire().handle(request, &services, 0);
    let refusal = refusal(&response);
    assert!(services.asked.lock().expect("not poisoned").is_empty(), "nothing was called");
    refusal
}

fn code(request: &HttpRequest) -> String {
    refused(request).0
}

#[test]
fn operations_that_are_not_served_are_named() {
    let cases = [
        // Modelled and not served; AWS has it and the model was pruned of it; nobody has it.
        (ecs("GetTaskProtection", "{}"), "UnknownOperationException", "ecs:GetTaskProtection"),
        (ecs("CreateTaskSet", "{}"), "UnknownOperationException", "ecs:CreateTaskSet"),
        (ecs("MakeCoffee", "{}"), "UnknownOperationException", "'MakeCoffee'"),
        (aws_json("AmazonCoffee.Make", "{}"), "UnknownOperationException", "'AmazonCoffee.Make'"),
        (elbv2("Action=DescribeTags"), "InvalidAction", "elbv2:DescribeTags"),
        (elbv2("Action=CreateTrustStore"), "InvalidAction", "elbv2:CreateTrustStore"),
        (elbv2("Action=MakeCoffee"), "InvalidAction", "'MakeCoffee'"),
        (form("coffee", "Action=Make&Version=1"), "InvalidAction", "'Make'"),
        (form("ec2", "Action=Make&Version=2016-11-15"), "InvalidAction", "'Make'"),
        (form("ecs", "Version=1"), "MissingAction", "Action"),
        (rest("route53", "GET", "/2013-04-01/coffee", ""), "InvalidAction", "/2013-04-01/coffee"),
        (rest("s3", "PATCH", "/b", ""), "MethodNotAllowed", "PATCH /b"),
        (rest("batch", "GET", "/v1/coffee", ""), "UnknownOperationException", "/v1/coffee"),
        (rest("coffee", "GET", "/", ""), "InvalidAction", "coffee"),
        (
            HttpRequest { method: "GET".into(), uri: "/".into(), ..HttpRequest::default() },
            "InvalidAction",
            "unsigned",
        ),
    ];
    for (request, code, named) in cases {
        let (found, message) = refused(&request);
        assert_eq!(found, code, "{message}");
        assert!(message.contains(named), "{message} names {named}");
    }
}

#[test]
fn cbor_is_answered_in_cbor() {
    let mut request = rest(
        "monitoring",
        "POST",
        "/service/GraniteServiceVersion20100801/operation/DescribeAlarms",
        "",
    );
    request.headers.push(("smithy-protocol".to_owned(), "rpc-v2-cbor".to_owned()));
    let response = wire().handle(&request, &Told::always(json!({})), 0);
    assert_eq!(response.status, 400);
    assert_eq!(response.header("smithy-protocol"), Some("rpc-v2-cbor"));
    let name = b"\xa2\x66__type\x78";
    assert_eq!(response.body[..8], name[..8]);
    let body = String::from_utf8_lossy(&response.body);
    assert!(body.contains("UnknownOperationException") && body.contains("DescribeAlarms"));
}

/// ERR-WIRE-6, ERR-LOG-2: one form of words; the code is the one the service declares.
#[test]
fn broken_constraints_are_told_in_the_words_of_aws() {
    let cases = [
        (
            ecs("DescribeTasks", "{}"),
            "InvalidParameterException",
            "1 validation error detected: Value null at 'tasks' failed to satisfy constraint: \
             Member must not be null",
        ),
        (
            ecs("CreateService", r#"{"serviceName":"a","launchType":"MOON"}"#),
            "InvalidParameterException",
            "1 validation error detected: Value 'MOON' at 'launchType' failed to satisfy \
             constraint: Member must satisfy enum value set: [EC2, FARGATE, EXTERNAL, \
             MANAGED_INSTANCES]",
        ),
        (
            aws_json(
                "Logs_20140328.DescribeLogGroups",
                r#"{"limit":0,"logGroupNamePrefix":"a b"}"#,
            ),
            "InvalidParameterException",
            "2 validation errors detected: Value '0' at 'limit' failed to satisfy constraint: \
             Member must have value greater than or equal to 1; Value 'a b' at \
             'logGroupNamePrefix' failed to satisfy constraint: Member must satisfy regular \
             expression pattern: [\\.\\-_/#A-Za-z0-9]+",
        ),
        (
            aws_json(
                "Route53AutoNaming_v20170314.GetService",
                &json!({ "Id": "x".repeat(256) }).to_string(),
            ),
            "InvalidInput",
            "",
        ),
        (
            elbv2(
                "Action=CreateListener&LoadBalancerArn=a&Port=70000&DefaultActions.member.1.Order=1",
            ),
            "ValidationError",
            "2 validation errors detected: Value null at 'defaultActions.1.member.type' failed to \
             satisfy constraint: Member must not be null; Value '70000' at 'port' failed to \
             satisfy constraint: Member must have value less than or equal to 65535",
        ),
        (form("ec2", "Action=CreateTags&Version=2016-11-15"), "MissingParameter", ""),
    ];
    for (request, code, words) in cases {
        let (found, message) = refused(&request);
        assert_eq!(found, code, "{message}");
        if !words.is_empty() {
            assert_eq!(message, words);
        }
    }
}

#[test]
fn a_long_list_of_violations_is_counted_and_not_written_out() {
    let tags: Vec<_> = (0..1000).map(|_| json!({ "key": "!".repeat(1000) })).collect();
    let body = json!({ "resourceArn": "a", "tags": tags }).to_string();
    let (_, message) = refused(&ecs("TagResource", &body));
    assert!(message.starts_with("2001 validation errors detected"), "{message}");
    assert!(message.len() < 4000, "{}", message.len());
}

#[test]
fn bodies_that_cannot_be_read() {
    let deep = "[".repeat(100_000);
    for body in [
        "{",
        "[]",
        "7",
        "{\"cluster\":1}",
        "{\"tasks\":{}}",
        "{\"a\":1,\"a\":2}",
        "\u{feff}{}",
        &deep,
    ] {
        assert_eq!(code(&ecs("DescribeTasks", body)), "SerializationException", "{body:.20}");
    }
    for number in ["99999999999999999999", "2147483648", "1.5", "1e400", "\"1\""] {
        let body = format!("{{\"serviceName\":\"a\",\"desiredCount\":{number}}}");
        assert_eq!(code(&ecs("CreateService", &body)), "SerializationException", "{number}");
    }
    let mut not_utf8 = ecs("DescribeTasks", "");
    not_utf8.body = b"{\"cluster\":\"\xff\"}".to_vec();
    assert_eq!(code(&not_utf8), "SerializationException");
    let nested = "Names.".repeat(100);
    for parameters in [
        "Names=%f",
        "Names=%ff",
        "PageSize=x",
        "PageSize=1&PageSize=2",
        "PageSize.a=1",
        nested.as_str(),
    ] {
        let request = elbv2(&format!("Action=DescribeTargetGroups&{parameters}"));
        assert_eq!(code(&request), "MalformedInput", "{parameters}");
    }
    let bomb = "<!DOCTYPE a [<!ENTITY b \"bbbb\"><!ENTITY c \"&b;&b;\">]><a>&c;</a>";
    for body in ["<a>", "a", bomb, &"<a>".repeat(100_000), "<C><CORSRule/><CORSRule>"] {
        assert_eq!(code(&rest("s3", "PUT", "/b?cors", body)), "MalformedXML", "{body:.20}");
        let request = rest("route53", "POST", "/2013-04-01/hostedzone/Z/rrset", body);
        assert_eq!(code(&request), "MalformedInput", "{body:.20}");
    }
    let request = rest("batch", "POST", "/v1/registerjobdefinition", "{");
    assert_eq!(code(&request), "SerializationException");
}

#[test]
fn bodies_that_are_too_large() {
    let large = " ".repeat((1 << 20) + 1);
    assert_eq!(code(&ecs("ListClusters", &large)), "RequestEntityTooLargeException");
    let request = elbv2(&format!("Action=DescribeTargetGroups&{large}"));
    assert_eq!(code(&request), "RequestEntityTooLarge");
    let many = "a&".repeat(20_000);
    let request = elbv2(&format!("Action=DescribeTargetGroups&{many}"));
    assert_eq!(code(&request), "RequestEntityTooLarge");
}

/// ERR-WIRE-2, ERR-WIRE-3, ERR-WIRE-4: the same error of a service in every protocol.
#[test]
fn errors_of_services_in_every_protocol() {
    let answer =
        |request: &HttpRequest, error: AwsError| wire().handle(request, &Told::failing(error), 0);
    let error = AwsError::new("ClusterNotFoundException", "Cluster not found.");
    let response = answer(&ecs("ListServices", "{}"), error);
    assert_eq!(response.header("content-type"), Some("application/x-amz-json-1.1"));
    assert_eq!(
        text(&response),
        r#"{"__type":"ClusterNotFoundException","message":"Cluster not found."}"#
    );

    // ERR-CM-1: members of the exception, and Message with a capital.
    let error = AwsError::new("ServiceNotFound", "none");
    let response =
        answer(&aws_json("Route53AutoNaming_v20170314.GetService", r#"{"Id":"srv-1"}"#), error);
    assert_eq!(text(&response), r#"{"Message":"none","__type":"ServiceNotFound"}"#);

    // ERR-ELB-5: the model knows the status.
    let error = AwsError::new("TargetGroupNotFoundException", "a < b");
    let response = answer(&elbv2("Action=DescribeTargetGroups"), error);
    let body = text(&response);
    assert!(body.contains("<ErrorResponse xmlns=\"http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/\"><Error><Type>Sender</Type><Code>TargetGroupNotFound</Code><Message>a &lt; b</Message></Error><RequestId>"), "{body}");
    let error = AwsError::new("HealthUnavailable", "later");
    let response = answer(&elbv2("Action=DescribeTargetHealth&TargetGroupArn=a"), error);
    assert_eq!(response.status, 500);

    let error = AwsError::new("QueueDoesNotExist", "gone");
    let mut request = aws_json("AmazonSQS.GetQueueUrl", r#"{"QueueName":"a"}"#);
    request.headers[1].1 = "application/x-amz-json-1.0".to_owned();
    let response = answer(&request, error);
    assert_eq!(response.header("content-type"), Some("application/x-amz-json-1.0"));
    let query_error = "AWS.SimpleQueueService.NonExistentQueue;Sender";
    assert_eq!(response.header("x-amzn-query-error"), Some(query_error));
    assert_eq!(refusal(&response).0, "QueueDoesNotExist");

    let error = AwsError::new("NoSuchCORSConfiguration", "none")
        .with_status(404)
        .with_field("BucketName", "b");
    let response = answer(&rest("s3", "GET", "/b?cors", ""), error);
    assert_eq!(response.status, 404);
    let body = text(&response);
    assert!(body.contains("<Error><Code>NoSuchCORSConfiguration</Code><Message>none</Message><BucketName>b</BucketName><RequestId>"), "{body}");
    assert!(response.header("x-amz-request-id").is_some());

    let error = AwsError::new("InvalidVpcID.NotFound", "none");
    let response = answer(&form("ec2", "Action=DescribeVpcs&Version=2016-11-15"), error);
    let body = text(&response);
    assert!(body.contains("<Response><Errors><Error><Code>InvalidVpcID.NotFound</Code><Message>none</Message></Error></Errors><RequestID>"), "{body}");
}

/// aws-operations.md section 3: HeadBucket answers 404 with an empty body.
#[test]
fn head_has_no_body() {
    let services = Told::failing(AwsError::new("NotFound", "Not Found").with_status(404));
    let response = wire().handle(&rest("s3", "HEAD", "/b", ""), &services, 0);
    assert_eq!((response.status, response.body.len()), (404, 0));
}
