//! The state directory: who may look into it, where things stand in it, and the small file that
//! remembers what a run needs before the journal is read.

use std::hash::Hasher;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, UdpSocket};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use neargate_runtime::Driver;
use serde::{Deserialize, Serialize};

use crate::clock::Anchor;
use crate::error::EngineError;
use crate::options::AuthMode;

/// Port of the platform's DNS server on `127.H.0.2`.
const DNS_PORT: u16 = 5300;
/// 127.0 and its neighbours are in common use; the rest is for platforms to choose from.
const OCTETS: std::ops::RangeInclusive<u8> = 16..=254;
/// Of [`Settings`].
const FORMAT: u32 = 1;

/// The state directory of one platform.
#[derive(Clone, Debug)]
pub(crate) struct Home(PathBuf);

/// What is remembered beside the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Settings {
    format: u32,
    /// H of the platform's network 127.H.0.0/16.
    pub(crate) loopback: u8,
    /// How platform time goes on.
    pub(crate) clock: Anchor,
    /// How its tasks were made.
    #[serde(default)]
    pub(crate) driver: Driver,
    /// Who may send requests: an endpoint that asked for signatures does not stop to by a restart.
    #[serde(default)]
    pub(crate) auth: AuthMode,
}

impl Settings {
    pub(crate) fn new(loopback: u8, clock: Anchor, driver: Driver, auth: AuthMode) -> Self {
        Self { format: FORMAT, loopback, clock, driver, auth }
    }
}

impl Home {
    /// Creates the directory if needed and keeps others out of it: definitions may hold secrets.
    pub(crate) fn open(path: &Path) -> Result<Home, EngineError> {
        let failed = |action, source| EngineError::File { action, path: path.to_owned(), source };
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(|source| failed("create the home", source))?;
        let metadata = std::fs::metadata(path).map_err(|source| failed("read", source))?;
        if metadata.permissions().mode() & 0o077 != 0 {
            let private = std::fs::Permissions::from_mode(0o700);
            std::fs::set_permissions(path, private)
                .map_err(|source| failed("make private the home", source))?;
        }
        let path = std::path::absolute(path).map_err(|source| failed("find", source))?;
        Ok(Home(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.0.join("journal")
    }

    pub(crate) fn control_socket(&self) -> PathBuf {
        self.0.join("engine.sock")
    }

    pub(crate) fn edge_socket(&self) -> PathBuf {
        self.0.join("edge.sock")
    }

    pub(crate) fn edge_log(&self) -> PathBuf {
        self.0.join("edge.log")
    }

    pub(crate) fn secrets_key(&self) -> PathBuf {
        self.0.join("secrets.key")
    }

    pub(crate) fn authority_key(&self) -> PathBuf {
        self.0.join("authority.key")
    }

    pub(crate) fn authority_certificate(&self) -> PathBuf {
        self.0.join("authority.pem")
    }

    pub(crate) fn credentials(&self) -> PathBuf {
        self.0.join("credentials")
    }

    pub(crate) fn registry_key(&self) -> PathBuf {
        self.0.join("registry.key")
    }

    pub(crate) fn objects(&self) -> PathBuf {
        self.0.join("objects")
    }

    fn settings_file(&self) -> PathBuf {
        self.0.join("engine.json")
    }

    /// What an earlier run has left; `None` on the first one.
    pub(crate) fn settings(&self) -> Result<Option<Settings>, EngineError> {
        let path = self.settings_file();
        let failed = |source| EngineError::File { action: "read", path: path.clone(), source };
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let settings: Settings =
            serde_json::from_slice(&bytes).map_err(|error| failed(error.into()))?;
        if settings.format != FORMAT {
            let problem = format!("it has format {}, this version reads {FORMAT}", settings.format);
            return Err(failed(io::Error::new(io::ErrorKind::InvalidData, problem)));
        }
        Ok(Some(settings))
    }

    /// Durable when this returns.
    pub(crate) fn remember(&self, settings: &Settings) -> Result<(), EngineError> {
        let path = self.settings_file();
        let failed = |source| EngineError::File { action: "write", path: path.clone(), source };
        let bytes = serde_json::to_vec(settings).map_err(|error| failed(error.into()))?;
        let temporary = self.0.join("engine.json.tmp");
        let write = || {
            let mut options = std::fs::OpenOptions::new();
            let mut file =
                options.write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            std::fs::rename(&temporary, &path)?;
            std::fs::File::open(&self.0)?.sync_all()
        };
        write().map_err(failed)
    }

    /// H of a network 127.H.0.0/16 that nobody uses, starting from one that follows from the
    /// home's path, so that a home usually gets the same one again.
    pub(crate) fn choose_loopback(&self) -> Result<u8, EngineError> {
        choose_loopback(&self.0, &|octet| probe(octet)).map_err(|source| {
            let address = format!("127.{}-{}.0.2:{DNS_PORT}", OCTETS.start(), OCTETS.end());
            EngineError::Loopback { address, source }
        })
    }
}

/// Where the platform's DNS server answers.
pub(crate) fn dns_address(octet: u8) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::new(127, octet, 0, 2), DNS_PORT)
}

