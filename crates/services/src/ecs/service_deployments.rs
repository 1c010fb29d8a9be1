//! Service deployments and service revisions: ListServiceDeployments, DescribeServiceDeployments,
//! StopServiceDeployment, DescribeServiceRevisions.
//!
//! What ECS calls one service deployment are two deployments here once it is rolled back: the one
//! that failed, and the one that goes back from it.

use std::sync::Arc;

use neargate_core::Platform;
use neargate_core::circuit_breaker;
use neargate_core::deployment::{Deployment, Revision, RolloutState};
use neargate_core::input::Command;
use neargate_core::platform::Service;
use neargate_core::task::Task;
use serde_json::{Value, json};

use super::service_view::{
    self, deployment_configuration, is_pending, is_running, launch, load_balancers_view,
};
use super::{PLATFORM_VERSION, cluster, described_service, errors, missing, page, service_name};
use crate::error::{self, AwsError};
use crate::{Answer, arn, fields, names, note};

/// A deployment with what came after it: the one that goes back from it, or the one that took its
/// place.
struct Seen<'a> {
    deployment: &'a Deployment,
    rollback: Option<&'a Deployment>,
    superseded: bool,
    /// What ran before.
    source: Option<&'a Deployment>,
}

/// The service deployments of a service, newest first.
fn all(service: &Service) -> Vec<Seen<'_>> {
    let mut known: Vec<&Deployment> =
        service.deployments.iter().chain(&service.past_deployments).collect();
    // Deployments leave the list in the order in which their tasks are gone.
    known.sort_by_key(|d| (std::cmp::Reverse(d.created_at), !d.is_rollback));
    let mut seen = Vec::new();
    let mut rollback = None;
    let mut newer = false;
    for (index, deployment) in known.iter().enumerate() {
        if deployment.is_rollback {
            rollback = Some((*deployment, newer));
            continue;
        }
        let (rollback, superseded) = match rollback.take() {
            Some((rollback, superseded)) => (Some(rollback), superseded),
            None => (None, newer),
        };
        let source = known[index + 1..].iter().find(|d| d.completed).copied();
        seen.push(Seen { deployment, rollback, superseded, source });
        newer = true;
    }
    seen
}

impl Seen<'_> {
    fn status(&self) -> &'static str {
        if let Some(rollback) = self.rollback {
            return match rollback.rollout {
                _ if rollback.completed => "ROLLBACK_SUCCESSFUL",
                RolloutState::InProgress if !self.superseded => "ROLLBACK_IN_PROGRESS",
                _ => "ROLLBACK_FAILED",
            };
        }
        match self.deployment.rollout {
            _ if self.deployment.completed => "SUCCESSFUL",
            RolloutState::InProgress if !self.superseded => "IN_PROGRESS",
            _ => "STOPPED",
        }
    }

    fn reason(&self) -> Option<&str> {
        let by_breaker = self.deployment.reason.contains("circuit breaker");
        match self.rollback {
            Some(_) if by_breaker => Some(
                "Service deployment rolled back because the circuit breaker threshold was exceeded.",
            ),
            Some(_) => Some("Service deployment rolled back because of a user request."),
            None if self.deployment.rollout == RolloutState::Failed => {
                Some(&self.deployment.reason)
            }
            None => None,
        }
    }

    fn arn(&self, platform: &Platform, service: &Service) -> String {
        deployment_arn(platform, service, self.deployment)
    }

    /// The members of the short form.
    fn brief(&self, platform: &Platform, service: &Service) -> Value {
        let identity = platform.identity();
        let name = &service.spec.name;
        let mut view = json!({
            "serviceDeploymentArn": self.arn(platform, service),
            "serviceArn": arn::service(identity, &name.cluster, &name.service),
            "clusterArn": arn::cluster(identity, &name.cluster),
            "createdAt": fields::time(self.deployment.created_at),
            "startedAt": fields::time(self.deployment.created_at),
            "targetServiceRevisionArn":
                revision_arn(platform, &self.deployment.revision),
            "status": self.status(),
        });
        let ended = self.rollback.map_or(self.deployment.finished_at, |r| r.finished_at);
        fields::set(&mut view, "finishedAt", ended.map(fields::time));
        fields::set(&mut view, "statusReason", self.reason());
        view
    }

    fn view(&self, platform: &Platform, service: &Service) -> Value {
        let mut view = self.brief(platform, service);
        if let Some(view) = view.as_object_mut() {
            view.remove("targetServiceRevisionArn");
        }
        let name = &service.spec.name;
        let said =
            note::read(platform, &arn::service(platform.identity(), &name.cluster, &name.service));
        view["updatedAt"] = fields::time(self.rollback.unwrap_or(self.deployment).updated_at);
        view["deploymentConfiguration"] = deployment_configuration(service, &said);
        view["targetServiceRevision"] = summary(platform, service, self.deployment);
        let source = self.source.map(|source| summary(platform, service, source));
        view["sourceServiceRevisions"] = json!(source.into_iter().collect::<Vec<_>>());
        if self.status() == "STOPPED" {
            view["stoppedAt"] = fields::time(self.deployment.updated_at);
        }
        if let Some(rollback) = self.rollback {
            view["rollback"] = json!({
                "reason": self.reason(),
                "startedAt": fields::time(rollback.created_at),
                "serviceRevisionArn": revision_arn(platform, &rollback.revision),
            });
        }
        let breaker = &self.deployment.breaker;
        let desired = service.spec.desired_count;
        let status = match service.spec.deployment.circuit_breaker {
            false => "DISABLED",
            true if breaker.is_tripped(desired) => "TRIGGERED",
            true if self.deployment.rollout == RolloutState::InProgress => "MONITORING",
            true => "MONITORING_COMPLETE",
        };
        view["deploymentCircuitBreaker"] = json!({
            "status": status,
            "failureCount": breaker.failed_tasks,
            "threshold": circuit_breaker::threshold(desired),
        });
        view
    }
}

