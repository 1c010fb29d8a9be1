//! What users ask for: every command checks first and changes afterwards.

use std::collections::BTreeSet;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::data_plane::{ListenerState, TargetGroup};
use crate::deployment::{Deployment, Revision, RolloutState};
use crate::id::{DeploymentId, ServiceId};
use crate::input::Command;
use crate::load_balancer::{ListenerSpec, LoadBalancerSpec, TargetGroupSpec};
use crate::platform::{Platform, Rebalance, Registered, Rejection, Service, ServiceStatus};
use crate::service::{MAX_LOAD_BALANCERS, ServiceName, ServiceSpec, TaskDefinitionRef};
use crate::task::{Stop, StopCode, StopMode};
use crate::task_definition::{TaskDefinition, is_fargate_size};
use crate::tasks::TaskSet;
use crate::turn::Turn;

impl Platform {
    pub(crate) fn command(&mut self, command: &Command, turn: &mut Turn) -> Result<(), Rejection> {
        match command {
            Command::PutCluster { name } => {
                self.clusters.insert(name.clone());
                Ok(())
            }
            Command::DeleteCluster { name } => self.delete_cluster(name),
            Command::PutVpc(spec) => self.put_vpc(spec, turn),
            Command::PutSubnet(spec) => self.put_subnet(spec, turn),
            Command::PutSecurityGroup(spec) => self.put_security_group(spec, turn),
            Command::DeleteVpc { name } => self.delete_vpc(name, turn),
            Command::DeleteSubnet { name } => self.delete_subnet(name, turn),
            Command::DeleteSecurityGroup { name } => self.delete_security_group(name, turn),
            Command::SetLoopback { network } => {
                self.set_loopback(*network, turn);
                Ok(())
            }
            Command::PutTaskDefinition(definition) => {
                self.put_task_definition(definition).map(|_| ())
            }
            Command::RegisterTaskDefinition(definition) => {
                check_task_definition(definition)?;
                self.register_task_definition(definition);
                Ok(())
            }
            Command::DeregisterTaskDefinition { family, revision } => {
                self.deregister_task_definition(family, *revision)
            }
            Command::PutLoadBalancer(spec) => self.put_load_balancer(spec, turn),
            Command::PutTargetGroup(spec) => {
                self.put_target_group(spec, turn);
                Ok(())
            }
            Command::PutListener(spec) => self.put_listener(spec, turn),
            Command::PutDiscoveryService(spec) => {
                self.put_discovery_service(spec, turn);
                Ok(())
            }
            Command::DeleteDiscoveryService { dns_name } => {
                self.delete_discovery_service(dns_name, turn)
            }
            Command::SetInstanceHealth { dns_name, task, healthy } => {
                self.set_instance_health(dns_name, *task, *healthy, turn)
            }
            Command::DeleteLoadBalancer { name } => self.delete_load_balancer(name, turn),
            Command::DeleteListener { load_balancer, port } => {
                self.delete_listener(load_balancer, *port, turn)
            }
            Command::DeleteTargetGroup { name } => self.delete_target_group(name, turn),
            Command::PutService(spec) => self.put_service(spec, turn),
            Command::Deploy { service, task_definition, force } => {
                self.deploy_definition(service, task_definition.as_ref(), *force, turn)
            }
            Command::DeployChanges { service, image, environment } => {
                self.deploy_changes(service, image.as_deref(), environment, turn)
            }
            Command::Rollback { service, revision } => self.rollback(service, *revision, turn),
            Command::StopDeployment { service, deployment } => {
                self.stop_deployment(service, *deployment, turn)
            }
            Command::Scale { service, desired_count } => {
                let id = self.service_id(service)?;
                self.scale(id, *desired_count, turn);
                Ok(())
            }
            Command::TagService { service, tags } => {
                let id = self.service_id(service)?;
                if let Some(service) = self.services.get_mut(&id) {
                    service.spec.tags.clone_from(tags);
                }
                Ok(())
            }
            Command::DeleteService { service, force } => self.delete_service(service, *force, turn),
            Command::RunTask(run) => self.run_task(run, turn),
            Command::StopTask { task, reason } => {
                let live = self.services.task(*task).filter(|t| t.stopped_at.is_none());
                let Some(id) = live.map(|t| t.id) else {
                    let hint = "; `neargate ps` lists the tasks that run".to_owned();
                    return Err(Rejection::NotFound { kind: "task", name: task.to_string(), hint });
                };
                let stop = Stop {
                    code: StopCode::UserInitiated,
                    reason: reason.clone().unwrap_or_else(|| "Task stopped by user".to_owned()),
                    mode: StopMode::Drain,
                    kill_by: None,
                };
                self.stop_task(id, stop, turn);
                Ok(())
            }
            Command::ProtectTask { task, until } => self.protect_task(*task, *until, turn),
            Command::InterruptSpot { service, count } => {
                self.interrupt_spot(service.as_ref(), *count, turn)
            }
            Command::SetSpotCapacity { available } => {
                self.set_spot_capacity(*available, turn);
                Ok(())
            }
            Command::LoseZone { zone } => self.lose_zone(zone, turn),
            Command::RestoreZone { zone } => self.restore_zone(zone, turn),
            Command::PutLogGroup(spec) => {
                self.put_log_group(spec, turn);
                Ok(())
            }
            Command::DeleteLogGroup { name } => self.delete_log_group(name, turn),
            Command::CreateSecret { name } => self.create_secret(name),
            Command::PutSecretValue { name, version, value, stages, is_binary } => {
                let value = (value, *is_binary);
                self.put_secret_value(name, version, value, stages)
            }
            Command::MoveSecretStage { name, stage, to } => {
                self.move_secret_stage(name, stage, to.as_deref())
            }
            Command::DeleteSecret { name, gone_at } => self.delete_secret(name, *gone_at),
            Command::RestoreSecret { name } => {
                self.secret_mut(name)?.gone_at = None;
                Ok(())
            }
            Command::PutParameter { name, value } => {
                self.put_parameter(name, value);
                Ok(())
            }
            Command::DeleteParameter { name } => match self.parameters.remove(name) {
                Some(_) => Ok(()),
                None => Err(not_found("parameter", name)),
            },
            Command::PutScalableTarget(spec) => self.put_scalable_target(spec),
            Command::DeleteScalableTarget { service } => self.delete_scalable_target(service),
            Command::PutScalingPolicy(spec) => self.put_scaling_policy(spec),
            Command::DeleteScalingPolicy { service, name } => {
                self.delete_scaling_policy(service, name)
            }
            Command::PutAlarm(spec) => self.put_alarm(spec),
            Command::DeleteAlarm { name } => self.delete_alarm(name),
            Command::SetAlarmState { name, state, reason, reason_data } => {
                self.set_alarm_state(name, *state, reason, reason_data.as_deref())
            }
            Command::Annotate { subject, note } => {
                self.annotate(subject, note.as_deref());
                Ok(())
            }
        }
    }

