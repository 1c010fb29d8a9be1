//! A description after all checks: per environment, everything filled in.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use neargate_core::alarm::AlarmSpec;
use neargate_core::discovery::DiscoveryServiceSpec;
use neargate_core::load_balancer::{ListenerSpec, LoadBalancerSpec, TargetGroupSpec};
use neargate_core::log_group::LogGroupSpec;
use neargate_core::network::SecurityGroupSpec;
use neargate_core::scaling::{ScalableTargetSpec, ScalingPolicySpec};
use neargate_core::service::ServiceSpec;
use neargate_core::task_definition::TaskDefinition;

/// A system with all its environments.
#[derive(Clone, Debug, PartialEq)]
pub struct System {
    /// Its name.
    pub name: String,
    /// AWS region.
    pub region: String,
    /// What comes up when nobody names an environment; never empty.
    pub default_environments: Vec<String>,
    /// In the order of the file.
    pub environments: Vec<Environment>,
    /// By repository.
    pub images: BTreeMap<String, Image>,
}

impl System {
    /// The environment of that name.
    #[must_use]
    pub fn environment(&self, name: &str) -> Option<&Environment> {
        self.environments.iter().find(|environment| environment.name == name)
    }

    /// Where images come from, by repository.
    #[must_use]
    pub fn images(&self) -> &BTreeMap<String, Image> {
        &self.images
    }

    /// The image a reference such as `shop/api:1.4` belongs to.
    #[must_use]
    pub fn image(&self, reference: &str) -> Option<&Image> {
        self.images.get(split_reference(reference).0)
    }
}

/// One environment.
#[derive(Clone, Debug, PartialEq)]
pub struct Environment {
    /// Its name.
    pub name: String,
    /// ECS cluster; may be shared with other environments.
    pub cluster: String,
    /// VPC; may be shared with other environments.
    pub network: Network,
    /// In the order of the file.
    pub load_balancers: Vec<LoadBalancer>,
    /// Private DNS namespaces.
    pub namespaces: Vec<String>,
    /// In the order of the file.
    pub services: Vec<Service>,
}

impl Environment {
    /// The service with that key.
    #[must_use]
    pub fn service(&self, key: &str) -> Option<&Service> {
        self.services.iter().find(|service| service.key == key)
    }
}

/// A VPC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its name.
    pub name: String,
    /// First address and prefix length.
    pub cidr: (Ipv4Addr, u8),
    /// In the order of the file.
    pub subnets: Vec<Subnet>,
    /// In the order of the file.
    pub security_groups: Vec<SecurityGroupSpec>,
    /// NAT gateways.
    pub nat: Nat,
}

/// A subnet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subnet {
    /// `<network>-<key>`, unique among networks.
    pub name: String,
    /// Availability zone.
    pub zone: String,
    /// First address and prefix length.
    pub cidr: (Ipv4Addr, u8),
    /// Has a route to the internet gateway.
    pub public: bool,
    /// Has no route out, whatever NAT gateways there are.
    pub isolated: bool,
}

/// NAT gateways of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nat {
    /// None.
    None,
    /// One for all zones.
    Single,
    /// One in each zone.
    PerZone,
}

/// A load balancer with the part of its listeners that this environment describes.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadBalancer {
    /// What it is.
    pub spec: LoadBalancerSpec,
    /// With the rules of this environment's services, by priority.
    pub listeners: Vec<ListenerSpec>,
    /// This environment's alarms on it. Of environments that are brought up together and share a
    /// load balancer only the last one's count: it is watched once.
    pub alarms: Vec<AlarmSpec>,
}

/// An ECS service and all that belongs to it alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// Its key in the file.
    pub key: String,
    /// The service; its tags lack those of [`crate::SYSTEM_TAG`] and [`crate::ENVIRONMENT_TAG`].
    pub spec: ServiceSpec,
    /// What its tasks run, as it would be registered on AWS.
    pub task_definition: TaskDefinition,
    /// Where the load balancer finds its tasks.
    pub target_group: Option<TargetGroupSpec>,
    /// Its name for other services.
    pub discovery: Option<DiscoveryServiceSpec>,
    /// Automatic scaling.
    pub scaling: Option<Scaling>,
    /// Alarms on its utilization; their tags lack Neargate's own as well.
    pub alarms: Vec<AlarmSpec>,
    /// Log groups of its containers.
    pub log_groups: Vec<LogGroupSpec>,
}

/// Limits of automatic scaling, and what changes the count between them.
#[derive(Clone, Debug, PartialEq)]
pub struct Scaling {
    /// Limits; its tags lack those of [`crate::SYSTEM_TAG`] and [`crate::ENVIRONMENT_TAG`].
    pub target: ScalableTargetSpec,
    /// Policies of the target.
    pub policies: Vec<ScalingPolicySpec>,
}

/// An image repository on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// What runs.
    pub origin: ImageOrigin,
    /// The tags that exist; empty means every tag does.
    pub tags: Vec<String>,
}

/// What runs for an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageOrigin {
    /// The stand-in service of the running binary.
    StandIn,
    /// An executable file.
    Binary {
        /// Absolute path.
        path: PathBuf,
        /// Arguments it always gets.
        arguments: Vec<String>,
    },
    /// An OCI layout or an image archive, absolute.
    File(PathBuf),
    /// Pushed to the platform's registry.
    Registry,
}

/// Repository and tag (`latest` unless given; `None` with a digest) of an image reference.
pub(crate) fn split_reference(reference: &str) -> (&str, Option<&str>) {
    if let Some((repository, _digest)) = reference.split_once('@') {
        let name_start = repository.rfind('/').map_or(0, |slash| slash + 1);
        let end = repository[name_start..].find(':').map_or(repository.len(), |i| name_start + i);
        return (&repository[..end], None);
    }
    let name_start = reference.rfind('/').map_or(0, |slash| slash + 1);
    match reference[name_start..].split_once(':') {
        Some((name, tag)) => (&reference[..name_start + name.len()], Some(tag)),
        None => (reference, Some("latest")),
    }
}

#[cfg(test)]
mod tests {
    use super::split_reference;

    #[test]
    fn references_split_into_repository_and_tag() {
        assert_eq!(split_reference("auth:test"), ("auth", Some("test")));
        assert_eq!(split_reference("a/b"), ("a/b", Some("latest")));
        assert_eq!(split_reference("localhost:5000/a/b"), ("localhost:5000/a/b", Some("latest")));
        assert_eq!(split_reference("localhost:5000/a:1"), ("localhost:5000/a", Some("1")));
        assert_eq!(split_reference("a/b:1@sha256:00"), ("a/b", None));
        assert_eq!(split_reference(""), ("", Some("latest")));
    }
}
