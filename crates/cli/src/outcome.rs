//! Whether what was asked for has been reached: a pure decision over what the platform shows.

use std::collections::BTreeMap;
use std::time::Duration;

use neargate_core::service::ServiceName;
use neargate_engine::api::{DeploymentView, PlatformView, ServiceView, TaskView};

/// How many stopped tasks explain a failure.
const STOPPED_TASKS_SHOWN: usize = 3;

/// What a command waits for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Goal {
    /// The services, each with the deployment it must reach steady state on.
    pub(crate) services: BTreeMap<ServiceName, Expected>,
    /// Listeners that must be bound: load balancer and port.
    pub(crate) listeners: Vec<(String, u16)>,
}

/// The deployment a service is to be on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Expected {
    /// `ecs-svc/<n>` that was PRIMARY once the commands had been accepted.
    pub(crate) deployment: Option<String>,
    /// Tasks wanted, where the command was about that.
    pub(crate) desired: Option<u32>,
}

/// The answer for all services together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Every service is steady, every listener bound.
    Steady,
    /// Not yet.
    Waiting,
    /// At least one will not get there; one reason per service or listener.
    Failed(Vec<Reason>),
}

/// Why something failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reason {
    /// Service or listener.
    pub(crate) subject: String,
    /// First line: what; further lines: details.
    pub(crate) lines: Vec<String>,
}

/// One service's state.
#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Steady,
    Waiting,
    /// It failed, but its rollback is still under way.
    RollingBack,
    Failed(String),
}

/// How long a port may be taken: a load balancer that has just gone may still hold it, and what the
/// platform shows may be from before its next attempt.
const LISTENER_PATIENCE: Duration = Duration::from_secs(4);

/// Whether the goal is reached, after so long a wait (real time). While one service still rolls
/// back the answer waits for it, so that a command that has failed leaves nothing in motion.
pub(crate) fn judge(view: &PlatformView, goal: &Goal, waited: Duration) -> Verdict {
    let mut reasons = Vec::new();
    let mut waiting = false;
    let mut rolling_back = false;
    for (name, expected) in &goal.services {
        let Some(service) = find(view, name) else {
            let lines = vec!["it is gone: somebody deleted it meanwhile".to_owned()];
            reasons.push(Reason { subject: name.to_string(), lines });
            continue;
        };
        match state(service, expected) {
            State::Steady => {}
            State::Waiting => waiting = true,
            State::RollingBack => rolling_back = true,
            State::Failed(what) => {
                let mut lines = vec![what];
                lines.extend(explain(view, service, expected.deployment.as_deref()));
                reasons.push(Reason { subject: name.to_string(), lines });
            }
        }
    }
    for (load_balancer, port) in &goal.listeners {
        let listener = view
            .load_balancers
            .iter()
            .find(|l| l.name == *load_balancer)
            .and_then(|l| l.listeners.iter().find(|l| l.port == *port));
        match listener {
            Some(listener) if listener.host_port.is_some() => {}
            Some(listener) if waited >= LISTENER_PATIENCE && listener.error.is_some() => {
                let subject = format!("{load_balancer} port {port}");
                reasons.push(Reason { subject, lines: listener.error.iter().cloned().collect() });
            }
            _ => waiting = true,
        }
    }
    match (reasons.is_empty(), rolling_back, waiting) {
        (_, true, _) => Verdict::Waiting,
        (false, ..) => Verdict::Failed(reasons),
        (true, _, true) => Verdict::Waiting,
        (true, _, false) => Verdict::Steady,
    }
}

/// Reasons for every service that is not steady, for a wait that ran out of time.
pub(crate) fn unfinished(view: &PlatformView, goal: &Goal) -> Vec<Reason> {
    let mut reasons = Vec::new();
    for (name, expected) in &goal.services {
        let Some(service) = find(view, name) else { continue };
        if state(service, expected) == State::Steady {
            continue;
        }
        let mut lines = vec![format!(
            "{} of {} running, {} healthy",
            service.running, service.desired, service.healthy
        )];
        lines.extend(service.reason.clone());
        lines.extend(explain(view, service, expected.deployment.as_deref()));
        reasons.push(Reason { subject: name.to_string(), lines });
    }
    for (load_balancer, port) in &goal.listeners {
        let bound = view
            .load_balancers
            .iter()
            .filter(|l| l.name == *load_balancer)
            .flat_map(|l| &l.listeners)
            .any(|l| l.port == *port && l.host_port.is_some());
        if !bound {
            let lines = vec!["it is not bound yet".to_owned()];
            reasons.push(Reason { subject: format!("{load_balancer} port {port}"), lines });
        }
    }
    reasons
}

