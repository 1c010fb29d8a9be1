//! Secrets and parameters that containers are given at their start (ECS-TD-19).
//!
//! The platform never sees a value: it keeps what the rim has sealed, and says which sealed value
//! a `valueFrom` means. So neither the journal nor a snapshot can show one.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::effect::TaskLaunch;
use crate::platform::{Platform, Rejection};
use crate::time::Time;

/// A value only whoever sealed it can open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed(pub String);

/// A secret of Secrets Manager.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    /// Its name, unique.
    pub name: String,
    /// What its ARN has after the name: six letters and digits.
    pub suffix: String,
    /// When it was made.
    pub created_at: Time,
    /// By version id.
    pub versions: BTreeMap<String, SecretVersion>,
}

/// A version of a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretVersion {
    /// The value.
    pub value: Sealed,
    /// Staging labels; a label is on one version at a time.
    pub stages: BTreeSet<String>,
    /// When it was made.
    pub created_at: Time,
}

/// A parameter of the Parameter Store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter {
    /// Its name, with its path, unique.
    pub name: String,
    /// Oldest first; the last one counts. Versions are numbered from 1.
    pub versions: Vec<Sealed>,
    /// When the newest version was made.
    pub changed_at: Time,
}

/// The version that is read unless another is asked for.
pub const CURRENT: &str = "AWSCURRENT";
/// The version that was current before.
pub const PREVIOUS: &str = "AWSPREVIOUS";

/// What a `valueFrom` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueFrom<'a> {
    /// Of Secrets Manager.
    Secret {
        /// Name, perhaps with the ARN's suffix.
        name: &'a str,
        /// Key of a JSON object.
        json_key: Option<&'a str>,
        /// Staging label.
        stage: Option<&'a str>,
        /// Version id.
        version: Option<&'a str>,
    },
    /// Of the Parameter Store.
    Parameter {
        /// Name with its path.
        name: &'a str,
    },
}

impl<'a> ValueFrom<'a> {
    /// Reads a `valueFrom`: a Secrets Manager ARN, perhaps with `:json-key:version-stage:version-id`
    /// behind it, a parameter's ARN, or a parameter's name (ECS-TD-19). The error says what was
    /// expected.
    ///
    /// # Errors
    /// When it is none of these.
    pub fn parse(text: &'a str) -> Result<Self, String> {
        let Some(arn) = text.strip_prefix("arn:") else {
            return Ok(Self::Parameter { name: text });
        };
        let expected = || {
            format!(
                "invalid ARN {text}; expected arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME, \
                 the same followed by :JSON-KEY:VERSION-STAGE:VERSION-ID, or \
                 arn:aws:ssm:REGION:ACCOUNT:parameter/NAME"
            )
        };
        let mut parts = arn.splitn(5, ':');
        let (_partition, service) = (parts.next(), parts.next());
        let (_region, _account) = (parts.next(), parts.next());
        let resource = parts.next().ok_or_else(expected)?;
        match service {
            Some("ssm") => match resource.strip_prefix("parameter") {
                // `parameter/a` names `a`; a name with a path keeps its first slash.
                Some(name) if name.len() > 1 && name.starts_with('/') => {
                    let plain = &name[1..];
                    Ok(Self::Parameter { name: if plain.contains('/') { name } else { plain } })
                }
                _ => Err(expected()),
            },
            Some("secretsmanager") => {
                let rest = resource.strip_prefix("secret:").ok_or_else(expected)?;
                let mut parts = rest.split(':');
                let name = parts.next().filter(|name| !name.is_empty()).ok_or_else(expected)?;
                let options: Vec<&str> = parts.collect();
                let option = |index: usize| options.get(index).copied().filter(|o| !o.is_empty());
                match options.len() {
                    0 | 3 => Ok(Self::Secret {
                        name,
                        json_key: option(0),
                        stage: option(1),
                        version: option(2),
                    }),
                    _ => Err(expected()),
                }
            }
            _ => Err(expected()),
        }
    }
}

/// Where a value is to be found: what is sealed, and the key to take of the JSON object in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found<'a> {
    /// The whole value.
    pub value: &'a Sealed,
    /// Key of a JSON object.
    pub json_key: Option<&'a str>,
}

/// The stopped reason of a task whose secrets cannot be had.
#[must_use]
pub fn unable_to_pull(why: &str) -> String {
    format!("ResourceInitializationError: unable to pull secrets or registry auth: {why}")
}

