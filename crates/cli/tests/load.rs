//! The load client against servers that behave and servers that do not.

mod support;

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use nix::sys::signal::Signal;
use serde_json::Value;
use support::{Running, neargate};

/// A server whose answer to the n-th request (over all connections, from 0) the test decides.
fn server(behave: impl Fn(usize, &mut TcpStream) -> After + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let address = listener.local_addr().expect("address");
    let behave = std::sync::Arc::new(behave);
    let count = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (behave, count) = (behave.clone(), count.clone());
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone().expect("clone"));
                let mut stream = stream;
                loop {
                    let mut line = String::new();
                    while line != "\r\n" {
                        line.clear();
                        if reader.read_line(&mut line).unwrap_or(0) == 0 {
                            return;
                        }
                    }
                    let number = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                    match behave(number, &mut stream) {
                        After::Keep => {}
                        After::Close => return,
                        After::Reset => {
                            reset_on_close(&stream);
                            return;
                        }
                    }
                }
            });
        }
    });
    address
}

/// What the server does with the connection after a request.
enum After {
    Keep,
    Close,
    Reset,
}

/// With a linger time of zero, closing resets the connection.
fn reset_on_close(stream: &TcpStream) {
    use nix::sys::socket::{setsockopt, sockopt};
    let linger = nix::libc::linger { l_onoff: 1, l_linger: 0 };
    setsockopt(stream, sockopt::Linger, &linger).expect("linger");
}

fn answer(stream: &mut TcpStream, status: u16, body: &str) {
    let length = body.len();
    let text = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n\r\n{body}");
    let _ = stream.write_all(text.as_bytes());
}

const GOOD: &str = r#"{"revision":"user:1","task":"aa"}"#;

fn load(arguments: &[&str]) -> (Option<i32>, Value) {
    let output = neargate().arg("load").args(arguments).arg("--json").output().expect("run");
    let report = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code(), report)
}

