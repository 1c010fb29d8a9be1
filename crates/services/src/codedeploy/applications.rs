//! Applications.

use neargate_core::Platform;
use serde_json::{Value, json};

use super::deployment_groups::{self, GROUPS};
use crate::error::{self, AwsError};
use crate::records::{Ids, Records, table};
use crate::{Answer, fields, tags};

/// By name.
pub(super) const APPLICATIONS: Records = table("codedeploy", "application");

/// The name and the record of the application that the input names.
pub(super) fn find(platform: &Platform, input: &Value) -> Result<(String, Value), AwsError> {
    let name = fields::text(input, "applicationName").unwrap_or_default();
    let found = APPLICATIONS.get(platform, name).ok_or_else(|| {
        let why = format!("No application found for name: {name}");
        error::client("ApplicationDoesNotExistException", why)
    })?;
    Ok((name.to_owned(), found))
}

fn is_free(platform: &Platform, name: &str) -> Result<(), AwsError> {
    if APPLICATIONS.has(platform, name) {
        let why = format!("Application already exists: {name}");
        return Err(error::client("ApplicationAlreadyExistsException", why));
    }
    Ok(())
}

pub(super) fn create(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = fields::text(input, "applicationName").unwrap_or_default();
    is_free(platform, name)?;
    let mut ids = Ids::of(platform);
    let id = ids.uuid();
    let mut application = json!({
        "applicationId": id,
        "applicationName": name,
        "createTime": fields::time(platform.now()),
        "linkedToGitHub": false,
        "computePlatform": fields::text(input, "computePlatform").unwrap_or("Server"),
    });
    tags::add(&mut application, tags::read(fields::list(input, "tags"), tags::LARGE));
    let commands = vec![ids.taken(), APPLICATIONS.put(name, &application)];
    Answer::after(commands, move |_| json!({ "applicationId": id }))
}

pub(super) fn get(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (_, application) = find(platform, input)?;
    Ok(Answer::Now(json!({ "application": tags::without(application) })))
}

pub(super) fn list(platform: &Platform, _: &Value) -> Result<Answer, AwsError> {
    let names: Vec<&str> = APPLICATIONS.all(platform).map(|(name, _)| name).collect();
    Ok(Answer::Now(json!({ "applications": names })))
}

/// Another name; the application's groups come along.
pub(super) fn update(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (name, mut application) = find(platform, input)?;
    let Some(new) = fields::text(input, "newApplicationName").filter(|new| *new != name) else {
        return Ok(Answer::Now(json!({})));
    };
    is_free(platform, new)?;
    application["applicationName"] = json!(new);
    let mut commands = vec![APPLICATIONS.remove(&name), APPLICATIONS.put(new, &application)];
    for (key, mut group) in deployment_groups::of_application(platform, &name) {
        group["applicationName"] = json!(new);
        let own = fields::text(&group, "deploymentGroupName").unwrap_or_default();
        commands.push(GROUPS.put(&deployment_groups::key(new, own), &group));
        commands.push(GROUPS.remove(key));
    }
    Answer::after(commands, |_| json!({}))
}

/// With its groups. One that is gone already is no error.
pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = fields::text(input, "applicationName").unwrap_or_default();
    let application = APPLICATIONS.has(platform, name).then(|| APPLICATIONS.remove(name));
    let groups = deployment_groups::of_application(platform, name);
    let groups = groups.map(|(key, _)| GROUPS.remove(key));
    Answer::after(application.into_iter().chain(groups).collect(), |_| json!({}))
}
