//! Listeners. They speak HTTP, also those that are told to speak HTTPS.

use neargate_core::Platform;
use neargate_core::input::Command;
use neargate_core::load_balancer::ListenerSpec;
use serde_json::{Value, json};

use super::lookup::{self, Listener, load_balancer_arn};
use super::{actions, certificates, errors, listed, page, tagging};
use crate::error::{self, AwsError};
use crate::{Answer, fields, note};

/// Listeners of one load balancer (ALB-RULE-13).
const MAX_LISTENERS: usize = 50;
/// Lowest port that any user may listen on.
const FIRST_FREE_PORT: u16 = 1024;

fn view(platform: &Platform, listener: &Listener<'_>) -> Value {
    let spec = &listener.state.spec;
    let mut view = json!({
        "ListenerArn": listener.arn,
        "LoadBalancerArn": load_balancer_arn(platform, listener.balancer),
        "Port": spec.port,
        "DefaultActions": [actions::write(platform, &spec.default_action)],
    });
    certificates::show(&mut view, &listener.said);
    view
}

fn views(platform: &Platform, arn: &str) -> Value {
    let found = Listener::find(platform, arn).ok();
    let views: Vec<Value> = found.iter().map(|l| view(platform, l)).collect();
    json!({ "Listeners": views })
}

pub(super) fn describe(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let arns = fields::texts(input, "ListenerArns");
    let listeners: Vec<Listener<'_>> = match fields::text(input, "LoadBalancerArn") {
        Some(arn) => Listener::all(platform, lookup::load_balancer(platform, arn)?),
        None if arns.is_empty() => {
            return Err(errors::validation(
                "You must specify either listener ARNs or a load balancer ARN",
            ));
        }
        None => {
            arns.into_iter().map(|arn| Listener::find(platform, arn)).collect::<Result<_, _>>()?
        }
    };
    let mut views: Vec<(String, Value)> =
        listeners.iter().map(|l| (l.arn.clone(), view(platform, l))).collect();
    views.sort_by(|a, b| a.0.cmp(&b.0));
    let page = page(input, views, |(arn, _)| arn.clone())?;
    let views = page.entries.into_iter().map(|(_, view)| view).collect();
    Ok(Answer::Now(listed("Listeners", views, page.next)))
}

fn port_taken(platform: &Platform, listener: &Listener<'_>) -> AwsError {
    let arn = load_balancer_arn(platform, listener.balancer);
    error::client(
        "DuplicateListener",
        format!("A listener already exists on this port for this load balancer '{arn}'"),
    )
}

/// The same port on this machine where that is possible, else one that the machine chooses.
fn host_port(platform: &Platform, port: u16) -> u16 {
    let mut listeners = platform.load_balancers().flat_map(|b| b.listeners.values());
    let taken = listeners.any(|l| {
        l.spec.host_port == port || l.chosen_port == Some(port) || l.bound == Some(Ok(port))
    });
    if port < FIRST_FREE_PORT || taken { 0 } else { port }
}

pub(super) fn create(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let mut said = tagging::of_new(input);
    certificates::read(&mut said, input)?;
    let balancer = fields::text(input, "LoadBalancerArn").unwrap_or_default();
    let balancer = lookup::load_balancer(platform, balancer)?;
    let Some(port) = fields::port(input, "Port").filter(|port| *port > 0) else {
        return Err(errors::validation("A listener port must be specified"));
    };
    let all = Listener::all(platform, balancer);
    if let Some(taken) = all.iter().find(|l| l.state.spec.port == port) {
        return Err(port_taken(platform, taken));
    }
    if all.len() >= MAX_LISTENERS {
        let message = format!("A load balancer can have at most {MAX_LISTENERS} listeners");
        return Err(error::client("TooManyListeners", message));
    }
    let spec = ListenerSpec {
        load_balancer: balancer.spec.name.clone(),
        port,
        host_port: host_port(platform, port),
        default_action: actions::read(platform, fields::list(input, "DefaultActions"))?,
        rules: Vec::new(),
    };
    let (placed, id) = Listener::placed(platform, balancer, None, port);
    let owner = (balancer.spec.name.as_str(), balancer.arn_id);
    let arn = crate::arn::listener(platform.identity(), owner, id);
    let commands = vec![Command::PutListener(spec), placed, note::write(&arn, &said)];
    Answer::after(commands, move |platform| views(platform, &arn))
}

pub(super) fn modify(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let arn = fields::text(input, "ListenerArn").unwrap_or_default().to_owned();
    let listener = Listener::find(platform, &arn)?;
    let mut said = listener.said.clone();
    certificates::read(&mut said, input)?;
    let mut spec: ListenerSpec = (*listener.state.spec).clone();
    if fields::sent(input, "DefaultActions") {
        spec.default_action = actions::read(platform, fields::list(input, "DefaultActions"))?;
    }
    let mut commands = Vec::new();
    let old = spec.port;
    if let Some(port) = fields::port(input, "Port").filter(|port| *port != old && *port > 0) {
        let all = Listener::all(platform, listener.balancer);
        if let Some(taken) = all.iter().find(|l| l.state.spec.port == port) {
            return Err(port_taken(platform, taken));
        }
        spec.port = port;
        spec.host_port = host_port(platform, port);
        let load_balancer = spec.load_balancer.clone();
        commands.push(Command::DeleteListener { load_balancer, port: old });
        commands.push(Listener::placed(platform, listener.balancer, Some(listener.id), port).0);
    }
    commands.push(Command::PutListener(spec));
    if said != listener.said {
        commands.push(note::write(&arn, &said));
    }
    Answer::after(commands, move |platform| views(platform, &arn))
}

pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let arn = fields::text(input, "ListenerArn").unwrap_or_default();
    let listener = Listener::find(platform, arn)?;
    let commands = vec![
        Command::DeleteListener {
            load_balancer: listener.balancer.spec.name.clone(),
            port: listener.state.spec.port,
        },
        note::forget(arn),
    ];
    let rules = listener.state.spec.rules.iter();
    let notes = rules.map(|r| note::forget(&listener.rule_arn(platform, r.priority)));
    Answer::after(commands.into_iter().chain(notes).collect(), |_| json!({}))
}