/// Whether the DNS server of that network could be started now.
pub(crate) fn probe(octet: u8) -> io::Result<()> {
    let address = dns_address(octet);
    UdpSocket::bind(address)?;
    TcpListener::bind(address)?;
    Ok(())
}

fn choose_loopback(home: &Path, probe: &dyn Fn(u8) -> io::Result<()>) -> io::Result<u8> {
    let octets: Vec<u8> = OCTETS.collect();
    let first = usize::try_from(stable_hash(home) % octets.len() as u64).unwrap_or(0);
    let mut refused = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for octet in octets.iter().cycle().skip(first).take(octets.len()) {
        match probe(*octet) {
            Ok(()) => return Ok(*octet),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

/// FNV-1a: the same for every version of the program and every machine.
fn stable_hash(path: &Path) -> u64 {
    struct Fnv(u64);
    impl Hasher for Fnv {
        fn finish(&self) -> u64 {
            self.0
        }
        fn write(&mut self, bytes: &[u8]) {
            for byte in bytes {
                self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
    }
    let mut hasher = Fnv(0xcbf2_9ce4_8422_2325);
    hasher.write(path.as_os_str().as_encoded_bytes());
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use neargate_core::time::Time;

    use super::*;

    #[test]
    fn a_home_gets_the_same_network_again_and_the_next_one_when_that_is_taken() {
        let home = Path::new("/home/user/.local/state/neargate");
        let free = |_: u8| Ok(());
        let first = choose_loopback(home, &free).expect("all are free");
        assert_eq!(choose_loopback(home, &free).expect("all are free"), first);
        let taken = |octet: u8| {
            if octet == first { Err(io::ErrorKind::AddrInUse.into()) } else { Ok(()) }
        };
        let second = choose_loopback(home, &taken).expect("others are free");
        assert_eq!(second, if first == 254 { 16 } else { first + 1 });
        let none = |_: u8| Err(io::ErrorKind::AddrInUse.into());
        let error = choose_loopback(home, &none).expect_err("none is free");
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        let others = (0..50).map(|n| {
            choose_loopback(&PathBuf::from(format!("/h/{n}")), &free).expect("all are free")
        });
        let different: std::collections::BTreeSet<u8> = others.collect();
        assert!(different.len() > 30, "spread: {different:?}");
    }

    #[test]
    fn settings_outlive_the_process_and_the_home_is_private() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("deep/home");
        let home = Home::open(&path).expect("made");
        let mode = std::fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        assert_eq!(home.settings().expect("none yet"), None);
        let settings = Settings::new(
            77,
            Anchor { real_ms: 1, platform: Time(2), pace: 3 },
            Driver::Container,
            AuthMode::Strict,
        );
        home.remember(&settings).expect("written");
        assert_eq!(home.settings().expect("read"), Some(settings));
        std::fs::write(path.join("engine.json"), "{").expect("broken");
        let error = home.settings().expect_err("broken").to_string();
        assert!(error.contains("engine.json"), "{error}");
    }
}
