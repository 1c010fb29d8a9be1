//! Filter patterns, as metric filters and FilterLogEvents take them: a parser and a matcher, pure.
//!
//! Three kinds, told apart by the first character: `{` for JSON messages, `[` for fields between
//! blanks, anything else for terms in any text.

mod comparison;
mod cursor;
mod fields;
mod json;
mod regular;
mod terms;
#[cfg(test)]
mod tests;

pub use cursor::PatternError;

use cursor::Cursor;
use fields::Fields;
use json::{Json, Selector};
use terms::Terms;

/// Longest pattern, in characters.
const PATTERN_CHARS: usize = 1024;

/// A filter pattern that has been read.
#[derive(Clone, Debug)]
pub struct FilterPattern(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Terms(Terms),
    Json(Json),
    Fields(Fields),
}

impl FilterPattern {
    /// Reads a pattern. An empty one matches everything.
    ///
    /// # Errors
    /// [`PatternError`] says where the pattern is wrong, and what would be right.
    pub fn parse(pattern: &str) -> Result<Self, PatternError> {
        let mut cursor = Cursor::new(pattern);
        if pattern.chars().count() > PATTERN_CHARS {
            return Err(cursor.error("a pattern has at most 1024 characters"));
        }
        cursor.skip_blanks();
        let kind = match cursor.peek() {
            Some('{') => Kind::Json(Json::parse(&mut cursor)?),
            Some('[') => Kind::Fields(Fields::parse(&mut cursor)?),
            _ => Kind::Terms(Terms::parse(&mut cursor)?),
        };
        cursor.skip_blanks();
        if cursor.peek().is_some() {
            return Err(cursor.error("the pattern ends before this"));
        }
        Ok(Self(kind))
    }

    /// Whether a message matches.
    #[must_use]
    pub fn matches(&self, message: &[u8]) -> bool {
        match &self.0 {
            Kind::Terms(terms) => terms.matches(message),
            Kind::Json(json) => json.matches(message),
            Kind::Fields(fields) => fields.matches(message),
        }
    }

    /// The value that a metric filter's `$.property` or `$field` means in a message that matches
    /// (CWL-MF-1); `None` when there is none, or the pattern is of a kind without values.
    #[must_use]
    pub fn value(&self, message: &[u8], selector: &str) -> Option<String> {
        match &self.0 {
            Kind::Terms(_) => None,
            Kind::Json(_) => {
                let selector = Selector::parse(&mut Cursor::new(selector)).ok()?;
                let message = json::parse_message(message)?;
                match selector.select(&message).first()? {
                    serde_json::Value::String(text) => Some(text.clone()),
                    serde_json::Value::Number(number) => Some(number.to_string()),
                    serde_json::Value::Bool(flag) => Some(flag.to_string()),
                    _ => None,
                }
            }
            Kind::Fields(fields) => {
                let name = selector.strip_prefix('$')?;
                fields.value(&String::from_utf8_lossy(message), name)
            }
        }
    }
}
