//! Seals secret values before they reach the platform, and opens them for the containers they are
//! meant for. The key lies in the home, for its owner alone; without it the journal tells nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chacha20poly1305::aead::{Aead, Generate, KeyInit};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use neargate_core::Platform;
use neargate_core::input::Command;
use neargate_core::secrets::{Sealed, ValueFrom, unable_to_pull};
use neargate_core::task_definition::ContainerDefinition;
use serde_json::Value;
use sha2::Sha256;

use crate::api::SecretValue;

/// Length of a nonce, which stands before what is sealed with it.
const NONCE: usize = 24;

/// Whoever can seal and open.
pub(crate) struct Vault {
    cipher: XChaCha20Poly1305,
    /// With the key, and nothing yet to be derived from it.
    derivation: Hmac<Sha256>,
}

impl Vault {
    /// With the key in that file, which is made when there is none.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let key = match std::fs::read(path) {
            Ok(bytes) => Key::try_from(bytes.as_slice()).map_err(|_| {
                let problem = format!("it has {} bytes, a key has {}", bytes.len(), 32);
                io::Error::new(io::ErrorKind::InvalidData, problem)
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let key = Key::generate();
                // Whole or not there: half a key would make every later secret unreadable.
                let temporary = path.with_extension("tmp");
                let mut options = std::fs::OpenOptions::new();
                let mut file =
                    options.write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
                file.write_all(&key)?;
                file.sync_all()?;
                std::fs::rename(&temporary, path)?;
                if let Some(directory) = path.parent() {
                    std::fs::File::open(directory)?.sync_all()?;
                }
                key
            }
            Err(error) => return Err(error),
        };
        let cipher = XChaCha20Poly1305::new(&key);
        let derivation = Hmac::new_from_slice(&key).map_err(io::Error::other)?;
        Ok(Self { cipher, derivation })
    }

    /// What follows from the key for that purpose and subject: always the same, and nobody
    /// without the key can guess it.
    pub(crate) fn derive(&self, purpose: &str, subject: &[u8]) -> [u8; 32] {
        let mut derivation = self.derivation.clone();
        derivation.update(&(purpose.len() as u64).to_le_bytes());
        derivation.update(purpose.as_bytes());
        derivation.update(subject);
        derivation.finalize().into_bytes().into()
    }

    /// The value, for nobody else to read.
    pub(crate) fn seal(&self, value: &str) -> Sealed {
        let nonce = XNonce::generate();
        let mut sealed = nonce.to_vec();
        // Fails only beyond 256 GiB.
        sealed.extend(self.cipher.encrypt(&nonce, value.as_bytes()).unwrap_or_default());
        Sealed(STANDARD.encode(sealed))
    }

    /// Bits nobody can guess.
    pub(crate) fn random_bits() -> u64 {
        let bytes: [u8; NONCE] = XNonce::generate().into();
        bytes.chunks_exact(8).fold(0, |bits, chunk| {
            bits ^ chunk.iter().fold(0, |bits, byte| bits << 8 | u64::from(*byte))
        })
    }

    /// What puts these values on the platform.
    pub(crate) fn commands(&self, values: Vec<SecretValue>) -> Vec<Command> {
        let command = |value| match value {
            SecretValue::Secret { name, value } => {
                let (version, value) = (version_id(), self.seal(&value));
                let stages = BTreeSet::new();
                Command::PutSecretValue { name, version, value, stages, is_binary: false }
            }
            SecretValue::Parameter { name, value } => {
                Command::PutParameter { name, value: self.seal(&value) }
            }
        };
        values.into_iter().map(command).collect()
    }

    /// What was sealed; `None` when it was with another key, or is not whole.
    pub(crate) fn unseal(&self, sealed: &Sealed) -> Option<String> {
        let bytes = STANDARD.decode(&sealed.0).ok()?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE)?;
        let value = self.cipher.decrypt(&XNonce::try_from(nonce).ok()?, sealed).ok()?;
        String::from_utf8(value).ok()
    }

    /// The secret variables of a container (ECS-TD-19). The error is the stopped reason.
    pub(crate) fn values(
        &self,
        platform: &Platform,
        container: &ContainerDefinition,
    ) -> Result<BTreeMap<String, String>, String> {
        let mut values = BTreeMap::new();
        for (variable, value_from) in &container.secrets {
            let found = platform.find_value(value_from).map_err(|why| unable_to_pull(&why))?;
            let whole = self.unseal(found.value).ok_or_else(|| {
                unable_to_pull(&format!(
                    "{value_from} was sealed with another key than this home's secrets.key"
                ))
            })?;
            let value = match found.json_key {
                None => whole,
                Some(key) => member(&whole, key).map_err(|why| {
                    unable_to_pull(&format!(
                        "execution resource retrieval failed: unable to retrieve secret from asm: \
                         {why}"
                    ))
                })?,
            };
            values.insert(variable.clone(), value);
        }
        Ok(values)
    }
}

