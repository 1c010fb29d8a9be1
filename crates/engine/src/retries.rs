//! Answers that a client may not have got. SDKs ask again when a connection breaks, under the same
//! invocation id; an operation that was durable by then must not be done a second time, and its
//! answer is the first one. The answers stand in the platform's notes, written together with what
//! they answer, so that this holds over a crash as well.

use neargate_core::Platform;
use neargate_core::id::derived;
use neargate_core::input::Command;
use serde_json::{Value, json};

/// So many answers are kept; a newer one takes the place of one with the same remainder.
const PLACES: u64 = 1024;
/// A longer answer is not kept.
const MAX_BYTES: usize = 64 << 10;

/// What an SDK says about a request: `amz-sdk-invocation-id`, the same for every try.
#[derive(Clone, Debug)]
pub(crate) struct Invocation {
    /// Made up by the client, a UUID.
    pub(crate) id: String,
    /// `amz-sdk-request` says that it is not the first try.
    pub(crate) is_again: bool,
}

impl Invocation {
    /// From the values of both headers.
    pub(crate) fn read(id: Option<&str>, request: Option<&str>) -> Option<Self> {
        let id = id.filter(|id| !id.is_empty() && id.len() <= 64)?.to_owned();
        let parts = request.unwrap_or_default().split(';');
        let attempt = parts.filter_map(|part| part.trim().strip_prefix("attempt=")).next();
        Some(Self { id, is_again: attempt.is_some_and(|attempt| attempt != "1") })
    }
}

fn place(id: &str) -> String {
    format!("invocation:{}", derived(&[id.as_bytes()]) % PLACES)
}

/// Keeps the answer of an operation.
pub(crate) fn keep(invocation: &Invocation, operation: &str, answer: &Value) -> Option<Command> {
    let note = json!({ "id": invocation.id, "operation": operation, "answer": answer }).to_string();
    let subject = place(&invocation.id);
    (note.len() <= MAX_BYTES).then_some(Command::Annotate { subject, note: Some(note) })
}

/// The answer that an earlier try of the same invocation had.
pub(crate) fn kept(platform: &Platform, invocation: &Invocation, operation: &str) -> Option<Value> {
    if !invocation.is_again {
        return None;
    }
    let note = platform.note(&place(&invocation.id))?;
    let mut note: Value = serde_json::from_str(note).ok()?;
    let is_it = note["id"] == invocation.id.as_str() && note["operation"] == operation;
    is_it.then(|| note["answer"].take())
}

#[cfg(test)]
mod tests {
    use neargate_core::input::Input;
    use neargate_core::platform::Identity;
    use neargate_core::time::Time;

    use super::*;

    #[test]
    fn an_answer_is_given_again_to_the_same_invocation_only() {
        let identity = Identity { account: "000000000000".into(), region: "us-east-1".into() };
        let mut platform = Platform::new(identity, 1);
        let first = Invocation::read(Some("a-1"), Some("attempt=1; max=25")).expect("an id");
        let again = Invocation::read(Some("a-1"), Some("attempt=2; max=25")).expect("an id");
        let other = Invocation::read(Some("a-2"), Some("attempt=2")).expect("an id");
        let answer = json!({ "arn": "x" });
        let command = keep(&first, "ecs:CreateCluster", &answer).expect("short enough");
        assert_eq!(platform.step(Time(1), &Input::Commands(vec![command])).result, Ok(()));
        assert_eq!(kept(&platform, &first, "ecs:CreateCluster"), None, "a first try is a new one");
        assert_eq!(kept(&platform, &again, "ecs:CreateCluster"), Some(answer));
        assert_eq!(kept(&platform, &again, "ecs:DeleteCluster"), None);
        assert_eq!(kept(&platform, &other, "ecs:CreateCluster"), None);
        assert!(Invocation::read(None, Some("attempt=2")).is_none());
    }
}
