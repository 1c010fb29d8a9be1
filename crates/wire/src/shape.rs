//! A service model in memory: operations, and shapes that refer to one another by index.

mod parse;

use std::collections::{BTreeMap, HashMap};
use std::ops::Index;
use std::sync::OnceLock;

use regex::Regex;
use serde::Deserialize;

use crate::uri::Template;

/// Which shape; an index into [`Service::shapes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ShapeId(usize);

/// One AWS service.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) name: String,
    pub(crate) metadata: Metadata,
    pub(crate) options: Options,
    pub(crate) operations: BTreeMap<String, Operation>,
    /// Names of operations that AWS has and the model was pruned of.
    pub(crate) others: Vec<String>,
    /// XML namespace of answers, where the protocol has one.
    pub(crate) xml_namespace: Option<String>,
    shapes: Vec<Shape>,
}

/// What the table of operations says beyond the model.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Options {
    errors: Option<String>,
    hosts: Option<String>,
    pub(crate) validation: Option<String>,
}

impl Options {
    /// Whether restXml errors stand without an ErrorResponse around them.
    pub(crate) fn bare_errors(&self) -> bool {
        self.errors.as_deref() == Some("bare")
    }

    /// Whether the first segment of a path may also stand before the host's name.
    pub(crate) fn in_hosts(&self) -> bool {
        self.hosts.as_deref() == Some("path")
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Metadata {
    pub(crate) api_version: String,
    pub(crate) endpoint_prefix: String,
    pub(crate) protocol: String,
    #[serde(default)]
    pub(crate) protocols: Vec<String>,
    pub(crate) service_id: String,
    signing_name: Option<String>,
    pub(crate) target_prefix: Option<String>,
    xml_namespace: Option<Namespace>,
    aws_query_compatible: Option<serde::de::IgnoredAny>,
}

impl Metadata {
    pub(crate) fn signing_name(&self) -> &str {
        self.signing_name.as_deref().unwrap_or(&self.endpoint_prefix)
    }

    pub(crate) fn speaks(&self, protocol: &str) -> bool {
        self.protocol == protocol || self.protocols.iter().any(|p| p == protocol)
    }

    /// Whether errors also carry the code of the query protocol they had before (ERR-WIRE-4).
    pub(crate) fn query_compatible(&self) -> bool {
        self.aws_query_compatible.is_some()
    }
}

/// Botocore writes a namespace as text or as an object.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum Namespace {
    Uri(String),
    Full { uri: String, prefix: Option<String> },
}

impl Namespace {
    pub(crate) fn uri(&self) -> &str {
        match self {
            Self::Uri(uri) | Self::Full { uri, .. } => uri,
        }
    }

    pub(crate) fn prefix(&self) -> Option<&str> {
        match self {
            Self::Uri(_) => None,
            Self::Full { prefix, .. } => prefix.as_deref(),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) name: String,
    pub(crate) method: String,
    pub(crate) template: Template,
    /// Status of a good answer.
    pub(crate) status: u16,
    pub(crate) input: Option<ShapeId>,
    pub(crate) output: Option<ShapeId>,
    /// Element around a query answer.
    pub(crate) result_wrapper: Option<String>,
    pub(crate) errors: Vec<ShapeId>,
}

#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) min: Option<f64>,
    pub(crate) max: Option<f64>,
    pub(crate) enumeration: Vec<String>,
    pub(crate) pattern: Option<Pattern>,
    pub(crate) sensitive: bool,
    pub(crate) flattened: bool,
    pub(crate) location_name: Option<String>,
    pub(crate) timestamp_format: Option<TimestampFormat>,
    pub(crate) error: ErrorTrait,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ErrorTrait {
    /// The code in query and XML where it is not the shape's name.
    pub(crate) code: Option<String>,
    pub(crate) http_status_code: Option<u16>,
    /// Whether the service and not the sender is at fault; from the shape's own `fault` as well.
    #[serde(skip)]
    pub(crate) service_fault: bool,
}

#[derive(Debug)]
pub(crate) enum Kind {
    Structure(Structure),
    List(Member),
    Map(Member, Member),
    String,
    Boolean,
    Integer,
    Long,
    Float,
    Blob,
    Timestamp,
}

#[derive(Debug)]
pub(crate) struct Structure {
    pub(crate) members: Vec<Member>,
    by_name: HashMap<String, usize>,
    pub(crate) required: Vec<String>,
    /// The member that is the body in REST protocols.
    pub(crate) payload: Option<String>,
    /// Free JSON: no members are modelled.
    pub(crate) document: bool,
}

impl Structure {
    pub(crate) fn member(&self, name: &str) -> Option<&Member> {
        self.by_name.get(name).map(|index| &self.members[*index])
    }

