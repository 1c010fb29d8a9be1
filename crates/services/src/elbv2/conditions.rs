//! Conditions of rules between the API's JSON and the core (ALB-RULE-*).

use neargate_core::load_balancer::Condition;
use serde_json::{Value, json};

use super::errors::{unsupported, validation};
use crate::error::AwsError;
use crate::fields;

/// At most so many values in all conditions of a rule (ALB-RULE-4).
const MAX_VALUES: usize = 5;

/// The conditions of a rule.
pub(super) fn read(conditions: &[Value]) -> Result<Vec<Condition>, AwsError> {
    if conditions.is_empty() {
        return Err(validation("A rule must have at least one condition"));
    }
    let read: Vec<Condition> = conditions.iter().map(read_one).collect::<Result<_, _>>()?;
    let count = |condition: &Condition| match condition {
        Condition::PathPattern(values) | Condition::HostHeader(values) => values.len(),
    };
    if read.iter().map(count).sum::<usize>() > MAX_VALUES {
        return Err(validation(format!("A rule can have at most {MAX_VALUES} condition values")));
    }
    let paths = read.iter().filter(|c| matches!(c, Condition::PathPattern(_))).count();
    // ALB-RULE-3.
    if paths > 1 || read.len() - paths > 1 {
        return Err(validation("A rule can have at most one condition of each of these fields"));
    }
    Ok(read)
}

fn read_one(condition: &Value) -> Result<Condition, AwsError> {
    if !fields::list(condition, "RegexValues").is_empty() {
        return Err(unsupported("Neargate does not support regular expressions in conditions"));
    }
    let field = fields::text(condition, "Field").unwrap_or_default();
    let config = match field {
        "path-pattern" => "PathPatternConfig",
        "host-header" => "HostHeaderConfig",
        "http-header" | "http-request-method" | "query-string" | "source-ip" => {
            return Err(unsupported(format!(
                "Neargate supports the condition fields path-pattern and host-header, not {field}"
            )));
        }
        _ => {
            return Err(validation(format!(
                "Condition field '{field}' must be one of '[path-pattern,host-header,http-header,http-request-method,query-string,source-ip]'"
            )));
        }
    };
    let mut values = fields::texts(condition, "Values");
    if values.is_empty() {
        values = condition.get(config).map(|c| fields::texts(c, "Values")).unwrap_or_default();
    }
    if values.is_empty() {
        return Err(validation("A condition value must be specified"));
    }
    let values: Vec<String> = values.into_iter().map(str::to_owned).collect();
    let is_path = field == "path-pattern";
    for value in &values {
        let fits = if is_path { is_path_pattern(value) } else { is_host_pattern(value) };
        if !fits {
            return Err(validation(format!(
                "The condition value '{value}' is not valid for {field}"
            )));
        }
    }
    Ok(if is_path { Condition::PathPattern(values) } else { Condition::HostHeader(values) })
}

/// ALB-RULE-7.
fn is_path_pattern(value: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"_-.$/~\"'@:+&*?".contains(&b);
    value.len() <= 128 && value.bytes().all(fits)
}

/// ALB-RULE-6.
fn is_host_pattern(value: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"-.*?".contains(&b);
    let last = value.rsplit_once('.').map(|(_, last)| last);
    let letters = |last: &str| !last.is_empty() && last.bytes().all(|b| b.is_ascii_alphabetic());
    value.len() <= 128 && value.bytes().all(fits) && last.is_some_and(letters)
}

/// The condition as it is described: the values in both places.
pub(super) fn write(condition: &Condition) -> Value {
    let (field, config, values) = match condition {
        Condition::PathPattern(values) => ("path-pattern", "PathPatternConfig", values),
        Condition::HostHeader(values) => ("host-header", "HostHeaderConfig", values),
    };
    json!({ "Field": field, "Values": values, config: { "Values": values } })
}
