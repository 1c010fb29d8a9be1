//! What an operation may need beside the platform, and who gives it.

use neargate_core::secrets::Sealed;

/// The rooms of the house that some operations go to: where secrets are sealed, for one. The
/// engine has them; tests bring their own.
pub trait Rooms: Send + Sync {
    /// The value, for nobody else to read.
    fn seal(&self, value: &str) -> Sealed;

    /// What was sealed; `None` when it was with another key, or is not whole.
    fn unseal(&self, sealed: &Sealed) -> Option<String>;

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
