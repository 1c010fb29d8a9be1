//! Services (DISC-SVC-*): with DNS records they are the platform's discovery services, without
//! them records alone.

use std::collections::BTreeMap;

use neargate_core::Platform;
use neargate_core::data_plane::Name;
use neargate_core::discovery::DiscoveryServiceSpec;
use neargate_core::input::Command;
use serde_json::{Value, json};

use super::{in_use, invalid, listed, namespaces, not_found, operations, page, passes};
use crate::error::{self, AwsError};
use crate::records::{Records, shown, table};
use crate::{Answer, arn, fields, names, note, tags};

/// By DNS name: what a client said of it, `Type`, `CreateDate`; `namespace`, `tags`.
pub(super) const SERVICES: Records = table("servicediscovery", "service");

/// A service, whoever made it.
pub(super) struct Service<'a> {
    pub(super) name: String,
    pub(super) namespace: String,
    /// With its instances, when DNS answers for it.
    pub(super) found: Option<&'a Name>,
    pub(super) record: Option<Value>,
}

impl Service<'_> {
    pub(super) fn dns_name(&self) -> String {
        format!("{}.{}", self.name, self.namespace)
    }

    pub(super) fn id(&self) -> String {
        names::discovery_id(&self.dns_name())
    }

    /// DISC-INST-5. The services of a description have custom health.
    pub(super) fn has_custom_health(&self) -> bool {
        self.record.as_ref().is_none_or(|record| {
            !fields::sent(record, "Name") || fields::sent(record, "HealthCheckCustomConfig")
        })
    }
}

/// All services by DNS name.
pub(super) fn services(platform: &Platform) -> Vec<Service<'_>> {
    let mut all: BTreeMap<String, Service<'_>> = platform
        .names()
        .map(|found| {
            let (name, namespace) = (found.spec.name.clone(), found.spec.namespace.clone());
            let service = Service { name, namespace, found: Some(found), record: None };
            (service.dns_name(), service)
        })
        .collect();
    for (dns_name, record) in SERVICES.all(platform) {
        match all.get_mut(dns_name) {
            Some(service) => service.record = Some(record),
            None => {
                let (Some(name), Some(namespace)) =
                    (fields::owned(&record, "Name"), fields::owned(&record, "namespace"))
                else {
                    // Tags on a service of a description that has gone.
                    continue;
                };
                let service = Service { name, namespace, found: None, record: Some(record) };
                all.insert(dns_name.to_owned(), service);
            }
        }
    }
    all.into_values().collect()
}

/// The service with that id or ARN.
pub(super) fn find<'a>(platform: &'a Platform, asked: &str) -> Result<Service<'a>, AwsError> {
    let id = arn::resource(asked, "servicediscovery", "service").unwrap_or(asked);
    let found = services(platform).into_iter().find(|service| service.id() == id);
    found.ok_or_else(|| not_found("ServiceNotFound", id))
}

fn view(platform: &Platform, service: &Service<'_>) -> Value {
    let namespace = names::namespace_id(&service.namespace);
    let mut view = json!({
        "Id": service.id(),
        "Arn": names::discovery_arn(platform.identity(), &service.dns_name()),
        "ResourceOwner": platform.identity().account,
        "CreatedByAccount": platform.identity().account,
        "Name": service.name,
        "InstanceCount": service.found.map_or(0, |found| found.instances.len()),
        "Type": "DNS_HTTP",
    });
    match &service.record {
        Some(record) if fields::sent(record, "Name") => {
            note::merge(&mut view, &shown(record));
        }
        _ => view["HealthCheckCustomConfig"] = json!({ "FailureThreshold": 1 }),
    }
    // What DNS answers is read from the platform, so that a change by another way is seen.
    if let Some(found) = service.found {
        let ttl = found.spec.ttl_s;
        let mut said = view["DnsConfig"]["DnsRecords"].take();
        match said.as_array_mut() {
            Some(records) => records.iter_mut().for_each(|record| record["TTL"] = json!(ttl)),
            None => {
                let mut records = vec![json!({ "Type": "A", "TTL": ttl })];
                if found.spec.srv {
                    records.push(json!({ "Type": "SRV", "TTL": ttl }));
                }
                said = json!(records);
            }
        }
        let policy = fields::owned(&view["DnsConfig"], "RoutingPolicy");
        view["DnsConfig"] = json!({
            "NamespaceId": namespace,
            "RoutingPolicy": policy.as_deref().unwrap_or("MULTIVALUE"),
            "DnsRecords": said,
        });
    }
    view
}