/// `<cluster>/<service>/<21 letters and digits>`.
fn deployment_arn(platform: &Platform, service: &Service, deployment: &Deployment) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut id = String::new();
    for part in 0..3_u8 {
        let mut bits = arn::derived(&[&deployment.id.0.to_le_bytes(), &[part]]);
        for _ in 0..7 {
            id.push(char::from(LETTERS[(bits & 63) as usize]));
            bits >>= 6;
        }
    }
    let name = &service.spec.name;
    let path =
        format_args!("service-deployment/{}/{}/{id}", name.cluster, name.service).to_string();
    arn::of(platform.identity(), "ecs", path)
}

/// `<cluster>/<service>/<19 digits>`. Made from what the revision says, so that going back to it
/// shows the same one.
fn revision_arn(platform: &Platform, revision: &Revision) -> String {
    let said = serde_json::to_vec(revision).unwrap_or_default();
    let number = arn::derived(&[&said]) % 9_000_000_000_000_000_000 + 1_000_000_000_000_000_000;
    let Revision { cluster, service, .. } = revision;
    arn::of(
        platform.identity(),
        "ecs",
        format_args!("service-revision/{cluster}/{service}/{number}"),
    )
}

fn summary(platform: &Platform, service: &Service, deployment: &Deployment) -> Value {
    let own = || service.tasks.values().filter(|t: &&Task| t.revision == deployment.revision);
    let requested: u32 = service
        .deployments
        .iter()
        .filter(|d| d.revision == deployment.revision)
        .map(|d| d.desired)
        .sum();
    json!({
        "arn": revision_arn(platform, &deployment.revision),
        "requestedTaskCount": requested,
        "runningTaskCount": own().filter(|t| is_running(t)).count(),
        "pendingTaskCount": own().filter(|t| is_pending(t)).count(),
    })
}

/// The service that an ARN of one of its deployments or revisions names.
fn owner<'a>(platform: &'a Platform, arn: &str, kind: &str) -> Option<&'a Service> {
    let (service, _) = arn::resource(arn, "ecs", kind)?.rsplit_once('/')?;
    let (cluster, service) = service.split_once('/')?;
    described_service(platform, &service_name(cluster, service))
}

pub(super) fn list(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let cluster = cluster(platform, input)?;
    let name = service_name(cluster, fields::text(input, "service").unwrap_or_default());
    let service = described_service(platform, &name).ok_or_else(errors::service_not_found)?;
    let statuses = fields::texts(input, "status");
    let created = input.get("createdAt").unwrap_or(&Value::Null);
    let bound = |member: &str| created.get(member).and_then(Value::as_f64);
    let (after, before) = (bound("after"), bound("before"));
    let shown: Vec<Value> = all(service)
        .iter()
        .map(|seen| seen.brief(platform, service))
        .filter(|view| {
            let at = view["createdAt"].as_f64().unwrap_or_default();
            let status = view["status"].as_str().unwrap_or_default();
            (statuses.is_empty() || statuses.contains(&status))
                && after.is_none_or(|after| at >= after)
                && before.is_none_or(|before| at <= before)
        })
        .collect();
    // Newest first; the key says when, and which of two in one moment.
    let key = |view: &Value| {
        let at = (view["createdAt"].as_f64().unwrap_or_default() * 1000.0) as u64;
        format!("{at:020} {}", view["serviceDeploymentArn"].as_str().unwrap_or_default())
    };
    let mut shown = shown;
    shown.sort_by_cached_key(|view| std::cmp::Reverse(key(view)));
    let page = page(input, shown, key, true, 20)?;
    let mut answer = json!({ "serviceDeployments": page.entries });
    fields::set(&mut answer, "nextToken", page.next);
    Ok(Answer::Now(answer))
}

