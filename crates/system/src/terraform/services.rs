//! `services.tf`: the services as layers, as the description has them.

use super::expression::{Description, Of, Place, Service};
use super::hcl::{Attribute, Expr, attributes_text, key};
use super::layer::{UNSET, attributes};
use super::{Root, Written, at};
use crate::node::{Entry, Node, Value};

/// The template of services that name none, where others do.
pub(super) const NO_TEMPLATE: &str = "none";

/// How services come to be of their layers; the same in every root.
const MERGED: &str = r#"
  # Mappings are merged entry by entry; null takes an entry away.
  merged = {
    for key, layers in local.layers : key => merge(merge(layers...), {
      environment = { for name, value in merge([for layer in layers : try(layer.environment, {})]...) : name => value if value != null }
      secrets     = { for name, from in merge([for layer in layers : try(layer.secrets, {})]...) : name => from if from != null }
      tags        = { for name, value in merge([for layer in layers : try(layer.tags, {})]...) : name => value if value != null }
      health_check = one([
        for checks in [[for layer in layers : layer.health_check if try(layer.health_check, null) != null]] :
        merge({ interval = 30, timeout = 5, retries = 3, start_period = 0 }, checks...) if length(checks) > 0
      ])
    })
  }

  services = {
    for key, service in local.merged : key => merge(service, {
      name              = coalesce(service.name, service.key)
      family            = coalesce(service.family, service.name, service.key)
      container_name    = coalesce(service.container_name, service.key)
      desired_count     = coalesce(service.desired_count, service.min, 1)
      target_group_name = service.target_group ? coalesce(service.target_group_name, service.name, service.key) : null
      discovery_name    = service.discovery ? coalesce(service.discovery_name, service.key) : null
    })
  }
"#;

pub(super) fn write(description: &Description<'_>, root: &mut Root) -> Written<()> {
    let empty = Node::empty_map(description.root.at);
    let anywhere = Place { environment: Of::Any, service: None };
    let each = Place { environment: Of::Any, service: Some(Service::Key) };

    let defaults = at(description.root, &["defaults"]).unwrap_or(&empty);
    let (common, own) = divide(defaults);
    let said = attributes(description, &common, &["defaults"], anywhere)?;
    let mut named = vec![Attribute::new("key", Expr::code("key"))];
    if description.shared {
        named.push(Attribute::new("environment_name", Expr::code("name")));
    }
    named.extend(attributes(description, &own, &["defaults"], each)?);

    let mut templates = Vec::new();
    let mut named_templates = Vec::new();
    for entry in at(description.root, &["templates"]).map(Node::entries).unwrap_or_default() {
        let (common, own) = divide(&entry.value);
        let path = ["templates", entry.key.as_str()];
        templates.push(Attribute {
            comment: description.comment(entry.at),
            key: key(&entry.key),
            value: Expr::Object(attributes(description, &common, &path, anywhere)?),
        });
        let own = attributes(description, &own, &path, each)?;
        named_templates.push(Attribute::new(key(&entry.key), Expr::Object(own)));
    }
    let services = at(description.root, &["services"]).map(Node::entries).unwrap_or_default();
    let services: Vec<&Entry> =
        services.iter().filter(|s| !matches!(s.value.value, Value::Null { .. })).collect();
    let untemplated = services.iter().any(|s| at(&s.value, &["template"]).is_none());
    if !templates.is_empty() && untemplated {
        templates.push(Attribute::new(NO_TEMPLATE, Expr::empty_object()));
        named_templates.push(Attribute::new(NO_TEMPLATE, Expr::empty_object()));
    }

    let mut described = Vec::new();
    for entry in &services {
        let place = Place { environment: Of::Any, service: Some(Service::Named(&entry.key)) };
        let path = ["services", entry.key.as_str()];
        let mut own = attributes(description, &entry.value, &path, place)?;
        if !templates.is_empty() && at(&entry.value, &["template"]).is_none() {
            own.insert(0, Attribute::new("template", Expr::Code(format!("\"{NO_TEMPLATE}\""))));
        }
        let comment = description.comment(entry.at);
        described.push(Attribute { comment, key: key(&entry.key), value: Expr::Object(own) });
    }

    let mut text = String::from("locals {\n");
    text.push_str(
        "  # What all services have in common; then comes what a service's name is part of",
    );
    text.push_str(if templates.is_empty() { ",\n" } else { ", what a kind\n" });
    text.push_str(if templates.is_empty() {
        "  # then a service's own. At each step an environment may say something else.\n"
    } else {
        "  # of service has, a service's own. At each step an environment may say something else.\n"
    });
    text.push_str(&local(description, "defaults", &over_unset(said), false));
    if !templates.is_empty() {
        text.push('\n');
        text.push_str(&local(description, "templates", &templates, true));
    }
    text.push('\n');
    text.push_str(&local(description, "described", &described, true));
    text.push('\n');
    let kinds = (!templates.is_empty()).then_some(named_templates.as_slice());
    text.push_str(&layers(description, &named, kinds));
    text.push_str(MERGED);
    text.push_str("}\n");
    root.insert("services.tf".to_owned(), text);
    Ok(())
}

