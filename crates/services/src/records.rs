//! Records: things that the platform keeps for its clients and does not act on. A role, a bucket, a
//! database are validated, kept durably and given back as their service would; nothing else.
//!
//! A record is a JSON object under a key, in a table of its service: the one mechanism for all of
//! them. Tables live in the platform's notes, so a record is as durable as anything acknowledged,
//! and commands that write records take effect together with the others of their operation.

use neargate_core::Platform;
use neargate_core::input::Command;
use neargate_wire::read_json;
use serde_json::Value;

use crate::arn;

/// One kind of record of one service.
#[derive(Clone, Copy)]
pub(crate) struct Records {
    service: &'static str,
    kind: &'static str,
}

/// The records of that kind, e.g. `table("iam", "role")`.
pub(crate) const fn table(service: &'static str, kind: &'static str) -> Records {
    Records { service, kind }
}

impl Records {
    fn subject(self, key: &str) -> String {
        format!("record:{}/{}/{key}", self.service, self.kind)
    }

    /// The record under that key.
    pub(crate) fn get(self, platform: &Platform, key: &str) -> Option<Value> {
        read_json(platform.note(&self.subject(key))?).ok()
    }

    /// Whether there is a record under that key.
    pub(crate) fn has(self, platform: &Platform, key: &str) -> bool {
        platform.note(&self.subject(key)).is_some()
    }

    /// Every record with its key, in the order of the keys.
    pub(crate) fn all(self, platform: &Platform) -> impl Iterator<Item = (&str, Value)> {
        self.starting(platform, "")
    }

    /// The records whose keys start with this, in the order of the keys.
    pub(crate) fn starting<'a>(
        self,
        platform: &'a Platform,
        start: &str,
    ) -> impl Iterator<Item = (&'a str, Value)> + use<'a> {
        let prefix = self.subject("").len();
        platform
            .notes_starting(&self.subject(start))
            .filter_map(move |(subject, text)| Some((&subject[prefix..], read_json(text).ok()?)))
    }

    /// Keeps the record under that key, in place of an earlier one.
    pub(crate) fn put(self, key: &str, record: &Value) -> Command {
        Command::Annotate { subject: self.subject(key), note: Some(record.to_string()) }
    }

    /// Forgets the record under that key.
    pub(crate) fn remove(self, key: &str) -> Command {
        Command::Annotate { subject: self.subject(key), note: None }
    }
}

/// What a client sees of a record of a service that writes its members large: these. The small
/// ones (`tags`) are ours.
pub(crate) fn shown(record: &Value) -> Value {
    let members = record.as_object().into_iter().flatten();
    let large = members.filter(|(name, _)| name.starts_with(|c: char| c.is_ascii_uppercase()));
    Value::Object(large.map(|(name, value)| (name.clone(), value.clone())).collect())
}

/// How many ids were ever given out, so that none comes twice, also not after its owner is gone.
const GIVEN: &str = "record-ids";

/// Ids for what one operation makes.
pub(crate) struct Ids {
    account: String,
    given: u64,
}

impl Ids {
    /// Goes on after the last id of the platform.
    pub(crate) fn of(platform: &Platform) -> Ids {
        let given = platform.note(GIVEN).and_then(|n| n.parse().ok()).unwrap_or(0);
        Ids { account: platform.identity().account.clone(), given }
    }

    /// 64 bits that were not given out before.
    pub(crate) fn bits(&mut self) -> u64 {
        self.given += 1;
        arn::derived(&[b"record", self.account.as_bytes(), &self.given.to_le_bytes()])
    }

    /// `<prefix>-0<16 hex digits>`, as EC2 writes its ids.
    pub(crate) fn id(&mut self, prefix: &str) -> String {
        format!("{prefix}-0{:016x}", self.bits())
    }

    /// In the form of a UUID.
    pub(crate) fn uuid(&mut self) -> String {
        let high = u128::from(self.bits());
        arn::uuid(high << 64 | u128::from(self.bits()))
    }

    /// `<prefix><as many capital letters and digits as make 21 in all>`, as IAM and Route 53 write
    /// theirs.
    pub(crate) fn capitals(&mut self, prefix: &str, length: usize) -> String {
        const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let mut id = prefix.to_owned();
        let mut bits = 0;
        for place in 0..length.saturating_sub(prefix.len()) {
            if place % 12 == 0 {
                bits = self.bits();
            }
            id.push(char::from(LETTERS[(bits & 31) as usize]));
            bits >>= 5;
        }
        id
    }

    /// Remembers that these ids are taken; one of the operation's commands.
    pub(crate) fn taken(&self) -> Command {
        Command::Annotate { subject: GIVEN.to_owned(), note: Some(self.given.to_string()) }
    }
}

#[cfg(test)]
mod tests {
    use neargate_core::input::Input;
    use neargate_core::platform::Identity;
    use neargate_core::time::Time;
    use serde_json::json;

    use super::*;

    const ROLES: Records = table("iam", "role");
    const ROLE_POLICIES: Records = table("iam", "role-policy");

    fn platform() -> Platform {
        let identity = Identity { account: "000000000000".into(), region: "us-east-1".into() };
        Platform::new(identity, 1)
    }

    fn take(platform: &mut Platform, commands: Vec<Command>) {
        assert_eq!(platform.step(Time(1), &Input::Commands(commands)).result, Ok(()));
    }

    #[test]
    fn records_are_kept_by_key_and_tables_do_not_mix() {
        let mut platform = platform();
        let record = |n: u32| json!({ "n": n });
        take(
            &mut platform,
            vec![
                ROLES.put("b", &record(2)),
                ROLES.put("a", &record(1)),
                ROLE_POLICIES.put("a/x", &record(3)),
            ],
        );
        let all: Vec<_> = ROLES.all(&platform).collect();
        assert_eq!(all, [("a", record(1)), ("b", record(2))]);
        assert_eq!(
            ROLE_POLICIES.starting(&platform, "a/").collect::<Vec<_>>(),
            [("a/x", record(3))]
        );
        assert_eq!(ROLE_POLICIES.starting(&platform, "b/").count(), 0);
        take(&mut platform, vec![ROLES.remove("a"), ROLES.put("b", &record(4))]);
        assert_eq!((ROLES.get(&platform, "a"), ROLES.has(&platform, "b")), (None, true));
        assert_eq!(ROLES.get(&platform, "b"), Some(record(4)));
    }

    #[test]
    fn an_id_is_never_given_out_twice() {
        let mut platform = platform();
        let mut first = Ids::of(&platform);
        let (one, two) = (first.id("vpc"), first.id("vpc"));
        assert_ne!(one, two);
        assert_eq!((one.len(), one.starts_with("vpc-0")), (21, true));
        take(&mut platform, vec![first.taken()]);
        let mut second = Ids::of(&platform);
        let three = second.id("vpc");
        assert!(three != one && three != two);
        let role = second.capitals("AROA", 21);
        assert_eq!((role.len(), &role[..4]), (21, "AROA"));
    }
}
