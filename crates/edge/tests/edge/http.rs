//! What happens to requests and answers on their way.

use std::io::{Read, Write};
use std::time::Duration;

use neargate_core::target_health::TargetState;

use crate::harness::*;

#[test]
fn alb_hdr_1_3_4_5_headers_to_the_target() {
    let backend = Backend::named("ok");
    let (_edge, _engine, port) = simple(&[&backend]);
    let request = "GET /a%20b?x=1&y HTTP/1.1\r\nHost: shop.example:9999\r\nX-Forwarded-For: 9.9.9.9\r\n\
                   X-Forwarded-Proto: gopher\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\n\
                   Keep-Alive: timeout=5\r\nTE: trailers\r\nX-Amzn-Trace-Id: Root=1-2-3\r\n\
                   Accept: a\r\nAccept: b\r\n\r\n";
    let response = ask(port, request);
    assert_eq!(response.text(), "ok");
    assert_eq!(response.header("server"), "", "a target's answer is not marked as ours");
    let seen = backend.last_request();
    assert_eq!(seen.first_line, "GET /a%20b?x=1&y HTTP/1.1");
    assert_eq!(seen.header("host"), "shop.example");
    assert_eq!(seen.header("x-forwarded-for"), "9.9.9.9, 127.0.0.1");
    assert_eq!(seen.header("x-forwarded-proto"), "http");
    assert_eq!(seen.header("x-forwarded-port"), "80");
    assert!(seen.header("x-amzn-trace-id").starts_with("Self=1-"));
    assert!(seen.header("x-amzn-trace-id").ends_with(";Root=1-2-3"));
    for gone in ["connection", "x-hop", "keep-alive", "te"] {
        assert_eq!(seen.header(gone), "", "{gone}");
    }
    // host, 2 x accept, 3 x x-forwarded-*, trace id
    assert_eq!(seen.header_count, 7);
}

#[test]
fn hop_by_hop_headers_of_answers_stay_behind() {
    let backend = Backend::answering(|_| {
        "HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n\
         Set-Cookie: a=1\r\nServer: mine\r\nContent-Length: 2\r\n\r\nhi"
            .to_owned()
    });
    let (_edge, _engine, port) = simple(&[&backend]);
    let response = ask(port, &get("/"));
    assert_eq!((response.header("set-cookie"), response.header("server")), ("a=1", "mine"));
    assert_eq!((response.header("x-hop"), response.header("keep-alive")), ("", ""));
}

