//! How a task finds out about itself: the address it asks, the ids in that address, and the facts
//! about its network interface that follow from its address. Pure.

use std::net::Ipv4Addr;

use crate::id::{TaskId, derived};

/// Where a task with a network of its own asks (ECS-META-1).
pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(169, 254, 170, 2);
/// The same as a URL.
pub const BASE_URL: &str = "http://169.254.170.2";

/// Digits of a container id that come after the task id.
const DIGITS: usize = 10;

/// The id of a container: DockerId, runtimeId and the id in its metadata URI (ECS-META-4).
#[must_use]
pub fn container_id(task: TaskId, container: &str) -> String {
    let number = derived(&[&task.0.to_le_bytes(), container.as_bytes()]) % 10_u64.pow(10);
    format!("{task}-{number:0DIGITS$}")
}

/// The task of a container id; `None` when it is none.
#[must_use]
pub fn task_of(container_id: &str) -> Option<TaskId> {
    let (task, digits) = container_id.split_once('-')?;
    let is_number = digits.len() == DIGITS && digits.bytes().all(|b| b.is_ascii_digit());
    task.parse().ok().filter(|_| is_number)
}

/// The variables that tell a container where to ask (ECS-META-1). `base_url` has no slash at its
/// end.
#[must_use]
pub fn variables(base_url: &str, task: TaskId, container: &str) -> [(&'static str, String); 3] {
    let id = container_id(task, container);
    [
        ("ECS_CONTAINER_METADATA_URI_V4", format!("{base_url}/v4/{id}")),
        ("ECS_CONTAINER_METADATA_URI", format!("{base_url}/v3/{id}")),
        ("ECS_AGENT_URI", format!("{base_url}/api/{id}")),
    ]
}

/// The variable that tells a container where its role's credentials are (ECS-META-1, ECS-META-6).
/// A relative address is joined with [`BASE_URL`] by every AWS SDK; anywhere else needs a full one.
#[must_use]
pub fn credentials_variable(base_url: &str, credentials_id: &str) -> (&'static str, String) {
    let path = format!("/v2/credentials/{credentials_id}");
    if base_url == BASE_URL {
        ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", path)
    } else {
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{base_url}{path}"))
    }
}

/// The hardware address of a task's interface: locally administered, made from its address.
#[must_use]
pub fn mac_address(address: Ipv4Addr) -> String {
    let [a, b, c, d] = address.octets();
    format!("02:4e:{a:02x}:{b:02x}:{c:02x}:{d:02x}")
}

/// What the VPC's DNS calls an address.
#[must_use]
pub fn private_dns_name(address: Ipv4Addr, region: &str) -> String {
    let [a, b, c, d] = address.octets();
    format!("ip-{a}-{b}-{c}-{d}.{}", internal_domain(region))
}

/// The domain of a VPC's own names.
#[must_use]
pub fn internal_domain(region: &str) -> String {
    match region {
        "us-east-1" => "ec2.internal".to_owned(),
        region => format!("{region}.compute.internal"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ECS-META-1, ECS-META-4.
    #[test]
    fn ecs_meta_1_ids_lead_back_to_their_task() {
        let task = TaskId(0xabc);
        let id = container_id(task, "app");
        assert_eq!(id.len(), 32 + 1 + 10);
        assert_eq!(task_of(&id), Some(task));
        assert_ne!(container_id(task, "proxy"), id);
        assert_ne!(container_id(TaskId(0xabd), "app")[33..], id[33..]);
        for wrong in ["", "x-1", &id[..42], &format!("{id}0"), &id.replace('-', ":")] {
            assert_eq!(task_of(wrong), None, "{wrong}");
        }
    }

    /// ECS-META-1: as SDKs and sidecars expect them, on Fargate's address and on any other.
    #[test]
    fn ecs_meta_1_variables() {
        let task = TaskId(1);
        let id = container_id(task, "app");
        let [v4, v3, agent] = variables(BASE_URL, task, "app");
        assert_eq!(v4, ("ECS_CONTAINER_METADATA_URI_V4", format!("http://169.254.170.2/v4/{id}")));
        assert_eq!(v3, ("ECS_CONTAINER_METADATA_URI", format!("http://169.254.170.2/v3/{id}")));
        assert_eq!(agent, ("ECS_AGENT_URI", format!("http://169.254.170.2/api/{id}")));
        let relative = ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/u".to_owned());
        assert_eq!(credentials_variable(BASE_URL, "u"), relative);
        let url = "http://127.0.0.1:4566/v2/credentials/u".to_owned();
        let full = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", url);
        assert_eq!(credentials_variable("http://127.0.0.1:4566", "u"), full);
    }

    #[test]
    fn names_of_an_interface_follow_from_its_address() {
        let address = Ipv4Addr::new(10, 0, 1, 255);
        assert_eq!(mac_address(address), "02:4e:0a:00:01:ff");
        assert_eq!(private_dns_name(address, "us-east-1"), "ip-10-0-1-255.ec2.internal");
        let elsewhere = private_dns_name(address, "eu-west-1");
        assert_eq!(elsewhere, "ip-10-0-1-255.eu-west-1.compute.internal");
    }
}
