//! The service scheduler's one decision: which tasks to start and which to stop now.
//!
//! [`plan_service`] is a pure function of what the service wants and how its tasks are. It covers
//! scaling, rolling deployments within the percents, replacement of unhealthy tasks and waiting
//! for protection, because they all spend the same two budgets: the lower bound of healthy tasks
//! and the upper bound of tasks at all (ECS-DEP-1, ECS-DEP-2). Whoever executes the plan makes no
//! choices of its own.
//!
//! Why the order of rules is what it is:
//! 1. Surplus goes first, because it frees room. An unhealthy task is no surplus while a
//!    replacement for it is still being judged (ECS-SVC-8, replace-first).
//! 2. Old revisions shrink as tasks of the new one turn healthy, so the healthy total stays at
//!    desired. Only when the new revision has no room to start are healthy tasks given up down to
//!    the lower bound (ECS-DEP-5).
//! 3. Starts use what room is left: the primary first, then lost tasks of older revisions, each by
//!    its own revision (ECS-SVC-10).

use crate::id::{DeploymentId, TaskId};
use crate::service::DeploymentConfiguration;

/// How a task counts in a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TaskState {
    /// Fails its checks, past its grace period.
    Unhealthy,
    /// Not RUNNING yet.
    Pending,
    /// RUNNING, its checks have not decided.
    Undecided,
    /// RUNNING without any check for less than 40 s: not counted healthy yet (ECS-SVC-14).
    Warming,
    /// Counts as healthy.
    Healthy,
    /// On its way out; only the upper bound still counts it (ECS-DEP-2).
    Stopping,
}

/// A task as a plan sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanTask<'a> {
    /// Which.
    pub id: TaskId,
    /// The deployment it belongs to.
    pub deployment: DeploymentId,
    /// How it counts.
    pub state: TaskState,
    /// Availability zone.
    pub zone: &'a str,
    /// Neither scale-in nor a deployment may stop it (ECS-PROT-3).
    pub protected: bool,
}

/// A deployment as a plan sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanDeployment {
    /// Which.
    pub id: DeploymentId,
    /// Tasks it should have: the service's desired count for the primary, what is left to it for
    /// an older one.
    pub desired: u32,
    /// It once completed; such a revision is given up last.
    pub completed: bool,
    /// Whether it may start tasks now (not failed, not throttled).
    pub may_start: bool,
}

/// All a plan depends on.
#[derive(Clone, Debug)]
pub struct PlanInput<'a> {
    /// Percents.
    pub configuration: DeploymentConfiguration,
    /// The service's desired count.
    pub desired: u32,
    /// Newest first; the first is the primary.
    pub deployments: &'a [PlanDeployment],
    /// Every task that is not STOPPED.
    pub tasks: &'a [PlanTask<'a>],
    /// One task above desired, to be judged before one in the fullest zone goes (ECS-SVC-6).
    pub rebalancing: bool,
}

/// Why a task is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StopCause {
    /// More tasks than wanted, or an old revision making way.
    Scheduler,
    /// It is unhealthy.
    Unhealthy,
}

/// What to do now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServicePlan {
    /// How many tasks to start, by deployment.
    pub start: Vec<(DeploymentId, u32)>,
    /// Which tasks to stop.
    pub stop: Vec<(TaskId, StopCause)>,
    /// What is left to each older deployment from now on.
    pub older_desired: Vec<(DeploymentId, u32)>,
    /// The percents forbid any move (ECS-DEP-4).
    pub blocked_by_percents: bool,
    /// So many protected tasks are in the way (ECS-PROT-3).
    pub blocked_by_protection: u32,
}

/// Decides. See the module's head for the rules.
#[must_use]
pub fn plan_service(input: &PlanInput<'_>) -> ServicePlan {
    let Some(primary) = input.deployments.first() else { return ServicePlan::default() };
    let mut planner = Planner::new(input);
    let target = primary.desired.saturating_add(u32::from(input.rebalancing));

    planner.trim(primary.id, target);
    planner.displace_older(primary);
    planner.start(primary, target);
    for older in &input.deployments[1..] {
        let left = planner.left_to(older.id);
        planner.start(older, left);
    }
    planner.finish(primary, target)
}

