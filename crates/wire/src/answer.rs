//! Writes results and faults as the client's protocol wants them.

use serde_json::{Map, Value, json};

use crate::HttpResponse;
use crate::error::{AwsError, Fault};
use crate::json as json_body;
use crate::query_decode::Naming;
use crate::rest::{self, Format};
use crate::route::Protocol;
use crate::shape::{Kind, Operation, Service, Shape};
use crate::sigv4::AuthError;
use crate::xml_encode::Xml;

const NOT_MODIFIED: u16 = 304;

/// What is known of the request when its answer is written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) protocol: Protocol,
    pub(crate) service: Option<&'a Service>,
    pub(crate) operation: Option<&'a Operation>,
    pub(crate) request_id: &'a str,
}

impl Context<'_> {
    fn bare(&self) -> bool {
        self.service.is_some_and(|service| service.options.bare_errors())
    }

    fn finish(&self, status: u16, content_type: &str, body: Vec<u8>) -> HttpResponse {
        let mut headers = vec![("x-amzn-RequestId".to_owned(), self.request_id.to_owned())];
        if matches!(self.protocol, Protocol::Rest(Format::Xml)) {
            headers.push(("x-amz-request-id".to_owned(), self.request_id.to_owned()));
        }
        if !content_type.is_empty() {
            headers.push(("Content-Type".to_owned(), content_type.to_owned()));
        }
        HttpResponse { status, headers, body, files: Vec::new() }
    }
}

/// A result.
pub(crate) fn result(
    context: &Context<'_>,
    service: &Service,
    operation: &Operation,
    value: Value,
) -> HttpResponse {
    match context.protocol {
        Protocol::AwsJson(version) => {
            let body = match operation.output {
                Some(id) => json_body::encode(service, id, value).to_string(),
                None => "{}".to_owned(),
            };
            context.finish(200, json_type(version), body.into_bytes())
        }
        Protocol::Query(naming) => query_result(context, service, operation, naming, &value),
        Protocol::Rest(format) => {
            let encoded = rest::encode(service, operation, format, value);
            let mut response = context.finish(encoded.status, "", encoded.body);
            response.headers.extend(encoded.headers);
            response.files = encoded.files;
            response
        }
        // Routing refuses it, so there is no result to write.
        Protocol::Cbor => fault(context, &Fault::UnknownOperation("rpc-v2-cbor".to_owned())),
    }
}

fn json_type(version: u8) -> &'static str {
    if version == 0 { "application/x-amz-json-1.0" } else { "application/x-amz-json-1.1" }
}

fn query_result(
    context: &Context<'_>,
    service: &Service,
    operation: &Operation,
    naming: Naming,
    value: &Value,
) -> HttpResponse {
    let mut xml = Xml::document();
    let root = format!("{}Response", operation.name);
    xml.open(&root, service.xml_namespace.as_deref());
    let members = |xml: &mut Xml| {
        if let (Some(id), Value::Object(object)) = (operation.output, value) {
            xml.members(service, id, object);
        }
    };
    if naming == Naming::Ec2 {
        xml.leaf("requestId", context.request_id);
        members(&mut xml);
    } else {
        if let Some(wrapper) = &operation.result_wrapper {
            xml.open(wrapper, None);
            members(&mut xml);
            xml.close(wrapper);
        } else {
            members(&mut xml);
        }
        xml.open("ResponseMetadata", None);
        xml.leaf("RequestId", context.request_id);
        xml.close("ResponseMetadata");
    }
    xml.close(&root);
    context.finish(200, "text/xml", xml.text.into_bytes())
}

