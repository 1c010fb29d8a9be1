//! `%regular expressions%` in patterns: the part of the syntax that CloudWatch takes (CWL-PAT-4).

use regex::bytes::{Regex, RegexBuilder};

use super::cursor::{Cursor, PatternError};

const REGEXES_MAX: usize = 2;

/// Reads `%...%`.
pub(crate) fn regular_expression(cursor: &mut Cursor<'_>) -> Result<Regex, PatternError> {
    let start = cursor.clone();
    cursor.expect("%", "a '%' is expected")?;
    cursor.regexes += 1;
    if cursor.regexes > REGEXES_MAX {
        return Err(cursor.error_at(&start, "a pattern has at most two regular expressions"));
    }
    let mut text = String::new();
    loop {
        let here = cursor.clone();
        match cursor.next() {
            None => return Err(cursor.error_at(&start, "this '%' is not closed")),
            Some('%') => break,
            Some('\\') => {
                let Some(escaped) = cursor.next().filter(char::is_ascii) else {
                    return Err(cursor.error_at(&here, "a '\\' escapes an ASCII character"));
                };
                // `%` means nothing to the expression itself.
                if escaped != '%' {
                    text.push('\\');
                }
                text.push(escaped);
            }
            Some(character) if is_supported(character) => text.push(character),
            Some('(' | ')') => {
                let problem = "parentheses are not supported in a regular expression";
                return Err(cursor.error_at(&here, problem));
            }
            Some(other) => {
                let problem = format!("'{other}' is not supported in a regular expression");
                return Err(cursor.error_at(&here, problem));
            }
        }
    }
    if text.is_empty() {
        return Err(cursor.error_at(&start, "this regular expression is empty"));
    }
    // Bytes, not characters: messages need not be UTF-8.
    let built = RegexBuilder::new(&text).unicode(false).size_limit(1 << 20).build();
    built.map_err(|e| cursor.error_at(&start, format!("not a regular expression: {e}")))
}

fn is_supported(character: char) -> bool {
    character.is_ascii_alphanumeric() || ":_#=@/;,-^$?[]{}|*+.".contains(character)
}
