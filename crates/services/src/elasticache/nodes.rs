//! Nodes and endpoints: what a cluster or a group consists of, as the API shows it.

use neargate_core::Platform;
use serde_json::{Value, json};

use crate::{arn, fields, place};

/// The domain that endpoints of this account and region have.
fn domain(platform: &Platform) -> String {
    let identity = platform.identity();
    let host = arn::derived(&[b"cache", identity.account.as_bytes(), identity.region.as_bytes()]);
    let letters: String = (0..6).map(|n| char::from(b'a' + (host >> (n * 5) & 15) as u8)).collect();
    // `use1` for us-east-1.
    let mut parts = identity.region.split('-');
    let mut short = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.chars().all(|c| c.is_ascii_digit());
        short.push_str(if digits { part } else { part.get(..1).unwrap_or_default() });
    }
    format!("{letters}.{short}")
}

/// An endpoint of a name before the domain: `front.DOMAIN-WITH-MIDDLE.cache.amazonaws.com`.
pub(super) fn endpoint(platform: &Platform, front: &str, middle: &str, port: &Value) -> Value {
    let domain = domain(platform);
    let (letters, region) = domain.split_once('.').unwrap_or_default();
    let address = format!("{front}.{letters}{middle}.{region}.cache.amazonaws.com");
    json!({ "Address": address, "Port": port })
}

/// The zone of the n-th node.
pub(super) fn zone(platform: &Platform, preferred: &[&str], n: usize) -> String {
    match preferred.get(n).or(preferred.first()) {
        Some(zone) => (*zone).to_owned(),
        None => place::zone(platform, n),
    }
}

/// The nodes of a cluster.
pub(super) fn nodes(platform: &Platform, view: &Value, port: &Value, zones: &[&str]) -> Value {
    let id = fields::text(view, "CacheClusterId").unwrap_or_default();
    let count = fields::number(view, "NumCacheNodes").unwrap_or(1) as usize;
    let tls = view["TransitEncryptionEnabled"] == true;
    let node = |n: usize| {
        let number = format!("{:04}", n + 1);
        // A cache behind one name only, or one that every node has a number of.
        let front = if tls { format!("{id}.{number}") } else { id.to_owned() };
        let middle = if tls { String::new() } else { format!(".{number}") };
        let own = endpoint(platform, &front, &middle, port);
        json!({
            "CacheNodeId": number,
            "CacheNodeStatus": "available",
            "CacheNodeCreateTime": view["CacheClusterCreateTime"],
            "Endpoint": own,
            "ParameterGroupStatus": "in-sync",
            "CustomerAvailabilityZone": zone(platform, zones, n),
        })
    };
    (0..count).map(node).collect()
}