    pub(crate) fn service_id(&self, name: &ServiceName) -> Result<ServiceId, Rejection> {
        self.service_ids.get(&name.to_string()).copied().ok_or_else(|| {
            let known: Vec<&str> = self.service_ids.keys().map(String::as_str).collect();
            let hint = if known.is_empty() {
                "; the platform has no services".to_owned()
            } else {
                format!("; the platform has {}", known.join(", "))
            };
            Rejection::NotFound { kind: "service", name: name.to_string(), hint }
        })
    }

    /// Registers a new revision unless the newest active one is the same.
    fn put_task_definition(&mut self, definition: &TaskDefinition) -> Result<u32, Rejection> {
        check_task_definition(definition)?;
        let newest = self.families.get(&definition.family).and_then(|family| family.last());
        if let Some(newest) = newest.filter(|r| r.active) {
            let same =
                TaskDefinition { revision: newest.definition.revision, ..definition.clone() };
            if same == *newest.definition {
                return Ok(same.revision);
            }
        }
        Ok(self.register_task_definition(definition))
    }

    fn register_task_definition(&mut self, definition: &TaskDefinition) -> u32 {
        let revision = self.next_revision(&definition.family);
        let registered = Registered {
            definition: Arc::new(TaskDefinition { revision, ..definition.clone() }),
            active: true,
            registered_at: self.now,
            deregistered_at: None,
        };
        self.families.entry(definition.family.clone()).or_default().push(registered);
        revision
    }

