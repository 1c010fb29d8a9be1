//! Amazon EventBridge: rules and their targets on the default event bus. No event is sent.

use neargate_core::Platform;
use neargate_wire::read_json;
use serde_json::{Value, json};

use crate::error::{self, AwsError};
use crate::records::{Records, shown, table};
use crate::{Answer, Table, arn, fields, note, page, tags};

pub(crate) const OPERATIONS: Table = &[
    ("DeleteRule", delete_rule),
    ("DescribeEventBus", describe_bus),
    ("DescribeRule", describe_rule),
    ("DisableRule", disable),
    ("EnableRule", enable),
    ("ListEventBuses", list_buses),
    ("ListRules", list_rules),
    ("ListTagsForResource", list_tags),
    ("ListTargetsByRule", list_targets),
    ("PutRule", put_rule),
    ("PutTargets", put_targets),
    ("RemoveTargets", remove_targets),
    ("TagResource", tag),
    ("UntagResource", untag),
];

/// By name, as they are described; `tags`.
const RULES: Records = table("events", "rule");
/// By `<rule>/<id>`, as they were put.
const TARGETS: Records = table("events", "target");

/// The only event bus there is.
const BUS: &str = "default";
/// A page unless the input says fewer.
const PAGE: usize = 100;
/// Targets of one rule.
const MAX_TARGETS: usize = 5;

fn validation(message: impl Into<String>) -> AwsError {
    error::client("ValidationException", message)
}

fn not_found(message: impl Into<String>) -> AwsError {
    error::client("ResourceNotFoundException", message)
}

fn bus_arn(platform: &Platform) -> String {
    arn::of(platform.identity(), "events", format_args!("event-bus/{BUS}"))
}

/// The bus of the input by name or ARN.
fn check_bus(platform: &Platform, input: &Value, member: &str) -> Result<(), AwsError> {
    match fields::text(input, member) {
        Some(bus) if bus != BUS && bus != bus_arn(platform) => {
            Err(not_found(format!("Event bus {bus} does not exist.")))
        }
        _ => Ok(()),
    }
}

fn rule_of(platform: &Platform, input: &Value, member: &str) -> Result<(String, Value), AwsError> {
    check_bus(platform, input, "EventBusName")?;
    let name = fields::text(input, member).unwrap_or_default();
    let missing = || not_found(format!("Rule {name} does not exist on EventBus {BUS}."));
    Ok((name.to_owned(), RULES.get(platform, name).ok_or_else(missing)?))
}

fn paged<T>(
    input: &Value,
    entries: Vec<T>,
    key: impl Fn(&T) -> String,
) -> Result<page::Page<T>, AwsError> {
    let size = fields::number(input, "Limit").map_or(PAGE, |n| n as usize).max(1);
    page::page(entries, key, false, fields::text(input, "NextToken"), size)
        .map_err(|_| validation("Token is not valid."))
}

/// `rate(5 minutes)` or `cron(0 12 * * ? *)`.
fn is_schedule(schedule: &str) -> bool {
    ["rate(", "cron("].iter().any(|start| schedule.starts_with(start)) && schedule.ends_with(')')
}

fn put_rule(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    check_bus(platform, input, "EventBusName")?;
    let name = fields::text(input, "Name").unwrap_or_default();
    let pattern = fields::text(input, "EventPattern");
    let schedule = fields::text(input, "ScheduleExpression");
    if pattern.is_none() && schedule.is_none() {
        return Err(validation(
            "Parameter(s) EventPattern or ScheduleExpression must be specified.",
        ));
    }
    if let Some(pattern) = pattern
        && !read_json(pattern).is_ok_and(|p| p.as_object().is_some_and(|p| !p.is_empty()))
    {
        let message = "Event pattern is not valid. Reason: Filter is not an object";
        return Err(error::client("InvalidEventPatternException", message));
    }
    if schedule.is_some_and(|schedule| !is_schedule(schedule)) {
        return Err(validation("Parameter ScheduleExpression is not valid."));
    }
    let members = ["Description", "EventPattern", "Name", "RoleArn", "ScheduleExpression", "State"];
    let mut rule = note::members(input, &members);
    let arn = arn::of(platform.identity(), "events", format_args!("rule/{name}"));
    rule["Arn"] = json!(arn);
    rule["EventBusName"] = json!(BUS);
    rule["CreatedBy"] = json!(platform.identity().account);
    let there = RULES.get(platform, name);
    if !fields::sent(&rule, "State") {
        rule["State"] = json!("ENABLED");
    }
    // Tags of a rule that is there are changed by their own operations.
    let own = match there {
        Some(old) => tags::noted(&old),
        None => tags::read(fields::list(input, "Tags"), tags::LARGE),
    };
    tags::note(&mut rule, &own);
    Answer::after(vec![RULES.put(name, &rule)], move |_| json!({ "RuleArn": arn }))
}

fn describe_rule(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    Ok(Answer::Now(shown(&rule_of(platform, input, "Name")?.1)))
}

fn list_rules(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    check_bus(platform, input, "EventBusName")?;
    let prefix = fields::text(input, "NamePrefix").unwrap_or_default();
    let page =
        paged(input, RULES.starting(platform, prefix).collect(), |(name, _)| (*name).to_owned())?;
    let view = |(_, rule): &(&str, Value)| {
        let mut view = shown(rule);
        if let Some(members) = view.as_object_mut() {
            members.remove("CreatedBy");
        }
        view
    };
    let mut answer = json!({ "Rules": page.entries.iter().map(view).collect::<Vec<_>>() });
    fields::set(&mut answer, "NextToken", page.next);
    Ok(Answer::Now(answer))
}

