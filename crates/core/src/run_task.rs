//! Tasks that belong to no service: RunTask places each once, and nobody replaces it. Their life is
//! that of any task.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::capacity::next_provider;
use crate::commands::not_found;
use crate::deployment::Revision;
use crate::effect::Effect;
use crate::id::{DeploymentId, ServiceId, TaskId};
use crate::network::Subnet;
use crate::platform::{Platform, Rejection};
use crate::service::{CapacityProvider, CapacityProviderStrategyItem, TaskDefinitionRef};
use crate::task::{NewTask, Task};
use crate::task_definition::{TaskDefinition, is_fargate_size};
use crate::turn::Turn;
use crate::zone_rebalance::pick_zone;

/// ECS-API: RunTask starts so many at once at most.
pub const MAX_COUNT: u32 = 10;

/// What RunTask asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunTask {
    /// Cluster name.
    pub cluster: String,
    /// What to run.
    pub task_definition: TaskDefinitionRef,
    /// 1 to [`MAX_COUNT`].
    pub count: u32,
    /// Empty means all on `FARGATE`.
    pub capacity: Vec<CapacityProviderStrategyItem>,
    /// Names of the subnets.
    pub subnets: Vec<String>,
    /// Names of the security groups.
    pub security_groups: Vec<String>,
    /// Tasks get a public address (ECS-NET-2).
    pub public_ip: bool,
    /// What differs from the definition.
    pub overrides: TaskOverrides,
    /// `family:<family>` unless set (ECS-TASK-11).
    pub group: Option<String>,
    /// For whoever lists tasks.
    pub started_by: Option<String>,
    /// Tells this request from any other: the same token again means the same tasks.
    pub token: String,
    /// ECS-TD-29.
    pub enable_execute_command: bool,
    /// Labels of the tasks.
    pub tags: BTreeMap<String, String>,
}

/// What one run changes of a definition.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskOverrides {
    /// CPU units of the task.
    pub cpu: Option<u32>,
    /// Task memory in MiB.
    pub memory_mib: Option<u32>,
    /// ARN of another task role.
    pub task_role: Option<String>,
    /// ARN of another execution role.
    pub execution_role: Option<String>,
    /// Ephemeral storage in GiB.
    pub ephemeral_storage_gib: Option<u32>,
    /// By container, in the order given.
    pub containers: Vec<ContainerOverrides>,
}

/// What one run changes of a container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ContainerOverrides {
    /// Container name.
    pub name: String,
    /// Another command.
    pub command: Option<Vec<String>>,
    /// Variables set in addition, or to other values.
    pub environment: BTreeMap<String, String>,
    /// CPU units reserved.
    pub cpu: Option<u32>,
    /// Hard memory limit in MiB.
    pub memory_mib: Option<u32>,
}

/// Where a task of a run was placed: its zone and what its capacity comes from.
type Place = (Arc<str>, CapacityProvider);

impl TaskOverrides {
    /// The definition as this run has it.
    ///
    /// # Errors
    /// A container that the definition does not have, or a size that Fargate does not have.
    pub fn apply(
        &self,
        definition: &Arc<TaskDefinition>,
    ) -> Result<Arc<TaskDefinition>, Rejection> {
        if *self == Self::default() {
            return Ok(Arc::clone(definition));
        }
        let mut changed = (**definition).clone();
        changed.cpu = self.cpu.unwrap_or(changed.cpu);
        changed.memory_mib = self.memory_mib.unwrap_or(changed.memory_mib);
        if !is_fargate_size(changed.cpu, changed.memory_mib) {
            return Err(Rejection::Invalid(format!(
                "No Fargate configuration exists for given values: {} CPU, {} memory.",
                changed.cpu, changed.memory_mib
            )));
        }
        changed.ephemeral_storage_gib =
            self.ephemeral_storage_gib.unwrap_or(changed.ephemeral_storage_gib);
        changed.task_role = self.task_role.clone().or(changed.task_role);
        changed.execution_role = self.execution_role.clone().or(changed.execution_role);
        for overrides in &self.containers {
            let name = &overrides.name;
            let Some(container) = changed.containers.iter_mut().find(|c| c.name == *name) else {
                return Err(Rejection::Invalid(format!(
                    "Override for container named {name} is not a container in the TaskDefinition."
                )));
            };
            if let Some(command) = &overrides.command {
                container.command.clone_from(command);
            }
            for (key, value) in &overrides.environment {
                container.environment.insert(key.clone(), value.clone());
            }
            container.cpu = overrides.cpu.unwrap_or(container.cpu);
            container.memory_mib = overrides.memory_mib.or(container.memory_mib);
        }
        Ok(Arc::new(changed))
    }
}

