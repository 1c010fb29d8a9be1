//! From the layered tree to a [`System`], with every check a schema cannot express.

mod balancer;
mod container;
mod monitoring;
pub(crate) mod network;
mod rules;
mod scaling;
mod scope;
mod service;
mod shared;
mod target;

use std::collections::BTreeMap;
use std::path::Path;

use crate::diagnostics::{Problems, shown};
use crate::document::{ImageEntry, Layer};
use crate::layers::{self, Fixed};
use crate::node::Node;
use crate::read::Source;
use crate::suggest;
use crate::system::{Environment, Image, ImageOrigin, System};
use scope::{Scope, words};

/// Environments one file may have.
const MAX_ENVIRONMENTS: usize = 20;
/// The account that `${account}` stands for; the one local AWS tools take for granted.
const ACCOUNT: &str = "000000000000";

/// Checks everything; `None` or a problem reported means the file is not to be used.
pub(crate) fn system(root: &Node, source: &Source, problems: &mut Problems) -> Option<System> {
    let name = root.get("name").and_then(Node::text)?;
    let region = root.get("region").and_then(Node::text)?;
    let fixed = Fixed { system: name, region, account: ACCOUNT };
    let overlays: Vec<(&str, Option<&Node>)> = match root.get("environments") {
        Some(node) if !node.entries().is_empty() => {
            node.entries().iter().map(|e| (e.key.as_str(), Some(&e.value))).collect()
        }
        _ => vec![("default", None)],
    };
    problems.among(overlays.iter().map(|(name, _)| (*name).to_owned()));
    top_level(root, &overlays, problems);
    if overlays.len() > MAX_ENVIRONMENTS {
        return None;
    }

    let mut environments = Vec::new();
    let mut trees = Vec::new();
    let mut images = BTreeMap::new();
    for (environment, over) in &overlays {
        let tree = layers::environment(root, environment, *over, &fixed, problems)?;
        let mut scope = Scope::new(&tree, environment, problems);
        let Some(layer) = read_layer(&tree, &mut scope) else { continue };
        let folder = source.file.parent().unwrap_or(Path::new(""));
        let own_images = self::images(&tree, folder, &mut scope);
        if let Some(resolved) =
            one_environment((name, environment), region, &layer, &own_images, &mut scope)
        {
            environments.push(resolved);
        }
        images.extend(own_images);
        trees.push(tree);
    }
    if environments.len() == overlays.len() {
        shared::check(&environments, &trees, problems);
    }

    let named: Vec<String> = root
        .get("defaultEnvironments")
        .map(|node| node.items().iter().filter_map(|i| i.text().map(str::to_owned)).collect())
        .unwrap_or_default();
    let default_environments = match (named.is_empty(), overlays.first()) {
        (true, Some((first, _))) => vec![(*first).to_owned()],
        _ => named,
    };
    Some(System {
        name: name.to_owned(),
        region: region.to_owned(),
        default_environments,
        environments,
        images,
    })
}

/// The keys that no environment can change.
fn top_level(root: &Node, overlays: &[(&str, Option<&Node>)], problems: &mut Problems) {
    let mut say = |path: &[&str], message: &str, hint: Option<String>| {
        problems.add(root.position(path), &crate::node::path_text(path), message, hint, None);
    };
    let name = root.get("name").and_then(Node::text).unwrap_or_default();
    if !words::is_name(name, 1, 64, |c| matches!(c, 'a'..='z' | '0'..='9' | '-')) {
        let message = format!(
            "{} is not a system name; expected 1 to 64 lower case letters, digits and hyphens",
            shown(name)
        );
        say(&["name"], &message, None);
    }
    let region = root.get("region").and_then(Node::text).unwrap_or_default();
    if !words::is_region(region) {
        let message = format!("{} is not an AWS region; expected e.g. us-east-1", shown(region));
        say(&["region"], &message, None);
    }
    if overlays.len() > MAX_ENVIRONMENTS {
        let message =
            format!("{} environments; expected at most {MAX_ENVIRONMENTS}", overlays.len());
        say(&["environments"], &message, None);
    }
    for (environment, _) in overlays {
        if !words::is_name(environment, 1, 32, words::key_letter) {
            let message = "is not an environment name; expected 1 to 32 letters, digits, `-`, `_`";
            say(&["environments", environment], message, None);
        }
    }
    let known = || overlays.iter().map(|(name, _)| *name);
    let named = root.get("defaultEnvironments").map(Node::items);
    if named.is_some_and(<[Node]>::is_empty) {
        say(&["defaultEnvironments"], "is empty; expected at least one environment", None);
    }
    for (index, item) in named.unwrap_or_default().iter().enumerate() {
        let given = item.text().unwrap_or_default();
        if !known().any(|name| name == given) {
            let message = format!(
                "there is no environment {}; expected {}",
                shown(given),
                suggest::one_of(known())
            );
            let hint = suggest::closest(given, known());
            let hint = hint.map(|name| format!("did you mean {}?", shown(name)));
            say(&["defaultEnvironments", crate::structure::index(index)], &message, hint);
        }
    }
}

