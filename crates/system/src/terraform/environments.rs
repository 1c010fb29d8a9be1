//! `environments.tf`: what the environments differ in, and what the platform is around the services.

use super::expression::{Description, Of, Place, Service};
use super::hcl::{Attribute, Expr, attributes_text, key, quoted, snake};
use super::layer::attributes;
use super::services::NO_TEMPLATE;
use super::{Refusal, Root, Written, at};
use crate::node::{Node, Value};

pub(super) fn write(description: &Description<'_>, root: &mut Root) -> Written<()> {
    let network = network(description)?;
    let groups = security_groups(description)?;
    let balancer = load_balancer(description)?;
    let hosts = description.outside(&["resources", "hostNames"])?;
    let hosts = hosts.unwrap_or_else(|| Expr::List(Vec::new()));
    let protected =
        description.outside_as(&["resources", "protected"], "false", |node, place| {
            description.value(node, place)
        })?;
    let protected = match protected {
        Some(Expr::Code(code)) => code,
        _ => "false".to_owned(),
    };
    let tags = tags(description)?;
    let cluster = description.outside(&["cluster"])?;
    let namespaces = namespaces(description)?;
    let alarms = super::resources::service_alarms(description)?;
    let environments = environments(description)?;
    let locals = description.used_locals()?;

    let mut text =
        String::from("# What the environments differ in; everything else has one definition.");
    if description.shared {
        text.push_str(
            " They share network, cluster and load\n# balancer, so one state holds all of them.",
        );
    }
    text.push_str("\nlocals {\n  environments = {\n");
    text.push_str(&environments);
    text.push_str("  }\n");
    if description.shared {
        text.push_str(
            "  selected = { for name, environment in local.environments : name => environment if \
             contains(var.environments, name) }\n",
        );
    } else {
        text.push_str("  environment = local.environments[var.environment]\n");
    }
    text.push('\n');
    let mut common = locals;
    common.extend(cluster.map(|cluster| Attribute::new("cluster", cluster)));
    if let Some(namespace) = namespaces {
        common.push(Attribute::new("namespace_name", namespace));
    }
    common.push(Attribute::new("host_names", hosts));
    common.push(Attribute::new("tags", tags));
    let protected = format!("var.protect == null ? {protected} : var.protect");
    common.push(Attribute::new("protected", Expr::Code(protected)));
    text.push_str(&attributes_text(&common, 1));
    for block in [
        Attribute::new("network", network),
        Attribute::new("security_groups", groups),
        Attribute::new("load_balancer", balancer),
        Attribute::new("service_alarms", alarms),
    ] {
        text.push('\n');
        text.push_str(&attributes_text(&[block], 1));
    }
    text.push_str("}\n");
    root.insert("environments.tf".to_owned(), text);
    Ok(())
}

/// One entry for each environment: variables, values that differ, and layers of the services.
fn environments(description: &Description<'_>) -> Written<String> {
    let mut texts = Vec::new();
    for (number, ((name, merged), own)) in
        description.environments.iter().zip(&description.overlays).enumerate()
    {
        let place = Place { environment: Of::One(number), service: None };
        let mut entries = Vec::new();
        for variable in at(merged, &["variables"]).map(Node::entries).unwrap_or_default() {
            if description.overridden.contains(&variable.key) {
                let mut value = description.as_text(&variable.value, place)?;
                if variable.key == super::expression::IMAGE_TAG && description.shared {
                    let tag = value.render(0, 0);
                    value = Expr::Code(format!("lookup(var.image_tags, {}, {tag})", quoted(name)));
                }
                entries.push(Attribute::new(snake(&variable.key), value));
            }
        }
        if let Some(offset) = description.rule_priority_offset(place) {
            entries.push(Attribute::new("rule_priority_offset", Expr::Code(offset)));
        }
        for (differing, values) in description.differing.borrow().iter() {
            entries.extend(
                values.get(number).map(|value| Attribute::new(differing.clone(), value.clone())),
            );
        }
        let defaults = match at(own, &["defaults"]) {
            Some(defaults) => attributes(description, defaults, &["environments"], place)?,
            None => Vec::new(),
        };
        entries.push(Attribute::new("defaults", Expr::Object(defaults)));
        if let Some(templates) = at(description.root, &["templates"]) {
            entries.push(Attribute::new("templates", kinds(description, templates, own, place)?));
        }
        let mut services = Vec::new();
        for service in at(own, &["services"]).map(Node::entries).unwrap_or_default() {
            if matches!(service.value.value, Value::Null { .. }) {
                let message =
                    "an environment without one of the services: every environment has all of them";
                return Err(Refusal::new(service.at, message));
            }
            let place = Place { service: Some(Service::Named(&service.key)), ..place };
            let own = attributes(description, &service.value, &["environments"], place)?;
            let comment = description.comment(service.at);
            services.push(Attribute { comment, key: key(&service.key), value: Expr::Object(own) });
        }
        entries.push(Attribute::new("services", Expr::Object(services)));
        let at = at(description.root, &["environments"]).and_then(|all| all.entry(name));
        let comment: String = at
            .map(|entry| description.comment(entry.at))
            .unwrap_or_default()
            .iter()
            .map(|line| format!("    # {line}\n"))
            .collect();
        let body = attributes_text(&entries, 3);
        texts.push(format!("{comment}    {} = {{\n{body}    }}\n", key(name)));
    }
    Ok(texts.join("\n"))
}

