//! Starting and ending the process: everything is put together here, in the one order that is safe.

use std::ffi::OsString;
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use neargate_core::{Identity, Platform};
use neargate_images::ImageStore;
use neargate_images::registry::{Credentials, Registry, RegistryOptions};
use neargate_logs::LogStore;
use neargate_objects::ObjectStore;
use neargate_runtime::{Driver, LINK_LOCAL_RESOLVER, Meter, Runtime, RuntimeOptions};
use neargate_store::{Recovered, Store};
use neargate_wire::Auth;

use crate::api::Response;
use crate::authority::Authority;
use crate::clock::{Anchor, Clock, monotonic, wall_ms};
use crate::control_socket::ControlSocket;
use crate::edge_link::{EdgeLink, LinkOptions};
use crate::edge_process::Launch;
use crate::endpoint::{Endpoint, EndpointOptions};
use crate::engine::{Ended, Engine, Parts};
use crate::error::EngineError;
use crate::event::Event;
use crate::home::{Home, Settings, dns_address, probe};
use crate::key_ring::KeyRing;
use crate::ledger::{Journal, Ledger, OpenError};
use crate::log;
use crate::options::{AuthMode, DEFAULT_ACCOUNT, Options};
use crate::record::{FORMAT, Record};
use crate::rooms::EngineRooms;
use crate::status::StatusParts;
use crate::take_down;
use crate::vault::Vault;

/// What may have happened and not been looked at; whoever has more to say waits.
const EVENTS: usize = 8192;
/// The last answers of a process get this long to be written.
const LAST_ANSWER: Duration = Duration::from_secs(2);
/// How long the journal may be held by an engine that is as good as gone.
const LAST_HOLD: Duration = Duration::from_millis(500);

/// Runs an engine until a signal ends it (tasks and edge go on) or the platform was taken down.
///
/// # Errors
/// When it cannot start: the home or the port is in use, the journal cannot be read, the machine
/// refuses what is needed. No task and no route was touched then.
pub fn run(options: &Options) -> Result<(), EngineError> {
    log::to_stderr();
    let home = Home::open(&options.home)?;
    // From here on the home is ours alone.
    let (store, recovered) = open_store(&home)?;
    let ledger = open_ledger(&home, Box::new(store), &recovered, options)?;
    let vault = Vault::open(&home.secrets_key()).map_err(|source| EngineError::File {
        action: "read",
        path: home.secrets_key(),
        source,
    })?;
    let vault = Arc::new(vault);
    let objects = open_objects(&home, ledger.platform())?;
    let (settings, driver_note) = settle(&home, ledger.platform(), options)?;
    let driver = settings.driver;
    let pace = settings.clock.pace;
    let clock = Clock::start(&settings.clock, wall_ms());
    let dns = match driver.is_container() {
        true => SocketAddr::from((LINK_LOCAL_RESOLVER, 53)).to_string(),
        false => dns_address(settings.loopback).to_string(),
    };

    let (sender, events) = sync_channel(EVENTS);
    let auth = auth(&home, &vault, settings.auth)?;
    let endpoint_options =
        EndpointOptions { port: options.port, resettable: options.resettable, auth };
    let meter = Arc::new(Meter::new(home.path()));
    let endpoint = Endpoint::open(endpoint_options, sender.clone(), meter)?;
    let address = format!("http://{}", endpoint.address());
    let observed = sender.clone();
    let runtime = Runtime::open(
        RuntimeOptions {
            home: home.path().to_owned(),
            binary: options.binary.clone(),
            pace,
            dns: dns.clone(),
            driver,
        },
        Arc::new(move |observation| {
            // An engine that is ending learns of it the next time it looks.
            let _ending = observed.send(Event::Observed(observation));
        }),
    )
    .map_err(|error| EngineError::Runtime(Box::new(error)))?;
    let listener = runtime.metadata_listener().map_err(|source| EngineError::System {
        action: "listen for tasks on 169.254.170.2:80",
        source,
    })?;
    if let Some(listener) = listener {
        endpoint.listen_for_tasks(listener)?;
    }
    let rooms = Arc::new(rooms(&home, &vault, runtime.image_store(), objects, &address)?);
    endpoint.serve_registry(registry(&rooms, ledger.platform(), settings.auth));
    let network = runtime.namespace();
    let link = link_options(&home, options, pace, &dns, network.as_deref());
    let link = EdgeLink::start(link, sender.clone())
        .map_err(|source| EngineError::System { action: "start a thread", source })?;
    let control = ControlSocket::open(&home.control_socket(), sender.clone())?;
    drop(sender);

    let status = StatusParts {
        endpoint: address,
        pace,
        home: home.path().display().to_string(),
        dns,
        driver,
        driver_note,
        auth: settings.auth,
    };
    tracing::info!(%driver, home = status.home, endpoint = status.endpoint, pace = status.pace, "running");
    let tasks = Box::new(runtime);
    let loopback = (!driver.is_container()).then_some(settings.loopback);
    let engine = Engine::new(Parts {
        ledger,
        tasks,
        vault,
        rooms,
        link,
        clock,
        events,
        status,
        loopback,
        genesis,
    });
    // The engine is consumed: with it go the journal's lock and the runtime's threads.
    let ended = engine.run()?;
    drop(control);
    drop(endpoint);
    if let Ended::Down(replies) = ended {
        let _removed_by_the_edge = std::fs::remove_file(home.edge_socket());
        if let Err(problem) = neargate_runtime::clear_ground(home.path()) {
            tracing::error!("not everything could be removed: {problem}");
        }
        for reply in replies {
            reply.send_and_wait(Response::Accepted, LAST_ANSWER);
        }
    }
    Ok(())
}