#[test]
fn bodies_of_every_framing_pass() {
    let big = "x".repeat(3_000_000);
    let backend = Backend::answering(move |request| match request.path() {
        "/echo" => ok(&request.text()),
        "/chunked" => {
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n \
                       world\r\n0\r\nTrailer: t\r\n\r\n"
                .to_owned()
        }
        "/big" => ok(&big),
        "/big-chunked" => {
            format!(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{big}\r\n0\r\n\r\n",
                big.len()
            )
        }
        "/empty" => ok(""),
        "/204" => "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
        "/304" => {
            "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 100\r\n\r\n".to_owned()
        }
        "/interim" => format!("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n{}", ok("after")),
        path => format!("HTTP/1.1 500 what is {path}\r\nContent-Length: 0\r\n\r\n"),
    });
    let (_edge, _engine, port) = simple(&[&backend]);
    let mut wire = Wire::connect(port);
    for (path, status, length) in [
        ("/chunked", 200, 11),
        ("/big", 200, 3_000_000),
        ("/empty", 200, 0),
        ("/big-chunked", 200, 3_000_000),
        ("/204", 204, 0),
        ("/304", 304, 0),
        ("/interim", 200, 5),
        ("/other", 500, 0),
    ] {
        let response = wire.ask(&get(path)).unwrap_or_else(|| panic!("{path}: no response"));
        assert_eq!((response.status(), response.body.len()), (status, length), "{path}");
    }
    let up = "y".repeat(2_000_000);
    let head = "POST /echo HTTP/1.1\r\nHost: a\r\n";
    let sized = format!("{head}Content-Length: {}\r\n\r\n{up}", up.len());
    assert_eq!(wire.ask(&sized).unwrap().text(), up);
    assert_eq!(backend.last_request().header("content-length"), "2000000");
    let chunked =
        format!("{head}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n");
    assert_eq!(wire.ask(&chunked).unwrap().text(), "abcdefg");
    assert_eq!(backend.last_request().header("transfer-encoding"), "chunked");
    let empty = format!("{head}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    assert_eq!(wire.ask(&empty).unwrap().text(), "");
    let zero = format!("{head}Content-Length: 0\r\n\r\n");
    assert_eq!(wire.ask(&zero).unwrap().text(), "");
    assert_eq!(backend.last_request().header("content-length"), "0");
}

#[test]
fn head_answers_keep_their_length_and_the_connection() {
    let backend = Backend::answering(|request| {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n";
        if request.first_line.starts_with("HEAD") { head.to_owned() } else { ok("get") }
    });
    let (_edge, _engine, port) = simple(&[&backend]);
    let mut wire = Wire::connect(port);
    for _ in 0..3 {
        wire.write("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
        let head = wire.read_head().unwrap();
        assert_eq!((head.status(), head.header("content-length")), (200, "5000"));
        assert_eq!(wire.ask(&get("/")).unwrap().text(), "get");
    }
}

#[test]
fn kept_connections_are_used_again() {
    let backend = Backend::custom(|_, mut wire| {
        wire.write(&ok("ok"));
        while wire.request().is_some() {
            wire.write(&ok("again"));
        }
    });
    let (_edge, _engine, port) = simple(&[&backend]);
    let mut wire = Wire::connect(port);
    assert_eq!(wire.ask(&get("/")).unwrap().text(), "ok");
    for _ in 0..50 {
        assert_eq!(wire.ask(&get("/")).unwrap().text(), "again");
    }
}

#[test]
fn an_answer_until_close_ends_with_the_connection() {
    let backend = Backend::custom(|_, mut wire| wire.write("HTTP/1.1 200 OK\r\n\r\nall there is"));
    let (_edge, _engine, port) = simple(&[&backend]);
    let mut wire = Wire::connect(port);
    for _ in 0..2 {
        let response = wire.ask(&get("/")).unwrap();
        assert_eq!(response.text(), "all there is");
        assert_eq!(response.header("transfer-encoding"), "chunked");
    }
    let old = ask(port, "GET / HTTP/1.0\r\n\r\n");
    assert_eq!((old.text().as_str(), old.header("transfer-encoding")), ("all there is", ""));
}

#[test]
fn bodies_are_streamed_both_ways() {
    let backend = Backend::custom(|_, mut wire| {
        // Answers before the request is complete, then echoes what comes.
        wire.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n");
        let mut buf = [0; 64];
        let read = wire.reader.read(&mut buf).unwrap();
        let data = String::from_utf8_lossy(&buf[..read]).into_owned();
        wire.write(&format!("{:x}\r\n{data}\r\n0\r\n\r\n", data.len()));
    });
    let (_edge, _engine, port) = simple(&[&backend]);
    let mut wire = Wire::connect(port);
    wire.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");
    let head = wire.read_head().unwrap();
    assert_eq!(head.status(), 200);
    let mut first = [0; 10];
    wire.reader.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"5\r\nfirst\r\n", "the answer began before the request was sent");
    wire.write("second");
    let mut second = [0; 11];
    wire.reader.read_exact(&mut second).unwrap();
    assert_eq!(&second, b"6\r\nsecond\r\n");
}

#[test]
fn a_slow_reader_holds_the_target_back() {
    let (stuck, was_stuck) = std::sync::mpsc::sync_channel(1);
    let backend = Backend::custom(move |_, mut wire| {
        wire.write("HTTP/1.1 200 OK\r\nContent-Length: 500000000\r\n\r\n");
        wire.stream.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
        let mut sent = 0usize;
        let block = vec![b'x'; 1 << 20];
        while let Ok(n) = wire.stream.write(&block) {
            sent += n;
        }
        stuck.send(sent).unwrap();
    });
    let (_edge, _engine, port) = simple(&[&backend]);
    let mut wire = Wire::connect(port);
    wire.write(&get("/"));
    let sent = was_stuck.recv_timeout(PATIENCE).unwrap();
    assert!(sent < 100_000_000, "{sent} bytes were taken for a client that reads nothing");
    assert_eq!(wire.read_head().unwrap().status(), 200);
}

#[test]
fn an_early_refusal_reaches_a_client_that_still_sends() {
    let backend = Backend::custom(|_, mut wire| {
        wire.write("HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig");
        wire.stream.shutdown(std::net::Shutdown::Write).unwrap();
        let _ = wire.reader.read(&mut [0; 1024]);
    });
    let (_edge, _engine, port) = simple(&[&backend]);
    let mut wire = Wire::connect(port);
    wire.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nsome");
    let response = wire.response().unwrap();
    assert_eq!((response.status(), response.text().as_str()), (413, "big"));
}

#[test]
fn expect_100_continue_asks_the_target_first() {
    let backend = Backend::custom(|request, mut wire| {
        assert_eq!(request.header("expect"), "100-continue");
        if request.path() == "/no" {
            wire.write("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n");
            return;
        }
        if request.path() == "/yes" {
            wire.write("HTTP/1.1 100 Continue\r\n\r\n");
        }
        let mut request = request;
        wire.read_body(&mut request, false).unwrap();
        wire.write(&ok(&request.text()));
    });
    let (_edge, _engine, port) = simple(&[&backend]);
    let head = |path: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
        )
    };
    // Also for a target that does not know about it, after a while.
    for path in ["/yes", "/unaware"] {
        let mut wire = Wire::connect(port);
        wire.write(&head(path));
        assert_eq!(wire.read_head().unwrap().status(), 100, "{path}");
        assert_eq!(wire.ask("hello").unwrap().text(), "hello", "{path}");
    }
    let mut wire = Wire::connect(port);
    wire.write(&head("/no"));
    assert_eq!(wire.read_head().unwrap().status(), 403, "the body was not asked for");
}

