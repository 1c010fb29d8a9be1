//! Ctrl-C and SIGTERM as something a command can wait for.

use std::sync::mpsc::{Receiver, RecvTimeoutError, TrySendError, sync_channel};
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};

/// Signals that arrived and were not looked at yet.
pub(crate) struct Interrupts(Receiver<()>);

impl Interrupts {
    /// From here on Ctrl-C and SIGTERM do not end the process any more.
    pub(crate) fn catch() -> anyhow::Result<Interrupts> {
        // More than two make no difference: the second already means "at once".
        let (sender, receiver) = sync_channel(2);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start the signal watcher")?;
        let (mut interrupt, mut terminate) = runtime.block_on(async {
            Ok::<_, std::io::Error>((
                signal(SignalKind::interrupt())?,
                signal(SignalKind::terminate())?,
            ))
        })?;
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            runtime.block_on(async move {
                loop {
                    tokio::select! {
                        _ = interrupt.recv() => {}
                        _ = terminate.recv() => {}
                    }
                    if let Err(TrySendError::Disconnected(())) = sender.try_send(()) {
                        return;
                    }
                }
            });
        })?;
        Ok(Interrupts(receiver))
    }

    /// Waits at most so long; whether a signal came.
    pub(crate) fn wait(&self, timeout: Duration) -> bool {
        match self.0.recv_timeout(timeout) {
            Ok(()) => true,
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => {
                std::thread::sleep(timeout);
                false
            }
        }
    }
}