    fn delete_cluster(&mut self, name: &str) -> Result<(), Rejection> {
        if !self.clusters.contains(name) {
            return Err(not_found("cluster", name));
        }
        let mut services = self.services.values().filter(|s| s.status != ServiceStatus::Inactive);
        if let Some(service) = services.find(|s| s.spec.name.cluster == name) {
            return Err(Rejection::Invalid(format!(
                "cluster {name} cannot be deleted while service {} is {}",
                service.spec.name,
                service.status.as_str()
            )));
        }
        let mut tasks = self.services.standalone().filter(|t| t.stopped_at.is_none());
        if let Some(task) = tasks.find(|t| t.revision.cluster == name) {
            return Err(Rejection::Invalid(format!(
                "cluster {name} cannot be deleted while task {} is {}",
                task.id,
                task.phase.as_str()
            )));
        }
        self.clusters.remove(name);
        Ok(())
    }

    fn deregister_task_definition(&mut self, family: &str, revision: u32) -> Result<(), Rejection> {
        let registered = self
            .families
            .get_mut(family)
            .and_then(|revisions| revisions.iter_mut().find(|r| r.definition.revision == revision));
        match registered {
            Some(registered) => {
                if registered.active {
                    registered.active = false;
                    registered.deregistered_at = Some(self.now);
                }
                Ok(())
            }
            None => Err(Rejection::NotFound {
                kind: "task definition",
                name: format!("{family}:{revision}"),
                hint: String::new(),
            }),
        }
    }

    /// The revision meant by a reference; without a number the newest active one (ECS-TD-8).
    pub(crate) fn resolve(
        &self,
        reference: &TaskDefinitionRef,
    ) -> Result<Arc<TaskDefinition>, Rejection> {
        let revisions = self.families.get(&reference.family);
        let not_found = || Rejection::NotFound {
            kind: "task definition",
            name: match reference.revision {
                Some(revision) => format!("{}:{revision}", reference.family),
                None => reference.family.clone(),
            },
            hint: match revisions.and_then(|r| r.last()) {
                Some(newest) => format!("; its newest revision is {}", newest.definition.revision),
                None => String::new(),
            },
        };
        let revisions = revisions.ok_or_else(not_found)?;
        let found = match reference.revision {
            Some(number) => revisions.iter().find(|r| r.definition.revision == number),
            None => revisions.iter().rev().find(|r| r.active),
        };
        let found = found.ok_or_else(not_found)?;
        if !found.active {
            return Err(Rejection::Invalid(format!(
                "task definition {} is inactive",
                found.definition.reference()
            )));
        }
        Ok(Arc::clone(&found.definition))
    }

    fn put_load_balancer(
        &mut self,
        spec: &LoadBalancerSpec,
        turn: &mut Turn,
    ) -> Result<(), Rejection> {
        if self.load_balancers.get(&spec.name).is_some_and(|balancer| balancer.spec == *spec) {
            return Ok(());
        }
        let (ports, created_at) = match self.load_balancers.get(&spec.name) {
            Some(balancer) => (balancer.listeners.keys().copied().collect(), balancer.created_at),
            None => (Vec::new(), self.now),
        };
        self.place_load_balancer(spec, created_at, turn)?;
        for port in ports {
            self.publish_listener(&spec.name, port, turn);
        }
        Ok(())
    }

    fn put_target_group(&mut self, spec: &TargetGroupSpec, turn: &mut Turn) {
        match self.target_groups.get_mut(&spec.name) {
            Some(group) if *group.spec == *spec => return,
            Some(group) => group.spec = Arc::new(spec.clone()),
            None => {
                let arn_id = self.rng.next_u64();
                let group = TargetGroup::new(spec.clone(), arn_id);
                self.target_groups.insert(spec.name.clone(), group);
            }
        }
        turn.dirty_groups.insert(spec.name.clone());
    }

