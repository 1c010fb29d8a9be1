//! Deployment configurations: those that every account has.

use neargate_core::Platform;
use serde_json::{Value, json};

use crate::error::{self, AwsError};
use crate::{Answer, arn, fields};

/// How fast one shifts.
#[derive(Clone, Copy)]
enum Shift {
    /// So many hosts stay healthy, of an application on servers: a kind of number, and the number.
    Hosts(&'static str, u32),
    AllAtOnce,
    /// Percent, minutes.
    Canary(u32, u32),
    /// Percent, minutes.
    Linear(u32, u32),
}

/// Name, compute platform, and how fast.
const CONFIGS: &[(&str, &str, Shift)] = &[
    ("CodeDeployDefault.AllAtOnce", "Server", Shift::Hosts("HOST_COUNT", 0)),
    ("CodeDeployDefault.HalfAtATime", "Server", Shift::Hosts("FLEET_PERCENT", 50)),
    ("CodeDeployDefault.OneAtATime", "Server", Shift::Hosts("HOST_COUNT", 99)),
    ("CodeDeployDefault.ECSAllAtOnce", "ECS", Shift::AllAtOnce),
    ("CodeDeployDefault.ECSCanary10Percent5Minutes", "ECS", Shift::Canary(10, 5)),
    ("CodeDeployDefault.ECSCanary10Percent15Minutes", "ECS", Shift::Canary(10, 15)),
    ("CodeDeployDefault.ECSLinear10PercentEvery1Minutes", "ECS", Shift::Linear(10, 1)),
    ("CodeDeployDefault.ECSLinear10PercentEvery3Minutes", "ECS", Shift::Linear(10, 3)),
    ("CodeDeployDefault.LambdaAllAtOnce", "Lambda", Shift::AllAtOnce),
    ("CodeDeployDefault.LambdaCanary10Percent5Minutes", "Lambda", Shift::Canary(10, 5)),
    ("CodeDeployDefault.LambdaCanary10Percent10Minutes", "Lambda", Shift::Canary(10, 10)),
    ("CodeDeployDefault.LambdaCanary10Percent15Minutes", "Lambda", Shift::Canary(10, 15)),
    ("CodeDeployDefault.LambdaCanary10Percent30Minutes", "Lambda", Shift::Canary(10, 30)),
    ("CodeDeployDefault.LambdaLinear10PercentEvery1Minute", "Lambda", Shift::Linear(10, 1)),
    ("CodeDeployDefault.LambdaLinear10PercentEvery2Minutes", "Lambda", Shift::Linear(10, 2)),
    ("CodeDeployDefault.LambdaLinear10PercentEvery3Minutes", "Lambda", Shift::Linear(10, 3)),
    ("CodeDeployDefault.LambdaLinear10PercentEvery10Minutes", "Lambda", Shift::Linear(10, 10)),
];

/// The one that a group has that names none.
pub(super) fn default(compute: &str) -> &'static str {
    match compute {
        "ECS" => "CodeDeployDefault.ECSAllAtOnce",
        "Lambda" => "CodeDeployDefault.LambdaAllAtOnce",
        _ => "CodeDeployDefault.OneAtATime",
    }
}

/// The one of that name.
pub(super) fn known(name: &str) -> Result<Value, AwsError> {
    let found = CONFIGS.iter().find(|(known, ..)| *known == name);
    let (name, compute, shift) = *found.ok_or_else(|| {
        let why = format!("No Deployment Configuration found for name: {name}");
        error::client("DeploymentConfigDoesNotExistException", why)
    })?;
    let mut view = json!({
        "deploymentConfigId": arn::derived_uuid(&[name.as_bytes()]),
        "deploymentConfigName": name,
        "computePlatform": compute,
        "createTime": 0,
    });
    match shift {
        Shift::Hosts(kind, value) => {
            view["minimumHealthyHosts"] = json!({ "type": kind, "value": value });
        }
        Shift::AllAtOnce => view["trafficRoutingConfig"] = json!({ "type": "AllAtOnce" }),
        Shift::Canary(percentage, interval) => {
            view["trafficRoutingConfig"] = json!({
                "type": "TimeBasedCanary",
                "timeBasedCanary": { "canaryPercentage": percentage, "canaryInterval": interval },
            });
        }
        Shift::Linear(percentage, interval) => {
            view["trafficRoutingConfig"] = json!({
                "type": "TimeBasedLinear",
                "timeBasedLinear": { "linearPercentage": percentage, "linearInterval": interval },
            });
        }
    }
    Ok(view)
}

pub(super) fn get(_: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = fields::text(input, "deploymentConfigName").unwrap_or_default();
    Ok(Answer::Now(json!({ "deploymentConfigInfo": known(name)? })))
}

pub(super) fn list(_: &Platform, _: &Value) -> Result<Answer, AwsError> {
    let names: Vec<&str> = CONFIGS.iter().map(|(name, ..)| *name).collect();
    Ok(Answer::Now(json!({ "deploymentConfigsList": names })))
}
