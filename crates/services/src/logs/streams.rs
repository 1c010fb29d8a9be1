//! Log streams: create, describe, delete. They lie in the log store, where shims make them too.

use neargate_core::Platform;
use neargate_logs::{ListStreams, StreamInfo, StreamOrder};
use serde_json::{Value, json};

use super::{errors, group, subject};
use crate::error::AwsError;
use crate::{Answer, fields};

/// The name of the group that `logGroupName` or `logGroupIdentifier` gives.
pub(super) fn group_of(platform: &Platform, input: &Value) -> Result<String, AwsError> {
    let sent = ["logGroupName", "logGroupIdentifier"].map(|member| fields::sent(input, member));
    let member = match sent {
        [true, false] => "logGroupName",
        [false, true] => "logGroupIdentifier",
        _ => {
            return Err(errors::invalid_parameter(
                "Exactly one of logGroupName and logGroupIdentifier must be given.",
            ));
        }
    };
    Ok(group(platform, input, member)?.name.clone())
}

pub(super) fn create(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let group = group_of(platform, input)?;
    let stream = fields::owned(input, "logStreamName").unwrap_or_default();
    Answer::away(move |rooms| {
        let now = signed(rooms.wall_ms());
        rooms.logs().create_stream(&group, &stream, now).map_err(errors::of_store)?;
        Ok(json!({}))
    })
}

pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let group = group_of(platform, input)?;
    let stream = fields::owned(input, "logStreamName").unwrap_or_default();
    Answer::away(move |rooms| {
        rooms.logs().delete_stream(&group, &stream).map_err(errors::of_store)?;
        Ok(json!({}))
    })
}

/// CWL-GRP-5.
pub(super) fn describe(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let group = group_of(platform, input)?;
    let arn = subject(platform, &group);
    let prefix = fields::owned(input, "logStreamNamePrefix");
    let token = fields::owned(input, "nextToken");
    let limit = fields::number(input, "limit").map(|limit| limit as usize);
    let order = match fields::text(input, "orderBy") {
        Some("LastEventTime") => StreamOrder::LastEventTime,
        _ => StreamOrder::Name,
    };
    let is_descending = fields::flag(input, "descending").unwrap_or(false);
    Answer::away(move |rooms| {
        let list = ListStreams {
            group: &group,
            prefix: prefix.as_deref(),
            order,
            is_descending,
            limit,
            token: token.as_deref(),
        };
        let page = rooms.logs().streams(&list).map_err(errors::of_store)?;
        let views: Vec<Value> = page.items.iter().map(|stream| view(&arn, stream)).collect();
        let mut answer = json!({ "logStreams": views });
        fields::set(&mut answer, "nextToken", page.next_token);
        Ok(answer)
    })
}

fn view(group_arn: &str, stream: &StreamInfo) -> Value {
    let mut view = json!({
        "logStreamName": stream.name,
        "creationTime": stream.created_ms,
        "arn": format!("{group_arn}:log-stream:{}", stream.name),
        "storedBytes": stream.stored_bytes,
        "uploadSequenceToken": sequence_token(stream.next_sequence),
    });
    fields::set(&mut view, "firstEventTimestamp", stream.first_event_ms);
    fields::set(&mut view, "lastEventTimestamp", stream.last_event_ms);
    fields::set(&mut view, "lastIngestionTime", stream.last_ingestion_ms);
    view
}

/// Still answered, although nobody checks one any more (CWL-PUT-4).
pub(super) fn sequence_token(next: u64) -> String {
    format!("{next:056}")
}

/// Times of the store have a sign.
pub(super) fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}
