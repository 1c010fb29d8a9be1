//! AWS Budgets: budgets with their notifications and subscribers. Nothing is spent here, so nobody
//! is ever notified.

use neargate_core::Platform;
use serde_json::{Value, json};

use crate::error::{self, AwsError};
use crate::records::{Records, shown, table};
use crate::{Answer, Table, arn, fields, note, page, tags};

pub(crate) const OPERATIONS: Table = &[
    ("CreateBudget", create),
    ("CreateNotification", create_notification),
    ("CreateSubscriber", create_subscriber),
    ("DeleteBudget", delete),
    ("DeleteNotification", delete_notification),
    ("DeleteSubscriber", delete_subscriber),
    ("DescribeBudget", describe),
    ("DescribeBudgets", list),
    ("DescribeNotificationsForBudget", notifications),
    ("DescribeSubscribersForNotification", subscribers),
    ("ListTagsForResource", list_tags),
    ("TagResource", tag),
    ("UntagResource", untag),
    ("UpdateBudget", update),
    ("UpdateNotification", update_notification),
    ("UpdateSubscriber", update_subscriber),
];

/// By name, as they are described; `notifications` (each `Notification` with its `Subscribers`);
/// `tags`.
const BUDGETS: Records = table("budgets", "budget");

/// A page unless the input says otherwise.
const PAGE: usize = 100;
/// Notifications of one budget, and subscribers of one of them.
const MAX_NOTIFICATIONS: usize = 10;
const MAX_SUBSCRIBERS: usize = 11;
/// The end of a budget that was given none: 2087-06-15.
const NO_END_S: u64 = 3_706_473_600;

fn invalid(message: impl Into<String>) -> AwsError {
    error::client("InvalidParameterException", message)
}

fn not_found(message: impl Into<String>) -> AwsError {
    error::client("NotFoundException", message)
}

fn duplicate(message: impl Into<String>) -> AwsError {
    error::client("DuplicateRecordException", message)
}

fn check_account(platform: &Platform, input: &Value) -> Result<(), AwsError> {
    match fields::text(input, "AccountId") {
        Some(account) if account != platform.identity().account => {
            let message = format!("Account {account} is not the account of these budgets.");
            Err(error::client("AccessDeniedException", message))
        }
        _ => Ok(()),
    }
}

/// The budget of the input, by its name.
fn find(platform: &Platform, input: &Value) -> Result<(String, Value), AwsError> {
    check_account(platform, input)?;
    let name = fields::text(input, "BudgetName").unwrap_or_default();
    let missing = || not_found(format!("Unable to get budget: {name} - the budget doesn't exist."));
    Ok((name.to_owned(), BUDGETS.get(platform, name).ok_or_else(missing)?))
}

/// The first second of the month that a second is in (days from civil, proleptic Gregorian).
fn start_of_month(second: u64) -> u64 {
    let days = second / 86_400 + 719_468;
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5;
    (second / 86_400 - day) * 86_400
}

/// A budget as it is described: what was sent, and what holds where nothing was said.
fn completed(platform: &Platform, sent: &Value) -> Result<Value, AwsError> {
    let mut budget = sent.clone();
    let name = fields::text(sent, "BudgetName").unwrap_or_default();
    if name.contains([':', '\\']) || name.contains("/action/") {
        return Err(invalid(format!("The budget name {name} cannot contain : \\ or /action/")));
    }
    let limits = ["BudgetLimit", "PlannedBudgetLimits", "AutoAdjustData"];
    if limits.iter().filter(|limit| fields::sent(sent, limit)).count() != 1 {
        return Err(invalid(
            "Exactly one of BudgetLimit, PlannedBudgetLimits and AutoAdjustData must be given",
        ));
    }
    let amount = fields::text(&sent["BudgetLimit"], "Amount");
    if amount.is_some_and(|amount| amount.parse::<f64>().is_err()) {
        return Err(invalid("The amount of BudgetLimit is no number"));
    }
    let now = platform.now().0 / 1000;
    let mut period = json!({ "Start": start_of_month(now), "End": NO_END_S });
    note::merge(&mut period, &note::members(&sent["TimePeriod"], &["Start", "End"]));
    if period["Start"].as_f64() >= period["End"].as_f64() {
        return Err(invalid("The start of the time period must be before its end"));
    }
    budget["TimePeriod"] = period;
    if sent["BudgetType"] == "COST" && !fields::sent(sent, "Metrics") {
        let mut types = json!({
            "IncludeCredit": true,
            "IncludeDiscount": true,
            "IncludeOtherSubscription": true,
            "IncludeRecurring": true,
            "IncludeRefund": true,
            "IncludeSubscription": true,
            "IncludeSupport": true,
            "IncludeTax": true,
            "IncludeUpfront": true,
            "UseAmortized": false,
            "UseBlended": false,
        });
        note::merge(&mut types, &sent["CostTypes"]);
        budget["CostTypes"] = types;
    }
    if !fields::sent(sent, "CostFilters") && !fields::sent(sent, "FilterExpression") {
        budget["CostFilters"] = json!({});
    }
    let unit = fields::text(&sent["BudgetLimit"], "Unit").unwrap_or("USD");
    budget["CalculatedSpend"] = json!({ "ActualSpend": { "Amount": "0.0", "Unit": unit } });
    budget["LastUpdatedTime"] = fields::time(platform.now());
    Ok(budget)
}

