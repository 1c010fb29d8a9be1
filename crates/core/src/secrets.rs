//! Secrets and parameters that containers are given at their start (ECS-TD-19).
//!
//! The platform never sees a value: it keeps what the rim has sealed, and says which sealed value
//! a `valueFrom` means. So neither the journal nor a snapshot can show one.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::commands::not_found;
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
    /// It is to be deleted: when it is forgotten. Until then it can be restored, and nobody gets a
    /// value of it.
    #[serde(default)]
    pub gone_at: Option<Time>,
}

impl Secret {
    /// The version of that id with that staging label; the current one when neither is asked for.
    #[must_use]
    pub fn version(&self, id: Option<&str>, stage: Option<&str>) -> Option<(&str, &SecretVersion)> {
        let stage = stage.or_else(|| id.is_none().then_some(CURRENT));
        let mut versions = self.versions.iter().map(|(id, version)| (id.as_str(), version));
        versions.find(|(found, version)| {
            id.is_none_or(|wanted| wanted == *found)
                && stage.is_none_or(|wanted| version.stages.contains(wanted))
        })
    }

    /// Puts a staging label on that version, or on none. The current version that is so no longer
    /// is the previous one.
    fn put_stage(&mut self, stage: &str, on: Option<&str>) {
        let mut holder = None;
        for (id, version) in &mut self.versions {
            if version.stages.remove(stage) {
                holder = Some(id.clone());
            }
        }
        let version = |secret: &mut Self, id: Option<&str>, stage: &str| {
            if let Some(version) = id.and_then(|id| secret.versions.get_mut(id)) {
                version.stages.insert(stage.to_owned());
            }
        };
        version(self, on, stage);
        if stage == CURRENT && holder.is_some() && holder.as_deref() != on {
            self.put_stage(PREVIOUS, None);
            version(self, holder.as_deref(), PREVIOUS);
        }
    }
}

/// A version of a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretVersion {
    /// The value.
    pub value: Sealed,
    /// The value is base64 of bytes.
    #[serde(default)]
    pub is_binary: bool,
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
    /// Oldest first; the last one counts.
    pub versions: Vec<Sealed>,
    /// How many older versions have been forgotten.
    #[serde(default)]
    pub forgotten: u64,
    /// When the newest version was made.
    pub changed_at: Time,
}

/// How many versions of a parameter are kept.
pub const PARAMETER_VERSIONS: usize = 100;

impl Parameter {
    /// The number of the newest version; the first one ever is 1.
    #[must_use]
    pub fn newest(&self) -> u64 {
        self.forgotten + self.versions.len() as u64
    }