#[test]
fn good_answers_are_counted_by_revision_and_task() {
    let address = server(|number, stream| {
        answer(stream, 200, if number % 2 == 0 { GOOD } else { r#"{"revision":"user:2"}"# });
        After::Keep
    });
    let url = format!("http://{address}/x");
    let (code, report) = load(&[&url, "--rate", "200", "--duration", "0.2", "--connections", "2"]);
    assert_eq!(code, Some(0));
    assert_eq!(
        (&report["sent"], &report["ok"], &report["failed"]),
        (&40.into(), &40.into(), &0.into())
    );
    assert_eq!(report["by_status"]["200"], 40);
    assert_eq!(report["by_revision"], serde_json::json!({ "user:1": 20, "user:2": 20 }));
    assert_eq!(report["by_task"]["aa"], 20);
    assert!(report["connections"].as_u64().expect("number") <= 2, "connections are kept");
    assert!(report["latency_ms"]["max"].as_f64() >= report["latency_ms"]["p50"].as_f64());
}

#[test]
fn everything_but_a_complete_2xx_fails() {
    let address = server(|number, stream| match number {
        0 => {
            answer(stream, 503, "no target");
            After::Keep
        }
        1 => {
            let _ = stream.write_all(b"HTTP/1.1 200 X\r\ncontent-length: 10\r\n\r\nhalf");
            After::Close
        }
        2 => {
            let _ =
                stream.write_all(b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab");
            After::Close
        }
        3 => {
            let _ = stream.write_all(b"what?\r\n\r\n");
            After::Close
        }
        _ => {
            answer(stream, 200, GOOD);
            After::Keep
        }
    });
    let url = format!("http://{address}/");
    let (code, report) = load(&[&url, "--rate", "50", "--duration", "0.12", "--connections", "1"]);
    assert_eq!(code, Some(1));
    assert_eq!(
        (&report["sent"], &report["ok"], &report["failed"]),
        (&6.into(), &2.into(), &4.into())
    );
    assert_eq!(report["by_status"], serde_json::json!({ "200": 2, "503": 1 }));
    let errors: Vec<&str> = report["errors"]
        .as_array()
        .expect("errors")
        .iter()
        .map(|e| e["error"].as_str().expect("text"))
        .collect();
    for (error, part) in
        errors.iter().zip(["status 503: no target", "ended inside", "ended inside", "not HTTP/1.1"])
    {
        assert!(error.contains(part), "{error} / {part}");
    }
    assert_eq!(report["reconnects"], 0, "a broken answer is never retried");
}

/// The ordinary race on a kept connection is retried once and counted; a reset is not forgiven.
#[test]
fn only_an_orderly_close_of_a_kept_connection_is_retried() {
    let address = server(|number, stream| match number {
        // Request 1 comes on the kept connection of request 0 and finds it closed.
        1 => After::Close,
        4 => After::Reset,
        _ => {
            answer(stream, 200, GOOD);
            After::Keep
        }
    });
    let url = format!("http://{address}/");
    let (code, report) = load(&[&url, "--rate", "50", "--duration", "0.1", "--connections", "1"]);
    // Server's view: 0 good, 1 closed, 2 the retry, 3 good, 4 reset, 5 good.
    assert_eq!(code, Some(1));
    assert_eq!(report["sent"], 5);
    assert_eq!((&report["ok"], &report["reconnects"]), (&4.into(), &1.into()), "{report}");
    assert!(report["errors"][0]["error"].as_str().expect("text").contains("after 0 bytes"));
}

#[test]
fn a_fresh_connection_closed_without_an_answer_fails() {
    let address = server(|_, _| After::Close);
    let url = format!("http://{address}/");
    let (_, report) = load(&[&url, "--rate", "20", "--duration", "0.1"]);
    assert_eq!((&report["failed"], &report["reconnects"]), (&2.into(), &0.into()));
    let nobody = TcpListener::bind("127.0.0.1:0").expect("bind");
    let url = format!("http://{}/", nobody.local_addr().expect("address"));
    drop(nobody);
    let (_, report) = load(&[&url, "--rate", "20", "--duration", "0.1"]);
    assert_eq!(report["failed"], 2);
    assert!(report["errors"][0]["error"].as_str().expect("text").contains("cannot connect"));
}

#[test]
fn slow_answers_do_not_slow_the_sending_and_time_out() {
    let address = server(|number, stream| {
        if number > 0 {
            answer(stream, 200, GOOD);
        }
        After::Keep
    });
    let url = format!("http://{address}/");
    let (_, report) = load(&[
        &url,
        "--rate",
        "100",
        "--duration",
        "0.2",
        "--timeout",
        "0.3",
        "--connections",
        "2",
    ]);
    assert_eq!((&report["ok"], &report["failed"]), (&19.into(), &1.into()), "{report}");
    assert!(report["errors"][0]["error"].as_str().expect("text").contains("no complete answer"));
}

#[test]
fn several_urls_take_turns_and_are_told_apart() {
    let good = server(|_, stream| {
        answer(stream, 200, GOOD);
        After::Keep
    });
    let bad = server(|_, stream| {
        answer(stream, 502, "");
        After::Keep
    });
    let (good, bad) = (format!("http://{good}/a"), format!("http://{bad}/b"));
    let (_, report) = load(&[&good, &bad, "--rate", "100", "--duration", "0.2"]);
    assert_eq!((&report["ok"], &report["failed"]), (&10.into(), &10.into()));
    assert_eq!(report["urls"][0]["ok"], 10);
    assert_eq!(report["urls"][1]["by_status"]["502"], 10);
    assert_eq!(report["urls"][1]["url"], bad);
}

#[test]
fn a_signal_ends_it_early_with_the_result() {
    let (sender, receiver) = std::sync::mpsc::sync_channel(1000);
    let address = server(move |_, stream| {
        answer(stream, 200, GOOD);
        let _ = sender.try_send(());
        After::Keep
    });
    let url = format!("http://{address}/");
    let mut running =
        Running::start(&["load", &url, "--rate", "50", "--duration", "600", "--json"], &[]);
    for _ in 0..3 {
        receiver.recv_timeout(support::DEADLINE).expect("requests come");
    }
    running.signal(Signal::SIGTERM);
    let report: Value = serde_json::from_str(&running.rest_of_stdout()).expect("report");
    assert_eq!(running.ended().code(), Some(0));
    assert!(report["ok"].as_u64() >= Some(3) && report["failed"] == 0, "{report}");
}
