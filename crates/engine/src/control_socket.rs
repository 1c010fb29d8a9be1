//! `<home>/engine.sock`: one JSON request per line, one answer per line, in order.
//!
//! A thread per connection, a bounded number of connections, a bounded length of a line. The
//! threads know nothing of the platform: they hand requests to the main loop and write down what
//! it answers.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use crate::api::{Request, Response};
use crate::error::EngineError;
use crate::event::{Event, Reply};

/// The longest request: a system of a thousand services fits several times.
const MAX_LINE: u64 = 16 << 20;
/// Connections at once.
const MAX_CONNECTIONS: usize = 64;
/// A client that does not take its answer loses the connection.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// The listening socket. Dropping it ends the service and removes the socket.
pub(crate) struct ControlSocket {
    path: PathBuf,
    over: Arc<AtomicBool>,
}

impl ControlSocket {
    /// Listens. The caller holds the home's lock, so a socket that is there is a dead engine's.
    pub(crate) fn open(path: &Path, events: SyncSender<Event>) -> Result<Self, EngineError> {
        let failed = |action, source| EngineError::File { action, path: path.to_owned(), source };
        if UnixStream::connect(path).is_ok() {
            return Err(failed("listen on", io::ErrorKind::AddrInUse.into()));
        }
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed("remove the old socket", error));
            }
            _ => {}
        }
        let listener = UnixListener::bind(path).map_err(|e| failed("listen on", e))?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
            .map_err(|e| failed("make private", e))?;
        let over = Arc::new(AtomicBool::new(false));
        let seen_over = Arc::clone(&over);
        std::thread::Builder::new()
            .name("control".to_owned())
            .spawn(move || accept(&listener, &events, &seen_over))
            .map_err(|source| EngineError::System { action: "start a thread", source })?;
        Ok(Self { path: path.to_owned(), over })
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        // Wakes the thread that waits for connections, so that it sees that it is over.
        let _nobody_waits = UnixStream::connect(&self.path);
        let _gone = std::fs::remove_file(&self.path);
    }
}

fn accept(listener: &UnixListener, events: &SyncSender<Event>, over: &AtomicBool) {
    let open = Arc::new(AtomicUsize::new(0));
    loop {
        let accepted = listener.accept();
        if over.load(Ordering::Acquire) {
            return;
        }
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "cannot accept on the control socket");
                std::thread::sleep(Duration::from_millis(50));
                continue;
            }
        };
        if open.fetch_add(1, Ordering::AcqRel) >= MAX_CONNECTIONS {
            open.fetch_sub(1, Ordering::AcqRel);
            let why = format!("more than {MAX_CONNECTIONS} clients at once; try again later");
            let _gone = write_response(&stream, &Response::Rejected(why));
            continue;
        }
        let (events, counted) = (events.clone(), Arc::clone(&open));
        let spawned =
            std::thread::Builder::new().name("control-client".to_owned()).spawn(move || {
                if let Err(error) = serve(&stream, &events) {
                    tracing::debug!(%error, "a client of the control socket went away");
                }
                counted.fetch_sub(1, Ordering::AcqRel);
            });
        if let Err(error) = spawned {
            open.fetch_sub(1, Ordering::AcqRel);
            tracing::warn!(%error, "cannot start a thread for a client");
        }
    }
}

fn serve(stream: &UnixStream, events: &SyncSender<Event>) -> io::Result<()> {
    stream.set_write_timeout(Some(WRITE_TIMEOUT))?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = Vec::new();
        reader.by_ref().take(MAX_LINE + 1).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(());
        }
        let request = match parse(&line) {
            Ok(request) => request,
            Err(why) => return write_response(stream, &Response::Rejected(why)),
        };
        let (reply, answer) = Reply::pair();
        let ended = || io::Error::new(io::ErrorKind::BrokenPipe, "the engine is ending");
        events.send(Event::Request(request, reply)).map_err(|_| ended())?;
        let response = answer.response.blocking_recv().map_err(|_| ended())?;
        write_response(stream, &response)?;
        drop(answer.written);
    }
}

/// A request, or one line that says what is wrong with it.
fn parse(line: &[u8]) -> Result<Request, String> {
    if line.len() as u64 > MAX_LINE {
        return Err(format!("a request of more than {MAX_LINE} bytes is too long"));
    }
    if line.last() != Some(&b'\n') {
        return Err("the request ended in the middle of a line".to_owned());
    }
    serde_json::from_slice(line).map_err(|error| {
        format!(
            "not a request this engine (version {}) understands: {error}; engine and command line \
             must be of the same version",
            env!("CARGO_PKG_VERSION")
        )
    })
}

fn write_response(mut stream: &UnixStream, response: &Response) -> io::Result<()> {
    let mut line = serde_json::to_vec(response)?;
    line.push(b'\n');
    stream.write_all(&line)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    fn ask(path: &Path, bytes: &[u8]) -> String {
        let mut stream = UnixStream::connect(path).expect("connected");
        stream.write_all(bytes).expect("sent");
        stream.shutdown(std::net::Shutdown::Write).expect("half closed");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answered");
        answer
    }

    #[test]
    fn malformed_requests_are_rejected_in_words_and_the_connection_closed() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("engine.sock");
        let (events, _requests) = sync_channel(8);
        let _socket = ControlSocket::open(&path, events).expect("listening");
        for (request, why) in [
            (&b"nonsense\n"[..], "not a request"),
            (b"{\"Nothing\":1}\n", "unknown variant"),
            (b"\"Status\"", "middle of a line"),
            (b"\xff\xfe\n", "not a request"),
            (b"{\"Commands\":{\"commands\":[{\"PutCluster\":{}}],\"images\":{}}}\n", "name"),
        ] {
            let answer = ask(&path, request);
            assert!(answer.contains("Rejected") && answer.contains(why), "{answer}");
            assert_eq!(answer.lines().count(), 1);
        }
        let mode = std::fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn requests_of_one_client_are_answered_in_order() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("engine.sock");
        let (events, requests) = sync_channel(8);
        let socket = ControlSocket::open(&path, events).expect("listening");
        std::thread::spawn(move || {
            for (number, event) in requests.iter().enumerate() {
                let Event::Request(_, reply) = event else { continue };
                reply.send(Response::Rejected(format!("answer {number}")));
            }
        });
        let answers = ask(&path, b"\"Status\"\n\"Platform\"\n\"Down\"\n");
        let expected: Vec<String> =
            (0..3).map(|n| format!("{{\"Rejected\":\"answer {n}\"}}")).collect();
        assert_eq!(answers.lines().collect::<Vec<_>>(), expected);
        drop(socket);
        assert!(!path.exists());
    }

    /// A dead engine leaves its socket behind; a living one keeps it.
    #[test]
    fn a_stale_socket_is_replaced_and_a_used_one_is_not() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("engine.sock");
        drop(UnixListener::bind(&path).expect("stale"));
        assert!(path.exists());
        let (events, _requests) = sync_channel(8);
        let _first = ControlSocket::open(&path, events.clone()).expect("stale one replaced");
        assert!(ControlSocket::open(&path, events).is_err());
    }

    #[test]
    fn endless_lines_are_cut_off() {
        let line = vec![b'x'; MAX_LINE as usize + 1];
        assert!(parse(&line).expect_err("too long").contains("too long"));
    }
}