    fn put_listener(&mut self, spec: &ListenerSpec, turn: &mut Turn) -> Result<(), Rejection> {
        for group in spec.target_groups() {
            if !self.target_groups.contains_key(group) {
                return Err(not_found("target group", group));
            }
        }
        let mut priorities = BTreeSet::new();
        if let Some(rule) = spec.rules.iter().find(|r| !priorities.insert(r.priority)) {
            return Err(Rejection::Invalid(format!(
                "priority {} is used by two rules of listener {}:{}",
                rule.priority, spec.load_balancer, spec.port
            )));
        }
        let mut spec = spec.clone();
        spec.rules.sort_by_key(|r| r.priority);
        let Some(balancer) = self.load_balancers.get_mut(&spec.load_balancer) else {
            return Err(not_found("load balancer", &spec.load_balancer));
        };
        let (name, port) = (spec.load_balancer.clone(), spec.port);
        match balancer.listeners.get_mut(&port) {
            Some(listener) if *listener.spec == spec => return Ok(()),
            Some(listener) => {
                if listener.spec.host_port != spec.host_port {
                    listener.bound = None;
                    listener.chosen_port = None;
                }
                listener.spec = Arc::new(spec);
            }
            None => {
                balancer.listeners.insert(port, ListenerState::new(spec));
            }
        }
        self.publish_listener(&name, port, turn);
        turn.stale_sources = true;
        Ok(())
    }

    fn delete_load_balancer(&mut self, name: &str, turn: &mut Turn) -> Result<(), Rejection> {
        let Some(balancer) = self.load_balancers.get_mut(name) else {
            return Err(not_found("load balancer", name));
        };
        for port in std::mem::take(&mut balancer.listeners).into_keys() {
            self.publish_listener(name, port, turn);
        }
        if let Some(balancer) = self.load_balancers.remove(name) {
            self.displace_load_balancer(&balancer, turn);
        }
        Ok(())
    }

    fn delete_listener(
        &mut self,
        load_balancer: &str,
        port: u16,
        turn: &mut Turn,
    ) -> Result<(), Rejection> {
        let Some(balancer) = self.load_balancers.get_mut(load_balancer) else {
            return Err(not_found("load balancer", load_balancer));
        };
        if balancer.listeners.remove(&port).is_none() {
            return Err(not_found("listener", &format!("{load_balancer}:{port}")));
        }
        self.publish_listener(load_balancer, port, turn);
        turn.stale_sources = true;
        Ok(())
    }

    fn delete_target_group(&mut self, name: &str, turn: &mut Turn) -> Result<(), Rejection> {
        if !self.target_groups.contains_key(name) {
            return Err(not_found("target group", name));
        }
        let mut listeners = self.load_balancers.values().flat_map(|b| b.listeners.values());
        let in_use = listeners.any(|l| l.spec.target_groups().any(|g| g == name));
        if in_use {
            return Err(Rejection::Invalid(format!(
                "Target group '{}' is currently in use by a listener or a rule",
                self.target_group_arn(name)
            )));
        }
        if let Some(group) = self.target_groups.remove(name) {
            for target in group.targets {
                if let Some(task) = self.services.task_mut(target.task) {
                    task.set_target_state(name, target.address.port, None);
                }
            }
        }
        turn.dirty_groups.insert(name.to_owned());
        Ok(())
    }

    fn revision_of(&self, spec: &ServiceSpec) -> Result<Revision, Rejection> {
        let definition = self.resolve(&spec.task_definition)?;
        if spec.subnets.is_empty() {
            return Err(Rejection::Invalid(format!(
                "service {}: subnets can not be empty.",
                spec.name
            )));
        }
        if let Some(missing) = spec.subnets.iter().find(|s| !self.subnets.contains_key(*s)) {
            return Err(not_found("subnet", missing));
        }
        for load_balancer in &spec.load_balancers {
            if !self.target_groups.contains_key(&load_balancer.target_group) {
                return Err(not_found("target group", &load_balancer.target_group));
            }
            let container = definition.container(&load_balancer.container).ok_or_else(|| {
                Rejection::Invalid(format!(
                    "The container {} does not exist in the task definition.",
                    load_balancer.container
                ))
            })?;
            if !container.ports.iter().any(|p| p.container_port == load_balancer.port) {
                return Err(Rejection::Invalid(format!(
                    "The container {} did not have a container port {} defined.",
                    load_balancer.container, load_balancer.port
                )));
            }
        }
        if let Some(registry) = &spec.registry
            && !self.names.contains_key(&registry.dns_name)
        {
            return Err(not_found("discovery service", &registry.dns_name));
        }
        Ok(Revision {
            cluster: spec.name.cluster.clone(),
            service: spec.name.service.clone(),
            definition,
            subnets: spec.subnets.clone(),
            security_groups: spec.security_groups.clone(),
            public_ip: spec.public_ip,
            load_balancers: spec.load_balancers.clone(),
            registry: spec.registry.clone(),
        })
    }

