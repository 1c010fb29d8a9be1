//! The target health state machine (ALB-HC-4 to ALB-HC-8), shared by the edge and the simulator.

use serde::{Deserialize, Serialize};

use crate::load_balancer::TargetHealthCheck;

/// A target's health as DescribeTargetHealth shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetHealth {
    /// The state.
    pub state: TargetState,
    /// Why, in every state but healthy (ALB-HC-8).
    pub reason: Option<HealthReason>,
}

/// ALB-HC-4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TargetState {
    /// Registered, not judged yet.
    Initial,
    /// Passes its checks.
    Healthy,
    /// Fails its checks.
    Unhealthy,
    /// No listener uses the group.
    Unused,
    /// Deregistering.
    Draining,
}

/// ALB-HC-7.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HealthReason {
    /// `Elb.RegistrationInProgress`
    RegistrationInProgress,
    /// `Elb.InitialHealthChecking`
    InitialHealthChecking,
    /// `Target.ResponseCodeMismatch`, with the code that came.
    ResponseCodeMismatch(u16),
    /// `Target.Timeout`
    Timeout,
    /// `Target.FailedHealthChecks`: refused, reset or unreadable.
    FailedHealthChecks,
    /// `Target.NotRegistered`
    NotRegistered,
    /// `Target.NotInUse`
    NotInUse,
    /// `Target.DeregistrationInProgress`
    DeregistrationInProgress,
}

impl TargetState {
    /// As DescribeTargetHealth spells it (ALB-HC-4).
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            TargetState::Initial => "initial",
            TargetState::Healthy => "healthy",
            TargetState::Unhealthy => "unhealthy",
            TargetState::Unused => "unused",
            TargetState::Draining => "draining",
        }
    }
}

impl HealthReason {
    /// The reason code, e.g. `Target.Timeout` (ALB-HC-7).
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            HealthReason::RegistrationInProgress => "Elb.RegistrationInProgress",
            HealthReason::InitialHealthChecking => "Elb.InitialHealthChecking",
            HealthReason::ResponseCodeMismatch(_) => "Target.ResponseCodeMismatch",
            HealthReason::Timeout => "Target.Timeout",
            HealthReason::FailedHealthChecks => "Target.FailedHealthChecks",
            HealthReason::NotRegistered => "Target.NotRegistered",
            HealthReason::NotInUse => "Target.NotInUse",
            HealthReason::DeregistrationInProgress => "Target.DeregistrationInProgress",
        }
    }

    /// The description that goes with the code, e.g. `Request timed out` (ALB-HC-7).
    #[must_use]
    pub fn description(&self) -> String {
        match self {
            HealthReason::RegistrationInProgress => "Target registration is in progress".to_owned(),
            HealthReason::InitialHealthChecking => "Initial health checks in progress".to_owned(),
            HealthReason::ResponseCodeMismatch(code) => {
                format!("Health checks failed with these codes: [{code}]")
            }
            HealthReason::Timeout => "Request timed out".to_owned(),
            HealthReason::FailedHealthChecks => "Health checks failed".to_owned(),
            HealthReason::NotRegistered => {
                "Target is not registered to the target group".to_owned()
            }
            HealthReason::NotInUse => {
                "Target group is not configured to receive traffic from the load balancer"
                    .to_owned()
            }
            HealthReason::DeregistrationInProgress => {
                "Target deregistration is in progress".to_owned()
            }
        }
    }
}

/// What one probe found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ProbeOutcome {
    /// An answer whose code the matcher accepts.
    Passed,
    /// An answer with a code the matcher does not accept.
    WrongCode(u16),
    /// No complete answer within the timeout.
    TimedOut,
    /// Refused, reset, or not HTTP.
    Failed,
}

impl ProbeOutcome {
    fn reason(self) -> Option<HealthReason> {
        match self {
            ProbeOutcome::Passed => None,
            ProbeOutcome::WrongCode(code) => Some(HealthReason::ResponseCodeMismatch(code)),
            ProbeOutcome::TimedOut => Some(HealthReason::Timeout),
            ProbeOutcome::Failed => Some(HealthReason::FailedHealthChecks),
        }
    }
}

/// One target's health over time: state, reason, and how many probes in a row said otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthMachine {
    health: TargetHealth,
    successes: u32,
    failures: u32,
}

