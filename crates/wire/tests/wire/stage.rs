//! What the tests share: a wire with every model there is, and services that answer as told.

use std::path::Path;
use std::sync::Mutex;

use neargate_wire::{Auth, AwsError, HttpRequest, HttpResponse, Models, Services, Wire};
use serde_json::Value;

/// The moment the published examples of SigV4 were signed: 2015-08-30T12:36:00Z.
pub(crate) const NOW_MS: u64 = 1_440_938_160_000;

/// The product's models and those that only tests use.
pub(crate) fn all_models() -> Models {
    let mut models = Models::embedded();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/models");
    let text = std::fs::read_to_string(folder.join("batch.json")).expect("a model");
    models.add("batch", &text).expect("a model of AWS Batch");
    models
}

pub(crate) fn wire() -> Wire {
    Wire::new(all_models(), Auth::Any)
}

type Answer = Box<dyn Fn(&str, &str, &Value) -> Result<Value, AwsError> + Send + Sync>;

/// Services that keep what they were asked and answer by a function.
pub(crate) struct Told {
    pub(crate) asked: Mutex<Vec<(String, String, Value)>>,
    answer: Answer,
}

impl Told {
    pub(crate) fn new(
        answer: impl Fn(&str, &str, &Value) -> Result<Value, AwsError> + Send + Sync + 'static,
    ) -> Self {
        Self { asked: Mutex::new(Vec::new()), answer: Box::new(answer) }
    }

    /// Answers everything with this.
    pub(crate) fn always(value: Value) -> Self {
        Self::new(move |_, _, _| Ok(value.clone()))
    }

    /// Fails everything with this.
    pub(crate) fn failing(error: AwsError) -> Self {
        Self::new(move |_, _, _| Err(error.clone()))
    }

    pub(crate) fn only(&self) -> (String, String, Value) {
        let asked = self.asked.lock().expect("not poisoned");
        assert_eq!(asked.len(), 1, "asked once: {asked:?}");
        asked[0].clone()
    }
}

impl Services for Told {
    fn serves(&self, _service: &str, operation: &str) -> bool {
        operation != "GetTaskProtection" && operation != "DescribeTags"
    }

    fn call(&self, service: &str, operation: &str, input: Value) -> Result<Value, AwsError> {
        let answer = (self.answer)(service, operation, &input);
        let asked = (service.to_owned(), operation.to_owned(), input);
        self.asked.lock().expect("not poisoned").push(asked);
        answer
    }
}

fn authorization(service: &str) -> (String, String) {
    let value = format!(
        "AWS4-HMAC-SHA256 Credential=K/20150830/us-east-1/{service}/aws4_request, \
         SignedHeaders=host, Signature=00"
    );
    ("Authorization".to_owned(), value)
}

/// An awsJson 1.1 request.
pub(crate) fn json(target: &str, body: &str) -> HttpRequest {
    HttpRequest {
        method: "POST".to_owned(),
        uri: "/".to_owned(),
        headers: vec![
            ("X-Amz-Target".to_owned(), target.to_owned()),
            ("Content-Type".to_owned(), "application/x-amz-json-1.1".to_owned()),
        ],
        body: body.as_bytes().to_vec(),
    }
}

pub(crate) fn ecs(operation: &str, body: &str) -> HttpRequest {
    json(&format!("AmazonEC2ContainerServiceV20141113.{operation}"), body)
}

/// A query request.
pub(crate) fn form(service: &str, body: &str) -> HttpRequest {
    HttpRequest {
        method: "POST".to_owned(),
        uri: "/".to_owned(),
        headers: vec![
            ("Content-Type".to_owned(), "application/x-www-form-urlencoded".to_owned()),
            authorization(service),
        ],
        body: body.as_bytes().to_vec(),
    }
}

pub(crate) fn elbv2(parameters: &str) -> HttpRequest {
    form("elasticloadbalancing", &format!("Version=2015-12-01&{parameters}"))
}

/// A REST request.
pub(crate) fn rest(service: &str, method: &str, uri: &str, body: &str) -> HttpRequest {
    HttpRequest {
        method: method.to_owned(),
        uri: uri.to_owned(),
        headers: vec![authorization(service)],
        body: body.as_bytes().to_vec(),
    }
}

pub(crate) fn text(response: &HttpResponse) -> &str {
    std::str::from_utf8(&response.body).expect("answers are UTF-8")
}

/// Code and message of a refusal in any protocol, and that it is one: 4xx with a request id.
pub(crate) fn refusal(response: &HttpResponse) -> (String, String) {
    assert!((400..500).contains(&response.status), "{} {}", response.status, text(response));
    assert!(response.header("x-amzn-RequestId").is_some_and(|id| id.len() == 36));
    let body = text(response);
    if let Ok(json) = serde_json::from_str::<Value>(body) {
        let text = |name: &str| json[name].as_str().map(str::to_owned);
        let code =
            text("__type").or_else(|| response.header("x-amzn-ErrorType").map(str::to_owned));
        return (code.expect("a code"), text("message").or(text("Message")).expect("a message"));
    }
    let between = |name: &str| {
        let rest = body.split_once(&format!("<{name}>")).expect(body).1;
        rest.split_once(&format!("</{name}>")).expect(body).0.to_owned()
    };
    (between("Code"), between("Message"))
}
