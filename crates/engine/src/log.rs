//! The engine's log on standard error. It must never be the reason for the engine to end: on a full
//! disk the log is the first file that cannot be written, and what cannot be logged is dropped.

use std::io::{self, IsTerminal, Write};

/// Names the levels and modules that are logged, as `RUST_LOG` does for other programs.
const VARIABLE: &str = "NEARGATE_LOG";

/// Sends spans and events to standard error, unless somebody has set up something else before.
pub(crate) fn to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_env(VARIABLE)
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let _set_already = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| Lossy(io::stderr()))
        .with_ansi(io::stderr().is_terminal())
        .log_internal_errors(false)
        .try_init();
}

/// A writer that drops what cannot be written. The subscriber's own way of reporting a failed
/// write is to print it, which panics when that fails as well.
struct Lossy<W>(W);

impl<W: Write> Write for Lossy<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _dropped = self.0.write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let _dropped = self.0.flush();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::StorageFull.into())
        }
    }

    #[test]
    fn a_full_disk_under_the_log_is_nobodys_problem() {
        let mut log = Lossy(Full);
        assert!(log.write_all(b"words").is_ok() && log.flush().is_ok());
        let mut kept = Lossy(Vec::new());
        assert!(kept.write_all(b"words").is_ok());
        assert_eq!(kept.0, b"words");
    }
}
