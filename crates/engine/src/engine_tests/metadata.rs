//! Tasks that ask about themselves over HTTP: on the AWS endpoint, and on a socket where their
//! address says who they are.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command as Process;
use std::sync::Arc;

use neargate_core::id::TaskId;
use neargate_core::input::Command;
use neargate_runtime::Usage;
use serde_json::{Value, json};

use super::machine::Machine;
use super::rig::{FakeEdge, Running, as_if_killed, start};
use super::samples::system;
use crate::endpoint::{Endpoint, EndpointOptions};
use crate::metadata::Meter;

/// Every container uses the same.
struct Even;

impl Meter for Even {
    fn usage(&self, _: TaskId, container: &str) -> Option<Usage> {
        (container == "web").then(|| Usage { cpu_ns: 5, pids: 3, ..Usage::default() })
    }

    fn storage_bytes(&self, _: TaskId) -> Option<u64> {
        Some(3 * 1024 * 1024)
    }
}

/// An engine with an endpoint and a running task.
struct Site {
    endpoint: Endpoint,
    engine: Running,
    machine: Machine,
    _edge: FakeEdge,
    dir: tempfile::TempDir,
}

impl Site {
    fn open() -> Site {
        let dir = tempfile::tempdir().expect("temporary directory");
        let (edge, machine) = (FakeEdge::start(dir.path()), Machine::default());
        let engine = start(dir.path(), &machine);
        let options =
            EndpointOptions { port: 0, resettable: false, auth: neargate_wire::Auth::Any };
        let endpoint =
            Endpoint::open(options, engine.events.clone(), Arc::new(Even)).expect("an endpoint");
        let mut commands = system("auth", 1);
        for command in &mut commands {
            if let Command::PutTaskDefinition(definition) = command {
                definition.task_role = Some("arn:aws:iam::000000000000:role/app".into());
            }
        }
        engine.accepted(commands);
        engine.until_steady();
        Site { endpoint, engine, machine, _edge: edge, dir }
    }

    /// The path in a variable of the container.
    fn path(&self, variable: &str) -> String {
        let state = self.machine.state();
        let variables = state.variables.values().next().expect("a container was started");
        variables.get(variable).unwrap_or_else(|| panic!("no {variable}")).clone()
    }

    fn close(self) {
        drop(self.endpoint);
        self.engine.stop();
    }
}

/// Status and body of one request.
fn exchange(mut stream: TcpStream, request: &str, body: &str) -> (u16, Value) {
    let host = stream.peer_addr().expect("connected");
    let length = body.len();
    let head = format!(
        "{request} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(format!("{head}{body}").as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answered");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).expect("a status");
    (status, serde_json::from_str(body).expect("JSON"))
}

fn ask(address: SocketAddr, request: &str, body: &str) -> (u16, Value) {
    exchange(TcpStream::connect(address).expect("connected"), request, body)
}

/// ECS-META-2, ECS-META-5, ECS-META-6, ECS-PROT-1: everything under the variables of the container.
#[test]
fn ecs_meta_2_a_task_asks_the_endpoint() {
    let site = Site::open();
    let address = site.endpoint.address();
    let get = |path: &str| ask(address, &format!("GET {path}"), "");
    let v4 = site.path("ECS_CONTAINER_METADATA_URI_V4");
    let (status, container) = get(&v4);
    assert_eq!((status, &container["Name"]), (200, &json!("web")));
    let v3 = get(&site.path("ECS_CONTAINER_METADATA_URI"));
    assert_eq!(v3, (200, container.clone()));
    let (_, task) = get(&format!("{v4}/task"));
    assert_eq!(task["Containers"], json!([container]));
    assert_eq!(task["EphemeralStorageMetrics"], json!({ "Utilized": 3, "Reserved": 20_496 }));
    let (_, stats) = get(&format!("{v4}/stats"));
    assert_eq!(stats["pids_stats"]["current"], 3);
    let (_, all) = get(&format!("{v4}/task/stats"));
    let id = container["DockerId"].as_str().expect("an id");
    assert_eq!(all[id]["cpu_stats"]["cpu_usage"]["total_usage"], 5);
    assert_eq!(all.as_object().map(serde_json::Map::len), Some(1));
    let (status, credentials) = get(&site.path("AWS_CONTAINER_CREDENTIALS_FULL_URI"));
    assert_eq!(status, 200);
    assert_eq!(credentials["RoleArn"], "arn:aws:iam::000000000000:role/app");
    let (status, refused) = get("/v2/credentials/813d3956-27d2-4a33-b37c-0ef40c9c070c");
    assert_eq!((status, &refused["code"]), (400, &json!("InvalidIdInRequest")));

    // Durable before the answer.
    let state = format!("{}/task-protection/v1/state", site.path("ECS_AGENT_URI"));
    let on = r#"{"ProtectionEnabled":true,"ExpiresInMinutes":60}"#;
    let (status, answer) = ask(address, &format!("PUT {state}"), on);
    assert_eq!((status, &answer["protection"]["ProtectionEnabled"]), (200, &json!(true)));
    let left = as_if_killed(site.dir.path()).expect("a platform");
    assert!(left.tasks().all(|task| task.protected_until.is_some()));
    assert_eq!(get(&state).1["protection"], answer["protection"]);
    let large = "x".repeat(100_000);
    let (status, _) = ask(address, &format!("PUT {state}"), &large);
    assert_eq!(status, 400);
    // A page of the web gets nothing.
    let (status, _) = ask(address, &format!("GET {v4} HTTP/1.1\r\nOrigin: http://evil\r\nX:"), "");
    assert_eq!(status, 403);
    site.close();
}

