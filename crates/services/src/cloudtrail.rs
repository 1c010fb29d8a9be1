//! AWS CloudTrail: trails. They are kept; no events are delivered.

use neargate_core::Platform;
use serde_json::{Value, json};

use crate::error::{self, AwsError};
use crate::records::{Records, table};
use crate::{Answer, Table, arn, fields, note, tags};

pub(crate) const OPERATIONS: Table = &[
    ("AddTags", add_tags),
    ("CreateTrail", create),
    ("DeleteTrail", delete),
    ("DescribeTrails", describe),
    ("GetEventSelectors", get_event_selectors),
    ("GetInsightSelectors", get_insight_selectors),
    ("GetTrail", get),
    ("GetTrailStatus", status),
    ("ListTags", list_tags),
    ("LookupEvents", lookup_events),
    ("ListTrails", list),
    ("PutEventSelectors", put_event_selectors),
    ("RemoveTags", remove_tags),
    ("StartLogging", start_logging),
    ("StopLogging", stop_logging),
    ("UpdateTrail", update),
];

/// By name. What CloudTrail shows elsewhere than with the trail stands in small letters:
/// `selectors`, `logging`, `started`, `stopped` (in milliseconds), `tags`.
const TRAILS: Records = table("cloudtrail", "trail");

/// What a trail takes over from an input as it is.
const SETTINGS: &[&str] = &[
    "S3BucketName",
    "S3KeyPrefix",
    "SnsTopicName",
    "IncludeGlobalServiceEvents",
    "IsMultiRegionTrail",
    "CloudWatchLogsLogGroupArn",
    "CloudWatchLogsRoleArn",
    "KmsKeyId",
    "IsOrganizationTrail",
];

/// The name in a name or an ARN.
fn name_of(text: &str) -> &str {
    arn::resource(text, "cloudtrail", "trail").unwrap_or(text)
}

/// The name and the record of the trail that a member names.
fn find(platform: &Platform, input: &Value, member: &str) -> Result<(String, Value), AwsError> {
    let name = name_of(fields::text(input, member).unwrap_or_default());
    let found = TRAILS.get(platform, name).ok_or_else(|| {
        let account = &platform.identity().account;
        let why = format!("Unknown trail: {name} for the user: {account}");
        error::client("TrailNotFoundException", why)
    })?;
    Ok((name.to_owned(), found))
}

/// The trail as CloudTrail shows it: a text that was taken away is not there.
fn view(trail: &Value) -> Value {
    let shown = trail.as_object().into_iter().flatten();
    shown
        .filter(|(member, value)| member.starts_with(char::is_uppercase) && **value != "")
        .map(|(member, value)| (member.clone(), value.clone()))
        .collect()
}

/// What answers to CreateTrail and UpdateTrail show.
fn brief(trail: &Value) -> Value {
    let mut view = view(trail);
    if let Some(view) = view.as_object_mut() {
        for later in ["HomeRegion", "HasCustomEventSelectors", "HasInsightSelectors"] {
            view.remove(later);
        }
    }
    view
}

/// Takes over what an input says, and sees whether it can be.
fn take_over(platform: &Platform, trail: &mut Value, input: &Value) -> Result<(), AwsError> {
    note::merge(trail, &note::members(input, SETTINGS));
    if let Some(validation) = fields::flag(input, "EnableLogFileValidation") {
        trail["LogFileValidationEnabled"] = json!(validation);
    }
    if let Some(topic) = fields::text(input, "SnsTopicName") {
        let name = topic.rsplit(':').next().unwrap_or_default();
        trail["SnsTopicName"] = json!(name);
        trail["SnsTopicARN"] = json!(match topic.starts_with("arn:") {
            true => topic.to_owned(),
            false => arn::of(platform.identity(), "sns", name),
        });
    }
    let flag = |member: &str| fields::flag(trail, member).unwrap_or_default();
    if flag("IsMultiRegionTrail") && !flag("IncludeGlobalServiceEvents") {
        let why = "Multi-Region trail must include global service events.";
        return Err(error::client("InvalidParameterCombinationException", why));
    }
    let logs = fields::text(trail, "CloudWatchLogsLogGroupArn").is_some();
    let role = fields::text(trail, "CloudWatchLogsRoleArn").is_some();
    match (logs, role) {
        (true, false) => {
            let why = "You must specify a role ARN together with a log group ARN.";
            Err(error::client("InvalidCloudWatchLogsRoleArnException", why))
        }
        (false, true) => {
            let why = "You must specify a log group ARN together with a role ARN.";
            Err(error::client("InvalidCloudWatchLogsLogGroupArnException", why))
        }
        _ => Ok(()),
    }
}

