//! SIGTERM (and Ctrl-C): the order to stop, unless a rehearsal says otherwise.

use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::config::Config;
use super::log;

/// The signals that mean stop.
pub(super) struct StopSignal {
    term: Signal,
    interrupt: Signal,
}

impl StopSignal {
    /// From here on the signals no longer end the process by themselves.
    pub(super) fn listen() -> std::io::Result<StopSignal> {
        Ok(StopSignal {
            term: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the order to stop, and as long as the rehearsal wants to drag its feet.
    pub(super) async fn ordered(&mut self, config: &Config) {
        loop {
            tokio::select! {
                _ = self.term.recv() => {}
                _ = self.interrupt.recv() => {}
            }
            let rehearsal = &config.rehearsal;
            log::event(
                &config.identity,
                if rehearsal.ignore_sigterm { "ignoring" } else { "stopping" },
                json!({ "signal": "SIGTERM" }),
            );
            if !rehearsal.ignore_sigterm {
                tokio::time::sleep(rehearsal.sigterm_delay).await;
                return;
            }
        }
    }
}
