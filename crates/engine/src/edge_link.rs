//! The connection to the edge: found or started, kept, and replaced when it is of another version.
//!
//! One thread connects, reads and supervises; one per connection writes. The main loop is told of
//! every new connection and answers it with the whole wish, so nothing has to be kept for an edge
//! that is away. The edge is nobody's child in spirit: it is started detached, outlives the engine
//! and is found again through its socket.

use std::io::{self, BufRead, BufReader, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use neargate_edge::control::{FromEdge, ToEdge};

use crate::clock::monotonic;
use crate::edge_process::{EdgeProcess, Launch, wait_for_exit};
use crate::event::{EdgeConnection, Event};

/// What an edge may leave unread. One that is further behind is dropped and starts over.
const OUTBOX: usize = 16_384;
/// Between attempts to connect, first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// A fresh edge listens within this time, or is considered stuck.
const START_TIMEOUT: Duration = Duration::from_secs(10);
/// An edge introduces itself at once.
const HELLO_TIMEOUT: Duration = Duration::from_secs(5);
/// An edge that was told to end has this long for the requests in flight.
const END_TIMEOUT: Duration = Duration::from_secs(60);

/// What the link needs to know.
#[derive(Clone, Debug)]
pub(crate) struct LinkOptions {
    /// Where edges listen.
    pub(crate) socket: PathBuf,
    /// How to start one; `None` never does.
    pub(crate) launch: Option<Launch>,
    /// The version an edge must have.
    pub(crate) version: String,
}

/// What the main loop asks of the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    /// Keep an edge.
    Keep,
    /// Wait for the edge to end, start no other.
    Retire,
    /// Leave the edge alone and end the thread.
    Leave,
}

/// The link's handle. Dropping it leaves the edge running.
pub(crate) struct EdgeLink {
    shared: Arc<Mutex<Shared>>,
    nudge: SyncSender<()>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    wish: Wish,
    /// To be cut when the wish changes or the edge does not keep up.
    stream: Option<UnixStream>,
}

impl EdgeLink {
    /// Starts the thread; events arrive until the handle is dropped.
    pub(crate) fn start(options: LinkOptions, events: SyncSender<Event>) -> io::Result<EdgeLink> {
        let shared = Arc::new(Mutex::new(Shared { wish: Wish::Keep, stream: None }));
        let (nudge, nudged) = sync_channel(1);
        let worker = Worker {
            options,
            events,
            shared: Arc::clone(&shared),
            nudged,
            connections: 0,
            process: None,
        };
        let thread =
            std::thread::Builder::new().name("edge-link".to_owned()).spawn(move || worker.run())?;
        Ok(EdgeLink { shared, nudge, thread: Some(thread) })
    }

    /// Cuts the connection; the link connects anew and the edge gets the whole wish again.
    pub(crate) fn reconnect(&self) {
        if let Some(stream) = &lock(&self.shared).stream {
            let _closed_already = stream.shutdown(Shutdown::Both);
        }
    }

    /// The edge has been told to end, or none is connected: wait until it has, start no other.
    /// Answered by [`Event::EdgeGone`].
    pub(crate) fn retire(&self) {
        self.wish(Wish::Retire);
    }

    fn wish(&self, wish: Wish) {
        lock(&self.shared).wish = wish;
        let _nudged_already = self.nudge.try_send(());
    }
}

impl Drop for EdgeLink {
    fn drop(&mut self) {
        self.wish(Wish::Leave);
        self.reconnect();
        // The thread may be waiting for room in the event queue, which its reader has left: that
        // wait ends with the queue, so the thread is not joined when the queue still exists.
        if let Some(thread) = self.thread.take()
            && thread.is_finished()
        {
            let _ended = thread.join();
        }
    }
}

fn lock(shared: &Mutex<Shared>) -> std::sync::MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Worker {
    options: LinkOptions,
    events: SyncSender<Event>,
    shared: Arc<Mutex<Shared>>,
    nudged: Receiver<()>,
    connections: u64,
    process: Option<EdgeProcess>,
}

