//! What one layer says of a service, as the flat attributes that the root's modules take.

use super::expression::{Description, Place};
use super::hcl::{Attribute, Expr, key, quoted};
use super::{Refusal, Written, at};
use crate::node::{Entry, Node, Value};
use crate::system::split_reference;

/// Attributes of a service that says nothing, in the order of the files.
pub(super) const UNSET: [(&str, &str); 58] = [
    ("name", "null"),
    ("family", "null"),
    ("container_name", "null"),
    ("repository", "null"),
    ("image_tag", "\"latest\""),
    ("cpu", "null"),
    ("memory", "null"),
    ("ephemeral_storage_gib", "null"),
    ("port", "null"),
    ("command", "null"),
    ("environment", "{}"),
    ("secrets", "{}"),
    ("health_check", "null"),
    ("nofile", "null"),
    ("stop_timeout", "null"),
    ("init_process", "false"),
    ("user", "null"),
    ("readonly_root_filesystem", "false"),
    ("log_group", "null"),
    ("log_retention_days", "null"),
    ("execution_role_name", "null"),
    ("task_role_name", "null"),
    ("task_role_statements", "[]"),
    ("desired_count", "null"),
    ("desired_count_on_every_apply", "false"),
    ("min", "null"),
    ("max", "null"),
    ("scale_on_cpu", "null"),
    ("scale_on_memory", "null"),
    ("scale_on_requests", "null"),
    ("scale_out_cooldown", "300"),
    ("scale_in_cooldown", "300"),
    ("custom_metric", "null"),
    ("capacity_provider_strategy", "[{ capacity_provider = \"FARGATE\", base = 0, weight = 1 }]"),
    ("minimum_healthy_percent", "100"),
    ("maximum_percent", "200"),
    ("circuit_breaker", "false"),
    ("circuit_breaker_rollback", "false"),
    ("availability_zone_rebalancing", "true"),
    ("health_check_grace_period_seconds", "null"),
    ("enable_execute_command", "false"),
    ("subnets", "[]"),
    ("security_groups", "[]"),
    ("rules", "[]"),
    ("target_group", "false"),
    ("target_group_name", "null"),
    ("deregistration_delay", "300"),
    ("health_path", "\"/\""),
    ("health_matcher", "\"200\""),
    ("health_interval", "30"),
    ("health_timeout", "5"),
    ("healthy_threshold", "5"),
    ("unhealthy_threshold", "2"),
    ("discovery", "false"),
    ("discovery_name", "null"),
    ("discovery_ttl", "60"),
    ("discovery_srv", "false"),
    ("tags", "{}"),
];

/// Keys of a description that the modules have nothing for, and why.
const UNKNOWN: [(&str, &str); 9] = [
    ("containers", "the modules make tasks of one container"),
    ("ports", "the modules open one port"),
    ("essential", "the only container of a task is always essential"),
    ("entryPoint", "the modules have no entry point"),
    ("dependsOn", "the modules make tasks of one container"),
    ("startTimeout", "the modules make tasks of one container"),
    ("restartPolicy", "the modules have no restart policy"),
    ("workingDirectory", "the modules have no working directory"),
    ("scheduledActions", "the modules have no scheduled actions"),
];

/// The layer that lies at `path` in the description.
pub(super) fn attributes(
    description: &Description<'_>,
    layer: &Node,
    path: &[&str],
    place: Place<'_>,
) -> Written<Vec<Attribute>> {
    let mut writer = Writer { description, place, out: Vec::new() };
    for entry in layer.entries() {
        let from = writer.out.len();
        writer.entry(entry, path)?;
        if let Some(first) = writer.out.get_mut(from) {
            first.comment = description.comment(entry.at);
        }
    }
    Ok(writer.out)
}

struct Writer<'d> {
    description: &'d Description<'d>,
    place: Place<'d>,
    out: Vec<Attribute>,
}

