//! Which service and operation a request means, and in which protocol it wants its answer.
//!
//! X-Amz-Target names an awsJson operation; a form with an Action is a query; an rpc-v2-cbor path
//! names itself; everything else is REST, where the credential scope names the service and method
//! and path the operation.

use std::cmp::Reverse;

use crate::error::{AwsError, Fault};
use crate::models::Models;
use crate::query_decode::Naming;
use crate::rest::Format;
use crate::shape::{Location, Operation, Service};
use crate::uri::{self, Match};
use crate::{HttpRequest, sigv4};

/// How requests and answers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// awsJson 1.0 or 1.1: the digit after the point.
    AwsJson(u8),
    Query(Naming),
    Rest(Format),
    /// rpc-v2-cbor: only refused.
    Cbor,
}

/// Where a request goes.
#[derive(Debug)]
pub(crate) struct Route<'m> {
    pub(crate) service: &'m Service,
    pub(crate) operation: &'m Operation,
    pub(crate) protocol: Protocol,
    pub(crate) arguments: Arguments,
}

/// Parts of a request that routing has taken apart, for the decoder.
#[derive(Debug)]
pub(crate) enum Arguments {
    Body,
    Form(Vec<(String, String)>),
    Rest { labels: Vec<(String, String)>, query: Vec<(String, String)> },
}

/// A request that goes nowhere: the answer still has to be in a protocol the client reads.
#[derive(Debug)]
pub(crate) struct Lost<'m> {
    pub(crate) protocol: Protocol,
    pub(crate) service: Option<&'m Service>,
    pub(crate) fault: Fault,
}

impl<'m> Lost<'m> {
    fn new(protocol: Protocol, service: Option<&'m Service>, fault: Fault) -> Box<Self> {
        Box::new(Self { protocol, service, fault })
    }
}

/// Finds the way.
pub(crate) fn route<'m>(
    models: &'m Models,
    request: &HttpRequest,
    parameters: usize,
) -> Result<Route<'m>, Box<Lost<'m>>> {
    let (path, query) = uri::split(&request.uri);
    if let Some(target) = request.header("x-amz-target") {
        return by_target(models, request, target);
    }
    if let Some(rest) = path.strip_prefix("/service/")
        && let Some((name, operation)) = rest.split_once("/operation/")
    {
        let service = models.by_rpc_name(name);
        let what = format!(
            "Neargate does not serve the protocol rpc-v2-cbor (asked for {name}:{operation}); \
             choose another protocol of the service"
        );
        return Err(Lost::new(Protocol::Cbor, service, Fault::UnknownOperation(what)));
    }
    let protocol = guess(request);
    let lost = |fault| Lost::new(protocol, None, fault);
    let read = |text: &[u8], plus| {
        uri::pairs(text, plus, parameters).map_err(|error| match error {
            uri::UriError::TooMany(_) => {
                lost(Fault::TooLarge(format!("In the parameters: {error}")))
            }
            _ => lost(Fault::Malformed(format!("In the parameters: {error}"))),
        })
    };
    let form = is_form(request);
    // A plus is a space in forms; in REST paths and parameters it is itself.
    let query_has_action = query.split('&').any(|pair| pair.starts_with("Action="));
    if form || query_has_action {
        let mut pairs = read(query.as_bytes(), true)?;
        if form {
            pairs.extend(read(&request.body, true)?);
        }
        return by_action(models, request, pairs);
    }
    let pairs = read(query.as_bytes(), false)?;
    by_path(models, request, protocol, path, pairs)
}

fn content_type(request: &HttpRequest) -> &str {
    request.header("content-type").unwrap_or_default()
}

fn is_form(request: &HttpRequest) -> bool {
    content_type(request).starts_with("application/x-www-form-urlencoded")
        && request.method == "POST"
}

