//! Labels of versions: a label is on one version at a time.

use neargate_core::Platform;
use serde_json::{Value, json};

use super::{VERSIONS, asked, errors, version_key};
use crate::error::{self, AwsError};
use crate::{Answer, fields};

/// At most so many on one version.
const MAX_LABELS: usize = 10;

fn is_label(label: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let lower = label.to_ascii_lowercase();
    label.chars().all(is_allowed)
        && !label.starts_with(|c: char| c.is_ascii_digit())
        && !lower.starts_with("aws")
        && !lower.starts_with("ssm")
}

fn labels_of(said: &Value) -> Vec<String> {
    fields::texts(said, "Labels").into_iter().map(str::to_owned).collect()
}

pub(super) fn label(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let found = asked(platform, input, "Name")?;
    let number = fields::number(input, "ParameterVersion");
    let number = number.unwrap_or_else(|| found.parameter.newest());
    let version = found.version(number);
    let mut version =
        version.ok_or_else(|| errors::no_version(&number.to_string(), found.name()))?;
    let (labels, invalid): (Vec<&str>, Vec<&str>) =
        fields::texts(input, "Labels").into_iter().partition(|label| is_label(label));
    let mut commands = Vec::new();
    for mut other in found.versions() {
        let mut kept = labels_of(&other.said);
        if kept.iter().any(|label| labels.contains(&label.as_str())) {
            kept.retain(|label| !labels.contains(&label.as_str()));
            other.said["Labels"] = json!(kept);
            commands.push(VERSIONS.put(&version_key(found.name(), other.number), &other.said));
        }
    }
    let mut own = labels_of(&version.said);
    for label in labels {
        if !own.iter().any(|known| known == label) {
            own.push(label.to_owned());
        }
    }
    if own.len() > MAX_LABELS {
        let why = format!(
            "A parameter version can have maximum {MAX_LABELS} labels. Move one or more labels to \
             another version and try again."
        );
        return Err(error::client("ParameterVersionLabelLimitExceeded", why));
    }
    version.said["Labels"] = json!(own);
    commands.push(VERSIONS.put(&version_key(found.name(), number), &version.said));
    let answer = json!({ "InvalidLabels": invalid, "ParameterVersion": number });
    Answer::after(commands, move |_| answer)
}

pub(super) fn unlabel(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let found = asked(platform, input, "Name")?;
    let number = fields::number(input, "ParameterVersion").unwrap_or_default();
    let version = found.version(number);
    let mut version =
        version.ok_or_else(|| errors::no_version(&number.to_string(), found.name()))?;
    let mut own = labels_of(&version.said);
    let (removed, invalid): (Vec<&str>, Vec<&str>) = fields::texts(input, "Labels")
        .into_iter()
        .partition(|label| own.iter().any(|known| known == label));
    own.retain(|label| !removed.contains(&label.as_str()));
    version.said["Labels"] = json!(own);
    let command = VERSIONS.put(&version_key(found.name(), number), &version.said);
    let answer = json!({ "RemovedLabels": removed, "InvalidLabels": invalid });
    Answer::after(vec![command], move |_| answer)
}
