//! Resources besides the services: what they refer to must exist.

use crate::document::{Layer, Resources};
use crate::resolve::scope::Scope;

/// Checks the resources of an environment.
pub(crate) fn check(layer: &Layer, scope: &mut Scope<'_>) {
    let Some(resources) = &layer.resources else { return };
    let network = layer.network.as_ref();
    let subnets: Vec<&str> =
        network.iter().flat_map(|n| n.subnets.keys().map(String::as_str)).collect();
    let groups: Vec<&str> =
        network.iter().flat_map(|n| n.security_groups.keys().map(String::as_str)).collect();
    let topics: Vec<&str> = resources.topics.iter().map(String::as_str).collect();

    let databases = resources.databases.iter();
    let placed = databases
        .map(|(key, d)| ("databases", key, &d.subnets, &d.security_groups))
        .chain(resources.caches.iter().map(|(k, c)| ("caches", k, &c.subnets, &c.security_groups)));
    for (kind, key, own_subnets, own_groups) in placed {
        let at = |last| ["resources", kind, key, last];
        if own_subnets.is_empty() {
            let message = "`subnets` is missing; expected at least one subnet of the network";
            scope.say(&["resources", kind, key], message);
        }
        known(&at("subnets"), "subnet", own_subnets, &subnets, scope);
        known(&at("securityGroups"), "security group", own_groups, &groups, scope);
    }
    for (key, database) in &resources.databases {
        let at = |last| ["resources", "databases", key, last];
        scope.required(&at("identifier"), database.identifier.as_ref(), "a name of the instance");
        scope.required(
            &at("databaseName"),
            database.database_name.as_ref(),
            "a name of the database",
        );
    }
    for (key, cache) in &resources.caches {
        scope.required(&["resources", "caches", key, "name"], cache.name.as_ref(), "a name");
    }
    for (key, queue) in &resources.queues {
        known(&["resources", "queues", key, "topics"], "topic", &queue.topics, &topics, scope);
    }
    let endpoints = &resources.endpoint_security_groups;
    known(&["resources", "endpointSecurityGroups"], "security group", endpoints, &groups, scope);
    for (name, parameter) in &resources.parameters {
        let path = ["resources", "parameters", name];
        if !name.starts_with('/') {
            scope.say(&path, "is not a parameter; expected a name that starts with `/`");
        }
        if parameter.value.is_none() && parameter.secret != Some(true) {
            scope.say(&path, "has no value; expected `value`, or `secret: true` to set it by hand");
        }
    }
    cdn(resources, scope);
}

fn cdn(resources: &Resources, scope: &mut Scope<'_>) {
    let Some(cdn) = &resources.cdn else { return };
    let path = ["resources", "cdn", "bucket"];
    scope.required(&path, cdn.bucket.as_ref(), "a name of the bucket");
    if !cdn.api_paths.is_empty() && !cdn.bucket_paths.is_empty() {
        let message =
            "has `apiPaths` too; expected one of them, everything else goes the other way";
        scope.say(&["resources", "cdn", "bucketPaths"], message);
    }
}

fn known(path: &[&str], what: &str, names: &[String], known: &[&str], scope: &mut Scope<'_>) {
    for (number, name) in names.iter().enumerate() {
        if !known.contains(&name.as_str()) {
            let mut path = path.to_vec();
            path.push(crate::structure::index(number));
            scope.unknown(&path, what, name, known.iter().copied());
        }
    }
}
