//! ARNs and the ids in them: built from what the platform knows by name, and read back.

use std::fmt;

use neargate_core::id::TaskId;
pub use neargate_core::id::{derived, uuid};
use neargate_core::platform::Identity;

/// `arn:aws:<service>:<region>:<account>:<resource>`.
#[must_use]
pub fn of(identity: &Identity, service: &str, resource: impl fmt::Display) -> String {
    identity.arn(service, &resource.to_string())
}

/// The service and the resource of an ARN; `None` when the text is no ARN.
#[must_use]
pub fn parse(text: &str) -> Option<(&str, &str)> {
    let mut parts = text.splitn(6, ':');
    if parts.next() != Some("arn") {
        return None;
    }
    let service = parts.nth(1)?;
    Some((service, parts.nth(2)?))
}

/// What follows `<kind>/` in the resource of an ARN of that service.
#[must_use]
pub fn resource<'a>(text: &'a str, service: &str, kind: &str) -> Option<&'a str> {
    let (found, resource) = parse(text)?;
    (found == service).then_some(resource)?.strip_prefix(kind)?.strip_prefix('/')
}

/// CloudWatch log group, without the `:*` that some operations put after it (CWL-GRP-3).
#[must_use]
pub fn log_group(identity: &Identity, name: &str) -> String {
    of(identity, "logs", format_args!("log-group:{name}"))
}

/// ECS cluster.
#[must_use]
pub fn cluster(identity: &Identity, name: &str) -> String {
    of(identity, "ecs", format_args!("cluster/{name}"))
}

/// ECS service.
#[must_use]
pub fn service(identity: &Identity, cluster: &str, name: &str) -> String {
    of(identity, "ecs", format_args!("service/{cluster}/{name}"))
}

/// ECS task (ECS-TASK-11).
#[must_use]
pub fn task(identity: &Identity, cluster: &str, id: impl fmt::Display) -> String {
    of(identity, "ecs", format_args!("task/{cluster}/{id}"))
}

/// Container of an ECS task.
#[must_use]
pub fn container(identity: &Identity, cluster: &str, task: TaskId, name: &str) -> String {
    let id = derived_uuid(&[&task.0.to_le_bytes(), name.as_bytes()]);
    of(identity, "ecs", format_args!("container/{cluster}/{task}/{id}"))
}

/// ECS task definition.
#[must_use]
pub fn task_definition(identity: &Identity, family: &str, revision: u32) -> String {
    of(identity, "ecs", format_args!("task-definition/{family}:{revision}"))
}

/// Target group (ALB-HDR-10).
#[must_use]
pub fn target_group(identity: &Identity, name: &str, id: u64) -> String {
    of(identity, "elasticloadbalancing", format_args!("targetgroup/{name}/{id:016x}"))
}

/// Application load balancer (ALB-HDR-10).
#[must_use]
pub fn load_balancer(identity: &Identity, name: &str, id: u64) -> String {
    of(identity, "elasticloadbalancing", format_args!("loadbalancer/app/{name}/{id:016x}"))
}

/// Listener (ALB-HDR-10).
#[must_use]
pub fn listener(identity: &Identity, balancer: (&str, u64), id: u64) -> String {
    let (name, balancer) = balancer;
    let path = format_args!("listener/app/{name}/{balancer:016x}/{id:016x}");
    of(identity, "elasticloadbalancing", path)
}

/// Listener rule (ALB-HDR-10).
#[must_use]
pub fn rule(identity: &Identity, balancer: (&str, u64), listener: u64, id: u64) -> String {
    let (name, balancer) = balancer;
    let path = format_args!("listener-rule/app/{name}/{balancer:016x}/{listener:016x}/{id:016x}");
    of(identity, "elasticloadbalancing", path)
}

/// A UUID for a part of something, as [`derived`].
#[must_use]
pub fn derived_uuid(parts: &[&[u8]]) -> String {
    let low = derived(parts);
    let high = derived(&[&low.to_le_bytes(), b"high"]);
    uuid((u128::from(high) << 64) | u128::from(low))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        Identity { account: "000000000000".into(), region: "us-east-1".into() }
    }

    /// ECS-TASK-11, ALB-HDR-10.
    #[test]
    fn arns_have_the_shape_of_their_service() {
        let id = identity();
        let arn = service(&id, "main", "web");
        assert_eq!(arn, "arn:aws:ecs:us-east-1:000000000000:service/main/web");
        assert_eq!(resource(&arn, "ecs", "service"), Some("main/web"));
        assert_eq!(resource(&arn, "ecs", "task"), None);
        assert_eq!(resource(&arn, "sns", "service"), None);
        assert_eq!(resource("main/web", "ecs", "service"), None);
        assert_eq!(
            rule(&id, ("lb", 1), 2, 3),
            "arn:aws:elasticloadbalancing:us-east-1:000000000000:listener-rule/app/lb/\
             0000000000000001/0000000000000002/0000000000000003"
        );
    }

    #[test]
    fn derived_ids_depend_on_every_part() {
        assert_eq!(derived(&[b"a", b"b"]), derived(&[b"a", b"b"]));
        assert_ne!(derived(&[b"a", b"b"]), derived(&[b"ab", b""]));
        assert_eq!(uuid(u128::MAX), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }
}