impl Writer<'_> {
    fn put(&mut self, key: &str, value: Expr) {
        self.out.push(Attribute::new(key, value));
    }

    /// A value taken as it is; null gives back what a service has that says nothing.
    fn plain(&mut self, attribute: &str, node: &Node, path: &[&str]) -> Written<()> {
        let value = match (self.description.input(path), &node.value) {
            (Some(input), _) => Expr::Code(format!("var.{input}")),
            (None, Value::Null { .. }) => Expr::code(unset(attribute)),
            (None, _) => self.description.value(node, self.place)?,
        };
        self.put(attribute, value);
        Ok(())
    }

    fn text(&mut self, attribute: &str, node: &Node) -> Written<()> {
        let value = match node.value {
            Value::Null { .. } => Expr::code(unset(attribute)),
            _ => self.description.as_text(node, self.place)?,
        };
        self.put(attribute, value);
        Ok(())
    }

    fn entry(&mut self, entry: &Entry, path: &[&str]) -> Written<()> {
        let node = &entry.value;
        let mut below = path.to_vec();
        below.push(&entry.key);
        match entry.key.as_str() {
            "template" => self.text("template", node),
            "name" | "family" | "user" | "cpu" | "memory" | "port" | "command" | "subnets" => {
                self.plain(&entry.key, node, &below)
            }
            "containerName" => self.plain("container_name", node, &below),
            "securityGroups" => self.plain("security_groups", node, &below),
            "stopTimeout" => self.plain("stop_timeout", node, &below),
            "initProcessEnabled" => self.plain("init_process", node, &below),
            "readonlyRootFilesystem" => self.plain("readonly_root_filesystem", node, &below),
            "desiredCount" => {
                self.plain("desired_count", node, &below)?;
                if self.description.input(&below).is_some() {
                    self.put("desired_count_on_every_apply", Expr::code("true"));
                }
                Ok(())
            }
            "healthCheckGracePeriodSeconds" => {
                self.plain("health_check_grace_period_seconds", node, &below)
            }
            "enableExecuteCommand" => self.plain("enable_execute_command", node, &below),
            "availabilityZoneRebalancing" => {
                let on = node.text() != Some("DISABLED");
                self.put("availability_zone_rebalancing", Expr::Code(on.to_string()));
                Ok(())
            }
            "image" => self.image(node),
            "environment" | "tags" => {
                let mut texts = Vec::new();
                for entry in node.entries() {
                    let value = self.description.as_text(&entry.value, self.place)?;
                    let comment = self.description.comment(entry.at);
                    texts.push(Attribute { comment, key: key(&entry.key), value });
                }
                self.put(&entry.key, Expr::Object(texts));
                Ok(())
            }
            "secrets" => {
                let mut references = Vec::new();
                for entry in node.entries() {
                    let value = reference(self.description, &entry.value, self.place)?;
                    references.push(Attribute::new(key(&entry.key), value));
                }
                self.put("secrets", Expr::Object(references));
                Ok(())
            }
            "healthCheck" => {
                let value = self.description.value(node, self.place)?;
                self.put("health_check", value);
                Ok(())
            }
            "nofile" => {
                let limit = |name: &str| {
                    at(node, &[name]).and_then(Node::written).unwrap_or_else(|| "65535".to_owned())
                };
                let soft = Attribute::new("soft", Expr::Code(limit("softLimit")));
                let hard = Attribute::new("hard", Expr::Code(limit("hardLimit")));
                self.put("nofile", Expr::Object(vec![soft, hard]));
                Ok(())
            }
            "executionRoleArn" => self.role("execution_role_name", node),
            "taskRoleArn" => self.role("task_role_name", node),
            "taskRolePolicy" => self.plain("task_role_statements", node, &below),
            "capacityProviderStrategy" => self.strategy(node),
            "rules" => self.rules(node),
            "ephemeralStorage" => {
                self.each(node, &below, &[("sizeInGiB", "ephemeral_storage_gib")])
            }
            "logs" => self.each(
                node,
                &below,
                &[("group", "log_group"), ("retention", "log_retention_days")],
            ),
            "scaling" => self.scaling(node, &below),
            "deploymentConfiguration" => self.deployment(node, &below),
            "targetGroup" => self.target_group(node, &below),
            "discovery" => self.discovery(node, &below),
            unknown => {
                let why = UNKNOWN.iter().find(|(name, _)| *name == unknown);
                let why = why.map_or("the modules do not have it", |(_, why)| why);
                Err(Refusal::new(entry.at, format!("`{unknown}`: {why}")))
            }
        }
    }

    /// The entries of a mapping, by a table of key and attribute.
    fn each(&mut self, node: &Node, path: &[&str], known: &[(&str, &str)]) -> Written<()> {
        for entry in node.entries() {
            let Some((_, attribute)) = known.iter().find(|(name, _)| *name == entry.key) else {
                return Err(lacking(entry, ""));
            };
            let mut path = path.to_vec();
            path.push(&entry.key);
            self.plain(attribute, &entry.value, &path)?;
        }
        Ok(())
    }

    fn image(&mut self, node: &Node) -> Written<()> {
        let raw = node.text().unwrap_or_default();
        if raw.contains('@') {
            return Err(Refusal::new(node.at, "an image by digest: the modules take tags"));
        }
        let (repository, tag) = split_reference(raw);
        let repository = self.description.text(repository, self.place, node.at)?;
        self.put("repository", repository);
        let tag = self.description.text(tag.unwrap_or("latest"), self.place, node.at)?;
        self.put("image_tag", tag);
        Ok(())
    }

    /// The name behind `arn:aws:iam::<account>:role/`.
    fn role(&mut self, attribute: &str, node: &Node) -> Written<()> {
        let Some(arn) = node.text() else {
            self.put(attribute, Expr::code("null"));
            return Ok(());
        };
        let canonical = self.description.canonical(arn, self.place, node.at)?;
        let name = canonical.split_once(":role/").map_or(canonical.as_str(), |(_, name)| name);
        let name = self.description.render(name);
        self.put(attribute, Expr::Code(name));
        Ok(())
    }

    fn strategy(&mut self, node: &Node) -> Written<()> {
        let mut items = Vec::new();
        for item in node.items() {
            let number = |name| at(item, &[name]).and_then(Node::written);
            let number = |name| Expr::Code(number(name).unwrap_or_else(|| "0".to_owned()));
            let provider = at(item, &["capacityProvider"]).and_then(Node::text).unwrap_or_default();
            items.push(Expr::Object(vec![
                Attribute::new("capacity_provider", Expr::Code(quoted(provider))),
                Attribute::new("base", number("base")),
                Attribute::new("weight", number("weight")),
            ]));
        }
        self.put("capacity_provider_strategy", Expr::List(items));
        Ok(())
    }

    fn rules(&mut self, node: &Node) -> Written<()> {
        let mut rules = Vec::new();
        for item in node.items() {
            let mut rule = Vec::new();
            for entry in item.entries() {
                let attribute = match entry.key.as_str() {
                    "priority" => {
                        let priority = entry.value.written().unwrap_or_default();
                        let code = match self.description.rule_priority_offset(self.place) {
                            Some(offset) => format!("{priority} + {offset}"),
                            None => priority,
                        };
                        rule.push(Attribute::new("priority", Expr::Code(code)));
                        continue;
                    }
                    "pathPattern" => "path_patterns",
                    "hostHeader" => "host_headers",
                    _ => {
                        return Err(lacking(entry, " of a rule"));
                    }
                };
                let texts = match &entry.value.value {
                    Value::List(_) => self.description.value(&entry.value, self.place)?,
                    _ => Expr::List(vec![self.description.as_text(&entry.value, self.place)?]),
                };
                rule.push(Attribute::new(attribute, texts));
            }
            rules.push(Expr::Object(rule));
        }
        self.put("rules", Expr::List(rules));
        Ok(())
    }

    fn scaling(&mut self, node: &Node, path: &[&str]) -> Written<()> {
        for entry in node.entries() {
            let mut below = path.to_vec();
            below.push(&entry.key);
            match entry.key.as_str() {
                "min" | "max" => self.plain(&entry.key, &entry.value, &below)?,
                "targetTracking" => self.each(
                    &entry.value,
                    &below,
                    &[
                        ("cpu", "scale_on_cpu"),
                        ("memory", "scale_on_memory"),
                        ("requestsPerTarget", "scale_on_requests"),
                        ("customMetric", "custom_metric"),
                        ("scaleOutCooldown", "scale_out_cooldown"),
                        ("scaleInCooldown", "scale_in_cooldown"),
                    ],
                )?,
                _ => {
                    return Err(lacking(entry, ""));
                }
            }
        }
        Ok(())
    }

    fn deployment(&mut self, node: &Node, path: &[&str]) -> Written<()> {
        for entry in node.entries() {
            let mut below = path.to_vec();
            below.push(&entry.key);
            match entry.key.as_str() {
                "minimumHealthyPercent" => {
                    self.plain("minimum_healthy_percent", &entry.value, &below)?;
                }
                "maximumPercent" => self.plain("maximum_percent", &entry.value, &below)?,
                _ => self.each(
                    &entry.value,
                    &below,
                    &[("enable", "circuit_breaker"), ("rollback", "circuit_breaker_rollback")],
                )?,
            }
        }
        Ok(())
    }

    fn target_group(&mut self, node: &Node, path: &[&str]) -> Written<()> {
        let there = !matches!(node.value, Value::Null { .. });
        self.put("target_group", Expr::Code(there.to_string()));
        for entry in node.entries() {
            let mut below = path.to_vec();
            below.push(&entry.key);
            match entry.key.as_str() {
                "name" => self.plain("target_group_name", &entry.value, &below)?,
                "deregistrationDelay" => {
                    self.plain("deregistration_delay", &entry.value, &below)?;
                }
                "healthCheck" => {
                    for entry in entry.value.entries() {
                        let mut below = below.clone();
                        below.push(&entry.key);
                        match entry.key.as_str() {
                            "path" => self.plain("health_path", &entry.value, &below)?,
                            "matcher" => self.text("health_matcher", &entry.value)?,
                            "interval" => self.plain("health_interval", &entry.value, &below)?,
                            "timeout" => self.plain("health_timeout", &entry.value, &below)?,
                            "healthyThreshold" => {
                                self.plain("healthy_threshold", &entry.value, &below)?;
                            }
                            _ => self.plain("unhealthy_threshold", &entry.value, &below)?,
                        }
                    }
                }
                _ => {
                    return Err(lacking(entry, " of a target group"));
                }
            }
        }
        Ok(())
    }

    fn discovery(&mut self, node: &Node, path: &[&str]) -> Written<()> {
        let there = !matches!(node.value, Value::Null { .. });
        self.put("discovery", Expr::Code(there.to_string()));
        for entry in node.entries().iter().filter(|entry| entry.key != "namespace") {
            let mut below = path.to_vec();
            below.push(&entry.key);
            let attribute = format!("discovery_{}", entry.key);
            self.plain(&attribute, &entry.value, &below)?;
        }
        Ok(())
    }
}

