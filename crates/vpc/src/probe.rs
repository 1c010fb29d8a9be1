//! Whether a platform can have a network of its own here, found out by doing.
//!
//! Who one is says little: root in a container may lack what an ordinary user inside a user
//! namespace has. So everything an attached task needs is made once, in a namespace and with mounts
//! that vanish with the thread.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::thread;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use crate::eni::mac;
use crate::link::Links;
use crate::namespace::{Role, configure};
use crate::netns::{NetNs, unpin};
use crate::nft::Firewall;
use crate::perimeter::platform_ruleset;
use crate::wish::Wish;

/// Why a platform cannot have a network of its own here.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {source}")]
pub struct Missing {
    what: &'static str,
    source: io::Error,
}

trait Needs<T> {
    fn needs(self, what: &'static str) -> Result<T, Missing>;
}

impl<T, E: Into<io::Error>> Needs<T> for Result<T, E> {
    fn needs(self, what: &'static str) -> Result<T, Missing> {
        self.map_err(|error| Missing { what, source: error.into() })
    }
}

/// See [`Vpc::probe`](crate::Vpc::probe).
pub(crate) fn probe() -> Result<(), Missing> {
    let thread = thread::Builder::new().name("vpc-probe".into()).spawn(in_a_thread);
    let thread = thread.needs("a thread cannot be started")?;
    thread.join().unwrap_or_else(|_| {
        Err(io::Error::other("the probe panicked")).needs("what is missing could not be found out")
    })
}

fn in_a_thread() -> Result<(), Missing> {
    unshare(CloneFlags::CLONE_NEWNS)
        .needs("namespaces cannot be made; that takes CAP_SYS_ADMIN, or a user namespace")?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
        .needs("mounts cannot be kept private, which takes CAP_SYS_ADMIN")?;
    let tasks = Scratch::new().needs("no temporary file can be made to pin a namespace at")?;
    let (namespace, ()) = NetNs::create(&tasks.0, || Ok(()))
        .needs("a network namespace cannot be made and pinned by a bind mount (CAP_SYS_ADMIN)")?;
    unshare(CloneFlags::CLONE_NEWNET).needs("network namespaces cannot be made (CAP_SYS_ADMIN)")?;
    configure(Role::Platform).needs(
        "/proc/sys/net cannot be written; that takes CAP_NET_ADMIN and a writable /proc/sys",
    )?;
    let links = Links::open().needs("the kernel has no rtnetlink")?;
    let base = Ipv4Addr::new(10, 0, 0, 0);
    let bridge = links.put_bridge("sub0", mac(base), base, 28).needs(
        "a bridge cannot be made; that takes CAP_NET_ADMIN and the kernel's bridge module",
    )?;
    links.add_veth("eni0", bridge, &namespace, mac(base)).needs(
        "a veth pair cannot be made; that takes CAP_NET_ADMIN and the kernel's veth module",
    )?;
    let mut firewall = Firewall::open().needs("the kernel has no nf_tables")?;
    firewall.apply(&platform_ruleset(&Wish::default(), &BTreeMap::new())).needs(
        "packet filter rules cannot be set; that takes CAP_NET_ADMIN and the kernel's \
             nf_tables with connection tracking and redirection",
    )
}

/// An empty file for as long as it is needed.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> io::Result<Self> {
        let dir = std::env::temp_dir();
        let mut attempt = 0;
        loop {
            let path = dir.join(format!("neargate-probe-{}-{attempt}", std::process::id()));
            match File::create_new(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempt < 100 => {
                    attempt += 1;
                }
                other => return other.map(|_| Self(path)),
            }
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if unpin(&self.0).is_err() {
            // Nothing is mounted there, or it vanishes with the thread.
            drop(fs::remove_file(&self.0));
        }
    }
}
