//! Service discovery names: which tasks answer to `<service>.<namespace>`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::commands::not_found;
use crate::data_plane::Name;
use crate::id::TaskId;
use crate::platform::{Platform, Rejection};
use crate::turn::Turn;

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

impl Platform {
    pub(crate) fn put_discovery_service(&mut self, spec: &DiscoveryServiceSpec, turn: &mut Turn) {
        let dns_name = spec.dns_name();
        match self.names.get_mut(&dns_name) {
            Some(name) if name.spec == *spec => return,
            Some(name) => name.spec = spec.clone(),
            None => {
                let name = Name { spec: spec.clone(), instances: BTreeMap::new() };
                self.names.insert(dns_name.clone(), name);
            }
        }
        turn.dirty_names.insert(dns_name);
    }

    pub(crate) fn delete_discovery_service(
        &mut self,
        dns_name: &str,
        turn: &mut Turn,
    ) -> Result<(), Rejection> {
        let Some(name) = self.names.get(dns_name) else {
            return Err(not_found("discovery service", dns_name));
        };
        if !name.instances.is_empty() {
            return Err(Rejection::Invalid(format!(
                "discovery service {dns_name} cannot be deleted while it has {} instances",
                name.instances.len()
            )));
        }
        self.names.remove(dns_name);
        turn.dirty_names.insert(dns_name.to_owned());
        Ok(())
    }

    pub(crate) fn set_instance_health(
        &mut self,
        dns_name: &str,
        task: TaskId,
        healthy: bool,
        turn: &mut Turn,
    ) -> Result<(), Rejection> {
        let name = self.names.get_mut(dns_name);
        let Some(instance) = name.and_then(|name| name.instances.get_mut(&task)) else {
            return Err(not_found("discovery instance", &task.to_string()));
        };
        if instance.healthy != healthy {
            instance.healthy = healthy;
            turn.dirty_names.insert(dns_name.to_owned());
        }
        Ok(())
    }
}
