//! HCL as a person formats it: expressions, and the columns that `terraform fmt` makes.

use std::fmt::Write as _;

/// Longest line a list or an object stays on.
const WIDTH: usize = 120;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expr {
    /// As it is written, on one line.
    Code(String),
    /// `[...]`.
    List(Vec<Expr>),
    /// `{...}`.
    Object(Vec<Attribute>),
}

/// One `key = value`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Attribute {
    /// Lines above it.
    pub(crate) comment: Vec<String>,
    /// A name, or an expression in quotes or parentheses.
    pub(crate) key: String,
    pub(crate) value: Expr,
}

impl Attribute {
    pub(crate) fn new(key: impl Into<String>, value: Expr) -> Attribute {
        Attribute { comment: Vec::new(), key: key.into(), value }
    }
}

impl Expr {
    pub(crate) fn code(code: impl Into<String>) -> Expr {
        Expr::Code(code.into())
    }

    pub(crate) fn empty_object() -> Expr {
        Expr::Object(Vec::new())
    }

    /// On one line; `None` if it cannot be.
    fn flat(&self) -> Option<String> {
        match self {
            Expr::Code(code) => Some(code.clone()),
            Expr::List(items) => {
                let items: Option<Vec<String>> = items.iter().map(Expr::flat).collect();
                Some(format!("[{}]", items?.join(", ")))
            }
            Expr::Object(attributes) if attributes.is_empty() => Some("{}".to_owned()),
            Expr::Object(attributes) => {
                let mut flat = Vec::new();
                for attribute in attributes {
                    if !attribute.comment.is_empty() {
                        return None;
                    }
                    flat.push(format!("{} = {}", attribute.key, attribute.value.flat()?));
                }
                Some(format!("{{ {} }}", flat.join(", ")))
            }
        }
    }

    /// The value as it stands behind `key = ` at that depth of two spaces.
    pub(crate) fn render(&self, depth: usize, before: usize) -> String {
        if let Some(flat) = self.flat()
            && (depth * 2 + before + flat.len() <= WIDTH || matches!(self, Expr::Code(_)))
            && !self.deep()
        {
            return flat;
        }
        let indent = "  ".repeat(depth + 1);
        let mut out = String::new();
        match self {
            Expr::Code(code) => return code.clone(),
            Expr::List(items) => {
                out.push_str("[\n");
                for item in items {
                    let _ = writeln!(out, "{indent}{},", item.render(depth + 1, 1));
                }
                let _ = write!(out, "{}]", "  ".repeat(depth));
            }
            Expr::Object(attributes) => {
                out.push_str("{\n");
                out.push_str(&attributes_text(attributes, depth + 1));
                let _ = write!(out, "{}}}", "  ".repeat(depth));
            }
        }
        out
    }

    /// Objects of objects, and long objects, read better line by line.
    fn deep(&self) -> bool {
        match self {
            Expr::Object(attributes) => {
                attributes.len() > 6
                    || attributes.iter().any(|a| match &a.value {
                        Expr::Object(inner) => !inner.is_empty(),
                        Expr::List(items) => items.iter().any(|i| matches!(i, Expr::Object(_))),
                        Expr::Code(_) => false,
                    })
            }
            Expr::List(items) => {
                items.len() > 1 && items.iter().any(|i| matches!(i, Expr::Object(_)))
            }
            Expr::Code(_) => false,
        }
    }
}

/// The attributes at that depth, each on lines of its own.
pub(crate) fn attributes_text(attributes: &[Attribute], depth: usize) -> String {
    let indent = "  ".repeat(depth);
    let mut out = String::new();
    for attribute in attributes {
        for line in &attribute.comment {
            let _ = writeln!(out, "{indent}# {line}");
        }
        let value = attribute.value.render(depth, attribute.key.len() + 3);
        let _ = writeln!(out, "{indent}{} = {value}", attribute.key);
    }
    out
}

