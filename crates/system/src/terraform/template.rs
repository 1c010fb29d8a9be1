//! The texts that are the same in every root.
//!
//! `<<name>>` stands for what is written for the system. A line `... #if a !b` is there when `a`
//! holds and `b` does not; lines between `#if a` and `#end` likewise.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::environments::keys;
use super::expression::{Description, IMAGE_TAG, Of, Place};
use super::hcl::{Expr, quoted};
use super::{Refusal, Root, Written, at};
use crate::node::{Node, Value};

/// What is always there.
const ALWAYS: [(&str, &str); 13] = [
    ("versions.tf", include_str!("root/versions.tf")),
    ("backend.tf", include_str!("root/backend.tf")),
    ("variables.tf", include_str!("root/variables.tf")),
    ("network.tf", include_str!("root/network.tf")),
    ("balancer.tf", include_str!("root/balancer.tf")),
    ("dns.tf", include_str!("root/dns.tf")),
    ("cluster.tf", include_str!("root/cluster.tf")),
    ("registry.tf", include_str!("root/registry.tf")),
    ("secrets.tf", include_str!("root/secrets.tf")),
    ("main.tf", include_str!("root/main.tf")),
    ("monitoring.tf", include_str!("root/monitoring.tf")),
    ("outputs.tf", include_str!("root/outputs.tf")),
    ("terraform.tfvars.example", include_str!("root/terraform.tfvars.example")),
];

/// The call of a module for all services of a kind: those with a port, and those without.
const SERVICE: &str = include_str!("root/service.tf");

/// What is there under a condition.
const SOMETIMES: [(&str, &str, &str); 4] = [
    ("stores", "database.tf", include_str!("root/database.tf")),
    ("messaging", "messaging.tf", include_str!("root/messaging.tf")),
    ("cdn", "cdn.tf", include_str!("root/cdn.tf")),
    ("pipeline", "pipeline.tf", include_str!("root/pipeline.tf")),
];

/// Conditions that hold, and texts for the names.
#[derive(Default)]
pub(super) struct Filling {
    pub(super) holds: BTreeSet<&'static str>,
    pub(super) texts: BTreeMap<&'static str, String>,
}

impl Filling {
    pub(super) fn when(&mut self, condition: &'static str, holds: bool) {
        if holds {
            self.holds.insert(condition);
        }
    }

    pub(super) fn put(&mut self, name: &'static str, text: impl Into<String>) {
        self.texts.insert(name, text.into());
    }
}

pub(super) fn write(description: &Description<'_>, root: &mut Root) -> Written<()> {
    let mut filling = Filling::default();
    platform(description, &mut filling)?;
    variables(description, &mut filling)?;
    super::resources::fill(description, &mut filling)?;
    for (name, text) in ALWAYS {
        root.insert(name.to_owned(), fill(text, &filling));
    }
    for (condition, name, text) in SOMETIMES {
        if filling.holds.contains(condition) {
            root.insert(name.to_owned(), fill(text, &filling));
        }
    }
    let main = root.entry("main.tf".to_owned()).or_default();
    main.push('\n');
    main.push_str(&call(&mut filling, "services", "fargate-service", "web"));
    if filling.holds.contains("workers") {
        let workers = call(&mut filling, "workers", "ecs-worker", "workers");
        root.insert("workers.tf".to_owned(), workers);
    }
    for (name, _) in &description.environments {
        let text = if description.shared {
            format!(
                "# One environment alone. They share network and load balancer, so do not give each \
                 a state of its own.\nenvironments = [{}]\n",
                quoted(name)
            )
        } else {
            format!("environment = {}\n", quoted(name))
        };
        root.insert(format!("environments/{name}.tfvars"), text);
    }
    Ok(())
}

/// The module's call for the services that `local.<of>` holds.
fn call(filling: &mut Filling, kind: &str, module: &str, of: &'static str) -> String {
    for (name, text) in [("kind", kind), ("module", module), ("kind_of", of)] {
        filling.put(name, text);
    }
    filling.when("web", of == "web");
    let text = fill(SERVICE, filling);
    filling.holds.remove("web");
    text
}

