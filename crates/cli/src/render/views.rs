//! The tables of services, tasks and load balancers.

use neargate_engine::api::{PlatformView, ServiceView, TaskView};

use super::table::{Cell, render};
use super::{Colours, short_id};

/// The services with what a user wants first: do they run, and where are they reached.
pub(crate) fn services(services: &[ServiceView], colours: Colours) -> String {
    let clusters = distinct_clusters(services);
    let rows: Vec<Vec<Cell>> = services
        .iter()
        .map(|service| {
            vec![
                label(service, clusters).into(),
                service.revision.as_str().into(),
                service.desired.to_string().into(),
                service.running.to_string().into(),
                service.healthy.to_string().into(),
                state(service, colours),
                service.url.as_deref().unwrap_or("-").into(),
            ]
        })
        .collect();
    render(&["SERVICE", "REVISION", "DESIRED", "RUNNING", "HEALTHY", "STATE", "URL"], &rows)
}

/// `name`, or `cluster/name` when there are several clusters.
pub(crate) fn label(service: &ServiceView, clusters: usize) -> String {
    match clusters {
        0 | 1 => service.name.clone(),
        _ => format!("{}/{}", service.cluster, service.name),
    }
}

/// How many clusters the services belong to.
pub(crate) fn distinct_clusters(services: &[ServiceView]) -> usize {
    services.iter().map(|s| &s.cluster).collect::<std::collections::BTreeSet<_>>().len()
}

/// One word for a service.
fn state(service: &ServiceView, colours: Colours) -> Cell {
    let rollout = service.deployments.first().map(|d| d.rollout_state.as_str());
    match (service.status.as_str(), service.steady, rollout) {
        ("ACTIVE", true, _) => Cell::painted(colours.good("steady"), "steady"),
        ("ACTIVE", false, Some("FAILED")) => Cell::painted(colours.bad("failed"), "failed"),
        ("ACTIVE", false, Some("IN_PROGRESS")) => {
            Cell::painted(colours.busy("deploying"), "deploying")
        }
        ("ACTIVE", false, _) => Cell::painted(colours.busy("recovering"), "recovering"),
        (status, ..) => status.to_lowercase().into(),
    }
}

/// The tasks.
pub(crate) fn tasks(tasks: &[TaskView], colours: Colours) -> String {
    let rows: Vec<Vec<Cell>> = tasks
        .iter()
        .map(|task| {
            let health = match task.health.as_str() {
                "HEALTHY" => Cell::painted(colours.good("HEALTHY"), "HEALTHY"),
                "UNHEALTHY" => Cell::painted(colours.bad("UNHEALTHY"), "UNHEALTHY"),
                other => other.into(),
            };
            vec![
                short_id(&task.id).into(),
                if task.service.is_empty() { "-" } else { &task.service }.into(),
                task.revision.as_str().into(),
                task.zone.as_str().into(),
                task.address.as_str().into(),
                task.status.as_str().into(),
                health,
                task.capacity.as_str().into(),
                task.stopped_reason.as_deref().unwrap_or_default().into(),
            ]
        })
        .collect();
    let headline =
        ["TASK", "SERVICE", "REVISION", "ZONE", "ADDRESS", "STATUS", "HEALTH", "CAPACITY", ""];
    render(&headline, &rows)
}

/// The load balancers and what is wrong with their listeners.
pub(crate) fn load_balancers(view: &PlatformView, colours: Colours) -> String {
    let rows: Vec<Vec<Cell>> = view
        .load_balancers
        .iter()
        .flat_map(|balancer| {
            balancer.listeners.iter().map(move |listener| {
                let state = match (&listener.host_port, &listener.error) {
                    (Some(port), _) => format!("127.0.0.1:{port}").into(),
                    (None, Some(error)) => Cell::painted(colours.bad(error), error),
                    (None, None) => "binding".into(),
                };
                vec![balancer.name.as_str().into(), listener.port.to_string().into(), state]
            })
        })
        .collect();
    render(&["LOAD BALANCER", "PORT", "LISTENS ON"], &rows)
}

#[cfg(test)]
mod tests {
    use neargate_engine::api::{ListenerView, LoadBalancerView};

    use super::*;
    use crate::outcome::samples;

    #[test]
    fn services_show_state_and_url() {
        let mut view = samples::view(&["user", "worker"]);
        view.services[1].url = None;
        view.services[1].steady = false;
        view.services[1].running = 0;
        view.services[1].deployments[0].rollout_state = "FAILED".into();
        assert_eq!(
            services(&view.services, Colours(false)),
            "\
SERVICE  REVISION  DESIRED  RUNNING  HEALTHY  STATE   URL
user     user:1    2        2        2        steady  http://127.0.0.1:8080/user
worker   worker:1  2        0        2        failed  -
"
        );
        view.services[1].cluster = "other".into();
        assert!(services(&view.services, Colours(true)).contains("other/worker"));
    }

    #[test]
    fn tasks_and_listeners() {
        let mut task = samples::task("0123456789abcdef", "user");
        task.stopped_reason = Some("Task stopped by user".into());
        assert_eq!(
            tasks(&[task], Colours(false)),
            "\
TASK      SERVICE  REVISION  ZONE        ADDRESS    STATUS   HEALTH   CAPACITY
01234567  user     user:1    us-east-1a  127.9.1.4  RUNNING  HEALTHY  FARGATE   Task stopped by user
"
        );
        let mut view = samples::view(&[]);
        view.load_balancers = vec![LoadBalancerView {
            name: "main".into(),
            url: String::new(),
            listeners: vec![
                ListenerView { port: 80, host_port: Some(8080), error: None },
                ListenerView { port: 81, host_port: None, error: Some("port 81 is taken".into()) },
            ],
        }];
        assert_eq!(
            load_balancers(&view, Colours(false)),
            "\
LOAD BALANCER  PORT  LISTENS ON
main           80    127.0.0.1:8080
main           81    port 81 is taken
"
        );
    }
}
