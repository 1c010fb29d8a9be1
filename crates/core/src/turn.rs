//! What one step gathers on its way: effects, what is left to look at, and what to tell.

use std::collections::{BTreeMap, BTreeSet};

use crate::effect::Effect;
use crate::event::{self, MAX_EVENTS, REPEAT_AFTER_MS, ServiceEvent};
use crate::id::{DeploymentId, ServiceId, TaskId};
use crate::platform::Platform;
use crate::time::Time;

/// The scratch space of one step.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    pub(crate) now: Time,
    pub(crate) effects: Vec<Effect>,
    pub(crate) dirty_services: BTreeSet<ServiceId>,
    pub(crate) dirty_tasks: BTreeSet<TaskId>,
    pub(crate) dirty_groups: BTreeSet<String>,
    pub(crate) dirty_names: BTreeSet<String>,
    pub(crate) dirty_network: bool,
    /// Load balancers may forward to other target groups, or from other addresses.
    pub(crate) stale_sources: bool,
    /// Tasks whose registration changed and is not published yet.
    pub(crate) unpublished_tasks: Vec<TaskId>,
    /// What happened to tasks of a service, told once per step as ECS does.
    news: BTreeMap<ServiceId, News>,
}

/// Counts that become one event each.
#[derive(Clone, Debug, Default)]
pub(crate) struct News {
    pub(crate) started: Vec<TaskId>,
    /// Of those started, how many replace unhealthy tasks.
    pub(crate) replaced: usize,
    pub(crate) registered: BTreeMap<String, u32>,
    pub(crate) draining: BTreeMap<DeploymentId, u32>,
    pub(crate) stopped_running: Vec<TaskId>,
    pub(crate) stopped_pending: usize,
    pub(crate) deregistered: BTreeMap<String, u32>,
    /// Single messages, after the counts.
    pub(crate) messages: Vec<String>,
}

impl Turn {
    pub(crate) fn new(now: Time) -> Self {
        Self {
            now,
            effects: Vec::new(),
            dirty_services: BTreeSet::new(),
            dirty_tasks: BTreeSet::new(),
            dirty_groups: BTreeSet::new(),
            dirty_names: BTreeSet::new(),
            dirty_network: false,
            stale_sources: false,
            unpublished_tasks: Vec::new(),
            news: BTreeMap::new(),
        }
    }

    pub(crate) fn dirty_service(&mut self, service: ServiceId) {
        self.dirty_services.insert(service);
    }

    pub(crate) fn dirty_task(&mut self, task: TaskId) {
        self.dirty_tasks.insert(task);
    }

    pub(crate) fn news(&mut self, service: ServiceId) -> &mut News {
        self.news.entry(service).or_default()
    }

    /// A message of its own.
    pub(crate) fn say(&mut self, service: ServiceId, message: String) {
        self.news(service).messages.push(message);
    }
}

impl Platform {
    /// A message about a condition that lasts: not repeated before it clears or six hours passed
    /// (ECS-EVT-16).
    pub(crate) fn say_once(&mut self, service: ServiceId, message: String, turn: &mut Turn) {
        let now = turn.now;
        let Some(state) = self.services.get_mut(&service) else { return };
        let due = state.said.get(&message).is_none_or(|at| now.since(*at) >= REPEAT_AFTER_MS);
        if due {
            state.said.insert(message.clone(), now);
            turn.say(service, message);
        }
    }

    /// Turns the step's news into service events.
    pub(crate) fn tell(&mut self, turn: &mut Turn) {
        for (id, news) in std::mem::take(&mut turn.news) {
            let Some(service) = self.services.get(&id) else { continue };
            let name = service.spec.name.service.clone();
            let mut messages = Vec::new();
            if !news.started.is_empty() {
                messages.push(if news.replaced > 0 {
                    event::started_replacements(&name, &news.started, news.replaced)
                } else {
                    event::started(&name, &news.started)
                });
            }
            for (group, count) in &news.registered {
                messages.push(event::registered(&name, *count, &self.target_group_arn(group)));
            }
            if !news.stopped_running.is_empty() {
                messages.push(event::stopped_running(&name, &news.stopped_running));
            }
            if news.stopped_pending > 0 {
                messages.push(event::stopped_pending(&name, news.stopped_pending));
            }
            for (deployment, count) in &news.draining {
                messages.push(event::draining(&name, *deployment, *count));
            }
            for (group, count) in &news.deregistered {
                messages.push(event::deregistered(&name, *count, &self.target_group_arn(group)));
            }
            messages.extend(news.messages);
            for message in messages {
                self.record_event(id, message, turn);
            }
        }
    }

    fn record_event(&mut self, id: ServiceId, message: String, turn: &mut Turn) {
        let event = ServiceEvent { id: self.rng.next_u128(), created_at: turn.now, message };
        let Some(service) = self.services.get_mut(&id) else { return };
        if service.events.len() == MAX_EVENTS {
            service.events.pop_front();
        }
        service.events.push_back(event.clone());
        turn.effects.push(Effect::Emit { service: id, event });
    }
}
