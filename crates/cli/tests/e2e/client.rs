//! A client of the AWS endpoint that keeps its connection and signs if it has a key.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use neargate_wire::HttpRequest;
use neargate_wire::sigv4::{Encoding, Scope, canonical_request, signature, string_to_sign};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::platform::Platform;

/// What signs.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) token: Option<String>,
}

impl Key {
    /// The one pair in the home's file.
    pub(crate) fn of_home(home: &Path) -> Key {
        let text = std::fs::read_to_string(home.join("credentials")).expect("the home's keys");
        let value = |name: &str| {
            let mut lines = text.lines().filter_map(|line| line.split_once(" = "));
            lines.find(|(n, _)| *n == name).expect(name).1.to_owned()
        };
        let (id, secret) = (value("aws_access_key_id"), value("aws_secret_access_key"));
        Key { id, secret, token: None }
    }

    /// What a task is given for its role.
    pub(crate) fn of_role(credentials: &Value) -> Key {
        let text = |name: &str| credentials[name].as_str().expect(name).to_owned();
        Key { id: text("AccessKeyId"), secret: text("SecretAccessKey"), token: Some(text("Token")) }
    }

    fn sign(&self, request: &mut HttpRequest, service: &str) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        let now = jiff::Timestamp::from_second(now.as_secs() as i64).expect("a time");
        let date = now.to_zoned(jiff::tz::TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ").to_string();
        request.headers.push(("X-Amz-Date".into(), date.clone()));
        if let Some(token) = &self.token {
            request.headers.push(("X-Amz-Security-Token".into(), token.clone()));
        }
        let mut signed: Vec<String> =
            request.headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
        signed.sort();
        let scope = Scope {
            access_key: self.id.clone(),
            date: date[..8].to_owned(),
            region: "us-west-2".to_owned(),
            service: service.to_owned(),
        };
        let hash: String =
            Sha256::digest(&request.body).iter().map(|byte| format!("{byte:02x}")).collect();
        let canonical = canonical_request(request, &signed, &hash, Encoding::Twice);
        let signature = signature(&self.secret, &scope, &string_to_sign(&date, &scope, &canonical));
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{}/{}/{service}/aws4_request, SignedHeaders={}, \
             Signature={signature}",
            scope.access_key,
            scope.date,
            scope.region,
            signed.join(";")
        );
        request.headers.push(("Authorization".into(), authorization));
    }
}

/// One connection.
pub(crate) struct Client {
    authority: String,
    key: Option<Key>,
    stream: BufReader<TcpStream>,
}

impl Client {
    /// Nobody in particular.
    pub(crate) fn of(platform: &Platform) -> Client {
        Client::connect(&endpoint(platform), None)
    }

    pub(crate) fn connect(authority: &str, key: Option<Key>) -> Client {
        let stream = TcpStream::connect(authority).expect("connects");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a time-out");
        stream.set_nodelay(true).expect("no delay");
        Client { authority: authority.to_owned(), key, stream: BufReader::new(stream) }
    }

    /// One ECS call as the SDKs send it (ERR-WIRE-1). The error is the connection's.
    pub(crate) fn try_ecs(&mut self, operation: &str, input: &Value) -> io::Result<(u16, Value)> {
        let mut request = HttpRequest {
            method: "POST".into(),
            uri: "/".into(),
            headers: vec![
                ("Host".into(), self.authority.clone()),
                ("Content-Type".into(), "application/x-amz-json-1.1".into()),
                ("X-Amz-Target".into(), format!("AmazonEC2ContainerServiceV20141113.{operation}")),
            ],
            body: input.to_string().into_bytes(),
        };
        if let Some(key) = &self.key {
            key.sign(&mut request, "ecs");
        }
        self.exchange(&request)
    }

    pub(crate) fn exchange(&mut self, request: &HttpRequest) -> io::Result<(u16, Value)> {
        let mut bytes = format!("{} {} HTTP/1.1\r\n", request.method, request.uri);
        for (name, value) in &request.headers {
            bytes.push_str(&format!("{name}: {value}\r\n"));
        }
        bytes.push_str(&format!("Content-Length: {}\r\n\r\n", request.body.len()));
        let mut bytes = bytes.into_bytes();
        bytes.extend_from_slice(&request.body);
        self.stream.get_mut().write_all(&bytes)?;
        let (mut status, mut length, mut line) = (0, 0, String::new());
        loop {
            line.clear();
            if self.stream.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let text = line.trim_end().to_ascii_lowercase();
            if text.is_empty() {
                break;
            }
            if let Some(rest) = text.strip_prefix("http/1.1 ") {
                status = rest.split(' ').next().and_then(|c| c.parse().ok()).unwrap_or(0);
            }
            if let Some(value) = text.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        let value = serde_json::from_slice(&body)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&body).into_owned()));
        Ok((status, value))
    }

    /// A call that must succeed.
    #[track_caller]
    pub(crate) fn ecs(&mut self, operation: &str, input: &Value) -> Value {
        let (status, answer) = self.try_ecs(operation, input).expect("an answer");
        assert_eq!(status, 200, "{operation} {input}: {answer}");
        answer
    }

    /// A call that must not; its error.
    #[track_caller]
    pub(crate) fn refused(&mut self, operation: &str, input: &Value) -> (u16, String) {
        let (status, answer) = self.try_ecs(operation, input).expect("an answer");
        assert_ne!(status, 200, "{operation} {input}: {answer}");
        let kind = answer["__type"].as_str().unwrap_or_default();
        (status, kind.rsplit('#').next().unwrap_or_default().to_owned())
    }
}

/// Host and port of the AWS endpoint.
pub(crate) fn endpoint(platform: &Platform) -> String {
    let status = platform.status();
    let endpoint = status["engine"]["endpoint"].as_str().expect("endpoint");
    endpoint.strip_prefix("http://").expect("http").to_owned()
}
