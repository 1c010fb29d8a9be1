//! What a container uses, as Docker's stats object with the rates that ECS adds (ECS-META-5). A
//! member that was not measured is left out.

use neargate_runtime::{Interface, Usage};
use serde_json::{Map, Value, json};

use super::readings::Reading;
use super::times;

/// Docker's time of a reading that never was.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// A container whose use is asked for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Subject {
    pub(super) name: String,
    /// DockerId.
    pub(super) id: String,
    /// What the container may use at most: its own limit, else its task's.
    pub(super) memory_limit_bytes: u64,
    /// Of the whole task.
    pub(super) task_memory_bytes: u64,
}

/// The stats object of one container.
pub(super) fn document(subject: &Subject, now: &Reading, before: Option<&Reading>) -> Value {
    let usage = &now.usage;
    let mut document = json!({
        "read": times::of_ms(now.at_ms),
        "preread": before.map_or_else(|| NEVER.to_owned(), |before| times::of_ms(before.at_ms)),
        "pids_stats": { "current": usage.pids },
        "blkio_stats": {},
        "num_procs": 0,
        "storage_stats": {},
        "cpu_stats": cpu(usage),
        "precpu_stats": match before {
            Some(before) => cpu(&before.usage),
            None => json!({ "cpu_usage": { "total_usage": 0 }, "throttling_data": {} }),
        },
        "memory_stats": {
            "usage": usage.memory_bytes,
            "stats": {
                "hierarchical_memory_limit": subject.task_memory_bytes,
                // By the names of both versions of control groups: `docker stats` takes it off.
                "inactive_file": usage.inactive_file_bytes,
                "total_inactive_file": usage.inactive_file_bytes,
            },
            "limit": usage.memory_limit_bytes.unwrap_or(subject.memory_limit_bytes),
        },
        "name": subject.name,
        "id": subject.id,
    });
    if let Some(interfaces) = &usage.interfaces {
        document["networks"] = interfaces
            .iter()
            .map(|interface| (interface.name.clone(), counters(interface)))
            .collect::<Map<_, _>>()
            .into();
        if let Some(rates) = before.and_then(|before| rates(now, before)) {
            document["network_rate_stats"] = rates;
        }
    }
    document
}

fn cpu(usage: &Usage) -> Value {
    let mut cpu = json!({
        "cpu_usage": { "total_usage": usage.cpu_ns },
        "system_cpu_usage": usage.system_cpu_ns,
        "online_cpus": usage.online_cpus,
        "throttling_data": {},
    });
    if let Some((user, kernel)) = usage.user_and_kernel_ns {
        cpu["cpu_usage"]["usage_in_usermode"] = json!(user);
        cpu["cpu_usage"]["usage_in_kernelmode"] = json!(kernel);
    }
    if let Some(throttling) = usage.throttling {
        cpu["throttling_data"] = json!({
            "throttled_periods": throttling.periods,
            "throttled_time": throttling.ns,
        });
    }
    cpu
}

fn counters(interface: &Interface) -> Value {
    let [rx, tx] = [&interface.received, &interface.sent];
    json!({
        "rx_bytes": rx.bytes,
        "rx_packets": rx.packets,
        "rx_errors": rx.errors,
        "rx_dropped": rx.dropped,
        "tx_bytes": tx.bytes,
        "tx_packets": tx.packets,
        "tx_errors": tx.errors,
        "tx_dropped": tx.dropped,
    })
}

/// Bytes per second between two readings, over all interfaces.
fn rates(now: &Reading, before: &Reading) -> Option<Value> {
    let seconds = now.at_ms.saturating_sub(before.at_ms) as f64 / 1000.0;
    let total = |usage: &Usage, bytes: fn(&Interface) -> u64| {
        usage.interfaces.as_ref().map(|all| all.iter().map(bytes).sum::<u64>())
    };
    let rate = |bytes: fn(&Interface) -> u64| {
        let grown = total(&now.usage, bytes)?.saturating_sub(total(&before.usage, bytes)?);
        (seconds > 0.0).then(|| grown as f64 / seconds)
    };
    Some(json!({
        "rx_bytes_per_sec": rate(|interface| interface.received.bytes)?,
        "tx_bytes_per_sec": rate(|interface| interface.sent.bytes)?,
    }))
}

#[cfg(test)]
mod tests {
    use neargate_runtime::{Throttling, Traffic};

    use super::*;

    fn reading(at_ms: u64, rx: u64, tx: u64) -> Reading {
        let traffic = |bytes| Traffic { bytes, packets: 2, errors: 0, dropped: 0 };
        let usage = Usage {
            cpu_ns: at_ms * 1000,
            user_and_kernel_ns: Some((at_ms * 900, at_ms * 100)),
            system_cpu_ns: at_ms * 4000,
            online_cpus: 2,
            throttling: Some(Throttling { periods: 3, ns: 4 }),
            memory_bytes: 5_000_000,
            memory_limit_bytes: None,
            inactive_file_bytes: 1_000,
            pids: 7,
            interfaces: Some(vec![Interface {
                name: "eth0".into(),
                received: traffic(rx),
                sent: traffic(tx),
            }]),
        };
        Reading { at_ms, usage }
    }

    fn subject() -> Subject {
        Subject {
            name: "app".into(),
            id: "id".into(),
            memory_limit_bytes: 1 << 28,
            task_memory_bytes: 1 << 29,
        }
    }

    /// ECS-META-5: what `docker stats` and its like compute with, and the rates.
    #[test]
    fn ecs_meta_5_stats_are_dockers_with_rates() {
        let (before, now) = (reading(10_000, 100, 1_000), reading(14_000, 500, 3_000));
        let stats = document(&subject(), &now, Some(&before));
        assert_eq!(stats["read"], "1970-01-01T00:00:14Z");
        assert_eq!(stats["preread"], "1970-01-01T00:00:10Z");
        assert_eq!(stats["cpu_stats"]["cpu_usage"]["total_usage"], 14_000_000);
        assert_eq!(stats["precpu_stats"]["cpu_usage"]["total_usage"], 10_000_000);
        assert_eq!(stats["cpu_stats"]["system_cpu_usage"], 56_000_000);
        assert_eq!(stats["cpu_stats"]["online_cpus"], 2);
        assert_eq!(stats["cpu_stats"]["throttling_data"]["throttled_periods"], 3);
        assert_eq!(stats["memory_stats"]["usage"], 5_000_000);
        assert_eq!(stats["memory_stats"]["limit"], 1 << 28);
        assert_eq!(stats["pids_stats"]["current"], 7);
        assert_eq!(stats["networks"]["eth0"]["tx_bytes"], 3_000);
        let rates = json!({ "rx_bytes_per_sec": 100.0, "tx_bytes_per_sec": 500.0 });
        assert_eq!(stats["network_rate_stats"], rates);
    }

    #[test]
    fn what_was_not_measured_is_left_out() {
        let mut now = reading(10_000, 1, 1);
        let first = document(&subject(), &now, None);
        assert_eq!(first["preread"], NEVER);
        assert_eq!(first["precpu_stats"]["cpu_usage"]["total_usage"], 0);
        assert_eq!(first.get("network_rate_stats"), None);
        now.usage.interfaces = None;
        now.usage.throttling = None;
        let process = document(&subject(), &now, None);
        assert_eq!(process.get("networks"), None);
        assert_eq!(process["cpu_stats"]["throttling_data"], json!({}));
    }
}
