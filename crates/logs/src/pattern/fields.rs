//! Patterns for messages of fields between blanks: `[ip, user, ..., status = 4*, bytes > 1000]`
//! (CWL-PAT-3).

use super::comparison::{Comparison, Expression, number};
use super::cursor::{Cursor, PatternError};

#[derive(Clone, Debug)]
struct Field {
    name: String,
    condition: Option<Expression<Comparison>>,
}

/// A whole pattern: fields from the left, and behind `...`, if there is one, from the right.
#[derive(Clone, Debug)]
pub(crate) struct Fields {
    before: Vec<Field>,
    after: Option<Vec<Field>>,
}

impl Fields {
    pub(crate) fn parse(cursor: &mut Cursor<'_>) -> Result<Self, PatternError> {
        let start = cursor.clone();
        cursor.expect("[", "'[' is expected")?;
        let mut fields = Self { before: Vec::new(), after: None };
        loop {
            cursor.skip_blanks();
            let here = cursor.clone();
            if cursor.take("...") {
                if fields.after.replace(Vec::new()).is_some() {
                    return Err(cursor.error_at(&here, "'...' can stand in one place only"));
                }
            } else {
                let field = Field::parse(cursor)?;
                fields.after.as_mut().unwrap_or(&mut fields.before).push(field);
            }
            cursor.skip_blanks();
            if cursor.take("]") {
                return Ok(fields);
            }
            if cursor.peek().is_none() {
                return Err(cursor.error_at(&start, "this bracket is not closed"));
            }
            cursor.expect(",", "',' or ']' is expected")?;
        }
    }

    /// The message's fields beside the pattern's; `None` when their number does not fit.
    fn pairs<'s, 'm>(&'s self, message: &'m str) -> Option<Vec<(&'s Field, &'m str)>> {
        let values = split(message);
        let after = self.after.as_deref().unwrap_or_default();
        let named = self.before.len() + after.len();
        let fits = if self.after.is_some() { values.len() >= named } else { values.len() == named };
        if !fits {
            return None;
        }
        let from_right = values[values.len() - after.len()..].iter();
        let left = self.before.iter().zip(&values);
        Some(left.chain(after.iter().zip(from_right)).map(|(f, v)| (f, *v)).collect())
    }

    pub(crate) fn matches(&self, message: &[u8]) -> bool {
        let message = String::from_utf8_lossy(message);
        let Some(pairs) = self.pairs(&message) else { return false };
        pairs.into_iter().all(|(field, value)| match &field.condition {
            None => true,
            Some(condition) => condition.holds(&|one| one.holds(value, number(value))),
        })
    }

    /// The value of the field of that name, or of that number counted from 1.
    pub(crate) fn value(&self, message: &str, name: &str) -> Option<String> {
        let pairs = self.pairs(message)?;
        let named = pairs.iter().find(|(field, _)| field.name == name).map(|(_, value)| *value);
        let numbered = || name.parse::<usize>().ok()?.checked_sub(1);
        named
            .or_else(|| numbered().and_then(|index| split(message).get(index).copied()))
            .map(str::to_owned)
    }
}

impl Field {
    fn parse(cursor: &mut Cursor<'_>) -> Result<Self, PatternError> {
        cursor.skip_blanks();
        let start = cursor.clone();
        let has_parenthesis = cursor.peek() == Some('(');
        let name = field_name(cursor).to_owned();
        cursor.skip_blanks();
        let is_bare = matches!(cursor.peek(), None | Some(',' | ']'));
        if is_bare && !has_parenthesis {
            return Ok(Self { name, condition: None });
        }
        // Again from its start, now as conditions.
        *cursor = start;
        let mut first: Option<String> = None;
        let condition = Expression::parse(cursor, &mut |cursor| {
            cursor.skip_blanks();
            let here = cursor.clone();
            let name = field_name(cursor);
            if name.is_empty() {
                return Err(cursor.error_at(&here, "a field's name is expected"));
            }
            if first.get_or_insert_with(|| name.to_owned()) != name {
                let problem = "conditions joined by && or || are about one field";
                return Err(cursor.error_at(&here, problem));
            }
            Comparison::parse(cursor)
        })?;
        Ok(Self { name: first.unwrap_or_default(), condition: Some(condition) })
    }
}

fn field_name<'a>(cursor: &mut Cursor<'a>) -> &'a str {
    cursor.take_while(|c| c.is_alphanumeric() || "_-.$@#:/".contains(c))
}

/// Fields between blanks; what stands in brackets or double quotes is one field without them.
fn split(message: &str) -> Vec<&str> {
    let mut fields = Vec::new();
    let mut rest = message.trim_start();
    while !rest.is_empty() {
        let closing = match rest.as_bytes()[0] {
            b'[' => Some(']'),
            b'"' => Some('"'),
            _ => None,
        };
        let enclosed = closing.and_then(|closing| rest[1..].split_once(closing));
        let (field, behind) = match enclosed {
            Some(parts) => parts,
            None => rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len())),
        };
        fields.push(field);
        rest = behind.trim_start();
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn cwl_pat_3_brackets_and_quotes_hold_a_field_together() {
        let line = "127.0.0.1 - frank [10/Oct/2000:13:25:15 -0700] \"GET / HTTP/1.0\"  200 1534";
        let want = [
            "127.0.0.1",
            "-",
            "frank",
            "10/Oct/2000:13:25:15 -0700",
            "GET / HTTP/1.0",
            "200",
            "1534",
        ];
        assert_eq!(split(line), want);
        assert_eq!(split("  a [b c"), ["a", "[b", "c"], "never closed");
        assert_eq!(split(""), [""; 0]);
    }
}
