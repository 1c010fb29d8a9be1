//! The stand-in's own log: one JSON object per line on standard output, as a service would write.

use serde_json::{Value, json};

use super::config::Identity;

/// One line. A closed output is no reason to stop serving.
fn line(value: &Value) {
    let _ = crate::out::data(&format!("{value}\n"));
}

/// Something in its life: started, stopping, stopped, ...
pub(super) fn event(identity: &Identity, event: &str, details: Value) {
    let mut value = json!({
        "level": "info", "event": event, "service": identity.service, "task": identity.task,
        "revision": identity.revision, "zone": identity.zone, "pid": std::process::id(),
    });
    if let (Some(fields), Value::Object(details)) = (value.as_object_mut(), details) {
        fields.extend(details);
    }
    line(&value);
}

/// Something that ends it.
pub(super) fn failure(message: &str) {
    line(&json!({ "level": "error", "event": "failed", "error": message }));
}
