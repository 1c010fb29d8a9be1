//! Standard output and standard error: data goes to the one, everything else to the other.
//!
//! A reader that closes the pipe (`neargate ps | head -1`) is no error of ours: [`data`] reports
//! it as [`ReaderGone`], which ends the process quietly.

use std::io::{IsTerminal as _, Write as _};

use serde::Serialize;

/// Whoever read our output has closed it.
#[derive(Debug, thiserror::Error)]
#[error("the reader of standard output is gone")]
pub(crate) struct ReaderGone;

/// Writes data to standard output.
pub(crate) fn data(text: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Err(ReaderGone.into()),
        Err(error) => Err(anyhow::Error::new(error).context("cannot write to standard output")),
    }
}

/// Writes a value to standard output as indented JSON.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    data(&text)
}

/// Writes a note for people to standard error. There is nowhere to report a failure of this.
pub(crate) fn note(text: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes());
    let _ = stderr.flush();
}

/// Whether standard error is a terminal whose lines can be redrawn.
pub(crate) fn stderr_is_terminal() -> bool {
    std::io::stderr().is_terminal() && !is_dumb()
}

/// Whether standard output may be coloured.
pub(crate) fn stdout_colours() -> bool {
    std::io::stdout().is_terminal() && colours_wanted()
}

/// Whether standard error may be coloured.
pub(crate) fn stderr_colours() -> bool {
    std::io::stderr().is_terminal() && colours_wanted()
}

/// `NO_COLOR` (any value but empty) and `TERM=dumb` turn colours off.
fn colours_wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()) && !is_dumb()
}

fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|t| t == "dumb")
}
