//! XML bodies of restXml: a bounded tree of elements, then the model's shapes.
//!
//! Document types are refused and only the five entities of XML itself are known, so nothing in a
//! body can grow while it is read.

use std::collections::HashMap;

use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesStart, Event};
use serde_json::{Map, Value};

use crate::error::Fault;
use crate::scalar;
use crate::shape::{Kind, Member, Service, ShapeId, TimestampFormat};

/// An element; names without their prefix, attributes with it.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Element {
    name: String,
    attributes: HashMap<String, String>,
    text: String,
    children: Vec<Element>,
}

fn malformed(what: impl std::fmt::Display) -> Fault {
    Fault::Malformed(format!(
        "The XML you provided was not well-formed or did not validate against our published \
         schema: {what}"
    ))
}

/// Reads a body with one root element, no deeper than `depth`, of at most `elements` elements.
pub(crate) fn parse(body: &[u8], depth: usize, elements: usize) -> Result<Element, Fault> {
    let text = std::str::from_utf8(body).map_err(|_| malformed("it is not UTF-8"))?;
    let mut reader = Reader::from_str(text);
    // The outermost one stands for the document.
    let mut open = vec![Element::default()];
    let mut count = 0;
    loop {
        let event = reader.read_event().map_err(malformed)?;
        count += usize::from(matches!(event, Event::Start(_) | Event::Empty(_)));
        if count > elements {
            let what = format!("The body has more than {elements} elements");
            return Err(Fault::TooLarge(what));
        }
        match event {
            Event::Start(start) => {
                if open.len() > depth {
                    return Err(malformed("nested too deeply"));
                }
                open.push(element(&start)?);
            }
            Event::Empty(start) => {
                let element = element(&start)?;
                append(&mut open, element);
            }
            Event::End(_) => {
                // The reader has checked that names agree.
                if let Some(element) = open.pop() {
                    append(&mut open, element);
                }
            }
            Event::Text(part) => text_of(&mut open, &part.xml10_content()),
            Event::CData(part) => text_of(&mut open, &part.xml10_content()),
            Event::GeneralRef(reference) => match reference.resolve_char_ref() {
                Ok(Some(letter)) => text_of(&mut open, letter.encode_utf8(&mut [0; 4])),
                Ok(None) => {
                    let Some(entity) = resolve_xml_entity(&reference) else {
                        return Err(malformed("an entity is not known"));
                    };
                    text_of(&mut open, entity);
                }
                Err(error) => return Err(malformed(error)),
            },
            Event::DocType(_) => return Err(malformed("a document type is not allowed")),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
            Event::Eof => break,
        }
    }
    let mut document = open.pop().unwrap_or_default();
    let root = document.children.pop();
    match root {
        Some(root) if open.is_empty() && document.children.is_empty() => Ok(root),
        _ => Err(malformed("there is not exactly one complete root element")),
    }
}

fn element(start: &BytesStart<'_>) -> Result<Element, Fault> {
    let mut attributes = HashMap::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(malformed)?;
        let value = quick_xml::escape::unescape(&attribute.value).map_err(malformed)?;
        attributes.insert(attribute.key.as_ref().to_owned(), value.into_owned());
    }
    let name = start.local_name().as_ref().to_owned();
    Ok(Element { name, attributes, ..Element::default() })
}

fn append(open: &mut [Element], element: Element) {
    if let Some(parent) = open.last_mut() {
        parent.children.push(element);
    }
}

