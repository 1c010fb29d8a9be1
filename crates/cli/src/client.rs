//! Talks to the engine of a home: one JSON object per line each way over its Unix socket.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use neargate_core::input::Command;
use neargate_engine::api::{
    EventView, ImageSource, PlatformView, Request, Response, SecretValue, Status,
};

use crate::failure::Failure;
use crate::home::Home;

/// An engine that takes longer than this to answer is stuck.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A connection to a running engine.
#[derive(Debug)]
pub(crate) struct Client {
    stream: BufReader<UnixStream>,
    home: Home,
}

/// The engine did not answer; it may have ended.
#[derive(Debug, thiserror::Error)]
#[error("lost the engine of {home}")]
pub(crate) struct EngineLost {
    home: String,
    source: std::io::Error,
}

impl Client {
    /// Connects; `None` when no engine runs on that home.
    pub(crate) fn find(home: &Home) -> Result<Option<Client>, Failure> {
        match UnixStream::connect(home.socket()) {
            Ok(stream) => {
                stream.set_read_timeout(Some(TIMEOUT))?;
                stream.set_write_timeout(Some(TIMEOUT))?;
                Ok(Some(Client { stream: BufReader::new(stream), home: home.clone() }))
            }
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) =>
            {
                Ok(None)
            }
            Err(error) => {
                let socket = home.socket();
                Err(Failure::new(format!("cannot connect to {}: {error}", socket.display())))
            }
        }
    }

    /// Connects to the engine that must be running.
    pub(crate) fn connect(home: &Home) -> Result<Client, Failure> {
        Client::find(home)?.ok_or_else(|| {
            Failure::new(format!("no platform runs on the home {home}"))
                .hint("start one with `neargate up DIR`, or name another home with --home")
        })
    }

    /// One request, one answer; `timeout` for those that may take long.
    fn ask(&mut self, request: &Request, timeout: Duration) -> Result<Response, Failure> {
        let lost = |source| EngineLost { home: self.home.to_string(), source };
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        self.stream.get_ref().set_read_timeout(Some(timeout)).map_err(lost)?;
        let lost = |source| EngineLost { home: self.home.to_string(), source };
        self.stream.get_mut().write_all(&line).map_err(lost)?;
        let mut answer = Vec::new();
        let lost = |source: std::io::Error| EngineLost { home: self.home.to_string(), source };
        self.stream.read_until(b'\n', &mut answer).map_err(|error| match error.kind() {
            ErrorKind::WouldBlock => lost(std::io::Error::new(
                ErrorKind::TimedOut,
                format!("no answer within {} s", timeout.as_secs()),
            )),
            _ => lost(error),
        })?;
        if answer.last() != Some(&b'\n') {
            return Err(lost(ErrorKind::UnexpectedEof.into()).into());
        }
        match serde_json::from_slice(&answer) {
            Ok(Response::Rejected(why)) => Err(Failure::bad_input(why)),
            Ok(response) => Ok(response),
            Err(error) => Err(Failure::new(format!("cannot read the engine's answer: {error}"))
                .hint(
                    "engine and command line may be of different versions: see `neargate doctor`",
                )),
        }
    }

    /// Who runs, and how.
    pub(crate) fn status(&mut self) -> Result<Status, Failure> {
        match self.ask(&Request::Status, TIMEOUT)? {
            Response::Status(status) => Ok(status),
            other => Err(unexpected(&other)),
        }
    }

    /// What the platform is made of.
    pub(crate) fn inventory(
        &mut self,
    ) -> Result<BTreeMap<String, BTreeMap<String, serde_json::Value>>, Failure> {
        match self.ask(&Request::Inventory, TIMEOUT)? {
            Response::Inventory(inventory) => Ok(inventory),
            other => Err(unexpected(&other)),
        }
    }

    /// Everything there is to see.
    pub(crate) fn platform(&mut self) -> Result<PlatformView, Failure> {
        match self.ask(&Request::Platform, TIMEOUT)? {
            Response::Platform(view) => Ok(view),
            other => Err(unexpected(&other)),
        }
    }

    /// Newest events of a service, oldest first.
    pub(crate) fn events(
        &mut self,
        cluster: &str,
        service: &str,
    ) -> Result<Vec<EventView>, Failure> {
        let request =
            Request::Events { cluster: Some(cluster.to_owned()), service: service.to_owned() };
        match self.ask(&request, TIMEOUT)? {
            Response::Events(events) => Ok(events),
            other => Err(unexpected(&other)),
        }
    }

    /// All take effect, durably, or none. References to secrets without a value get a random one.
    pub(crate) fn commands(
        &mut self,
        commands: Vec<Command>,
        images: BTreeMap<String, ImageSource>,
        secrets: Vec<String>,
    ) -> Result<(), Failure> {
        match self.ask(&Request::Commands { commands, images, secrets }, TIMEOUT)? {
            Response::Accepted => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    /// Names of the secrets and parameters among these references that have no value.
    pub(crate) fn missing_secrets(
        &mut self,
        references: Vec<String>,
    ) -> Result<Vec<String>, Failure> {
        match self.ask(&Request::MissingSecrets { references }, TIMEOUT)? {
            Response::Missing(names) => Ok(names),
            other => Err(unexpected(&other)),
        }
    }

    /// New values, durable when this returns.
    pub(crate) fn put_secrets(&mut self, values: Vec<SecretValue>) -> Result<(), Failure> {
        match self.ask(&Request::PutSecrets(values), TIMEOUT)? {
            Response::Accepted => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    /// Stops every task, the edge and the engine; answered when all is gone.
    pub(crate) fn down(&mut self, timeout: Duration) -> Result<(), Failure> {
        match self.ask(&Request::Down, timeout)? {
            Response::Accepted => Ok(()),
            other => Err(unexpected(&other)),
        }
    }
}

fn unexpected(response: &Response) -> Failure {
    Failure::new(format!("the engine gave an answer to another question: {response:?}"))
}
