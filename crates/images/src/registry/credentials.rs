//! The login that ECR gives: user `AWS`, and a password that is good for twelve hours.
//!
//! The password carries its own end and a signature over it by a key that only this store has, so
//! nothing is kept about those handed out.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::durable;
use crate::error::Error;

/// The user name of every login.
pub const USER: &str = "AWS";

/// How long a password is good for, as in ECR.
const VALIDITY_MS: u64 = 12 * 60 * 60 * 1000;

/// Makes passwords and checks them.
#[derive(Clone)]
pub struct Credentials {
    key: [u8; 64],
}

/// A password, and until when it is good.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// What goes to `docker login --username AWS --password-stdin`.
    pub password: String,
    /// Milliseconds since 1970.
    pub expires_at_ms: u64,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials")
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").field("expires_at_ms", &self.expires_at_ms).finish_non_exhaustive()
    }
}

impl Token {
    /// ECR's `authorizationToken`: user and password as HTTP's Basic scheme wants them.
    pub fn authorization(&self) -> String {
        STANDARD.encode(format!("{USER}:{}", self.password))
    }
}

impl Credentials {
    /// Reads the key from a file, or makes it there, readable by its owner only.
    ///
    /// # Errors
    /// When the file cannot be read or made, or is not a key.
    pub fn open(path: &Path) -> Result<Self, Error> {
        match fs::read(path) {
            Ok(bytes) => {
                let key = bytes.try_into().map_err(|_| Error::Invalid {
                    what: format!("the registry's key {}", path.display()),
                    problem: "it is not 64 bytes long; remove it to get a new one".to_owned(),
                })?;
                Ok(Self { key })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::create(path),
            Err(error) => Err(Error::io("read", path)(error)),
        }
    }

    fn create(path: &Path) -> Result<Self, Error> {
        let mut key = [0; 64];
        File::open("/dev/urandom")
            .and_then(|mut random| random.read_exact(&mut key))
            .map_err(Error::io("read", "/dev/urandom"))?;
        let temporary = path.with_extension("tmp");
        let written = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)
            .and_then(|mut file| {
                file.write_all(&key)?;
                file.sync_data()
            })
            .and_then(|()| fs::rename(&temporary, path))
            .and_then(|()| durable::sync_parent(path));
        written.map_err(Error::io("write", path))?;
        Ok(Self { key })
    }

    /// A password that is good from now on.
    pub fn token(&self, now_ms: u64) -> Token {
        let expires_at_ms = now_ms.saturating_add(VALIDITY_MS);
        let signature = self.mac(expires_at_ms).finalize().into_bytes();
        let password = format!("{expires_at_ms}.{}", URL_SAFE_NO_PAD.encode(signature));
        Token { password, expires_at_ms }
    }

    /// Whether these are a login that is good now.
    pub fn verify(&self, user: &str, password: &str, now_ms: u64) -> bool {
        let Some((expires_at_ms, signature)) = password.split_once('.') else { return false };
        let (Ok(expires_at_ms), Ok(signature)) =
            (expires_at_ms.parse::<u64>(), URL_SAFE_NO_PAD.decode(signature))
        else {
            return false;
        };
        // Compared in constant time.
        let is_ours = self.mac(expires_at_ms).verify_slice(&signature).is_ok();
        is_ours && user == USER && now_ms < expires_at_ms
    }

    /// Whether the value of an `Authorization` header is a login that is good now.
    pub(super) fn verify_header(&self, header: &str, now_ms: u64) -> bool {
        let Some((scheme, value)) = header.split_once(' ') else { return false };
        let decoded =
            STANDARD.decode(value.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let Some(decoded) = decoded.filter(|_| scheme.eq_ignore_ascii_case("basic")) else {
            return false;
        };
        decoded.split_once(':').is_some_and(|(user, password)| self.verify(user, password, now_ms))
    }

    fn mac(&self, expires_at_ms: u64) -> Hmac<Sha256> {
        let mut mac = <Hmac<Sha256> as KeyInit>::new(&self.key.into());
        mac.update(b"neargate registry login until ");
        mac.update(&expires_at_ms.to_be_bytes());
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_password_is_good_for_twelve_hours_here_and_nowhere_else() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let path = directory.path().join("key");
        let credentials = Credentials::open(&path).expect("made");
        assert_eq!(path.metadata().expect("there").permissions().mode() & 0o777, 0o600);
        let token = credentials.token(1000);
        assert_eq!(token.expires_at_ms, 1000 + 12 * 3600 * 1000);
        let again = Credentials::open(&path).expect("read");
        assert!(again.verify("AWS", &token.password, 1001));
        assert!(again.verify_header(&format!("Basic {}", token.authorization()), 1001));
        assert!(!again.verify("AWS", &token.password, token.expires_at_ms));
        assert!(!again.verify("root", &token.password, 1001));
        let later = token.password.replacen('1', "9", 1);
        for bad in [later.as_str(), "", ".", "9999999999999.", "x.y"] {
            assert!(!again.verify("AWS", bad, 1001), "{bad}");
        }
        let other = Credentials::open(&directory.path().join("other")).expect("made");
        assert!(!other.verify("AWS", &token.password, 1001));
        for bad in ["", "Basic", "Basic !!", "Bearer x", "Basic QVdT"] {
            assert!(!again.verify_header(bad, 1001), "{bad}");
        }
        assert!(!format!("{token:?} {credentials:?}").contains(&token.password));
        fs::write(&path, "short").expect("written");
        assert!(Credentials::open(&path).is_err());
    }
}