/// What the environment says of each template, nothing for most.
fn kinds(
    description: &Description<'_>,
    templates: &Node,
    own: &Node,
    place: Place<'_>,
) -> Written<Expr> {
    let mut kinds = Vec::new();
    for template in templates.entries() {
        let said = match at(own, &["templates", &template.key]) {
            Some(said) => attributes(description, said, &["environments"], place)?,
            None => Vec::new(),
        };
        kinds.push(Attribute::new(key(&template.key), Expr::Object(said)));
    }
    let services = at(description.root, &["services"]).map(Node::entries).unwrap_or_default();
    if services.iter().any(|service| at(&service.value, &["template"]).is_none()) {
        kinds.push(Attribute::new(NO_TEMPLATE, Expr::empty_object()));
    }
    Ok(Expr::Object(kinds))
}

fn network(description: &Description<'_>) -> Written<Expr> {
    let mut network = Vec::new();
    for name in ["name", "cidr"] {
        if let Some(value) = description.outside(&["network", name])? {
            network.push(Attribute::new(name, value));
        }
    }
    let nat = description.outside_as(&["network", "nat"], "\"none\"", |node, _| {
        Ok(Expr::Code(quoted(&snake(node.text().unwrap_or("none")))))
    })?;
    network.push(Attribute::new("nat", nat.unwrap_or_else(|| Expr::code("\"none\""))));
    let mut subnets = Vec::new();
    for subnet in keys(description, &["network", "subnets"]) {
        let path = |last| ["network", "subnets", subnet, last];
        let is = |last| {
            let first = description.environments.first();
            first
                .and_then(|(_, e)| at(e, &path(last)))
                .is_some_and(|n| n.value == Value::Bool(true))
        };
        let tier = match (is("public"), is("isolated")) {
            (true, _) => "public",
            (_, true) => "isolated",
            _ => "private",
        };
        let zone = description.outside_as(&path("zone"), "null", |node, _| {
            let zone = node.text().unwrap_or_default();
            Ok(Expr::Code(match zone.strip_prefix(&description.system.region) {
                Some(letter) => format!("\"${{var.region}}{letter}\""),
                None => quoted(zone),
            }))
        })?;
        let mut entries = Vec::new();
        entries.extend(zone.map(|zone| Attribute::new("zone", zone)));
        entries
            .extend(description.outside(&path("cidr"))?.map(|cidr| Attribute::new("cidr", cidr)));
        entries.push(Attribute::new("tier", Expr::Code(quoted(tier))));
        subnets.push(Attribute::new(key(subnet), Expr::Object(entries)));
    }
    network.push(Attribute::new("subnets", Expr::Object(subnets)));
    let groups = description.outside(&["resources", "endpointSecurityGroups"])?;
    let groups = groups.unwrap_or_else(|| Expr::List(Vec::new()));
    network.push(Attribute::new("endpoint_security_groups", groups));
    Ok(Expr::Object(network))
}

fn security_groups(description: &Description<'_>) -> Written<Expr> {
    let mut groups = Vec::new();
    for group in keys(description, &["network", "securityGroups"]) {
        let path = |last| ["network", "securityGroups", group, last];
        let told = description.outside(&path("description"))?;
        let told = told.unwrap_or_else(|| Expr::Code(quoted(group)));
        let rules = |last, peer: &'static str| {
            description.outside_as(&path(last), "null", |node, place| {
                rules(description, node, peer, place)
            })
        };
        let ingress = rules("ingress", "from")?.unwrap_or_else(|| Expr::List(Vec::new()));
        let egress = rules("egress", "to")?.unwrap_or_else(|| Expr::code("null"));
        let entry =
            at(description.root, &["network", "securityGroups"]).and_then(|g| g.entry(group));
        groups.push(Attribute {
            comment: entry.map(|entry| description.comment(entry.at)).unwrap_or_default(),
            key: key(group),
            value: Expr::Object(vec![
                Attribute::new("description", told),
                Attribute::new("ingress", ingress),
                Attribute::new("egress", egress),
            ]),
        });
    }
    Ok(Expr::Object(groups))
}