#[derive(Clone, Copy, Default)]
struct Count {
    unhealthy: u32,
    undecided: u32,
    warming: u32,
    healthy: u32,
}

impl Count {
    fn add(&mut self, state: TaskState) {
        match state {
            TaskState::Unhealthy => self.unhealthy += 1,
            TaskState::Pending | TaskState::Undecided => self.undecided += 1,
            TaskState::Warming => self.warming += 1,
            TaskState::Healthy => self.healthy += 1,
            TaskState::Stopping => {}
        }
    }

    fn active(self) -> u32 {
        self.unhealthy + self.undecided + self.warming + self.healthy
    }

    /// Tasks that serve or may yet.
    fn hopeful(self) -> u32 {
        self.active() - self.unhealthy
    }
}

struct Planner<'a> {
    input: &'a PlanInput<'a>,
    lower: u32,
    room: u32,
    stopping: u32,
    /// Tasks not chosen to stop.
    alive: Vec<&'a PlanTask<'a>>,
    /// Tasks of the whole service per zone, not counting those chosen to stop.
    zones: Vec<(&'a str, u32)>,
    plan: ServicePlan,
}

impl<'a> Planner<'a> {
    fn new(input: &'a PlanInput<'a>) -> Self {
        let mut alive = Vec::with_capacity(input.tasks.len());
        let mut zones: Vec<(&str, u32)> = Vec::new();
        let mut stopping = 0;
        for task in input.tasks {
            if task.state == TaskState::Stopping {
                stopping += 1;
            } else {
                alive.push(task);
                match zones.iter_mut().find(|(zone, _)| *zone == task.zone) {
                    Some((_, in_zone)) => *in_zone += 1,
                    None => zones.push((task.zone, 1)),
                }
            }
        }
        let occupied = u32::try_from(input.tasks.len()).unwrap_or(u32::MAX);
        // A maximum below 100 % never keeps a service under its desired count.
        let upper = input.configuration.upper_bound(input.desired).max(input.desired);
        Self {
            input,
            lower: input.configuration.lower_bound(input.desired),
            room: upper.saturating_sub(occupied),
            stopping,
            alive,
            zones,
            plan: ServicePlan::default(),
        }
    }

    fn count(&self, deployment: DeploymentId) -> Count {
        let mut count = Count::default();
        for task in self.alive.iter().filter(|t| t.deployment == deployment) {
            count.add(task.state);
        }
        count
    }

    fn healthy_total(&self) -> u32 {
        let healthy = self.alive.iter().filter(|t| t.state == TaskState::Healthy);
        u32::try_from(healthy.count()).unwrap_or(u32::MAX)
    }

    /// Rule 1: tasks of the deployment beyond its target.
    fn trim(&mut self, deployment: DeploymentId, target: u32) {
        let count = self.count(deployment);
        let surplus = count.active().saturating_sub(target);
        let awaiting_replacement = count.unhealthy.min(count.undecided);
        // Healthy ones go only while enough stay: an unhealthy task that is protected may be the
        // surplus, and then a healthy one must not go in its place.
        let spare = self.healthy_total().saturating_sub(self.lower.min(self.input.desired));
        self.stop_worst(deployment, surplus.saturating_sub(awaiting_replacement), spare);
    }

    /// Rule 2: what the older deployments keep.
    fn displace_older(&mut self, primary: &PlanDeployment) {
        let older = &self.input.deployments[1..];
        if older.is_empty() {
            return;
        }
        let ours = self.count(primary.id);
        let mut keep = self.input.desired.saturating_sub(ours.healthy);
        if primary.may_start {
            // Healthy tasks are given up only for room that the new revision has no other way to.
            let wanted = primary.desired.saturating_sub(ours.hopeful());
            let short = wanted.saturating_sub(self.room + self.stopping);
            let spare = self.healthy_total().saturating_sub(self.lower);
            // Unhealthy ones serve nobody: they never stand in the way of a revision that may.
            let useless: u32 = older.iter().map(|d| self.count(d.id).unhealthy).sum();
            keep = keep.saturating_sub(short.min(spare + useless));
        }
        // A revision that once completed is kept longest; of the others the newest goes first.
        let mut by_worth: Vec<&PlanDeployment> = older.iter().rev().collect();
        by_worth.sort_by_key(|d| !d.completed);
        let mut left_over = keep;
        for deployment in by_worth {
            let target = deployment.desired.min(left_over);
            left_over -= target;
            self.plan.older_desired.push((deployment.id, target));
            let spare = self.healthy_total().saturating_sub(self.lower);
            let count = self.count(deployment.id);
            let surplus = count.active().saturating_sub(target);
            let awaiting_replacement = count.unhealthy.min(count.undecided).min(target);
            self.stop_worst(deployment.id, surplus.saturating_sub(awaiting_replacement), spare);
        }
    }