fn whole_view(platform: &Platform, service: &Service<'_>) -> Value {
    let mut view = view(platform, service);
    view["NamespaceId"] = json!(names::namespace_id(&service.namespace));
    view
}

/// The TTL and whether there is an SRV record (DISC-SVC-3, DISC-SVC-4).
fn check_records(config: &Value) -> Result<(u32, bool), AwsError> {
    let records = fields::list(config, "DnsRecords");
    let mut kinds: Vec<&str> = records.iter().filter_map(|r| fields::text(r, "Type")).collect();
    kinds.sort_unstable();
    if !matches!(kinds.as_slice(), ["A"] | ["SRV"] | ["A", "SRV"] | ["A", "AAAA"]) {
        return Err(invalid(format!(
            "DNS answers with A and SRV records here; the service asks for {}",
            if kinds.is_empty() { "none".to_owned() } else { kinds.join(", ") }
        )));
    }
    let ttl = |record: &Value| fields::small(record, "TTL");
    match records.iter().map(ttl).min().flatten() {
        Some(ttl) => Ok((ttl, kinds.contains(&"SRV"))),
        None => Err(invalid("A TTL must be between 0 and 2147483647 seconds")),
    }
}

/// DISC-SVC-1, DISC-SVC-5, DISC-SVC-6.
pub(super) fn create(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let config = input.get("DnsConfig").filter(|config| config.is_object());
    let namespace = fields::text(input, "NamespaceId")
        .or_else(|| config.and_then(|config| fields::text(config, "NamespaceId")));
    let Some(namespace) = namespace else {
        return Err(invalid("NamespaceId must be given"));
    };
    let namespace = namespaces::named(platform, namespace)?;
    let name = fields::text(input, "Name").unwrap_or_default();
    let is_http = namespaces::kind(platform, &namespace) == "HTTP";
    let label = |label: &str| !label.is_empty() && label.len() <= 63;
    if !is_http && !name.split('.').all(label) {
        return Err(invalid(format!("{name} is no name in DNS")));
    }
    let config = config.filter(|_| fields::text(input, "Type") != Some("HTTP"));
    if is_http && config.is_some() {
        return Err(invalid("A service in an HTTP namespace has no DnsConfig"));
    }
    if fields::sent(input, "HealthCheckConfig") {
        return Err(invalid(
            "HealthCheckConfig is for public DNS namespaces; use HealthCheckCustomConfig",
        ));
    }
    let dns_name = format!("{name}.{namespace}");
    let members = ["CreatorRequestId", "Description", "HealthCheckCustomConfig", "Name"];
    let mut record = note::members(input, &members);
    if let Some(health) = record.get_mut("HealthCheckCustomConfig")
        && !fields::sent(health, "FailureThreshold")
    {
        health["FailureThreshold"] = json!(1);
    }
    record["Type"] = json!(if config.is_some() { "DNS_HTTP" } else { "HTTP" });
    record["CreateDate"] = fields::time(platform.now());
    record["namespace"] = json!(namespace);
    tags::note(&mut record, &tags::read(fields::list(input, "Tags"), tags::LARGE));
    let mut commands = Vec::new();
    if let Some(config) = config {
        let (ttl_s, srv) = check_records(config)?;
        record["DnsConfig"] = note::members(config, &["DnsRecords", "RoutingPolicy"]);
        commands.push(Command::PutDiscoveryService(DiscoveryServiceSpec {
            name: name.to_owned(),
            namespace: namespace.clone(),
            ttl_s,
            srv,
        }));
    }
    let same = |service: &&Service<'_>| match is_http {
        true => service.dns_name() == dns_name,
        false => service.dns_name().eq_ignore_ascii_case(&dns_name),
    };
    if let Some(there) = services(platform).iter().find(same) {
        let record = there.record.as_ref();
        let creator = record.and_then(|r| fields::text(r, "CreatorRequestId")).unwrap_or_default();
        return Err(error::client("ServiceAlreadyExists", format!("The service {name} exists."))
            .with_field("ServiceId", there.id())
            .with_field("ServiceArn", names::discovery_arn(platform.identity(), &dns_name))
            .with_field("CreatorRequestId", creator));
    }
    commands.push(SERVICES.put(&dns_name, &record));
    let id = names::discovery_id(&dns_name);
    Answer::after(commands, move |platform| match find(platform, &id) {
        Ok(service) => json!({ "Service": whole_view(platform, &service) }),
        Err(_) => json!({}),
    })
}

