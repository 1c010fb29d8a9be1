//! The health check as processes: one at a time, started when due, killed when it takes too long.

use neargate_core::container_health::HealthEvaluation;
use neargate_core::input::ContainerHealth;
use rustix::process::{Pid, Signal, WaitStatus};

use super::Signals;
use super::backend::Backend;
use crate::layout::HealthCheckSpec;

/// The checks of one run of the container.
pub(super) struct HealthChecks {
    argv: Vec<String>,
    timeout_ms: u64,
    evaluation: HealthEvaluation,
    running: Option<Running>,
    /// A check was started and its end not yet looked for.
    just_started: bool,
}

struct Running {
    process: Pid,
    began_ms: u64,
    killed: bool,
}

impl HealthChecks {
    pub(super) fn new(spec: &HealthCheckSpec, now_ms: u64) -> Self {
        Self {
            argv: spec.argv.clone(),
            timeout_ms: spec.timeout_ms,
            evaluation: HealthEvaluation::new(spec.schedule, now_ms),
            running: None,
            just_started: false,
        }
    }

    /// When something is to be done next.
    pub(super) fn next_ms(&self) -> u64 {
        match &self.running {
            Some(running) if running.killed => u64::MAX,
            Some(running) => running.began_ms.saturating_add(self.timeout_ms),
            None => self.evaluation.next_check_ms(),
        }
    }

    /// The verdict so far.
    pub(super) fn health(&self) -> ContainerHealth {
        self.evaluation.health()
    }

    /// Starts the check that is due, kills the one that takes too long.
    pub(super) fn advance(&mut self, backend: &mut dyn Backend, signals: &Signals, now_ms: u64) {
        if now_ms < self.next_ms() {
            return;
        }
        if let Some(running) = &mut self.running {
            // Still our child, so its id is still its own; what it started goes with it.
            let _ended = rustix::process::kill_process_group(running.process, Signal::KILL);
            running.killed = true;
            return;
        }
        match backend.exec(&self.argv, signals) {
            Ok(process) => {
                self.running = Some(Running { process, began_ms: now_ms, killed: false });
                self.just_started = true;
            }
            // A command that cannot be run is a check that fails.
            Err(_) => {
                self.evaluation.record(false, now_ms, now_ms);
            }
        }
    }

    /// Whether a check was started since this was last asked.
    pub(super) fn may_have_ended(&mut self) -> bool {
        std::mem::take(&mut self.just_started)
    }

    /// Takes note of a child's end.
    pub(super) fn ended(&mut self, pid: Pid, status: WaitStatus, now_ms: u64) {
        let Some(running) = self.running.take_if(|running| running.process == pid) else { return };
        // What the check itself left behind has no further use.
        let _none = rustix::process::kill_process_group(pid, Signal::KILL);
        let passed = !running.killed && status.exit_status() == Some(0);
        self.evaluation.record(passed, running.began_ms, now_ms);
    }
}