/// A text in quotes.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", escaped(text))
}

/// What stands between quotes for that text.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(letter) = rest.next() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '$' | '%' if rest.peek() == Some(&'{') => {
                out.push(letter);
                out.push(letter);
            }
            other => out.push(other),
        }
    }
    out
}

/// `camelCase` and `kebab-case` as `snake_case`.
pub(crate) fn snake(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        match letter {
            'A'..='Z' => {
                if !out.is_empty() {
                    out.push('_');
                }
                out.push(letter.to_ascii_lowercase());
            }
            '-' | '.' => out.push('_'),
            other => out.push(other),
        }
    }
    out
}

/// A key of an object: bare where HCL allows it.
pub(crate) fn key(name: &str) -> String {
    let bare = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    if bare { name.to_owned() } else { quoted(name) }
}

/// Puts the `=` of neighbouring lines below each other, as `terraform fmt` does.
pub(crate) fn align(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    let mut start = 0;
    while start < lines.len() {
        let mut end = start;
        while lines.get(end).is_some_and(|line| assignment(line).is_some()) {
            end += 1;
        }
        let run = lines.get(start..end).unwrap_or_default();
        let width = run.iter().filter_map(|l| assignment(l)).map(|(k, _)| k.len()).max();
        for line in run {
            if let (Some((key, value)), Some(width)) = (assignment(line), width) {
                let _ = writeln!(out, "{key:<width$} = {value}");
            }
        }
        if let Some(line) = lines.get(end) {
            out.push_str(line);
            out.push('\n');
        }
        start = end + 1;
    }
    out
}

/// Key (with its indentation) and value of a line that is one whole attribute.
fn assignment(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.split_once(" = ")?;
    let (key, value) = (key.trim_end(), value.trim_start());
    let name = key.trim_start();
    let whole = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let named = !name.is_empty()
        && (name.chars().all(whole)
            || (name.starts_with('"') && name.ends_with('"') && !name.contains(" "))
            || (name.starts_with('(') && name.ends_with(')')));
    (named && balanced(value)).then_some((key, value))
}

/// Whether all brackets that the text opens are closed in it.
fn balanced(text: &str) -> bool {
    let mut open = 0_i32;
    let mut quoted = false;
    let mut before = ' ';
    for letter in text.chars() {
        match letter {
            '"' if before != '\\' => quoted = !quoted,
            '{' | '[' | '(' if !quoted => open += 1,
            '}' | ']' | ')' if !quoted => open -= 1,
            _ => {}
        }
        before = if before == '\\' && letter == '\\' { ' ' } else { letter };
    }
    open == 0 && !text.starts_with("<<")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_aligned_and_blocks_are_not() {
        let text = "a = 1\nlong = [\n  1,\n]\nb = 2\nccc = { x = 1 }\n\nd = 3\n";
        let aligned = "a = 1\nlong = [\n  1,\n]\nb   = 2\nccc = { x = 1 }\n\nd = 3\n";
        assert_eq!(align(text), aligned);
    }

    #[test]
    fn texts_are_escaped_and_names_bare_where_they_can_be() {
        assert_eq!(quoted("a\"b\\${c}%{d} $e"), r#""a\"b\\$${c}%%{d} $e""#);
        assert_eq!(key("a-b_1"), "a-b_1");
        assert_eq!(key("/a"), "\"/a\"");
        assert_eq!(snake("maxReceiveCount"), "max_receive_count");
    }

    #[test]
    fn short_objects_stay_on_a_line_and_comments_break_them() {
        let object = Expr::Object(vec![Attribute::new("a", Expr::code("1"))]);
        assert_eq!(object.render(0, 0), "{ a = 1 }");
        let told =
            Attribute { comment: vec!["why".into()], key: "a".into(), value: Expr::code("1") };
        assert_eq!(Expr::Object(vec![told]).render(0, 0), "{\n  # why\n  a = 1\n}");
    }
}
