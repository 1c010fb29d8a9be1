//! Follows the platform until a goal is reached: what `up`, `deploy`, `rollback` and `scale` share.

use std::time::Duration;

use neargate_core::service::ServiceName;
use neargate_engine::api::PlatformView;

use crate::client::Client;
use crate::failure::{FAILED, Failure};
use crate::interrupt::Interrupts;
use crate::out;
use crate::outcome::{Expected, Goal, Reason, Verdict, find, judge, primary, unfinished};
use crate::render::progress::Progress;

/// How often the platform is looked at.
const POLL: Duration = Duration::from_millis(100);

/// How waiting ended.
pub(super) enum Ending {
    /// The goal is reached; the platform as it was then.
    Steady(PlatformView),
    /// Ctrl-C.
    Interrupted,
}

/// What each of the services is to become steady on: the deployment that is PRIMARY now, right
/// after the command was accepted.
pub(super) fn goal_from(view: &PlatformView, services: &[ServiceName]) -> Goal {
    let expected = |name: &ServiceName| Expected {
        deployment: find(view, name).and_then(primary).map(|d| d.id.clone()),
        desired: None,
    };
    Goal {
        services: services.iter().map(|name| (name.clone(), expected(name))).collect(),
        listeners: Vec::new(),
    }
}

/// Shows progress on standard error until the goal is reached or cannot be reached any more.
pub(super) fn until_steady(
    client: &mut Client,
    goal: &Goal,
    timeout: Duration,
    interrupts: &Interrupts,
) -> Result<Ending, Failure> {
    let colours = super::stderr_colours();
    let mut progress = match terminal_size::terminal_size_of(std::io::stderr()) {
        Some((width, _)) if out::stderr_is_terminal() => {
            Progress::terminal(usize::from(width.0), colours)
        }
        _ => Progress::lines(colours),
    };
    let began = crate::clock::now();
    loop {
        let view = client.platform()?;
        out::note(&progress.update(&view, goal));
        match judge(&view, goal, began.elapsed()) {
            Verdict::Steady => {
                out::note(&progress.clear());
                return Ok(Ending::Steady(view));
            }
            Verdict::Failed(reasons) => return Err(failed(&reasons)),
            Verdict::Waiting => {}
        }
        if began.elapsed() > timeout {
            let mut failure = failed(&unfinished(&view, goal));
            let summary = anyhow::anyhow!("not steady after {} s", timeout.as_secs());
            failure.errors.insert(0, summary);
            return Err(failure.hint("--timeout SECONDS waits longer"));
        }
        if interrupts.wait(POLL) {
            return Ok(Ending::Interrupted);
        }
    }
}

/// For the commands that leave the platform alone when they are interrupted.
pub(super) fn until_steady_or_interrupted(
    client: &mut Client,
    goal: &Goal,
    timeout: Duration,
    interrupts: &Interrupts,
) -> Result<PlatformView, Failure> {
    match until_steady(client, goal, timeout, interrupts)? {
        Ending::Steady(view) => Ok(view),
        Ending::Interrupted => Err(Failure::new("interrupted; the platform goes on by itself")
            .hint("`neargate ps` shows how far it is")),
    }
}

/// One error per service, each with its details on further lines.
fn failed(reasons: &[Reason]) -> Failure {
    let errors = reasons
        .iter()
        .map(|reason| anyhow::anyhow!("{}: {}", reason.subject, reason.lines.join("\n  ")))
        .collect();
    let failure = Failure { code: FAILED, errors, hints: Vec::new() };
    match reasons.iter().find(|reason| reason.subject.contains('/')) {
        Some(reason) => failure.hint(format!(
            "`neargate events {0}` and `neargate logs {0}` tell more",
            reason.subject
        )),
        None => failure,
    }
}
