//! From the platform to what the command line shows. Pure.

use neargate_core::Platform;
use neargate_core::alarm::Alarm;
use neargate_core::data_plane::{ListenerState, Target, TargetGroup};
use neargate_core::deployment::Deployment;
use neargate_core::input::{ContainerHealth, Exit};
use neargate_core::platform::{LoadBalancer, Service, ServiceStatus};
use neargate_core::rolling::TaskState;
use neargate_core::scaling::ScalableTarget;
use neargate_core::target_health::HealthReason;
use neargate_core::task::{ContainerStatus, Phase, Task};

use crate::api::{
    AlarmView, ContainerView, DeploymentView, EventView, ListenerView, LoadBalancerView,
    PlatformView, ScalingView, ServiceView, TargetGroupView, TargetView, TaskView,
};
use crate::{service_reason, service_url};

/// How many replaced deployments are shown.
const PAST_DEPLOYMENTS: usize = 5;

/// Everything a listing shows.
pub(crate) fn platform(platform: &Platform) -> PlatformView {
    // A deleted service is described by its events for a while, but is no part of the platform.
    let mut services: Vec<ServiceView> = platform
        .services()
        .filter(|s| s.status != ServiceStatus::Inactive)
        .map(|s| service(platform, s))
        .collect();
    services.sort_by(|a, b| (&a.cluster, &a.name).cmp(&(&b.cluster, &b.name)));
    let mut tasks: Vec<&Task> = platform.tasks().collect();
    tasks.sort_by_cached_key(|t| {
        (t.revision.cluster.clone(), t.revision.service.clone(), t.created_at, t.id)
    });
    PlatformView {
        now_ms: platform.now().0,
        services,
        tasks: tasks.into_iter().map(|t| task(platform, t)).collect(),
        load_balancers: platform.load_balancers().map(load_balancer).collect(),
        target_groups: platform.target_groups().map(target_group).collect(),
        scaling: platform.scalable_targets().map(scaling).collect(),
        alarms: platform.alarms().map(alarm).collect(),
        lost_zones: platform.lost_zones().map(str::to_owned).collect(),
    }
}

fn scaling(target: &ScalableTarget) -> ScalingView {
    let spec = &target.spec;
    ScalingView {
        service: spec.service.service.clone(),
        cluster: spec.service.cluster.clone(),
        min: spec.min,
        max: spec.max,
        policies: target.policies.keys().cloned().collect(),
        tags: spec.tags.clone(),
    }
}

fn alarm(alarm: &Alarm) -> AlarmView {
    AlarmView {
        name: alarm.spec.name.clone(),
        state: alarm.state.as_str().to_owned(),
        reason: alarm.reason.clone(),
        tags: alarm.spec.tags.clone(),
    }
}

/// Newest events of a service, oldest first; `Err` is one line that says what there is instead.
pub(crate) fn events(
    platform: &Platform,
    cluster: Option<&str>,
    name: &str,
) -> Result<Vec<EventView>, String> {
    let named = |s: &&Service| {
        s.spec.name.service == name && cluster.is_none_or(|c| c == s.spec.name.cluster)
    };
    let live: Vec<&Service> =
        platform.services().filter(named).filter(|s| s.status != ServiceStatus::Inactive).collect();
    let found = match live.as_slice() {
        [one] => one,
        // Of deleted ones the newest.
        [] => match platform.services().filter(named).last() {
            Some(service) => service,
            None => return Err(unknown_service(platform, cluster, name)),
        },
        several => {
            let names: Vec<String> = several.iter().map(|s| s.spec.name.to_string()).collect();
            return Err(format!("service `{name}` is ambiguous; write {}", names.join(" or ")));
        }
    };
    let event = |e: &neargate_core::event::ServiceEvent| EventView {
        id: format!("{:032x}", e.id),
        created_at_ms: e.created_at.0,
        message: e.message.clone(),
    };
    Ok(found.events.iter().map(event).collect())
}

fn unknown_service(platform: &Platform, cluster: Option<&str>, name: &str) -> String {
    let full = cluster.map_or(name.to_owned(), |cluster| format!("{cluster}/{name}"));
    let known: Vec<String> = platform
        .services()
        .filter(|s| s.status != ServiceStatus::Inactive)
        .map(|s| s.spec.name.to_string())
        .collect();
    match known.is_empty() {
        true => format!("service `{full}` does not exist; the platform has no services"),
        false => format!("service `{full}` does not exist; the platform has {}", known.join(", ")),
    }
}