/// DISC-SVC-3: routing policy and types of records stay.
pub(super) fn update(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let service = find(platform, fields::text(input, "Id").unwrap_or_default())?;
    let (news, dns_name) = (&input["Service"], service.dns_name());
    if fields::sent(news, "HealthCheckConfig") {
        return Err(invalid("HealthCheckConfig is for public DNS namespaces"));
    }
    let mut record = service.record.clone().unwrap_or_else(|| json!({}));
    if !fields::sent(&record, "Name") {
        // From now on a client says what it is.
        record["Name"] = json!(service.name);
        record["namespace"] = json!(service.namespace);
        record["HealthCheckCustomConfig"] = json!({ "FailureThreshold": 1 });
    }
    note::merge(&mut record, &note::members(news, &["Description"]));
    let mut commands = Vec::new();
    if let Some(config) = news.get("DnsConfig").filter(|config| config.is_object()) {
        let Some(found) = service.found else {
            return Err(invalid("The service has no DNS records to change"));
        };
        let (ttl_s, srv) = check_records(config)?;
        commands.push(Command::PutDiscoveryService(DiscoveryServiceSpec {
            ttl_s,
            srv,
            ..found.spec.clone()
        }));
        record["DnsConfig"]["DnsRecords"] = config["DnsRecords"].clone();
    }
    commands.push(SERVICES.put(&dns_name, &record));
    let targets = json!({ "SERVICE": service.id() });
    operations::done(platform, "UPDATE_SERVICE", &targets, commands)
}

/// DISC-NS-6.
pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let service = find(platform, fields::text(input, "Id").unwrap_or_default())?;
    let dns_name = service.dns_name();
    let mut commands = vec![SERVICES.remove(&dns_name)];
    if let Some(found) = service.found {
        if !found.instances.is_empty() {
            return Err(in_use(format!(
                "The service {} still has {} instances: they must be deregistered first",
                service.name,
                found.instances.len()
            )));
        }
        commands.push(Command::DeleteDiscoveryService { dns_name });
    }
    Answer::after(commands, |_| json!({}))
}

pub(super) fn get(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let service = find(platform, fields::text(input, "Id").unwrap_or_default())?;
    Ok(Answer::Now(json!({ "Service": whole_view(platform, &service) })))
}

pub(super) fn list(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let found: Vec<Service<'_>> = services(platform)
        .into_iter()
        .filter(|service| {
            let id = names::namespace_id(&service.namespace);
            passes(input, &[("NAMESPACE_ID", &id), ("RESOURCE_OWNER", "SELF")])
        })
        .collect();
    let page = page(input, found, Service::dns_name)?;
    let view = |service: &Service<'_>| {
        let mut view = view(platform, service);
        if let Some(members) = view.as_object_mut() {
            members.remove("CreatorRequestId");
        }
        view
    };
    Ok(Answer::Now(listed("Services", page.entries.iter().map(view).collect(), page.next)))
}
