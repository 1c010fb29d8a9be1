//! What became of a request that AWS works off later (DISC-NS-2): here it is done when it is
//! answered. The newest operations are remembered.

use neargate_core::Platform;
use neargate_core::input::Command;
use serde_json::{Value, json};

use super::{listed, not_found, page, passes};
use crate::error::AwsError;
use crate::records::{Ids, Records, table};
use crate::{Answer, fields};

/// By id, as they are described.
const OPERATIONS: Records = table("servicediscovery", "operation");
/// At most so many are remembered.
const MAX_OPERATIONS: usize = 100;

/// The answer of an operation of that type on these targets, which is done by the commands.
pub(super) fn done(
    platform: &Platform,
    kind: &str,
    targets: &Value,
    mut commands: Vec<Command>,
) -> Result<Answer, AwsError> {
    let mut ids = Ids::of(platform);
    let id = format!("{:016x}{:016x}-{:08x}", ids.bits(), ids.bits(), ids.bits() >> 32);
    let now = fields::time(platform.now());
    let operation = json!({
        "Id": id,
        "OwnerAccount": platform.identity().account,
        "Type": kind,
        "Status": "SUCCESS",
        "CreateDate": now,
        "UpdateDate": now,
        "Targets": targets,
    });
    let mut known: Vec<(f64, &str)> = OPERATIONS
        .all(platform)
        .map(|(id, operation)| (operation["CreateDate"].as_f64().unwrap_or_default(), id))
        .collect();
    known.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    known.truncate((known.len() + 1).saturating_sub(MAX_OPERATIONS));
    commands.extend(known.into_iter().map(|(_, old)| OPERATIONS.remove(old)));
    commands.extend([OPERATIONS.put(&id, &operation), ids.taken()]);
    Answer::after(commands, move |_| json!({ "OperationId": id }))
}

pub(super) fn get(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let id = fields::text(input, "OperationId").unwrap_or_default();
    match OPERATIONS.get(platform, id) {
        Some(operation) => Ok(Answer::Now(json!({ "Operation": operation }))),
        None => Err(not_found("OperationNotFound", id)),
    }
}

pub(super) fn list(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let found: Vec<(&str, Value)> = OPERATIONS
        .all(platform)
        .filter(|(_, operation)| {
            let of = |value: &Value, member: &str| fields::owned(value, member).unwrap_or_default();
            let targets = &operation["Targets"];
            let (namespace, service) = (of(targets, "NAMESPACE"), of(targets, "SERVICE"));
            let kind = of(operation, "Type");
            let values = [
                ("NAMESPACE_ID", namespace.as_str()),
                ("SERVICE_ID", service.as_str()),
                ("STATUS", "SUCCESS"),
                ("TYPE", kind.as_str()),
            ];
            passes(input, &values)
        })
        .collect();
    let page = page(input, found, |(id, _)| (*id).to_owned())?;
    let view = |(id, _): &(&str, Value)| json!({ "Id": id, "Status": "SUCCESS" });
    Ok(Answer::Now(listed("Operations", page.entries.iter().map(view).collect(), page.next)))
}
