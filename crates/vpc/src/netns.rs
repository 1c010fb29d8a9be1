//! Network namespaces: making them, keeping them, working inside them.
//!
//! The kernel knows the network namespace of a *thread*. Whoever needs to do something elsewhere
//! for a moment therefore uses a thread that is thrown away afterwards ([`NetNs::run`]); changing a
//! thread that goes on living, an async worker above all, would move somebody else's sockets.
//! A whole process moves with [`enter`], before it has a second thread.
//!
//! A namespace lives as long as a process, a socket, an open file or a bind mount refers to it. The
//! bind mount, a *pin*, is what lets it survive the program that made it.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::panic::resume_unwind;
use std::path::Path;
use std::thread;

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::statfs::{NSFS_MAGIC, fstatfs};
use socket2::{Domain, Protocol, Socket, Type};

/// The calling thread's network namespace; `/proc/self` would be the main thread's.
const OWN: &str = "/proc/thread-self/ns/net";
/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// A network namespace, held open.
#[derive(Debug)]
pub struct NetNs(OwnedFd);

impl AsFd for NetNs {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl NetNs {
    /// The one the calling thread is in.
    ///
    /// # Errors
    /// `/proc` is not readable.
    pub fn current() -> io::Result<Self> {
        Ok(Self(File::open(OWN)?.into()))
    }

    /// The one pinned at `path`.
    ///
    /// # Errors
    /// The file cannot be opened, or is an ordinary file: what a pin leaves when it is gone.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        if fstatfs(&file)?.filesystem_type() != NSFS_MAGIC {
            let text = format!("{} is not a namespace", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        Ok(Self(file.into()))
    }

    /// Whether a namespace is pinned at `path`.
    pub(crate) fn is_pinned(path: &Path) -> io::Result<bool> {
        match Self::open(path) {
            Ok(_) => Ok(true),
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::InvalidData => Ok(false),
                // Out of descriptors, say: no reason to take it for gone.
                _ => Err(error),
            },
        }
    }

    /// Makes a namespace. `prepare` runs inside it; when it succeeds the namespace is pinned at
    /// `path`, so a pin that can be seen is a prepared one.
    pub(crate) fn create<T: Send>(
        path: &Path,
        prepare: impl FnOnce() -> io::Result<T> + Send,
    ) -> io::Result<(Self, T)> {
        in_thread(|| {
            unshare(CloneFlags::CLONE_NEWNET)?;
            let namespace = Self::current()?;
            let prepared = prepare()?;
            unpin(path)?;
            File::create(path)?;
            mount(Some(OWN), path, None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
            Ok((namespace, prepared))
        })?
    }

    /// Moves the calling thread into this namespace.
    fn enter(&self) -> io::Result<()> {
        Ok(setns(&self.0, CloneFlags::CLONE_NEWNET)?)
    }

    /// Runs `work` inside, on a thread of its own, and waits for it. Sockets opened there stay in
    /// this namespace whoever uses them later.
    ///
    /// # Errors
    /// No thread could be made, or the privilege to enter is missing. A panic in `work` goes on in
    /// the caller.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> io::Result<T> {
        in_thread(|| self.enter().map(|()| work()))?
    }
}

fn in_thread<T: Send>(work: impl FnOnce() -> T + Send) -> io::Result<T> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("netns".into()).spawn_scoped(scope, work)?;
        thread.join().map_err(|panic| resume_unwind(panic))
    })
}

/// Runs `work` inside the namespace pinned at `path`; see [`NetNs::run`].
///
/// # Errors
/// As [`NetNs::open`] and [`NetNs::run`].
pub fn run_in<T: Send>(path: &Path, work: impl FnOnce() -> T + Send) -> io::Result<T> {
    NetNs::open(path)?.run(work)
}

/// Moves the calling thread into the namespace pinned at `path`, for good. For a process to move
/// as a whole, call it before there is a second thread.
///
/// # Errors
/// As [`NetNs::open`]; the privilege to enter is missing.
pub fn enter(path: &Path) -> io::Result<()> {
    NetNs::open(path)?.enter()
}

/// Takes a pin away, however often it was mounted, with its file. Nothing there is fine.
pub(crate) fn unpin(path: &Path) -> io::Result<()> {
    loop {
        match umount2(path, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW) {
            Ok(()) => {}
            // Not a mount point (any more).
            Err(Errno::EINVAL) => break,
            Err(Errno::ENOENT) => return Ok(()),
            Err(errno) => return Err(errno.into()),
        }
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The network namespace a process was started in, kept for sockets it needs there after it moved
/// into the platform's: a load balancer's listeners, connections to the outside.
#[derive(Debug)]
pub struct HostNamespace(NetNs);

impl HostNamespace {
    /// Keeps the calling thread's namespace. Call it before [`enter`].
    ///
    /// # Errors
    /// `/proc` is not readable.
    pub fn capture() -> io::Result<Self> {
        NetNs::current().map(Self)
    }

    /// Runs `work` in the host's namespace; see [`NetNs::run`].
    ///
    /// # Errors
    /// As [`NetNs::run`].
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> io::Result<T> {
        self.0.run(work)
    }

    /// A listening, non-blocking TCP socket in the host's namespace.
    ///
    /// # Errors
    /// The address is taken (`AddrInUse`) or not the host's; as [`NetNs::run`].
    pub fn tcp_listen(&self, address: SocketAddr) -> io::Result<TcpListener> {
        self.run(|| {
            let socket = tcp_socket(address)?;
            socket.set_reuse_address(true)?;
            socket.bind(&address.into())?;
            socket.listen(BACKLOG)?;
            Ok(socket.into())
        })?
    }

    /// A non-blocking UDP socket in the host's namespace that hears from this address only.
    ///
    /// # Errors
    /// Too many open files; no route; as [`NetNs::run`].
    pub fn udp_socket(&self, to: SocketAddrV4) -> io::Result<UdpSocket> {
        self.run(|| {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
            socket.connect(to)?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        })?
    }

    /// An unconnected, non-blocking TCP socket in the host's namespace that can connect to
    /// addresses of the kind of `address`.
    ///
    /// # Errors
    /// Too many open files; as [`NetNs::run`].
    pub fn tcp_socket(&self, address: SocketAddr) -> io::Result<TcpStream> {
        self.run(|| tcp_socket(address).map(TcpStream::from))?
    }
}

fn tcp_socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}
