//! Rules of a listener: each operation writes the listener anew with its rules changed.

use std::collections::BTreeSet;

use neargate_core::Platform;
use neargate_core::input::Command;
use neargate_core::load_balancer::{ListenerSpec, Rule};
use serde_json::{Value, json};

use super::lookup::{self, Listener, RuleAt};
use super::{actions, conditions, errors, listed, page, tagging};
use crate::error::{self, AwsError};
use crate::{Answer, fields, note};

/// Rules of one load balancer, without the default ones (ALB-RULE-13).
const MAX_RULES: usize = 100;

/// A rule's description; `None` is the default rule.
fn view(platform: &Platform, listener: &Listener<'_>, rule: Option<&Rule>) -> Value {
    let spec = &listener.state.spec;
    let (priority, action) = match rule {
        Some(rule) => (rule.priority.to_string(), &rule.action),
        None => ("default".to_owned(), &spec.default_action),
    };
    let conditions = rule.map_or(&[][..], |r| &r.conditions);
    json!({
        "RuleArn": listener.rule_arn(platform, rule.map_or(0, |r| r.priority)),
        "Priority": priority,
        "Conditions": conditions.iter().map(conditions::write).collect::<Vec<_>>(),
        "Actions": [actions::write(platform, action)],
        "IsDefault": rule.is_none(),
    })
}

fn view_at(platform: &Platform, at: &RuleAt<'_>) -> Value {
    let rules = &at.listener.state.spec.rules;
    let rule = at.priority.and_then(|priority| rules.iter().find(|r| r.priority == priority));
    view(platform, &at.listener, rule)
}

fn views(platform: &Platform, arns: &[String]) -> Value {
    let found = arns.iter().filter_map(|arn| lookup::rule(platform, arn).ok());
    let views: Vec<Value> = found.map(|at| view_at(platform, &at)).collect();
    json!({ "Rules": views })
}

pub(super) fn describe(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let arns = fields::texts(input, "RuleArns");
    let mut rules: Vec<(String, Value)> = Vec::new();
    if arns.is_empty() {
        let Some(listener) = fields::text(input, "ListenerArn") else {
            return Err(errors::validation(
                "You must specify either listener rule ARNs or a listener ARN",
            ));
        };
        let listener = Listener::find(platform, listener)?;
        for rule in &listener.state.spec.rules {
            rules.push((format!("{:05}", rule.priority), view(platform, &listener, Some(rule))));
        }
        rules.push(("default".to_owned(), view(platform, &listener, None)));
    } else {
        for (index, arn) in arns.into_iter().enumerate() {
            let at = lookup::rule(platform, arn)?;
            rules.push((format!("{index:05}"), view_at(platform, &at)));
        }
    }
    let page = page(input, rules, |(key, _)| key.clone())?;
    let views = page.entries.into_iter().map(|(_, view)| view).collect();
    Ok(Answer::Now(listed("Rules", views, page.next)))
}

/// Rules as [`Listener::with_rules`] takes them, none of them moved.
fn unmoved(listener: &Listener<'_>) -> Vec<(Option<u32>, Rule)> {
    listener.state.spec.rules.iter().map(|r| (Some(r.priority), r.clone())).collect()
}

pub(super) fn create(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    no_transforms(input)?;
    let listener = fields::text(input, "ListenerArn").unwrap_or_default();
    let listener = Listener::find(platform, listener)?;
    let priority = priority(input)?;
    let mut rules = unmoved(&listener);
    if rules.iter().any(|(_, rule)| rule.priority == priority) {
        return Err(errors::priority_in_use(priority));
    }
    let all = listener.balancer.listeners.values().map(|l| l.spec.rules.len());
    if all.sum::<usize>() >= MAX_RULES {
        return Err(error::client(
            "TooManyRules",
            format!("A load balancer can have at most {MAX_RULES} rules"),
        ));
    }
    let conditions = conditions::read(fields::list(input, "Conditions"))?;
    let action = actions::read(platform, fields::list(input, "Actions"))?;
    rules.push((None, Rule { priority, conditions, action }));
    let (mut commands, arn) = listener.with_rules(platform, rules);
    let arn = arn.unwrap_or_default();
    commands.push(tagging::on_new(&arn, input));
    Answer::after(commands, move |platform| views(platform, &[arn]))
}

