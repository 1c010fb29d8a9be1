//! Starting and ending the process: everything is put together here, in the one order that is safe.

use std::ffi::OsString;
use std::hash::{BuildHasher, RandomState};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use neargate_core::{Identity, Platform};
use neargate_runtime::{Runtime, RuntimeOptions};
use neargate_store::{Recovered, Store};

use crate::api::Response;
use crate::clock::{Anchor, Clock, monotonic, wall_ms};
use crate::control_socket::ControlSocket;
use crate::edge_link::{EdgeLink, LinkOptions};
use crate::edge_process::Launch;
use crate::endpoint::{Endpoint, EndpointOptions};
use crate::engine::{Ended, Engine, Parts};
use crate::error::EngineError;
use crate::event::Event;
use crate::home::{Home, Settings, dns_address, probe};
use crate::ledger::{Journal, Ledger, OpenError};
use crate::log;
use crate::options::{DEFAULT_ACCOUNT, Options};
use crate::record::{FORMAT, Record};
use crate::status::StatusParts;
use crate::take_down;

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
    let settings = settle(&home, ledger.platform(), options.pace)?;
    let pace = settings.clock.pace;
    let clock = Clock::start(&settings.clock, wall_ms());
    let dns = dns_address(settings.loopback).to_string();

    let (sender, events) = sync_channel(EVENTS);
    let endpoint_options = EndpointOptions { port: options.port, resettable: options.resettable };
    let endpoint = Endpoint::open(endpoint_options, sender.clone())?;
    let observed = sender.clone();
    let runtime = Runtime::open(
        RuntimeOptions {
            home: home.path().to_owned(),
            binary: options.binary.clone(),
            pace,
            dns: dns.clone(),
        },
        Arc::new(move |observation| {
            // An engine that is ending learns of it the next time it looks.
            let _ending = observed.send(Event::Observed(observation));
        }),
    )
    .map_err(|error| EngineError::Runtime(Box::new(error)))?;
    let link = EdgeLink::start(link_options(&home, options, pace, &dns), sender.clone())
        .map_err(|source| EngineError::System { action: "start a thread", source })?;
    let control = ControlSocket::open(&home.control_socket(), sender.clone())?;
    drop(sender);

    let status = StatusParts {
        endpoint: format!("http://{}", endpoint.address()),
        pace,
        home: home.path().display().to_string(),
        dns,
    };
    tracing::info!(home = status.home, endpoint = status.endpoint, pace = status.pace, "running");
    let tasks = Box::new(runtime);
    let engine = Engine::new(Parts { ledger, tasks, link, clock, events, status, genesis });
    // The engine is consumed: with it go the journal's lock and the runtime's threads.
    let ended = engine.run()?;
    drop(control);
    drop(endpoint);
    if let Ended::Down(replies) = ended {
        let _removed_by_the_edge = std::fs::remove_file(home.edge_socket());
        for reply in replies {
            reply.send_and_wait(Response::Accepted, LAST_ANSWER);
        }
    }
    Ok(())
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
fn settle(home: &Home, platform: &Platform, pace: Option<u32>) -> Result<Settings, EngineError> {
    let old = home.settings()?;
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
    let settings = Settings::new(loopback, clock);
    if old != Some(settings) {
        home.remember(&settings)?;
    }
    Ok(settings)
}

fn link_options(home: &Home, options: &Options, pace: u32, dns: &str) -> LinkOptions {
    let arguments: Vec<OsString> = vec![
        "edge".into(),
        "--home".into(),
        home.path().into(),
        "--dns".into(),
        dns.into(),
        "--pace".into(),
        pace.to_string().into(),
    ];
    LinkOptions {
        socket: home.edge_socket(),
        launch: Some(Launch { program: options.binary.clone(), arguments, log: home.edge_log() }),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}
