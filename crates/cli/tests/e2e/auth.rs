//! `--auth strict`: who may speak to the endpoint.

use std::os::unix::fs::PermissionsExt as _;

use neargate_wire::HttpRequest;
use serde_json::json;

use crate::client::{Client, Key, endpoint};
use crate::platform::{Platform, system};

/// ERR-WIRE-6: the home's key and a task's role come in, others do not; a restart changes nothing.
#[test]
fn a_strict_endpoint_takes_its_own_keys_and_its_tasks_roles() {
    let mut platform =
        Platform::up(&system("microservices"), &["--env", "test", "--auth", "strict"]);
    assert_eq!(platform.status()["auth"], "strict");
    let file = platform.home().join("credentials");
    assert_eq!(file.metadata().expect("there").permissions().mode() & 0o777, 0o600);
    let authority = endpoint(&platform);
    let key = Key::of_home(platform.home());
    let list = json!({});
    let mut stranger = Client::connect(&authority, None);
    let missing = (400, "MissingAuthenticationTokenException".to_owned());
    assert_eq!(stranger.refused("ListClusters", &list), missing);
    let wrong = Key { secret: "x".repeat(40), ..key.clone() };
    let refused = Client::connect(&authority, Some(wrong)).refused("ListClusters", &list);
    assert_eq!(refused, (400, "InvalidSignatureException".to_owned()));
    let unknown = Key { id: "AKIAIOSFODNN7EXAMPLE".into(), ..key.clone() };
    let refused = Client::connect(&authority, Some(unknown)).refused("ListClusters", &list);
    assert_eq!(refused, (400, "UnrecognizedClientException".to_owned()));
    let mut own = Client::connect(&authority, Some(key.clone()));
    let clusters = own.ecs("ListClusters", &list);
    assert_eq!(clusters["clusterArns"].as_array().map(Vec::len), Some(1));
    let reset = HttpRequest {
        method: "POST".into(),
        uri: "/_neargate/reset".into(),
        headers: vec![("Host".into(), authority.clone())],
        body: Vec::new(),
    };
    assert_eq!(stranger.exchange(&reset).expect("an answer").0, 403);

    // What a task with a role is given signs for it.
    let mut input = crate::standalone::run(&mut own, &json!({}));
    input["overrides"] = json!({ "taskRoleArn": "arn:aws:iam::000000000000:role/job" });
    let task = own.ecs("RunTask", &input)["tasks"][0]["taskArn"].clone();
    let id = task.as_str().and_then(|arn| arn.rsplit('/').next()).expect("an id").to_owned();
    let tasks = platform.until("the task runs", |view| {
        view["tasks"].as_array().is_some_and(|tasks| {
            tasks.iter().any(|task| task["id"] == *id && task["status"] == "RUNNING")
        })
    });
    assert!(tasks["tasks"].is_array());
    let variables = platform.exec(&id, &["/usr/bin/env"]);
    let url = variables
        .lines()
        .find_map(|line| line.strip_prefix("AWS_CONTAINER_CREDENTIALS_FULL_URI="))
        .expect("where its credentials are");
    let path = url.strip_prefix(&format!("http://{authority}")).expect("at the endpoint");
    let get = HttpRequest {
        method: "GET".into(),
        uri: path.to_owned(),
        headers: vec![("Host".into(), authority.clone())],
        body: Vec::new(),
    };
    let (status, given) = stranger.exchange(&get).expect("an answer");
    assert_eq!(status, 200, "{given}");
    let role = Key::of_role(&given);
    Client::connect(&authority, Some(role.clone())).ecs("ListClusters", &list);
    let forged =
        Key { token: Some(role.token.clone().expect("a token").replace('A', "B")), ..role.clone() };
    let refused = Client::connect(&authority, Some(forged)).refused("ListClusters", &list);
    assert_eq!(refused, (400, "UnrecognizedClientException".to_owned()));
    let bare = Key { token: None, ..role };
    let refused = Client::connect(&authority, Some(bare)).refused("ListClusters", &list);
    assert_eq!(refused, (400, "UnrecognizedClientException".to_owned()));

    // An engine that comes back without being told asks for signatures all the same.
    crate::recovery::kill_engine(&platform);
    platform.serve();
    let authority = endpoint(&platform);
    assert_eq!(Client::connect(&authority, None).refused("ListClusters", &list), missing);
    Client::connect(&authority, Some(key)).ecs("ListClusters", &list);
}
