//! Filters of listings: a name for a member of the entry, and values of which one must fit.

use serde_json::Value;

use super::invalid;
use crate::error::{self, AwsError};
use crate::fields;
use crate::page::{self, Page};

/// Names of filters, each with the way to what it looks at: members, through lists if need be.
pub(super) type Filters = &'static [(&'static str, &'static str)];

/// Whether the entry has what every filter of the input asks for.
pub(super) fn has_values(
    entry: &Value,
    tags: &str,
    input: &Value,
    known: Filters,
) -> Result<bool, AwsError> {
    // Two operations spell it in the singular.
    let filters = [fields::list(input, "Filters"), fields::list(input, "Filter")].concat();
    for filter in &filters {
        let name = fields::text(filter, "Name").unwrap_or_default();
        let wanted = fields::texts(filter, "Values");
        let found: Vec<String> = match name.strip_prefix("tag:") {
            Some(key) => fields::list(entry, tags)
                .iter()
                .filter(|tag| fields::text(tag, "Key") == Some(key))
                .map(|tag| tag["Value"].as_str().unwrap_or_default().to_owned())
                .collect(),
            None if name == "tag-key" => at(entry, &format!("{tags}.Key")),
            None if name == "tag-value" => at(entry, &format!("{tags}.Value")),
            None => match known.iter().find(|(known, _)| *known == name) {
                Some((_, path)) => at(entry, path),
                None => return Err(invalid(format!("The filter '{name}' is invalid"))),
            },
        };
        if !wanted.iter().any(|pattern| found.iter().any(|value| fits(pattern, value))) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Every value at the end of the way.
fn at(entry: &Value, path: &str) -> Vec<String> {
    let mut reached = vec![entry];
    for member in path.split('.') {
        let next = reached.into_iter().filter_map(|value| value.get(member));
        reached = next
            .flat_map(|value| match value {
                Value::Array(values) => values.iter().collect(),
                value => vec![value],
            })
            .collect();
    }
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        _ => None,
    };
    reached.into_iter().filter_map(text).collect()
}

/// `*` stands for any characters, `?` for one, `\` takes either as it is.
pub(super) fn fits(pattern: &str, text: &str) -> bool {
    fn from(pattern: &[char], text: &[char]) -> bool {
        match pattern {
            [] => text.is_empty(),
            ['*', rest @ ..] => (0..=text.len()).any(|skip| from(rest, &text[skip..])),
            ['?', rest @ ..] => !text.is_empty() && from(rest, &text[1..]),
            ['\\', c @ ('*' | '?' | '\\'), rest @ ..] | [c, rest @ ..] => {
                text.first() == Some(c) && from(rest, &text[1..])
            }
        }
    }
    // Each further star multiplies the ways to try; nobody needs many.
    if pattern.matches('*').count() > 8 {
        return false;
    }
    let chars = |s: &str| s.chars().collect::<Vec<char>>();
    from(&chars(pattern), &chars(text))
}

/// A page of a listing, all of it unless less was asked for.
pub(super) fn page<T>(
    input: &Value,
    entries: Vec<T>,
    key: impl Fn(&T) -> String,
) -> Result<Page<T>, AwsError> {
    let size = fields::number(input, "MaxResults").map_or(usize::MAX / 2, |n| n as usize).max(1);
    page::page(entries, key, false, fields::text(input, "NextToken"), size)
        .map_err(|_| error::client("InvalidNextToken", "The token is not valid"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn patterns_fit_as_ec2_reads_them() {
        for (pattern, text, fit) in [
            ("abc", "abc", true),
            ("abc", "abcd", false),
            ("a*d", "abcd", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
            ("*", "", true),
        ] {
            assert_eq!(fits(pattern, text), fit, "{pattern} {text}");
        }
    }

    #[test]
    fn every_filter_must_be_met_by_one_of_its_values() {
        let known: Filters = &[("vpc-id", "Attachments.VpcId"), ("main", "Main")];
        let entry = json!({
            "Attachments": [{ "VpcId": "vpc-1" }, { "VpcId": "vpc-2" }],
            "Main": true,
            "Tags": [{ "Key": "Name", "Value": "web" }],
        });
        let has = |filters: &[(&str, &[&str])]| {
            let filters: Vec<Value> =
                filters.iter().map(|(n, v)| json!({ "Name": n, "Values": v })).collect();
            has_values(&entry, "Tags", &json!({ "Filters": filters }), known).ok()
        };
        assert_eq!(has(&[("vpc-id", &["vpc-9", "vpc-2"]), ("main", &["true"])]), Some(true));
        assert_eq!(has(&[("vpc-id", &["vpc-2"]), ("main", &["false"])]), Some(false));
        assert_eq!(has(&[("tag:Name", &["w*"]), ("tag-key", &["Name"])]), Some(true));
        assert_eq!(has(&[("tag:Owner", &["*"])]), Some(false));
        assert_eq!(has(&[("colour", &["red"])]), None);
    }
}