#[test]
fn alb_err_2_bad_targets_make_a_502() {
    let backend = Backend::custom(|request, mut wire| {
        let reply = match request.path() {
            "/garbage" => "SSH-2.0-OpenSSH_9\r\n\r\n".to_owned(),
            "/both" => "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
            "/lengths" => "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello".to_owned(),
            "/huge" => format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "h".repeat(40_000)),
            "/cut" => "HTTP/1.1 200 OK\r\nContent-".to_owned(),
            "/101" => "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n".to_owned(),
            "/hints" => "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(1000),
            _ => String::new(),
        };
        let _ = wire.stream.write_all(reply.as_bytes());
    });
    let (_edge, mut engine, port) = simple(&[&backend]);
    let mut wire = Wire::connect(port);
    for path in ["/garbage", "/both", "/lengths", "/huge", "/cut", "/101", "/hints", "/silence"] {
        let response = wire.ask(&get(path)).unwrap_or_else(|| panic!("{path}: no response"));
        assert_eq!(response.status(), 502, "{path}");
        assert_eq!(response.header("server"), "awselb/2.0");
        assert_eq!(response.header("content-type"), "text/html");
        assert!(response.text().contains("<h1>502 Bad Gateway</h1>"), "{}", response.text());
    }
    engine.say(&neargate_edge::control::ToEdge::GetMetrics);
    let metrics = engine.hear("Metrics", |m| match m {
        neargate_edge::control::FromEdge::Metrics(metrics) => Some(metrics.clone()),
        _ => None,
    });
    assert_eq!(metrics.target_groups[0].elb_codes, [8, 0, 0]);
}

