//! The credentials of a task's role (ECS-META-6): made from the home's key, so that nothing is
//! stored and nobody who lacks the key can guess them or the address they lie at.

use std::net::Ipv4Addr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use neargate_core::Platform;
use neargate_core::id::TaskId;
use neargate_core::metadata;
use neargate_core::task::Task;
use neargate_core::task_definition::TaskDefinition;
use neargate_services::arn;
use serde_json::{Value, json};

use super::reply::Reply;
use super::{caller, times};
use crate::vault::Vault;

/// Credentials are the same for one hour of the clock, and good for another.
const PERIOD_MS: u64 = 3_600_000;
/// Letters of an access key id.
const BASE_32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// The id in the address of a task's credentials.
fn id(vault: &Vault, task: TaskId) -> String {
    let [bits, _] = halves(vault.derive("task credentials id", &task.0.to_le_bytes()));
    arn::uuid(bits)
}

fn halves(bytes: [u8; 32]) -> [u128; 2] {
    let (low, high) = bytes.split_at(16);
    [low, high].map(|half| half.iter().fold(0, |bits, byte| bits << 8 | u128::from(*byte)))
}

/// The variable that leads a container to its role's credentials; `None` without a role.
pub(super) fn variable(
    vault: &Vault,
    base_url: &str,
    task: TaskId,
    definition: &TaskDefinition,
) -> Option<(&'static str, String)> {
    definition.task_role.as_ref()?;
    Some(metadata::credentials_variable(base_url, &id(vault, task)))
}

/// Answers who asks for the credentials with that id.
pub(super) fn answer(
    platform: &Platform,
    vault: &Vault,
    asked: &str,
    from: Option<Ipv4Addr>,
    wall_ms: u64,
) -> Reply {
    let has_id = |task: &&Task| same(&id(vault, task.id), &asked.to_ascii_lowercase());
    // Cheap questions first: an id costs a hash.
    let mut able = platform.tasks().filter(|task| caller::may_ask(task, from));
    match able.find_map(|task| {
        task.definition().task_role.as_deref().filter(|_| has_id(&task)).map(|role| (task, role))
    }) {
        Some((task, role)) => Reply::ok(document(vault, task.id, role, wall_ms)),
        None => not_found(),
    }
}

/// As the agent refuses an id it does not know.
fn not_found() -> Reply {
    let body = json!({
        "code": "InvalidIdInRequest",
        "message": "CredentialsV2Request: Credentials not found",
        "HTTPErrorCode": 400,
    });
    Reply::new(400, body)
}

/// Compares without telling by the time it takes how much was right.
fn same(a: &str, b: &str) -> bool {
    let differences = a.bytes().zip(b.bytes()).fold(0, |all, (a, b)| all | (a ^ b));
    a.len() == b.len() && differences == 0
}

/// The credentials of this hour. They are good in real time, because that is what clients have.
fn document(vault: &Vault, task: TaskId, role: &str, wall_ms: u64) -> Value {
    let period = wall_ms / PERIOD_MS;
    let derive = |what: &str| {
        let subject = [&task.0.to_le_bytes()[..], &period.to_le_bytes(), role.as_bytes()].concat();
        vault.derive(what, &subject)
    };
    let key: String = derive("access key id")[..16]
        .iter()
        .map(|byte| char::from(BASE_32[usize::from(byte % 32)]))
        .collect();
    let token = [derive("session token 1"), derive("session token 2"), derive("session token 3")];
    json!({
        "RoleArn": role,
        "AccessKeyId": format!("ASIA{key}"),
        "SecretAccessKey": STANDARD.encode(&derive("secret access key")[..30]),
        "Token": STANDARD.encode(token.concat()),
        "Expiration": times::of_ms((period + 2) * PERIOD_MS),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault() -> (tempfile::TempDir, Vault) {
        let home = tempfile::tempdir().expect("directory");
        let vault = Vault::open(&home.path().join("secrets.key")).expect("vault");
        (home, vault)
    }

    /// ECS-META-6: the same within the hour, others after it, good for an hour at least.
    #[test]
    fn ecs_meta_6_credentials_have_the_shape_and_the_life_of_a_roles() {
        let (_home, vault) = vault();
        let role = "arn:aws:iam::000000000000:role/app";
        let at = |wall_ms| document(&vault, TaskId(7), role, wall_ms);
        let now = at(PERIOD_MS * 10);
        assert_eq!(now["RoleArn"], role);
        assert_eq!(now["Expiration"], "1970-01-01T12:00:00Z");
        let length = |member: &str| now[member].as_str().map_or(0, str::len);
        assert_eq!((length("AccessKeyId"), length("SecretAccessKey")), (20, 40));
        assert!(now["AccessKeyId"].as_str().is_some_and(|id| id.starts_with("ASIA")));
        assert_eq!(at(PERIOD_MS * 11 - 1), now);
        assert_ne!(at(PERIOD_MS * 11)["SecretAccessKey"], now["SecretAccessKey"]);
        assert_ne!(document(&vault, TaskId(8), role, PERIOD_MS * 10)["Token"], now["Token"]);
    }

    #[test]
    fn the_id_is_a_secret_of_the_home() {
        let (_home, one) = vault();
        let (_other_home, other) = vault();
        let of = |vault| id(vault, TaskId(7));
        assert_eq!(of(&one).len(), 36);
        assert_eq!(of(&one), of(&one));
        assert_ne!(of(&one), of(&other), "whoever knows the task cannot guess it");
        assert!(same(&of(&one), &of(&one)) && !same("ab", "a") && !same("ab", "ac"));
    }
}
