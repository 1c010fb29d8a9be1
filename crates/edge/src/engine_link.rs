//! The control socket: the engine connects, says what it wishes, hears what happens. The newest
//! connection is the engine. Nothing here is needed for requests to be served.

use std::cell::RefCell;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream as BlockingUnixStream;
use std::path::Path;
use std::rc::Rc;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::EdgeError;
use crate::control::{FromEdge, ToEdge};
use crate::plane::Plane;

/// Messages that wait for an engine that reads slowly; more, and the connection ends.
const MAX_WAITING: usize = 65_536;
/// Longest line from the engine: the whole state of a very large platform.
const MAX_LINE: u64 = 64 * 1024 * 1024;

/// Opens the socket, replacing one that a dead edge has left behind.
pub(crate) fn listen(path: &Path) -> Result<UnixListener, EdgeError> {
    let failed = |source| EdgeError::ControlSocket { path: path.to_owned(), source };
    if BlockingUnixStream::connect(path).is_ok() {
        return Err(EdgeError::AlreadyRunning { path: path.to_owned() });
    }
    match std::fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(listener)
}

/// Serves whoever connects, for ever.
pub(crate) async fn serve(listener: UnixListener, plane: Rc<RefCell<Plane>>) {
    let mut current: Option<(JoinHandle<()>, JoinHandle<()>)> = None;
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "cannot accept on the control socket");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                continue;
            }
        };
        if let Some((reader, writer)) = current.take() {
            reader.abort();
            writer.abort();
        }
        let (read, write) = stream.into_split();
        let (sender, receiver) = mpsc::channel(MAX_WAITING);
        plane.borrow_mut().set_engine(sender);
        let writer = tokio::task::spawn_local(tell(write, receiver));
        let reader = tokio::task::spawn_local(hear(read, plane.clone()));
        current = Some((reader, writer));
    }
}

/// Writes what there is to say, as much at once as waits.
async fn tell(
    mut stream: tokio::net::unix::OwnedWriteHalf,
    mut messages: mpsc::Receiver<FromEdge>,
) {
    let mut line = Vec::new();
    while let Some(message) = messages.recv().await {
        line.clear();
        let mut next = Some(message);
        while let Some(message) = next {
            if let Err(error) = serde_json::to_writer(&mut line, &message) {
                tracing::error!(%error, "cannot write a message");
            }
            line.push(b'\n');
            next = if line.len() < 64 * 1024 { messages.try_recv().ok() } else { None };
        }
        if stream.write_all(&line).await.is_err() {
            return;
        }
    }
}

async fn hear(stream: tokio::net::unix::OwnedReadHalf, plane: Rc<RefCell<Plane>>) {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut reader).take(MAX_LINE).read_until(b'\n', &mut line).await {
            Ok(read) if read > 0 && line.ends_with(b"\n") => {}
            _ => return,
        }
        match serde_json::from_slice::<ToEdge>(&line) {
            Ok(message) => plane.borrow_mut().receive(message),
            Err(error) => {
                tracing::error!(%error, "the engine said something that is not understood");
                return;
            }
        }
    }
}
