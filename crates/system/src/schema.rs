//! The JSON Schema of `neargate.yaml`, for editors and for [`crate::structure`].

use std::sync::OnceLock;

use serde_json::Value;

/// The schema, ready to be written to a file.
#[must_use]
pub fn json_schema() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        let mut schema = schemars::schema_for!(crate::document::Document).to_value();
        if let Some(root) = schema.as_object_mut() {
            root.insert("title".to_owned(), "neargate.yaml".into());
        }
        schema
    })
}