/// The service of that name.
pub(crate) fn find<'a>(view: &'a PlatformView, name: &ServiceName) -> Option<&'a ServiceView> {
    view.services.iter().find(|s| s.cluster == name.cluster && s.name == name.service)
}

/// The deployment that is PRIMARY.
pub(crate) fn primary(service: &ServiceView) -> Option<&DeploymentView> {
    service.deployments.iter().find(|d| d.status == "PRIMARY")
}

fn state(service: &ServiceView, expected: &Expected) -> State {
    let Some(primary) = primary(service) else { return State::Waiting };
    let wanted = expected.deployment.as_deref().unwrap_or(&primary.id);
    if primary.id == wanted {
        return match primary.rollout_state.as_str() {
            "FAILED" => State::Failed(primary.rollout_state_reason.clone()),
            _ if expected.desired.is_some_and(|desired| desired != service.desired) => {
                State::Waiting
            }
            _ if service.steady => State::Steady,
            _ => State::Waiting,
        };
    }
    // Another deployment has taken over: the breaker's rollback, or somebody else's.
    let ours = service.deployments.iter().find(|d| d.id == wanted);
    let rolled_back = match ours {
        Some(ours) => ours.rollout_state == "FAILED",
        // Ours is gone already; what replaced it says why it exists.
        None => primary.rollout_state_reason.to_ascii_lowercase().contains("roll"),
    };
    if !rolled_back {
        return State::Failed(format!(
            "deployment {wanted} was superseded by {} ({})",
            primary.id, primary.task_definition
        ));
    }
    if primary.rollout_state == "IN_PROGRESS" {
        return State::RollingBack;
    }
    let reason = ours.map(|ours| format!(": {}", ours.rollout_state_reason)).unwrap_or_default();
    State::Failed(format!(
        "deployment {wanted} failed and was rolled back to {}{reason}",
        primary.task_definition
    ))
}

/// Details behind a failure: how many tasks failed, what the last ones said when they stopped,
/// and what the load balancer has against those that run.
pub(crate) fn explain(
    view: &PlatformView,
    service: &ServiceView,
    deployment: Option<&str>,
) -> Vec<String> {
    let of_deployment = |task: &&TaskView| {
        task.service == service.name
            && task.cluster == service.cluster
            && deployment.is_none_or(|id| task.started_by == id)
    };
    let mut lines = Vec::new();
    let failed = service.deployments.iter().find(|d| Some(d.id.as_str()) == deployment);
    if let Some(failed) = failed.filter(|d| d.failed_tasks > 0) {
        lines.push(format!("{} tasks in a row failed", failed.failed_tasks));
    }
    let mut stopped: Vec<&TaskView> = view
        .tasks
        .iter()
        .filter(of_deployment)
        // A task stopped for scaling or by the rollback says nothing about what went wrong.
        .filter(|t| t.status == "STOPPED" && !is_orderly(t))
        .collect();
    stopped.sort_by_key(|t| std::cmp::Reverse(t.stopped_at_ms));
    // Most often all of them stopped for the same reason.
    let mut reasons: Vec<(String, Vec<&str>)> = Vec::new();
    for task in stopped.into_iter().take(STOPPED_TASKS_SHOWN) {
        let reason = stop_reason(task);
        match reasons.iter_mut().find(|(other, _)| *other == reason) {
            Some((_, tasks)) => tasks.push(&task.id),
            None => reasons.push((reason, vec![&task.id])),
        }
    }
    lines.extend(reasons.into_iter().map(|(reason, tasks)| {
        let noun = if tasks.len() == 1 { "task" } else { "tasks" };
        format!("{noun} {} stopped: {reason}", tasks.join(", "))
    }));
    for task in view.tasks.iter().filter(of_deployment).filter(|t| t.status == "RUNNING") {
        let prefix = format!("{}:", task.address);
        let unhealthy = view
            .target_groups
            .iter()
            .flat_map(|group| group.targets.iter().map(move |target| (group, target)))
            .find(|(_, target)| target.address.starts_with(&prefix) && target.state == "unhealthy");
        if let Some((group, target)) = unhealthy {
            let why = target.description.as_deref().or(target.reason.as_deref()).unwrap_or("");
            lines.push(format!(
                "task {} ({}) is unhealthy in {}: {why}",
                task.id, target.address, group.name
            ));
            break;
        }
    }
    lines
}

fn is_orderly(task: &TaskView) -> bool {
    task.stopped_reason.as_deref().is_some_and(|r| r.starts_with("Scaling activity initiated"))
}

