//! Whatever the bytes: an answer, never a panic, and never one that makes clients try again.

use neargate_wire::{HttpRequest, HttpResponse, Wire};
use proptest::prelude::*;
use serde_json::json;

use crate::stage::{NOW_MS, Told, ecs, elbv2, form, rest, wire};

thread_local! {
    static WIRE: Wire = wire();
}

fn answer(request: &HttpRequest) -> HttpResponse {
    let services = Told::always(json!({}));
    let response = WIRE.with(|wire| wire.handle(request, &services, NOW_MS));
    assert!(response.status < 500, "{}", response.status);
    response
}

fn with_body(mut request: HttpRequest, body: Vec<u8>) -> HttpRequest {
    request.body = body;
    request
}

/// Text made of the words of a protocol, which goes deeper than random bytes.
fn words(words: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        4 => proptest::sample::select(words).prop_map(|word| word.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..4),
    ];
    proptest::collection::vec(word, 0..40).prop_map(|parts| parts.concat())
}

const JSON: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"",
    "\"cluster\"",
    "\"tags\"",
    "\"key\"",
    "null",
    "true",
    "1e400",
    "-0",
    "99999999999999999999",
    "\"serviceName\":",
    "\"loadBalancers\":[",
    "\\u",
    "\\ud800",
];
const QUERY: &[&str] = &[
    "&",
    "=",
    ".",
    "%",
    "%ff",
    "+",
    "Names.member.",
    "Names",
    "member",
    "1",
    "0",
    "-1",
    "4294967296",
    "Action=DescribeTargetGroups",
    "Version=2015-12-01",
    "DefaultActions.member.1.",
    "Order=",
    "PageSize=",
    "entry.1.key=",
    "Attributes.entry.1.",
];
const XML: &[&str] = &[
    "<",
    ">",
    "/",
    "</",
    "<ChangeBatch>",
    "</ChangeBatch>",
    "<Changes>",
    "<Change>",
    "<TTL>",
    "</TTL>",
    "<ChangeResourceRecordSetsRequest>",
    "</ChangeResourceRecordSetsRequest>",
    "&lt;",
    "&#0;",
    "&#x110000;",
    "&a;",
    "<!DOCTYPE",
    "<!ENTITY",
    "<![CDATA[",
    "]]>",
    "<!--",
    "-->",
    "<?xml",
    "?>",
    " a='",
    "'",
    "\"",
];

proptest! {
    #[test]
    fn json_bodies(body in prop_oneof![words(JSON), proptest::collection::vec(any::<u8>(), 0..200)]) {
        answer(&with_body(ecs("CreateService", ""), body));
    }

    #[test]
    fn forms(
        body in prop_oneof![words(QUERY), proptest::collection::vec(any::<u8>(), 0..200)],
        ec2: bool,
    ) {
        let request = if ec2 {
            form("ec2", "Action=AuthorizeSecurityGroupIngress&Version=2016-11-15&")
        } else {
            elbv2("Action=DescribeTargetGroups&")
        };
        let body = [request.body.clone(), body].concat();
        answer(&with_body(request, body));
    }

    #[test]
    fn xml_bodies(body in prop_oneof![words(XML), proptest::collection::vec(any::<u8>(), 0..200)]) {
        answer(&with_body(rest("route53", "POST", "/2013-04-01/hostedzone/Z/rrset", ""), body));
    }

    #[test]
    fn any_request(
        method in "GET|PUT|POST|HEAD|DELETE|[A-Z]{0,8}",
        uri in "(/|\\PC{0,40}|/[a-z%?&=/.]{0,40})",
        service in "s3|route53|batch|ecs|ec2|\\PC{0,10}",
        headers in proptest::collection::vec(
            ("X-Amz-Target|Content-Type|Authorization|X-Amz-Date|\\PC{0,10}", "\\PC{0,60}"), 0..4),
        body in proptest::collection::vec(any::<u8>(), 0..60),
    ) {
        let mut request = with_body(rest(&service, &method, &uri, ""), body);
        request.headers.extend(headers);
        answer(&request);
    }
}
