//! A worker's sign of life: a file whose modification time its health check looks at.

use std::path::PathBuf;
use std::time::Duration;

use super::config::Config;

/// How often it is renewed.
pub(super) const PERIOD: Duration = Duration::from_secs(1);
/// Older than this is no sign of life.
pub(super) const FRESH: Duration = Duration::from_secs(5);

/// One file per task and container; the same for the worker and for its check.
pub(super) fn path(config: &Config) -> PathBuf {
    let identity = &config.identity;
    let part = |text: &str, or: &str| -> String {
        let clean: String =
            text.chars().filter(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect();
        if clean.is_empty() { or.to_owned() } else { clean }
    };
    let task = part(&identity.task, "no-task");
    let container = part(&identity.container, "main");
    std::env::temp_dir().join(format!("neargate-heartbeat-{task}-{container}"))
}
