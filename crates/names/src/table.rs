//! What names exist, as one immutable snapshot that readers take without waiting.
//!
//! Writers build the next snapshot and swap it in, so that an answer is always made from one
//! consistent state and a publication takes effect between two answers, never within one.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use arc_swap::ArcSwap;

/// The longest name DNS can carry, in its dotted form without the final dot.
const MAX_NAME: usize = 253;
/// The longest label.
const MAX_LABEL: usize = 63;

/// One discovery name's records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameRecords {
    /// TTL of its records in seconds (DISC-SVC-4).
    pub ttl_s: u32,
    /// Its instances; a name without any does not exist for DNS (DISC-DNS-6).
    pub instances: Vec<Instance>,
}

/// A task behind a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Instance id, the task id in ECS (DISC-ECS-1). One DNS label.
    pub id: String,
    /// Where it is.
    pub address: Ipv4Addr,
    /// Port for SRV; an instance without one has an A record only.
    pub port: Option<u16>,
    /// Custom health status (DISC-SVC-7).
    pub healthy: bool,
}

/// The text cannot be the DNS name of a discovery service.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{name}` cannot be a discovery name: {problem}; expected <service>.<namespace>, labels of 1 \
     to 63 characters, at most 253 in all"
)]
pub struct InvalidName {
    name: String,
    problem: &'static str,
}

/// The names at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Namespace to service label to records, all in lower case.
    namespaces: BTreeMap<String, Arc<BTreeMap<String, Arc<NameRecords>>>>,
    /// Grows with every change; becomes the serial number of the zones.
    serial: u32,
}

impl Snapshot {
    /// The namespace that `name` (lower case, no final dot) is in or is itself, and what lies left
    /// of it (empty at the apex).
    pub(crate) fn namespace_of<'a>(&self, name: &'a str) -> Option<(&'a str, &'a str)> {
        let mut start = 0;
        loop {
            let suffix = &name[start..];
            if self.namespaces.contains_key(suffix) {
                return Some((name[..start].trim_end_matches('.'), suffix));
            }
            start += suffix.find('.')? + 1;
        }
    }

    /// The records of a service in a namespace.
    pub(crate) fn records(&self, namespace: &str, service: &str) -> Option<&NameRecords> {
        self.namespaces.get(namespace)?.get(service).map(Arc::as_ref)
    }

    /// Serial number of every zone in this snapshot.
    pub(crate) fn serial(&self) -> u32 {
        self.serial
    }

    /// Whether some name with instances lies below `label` in the namespace (so that `label`
    /// exists although it has no records of its own).
    pub(crate) fn has_below(&self, namespace: &str, label: &str) -> bool {
        self.namespaces.get(namespace).is_some_and(|services| {
            services.iter().any(|(service, records)| {
                !records.instances.is_empty()
                    && service.strip_suffix(label).is_some_and(|rest| rest.ends_with('.'))
            })
        })
    }

    fn insert(&mut self, dns_name: &str, records: NameRecords) -> Result<(), InvalidName> {
        let name = normalised(dns_name)?;
        let (service, namespace) = split(&name)
            .ok_or(InvalidName { name: dns_name.to_owned(), problem: "it has no namespace" })?;
        let longest = records.instances.iter().map(|i| i.id.len() + 1).max().unwrap_or(0);
        if longest > MAX_LABEL + 1 || longest + name.len() > MAX_NAME {
            return Err(InvalidName {
                name: dns_name.to_owned(),
                problem: "with an instance id in front of it the name is too long",
            });
        }
        let services = self.namespaces.entry(namespace.to_owned()).or_default();
        Arc::make_mut(services).insert(service.to_owned(), Arc::new(records));
        Ok(())
    }
}

/// The names, shared between who publishes them and who answers from them. Cheap to clone; all
/// clones are the same table.
#[derive(Clone, Debug, Default)]
pub struct Table {
    current: Arc<ArcSwap<Snapshot>>,
}

