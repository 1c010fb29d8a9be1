//! What JSON and space-delimited patterns have in common: values to compare with, and how
//! conditions are combined (CWL-PAT-2, CWL-PAT-3).

use regex::bytes::Regex;

use super::cursor::{Cursor, PatternError};
use super::regular::regular_expression;

/// How deeply parentheses may stand in each other: reading them takes stack.
const DEPTH_MAX: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Debug)]
enum Value {
    /// A number, and how it was written.
    Number(f64, String),
    /// Text; `*` in it matches any text.
    Text(String),
    Regex(Regex),
}

/// An operator and a value.
#[derive(Clone, Debug)]
pub(crate) struct Comparison {
    operator: Operator,
    value: Value,
}

impl Comparison {
    /// Reads `= value`, `>= 3` and so on.
    pub(crate) fn parse(cursor: &mut Cursor<'_>) -> Result<Self, PatternError> {
        cursor.skip_blanks();
        let operators = [
            ("!=", Operator::NotEqual),
            ("<=", Operator::LessOrEqual),
            (">=", Operator::GreaterOrEqual),
            ("=", Operator::Equal),
            ("<", Operator::Less),
            (">", Operator::Greater),
        ];
        let found = operators.iter().find(|(text, _)| cursor.take(text));
        let Some(&(_, operator)) = found else {
            return Err(cursor.error("one of = != < <= > >= is expected"));
        };
        cursor.skip_blanks();
        let start = cursor.clone();
        let value = Value::parse(cursor)?;
        let is_order = !matches!(operator, Operator::Equal | Operator::NotEqual);
        if is_order && !matches!(value, Value::Number(..)) {
            return Err(cursor.error_at(&start, "< <= > >= compare with a number"));
        }
        Ok(Self { operator, value })
    }

    /// Whether a value holds that has this text, and is this number if it is one.
    pub(crate) fn holds(&self, text: &str, number: Option<f64>) -> bool {
        let (limit, written) = match &self.value {
            Value::Number(limit, written) => (*limit, written),
            Value::Text(pattern) => return self.equality(wildcard(pattern, text)),
            Value::Regex(regex) => return self.equality(regex.is_match(text.as_bytes())),
        };
        let Some(number) = number else { return self.equality(text == written) };
        match self.operator {
            Operator::Equal => number == limit,
            Operator::NotEqual => number != limit,
            Operator::Less => number < limit,
            Operator::LessOrEqual => number <= limit,
            Operator::Greater => number > limit,
            Operator::GreaterOrEqual => number >= limit,
        }
    }

    fn equality(&self, is_equal: bool) -> bool {
        match self.operator {
            Operator::Equal => is_equal,
            Operator::NotEqual => !is_equal,
            _ => false,
        }
    }
}

impl Value {
    fn parse(cursor: &mut Cursor<'_>) -> Result<Self, PatternError> {
        match cursor.peek() {
            Some('"') => return cursor.quoted().map(Self::Text),
            Some('%') => return regular_expression(cursor).map(Self::Regex),
            _ => {}
        }
        let ends = |c: char| c.is_whitespace() || ",()[]{}&|=!<>\"%".contains(c);
        let word = cursor.take_while(|character| !ends(character));
        if word.is_empty() {
            let problem = "a value is expected; text with other characters than letters and digits stands in \
                 double quotes";
            return Err(cursor.error(problem));
        }
        Ok(number(word).map_or_else(
            || Self::Text(word.to_owned()),
            |number| Self::Number(number, word.to_owned()),
        ))
    }
}

/// A number as patterns write it: sign, decimals, exponent; no `inf`, no `.5`.
pub(crate) fn number(text: &str) -> Option<f64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_plain = digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.chars().all(|c| c.is_ascii_digit() || ".eE+-".contains(c));
    if is_plain { text.parse().ok() } else { None }
}

