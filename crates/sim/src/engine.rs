//! The modelled engine process: one platform in memory, a journal, a snapshot, and crashes.
//!
//! An input takes effect in memory at once; its effects leave the process only when its journal
//! entry is durable. A crash drops the platform and every entry that was not durable yet, and may
//! drop effects of entries that were. What the next start builds from snapshot and journal must
//! equal, byte for byte, a copy that never crashed.

use neargate_core::effect::Effect;
use neargate_core::input::Input;
use neargate_core::time::Time;
use neargate_core::{Identity, Outcome, Platform};

/// The engine process and its files.
#[derive(Debug)]
pub(crate) struct Engine {
    /// In memory; `None` while the process is down.
    platform: Option<Platform>,
    /// On disk: state before the first entry of `journal`.
    snapshot: Platform,
    /// On disk, but the entries from `durable` on only in the disk's cache.
    journal: Vec<(Time, Input)>,
    durable: usize,
    /// Not durable yet, so not carried out.
    held_back: Vec<Effect>,
    /// A new snapshot after so many entries; `None` keeps neither snapshot nor journal.
    snapshot_every: Option<usize>,
    /// Counts starts; what was sent to an earlier process is lost.
    pub(crate) incarnation: u32,
    pub(crate) inputs: u64,
    pub(crate) crashes: u32,
}

impl Engine {
    pub(crate) fn new(seed: u64, snapshot_every: Option<usize>) -> Self {
        let identity =
            Identity { account: "000000000000".to_owned(), region: "us-east-1".to_owned() };
        let platform = Platform::new(identity, seed);
        Self {
            snapshot: platform.clone(),
            platform: Some(platform),
            journal: Vec::new(),
            durable: 0,
            held_back: Vec::new(),
            snapshot_every,
            incarnation: 0,
            inputs: 0,
            crashes: 0,
        }
    }

    /// The platform, unless the process is down.
    pub(crate) fn platform(&self) -> Option<&Platform> {
        self.platform.as_ref()
    }

    /// Takes an input; `None` while the process is down. The effects are also held back until
    /// [`Engine::sync`].
    pub(crate) fn step(&mut self, now: Time, input: Input) -> Option<Outcome> {
        let outcome = self.platform.as_mut()?.step(now, &input);
        self.inputs += 1;
        if self.snapshot_every.is_some() {
            self.journal.push((now, input));
        }
        self.held_back.extend(outcome.effects.iter().cloned());
        Some(outcome)
    }

    /// Makes the journal durable; what was held back may be carried out.
    pub(crate) fn sync(&mut self) -> Vec<Effect> {
        self.durable = self.journal.len();
        if let (Some(every), Some(platform)) = (self.snapshot_every, &self.platform)
            && self.journal.len() >= every
        {
            self.snapshot = platform.clone();
            self.journal.clear();
            self.durable = 0;
        }
        std::mem::take(&mut self.held_back)
    }

    /// kill -9. With `entries_survive` the journal had just become durable, and only the effects
    /// are lost.
    pub(crate) fn crash(&mut self, entries_survive: bool) -> Result<(), String> {
        let Some(platform) = self.platform.take() else { return Ok(()) };
        self.crashes += 1;
        self.incarnation += 1;
        self.held_back.clear();
        if entries_survive {
            self.durable = self.journal.len();
        }
        let nothing_lost = self.durable == self.journal.len();
        self.journal.truncate(self.durable);
        if nothing_lost && self.rebuild()? != platform {
            return Err("snapshot and journal do not give the platform that crashed".to_owned());
        }
        Ok(())
    }

    /// Starts the process again from its files.
    pub(crate) fn start(&mut self) -> Result<(), String> {
        if self.platform.is_none() {
            let rebuilt = self.rebuild()?;
            let mut never_crashed = self.snapshot.clone();
            for (at, input) in &self.journal {
                never_crashed.step(*at, input);
            }
            if to_json(&rebuilt)? != to_json(&never_crashed)? {
                return Err("a platform that crashed differs from one that did not".to_owned());
            }
            self.platform = Some(rebuilt);
        }
        Ok(())
    }

    fn rebuild(&self) -> Result<Platform, String> {
        let bytes = to_json(&self.snapshot)?;
        let mut platform: Platform = serde_json::from_slice(&bytes)
            .map_err(|error| format!("cannot read the snapshot of {}: {error}", bytes.len()))?;
        for (at, input) in &self.journal {
            platform.step(*at, input);
        }
        Ok(platform)
    }
}

fn to_json(platform: &Platform) -> Result<Vec<u8>, String> {
    serde_json::to_vec(platform).map_err(|error| format!("cannot write a snapshot: {error}"))
}