impl Table {
    /// An empty table: every question is refused.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The names right now.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Sets or replaces one name. Its namespace is known from now on.
    ///
    /// # Errors
    /// When `dns_name` is not `<service>.<namespace>` of valid labels; the table is unchanged.
    pub fn set(&self, dns_name: &str, records: NameRecords) -> Result<(), InvalidName> {
        // Checked on a scratch value first: the update below may run more than once.
        Snapshot::default().insert(dns_name, records.clone())?;
        self.update(|next| {
            let _checked_above = next.insert(dns_name, records.clone());
        });
        Ok(())
    }

    /// Removes one name. Its namespace stays known, as a Cloud Map namespace outlives its services
    /// (DISC-NS-6): questions for the name get NXDOMAIN, not REFUSED.
    pub fn remove(&self, dns_name: &str) {
        let Ok(name) = normalised(dns_name) else { return };
        let Some((service, namespace)) = split(&name) else { return };
        self.update(|next| {
            if let Some(services) = next.namespaces.get_mut(namespace) {
                Arc::make_mut(services).remove(service);
            }
        });
    }

    /// Makes these the only names. Namespaces not named any more are forgotten.
    ///
    /// # Errors
    /// When one of the names is invalid; the table is unchanged.
    pub fn replace_all<I>(&self, names: I) -> Result<(), InvalidName>
    where
        I: IntoIterator<Item = (String, NameRecords)>,
    {
        let mut wanted = Snapshot::default();
        for (dns_name, records) in names {
            wanted.insert(&dns_name, records)?;
        }
        self.update(|next| next.namespaces = wanted.namespaces.clone());
        Ok(())
    }

    fn update(&self, change: impl Fn(&mut Snapshot)) {
        self.current.rcu(|current| {
            let mut next = Snapshot::clone(current);
            next.serial = next.serial.wrapping_add(1);
            change(&mut next);
            next
        });
    }
}

/// Lower case, no final dot, every label valid.
fn normalised(dns_name: &str) -> Result<String, InvalidName> {
    let invalid = |problem| InvalidName { name: dns_name.to_owned(), problem };
    let name = dns_name.strip_suffix('.').unwrap_or(dns_name).to_ascii_lowercase();
    if name.len() > MAX_NAME {
        return Err(invalid("it is too long"));
    }
    for label in name.split('.') {
        if label.is_empty() || label.len() > MAX_LABEL {
            return Err(invalid("a label is empty or too long"));
        }
        if !label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
            return Err(invalid("a label has characters other than letters, digits, `-`, `_`"));
        }
    }
    Ok(name)
}

/// Service and namespace of a name. The service is the first label, or all leading labels with an
/// underscore (`_http._tcp.shop.local`), as Cloud Map allows for SRV.
fn split(name: &str) -> Option<(&str, &str)> {
    let mut end = name.find('.')?;
    while name[end + 1..].starts_with('_') {
        end += 1 + name[end + 1..].find('.')?;
    }
    Some((&name[..end], &name[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_split_into_service_and_namespace() {
        for (name, expected) in [
            ("api.shop.local", Some(("api", "shop.local"))),
            ("_http._tcp.shop.local", Some(("_http._tcp", "shop.local"))),
            ("local", None),
            ("_a._b", None),
        ] {
            assert_eq!(split(name), expected, "{name}");
        }
    }

    #[test]
    fn an_invalid_name_changes_nothing_and_says_why() {
        let table = Table::new();
        let records = NameRecords { ttl_s: 60, instances: Vec::new() };
        for bad in ["", "local", "a..b", "bad name.local", &format!("{}.local", "x".repeat(64))] {
            let error = table.set(bad, records.clone()).expect_err(bad).to_string();
            assert!(error.contains(&format!("`{bad}`")), "{error}");
        }
        assert_eq!(table.snapshot().namespaces.len(), 0);
        let long_id = Instance {
            id: "i".repeat(64),
            address: Ipv4Addr::LOCALHOST,
            port: None,
            healthy: true,
        };
        let records = NameRecords { ttl_s: 60, instances: vec![long_id] };
        assert!(table.set("api.shop.local", records).is_err());
    }
}