/// `<reason> (container web: exit code 3)`.
fn stop_reason(task: &TaskView) -> String {
    let containers: Vec<String> = task
        .containers
        .iter()
        .filter(|c| c.reason.is_some() || c.exit_code.is_some_and(|code| code != 0))
        .map(|c| {
            let exit = c.exit_code.map(|code| format!("exit code {code}"));
            let words: Vec<String> = [exit, c.reason.clone()].into_iter().flatten().collect();
            format!("container {}: {}", c.name, words.join(", "))
        })
        .collect();
    let reason = task.stopped_reason.as_deref().unwrap_or("no reason given");
    let detail = match containers.is_empty() {
        true => String::new(),
        false => format!(" ({})", containers.join("; ")),
    };
    format!("{reason}{detail}")
}

#[cfg(test)]
pub(crate) mod samples {
    //! Views for tests.

    use super::*;

    /// A steady service of two tasks per name, in cluster `main`.
    pub(crate) fn view(names: &[&str]) -> PlatformView {
        PlatformView {
            services: names.iter().map(|name| service(name)).collect(),
            ..PlatformView::default()
        }
    }

    pub(crate) fn service(name: &str) -> ServiceView {
        ServiceView {
            name: name.to_owned(),
            cluster: "main".to_owned(),
            status: "ACTIVE".to_owned(),
            desired: 2,
            running: 2,
            pending: 0,
            healthy: 2,
            revision: format!("{name}:1"),
            url: Some(format!("http://127.0.0.1:8080/{name}")),
            steady: true,
            reason: None,
            deployments: vec![deployment("ecs-svc/1", "PRIMARY", "COMPLETED")],
            tags: BTreeMap::new(),
        }
    }

    pub(crate) fn deployment(id: &str, status: &str, rollout_state: &str) -> DeploymentView {
        DeploymentView {
            id: id.to_owned(),
            status: status.to_owned(),
            rollout_state: rollout_state.to_owned(),
            rollout_state_reason: format!("reason of {id}"),
            task_definition: format!("family:{}", id.trim_start_matches("ecs-svc/")),
            desired: 2,
            running: 2,
            pending: 0,
            failed_tasks: 0,
            created_at_ms: 0,
            updated_at_ms: 0,
        }
    }