/// What a client that cannot be told apart otherwise is likely to read.
pub(crate) fn guess(request: &HttpRequest) -> Protocol {
    let content_type = content_type(request);
    if content_type.starts_with("application/x-amz-json") {
        Protocol::AwsJson(if content_type.ends_with('0') { 0 } else { 1 })
    } else if content_type.starts_with("application/json") {
        Protocol::Rest(Format::Json)
    } else if is_form(request) {
        Protocol::Query(Naming::Query)
    } else {
        Protocol::Rest(Format::Xml)
    }
}

fn by_target<'m>(
    models: &'m Models,
    request: &HttpRequest,
    target: &str,
) -> Result<Route<'m>, Box<Lost<'m>>> {
    let version = if content_type(request).contains("json-1.0") { 0 } else { 1 };
    let protocol = Protocol::AwsJson(version);
    let (prefix, name) = target.rsplit_once('.').unwrap_or((target, ""));
    let service = models.by_target_prefix(prefix).filter(|s| s.metadata.speaks("json"));
    let Some(service) = service else {
        let target = crate::scalar::quoted(target);
        let what = format!("Neargate serves no service with the X-Amz-Target {target}");
        return Err(Lost::new(protocol, None, Fault::UnknownOperation(what)));
    };
    match service.operations.get(name) {
        Some(operation) => Ok(Route { service, operation, protocol, arguments: Arguments::Body }),
        None => Err(Lost::new(protocol, Some(service), unknown(service, name))),
    }
}

/// Named, so that the one who reads it knows what to do without.
fn unknown(service: &Service, operation: &str) -> Fault {
    let version = &service.metadata.api_version;
    Fault::UnknownOperation(if service.others.iter().any(|other| other == operation) {
        unserved(&service.name, operation)
    } else {
        let operation = crate::scalar::quoted(operation);
        format!("Could not find operation {operation} of {} for version {version}", service.name)
    })
}

/// AWS has it, Neargate has not.
pub(crate) fn unserved(service: &str, operation: &str) -> String {
    format!("Neargate does not serve {service}:{operation}")
}

fn by_action<'m>(
    models: &'m Models,
    request: &HttpRequest,
    pairs: Vec<(String, String)>,
) -> Result<Route<'m>, Box<Lost<'m>>> {
    let query = Protocol::Query(Naming::Query);
    let find = |name: &str| pairs.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
    let Some(action) = find("Action") else {
        let error = AwsError::new("MissingAction", "The request names no Action");
        return Err(Lost::new(query, None, Fault::Service(error)));
    };
    let scope = sigv4::scope_of(request);
    let scope = scope.as_ref().map(|scope| scope.service.as_str());
    let version = find("Version");
    let service = models
        .by_signing_name(scope, version.as_deref())
        .filter(|s| s.metadata.speaks("query") || s.metadata.speaks("ec2"));
    let Some(service) = service else {
        let action = crate::scalar::quoted(&action);
        let version = version.unwrap_or_default();
        let what = format!("Could not find operation {action} for version {version}");
        let protocol = if scope == Some("ec2") { Protocol::Query(Naming::Ec2) } else { query };
        return Err(Lost::new(protocol, None, Fault::UnknownOperation(what)));
    };
    let naming = if service.metadata.protocol == "ec2" { Naming::Ec2 } else { Naming::Query };
    let protocol = Protocol::Query(naming);
    match service.operations.get(&action) {
        Some(operation) => {
            Ok(Route { service, operation, protocol, arguments: Arguments::Form(pairs) })
        }
        None => Err(Lost::new(protocol, Some(service), unknown(service, &action))),
    }
}

