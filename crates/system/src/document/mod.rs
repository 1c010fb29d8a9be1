//! The words of `neargate.yaml`. The JSON Schema for editors, the check of keys and types, and
//! what the loader reads all come from these types; the doc comments are the help texts.
//!
//! Names and units are those of ECS and ELB. Nearly everything is optional here because an
//! environment, a template and the defaults may each give a part; [`crate::resolve`] says what is
//! missing once they are laid over each other. Only entries of lists, which are replaced as a
//! whole, have required keys.

mod balancer;
mod container;
mod monitoring;
mod network;
mod service;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

pub(crate) use balancer::{
    ContentType, Forward, Listener, LoadBalancer, RedirectStatus, Rule, Scheme, TargetGroup,
};
pub(crate) use container::{Container, ContainerSettings, DependencyCondition, LogMode};
pub(crate) use monitoring::{ErrorSource, Monitoring};
pub(crate) use network::{Namespace, Nat, Network, PortRange, Protocol, SecurityGroup};
pub(crate) use service::{CapacityProvider, Service, Switch};

/// A system of services on ECS Fargate, as Neargate runs it and AWS would.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "read through the schema made from it")]
pub(crate) struct Document {
    /// Name of the system: lower case letters, digits and hyphens.
    name: String,
    /// AWS region, e.g. `us-east-1`.
    region: String,
    /// The environments `neargate up` brings up when `--env` names none. Left out: the first one.
    default_environments: Option<Vec<String>>,
    /// What each environment changes. It may override every key of this file but `name`,
    /// `region`, `images`, `defaultEnvironments` and `environments`; mappings are merged, other
    /// values replaced, and `null` takes a key away. Left out: one environment, `default`.
    environments: Option<BTreeMap<String, Layer>>,
    /// Where the images come from on this machine, by repository.
    images: Option<BTreeMap<String, ImageEntry>>,
    #[serde(flatten)]
    layer: Layer,
}

/// The part of a description that environments can change.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Layer {
    /// Texts of your own for `${name}`. Always there: `${system}`, `${region}`, `${account}`,
    /// `${environment}`, and inside a service `${service}` (its key). `$${` writes a plain `${`.
    pub(crate) variables: BTreeMap<String, Option<Text>>,
    /// ECS cluster. Environments that name the same cluster share it.
    pub(crate) cluster: Option<String>,
    /// The VPC.
    pub(crate) network: Option<Network>,
    /// Application load balancers.
    pub(crate) load_balancers: BTreeMap<String, LoadBalancer>,
    /// Private DNS namespaces for service discovery.
    pub(crate) namespaces: BTreeMap<String, Namespace>,
    /// Added to the priority of every rule, so that environments on one listener do not collide.
    #[schemars(range(max = 49_999))]
    pub(crate) rule_priority_offset: Option<u32>,
    /// What all services have in common; a service's own keys win.
    pub(crate) defaults: Option<Service>,
    /// What a kind of service has in common; lies between `defaults` and the services that name
    /// it with `template`.
    pub(crate) templates: BTreeMap<String, Service>,
    /// The services.
    pub(crate) services: BTreeMap<String, Option<Service>>,
    /// Alarms.
    pub(crate) monitoring: Option<Monitoring>,
    /// Labels of every load balancer, target group, task definition and service.
    pub(crate) tags: BTreeMap<String, Option<Text>>,
}

/// A text; numbers and booleans are taken as they are written.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "serde_json::Value")]
pub(crate) struct Text(pub(crate) String);

impl From<serde_json::Value> for Text {
    fn from(value: serde_json::Value) -> Self {
        Text(match value {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        })
    }
}

impl JsonSchema for Text {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Text".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A text; numbers and booleans are taken as they are written.",
            "type": ["string", "integer", "number", "boolean"],
        })
    }
}

/// One text or a list of texts.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum OneOrMany {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl OneOrMany {
    /// Its texts.
    pub(crate) fn texts(&self) -> Vec<String> {
        match self {
            OneOrMany::One(text) => vec![text.clone()],
            OneOrMany::Many(texts) => texts.clone(),
        }
    }
}

/// Where an image comes from on this machine: exactly one of `standIn`, `binary`, `file` and
/// `registry`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub(crate) struct ImageEntry {
    /// Neargate's own stand-in service answers for it.
    pub(crate) stand_in: Option<bool>,
    /// An executable file; relative paths start at this file's folder.
    pub(crate) binary: Option<String>,
    /// Arguments the executable always gets.
    pub(crate) arguments: Option<Vec<String>>,
    /// An OCI layout (a directory or its archive), or what `docker save` or `podman save` wrote;
    /// relative paths start at this file's folder. Needs the container driver.
    pub(crate) file: Option<String>,
    /// It is pushed to the platform's own registry. Needs the container driver.
    pub(crate) registry: Option<bool>,
    /// The tags that exist. Left out: every tag does.
    pub(crate) tags: Option<Vec<Text>>,
}
