//! The platform: all state, and the one function that changes it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::Ipv4Addr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::alarm::Alarm;
use crate::data_plane::{ListenerState, Name, TargetGroup};
use crate::deployment::Deployment;
use crate::effect::Effect;
use crate::event::ServiceEvent;
use crate::id::{DeploymentId, Generation, ServiceId, TaskId};
use crate::input::{Command, Input};
use crate::load_balancer::LoadBalancerSpec;
use crate::log_group::LogGroupSpec;
use crate::network::{SecurityGroupSpec, Subnet, VpcSpec};
use crate::rng::Rng;
use crate::scaling::ScalableTarget;
use crate::secrets::{Parameter, Secret};
use crate::service::{ServiceName, ServiceSpec};
use crate::task::Task;
use crate::task_definition::TaskDefinition;
use crate::tasks::{Services, TaskSet};
use crate::time::Time;
use crate::turn::Turn;

/// Whose platform it is; part of every ARN.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Twelve digits.
    pub account: String,
    /// E.g. `us-east-1`.
    pub region: String,
}

impl Identity {
    /// `arn:aws:<service>:<region>:<account>:<resource>`.
    #[must_use]
    pub fn arn(&self, service: &str, resource: &str) -> String {
        format!("arn:aws:{service}:{}:{}:{resource}", self.region, self.account)
    }
}

/// A command that cannot be carried out. Nothing changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// Something named does not exist.
    #[error("{kind} `{name}` does not exist{hint}")]
    NotFound {
        /// E.g. `service`.
        kind: &'static str,
        /// The name used.
        name: String,
        /// What there is instead, or empty.
        hint: String,
    },
    /// The request contradicts itself or the state.
    #[error("{0}")]
    Invalid(String),
}

/// ECS-SVC-1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServiceStatus {
    /// In use.
    Active,
    /// Deleted, tasks still stopping.
    Draining,
    /// Gone; described for a while.
    Inactive,
}

impl ServiceStatus {
    /// As ECS spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ServiceStatus::Active => "ACTIVE",
            ServiceStatus::Draining => "DRAINING",
            ServiceStatus::Inactive => "INACTIVE",
        }
    }
}

/// A service with its deployments, tasks and events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// Its id.
    pub id: ServiceId,
    /// As described; `desired_count` is the current one.
    pub spec: ServiceSpec,
    /// ECS-SVC-1.
    pub status: ServiceStatus,
    /// Newest first; the first is PRIMARY. Empty once deleted.
    pub deployments: Vec<Deployment>,
    /// Replaced deployments, newest first, a few.
    pub past_deployments: VecDeque<Deployment>,
    /// Tasks that are not STOPPED.
    pub tasks: TaskSet,
    /// Tasks that are STOPPED and still visible.
    pub stopped_tasks: TaskSet,
    /// Oldest first.
    pub events: VecDeque<ServiceEvent>,
    /// Since when nothing is to be done.
    pub steady_since: Option<Time>,
    /// Messages not to be repeated before the condition clears (ECS-EVT-16).
    pub(crate) said: BTreeMap<String, Time>,
    /// Zone rebalancing under way.
    pub rebalance: Rebalance,
    /// When it was made.
    pub created_at: Time,
    /// When it became INACTIVE.
    pub deleted_at: Option<Time>,
}

impl Service {
    /// The newest deployment.
    #[must_use]
    pub fn primary(&self) -> Option<&Deployment> {
        self.deployments.first()
    }

    pub(crate) fn deployment_mut(&mut self, id: DeploymentId) -> Option<&mut Deployment> {
        self.deployments.iter_mut().find(|d| d.id == id)
    }
}

/// How far zone rebalancing is (ECS-SVC-6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rebalance {
    /// Not under way.
    #[default]
    Idle,
    /// One task above desired was started in the emptiest zone and must turn healthy.
    Starting,
    /// It did; one in the fullest zone goes.
    Stopping,
}

/// A load balancer with its listeners.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoadBalancer {
    /// As described.
    pub spec: LoadBalancerSpec,
    /// Last part of its ARN.
    pub arn_id: u64,
    /// Its address in each subnet, by the subnet's name.
    pub addresses: BTreeMap<String, Ipv4Addr>,
    /// By port.
    pub listeners: BTreeMap<u16, ListenerState>,
    /// When it was made.
    #[serde(default)]
    pub created_at: Time,
}

