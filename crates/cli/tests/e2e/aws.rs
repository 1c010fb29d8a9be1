//! The AWS endpoint drives the same platform as the command line: what a client changes runs for
//! real.

use std::io::{Read as _, Write as _};

use serde_json::{Value, json};

use crate::platform::{Platform, system};

/// One ECS call as the SDKs send it (ERR-WIRE-1).
fn ecs(platform: &Platform, operation: &str, input: &Value) -> (u16, Value) {
    let status = platform.status();
    let endpoint = status["engine"]["endpoint"].as_str().expect("endpoint");
    let authority = endpoint.strip_prefix("http://").expect("http");
    let body = input.to_string();
    let mut socket = std::net::TcpStream::connect(authority).expect("connects");
    let request = format!(
        "POST / HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\
         Content-Type: application/x-amz-json-1.1\r\n\
         X-Amz-Target: AmazonEC2ContainerServiceV20141113.{operation}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(request.as_bytes()).expect("sends");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let code = head.split(' ').nth(1).and_then(|c| c.parse().ok()).expect("a status");
    (code, serde_json::from_str(body).unwrap_or_else(|e| panic!("{e} in {answer}")))
}

/// ECS-DEP-10: a desired count starts no deployment; ECS-SVC-15: the waiter's condition comes true.
#[test]
fn an_ecs_client_scales_a_service_that_runs_for_real() {
    let platform = Platform::up(&system("microservices"), &["--env", "production"]);
    let service = json!({ "cluster": "microservices-cluster", "services": ["auth-service"] });
    let update = json!({
        "cluster": "microservices-cluster", "service": "auth-service", "desiredCount": 3
    });
    let (code, answer) = ecs(&platform, "UpdateService", &update);
    assert_eq!((code, &answer["service"]["desiredCount"]), (200, &json!(3)), "{answer:#}");
    platform.until("three tasks run", |_| {
        let (_, answer) = ecs(&platform, "DescribeServices", &service);
        answer["services"][0]["runningCount"] == 3
    });
    let (_, answer) = ecs(&platform, "DescribeServices", &service);
    assert_eq!(answer["services"][0]["deployments"].as_array().map(Vec::len), Some(1));
    assert_eq!(platform.running_tasks("auth-service").len(), 3);

    // ERR-ECS-3, ERR-ECS-5.
    let (code, answer) =
        ecs(&platform, "DescribeServices", &json!({ "cluster": "no", "services": ["x"] }));
    assert_eq!(code, 400);
    assert_eq!(answer["message"], "Cluster not found.");
    let missing = json!({ "cluster": "microservices-cluster", "services": ["nope"] });
    let (code, answer) = ecs(&platform, "DescribeServices", &missing);
    assert_eq!((code, &answer["failures"][0]["reason"]), (200, &json!("MISSING")));
}
