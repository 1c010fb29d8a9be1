//! Whose signatures the AWS endpoint takes when it asks for them: access keys that lie in the home,
//! in the file format of the AWS tools, and the credentials that tasks get for their roles.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::Key as RandomBytes;
use chacha20poly1305::aead::Generate;
use neargate_wire::sigv4::{AuthError, Key};

use crate::metadata::credentials;
use crate::vault::Vault;

/// Letters of an access key id.
pub(crate) const BASE_32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Access keys with their secrets.
pub(crate) struct KeyRing {
    own: BTreeMap<String, String>,
    vault: Arc<Vault>,
}

impl KeyRing {
    /// With the keys in that file. A file with one pair is made when there is none, for its owner
    /// alone to read.
    pub(crate) fn open(path: &Path, vault: Arc<Vault>) -> io::Result<Self> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => create(path)?,
            Err(error) => return Err(error),
        };
        let own = read(&text);
        if own.is_empty() {
            let problem = "it holds no aws_access_key_id with an aws_secret_access_key; remove it \
                           to get a new one";
            return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
        }
        Ok(Self { own, vault })
    }

    /// The secret of a key, if whoever has it may come in.
    pub(crate) fn secret(&self, key: &Key<'_>) -> Result<String, AuthError> {
        match key.session_token {
            None => self.own.get(key.access_key).cloned().ok_or(AuthError::UnknownKey),
            Some(token) => credentials::secret(&self.vault, key.access_key, token, key.now_ms),
        }
    }
}

/// The pairs of all profiles.
fn read(text: &str) -> BTreeMap<String, String> {
    let mut pairs = BTreeMap::new();
    let mut key = None;
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            key = None;
        }
        match line.split_once('=').map(|(name, value)| (name.trim(), value.trim())) {
            Some(("aws_access_key_id", value)) => key = Some(value.to_owned()),
            Some(("aws_secret_access_key", value)) => {
                if let Some(key) = key.take().filter(|key| !key.is_empty() && !value.is_empty()) {
                    pairs.insert(key, value.to_owned());
                }
            }
            _ => {}
        }
    }
    pairs
}

/// Makes a pair and keeps it. Answers what is in the file then.
fn create(path: &Path) -> io::Result<String> {
    let letter = |byte: &u8| char::from(BASE_32[usize::from(byte % 32)]);
    let key: String = RandomBytes::generate()[..16].iter().map(letter).collect();
    let secret = STANDARD.encode(&RandomBytes::generate()[..30]);
    let mut text =
        String::from("# Read by the engine when it starts. More profiles may stand here.\n");
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "[default]\naws_access_key_id = AKIA{key}\naws_secret_access_key = {secret}\n"
    );
    // Whole or not there.
    let temporary = path.with_extension("tmp");
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    if let Some(directory) = path.parent() {
        std::fs::File::open(directory)?.sync_all()?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_pair_is_made_once_and_more_may_be_added() {
        let home = tempfile::tempdir().expect("directory");
        let path = home.path().join("credentials");
        let vault = Arc::new(Vault::open(&home.path().join("secrets.key")).expect("vault"));
        let open = || KeyRing::open(&path, Arc::clone(&vault));
        let made = open().expect("made").own;
        assert_eq!(path.metadata().expect("there").permissions().mode() & 0o777, 0o600);
        let (key, secret) = made.first_key_value().expect("a pair");
        assert_eq!((key.len(), secret.len(), &key[..4]), (20, 40, "AKIA"));
        assert_eq!(open().expect("read").own, made);
        let text = std::fs::read_to_string(&path).expect("text");
        let more = format!(
            "{text}\n[ci]\naws_access_key_id=AKIAOTHER\naws_secret_access_key = s\n[x]\naws_secret_access_key = lonely\n"
        );
        std::fs::write(&path, more).expect("written");
        let ring = open().expect("read");
        assert_eq!(ring.own.len(), 2);
        let ask =
            |access_key, session_token| ring.secret(&Key { access_key, session_token, now_ms: 0 });
        assert_eq!(ask("AKIAOTHER", None), Ok("s".to_owned()));
        assert_eq!(ask(key, None).as_ref(), Ok(secret));
        assert_eq!(ask("AKIANOBODY", None), Err(AuthError::UnknownKey));
        assert_eq!(ask(key, Some("token")), Err(AuthError::UnknownKey));
        std::fs::write(&path, "[default]\n").expect("written");
        assert!(open().is_err_and(|why| why.to_string().contains("aws_access_key_id")));
    }
}