/// A registered revision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Registered {
    /// The definition.
    pub definition: Arc<TaskDefinition>,
    /// Not deregistered (ECS-TD-8).
    pub active: bool,
    /// When it was registered.
    #[serde(default)]
    pub registered_at: Time,
    /// When it was deregistered.
    #[serde(default)]
    pub deregistered_at: Option<Time>,
}

/// Whom a timer wakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Wake {
    Service(ServiceId),
    Task(TaskId),
}

/// All state of a platform. Changed by [`Platform::step`] only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Platform {
    pub(crate) identity: Identity,
    pub(crate) rng: Rng,
    pub(crate) now: Time,
    /// Newest generation published, and newest acknowledged.
    pub(crate) published: Generation,
    pub(crate) applied: Generation,
    pub(crate) clusters: BTreeSet<String>,
    pub(crate) vpcs: BTreeMap<String, VpcSpec>,
    pub(crate) subnets: BTreeMap<String, Subnet>,
    pub(crate) security_groups: BTreeMap<String, SecurityGroupSpec>,
    /// H of 127.H.0.0/16 where addresses stand in for those of the subnets.
    #[serde(default)]
    pub(crate) loopback: Option<u8>,
    pub(crate) families: BTreeMap<String, Vec<Registered>>,
    pub(crate) load_balancers: BTreeMap<String, LoadBalancer>,
    pub(crate) target_groups: BTreeMap<String, TargetGroup>,
    pub(crate) names: BTreeMap<String, Name>,
    pub(crate) services: Services,
    /// By `cluster/service`; only services that are not INACTIVE.
    pub(crate) service_ids: BTreeMap<String, ServiceId>,
    pub(crate) next_service_id: u32,
    pub(crate) lost_zones: BTreeSet<String>,
    pub(crate) spot_available: bool,
    pub(crate) timers: BTreeSet<(Time, Wake)>,
    /// Tasks waiting for a generation to be applied.
    pub(crate) awaiting_data_plane: BTreeSet<(Generation, TaskId)>,
    #[serde(default)]
    pub(crate) secrets: BTreeMap<String, Secret>,
    #[serde(default)]
    pub(crate) parameters: BTreeMap<String, Parameter>,
    #[serde(default)]
    pub(crate) log_groups: BTreeMap<String, LogGroupSpec>,
    /// By `cluster/service`.
    #[serde(default)]
    pub(crate) scalable_targets: BTreeMap<String, ScalableTarget>,
    #[serde(default)]
    pub(crate) alarms: BTreeMap<String, Alarm>,
    /// What clients said about things, by thing.
    #[serde(default)]
    pub(crate) notes: BTreeMap<String, String>,
}

/// What a step brought.
#[derive(Debug)]
pub struct Outcome {
    /// Whether the commands were accepted; always `Ok` for other inputs.
    pub result: Result<(), Rejection>,
    /// What to do in the world now.
    pub effects: Vec<Effect>,
}

impl Platform {
    /// An empty platform. The same seed and inputs give the same platform, byte for byte.
    #[must_use]
    pub fn new(identity: Identity, seed: u64) -> Self {
        Self {
            identity,
            rng: Rng::new(seed),
            now: Time(0),
            published: Generation(0),
            applied: Generation(0),
            clusters: BTreeSet::new(),
            vpcs: BTreeMap::new(),
            subnets: BTreeMap::new(),
            security_groups: BTreeMap::new(),
            loopback: None,
            families: BTreeMap::new(),
            load_balancers: BTreeMap::new(),
            target_groups: BTreeMap::new(),
            names: BTreeMap::new(),
            services: Services::default(),
            service_ids: BTreeMap::new(),
            next_service_id: 0,
            lost_zones: BTreeSet::new(),
            spot_available: true,
            timers: BTreeSet::new(),
            awaiting_data_plane: BTreeSet::new(),
            secrets: BTreeMap::new(),
            parameters: BTreeMap::new(),
            log_groups: BTreeMap::new(),
            scalable_targets: BTreeMap::new(),
            alarms: BTreeMap::new(),
            notes: BTreeMap::new(),
        }
    }