impl Platform {
    /// The sealed value a `valueFrom` means. The error is what ECS says after
    /// `ResourceInitializationError: unable to pull secrets or registry auth: ` (ECS-STOP-8).
    ///
    /// # Errors
    /// When there is no such secret, version or parameter.
    pub fn find_value<'a>(&'a self, value_from: &'a str) -> Result<Found<'a>, String> {
        let from_asm = "execution resource retrieval failed: unable to retrieve secret from asm";
        let from_ssm = "execution resource retrieval failed: unable to retrieve secrets from ssm";
        match ValueFrom::parse(value_from)? {
            ValueFrom::Parameter { name } => {
                let missing = || format!("{from_ssm}: invalid parameters: {name}");
                let parameter = self.parameter(name).ok_or_else(missing)?;
                let value = parameter.versions.last().ok_or_else(missing)?;
                Ok(Found { value, json_key: None })
            }
            ValueFrom::Secret { name, json_key, stage, version } => {
                let secret = self.secret(name).ok_or_else(|| {
                    format!(
                        "{from_asm}: ResourceNotFoundException: Secrets Manager can't find the \
                         specified secret: {name}"
                    )
                })?;
                let stage = stage.or_else(|| version.is_none().then_some(CURRENT));
                let mut versions = secret.versions.iter();
                let found = versions.find(|(id, state)| {
                    version.is_none_or(|wanted| wanted == id.as_str())
                        && stage.is_none_or(|wanted| state.stages.contains(wanted))
                });
                let (_, found) = found.ok_or_else(|| {
                    let wanted = match (version, stage) {
                        (Some(id), Some(stage)) => format!("{id} with staging label {stage}"),
                        (Some(id), None) => id.to_owned(),
                        (None, stage) => format!("staging label {}", stage.unwrap_or(CURRENT)),
                    };
                    format!(
                        "{from_asm}: ResourceNotFoundException: Secrets Manager can't find the \
                         specified secret value for {wanted} of {name}"
                    )
                })?;
                Ok(Found { value: &found.value, json_key })
            }
        }
    }

    /// Why a task cannot be given what its containers are to know, as ECS says it (ECS-STOP-8).
    pub(crate) fn check_secrets(&self, launch: &TaskLaunch) -> Result<(), String> {
        let mut references = launch.definition.containers.iter().flat_map(|c| c.secrets.values());
        references.try_for_each(|value_from| {
            self.find_value(value_from).map(|_| ()).map_err(|why| unable_to_pull(&why))
        })
    }

    /// The secret of that name, or of that name with its ARN's suffix.
    #[must_use]
    pub fn secret(&self, name: &str) -> Option<&Secret> {
        self.secrets.get(name).or_else(|| {
            let (plain, suffix) = name.rsplit_once('-')?;
            self.secrets.get(plain).filter(|secret| secret.suffix == suffix)
        })
    }

