//! restJson and restXml: members in path, query string, headers, status and body.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value};

use crate::error::Fault;
use crate::shape::{
    Kind, Location, Member, Operation, Service, ShapeId, Structure, TimestampFormat,
};
use crate::xml_encode::Xml;
use crate::{FilePart, HttpRequest, json, scalar, xml_decode};

/// How bodies are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Xml,
}

impl Format {
    fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Xml => "application/xml",
        }
    }
}

/// The parts of a request that have been taken apart already.
pub(crate) struct Parts<'a> {
    pub(crate) request: &'a HttpRequest,
    pub(crate) labels: &'a [(String, String)],
    pub(crate) query: &'a [(String, String)],
    pub(crate) depth: usize,
    /// Elements of an XML body.
    pub(crate) elements: usize,
}

/// Makes the input of the operation.
pub(crate) fn decode(
    service: &Service,
    id: ShapeId,
    format: Format,
    parts: &Parts<'_>,
) -> Result<Value, Fault> {
    let Some(structure) = service.structure(id) else { return Ok(Value::Object(Map::new())) };
    let mut object = body(service, id, structure, format, parts)?;
    for member in &structure.members {
        let Some(location) = member.location else { continue };
        if let Some(value) = located(service, member, location, parts)? {
            object.insert(member.name.clone(), value);
        }
    }
    Ok(Value::Object(object))
}

fn body(
    service: &Service,
    id: ShapeId,
    structure: &Structure,
    format: Format,
    parts: &Parts<'_>,
) -> Result<Map<String, Value>, Fault> {
    let bytes = parts.request.body.as_slice();
    let read = |shape: ShapeId| match format {
        Format::Json => json::decode(service, shape, json::parse(bytes, parts.depth)?),
        Format::Xml => {
            let root = xml_decode::parse(bytes, parts.depth, parts.elements)?;
            xml_decode::decode(service, shape, root)
        }
    };
    let mut object = Map::new();
    if let Some(member) = structure.payload_member() {
        let value = match service[member.shape].kind {
            Kind::Blob => Value::from(BASE64.encode(bytes)),
            _ if bytes.is_empty() => return Ok(object),
            Kind::String => String::from_utf8(bytes.to_vec())
                .map(Value::from)
                .map_err(|_| Fault::Malformed("The body is not UTF-8".to_owned()))?,
            _ => read(member.shape)?,
        };
        object.insert(member.name.clone(), value);
    } else if !bytes.is_empty()
        && structure.members.iter().any(|m| m.location.is_none())
        && let Value::Object(members) = read(id)?
    {
        object = members;
    }
    Ok(object)
}

fn located(
    service: &Service,
    member: &Member,
    location: Location,
    parts: &Parts<'_>,
) -> Result<Option<Value>, Fault> {
    let name = member.wire_name();
    let named = |pairs: &[(String, String)]| -> Vec<String> {
        pairs.iter().filter(|(n, _)| n == name).map(|(_, value)| value.clone()).collect()
    };
    let (texts, default) = match location {
        // A template names its labels by the member's name on the wire.
        Location::Uri => (named(parts.labels), TimestampFormat::Iso8601),
        Location::QueryString => {
            if let Kind::Map(..) = service[member.shape].kind {
                let all = parts.query.iter();
                let all: Map<_, _> =
                    all.map(|(n, v)| (n.clone(), Value::from(v.as_str()))).collect();
                return Ok(Some(Value::Object(all)));
            }
            (named(parts.query), TimestampFormat::Iso8601)
        }
        Location::Header => {
            let headers = parts.request.headers.iter();
            let found = headers.filter(|(n, _)| n.eq_ignore_ascii_case(name));
            (found.map(|(_, value)| value.clone()).collect(), TimestampFormat::HttpDate)
        }
        Location::Headers => {
            let mut found = Map::new();
            for (header, value) in &parts.request.headers {
                let head = header.get(..name.len());
                if head.is_some_and(|head| head.eq_ignore_ascii_case(name)) {
                    let rest = header[name.len()..].to_ascii_lowercase();
                    found.insert(rest, Value::from(value.as_str()));
                }
            }
            return Ok((!found.is_empty()).then_some(Value::Object(found)));
        }
        Location::StatusCode => return Ok(None),
    };
    if texts.is_empty() {
        return Ok(None);
    }
    let format = service.timestamp_format(member).unwrap_or(default);
    let single = |shape: ShapeId, text: &str| {
        let wrong = |what| Fault::Malformed(format!("{name}: {what}"));
        scalar::from_text(&service[shape], format, text).map_err(wrong)
    };
    if let Kind::List(item) = &service[member.shape].kind {
        let split = location == Location::Header;
        let texts = texts.iter().flat_map(|text| {
            let parts: Vec<&str> =
                if split { text.split(',').map(str::trim).collect() } else { vec![text] };
            parts
        });
        let items = texts.map(|text| single(item.shape, text));
        return items.collect::<Result<_, _>>().map(|items| Some(Value::Array(items)));
    }
    single(member.shape, &texts[0]).map(Some)
}

