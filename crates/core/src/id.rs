//! Identifiers, each of its own type so that one cannot be passed for another.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A task id: 32 hexadecimal digits (ECS-TASK-11).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(pub u128);

impl TaskId {
    /// A new id from random bits. Its upper 96 bits are random; with them the lower 32 say which
    /// service holds the task, so that whoever has the id finds the task without an index.
    pub(crate) fn new(random: u128, service: ServiceId) -> Self {
        let id = random >> 32 << 32;
        TaskId(id | u128::from(service.0 ^ mask(id)))
    }

    /// The service that holds the task; meaningless if the id was not made by [`TaskId::new`].
    pub(crate) fn service(self) -> ServiceId {
        ServiceId(self.0 as u32 ^ mask(self.0))
    }
}

/// Makes the lower 32 bits look as random as the upper 96 that they are computed from.
fn mask(id: u128) -> u32 {
    let mixed = ((id >> 64) as u64 ^ (id >> 32) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 32) as u32
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TaskId({self})")
    }
}

/// The text was not 32 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a task id: expected 32 hexadecimal digits")]
pub struct InvalidTaskId(String);

impl FromStr for TaskId {
    type Err = InvalidTaskId;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() == 32
            && text.bytes().all(|b| b.is_ascii_hexdigit())
            && let Ok(id) = u128::from_str_radix(text, 16)
        {
            return Ok(TaskId(id));
        }
        Err(InvalidTaskId(text.to_owned()))
    }
}

impl Serialize for TaskId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TaskId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A deployment id; shown as `ecs-svc/<19 digits>` (ECS-TASK-11).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DeploymentId(pub u64);

impl DeploymentId {
    /// Counts the tasks that belong to no service. No deployment ever gets this id.
    pub const NONE: DeploymentId = DeploymentId(0);
}

impl fmt::Display for DeploymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ecs-svc/{:019}", self.0)
    }
}

/// A service's place in the platform. Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ServiceId(pub u32);

impl ServiceId {
    /// Holds the tasks that belong to no service. No service ever gets this id.
    pub const NONE: ServiceId = ServiceId(u32::MAX);
}

/// Counts publications to the data plane (edge and DNS). The data plane acknowledges a generation
/// once no request can be routed by an older table any more.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Generation(pub u64);

/// The id of a part of something: always the same for the same parts, different from its
/// neighbours', so that what the platform knows by number or name needs no stored id.
#[must_use]
pub fn derived(parts: &[&[u8]]) -> u64 {
    // FNV-1a with a length before each part, then a finishing mix, for short parts differ in few
    // bits only.
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for part in parts {
        for byte in (part.len() as u64).to_le_bytes().iter().chain(*part) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// 128 bits written as a UUID of version 4.
#[must_use]
pub fn uuid(bits: u128) -> String {
    let version = (bits & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{version:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn a_task_id_names_its_service_and_looks_random() {
        let mut rng = Rng::new(7);
        for service in [0, 1, 2, 9_999, u32::MAX] {
            let ids = [(); 4].map(|()| TaskId::new(rng.next_u128(), ServiceId(service)));
            assert!(ids.iter().all(|id| id.service() == ServiceId(service)));
            let lows: std::collections::BTreeSet<u32> = ids.iter().map(|id| id.0 as u32).collect();
            assert_eq!(lows.len(), ids.len(), "the same service shows as different digits");
            let again: TaskId = ids[0].to_string().parse().expect("its own text");
            assert_eq!(again, ids[0]);
        }
    }
}
