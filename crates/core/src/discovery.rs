//! Service discovery names: which tasks answer to `<service>.<namespace>`.

use serde::{Deserialize, Serialize};

/// A Cloud Map service in a private DNS namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiscoveryServiceSpec {
    /// Left-most label of the name.
    pub name: String,
    /// Private namespace, e.g. `broxiva-prod.local`.
    pub namespace: String,
    /// TTL of the A records in seconds (DISC-SVC-4).
    pub ttl_s: u32,
    /// Also answer SRV (ECS-DISC-2).
    pub srv: bool,
}

impl DiscoveryServiceSpec {
    /// `<service>.<namespace>`, without the final dot.
    #[must_use]
    pub fn dns_name(&self) -> String {
        format!("{}.{}", self.name, self.namespace)
    }
}
