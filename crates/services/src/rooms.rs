//! What an operation may need beside the platform, and who gives it.

use std::sync::Arc;

use neargate_core::secrets::Sealed;
use neargate_objects::ObjectStore;

/// The rooms of the house that some operations go to: where secrets are sealed, for one. The
/// engine has them; tests bring their own.
pub trait Rooms: Send + Sync {
    /// The value, for nobody else to read.
    fn seal(&self, value: &str) -> Sealed;

    /// What was sealed; `None` when it was with another key, or is not whole.
    fn unseal(&self, sealed: &Sealed) -> Option<String>;

    /// Where bytes of objects are.
    fn objects(&self) -> &Arc<ObjectStore>;
}
