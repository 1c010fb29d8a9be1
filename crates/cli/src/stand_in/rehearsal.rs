//! Failures that need the machine: burnt CPU, held memory, an exit.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::config::Config;
use super::log;

/// Arms `STANDIN_EXIT_CODE`, if it is set.
pub(super) fn exit_when_told(config: &Arc<Config>) {
    let Some(code) = config.rehearsal.exit_code else { return };
    let config = config.clone();
    tokio::spawn(async move {
        tokio::time::sleep(config.rehearsal.exit_after).await;
        exit(&config, code);
    });
}

/// Ends the process as a crash would: nothing is finished, nothing closed in order.
#[allow(clippy::disallowed_methods, reason = "a rehearsed crash must not run destructors")]
pub(super) fn exit(config: &Config, code: i32) -> ! {
    log::event(&config.identity, "exiting", json!({ "code": code }));
    std::process::exit(code)
}

/// Keeps one core busy. Runs on a helper thread.
pub(super) async fn burn(duration: Duration) {
    let burning = tokio::task::spawn_blocking(move || {
        let start = crate::clock::now();
        let mut value = 1_u64;
        while start.elapsed() < duration {
            for _ in 0..10_000 {
                value = std::hint::black_box(value.wrapping_mul(6_364_136_223_846_793_005) | 1);
            }
        }
    });
    // It can only fail while the process ends.
    let _ = burning.await;
}

/// Takes so much memory for so long, every page of it touched. Returns once it is taken.
pub(super) async fn hold(mib: usize, duration: Duration) -> Result<(), String> {
    let taking = tokio::task::spawn_blocking(move || {
        let bytes = mib << 20;
        let mut memory: Vec<u8> = Vec::new();
        memory.try_reserve_exact(bytes).map_err(|error| format!("{mib} MiB: {error}"))?;
        memory.resize(bytes, 0x5a);
        Ok::<_, String>(memory)
    });
    let memory: Vec<u8> = taking.await.map_err(|error| error.to_string())??;
    tokio::spawn(async move {
        tokio::time::sleep(duration).await;
        drop(memory);
    });
    Ok(())
}
