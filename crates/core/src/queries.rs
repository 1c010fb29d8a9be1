//! Looking at the platform by name: what a description or listing needs beyond the iterators of
//! [`Platform`].

use crate::data_plane::{Name, TargetGroup};
use crate::network::{SecurityGroupSpec, Subnet, VpcSpec};
use crate::platform::{LoadBalancer, Platform, Registered};

impl Platform {
    /// Cluster names, sorted.
    pub fn clusters(&self) -> impl Iterator<Item = &str> {
        self.clusters.iter().map(String::as_str)
    }

    /// Whether the cluster exists.
    #[must_use]
    pub fn has_cluster(&self, name: &str) -> bool {
        self.clusters.contains(name)
    }

    /// Subnets by name.
    pub fn subnets(&self) -> impl Iterator<Item = &Subnet> {
        self.subnets.values()
    }

    /// The subnet of that name.
    #[must_use]
    pub fn subnet(&self, name: &str) -> Option<&Subnet> {
        self.subnets.get(name)
    }

    /// The VPC of that name.
    #[must_use]
    pub fn vpc(&self, name: &str) -> Option<&VpcSpec> {
        self.vpcs.get(name)
    }

    /// VPCs by name.
    pub fn vpcs(&self) -> impl Iterator<Item = &VpcSpec> {
        self.vpcs.values()
    }

    /// H when tasks get addresses of 127.H.0.0/16 instead of their subnets' own.
    #[must_use]
    pub fn loopback(&self) -> Option<u8> {
        self.loopback
    }

    /// Security groups by name.
    pub fn security_groups(&self) -> impl Iterator<Item = &SecurityGroupSpec> {
        self.security_groups.values()
    }

    /// Families of task definitions with their revisions, oldest first.
    pub fn families(&self) -> impl Iterator<Item = (&str, &[Registered])> {
        self.families.iter().map(|(family, revisions)| (family.as_str(), revisions.as_slice()))
    }

    /// The revisions of a family, oldest first.
    #[must_use]
    pub fn family(&self, name: &str) -> &[Registered] {
        self.families.get(name).map_or(&[], Vec::as_slice)
    }

    /// The number the next revision of a family gets (ECS-TD-7).
    #[must_use]
    pub fn next_revision(&self, family: &str) -> u32 {
        self.family(family).last().map_or(1, |r| r.definition.revision + 1)
    }

    /// The load balancer of that name.
    #[must_use]
    pub fn load_balancer(&self, name: &str) -> Option<&LoadBalancer> {
        self.load_balancers.get(name)
    }

    /// The target group of that name.
    #[must_use]
    pub fn target_group(&self, name: &str) -> Option<&TargetGroup> {
        self.target_groups.get(name)
    }

    /// Discovery services by DNS name.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        self.names.values()
    }
}
