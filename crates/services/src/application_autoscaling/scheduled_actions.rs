//! Scheduled actions (SCALE-SCH-*).

use neargate_core::Platform;
use serde_json::{Value, json};

use super::{DIMENSION, SCHEDULED_ACTIONS, Scalable, described, validation};
use crate::error::{self, AwsError};
use crate::records::Ids;
use crate::{Answer, arn, fields, note};

/// Whether a schedule is one: `at(...)`, `rate(...)` or `cron(...)` (SCALE-SCH-1, SCALE-SCH-5).
fn is_schedule(schedule: &str) -> bool {
    let inside = |word: &str| schedule.strip_prefix(word)?.strip_prefix('(')?.strip_suffix(')');
    if let Some(time) = inside("at") {
        // yyyy-mm-ddThh:mm:ss
        let shape = |(place, c): (usize, char)| match place {
            4 | 7 => c == '-',
            10 => c == 'T',
            13 | 16 => c == ':',
            _ => c.is_ascii_digit(),
        };
        return time.len() == 19 && time.chars().enumerate().all(shape);
    }
    if let Some(rate) = inside("rate") {
        let (count, unit) = rate.split_once(' ').unwrap_or_default();
        let count: u32 = count.parse().unwrap_or_default();
        let units = match count {
            0 => return false,
            1 => ["minute", "hour", "day"],
            _ => ["minutes", "hours", "days"],
        };
        return units.contains(&unit);
    }
    let fields: Vec<&str> = inside("cron").unwrap_or_default().split_whitespace().collect();
    fields.len() == 6 && (fields[2] == "?") != (fields[4] == "?")
}

pub(super) fn put(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let scalable = Scalable::read(input)?;
    scalable.target(platform)?;
    let name = fields::text(input, "ScheduledActionName").unwrap_or_default();
    let key = format!("{}/{name}", scalable.key());
    let mut commands = Vec::new();
    let mut action = match SCHEDULED_ACTIONS.get(platform, &key) {
        Some(mut action) => {
            // SCALE-SCH-4: what is not said stays, but for start and end.
            if let Some(members) = action.as_object_mut() {
                members.remove("StartTime");
                members.remove("EndTime");
            }
            action
        }
        None => {
            let mut ids = Ids::of(platform);
            let arn = arn::of(
                platform.identity(),
                "autoscaling",
                format_args!(
                    "scheduledAction:{}:resource/ecs/{}:scheduledActionName/{name}",
                    ids.uuid(),
                    scalable.resource
                ),
            );
            commands.push(ids.taken());
            json!({
                "ScheduledActionName": name,
                "ScheduledActionARN": arn,
                "ServiceNamespace": "ecs",
                "ResourceId": scalable.resource,
                "ScalableDimension": scalable.dimension,
                "CreationTime": fields::time(platform.now()),
            })
        }
    };
    let members = ["EndTime", "ScalableTargetAction", "Schedule", "StartTime", "Timezone"];
    note::merge(&mut action, &note::members(input, &members));
    let Some(schedule) = fields::text(&action, "Schedule") else {
        return Err(validation("Schedule is required for a new scheduled action"));
    };
    if !is_schedule(schedule) {
        return Err(validation(format!(
            "Invalid schedule expression {schedule}: at(yyyy-mm-ddThh:mm:ss), rate(value unit) or \
             cron(fields) is expected"
        )));
    }
    let bounds = &action["ScalableTargetAction"];
    let [min, max] =
        ["MinCapacity", "MaxCapacity"].map(|member| bounds.get(member).filter(|b| !b.is_null()));
    if min.is_none() && max.is_none() {
        return Err(validation("MinCapacity or MaxCapacity must be given in ScalableTargetAction"));
    }
    if let (Some(min), Some(max)) = (min.and_then(Value::as_i64), max.and_then(Value::as_i64))
        && min > max
    {
        return Err(validation(format!(
            "Maximum capacity {max} cannot be less than minimum capacity {min}"
        )));
    }
    commands.push(SCHEDULED_ACTIONS.put(&key, &action));
    Answer::after(commands, |_| json!({}))
}

pub(super) fn describe(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let names = fields::texts(input, "ScheduledActionNames");
    let named = |action: &Value| {
        names.is_empty() || names.iter().any(|wanted| action["ScheduledActionName"] == *wanted)
    };
    // A target that is gone has none, whoever took it away.
    let has_target = |action: &Value| {
        let resource = fields::text(action, "ResourceId").unwrap_or_default();
        Scalable { resource, dimension: DIMENSION }.target(platform).is_ok()
    };
    let actions = SCHEDULED_ACTIONS
        .all(platform)
        .filter(|(_, action)| has_target(action))
        .map(|(key, view)| (key.to_owned(), view));
    described(input, "ScheduledActions", actions, named)
}

/// ERR-AAS-3.
pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let scalable = Scalable::read(input)?;
    let name = fields::text(input, "ScheduledActionName").unwrap_or_default();
    let key = format!("{}/{name}", scalable.key());
    if !SCHEDULED_ACTIONS.has(platform, &key) {
        let message = format!(
            "No scheduled action found for service namespace: ecs, resource ID: {}, scalable \
             dimension: {}, scheduled action name: {name}",
            scalable.resource, scalable.dimension
        );
        return Err(error::client("ObjectNotFoundException", message));
    }
    Answer::after(vec![SCHEDULED_ACTIONS.remove(&key)], |_| json!({}))
}

#[cfg(test)]
mod tests {
    use super::is_schedule;

    /// SCALE-SCH-1, SCALE-SCH-5.
    #[test]
    fn scale_sch_1_schedules() {
        for good in [
            "at(2026-11-27T09:00:00)",
            "rate(1 hour)",
            "rate(5 minutes)",
            "cron(0 20 ? * MON-FRI *)",
            "cron(0 8 * * ? *)",
        ] {
            assert!(is_schedule(good), "{good}");
        }
        for bad in [
            "at(2026-11-27 09:00:00)",
            "at(tomorrow)",
            "rate(1 hours)",
            "rate(0 minutes)",
            "cron(0 8 * * * *)",
            "cron(0 8 ? * ? *)",
            "cron(0 8 * *)",
            "every day",
        ] {
            assert!(!is_schedule(bad), "{bad}");
        }
    }
}