    pub(crate) fn payload_member(&self) -> Option<&Member> {
        self.payload.as_deref().and_then(|name| self.member(name))
    }
}

/// A reference to a shape, with what holds for it in this place only.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) shape: ShapeId,
    pub(crate) location: Option<Location>,
    pub(crate) location_name: Option<String>,
    pub(crate) query_name: Option<String>,
    pub(crate) namespace: Option<Namespace>,
    pub(crate) xml_attribute: bool,
    flattened: bool,
    timestamp_format: Option<TimestampFormat>,
}

impl Member {
    /// Its name in JSON and XML bodies.
    pub(crate) fn wire_name(&self) -> &str {
        self.location_name.as_deref().unwrap_or(&self.name)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Location {
    Uri,
    #[serde(rename = "querystring")]
    QueryString,
    Header,
    Headers,
    StatusCode,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum TimestampFormat {
    #[serde(rename = "iso8601")]
    Iso8601,
    #[serde(rename = "rfc822")]
    HttpDate,
    #[serde(rename = "unixTimestamp")]
    EpochSeconds,
}

/// A pattern of the model, compiled when a value first meets it.
#[derive(Debug)]
pub(crate) struct Pattern {
    pub(crate) text: String,
    compiled: OnceLock<Option<Regex>>,
}

/// A pattern with large counted repetitions is refused instead of filling memory.
const PATTERN_BYTES: usize = 1 << 20;

impl Pattern {
    fn new(text: String) -> Self {
        Self { text, compiled: OnceLock::new() }
    }

    /// Nothing when the pattern needs what this regex engine does not have (look-around, back
    /// references): such a one is not checked.
    pub(crate) fn compiled(&self) -> Option<&Regex> {
        let compile = || {
            // What Java writes with pairs of surrogates, or by names of its own.
            let text = self.text.replace("\\uD800\\uDC00-\\uDBFF\\uDFFF", "\\x{10000}-\\x{10FFFF}");
            let text = text.replace("\\p{Print}", "[[:print:]]");
            // AWS matches the whole value.
            let whole = format!("^(?:{text})$");
            regex::RegexBuilder::new(&whole).size_limit(PATTERN_BYTES).build().ok()
        };
        self.compiled.get_or_init(compile).as_ref()
    }
}

impl Index<ShapeId> for Service {
    type Output = Shape;

    fn index(&self, id: ShapeId) -> &Shape {
        &self.shapes[id.0]
    }
}

impl Service {
    /// The structure behind an id; nothing for another kind.
    pub(crate) fn structure(&self, id: ShapeId) -> Option<&Structure> {
        match &self[id].kind {
            Kind::Structure(structure) => Some(structure),
            _ => None,
        }
    }

    pub(crate) fn is_flattened(&self, member: &Member) -> bool {
        member.flattened || self[member.shape].flattened
    }

    pub(crate) fn timestamp_format(&self, member: &Member) -> Option<TimestampFormat> {
        member.timestamp_format.or(self[member.shape].timestamp_format)
    }

    /// The exception an operation declares under that name or code; failing that any of the
    /// service's that is reachable.
    pub(crate) fn exception(&self, operation: Option<&Operation>, code: &str) -> Option<&Shape> {
        let is = |shape: &&Shape| shape.name == code || shape.error.code.as_deref() == Some(code);
        let declared = operation.into_iter().flat_map(|o| &o.errors).map(|id| &self[*id]);
        let all = self.operations.values().flat_map(|o| &o.errors).map(|id| &self[*id]);
        declared.chain(all).find(is)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded::SOURCES;
    use crate::models::ModelError;

    /// The patterns that are not checked, because they look ahead and this regex engine, whose time
    /// is bounded, cannot.
    #[test]
    fn patterns_without_an_engine_are_known() {
        let mut unchecked = Vec::new();
        for source in SOURCES {
            let service = Service::parse(source.name, source.text).expect(source.name);
            for shape in &service.shapes {
                if shape.pattern.as_ref().is_some_and(|pattern| pattern.compiled().is_none()) {
                    unchecked.push(format!("{}:{}", source.name, shape.name));
                }
            }
        }
        assert_eq!(
            unchecked,
            [
                "acm:DomainNameString",
                "application-autoscaling:ScheduledActionName",
                "budgets:BudgetName",
                "events:PathParameter",
                "guardduty:TagKey",
                "iam:accountAliasType",
                "servicediscovery:NamespaceNameHttp",
                "servicediscovery:NamespaceNamePrivate",
                "servicediscovery:ServiceName",
            ]
        );
    }

    #[test]
    fn a_pattern_meets_the_whole_value() {
        let pattern = Pattern::new("[a-z]+|x9".to_owned());
        let regex = pattern.compiled().expect("a plain pattern");
        assert!(regex.is_match("abc") && regex.is_match("x9") && !regex.is_match("abc9"));
    }

    #[test]
    fn broken_models_are_told() {
        let model = |shape: &str| {
            format!(
                r#"{{"metadata":{{"apiVersion":"1","endpointPrefix":"x","protocol":"json","serviceId":"X"}},
                "operations":{{}},"shapes":{{"A":{shape}}}}}"#
            )
        };
        let missing = Service::parse("x", &model(r#"{"type":"list","member":{"shape":"B"}}"#));
        assert!(matches!(missing, Err(ModelError::MissingShape { .. })));
        let unknown = Service::parse("x", &model(r#"{"type":"cube"}"#));
        assert!(matches!(unknown, Err(ModelError::UnknownType { .. })));
        assert!(matches!(Service::parse("x", "{}"), Err(ModelError::Form { .. })));
    }
}
