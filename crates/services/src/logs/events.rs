//! Log events: put, get, filter. What is read and written here are the lines of the containers.

use neargate_core::Platform;
use neargate_logs::{FilterEvents, FilterPattern, GetEvents, LogEvent, PutEvent, StreamEvent};
use serde_json::{Value, json};

use super::streams::{group_of, sequence_token, signed};
use super::{errors, group};
use crate::error::AwsError;
use crate::{Answer, fields};

fn time(input: &Value, member: &str) -> Option<i64> {
    input.get(member).and_then(Value::as_i64)
}

fn limit(input: &Value) -> Option<usize> {
    fields::number(input, "limit").map(|limit| limit as usize)
}

/// CWL-PUT-1 to CWL-PUT-4.
pub(super) fn put(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let group = group(platform, input, "logGroupName")?.name.clone();
    let stream = fields::owned(input, "logStreamName").unwrap_or_default();
    let events = fields::list(input, "logEvents").iter().map(|event| {
        let message = event.get("message").and_then(Value::as_str).unwrap_or_default();
        (time(event, "timestamp").unwrap_or_default(), message.to_owned())
    });
    let events: Vec<(i64, String)> = events.collect();
    Answer::away(move |rooms| {
        let events: Vec<PutEvent<'_>> = events
            .iter()
            .map(|(ms, message)| PutEvent { timestamp_ms: *ms, message: message.as_bytes() })
            .collect();
        let now = signed(rooms.wall_ms());
        let put = rooms.logs().put_events(&group, &stream, &events, now);
        let outcome = put.map_err(errors::of_store)?;
        let mut answer = json!({ "nextSequenceToken": sequence_token(outcome.next_sequence) });
        let mut rejected = json!({});
        let info = outcome.rejected;
        fields::set(&mut rejected, "tooNewLogEventStartIndex", info.too_new_start);
        fields::set(&mut rejected, "tooOldLogEventEndIndex", info.too_old_end);
        fields::set(&mut rejected, "expiredLogEventEndIndex", info.expired_end);
        if rejected != json!({}) {
            answer["rejectedLogEventsInfo"] = rejected;
        }
        Ok(answer)
    })
}

fn view(event: &LogEvent) -> Value {
    json!({
        "timestamp": event.timestamp_ms,
        "message": event.text(),
        "ingestionTime": event.ingestion_ms,
    })
}

/// CWL-GET-1.
pub(super) fn get(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let group = group_of(platform, input)?;
    let input = input.clone();
    Answer::away(move |rooms| {
        let get = GetEvents {
            group: &group,
            stream: fields::text(&input, "logStreamName").unwrap_or_default(),
            start_ms: time(&input, "startTime"),
            end_ms: time(&input, "endTime"),
            from_head: fields::flag(&input, "startFromHead").unwrap_or(false),
            limit: limit(&input),
            token: fields::text(&input, "nextToken"),
        };
        let page = rooms.logs().get_events(&get).map_err(errors::of_store)?;
        Ok(json!({
            "events": page.events.iter().map(view).collect::<Vec<_>>(),
            "nextForwardToken": page.next_forward_token,
            "nextBackwardToken": page.next_backward_token,
        }))
    })
}

fn found(event: &StreamEvent) -> Value {
    let mut view = view(&event.event);
    view["logStreamName"] = json!(&*event.stream);
    view["eventId"] = json!(event.event_id());
    view
}

/// CWL-FLT-1, CWL-FLT-2.
pub(super) fn filter(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let group = group_of(platform, input)?;
    let pattern = fields::text(input, "filterPattern").map(pattern).transpose()?;
    let input = input.clone();
    Answer::away(move |rooms| {
        let filter = FilterEvents {
            group: &group,
            streams: &fields::texts(&input, "logStreamNames"),
            prefix: fields::text(&input, "logStreamNamePrefix"),
            start_ms: time(&input, "startTime"),
            end_ms: time(&input, "endTime"),
            pattern: pattern.as_ref(),
            limit: limit(&input),
            token: fields::text(&input, "nextToken"),
        };
        let page = rooms.logs().filter_events(&filter).map_err(errors::of_store)?;
        let mut answer = json!({
            "events": page.events.iter().map(found).collect::<Vec<_>>(),
            "searchedLogStreams": [],
        });
        fields::set(&mut answer, "nextToken", page.next_token);
        Ok(answer)
    })
}

/// Reads a filter pattern.
pub(super) fn pattern(text: &str) -> Result<FilterPattern, AwsError> {
    FilterPattern::parse(text)
        .map_err(|error| errors::invalid_parameter(format!("Invalid filter pattern: {error}")))
}
