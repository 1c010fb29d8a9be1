//! How a command fails: what was wrong, what would be right, and the exit code.

use std::fmt::Display;

/// Not steady, rolled back, not reachable.
pub(crate) const FAILED: u8 = 1;
/// Bad input; nothing was changed.
pub(crate) const BAD_INPUT: u8 = 2;
/// An engine found another one on its home. Only whoever started it looks at this.
pub(crate) const HOME_IN_USE: u8 = 3;

/// A command's failure, printed once, by [`crate::cli::main`].
#[derive(Debug)]
pub(crate) struct Failure {
    /// Exit code of the process.
    pub(crate) code: u8,
    /// Printed as a chain after `error:`; more than one when independent things are wrong.
    pub(crate) errors: Vec<anyhow::Error>,
    /// Printed after `hint:`.
    pub(crate) hints: Vec<String>,
}

impl Failure {
    /// Exit code 1.
    pub(crate) fn new(message: impl Display) -> Failure {
        Failure { code: FAILED, errors: vec![anyhow::anyhow!("{message}")], hints: Vec::new() }
    }

    /// Exit code 2: the user's input was wrong and nothing was changed.
    pub(crate) fn bad_input(message: impl Display) -> Failure {
        Failure { code: BAD_INPUT, ..Failure::new(message) }
    }

    /// Several independent errors of bad input.
    pub(crate) fn bad_inputs<T: Display>(messages: impl IntoIterator<Item = T>) -> Failure {
        let errors = messages.into_iter().map(|m| anyhow::anyhow!("{m}")).collect();
        Failure { code: BAD_INPUT, errors, hints: Vec::new() }
    }

    /// Adds what the user can do next.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hints.push(hint.into());
        self
    }

    /// As it goes to stderr: `error: <chain>` lines, then `hint: ...` lines.
    pub(crate) fn render(&self) -> String {
        let mut text = String::new();
        for error in &self.errors {
            text.push_str(&format!("error: {error:#}\n"));
        }
        for hint in &self.hints {
            text.push_str(&format!("hint: {hint}\n"));
        }
        text
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure { code: FAILED, errors: vec![error.into()], hints: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn the_chain_is_printed_once_and_hints_follow() {
        let cause = std::io::Error::other("disk full");
        let error = Err::<(), _>(cause).context("cannot write /x").unwrap_err();
        let failure = Failure::from(error).hint("free some space");
        assert_eq!(failure.render(), "error: cannot write /x: disk full\nhint: free some space\n");
        assert_eq!(failure.code, FAILED);
        assert_eq!(Failure::bad_input("x").code, BAD_INPUT);
    }
}