impl HealthMachine {
    /// A target just registered; in a group that no listener uses it stays unused (ALB-HC-9).
    #[must_use]
    pub fn registered(group_in_use: bool) -> Self {
        let health = if group_in_use { registration() } else { not_in_use() };
        Self { health, successes: 0, failures: 0 }
    }

    /// What DescribeTargetHealth shows.
    #[must_use]
    pub fn health(&self) -> &TargetHealth {
        &self.health
    }

    /// Whether probes are wanted: not while unused or draining (ALB-TG-9).
    #[must_use]
    pub fn wants_probes(&self) -> bool {
        matches!(
            self.health.state,
            TargetState::Initial | TargetState::Healthy | TargetState::Unhealthy
        )
    }

    /// The first probe goes out (ALB-HC-5). True when the health changed.
    pub fn probing_started(&mut self) -> bool {
        if self.health.reason != Some(HealthReason::RegistrationInProgress) {
            return false;
        }
        self.set(TargetState::Initial, Some(HealthReason::InitialHealthChecking))
    }

    /// A probe ended. True when the health changed.
    ///
    /// A failure with `counts` false changes nothing: it belongs to the quick probes that look for
    /// the first success of a new target between its regular ones.
    pub fn probed(
        &mut self,
        outcome: ProbeOutcome,
        counts: bool,
        check: &TargetHealthCheck,
    ) -> bool {
        if !self.wants_probes() {
            return false;
        }
        let Some(reason) = outcome.reason() else {
            self.failures = 0;
            self.successes = self.successes.saturating_add(1);
            // ALB-TG-9: a new registration needs one success, whatever the threshold.
            let needed = match self.health.state {
                TargetState::Initial => 1,
                _ => check.healthy_threshold.max(1),
            };
            return self.successes >= needed && self.set(TargetState::Healthy, None);
        };
        if !counts {
            return false;
        }
        self.successes = 0;
        self.failures = self.failures.saturating_add(1);
        match self.health.state {
            // The reason of an unhealthy target is that of its latest failure.
            TargetState::Unhealthy => self.set(TargetState::Unhealthy, Some(reason)),
            _ if self.failures >= check.unhealthy_threshold.max(1) => {
                self.set(TargetState::Unhealthy, Some(reason))
            }
            _ => false,
        }
    }

    /// A listener began or ceased to use the group (ALB-HC-9). True when the health changed.
    pub fn group_in_use(&mut self, in_use: bool) -> bool {
        let next = match (self.health.state, in_use) {
            (TargetState::Unused, true) => registration(),
            (TargetState::Unused | TargetState::Draining, _) | (_, true) => return false,
            (_, false) => not_in_use(),
        };
        self.set(next.state, next.reason)
    }

    /// Deregistration began (ALB-TG-10). True when the health changed.
    pub fn drain(&mut self) -> bool {
        self.set(TargetState::Draining, Some(HealthReason::DeregistrationInProgress))
    }

    fn set(&mut self, state: TargetState, reason: Option<HealthReason>) -> bool {
        let next = TargetHealth { state, reason };
        if self.health.state != state {
            self.successes = 0;
            self.failures = 0;
        }
        let changed = self.health != next;
        self.health = next;
        changed
    }
}

fn registration() -> TargetHealth {
    TargetHealth { state: TargetState::Initial, reason: Some(HealthReason::RegistrationInProgress) }
}

fn not_in_use() -> TargetHealth {
    TargetHealth { state: TargetState::Unused, reason: Some(HealthReason::NotInUse) }
}

/// Who may get the next request of a target group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Eligible {
    /// Indexes into the states that were asked about, ascending. Empty means 503 (ALB-ERR-3).
    pub targets: Vec<usize>,
    /// No target is healthy, so all registered ones get requests (ALB-HC-11).
    pub fail_open: bool,
}

/// The routing rule of a target group: healthy targets; without any, all registered ones
/// (ALB-HC-11); a draining target never (ALB-TG-10).
#[must_use]
pub fn eligible_targets(states: impl IntoIterator<Item = TargetState>) -> Eligible {
    let mut healthy = Vec::new();
    let mut registered = Vec::new();
    for (index, state) in states.into_iter().enumerate() {
        match state {
            TargetState::Draining => {}
            TargetState::Healthy => healthy.push(index),
            TargetState::Initial | TargetState::Unhealthy | TargetState::Unused => {
                registered.push(index);
            }
        }
    }
    let fail_open = healthy.is_empty() && !registered.is_empty();
    Eligible { targets: if fail_open { registered } else { healthy }, fail_open }
}