/// For a key that the modules have nothing for.
fn lacking(entry: &Entry, of: &str) -> Refusal {
    Refusal::new(entry.at, format!("`{}`{of}: the modules do not have it", entry.key))
}

/// What a service has that says nothing of the attribute.
fn unset(attribute: &str) -> &'static str {
    let found = UNSET.iter().find(|(name, _)| *name == attribute);
    found.map_or("null", |(_, value)| value)
}

/// A secret by name, by `name:KEY`, or a parameter by path.
pub(super) fn reference(
    description: &Description<'_>,
    node: &Node,
    place: Place<'_>,
) -> Written<Expr> {
    let Some(raw) = node.written() else { return Ok(Expr::code("null")) };
    let canonical = description.canonical(&raw, place, node.at)?;
    let refuse = |what: &str| Err(Refusal::new(node.at, format!("`{raw}`: {what}")));
    let name = match canonical.split_once(":secret:") {
        Some((_, name)) => name,
        None => match canonical.split_once(":parameter/") {
            Some((_, path)) => return Ok(Expr::Code(description.render(&format!("/{path}")))),
            None => return Ok(Expr::Code(description.render(&canonical))),
        },
    };
    // name:key:stage:version, where only the key may be there.
    let parts: Vec<&str> = split_outside_marks(name);
    match parts.as_slice() {
        [name] | [name, "", "", ""] => Ok(Expr::Code(description.render(name))),
        [name, key] | [name, key, "", ""] => {
            Ok(Expr::Code(description.render(&format!("{name}:{key}"))))
        }
        _ => refuse("the modules take secrets by their current version"),
    }
}

/// Splits at colons that stand in no marked name.
fn split_outside_marks(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut marked = false;
    for (index, letter) in text.char_indices() {
        match letter {
            '\u{1}' => marked = true,
            '\u{2}' => marked = false,
            ':' if !marked => {
                parts.push(&text[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}
