//! Capacity providers: the two that Fargate has, and strategies that use them (ECS-CP-1).

use neargate_core::Platform;
use neargate_core::service::{CapacityProvider, CapacityProviderStrategyItem};
use serde_json::{Value, json};

use super::{errors, missing};
use crate::error::AwsError;
use crate::{Answer, arn, fields};

const KNOWN: [CapacityProvider; 2] = [CapacityProvider::Fargate, CapacityProvider::FargateSpot];

fn known(name: &str) -> Option<CapacityProvider> {
    KNOWN.into_iter().find(|provider| provider.as_str() == name)
}

pub(super) fn is_known(name: &str) -> bool {
    known(name).is_some()
}

pub(super) fn describe(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let identity = platform.identity();
    let arn_of = |name: &str| arn::of(identity, "ecs", format_args!("capacity-provider/{name}"));
    let view = |name: &str| {
        json!({
            "capacityProviderArn": arn_of(name),
            "name": name,
            "status": "ACTIVE",
            "tags": [],
        })
    };
    let mut asked = fields::texts(input, "capacityProviders");
    if asked.is_empty() {
        asked.extend(KNOWN.map(CapacityProvider::as_str));
    }
    let (mut providers, mut failures) = (Vec::new(), Vec::new());
    for asked in asked {
        let name = arn::resource(asked, "ecs", "capacity-provider").unwrap_or(asked);
        match known(name) {
            Some(provider) => providers.push(view(provider.as_str())),
            None => failures.push(missing(arn_of(name))),
        }
    }
    Ok(Answer::Now(json!({ "capacityProviders": providers, "failures": failures })))
}

/// A strategy as ECS checks it (ECS-CP-1, ERR-ECS-8).
pub(super) fn read_strategy(
    items: &[Value],
) -> Result<Vec<CapacityProviderStrategyItem>, AwsError> {
    let read = |item: &Value| {
        let name = fields::text(item, "capacityProvider").unwrap_or_default();
        let Some(provider) = known(name) else {
            return Err(errors::invalid_parameter(
                "The specified capacity provider strategy cannot contain a capacity provider that is not associated with the cluster.",
            ));
        };
        let base = fields::small(item, "base").unwrap_or(0);
        let weight = fields::small(item, "weight").unwrap_or(0);
        if base > 100_000 || weight > 1_000 {
            return Err(errors::invalid_parameter(format!(
                "The capacity provider strategy item '{name}' has base {base} and weight {weight}: base is at most 100000, weight at most 1000."
            )));
        }
        Ok(CapacityProviderStrategyItem { provider, base, weight })
    };
    let strategy = items.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    if strategy.iter().filter(|item| item.base > 0).count() > 1 {
        return Err(errors::invalid_parameter(
            "The specified capacity provider strategy contains more than one capacity provider with a base value.",
        ));
    }
    if strategy.len() > 1 && strategy.iter().all(|item| item.weight == 0) {
        return Err(errors::invalid_parameter(
            "The specified capacity provider strategy must contain at least one capacity provider with a weight greater than 0.",
        ));
    }
    Ok(strategy)
}

/// A strategy as it is described.
pub(super) fn write_strategy(strategy: &[CapacityProviderStrategyItem]) -> Value {
    let item = |item: &CapacityProviderStrategyItem| {
        json!({
            "capacityProvider": item.provider.as_str(),
            "weight": item.weight,
            "base": item.base,
        })
    };
    strategy.iter().map(item).collect()
}