/// As Secrets Manager writes them: a random UUID.
fn version_id() -> String {
    let nonce: [u8; NONCE] = XNonce::generate().into();
    let hex: String = nonce[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    let (a, b, c, d) = (&hex[..8], &hex[8..12], &hex[13..16], &hex[17..20]);
    format!("{a}-{b}-4{c}-a{d}-{}", &hex[20..])
}

/// What a secret or a parameter without a value needs to have one.
pub(crate) struct Missing {
    parameters: BTreeSet<String>,
    /// With the keys that are asked for; none means the value is plain text.
    secrets: BTreeMap<String, BTreeSet<String>>,
}

impl Missing {
    /// What of these references has no value on the platform. References that cannot be read are
    /// left to whoever starts a container with them.
    pub(crate) fn of(platform: &Platform, references: &[String]) -> Self {
        let mut missing = Missing { parameters: BTreeSet::new(), secrets: BTreeMap::new() };
        for reference in references {
            match ValueFrom::parse(reference) {
                Ok(ValueFrom::Parameter { name }) if platform.parameter(name).is_none() => {
                    missing.parameters.insert(name.to_owned());
                }
                Ok(ValueFrom::Secret { name, json_key, .. }) if platform.secret(name).is_none() => {
                    let keys = missing.secrets.entry(name.to_owned()).or_default();
                    keys.extend(json_key.map(str::to_owned));
                }
                _ => {}
            }
        }
        missing
    }

    /// Names of what is missing.
    pub(crate) fn names(&self) -> Vec<String> {
        self.secrets.keys().chain(&self.parameters).cloned().collect()
    }

    /// Random values for all of it.
    pub(crate) fn make_up(&self) -> Vec<SecretValue> {
        let secrets = self.secrets.iter().map(|(name, keys)| {
            let value = match keys.is_empty() {
                true => random_text(),
                false => {
                    let members = keys.iter().map(|key| (key.clone(), random_text().into()));
                    Value::Object(members.collect()).to_string()
                }
            };
            SecretValue::Secret { name: name.clone(), value }
        });
        let parameters = self
            .parameters
            .iter()
            .map(|name| SecretValue::Parameter { name: name.clone(), value: random_text() });
        secrets.chain(parameters).collect()
    }
}

/// Nobody guesses it, and it needs no quoting anywhere.
fn random_text() -> String {
    let bytes: [u8; 24] = XNonce::generate().into();
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The member of a JSON object as text. The error never quotes the value.
fn member(json: &str, key: &str) -> Result<String, String> {
    let Ok(Value::Object(mut members)) = serde_json::from_str(json) else {
        return Err(format!("the secret value is not a JSON object, so it has no key {key}"));
    };
    match members.remove(key) {
        Some(Value::String(text)) => Ok(text),
        Some(other) => Ok(other.to_string()),
        None => {
            Err(format!("retrieved secret from Secrets Manager did not contain json key {key}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use neargate_core::input::Input;
    use neargate_core::platform::Identity;
    use neargate_core::time::Time;

    use super::*;

    fn vault() -> (tempfile::TempDir, Vault) {
        let home = tempfile::tempdir().expect("directory");
        let vault = Vault::open(&home.path().join("secrets.key")).expect("vault");
        (home, vault)
    }

    #[test]
    fn a_sealed_value_is_opened_with_the_same_key_only() {
        let (home, vault) = vault();
        let sealed = vault.seal("hunter2");
        assert_ne!(sealed, vault.seal("hunter2"), "the same value is not seen to be the same");
        assert!(!format!("{sealed:?}").contains("hunter2"));
        let again = Vault::open(&home.path().join("secrets.key")).expect("vault");
        assert_eq!(again.unseal(&sealed).as_deref(), Some("hunter2"));
        let other = Vault::open(&home.path().join("other.key")).expect("vault");
        assert_eq!(other.unseal(&sealed), None);
        assert_eq!(vault.unseal(&Sealed("AAAA".into())), None);
    }

    /// ECS-TD-19, SM-35, ECS-STOP-8: whole values, JSON keys, and what ECS says when one is missing.
    #[test]
    fn ecs_td_19_values_are_whole_or_a_key_of_a_json_object() {
        let (_home, vault) = vault();
        let identity = Identity { account: "000000000000".into(), region: "us-east-1".into() };
        let mut platform = Platform::new(identity, 1);
        let put = |name: &str, value: &str| Command::PutSecretValue {
            name: name.into(),
            version: "v1".into(),
            value: vault.seal(value),
            stages: BTreeSet::new(),
            is_binary: false,
        };
        let commands = vec![
            put("db", r#"{"user": "shop", "port": 5432}"#),
            put("plain", "text"),
            Command::PutParameter { name: "/shop/url".into(), value: vault.seal("http://x") },
        ];
        assert_eq!(platform.step(Time(1), &Input::Commands(commands)).result, Ok(()));
        let value = |value_from: &str| {
            let mut container = ContainerDefinition::new("web", "web");
            container.secrets.insert("SECRET".into(), value_from.into());
            vault.values(&platform, &container).map(|mut values| values.remove("SECRET"))
        };
        let arn = |rest: &str| format!("arn:aws:secretsmanager:us-east-1:0:secret:{rest}");
        let is = |text: &str| Ok(Some(text.to_owned()));
        assert_eq!(value(&arn("plain")), is("text"));
        assert_eq!(value(&arn("db:user::")), is("shop"));
        assert_eq!(value(&arn("db:port:AWSCURRENT:v1")), is("5432"));
        assert_eq!(value("/shop/url"), is("http://x"));
        for (wrong, says) in [
            (arn("db:nokey::"), "did not contain json key nokey"),
            (arn("plain:key::"), "is not a JSON object"),
            (arn("nosuch"), "Secrets Manager can't find the specified secret"),
            ("/no/such".to_owned(), "invalid parameters: /no/such"),
        ] {
            let reason = value(&wrong).expect_err(&wrong);
            assert!(reason.starts_with("ResourceInitializationError: unable to pull secrets"));
            assert!(reason.contains(says), "{reason}");
        }
    }
}
