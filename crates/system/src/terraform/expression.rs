//! Texts with `${...}` as HCL expressions.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::hcl::{Attribute, Expr, escaped, snake};
use super::{Refusal, Written, at};
use crate::layers::{Piece, pieces};
use crate::node::{Node, Position, Value};
use crate::read::Source;
use crate::system::System;

/// Marks of a name inside a text whose variables are filled in as far as they are the same
/// everywhere. Descriptions hold no control characters.
const OPEN: char = '\u{1}';
const CLOSE: char = '\u{2}';
/// The variable that tells the images' tag; every root has it as a variable.
pub(crate) const IMAGE_TAG: &str = "imageTag";

/// Which environment a text is about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Of {
    /// Whichever is applied.
    Any,
    /// The one with that number.
    One(usize),
    /// All of them at once: nothing that differs can stand here.
    All,
}

/// Where a text stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'s> {
    pub(crate) environment: Of,
    /// The service's key, or the name that HCL has for it.
    pub(crate) service: Option<Service<'s>>,
}

/// What `${service}` stands for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Service<'s> {
    /// The variable of a loop.
    Key,
    /// This one.
    Named(&'s str),
}

/// A description, and what is found out about it while it is written.
pub(crate) struct Description<'a> {
    lines: Vec<&'a str>,
    pub(crate) root: &'a Node,
    pub(crate) system: &'a System,
    /// Name, and the description with the environment's part laid over it.
    pub(crate) environments: Vec<(&'a str, Node)>,
    /// The environments' own parts.
    pub(crate) overlays: Vec<Node>,
    /// Environments share their network, so that one state holds all of them.
    pub(crate) shared: bool,
    /// Variables that environments set.
    pub(crate) overridden: BTreeSet<String>,
    /// Path in the description to variable of the root.
    inputs: BTreeMap<String, String>,
    /// Variables that have become locals, longest first: text and name.
    locals: Vec<(String, String)>,
    used: RefCell<BTreeSet<String>>,
    /// Values that differ: name, and one for each environment.
    pub(crate) differing: RefCell<Vec<(String, Vec<Expr>)>>,
}

