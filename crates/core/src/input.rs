//! Everything that can change the platform: commands, observations, time.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::alarm::{AlarmSpec, AlarmState};
use crate::discovery::DiscoveryServiceSpec;
use crate::id::{DeploymentId, Generation, TaskId};
use crate::load_balancer::{ListenerSpec, LoadBalancerSpec, TargetAddress, TargetGroupSpec};
use crate::log_group::LogGroupSpec;
use crate::network::{SecurityGroupSpec, SubnetSpec, VpcSpec};
use crate::run_task::RunTask;
use crate::scaling::{ScalableTargetSpec, ScalingPolicySpec};
use crate::secrets::Sealed;
use crate::service::{ServiceName, ServiceSpec, TaskDefinitionRef};
use crate::target_health::TargetHealth;
use crate::task_definition::TaskDefinition;
use crate::time::Time;

/// One entry of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Input {
    /// What users want; all of them take effect or none.
    Commands(Vec<Command>),
    /// What the world reports.
    Observed(Observation),
    /// Time went by; due timers fire (they also fire on every other input).
    Tick,
}

/// What a user wants. `Put` creates, or replaces when different, or does nothing when equal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// A cluster by name.
    PutCluster {
        /// Cluster name.
        name: String,
    },
    /// A VPC by name.
    PutVpc(VpcSpec),
    /// A subnet; its zone and range cannot change while tasks hold addresses from it.
    PutSubnet(SubnetSpec),
    /// A security group with all its rules. Groups may refer to groups that come later.
    PutSecurityGroup(SecurityGroupSpec),
    /// Removes a VPC without subnets and security groups.
    DeleteVpc {
        /// VPC name.
        name: String,
    },
    /// Removes a subnet that no service and no load balancer is in.
    DeleteSubnet {
        /// Subnet name.
        name: String,
    },
    /// Removes a security group that nothing is a member of and no other group's rule refers to.
    DeleteSecurityGroup {
        /// Security group name.
        name: String,
    },
    /// Which addresses of this machine tasks get: those of their subnets, or, where there is no
    /// network but loopback, others of 127.H.0.0/16 in their place. Addresses that are held stay.
    SetLoopback {
        /// H; `None` for the subnets' own addresses.
        network: Option<u8>,
    },
    /// Removes a cluster that has no services (ERR-ECS-11).
    DeleteCluster {
        /// Cluster name.
        name: String,
    },
    /// Registers a revision unless the newest active one of the family is equal.
    PutTaskDefinition(Box<TaskDefinition>),
    /// Registers a new revision in any case, as RegisterTaskDefinition does (ECS-TD-7).
    RegisterTaskDefinition(Box<TaskDefinition>),
    /// ECS-TD-8.
    DeregisterTaskDefinition {
        /// Family name.
        family: String,
        /// Revision number.
        revision: u32,
    },
    /// A load balancer by name.
    PutLoadBalancer(LoadBalancerSpec),
    /// A target group by name.
    PutTargetGroup(TargetGroupSpec),
    /// A listener by load balancer and port, with all its rules.
    PutListener(ListenerSpec),
    /// A discovery service by DNS name.
    PutDiscoveryService(DiscoveryServiceSpec),
    /// Removes a discovery service that has no instances (DISC-NS-6).
    DeleteDiscoveryService {
        /// `<service>.<namespace>`.
        dns_name: String,
    },
    /// Custom health of a registered instance (DISC-INST-5). A change of the containers' health
    /// takes its place.
    SetInstanceHealth {
        /// `<service>.<namespace>`.
        dns_name: String,
        /// The task that is the instance.
        task: TaskId,
        /// Whether it is to be found.
        healthy: bool,
    },
    /// Removes a load balancer with its listeners.
    DeleteLoadBalancer {
        /// Load balancer name.
        name: String,
    },
    /// Removes a listener with its rules.
    DeleteListener {
        /// Load balancer name.
        load_balancer: String,
        /// Listener port.
        port: u16,
    },
    /// Removes a target group that no rule uses (ALB-TG-11).
    DeleteTargetGroup {
        /// Target group name.
        name: String,
    },
    /// Creates the service, or updates it; whether that starts a deployment says ECS-DEP-10.
    PutService(Box<ServiceSpec>),
    /// A new deployment of the service: another definition, or the same one by force.
    Deploy {
        /// Which service.
        service: ServiceName,
        /// What to run from now on; `None` keeps the definition.
        task_definition: Option<TaskDefinitionRef>,
        /// Deploy even if nothing differs.
        force: bool,
    },
    /// A new revision made from the service's current one with these changes, then deployed.
    DeployChanges {
        /// Which service.
        service: ServiceName,
        /// Image for the first essential container.
        image: Option<String>,
        /// Variables to set in every container.
        environment: BTreeMap<String, String>,
    },
    /// Back to a revision, or to the one before the current when `None`.
    Rollback {
        /// Which service.
        service: ServiceName,
        /// Revision of the service's family.
        revision: Option<u32>,
    },
    /// StopServiceDeployment: gives up the deployment under way and goes back to the last completed
    /// one.
    StopDeployment {
        /// Which service.
        service: ServiceName,
        /// Its newest deployment.
        deployment: DeploymentId,
    },
    /// UpdateService with a desired count only; starts no deployment.
    Scale {
        /// Which service.
        service: ServiceName,
        /// New desired count.
        desired_count: u32,
    },
    /// Other labels on the service; starts no deployment.
    TagService {
        /// Which service.
        service: ServiceName,
        /// All its labels from now on.
        tags: BTreeMap<String, String>,
    },
    /// Scales to 0 and drains; `force` skips the check of ECS-SVC-2.
    DeleteService {
        /// Which service.
        service: ServiceName,
        /// Also while it has tasks.
        force: bool,
    },
    /// Tasks that belong to no service. As many are started as there is room for; the same token
    /// again starts none.
    RunTask(Box<RunTask>),
    /// StopTask (ECS-STOP-2).
    StopTask {
        /// Which task.
        task: TaskId,
        /// Shown as stoppedReason.
        reason: Option<String>,
    },
    /// Task scale-in protection until that time; `None` ends it (ECS-PROT-1).
    ProtectTask {
        /// Which task.
        task: TaskId,
        /// End of protection.
        until: Option<Time>,
    },
    /// A fault to rehearse: reclaim Spot tasks with the two-minute notice (ECS-CP-4).
    InterruptSpot {
        /// Only this service's tasks; `None` reclaims from all.
        service: Option<ServiceName>,
        /// At most so many tasks; `None` reclaims all.
        count: Option<u32>,
    },
    /// A fault to rehearse: whether Spot capacity is to be had (ECS-CP-3).
    SetSpotCapacity {
        /// Whether new Spot tasks can be placed.
        available: bool,
    },
    /// A fault to rehearse: every task of the zone is killed, nothing is placed there.
    LoseZone {
        /// Zone name.
        zone: String,
    },
    /// The zone is back.
    RestoreZone {
        /// Zone name.
        zone: String,
    },
    /// A log group by name.
    PutLogGroup(LogGroupSpec),
    /// Removes a log group with everything in it.
    DeleteLogGroup {
        /// Log group name.
        name: String,
    },
    /// A secret without a value yet.
    CreateSecret {
        /// Secret name.
        name: String,
    },
    /// A new version of a secret, which is made if there is none of that name.
    PutSecretValue {
        /// Secret name.
        name: String,
        /// Version id.
        version: String,
        /// The value.
        value: Sealed,
        /// Its staging labels; none make it the current version.
        #[serde(default)]
        stages: BTreeSet<String>,
        /// The value is base64 of bytes.
        #[serde(default)]
        is_binary: bool,
    },
    /// Puts a staging label on another version, or on none.
    MoveSecretStage {
        /// Secret name.
        name: String,
        /// The label.
        stage: String,
        /// Version id.
        to: Option<String>,
    },
    /// Gives no value of a secret any more, and forgets it at that time, until when it can be
    /// restored.
    DeleteSecret {
        /// Secret name.
        name: String,
        /// When; at once if that has passed.
        gone_at: Time,
    },
    /// A secret that is to be deleted stays.
    RestoreSecret {
        /// Secret name.
        name: String,
    },
    /// A new version of a parameter, which is made if there is none of that name.
    PutParameter {
        /// Parameter name with its path.
        name: String,
        /// The value.
        value: Sealed,
    },
    /// Forgets a parameter with all its versions.
    DeleteParameter {
        /// Parameter name with its path.
        name: String,
    },
    /// Limits between which a service is scaled; the service must exist (SCALE-TGT-2).
    PutScalableTarget(ScalableTargetSpec),
    /// Takes a scalable target away with its policies and their alarms (SCALE-TGT-4).
    DeleteScalableTarget {
        /// Which service's.
        service: ServiceName,
    },
    /// A policy of a scalable target, which must exist. Target tracking comes with its alarms
    /// (SCALE-TT-5).
    PutScalingPolicy(Box<ScalingPolicySpec>),
    /// Takes a policy away with the alarms it made.
    DeleteScalingPolicy {
        /// Which service's.
        service: ServiceName,
        /// Policy name.
        name: String,
    },
    /// An alarm by name; its state stays (CW-ALM-15).
    PutAlarm(Box<AlarmSpec>),
    /// Removes an alarm and its history.
    DeleteAlarm {
        /// Alarm name.
        name: String,
    },
    /// The state of an alarm until it is evaluated again (CW-ALM-16).
    SetAlarmState {
        /// Alarm name.
        name: String,
        /// The state.
        state: AlarmState,
        /// Why, for people.
        reason: String,
        /// Why, as JSON.
        reason_data: Option<String>,
    },
    /// Keeps what a client said about a thing and wants to read back, but what changes nothing
    /// here. Never refused.
    Annotate {
        /// The thing; the platform gives it no meaning.
        subject: String,
        /// What was said; `None` forgets it.
        note: Option<String>,
    },
}