fn service(platform: &Platform, service: &Service) -> ServiceView {
    let tasks: Vec<&Task> = service.tasks.iter().filter_map(|id| platform.task(*id)).collect();
    let healthy = |t: &&&Task| platform.task_state(t) == TaskState::Healthy;
    let steady = service_reason::is_steady(service);
    let live = service.deployments.iter().enumerate().map(|(index, d)| {
        let status = if index == 0 { "PRIMARY" } else { "ACTIVE" };
        deployment(d, status, &tasks)
    });
    let past = service.past_deployments.iter().take(PAST_DEPLOYMENTS);
    let past = past.map(|d| DeploymentView { desired: 0, ..deployment(d, "INACTIVE", &tasks) });
    ServiceView {
        name: service.spec.name.service.clone(),
        cluster: service.spec.name.cluster.clone(),
        status: service.status.as_str().to_owned(),
        desired: service.spec.desired_count,
        running: count(tasks.iter().filter(|t| is_running(t))),
        pending: count(tasks.iter().filter(|t| is_pending(t))),
        healthy: count(tasks.iter().filter(healthy)),
        revision: service.primary().map_or_else(
            || service.spec.task_definition.family.clone(),
            |d| d.revision.definition.reference(),
        ),
        url: service_url::of(platform, service),
        steady,
        reason: if steady { None } else { service_reason::why_not_steady(platform, service) },
        deployments: live.chain(past).collect(),
        tags: service.spec.tags.clone(),
    }
}

fn deployment(deployment: &Deployment, status: &str, tasks: &[&Task]) -> DeploymentView {
    let own = || tasks.iter().filter(|t| t.deployment == deployment.id);
    DeploymentView {
        id: deployment.id.to_string(),
        status: status.to_owned(),
        rollout_state: deployment.rollout.as_str().to_owned(),
        rollout_state_reason: deployment.reason.clone(),
        task_definition: deployment.revision.definition.reference(),
        desired: deployment.desired,
        running: count(own().filter(|t| is_running(t))),
        pending: count(own().filter(|t| is_pending(t))),
        failed_tasks: deployment.breaker.failed_tasks,
        created_at_ms: deployment.created_at.0,
        updated_at_ms: deployment.updated_at.0,
    }
}

fn is_running(task: &Task) -> bool {
    task.phase == Phase::Running
}

fn is_pending(task: &Task) -> bool {
    task.is_wanted() && task.phase < Phase::Running
}

fn count(tasks: impl Iterator) -> u32 {
    u32::try_from(tasks.count()).unwrap_or(u32::MAX)
}

fn task(platform: &Platform, task: &Task) -> TaskView {
    let wanted = if task.is_wanted() { "RUNNING" } else { "STOPPED" };
    let containers = task.definition().containers.iter().zip(&task.containers);
    TaskView {
        id: task.id.to_string(),
        service: task.service_name().unwrap_or_default().to_owned(),
        cluster: task.revision.cluster.clone(),
        zone: task.zone.to_string(),
        address: task.address.to_string(),
        status: task.phase.as_str().to_owned(),
        desired_status: wanted.to_owned(),
        health: task_health(platform, task).to_owned(),
        capacity: task.capacity.as_str().to_owned(),
        revision: task.definition().reference(),
        started_by: task.started_by().unwrap_or_default(),
        started_at_ms: task.started_at.map(|t| t.0),
        stopped_at_ms: task.stopped_at.map(|t| t.0),
        stop_code: task.stop.as_ref().map(|s| s.code.as_str().to_owned()),
        stopped_reason: task.stop.as_ref().map(|s| s.reason.clone()),
        containers: containers
            .map(|(definition, container)| ContainerView {
                name: definition.name.clone(),
                status: match container.status {
                    ContainerStatus::Pending | ContainerStatus::Starting => "PENDING",
                    ContainerStatus::Running => "RUNNING",
                    ContainerStatus::Stopped => "STOPPED",
                }
                .to_owned(),
                health: container_health(container.health).to_owned(),
                exit_code: container.exit.and_then(Exit::code),
                reason: container.reason.clone(),
                log: definition
                    .log
                    .as_ref()
                    .map(|log| (log.group.clone(), log.stream(&definition.name, task.id))),
            })
            .collect(),
    }
}

/// Whether the task counts as healthy: by its containers' checks and its targets.
fn task_health(platform: &Platform, task: &Task) -> &'static str {
    if task.phase != Phase::Running {
        return container_health(ContainerHealth::Unknown);
    }
    match platform.task_state(task) {
        TaskState::Healthy => "HEALTHY",
        TaskState::Unhealthy => "UNHEALTHY",
        // In the grace period a failing check decides nothing yet, but it is no secret.
        _ if task.container_health() == ContainerHealth::Unhealthy => "UNHEALTHY",
        _ => "UNKNOWN",
    }
}