    fn put_service(&mut self, spec: &ServiceSpec, turn: &mut Turn) -> Result<(), Rejection> {
        if !self.clusters.contains(&spec.name.cluster) {
            return Err(not_found("cluster", &spec.name.cluster));
        }
        check_service(spec)?;
        let revision = self.revision_of(spec)?;
        match self.service_ids.get(&spec.name.to_string()).copied() {
            None => {
                let id = ServiceId(self.next_service_id);
                self.next_service_id += 1;
                self.service_ids.insert(spec.name.to_string(), id);
                self.services.insert(new_service(id, spec.clone(), turn));
                self.deploy(id, Arc::new(revision), None, turn);
            }
            Some(id) => self.update_service(id, spec, revision, turn)?,
        }
        Ok(())
    }

    /// ECS-DEP-10: only what makes up the revision starts a deployment.
    fn update_service(
        &mut self,
        id: ServiceId,
        spec: &ServiceSpec,
        revision: Revision,
        turn: &mut Turn,
    ) -> Result<(), Rejection> {
        let Some(service) = self.services.get_mut(&id) else { return Ok(()) };
        if service.status != ServiceStatus::Active {
            return Err(Rejection::Invalid(format!(
                "service {} is {}; wait until its tasks have stopped and create it again",
                spec.name,
                service.status.as_str()
            )));
        }
        let desired = service.spec.desired_count;
        service.spec = ServiceSpec { desired_count: desired, ..spec.clone() };
        let changed = service.primary().is_none_or(|d| *d.revision != revision);
        self.scale(id, spec.desired_count, turn);
        if changed {
            self.deploy(id, Arc::new(revision), None, turn);
        }
        turn.dirty_service(id);
        Ok(())
    }

    /// A desired count alone starts no deployment; in the middle of one, scale-out is spread over
    /// both revisions (ECS-SVC-10).
    fn scale(&mut self, id: ServiceId, desired: u32, turn: &mut Turn) {
        let Some(service) = self.services.get_mut(&id) else { return };
        let before = std::mem::replace(&mut service.spec.desired_count, desired);
        if before == desired {
            return;
        }
        let extra = desired.saturating_sub(before);
        if let Some(primary) = service.deployments.first_mut() {
            primary.desired = desired;
        }
        if let Some(older) = service.deployments.iter_mut().skip(1).find(|d| d.completed) {
            let share = u64::from(extra) * u64::from(older.desired) / u64::from(before.max(1));
            older.desired = older.desired.saturating_add(u32::try_from(share).unwrap_or(extra));
        }
        service.steady_since = None;
        service.rebalance = Rebalance::Idle;
        turn.dirty_service(id);
    }

    fn deploy_definition(
        &mut self,
        name: &ServiceName,
        task_definition: Option<&TaskDefinitionRef>,
        force: bool,
        turn: &mut Turn,
    ) -> Result<(), Rejection> {
        let (id, current) = self.current_revision(name)?;
        let definition = match task_definition {
            Some(reference) => self.resolve(reference)?,
            None => Arc::clone(&current.definition),
        };
        let revision = Revision { definition, ..(*current).clone() };
        if force || revision != *current {
            self.deploy(id, Arc::new(revision), None, turn);
        }
        Ok(())
    }

    fn deploy_changes(
        &mut self,
        name: &ServiceName,
        image: Option<&str>,
        environment: &BTreeMap<String, String>,
        turn: &mut Turn,
    ) -> Result<(), Rejection> {
        let (_, current) = self.current_revision(name)?;
        let mut definition = (*current.definition).clone();
        if let Some(image) = image {
            match definition.containers.iter_mut().find(|c| c.essential) {
                Some(container) => image.clone_into(&mut container.image),
                None => return Err(not_found("essential container", &definition.family)),
            }
        }
        for container in &mut definition.containers {
            for (key, value) in environment {
                container.environment.insert(key.clone(), value.clone());
            }
        }
        let revision = self.put_task_definition(&definition)?;
        let reference = TaskDefinitionRef { family: definition.family, revision: Some(revision) };
        self.deploy_definition(name, Some(&reference), true, turn)
    }