#[test]
fn a_body_cut_short_cuts_the_client_too() {
    let backend = Backend::custom(|request, mut wire| match request.path() {
        "/length" => wire.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"),
        _ => wire.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"),
    });
    let (_edge, _engine, port) = simple(&[&backend]);
    for path in ["/length", "/chunked"] {
        assert!(Wire::connect(port).ask(&get(path)).is_none(), "{path} must not look complete");
    }
}

#[test]
fn alb_err_7_a_refused_connection_is_a_502_and_not_tried_elsewhere() {
    let edge = Edge::start();
    let mut engine = edge.engine();
    let target = neargate_edge::control::Target { address: nobody(), draining: false };
    engine.sync(vec![group("g", &[target]), listener(80, forward(&[("g", 1)]), vec![])]);
    let response = ask(engine.port(80), &get("/"));
    assert_eq!(response.status(), 502);
}

#[test]
fn alb_err_3_no_registered_target_is_a_503() {
    let backend = Backend::named("ok");
    let edge = Edge::start();
    let mut engine = edge.engine();
    engine.sync(vec![group("g", &[]), listener(80, forward(&[("g", 1)]), vec![])]);
    let mut wire = Wire::connect(engine.port(80));
    let response = wire.ask(&get("/")).unwrap();
    assert_eq!(response.status(), 503);
    assert!(response.text().contains("503 Service Temporarily Unavailable"));
    engine.apply(group("g", &[draining(backend.target())]));
    assert_eq!(wire.ask(&get("/")).unwrap().status(), 503, "draining is not registered");
    engine.apply(group("g", &[backend.target()]));
    assert_eq!(wire.ask(&get("/")).unwrap().text(), "ok");
}

#[test]
fn alb_err_4_a_silent_target_is_a_504() {
    let backend = Backend::custom(|_, wire| {
        std::thread::sleep(Duration::from_secs(3));
        drop(wire);
    });
    let (_edge, _engine, port) = simple_with(&[&backend], 400);
    let response = ask(port, &get("/"));
    assert_eq!(response.status(), 504);
    assert!(response.text().contains("504 Gateway Time-out"));
}

#[test]
fn alb_hdr_7_silent_clients_are_closed() {
    let backend = Backend::named("ok");
    let (_edge, _engine, port) = simple_with(&[&backend], 400);
    let mut fresh = Wire::connect(port);
    let mut kept = Wire::connect(port);
    kept.ask(&get("/")).unwrap();
    let mut half = Wire::connect(port);
    half.write("GET / HTTP/1.1\r\nHost:");
    let mut uploading = Wire::connect(port);
    uploading.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf");
    assert!(fresh.is_closed());
    assert!(kept.is_closed());
    assert!(half.is_closed());
    assert_eq!(uploading.response().unwrap().status(), 408);
}

#[test]
fn a_stale_kept_connection_is_replaced() {
    // Each connection serves one request, then resets or closes on the next, as a target does whose
    // keep-alive time is over.
    let backend = Backend::custom(|_, mut wire| {
        wire.write(&ok("ok"));
        wire.read_head();
    });
    let (_edge, _engine, port) = simple(&[&backend]);
    let mut wire = Wire::connect(port);
    for round in 0..20 {
        assert_eq!(wire.ask(&get("/")).unwrap().status(), 200, "round {round}");
    }
}