fn container_health(health: ContainerHealth) -> &'static str {
    match health {
        ContainerHealth::Unknown => "UNKNOWN",
        ContainerHealth::Healthy => "HEALTHY",
        ContainerHealth::Unhealthy => "UNHEALTHY",
    }
}

fn load_balancer(balancer: &LoadBalancer) -> LoadBalancerView {
    let first = balancer.listeners.values().next();
    LoadBalancerView {
        name: balancer.spec.name.clone(),
        url: first
            .and_then(service_url::host_port)
            .map(|port| format!("http://127.0.0.1:{port}"))
            .unwrap_or_default(),
        listeners: balancer.listeners.values().map(listener).collect(),
    }
}

fn listener(listener: &ListenerState) -> ListenerView {
    let (host_port, error) = match &listener.bound {
        Some(Ok(port)) => (Some(*port), None),
        Some(Err(error)) => (None, Some(error.clone())),
        None => (None, None),
    };
    ListenerView { port: listener.spec.port, host_port, error }
}

fn target_group(group: &TargetGroup) -> TargetGroupView {
    TargetGroupView {
        name: group.spec.name.clone(),
        targets: group.targets.iter().map(target).collect(),
    }
}

fn target(target: &Target) -> TargetView {
    let reason = target.health.reason.as_ref();
    TargetView {
        address: target.address.to_string(),
        state: target.health.state.as_str().to_owned(),
        reason: reason.map(|r| r.code().to_owned()),
        description: reason.map(HealthReason::description),
    }
}

#[cfg(test)]
mod tests {
    use neargate_core::id::Generation;
    use neargate_core::input::{Command, Input, Observation};
    use neargate_core::load_balancer::{Condition, ListenerSpec, TargetAddress};
    use neargate_core::target_health::{TargetHealth, TargetState};
    use neargate_core::time::Time;

    use super::*;
    use crate::engine_tests::rig::identity;
    use crate::engine_tests::samples::{definition, name, system};

    /// A platform that is told what every task and target does.
    struct World {
        platform: Platform,
        now: Time,
    }

    impl World {
        fn with(commands: Vec<Command>) -> World {
            let mut world = World { platform: Platform::new(identity(), 3), now: Time(1_000) };
            world.take(commands);
            world
        }

        fn take(&mut self, commands: Vec<Command>) {
            let outcome = self.platform.step(self.now, &Input::Commands(commands));
            assert_eq!(outcome.result, Ok(()));
        }

        fn observe(&mut self, observation: Observation) {
            self.platform.step(self.now, &Input::Observed(observation));
        }

        fn bind(&mut self, result: Result<u16, String>) {
            let load_balancer = "lb".to_owned();
            self.observe(Observation::ListenerBound { load_balancer, port: 80, result });
        }

        /// Everything that is asked for happens.
        fn settle(&mut self) {
            for _ in 0..10 {
                self.now = self.now.plus(10);
                let tasks: Vec<_> = self.platform.tasks().map(|t| (t.id, t.address)).collect();
                for (task, ip) in tasks {
                    let container = "web".to_owned();
                    self.observe(Observation::NetworkAttached { task });
                    self.observe(Observation::ImagesPulled { task });
                    self.observe(Observation::ContainerStarted { task, container });
                    let generation = Generation(u64::MAX);
                    self.observe(Observation::DataPlaneApplied { generation });
                    self.observe(Observation::TargetHealthChanged {
                        target_group: "auth-tg".into(),
                        target: TargetAddress { ip, port: 80 },
                        health: TargetHealth { state: TargetState::Healthy, reason: None },
                    });
                }
            }
        }

        fn service(&self) -> ServiceView {
            platform(&self.platform).services.remove(0)
        }
    }

    #[test]
    fn a_steady_service_counts_and_says_where_it_answers() {
        let mut world = World::with(system("auth", 2));
        let fresh = world.service();
        assert_eq!((fresh.desired, fresh.running, fresh.pending, fresh.healthy), (2, 0, 2, 0));
        assert!(!fresh.steady && fresh.url.is_none(), "not bound yet");
        world.bind(Ok(8080));
        world.settle();
        let service = world.service();
        assert_eq!((service.running, service.pending, service.healthy), (2, 0, 2));
        assert!(service.steady);
        assert_eq!(service.reason, None);
        assert_eq!(service.revision, "auth:1");
        assert_eq!(service.url.as_deref(), Some("http://127.0.0.1:8080/test/auth/"));
        let deployment = &service.deployments[0];
        assert_eq!((deployment.status.as_str(), deployment.running), ("PRIMARY", 2));
        assert_eq!(deployment.rollout_state, "COMPLETED");
        assert_eq!(deployment.created_at_ms, 1_000);
        let view = platform(&world.platform);
        assert!(view.tasks.iter().all(|t| t.health == "HEALTHY" && t.status == "RUNNING"));
        assert_eq!(view.load_balancers[0].url, "http://127.0.0.1:8080");
        assert_eq!(view.target_groups[0].targets.len(), 2);
    }

