//! Patterns for JSON messages: `{ $.a.b = "x*" && ($.n > 3 || $.m NOT EXISTS) }` (CWL-PAT-2).

use serde_json::Value;

use super::comparison::{Comparison, Expression};
use super::cursor::{Cursor, PatternError};

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    AnyKey,
    Index(usize),
    AnyIndex,
}

/// Which values of a message are meant: `$.a[0].b`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Selector(Vec<Step>);

#[derive(Clone, Debug)]
enum Test {
    Compare(Comparison),
    IsNull,
    Is(bool),
    NotExists,
}

#[derive(Clone, Debug)]
struct Condition {
    selector: Selector,
    test: Test,
}

/// A whole pattern.
#[derive(Clone, Debug)]
pub(crate) struct Json(Expression<Condition>);

impl Selector {
    pub(crate) fn parse(cursor: &mut Cursor<'_>) -> Result<Self, PatternError> {
        cursor.skip_blanks();
        cursor.expect("$", "a property is expected, for example $.status")?;
        let mut steps = Vec::new();
        loop {
            if cursor.take(".") {
                if cursor.take("*") {
                    steps.push(Step::AnyKey);
                } else if !cursor.rest().starts_with('[') {
                    let ends = |c: char| c.is_whitespace() || ".,()[]{}&|=!<>\"%*".contains(c);
                    let key = cursor.take_while(|c| !ends(c));
                    if key.is_empty() {
                        return Err(cursor.error("a property's name is expected"));
                    }
                    steps.push(Step::Key(key.to_owned()));
                }
            } else if cursor.take("[") {
                steps.push(bracket(cursor)?);
                cursor.expect("]", "']' is expected")?;
            } else if steps.is_empty() {
                return Err(cursor.error("'.' and a property's name are expected"));
            } else {
                return Ok(Self(steps));
            }
        }
    }

    /// Every value it selects.
    pub(crate) fn select<'v>(&self, message: &'v Value) -> Vec<&'v Value> {
        let mut values = vec![message];
        for step in &self.0 {
            values = values.into_iter().flat_map(|value| step.of(value)).collect();
        }
        values
    }
}

fn bracket(cursor: &mut Cursor<'_>) -> Result<Step, PatternError> {
    if cursor.take("*") {
        return Ok(Step::AnyIndex);
    }
    let start = cursor.clone();
    match cursor.peek() {
        Some('"') => cursor.quoted().map(Step::Key),
        Some('\'') => {
            cursor.next();
            let key = cursor.take_while(|c| c != '\'').to_owned();
            cursor.expect("'", "a single quote is expected")?;
            Ok(Step::Key(key))
        }
        _ => {
            let digits = cursor.take_while(|c| c.is_ascii_digit());
            digits.parse().map(Step::Index).map_err(|_| {
                cursor.error_at(&start, "an element's number, '*' or a quoted name is expected")
            })
        }
    }
}

impl Step {
    fn of<'v>(&self, value: &'v Value) -> Vec<&'v Value> {
        match (self, value) {
            (Self::Key(key), Value::Object(object)) => object.get(key).into_iter().collect(),
            (Self::AnyKey, Value::Object(object)) => object.values().collect(),
            (Self::Index(index), Value::Array(array)) => array.get(*index).into_iter().collect(),
            (Self::AnyIndex, Value::Array(array)) => array.iter().collect(),
            _ => Vec::new(),
        }
    }
}

impl Test {
    fn parse(cursor: &mut Cursor<'_>) -> Result<Self, PatternError> {
        cursor.skip_blanks();
        let start = cursor.clone();
        let word = cursor.take_while(|c| c.is_alphabetic());
        match word {
            "" => Comparison::parse(cursor).map(Self::Compare),
            "IS" => {
                cursor.skip_blanks();
                let start = cursor.clone();
                match cursor.take_while(|c| c.is_alphabetic()) {
                    "NULL" => Ok(Self::IsNull),
                    "TRUE" => Ok(Self::Is(true)),
                    "FALSE" => Ok(Self::Is(false)),
                    _ => Err(cursor.error_at(&start, "NULL, TRUE or FALSE is expected behind IS")),
                }
            }
            "NOT" => {
                cursor.skip_blanks();
                cursor.expect("EXISTS", "EXISTS is expected behind NOT")?;
                Ok(Self::NotExists)
            }
            _ => Err(cursor.error_at(
                &start,
                "one of = != < <= > >=, IS NULL, IS TRUE, IS FALSE, NOT EXISTS is expected",
            )),
        }
    }
}

impl Condition {
    fn holds(&self, message: &Value) -> bool {
        let values = self.selector.select(message);
        match &self.test {
            Test::NotExists => values.is_empty(),
            Test::IsNull => values.iter().any(|value| value.is_null()),
            Test::Is(wanted) => values.iter().any(|value| value.as_bool() == Some(*wanted)),
            // Only text and numbers can be compared: on others not even `!=` holds.
            Test::Compare(comparison) => values.iter().any(|value| match value {
                Value::String(text) => comparison.holds(text, None),
                Value::Number(number) => comparison.holds(&number.to_string(), number.as_f64()),
                _ => false,
            }),
        }
    }
}

impl Json {
    pub(crate) fn parse(cursor: &mut Cursor<'_>) -> Result<Self, PatternError> {
        let start = cursor.clone();
        cursor.expect("{", "'{' is expected")?;
        let expression = Expression::parse(cursor, &mut |cursor| {
            let selector = Selector::parse(cursor)?;
            Ok(Condition { selector, test: Test::parse(cursor)? })
        })?;
        cursor.skip_blanks();
        if cursor.peek().is_none() {
            return Err(cursor.error_at(&start, "this brace is not closed"));
        }
        cursor.expect("}", "'&&', '||' or '}' is expected")?;
        Ok(Self(expression))
    }

    pub(crate) fn matches(&self, message: &[u8]) -> bool {
        parse_message(message)
            .is_some_and(|message| self.0.holds(&|condition| condition.holds(&message)))
    }
}

/// The message as JSON, if it is an object or an array.
pub(crate) fn parse_message(message: &[u8]) -> Option<Value> {
    let is_candidate = matches!(message.trim_ascii_start().first(), Some(b'{' | b'['));
    if is_candidate { serde_json::from_slice(message).ok() } else { None }
}
