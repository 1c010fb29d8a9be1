//! Listing secrets, with filters.

use neargate_core::Platform;
use serde_json::{Value, json};

use super::{Found, SAID, errors, secrets};
use crate::error::{self, AwsError};
use crate::{Answer, fields, page, tags};

pub(super) fn invalid_token() -> AwsError {
    error::client("InvalidNextTokenException", "The NextToken value is invalid.")
}

/// Whether a text begins with a value; `!` in front of the value turns it around.
fn fits(text: &str, value: &str) -> bool {
    match value.strip_prefix('!') {
        Some(value) => !text.starts_with(value),
        None => text.starts_with(value),
    }
}

fn passes(platform: &Platform, found: &Found<'_>, filter: &Value) -> Result<bool, AwsError> {
    let values = fields::texts(filter, "Values");
    let any = |text: &str| values.iter().any(|value| fits(text, value));
    let tags = tags::noted(&found.said);
    let description = fields::text(&found.said, "Description").unwrap_or_default();
    Ok(match fields::text(filter, "Key").unwrap_or_default() {
        "name" => any(found.name()),
        "description" => any(description),
        "tag-key" => tags.keys().any(|key| any(key)),
        "tag-value" => tags.values().any(|value| any(value)),
        "primary-region" => any(&platform.identity().region),
        "owning-service" => false,
        "all" => {
            let mut texts = vec![found.name(), description];
            texts.extend(tags.iter().flat_map(|(key, value)| [key.as_str(), value.as_str()]));
            values.iter().any(|value| {
                let value = value.to_ascii_lowercase();
                texts.iter().any(|text| text.to_ascii_lowercase().contains(&value))
            })
        }
        other => {
            return Err(errors::invalid_parameter(format!("{other} is not a filter's key.")));
        }
    })
}

/// The secrets that pass the filters of a request; with those to be deleted if asked.
pub(super) fn matching<'a>(
    platform: &'a Platform,
    input: &Value,
    with_deleted: bool,
) -> Result<Vec<Found<'a>>, AwsError> {
    let mut matching = Vec::new();
    for secret in platform.secrets().filter(|s| with_deleted || s.gone_at.is_none()) {
        let said = SAID.get(platform, &secret.name).unwrap_or_else(|| json!({}));
        let found = Found { secret, said };
        let mut all = true;
        for filter in fields::list(input, "Filters") {
            all = all && passes(platform, &found, filter)?;
        }
        if all {
            matching.push(found);
        }
    }
    Ok(matching)
}

pub(super) fn list(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let with_deleted = fields::flag(input, "IncludePlannedDeletion").unwrap_or(false);
    let found = matching(platform, input, with_deleted)?;
    let by = fields::text(input, "SortBy").unwrap_or("name");
    let mut views: Vec<Value> = found
        .iter()
        .map(|found| secrets::view(platform, found, "SecretVersionsToStages"))
        .collect();
    let key = |view: &Value| {
        let name = fields::text(view, "Name").unwrap_or_default();
        let seconds = |member: &str| view[member].as_f64().unwrap_or_default();
        match by {
            "created-date" => format!("{:020.3} {name}", seconds("CreatedDate")),
            "last-changed-date" => format!("{:020.3} {name}", seconds("LastChangedDate")),
            _ => name.to_owned(),
        }
    };
    let descending = fields::text(input, "SortOrder") == Some("desc");
    views.sort_by_cached_key(key);
    if descending {
        views.reverse();
    }
    let size = fields::number(input, "MaxResults").unwrap_or(100) as usize;
    let token = fields::text(input, "NextToken");
    let page = page::page(views, key, descending, token, size).map_err(|_| invalid_token())?;
    let mut answer = json!({ "SecretList": page.entries });
    fields::set(&mut answer, "NextToken", page.next);
    Ok(Answer::Now(answer))
}