fn create(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    check_account(platform, input)?;
    let mut budget = completed(platform, &input["Budget"])?;
    let name = fields::owned(&budget, "BudgetName").unwrap_or_default();
    if BUDGETS.has(platform, &name) {
        let message = format!("Error creating budget: {name} - the budget already exists.");
        return Err(duplicate(message));
    }
    budget["notifications"] = json!([]);
    for sent in fields::list(input, "NotificationsWithSubscribers") {
        notify(&mut budget, &sent["Notification"], fields::list(sent, "Subscribers"))?;
    }
    tags::note(&mut budget, &tags::read(fields::list(input, "ResourceTags"), tags::LARGE));
    put(&name, &budget)
}

fn put(name: &str, budget: &Value) -> Result<Answer, AwsError> {
    Answer::after(vec![BUDGETS.put(name, budget)], |_| json!({}))
}

fn update(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (name, old) = find(
        platform,
        &json!({
            "AccountId": input["AccountId"],
            "BudgetName": input["NewBudget"]["BudgetName"],
        }),
    )?;
    let mut budget = completed(platform, &input["NewBudget"])?;
    note::merge(&mut budget, &note::members(&old, &["notifications", "tags"]));
    put(&name, &budget)
}

fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (name, _) = find(platform, input)?;
    Answer::after(vec![BUDGETS.remove(&name)], |_| json!({}))
}

fn describe(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    Ok(Answer::Now(json!({ "Budget": shown(&find(platform, input)?.1) })))
}

/// One page of anything that has its place as its key.
fn paged(input: &Value, member: &str, all: Vec<Value>) -> Result<Answer, AwsError> {
    let size = fields::number(input, "MaxResults").map_or(PAGE, |n| n as usize).max(1);
    let all: Vec<(usize, Value)> = all.into_iter().enumerate().collect();
    let token = fields::text(input, "NextToken");
    let page = page::page(all, |(place, _)| format!("{place:06}"), false, token, size)
        .map_err(|_| error::client("InvalidNextTokenException", "The next token is invalid."))?;
    let views: Vec<Value> = page.entries.into_iter().map(|(_, view)| view).collect();
    let mut answer = json!({ member: views });
    fields::set(&mut answer, "NextToken", page.next);
    Ok(Answer::Now(answer))
}

fn list(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    check_account(platform, input)?;
    let all = BUDGETS.all(platform).map(|(_, budget)| shown(&budget)).collect();
    paged(input, "Budgets", all)
}

/// A notification with its defaults.
fn whole(sent: &Value) -> Value {
    let mut notification = json!({ "ThresholdType": "PERCENTAGE", "NotificationState": "OK" });
    note::merge(&mut notification, sent);
    notification
}

/// Whether two notifications are the same one: a budget has each once.
fn is_same(one: &Value, other: &Value) -> bool {
    let (one, other) = (whole(one), whole(other));
    ["ComparisonOperator", "NotificationType", "ThresholdType"]
        .iter()
        .all(|member| one[*member] == other[*member])
        && one["Threshold"].as_f64() == other["Threshold"].as_f64()
}

fn place(budget: &Value, notification: &Value) -> Option<usize> {
    let own = fields::list(budget, "notifications");
    own.iter().position(|own| is_same(&own["Notification"], notification))
}

/// The notification of the input in its budget.
fn notification_of(budget: &Value, notification: &Value) -> Result<usize, AwsError> {
    place(budget, notification)
        .ok_or_else(|| not_found("The budget has no such notification: it doesn't exist."))
}

/// Adds a notification to a budget.
fn notify(budget: &mut Value, sent: &Value, subscribers: &[Value]) -> Result<(), AwsError> {
    if place(budget, sent).is_some() {
        return Err(duplicate("The budget already has this notification."));
    }
    if subscribers.is_empty() || subscribers.len() > MAX_SUBSCRIBERS {
        return Err(invalid(format!(
            "A notification has 1 to {MAX_SUBSCRIBERS} subscribers; {} were given",
            subscribers.len()
        )));
    }
    let entry = json!({ "Notification": whole(sent), "Subscribers": subscribers });
    if let Some(own) = budget["notifications"].as_array_mut() {
        if own.len() == MAX_NOTIFICATIONS {
            let message = format!("A budget can have at most {MAX_NOTIFICATIONS} notifications");
            return Err(error::client("CreationLimitExceededException", message));
        }
        own.push(entry);
    }
    Ok(())
}

