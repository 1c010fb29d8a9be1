//! What the journal holds, and how state comes back out of it.
//!
//! A record is one JSON object. The first one ever is a `Genesis`; a later one starts over (that
//! is what a reset is). State = newest snapshot, then every record after it, by the same
//! [`Platform::step`] that made it: nothing else knows how to change a platform.

use neargate_core::input::Input;
use neargate_core::time::Time;
use neargate_core::{Identity, Platform};
use neargate_store::Recovered;
use serde::{Deserialize, Serialize};

/// Of records and snapshots. Another number means another meaning.
pub(crate) const FORMAT: u32 = 2;

/// One entry of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Record {
    /// An empty platform begins here.
    Genesis {
        /// [`FORMAT`].
        format: u32,
        /// Seed of the platform's randomness.
        seed: u64,
        /// Whose platform it is.
        identity: Identity,
    },
    /// The platform took this input.
    Input {
        /// At this platform time.
        now: Time,
        /// What it was.
        input: Input,
    },
}

/// A snapshot as it is read.
#[derive(Deserialize)]
struct Snapshot {
    format: u32,
    platform: Platform,
}

/// The same as it is written.
#[derive(Serialize)]
struct SnapshotRef<'a> {
    format: u32,
    platform: &'a Platform,
}

/// Why recovered bytes make no platform.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordError {
    /// Not ours, or of another version.
    #[error("{what} cannot be read: {source}")]
    Unreadable { what: String, source: serde_json::Error },
    /// Of another version.
    #[error("it has format {found}, this version reads format {FORMAT}")]
    Format { found: u32 },
    /// No snapshot and no genesis.
    #[error("it does not begin with a genesis record")]
    NoGenesis,
}

impl Record {
    /// As the store takes it.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }
}

/// As the store takes it.
pub(crate) fn encode_snapshot(platform: &Platform) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&SnapshotRef { format: FORMAT, platform })
}

/// The platform the store holds; `None` when it holds nothing at all.
pub(crate) fn replay(recovered: &Recovered) -> Result<Option<Platform>, RecordError> {
    let mut platform = match &recovered.snapshot {
        None => None,
        Some(bytes) => {
            let snapshot: Snapshot = serde_json::from_slice(bytes).map_err(|source| {
                RecordError::Unreadable { what: "the snapshot".into(), source }
            })?;
            check_format(snapshot.format)?;
            Some(snapshot.platform)
        }
    };
    for (index, bytes) in recovered.entries.iter().enumerate() {
        let record = serde_json::from_slice(bytes).map_err(|source| RecordError::Unreadable {
            what: format!("record {} after the snapshot", index + 1),
            source,
        })?;
        match (record, &mut platform) {
            (Record::Genesis { format, seed, identity }, platform) => {
                check_format(format)?;
                *platform = Some(Platform::new(identity, seed));
            }
            (Record::Input { now, input }, Some(platform)) => {
                // The effects were carried out then, or are asked for again as outstanding.
                let _outcome = platform.step(now, &input);
            }
            (Record::Input { .. }, None) => return Err(RecordError::NoGenesis),
        }
    }
    Ok(platform)
}

fn check_format(found: u32) -> Result<(), RecordError> {
    if found == FORMAT { Ok(()) } else { Err(RecordError::Format { found }) }
}
