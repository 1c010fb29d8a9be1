//! Everything a platform is made of, by kind and name: what was asked for, not how it is doing.
//! Two platforms with the same inventory behave the same; ids that were made up are left out.

use std::collections::BTreeMap;

use neargate_core::Platform;
use neargate_core::platform::ServiceStatus;
use serde::Serialize;
use serde_json::{Value, json};

/// By kind, then by name.
pub(crate) type Inventory = BTreeMap<String, BTreeMap<String, Value>>;

/// What the platform has. Secret values are not in it.
pub(crate) fn inventory(platform: &Platform) -> Inventory {
    let mut inventory = Inventory::new();
    let mut put = |kind: &str, name: &str, thing: Value| {
        inventory.entry(kind.to_owned()).or_default().insert(name.to_owned(), thing);
    };
    for name in platform.clusters() {
        put("clusters", name, json!({}));
    }
    for vpc in platform.vpcs() {
        put("vpcs", &vpc.name, plain(vpc));
    }
    for subnet in platform.subnets() {
        put("subnets", &subnet.spec.name, plain(&subnet.spec));
    }
    for group in platform.security_groups() {
        put("securityGroups", &group.name, plain(group));
    }
    for balancer in platform.load_balancers() {
        put("loadBalancers", &balancer.spec.name, plain(&balancer.spec));
        for listener in balancer.listeners.values() {
            let name = format!("{}:{}", balancer.spec.name, listener.spec.port);
            put("listeners", &name, plain(&*listener.spec));
        }
    }
    for group in platform.target_groups() {
        put("targetGroups", &group.spec.name, plain(&*group.spec));
    }
    for (family, revisions) in platform.families() {
        for registered in revisions.iter().filter(|r| r.active) {
            let name = format!("{family}:{}", registered.definition.revision);
            put("taskDefinitions", &name, plain(&*registered.definition));
        }
    }
    for service in platform.services().filter(|s| s.status != ServiceStatus::Inactive) {
        put("services", &service.spec.name.to_string(), plain(&service.spec));
    }
    for name in platform.names() {
        put("discoveryServices", &name.spec.dns_name(), plain(&name.spec));
    }
    for group in platform.log_groups() {
        put("logGroups", &group.name, plain(group));
    }
    let made = MadeUp::of(platform);
    for target in platform.scalable_targets() {
        let service = target.spec.service.to_string();
        put("scalableTargets", &service, plain(&target.spec));
        for (name, policy) in &target.policies {
            let mut spec = plain(&policy.spec);
            made.leave_out(&mut spec);
            put("scalingPolicies", &format!("{service}/{name}"), spec);
        }
    }
    for alarm in platform.alarms() {
        let mut spec = plain(&alarm.spec);
        made.leave_out(&mut spec);
        let name = spec["name"].as_str().unwrap_or_default().to_owned();
        put("alarms", &name, spec);
    }
    for secret in platform.secrets() {
        put("secrets", &secret.name, json!({}));
    }
    for parameter in platform.parameters() {
        put("parameters", &parameter.name, json!({}));
    }
    for (subject, text) in platform.notes_starting("") {
        let note = serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
        match subject.strip_prefix("record:").and_then(|r| r.split_once('/')) {
            Some((service, rest)) => put(&format!("records of {service}"), rest, note),
            // The others are counters of ids.
            None if subject.starts_with("arn:") => put("notes", subject, note),
            None => {}
        }
    }
    inventory
}

/// Ids that were made up and stand within texts: of load balancers and target groups in
/// dimensions, of policies in what their alarms tell.
struct MadeUp {
    /// What stands there, and what is shown for it.
    texts: Vec<(String, String)>,
}