fn by_path<'m>(
    models: &'m Models,
    request: &HttpRequest,
    guess: Protocol,
    path: &str,
    query: Vec<(String, String)>,
) -> Result<Route<'m>, Box<Lost<'m>>> {
    let scope = sigv4::scope_of(request);
    let scope = scope.as_ref().map(|scope| scope.service.as_str());
    let service = scope.and_then(|scope| models.by_signing_name(Some(scope), None));
    let Some(service) = service else {
        let asked = scope.unwrap_or("an unsigned request, which names no service");
        let what = format!("Neargate does not serve {asked} ({} {path})", request.method);
        return Err(Lost::new(guess, None, Fault::UnknownOperation(what)));
    };
    let protocol = match service.metadata.protocol.as_str() {
        "rest-json" => Protocol::Rest(Format::Json),
        "rest-xml" => Protocol::Rest(Format::Xml),
        "ec2" => Protocol::Query(Naming::Ec2),
        "query" => Protocol::Query(Naming::Query),
        _ => Protocol::AwsJson(1),
    };
    let at_host = under_host(service, request, path);
    let path = at_host.as_deref().unwrap_or(path);
    let best = service
        .operations
        .values()
        .filter(|operation| {
            matches!(protocol, Protocol::Rest(_)) && operation.method == request.method
        })
        .filter_map(|operation| Some((operation, operation.template.matches(path, &query)?)))
        .min_by_key(|(operation, found)| preference(service, operation, found, request, &query));
    match best {
        Some((operation, _)) if let Some(part) = strange(service, operation, &query) => {
            let name = &service.name;
            let what = format!("Neargate does not serve {name}: {} {path}?{part}", request.method);
            Err(Lost::new(protocol, Some(service), Fault::UnknownOperation(what)))
        }
        Some((operation, found)) => {
            let arguments = Arguments::Rest { labels: found.labels, query };
            Ok(Route { service, operation, protocol, arguments })
        }
        None => {
            let name = &service.name;
            let what = format!("Neargate does not serve {name}: {} {path}", request.method);
            Err(Lost::new(protocol, Some(service), Fault::UnknownOperation(what)))
        }
    }
}

/// The whole path where its first segment stands before the host: only names under localhost, which
/// all lead here.
fn under_host(service: &Service, request: &HttpRequest, path: &str) -> Option<String> {
    let host = request.header("host").filter(|_| service.options.in_hosts())?;
    let name = host.split(':').next()?;
    let end = name.len().checked_sub(LOCAL.len())?;
    let (first, domain) = name.split_at_checked(end)?;
    let first = first.strip_suffix(".s3").unwrap_or(first);
    let is_under = domain.eq_ignore_ascii_case(LOCAL) && !first.is_empty() && first != "s3";
    is_under.then(|| format!("/{first}{path}"))
}

const LOCAL: &str = ".localhost";

/// A parameter without a value that the operation knows nothing of. Such ones name operations, and
/// this one is for another that is not known at all.
fn strange<'q>(
    service: &Service,
    operation: &Operation,
    query: &'q [(String, String)],
) -> Option<&'q str> {
    let structure = operation.input.and_then(|id| service.structure(id));
    let known = |name: &str| {
        operation.template.asks_for(name)
            || structure.is_some_and(|structure| {
                let mut members = structure.members.iter();
                members.any(|m| m.location == Some(Location::QueryString) && m.wire_name() == name)
            })
    };
    let mut bare = query.iter().filter(|(_, value)| value.is_empty()).map(|(name, _)| name);
    bare.find(|name| !known(name)).map(String::as_str)
}

/// Several operations may share a path (UploadPart, CopyObject and PutObject): the best one has all
/// its required parameters and headers, and most of them. Smaller is better.
fn preference(
    service: &Service,
    operation: &Operation,
    found: &Match,
    request: &HttpRequest,
    query: &[(String, String)],
) -> (usize, Reverse<(usize, usize, usize)>, Reverse<usize>) {
    let structure = operation.input.and_then(|id| service.structure(id));
    let required = structure
        .into_iter()
        .flat_map(|structure| structure.required.iter().filter_map(|name| structure.member(name)));
    let (mut missing, mut there) = (0, 0);
    for member in required {
        let name = member.wire_name();
        let present = match member.location {
            Some(Location::QueryString) => query.iter().any(|(n, _)| n == name),
            Some(Location::Header) => request.header(name).is_some(),
            _ => continue,
        };
        if present { there += 1 } else { missing += 1 }
    }
    (missing, Reverse(found.rank), Reverse(there))
}
