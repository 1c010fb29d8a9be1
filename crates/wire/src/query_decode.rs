//! The query protocols' flat parameters as a tree: `Actions.member.1.Order=2`, `Filter.1.Value.2=x`.
//!
//! The model says what is a list, a map or a structure, and only the names it asks for are taken
//! apart, so that no name makes more of itself than its text. Parameters that no member takes are
//! ignored.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Map, Value};

use crate::error::Fault;
use crate::scalar;
use crate::shape::{Kind, Member, Service, ShapeId, TimestampFormat};

/// Which names the parameters have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Naming {
    Query,
    /// ec2Query: every list is flat and names begin with a capital.
    Ec2,
}

/// What was given under one name: a value, and parameters whose names go on.
#[derive(Debug, Default)]
struct Node<'p> {
    value: Option<&'p str>,
    /// The rest of the name, and the value.
    below: Vec<(&'p str, &'p str)>,
}

impl<'p> Node<'p> {
    /// By the next part of the name.
    fn children(self) -> BTreeMap<&'p str, Self> {
        let mut children: BTreeMap<&str, Self> = BTreeMap::new();
        for (name, value) in self.below {
            match name.split_once('.') {
                None => children.entry(name).or_default().value = Some(value),
                Some((head, rest)) => {
                    children.entry(head).or_default().below.push((rest, value));
                }
            }
        }
        children
    }
}

/// Makes the input of the operation's input shape.
pub(crate) fn decode(
    service: &Service,
    shape: ShapeId,
    naming: Naming,
    pairs: &[(String, String)],
    depth: usize,
) -> Result<Value, Fault> {
    let mut root = Node::default();
    let mut names = HashSet::with_capacity(pairs.len());
    for (name, value) in pairs {
        if name.split('.').nth(depth).is_some() {
            return Err(Fault::Malformed("A parameter name has too many parts".to_owned()));
        }
        if !names.insert(name) {
            let name = scalar::quoted(name);
            return Err(Fault::Malformed(format!("The parameter {name} was given twice")));
        }
        root.below.push((name, value));
    }
    Decoder { service, naming }.value(shape, None, root)
}

struct Decoder<'a> {
    service: &'a Service,
    naming: Naming,
}

impl Decoder<'_> {
    fn value(&self, id: ShapeId, member: Option<&Member>, node: Node<'_>) -> Result<Value, Fault> {
        let shape = &self.service[id];
        match &shape.kind {
            Kind::Structure(structure) => {
                let mut children = node.children();
                let mut object = Map::new();
                for member in &structure.members {
                    if let Some(child) = children.remove(self.name(member).as_str()) {
                        let value = self.value(member.shape, Some(member), child)?;
                        object.insert(member.name.clone(), value);
                    }
                }
                Ok(Value::Object(object))
            }
            Kind::List(item) => {
                let flat = self.is_flat(member);
                let items = numbered(
                    node,
                    (!flat).then(|| item.location_name.as_deref().unwrap_or("member")),
                );
                let items = items.into_iter().map(|node| self.value(item.shape, Some(item), node));
                items.collect::<Result<_, _>>().map(Value::Array)
            }
            Kind::Map(key, value) => {
                let flat = self.is_flat(member);
                let mut object = Map::new();
                for entry in numbered(node, (!flat).then_some("entry")) {
                    let key = key.location_name.as_deref().unwrap_or("key");
                    let mut parts = entry.children();
                    let name = parts.remove(key).and_then(|node| node.value);
                    let name = name.ok_or_else(|| {
                        Fault::Malformed(format!("An entry of {} has no {key}", shape.name))
                    })?;
                    let value_name = value.location_name.as_deref().unwrap_or("value");
                    let content = parts.remove(value_name).unwrap_or_default();
                    let content = self.value(value.shape, Some(value), content)?;
                    object.insert(name.to_owned(), content);
                }
                Ok(Value::Object(object))
            }
            _ => {
                let Some(text) = node.value else {
                    return Err(Fault::Malformed(
                        "Start of structure or map found where not expected.".to_owned(),
                    ));
                };
                let format = member.and_then(|member| self.service.timestamp_format(member));
                let format = format.unwrap_or(TimestampFormat::Iso8601);
                scalar::from_text(shape, format, text).map_err(Fault::Malformed)
            }
        }
    }

    fn is_flat(&self, member: Option<&Member>) -> bool {
        self.naming == Naming::Ec2 || member.is_some_and(|member| self.service.is_flattened(member))
    }

    /// The first part of the parameters that belong to a member.
    fn name(&self, member: &Member) -> String {
        match self.naming {
            Naming::Query => {
                // A flat list goes under the name of its items where they have one.
                if let Kind::List(item) = &self.service[member.shape].kind
                    && self.service.is_flattened(member)
                    && let Some(name) = &item.location_name
                {
                    return name.clone();
                }
                member.wire_name().to_owned()
            }
            Naming::Ec2 => {
                if let Some(name) = &member.query_name {
                    return name.clone();
                }
                let mut letters = member.wire_name().chars();
                let first = letters.next();
                first.into_iter().flat_map(char::to_uppercase).chain(letters).collect()
            }
        }
    }
}

/// Children named by numbers, in their order, below a child named `below` if there is to be one.
/// Gaps are allowed, as AWS does.
fn numbered<'p>(mut node: Node<'p>, below: Option<&str>) -> Vec<Node<'p>> {
    if let Some(below) = below {
        node = node.children().remove(below).unwrap_or_default();
    }
    let children = node.children().into_iter();
    let mut items: Vec<(u32, Node<'_>)> =
        children.filter_map(|(name, child)| Some((name.parse().ok()?, child))).collect();
    items.sort_by_key(|(number, _)| *number);
    items.into_iter().map(|(_, child)| child).collect()
}
