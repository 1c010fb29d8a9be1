//! A container's life as its shim sees it: started or taken over, checked, restarted, ended.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use neargate_core::input::{ContainerHealth, Exit};
use rustix::process::{Pid, WaitOptions, WaitStatus};

use super::Signals;
use super::backend::Backend;
use super::check::HealthChecks;
use super::doorbell::Doorbell;
use super::output::Output;
use crate::layout::{ContainerDir, ContainerSpec};
use crate::process::{Identity, Process};
use crate::raw;

/// How long the exit code of a container that is not our child is asked for after its end: whoever
/// is its parent now has to reap it first.
const REAPING_PATIENCE: Duration = Duration::from_secs(2);

/// The container's first process.
enum Container {
    /// Started here.
    Child(Pid),
    /// Started by a shim before this one.
    Adopted(Process),
}

pub(super) struct Supervisor<'a> {
    dir: &'a ContainerDir,
    spec: &'a ContainerSpec,
    backend: Box<dyn Backend + 'a>,
    signals: Signals,
    doorbell: Doorbell,
    clock: Clock,
    container: Option<Container>,
    started_ms: u64,
    checks: Option<HealthChecks>,
    told: ContainerHealth,
    /// Until the container has ended for good.
    output: Option<Output>,
}

impl<'a> Supervisor<'a> {
    pub(super) fn new(
        dir: &'a ContainerDir,
        spec: &'a ContainerSpec,
        backend: Box<dyn Backend + 'a>,
        signals: Signals,
        doorbell: Doorbell,
    ) -> Self {
        Self {
            dir,
            spec,
            backend,
            signals,
            doorbell,
            clock: Clock(Instant::now()),
            container: None,
            started_ms: 0,
            checks: None,
            told: ContainerHealth::Unknown,
            output: None,
        }
    }

    /// Starts the container; `false` when it could not be started, which is then written down.
    pub(super) fn start(&mut self) -> io::Result<bool> {
        if let Err(error) = self.launch() {
            self.backend.delete();
            self.dir.write_failure(&format!("CannotStartContainerError: {error}"))?;
            self.doorbell.ring();
            return Ok(false);
        }
        if !self.backend.warnings().is_empty() {
            let _only_for_people = self.dir.write_warnings(self.backend.warnings());
        }
        self.doorbell.ring();
        Ok(true)
    }

    /// Takes over the container that runs; `false` when none does. One whose end nobody saw has
    /// ended in a way that is not known.
    pub(super) fn adopt(&mut self) -> io::Result<bool> {
        if self.dir.read_exit().is_some() || self.dir.read_failure().is_some() {
            self.backend.delete();
            return Ok(false);
        }
        let Some(identity) = self.dir.read_process() else {
            // Between the shim's start and the container's; what it had made goes.
            self.backend.delete();
            self.dir.write_failure(
                "CannotStartContainerError: its shim ended before it had started the container",
            )?;
            self.doorbell.ring();
            return Ok(false);
        };
        self.told = self.dir.read_health();
        self.backend.adopt(identity);
        let Some(process) = Process::open(identity) else {
            self.backend.end(identity.pid);
            // Whatever is still in there; without it the end is told all the same.
            self.output = Output::open(self.dir, self.spec).ok();
            self.finish(Exit::Unknown)?;
            return Ok(false);
        };
        self.output = Some(Output::open(self.dir, self.spec)?);
        self.container = Some(Container::Adopted(process));
        self.begin_checks();
        Ok(true)
    }

    /// Until the container has ended for good.
    pub(super) fn run(mut self) -> io::Result<()> {
        loop {
            // Before waiting: an end that came while signals were let through left no signal.
            while let Some(exit) = self.next_exit() {
                let ran_ms = self.clock.now_ms().saturating_sub(self.started_ms);
                let again = restarts(self.dir, self.spec, exit, ran_ms) && self.launch().is_ok();
                if !again {
                    return self.finish(exit);
                }
                self.doorbell.ring();
            }
            if let Some(checks) = &mut self.checks {
                checks.advance(self.backend.as_mut(), &self.signals, self.clock.now_ms());
                let health = checks.health();
                // Whoever takes over has checked nothing yet; what was known holds until it has.
                let begins = health == ContainerHealth::Unknown
                    && matches!(self.container, Some(Container::Adopted(_)));
                // One that cannot be written (a full disk) is tried again with the next check.
                if health != self.told && !begins && self.dir.write_health(health).is_ok() {
                    self.told = health;
                    self.doorbell.ring();
                }
                if checks.may_have_ended() {
                    continue;
                }
            }
            if let Some(output) = &mut self.output {
                output.carry();
            }
            self.doorbell.ring_again();
            let due_ms = self.checks.as_ref().map(|checks| checks.next_ms());
            let wait_ms = due_ms.map(|due| due.saturating_sub(self.clock.now_ms()));
            let output_ms = self.output.as_ref().and_then(Output::due_ms);
            let due = [self.doorbell.retry_ms(), wait_ms, output_ms];
            let mut readable: Vec<BorrowedFd<'_>> =
                self.output.iter().filter_map(Output::readable).collect();
            if let Some(Container::Adopted(process)) = &self.container {
                readable.push(process.as_fd());
            }
            self.signals.wait(&readable, due.into_iter().flatten().min())?;
        }
    }