#[test]
fn alb_err_1_malformed_requests() {
    let backend = Backend::named("ok");
    let (_edge, engine, port) = simple(&[&backend]);
    let long = "a".repeat(17 * 1024);
    let huge = "b: ccccccccccccccccccccccccccccccccccccccccccccccccccccccccc\r\n".repeat(90)
        + &format!("d: {}\r\n", "e".repeat(15_000)).repeat(5);
    let forwarded = vec!["1.1.1.1"; 31].join(",");
    for (request, status) in [
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n".to_owned(), 400),
        ("GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 400),
        ("G\x00T / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 400),
        ("nonsense\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nbad header: x\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n folded\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/9.9\r\nHost: a\r\n\r\n".to_owned(), 400),
        ("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 405),
        ("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 400),
        (format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"), 414),
        (format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n"), 400),
        (format!("GET / HTTP/1.1\r\nHost: a\r\n{huge}\r\n"), 400),
        (format!("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {forwarded}\r\n\r\n"), 463),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"
                .to_owned(),
            501,
        ),
        // Smuggling.
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx"
                .to_owned(),
            400,
        ),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx".to_owned(), 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\nx".to_owned(), 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\nx".to_owned(), 400),
        (
            "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
            400,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n".to_owned(),
            400,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n"
                .to_owned(),
            400,
        ),
    ] {
        let shown = &request[..request.len().min(90)];
        let mut wire = Wire::connect(port);
        let _ = wire.stream.write_all(request.as_bytes());
        let response = wire.response().unwrap_or_else(|| panic!("{shown:?}: no response"));
        assert_eq!(response.status(), status, "{shown:?}");
        assert_eq!(response.header("server"), "awselb/2.0", "{shown:?}");
        assert!(response.text().contains("<h1>"), "{shown:?}");
    }
    assert!(backend.requests.lock().unwrap().is_empty(), "none of them reached a target");
    assert_eq!(engine.health("g", backend.address).unwrap().state, TargetState::Healthy);
    assert_eq!(ask(port, &get("/")).text(), "ok");
}

#[test]
fn a_request_with_length_and_chunks_is_one_request_with_chunks() {
    let backend = Backend::answering(|request| ok(&request.text()));
    let (_edge, _engine, port) = simple(&[&backend]);
    let mut wire = Wire::connect(port);
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    let request = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n\
         0\r\n\r\n{smuggled}",
        5 + smuggled.len()
    );
    assert_eq!(wire.ask(&request).unwrap().status(), 200);
    let seen = backend.last_request();
    assert_eq!((seen.header("content-length"), seen.header("transfer-encoding")), ("", "chunked"));
    assert!(wire.is_closed(), "what follows is not taken for a request");
    assert_eq!(backend.requests.lock().unwrap().len(), 1);
}

#[test]
fn broken_chunks_of_a_client_end_its_request() {
    let backend = Backend::answering(|request| ok(&request.text()));
    let (_edge, _engine, port) = simple(&[&backend]);
    let mut wire = Wire::connect(port);
    wire.write("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n");
    assert!(wire.response().is_none_or(|response| response.status() == 400));
    assert!(backend.requests.lock().unwrap().is_empty());
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let backend = Backend::answering(|request| ok(request.path()));
    let (_edge, _engine, port) = simple(&[&backend]);
    let mut wire = Wire::connect(port);
    let all: String = (0..20).map(|i| get(&format!("/{i}"))).collect();
    wire.write(&all);
    for i in 0..20 {
        assert_eq!(wire.response().unwrap().text(), format!("/{i}"));
    }
}

#[test]
fn answers_wait_for_a_client_that_reads_late() {
    // More than the kernel holds for both sides of the connection, in answers small enough to be
    // written at the end of a round.
    const REQUESTS: usize = 4_000;
    let filler = "f".repeat(3_500);
    let backend = Backend::answering(move |request| ok(&format!("{}{filler}", request.path())));
    let (_edge, _engine, port) = simple(&[&backend]);
    let mut wire = Wire::connect(port);
    let all: String = (0..REQUESTS).map(|i| get(&format!("/{i:06}"))).collect();
    wire.write(&all);
    let served = || backend.requests.lock().unwrap().len();
    eventually("the edge stops taking answers", || {
        let before = served();
        std::thread::sleep(Duration::from_millis(200));
        (before > 0 && before == served()).then_some(())
    });
    for i in 0..REQUESTS {
        let response = wire.response().unwrap_or_else(|| panic!("answer {i} is missing"));
        assert!(response.text().starts_with(&format!("/{i:06}f")), "{i}: {}", response.text());
        assert_eq!(response.body.len(), 3_507);
    }
}