/// What is said, in the order of [`UNSET`] and completed by it.
fn over_unset(said: Vec<Attribute>) -> Vec<Attribute> {
    let mut said = said;
    let mut out = Vec::new();
    for (name, value) in UNSET {
        match said.iter().rposition(|attribute| attribute.key == name) {
            Some(index) => out.push(said.remove(index)),
            None => out.push(Attribute::new(name, Expr::code(value))),
        }
    }
    out
}

/// A local of the file; where one state holds all environments, one for each of them.
fn local(
    description: &Description<'_>,
    name: &str,
    attributes: &[Attribute],
    apart: bool,
) -> String {
    let body = if apart { apart_text(attributes) } else { attributes_text(attributes, 2) };
    if description.shared {
        let deeper = body.lines().map(|line| match line {
            "" => "\n".to_owned(),
            line => format!("  {line}\n"),
        });
        let deeper: String = deeper.collect();
        format!(
            "  {name} = {{\n    for name, environment in local.selected : name => {{\n{deeper}    }}\n  }}\n"
        )
    } else {
        format!("  {name} = {{\n{body}  }}\n")
    }
}

/// Attributes with an empty line between them.
fn apart_text(attributes: &[Attribute]) -> String {
    let texts: Vec<String> = attributes
        .iter()
        .map(|attribute| match &attribute.value {
            // A block of its own reads better than a line of everything.
            Expr::Object(inner) if !inner.is_empty() => {
                let comment: String =
                    attribute.comment.iter().map(|line| format!("    # {line}\n")).collect();
                let body = attributes_text(inner, 3);
                format!("{comment}    {} = {{\n{body}    }}\n", attribute.key)
            }
            _ => attributes_text(std::slice::from_ref(attribute), 2),
        })
        .collect();
    texts.join("\n")
}

fn layers(
    description: &Description<'_>,
    named: &[Attribute],
    kinds: Option<&[Attribute]>,
) -> String {
    let shared = description.shared;
    let depth = if shared { 4 } else { 3 };
    let indent = "  ".repeat(depth);
    let (of, environment) =
        if shared { ("[name]", "environment") } else { ("", "local.environment") };
    let mut lines = vec![format!("local.defaults{of}")];
    lines.push(format!("{{\n{}{indent}}}", attributes_text(named, depth + 1)));
    lines.push(format!("{environment}.defaults"));
    if let Some(kinds) = kinds {
        lines.push(format!("local.templates{of}[service.template]"));
        let some = kinds.iter().any(|k| k.value != Expr::empty_object());
        if some {
            let text = attributes_text(kinds, depth + 1);
            lines.push(format!("{{\n{text}{indent}}}[service.template]"));
        }
        lines.push(format!("{environment}.templates[service.template]"));
    }
    lines.push("service".to_owned());
    lines.push(format!("lookup({environment}.services, key, {{}})"));
    let whole = if shared { "\"${name}-${key}\"" } else { "key" };
    lines.push(format!("lookup(var.overrides, {whole}, {{}})"));
    let lines: String = lines.iter().map(|line| format!("{indent}{line},\n")).collect();
    if shared {
        format!(
            "  # The layers of a service, the later winning; each service in each environment.\n  \
             layers = merge([\n    for name, environment in local.selected : {{\n      \
             for key, service in local.described[name] : {whole} => [\n{lines}      ]\n    }}\n  \
             ]...)\n"
        )
    } else {
        format!(
            "  # The layers of a service, the later winning.\n  layers = {{\n    \
             for key, service in local.described : key => [\n{lines}    ]\n  }}\n"
        )
    }
}

/// What does not mention the service's name, and what does.
fn divide(node: &Node) -> (Node, Node) {
    let (mut common, mut own) = (Node::empty_map(node.at), Node::empty_map(node.at));
    for entry in node.entries() {
        if !mentions_service(&entry.value) {
            common.set(entry.clone());
        } else if matches!(entry.value.value, Value::Map(_)) {
            let (without, with) = divide(&entry.value);
            if !without.entries().is_empty() {
                common.set(Entry { value: without, ..entry.clone() });
            }
            own.set(Entry { value: with, ..entry.clone() });
        } else {
            own.set(entry.clone());
        }
    }
    (common, own)
}

fn mentions_service(node: &Node) -> bool {
    match &node.value {
        Value::Text(text) => text.contains("${service}"),
        Value::List(items) => items.iter().any(mentions_service),
        Value::Map(entries) => entries.iter().any(|entry| mentions_service(&entry.value)),
        _ => false,
    }
}