/// Anything but a result.
pub(crate) fn fault(context: &Context<'_>, fault: &Fault) -> HttpResponse {
    let error = worded(context, fault);
    let shape = context.service.and_then(|s| s.exception(context.operation, &error.code));
    let modelled = shape.and_then(|shape| {
        let fault = shape.error.service_fault.then_some(500);
        shape.error.http_status_code.or(fault)
    });
    let status = if error.status == 400 { modelled.unwrap_or(400) } else { error.status };
    let code = match shape {
        Some(shape) => shape.error.code.as_deref().unwrap_or(&shape.name),
        None => &error.code,
    };
    let fault_of_service = shape.is_some_and(|s| s.error.service_fault) || status >= 500;
    match context.protocol {
        Protocol::AwsJson(version) => {
            let name = shape.map_or(error.code.as_str(), |shape| &shape.name);
            let mut body = json_members(context, shape, &error);
            body.insert("__type".to_owned(), Value::from(name));
            let body = Value::Object(body).to_string().into_bytes();
            let mut response = context.finish(status, json_type(version), body);
            if context.service.is_some_and(|service| service.metadata.query_compatible()) {
                let side = if fault_of_service { "Receiver" } else { "Sender" };
                let value = format!("{code};{side}");
                response.headers.push(("x-amzn-query-error".to_owned(), value));
            }
            response
        }
        Protocol::Rest(Format::Json) => {
            let name = shape.map_or(error.code.as_str(), |shape| &shape.name);
            let body = Value::Object(json_members(context, shape, &error)).to_string();
            let mut response = context.finish(status, "application/json", body.into_bytes());
            response.headers.push(("x-amzn-ErrorType".to_owned(), name.to_owned()));
            response
        }
        Protocol::Rest(Format::Xml) if context.bare() => {
            let mut xml = Xml::document();
            xml.open("Error", None);
            xml_members(&mut xml, context, shape, code, &error);
            xml.leaf("RequestId", context.request_id);
            xml.close("Error");
            // HTTP allows no body that says why there is none.
            let body = if status == NOT_MODIFIED { Vec::new() } else { xml.text.into_bytes() };
            context.finish(status, "application/xml", body)
        }
        Protocol::Query(Naming::Ec2) => {
            let mut xml = Xml::document();
            xml.text.push_str("<Response><Errors><Error>");
            xml_members(&mut xml, context, shape, code, &error);
            xml.text.push_str("</Error></Errors>");
            xml.leaf("RequestID", context.request_id);
            xml.close("Response");
            context.finish(status, "text/xml", xml.text.into_bytes())
        }
        Protocol::Query(Naming::Query) | Protocol::Rest(Format::Xml) => {
            let mut xml = Xml::document();
            let namespace = context.service.and_then(|service| service.xml_namespace.as_deref());
            xml.open("ErrorResponse", namespace);
            xml.open("Error", None);
            xml.leaf("Type", if fault_of_service { "Receiver" } else { "Sender" });
            xml_members(&mut xml, context, shape, code, &error);
            xml.close("Error");
            xml.leaf("RequestId", context.request_id);
            xml.close("ErrorResponse");
            context.finish(status, "text/xml", xml.text.into_bytes())
        }
        Protocol::Cbor => {
            let mut response =
                context.finish(status, "application/cbor", cbor_error(&error.code, &error.message));
            response.headers.push(("smithy-protocol".to_owned(), "rpc-v2-cbor".to_owned()));
            response
        }
    }
}

/// The exception's own name for its message: `message`, or `Message` (ERR-WIRE-2, ERR-CM-1).
fn message_name(shape: Option<&Shape>) -> &str {
    let Some(Kind::Structure(structure)) = shape.map(|shape| &shape.kind) else { return "message" };
    let members = structure.members.iter();
    let mut names = members.map(|member| member.name.as_str());
    names.find(|name| name.eq_ignore_ascii_case("message")).unwrap_or("message")
}

fn json_members(
    context: &Context<'_>,
    shape: Option<&Shape>,
    error: &AwsError,
) -> Map<String, Value> {
    let mut body = Map::new();
    for (name, value) in &error.fields {
        let member = match shape.map(|shape| &shape.kind) {
            Some(Kind::Structure(structure)) => structure.member(name),
            _ => None,
        };
        let value = match (context.service, member) {
            (Some(service), Some(member)) => {
                json_body::encode(service, member.shape, value.clone())
            }
            _ => value.clone(),
        };
        body.insert(member.map_or(name.as_str(), |member| member.wire_name()).to_owned(), value);
    }
    body.insert(message_name(shape).to_owned(), json!(error.message));
    body
}

fn xml_members(
    xml: &mut Xml,
    context: &Context<'_>,
    shape: Option<&Shape>,
    code: &str,
    error: &AwsError,
) {
    xml.leaf("Code", code);
    xml.leaf("Message", &error.message);
    for (name, value) in &error.fields {
        let member = match shape.map(|shape| &shape.kind) {
            Some(Kind::Structure(structure)) => structure.member(name),
            _ => None,
        };
        match (context.service, member, value) {
            (Some(service), Some(member), value) => {
                xml.member(service, member, member.wire_name(), value);
            }
            (_, _, Value::String(text)) => xml.leaf(name, text),
            (_, _, other) => xml.leaf(name, &other.to_string()),
        }
    }
}

/// A CBOR map of two texts: all that this protocol is answered with.
fn cbor_error(name: &str, message: &str) -> Vec<u8> {
    /// Major types.
    const TEXT: u8 = 0x60;
    const MAP_OF_TWO: u8 = 0xa2;
    let mut body = vec![MAP_OF_TWO];
    for text in ["__type", name, "message", message] {
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        match length {
            0..=23 => body.push(TEXT | length as u8),
            _ => {
                // The four-byte form holds for shorter ones as well.
                body.push(TEXT | 26);
                body.extend(length.to_be_bytes());
            }
        }
        body.extend(text.as_bytes());
    }
    body
}