    /// The version of that number.
    #[must_use]
    pub fn version(&self, number: u64) -> Option<&Sealed> {
        let place = number.checked_sub(self.forgotten + 1)?;
        self.versions.get(usize::try_from(place).ok()?)
    }
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
                if secret.gone_at.is_some() {
                    return Err(format!(
                        "{from_asm}: InvalidRequestException: You can't perform this operation on \
                         the secret because it was marked for deletion."
                    ));
                }
                let (_, found) = secret.version(version, stage).ok_or_else(|| {
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
                if found.is_binary {
                    return Err(format!(
                        "{from_asm}: the value of {name} is binary; a container can be given text \
                         only"
                    ));
                }
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
        let is_there = |secret: &&Secret| secret.gone_at.is_none_or(|at| at > self.now);
        self.secrets.get(name).filter(is_there).or_else(|| {
            let (plain, suffix) = name.rsplit_once('-')?;
            self.secrets.get(plain).filter(|secret| secret.suffix == suffix).filter(is_there)
        })
    }

    /// Secrets by name.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        self.secrets.values().filter(|secret| secret.gone_at.is_none_or(|at| at > self.now))
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

    pub(crate) fn create_secret(&mut self, name: &str) -> Result<(), Rejection> {
        const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        let now = self.now;
        if self.secrets.get(name).is_some_and(|s| s.gone_at.is_none_or(|at| at > now)) {
            return Err(Rejection::Invalid(format!("secret {name} exists already")));
        }
        let mut number = self.rng.next_u64();
        let suffix = (0..6).map(|_| {
            let letter = LETTERS[(number % LETTERS.len() as u64) as usize];
            number /= LETTERS.len() as u64;
            char::from(letter)
        });
        let secret = Secret {
            name: name.to_owned(),
            suffix: suffix.collect(),
            created_at: now,
            versions: BTreeMap::new(),
            gone_at: None,
        };
        self.secrets.insert(name.to_owned(), secret);
        Ok(())
    }

    /// The secret of exactly that name, unless it is gone.
    pub(crate) fn secret_mut(&mut self, name: &str) -> Result<&mut Secret, Rejection> {
        let now = self.now;
        let found = self.secrets.get_mut(name);
        found
            .filter(|secret| secret.gone_at.is_none_or(|at| at > now))
            .ok_or_else(|| not_found("secret", name))
    }

    /// A new version takes its labels from those that had them; without any it becomes the current
    /// one, and the one before keeps its value as the previous one. So does the first of a secret.
    pub(crate) fn put_secret_value(
        &mut self,
        name: &str,
        version: &str,
        (value, is_binary): (&Sealed, bool),
        stages: &BTreeSet<String>,
    ) -> Result<(), Rejection> {
        if self.secret_mut(name).is_err() {
            self.create_secret(name)?;
        }
        let now = self.now;
        let secret = self.secret_mut(name)?;
        // Whoever gives a secret a value wants it to be there.
        secret.gone_at = None;
        if let Some(old) = secret.versions.get(version) {
            return if old.value == *value {
                Ok(())
            } else {
                Err(Rejection::Invalid(format!(
                    "version {version} of secret {name} exists already with another value"
                )))
            };
        }
        let new =
            SecretVersion { value: value.clone(), is_binary, stages: [].into(), created_at: now };
        let is_first = secret.versions.is_empty();
        secret.versions.insert(version.to_owned(), new);
        if is_first || stages.is_empty() {
            secret.put_stage(CURRENT, Some(version));
        }
        for stage in stages {
            secret.put_stage(stage, Some(version));
        }
        // A version without a label is gone, as Secrets Manager forgets it some day.
        secret.versions.retain(|_, version| !version.stages.is_empty());
        Ok(())
    }

    pub(crate) fn move_secret_stage(
        &mut self,
        name: &str,
        stage: &str,
        to: Option<&str>,
    ) -> Result<(), Rejection> {
        let secret = self.secret_mut(name)?;
        if let Some(missing) = to.filter(|version| !secret.versions.contains_key(*version)) {
            return Err(not_found("version", &format!("{missing} of secret {name}")));
        }
        secret.put_stage(stage, to);
        secret.versions.retain(|_, version| !version.stages.is_empty());
        Ok(())
    }

    pub(crate) fn delete_secret(&mut self, name: &str, gone_at: Time) -> Result<(), Rejection> {
        let now = self.now;
        let secret = self.secret_mut(name)?;
        secret.gone_at = Some(gone_at);
        if gone_at <= now {
            self.secrets.remove(name);
        }
        Ok(())
    }

    pub(crate) fn put_parameter(&mut self, name: &str, value: &Sealed) {
        let now = self.now;
        let parameter = self.parameters.entry(name.to_owned()).or_insert_with(|| Parameter {
            name: name.to_owned(),
            versions: Vec::new(),
            forgotten: 0,
            changed_at: now,
        });
        if parameter.versions.len() >= PARAMETER_VERSIONS {
            parameter.versions.remove(0);
            parameter.forgotten += 1;
        }
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
            stages: BTreeSet::new(),
            is_binary: false,
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

    fn take(platform: &mut Platform, at: u64, command: Command) -> Result<(), Rejection> {
        platform.step(Time(at), &Input::Commands(vec![command])).result
    }

    #[test]
    fn a_label_is_on_one_version_and_a_version_without_one_is_gone() {
        let mut platform = platform();
        put(&mut platform, "v1");
        let pending = Command::PutSecretValue {
            name: "shop/db".into(),
            version: "v2".into(),
            value: Sealed("next".into()),
            stages: ["AWSPENDING".to_owned()].into(),
            is_binary: false,
        };
        assert_eq!(take(&mut platform, 2, pending), Ok(()));
        let version = |platform: &Platform, stage: &str| {
            let secret = platform.secret("shop/db").expect("secret");
            secret.version(None, Some(stage)).map(|(id, _)| id.to_owned())
        };
        assert_eq!(version(&platform, CURRENT).as_deref(), Some("v1"));
        let move_to = |stage: &str, to: Option<&str>| Command::MoveSecretStage {
            name: "shop/db".into(),
            stage: stage.into(),
            to: to.map(str::to_owned),
        };
        assert_eq!(take(&mut platform, 3, move_to(CURRENT, Some("v2"))), Ok(()));
        assert_eq!(version(&platform, CURRENT).as_deref(), Some("v2"));
        assert_eq!(version(&platform, PREVIOUS).as_deref(), Some("v1"));
        assert!(take(&mut platform, 4, move_to(CURRENT, Some("v9"))).is_err());
        assert_eq!(take(&mut platform, 5, move_to("AWSPENDING", None)), Ok(()));
        assert_eq!(take(&mut platform, 6, move_to(PREVIOUS, None)), Ok(()));
        let secret = platform.secret("shop/db").expect("secret");
        assert_eq!(secret.versions.keys().collect::<Vec<_>>(), ["v2"]);
    }

    /// ECS-STOP-8, ERR-SEC-1: no value while it can be restored, nothing at all afterwards.
    #[test]
    fn a_deleted_secret_can_be_restored_until_it_is_gone() {
        let mut platform = platform();
        put(&mut platform, "v1");
        let suffix = platform.secret("shop/db").expect("secret").suffix.clone();
        let delete = |gone_at| Command::DeleteSecret { name: "shop/db".into(), gone_at };
        let reference = format!("{ARN}shop/db");
        assert_eq!(take(&mut platform, 10, delete(Time(20))), Ok(()));
        let error = platform.find_value(&reference).expect_err("marked");
        assert!(error.contains("marked for deletion"), "{error}");
        let restore = Command::RestoreSecret { name: "shop/db".into() };
        assert_eq!(take(&mut platform, 15, restore.clone()), Ok(()));
        assert!(platform.find_value(&reference).is_ok());
        assert_eq!(take(&mut platform, 16, delete(Time(20))), Ok(()));
        assert!(take(&mut platform, 20, restore).is_err());
        assert_eq!((platform.secret("shop/db"), platform.secrets().count()), (None, 0));
        let error = platform.find_value(&reference).expect_err("gone");
        assert!(error.contains("ResourceNotFoundException"), "{error}");
        let create = Command::CreateSecret { name: "shop/db".into() };
        assert_eq!(take(&mut platform, 21, create.clone()), Ok(()));
        assert!(take(&mut platform, 21, create).is_err());
        let again = platform.secret("shop/db").expect("made anew");
        assert!(again.versions.is_empty() && again.suffix != suffix);
        assert_eq!(take(&mut platform, 22, delete(Time(22))), Ok(()));
        assert_eq!(platform.secret("shop/db"), None);
    }

    #[test]
    fn a_parameter_keeps_its_newest_hundred_versions() {
        let mut platform = platform();
        for number in 1..=102 {
            let value = Sealed(format!("value {number}"));
            let put = Command::PutParameter { name: "/a".into(), value };
            assert_eq!(take(&mut platform, number, put), Ok(()));
        }
        let parameter = platform.parameter("/a").expect("parameter");
        assert_eq!((parameter.newest(), parameter.versions.len()), (102, PARAMETER_VERSIONS));
        assert_eq!((parameter.version(2), parameter.version(103)), (None, None));
        assert_eq!(parameter.version(3).map(|v| v.0.as_str()), Some("value 3"));
        let delete = Command::DeleteParameter { name: "/a".into() };
        assert_eq!(take(&mut platform, 103, delete.clone()), Ok(()));
        assert!(take(&mut platform, 104, delete).is_err());
    }

    #[test]
    fn an_unknown_parameter_is_named() {
        let error = platform().find_value("/shop/db").expect_err("unknown").clone();
        assert!(
            error.ends_with("unable to retrieve secrets from ssm: invalid parameters: /shop/db")
        );
    }
}