    pub(crate) fn task(id: &str, service: &str) -> TaskView {
        TaskView {
            id: id.to_owned(),
            service: service.to_owned(),
            cluster: "main".to_owned(),
            zone: "us-east-1a".to_owned(),
            address: "127.9.1.4".to_owned(),
            status: "RUNNING".to_owned(),
            desired_status: "RUNNING".to_owned(),
            health: "HEALTHY".to_owned(),
            capacity: "FARGATE".to_owned(),
            revision: format!("{service}:1"),
            started_by: "ecs-svc/1".to_owned(),
            started_at_ms: Some(1_000),
            stopped_at_ms: None,
            stop_code: None,
            stopped_reason: None,
            containers: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use neargate_engine::api::{
        ContainerView, ListenerView, LoadBalancerView, TargetGroupView, TargetView,
    };

    use super::samples::{deployment, service, task, view};
    use super::*;

    fn judge(view: &PlatformView, goal: &Goal) -> Verdict {
        super::judge(view, goal, Duration::ZERO)
    }

    fn goal(names: &[&str], deployment: &str) -> Goal {
        let expected = Expected { deployment: Some(deployment.to_owned()), desired: None };
        let key = |name: &&str| ServiceName { cluster: "main".into(), service: (*name).into() };
        Goal {
            services: names.iter().map(|name| (key(name), expected.clone())).collect(),
            listeners: Vec::new(),
        }
    }

    #[test]
    fn steady_only_when_all_are() {
        let goal = goal(&["a", "b"], "ecs-svc/1");
        let mut view = view(&["a", "b", "not-ours"]);
        view.services[2].steady = false;
        assert_eq!(judge(&view, &goal), Verdict::Steady);
        view.services[1].steady = false;
        assert_eq!(judge(&view, &goal), Verdict::Waiting);
        assert_eq!(unfinished(&view, &goal).len(), 1);
    }

    #[test]
    fn scaling_waits_for_its_own_count() {
        let mut goal = goal(&["a"], "ecs-svc/1");
        for expected in goal.services.values_mut() {
            expected.desired = Some(3);
        }
        let mut view = view(&["a"]);
        assert_eq!(judge(&view, &goal), Verdict::Waiting);
        view.services[0].desired = 3;
        assert_eq!(judge(&view, &goal), Verdict::Steady);
    }

    /// ECS-CB: without an earlier revision the deployment stays PRIMARY and FAILED.
    #[test]
    fn a_failed_primary_fails_with_details() {
        let mut view = view(&["a"]);
        view.services[0].steady = false;
        view.services[0].deployments = vec![DeploymentView {
            failed_tasks: 3,
            ..deployment("ecs-svc/1", "PRIMARY", "FAILED")
        }];
        view.tasks = vec![
            TaskView {
                status: "STOPPED".into(),
                stopped_reason: Some("Essential container in task exited".into()),
                containers: vec![ContainerView {
                    name: "web".into(),
                    status: "STOPPED".into(),
                    health: "UNKNOWN".into(),
                    exit_code: Some(3),
                    reason: None,
                    log: None,
                }],
                ..task("t1", "a")
            },
            TaskView {
                status: "STOPPED".into(),
                stopped_reason: Some("Scaling activity initiated by (deployment x)".into()),
                ..task("t2", "a")
            },
            task("t3", "a"),
        ];
        view.target_groups = vec![TargetGroupView {
            name: "tg".into(),
            targets: vec![TargetView {
                address: "127.9.1.4:80".into(),
                state: "unhealthy".into(),
                reason: Some("Target.Timeout".into()),
                description: Some("Request timed out".into()),
            }],
        }];
        let Verdict::Failed(reasons) = judge(&view, &goal(&["a"], "ecs-svc/1")) else {
            panic!("not failed")
        };
        assert_eq!(reasons.len(), 1);
        assert_eq!(
            reasons[0].lines,
            [
                "reason of ecs-svc/1",
                "3 tasks in a row failed",
                "task t1 stopped: Essential container in task exited (container web: exit code 3)",
                "task t3 (127.9.1.4:80) is unhealthy in tg: Request timed out",
            ]
        );
    }

    /// ECS-CB: the rollback is a new PRIMARY; the command ends once that one has settled.
    #[test]
    fn a_rollback_is_waited_for_and_then_reported() {
        let goal = goal(&["a"], "ecs-svc/2");
        let mut view = view(&["a"]);
        let failed = deployment("ecs-svc/2", "ACTIVE", "FAILED");
        view.services[0].deployments =
            vec![deployment("ecs-svc/3", "PRIMARY", "IN_PROGRESS"), failed.clone()];
        assert_eq!(judge(&view, &goal), Verdict::Waiting);
        view.services[0].deployments =
            vec![deployment("ecs-svc/3", "PRIMARY", "COMPLETED"), failed];
        let Verdict::Failed(reasons) = judge(&view, &goal) else { panic!("not failed") };
        let expected = "deployment ecs-svc/2 failed and was rolled back to family:3: \
                        reason of ecs-svc/2";
        assert_eq!(reasons[0].lines, [expected]);
        // The failed one has been removed before we looked.
        let mut rolled = deployment("ecs-svc/3", "PRIMARY", "COMPLETED");
        rolled.rollout_state_reason =
            "ECS deployment circuit breaker: rolling back to deploymentId ecs-svc/1.".into();
        view.services[0].deployments = vec![rolled];
        let Verdict::Failed(reasons) = judge(&view, &goal) else { panic!("not failed") };
        assert!(reasons[0].lines[0].contains("rolled back"), "{reasons:?}");
    }

    #[test]
    fn somebody_elses_deployment_and_a_deleted_service_fail() {
        let goal = goal(&["a", "gone"], "ecs-svc/2");
        let mut view = view(&["a"]);
        view.services = vec![ServiceView {
            deployments: vec![
                deployment("ecs-svc/9", "PRIMARY", "IN_PROGRESS"),
                deployment("ecs-svc/2", "ACTIVE", "IN_PROGRESS"),
            ],
            ..service("a")
        }];
        let Verdict::Failed(reasons) = judge(&view, &goal) else { panic!("not failed") };
        assert!(reasons[0].lines[0].contains("superseded by ecs-svc/9"), "{reasons:?}");
        assert!(reasons[1].lines[0].contains("gone"), "{reasons:?}");
    }

    #[test]
    fn listeners_must_be_bound_and_say_why_not() {
        let mut view = view(&["a"]);
        let goal = Goal { listeners: vec![("lb".into(), 80)], ..goal(&["a"], "ecs-svc/1") };
        assert_eq!(judge(&view, &goal), Verdict::Waiting);
        view.load_balancers = vec![LoadBalancerView {
            name: "lb".into(),
            url: "http://127.0.0.1:8080".into(),
            listeners: vec![ListenerView {
                port: 80,
                host_port: None,
                error: Some("taken".into()),
            }],
        }];
        assert_eq!(judge(&view, &goal), Verdict::Waiting, "whoever holds it may be leaving");
        let Verdict::Failed(reasons) = super::judge(&view, &goal, LISTENER_PATIENCE) else {
            panic!("not failed")
        };
        assert_eq!(reasons[0].subject, "lb port 80");
        assert_eq!(reasons[0].lines, ["taken"]);
        view.load_balancers[0].listeners[0] =
            ListenerView { port: 80, host_port: Some(8080), error: None };
        assert_eq!(judge(&view, &goal), Verdict::Steady);
    }
}
