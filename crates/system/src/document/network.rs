//! The VPC: subnets, security groups, namespaces.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

/// The VPC of an environment.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Network {
    /// Name. Environments that name the same network share it.
    pub(crate) name: Option<String>,
    /// Address range, /16 to /28, e.g. `10.0.0.0/16`.
    pub(crate) cidr: Option<String>,
    /// Subnets by name.
    pub(crate) subnets: BTreeMap<String, Subnet>,
    /// Security groups by name.
    pub(crate) security_groups: BTreeMap<String, SecurityGroup>,
    /// NAT gateways for the private subnets; `none` unless set.
    pub(crate) nat: Option<Nat>,
}

/// A subnet.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Subnet {
    /// Availability zone, e.g. `us-east-1a`.
    pub(crate) zone: Option<String>,
    /// Address range inside the network's, /16 to /28.
    pub(crate) cidr: Option<String>,
    /// Has a route to the internet gateway. `false` unless set.
    pub(crate) public: Option<bool>,
    /// Has no route out, not even by a NAT gateway. `false` unless set.
    pub(crate) isolated: Option<bool>,
}

/// NAT gateways.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Nat {
    /// No NAT gateway.
    None,
    /// One for all zones.
    Single,
    /// One in each zone.
    PerZone,
}

/// A security group: what may come in, and go out (everything unless set).
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct SecurityGroup {
    /// What it is for, told on AWS; the key unless set.
    pub(crate) description: Option<String>,
    /// Who may connect.
    pub(crate) ingress: Vec<IngressRule>,
    /// Where connections may go. Left out: anywhere.
    pub(crate) egress: Option<Vec<EgressRule>>,
}

/// Incoming traffic that is let through.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub(crate) struct IngressRule {
    /// A port, or a range such as `3000-4000`.
    pub(crate) port: Option<PortRange>,
    /// `tcp` unless set.
    pub(crate) protocol: Option<Protocol>,
    /// `anywhere`, an address range, or the name of a security group.
    pub(crate) from: String,
}

/// Outgoing traffic that is let through.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub(crate) struct EgressRule {
    /// A port, or a range such as `3000-4000`.
    pub(crate) port: Option<PortRange>,
    /// `tcp` unless set.
    pub(crate) protocol: Option<Protocol>,
    /// `anywhere`, an address range, or the name of a security group.
    pub(crate) to: String,
}

/// A port or a range of ports.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum PortRange {
    /// One port.
    One(#[schemars(range(min = 1, max = 65_535))] u32),
    /// `first-last`.
    Range(String),
}

/// Transport protocol; `all` has no ports.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// Every protocol and port.
    All,
}

/// A private DNS namespace.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Namespace {
    /// DNS name, e.g. `shop.local`.
    pub(crate) name: Option<String>,
}
