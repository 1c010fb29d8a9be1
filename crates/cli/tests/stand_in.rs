//! The stand-in service as a real process.

mod support;

use std::net::SocketAddr;

use nix::sys::signal::Signal;
use serde_json::json;
use support::{Http, Running, neargate, wait_until};

/// A server on a port of the machine's choice, and where it listens.
fn server(variables: &[(&str, &str)]) -> (Running, SocketAddr) {
    let mut all = vec![
        ("HOST", "127.0.0.1"),
        ("PORT", "0"),
        ("NEARGATE_SERVICE", "user"),
        ("NEARGATE_TASK_ID", "0123456789abcdef0123456789abcdef"),
        ("NEARGATE_REVISION", "user:3"),
        ("NEARGATE_ZONE", "us-east-1b"),
        ("NEARGATE_ADDRESS", "127.0.0.1"),
        ("ENVIRONMENT", "test"),
    ];
    all.extend(variables);
    let mut running = Running::start(&["stand-in"], &all);
    let started = running.wait_for("started");
    let address = started["address"].as_str().and_then(|a| a.parse().ok()).expect("address");
    (running, address)
}

#[test]
fn any_path_is_answered_with_who_and_what() {
    let (_running, address) = server(&[]);
    let mut http = Http::connect(address);
    let answer = http.get("/test/user/42?page=1");
    assert_eq!(answer.status, 200);
    let body = answer.json();
    for (field, value) in [
        ("service", "user"),
        ("environment", "test"),
        ("revision", "user:3"),
        ("zone", "us-east-1b"),
        ("task", "0123456789abcdef0123456789abcdef"),
        ("address", "127.0.0.1"),
        ("path", "/test/user/42"),
        ("method", "GET"),
    ] {
        assert_eq!(body[field], value, "{field}");
    }
    assert_eq!(body["headers"]["host"], "test");
    assert_eq!(http.get("/again").status, 200, "the connection is kept");
}

#[test]
fn a_posted_body_is_read_to_its_end() {
    let (_running, address) = server(&[]);
    let mut http = Http::connect(address);
    http.send_bytes(b"POST /x HTTP/1.1\r\nhost: t\r\ncontent-length: 5\r\n\r\nhello");
    let body = http.receive().json();
    assert_eq!((&body["method"], &body["received_bytes"]), (&json!("POST"), &json!(5)));
}

#[test]
fn health_fails_and_recovers_on_request() {
    let (_running, address) = server(&[("STANDIN_HEALTH_PATH", "/ok"), ("BASE_PATH", "/api")]);
    let mut http = Http::connect(address);
    assert_eq!(http.get("/ok").status, 200);
    assert_eq!(http.get("/x?health=fail").status, 200);
    assert_eq!(http.get("/api/ok").status, 503);
    assert_eq!(http.get("/x?health=ok").status, 200);
    assert_eq!(http.get("/ok").status, 200);
}

#[test]
fn health_fails_by_environment() {
    let (_running, address) = server(&[("STANDIN_HEALTH_STATUS", "500")]);
    assert_eq!(Http::connect(address).get("/health").status, 500);
    let (_running, address) = server(&[("STANDIN_HEALTH_FAIL_AFTER_MS", "0")]);
    assert_eq!(Http::connect(address).get("/health").status, 503);
    assert_eq!(Http::connect(address).get("/").status, 200, "only the health check fails");
}

#[test]
fn requests_burn_hold_sleep_and_choose_their_status() {
    let (running, address) = server(&[]);
    let mut http = Http::connect(address);
    assert_eq!(http.get("/?status=418").status, 418);
    let start = std::time::Instant::now();
    assert_eq!(http.get("/?sleep_ms=60").status, 200);
    assert!(start.elapsed().as_millis() >= 60);
    let rss_kib = || {
        let path = format!("/proc/{}/status", running.child.id());
        let status = std::fs::read_to_string(path).expect("status");
        let line = status.lines().find(|l| l.starts_with("VmRSS:")).expect("VmRSS").to_owned();
        line.split_whitespace().nth(1).and_then(|n| n.parse::<u64>().ok()).expect("number")
    };
    let before = rss_kib();
    assert_eq!(http.get("/?hold_mib=32&hold_ms=600000").status, 200);
    assert!(rss_kib() >= before + 30 * 1024, "memory is really held");
    let cpu_ticks = || {
        let path = format!("/proc/{}/stat", running.child.id());
        let stat = std::fs::read_to_string(path).expect("stat");
        let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split(' ').collect();
        fields[12].parse::<u64>().expect("utime") + fields[13].parse::<u64>().expect("stime")
    };
    let before = cpu_ticks();
    http.send("/?burn_ms=300");
    assert_eq!(Http::connect(address).get("/health").status, 200, "answered while it burns");
    assert_eq!(http.receive().status, 200);
    assert!(cpu_ticks() > before + 2, "time was really burnt");
    let refused = http.get("/?burn_ms=long");
    assert_eq!(refused.status, 400);
    assert!(refused.body.contains("burn_ms=long") && refused.body.contains("milliseconds"));
}