impl<'a> Description<'a> {
    pub(crate) fn new(
        source: &'a Source,
        root: &'a Node,
        system: &'a System,
        only: Option<&str>,
    ) -> Written<Description<'a>> {
        let mut base = root.clone();
        base.remove("environments");
        let mut environments = Vec::new();
        let mut overlays = Vec::new();
        for environment in system.environments.iter().filter(|e| only.is_none_or(|o| e.name == o)) {
            let own = at(root, &["environments", &environment.name]).cloned();
            let own = own.unwrap_or_else(|| Node::empty_map(root.at));
            let mut merged = base.clone();
            merged.overlay(&own);
            environments.push((environment.name.as_str(), merged));
            overlays.push(own);
        }
        let networks: BTreeSet<&str> =
            system.environments.iter().map(|e| e.network.name.as_str()).collect();
        let shared = system.environments.len() > 1 && networks.len() == 1;
        let sets = |name: &str| overlays.iter().any(|own| at(own, &["variables", name]).is_some());
        let names = environments.iter().flat_map(|(_, merged)| {
            at(merged, &["variables"]).map(Node::entries).unwrap_or_default()
        });
        let overridden: BTreeSet<String> =
            names.map(|entry| entry.key.clone()).filter(|name| sets(name)).collect();
        let mut inputs = BTreeMap::new();
        for entry in at(root, &["inputs"]).map(Node::entries).unwrap_or_default() {
            let path = at(&entry.value, &["sets"]).and_then(Node::text).unwrap_or_default();
            let steps: Vec<&str> = path.split('.').collect();
            if at(&base, &steps).is_none() {
                let message = format!("input `{}` sets `{path}`, which has no value", entry.key);
                return Err(Refusal::new(entry.at, message));
            }
            if overlays.iter().any(|own| at(own, &steps).is_some()) {
                let message = format!("input `{}` sets `{path}`, as environments do", entry.key);
                return Err(Refusal::new(entry.at, message));
            }
            inputs.insert(path.to_owned(), entry.key.clone());
        }
        if at(&base, &["variables", IMAGE_TAG]).is_some() && !overridden.contains(IMAGE_TAG) {
            inputs.insert(format!("variables.{IMAGE_TAG}"), "image_tag".to_owned());
        }
        let mut description = Description {
            lines: source.text.lines().collect(),
            root,
            system,
            environments,
            overlays,
            shared,
            overridden,
            inputs,
            locals: Vec::new(),
            used: RefCell::default(),
            differing: RefCell::default(),
        };
        description.locals = description.find_locals()?;
        Ok(description)
    }

    /// Variables worth a name of their own: those that are made of other names.
    fn find_locals(&self) -> Written<Vec<(String, String)>> {
        let mut locals = Vec::new();
        let place = Place { environment: Of::Any, service: None };
        for entry in at(self.root, &["variables"]).map(Node::entries).unwrap_or_default() {
            if self.overridden.contains(&entry.key)
                || self.input(&["variables", &entry.key]).is_some()
            {
                continue;
            }
            let Some(raw) = entry.value.written() else { continue };
            let text = self.canonical(&raw, place, entry.value.at)?;
            let differs = text.contains(&format!("{OPEN}environment{CLOSE}"))
                || text.contains(&format!("{OPEN}environment:"));
            if text.contains(OPEN) && !(self.shared && differs) {
                locals.push((text, entry.key.clone()));
            }
        }
        locals.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
        Ok(locals)
    }

    /// The variable of the root that stands for the value at that path.
    pub(crate) fn input(&self, path: &[&str]) -> Option<&str> {
        self.inputs.get(&path.join(".")).map(String::as_str)
    }

    /// All inputs but the image's tag: name, path, and what the description says of it.
    pub(crate) fn inputs(&self) -> impl Iterator<Item = (&str, Vec<&str>, Option<&str>)> {
        at(self.root, &["inputs"]).map(Node::entries).unwrap_or_default().iter().map(|entry| {
            let path = at(&entry.value, &["sets"]).and_then(Node::text).unwrap_or_default();
            let told = at(&entry.value, &["description"]).and_then(Node::text);
            (entry.key.as_str(), path.split('.').collect(), told)
        })
    }

    /// Comment lines of the description right above that place.
    pub(crate) fn comment(&self, position: Position) -> Vec<String> {
        let above = usize::try_from(position.line).unwrap_or_default().saturating_sub(1);
        let mut found: Vec<String> = self
            .lines
            .get(..above)
            .unwrap_or_default()
            .iter()
            .rev()
            .map_while(|line| line.trim_start().strip_prefix('#'))
            .take_while(|line| !line.trim_start().starts_with("yaml-language-server"))
            .map(|line| line.trim().to_owned())
            .collect();
        found.reverse();
        found
    }

    /// Fills in what is the same everywhere; what is not stays as a marked name.
    pub(crate) fn canonical(&self, raw: &str, place: Place<'_>, at: Position) -> Written<String> {
        let mut out = String::with_capacity(raw.len());
        for piece in pieces(raw) {
            match piece {
                Piece::Plain(plain) => out.push_str(plain),
                Piece::Name(name) => out.push_str(&self.filled(name, place, at)?),
                // Refused when the description was loaded.
                Piece::Unclosed => {}
            }
        }
        Ok(out)
    }

    fn filled(&self, name: &str, place: Place<'_>, position: Position) -> Written<String> {
        let mark = |name: &str| format!("{OPEN}{name}{CLOSE}");
        let nowhere = |what: &str| {
            let message = format!("`${{{name}}}` stands where {what}");
            Err(Refusal::new(position, message))
        };
        match (name, place.environment) {
            ("system", _) => return Ok(self.system.name.clone()),
            ("region" | "account", _) => return Ok(mark(name)),
            ("service", _) => {
                return match place.service {
                    Some(Service::Key) => Ok(mark("service")),
                    Some(Service::Named(name)) => Ok(name.to_owned()),
                    None => nowhere("no single service is meant"),
                };
            }
            ("environment", Of::Any) => return Ok(mark("environment")),
            ("environment", Of::One(number)) => {
                let name = self.environments.get(number).map(|(name, _)| *name);
                return Ok(name.unwrap_or_default().to_owned());
            }
            ("environment", Of::All) => return nowhere("all environments are meant"),
            _ => {}
        }
        if let Some(input) = self.input(&["variables", name]) {
            return Ok(mark(&format!("input:{input}")));
        }
        let variable = ["variables", name];
        let value = match place.environment {
            Of::One(number) => self.environments.get(number).and_then(|(_, e)| at(e, &variable)),
            Of::Any if self.overridden.contains(name) => {
                return Ok(mark(&format!("environment:{name}")));
            }
            Of::All if self.overridden.contains(name) => {
                return nowhere("all environments are meant");
            }
            Of::Any | Of::All => at(self.root, &variable),
        };
        let raw = value.and_then(Node::written).unwrap_or_default();
        self.canonical(&raw, place, position)
    }

    /// The expression for a text that [`Description::canonical`] made.
    pub(crate) fn render(&self, canonical: &str) -> String {
        self.render_local(canonical, None)
    }

    /// As [`Description::render`], for the definition of that local.
    pub(crate) fn render_local(&self, canonical: &str, own: Option<&str>) -> String {
        let mut text = canonical.to_owned();
        let longest = own.and_then(|own| self.locals.iter().position(|(_, name)| name == own));
        for (local, name) in self.locals.iter().skip(longest.map_or(0, |i| i + 1)) {
            if text.contains(local.as_str()) {
                text = text.replace(local.as_str(), &format!("{OPEN}local:{name}{CLOSE}"));
                self.used.borrow_mut().insert(name.clone());
            }
        }
        if let Some(name) = text.strip_prefix(OPEN).and_then(|t| t.strip_suffix(CLOSE))
            && !name.contains(OPEN)
        {
            return self.name(name);
        }
        let mut out = String::from("\"");
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once(OPEN) {
            out.push_str(&escaped(before));
            let (name, behind) = after.split_once(CLOSE).unwrap_or((after, ""));
            out.push_str("${");
            out.push_str(&self.name(name));
            out.push('}');
            rest = behind;
        }
        out.push_str(&escaped(rest));
        out.push('"');
        out
    }

    fn name(&self, name: &str) -> String {
        match (name.split_once(':'), self.shared) {
            (Some(("environment", name)), false) => format!("local.environment.{}", snake(name)),
            (Some(("environment", name)), true) => format!("environment.{}", snake(name)),
            (Some(("local", name)), _) => format!("local.{}", snake(name)),
            (Some((_, name)), _) => format!("var.{name}"),
            (None, shared) => match name {
                "service" => "key".to_owned(),
                "region" => "var.region".to_owned(),
                "account" => "local.account".to_owned(),
                _ if shared => "name".to_owned(),
                _ => "var.environment".to_owned(),
            },
        }
    }

    /// Locals that what was written so far needs, in the order of the file.
    pub(crate) fn used_locals(&self) -> Written<Vec<Attribute>> {
        let mut attributes = BTreeMap::new();
        loop {
            let missing: Vec<String> = {
                let used = self.used.borrow();
                used.iter().filter(|name| !attributes.contains_key(*name)).cloned().collect()
            };
            if missing.is_empty() {
                break;
            }
            for name in missing {
                let text = self.locals.iter().find(|(_, own)| *own == name).map(|(text, _)| text);
                let code = self.render_local(text.map_or("", String::as_str), Some(&name));
                attributes.insert(name.clone(), Attribute::new(snake(&name), Expr::Code(code)));
            }
        }
        let order = at(self.root, &["variables"]).map(Node::entries).unwrap_or_default();
        Ok(order
            .iter()
            .filter_map(|entry| {
                let mut attribute = attributes.remove(&entry.key)?;
                attribute.comment = self.comment(entry.at);
                Some(attribute)
            })
            .collect())
    }

    /// What is added to the priorities of rules there, if anything ever is.
    pub(crate) fn rule_priority_offset(&self, place: Place<'_>) -> Option<String> {
        let path = ["rulePriorityOffset"];
        let offset = |number: usize| {
            let (_, environment) = self.environments.get(number)?;
            at(environment, &path).and_then(Node::written)
        };
        let some = (0..self.environments.len()).any(|number| offset(number).is_some());
        some.then(|| match (place.environment, self.shared) {
            (Of::One(number), _) => offset(number).unwrap_or_else(|| "0".to_owned()),
            (_, true) => "environment.rule_priority_offset".to_owned(),
            (_, false) => "local.environment.rule_priority_offset".to_owned(),
        })
    }

    /// A text as an expression.
    pub(crate) fn text(&self, raw: &str, place: Place<'_>, at: Position) -> Written<Expr> {
        Ok(Expr::Code(self.render(&self.canonical(raw, place, at)?)))
    }

    /// A scalar as a text, however it was written.
    pub(crate) fn as_text(&self, node: &Node, place: Place<'_>) -> Written<Expr> {
        match node.written() {
            Some(text) => self.text(&text, place, node.at),
            None => Ok(Expr::code("null")),
        }
    }

    /// Any value: texts, numbers, lists and mappings, their keys in snake case.
    pub(crate) fn value(&self, node: &Node, place: Place<'_>) -> Written<Expr> {
        Ok(match &node.value {
            Value::Null { .. } => Expr::code("null"),
            Value::Bool(_) | Value::Int(..) | Value::Float(_) => {
                Expr::Code(node.written().unwrap_or_default())
            }
            Value::Text(text) => self.text(text, place, node.at)?,
            Value::List(items) => {
                Expr::List(items.iter().map(|i| self.value(i, place)).collect::<Written<_>>()?)
            }
            Value::Map(entries) => {
                let mut attributes = Vec::new();
                for entry in entries {
                    let value = self.value(&entry.value, place)?;
                    attributes.push(Attribute::new(snake(&entry.key), value));
                }
                Expr::Object(attributes)
            }
        })
    }

    /// The value at that path outside of the services: the root's variable that sets it, what all
    /// environments have, or a name for what they differ in. `None` if no environment has one.
    pub(crate) fn outside(&self, path: &[&str]) -> Written<Option<Expr>> {
        self.outside_as(path, "null", |node, place| self.value(node, place))
    }

    /// As [`Description::outside`]; `absent` stands for an environment without a value.
    pub(crate) fn outside_as(
        &self,
        path: &[&str],
        absent: &str,
        write: impl Fn(&Node, Place<'_>) -> Written<Expr>,
    ) -> Written<Option<Expr>> {
        if let Some(input) = self.input(path) {
            return Ok(Some(Expr::Code(format!("var.{input}"))));
        }
        let found: Vec<Option<&Node>> =
            self.environments.iter().map(|(_, environment)| at(environment, path)).collect();
        let Some(first) = found.iter().copied().flatten().next() else { return Ok(None) };
        let same = found.iter().all(|node| node.is_some_and(|n| n.to_json() == first.to_json()));
        if same {
            let environment = if self.shared { Of::All } else { Of::Any };
            return write(first, Place { environment, service: None }).map(Some);
        }
        if self.shared {
            let message = format!("environments share it and differ in `{}`", path.join("."));
            return Err(Refusal::new(first.at, message));
        }
        let mut values = Vec::new();
        for (number, node) in found.iter().enumerate() {
            let place = Place { environment: Of::One(number), service: None };
            values.push(match node {
                Some(node) => write(node, place)?,
                None => Expr::code(absent),
            });
        }
        let steps: Vec<String> = path
            .iter()
            .filter(|step| !matches!(**step, "resources" | "loadBalancers" | "main"))
            .map(|step| snake(step))
            .collect();
        let name = steps.join("_");
        let mut differing = self.differing.borrow_mut();
        if !differing.iter().any(|(known, _)| *known == name) {
            differing.push((name.clone(), values));
        }
        Ok(Some(Expr::Code(format!("local.environment.{name}"))))
    }
}