    /// Starts the container's process and writes down who it is.
    fn launch(&mut self) -> io::Result<()> {
        let output = match &mut self.output {
            Some(output) => output,
            closed => closed.insert(Output::open(self.dir, self.spec)?),
        };
        let pid = self.backend.start(&output.writer()?, &self.signals)?;
        // A process that has ended already has no identity any more; its end is about to be seen.
        if let Some(identity) = Identity::of(pid)
            && let Err(error) = self.dir.write_process(identity)
        {
            // A container the engine cannot find must not run.
            self.backend.end(pid);
            return Err(error);
        }
        self.container = Some(Container::Child(pid));
        self.begin_checks();
        Ok(())
    }

    fn begin_checks(&mut self) {
        self.started_ms = self.clock.now_ms();
        self.checks =
            self.spec.health_check.as_ref().map(|check| HealthChecks::new(check, self.started_ms));
    }

    /// How the container ended, once it has; nothing of it runs any more then.
    fn next_exit(&mut self) -> Option<Exit> {
        while let Some((pid, status)) = ended_child() {
            if matches!(self.container, Some(Container::Child(container)) if container == pid) {
                let exit = exit_of(status.as_raw());
                return Some(self.ended(pid, exit));
            }
            if let Some(checks) = &mut self.checks {
                checks.ended(pid, status, self.clock.now_ms());
            }
        }
        let Some(Container::Adopted(process)) = &self.container else { return None };
        if !process.has_ended() {
            return None;
        }
        let (pid, exit) = (process.identity().pid, exit_of_other(process));
        Some(self.ended(pid, exit))
    }

    /// ECS-STOP-7: a container that was killed while the kernel killed for memory.
    fn ended(&mut self, pid: Pid, exit: Exit) -> Exit {
        self.container = None;
        let exit = match exit.code() {
            Some(137) if self.backend.oom_killed() => Exit::OutOfMemory,
            _ => exit,
        };
        self.backend.end(pid);
        exit
    }

    fn finish(&mut self, exit: Exit) -> io::Result<()> {
        self.backend.delete();
        // Whoever learns of the exit finds all of the output.
        if let Some(output) = self.output.take() {
            output.finish();
        }
        self.dir.write_exit(exit)?;
        self.doorbell.ring();
        Ok(())
    }
}

/// ECS-TD-18: restarted unless told to stop, the code is ignored, or it ran too short.
fn restarts(dir: &ContainerDir, spec: &ContainerSpec, exit: Exit, ran_ms: u64) -> bool {
    spec.restart.as_ref().is_some_and(|policy| {
        ran_ms >= policy.attempt_period_ms
            && exit.code().is_none_or(|code| !policy.ignored_exit_codes.contains(&code))
            && !dir.stopping().exists()
    })
}

/// One child that has ended, without waiting.
fn ended_child() -> Option<(Pid, WaitStatus)> {
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if status.exited() || status.signaled() => {
                return Some((pid, status));
            }
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => return None,
        }
    }
}

/// From a wait status as the kernel has it.
fn exit_of(status: i32) -> Exit {
    match status & 0x7f {
        0 => Exit::Code((status >> 8) & 0xff),
        // Stopped, not ended.
        0x7f => Exit::Unknown,
        signal => Exit::Signal(signal),
    }
}

/// Of a process that is not our child; newer kernels tell, once it has been reaped.
fn exit_of_other(process: &Process) -> Exit {
    let deadline = Instant::now() + REAPING_PATIENCE;
    loop {
        match raw::exit_status(process) {
            Ok(Some(status)) => return exit_of(status),
            Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(2)),
            Ok(None) | Err(_) => return Exit::Unknown,
        }
    }
}

/// Milliseconds since the shim began.
struct Clock(Instant);

impl Clock {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ECS-TASK-8: a signal is not a code, and neither is made up.
    #[test]
    fn ecs_task_8_wait_statuses() {
        assert_eq!(exit_of(0), Exit::Code(0));
        assert_eq!(exit_of(7 << 8), Exit::Code(7));
        assert_eq!(exit_of(15), Exit::Signal(15));
        assert_eq!(exit_of(0x80 | 11), Exit::Signal(11), "with a core dump");
        assert_eq!(exit_of(0x137f), Exit::Unknown);
    }
}
