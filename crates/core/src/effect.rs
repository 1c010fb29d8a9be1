//! What the platform asks of the world. Each effect states a whole wish, so that carrying it out
//! twice is the same as once.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use crate::event::ServiceEvent;
use crate::id::{Generation, ServiceId, TaskId};
use crate::load_balancer::{ListenerSpec, TargetAddress, TargetGroupSpec};
use crate::log_group::LogGroupSpec;
use crate::network::{SecurityGroupSpec, SubnetSpec, VpcSpec};
use crate::task_definition::TaskDefinition;

/// One thing to do. Results come back as [`crate::input::Observation`]s.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// The network as it is to be; what is not in it is to be gone. Comes before everything that
    /// needs it.
    PublishNetwork(Arc<Network>),
    /// The log group as it is to be.
    PublishLogGroup(LogGroupSpec),
    /// The log group is gone, with everything in it.
    RemoveLogGroup {
        /// Log group name.
        name: String,
    },
    /// Create the task's network interface; answered by `NetworkAttached` or `TaskFailed`.
    AttachNetwork(Arc<TaskLaunch>),
    /// Get the task's images; answered by `ImagesPulled` or `TaskFailed`.
    PullImages(Arc<TaskLaunch>),
    /// Start one container; answered by `ContainerStarted` or `ContainerFailed`.
    StartContainer {
        /// The task it belongs to.
        launch: Arc<TaskLaunch>,
        /// Container name.
        container: String,
    },
    /// Send the stop signal (SIGTERM, or the image's STOPSIGNAL); the exit is observed.
    StopContainer {
        /// Which task.
        task: TaskId,
        /// Which container.
        container: String,
    },
    /// SIGKILL; the exit is observed.
    KillContainer {
        /// Which task.
        task: TaskId,
        /// Which container.
        container: String,
    },
    /// Remove what the task holds on the machine; answered by `TaskReleased`.
    ReleaseTask {
        /// Which task.
        task: TaskId,
    },
    /// The target group with all its targets, as of this generation.
    PublishTargetGroup {
        /// Acknowledged by `DataPlaneApplied`.
        generation: Generation,
        /// The group's settings.
        spec: Arc<TargetGroupSpec>,
        /// Its targets.
        targets: Vec<PublishedTarget>,
        /// Addresses that requests and probes come from; empty while no load balancer forwards
        /// to it.
        sources: Vec<Ipv4Addr>,
    },
    /// The target group is gone.
    RemoveTargetGroup {
        /// Acknowledged by `DataPlaneApplied`.
        generation: Generation,
        /// Target group name.
        name: String,
    },
    /// The listener with all its rules, as of this generation; also answered by `ListenerBound`.
    PublishListener {
        /// Acknowledged by `DataPlaneApplied`.
        generation: Generation,
        /// The listener.
        spec: Arc<ListenerSpec>,
        /// Idle timeout of its load balancer.
        idle_timeout_ms: u64,
    },
    /// The listener is gone.
    RemoveListener {
        /// Acknowledged by `DataPlaneApplied`.
        generation: Generation,
        /// Load balancer name.
        load_balancer: String,
        /// Listener port.
        port: u16,
    },
    /// A discovery name with all its records, as of this generation.
    PublishName {
        /// Acknowledged by `DataPlaneApplied`.
        generation: Generation,
        /// `<service>.<namespace>`.
        dns_name: String,
        /// TTL of its records.
        ttl_s: u32,
        /// Its instances.
        instances: Vec<PublishedInstance>,
    },
    /// A service event, for whoever follows along.
    Emit {
        /// The service.
        service: ServiceId,
        /// The event.
        event: ServiceEvent,
    },
}

/// What a driver needs to make a task real.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskLaunch {
    /// The task.
    pub task: TaskId,
    /// Cluster name.
    pub cluster: String,
    /// Service name; `None` for a standalone task.
    pub service: Option<String>,
    /// What to run.
    pub definition: Arc<TaskDefinition>,
    /// Availability zone.
    pub zone: String,
    /// Name of the subnet.
    pub subnet: String,
    /// The task's own address.
    pub address: Ipv4Addr,
    /// Capacity provider as ECS spells it.
    pub capacity_provider: &'static str,
    /// Names of the security groups.
    pub security_groups: Vec<String>,
    /// Has a public address, so that a public subnet lets it out (ECS-NET-2).
    pub public_ip: bool,
}

/// All VPCs of a platform with what is in them, tasks aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// By name.
    pub vpcs: Vec<VpcSpec>,
    /// By name.
    pub subnets: Vec<SubnetSpec>,
    /// By name.
    pub security_groups: Vec<SecurityGroupSpec>,
    /// Of the load balancers, by name.
    pub interfaces: Vec<Interface>,
}

/// A load balancer's place in the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Load balancer name.
    pub name: String,
    /// Its address in each subnet, by the subnet's name.
    pub addresses: BTreeMap<String, Ipv4Addr>,
    /// Names of its security groups.
    pub security_groups: Vec<String>,
}

/// A target as the edge must see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublishedTarget {
    /// Address and port.
    pub address: TargetAddress,
    /// Gets no new requests; those in flight may finish.
    pub draining: bool,
}

/// A discovery instance as DNS must see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedInstance {
    /// Task id.
    pub id: TaskId,
    /// The task's address.
    pub address: Ipv4Addr,
    /// Port for SRV.
    pub port: Option<u16>,
    /// Custom health status (DISC-SVC-7).
    pub healthy: bool,
}