/// What becomes of an answer.
pub(crate) struct Encoded {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) files: Vec<FilePart>,
}

const PARTIAL_CONTENT: u16 = 206;

/// The parts of files that a blob is.
fn files(value: &Value) -> Vec<FilePart> {
    let parts = value.get("files").and_then(Value::as_array);
    let part = |part: &Value| {
        Some(FilePart {
            path: part.get("path")?.as_str()?.to_owned(),
            offset: part.get("offset")?.as_u64()?,
            length: part.get("length")?.as_u64()?,
        })
    };
    parts.into_iter().flatten().filter_map(part).collect()
}

/// Spreads a result over status, headers and body.
pub(crate) fn encode(
    service: &Service,
    operation: &Operation,
    format: Format,
    value: Value,
) -> Encoded {
    let mut encoded = Encoded {
        status: operation.status,
        headers: Vec::new(),
        body: Vec::new(),
        files: Vec::new(),
    };
    let Some(id) = operation.output else { return encoded };
    let (Some(structure), Value::Object(mut object)) = (service.structure(id), value) else {
        return encoded;
    };
    encoded.headers = headers(service, structure, &object);
    for member in &structure.members {
        if member.location == Some(Location::StatusCode)
            && let Some(status) = object.get(&member.name).and_then(Value::as_u64)
        {
            encoded.status = u16::try_from(status).unwrap_or(operation.status);
        }
    }
    // RFC 9110, 15.3.7: what has a range is a part.
    if encoded.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-range")) {
        encoded.status = PARTIAL_CONTENT;
    }
    let mut content_type = format.content_type();
    if let Some(member) = structure.payload_member() {
        let Some(value) = object.remove(&member.name).filter(|value| !value.is_null()) else {
            return encoded;
        };
        match (&service[member.shape].kind, value) {
            (Kind::Blob, Value::String(text)) => {
                content_type = "binary/octet-stream";
                encoded.body = BASE64.decode(text).unwrap_or_default();
            }
            (Kind::Blob, value) => {
                content_type = "binary/octet-stream";
                encoded.files = files(&value);
            }
            (Kind::String, Value::String(text)) => {
                content_type = "text/plain";
                encoded.body = text.into_bytes();
            }
            (_, value) => {
                let shape = &service[member.shape];
                let root = member.location_name.as_ref().or(shape.location_name.as_ref());
                let root = root.unwrap_or(&shape.name).clone();
                encoded.body = whole(service, member.shape, format, &root, value);
            }
        }
    } else if structure.members.iter().any(|member| member.location.is_none()) {
        let shape = &service[id];
        let root = shape.location_name.as_ref().unwrap_or(&shape.name).clone();
        encoded.body = whole(service, id, format, &root, Value::Object(object));
    } else if format == Format::Json {
        encoded.body = b"{}".to_vec();
    }
    let has_type = encoded.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case("content-type"));
    if !has_type && (!encoded.body.is_empty() || !encoded.files.is_empty()) {
        encoded.headers.push(("Content-Type".to_owned(), content_type.to_owned()));
    }
    encoded
}

fn whole(service: &Service, id: ShapeId, format: Format, root: &str, value: Value) -> Vec<u8> {
    match (format, &value) {
        (Format::Xml, Value::Object(object)) => {
            let mut xml = Xml::document();
            xml.open(root, service.xml_namespace.as_deref());
            xml.members(service, id, object);
            xml.close(root);
            xml.text.into_bytes()
        }
        _ => json::encode(service, id, value).to_string().into_bytes(),
    }
}

fn headers(
    service: &Service,
    structure: &Structure,
    object: &Map<String, Value>,
) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    for member in &structure.members {
        let Some(value) = object.get(&member.name) else { continue };
        let name = member.wire_name();
        let format = service.timestamp_format(member).unwrap_or(TimestampFormat::HttpDate);
        let text = |value: &Value| scalar::to_text(&service[member.shape], format, value);
        match (member.location, value) {
            (Some(Location::Header), Value::Array(items)) => {
                let items: Vec<String> = items.iter().filter_map(text).collect();
                headers.push((name.to_owned(), header_safe(&items.join(", "))));
            }
            (Some(Location::Header), value) => {
                if let Some(text) = text(value) {
                    headers.push((name.to_owned(), header_safe(&text)));
                }
            }
            (Some(Location::Headers), Value::Object(entries)) => {
                for (suffix, value) in entries {
                    if let Some(value) = value.as_str() {
                        headers.push((header_safe(&format!("{name}{suffix}")), header_safe(value)));
                    }
                }
            }
            _ => {}
        }
    }
    headers
}

/// A value must not begin a new header line.
fn header_safe(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}
