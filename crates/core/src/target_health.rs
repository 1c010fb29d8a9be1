//! The target health state machine (ALB-HC-4 to ALB-HC-8), shared by the edge and the simulator.

use serde::{Deserialize, Serialize};

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