fn no_transforms(input: &Value) -> Result<(), AwsError> {
    match fields::list(input, "Transforms") {
        [] => Ok(()),
        _ => Err(errors::unsupported("Neargate does not support rule transforms")),
    }
}

/// ALB-RULE-1.
fn priority(input: &Value) -> Result<u32, AwsError> {
    let priority = fields::small(input, "Priority").unwrap_or_default();
    if (1..=50_000).contains(&priority) {
        return Ok(priority);
    }
    Err(errors::validation(format!("Priority '{priority}' must be between 1 and 50000")))
}

pub(super) fn modify(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    no_transforms(input)?;
    let arn = fields::text(input, "RuleArn").unwrap_or_default().to_owned();
    let RuleAt { listener, priority } = lookup::rule(platform, &arn)?;
    let action = match fields::list(input, "Actions") {
        [] => None,
        sent => Some(actions::read(platform, sent)?),
    };
    let conditions = match fields::list(input, "Conditions") {
        [] => None,
        sent => Some(conditions::read(sent)?),
    };
    let mut spec: ListenerSpec = (*listener.state.spec).clone();
    match priority.and_then(|p| spec.rules.iter_mut().find(|r| r.priority == p)) {
        None => {
            if conditions.is_some() {
                return Err(default_rule("be given conditions"));
            }
            spec.default_action = action.unwrap_or(spec.default_action);
        }
        Some(rule) => {
            if let Some(action) = action {
                rule.action = action;
            }
            if let Some(conditions) = conditions {
                rule.conditions = conditions;
            }
        }
    }
    Answer::after(vec![Command::PutListener(spec)], move |platform| views(platform, &[arn]))
}

fn default_rule(what: &str) -> AwsError {
    error::client("OperationNotPermitted", format!("Default rule cannot {what}"))
}

pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let arn = fields::text(input, "RuleArn").unwrap_or_default().to_owned();
    let RuleAt { listener, priority } = lookup::rule(platform, &arn)?;
    let Some(priority) = priority else { return Err(default_rule("be deleted")) };
    let mut rules = unmoved(&listener);
    rules.retain(|(_, rule)| rule.priority != priority);
    let (mut commands, _) = listener.with_rules(platform, rules);
    commands.push(note::forget(&arn));
    Answer::after(commands, |_| json!({}))
}

/// ALB-RULE-2: all in one step.
pub(super) fn set_priorities(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let mut arns = Vec::new();
    let mut moves = Vec::new();
    for entry in fields::list(input, "RulePriorities") {
        let arn = fields::text(entry, "RuleArn").unwrap_or_default();
        let RuleAt { listener, priority: before } = lookup::rule(platform, arn)?;
        let Some(before) = before else { return Err(default_rule("be given a priority")) };
        let to = priority(entry)?;
        if moves.iter().any(|(_, _, taken)| *taken == to) {
            return Err(errors::validation(format!("Priority '{to}' was provided multiple times")));
        }
        moves.push((listener.arn, before, to));
        arns.push(arn.to_owned());
    }
    let mut listeners: Vec<&str> = moves.iter().map(|(listener, ..)| listener.as_str()).collect();
    listeners.dedup();
    let [listener] = listeners.as_slice() else {
        return Err(errors::validation("The rules must belong to one listener"));
    };
    let listener = Listener::find(platform, listener)?;
    let mut rules = unmoved(&listener);
    for (before, rule) in &mut rules {
        let moved = moves.iter().find(|(_, from, _)| Some(*from) == *before);
        if let Some((_, _, to)) = moved {
            rule.priority = *to;
        }
    }
    let mut taken = BTreeSet::new();
    if let Some((_, twice)) = rules.iter().find(|(_, rule)| !taken.insert(rule.priority)) {
        return Err(errors::priority_in_use(twice.priority));
    }
    let (commands, _) = listener.with_rules(platform, rules);
    Answer::after(commands, move |platform| views(platform, &arns))
}
