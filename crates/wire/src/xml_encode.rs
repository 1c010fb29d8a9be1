//! XML answers by the model's rules: names, lists, flattened lists, maps, attributes, namespaces.

use serde_json::{Map, Value};

use crate::scalar;
use crate::shape::{Kind, Member, Service, ShapeId, Structure, TimestampFormat};

/// Opens every document of the XML protocols.
pub(crate) const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

/// A document in the making.
#[derive(Debug, Default)]
pub(crate) struct Xml {
    pub(crate) text: String,
}

impl Xml {
    pub(crate) fn document() -> Self {
        Self { text: DECLARATION.to_owned() }
    }

    /// Opens an element, with a namespace if there is one.
    pub(crate) fn open(&mut self, name: &str, namespace: Option<&str>) {
        self.text.push('<');
        self.text.push_str(name);
        if let Some(namespace) = namespace {
            self.attribute("xmlns", namespace);
        }
        self.text.push('>');
    }

    pub(crate) fn close(&mut self, name: &str) {
        self.text.push_str("</");
        self.text.push_str(name);
        self.text.push('>');
    }

    /// A whole element with text in it.
    pub(crate) fn leaf(&mut self, name: &str, text: &str) {
        self.open(name, None);
        self.escaped(text);
        self.close(name);
    }

    fn attribute(&mut self, name: &str, value: &str) {
        self.text.push(' ');
        self.text.push_str(name);
        self.text.push_str("=\"");
        self.escaped(value);
        self.text.push('"');
    }

    fn escaped(&mut self, text: &str) {
        for letter in text.chars() {
            match letter {
                '&' => self.text.push_str("&amp;"),
                '<' => self.text.push_str("&lt;"),
                '>' => self.text.push_str("&gt;"),
                '"' => self.text.push_str("&quot;"),
                '\r' => self.text.push_str("&#xD;"),
                '\t' | '\n' => self.text.push(letter),
                // XML 1.0 has no way to write these.
                '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => self.text.push('\u{fffd}'),
                other => self.text.push(other),
            }
        }
    }

    /// The members of a structure that stand in the body, without an element around them.
    pub(crate) fn members(&mut self, service: &Service, id: ShapeId, object: &Map<String, Value>) {
        let Some(structure) = service.structure(id) else { return };
        for member in &structure.members {
            if member.location.is_some() || member.xml_attribute {
                continue;
            }
            if let Some(value) = object.get(&member.name) {
                self.member(service, member, member.wire_name(), value);
            }
        }
    }

    /// One member under a name; a flattened one is many elements, or none.
    pub(crate) fn member(&mut self, service: &Service, member: &Member, name: &str, value: &Value) {
        let flat = service.is_flattened(member);
        match (&service[member.shape].kind, value) {
            (_, Value::Null) => {}
            (Kind::Structure(structure), Value::Object(object)) => {
                self.open_structure(member, structure, name, object);
                self.members(service, member.shape, object);
                self.close(name);
            }
            (Kind::List(item), Value::Array(items)) => {
                if flat {
                    let name = item.location_name.as_deref().unwrap_or(name);
                    for value in items {
                        self.member(service, item, name, value);
                    }
                } else {
                    self.open(name, member.namespace.as_ref().map(|n| n.uri()));
                    for value in items {
                        self.member(service, item, item.wire_name(), value);
                    }
                    self.close(name);
                }
            }
            (Kind::Map(key, item), Value::Object(entries)) => {
                if !flat {
                    self.open(name, None);
                }
                for (entry, value) in entries.iter().filter(|(_, value)| !value.is_null()) {
                    let around = if flat { name } else { "entry" };
                    self.open(around, None);
                    self.leaf(key.wire_name(), entry);
                    self.member(service, item, item.wire_name(), value);
                    self.close(around);
                }
                if !flat {
                    self.close(name);
                }
            }
            (_, value) => {
                let format = service.timestamp_format(member).unwrap_or(TimestampFormat::Iso8601);
                if let Some(text) = scalar::to_text(&service[member.shape], format, value) {
                    self.open(name, member.namespace.as_ref().map(|n| n.uri()));
                    self.escaped(&text);
                    self.close(name);
                }
            }
        }
    }

    fn open_structure(
        &mut self,
        member: &Member,
        structure: &Structure,
        name: &str,
        object: &Map<String, Value>,
    ) {
        self.text.push('<');
        self.text.push_str(name);
        if let Some(namespace) = &member.namespace {
            let prefix = namespace.prefix().map(|prefix| format!("xmlns:{prefix}"));
            self.attribute(prefix.as_deref().unwrap_or("xmlns"), namespace.uri());
        }
        for attribute in structure.members.iter().filter(|member| member.xml_attribute) {
            if let Some(Value::String(value)) = object.get(&attribute.name) {
                self.attribute(attribute.wire_name(), value);
            }
        }
        self.text.push('>');
    }
}