fn create_notification(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (name, mut budget) = find(platform, input)?;
    notify(&mut budget, &input["Notification"], fields::list(input, "Subscribers"))?;
    put(&name, &budget)
}

fn update_notification(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (name, mut budget) = find(platform, input)?;
    let at = notification_of(&budget, &input["OldNotification"])?;
    if place(&budget, &input["NewNotification"]).is_some_and(|other| other != at) {
        return Err(duplicate("The budget already has this notification."));
    }
    budget["notifications"][at]["Notification"] = whole(&input["NewNotification"]);
    put(&name, &budget)
}

fn delete_notification(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (name, mut budget) = find(platform, input)?;
    let at = notification_of(&budget, &input["Notification"])?;
    if let Some(own) = budget["notifications"].as_array_mut() {
        own.remove(at);
    }
    put(&name, &budget)
}

fn notifications(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (_, budget) = find(platform, input)?;
    let own = fields::list(&budget, "notifications");
    paged(input, "Notifications", own.iter().map(|own| own["Notification"].clone()).collect())
}

fn subscribers(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (_, budget) = find(platform, input)?;
    let at = notification_of(&budget, &input["Notification"])?;
    let own = fields::list(&budget["notifications"][at], "Subscribers");
    paged(input, "Subscribers", own.to_vec())
}

/// Changes the subscribers of the input's notification.
fn with_subscribers(
    platform: &Platform,
    input: &Value,
    change: impl FnOnce(&mut Vec<Value>) -> Result<(), AwsError>,
) -> Result<Answer, AwsError> {
    let (name, mut budget) = find(platform, input)?;
    let at = notification_of(&budget, &input["Notification"])?;
    let mut own = fields::list(&budget["notifications"][at], "Subscribers").to_vec();
    change(&mut own)?;
    if own.is_empty() || own.len() > MAX_SUBSCRIBERS {
        return Err(invalid(format!("A notification has 1 to {MAX_SUBSCRIBERS} subscribers")));
    }
    budget["notifications"][at]["Subscribers"] = json!(own);
    put(&name, &budget)
}

fn create_subscriber(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let new = &input["Subscriber"];
    with_subscribers(platform, input, |own| match own.contains(new) {
        true => Err(duplicate("The notification already has this subscriber.")),
        false => {
            own.push(new.clone());
            Ok(())
        }
    })
}

fn delete_subscriber(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    with_subscribers(platform, input, |own| {
        let before = own.len();
        own.retain(|subscriber| *subscriber != input["Subscriber"]);
        match own.len() < before {
            true => Ok(()),
            false => Err(not_found("The notification has no such subscriber.")),
        }
    })
}

fn update_subscriber(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    with_subscribers(platform, input, |own| {
        let old = own.iter_mut().find(|subscriber| **subscriber == input["OldSubscriber"]);
        let missing = || not_found("The notification has no such subscriber.");
        *old.ok_or_else(missing)? = input["NewSubscriber"].clone();
        Ok(())
    })
}

/// Budgets are global.
fn by_arn(platform: &Platform, input: &Value) -> Result<(String, Value), AwsError> {
    let text = fields::text(input, "ResourceARN").unwrap_or_default();
    let name = arn::resource(text, "budgets", "budget").unwrap_or_default();
    let missing = || not_found(format!("The resource {text} doesn't exist."));
    Ok((name.to_owned(), BUDGETS.get(platform, name).ok_or_else(missing)?))
}

fn list_tags(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let own = tags::noted(&by_arn(platform, input)?.1);
    Ok(Answer::Now(json!({ "ResourceTags": tags::write(&own, tags::LARGE) })))
}

fn tag(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (name, mut budget) = by_arn(platform, input)?;
    tags::add(&mut budget, tags::read(fields::list(input, "ResourceTags"), tags::LARGE));
    put(&name, &budget)
}

fn untag(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (name, mut budget) = by_arn(platform, input)?;
    tags::remove(&mut budget, &fields::texts(input, "ResourceTagKeys"));
    put(&name, &budget)
}

#[cfg(test)]
mod tests {
    use super::start_of_month;

    #[test]
    fn months_start_on_their_first_day() {
        // 2023-11-14, 2024-02-29, 2024-03-01, 1970-01-01.
        let cases = [
            (1_700_000_000, 1_698_796_800),
            (1_709_164_800, 1_706_745_600),
            (1_709_251_200, 1_709_251_200),
            (5, 0),
        ];
        for (second, start) in cases {
            assert_eq!(start_of_month(second), start, "{second}");
        }
    }
}