fn text_of(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

/// Holds an element against a shape.
pub(crate) fn decode(service: &Service, id: ShapeId, element: Element) -> Result<Value, Fault> {
    value(service, id, None, element)
}

fn value(
    service: &Service,
    id: ShapeId,
    member: Option<&Member>,
    element: Element,
) -> Result<Value, Fault> {
    let shape = &service[id];
    match &shape.kind {
        Kind::Structure(structure) => {
            let mut groups: HashMap<String, Vec<Element>> = HashMap::new();
            for child in element.children {
                groups.entry(child.name.clone()).or_default().push(child);
            }
            let mut object = Map::new();
            for member in structure.members.iter().filter(|member| member.location.is_none()) {
                if member.xml_attribute {
                    if let Some(text) = element.attributes.get(member.wire_name()) {
                        object.insert(member.name.clone(), Value::from(text.as_str()));
                    }
                    continue;
                }
                if let Some(found) = groups.remove(element_name(service, member)) {
                    let value = member_value(service, member, found)?;
                    object.insert(member.name.clone(), value);
                }
            }
            Ok(Value::Object(object))
        }
        Kind::List(item) => {
            let items = element.children.into_iter().filter(|child| child.name == item.wire_name());
            let items = items.map(|child| value(service, item.shape, Some(item), child));
            items.collect::<Result<_, _>>().map(Value::Array)
        }
        Kind::Map(..) => {
            let entries = element.children.into_iter().filter(|child| child.name == "entry");
            map(service, id, entries)
        }
        _ => {
            let format = member.and_then(|member| service.timestamp_format(member));
            let format = format.unwrap_or(TimestampFormat::Iso8601);
            scalar::from_text(shape, format, &element.text).map_err(malformed)
        }
    }
}

/// The name of the elements that belong to a member.
fn element_name<'a>(service: &'a Service, member: &'a Member) -> &'a str {
    if let Kind::List(item) = &service[member.shape].kind
        && service.is_flattened(member)
        && let Some(name) = &item.location_name
    {
        return name;
    }
    // A prefix is not part of an element's name here.
    member.wire_name().rsplit(':').next().unwrap_or_default()
}

fn member_value(
    service: &Service,
    member: &Member,
    mut found: Vec<Element>,
) -> Result<Value, Fault> {
    match &service[member.shape].kind {
        Kind::List(item) if service.is_flattened(member) => {
            let items = found.into_iter().map(|e| value(service, item.shape, Some(item), e));
            items.collect::<Result<_, _>>().map(Value::Array)
        }
        Kind::Map(..) if service.is_flattened(member) => {
            map(service, member.shape, found.into_iter())
        }
        _ => {
            let element = found.pop().filter(|_| found.is_empty());
            let element = element.ok_or_else(|| {
                malformed(format_args!("{} stands there twice", member.wire_name()))
            })?;
            value(service, member.shape, Some(member), element)
        }
    }
}

fn map(
    service: &Service,
    id: ShapeId,
    entries: impl Iterator<Item = Element>,
) -> Result<Value, Fault> {
    let Kind::Map(key, item) = &service[id].kind else { return Ok(Value::Null) };
    let mut object = Map::new();
    for entry in entries {
        let mut name = None;
        let mut content = Element::default();
        for child in entry.children {
            if child.name == key.wire_name() {
                name = Some(child.text);
            } else if child.name == item.wire_name() {
                content = child;
            }
        }
        let name = name.ok_or_else(|| malformed("an entry has no key"))?;
        object.insert(name, value(service, item.shape, Some(item), content)?);
    }
    Ok(Value::Object(object))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(body: &str) -> String {
        match parse(body.as_bytes(), 4, 100) {
            Err(Fault::Malformed(message)) => message,
            other => panic!("{body}: {other:?}"),
        }
    }

    #[test]
    fn bodies_are_bounded_and_whole() {
        let bomb = "<!DOCTYPE a [<!ENTITY b \"bbbb\"><!ENTITY c \"&b;&b;\">]><a>&c;</a>";
        assert!(refused(bomb).contains("document type"));
        assert!(refused("<a>&c;</a>").contains("entity"));
        assert!(refused("<a><a><a><a><a/>x<a></a></a></a></a></a>").contains("deep"));
        for body in ["", "<a>", "<a/><b/>", "text", "<a></b>", "</a>", "<a b='1' b='2'/>"] {
            refused(body);
        }
        assert!(parse(b"<a>\xff</a>", 4, 100).is_err());
    }

    #[test]
    fn elements_are_counted() {
        let body = format!("<a>{}</a>", "<b/>".repeat(3));
        assert!(parse(body.as_bytes(), 4, 4).is_ok());
        assert!(matches!(parse(body.as_bytes(), 4, 3), Err(Fault::TooLarge(_))));
    }

    #[test]
    fn text_is_put_together() {
        let root = parse(b"<?xml version='1.0'?><x:a>1 &lt; &#50;<![CDATA[<]]></x:a>", 4, 1);
        let root = root.expect("well formed");
        assert_eq!((root.name.as_str(), root.text.as_str()), ("a", "1 < 2<"));
    }
}
