//! The platform and its journal, kept in step: what the platform is, the journal says.
//!
//! [`Ledger::commit`] takes a batch of inputs and returns once all of them are durable, with one
//! append. Only then may anyone learn of them: replies and effects are the caller's to send, from
//! what `commit` returned.
//!
//! Operations of AWS clients are stepped one by one, because each is worded for the platform that the
//! one before it left, and become durable together: [`Ledger::hold`] steps, [`Ledger::write_held`]
//! makes durable what is held. In between nobody may learn of any of it.
//!
//! When the journal cannot be written (a full disk) the platform stays as it was before the batch.
//! Observations and ticks are never refused, so they are written first and stepped afterwards. A
//! command has to be stepped to learn whether it is acceptable; for such a batch a copy of the
//! platform is kept and put back.

use neargate_core::effect::Effect;
use neargate_core::input::{Command, Input, Observation};
use neargate_core::time::Time;
use neargate_core::{Platform, Rejection};
use neargate_store::{Recovered, Store};

use crate::record::{Record, RecordError, encode_snapshot, replay};

/// A snapshot after so many records ...
const SNAPSHOT_RECORDS: u64 = 2_000;
/// ... or so many bytes of journal, and never before the journal has outgrown the last snapshot
/// that many times: the work for snapshots stays a fraction of the work for the journal.
const SNAPSHOT_BYTES: u64 = 4 << 20;
const SNAPSHOT_GROWTH: u64 = 2;

/// Where records go. A trait so that tests can let the disk be full.
pub(crate) trait Journal: Send {
    /// Durable when this returns; after an error nothing of it is there.
    fn append(&mut self, entries: &[Vec<u8>]) -> Result<(), neargate_store::Error>;
    /// Replaces everything before.
    fn snapshot(&mut self, state: &[u8]) -> Result<(), neargate_store::Error>;
    /// Bytes since the last snapshot.
    fn journal_bytes(&self) -> u64;
}

impl Journal for Store {
    fn append(&mut self, entries: &[Vec<u8>]) -> Result<(), neargate_store::Error> {
        Store::append(self, entries)
    }

    fn snapshot(&mut self, state: &[u8]) -> Result<(), neargate_store::Error> {
        Store::snapshot(self, state)
    }

    fn journal_bytes(&self) -> u64 {
        Store::journal_bytes(self)
    }
}

