//! The stand-in without a port: does nothing but live.

use std::sync::Arc;

use anyhow::Context as _;
use serde_json::json;

use super::config::Config;
use super::{heartbeat, log, stop};

/// Keeps the heartbeat until it is told to stop.
pub(super) async fn run(config: Arc<Config>) -> anyhow::Result<()> {
    let mut stop = stop::StopSignal::listen().context("cannot watch for SIGTERM")?;
    let started = crate::clock::now();
    let path = heartbeat::path(&config);
    tokio::time::sleep(config.rehearsal.start_delay).await;
    let beat = async {
        let mut period = tokio::time::interval(heartbeat::PERIOD);
        let mut announced = false;
        loop {
            period.tick().await;
            // A rehearsed sick worker stops to give signs of life.
            if config.health_status(started.elapsed()) < 300 {
                std::fs::write(&path, std::process::id().to_string())
                    .with_context(|| format!("cannot write the heartbeat {}", path.display()))?;
            }
            if !announced {
                announced = true;
                let path = path.display().to_string();
                log::event(&config.identity, "started", json!({ "heartbeat": path }));
            }
        }
    };
    let outcome: anyhow::Result<()> = tokio::select! {
        outcome = beat => outcome,
        () = stop.ordered(&config) => Ok(()),
    };
    let _ = std::fs::remove_file(&path);
    outcome?;
    log::event(&config.identity, "stopped", json!({ "code": 0 }));
    Ok(())
}