/// How a connection ended.
enum Ending {
    /// The edge went away, or was cut off.
    Lost,
    /// It was of another version and was told to end.
    OtherVersion,
    /// The main loop has ended.
    NobodyListens,
}

impl Worker {
    fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let wish = lock(&self.shared).wish;
            match wish {
                Wish::Keep => {}
                Wish::Retire => return self.retire(),
                Wish::Leave => return,
            }
            match UnixStream::connect(&self.options.socket) {
                Ok(stream) => match self.connection(stream) {
                    Ok(Ending::NobodyListens) => return,
                    Ok(Ending::Lost) => pause = FIRST_PAUSE,
                    Ok(Ending::OtherVersion) => {
                        self.process = None;
                        pause = FIRST_PAUSE;
                    }
                    Err(error) => tracing::warn!(%error, "the edge did not introduce itself"),
                },
                Err(error) if nobody_answers(&error) => self.start_if_due(),
                Err(error) => {
                    let socket = self.options.socket.display();
                    tracing::warn!(%error, %socket, "cannot connect to the edge");
                }
            }
            self.pause(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Waits, unless the main loop wishes something else.
    fn pause(&self, pause: Duration) {
        match self.nudged.recv_timeout(pause) {
            Ok(()) | Err(RecvTimeoutError::Timeout) => {}
            // The handle is gone; so is the wish to keep anything.
            Err(RecvTimeoutError::Disconnected) => {}
        }
    }

    /// Starts an edge unless one is on its way.
    fn start_if_due(&mut self) {
        if let Some(process) = &mut self.process {
            match process.ended() {
                None if process.age() < START_TIMEOUT => return,
                None => {
                    tracing::error!(pid = process.pid(), "the edge does not listen; replacing it");
                    process.kill();
                }
                Some(status) => {
                    tracing::error!(
                        pid = process.pid(),
                        %status,
                        last_words = process.last_words(),
                        "the edge has ended; starting another one"
                    );
                }
            }
            self.process = None;
        }
        let Some(launch) = &self.options.launch else { return };
        match launch.start() {
            Ok(process) => {
                tracing::info!(pid = process.pid(), "started an edge");
                self.process = Some(process);
            }
            Err(error) => {
                tracing::error!(%error, program = %launch.program.display(), "cannot start an edge");
            }
        }
    }

    /// From the first word of an edge to its last.
    fn connection(&mut self, stream: UnixStream) -> io::Result<Ending> {
        stream.set_read_timeout(Some(HELLO_TIMEOUT))?;
        let mut reader = BufReader::new(stream.try_clone()?);
        let Some(FromEdge::Hello { pid, version }) = read_message(&mut reader)? else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "expected a Hello first"));
        };
        if version != self.options.version {
            let ours = self.options.version.as_str();
            tracing::info!(pid, version, ours, "replacing the edge of another version");
            write_message(&mut &stream, &ToEdge::Shutdown)?;
            // Whatever it still says is for nobody; its end of the stream says it has stopped.
            stream.set_read_timeout(Some(END_TIMEOUT))?;
            let _rest = io::copy(&mut reader, &mut io::sink());
            wait_for_exit(pid, END_TIMEOUT);
            return Ok(Ending::OtherVersion);
        }
        stream.set_read_timeout(None)?;
        {
            let mut shared = lock(&self.shared);
            if shared.wish == Wish::Leave {
                return Ok(Ending::NobodyListens);
            }
            shared.stream = Some(stream.try_clone()?);
        }
        self.connections += 1;
        let number = self.connections;
        let (outbox, to_write) = sync_channel(OUTBOX);
        let writer_stream = stream.try_clone()?;
        let writer = std::thread::Builder::new()
            .name("edge-writer".to_owned())
            .spawn(move || write_all(&writer_stream, &to_write))?;
        tracing::info!(pid, number, "connected to the edge");
        let connected = EdgeConnection { number, pid, outbox };
        let heard = self.events.send(Event::EdgeConnected(connected)).is_ok()
            && self.read_all(&mut reader, number);
        let mut ending = if heard { Ending::Lost } else { Ending::NobodyListens };
        let _closed_already = stream.shutdown(Shutdown::Both);
        lock(&self.shared).stream = None;
        if self.events.send(Event::EdgeLost(number)).is_err() {
            ending = Ending::NobodyListens;
        }
        if writer.join().is_err() {
            tracing::error!("the thread that writes to the edge panicked");
        }
        if lock(&self.shared).wish == Wish::Retire {
            wait_for_exit_of(pid, self.process.as_mut());
            self.process = None;
        }
        Ok(ending)
    }

    /// Hands on everything the edge says. `false` when nobody listens any more.
    fn read_all(&self, reader: &mut impl BufRead, number: u64) -> bool {
        loop {
            match read_message(reader) {
                Ok(Some(message)) => {
                    if self.events.send(Event::EdgeSaid(number, message)).is_err() {
                        return false;
                    }
                }
                Ok(None) => return true,
                Err(error) => {
                    tracing::warn!(%error, "the connection to the edge broke");
                    return true;
                }
            }
        }
    }

    /// Sees the last edge off.
    fn retire(mut self) {
        let began = monotonic();
        // One that is just starting, or that lost its connection, is told now.
        while began.elapsed() < END_TIMEOUT {
            match UnixStream::connect(&self.options.socket) {
                Ok(stream) => {
                    let told = tell_to_end(&stream);
                    match told {
                        Ok(pid) => {
                            wait_for_exit_of(pid, self.process.as_mut());
                            break;
                        }
                        Err(error) => tracing::debug!(%error, "the edge could not be told to end"),
                    }
                }
                Err(_) => match self.process.as_mut().map(EdgeProcess::ended) {
                    // Still on its way to its socket.
                    Some(None) => {}
                    None | Some(Some(_)) => break,
                },
            }
            std::thread::sleep(FIRST_PAUSE);
        }
        if let Some(mut process) = self.process.take()
            && process.ended().is_none()
        {
            process.kill();
        }
        let _nobody_listens = self.events.send(Event::EdgeGone);
    }
}

