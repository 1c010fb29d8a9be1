//! Protection from scale-in, as a task asks for it itself (ECS-PROT-1, ECS-PROT-2). Carried out by
//! the same operations that AWS clients use; here is only how they are asked and how the answer is
//! worded.

use std::hash::{BuildHasher, RandomState};

use neargate_core::Platform;
use neargate_core::task::Task;
use neargate_services::arn;
use neargate_wire::AwsError;
use serde_json::{Value, json};

use super::reply::Reply;
use super::times;

/// What is to be asked of ECS: operation and input.
pub(super) struct Question {
    pub(super) operation: &'static str,
    pub(super) input: Value,
    task_arn: String,
}

/// The id belongs to no task, or to another one than asks.
pub(super) fn not_found() -> Reply {
    let message = "Failed to find a task for the request";
    Reply::new(404, json!({ "error": { "Code": "ResourceNotFoundException", "Message": message } }))
}

/// Words a request. `body` is there when it is to change.
pub(super) fn question(
    platform: &Platform,
    task: &Task,
    body: Option<&[u8]>,
) -> Result<Question, Reply> {
    let cluster = &task.revision.cluster;
    let task_arn = arn::task(platform.identity(), cluster, task.id);
    let mut input = json!({ "cluster": cluster, "tasks": [task_arn] });
    let mut operation = "GetTaskProtection";
    if let Some(body) = body {
        let change = Change::parse(body)
            .ok_or_else(|| invalid("", "UpdateTaskProtection: failed to decode request"))?;
        let Some(enabled) = change.enabled else {
            let why = "Invalid request: does not contain 'ProtectionEnabled' field";
            return Err(invalid(&task_arn, why));
        };
        operation = "UpdateTaskProtection";
        input["protectionEnabled"] = json!(enabled);
        if let Some(minutes) = change.minutes {
            input["expiresInMinutes"] = json!(minutes);
        }
    }
    // The agent calls ECS with the role's credentials.
    if task.definition().task_role.is_none() {
        let why = "Invalid Request: no task IAM role credentials available for task";
        return Err(refusal(403, &task_arn, "AccessDeniedException", why));
    }
    Ok(Question { operation, input, task_arn })
}

fn invalid(task_arn: &str, message: &str) -> Reply {
    refusal(400, task_arn, "InvalidParameterException", message)
}

fn refusal(status: u16, task_arn: &str, code: &str, message: &str) -> Reply {
    let mut error = json!({ "Code": code, "Message": message });
    if !task_arn.is_empty() {
        error["Arn"] = json!(task_arn);
    }
    Reply::new(status, json!({ "error": error }))
}

/// Words ECS's answer.
pub(super) fn worded(question: &Question, answer: Result<Value, AwsError>) -> Reply {
    let request_id = request_id();
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => {
            let (arn, status) = (&question.task_arn, error.status);
            let mut reply = refusal(status, arn, &error.code, &error.message);
            reply.body["requestID"] = json!(request_id);
            return reply;
        }
    };
    if let Some(failure) = answer["failures"].get(0) {
        let failure = json!({
            "Arn": failure["arn"],
            "Detail": failure["detail"],
            "Reason": failure["reason"],
        });
        return Reply::ok(json!({ "requestID": request_id, "failure": failure }));
    }
    let task = &answer["protectedTasks"][0];
    let expires = task["expirationDate"].as_f64().map(|s| times::of_ms((s * 1000.0) as u64));
    let protection = json!({
        "ExpirationDate": expires,
        "ProtectionEnabled": task["protectionEnabled"],
        "TaskArn": task["taskArn"],
    });
    Reply::ok(json!({ "requestID": request_id, "protection": protection }))
}

/// Of no meaning but to tell answers apart.
fn request_id() -> String {
    let bits = || u128::from(RandomState::new().hash_one(0_u8));
    arn::uuid(bits() << 64 | bits())
}

/// A request's body.
#[derive(Default)]
struct Change {
    enabled: Option<bool>,
    minutes: Option<i64>,
}

impl Change {
    /// As the agent reads it: names in any case, and none that it does not know.
    fn parse(body: &[u8]) -> Option<Change> {
        let Ok(Value::Object(members)) = serde_json::from_slice(body) else { return None };
        let mut change = Change::default();
        for (name, value) in members {
            match name.to_ascii_lowercase().as_str() {
                "protectionenabled" if value.is_null() => {}
                "protectionenabled" => change.enabled = Some(value.as_bool()?),
                "expiresinminutes" if value.is_null() => {}
                "expiresinminutes" => change.minutes = Some(value.as_i64()?),
                _ => return None,
            }
        }
        Some(change)
    }
}