fn read_layer(tree: &Node, scope: &mut Scope<'_>) -> Option<Layer> {
    let mut json = tree.to_json();
    let object = json.as_object_mut()?;
    for key in ["name", "region", "images"] {
        object.remove(key);
    }
    match serde_json::from_value::<Layer>(json) {
        Ok(layer) => Some(layer),
        Err(error) => {
            // The structure check lets nothing through that ends up here; should it ever, the
            // user still gets a message instead of a half-read description.
            scope.say(&[], &format!("cannot be read: {error}"));
            None
        }
    }
}

fn images(tree: &Node, folder: &Path, scope: &mut Scope<'_>) -> BTreeMap<String, Image> {
    let mut images = BTreeMap::new();
    for entry in tree.get("images").map(Node::entries).unwrap_or_default() {
        let path = ["images", entry.key.as_str()];
        if images.contains_key(&entry.key) {
            scope.say(&path, "the same repository stands twice once its variables are filled in");
        }
        let read = serde_json::from_value::<ImageEntry>(entry.value.to_json());
        let Ok(read) = read else { continue };
        if !words::is_repository(&entry.key) {
            scope.say(
                &path,
                "is not an image repository; expected lower case names divided by `/`, without a \
                 tag",
            );
        }
        let tags = read.tags.unwrap_or_default().into_iter().map(|tag| tag.0).collect();
        // After a problem the repository still counts as known: its services are not to blame.
        let mut origin = ImageOrigin::StandIn;
        let stand_in = read.stand_in == Some(true);
        let registry = read.registry == Some(true);
        if read.arguments.is_some() && read.binary.is_none() {
            let message = "`arguments` belong to a `binary`; other images have their own command";
            scope.say(&path, message);
        }
        match (stand_in, read.binary, read.file, registry) {
            (true, None, None, false) => {}
            (false, Some(binary), None, false) => {
                let file = folder.join(&binary);
                if !file.is_file() {
                    let message = format!(
                        "there is no file {}; expected an executable file",
                        shown(&file.display().to_string())
                    );
                    scope.say(&["images", &entry.key, "binary"], &message);
                }
                let path = std::path::absolute(&file).unwrap_or(file);
                let arguments = read.arguments.unwrap_or_default();
                origin = ImageOrigin::Binary { path, arguments };
            }
            (false, None, Some(file), false) => {
                let file = folder.join(&file);
                if !file.exists() {
                    let message = format!(
                        "there is nothing at {}; expected an OCI layout or an image archive",
                        shown(&file.display().to_string())
                    );
                    scope.say(&["images", &entry.key, "file"], &message);
                }
                origin = ImageOrigin::File(std::path::absolute(&file).unwrap_or(file));
            }
            (false, None, None, true) => origin = ImageOrigin::Registry,
            _ => scope.say(
                &path,
                "expected exactly one of `standIn: true`, `binary: <file>`, `file: <image>` and \
                 `registry: true`",
            ),
        }
        images.insert(entry.key.clone(), Image { origin, tags });
    }
    images
}

fn one_environment(
    (system, name): (&str, &str),
    region: &str,
    layer: &Layer,
    images: &BTreeMap<String, Image>,
    scope: &mut Scope<'_>,
) -> Option<Environment> {
    let cluster =
        scope.required(&["cluster"], layer.cluster.as_ref(), "the name of an ECS cluster");
    if let Some(cluster) = &cluster {
        scope.name(&["cluster"], cluster, "a cluster name", 255, words::key_letter);
    }
    if layer.services.is_empty() {
        scope.say(&["services"], "expected at least one service");
    }
    let tags = scope::tags(&layer.tags);
    let network = network::resolve(layer.network.as_ref(), region, scope);
    let namespaces = network::namespaces(&layer.namespaces, scope);
    let around = service::Around {
        layer,
        images,
        cluster: cluster.as_deref().unwrap_or_default(),
        network: network.as_ref(),
        namespaces: &namespaces,
        tags: &tags,
    };
    let mut services = Vec::new();
    for key in scope.keys(&["services"]) {
        let Some(Some(description)) = layer.services.get(&key) else { continue };
        services.extend(service::resolve(&key, description, &around, scope));
    }
    let complete = services.len() == layer.services.len();
    let mut balancers = balancer::resolve(&around, &services, complete, scope);
    monitoring::resolve(
        layer.monitoring.as_ref(),
        &format!("{system}-{name}"),
        &tags,
        &mut services,
        balancers.as_deref_mut().unwrap_or_default(),
        scope,
    );
    Some(Environment {
        name: name.to_owned(),
        cluster: cluster?,
        network: network?,
        load_balancers: balancers?,
        namespaces: namespaces.into_values().collect(),
        services,
    })
}