impl MadeUp {
    fn of(platform: &Platform) -> MadeUp {
        let mut texts = Vec::new();
        for balancer in platform.load_balancers() {
            let plain = format!("app/{}", balancer.spec.name);
            texts.push((format!("{plain}/{:016x}", balancer.arn_id), plain));
        }
        for group in platform.target_groups() {
            let plain = format!("targetgroup/{}", group.spec.name);
            texts.push((format!("{plain}/{:016x}", group.arn_id), plain));
        }
        for target in platform.scalable_targets() {
            let service = &target.spec.service;
            for (name, policy) in &target.policies {
                texts.push((policy.arn.clone(), format!("{service}/{name}")));
                let alarms = policy.alarms();
                texts.extend(alarms.map(|(kind, alarm)| {
                    let plain = format!("TargetTracking-{service}/{name}-{kind}");
                    (alarm.to_owned(), plain)
                }));
            }
        }
        MadeUp { texts }
    }

    /// Writes names for the ids in every text of the value.
    fn leave_out(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                for (made_up, plain) in &self.texts {
                    if text.contains(made_up) {
                        *text = text.replace(made_up, plain);
                    }
                }
            }
            Value::Array(values) => values.iter_mut().for_each(|value| self.leave_out(value)),
            Value::Object(members) => {
                members.values_mut().for_each(|value| self.leave_out(value));
            }
            _ => {}
        }
    }
}

fn plain(thing: &impl Serialize) -> Value {
    // Specifications are inputs, and every input is JSON in the journal.
    serde_json::to_value(thing).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use neargate_core::input::Input;
    use neargate_core::platform::Identity;
    use neargate_core::time::Time;

    use super::*;
    use crate::engine_tests::samples::{name, scaling, system};

    /// A platform made with that seed, which is where made-up ids come from.
    fn made(seed: u64) -> Platform {
        let identity = Identity { account: "000000000000".into(), region: "us-east-1".into() };
        let mut platform = Platform::new(identity, seed);
        let commands = [system("auth", 1), scaling("auth")].concat();
        assert_eq!(platform.step(Time(1), &Input::Commands(commands)).result, Ok(()));
        platform
    }

    /// design.md "Two roads, one platform": what was asked for shows the same, whatever ids came
    /// of it.
    #[test]
    fn scaling_and_alarms_are_listed_without_made_up_ids() {
        let (one, other) = (made(1), made(2));
        let ids = |platform: &Platform| -> Vec<String> {
            platform.alarms().map(|alarm| alarm.spec.name.clone()).collect()
        };
        assert_ne!(ids(&one), ids(&other), "the seeds give different ids");
        let (one, other) = (inventory(&one), inventory(&other));
        for kind in ["scalableTargets", "scalingPolicies", "alarms"] {
            assert_eq!(one[kind], other[kind]);
        }
        let keys = |kind: &str| one[kind].keys().map(String::as_str).collect::<Vec<_>>();
        assert_eq!(name("auth").to_string(), "main/auth");
        assert_eq!(keys("scalableTargets"), ["main/auth"]);
        assert_eq!(keys("scalingPolicies"), ["main/auth/cpu", "main/auth/requests"]);
        let alarms = [
            "TargetTracking-main/auth/cpu-AlarmHigh",
            "TargetTracking-main/auth/cpu-AlarmLow",
            "TargetTracking-main/auth/requests-AlarmHigh",
            "TargetTracking-main/auth/requests-AlarmLow",
            "slow",
        ];
        assert_eq!(keys("alarms"), alarms);
        assert_eq!(one["alarms"][alarms[0]]["alarm_actions"], json!(["main/auth/cpu"]));
        let metric = &one["alarms"]["slow"]["condition"]["Metric"]["watched"]["Metric"]["metric"];
        assert_eq!(metric["dimensions"], json!({ "LoadBalancer": "app/lb" }));
        let policy = &one["scalingPolicies"]["main/auth/requests"]["kind"]["TargetTracking"];
        let label = &policy["metric"]["RequestCountPerTarget"];
        assert_eq!(label, "app/lb/targetgroup/auth-tg");
    }
}
