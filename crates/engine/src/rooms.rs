//! The rooms that operations of the AWS services may need beside the platform.

use std::sync::Arc;

use neargate_core::secrets::Sealed;
use neargate_services::{Issued, Rooms};

use crate::authority::Authority;
use crate::home::Home;
use crate::vault::Vault;

/// The engine's own.
pub(crate) struct EngineRooms {
    vault: Arc<Vault>,
    authority: Authority,
}

impl EngineRooms {
    /// Of that home.
    pub(crate) fn new(home: &Home, vault: Arc<Vault>) -> Self {
        let authority = Authority::new(home.authority_key(), home.authority_certificate());
        Self { vault, authority }
    }
}

impl Rooms for EngineRooms {
    fn seal(&self, value: &str) -> Sealed {
        self.vault.seal(value)
    }

    fn unseal(&self, sealed: &Sealed) -> Option<String> {
        self.vault.unseal(sealed)
    }
    fn issue_certificate(&self, domains: &[&str]) -> Result<Issued, String> {
        self.authority.issue(domains)
    }
}
