//! Configuration sets: what is to be done with mail that is sent under their name.

use neargate_core::Platform;
use serde_json::{Value, json};

use crate::error::{self, AwsError};
use crate::records::{Records, table};
use crate::{Answer, fields, page};

/// By name. A record is what DescribeConfigurationSet shows when it is asked for everything.
const SETS: Records = table("ses", "configuration-set");

fn found(platform: &Platform, name: &str) -> Result<Value, AwsError> {
    SETS.get(platform, name).ok_or_else(|| {
        let why = format!("Configuration set <{name}> does not exist.");
        error::client("ConfigurationSetDoesNotExist", why)
    })
}

/// The name and the record of the set that the input names.
fn find(platform: &Platform, input: &Value) -> Result<(String, Value), AwsError> {
    let name = fields::text(input, "ConfigurationSetName").unwrap_or_default();
    Ok((name.to_owned(), found(platform, name)?))
}

fn change(
    platform: &Platform,
    input: &Value,
    change: impl FnOnce(&mut Value) -> Result<(), AwsError>,
) -> Result<Answer, AwsError> {
    let (name, mut set) = find(platform, input)?;
    change(&mut set)?;
    Answer::after(vec![SETS.put(&name, &set)], |_| json!({}))
}

pub(super) fn create(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = fields::text(&input["ConfigurationSet"], "Name").unwrap_or_default();
    if SETS.has(platform, name) {
        let why = format!("Configuration set <{name}> already exists.");
        return Err(error::client("ConfigurationSetAlreadyExists", why));
    }
    let set = json!({
        "ConfigurationSet": { "Name": name },
        "EventDestinations": [],
        "ReputationOptions": { "SendingEnabled": true, "ReputationMetricsEnabled": false },
    });
    Answer::after(vec![SETS.put(name, &set)], |_| json!({}))
}

pub(super) fn describe(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (_, set) = find(platform, input)?;
    let mut view = json!({ "ConfigurationSet": set["ConfigurationSet"] });
    for (wanted, member) in [
        ("eventDestinations", "EventDestinations"),
        ("deliveryOptions", "DeliveryOptions"),
        ("reputationOptions", "ReputationOptions"),
    ] {
        if fields::texts(input, "ConfigurationSetAttributeNames").contains(&wanted) {
            fields::set(&mut view, member, set.get(member).cloned());
        }
    }
    Ok(Answer::Now(view))
}

pub(super) fn list(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let all: Vec<&str> = SETS.all(platform).map(|(name, _)| name).collect();
    let size = fields::number(input, "MaxItems").map_or(1000, |n| n as usize).max(1);
    let token = fields::text(input, "NextToken");
    let page = page::page(all, |name| (*name).to_owned(), false, token, size)
        .map_err(|_| error::client("InvalidParameterValue", "NextToken is not valid."))?;
    let sets: Value = page.entries.iter().map(|name| json!({ "Name": name })).collect();
    let mut answer = json!({ "ConfigurationSets": sets });
    fields::set(&mut answer, "NextToken", page.next);
    Ok(Answer::Now(answer))
}

pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (name, _) = find(platform, input)?;
    Answer::after(vec![SETS.remove(&name)], |_| json!({}))
}

pub(super) fn put_delivery_options(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    change(platform, input, |set| {
        match fields::text(&input["DeliveryOptions"], "TlsPolicy") {
            Some(policy) => set["DeliveryOptions"] = json!({ "TlsPolicy": policy }),
            None => drop(set.as_object_mut().map(|set| set.remove("DeliveryOptions"))),
        }
        Ok(())
    })
}

pub(super) fn set_metrics(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    change(platform, input, |set| {
        set["ReputationOptions"]["ReputationMetricsEnabled"] = input["Enabled"].clone();
        Ok(())
    })
}

/// Sending that goes on after a stop starts its statistics afresh.
pub(super) fn set_sending(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let now = fields::time(platform.now());
    change(platform, input, |set| {
        let options = &mut set["ReputationOptions"];
        if options["SendingEnabled"] == false && input["Enabled"] == true {
            options["LastFreshStart"] = now;
        }
        options["SendingEnabled"] = input["Enabled"].clone();
        Ok(())
    })
}

/// Where the destination of that name stands among the set's.
fn place(set: &Value, name: &str) -> Option<usize> {
    let mut destinations = fields::list(set, "EventDestinations").iter();
    destinations.position(|destination| fields::text(destination, "Name") == Some(name))
}

/// A destination as it is kept: exactly one place where events go.
fn destination(input: &Value) -> Result<(String, Value), AwsError> {
    let mut destination = input["EventDestination"].clone();
    let name = fields::owned(&destination, "Name").unwrap_or_default();
    let kinds = ["CloudWatchDestination", "KinesisFirehoseDestination", "SNSDestination"];
    if kinds.iter().filter(|kind| fields::sent(&destination, kind)).count() != 1 {
        let why =
            format!("Event destination <{name}> must have exactly one of {}.", kinds.join(", "));
        return Err(error::client("InvalidParameterValue", why));
    }
    if !fields::sent(&destination, "Enabled") {
        destination["Enabled"] = json!(false);
    }
    Ok((name, destination))
}

fn no_destination(set: &Value, name: &str) -> AwsError {
    let set = fields::text(&set["ConfigurationSet"], "Name").unwrap_or_default();
    let why = format!("Event destination <{name}> of configuration set <{set}> does not exist.");
    error::client("EventDestinationDoesNotExist", why)
}

pub(super) fn create_destination(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (name, destination) = destination(input)?;
    change(platform, input, |set| {
        if place(set, &name).is_some() {
            let why = format!("Event destination <{name}> already exists.");
            return Err(error::client("EventDestinationAlreadyExists", why));
        }
        let mut all = fields::list(set, "EventDestinations").to_vec();
        all.push(destination);
        set["EventDestinations"] = json!(all);
        Ok(())
    })
}

pub(super) fn update_destination(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (name, destination) = destination(input)?;
    change(platform, input, |set| {
        let place = place(set, &name).ok_or_else(|| no_destination(set, &name))?;
        set["EventDestinations"][place] = destination;
        Ok(())
    })
}

pub(super) fn delete_destination(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = fields::text(input, "EventDestinationName").unwrap_or_default();
    change(platform, input, |set| {
        let place = place(set, name).ok_or_else(|| no_destination(set, name))?;
        let mut all = fields::list(set, "EventDestinations").to_vec();
        all.remove(place);
        set["EventDestinations"] = json!(all);
        Ok(())
    })
}
