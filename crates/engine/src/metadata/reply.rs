//! An answer before it is HTTP, and the refusals in the agent's shapes.

use serde_json::{Value, json};

/// Status and body.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Reply {
    pub(super) fn ok(body: Value) -> Self {
        Self { status: 200, body }
    }

    pub(super) fn new(status: u16, body: Value) -> Self {
        Self { status, body }
    }

    /// The engine cannot answer now.
    pub(super) fn unavailable(why: &str) -> Self {
        Self { status: 503, body: json!(why) }
    }
}