/// Whether `pattern`, in which `*` stands for any text, is all of `text`.
fn wildcard(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or("");
    let Some(last) = parts.next_back() else { return pattern == text };
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    for part in parts {
        // The earliest place leaves the most for what follows.
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// Conditions combined by `&&` and `||`.
#[derive(Clone, Debug)]
pub(crate) enum Expression<L> {
    One(L),
    All(Vec<Expression<L>>),
    Any(Vec<Expression<L>>),
}

impl<L> Expression<L> {
    /// Reads conditions; `&&` binds before `||`, parentheses before both.
    pub(crate) fn parse(
        cursor: &mut Cursor<'_>,
        leaf: &mut impl FnMut(&mut Cursor<'_>) -> Result<L, PatternError>,
    ) -> Result<Self, PatternError> {
        let mut any = vec![Self::parse_all(cursor, leaf)?];
        while take_operator(cursor, "||")? {
            any.push(Self::parse_all(cursor, leaf)?);
        }
        Ok(if any.len() == 1 { any.remove(0) } else { Self::Any(any) })
    }

    fn parse_all(
        cursor: &mut Cursor<'_>,
        leaf: &mut impl FnMut(&mut Cursor<'_>) -> Result<L, PatternError>,
    ) -> Result<Self, PatternError> {
        let mut all = vec![Self::parse_one(cursor, leaf)?];
        while take_operator(cursor, "&&")? {
            all.push(Self::parse_one(cursor, leaf)?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Self::All(all) })
    }

    fn parse_one(
        cursor: &mut Cursor<'_>,
        leaf: &mut impl FnMut(&mut Cursor<'_>) -> Result<L, PatternError>,
    ) -> Result<Self, PatternError> {
        cursor.skip_blanks();
        let start = cursor.clone();
        if !cursor.take("(") {
            return leaf(cursor).map(Self::One);
        }
        cursor.depth += 1;
        if cursor.depth > DEPTH_MAX {
            return Err(cursor.error_at(&start, "parentheses stand in each other too deeply"));
        }
        let inner = Self::parse(cursor, leaf)?;
        cursor.depth -= 1;
        cursor.skip_blanks();
        if cursor.peek().is_none() {
            return Err(cursor.error_at(&start, "this parenthesis is not closed"));
        }
        cursor.expect(")", "'&&', '||' or ')' is expected")?;
        Ok(inner)
    }

    /// Whether it holds, given which of the conditions do.
    pub(crate) fn holds(&self, leaf: &impl Fn(&L) -> bool) -> bool {
        match self {
            Self::One(one) => leaf(one),
            Self::All(all) => all.iter().all(|part| part.holds(leaf)),
            Self::Any(any) => any.iter().any(|part| part.holds(leaf)),
        }
    }
}

/// Goes past `&&` or `||`; a single one of these is a slip.
fn take_operator(cursor: &mut Cursor<'_>, operator: &'static str) -> Result<bool, PatternError> {
    cursor.skip_blanks();
    let is_here = cursor.take(operator);
    if !is_here && cursor.peek() == operator.chars().next() {
        return Err(cursor.error(format!("'{operator}' is expected")));
    }
    Ok(is_here)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards() {
        let cases = [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "anything", true),
            ("ab*", "abc", true),
            ("ab*", "ac", false),
            ("*bc", "abc", true),
            ("a*c", "abc", true),
            ("a*c", "ac", true),
            ("a*a", "a", false),
            ("*html*", "x.html?y", true),
            ("a*b*c", "a1c2b3c", true),
            ("a*b*c", "a1c2b3", false),
            ("ab*b", "ab", false),
        ];
        for (pattern, text, want) in cases {
            assert_eq!(wildcard(pattern, text), want, "{pattern} on {text}");
        }
    }

    #[test]
    fn numbers() {
        for (text, want) in [("12", 12.0), ("+1000", 1000.0), ("10e-3", 0.01), ("55.5", 55.5)] {
            assert_eq!(number(text), Some(want));
        }
        for text in ["inf", "NaN", "", ".5", "1.2.3", "4*", "12ms", "e3"] {
            assert_eq!(number(text), None, "{text}");
        }
    }
}