    /// Secrets by name.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        self.secrets.values()
    }

    /// The parameter of that name.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.parameters.get(name)
    }

    /// Parameters by name.
    pub fn parameters(&self) -> impl Iterator<Item = &Parameter> {
        self.parameters.values()
    }

    /// A new version becomes the current one; the one before keeps its value as the previous one.
    pub(crate) fn put_secret_value(
        &mut self,
        name: &str,
        version: &str,
        value: &Sealed,
    ) -> Result<(), Rejection> {
        if !self.secrets.contains_key(name) {
            const LETTERS: &[u8] =
                b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
            let mut number = self.rng.next_u64();
            let suffix = (0..6).map(|_| {
                let letter = LETTERS[(number % LETTERS.len() as u64) as usize];
                number /= LETTERS.len() as u64;
                char::from(letter)
            });
            let secret = Secret {
                name: name.to_owned(),
                suffix: suffix.collect(),
                created_at: self.now,
                versions: BTreeMap::new(),
            };
            self.secrets.insert(name.to_owned(), secret);
        }
        let now = self.now;
        let Some(secret) = self.secrets.get_mut(name) else { return Ok(()) };
        if let Some(old) = secret.versions.get(version) {
            return if old.value == *value {
                Ok(())
            } else {
                Err(Rejection::Invalid(format!(
                    "version {version} of secret {name} exists already with another value"
                )))
            };
        }
        for old in secret.versions.values_mut() {
            old.stages.remove(PREVIOUS);
            if old.stages.remove(CURRENT) {
                old.stages.insert(PREVIOUS.to_owned());
            }
        }
        // A version without a label is gone, as Secrets Manager forgets it some day.
        secret.versions.retain(|_, version| !version.stages.is_empty());
        let stages = BTreeSet::from([CURRENT.to_owned()]);
        let new = SecretVersion { value: value.clone(), stages, created_at: now };
        secret.versions.insert(version.to_owned(), new);
        Ok(())
    }

    pub(crate) fn put_parameter(&mut self, name: &str, value: &Sealed) {
        let now = self.now;
        let parameter = self.parameters.entry(name.to_owned()).or_insert_with(|| Parameter {
            name: name.to_owned(),
            versions: Vec::new(),
            changed_at: now,
        });
        parameter.versions.push(value.clone());
        parameter.changed_at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::{Command, Input};
    use crate::platform::Identity;

    const ARN: &str = "arn:aws:secretsmanager:us-east-1:000000000000:secret:";

    fn platform() -> Platform {
        let identity = Identity { account: "000000000000".into(), region: "us-east-1".into() };
        Platform::new(identity, 1)
    }

    fn put(platform: &mut Platform, version: &str) {
        let command = Command::PutSecretValue {
            name: "shop/db".into(),
            version: version.into(),
            value: Sealed(format!("value of {version}")),
        };
        let outcome = platform.step(Time(1), &Input::Commands(vec![command]));
        assert_eq!(outcome.result, Ok(()));
    }

    /// ECS-TD-19: every form there is, and all colons or none.
    #[test]
    fn ecs_td_19_value_from_is_read() {
        let secret = |name, json_key, stage, version| {
            Ok(ValueFrom::Secret { name, json_key, stage, version })
        };
        let of = |rest: &str| format!("{ARN}{rest}");
        let parse = |text: &str| ValueFrom::parse(text.to_owned().leak());
        assert_eq!(parse(&of("shop/db")), secret("shop/db", None, None, None));
        assert_eq!(parse(&of("db:user::")), secret("db", Some("user"), None, None));
        assert_eq!(parse(&of("db::AWSPREVIOUS:")), secret("db", None, Some(PREVIOUS), None));
        assert_eq!(parse(&of("db:::v1")), secret("db", None, None, Some("v1")));
        for (text, name) in [
            ("/shop/db", "/shop/db"),
            ("db", "db"),
            ("arn:aws:ssm:us-east-1:000000000000:parameter/db", "db"),
            ("arn:aws:ssm:us-east-1:000000000000:parameter/shop/db", "/shop/db"),
        ] {
            assert_eq!(parse(text), Ok(ValueFrom::Parameter { name }), "{text}");
        }
        for wrong in ["arn:aws:s3:::bucket", "arn:", &of(""), &of("db:user"), &of("db:user:")] {
            let error = parse(wrong).expect_err(wrong);
            assert!(error.contains("expected arn:aws:secretsmanager"), "{error}");
        }
    }

    /// ECS-TD-19, SM-59: the current version unless a stage or a version is named.
    #[test]
    fn sm_59_versions_are_found_by_stage_and_id() {
        let mut platform = platform();
        put(&mut platform, "v1");
        put(&mut platform, "v2");
        let value = |rest: &str| {
            let text = format!("{ARN}shop/db{rest}");
            platform.find_value(&text).map(|found| found.value.0.clone())
        };
        assert_eq!(value("").as_deref(), Ok("value of v2"));
        assert_eq!(value("::AWSPREVIOUS:").as_deref(), Ok("value of v1"));
        assert_eq!(value(":::v1").as_deref(), Ok("value of v1"));
        let suffix = &platform.secret("shop/db").expect("secret").suffix;
        assert_eq!(value(&format!("-{suffix}")).as_deref(), Ok("value of v2"));
        // ERR-SEC-1.
        for missing in ["-nosuch", ":::v3", "::AWSPENDING:"] {
            let error = value(missing).expect_err(missing);
            assert!(error.contains("ResourceNotFoundException: Secrets Manager can't find"));
        }
        put(&mut platform, "v3");
        let secret = platform.secret("shop/db").expect("secret");
        assert_eq!(secret.versions.keys().collect::<Vec<_>>(), ["v2", "v3"]);
    }

    #[test]
    fn an_unknown_parameter_is_named() {
        let error = platform().find_value("/shop/db").expect_err("unknown").clone();
        assert!(
            error.ends_with("unable to retrieve secrets from ssm: invalid parameters: /shop/db")
        );
    }
}