/// What the world reports. Reports may repeat and may come late; both are harmless.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Observation {
    /// The task's network interface exists (ends PROVISIONING).
    NetworkAttached {
        /// Which task.
        task: TaskId,
    },
    /// Every image of the task is at hand.
    ImagesPulled {
        /// Which task.
        task: TaskId,
    },
    /// The task cannot be made (network, image, secret). Becomes its stoppedReason.
    TaskFailed {
        /// Which task.
        task: TaskId,
        /// E.g. `CannotPullContainerError: ...` (ECS-STOP-8).
        reason: String,
    },
    /// The container's process runs.
    ContainerStarted {
        /// Which task.
        task: TaskId,
        /// Which container.
        container: String,
    },
    /// The container's process could not be started.
    ContainerFailed {
        /// Which task.
        task: TaskId,
        /// Which container.
        container: String,
        /// E.g. `CannotStartContainerError: ...`.
        reason: String,
    },
    /// The container's process has ended.
    ContainerExited {
        /// Which task.
        task: TaskId,
        /// Which container.
        container: String,
        /// How it ended.
        exit: Exit,
    },
    /// The container's health check changed its verdict (ECS-TD-15).
    ContainerHealth {
        /// Which task.
        task: TaskId,
        /// Which container.
        container: String,
        /// The new verdict.
        health: ContainerHealth,
    },
    /// Nothing of the task is left on the machine.
    TaskReleased {
        /// Which task.
        task: TaskId,
    },
    /// Edge and DNS use this generation; no request is routed by an older one any more.
    DataPlaneApplied {
        /// Newest generation in use.
        generation: Generation,
    },
    /// A target changed its health.
    TargetHealthChanged {
        /// Target group name.
        target_group: String,
        /// Which target.
        target: TargetAddress,
        /// State with reason.
        health: TargetHealth,
    },
    /// A draining target has no request in flight and no connection (ALB-TG-10).
    TargetIdle {
        /// Target group name.
        target_group: String,
        /// Which target.
        target: TargetAddress,
    },
    /// The listener accepts on this port of the machine, or cannot.
    ListenerBound {
        /// Load balancer name.
        load_balancer: String,
        /// Listener port.
        port: u16,
        /// Port on this machine, or why not.
        result: Result<u16, String>,
    },
}

/// How a container ended. What was not seen is not guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exit {
    /// It exited with this code.
    Code(i32),
    /// A signal ended it; shown as exit code 128 + n (ECS-TASK-8).
    Signal(i32),
    /// The kernel killed it for memory (ECS-STOP-7).
    OutOfMemory,
    /// Nobody was there to see the exit code.
    Unknown,
}

impl Exit {
    /// The exit code ECS would show; `None` when unknown.
    #[must_use]
    pub fn code(self) -> Option<i32> {
        match self {
            Exit::Code(code) => Some(code),
            Exit::Signal(signal) => Some(128 + signal),
            Exit::OutOfMemory => Some(137),
            Exit::Unknown => None,
        }
    }
}

/// ECS-TD-15.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ContainerHealth {
    /// No check, or still evaluating.
    Unknown,
    /// The check passes.
    Healthy,
    /// The check failed `retries` times in a row.
    Unhealthy,
}