/// What kind of platform it is.
fn platform(description: &Description<'_>, filling: &mut Filling) -> Written<()> {
    let system = description.system;
    filling.put("modules", "../../../terraform/modules");
    filling.put("system", &system.name);
    filling.put("region", &system.region);
    filling.when("shared", description.shared);
    filling.when("namespace", !keys(description, &["namespaces"]).is_empty());
    let services = system.environments.iter().flat_map(|environment| &environment.services);
    let ports = |service: &crate::system::Service| {
        service.task_definition.containers.iter().any(|c| !c.ports.is_empty())
    };
    filling.when("workers", services.clone().any(|service| !ports(service)));
    let exec = services.clone().any(|service| service.spec.enable_execute_command);
    filling.put("exec", exec.to_string());
    let first = services.clone().next().map(|s| s.key.clone()).unwrap_or_default();
    filling.put("first_service", super::hcl::key(&first));
    let balancer = keys(description, &["loadBalancers"]);
    let balancer = balancer.first().copied().unwrap_or_default();
    let listeners = keys(description, &["loadBalancers", balancer, "listeners"]);
    let listener = listeners.first().copied().unwrap_or_default();
    let forward = ["loadBalancers", balancer, "listeners", listener, "defaultAction", "forward"];
    let first = description.environments.first();
    let forward = first.and_then(|(_, e)| at(e, &forward)).and_then(Node::text);
    filling.when("forwards", forward.is_some());
    filling.put("default_service", super::hcl::snake(forward.unwrap_or_default()));
    Ok(())
}

/// The root's variables.
fn variables(description: &Description<'_>, filling: &mut Filling) -> Written<()> {
    let names: Vec<String> =
        description.environments.iter().map(|(name, _)| quoted(name)).collect();
    filling.put("environments", names.join(", "));
    let told: Vec<String> = names.iter().map(|name| name.replace('"', "\\\"")).collect();
    let told = match told.split_last() {
        Some((last, before)) if !before.is_empty() && description.shared => {
            format!("{} and {last}", before.join(", "))
        }
        Some((last, before)) if !before.is_empty() => format!("{} or {last}", before.join(", ")),
        _ => told.join(""),
    };
    filling.put("environments_told", told);
    let default = description.system.default_environments.first();
    let known = default.filter(|d| description.environments.iter().any(|(name, _)| name == d));
    let first = description.environments.first().map(|(name, _)| *name);
    filling.put("default_environment", known.map_or(first.unwrap_or_default(), String::as_str));

    let tag = at(description.root, &["variables", IMAGE_TAG]);
    let overridden = description.overridden.contains(IMAGE_TAG);
    if overridden && !description.shared {
        let place = tag.map_or(description.root.at, |node| node.at);
        let message = format!("`{IMAGE_TAG}` by environment: the root has one variable for it");
        return Err(Refusal::new(place, message));
    }
    filling.when("image_tag", tag.is_some() && !overridden);
    filling.when("image_tags", overridden);
    filling.put("image_tag", quoted(&tag.and_then(Node::written).unwrap_or_default()));

    let (mut declared, mut example) =
        (String::new(), String::from("\n# What this system has besides.\n"));
    let everywhere = Place { environment: Of::All, service: None };
    for (name, path, told) in description.inputs() {
        let Some(node) = at(description.root, &path) else { continue };
        let value = description.value(node, everywhere)?.render(1, 0);
        let kind = match &node.value {
            Value::Bool(_) => "bool",
            Value::Int(..) | Value::Float(_) => "number",
            Value::Text(_) => "string",
            _ => "any",
        };
        let told = quoted(told.unwrap_or("Stands for a key of the description."));
        let _ = write!(
            declared,
            "\nvariable \"{name}\" {{\n  description = {told}\n  type = {kind}\n  default = {value}\n}}\n"
        );
        let _ = writeln!(example, "{name} = {value}");
    }
    filling.when("inputs", !declared.is_empty());
    filling.put("inputs", declared);
    filling.put("example_inputs", super::hcl::align(&example).trim_end().to_owned());
    let alarms = description.outside(&["monitoring", "enabled"])?;
    filling.put("enable_alarms", alarms.unwrap_or_else(|| Expr::code("true")).render(1, 0));
    Ok(())
}

/// The text with its names filled in, without the lines whose conditions do not hold.
fn fill(text: &str, filling: &Filling) -> String {
    let holds = |condition: &str| {
        condition.split_whitespace().all(|word| match word.strip_prefix('!') {
            Some(word) => !filling.holds.contains(word),
            None => filling.holds.contains(word),
        })
    };
    let mut out = String::with_capacity(text.len());
    let mut shown = true;
    for line in text.lines() {
        if let Some(condition) = line.strip_prefix("#if ") {
            shown = holds(condition);
            continue;
        }
        if line == "#end" {
            shown = true;
            continue;
        }
        let (line, also) = match line.split_once(" #if ") {
            Some((line, condition)) => (line, holds(condition)),
            None => (line, true),
        };
        if shown && also {
            out.push_str(line.trim_end());
            out.push('\n');
        }
    }
    for (name, text) in &filling.texts {
        out = out.replace(&format!("<<{name}>>"), text);
    }
    // What is gone leaves no second empty line behind.
    while out.contains("\n\n\n") {
        out = out.replace("\n\n\n", "\n\n");
    }
    out = out.replace("\n\n}", "\n}");
    format!("{}\n", out.trim())
}
