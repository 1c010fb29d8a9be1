//! Deployment groups: what an application is deployed to, and how.

use neargate_core::Platform;
use serde_json::{Value, json};

use super::{applications, deployment_configs};
use crate::error::{self, AwsError};
use crate::records::{Ids, Records, table};
use crate::{Answer, fields, note, tags};

/// Under `<application>\n<group>`: names may have everything else in them.
pub(super) const GROUPS: Records = table("codedeploy", "deployment-group");

/// What a group takes over from an input as it is.
const SETTINGS: &[&str] = &[
    "alarmConfiguration",
    "autoRollbackConfiguration",
    "blueGreenDeploymentConfiguration",
    "deploymentConfigName",
    "deploymentStyle",
    "ec2TagFilters",
    "ec2TagSet",
    "ecsServices",
    "loadBalancerInfo",
    "onPremisesInstanceTagFilters",
    "onPremisesTagSet",
    "outdatedInstancesStrategy",
    "serviceRoleArn",
    "terminationHookEnabled",
    "triggerConfigurations",
];

pub(super) fn key(application: &str, group: &str) -> String {
    format!("{application}\n{group}")
}

/// The groups of an application, as (key, record).
pub(super) fn of_application<'a>(
    platform: &'a Platform,
    application: &str,
) -> impl Iterator<Item = (&'a str, Value)> + use<'a> {
    GROUPS.starting(platform, &key(application, ""))
}

/// The key and the record of the group that the input names.
fn find(platform: &Platform, input: &Value, member: &str) -> Result<(String, Value), AwsError> {
    let (application, _) = applications::find(platform, input)?;
    let name = fields::text(input, member).unwrap_or_default();
    let key = key(&application, name);
    let found = GROUPS.get(platform, &key).ok_or_else(|| {
        let why = format!("No Deployment Group found for name: {name}");
        error::client("DeploymentGroupDoesNotExistException", why)
    })?;
    Ok((key, found))
}

fn is_free(platform: &Platform, key: &str, name: &str) -> Result<(), AwsError> {
    if GROUPS.has(platform, key) {
        let why = format!("Deployment group name already exists: {name}");
        return Err(error::client("DeploymentGroupAlreadyExistsException", why));
    }
    Ok(())
}

/// Takes over what an input says, and sees whether it can be.
fn take_over(group: &mut Value, input: &Value) -> Result<(), AwsError> {
    note::merge(group, &note::members(input, SETTINGS));
    if fields::sent(input, "autoScalingGroups") {
        let names = fields::texts(input, "autoScalingGroups").into_iter();
        group["autoScalingGroups"] = names.map(|name| json!({ "name": name })).collect();
    }
    let config = fields::text(group, "deploymentConfigName").unwrap_or_default();
    deployment_configs::known(config)?;
    if group["computePlatform"] != "ECS" {
        return Ok(());
    }
    let style = &group["deploymentStyle"];
    if style["deploymentType"] != "BLUE_GREEN"
        || style["deploymentOption"] != "WITH_TRAFFIC_CONTROL"
    {
        let why = "For ECS deployment groups, the deployment type must be BLUE_GREEN and the \
                   deployment option WITH_TRAFFIC_CONTROL";
        return Err(error::client("InvalidDeploymentStyleException", why));
    }
    if fields::list(group, "ecsServices").is_empty() {
        let why = "For ECS deployment groups, an ECS service must be given";
        return Err(error::client("InvalidECSServiceException", why));
    }
    let pairs = fields::list(&group["loadBalancerInfo"], "targetGroupPairInfoList");
    let two = |pair: &Value| fields::list(pair, "targetGroups").len() == 2;
    if pairs.len() != 1 || !pairs.iter().all(two) {
        let why = "For ECS deployment groups, one pair of two target groups must be given";
        return Err(error::client("InvalidTargetGroupPairException", why));
    }
    Ok(())
}

pub(super) fn create(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (application, app) = applications::find(platform, input)?;
    let name = fields::text(input, "deploymentGroupName").unwrap_or_default();
    let key = key(&application, name);
    is_free(platform, &key, name)?;
    let mut ids = Ids::of(platform);
    let id = ids.uuid();
    let compute = fields::text(&app, "computePlatform").unwrap_or_default();
    let mut group = json!({
        "applicationName": application,
        "deploymentGroupId": id,
        "deploymentGroupName": name,
        "deploymentConfigName": deployment_configs::default(compute),
        "computePlatform": compute,
        "deploymentStyle": {
            "deploymentType": "IN_PLACE",
            "deploymentOption": "WITHOUT_TRAFFIC_CONTROL",
        },
        "outdatedInstancesStrategy": "UPDATE",
        "terminationHookEnabled": false,
    });
    take_over(&mut group, input)?;
    tags::add(&mut group, tags::read(fields::list(input, "tags"), tags::LARGE));
    let commands = vec![ids.taken(), GROUPS.put(&key, &group)];
    Answer::after(commands, move |_| json!({ "deploymentGroupId": id }))
}

pub(super) fn get(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (_, group) = find(platform, input, "deploymentGroupName")?;
    Ok(Answer::Now(json!({ "deploymentGroupInfo": tags::without(group) })))
}

pub(super) fn list(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (application, _) = applications::find(platform, input)?;
    let groups = of_application(platform, &application);
    let names: Value = groups.map(|(_, group)| group["deploymentGroupName"].clone()).collect();
    Ok(Answer::Now(json!({ "applicationName": application, "deploymentGroups": names })))
}

pub(super) fn update(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (old, mut group) = find(platform, input, "currentDeploymentGroupName")?;
    take_over(&mut group, input)?;
    let mut commands = Vec::new();
    let mut at = old.clone();
    if let Some(name) = fields::text(input, "newDeploymentGroupName") {
        at = key(fields::text(input, "applicationName").unwrap_or_default(), name);
        group["deploymentGroupName"] = json!(name);
        if at != old {
            is_free(platform, &at, name)?;
            commands.push(GROUPS.remove(&old));
        }
    }
    commands.push(GROUPS.put(&at, &group));
    Answer::after(commands, |_| json!({ "hooksNotCleanedUp": [] }))
}

/// One that is gone already is no error.
pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let part = |member: &str| fields::text(input, member).unwrap_or_default();
    let key = key(part("applicationName"), part("deploymentGroupName"));
    let commands = GROUPS.has(platform, &key).then(|| GROUPS.remove(&key));
    Answer::after(commands.into_iter().collect(), |_| json!({ "hooksNotCleanedUp": [] }))
}