/// On a socket of the tasks' own network, the address must be the task's.
#[test]
fn a_task_is_known_by_its_address() {
    let site = Site::open();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bound");
    let address = listener.local_addr().expect("bound");
    site.endpoint.listen_for_tasks(listener).expect("served");
    let left = as_if_killed(site.dir.path()).expect("a platform");
    let own = left.tasks().next().expect("a task").address;
    let ask_from = |from: Ipv4Addr, request: &str| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
        let stream = runtime.expect("an event loop").block_on(async {
            let socket = tokio::net::TcpSocket::new_v4()?;
            socket.bind((from, 0).into())?;
            socket.connect(address).await?.into_std()
        });
        let stream = stream.expect("connected");
        stream.set_nonblocking(false).expect("set");
        exchange(stream, request, "")
    };
    let v4 = site.path("ECS_CONTAINER_METADATA_URI_V4");
    let credentials = site.path("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    let neighbour = Ipv4Addr::from(u32::from(own) + 1);
    assert_eq!(ask_from(own, &format!("GET {v4}/task")).0, 200);
    assert_eq!(ask_from(own, &format!("GET {credentials}")).0, 200);
    assert_eq!(ask_from(neighbour, &format!("GET {v4}/task")).0, 404);
    assert_eq!(ask_from(neighbour, &format!("GET {credentials}")).0, 400);
    // Nothing else of the endpoint is there.
    for request in ["GET /_neargate/health", "POST /_neargate/reset", "POST /"] {
        assert_eq!(ask_from(own, request), (404, json!("404 page not found")), "{request}");
    }
    site.close();
}

/// ECS-META-6: the SDK of Python takes its credentials from the variable, and signs with them.
#[test]
#[ignore = "needs python3 with boto3; .ci/run includes it"]
fn ecs_meta_6_boto3_loads_the_credentials_of_the_role() {
    let site = Site::open();
    let base = format!("http://{}", site.endpoint.address());
    let script = "
import boto3, json
session = boto3.Session()
credentials = session.get_credentials()
identity = session.client('sts').get_caller_identity()
print(json.dumps([credentials.method, credentials.access_key, bool(credentials.token),
                  identity['Account']]))
";
    let output = Process::new("python3")
        .args(["-c", script])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", site.dir.path())
        .env("AWS_REGION", "us-east-1")
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("AWS_ENDPOINT_URL", &base)
        .env(
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            format!("{base}{}", site.path("AWS_CONTAINER_CREDENTIALS_FULL_URI")),
        )
        .output()
        .expect("this test needs python3 with boto3: pip install boto3");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "this test needs python3 with boto3: {errors}");
    let [method, key, has_token, account]: [Value; 4] =
        serde_json::from_slice(&output.stdout).expect("four values");
    assert_eq!(method, "container-role");
    assert!(key.as_str().is_some_and(|key| key.starts_with("ASIA") && key.len() == 20));
    assert_eq!((has_token, account), (json!(true), json!("000000000000")));
    site.close();
}