    /// Takes one input at platform time `now` and says what to do about it.
    ///
    /// Time never runs backwards: an older `now` counts as the newest seen. A rejected command
    /// list leaves the platform as it was, except that due timers have fired.
    pub fn step(&mut self, now: Time, input: &Input) -> Outcome {
        self.now = self.now.max(now);
        let mut turn = Turn::new(self.now);
        self.fire_timers(&mut turn);
        self.settle(&mut turn);
        let result = match input {
            Input::Tick => Ok(()),
            Input::Observed(observation) => {
                self.observe(observation, &mut turn);
                Ok(())
            }
            Input::Commands(commands) => self.command_all(commands, &mut turn),
        };
        self.refresh_sources(&mut turn);
        self.settle(&mut turn);
        self.publish_network(&mut turn);
        self.tell(&mut turn);
        Outcome { result, effects: turn.effects }
    }

    /// All commands or none.
    fn command_all(&mut self, commands: &[Command], turn: &mut Turn) -> Result<(), Rejection> {
        let (notes, others): (Vec<_>, Vec<_>) =
            commands.iter().partition(|c| matches!(c, Command::Annotate { .. }));
        if others.len() <= 1 {
            // A single command checks everything before it changes anything, and notes cannot be
            // refused: no copy of the platform is needed to go back to.
            return others.into_iter().chain(notes).try_for_each(|c| self.command(c, turn));
        }
        let before = (self.clone(), turn.clone());
        for command in commands {
            if let Err(rejection) = self.command(command, turn) {
                (*self, *turn) = before;
                return Err(rejection);
            }
        }
        Ok(())
    }

    fn fire_timers(&mut self, turn: &mut Turn) {
        while let Some((at, wake)) = self.timers.first().copied() {
            if at > self.now {
                break;
            }
            self.timers.pop_first();
            match wake {
                Wake::Service(service) => turn.dirty_service(service),
                Wake::Task(task) => turn.dirty_task(task),
            }
        }
    }

    /// Lets everything that changed reach its conclusion. Work is proportional to what is dirty.
    fn settle(&mut self, turn: &mut Turn) {
        loop {
            if let Some(task) = turn.dirty_tasks.pop_first() {
                self.advance_task(task, turn);
            } else if let Some(service) = turn.dirty_services.pop_first() {
                self.reconcile_service(service, turn);
            } else if turn.dirty_groups.is_empty() && turn.dirty_names.is_empty() {
                break;
            } else {
                self.publish_dirty(turn);
            }
        }
    }

    pub(crate) fn wake_at(&mut self, at: Time, wake: Wake) {
        self.timers.insert((at, wake));
    }

    /// When the platform wants a [`Input::Tick`] next.
    #[must_use]
    pub fn next_wake(&self) -> Option<Time> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Newest platform time seen.
    #[must_use]
    pub fn now(&self) -> Time {
        self.now
    }

    /// Whose platform it is.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Newest generation published to the data plane.
    #[must_use]
    pub fn published(&self) -> Generation {
        self.published
    }

    /// Services, also recently deleted ones.
    pub fn services(&self) -> impl Iterator<Item = &Service> {
        self.services.values()
    }

    /// The service of that name unless it is INACTIVE.
    #[must_use]
    pub fn service(&self, name: &ServiceName) -> Option<&Service> {
        self.services.get(self.service_ids.get(&name.to_string())?)
    }

    /// The service with that id.
    #[must_use]
    pub fn service_by_id(&self, id: ServiceId) -> Option<&Service> {
        self.services.get(&id)
    }

    /// Tasks, also recently stopped ones, by id.
    pub fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.services.tasks()
    }

    /// Tasks that belong to no service, also recently stopped ones.
    pub fn standalone_tasks(&self) -> impl Iterator<Item = &Task> {
        self.services.standalone()
    }

    /// The task with that id.
    #[must_use]
    pub fn task(&self, id: TaskId) -> Option<&Task> {
        self.services.task(id)
    }

    /// Load balancers by name.
    pub fn load_balancers(&self) -> impl Iterator<Item = &LoadBalancer> {
        self.load_balancers.values()
    }

    /// Target groups by name.
    pub fn target_groups(&self) -> impl Iterator<Item = &TargetGroup> {
        self.target_groups.values()
    }

    /// Zones taken away by `LoseZone`.
    pub fn lost_zones(&self) -> impl Iterator<Item = &str> {
        self.lost_zones.iter().map(String::as_str)
    }

    /// A registered revision.
    #[must_use]
    pub fn task_definition(&self, family: &str, revision: u32) -> Option<&Registered> {
        self.families.get(family)?.iter().find(|r| r.definition.revision == revision)
    }
}
