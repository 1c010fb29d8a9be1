//! What is wrong with a description, where, and what would be right.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use crate::node::Position;
use crate::suggest;

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file as the user named it.
    pub file: PathBuf,
    /// Line and column, both counted from 1; `None` when the problem is the file as a whole.
    pub position: Option<(u64, u64)>,
    /// What is wrong and what was expected, one line.
    pub message: String,
    /// What to try, one line.
    pub hint: Option<String>,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some((line, column)) = self.position {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

/// Everything that is wrong with a description, in the order of its lines. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    pub(crate) fn one(file: &Path, position: Option<Position>, message: String) -> Self {
        Self::hinted(file, position, message, None)
    }

    pub(crate) fn hinted(
        file: &Path,
        position: Option<Position>,
        message: String,
        hint: Option<String>,
    ) -> Self {
        let position = position.map(|at| (at.line, at.column));
        Diagnostics(vec![Diagnostic { file: file.to_path_buf(), position, message, hint }])
    }

    /// The problems, in the order of their lines.
    #[must_use]
    pub fn problems(&self) -> &[Diagnostic] {
        &self.0
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

/// Collects problems while a description is checked. The same line is read once per environment;
/// a problem that every environment has is said once, one that only some have names them.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    found: BTreeMap<(Position, String), Found>,
    settled: BTreeSet<Position>,
    environments: BTreeSet<String>,
}

#[derive(Debug, Default)]
struct Found {
    hint: Option<String>,
    environments: BTreeSet<String>,
}

impl Problems {
    /// From now on `environments` is what "every environment" means.
    pub(crate) fn among(&mut self, environments: impl IntoIterator<Item = String>) {
        self.environments.extend(environments);
    }

    /// A problem that makes whatever else could be said about that place a guess.
    pub(crate) fn settle(
        &mut self,
        at: Position,
        path: &str,
        message: &str,
        hint: Option<String>,
        environment: Option<&str>,
    ) {
        self.settled.remove(&at);
        self.add(at, path, message, hint, environment);
        self.settled.insert(at);
    }

    pub(crate) fn add(
        &mut self,
        at: Position,
        path: &str,
        message: &str,
        hint: Option<String>,
        environment: Option<&str>,
    ) {
        if self.settled.contains(&at) {
            return;
        }
        let message =
            if path.is_empty() { message.to_owned() } else { format!("{path}: {message}") };
        let found = self.found.entry((at, message)).or_default();
        found.hint = hint;
        found.environments.extend(environment.map(str::to_owned));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    pub(crate) fn finish(self, file: &Path) -> Diagnostics {
        let all = self.environments;
        let mut problems: Vec<Diagnostic> = self
            .found
            .into_iter()
            .map(|((at, message), found)| {
                let everywhere = found.environments.is_empty() || found.environments == all;
                let names = found.environments.iter().map(String::as_str);
                let message = if everywhere {
                    message
                } else {
                    format!("{message} (in {})", suggest::list(names))
                };
                let position = Some((at.line, at.column));
                Diagnostic { file: file.to_path_buf(), position, message, hint: found.hint }
            })
            .collect();
        if problems.is_empty() {
            // Reached only if a check gave up without saying why.
            let message = "the description could not be read".to_owned();
            problems.push(Diagnostic {
                file: file.to_path_buf(),
                position: None,
                message,
                hint: None,
            });
        }
        Diagnostics(problems)
    }
}

/// A value from the file for use inside a message: in backquotes, one line, not too long.
pub(crate) fn shown(text: &str) -> String {
    const LONGEST: usize = 80;
    let mut out = String::from("`");
    for (index, letter) in text.chars().enumerate() {
        if index == LONGEST {
            out.push_str("...");
            break;
        }
        if letter.is_control() {
            out.extend(letter.escape_default());
        } else {
            out.push(letter);
        }
    }
    out.push('`');
    out
}