    #[test]
    fn urls_match_their_rules_and_hosts_are_named() {
        let mut world = World::with(system("auth", 1));
        world.bind(Ok(8080));
        let balancer = world.platform.load_balancers().next().expect("there");
        let original: ListenerSpec = (*balancer.listeners[&80].spec).clone();
        let path = |text: &str| Condition::PathPattern(vec![text.to_owned(), "/other".to_owned()]);
        let host = Condition::HostHeader(vec!["*.example.com".to_owned()]);
        for (conditions, url) in [
            (vec![path("/a/*/b")], "http://127.0.0.1:8080/a/1/b"),
            (vec![path("/v?/x")], "http://127.0.0.1:8080/v1/x"),
            (vec![path("/exact")], "http://127.0.0.1:8080/exact"),
            (vec![path("*")], "http://127.0.0.1:8080/"),
            (vec![host.clone()], "http://*.example.com:8080/"),
            (vec![host, path("/p/*")], "http://*.example.com:8080/p/"),
        ] {
            let mut spec = original.clone();
            spec.rules[0].conditions = conditions;
            world.take(vec![Command::PutListener(spec)]);
            assert_eq!(world.service().url.as_deref(), Some(url));
        }
    }

    #[test]
    fn the_reason_is_the_newest_meaningful_problem() {
        let mut world = World::with(system("auth", 1));
        let task = world.platform.tasks().next().expect("a task").id;
        let reason = "CannotPullContainerError: no such image".to_owned();
        world.observe(Observation::TaskFailed { task, reason });
        let said = world.service().reason.expect("a reason");
        assert_eq!(said, format!("task {task}: CannotPullContainerError: no such image"));
        world.bind(Err("port 8080 is taken by nginx (process 7)".into()));
        let said = world.service().reason.expect("a reason");
        assert_eq!(said, "listener lb:80: port 8080 is taken by nginx (process 7)");
        assert_eq!(world.service().url, None);
    }

    #[test]
    fn replaced_deployments_are_shown_as_inactive() {
        let mut world = World::with(system("auth", 1));
        world.bind(Ok(8080));
        world.settle();
        let mut next = definition("auth");
        next.cpu = 512;
        next.memory_mib = 1024;
        let service = name("auth");
        let task_definition = Some(neargate_core::service::TaskDefinitionRef {
            family: "auth".into(),
            revision: None,
        });
        world.take(vec![
            Command::PutTaskDefinition(Box::new(next)),
            Command::Deploy { service, task_definition, force: false },
        ]);
        world.settle();
        let statuses = |service: &ServiceView| -> Vec<String> {
            service.deployments.iter().map(|d| d.status.clone()).collect()
        };
        let during = world.service();
        assert_eq!(statuses(&during), ["PRIMARY", "ACTIVE"]);
        assert_eq!(during.revision, "auth:2");
        let leaving: Vec<_> =
            world.platform.tasks().filter(|t| !t.is_wanted()).map(|t| t.id).collect();
        for task in leaving {
            world.now = world.now.plus(600_000);
            world.platform.step(world.now, &Input::Tick);
            let exit = Exit::Code(0);
            world.observe(Observation::ContainerExited { task, container: "web".into(), exit });
            world.observe(Observation::TaskReleased { task });
        }
        let after = world.service();
        assert_eq!(statuses(&after), ["PRIMARY", "INACTIVE"]);
        assert_eq!(after.deployments[1].desired, 0);
        assert!(after.steady);
        assert!(platform(&world.platform).tasks.iter().any(|t| t.status == "STOPPED"));
    }

    #[test]
    fn events_are_found_by_name_also_of_deleted_services() {
        let mut world = World::with(system("auth", 0));
        let told = events(&world.platform, None, "auth").expect("there");
        assert!(told.last().is_some_and(|e| e.message.contains("steady state")), "{told:?}");
        world.take(vec![Command::DeleteService { service: name("auth"), force: true }]);
        world.settle();
        assert!(platform(&world.platform).services.is_empty());
        assert!(events(&world.platform, Some("main"), "auth").is_ok());
        let why = events(&world.platform, Some("other"), "auth").expect_err("not there");
        assert_eq!(why, "service `other/auth` does not exist; the platform has no services");
    }
}
