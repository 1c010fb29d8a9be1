//! What a system uses besides its services: databases, caches, queues, buckets. Neargate runs none
//! of it; `neargate terraform` writes it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Text;

/// What the system uses besides its services. Neargate runs none of it; `neargate terraform`
/// writes it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Resources {
    /// Whether load balancer, databases, repositories and secrets refuse to be deleted; `false`
    /// unless set.
    pub(crate) protected: Option<bool>,
    /// Host names that lead to the load balancer once there is a hosted zone for them.
    pub(crate) host_names: Vec<String>,
    /// AWS services that tasks reach without leaving the network, e.g. `ecr.api`.
    pub(crate) interface_endpoints: Vec<String>,
    /// Security groups of these endpoints.
    pub(crate) endpoint_security_groups: Vec<String>,
    /// PostgreSQL databases.
    pub(crate) databases: BTreeMap<String, Database>,
    /// Redis caches.
    pub(crate) caches: BTreeMap<String, Cache>,
    /// Queues; their names on AWS start with the network's name.
    pub(crate) queues: BTreeMap<String, Queue>,
    /// Topics; their names on AWS start with the network's name.
    pub(crate) topics: Vec<String>,
    /// Parameters of Parameter Store besides those that services name.
    pub(crate) parameters: BTreeMap<String, Parameter>,
    /// A bucket with a CDN before it.
    pub(crate) cdn: Option<Cdn>,
    /// Builds and deploys from a repository of sources.
    pub(crate) pipeline: Option<Pipeline>,
    /// Repositories of images.
    pub(crate) repositories: Option<Repositories>,
    /// Logs of the cluster.
    pub(crate) logs: Option<ClusterLogs>,
    /// Name of the output that tells where the platform answers; `url` unless set.
    pub(crate) url_output: Option<String>,
    /// Leaves old task definitions active, so that a service can be set back to them; `false`
    /// unless set.
    pub(crate) keep_revisions: Option<bool>,
}

/// A PostgreSQL database.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Database {
    /// Name of the instance.
    pub(crate) identifier: Option<String>,
    /// Name of the database in it.
    pub(crate) database_name: Option<String>,
    /// User; `postgres` unless set.
    pub(crate) username: Option<String>,
    /// Version; `17` unless set.
    pub(crate) engine_version: Option<Text>,
    /// Size; `db.t4g.micro` unless set.
    pub(crate) instance_class: Option<String>,
    /// GiB; 20 unless set.
    #[schemars(range(min = 20, max = 65_536))]
    pub(crate) allocated_storage: Option<u32>,
    /// A standby in another zone; `false` unless set.
    pub(crate) multi_az: Option<bool>,
    /// Encryption at rest; `true` unless set.
    pub(crate) storage_encrypted: Option<bool>,
    /// Days backups are kept; 7 unless set.
    #[schemars(range(max = 35))]
    pub(crate) backup_retention_days: Option<u32>,
    /// Subnets in at least two zones.
    pub(crate) subnets: Vec<String>,
    /// Security groups.
    pub(crate) security_groups: Vec<String>,
    /// The secret, `name:KEY` or parameter whose first value is its URL.
    pub(crate) url: Option<String>,
}

/// A Redis cache.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Cache {
    /// Name.
    pub(crate) name: Option<String>,
    /// Version; `7.1` unless set.
    pub(crate) engine_version: Option<Text>,
    /// Size; `cache.t4g.micro` unless set.
    pub(crate) node_type: Option<String>,
    /// Divides the keys among shards; `false` unless set.
    pub(crate) cluster_mode: Option<bool>,
    /// Shards; 1 unless set.
    #[schemars(range(min = 1, max = 500))]
    pub(crate) shards: Option<u32>,
    /// Replicas of each; 0 unless set.
    #[schemars(range(max = 5))]
    pub(crate) replicas_per_shard: Option<u32>,
    /// Subnets.
    pub(crate) subnets: Vec<String>,
    /// Security groups.
    pub(crate) security_groups: Vec<String>,
    /// The secret, `name:KEY` or parameter whose first value is its URL.
    pub(crate) url: Option<String>,
}

/// A queue with a dead-letter queue.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Queue {
    /// How often a message is received before it is put aside; 5 unless set.
    #[schemars(range(min = 1, max = 1_000))]
    pub(crate) max_receive_count: Option<u32>,
    /// Seconds a received message is hidden; 30 unless set.
    #[schemars(range(max = 43_200))]
    pub(crate) visibility_timeout: Option<u32>,
    /// Seconds messages are kept; 345600 unless set.
    #[schemars(range(min = 60, max = 1_209_600))]
    pub(crate) retention: Option<u32>,
    /// Topics whose messages it gets.
    pub(crate) topics: Vec<String>,
}

/// A parameter of Parameter Store.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Parameter {
    /// Its value; the first one if it is secret.
    pub(crate) value: Option<Text>,
    /// Kept as a secret, and set by hand; `false` unless set.
    pub(crate) secret: Option<bool>,
}

/// A bucket with a CDN before it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Cdn {
    /// Name of the bucket.
    pub(crate) bucket: Option<String>,
    /// Whether there is one unless a variable says otherwise; `true` unless set.
    pub(crate) enabled: Option<bool>,
    /// Paths that go to the load balancer; everything else to the bucket.
    pub(crate) api_paths: Vec<String>,
    /// Paths that go to the bucket; everything else to the load balancer.
    pub(crate) bucket_paths: Vec<String>,
}

/// Builds and deploys from a repository of sources.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Pipeline {
    /// Repository of the image that is built.
    pub(crate) image: Option<String>,
}

/// Repositories of images.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Repositories {
    /// Whether they are made with the rest; `true` unless set.
    pub(crate) create: Option<bool>,
    /// Images kept in each; 10 unless set.
    #[schemars(range(min = 1))]
    pub(crate) keep_images: Option<u32>,
}

/// Logs of the cluster.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct ClusterLogs {
    /// Encrypts log groups with a key of their own; `false` unless set.
    pub(crate) encrypted: Option<bool>,
    /// Log group of what is done by `exec`.
    pub(crate) exec_group: Option<String>,
}

/// A variable of the Terraform root.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "read from the tree")]
pub(crate) struct Input {
    /// The key of this description it stands for, e.g. `defaults.desiredCount`; its value there is
    /// the default.
    pub(crate) sets: String,
    /// What it is.
    pub(crate) description: Option<String>,
}

/// What a role allows.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub(crate) struct Statement {
    /// Its name.
    pub(crate) sid: String,
    /// E.g. `sqs:SendMessage`.
    pub(crate) actions: Vec<String>,
    /// ARNs.
    pub(crate) resources: Vec<String>,
}