    fn left_to(&self, deployment: DeploymentId) -> u32 {
        let left = self.plan.older_desired.iter().find(|(id, _)| *id == deployment);
        left.map_or(0, |(_, target)| *target)
    }

    /// Rule 3: fill the deployment up to its target within the room.
    fn start(&mut self, deployment: &PlanDeployment, target: u32) {
        if !deployment.may_start {
            return;
        }
        let count = self.count(deployment.id);
        let wanted = target.saturating_sub(count.hopeful());
        let starts = wanted.min(self.room);
        if starts > 0 {
            self.room -= starts;
            self.plan.start.push((deployment.id, starts));
        } else if wanted > 0 && count.unhealthy > 0 && self.stopping == 0 {
            // No room for replace-first: make some, one at a time (ECS-SVC-8).
            self.stop_worst(deployment.id, 1, 0);
        }
    }

    /// Stops `count` tasks of the deployment: unhealthy ones, then those not judged yet, then
    /// healthy ones from the fullest zone (ECS-SVC-4), of these at most `healthy_spare`.
    fn stop_worst(&mut self, deployment: DeploymentId, count: u32, mut healthy_spare: u32) {
        for _ in 0..count {
            let zones = &self.zones;
            let of_it = self.alive.iter().enumerate().filter(|(_, t)| t.deployment == deployment);
            let candidate = of_it
                .clone()
                .filter(|(_, t)| !t.protected)
                .filter(|(_, t)| t.state != TaskState::Healthy || healthy_spare > 0)
                .min_by_key(|(_, t)| {
                    let in_zone = zones.iter().find(|(zone, _)| *zone == t.zone).map(|z| z.1);
                    (t.state, std::cmp::Reverse(in_zone), t.zone, t.id)
                })
                .map(|(index, _)| index);
            let Some(index) = candidate else {
                let protected = of_it.filter(|(_, t)| t.protected).count();
                self.plan.blocked_by_protection += u32::try_from(protected).unwrap_or(u32::MAX);
                return;
            };
            let task = self.alive.remove(index);
            if let Some((_, in_zone)) = self.zones.iter_mut().find(|(zone, _)| *zone == task.zone) {
                *in_zone -= 1;
            }
            let cause = match task.state {
                TaskState::Unhealthy => StopCause::Unhealthy,
                TaskState::Healthy => {
                    healthy_spare = healthy_spare.saturating_sub(1);
                    StopCause::Scheduler
                }
                _ => StopCause::Scheduler,
            };
            self.stopping += 1;
            self.plan.stop.push((task.id, cause));
        }
    }