/// Chooses code, status and message of what this crate itself refuses. One default per protocol;
/// a model's own validation exception goes before it.
fn worded(context: &Context<'_>, fault: &Fault) -> AwsError {
    let json = matches!(
        context.protocol,
        Protocol::AwsJson(_) | Protocol::Rest(Format::Json) | Protocol::Cbor
    );
    let bare = context.bare();
    match fault {
        Fault::Service(error) => error.clone(),
        Fault::Validation(violations) => {
            let missing = violations.list.first().is_some_and(|first| first.missing);
            AwsError::new(validation_code(context, missing), violations.message())
        }
        Fault::Malformed(message) => {
            let code = match () {
                () if json => "SerializationException",
                () if bare => "MalformedXML",
                () => "MalformedInput",
            };
            AwsError::new(code, message)
        }
        Fault::IncompleteBody(message) => AwsError::new("IncompleteBody", message),
        Fault::TooLarge(message) => {
            let (code, status) = match () {
                () if json => ("RequestEntityTooLargeException", 413),
                () if bare => ("EntityTooLarge", 400),
                () => ("RequestEntityTooLarge", 413),
            };
            AwsError::new(code, message).with_status(status)
        }
        Fault::UnknownOperation(message) => {
            let (code, status) = match context.protocol {
                Protocol::Rest(Format::Json) => ("UnknownOperationException", 404),
                Protocol::Rest(Format::Xml) if bare => ("MethodNotAllowed", 405),
                _ if json => ("UnknownOperationException", 400),
                _ => ("InvalidAction", 400),
            };
            AwsError::new(code, message).with_status(status)
        }
        Fault::Auth(error) => auth(error, json, bare),
    }
}

/// The code for a broken constraint. AWS's services differ; what an operation declares tells most.
fn validation_code(context: &Context<'_>, missing: bool) -> String {
    const DECLARED: [&str; 6] = [
        "ValidationException",
        "InvalidParameterException",
        "InvalidParameterValueException",
        "InvalidRequestException",
        "InvalidInput",
        "ClientException",
    ];
    if let Some(code) = context.service.and_then(|service| service.options.validation.clone()) {
        return code;
    }
    match context.protocol {
        Protocol::Query(Naming::Query) => "ValidationError".to_owned(),
        Protocol::Query(Naming::Ec2) if missing => "MissingParameter".to_owned(),
        Protocol::Query(Naming::Ec2) => "InvalidParameterValue".to_owned(),
        Protocol::Rest(Format::Xml) if context.bare() => "InvalidRequest".to_owned(),
        protocol => {
            let declares = |code: &&str| {
                let (Some(service), Some(operation)) = (context.service, context.operation) else {
                    return false;
                };
                operation.errors.iter().any(|id| service[*id].name == *code)
            };
            let default = match protocol {
                Protocol::Rest(Format::Xml) => "InvalidInput",
                _ => "ValidationException",
            };
            DECLARED.into_iter().find(declares).unwrap_or(default).to_owned()
        }
    }
}

/// ERR-WIRE-6; the JSON protocols answer 400 where the XML ones answer 403.
fn auth(error: &AuthError, json: bool, bare: bool) -> AwsError {
    let (in_json, in_xml, in_bare) = match error {
        AuthError::Missing => {
            ("MissingAuthenticationTokenException", "MissingAuthenticationToken", "AccessDenied")
        }
        AuthError::Incomplete(_) => {
            ("IncompleteSignatureException", "IncompleteSignature", "AuthorizationHeaderMalformed")
        }
        AuthError::UnknownKey => {
            ("UnrecognizedClientException", "InvalidClientTokenId", "InvalidAccessKeyId")
        }
        AuthError::ExpiredToken => ("ExpiredTokenException", "ExpiredToken", "ExpiredToken"),
        AuthError::Mismatch => {
            ("InvalidSignatureException", "SignatureDoesNotMatch", "SignatureDoesNotMatch")
        }
        AuthError::Skewed(_) => {
            ("InvalidSignatureException", "SignatureDoesNotMatch", "RequestTimeTooSkewed")
        }
        AuthError::Expired => ("InvalidSignatureException", "RequestExpired", "AccessDenied"),
        AuthError::Body => {
            ("InvalidSignatureException", "SignatureDoesNotMatch", "XAmzContentSHA256Mismatch")
        }
    };
    let code = match () {
        () if json => in_json,
        () if bare => in_bare,
        () => in_xml,
    };
    let malformed =
        matches!(error, AuthError::Incomplete(_) | AuthError::Body | AuthError::ExpiredToken);
    let status = if json || (malformed && bare) { 400 } else { 403 };
    AwsError::new(code, error.to_string()).with_status(status)
}