#[test]
fn answers_can_be_streamed() {
    let (_running, address) = server(&[]);
    let mut http = Http::connect(address);
    http.send_bytes(
        b"GET /?stream_chunks=3&stream_ms=1 HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n",
    );
    let text = http.read_to_end();
    assert!(text.to_ascii_lowercase().contains("transfer-encoding: chunked"), "{text}");
    assert_eq!(text.matches("\"of\":3").count(), 3);
    assert!(text.ends_with("0\r\n\r\n"), "the last chunk came: {text}");
}

#[test]
fn one_calls_another_by_address_and_says_why_it_cannot() {
    let (_callee, callee) = server(&[("NEARGATE_SERVICE", "product")]);
    let (_caller, caller) = server(&[]);
    let mut http = Http::connect(caller);
    let body = http.get(&format!("/?call=http://{callee}/price?x=1")).json();
    assert_eq!(body["service"], "user");
    assert_eq!(body["call"]["status"], 200);
    assert_eq!(body["call"]["body"]["service"], "product");
    let body = http.get("/?call=http://product.shop.local:80/").json();
    let error = body["call"]["error"].as_str().expect("error");
    assert!(error.contains("NEARGATE_DNS is not set"), "{error}");
    let body = http.get("/?call=ftp://x").json();
    assert!(body["call"]["error"].as_str().expect("error").contains("expected http://"));
}

