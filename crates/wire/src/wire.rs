//! A request's life from first to last step.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Map, Value};

use crate::answer::{self, Context};
use crate::error::Fault;
use crate::models::Models;
use crate::route::{Arguments, Lost, Protocol, Route, guess, route, unserved};
use crate::{
    Auth, HttpRequest, HttpResponse, Services, chunked, json, query_decode, rest, sigv4, validate,
};

/// What one request may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a body, where nothing else is said for the service.
    pub body_bytes: usize,
    /// Bytes of a body by short service name.
    pub body_bytes_of: BTreeMap<String, usize>,
    /// Levels of nesting in a body, or parts of a query parameter's name.
    pub depth: usize,
    /// Parameters of a query string or form, or elements of an XML body.
    pub parameters: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { body_bytes: 1 << 20, body_bytes_of: BTreeMap::new(), depth: 64, parameters: 16_384 }
    }
}

impl Limits {
    /// The largest body of any service: what a server must be ready to read.
    #[must_use]
    pub fn largest_body(&self) -> usize {
        self.body_bytes_of.values().copied().fold(self.body_bytes, usize::max)
    }
}

/// The protocols over a set of models.
#[derive(Debug)]
pub struct Wire {
    models: Models,
    auth: Auth,
    limits: Limits,
    requests: AtomicU64,
}

impl Wire {
    /// With the default limits.
    #[must_use]
    pub fn new(models: Models, auth: Auth) -> Self {
        Self { models, auth, limits: Limits::default(), requests: AtomicU64::new(0) }
    }

    /// With other limits.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The limits that hold.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The models it is driven by.
    #[must_use]
    pub fn models(&self) -> &Models {
        &self.models
    }

    /// Answers a request. `now_ms` are milliseconds since 1970, for signatures and request ids.
    pub fn handle(
        &self,
        request: &HttpRequest,
        services: &dyn Services,
        now_ms: u64,
    ) -> HttpResponse {
        let request_id = self.request_id(now_ms);
        let mut response = self.answer(request, services, now_ms, &request_id);
        if request.method == "HEAD" {
            // HTTP allows none.
            response.body.clear();
            response.files.clear();
        }
        response
    }

    fn answer(
        &self,
        request: &HttpRequest,
        services: &dyn Services,
        now_ms: u64,
        request_id: &str,
    ) -> HttpResponse {
        // Before anything is taken apart; by service once that is known.
        let too_large = |limit: usize| {
            let length = request.body.len();
            let what = format!("The body has {length} bytes; at most {limit} are taken");
            (length > limit).then_some(Fault::TooLarge(what))
        };
        if let Some(fault) = too_large(self.limits.largest_body()) {
            let protocol = guess(request);
            let context = Context { protocol, service: None, operation: None, request_id };
            return answer::fault(&context, &fault);
        }
        let found = match route(&self.models, request, self.limits.parameters) {
            Ok(found) => found,
            Err(lost) => {
                let Lost { protocol, service, fault } = *lost;
                let context = Context { protocol, service, operation: None, request_id };
                return answer::fault(&context, &fault);
            }
        };
        let Route { service, operation, protocol, arguments } = found;
        let (service_of, operation_of) = (Some(service), Some(operation));
        let context =
            Context { protocol, service: service_of, operation: operation_of, request_id };
        let limit = self.limits.body_bytes_of.get(&service.name);
        if let Some(fault) = too_large(limit.copied().unwrap_or(self.limits.body_bytes)) {
            return answer::fault(&context, &fault);
        }
        if let Err(error) = sigv4::verify(request, &self.auth, now_ms) {
            return answer::fault(&context, &Fault::Auth(error));
        }
        if !services.serves(&service.name, &operation.name) {
            let what = unserved(&service.name, &operation.name);
            return answer::fault(&context, &Fault::UnknownOperation(what));
        }
        let whole = chunked::is_chunked(request).then(|| chunked::decode(request));
        let input = match (operation.input, &whole) {
            (None, _) => Ok(Value::Object(Map::new())),
            (Some(_), Some(Err(what))) => Err(Fault::IncompleteBody((*what).to_owned())),
            (Some(_), Some(Ok(whole))) => {
                self.input(whole, service, operation, protocol, arguments)
            }
            (Some(_), None) => self.input(request, service, operation, protocol, arguments),
        };
        drop(whole);
        let output = input.and_then(|input| {
            services.call(&service.name, &operation.name, input).map_err(Fault::Service)
        });
        match output {
            Ok(output) => answer::result(&context, service, operation, output),
            Err(fault) => answer::fault(&context, &fault),
        }
    }

    fn input(
        &self,
        request: &HttpRequest,
        service: &crate::shape::Service,
        operation: &crate::shape::Operation,
        protocol: Protocol,
        arguments: Arguments,
    ) -> Result<Value, Fault> {
        let Some(shape) = operation.input else { return Ok(Value::Object(Map::new())) };
        let depth = self.limits.depth;
        let input = match (protocol, arguments) {
            (Protocol::Query(naming), Arguments::Form(pairs)) => {
                query_decode::decode(service, shape, naming, &pairs, depth)?
            }
            (Protocol::Rest(format), Arguments::Rest { labels, query }) => {
                let parts = rest::Parts {
                    request,
                    labels: &labels,
                    query: &query,
                    depth,
                    elements: self.limits.parameters,
                };
                rest::decode(service, shape, format, &parts)?
            }
            // An empty body is an empty input, as AWS takes it.
            _ if request.body.is_empty() => Value::Object(Map::new()),
            _ => json::decode(service, shape, json::parse(&request.body, depth)?)?,
        };
        validate::validate(service, shape, &input)?;
        Ok(input)
    }

    /// What in an answer is not as the model has it: misspelt members, values of another kind. Such
    /// members would be left out of the answer; a test of a service should find none.
    #[must_use]
    pub fn check_answer(&self, service: &str, operation: &str, output: &Value) -> Vec<String> {
        let Some(service) = self.models.service(service) else {
            return vec![format!("there is no model of {service}")];
        };
        match service.operations.get(operation) {
            None => vec![format!("{} has no operation {operation}", service.name)],
            Some(operation) => operation
                .output
                .map(|shape| validate::answer_mistakes(service, shape, output))
                .unwrap_or_default(),
        }
    }

    /// In the form of a UUID; different for each request of this process, and not a secret.
    fn request_id(&self, now_ms: u64) -> String {
        let count = self.requests.fetch_add(1, Ordering::Relaxed);
        let high = mixed(now_ms);
        let low = mixed(count ^ high.rotate_left(32));
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0xfff,
            0x8000 | (low >> 48 & 0x3fff),
            low & 0xffff_ffff_ffff
        )
    }
}

/// The finaliser of SplitMix64: every bit of the input changes half of the output.
fn mixed(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