/// Waits for a process, ours or not, and ends it when it takes too long.
fn wait_for_exit_of(pid: u32, process: Option<&mut EdgeProcess>) {
    match process {
        Some(process) if process.pid() == pid => process.wait(END_TIMEOUT),
        _ => wait_for_exit(pid, END_TIMEOUT),
    }
}

fn tell_to_end(stream: &UnixStream) -> io::Result<u32> {
    stream.set_read_timeout(Some(HELLO_TIMEOUT))?;
    let mut reader = BufReader::new(stream);
    let Some(FromEdge::Hello { pid, .. }) = read_message(&mut reader)? else {
        return Err(io::ErrorKind::UnexpectedEof.into());
    };
    write_message(&mut &*stream, &ToEdge::Shutdown)?;
    Ok(pid)
}

fn nobody_answers(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

/// The next message; `None` at the end of the stream.
fn read_message(reader: &mut impl BufRead) -> io::Result<Option<FromEdge>> {
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line)?;
    if line.last() != Some(&b'\n') {
        return Ok(None);
    }
    Ok(Some(serde_json::from_slice(&line)?))
}

fn write_message(writer: &mut impl Write, message: &ToEdge) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    writer.write_all(&line)
}

/// Writes until the outbox is dropped or the edge is gone; many small messages in one go.
fn write_all(stream: &UnixStream, outbox: &Receiver<ToEdge>) {
    let mut writer = io::BufWriter::new(stream);
    let mut write = || -> io::Result<()> {
        while let Ok(message) = outbox.recv() {
            write_message(&mut writer, &message)?;
            while let Ok(message) = outbox.try_recv() {
                write_message(&mut writer, &message)?;
            }
            writer.flush()?;
        }
        Ok(())
    };
    if let Err(error) = write() {
        tracing::debug!(%error, "the edge does not take messages any more");
        let _closed_already = stream.shutdown(Shutdown::Both);
    }
}