pub(super) fn describe(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (mut shown, mut failures) = (Vec::new(), Vec::new());
    for asked in asked(input, "serviceDeploymentArns")? {
        let found = owner(platform, asked, "service-deployment").and_then(|service| {
            let all = all(service);
            let seen = all.iter().find(|seen| seen.arn(platform, service) == asked);
            seen.map(|seen| seen.view(platform, service))
        });
        match found {
            Some(view) => shown.push(view),
            None => failures.push(missing(asked.to_owned())),
        }
    }
    Ok(Answer::Now(json!({ "serviceDeployments": shown, "failures": failures })))
}

fn asked<'a>(input: &'a Value, member: &str) -> Result<Vec<&'a str>, AwsError> {
    let asked = fields::texts(input, member);
    if asked.is_empty() || asked.len() > 20 {
        return Err(errors::invalid_parameter(format!("{member} must have 1 to 20 elements.")));
    }
    Ok(asked)
}

pub(super) fn stop(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let arn = fields::text(input, "serviceDeploymentArn").unwrap_or_default();
    let not_found = || {
        error::client(
            "ServiceDeploymentNotFoundException",
            format!("The service deployment {arn} was not found."),
        )
    };
    let service = owner(platform, arn, "service-deployment").ok_or_else(not_found)?;
    let known = all(service);
    let seen = known.iter().find(|s| s.arn(platform, service) == arn).ok_or_else(not_found)?;
    if fields::text(input, "stopType").is_some_and(|kind| kind != "ROLLBACK") {
        return Err(errors::invalid_parameter(
            "A service deployment is stopped by rolling back: stopType must be ROLLBACK.",
        ));
    }
    if seen.status() != "IN_PROGRESS" {
        return Err(error::client(
            "ConflictException",
            format!("The service deployment {arn} is {} and cannot be stopped.", seen.status()),
        ));
    }
    if seen.source.is_none() {
        return Err(errors::invalid_parameter(
            "The service has no earlier completed service deployment to roll back to.",
        ));
    }
    let (service, deployment) = (service.spec.name.clone(), seen.deployment.id);
    let answer = json!({ "serviceDeploymentArn": arn });
    Answer::after(vec![Command::StopDeployment { service, deployment }], move |_| answer)
}

pub(super) fn describe_revisions(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (mut shown, mut failures) = (Vec::new(), Vec::new());
    for asked in asked(input, "serviceRevisionArns")? {
        let found = owner(platform, asked, "service-revision").and_then(|service| {
            let known = service.deployments.iter().chain(&service.past_deployments);
            let own = known.filter(|d| revision_arn(platform, &d.revision) == asked);
            // It is as old as its first deployment.
            let first = own.min_by_key(|d| d.created_at)?;
            Some(revision_view(platform, service, asked, first))
        });
        match found {
            Some(view) => shown.push(view),
            None => failures.push(missing(asked.to_owned())),
        }
    }
    Ok(Answer::Now(json!({ "serviceRevisions": shown, "failures": failures })))
}

fn revision_view(platform: &Platform, service: &Service, arn: &str, first: &Deployment) -> Value {
    let identity = platform.identity();
    let revision: &Arc<Revision> = &first.revision;
    let definition = &revision.definition;
    let service_arn = arn::service(identity, &revision.cluster, &revision.service);
    let said = note::read(platform, &service_arn);
    let images: Vec<Value> = definition
        .containers
        .iter()
        .map(|c| json!({ "containerName": c.name, "image": c.image }))
        .collect();
    let mut view = json!({
        "serviceRevisionArn": arn,
        "serviceArn": service_arn,
        "clusterArn": arn::cluster(identity, &revision.cluster),
        "taskDefinition": service_view::reference(platform, revision),
        "platformVersion": PLATFORM_VERSION,
        "platformFamily": "Linux",
        "loadBalancers": load_balancers_view(platform, &revision.load_balancers),
        "serviceRegistries": [],
        "networkConfiguration": service_view::network(
            &revision.subnets,
            &revision.security_groups,
            revision.public_ip,
        ),
        "containerImages": images,
        "guardDutyEnabled": false,
        "createdAt": fields::time(first.created_at),
    });
    launch(&mut view, &service.spec.capacity);
    if let Some(registry) = &revision.registry {
        let arn = names::discovery_arn(identity, &registry.dns_name);
        let mut entry = json!({ "registryArn": arn });
        fields::set(&mut entry, "port", registry.port);
        view["serviceRegistries"] = json!([entry]);
    }
    let connect = said.get("serviceConnectConfiguration").cloned();
    fields::set(&mut view, "serviceConnectConfiguration", connect);
    view
}
