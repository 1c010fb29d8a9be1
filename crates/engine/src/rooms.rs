//! The rooms that operations of the AWS services may need beside the platform.

use std::sync::Arc;

use neargate_core::secrets::Sealed;
use neargate_images::ImageStore;
use neargate_images::registry::{Credentials, Token};
use neargate_logs::LogStore;
use neargate_objects::ObjectStore;
use neargate_services::{Issued, Rooms};

use crate::authority::Authority;
use crate::clock::wall_ms;
use crate::vault::Vault;

/// The engine's own.
pub(crate) struct EngineRooms {
    pub(crate) vault: Arc<Vault>,
    pub(crate) endpoint: String,
    pub(crate) logs: LogStore,
    pub(crate) images: Arc<ImageStore>,
    pub(crate) registry: Credentials,
    pub(crate) authority: Authority,
    pub(crate) objects: Arc<ObjectStore>,
}

impl Rooms for EngineRooms {
    fn seal(&self, value: &str) -> Sealed {
        self.vault.seal(value)
    }

    fn unseal(&self, sealed: &Sealed) -> Option<String> {
        self.vault.unseal(sealed)
    }

    fn endpoint(&self) -> &str {
        &self.endpoint
    }

    fn random_bits(&self) -> u64 {
        Vault::random_bits()
    }

    fn wall_ms(&self) -> u64 {
        wall_ms()
    }

    fn logs(&self) -> &LogStore {
        &self.logs
    }

    fn images(&self) -> &ImageStore {
        &self.images
    }

    fn registry_login(&self) -> Token {
        self.registry.token(wall_ms())
    }

    fn issue_certificate(&self, domains: &[&str]) -> Result<Issued, String> {
        self.authority.issue(domains)
    }

    fn objects(&self) -> &Arc<ObjectStore> {
        &self.objects
    }
}
