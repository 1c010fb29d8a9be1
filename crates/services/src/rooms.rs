//! What an operation may need beside the platform, and who gives it.

use std::sync::Arc;

use neargate_core::secrets::Sealed;
use neargate_images::ImageStore;
use neargate_images::registry::Token;
use neargate_logs::LogStore;
use neargate_objects::ObjectStore;

/// The rooms of the house that some operations go to: where secrets are sealed, where lines of
/// logs and images lie. The engine has them; tests bring their own.
pub trait Rooms: Send + Sync {
    /// The value, for nobody else to read.
    fn seal(&self, value: &str) -> Sealed;

    /// What was sealed; `None` when it was with another key, or is not whole.
    fn unseal(&self, sealed: &Sealed) -> Option<String>;

    /// Where clients reach the services, e.g. `http://127.0.0.1:4566`: for answers with a URL that a
    /// client is to come back to.
    fn endpoint(&self) -> &str;

    /// Bits nobody can guess.
    fn random_bits(&self) -> u64;

    /// Real time in milliseconds since 1970, which lines of logs and images carry. The platform's
    /// own time may run faster.
    fn wall_ms(&self) -> u64;

    /// Where lines of logs are.
    fn logs(&self) -> &LogStore;

    /// Where images are.
    fn images(&self) -> &ImageStore;

    /// A login to the registry, good from now on.
    fn registry_login(&self) -> Token;

    /// Where bytes of objects are.
    fn objects(&self) -> &Arc<ObjectStore>;

    /// A certificate of the home's own authority for these domain names, with a key of its own.
    ///
    /// # Errors
    /// Why there is none, as a sentence.
    fn issue_certificate(&self, domains: &[&str]) -> Result<Issued, String>;
}

/// A certificate with what belongs to it, each as PEM.
pub struct Issued {
    /// For the domain names.
    pub certificate: String,
    /// The certificates that vouch for it.
    pub chain: String,
    /// Not for anybody's eyes: to be sealed before it is recorded.
    pub private_key: String,
}
