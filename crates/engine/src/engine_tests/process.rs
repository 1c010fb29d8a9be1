//! The whole process but for its edge: sockets, ports, locks, the endpoint.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread::JoinHandle;

use super::rig::{FakeEdge, eventually};
use crate::api::{Request, Response, Status};
use crate::{EngineError, Options, run};

type Thread = JoinHandle<Result<(), EngineError>>;

fn options(home: &Path) -> Options {
    // A program that is no edge: the tests bring their own.
    Options { port: 0, pace: Some(50), ..Options::new(home.to_owned(), "/bin/false".into()) }
}

fn start(options: Options) -> (Thread, Status) {
    let home = options.home.clone();
    let thread = std::thread::spawn(move || run(&options));
    let status = eventually("the engine's socket", || match ask(&home, &Request::Status) {
        Some(Response::Status(status)) => Some(status),
        _ => None,
    });
    (thread, status)
}

fn ask(home: &Path, request: &Request) -> Option<Response> {
    let mut stream = UnixStream::connect(home.join("engine.sock")).ok()?;
    let mut line = serde_json::to_vec(request).expect("encodable");
    line.push(b'\n');
    stream.write_all(&line).ok()?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).ok()?;
    serde_json::from_str(&answer).ok()
}

fn down(home: &Path, thread: Thread) {
    let response = ask(home, &Request::Down);
    assert!(matches!(response, Some(Response::Accepted)), "{response:?}");
    assert!(!home.join("engine.sock").exists(), "gone before the answer");
    thread.join().expect("no panic").expect("a clean end");
}

fn http(status: &Status, request: &str) -> String {
    let address = status.engine.endpoint.strip_prefix("http://").expect("a URL");
    let mut stream = TcpStream::connect(address).expect("connected");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answered");
    answer
}

#[test]
fn a_home_is_started_asked_refused_to_others_and_taken_down() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let home = dir.path().join("home");
    std::fs::create_dir(&home).expect("made");
    let _edge = FakeEdge::start(&home);
    let (thread, status) = start(options(&home));
    assert_eq!(status.driver, "process");
    assert_eq!(status.pace, 50);
    assert_eq!(status.home, home.display().to_string());
    let octets: Vec<&str> = status.dns.split(['.', ':']).collect();
    assert_eq!((octets[0], octets[2], octets[3], octets[4]), ("127", "0", "2", "5300"));

    let second = run(&options(&home)).expect_err("the home is in use");
    let EngineError::HomeInUse { pid, .. } = &second else { panic!("{second:?}") };
    assert_eq!(*pid, Some(std::process::id()));
    assert!(second.to_string().contains("neargate down --home"), "{second}");

    let other = tempfile::tempdir().expect("temporary directory");
    let port = status.engine.endpoint.rsplit(':').next().and_then(|p| p.parse().ok());
    let taken = Options { port: port.expect("a port"), ..options(other.path()) };
    let taken = run(&taken).expect_err("the port is in use").to_string();
    assert!(taken.contains("--port"), "{taken}");
    assert!(taken.contains(&format!("(process {})", std::process::id())), "{taken}");

    down(&home, thread);
    // The same home again at once: the network stays; region and pace bind only what still runs.
    let elsewhere =
        Options { region: Some("eu-central-1".into()), pace: Some(7), ..options(&home) };
    let _edge = FakeEdge::start(&home);
    let (thread, again) = start(elsewhere);
    assert_eq!(again.pace, 7);
    assert_eq!(again.dns, status.dns);
    down(&home, thread);
}

/// design.md "Wire": what is not served answers a typed error in the client's own protocol.
#[test]
fn the_endpoint_answers_in_the_clients_protocol() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let (thread, status) = start(options(dir.path()));
    let end = "Host: 127.0.0.1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    let health = http(&status, &format!("GET /_neargate/health HTTP/1.1\r\n{end}"));
    assert!(health.starts_with("HTTP/1.1 200 "), "{health}");
    assert!(health.contains("\"status\":\"ok\""), "{health}");

    let call = |operation: &str| {
        let ecs = format!("X-Amz-Target: AmazonEC2ContainerServiceV20141113.{operation}");
        http(&status, &format!("POST / HTTP/1.1\r\n{ecs}\r\n{end}"))
    };
    let answer = call("ListClusters");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.ends_with("{\"clusterArns\":[]}"), "{answer}");
    let answer = call("DeleteAttributes");
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains("application/x-amz-json-1.1"), "{answer}");
    assert!(answer.contains("UnknownOperationException"), "{answer}");
    assert!(answer.contains("DeleteAttributes"), "{answer}");

    let body = "Action=DescribeTrustStores&Version=2015-12-01";
    let answer = http(
        &status,
        &format!(
            "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ),
    );
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains("<Code>InvalidAction</Code>"), "{answer}");
    assert!(answer.contains("DescribeTrustStores"), "{answer}");
    let page = "Host: 127.0.0.1\r\nOrigin: http://evil.example\r\nConnection: close\r\n\r\n";
    let answer = http(&status, &format!("GET /?Action=DescribeLoadBalancers HTTP/1.1\r\n{page}"));
    assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("Origin"), "{answer}");

    let answer = http(&status, &format!("GET /anything HTTP/1.1\r\n{end}"));
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("GET /anything"), "{answer}");
    let answer = http(&status, &format!("POST /_neargate/reset HTTP/1.1\r\n{end}"));
    assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("--resettable"), "{answer}");
    down(dir.path(), thread);
}

#[test]
fn a_resettable_engine_resets() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let (thread, status) = start(Options { resettable: true, ..options(dir.path()) });
    let reset = "POST /_neargate/reset HTTP/1.1\r\nConnection: close\r\nContent-Length: 0\r\n";
    let answer = http(&status, &format!("{reset}Host: localhost\r\n\r\n"));
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let answer = http(&status, &format!("{reset}Host: evil.example\r\n\r\n"));
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    down(dir.path(), thread);
}