fn create(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = fields::text(input, "Name").unwrap_or_default();
    if TRAILS.has(platform, name) {
        let account = &platform.identity().account;
        let why = format!("Trail {name} already exists for customer: {account}");
        return Err(error::client("TrailAlreadyExistsException", why));
    }
    let mut trail = json!({
        "Name": name,
        "TrailARN": arn::of(platform.identity(), "cloudtrail", format_args!("trail/{name}")),
        "HomeRegion": platform.identity().region,
        "IncludeGlobalServiceEvents": true,
        "IsMultiRegionTrail": false,
        "IsOrganizationTrail": false,
        "LogFileValidationEnabled": false,
        "HasCustomEventSelectors": false,
        "HasInsightSelectors": false,
        "logging": false,
    });
    take_over(platform, &mut trail, input)?;
    tags::add(&mut trail, tags::read(fields::list(input, "TagsList"), tags::LARGE));
    Answer::after(vec![TRAILS.put(name, &trail)], move |_| brief(&trail))
}

fn update(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (name, mut trail) = find(platform, input, "Name")?;
    take_over(platform, &mut trail, input)?;
    Answer::after(vec![TRAILS.put(&name, &trail)], move |_| brief(&trail))
}

fn get(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (_, trail) = find(platform, input, "Name")?;
    Ok(Answer::Now(json!({ "Trail": view(&trail) })))
}

/// Trails that are not there are left out.
fn describe(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let names = fields::texts(input, "trailNameList");
    let wanted = |name: &str| names.is_empty() || names.iter().any(|n| name_of(n) == name);
    let trails = TRAILS.all(platform).filter(|(name, _)| wanted(name));
    let trails: Value = trails.map(|(_, trail)| view(&trail)).collect();
    Ok(Answer::Now(json!({ "trailList": trails })))
}

fn list(platform: &Platform, _: &Value) -> Result<Answer, AwsError> {
    let line = |trail: Value| note::members(&trail, &["TrailARN", "Name", "HomeRegion"]);
    let trails: Value = TRAILS.all(platform).map(|(_, trail)| line(trail)).collect();
    Ok(Answer::Now(json!({ "Trails": trails })))
}

fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (name, _) = find(platform, input, "Name")?;
    Answer::after(vec![TRAILS.remove(&name)], |_| json!({}))
}

fn set_logging(platform: &Platform, input: &Value, on: bool) -> Result<Answer, AwsError> {
    let (name, mut trail) = find(platform, input, "Name")?;
    trail["logging"] = json!(on);
    trail[if on { "started" } else { "stopped" }] = json!(platform.now().0);
    Answer::after(vec![TRAILS.put(&name, &trail)], |_| json!({}))
}

fn start_logging(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    set_logging(platform, input, true)
}

fn stop_logging(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    set_logging(platform, input, false)
}

fn status(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (_, trail) = find(platform, input, "Name")?;
    let mut answer = json!({ "IsLogging": trail["logging"] });
    for (kept, stamp, text) in [
        ("started", "StartLoggingTime", "TimeLoggingStarted"),
        ("stopped", "StopLoggingTime", "TimeLoggingStopped"),
    ] {
        if let Some(ms) = fields::number(&trail, kept) {
            let time = neargate_core::time::Time(ms);
            answer[stamp] = fields::time(time);
            answer[text] = json!(fields::iso(time));
        }
    }
    Ok(Answer::Now(answer))
}

/// What is kept of selectors: simple ones or advanced ones, never both.
fn selectors(trail: &Value) -> Value {
    trail.get("selectors").cloned().unwrap_or_else(|| {
        json!({ "EventSelectors": [{
            "ReadWriteType": "All",
            "IncludeManagementEvents": true,
            "DataResources": [],
            "ExcludeManagementEventSources": [],
        }] })
    })
}