impl Platform {
    /// The tasks started for a request with this token, oldest first.
    pub fn tasks_of_run<'a>(
        &'a self,
        cluster: &'a str,
        token: &'a str,
    ) -> impl Iterator<Item = &'a Task> {
        self.services.standalone().filter(move |task| {
            task.revision.cluster == cluster
                && task.run.as_ref().is_some_and(|run| run.token == token)
        })
    }

    pub(crate) fn run_task(&mut self, run: &RunTask, turn: &mut Turn) -> Result<(), Rejection> {
        if !self.clusters.contains(&run.cluster) {
            return Err(not_found("cluster", &run.cluster));
        }
        if !(1..=MAX_COUNT).contains(&run.count) {
            return Err(Rejection::Invalid(format!(
                "count is {}, but must be between 1 and {MAX_COUNT}",
                run.count
            )));
        }
        if run.subnets.is_empty() {
            return Err(Rejection::Invalid("subnets can not be empty.".to_owned()));
        }
        if let Some(missing) = run.subnets.iter().find(|s| !self.subnets.contains_key(*s)) {
            return Err(not_found("subnet", missing));
        }
        if self.tasks_of_run(&run.cluster, &run.token).next().is_some() {
            return Ok(());
        }
        let definition = run.overrides.apply(&self.resolve(&run.task_definition)?)?;
        let revision = Arc::new(Revision {
            cluster: run.cluster.clone(),
            service: String::new(),
            definition,
            subnets: run.subnets.clone(),
            security_groups: run.security_groups.clone(),
            public_ip: run.public_ip,
            load_balancers: Vec::new(),
            registry: None,
        });
        let run = Arc::new(run.clone());
        let mut placed: Vec<Place> = Vec::new();
        while placed.len() < run.count as usize {
            match self.start_standalone(&run, &revision, &placed, turn) {
                Some(place) => placed.push(place),
                None => break,
            }
        }
        Ok(())
    }

    /// Places and starts one task of a run beside those placed already; `None` when there is no
    /// place for it.
    fn start_standalone(
        &mut self,
        run: &Arc<RunTask>,
        revision: &Arc<Revision>,
        placed: &[Place],
        turn: &mut Turn,
    ) -> Option<Place> {
        let count = |of: &dyn Fn(&Place) -> bool| {
            u32::try_from(placed.iter().filter(|place| of(place)).count()).unwrap_or(u32::MAX)
        };
        let capacity = next_provider(&run.capacity, |p| count(&|(_, other)| *other == p))
            .filter(|p| *p == CapacityProvider::Fargate || self.spot_available)?;
        let zones = self.usable_zones(revision);
        let zone = pick_zone(
            zones.keys().copied(),
            |zone| count(&|(other, _)| **other == *zone),
            |zone| count(&|(other, _)| **other == *zone),
            |zone| zones.get(zone).and_then(|s| self.subnets.get(*s)).map_or(0, Subnet::held),
        )?;
        let subnet = zones.get(zone).copied().unwrap_or_default().to_owned();
        let subnet = self.subnets.get_mut(&subnet)?;
        let address = subnet.allocate()?;
        let (zone, subnet) = (subnet.zone(), subnet.name());
        let new = NewTask {
            id: TaskId::new(self.rng.next_u128(), ServiceId::NONE),
            service: ServiceId::NONE,
            deployment: DeploymentId::NONE,
            revision: Arc::clone(revision),
            zone: Arc::clone(&zone),
            subnet,
            address,
            capacity,
        };
        let task = Task { run: Some(Arc::clone(run)), ..Task::new(new, turn.now) };
        turn.effects.push(Effect::AttachNetwork(task.launch()));
        self.services.add_task(task);
        Some((zone, capacity))
    }
}
