//! A pinned namespace with what it takes to configure it from outside.

use std::fs;
use std::io;
use std::path::Path;

use crate::link::Links;
use crate::netns::NetNs;
use crate::nft::Firewall;

/// What `/proc/sys/net` shall say in every namespace of ours. IPv6 is off: a VPC of ours has none,
/// and what does not exist needs no rules. A new interface announces its address.
const ALL: &[(&str, &str)] = &[
    ("ipv6/conf/all/disable_ipv6", "1"),
    ("ipv4/conf/default/arp_notify", "1"),
    ("ipv4/conf/all/accept_redirects", "0"),
    ("ipv4/conf/default/accept_redirects", "0"),
];

/// What it shall say in the platform's. Every subnet's traffic comes in where its answers go out,
/// so a stranger's source address is noticed. The bridges leave packet filtering to the tasks.
const PLATFORM: &[(&str, &str)] = &[
    ("ipv4/ip_forward", "1"),
    ("ipv4/conf/all/rp_filter", "1"),
    ("ipv4/conf/all/send_redirects", "0"),
    ("ipv4/conf/default/send_redirects", "0"),
    ("bridge/bridge-nf-call-iptables", "0"),
    ("bridge/bridge-nf-call-ip6tables", "0"),
    ("bridge/bridge-nf-call-arptables", "0"),
];

/// Whose namespace it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Platform,
    Task,
}

/// A network namespace of ours.
#[derive(Debug)]
pub(crate) struct Namespace {
    pub(crate) net: NetNs,
    pub(crate) links: Links,
    pub(crate) firewall: Firewall,
}

impl Namespace {
    /// The one pinned at `path`.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let net = NetNs::open(path)?;
        let (links, firewall) =
            net.run(|| io::Result::Ok((Links::open()?, Firewall::open()?)))??;
        Ok(Self { net, links, firewall })
    }

    /// Another socket to its links.
    pub(crate) fn more_links(&self) -> io::Result<Links> {
        self.net.run(Links::open)?
    }

    /// A new one, pinned at `path`.
    pub(crate) fn create(path: &Path, role: Role) -> io::Result<Self> {
        let (net, (links, firewall)) = NetNs::create(path, || {
            configure(role)?;
            Ok((Links::open()?, Firewall::open()?))
        })?;
        Ok(Self { net, links, firewall })
    }
}

/// Sets what the kernel lets one set per namespace, in the calling thread's one.
pub(crate) fn configure(role: Role) -> io::Result<()> {
    let platform = if role == Role::Platform { PLATFORM } else { &[] };
    for (name, value) in ALL.iter().chain(platform) {
        let path = Path::new("/proc/sys/net").join(name);
        match fs::write(&path, value) {
            Ok(()) => {}
            // A kernel without IPv6, or without bridges that filter.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !name.starts_with("ipv4") => {}
            Err(error) => {
                let text = format!("write {value} to {}: {error}", path.display());
                return Err(io::Error::new(error.kind(), text));
            }
        }
    }
    Ok(())
}