fn rules(
    description: &Description<'_>,
    node: &Node,
    peer: &str,
    place: Place<'_>,
) -> Written<Expr> {
    let mut rules = Vec::new();
    for rule in node.items() {
        let port = at(rule, &["port"]).and_then(Node::written);
        let port = port.map_or_else(|| "null".to_owned(), |port| quoted(&port));
        let protocol = at(rule, &["protocol"]).and_then(Node::text).unwrap_or("tcp");
        let other = match at(rule, &[peer]) {
            Some(other) => description.as_text(other, place)?,
            None => Expr::code("null"),
        };
        rules.push(Expr::Object(vec![
            Attribute::new("port", Expr::Code(port)),
            Attribute::new("protocol", Expr::Code(quoted(protocol))),
            Attribute::new("peer", other),
        ]));
    }
    Ok(Expr::List(rules))
}

fn load_balancer(description: &Description<'_>) -> Written<Expr> {
    let balancers = keys(description, &["loadBalancers"]);
    let [balancer] = balancers.as_slice() else {
        let place = at(description.root, &["loadBalancers"]).map_or(description.root.at, |n| n.at);
        let message = format!("{} load balancers: the root has one", balancers.len());
        return Err(Refusal::new(place, message));
    };
    let path = |last| ["loadBalancers", balancer, last];
    if let Some(scheme) = at(description.root, &path("scheme"))
        && scheme.text() == Some("internal")
    {
        return Err(Refusal::new(
            scheme.at,
            "an internal load balancer: the root's is for everybody",
        ));
    }
    let mut entries = Vec::new();
    for (name, attribute) in
        [("name", "name"), ("subnets", "subnets"), ("securityGroups", "security_groups")]
    {
        let value = description.outside(&path(name))?.unwrap_or_else(|| Expr::List(Vec::new()));
        entries.push(Attribute::new(attribute, value));
    }
    let idle = description.outside(&path("idleTimeout"))?.unwrap_or_else(|| Expr::code("60"));
    entries.push(Attribute::new("idle_timeout", idle));
    let listeners = keys(description, &path("listeners"));
    let [listener] = listeners.as_slice() else {
        let message = format!("{} listeners: the root has one, and one for HTTPS", listeners.len());
        return Err(Refusal::new(description.root.at, message));
    };
    let action = ["loadBalancers", balancer, "listeners", listener, "defaultAction"];
    let of = |last| {
        let mut path = action.to_vec();
        path.push(last);
        path
    };
    let forward = description.outside(&of("forward"))?;
    let answer = description.outside(&of("fixedResponse"))?;
    match (forward, answer) {
        (Some(Expr::Code(service)), None) => {
            entries.push(Attribute::new("default_service", Expr::Code(service)));
            entries.push(Attribute::new("default_response", Expr::code("null")));
        }
        (None, Some(Expr::Object(mut answer))) => {
            for (name, unset) in [("content_type", "\"text/plain\""), ("message_body", "\"\"")] {
                if !answer.iter().any(|attribute| attribute.key == name) {
                    answer.push(Attribute::new(name, Expr::code(unset)));
                }
            }
            entries.push(Attribute::new("default_service", Expr::code("null")));
            entries.push(Attribute::new("default_response", Expr::Object(answer)));
        }
        _ => {
            let place = at(description.root, &action).map_or(description.root.at, |n| n.at);
            let message =
                "the listener's default action: the root forwards to one service, or answers";
            return Err(Refusal::new(place, message));
        }
    }
    Ok(Expr::Object(entries))
}

/// The name of the one namespace; where one state holds all environments, one name for each.
fn namespaces(description: &Description<'_>) -> Written<Option<Expr>> {
    let namespaces = keys(description, &["namespaces"]);
    match namespaces.as_slice() {
        [] => Ok(None),
        [one] => {
            let path = ["namespaces", one, "name"];
            if !description.shared {
                return description.outside(&path);
            }
            let Some(name) = at(description.root, &path) else { return Ok(None) };
            let place = Place { environment: Of::Any, service: None };
            let name = description.as_text(name, place)?.render(0, 0);
            let all = format!("{{ for name, environment in local.selected : name => {name} }}");
            Ok(Some(Expr::Code(all)))
        }
        [_, second, ..] => {
            let place = at(description.root, &["namespaces", second]);
            let message = "a second namespace: the root has one";
            Err(Refusal::new(place.map_or(description.root.at, |n| n.at), message))
        }
    }
}

fn tags(description: &Description<'_>) -> Written<Expr> {
    let own = description.outside_as(&["tags"], "{}", |node, place| {
        let mut tags = Vec::new();
        for entry in node.entries() {
            let value = description.as_text(&entry.value, place)?;
            tags.push(Attribute::new(key(&entry.key), value));
        }
        Ok(Expr::Object(tags))
    })?;
    Ok(own.unwrap_or_else(Expr::empty_object))
}

/// The keys of the mapping at that path, in the order of the file.
pub(super) fn keys<'d>(description: &'d Description<'_>, path: &[&str]) -> Vec<&'d str> {
    let first = description.environments.first();
    let node = first.and_then(|(_, environment)| at(environment, path));
    let entries = node.map(Node::entries).unwrap_or_default();
    let there = entries.iter().filter(|e| !matches!(e.value.value, Value::Null { .. }));
    there.map(|entry| entry.key.as_str()).collect()
}