/// One that is gone is deleted again without complaint.
fn delete_rule(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    check_bus(platform, input, "EventBusName")?;
    let name = fields::text(input, "Name").unwrap_or_default();
    if TARGETS.starting(platform, &format!("{name}/")).next().is_some() {
        return Err(validation("Rule can't be deleted since it has targets."));
    }
    Answer::after(vec![RULES.remove(name)], |_| json!({}))
}

fn set_state(platform: &Platform, input: &Value, state: &str) -> Result<Answer, AwsError> {
    let (name, mut rule) = rule_of(platform, input, "Name")?;
    rule["State"] = json!(state);
    Answer::after(vec![RULES.put(&name, &rule)], |_| json!({}))
}

fn enable(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    set_state(platform, input, "ENABLED")
}

fn disable(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    set_state(platform, input, "DISABLED")
}

fn put_targets(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (rule, _) = rule_of(platform, input, "Rule")?;
    let start = format!("{rule}/");
    let mut keys: Vec<String> =
        TARGETS.starting(platform, &start).map(|(key, _)| key.to_owned()).collect();
    let mut commands = Vec::new();
    for target in fields::list(input, "Targets") {
        let id = fields::text(target, "Id").unwrap_or_default();
        if arn::parse(fields::text(target, "Arn").unwrap_or_default()).is_none() {
            return Err(validation(format!("Parameter Arn of target {id} is not valid.")));
        }
        let inputs = ["Input", "InputPath", "InputTransformer"];
        if inputs.iter().filter(|member| fields::sent(target, member)).count() > 1 {
            return Err(validation(format!(
                "Only one of Input, InputPath, or InputTransformer must be provided for target {id}."
            )));
        }
        let key = format!("{start}{id}");
        commands.push(TARGETS.put(&key, target));
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    if keys.len() > MAX_TARGETS {
        let message = format!("A rule can have at most {MAX_TARGETS} targets.");
        return Err(error::client("LimitExceededException", message));
    }
    Answer::after(commands, |_| json!({ "FailedEntryCount": 0, "FailedEntries": [] }))
}

fn list_targets(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (rule, _) = rule_of(platform, input, "Rule")?;
    let own = TARGETS.starting(platform, &format!("{rule}/")).collect();
    let page = paged(input, own, |(key, _): &(&str, Value)| (*key).to_owned())?;
    let targets: Vec<Value> = page.entries.into_iter().map(|(_, target)| target).collect();
    let mut answer = json!({ "Targets": targets });
    fields::set(&mut answer, "NextToken", page.next);
    Ok(Answer::Now(answer))
}

fn remove_targets(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (rule, _) = rule_of(platform, input, "Rule")?;
    let (mut commands, mut failed) = (Vec::new(), Vec::new());
    for id in fields::texts(input, "Ids") {
        let key = format!("{rule}/{id}");
        match TARGETS.has(platform, &key) {
            true => commands.push(TARGETS.remove(&key)),
            false => failed.push(json!({
                "TargetId": id,
                "ErrorCode": "ResourceNotFoundException",
                "ErrorMessage": format!("Rule {rule} does not have target {id}."),
            })),
        }
    }
    Answer::after(
        commands,
        move |_| json!({ "FailedEntryCount": failed.len(), "FailedEntries": failed }),
    )
}

fn bus(platform: &Platform) -> Value {
    json!({ "Name": BUS, "Arn": bus_arn(platform) })
}

fn describe_bus(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    check_bus(platform, input, "Name")?;
    Ok(Answer::Now(bus(platform)))
}

fn list_buses(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let prefix = fields::text(input, "NamePrefix").unwrap_or_default();
    let buses: Vec<Value> = BUS.starts_with(prefix).then(|| bus(platform)).into_iter().collect();
    Ok(Answer::Now(json!({ "EventBuses": buses })))
}

/// The rule with that ARN.
fn by_arn(platform: &Platform, input: &Value) -> Result<(String, Value), AwsError> {
    let text = fields::text(input, "ResourceARN").unwrap_or_default();
    let name = arn::resource(text, "events", "rule").unwrap_or_default();
    let name = name.strip_prefix("default/").unwrap_or(name);
    let missing = || not_found(format!("Rule {name} does not exist on EventBus {BUS}."));
    Ok((name.to_owned(), RULES.get(platform, name).ok_or_else(missing)?))
}

fn list_tags(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let own = tags::noted(&by_arn(platform, input)?.1);
    Ok(Answer::Now(json!({ "Tags": tags::write(&own, tags::LARGE) })))
}

fn tag(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (name, mut rule) = by_arn(platform, input)?;
    tags::add(&mut rule, tags::read(fields::list(input, "Tags"), tags::LARGE));
    Answer::after(vec![RULES.put(&name, &rule)], |_| json!({}))
}

fn untag(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (name, mut rule) = by_arn(platform, input)?;
    tags::remove(&mut rule, &fields::texts(input, "TagKeys"));
    Answer::after(vec![RULES.put(&name, &rule)], |_| json!({}))
}
