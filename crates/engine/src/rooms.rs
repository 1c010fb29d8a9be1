//! The rooms that operations of the AWS services may need beside the platform.

use std::sync::Arc;

use neargate_core::secrets::Sealed;
use neargate_objects::ObjectStore;
use neargate_services::Rooms;

use crate::vault::Vault;

/// The engine's own.
pub(crate) struct EngineRooms {
    pub(crate) vault: Arc<Vault>,
    pub(crate) objects: Arc<ObjectStore>,
}

impl Rooms for EngineRooms {
    fn seal(&self, value: &str) -> Sealed {
        self.vault.seal(value)
    }

    fn unseal(&self, sealed: &Sealed) -> Option<String> {
        self.vault.unseal(sealed)
    }

    fn objects(&self) -> &Arc<ObjectStore> {
        &self.objects
    }
}