/// Why a ledger cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// What is in the journal cannot be used.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The first record cannot be written.
    #[error(transparent)]
    Store(#[from] neargate_store::Error),
    /// A record cannot be turned into bytes.
    #[error("a record cannot be encoded: {0}")]
    Encode(#[from] serde_json::Error),
}

/// What a durable batch brought.
#[derive(Debug, Default)]
pub(crate) struct Commit {
    /// Per input; always `Ok` for what is not a command.
    pub(crate) results: Vec<Result<(), Rejection>>,
    /// To be carried out now, in order.
    pub(crate) effects: Vec<Effect>,
}

/// Nothing of the batch happened.
#[derive(Debug)]
pub(crate) struct NotCommitted {
    /// One line that says why.
    pub(crate) reason: String,
    /// The observations of the batch: facts that must be told again.
    pub(crate) observations: Vec<Observation>,
}

/// Stepped and not yet written.
struct Held {
    /// The platform without it.
    before: Platform,
    records: Vec<Record>,
}

/// See the module's head.
pub(crate) struct Ledger {
    platform: Platform,
    held: Option<Held>,
    journal: Box<dyn Journal>,
    records: u64,
    snapshot_bytes: u64,
    /// No snapshot before so many records; put off when one failed.
    snapshot_at: u64,
}

impl Ledger {
    /// The ledger that was recovered, or a new one that begins with `genesis`.
    pub(crate) fn open(
        mut journal: Box<dyn Journal>,
        recovered: &Recovered,
        genesis: &Record,
    ) -> Result<Ledger, OpenError> {
        let platform = match replay(recovered)? {
            Some(platform) => platform,
            None => begin(journal.as_mut(), genesis)?,
        };
        Ok(Ledger {
            platform,
            held: None,
            journal,
            records: recovered.entries.len() as u64,
            snapshot_bytes: recovered.snapshot.as_ref().map_or(0, |s| s.len() as u64),
            snapshot_at: SNAPSHOT_RECORDS,
        })
    }

    /// As of the newest durable record, or of the newest one that is held.
    pub(crate) fn platform(&self) -> &Platform {
        &self.platform
    }

    /// Takes the inputs in order at one instant; durable when this returns `Ok`.
    ///
    /// # Panics
    /// When something is held, for the journal would then say another order.
    pub(crate) fn commit(&mut self, now: Time, inputs: Vec<Input>) -> Result<Commit, NotCommitted> {
        assert!(self.held.is_none(), "what is held is written before anything else");
        if inputs.is_empty() {
            return Ok(Commit::default());
        }
        let mut records: Vec<Record> =
            inputs.into_iter().map(|input| Record::Input { now, input }).collect();
        let commands = |r: &Record| matches!(r, Record::Input { input: Input::Commands(_), .. });
        let written = if records.iter().any(commands) {
            let before = self.platform.clone();
            let commit = step_all(&mut self.platform, &mut records);
            let written = self.write(&records);
            if written.is_err() {
                self.platform = before;
            }
            written.map(|()| commit)
        } else {
            let written = self.write(&records);
            written.map(|()| step_all(&mut self.platform, &mut records))
        };
        match written {
            Ok(commit) => {
                self.records += records.len() as u64;
                Ok(commit)
            }
            Err(reason) => Err(NotCommitted { reason, observations: observations_of(records) }),
        }
    }

    /// Takes commands, and words their answer from the platform they leave. They are held, with the
    /// command that the answer names beside itself.
    pub(crate) fn hold<T>(
        &mut self,
        now: Time,
        commands: Vec<Command>,
        answer: impl FnOnce(&Platform) -> (T, Option<Command>),
    ) -> (Result<T, Rejection>, Vec<Effect>) {
        let held = self
            .held
            .get_or_insert_with(|| Held { before: self.platform.clone(), records: Vec::new() });
        let record = |commands| Record::Input { now, input: Input::Commands(commands) };
        let mut records = vec![record(commands)];
        let Commit { mut results, mut effects } = step_all(&mut self.platform, &mut records);
        let result = match results.pop().unwrap_or(Ok(())) {
            Ok(()) => {
                let (answer, beside) = answer(&self.platform);
                if let Some(command) = beside {
                    let mut beside = [record(vec![command])];
                    effects.extend(step_all(&mut self.platform, &mut beside).effects);
                    records.extend(beside);
                }
                Ok(answer)
            }
            Err(rejection) => Err(rejection),
        };
        held.records.extend(records);
        (result, effects)
    }

    /// Whether something is stepped and not yet durable.
    pub(crate) fn is_holding(&self) -> bool {
        self.held.is_some()
    }

    /// Makes durable what is held, with one append. After an error nothing of it happened.
    pub(crate) fn write_held(&mut self) -> Result<(), NotCommitted> {
        let Some(Held { before, records }) = self.held.take() else { return Ok(()) };
        match self.write(&records) {
            Ok(()) => {
                self.records += records.len() as u64;
                Ok(())
            }
            Err(reason) => {
                self.platform = before;
                Err(NotCommitted { reason, observations: Vec::new() })
            }
        }
    }

    /// Starts over with an empty platform.
    pub(crate) fn reset(&mut self, genesis: &Record) -> Result<(), OpenError> {
        self.platform = begin(self.journal.as_mut(), genesis)?;
        self.records += 1;
        Ok(())
    }

    /// Takes a snapshot when the journal has grown enough. A failure costs nothing but a longer
    /// replay, so it is only told.
    pub(crate) fn snapshot_if_due(&mut self) {
        let bytes = self.journal.journal_bytes();
        let outgrown = bytes >= self.snapshot_bytes.saturating_mul(SNAPSHOT_GROWTH);
        let due = self.records >= self.snapshot_at || bytes >= SNAPSHOT_BYTES;
        if outgrown && due {
            self.snapshot_now();
        }
    }

    /// Takes a snapshot.
    pub(crate) fn snapshot_now(&mut self) {
        let bytes = self.journal.journal_bytes();
        let state = match encode_snapshot(&self.platform) {
            Ok(state) => state,
            Err(error) => {
                tracing::error!(%error, "the platform cannot be encoded for a snapshot");
                self.snapshot_at = self.records + SNAPSHOT_RECORDS;
                return;
            }
        };
        match self.journal.snapshot(&state) {
            Ok(()) => {
                tracing::debug!(bytes = state.len(), records = self.records, "snapshot taken");
                self.records = 0;
                self.snapshot_at = SNAPSHOT_RECORDS;
                self.snapshot_bytes = state.len() as u64;
            }
            Err(error) => {
                tracing::warn!(error = %in_full(&error), "could not take a snapshot");
                self.snapshot_at = self.records + SNAPSHOT_RECORDS;
                // The bytes alone would try again with every batch.
                self.snapshot_bytes = self.snapshot_bytes.max(bytes);
            }
        }
    }

    fn write(&mut self, records: &[Record]) -> Result<(), String> {
        let encoded: Result<Vec<_>, _> = records.iter().map(Record::encode).collect();
        let encoded = encoded.map_err(|error| format!("a record cannot be encoded: {error}"))?;
        self.journal.append(&encoded).map_err(|error| in_full(&error))
    }
}

/// Steps every input. A refused command stands in the journal as the tick it amounts to: it has
/// changed nothing, but due timers have fired.
fn step_all(platform: &mut Platform, records: &mut [Record]) -> Commit {
    let mut commit = Commit::default();
    for record in records {
        let Record::Input { now, input } = record else { continue };
        let outcome = platform.step(*now, input);
        if outcome.result.is_err() {
            *input = Input::Tick;
        }
        commit.results.push(outcome.result);
        commit.effects.extend(outcome.effects);
    }
    commit
}

fn observations_of(records: Vec<Record>) -> Vec<Observation> {
    let observed = |record| match record {
        Record::Input { input: Input::Observed(observation), .. } => Some(observation),
        _ => None,
    };
    records.into_iter().filter_map(observed).collect()
}

fn begin(journal: &mut dyn Journal, genesis: &Record) -> Result<Platform, OpenError> {
    let bytes = genesis.encode()?;
    journal.append(std::slice::from_ref(&bytes))?;
    let began = Recovered { entries: vec![bytes], ..Recovered::default() };
    replay(&began)?.ok_or(OpenError::Record(RecordError::NoGenesis))
}

/// An error with its causes in one line.
pub(crate) fn in_full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
