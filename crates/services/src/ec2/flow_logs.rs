//! Flow logs: kept, not written.

use neargate_core::Platform;
use serde_json::{Value, json};

use super::kinds::{self, FLOW_LOG, SUBNET, VPC};
use super::{now, tagging};
use crate::error::{self, AwsError};
use crate::records::Ids;
use crate::{Answer, arn, fields};

const FORMAT: &str = "${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} ${packets} ${bytes} ${start} ${end} ${action} ${log-status}";

pub(super) fn describe(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    FLOW_LOG.list(platform, input, FLOW_LOG.recorded(platform))
}

/// One for each thing that is to be watched.
pub(super) fn create(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let destination = fields::text(input, "LogDestinationType").unwrap_or("cloud-watch-logs");
    let group = fields::text(input, "LogGroupName").or_else(|| {
        let (_, resource) = arn::parse(fields::text(input, "LogDestination")?)?;
        resource.strip_prefix("log-group:").map(|name| name.trim_end_matches(":*"))
    });
    if destination == "cloud-watch-logs" && group.is_none() {
        let message = "LogDestination or LogGroupName must be given for cloud-watch-logs";
        return Err(error::client("MissingParameter", message));
    }
    let mut ids = Ids::of(platform);
    let mut commands = Vec::new();
    let mut made = Vec::new();
    for watched in fields::texts(input, "ResourceIds") {
        match kinds::of(watched) {
            Some(kind) if [VPC.prefix, SUBNET.prefix].contains(&kind.prefix) => {
                if !kind.has(platform, watched) {
                    return Err(kind.not_found(watched));
                }
            }
            _ => {
                let message =
                    format!("Neargate keeps flow logs of VPCs and subnets, not {watched}");
                return Err(error::client("InvalidParameterValue", message));
            }
        }
        let id = ids.id("fl");
        let mut record = json!({
            "FlowLogId": id,
            "FlowLogStatus": "ACTIVE",
            "DeliverLogsStatus": "SUCCESS",
            "ResourceId": watched,
            "LogDestinationType": destination,
            "TrafficType": fields::text(input, "TrafficType").unwrap_or("ALL"),
            "LogFormat": fields::text(input, "LogFormat").unwrap_or(FORMAT),
            "MaxAggregationInterval": fields::number(input, "MaxAggregationInterval").unwrap_or(600),
            "CreationTime": fields::time(platform.now()),
        });
        for member in ["LogDestination", "DeliverLogsPermissionArn", "DeliverCrossAccountRole"] {
            fields::set(&mut record, member, fields::text(input, member));
        }
        fields::set(&mut record, "LogGroupName", group);
        let options = input.get("DestinationOptions").filter(|v| !v.is_null()).cloned();
        fields::set(&mut record, "DestinationOptions", options);
        commands.push(FLOW_LOG.records.put(&id, &record));
        commands.extend(tagging::on_new(&FLOW_LOG, &id, input));
        made.push(id);
    }
    commands.push(ids.taken());
    Answer::after(commands, move |_| json!({ "FlowLogIds": made, "Unsuccessful": [] }))
}

pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let mut commands = Vec::new();
    for id in fields::texts(input, "FlowLogIds") {
        FLOW_LOG.get(platform, id)?;
        commands.push(FLOW_LOG.records.remove(id));
        commands.extend(tagging::forget(platform, id));
    }
    match commands.is_empty() {
        true => now(json!({ "Unsuccessful": [] })),
        false => Answer::after(commands, |_| json!({ "Unsuccessful": [] })),
    }
}