/// Whom the endpoint lets in.
fn auth(home: &Home, vault: &Arc<Vault>, mode: AuthMode) -> Result<Auth, EngineError> {
    if mode == AuthMode::Any {
        return Ok(Auth::Any);
    }
    let path = home.credentials();
    let ring = KeyRing::open(&path, Arc::clone(vault)).map_err(|source| EngineError::File {
        action: "read",
        path: path.clone(),
        source,
    })?;
    tracing::info!(
        "requests must be signed: export AWS_SHARED_CREDENTIALS_FILE={}",
        path.display()
    );
    Ok(Auth::Strict { lookup: Arc::new(move |key| ring.secret(key)) })
}

/// What the services need beside the platform.
fn rooms(
    home: &Home,
    vault: &Arc<Vault>,
    images: Arc<ImageStore>,
    objects: Arc<ObjectStore>,
    endpoint: &str,
) -> Result<EngineRooms, EngineError> {
    let unusable = |path| {
        move |problem: String| {
            let source = std::io::Error::other(problem);
            EngineError::File { action: "read", path, source }
        }
    };
    let (key, logs) = (home.registry_key(), neargate_runtime::log_store(home.path()));
    let registry = Credentials::open(&key).map_err(|error| unusable(key)(error.chain()))?;
    let logs =
        LogStore::open(&logs).map_err(|error| unusable(logs)(crate::ledger::in_full(&error)))?;
    let endpoint = endpoint.to_owned();
    let authority = Authority::new(home.authority_key(), home.authority_certificate());
    let vault = Arc::clone(vault);
    Ok(EngineRooms { vault, endpoint, logs, images, registry, authority, objects })
}

/// The bytes of objects, without those that no record names: what a crash left, or a reset.
fn open_objects(home: &Home, platform: &Platform) -> Result<Arc<ObjectStore>, EngineError> {
    let path = home.objects();
    let opened = ObjectStore::open(&path).and_then(|objects| {
        let needed = neargate_services::objects_in_use(platform);
        let freed = objects.retain(|id| needed.contains(id))?;
        if freed > 0 {
            tracing::info!(freed, "removed bytes of objects that are no more");
        }
        Ok(Arc::new(objects))
    });
    opened.map_err(|source| EngineError::File { action: "read", path, source })
}

/// The platform's registry. Whoever calls from this machine needs a login only where signatures are
/// asked for, too. A push makes its repository.
fn registry(rooms: &EngineRooms, platform: &Platform, auth: AuthMode) -> Registry {
    let options = RegistryOptions {
        account: platform.identity().account.clone(),
        realm: rooms.endpoint.clone(),
        strict: auth == AuthMode::Strict,
        create_on_push: true,
    };
    Registry::new(Arc::clone(&rooms.images), rooms.registry.clone(), options)
}

fn open_store(home: &Home) -> Result<(Store, Recovered), EngineError> {
    let began = monotonic();
    let opened = loop {
        match Store::open(&home.journal()) {
            // The threads of an engine that was just killed hold its files a moment longer.
            Err(neargate_store::Error::InUse { .. }) if began.elapsed() < LAST_HOLD => {
                std::thread::sleep(LAST_HOLD / 20);
            }
            opened => break opened,
        }
    };
    let (store, recovered) = opened.map_err(|source| match source {
        neargate_store::Error::InUse { pid, .. } => {
            EngineError::HomeInUse { home: home.path().to_owned(), pid }
        }
        source => EngineError::Journal { home: home.path().to_owned(), source },
    })?;
    if recovered.discarded_bytes > 0 {
        let bytes = recovered.discarded_bytes;
        tracing::warn!(bytes, "cut off a write that a crash had left unfinished");
    }
    Ok((store, recovered))
}