/// The codes a health check accepts, e.g. `200` or `200-299,301` (ALB-HC-1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matcher {
    ranges: Vec<(u16, u16)>,
}

/// The text is no list of HTTP codes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "health check matcher `{0}` is not valid: expected codes from 200 to 499 as values or ranges \
     separated by commas, e.g. `200` or `200-299,301`"
)]
pub struct InvalidMatcher(String);

impl Matcher {
    /// Reads `200-299,301`.
    pub fn parse(text: &str) -> Result<Self, InvalidMatcher> {
        let code = |part: &str| {
            let part = part.trim();
            let digits = part.len() == 3 && part.bytes().all(|b| b.is_ascii_digit());
            part.parse::<u16>().ok().filter(|code| digits && (200..=499).contains(code))
        };
        let range = |part: &str| match part.split_once('-') {
            None => code(part).map(|c| (c, c)),
            Some((low, high)) => code(low).zip(code(high)).filter(|(low, high)| low <= high),
        };
        let ranges: Option<Vec<_>> = text.split(',').map(range).collect();
        ranges.map(|ranges| Matcher { ranges }).ok_or_else(|| InvalidMatcher(text.to_owned()))
    }

    /// Whether the code passes.
    #[must_use]
    pub fn accepts(&self, code: u16) -> bool {
        self.ranges.iter().any(|(low, high)| (*low..=*high).contains(&code))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(healthy: u32, unhealthy: u32) -> TargetHealthCheck {
        TargetHealthCheck {
            healthy_threshold: healthy,
            unhealthy_threshold: unhealthy,
            ..Default::default()
        }
    }

    fn after(probes: &[ProbeOutcome], check: &TargetHealthCheck) -> TargetHealth {
        let mut machine = HealthMachine::registered(true);
        machine.probing_started();
        for probe in probes {
            machine.probed(*probe, true, check);
        }
        machine.health().clone()
    }

    use ProbeOutcome::{Failed, Passed, TimedOut, WrongCode};

    #[test]
    fn alb_tg_9_one_success_makes_a_new_target_healthy() {
        let check = check(5, 2);
        assert_eq!(after(&[Passed], &check).state, TargetState::Healthy);
        assert_eq!(after(&[Failed, Passed], &check).state, TargetState::Healthy);
    }

    #[test]
    fn alb_hc_5_registration_then_initial_checking_then_unhealthy() {
        let mut machine = HealthMachine::registered(true);
        assert_eq!(machine.health().reason, Some(HealthReason::RegistrationInProgress));
        assert!(machine.probing_started());
        assert!(!machine.probing_started());
        assert_eq!(machine.health().reason, Some(HealthReason::InitialHealthChecking));
        assert!(!machine.probed(TimedOut, true, &check(5, 2)));
        assert!(machine.probed(TimedOut, true, &check(5, 2)));
        assert_eq!(machine.health().state, TargetState::Unhealthy);
        assert_eq!(machine.health().reason, Some(HealthReason::Timeout));
    }

    #[test]
    fn alb_hc_6_thresholds_count_consecutive_probes() {
        let check = check(3, 2);
        assert_eq!(after(&[Passed, Failed, Passed, Failed], &check).state, TargetState::Healthy);
        assert_eq!(after(&[Passed, Failed, Failed], &check).state, TargetState::Unhealthy);
        let down = [Failed, Failed, Passed, Passed, Failed, Passed, Passed];
        assert_eq!(after(&down, &check).state, TargetState::Unhealthy);
        let up = [Failed, Failed, Passed, Passed, Passed];
        assert_eq!(after(&up, &check), TargetHealth { state: TargetState::Healthy, reason: None });
    }

    #[test]
    fn alb_hc_7_the_reason_is_that_of_the_latest_failure() {
        let health = after(&[TimedOut, Failed, WrongCode(503)], &check(5, 2));
        let reason = health.reason.unwrap();
        assert_eq!(reason.code(), "Target.ResponseCodeMismatch");
        assert_eq!(reason.description(), "Health checks failed with these codes: [503]");
        assert_eq!(HealthReason::Timeout.description(), "Request timed out");
        assert_eq!(HealthReason::FailedHealthChecks.description(), "Health checks failed");
    }

    #[test]
    fn alb_hc_9_unused_groups_are_not_probed_and_start_over_when_used() {
        let mut machine = HealthMachine::registered(false);
        assert!(!machine.wants_probes());
        assert_eq!(machine.health().reason, Some(HealthReason::NotInUse));
        assert!(!machine.probed(Passed, true, &check(5, 2)));
        assert!(machine.group_in_use(true));
        assert!(machine.probed(Passed, true, &check(5, 2)));
        assert!(!machine.group_in_use(true));
        assert!(machine.group_in_use(false));
        assert_eq!(machine.health().state, TargetState::Unused);
    }

    #[test]
    fn uncounted_failures_change_nothing() {
        let mut machine = HealthMachine::registered(true);
        for _ in 0..10 {
            assert!(!machine.probed(Failed, false, &check(5, 2)));
        }
        assert!(machine.probed(Passed, false, &check(5, 2)));
        assert_eq!(machine.health().state, TargetState::Healthy);
    }

    #[test]
    fn alb_hc_11_fail_open_takes_all_registered_but_never_draining() {
        use TargetState::{Draining, Healthy, Initial, Unhealthy, Unused};
        let ask = |states: &[TargetState]| eligible_targets(states.iter().copied());
        let some = |targets: &[usize], fail_open| Eligible { targets: targets.to_vec(), fail_open };
        assert_eq!(ask(&[Healthy, Unhealthy, Draining, Healthy]), some(&[0, 3], false));
        assert_eq!(ask(&[Unhealthy, Draining, Initial, Unused]), some(&[0, 2, 3], true));
        assert_eq!(ask(&[Draining]), some(&[], false));
        assert_eq!(ask(&[]), some(&[], false));
    }

    #[test]
    fn alb_hc_1_matchers() {
        for (text, yes, no) in [
            ("200", vec![200], vec![201, 404]),
            ("200-299", vec![200, 299], vec![300, 199]),
            ("200, 301-302,404", vec![200, 301, 302, 404], vec![303, 403]),
        ] {
            let matcher = Matcher::parse(text).unwrap();
            assert!(yes.iter().all(|c| matcher.accepts(*c)), "{text}");
            assert!(!no.iter().any(|c| matcher.accepts(*c)), "{text}");
        }
        for text in ["", "20", "200-", "300-200", "500", "199", "2 00", "200;201", "+200"] {
            assert!(Matcher::parse(text).is_err(), "{text}");
        }
    }

    fn outcome() -> impl Strategy<Value = ProbeOutcome> {
        prop_oneof![
            3 => Just(Passed),
            2 => Just(Failed),
            1 => Just(TimedOut),
            1 => (200u16..600).prop_map(WrongCode),
        ]
    }

    proptest! {
        /// ALB-HC-6 said over the whole history instead of step by step.
        #[test]
        fn alb_hc_6_state_follows_from_the_tail_of_the_history(
            probes in proptest::collection::vec((outcome(), any::<bool>()), 1..60),
            healthy in 2u32..10,
            unhealthy in 2u32..10,
        ) {
            let check = check(healthy, unhealthy);
            let mut machine = HealthMachine::registered(true);
            machine.probing_started();
            for (probe, counts) in &probes {
                let before = machine.health().clone();
                let changed = machine.probed(*probe, *counts, &check);
                prop_assert_eq!(changed, &before != machine.health());
                let is_healthy = machine.health().state == TargetState::Healthy;
                prop_assert_eq!(is_healthy, machine.health().reason.is_none(), "ALB-HC-8");
            }
            let seen: Vec<bool> = probes
                .iter()
                .filter(|(probe, counts)| *counts || *probe == Passed)
                .map(|(probe, _)| *probe == Passed)
                .collect();
            let run = |of: bool| seen.iter().rev().take_while(|p| **p == of).count() as u32;
            if run(true) >= healthy {
                prop_assert_eq!(machine.health().state, TargetState::Healthy);
            }
            if run(false) >= unhealthy {
                prop_assert_eq!(machine.health().state, TargetState::Unhealthy);
            }
        }
    }
}
