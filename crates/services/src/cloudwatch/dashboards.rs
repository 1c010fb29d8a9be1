//! Dashboards: kept as they were sent, if they are what a dashboard is (CW-DSH-*).

use neargate_core::Platform;
use neargate_wire::read_json;
use serde_json::{Value, json};

use super::listed;
use crate::error::{self, AwsError};
use crate::records::{Records, table};
use crate::{Answer, fields, tags};

/// By name: `DashboardBody`, `LastModified`, `tags`.
pub(super) const DASHBOARDS: Records = table("cloudwatch", "dashboard");

/// A page of ListDashboards.
const PAGE: usize = 1000;
/// CW-DSH-1.
const MAX_WIDGETS: usize = 500;
/// CW-DSH-2.
const WIDGETS: [&str; 6] = ["alarm", "custom", "explorer", "log", "metric", "text"];

/// CW-DSH-5: dashboards are global.
fn dashboard_arn(platform: &Platform, name: &str) -> String {
    format!("arn:aws:cloudwatch::{}:dashboard/{name}", platform.identity().account)
}

/// What is wrong with a body: where, and why. CW-DSH-1, CW-DSH-2.
fn mistakes(body: &str) -> Vec<(String, String)> {
    let mistake = |path: &str, why: String| vec![(path.to_owned(), why)];
    let parsed = match read_json(body) {
        Ok(parsed) => parsed,
        Err(error) => {
            return mistake("", format!("The field DashboardBody must be a valid JSON: {error}"));
        }
    };
    if !parsed.is_object() {
        return mistake("", "The field DashboardBody must be a JSON object".to_owned());
    }
    let Some(widgets) = parsed.get("widgets").and_then(Value::as_array) else {
        return mistake("/widgets", "The field \"widgets\" should be an array".to_owned());
    };
    let mut found = Vec::new();
    if widgets.len() > MAX_WIDGETS {
        found.push(("/widgets".to_owned(), format!("At most {MAX_WIDGETS} widgets are allowed")));
    }
    for (index, widget) in widgets.iter().enumerate() {
        let mut say = |member: &str, why: String| {
            found.push((format!("/widgets/{index}{member}"), why));
        };
        match widget.get("type").and_then(Value::as_str) {
            Some(kind) if WIDGETS.contains(&kind) => {}
            _ => say("/type", format!("Should be one of {}", WIDGETS.join(", "))),
        }
        if !widget.get("properties").is_some_and(Value::is_object) {
            say("/properties", "Should be an object".to_owned());
        }
        let within = |member: &str, low: u64, high: u64| match widget.get(member) {
            None => true,
            Some(value) => value.as_u64().is_some_and(|n| (low..=high).contains(&n)),
        };
        for (member, low, high) in
            [("x", 0, 23), ("y", 0, u64::MAX), ("width", 1, 24), ("height", 1, 1000)]
        {
            if !within(member, low, high) {
                say(&format!("/{member}"), format!("Should be at least {low} and at most {high}"));
            }
        }
        if widget.get("x").is_some() != widget.get("y").is_some() {
            say("", "x and y must be given together".to_owned());
        }
    }
    found
}

/// CW-DSH-5.
fn is_name(name: &str) -> bool {
    let letters = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    !name.is_empty() && name.len() <= 255 && name.chars().all(letters)
}

pub(super) fn put(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = fields::text(input, "DashboardName").unwrap_or_default();
    let invalid = |message: String, mistakes: Vec<(String, String)>| {
        let messages: Vec<Value> = mistakes
            .into_iter()
            .map(|(path, why)| json!({ "DataPath": path, "Message": why }))
            .collect();
        error::client("InvalidParameterInput", message)
            .with_field("dashboardValidationMessages", messages)
    };
    if !is_name(name) {
        let why = format!(
            "The value {name} for field DashboardName contains invalid characters. It can only \
             contain alphanumerics, dash (-) and underscore (_)."
        );
        return Err(invalid(why, Vec::new()));
    }
    let body = fields::text(input, "DashboardBody").unwrap_or_default();
    let mistakes = mistakes(body);
    if let Some((path, why)) = mistakes.first() {
        let count = mistakes.len();
        let why = format!(
            "The dashboard body is invalid, there are {count} validation errors: {path} {why}"
        );
        return Err(invalid(why, mistakes));
    }
    let mut record = json!({ "DashboardBody": body, "LastModified": fields::time(platform.now()) });
    let mut own = tags::noted(&DASHBOARDS.get(platform, name).unwrap_or_default());
    if own.is_empty() {
        own = tags::read(fields::list(input, "Tags"), tags::LARGE);
    }
    tags::note(&mut record, &own);
    Answer::after(
        vec![DASHBOARDS.put(name, &record)],
        |_| json!({ "DashboardValidationMessages": [] }),
    )
}

fn not_found(name: &str) -> AwsError {
    error::client("DashboardNotFoundError", format!("Dashboard {name} does not exist"))
}

pub(super) fn get(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = fields::text(input, "DashboardName").unwrap_or_default();
    let dashboard = DASHBOARDS.get(platform, name).ok_or_else(|| not_found(name))?;
    Ok(Answer::Now(json!({
        "DashboardName": name,
        "DashboardArn": dashboard_arn(platform, name),
        "DashboardBody": dashboard["DashboardBody"],
    })))
}

pub(super) fn list(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let prefix = fields::text(input, "DashboardNamePrefix").unwrap_or_default();
    let found: Vec<(&str, Value)> = DASHBOARDS.starting(platform, prefix).collect();
    let view = |(name, dashboard): &(&str, Value)| {
        json!({
            "DashboardName": name,
            "DashboardArn": dashboard_arn(platform, name),
            "LastModified": dashboard["LastModified"],
            "Size": fields::text(dashboard, "DashboardBody").unwrap_or_default().len(),
        })
    };
    let key = |(name, _): &(&str, Value)| (*name).to_owned();
    Ok(Answer::Now(listed(input, "DashboardEntries", found, PAGE, key, view)?))
}

/// All of them or none.
pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let names = fields::texts(input, "DashboardNames");
    if let Some(missing) = names.iter().find(|name| !DASHBOARDS.has(platform, name)) {
        return Err(not_found(missing));
    }
    let commands = names.into_iter().map(|name| DASHBOARDS.remove(name)).collect();
    Answer::after(commands, |_| json!({}))
}