#[test]
fn websockets_are_echoed_and_closed_on_sigterm() {
    let (mut running, address) = server(&[]);
    let mut http = Http::connect(address);
    http.send_bytes(
        b"GET /ws HTTP/1.1\r\nhost: t\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
          sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    let head = http.head();
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    assert!(head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{head}");
    http.send_bytes(&[0x82, 0x83, 1, 1, 1, 1, b'a' ^ 1, b'b' ^ 1, b'c' ^ 1]);
    assert_eq!(http.read_exactly(5), [0x82, 3, b'a', b'b', b'c']);
    running.signal(Signal::SIGTERM);
    assert_eq!(http.read_exactly(4), [0x88, 2, 0x03, 0xe9], "close 1001");
    assert_eq!(running.ended().code(), Some(0));
}

/// Zero failed requests in a rolling deployment rest on this.
#[test]
fn sigterm_finishes_what_is_in_flight_and_exits_0() {
    let (mut running, address) = server(&[("STANDIN_LOG_REQUESTS", "1")]);
    let mut idle = Http::connect(address);
    assert_eq!(idle.get("/").status, 200);
    running.wait_for("request");
    let mut busy = Http::connect(address);
    busy.send("/?sleep_ms=300");
    running.wait_for("request");
    running.signal(Signal::SIGTERM);
    running.wait_for("stopping");
    assert!(idle.is_closed(), "an idle connection is closed in order");
    let answer = busy.receive();
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("connection: close"), "{}", answer.head);
    assert!(busy.is_closed());
    assert_eq!(running.ended().code(), Some(0));
    assert!(std::net::TcpStream::connect(address).is_err());
    assert!(running.rest_of_stdout().contains("\"stopped\""));
}

#[test]
fn sigterm_can_be_ignored_or_answered_late() {
    let (mut running, address) = server(&[("STANDIN_IGNORE_SIGTERM", "1")]);
    running.signal(Signal::SIGTERM);
    running.wait_for("ignoring");
    assert_eq!(Http::connect(address).get("/").status, 200);
    let (mut running, address) = server(&[("STANDIN_SIGTERM_DELAY_MS", "150")]);
    running.signal(Signal::SIGTERM);
    running.wait_for("stopping");
    assert_eq!(Http::connect(address).get("/").status, 200, "still serves");
    assert_eq!(running.ended().code(), Some(0));
}

#[test]
fn exits_are_rehearsed() {
    let (mut running, address) = server(&[]);
    let mut http = Http::connect(address);
    http.send("/?exit=7");
    assert!(http.is_closed(), "no answer comes");
    assert_eq!(running.ended().code(), Some(7));
    let mut running =
        Running::start(&["stand-in"], &[("STANDIN_EXIT_CODE", "3"), ("HOST", "127.0.0.1")]);
    assert_eq!(running.ended().code(), Some(3));
}

#[test]
fn a_late_start_listens_late_and_can_be_stopped_before() {
    let variables = [("PORT", "0"), ("STANDIN_START_DELAY_MS", "600000")];
    let mut running = Running::start(&["stand-in"], &variables);
    // The signal must not come before the process watches for it.
    let pid = running.child.id();
    wait_until("SIGTERM is caught", || {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:\t"))?.to_owned();
        let mask = u64::from_str_radix(&caught, 16).ok()?;
        (mask & (1 << (Signal::SIGTERM as u64 - 1)) != 0).then_some(())
    });
    running.signal(Signal::SIGTERM);
    assert_eq!(running.ended().code(), Some(0));
}

#[test]
fn wrong_variables_and_taken_ports_are_said() {
    let mut running = Running::start(&["stand-in"], &[("PORT", "http")]);
    let failure = running.wait_for("failed");
    assert!(failure["error"].as_str().expect("error").contains("PORT=`http`"), "{failure}");
    assert_eq!(running.ended().code(), Some(2));
    let (_running, address) = server(&[]);
    let port = address.port().to_string();
    let mut second =
        Running::start(&["stand-in"], &[("HOST", "127.0.0.1"), ("PORT", port.as_str())]);
    let failure = second.wait_for("failed");
    assert!(failure["error"].as_str().expect("error").contains(&address.to_string()), "{failure}");
    assert_eq!(second.ended().code(), Some(1));
}

fn check(variables: &[(&str, &str)]) -> Option<i32> {
    let mut command = neargate();
    command.args(["stand-in", "check"]).envs(variables.iter().copied());
    command.output().expect("run").status.code()
}

#[test]
fn check_asks_the_health_path() {
    let (mut running, address) = server(&[]);
    let port = address.port().to_string();
    let variables = [("HOST", "127.0.0.1"), ("PORT", port.as_str())];
    assert_eq!(check(&variables), Some(0));
    Http::connect(address).get("/?health=fail");
    assert_eq!(check(&variables), Some(1));
    running.signal(Signal::SIGKILL);
    running.ended();
    assert_eq!(check(&variables), Some(1));
}

#[test]
fn a_worker_lives_by_its_heartbeat() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().to_str().expect("text");
    let variables = [("TMPDIR", path), ("NEARGATE_TASK_ID", "aa"), ("NEARGATE_CONTAINER", "main")];
    assert_eq!(check(&variables), Some(1), "no heartbeat yet");
    let mut worker = Running::start(&["stand-in"], &variables);
    let started = worker.wait_for("started");
    assert_eq!(check(&variables), Some(0));
    let heartbeat = started["heartbeat"].as_str().expect("path");
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(60);
    worker.signal(Signal::SIGSTOP);
    let file = std::fs::File::options().write(true).open(heartbeat).expect("open");
    file.set_modified(old).expect("set the time");
    assert_eq!(check(&variables), Some(1), "an old heartbeat is none");
    worker.signal(Signal::SIGCONT);
    worker.signal(Signal::SIGTERM);
    assert_eq!(worker.ended().code(), Some(0));
    assert!(!std::path::Path::new(heartbeat).exists());
}

/// DISC-DNS: the application asks the platform's name server and connects to what it says.
#[test]
fn one_calls_another_by_its_discovery_name() {
    let (_callee, callee) = server(&[("NEARGATE_SERVICE", "product")]);
    let names = neargate_names::Table::new();
    let instance = neargate_names::Instance {
        id: "task-1".to_owned(),
        address: std::net::Ipv4Addr::LOCALHOST,
        port: None,
        healthy: true,
    };
    let records = neargate_names::NameRecords { ttl_s: 10, instances: vec![instance] };
    names.set("product.shop.local", records).expect("a name");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("runtime");
    let dns = runtime.block_on(async {
        let udp = tokio::net::UdpSocket::bind("127.0.0.1:0").await.expect("udp");
        let tcp = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("tcp");
        let address = udp.local_addr().expect("address").to_string();
        tokio::spawn(neargate_names::serve(names, None, udp, tcp));
        address
    });
    let (_caller, caller) = server(&[("NEARGATE_DNS", &dns)]);
    let mut http = Http::connect(caller);
    let port = callee.port();
    let body = http.get(&format!("/?call=http://product.shop.local:{port}/x")).json();
    assert_eq!(body["call"]["body"]["service"], "product", "{body}");
    assert_eq!(body["call"]["address"], format!("127.0.0.1:{port}"));
    let body = http.get("/?call=http://nobody.shop.local/").json();
    let error = body["call"]["error"].as_str().expect("error");
    assert!(error.contains("cannot look up `nobody.shop.local`"), "{error}");
}