fn with_arn(trail: &Value) -> Value {
    let mut answer = selectors(trail);
    answer["TrailARN"] = trail["TrailARN"].clone();
    answer
}

fn get_event_selectors(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (_, trail) = find(platform, input, "TrailName")?;
    Ok(Answer::Now(with_arn(&trail)))
}

fn put_event_selectors(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (name, mut trail) = find(platform, input, "TrailName")?;
    let simple = fields::list(input, "EventSelectors");
    let advanced = fields::list(input, "AdvancedEventSelectors");
    if simple.is_empty() == advanced.is_empty() {
        let why = "Exactly one of EventSelectors and AdvancedEventSelectors must be given.";
        return Err(error::client("InvalidEventSelectorsException", why));
    }
    let mut simple = simple.to_vec();
    for selector in &mut simple {
        for (member, default) in [
            ("ReadWriteType", json!("All")),
            ("IncludeManagementEvents", json!(true)),
            ("DataResources", json!([])),
            ("ExcludeManagementEventSources", json!([])),
        ] {
            if !fields::sent(selector, member) {
                selector[member] = default;
            }
        }
    }
    let news = match simple.is_empty() {
        true => json!({ "AdvancedEventSelectors": advanced }),
        false => json!({ "EventSelectors": simple }),
    };
    if let Some(trail) = trail.as_object_mut() {
        trail.remove("selectors");
    }
    let custom = news != selectors(&trail);
    trail["HasCustomEventSelectors"] = json!(custom);
    trail["selectors"] = news;
    Answer::after(vec![TRAILS.put(&name, &trail)], move |_| with_arn(&trail))
}

fn get_insight_selectors(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (name, _) = find(platform, input, "TrailName")?;
    let why = format!("Trail {name} does not have Insights enabled.");
    Err(error::client("InsightNotEnabledException", why))
}

/// The trail that a resource id names; only ARNs do.
fn tagged(platform: &Platform, id: &str) -> Result<(String, Value), AwsError> {
    let name = arn::resource(id, "cloudtrail", "trail").ok_or_else(|| {
        let why = format!("{id} is not the ARN of a trail.");
        error::client("CloudTrailARNInvalidException", why)
    })?;
    let trail = TRAILS.get(platform, name).ok_or_else(|| {
        error::client("ResourceNotFoundException", format!("The resource {id} cannot be found."))
    })?;
    Ok((name.to_owned(), trail))
}

fn list_tags(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let mut all = Vec::new();
    for id in fields::texts(input, "ResourceIdList") {
        let (_, trail) = tagged(platform, id)?;
        all.push(json!({ "ResourceId": id, "TagsList": tags::listed(&trail, tags::LARGE) }));
    }
    Ok(Answer::Now(json!({ "ResourceTagList": all })))
}

fn change_tags(
    platform: &Platform,
    input: &Value,
    change: impl FnOnce(&mut Value, &[Value]),
) -> Result<Answer, AwsError> {
    let id = fields::text(input, "ResourceId").unwrap_or_default();
    let (name, mut trail) = tagged(platform, id)?;
    change(&mut trail, fields::list(input, "TagsList"));
    if tags::noted(&trail).len() > 50 {
        let why = format!("The resource {id} can have at most 50 tags.");
        return Err(error::client("TagsLimitExceededException", why));
    }
    Answer::after(vec![TRAILS.put(&name, &trail)], |_| json!({}))
}

fn add_tags(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    change_tags(platform, input, |trail, list| {
        tags::add(trail, tags::read(list, tags::LARGE));
    })
}

fn remove_tags(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    change_tags(platform, input, |trail, list| {
        let keys: Vec<&str> = list.iter().filter_map(|tag| fields::text(tag, "Key")).collect();
        tags::remove(trail, &keys);
    })
}

/// Nothing writes down who asked for what, so there is nothing to be found.
fn lookup_events(_: &Platform, _: &Value) -> Result<Answer, AwsError> {
    Ok(Answer::Now(json!({ "Events": [] })))
}
