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
use neargate_wire::sigv4::AuthError;
use serde_json::{Value, json};

use super::reply::Reply;
use super::{caller, times};
use crate::key_ring::BASE_32;
use crate::vault::Vault;

/// Credentials are the same for one hour of the clock, and good for another.
const PERIOD_MS: u64 = 3_600_000;

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
    let subject = [&task.0.to_le_bytes()[..], &period.to_le_bytes(), role.as_bytes()].concat();
    let key: String = vault.derive("access key id", &subject)[..16]
        .iter()
        .map(|byte| char::from(BASE_32[usize::from(byte % 32)]))
        .collect();
    let key = format!("ASIA{key}");
    json!({
        "RoleArn": role,
        "SecretAccessKey": secret_of(vault, &key, period),
        "Token": token_of(vault, &key, period),
        "AccessKeyId": key,
        "Expiration": times::of_ms((period + 2) * PERIOD_MS),
    })
}

/// Key, hour and the home's key make the secret, so nothing is kept about those handed out.
fn secret_of(vault: &Vault, key: &str, period: u64) -> String {
    let subject = [&period.to_le_bytes()[..], key.as_bytes()].concat();
    STANDARD.encode(&vault.derive("secret access key", &subject)[..30])
}

/// Says which hour the key is of, and proves it.
fn token_of(vault: &Vault, key: &str, period: u64) -> String {
    let subject = [&period.to_le_bytes()[..], key.as_bytes()].concat();
    let proof = ["session token 1", "session token 2", "session token 3"];
    let proof = proof.map(|what| vault.derive(what, &subject)).concat();
    STANDARD.encode([&period.to_le_bytes()[..], &proof].concat())
}

/// The secret of a key that was handed out here and is good at that time.
pub(crate) fn secret(
    vault: &Vault,
    key: &str,
    token: &str,
    wall_ms: u64,
) -> Result<String, AuthError> {
    let bytes = STANDARD.decode(token).ok();
    let period = bytes.as_deref().and_then(|bytes| bytes.first_chunk());
    let period = period.map(|bytes| u64::from_le_bytes(*bytes)).ok_or(AuthError::UnknownKey)?;
    if !same(&token_of(vault, key, period), token) {
        return Err(AuthError::UnknownKey);
    }
    if wall_ms >= period.saturating_add(2).saturating_mul(PERIOD_MS) {
        return Err(AuthError::ExpiredToken);
    }
    Ok(secret_of(vault, key, period))
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

    /// Under `--auth strict` a task signs with them: key, secret and token belong together, here
    /// only, and until they expire.
    #[test]
    fn ecs_meta_6_the_secret_is_found_again_from_key_and_token() {
        let (_home, vault) = vault();
        let (_other_home, other) = self::vault();
        let given =
            document(&vault, TaskId(7), "arn:aws:iam::000000000000:role/app", PERIOD_MS * 10);
        let text = |member: &str| given[member].as_str().expect("a text").to_owned();
        let (key, token) = (text("AccessKeyId"), text("Token"));
        let at = |wall_ms| secret(&vault, &key, &token, wall_ms);
        assert_eq!(at(PERIOD_MS * 10), Ok(text("SecretAccessKey")));
        assert_eq!(at(PERIOD_MS * 12 - 1), Ok(text("SecretAccessKey")));
        assert_eq!(at(PERIOD_MS * 12), Err(AuthError::ExpiredToken));
        let unknown = Err(AuthError::UnknownKey);
        assert_eq!(secret(&other, &key, &token, PERIOD_MS * 10), unknown);
        assert_eq!(secret(&vault, "ASIAOTHER", &token, PERIOD_MS * 10), unknown);
        for token in ["", "x", "AAAA", &token[4..], &format!("B{}", &token[1..])] {
            assert_eq!(secret(&vault, &key, token, PERIOD_MS * 10), unknown, "{token}");
        }
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
