//! A real client against a real socket: boto3 sends every case of `tests/golden/cases.json` and
//! compares what it reads with what the services answered.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use neargate_wire::{AwsError, HttpRequest, Wire};
use serde_json::Value;

use crate::stage::{Told, wire};

/// Times and blobs of the cases without their marks.
fn unmarked(value: &Value) -> Value {
    match value {
        Value::Object(object) => {
            let marked = object.get("$blob").or(object.get("$time"));
            marked.cloned().unwrap_or_else(|| {
                object.iter().map(|(name, value)| (name.clone(), unmarked(value))).collect()
            })
        }
        Value::Array(items) => items.iter().map(unmarked).collect(),
        other => other.clone(),
    }
}

/// Cases are told apart by operation and by those members of the input that the case names.
fn answers(cases: Vec<Value>) -> Told {
    let mut by_operation: HashMap<(String, String), Vec<Value>> = HashMap::new();
    for case in cases {
        let name = |key: &str| case[key].as_str().expect(key).to_owned();
        by_operation.entry((name("service"), name("operation"))).or_default().push(case);
    }
    Told::new(move |service, operation, input| {
        let cases = &by_operation[&(service.to_owned(), operation.to_owned())];
        let meant = |case: &&Value| {
            let params = unmarked(&case["params"]);
            let mut params = params.as_object().expect("params").iter();
            params.all(|(name, value)| &input[name] == value)
        };
        let Some(case) = cases.iter().find(meant) else {
            return Err(AwsError::new("NoCase", format!("no case for {operation} {input}")));
        };
        match case.get("error") {
            None => Ok(unmarked(&case["output"])),
            Some(error) => {
                let text = |key: &str| error[key].as_str().expect(key);
                let aws_error = AwsError::new(text("code"), text("message"));
                // Where the service says it, because the model does not.
                match error["given"].as_u64() {
                    Some(status) => {
                        Err(aws_error.with_status(u16::try_from(status).unwrap_or(400)))
                    }
                    None => Err(aws_error),
                }
            }
        }
    })
}

fn serve(stream: TcpStream, wire: &Wire, services: &Told) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let mut words = line.split_whitespace();
        let mut request = HttpRequest {
            method: words.next().unwrap_or_default().to_owned(),
            uri: words.next().unwrap_or_default().to_owned(),
            ..HttpRequest::default()
        };
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            request.headers.push((name.to_owned(), value.trim().to_owned()));
        }
        if request.header("expect").is_some() {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let length = request.header("content-length").and_then(|l| l.parse().ok()).unwrap_or(0);
        request.body = vec![0; length];
        reader.read_exact(&mut request.body)?;
        let response = wire.handle(&request, services, 0);
        let mut head = format!("HTTP/1.1 {} Status\r\n", response.status);
        for (name, value) in &response.headers {
            if !name.eq_ignore_ascii_case("content-length") {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        head.push_str(&format!("Content-Length: {}\r\n\r\n", response.body.len()));
        stream.write_all(head.as_bytes())?;
        stream.write_all(&response.body)?;
    }
}

#[test]
#[allow(clippy::print_stderr)] // A skipped test must be seen.
fn boto3_reads_what_the_services_answered() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let has_boto3 = Command::new("python3").args(["-c", "import boto3"]).output();
    if !has_boto3.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: python3 with boto3 is not installed (pip install boto3)");
        return;
    }
    let cases = std::fs::read_to_string(here.join("cases.json")).expect("cases");
    let services = Arc::new(answers(serde_json::from_str(&cases).expect("JSON")));
    let wire = Arc::new(wire());
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    let done = Arc::new(AtomicBool::new(false));
    let server = {
        let done = Arc::clone(&done);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if done.load(Ordering::SeqCst) {
                    break;
                }
                let (wire, services) = (Arc::clone(&wire), Arc::clone(&services));
                let stream = stream.expect("a connection");
                // A client that hangs up is not of interest.
                std::thread::spawn(move || drop(serve(stream, &wire, &services)));
            }
        })
    };
    let output = Command::new("python3")
        .args(["-B", "roundtrip.py", &format!("http://{address}")])
        .current_dir(here)
        .env_remove("AWS_ENDPOINT_URL")
        .env_remove("AWS_PROFILE")
        .output()
        .expect("python3 runs");
    done.store(true, Ordering::SeqCst);
    drop(TcpStream::connect(address));
    server.join().expect("the server ends");
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