    fn rollback(
        &mut self,
        name: &ServiceName,
        revision: Option<u32>,
        turn: &mut Turn,
    ) -> Result<(), Rejection> {
        let (id, current) = self.current_revision(name)?;
        let number = match revision {
            Some(number) => number,
            None => {
                let service = self.services.get(&id);
                let other = |d: &&Deployment| {
                    d.completed && d.revision.definition.revision != current.definition.revision
                };
                let live = service.and_then(|s| s.deployments.iter().find(other));
                let past = || service.and_then(|s| s.past_deployments.iter().find(other));
                match live.or_else(past) {
                    Some(deployment) => deployment.revision.definition.revision,
                    None => {
                        return Err(Rejection::Invalid(format!(
                            "service {name} has no earlier completed deployment to go back to"
                        )));
                    }
                }
            }
        };
        let family = current.definition.family.clone();
        let reference = TaskDefinitionRef { family, revision: Some(number) };
        let definition = self.resolve(&reference)?;
        if definition.revision == current.definition.revision {
            return Err(Rejection::Invalid(format!(
                "service {name} runs {} already",
                definition.reference()
            )));
        }
        let target = Revision { definition, ..(*current).clone() };
        let reason = format!("ECS deployment rolling back to {}.", target.definition.reference());
        self.deploy(id, Arc::new(target), Some(reason), turn);
        Ok(())
    }

    fn stop_deployment(
        &mut self,
        name: &ServiceName,
        deployment: DeploymentId,
        turn: &mut Turn,
    ) -> Result<(), Rejection> {
        let id = self.service_id(name)?;
        let Some(service) = self.services.get_mut(&id) else { return Ok(()) };
        let earlier = service.deployments.iter().chain(&service.past_deployments);
        if !earlier.clone().any(|d| d.completed && d.id != deployment) {
            return Err(Rejection::Invalid(format!(
                "service {name} has no earlier completed deployment to go back to"
            )));
        }
        let under_way = |d: &&mut Deployment| {
            d.id == deployment && d.rollout == RolloutState::InProgress && !d.is_rollback
        };
        let Some(primary) = service.deployments.first_mut().filter(under_way) else {
            return Err(Rejection::Invalid(format!(
                "deployment {deployment} of service {name} is not under way any more"
            )));
        };
        primary.fail(turn.now, "ECS deployment stopped by user.");
        self.roll_back(id, "ECS deployment stopped by user", turn);
        Ok(())
    }

    fn current_revision(
        &self,
        name: &ServiceName,
    ) -> Result<(ServiceId, Arc<Revision>), Rejection> {
        let id = self.service_id(name)?;
        let service = self.services.get(&id).filter(|s| s.status == ServiceStatus::Active);
        match service.and_then(|s| s.primary()) {
            Some(primary) => Ok((id, Arc::clone(&primary.revision))),
            None => Err(Rejection::Invalid(format!("service {name} was not ACTIVE."))),
        }
    }

    fn delete_service(
        &mut self,
        name: &ServiceName,
        force: bool,
        turn: &mut Turn,
    ) -> Result<(), Rejection> {
        let id = self.service_id(name)?;
        let Some(service) = self.services.get_mut(&id) else { return Ok(()) };
        let scaled_up = service.spec.desired_count > 0 || !service.tasks.is_empty();
        if scaled_up && !force {
            return Err(Rejection::Invalid(format!(
                "The service cannot be stopped while it is scaled above 0. ({name} has desired count {}; scale it to 0 or delete it by force)",
                service.spec.desired_count
            )));
        }
        service.status = ServiceStatus::Draining;
        service.spec.desired_count = 0;
        service.steady_since = None;
        let primary = service.primary().map(|d| d.id);
        let tasks: Vec<_> = service.tasks.values().map(|t| t.id).collect();
        for task in tasks {
            let deployment = primary.map(|d| d.to_string()).unwrap_or_default();
            let stop = Stop {
                code: StopCode::ServiceSchedulerInitiated,
                reason: format!("Scaling activity initiated by (deployment {deployment})"),
                mode: StopMode::Drain,
                kill_by: None,
            };
            self.stop_task(task, stop, turn);
        }
        turn.dirty_service(id);
        Ok(())
    }
}

fn new_service(id: ServiceId, spec: ServiceSpec, turn: &Turn) -> Service {
    Service {
        id,
        spec,
        status: ServiceStatus::Active,
        deployments: Vec::new(),
        past_deployments: VecDeque::new(),
        tasks: TaskSet::default(),
        stopped_tasks: TaskSet::default(),
        events: VecDeque::new(),
        steady_since: None,
        said: BTreeMap::new(),
        rebalance: Rebalance::Idle,
        created_at: turn.now,
        deleted_at: None,
    }
}

