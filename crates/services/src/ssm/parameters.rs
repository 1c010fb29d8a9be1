//! Parameters: put, delete.

use neargate_core::Platform;
use neargate_core::input::Command;
use neargate_core::secrets::PARAMETER_VERSIONS;
use serde_json::{Value, json};

use super::{SAID, VERSIONS, asked, errors, find, name_of, version_key};
use crate::error::{self, AwsError};
use crate::{Answer, fields, note, tags};

/// Characters of a value.
const STANDARD_LENGTH: usize = 4096;
const ADVANCED_LENGTH: usize = 8192;
/// Levels of a name.
const LEVELS: usize = 15;
/// What comes with a value and is kept for its version.
const OF_VERSION: [&str; 6] =
    ["Type", "Description", "KeyId", "AllowedPattern", "DataType", "Policies"];

fn check_name(name: &str) -> Result<(), AwsError> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "_.-/".contains(c);
    if name.is_empty() || !name.chars().all(is_allowed) {
        return Err(errors::invalid(
            "Invalid parameter name. Please use correct syntax for referencing a version/label \
             <name>:<version/label>. Only a mix of letters, numbers and the following 4 symbols \
             are allowed: .-_/",
        ));
    }
    if name.contains('/') && !name.starts_with('/') {
        return Err(errors::invalid("Parameter name must be a fully qualified name."));
    }
    let first = name.trim_start_matches('/').to_ascii_lowercase();
    if first.starts_with("aws") {
        let why = format!("No access to reserved parameter name: {name}.");
        return Err(error::client("AccessDeniedException", why));
    }
    if first.starts_with("ssm") {
        return Err(errors::invalid(
            "Parameter name: can't be prefixed with \"ssm\" (case-insensitive).",
        ));
    }
    if name.matches('/').count() > LEVELS {
        let why = format!("A hierarchy can have a maximum of {LEVELS} levels.");
        return Err(error::client("HierarchyLevelLimitExceededException", why));
    }
    Ok(())
}

/// The tier a value is kept in.
fn tier<'a>(
    asked: Option<&'a str>,
    old: Option<&'a str>,
    value: &str,
) -> Result<&'a str, AwsError> {
    let length = value.chars().count();
    let tier = match asked.or(old) {
        Some("Advanced") => "Advanced",
        Some("Intelligent-Tiering") if length > STANDARD_LENGTH => "Advanced",
        _ => "Standard",
    };
    if tier == "Standard" && old == Some("Advanced") {
        return Err(errors::invalid(
            "This parameter uses the advanced-parameter tier. You can't downgrade a parameter from \
             the advanced-parameter tier to the standard-parameter tier.",
        ));
    }
    let most = if tier == "Advanced" { ADVANCED_LENGTH } else { STANDARD_LENGTH };
    if length > most {
        return Err(errors::invalid(format!(
            "{tier} tier parameters support a maximum parameter value of {most} characters."
        )));
    }
    Ok(tier)
}

pub(super) fn put(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = name_of(fields::text(input, "Name").unwrap_or_default()).to_owned();
    check_name(&name)?;
    let overwrite = fields::flag(input, "Overwrite").unwrap_or(false);
    if overwrite && !fields::list(input, "Tags").is_empty() {
        return Err(errors::invalid(
            "Invalid request: tags and overwrite can't be used together. To create a parameter \
             with tags, please remove overwrite flag. To update tags for an existing parameter, \
             please use AddTagsToResource or RemoveTagsFromResource.",
        ));
    }
    let old = find(platform, &name);
    if old.is_some() && !overwrite {
        return Err(errors::exists());
    }
    let newest = old.as_ref().map(super::Found::newest).transpose()?;
    let before = newest.as_ref().map(|version| &version.said);
    let value = fields::owned(input, "Value").unwrap_or_default();
    let old_tier = before.and_then(|said| fields::text(said, "Tier"));
    let tier = tier(fields::text(input, "Tier"), old_tier, &value)?;
    let mut version = note::members(input, &OF_VERSION);
    if !fields::sent(&version, "Type") {
        // A description stays, too, unless another is given.
        let Some(before) = before else {
            return Err(errors::invalid("A type is required when creating a parameter."));
        };
        version["Type"] = before["Type"].clone();
    }
    if let Some(before) = before {
        for member in ["Description", "AllowedPattern", "DataType"] {
            if !fields::sent(input, member) {
                fields::set(&mut version, member, fields::text(before, member));
            }
        }
    }
    version["Tier"] = json!(tier);
    version["at"] = json!(platform.now().0);
    let number = newest.as_ref().map_or(1, |version| version.number + 1);
    let mut kept = vec![VERSIONS.put(&version_key(&name, number), &version)];
    if let Some(found) = &old {
        if found.parameter.versions.len() >= PARAMETER_VERSIONS {
            let oldest = found.oldest();
            if let Some(label) = fields::texts(&found.said_of(oldest), "Labels").first() {
                let why = format!(
                    "The oldest version, {oldest}, of parameter {name} can't be deleted, because \
                     it has the label {label}. Move the label to another version."
                );
                return Err(error::client("ParameterMaxVersionLimitExceeded", why));
            }
            kept.push(VERSIONS.remove(&version_key(&name, oldest)));
        }
    } else {
        let mut said = json!({});
        tags::note(&mut said, &tags::read(fields::list(input, "Tags"), tags::LARGE));
        kept.push(SAID.put(&name, &said));
    }
    let answer = json!({ "Version": number, "Tier": tier });
    Answer::here(move |_, rooms| {
        let mut commands = vec![Command::PutParameter { name, value: rooms.seal(&value) }];
        commands.extend(kept);
        Answer::after(commands, move |_| answer)
    })
}

fn forget(platform: &Platform, name: &str) -> Vec<Command> {
    let mut commands = vec![Command::DeleteParameter { name: name.to_owned() }, SAID.remove(name)];
    let versions = VERSIONS.starting(platform, &format!("{name}:"));
    commands.extend(versions.map(|(key, _)| VERSIONS.remove(key)));
    commands
}

pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let found = asked(platform, input, "Name")?;
    Answer::after(forget(platform, found.name()), |_| json!({}))
}

pub(super) fn delete_several(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let mut names: Vec<&str> = fields::texts(input, "Names").into_iter().map(name_of).collect();
    names.sort_unstable();
    names.dedup();
    let (there, missing): (Vec<&str>, Vec<&str>) =
        names.into_iter().partition(|name| platform.parameter(name).is_some());
    let answer = json!({ "DeletedParameters": there, "InvalidParameters": missing });
    let commands = there.into_iter().flat_map(|name| forget(platform, name)).collect();
    Answer::after(commands, move |_| answer)
}