    fn finish(mut self, primary: &PlanDeployment, target: u32) -> ServicePlan {
        let count = self.count(primary.id);
        let nothing_moves = self.plan.start.is_empty()
            && self.plan.stop.is_empty()
            && self.stopping == 0
            && count.undecided + count.warming == 0;
        self.plan.blocked_by_percents = nothing_moves
            && primary.may_start
            && self.room == 0
            && count.hopeful() < target
            && self.plan.blocked_by_protection == 0;
        self.plan
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use TaskState::{Healthy, Pending, Stopping, Undecided, Unhealthy};

    const OLD: DeploymentId = DeploymentId(1);
    const NEW: DeploymentId = DeploymentId(2);

    /// `(desired, min, max)`, states of the old revision, states of the new one, then the counts
    /// of starts (old, new) and stops (old, new).
    fn decide(
        (desired, min, max): (u32, u32, u32),
        old: &[TaskState],
        new: &[TaskState],
    ) -> ((u32, u32), (u32, u32)) {
        let zones = ["a", "b", "c"];
        let mut tasks = Vec::new();
        for (deployment, states) in [(OLD, old), (NEW, new)] {
            for state in states {
                let id = TaskId(tasks.len() as u128);
                let zone = zones[tasks.len() % 3];
                tasks.push(PlanTask { id, deployment, state: *state, zone, protected: false });
            }
        }
        let older = PlanDeployment {
            id: OLD,
            desired: old.iter().filter(|s| **s != Stopping).count() as u32,
            completed: true,
            may_start: true,
        };
        let primary = PlanDeployment { id: NEW, desired, completed: false, may_start: true };
        let plan = plan_service(&PlanInput {
            configuration: DeploymentConfiguration {
                minimum_healthy_percent: min,
                maximum_percent: max,
                ..Default::default()
            },
            desired,
            deployments: &[primary, older],
            tasks: &tasks,
            rebalancing: false,
        });
        let started = |id| plan.start.iter().filter(|(d, _)| *d == id).map(|(_, n)| n).sum();
        let stopped = |id| {
            let of = |task: &TaskId| tasks.iter().any(|t| t.id == *task && t.deployment == id);
            plan.stop.iter().filter(|(task, _)| of(task)).count() as u32
        };
        ((started(OLD), started(NEW)), (stopped(OLD), stopped(NEW)))
    }

    /// ECS-DEP-3: d=4, max 200 starts four at once; min 50, max 100 stops two first.
    #[test]
    fn ecs_dep_3_worked_examples() {
        assert_eq!(decide((4, 100, 200), &[Healthy; 4], &[]), ((0, 4), (0, 0)));
        assert_eq!(decide((4, 50, 100), &[Healthy; 4], &[]), ((0, 0), (2, 0)));
        assert_eq!(decide((2, 75, 100), &[Healthy; 2], &[]), ((0, 0), (0, 0)));
        assert_eq!(decide((3, 100, 125), &[Healthy; 3], &[]), ((0, 0), (0, 0)));
    }

    /// ECS-DEP-5: one old task goes for each new one that turns healthy, and not earlier.
    #[test]
    fn ecs_dep_5_old_tasks_go_as_new_ones_turn_healthy() {
        assert_eq!(decide((2, 100, 200), &[Healthy; 2], &[Undecided; 2]), ((0, 0), (0, 0)));
        assert_eq!(decide((2, 100, 200), &[Healthy; 2], &[Healthy, Pending]), ((0, 0), (1, 0)));
        assert_eq!(decide((2, 100, 200), &[Healthy], &[Healthy, Healthy]), ((0, 0), (1, 0)));
    }

    /// ECS-DEP-2: stopping tasks still count against the upper bound.
    #[test]
    fn ecs_dep_2_stopping_tasks_take_room() {
        assert_eq!(
            decide((4, 50, 100), &[Healthy, Healthy, Stopping, Stopping], &[]),
            ((0, 0), (0, 0))
        );
        assert_eq!(decide((4, 50, 100), &[Healthy; 2], &[]), ((0, 2), (0, 0)));
    }

    /// ECS-SVC-8: the replacement comes first; once it is healthy the unhealthy one goes; when it
    /// is unhealthy too, one of the two goes; without room one unhealthy task makes some.
    #[test]
    fn ecs_svc_8_replace_first() {
        assert_eq!(decide((2, 100, 200), &[], &[Healthy, Unhealthy]), ((0, 1), (0, 0)));
        assert_eq!(decide((2, 100, 200), &[], &[Healthy, Unhealthy, Pending]), ((0, 0), (0, 0)));
        assert_eq!(decide((2, 100, 200), &[], &[Healthy, Unhealthy, Healthy]), ((0, 0), (0, 1)));
        assert_eq!(decide((2, 100, 200), &[], &[Healthy, Unhealthy, Unhealthy]).1, (0, 1));
        assert_eq!(decide((2, 50, 100), &[], &[Unhealthy, Unhealthy]), ((0, 0), (0, 1)));
        assert_eq!(decide((2, 50, 100), &[], &[Unhealthy, Stopping]), ((0, 0), (0, 0)));
    }

    /// ECS-SVC-10: during a rolling deployment a lost task is replaced by its own revision.
    #[test]
    fn ecs_svc_10_a_lost_old_task_is_replaced_by_its_own_revision() {
        let older = PlanDeployment { id: OLD, desired: 3, completed: true, may_start: true };
        let primary = PlanDeployment { id: NEW, desired: 3, completed: false, may_start: true };
        let task = |n, deployment, state| PlanTask {
            id: TaskId(n),
            deployment,
            state,
            zone: "a",
            protected: false,
        };
        let tasks = [
            task(1, OLD, Healthy),
            task(2, OLD, Healthy),
            task(3, NEW, Pending),
            task(4, NEW, Pending),
            task(5, NEW, Pending),
        ];
        let plan = plan_service(&PlanInput {
            configuration: DeploymentConfiguration::default(),
            desired: 3,
            deployments: &[primary, older],
            tasks: &tasks,
            rebalancing: false,
        });
        assert_eq!(plan.start, [(OLD, 1)]);
    }

    /// A failed revision whose tasks are all unhealthy must not block the next one for want of room.
    #[test]
    fn ecs_dep_5_unhealthy_old_tasks_make_room() {
        assert_eq!(decide((4, 50, 100), &[Unhealthy; 4], &[]), ((0, 0), (4, 0)));
        assert_eq!(decide((1, 100, 100), &[Unhealthy], &[]), ((0, 0), (1, 0)));
        let one_unhealthy = [Unhealthy, Healthy, Healthy, Healthy];
        assert_eq!(decide((4, 75, 100), &one_unhealthy, &[]), ((0, 0), (1, 0)));
    }

    /// ECS-DEP-4: one task with 100/100 cannot move.
    #[test]
    fn ecs_dep_4_one_task_at_100_100_is_blocked() {
        let older = PlanDeployment { id: OLD, desired: 1, completed: true, may_start: true };
        let primary = PlanDeployment { id: NEW, desired: 1, completed: false, may_start: true };
        let task = PlanTask {
            id: TaskId(1),
            deployment: OLD,
            state: Healthy,
            zone: "a",
            protected: false,
        };
        let configuration = DeploymentConfiguration { maximum_percent: 100, ..Default::default() };
        let plan = plan_service(&PlanInput {
            configuration,
            desired: 1,
            deployments: &[primary, older],
            tasks: &[task],
            rebalancing: false,
        });
        assert!(plan.blocked_by_percents);
        assert_eq!((plan.start.len(), plan.stop.len()), (0, 0));
    }

    /// ECS-SVC-4, ECS-PROT-3: scale-in takes from the fullest zone and never a protected task.
    #[test]
    fn ecs_svc_4_scale_in_takes_from_the_fullest_zone() {
        let task = |n, zone, protected| PlanTask {
            id: TaskId(n),
            deployment: NEW,
            state: Healthy,
            zone,
            protected,
        };
        let tasks =
            [task(1, "a", true), task(2, "a", false), task(3, "b", false), task(4, "a", true)];
        let primary = PlanDeployment { id: NEW, desired: 2, completed: true, may_start: true };
        let input = PlanInput {
            configuration: DeploymentConfiguration::default(),
            desired: 2,
            deployments: &[primary],
            tasks: &tasks,
            rebalancing: false,
        };
        let stops: Vec<_> = plan_service(&input).stop.into_iter().map(|(t, _)| t.0).collect();
        assert_eq!(stops, [2, 3]);
        let primary = PlanDeployment { desired: 1, ..primary };
        let plan =
            plan_service(&PlanInput { desired: 1, deployments: &[primary], ..input.clone() });
        assert_eq!(plan.stop.len(), 2);
        assert_eq!(plan.blocked_by_protection, 2);
        // A protected task that is unhealthy does not cost a healthy one its place (ECS-DEP-1).
        let unhealthy = PlanTask { state: Unhealthy, ..tasks[0] };
        let tasks = [unhealthy, tasks[1], tasks[2]];
        let primary = PlanDeployment { desired: 2, ..primary };
        let plan =
            plan_service(&PlanInput { tasks: &tasks, deployments: &[primary], ..input.clone() });
        assert_eq!((plan.stop.len(), plan.blocked_by_protection), (0, 1));
    }
}