pub(crate) fn not_found(kind: &'static str, name: &str) -> Rejection {
    Rejection::NotFound { kind, name: name.to_owned(), hint: String::new() }
}

/// What RegisterTaskDefinition refuses (ERR-ECS-10); the rim words the rest.
fn check_task_definition(definition: &TaskDefinition) -> Result<(), Rejection> {
    let TaskDefinition { family, cpu, memory_mib, containers, .. } = definition;
    if !is_fargate_size(*cpu, *memory_mib) {
        return Err(Rejection::Invalid(format!(
            "No Fargate configuration exists for given values: {cpu} CPU, {memory_mib} memory. (task definition {family})"
        )));
    }
    if !containers.iter().any(|c| c.essential) {
        return Err(Rejection::Invalid(format!(
            "task definition {family} has no essential container"
        )));
    }
    let known = |name: &str| containers.iter().any(|c| c.name == name);
    for container in containers {
        if let Some(missing) = container.depends_on.iter().find(|d| !known(&d.container)) {
            return Err(Rejection::Invalid(format!(
                "container {} of task definition {family} depends on {}, which does not exist",
                container.name, missing.container
            )));
        }
    }
    Ok(())
}

/// What CreateService and UpdateService refuse.
fn check_service(spec: &ServiceSpec) -> Result<(), Rejection> {
    let percents = spec.deployment;
    if percents.maximum_percent < 100 || percents.minimum_healthy_percent > percents.maximum_percent
    {
        return Err(Rejection::Invalid(format!(
            "service {}: minimumHealthyPercent {} and maximumPercent {} leave no room; maximumPercent must be at least 100 and not below minimumHealthyPercent",
            spec.name, percents.minimum_healthy_percent, percents.maximum_percent
        )));
    }
    if spec.load_balancers.len() > MAX_LOAD_BALANCERS {
        return Err(Rejection::Invalid(format!(
            "service {}: load balancers can have at most {MAX_LOAD_BALANCERS} items.",
            spec.name
        )));
    }
    let strategy = &spec.capacity;
    if strategy.len() > 1 && strategy.iter().all(|item| item.weight == 0) {
        return Err(Rejection::Invalid(format!(
            "service {}: a capacity provider strategy needs a weight above 0",
            spec.name
        )));
    }
    if strategy.iter().filter(|item| item.base > 0).count() > 1 {
        return Err(Rejection::Invalid(format!(
            "service {}: only one capacity provider may have a base",
            spec.name
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effect::Effect;
    use crate::input::Input;
    use crate::load_balancer::Action;
    use crate::platform::Identity;
    use crate::time::Time;

    /// A listener goes alone: the edge is told, the load balancer and its other listeners stay.
    #[test]
    fn a_listener_is_deleted_alone() {
        let identity = Identity { account: "000000000000".into(), region: "us-east-1".into() };
        let mut platform = Platform::new(identity, 1);
        let balancer = LoadBalancerSpec {
            name: "lb".into(),
            internet_facing: true,
            subnets: Vec::new(),
            security_groups: Vec::new(),
            idle_timeout_ms: 60_000,
            tags: BTreeMap::new(),
        };
        let listener = |port| {
            Command::PutListener(ListenerSpec {
                load_balancer: "lb".into(),
                port,
                host_port: 0,
                default_action: Action::FixedResponse {
                    status: 404,
                    content_type: "text/plain".into(),
                    body: String::new(),
                },
                rules: Vec::new(),
            })
        };
        let made = vec![Command::PutLoadBalancer(balancer), listener(80), listener(81)];
        assert_eq!(platform.step(Time(0), &Input::Commands(made)).result, Ok(()));
        let delete = Command::DeleteListener { load_balancer: "lb".into(), port: 80 };
        let outcome = platform.step(Time(1), &Input::Commands(vec![delete.clone()]));
        assert_eq!(outcome.result, Ok(()));
        assert!(matches!(outcome.effects[..], [Effect::RemoveListener { port: 80, .. }]));
        let left: Vec<u16> = platform.load_balancers["lb"].listeners.keys().copied().collect();
        assert_eq!(left, [81]);
        assert!(platform.step(Time(2), &Input::Commands(vec![delete])).result.is_err());
    }
}
