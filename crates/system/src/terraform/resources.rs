//! What the system uses besides its services, for the texts in `template`.

use super::environments::keys;
use super::expression::{Description, Of, Place};
use super::hcl::{Attribute, Expr, attributes_text, key};
use super::layer::reference;
use super::template::Filling;
use super::{Written, at};
use crate::node::Node;

/// Key of the description, attribute of the module, and its value where nothing is said.
type Known = (&'static str, &'static str, &'static str);

const DATABASE: [Known; 11] = [
    ("identifier", "identifier", "null"),
    ("databaseName", "database_name", "null"),
    ("username", "username", "\"postgres\""),
    ("engineVersion", "engine_version", "\"17\""),
    ("instanceClass", "instance_class", "\"db.t4g.micro\""),
    ("allocatedStorage", "allocated_storage", "20"),
    ("multiAz", "multi_az", "false"),
    ("storageEncrypted", "storage_encrypted", "true"),
    ("backupRetentionDays", "backup_retention_days", "7"),
    ("subnets", "subnets", "[]"),
    ("securityGroups", "security_groups", "[]"),
];
const CACHE: [Known; 8] = [
    ("name", "name", "null"),
    ("engineVersion", "engine_version", "\"7.1\""),
    ("nodeType", "node_type", "\"cache.t4g.micro\""),
    ("clusterMode", "cluster_mode", "false"),
    ("shards", "shards", "1"),
    ("replicasPerShard", "replicas_per_shard", "0"),
    ("subnets", "subnets", "[]"),
    ("securityGroups", "security_groups", "[]"),
];
const QUEUE: [Known; 3] = [
    ("maxReceiveCount", "max_receive_count", "5"),
    ("visibilityTimeout", "visibility_timeout_seconds", "30"),
    ("retention", "message_retention_seconds", "345600"),
];
const RESPONSE_TIME: [Known; 3] = [
    ("threshold", "threshold", "2"),
    ("period", "period", "60"),
    ("evaluationPeriods", "evaluation_periods", "3"),
];
const ERRORS: [Known; 3] = [
    ("threshold", "threshold", "10"),
    ("period", "period", "60"),
    ("evaluationPeriods", "evaluation_periods", "2"),
];
const UNHEALTHY_HOSTS: [Known; 2] =
    [("period", "period", "300"), ("evaluationPeriods", "evaluation_periods", "2")];
const SERVICE_ALARMS: [Known; 4] = [
    ("cpu", "cpu", "80"),
    ("memory", "memory", "80"),
    ("period", "period", "300"),
    ("evaluationPeriods", "evaluation_periods", "2"),
];

/// Conditions and texts of databases, queues and the rest.
pub(super) fn fill(description: &Description<'_>, filling: &mut Filling) -> Written<()> {
    let databases = stores(description, "databases", &DATABASE)?;
    let caches = stores(description, "caches", &CACHE)?;
    let parameters = parameters(description)?;
    filling.when("databases", databases.is_some());
    filling.when("caches", caches.is_some());
    filling.when("stores", databases.is_some() || caches.is_some());
    filling.when("parameters", parameters.is_some());
    filling.when("initial", databases.is_some() || caches.is_some() || parameters.is_some());
    filling.put("databases", databases.unwrap_or_default());
    filling.put("caches", caches.unwrap_or_default());
    filling.put("parameters", parameters.unwrap_or_default());
    messaging(description, filling)?;
    monitoring(description, filling)?;
    cdn(description, filling)?;

    let logs = |last| ["resources", "logs", last];
    let encrypted = description.outside(&logs("encrypted"))?;
    filling.when("encrypted", encrypted == Some(Expr::code("true")));
    let group = description.outside(&logs("execGroup"))?;
    filling.when("exec_group", group.is_some());
    filling.put("exec_group", code(group, "null"));
    let keep = description.outside(&["resources", "repositories", "keepImages"])?;
    filling.when("keep_images", keep.is_some());
    filling.put("keep_images", code(keep, "10"));
    let create = description.outside(&["resources", "repositories", "create"])?;
    filling.put("create_repositories", code(create, "true"));
    let revisions = description.outside(&["resources", "keepRevisions"])?;
    filling.put("keep_revisions", code(revisions, "false"));
    let endpoints = description.outside(&["resources", "interfaceEndpoints"])?;
    filling.put("interface_endpoints", code(endpoints, "[]"));
    let url = at(description.root, &["resources", "urlOutput"]).and_then(Node::text);
    filling.put("url_output", url.unwrap_or("url"));
    let image = description.outside(&["resources", "pipeline", "image"])?;
    filling.when("pipeline", image.is_some());
    filling.put("image", code(image, "null"));
    filling.put("pipeline_comment", comment(description, "pipeline"));
    Ok(())
}

/// When services' CPU and memory raise alarms.
pub(super) fn service_alarms(description: &Description<'_>) -> Written<Expr> {
    let path = ["monitoring", "serviceAlarms"];
    if keys(description, &path).is_empty() {
        return Ok(Expr::code("null"));
    }
    table(description, &path, &SERVICE_ALARMS)
}

fn code(expression: Option<Expr>, otherwise: &str) -> String {
    expression.map_or_else(|| otherwise.to_owned(), |expression| expression.render(1, 0))
}

/// What stands above a kind of resource in the description.
fn comment(description: &Description<'_>, kind: &str) -> String {
    let resources = at(description.root, &["resources"]);
    let entry = resources.and_then(|resources| resources.entry(kind));
    let lines = entry.map(|entry| description.comment(entry.at)).unwrap_or_default();
    let lines: Vec<String> = lines.iter().map(|line| format!("# {line}")).collect();
    lines.join("\n")
}

/// The attributes at that path.
fn table(description: &Description<'_>, path: &[&str], known: &[Known]) -> Written<Expr> {
    let mut attributes = Vec::new();
    for (name, attribute, otherwise) in known {
        let mut path = path.to_vec();
        path.push(name);
        let text = matches!(*name, "engineVersion");
        let value = description.outside_as(&path, otherwise, |node, place| {
            if text { description.as_text(node, place) } else { description.value(node, place) }
        })?;
        let value = value.unwrap_or_else(|| Expr::code(*otherwise));
        attributes.push(Attribute::new(*attribute, value));
    }
    Ok(Expr::Object(attributes))
}

/// The local with all databases, or all caches.
fn stores(
    description: &Description<'_>,
    kind: &'static str,
    known: &[Known],
) -> Written<Option<String>> {
    let mut stores = Vec::new();
    for store in keys(description, &["resources", kind]) {
        let path = ["resources", kind, store];
        let Expr::Object(mut attributes) = table(description, &path, known)? else { continue };
        let url = ["resources", kind, store, "url"];
        let url = description
            .outside_as(&url, "null", |node, place| reference(description, node, place))?;
        attributes.push(Attribute::new("url", url.unwrap_or_else(|| Expr::code("null"))));
        let at = at(description.root, &["resources", kind]).and_then(|all| all.entry(store));
        stores.push(Attribute {
            comment: at.map(|entry| description.comment(entry.at)).unwrap_or_default(),
            key: key(store),
            value: Expr::Object(attributes),
        });
    }
    Ok((!stores.is_empty()).then(|| {
        let resources = at(description.root, &["resources"]);
        let entry = resources.and_then(|resources| resources.entry(kind));
        local(kind, stores, entry.map(|e| description.comment(e.at)).unwrap_or_default())
    }))
}

fn local(name: &str, attributes: Vec<Attribute>, comment: Vec<String>) -> String {
    let local = Attribute { comment, key: name.to_owned(), value: Expr::Object(attributes) };
    attributes_text(&[local], 1).trim_end().to_owned()
}

fn parameters(description: &Description<'_>) -> Written<Option<String>> {
    let path = ["resources", "parameters"];
    let everywhere = if description.shared { Of::All } else { Of::Any };
    let place = Place { environment: everywhere, service: None };
    let mut parameters = Vec::new();
    for entry in at(description.root, &path).map(Node::entries).unwrap_or_default() {
        let name = description.text(&entry.key, place, entry.at)?.render(0, 0);
        let of = |last| ["resources", "parameters", entry.key.as_str(), last];
        let value = description
            .outside_as(&of("value"), "null", |node, place| description.as_text(node, place))?;
        let secret = description.outside(&of("secret"))?;
        parameters.push(Attribute {
            comment: description.comment(entry.at),
            key: name,
            value: Expr::Object(vec![
                Attribute::new("value", value.unwrap_or_else(|| Expr::code("null"))),
                Attribute::new("secret", secret.unwrap_or_else(|| Expr::code("false"))),
            ]),
        });
    }
    let told = vec!["Besides: settings, and secrets that no service is given.".to_owned()];
    Ok((!parameters.is_empty()).then(|| local("parameters", parameters, told)))
}

fn messaging(description: &Description<'_>, filling: &mut Filling) -> Written<()> {
    let mut arguments = Vec::new();
    let (mut queues, mut subscriptions) = (Vec::new(), Vec::new());
    for queue in keys(description, &["resources", "queues"]) {
        let value = table(description, &["resources", "queues", queue], &QUEUE)?;
        queues.push(Attribute::new(key(queue), value));
        let topics = description.outside(&["resources", "queues", queue, "topics"])?;
        subscriptions.extend(topics.map(|topics| Attribute::new(key(queue), topics)));
    }
    filling.when("queues", !queues.is_empty());
    if let Some(topics) = description.outside(&["resources", "topics"])? {
        arguments.push(Attribute::new("topics", topics));
    }
    for (name, entries) in [("queues", queues), ("subscriptions", subscriptions)] {
        if !entries.is_empty() {
            arguments.push(Attribute::new(name, Expr::Object(entries)));
        }
    }
    filling.when("messaging", !arguments.is_empty());
    filling.put("messaging", attributes_text(&arguments, 1).trim_end().to_owned());
    Ok(())
}

fn monitoring(description: &Description<'_>, filling: &mut Filling) -> Written<()> {
    let mut arguments = Vec::new();
    let there = |name| !keys(description, &["monitoring", name]).is_empty();
    if there("responseTime") {
        let value = table(description, &["monitoring", "responseTime"], &RESPONSE_TIME)?;
        arguments.push(Attribute::new("response_time", value));
    }
    if there("errors") {
        let path = ["monitoring", "errors"];
        let Expr::Object(mut errors) = table(description, &path, &ERRORS)? else { return Ok(()) };
        let source = description.outside_as(
            &["monitoring", "errors", "source"],
            "\"load_balancer\"",
            |node, _| {
                let source = super::hcl::snake(node.text().unwrap_or_default());
                Ok(Expr::Code(super::hcl::quoted(&source)))
            },
        )?;
        let source = source.unwrap_or_else(|| Expr::code("\"load_balancer\""));
        errors.push(Attribute::new("source", source));
        arguments.push(Attribute::new("errors", Expr::Object(errors)));
    }
    if there("unhealthyHosts") {
        let value = table(description, &["monitoring", "unhealthyHosts"], &UNHEALTHY_HOSTS)?;
        arguments.push(Attribute::new("unhealthy_hosts", value));
    }
    if let Some(budget) = description.outside(&["monitoring", "budget"])? {
        arguments.push(Attribute::new("monthly_budget_usd", budget));
        if at(description.root, &["tags", "Project"]).is_some() {
            let tag = r#"format("Project$%s", local.tags["Project"])"#;
            arguments.push(Attribute::new("budget_tag", Expr::code(tag)));
        }
    }
    filling.when("monitoring", !arguments.is_empty());
    filling.put("monitoring", attributes_text(&arguments, 1).trim_end().to_owned());
    Ok(())
}

fn cdn(description: &Description<'_>, filling: &mut Filling) -> Written<()> {
    let of = |last| ["resources", "cdn", last];
    let bucket = description.outside(&of("bucket"))?;
    filling.when("cdn", bucket.is_some());
    filling.put("bucket", code(bucket, "null"));
    filling.put("enable_cdn", code(description.outside(&of("enabled"))?, "true"));
    filling.put("cdn_comment", comment(description, "cdn"));
    let mut paths = Vec::new();
    for (name, attribute) in [("apiPaths", "api_paths"), ("bucketPaths", "bucket_paths")] {
        paths.extend(description.outside(&of(name))?.map(|p| Attribute::new(attribute, p)));
    }
    filling.when("cdn_api", !paths.is_empty());
    // The load balancer is behind the CDN for everything: this is where people go.
    filling.when("cdn_front", paths.iter().any(|path| path.key == "bucket_paths"));
    filling.put("cdn_paths", attributes_text(&paths, 1).trim_end().to_owned());
    Ok(())
}