fn open_ledger(
    home: &Home,
    journal: Box<dyn Journal>,
    recovered: &Recovered,
    options: &Options,
) -> Result<Ledger, EngineError> {
    let or = |wanted: &Option<String>, default: &str| {
        wanted.clone().unwrap_or_else(|| default.to_owned())
    };
    let wanted = Identity {
        account: or(&options.account, DEFAULT_ACCOUNT),
        region: or(&options.region, &options.default_region),
    };
    let path = || home.path().to_owned();
    let mut ledger =
        Ledger::open(journal, recovered, &genesis(&wanted)).map_err(|error| match error {
            OpenError::Store(source) => EngineError::Journal { home: path(), source },
            error => EngineError::Records { home: path(), problem: error.to_string() },
        })?;
    if *ledger.platform().identity() != wanted && is_empty(ledger.platform()) {
        // Nothing carries the old name any more.
        let reset = ledger.reset(&genesis(&wanted));
        reset.map_err(|error| EngineError::Records { home: path(), problem: error.to_string() })?;
    }
    let found = ledger.platform().identity();
    let differs = |wanted: &Option<String>, found: &str| {
        wanted.as_ref().is_some_and(|wanted| wanted != found)
    };
    if differs(&options.account, &found.account) || differs(&options.region, &found.region) {
        return Err(EngineError::OtherIdentity {
            home: path(),
            found: found.account.clone(),
            found_region: found.region.clone(),
            wanted: options.account.clone().unwrap_or_else(|| found.account.clone()),
            wanted_region: options.region.clone().unwrap_or_else(|| found.region.clone()),
        });
    }
    Ok(ledger)
}

/// The first record of a new platform.
fn genesis(identity: &Identity) -> Record {
    let seed = RandomState::new().hash_one(std::process::id());
    Record::Genesis { format: FORMAT, seed, identity: identity.clone() }
}

/// Whether the platform has been taken down, or is new.
fn is_empty(platform: &Platform) -> bool {
    take_down::next(platform) == take_down::Next::Done
}

/// Where the platform's addresses are and what time it is, remembered durably.
/// Also what is missing for a better driver.
fn settle(
    home: &Home,
    platform: &Platform,
    options: &Options,
) -> Result<(Settings, Option<String>), EngineError> {
    let old = home.settings()?;
    let (driver, driver_note) = settle_driver(home, platform, options, old.as_ref())?;
    let pace = options.pace;
    let pace = match old.map(|old| old.clock.pace).filter(|_| !is_empty(platform)) {
        None => pace.unwrap_or(1).max(1),
        // Durations of what runs were divided by it already.
        Some(found) => match pace.filter(|wanted| *wanted != found) {
            None => found,
            Some(wanted) => {
                return Err(EngineError::OtherPace { home: home.path().to_owned(), found, wanted });
            }
        },
    };
    let loopback = match old {
        None => home.choose_loopback()?,
        Some(old) => {
            // An edge that lives on holds the address for us.
            let held = UnixStream::connect(home.edge_socket()).is_ok();
            match if held { Ok(()) } else { probe(old.loopback) } {
                Ok(()) => old.loopback,
                // Nothing has an address yet: another network is as good.
                Err(_) if is_empty(platform) => home.choose_loopback()?,
                Err(source) => {
                    let address = dns_address(old.loopback).to_string();
                    return Err(EngineError::Loopback { address, source });
                }
            }
        }
    };
    let clock = Anchor::for_run(old.map(|old| old.clock), Some(platform.now()), wall_ms(), pace);
    let auth = options.auth.or(old.map(|old| old.auth)).unwrap_or_default();
    let settings = Settings::new(loopback, clock, driver, auth);
    if old != Some(settings) {
        home.remember(&settings)?;
    }
    Ok((settings, driver_note))
}

/// The driver that made what runs here, or the one that is wanted, or the best there is.
fn settle_driver(
    home: &Home,
    platform: &Platform,
    options: &Options,
    old: Option<&Settings>,
) -> Result<(Driver, Option<String>), EngineError> {
    if let Some(found) = old.map(|old| old.driver).filter(|_| !is_empty(platform)) {
        return match options.driver.filter(|wanted| *wanted != found) {
            None => Ok((found, None)),
            Some(wanted) => {
                Err(EngineError::OtherDriver { home: home.path().to_owned(), found, wanted })
            }
        };
    }
    match neargate_runtime::choose(options.driver, &options.binary, home.path()) {
        Ok(choice) => Ok((choice.driver, choice.missing)),
        Err(why) => {
            let wanted = options.driver.unwrap_or_default();
            Err(EngineError::NoDriver { wanted, why })
        }
    }
}

fn link_options(
    home: &Home,
    options: &Options,
    pace: u32,
    dns: &str,
    network: Option<&Path>,
) -> LinkOptions {
    let mut arguments: Vec<OsString> = vec![
        "edge".into(),
        "--home".into(),
        home.path().into(),
        "--dns".into(),
        dns.into(),
        "--pace".into(),
        pace.to_string().into(),
    ];
    if let Some(network) = network {
        arguments.extend(["--network".into(), network.into()]);
    }
    LinkOptions {
        socket: home.edge_socket(),
        launch: Some(Launch { program: options.binary.clone(), arguments, log: home.edge_log() }),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}
