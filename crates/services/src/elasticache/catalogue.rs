//! What ElastiCache offers: engines and their versions. A choice of each that clients ask for.

use neargate_core::Platform;
use serde_json::{Value, json};

use crate::error::{self, AwsError};
use crate::{Answer, fields};

/// A version that clients ask for, what it stands for, and where its parameters come from.
pub(super) struct Version {
    engine: &'static str,
    asked: &'static str,
    pub(super) full: &'static str,
    pub(super) family: &'static str,
}

/// In the order that the default is first for each engine.
const VERSIONS: &[Version] = &[
    version("redis", "7.1", "7.1.0", "redis7"),
    version("redis", "7.0", "7.0.7", "redis7"),
    version("redis", "6.2", "6.2.6", "redis6.x"),
    version("redis", "6.x", "6.2.6", "redis6.x"),
    version("redis", "6.0", "6.0.5", "redis6.x"),
    version("redis", "5.0.6", "5.0.6", "redis5.0"),
    version("valkey", "8.0", "8.0.1", "valkey8"),
    version("valkey", "7.2", "7.2.6", "valkey7"),
    version("memcached", "1.6.22", "1.6.22", "memcached1.6"),
    version("memcached", "1.6.17", "1.6.17", "memcached1.6"),
    version("memcached", "1.6.12", "1.6.12", "memcached1.6"),
    version("memcached", "1.6.6", "1.6.6", "memcached1.6"),
    version("memcached", "1.5.16", "1.5.16", "memcached1.5"),
    version("memcached", "1.4.34", "1.4.34", "memcached1.4"),
];

const fn version(
    engine: &'static str,
    asked: &'static str,
    full: &'static str,
    family: &'static str,
) -> Version {
    Version { engine, asked, full, family }
}

/// The port of an engine.
pub(super) fn port(engine: &str) -> u64 {
    if engine == "memcached" { 11211 } else { 6379 }
}

/// What a wanted version of an engine stands for.
pub(super) fn choose(engine: &str, wanted: Option<&str>) -> Result<&'static Version, AwsError> {
    let mut of_engine = VERSIONS.iter().filter(|v| v.engine == engine).peekable();
    if of_engine.peek().is_none() {
        let why = format!("Invalid Engine: {engine} (should be redis, valkey or memcached).");
        return Err(error::client("InvalidParameterValue", why));
    }
    let fits = |v: &&Version| wanted.is_none_or(|w| w == v.asked || w == v.full);
    of_engine.find(fits).ok_or_else(|| {
        let why = format!("Cannot find version {} for {engine}", wanted.unwrap_or_default());
        error::client("InvalidParameterCombination", why)
    })
}

pub(super) fn engine_versions(_: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let engine = fields::text(input, "Engine");
    let wanted = fields::text(input, "EngineVersion");
    let family = fields::text(input, "CacheParameterGroupFamily");
    let default_only = fields::flag(input, "DefaultOnly").unwrap_or(false);
    let mut last = "";
    let mut found = Vec::new();
    for version in VERSIONS.iter().filter(|v| !v.asked.ends_with('x')) {
        let is_default = std::mem::replace(&mut last, version.engine) != version.engine;
        let fits = engine.is_none_or(|e| e == version.engine)
            && wanted.is_none_or(|w| w == version.full || w == version.asked)
            && family.is_none_or(|f| f == version.family)
            && (is_default || !default_only);
        if fits {
            found.push(json!({
                "Engine": version.engine,
                "EngineVersion": version.full,
                "CacheParameterGroupFamily": version.family,
                "CacheEngineDescription": version.engine,
                "CacheEngineVersionDescription": format!("{} {}", version.engine, version.full),
            }));
        }
    }
    Ok(Answer::Now(json!({ "CacheEngineVersions": found })))
}

/// Records have no history.
pub(super) fn events(_: &Platform, _: &Value) -> Result<Answer, AwsError> {
    Ok(Answer::Now(json!({ "Events": [] })))
}
