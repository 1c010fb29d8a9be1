//! What can go wrong with a request, before it is written in the protocol's own words.

use serde_json::{Map, Value};

use crate::sigv4::AuthError;

/// What a service answers instead of a result.
#[derive(Debug, Clone, PartialEq)]
pub struct AwsError {
    /// Name or error code of the exception (`ClusterNotFoundException`, `TargetGroupNotFound`).
    /// Where the model has the exception, each protocol takes the spelling it wants from there.
    pub code: String,
    /// For people.
    pub message: String,
    /// HTTP status. 400 means: what the model says, or 400.
    pub status: u16,
    /// Further members of the exception.
    pub fields: Map<String, Value>,
}

impl AwsError {
    /// An error of status 400 without further members.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), status: 400, fields: Map::new() }
    }

    /// With another status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// With a further member.
    #[must_use]
    pub fn with_field(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(name.to_owned(), value.into());
        self
    }
}

impl std::fmt::Display for AwsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for AwsError {}

/// Why a request gets no result. The code depends on the protocol, so it is chosen by the answer.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The service said so.
    Service(AwsError),
    /// The request breaks constraints of the model.
    Validation(Violations),
    /// The body or a parameter cannot be read.
    Malformed(String),
    /// The body ends before its end, or is not in the chunks it says.
    IncompleteBody(String),
    /// More than this wire takes.
    TooLarge(String),
    /// Nobody has, or we do not serve, that operation.
    UnknownOperation(String),
    /// Not from who it says.
    Auth(AuthError),
}

/// Broken constraints, in the order of the members.
#[derive(Debug, Default)]
pub(crate) struct Violations {
    pub(crate) list: Vec<Violation>,
    /// How many there are; the list stops at [`Violations::SHOWN`].
    pub(crate) count: usize,
}

/// One broken constraint.
#[derive(Debug)]
pub(crate) struct Violation {
    /// The whole sentence part: `Value '…' at '…' failed to satisfy constraint: …`.
    pub(crate) text: String,
    /// Whether the value is missing altogether.
    pub(crate) missing: bool,
}

impl Violations {
    /// More are counted and not listed.
    pub(crate) const SHOWN: usize = 10;

    /// The message of AWS (ERR-WIRE-6).
    pub(crate) fn message(&self) -> String {
        let plural = if self.count == 1 { "" } else { "s" };
        let texts: Vec<&str> = self.list.iter().map(|violation| violation.text.as_str()).collect();
        format!("{} validation error{plural} detected: {}", self.count, texts.join("; "))
    }
}
