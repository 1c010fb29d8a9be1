//! Patterns for any text: terms, phrases, exclusions, optional terms (CWL-PAT-1).

use memchr::memmem::Finder;
use regex::bytes::Regex;

use super::cursor::{Cursor, PatternError};
use super::regular::regular_expression;

#[derive(Clone, Debug)]
enum Term {
    Text(Box<Finder<'static>>),
    Regex(Regex),
}

impl Term {
    fn is_in(&self, message: &[u8]) -> bool {
        match self {
            Self::Text(text) => text.find(message).is_some(),
            Self::Regex(regex) => regex.is_match(message),
        }
    }
}

/// Terms of a pattern by what they ask for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Terms {
    required: Vec<Term>,
    excluded: Vec<Term>,
    optional: Vec<Term>,
}

impl Terms {
    pub(crate) fn parse(cursor: &mut Cursor<'_>) -> Result<Self, PatternError> {
        let mut terms = Self::default();
        loop {
            cursor.skip_blanks();
            let kind = match cursor.peek() {
                None => break,
                Some('-') => &mut terms.excluded,
                Some('?') => &mut terms.optional,
                Some(_) => &mut terms.required,
            };
            if matches!(cursor.peek(), Some('-' | '?')) {
                cursor.next();
            }
            kind.push(term(cursor)?);
        }
        Ok(terms)
    }

    pub(crate) fn matches(&self, message: &[u8]) -> bool {
        // CWL-PAT-1: optional terms beside others are ignored.
        let is_choice = self.required.is_empty() && self.excluded.is_empty();
        self.required.iter().all(|term| term.is_in(message))
            && !self.excluded.iter().any(|term| term.is_in(message))
            && (!is_choice
                || self.optional.is_empty()
                || self.optional.iter().any(|term| term.is_in(message)))
    }
}

fn term(cursor: &mut Cursor<'_>) -> Result<Term, PatternError> {
    let start = cursor.clone();
    let text = match cursor.peek() {
        Some('"') => cursor.quoted()?,
        Some('%') => return regular_expression(cursor).map(Term::Regex),
        _ => {
            let word = cursor.take_while(|c| !c.is_whitespace() && c != '"');
            if word.is_empty() {
                return Err(cursor.error_at(&start, "a term is expected behind '-' or '?'"));
            }
            if !word.chars().all(|c| c.is_alphanumeric() || c == '_') {
                let problem = format!(
                    "Invalid character(s) in term '{word}'; a term with other characters than \
                     letters, digits and '_' stands in double quotes"
                );
                return Err(cursor.error_at(&start, problem));
            }
            word.to_owned()
        }
    };
    Ok(Term::Text(Box::new(Finder::new(text.as_bytes()).into_owned())))
}
