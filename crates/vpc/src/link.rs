//! Links, addresses and routes of one network namespace (rtnetlink).

use std::collections::BTreeSet;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::SockProtocol;
use serde::Serialize;

use crate::eni::{BRIDGE_PREFIX, PORT_PREFIX};
use crate::netlink::{Request, Socket, attributes, u32_at, u64_at};

/// In every network namespace.
pub(crate) const LOOPBACK_INDEX: u32 = 1;
/// Bytes per packet, as in a VPC (jumbo frames).
const MTU: u32 = 9001;

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_MASTER: u16 = 10;
const IFLA_OPERSTATE: u16 = 16;
const IFLA_LINKINFO: u16 = 18;
const IFLA_STATS64: u16 = 23;
const IFLA_GROUP: u16 = 27;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_INFO_SLAVE_DATA: u16 = 5;
const IFLA_BRPORT_STATE: u16 = 1;
const BRIDGE_FORWARDING: u8 = 3;
const OPERATIONAL_UP: u8 = 6;
const IFLA_BR_STP_STATE: u16 = 5;
const IFLA_BR_MCAST_SNOOPING: u16 = 23;
const VETH_INFO_PEER: u16 = 1;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const RTA_GATEWAY: u16 = 5;

const LINK_HEADER: usize = 16;
const ADDRESS_HEADER: usize = 8;
const ACK: i32 = libc::NLM_F_ACK;
const CREATE: i32 = ACK | libc::NLM_F_CREATE | libc::NLM_F_EXCL;

/// The group of links that are about to be removed. Others are in group 0.
const DOOMED: u32 = 1;

/// A hardware address.
pub(crate) type Mac = [u8; 6];

/// What a network interface has carried, seen from its owner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct InterfaceStats {
    /// Bytes received.
    pub rx_bytes: u64,
    /// Packets received.
    pub rx_packets: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Packets sent.
    pub tx_packets: u64,
}

/// A link as the kernel lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) index: u32,
    pub(crate) name: String,
    pub(crate) stats: InterfaceStats,
    /// Whether it takes packets to send.
    pub(crate) is_up: bool,
    /// Whether it is a port that carries packets to and from its bridge.
    pub(crate) is_forwarding: bool,
}

/// The links of one network namespace.
#[derive(Debug)]
pub(crate) struct Links(Socket);

impl Links {
    /// Those of the calling thread's namespace, from now on and from anywhere.
    pub(crate) fn open() -> io::Result<Self> {
        Socket::open(SockProtocol::NetlinkRoute).map(Self)
    }

    fn send(&self, request: &Request, tolerated: &[Errno]) -> io::Result<Vec<Vec<u8>>> {
        self.0.request(request)?.tolerating(tolerated)
    }

    /// Brings the loopback up.
    pub(crate) fn loopback_up(&self) -> io::Result<()> {
        let mut request = Request::default();
        set_up(&mut request, LOOPBACK_INDEX);
        self.send(&request, &[]).map(drop)
    }

    /// Makes sure of a bridge with this address, its gateway, and returns its index.
    ///
    /// The hardware address is fixed: a bridge left to itself takes over one of its ports', and
    /// every port that comes or goes would change the gateway under everybody's neighbour cache.
    pub(crate) fn put_bridge(
        &self,
        name: &str,
        mac: Mac,
        gateway: Ipv4Addr,
        prefix: u8,
    ) -> io::Result<u32> {
        let mut request = Request::default();
        let header = link_header(0, true);
        request.message("a bridge", libc::RTM_NEWLINK, CREATE, &header, |link| {
            link.text(IFLA_IFNAME, name);
            link.put(IFLA_ADDRESS, &mac);
            link.u32(IFLA_MTU, MTU);
            link.nest(IFLA_LINKINFO, |info| {
                info.text(IFLA_INFO_KIND, "bridge");
                info.nest(IFLA_INFO_DATA, |bridge| {
                    bridge.u32(IFLA_BR_STP_STATE, 0);
                    bridge.put(IFLA_BR_MCAST_SNOOPING, &[0]);
                });
            });
        });
        self.send(&request, &[Errno::EEXIST])?;
        let index = self.find(name)?.map(|link| link.index).ok_or(Errno::ENODEV)?;
        self.add_address(index, gateway, prefix)?;
        let mut request = Request::default();
        set_up(&mut request, index);
        self.send(&request, &[])?;
        Ok(index)
    }

    /// Makes a veth pair: `name` as a port of the bridge `bridge` here, `eth0` in `namespace`.
    pub(crate) fn add_veth(
        &self,
        name: &str,
        bridge: u32,
        namespace: &impl AsFd,
        mac: Mac,
    ) -> io::Result<()> {
        let mut request = Request::default();
        let header = link_header(0, true);
        request.message("a task's interface", libc::RTM_NEWLINK, CREATE, &header, |link| {
            link.text(IFLA_IFNAME, name);
            link.u32(IFLA_MTU, MTU);
            link.u32(IFLA_MASTER, bridge);
            link.nest(IFLA_LINKINFO, |info| {
                info.text(IFLA_INFO_KIND, "veth");
                info.nest(IFLA_INFO_DATA, |veth| {
                    veth.nest(VETH_INFO_PEER, |peer| {
                        peer.raw(&link_header(0, false));
                        peer.text(IFLA_IFNAME, "eth0");
                        peer.put(IFLA_ADDRESS, &mac);
                        peer.u32(IFLA_MTU, MTU);
                        peer.u32(IFLA_NET_NS_FD, namespace.as_fd().as_raw_fd() as u32);
                    });
                });
            });
        });
        self.send(&request, &[]).map(drop)
    }

    /// Makes sure that a link is up and a port of a bridge.
    pub(crate) fn put_port(&self, name: &str, bridge: u32) -> io::Result<()> {
        let mut request = Request::default();
        let header = link_header(0, true);
        request.message("a bridge's port", libc::RTM_NEWLINK, ACK, &header, |link| {
            link.text(IFLA_IFNAME, name);
            link.u32(IFLA_MASTER, bridge);
        });
        self.send(&request, &[]).map(drop)
    }

    /// Gives `eth0` its address and brings it up, with everything else behind the gateway.
    pub(crate) fn configure_eth0(
        &self,
        index: u32,
        address: Ipv4Addr,
        prefix: u8,
        gateway: Ipv4Addr,
    ) -> io::Result<()> {
        let mut request = Request::default();
        set_up(&mut request, LOOPBACK_INDEX);
        put_address(&mut request, index, address, prefix);
        set_up(&mut request, index);
        let header = route_header(libc::RTN_UNICAST);
        let flags = ACK | libc::NLM_F_CREATE | libc::NLM_F_REPLACE;
        request.message("the default route", libc::RTM_NEWROUTE, flags, &header, |route| {
            route.put(RTA_GATEWAY, &gateway.octets());
        });
        self.send(&request, &[Errno::EEXIST]).map(drop)
    }

    /// Tells the neighbours of a link's addresses: whoever asked for one in vain before it was there
    /// need not wait to ask again. Setting the hardware address it has already does that.
    pub(crate) fn announce(&self, index: u32, mac: Mac) -> io::Result<()> {
        let mut request = Request::default();
        let header = link_header(index, false);
        request.message("announcing an address", libc::RTM_NEWLINK, ACK, &header, |link| {
            link.put(IFLA_ADDRESS, &mac);
        });
        self.send(&request, &[]).map(drop)
    }

    /// Drops what has no route, without a word, as a VPC does.
    pub(crate) fn put_blackhole(&self) -> io::Result<()> {
        let mut request = Request::default();
        let header = route_header(libc::RTN_BLACKHOLE);
        request.message("the blackhole route", libc::RTM_NEWROUTE, CREATE, &header, |_| {});
        self.send(&request, &[Errno::EEXIST]).map(drop)
    }

    /// Adds an address; there already: fine.
    pub(crate) fn add_address(&self, index: u32, address: Ipv4Addr, prefix: u8) -> io::Result<()> {
        let mut request = Request::default();
        put_address(&mut request, index, address, prefix);
        self.send(&request, &[Errno::EEXIST]).map(drop)
    }

    /// Removes a /32 address; gone already: fine.
    pub(crate) fn remove_address(&self, index: u32, address: Ipv4Addr) -> io::Result<()> {
        let mut request = Request::default();
        let header = address_header(index, 32);
        request.message("removing an address", libc::RTM_DELADDR, ACK, &header, |body| {
            body.put(IFA_LOCAL, &address.octets());
        });
        self.send(&request, &[Errno::EADDRNOTAVAIL, Errno::ENODEV]).map(drop)
    }

    /// The /32 addresses of a link: everything on a bridge but its gateway.
    pub(crate) fn single_addresses(&self, index: u32) -> io::Result<BTreeSet<Ipv4Addr>> {
        let mut request = Request::default();
        let header = address_header(0, 0);
        let flags = libc::NLM_F_DUMP;
        request.message("listing addresses", libc::RTM_GETADDR, flags, &header, |_| {});
        let bodies = self.send(&request, &[])?;
        let of_link = bodies.iter().filter(|body| u32_at(body, 4) == Some(index) && body[1] == 32);
        Ok(of_link
            .filter_map(|body| {
                let (_, value) =
                    attributes(&body[ADDRESS_HEADER..]).find(|(kind, _)| *kind == IFA_LOCAL)?;
                Some(Ipv4Addr::from(<[u8; 4]>::try_from(value).ok()?))
            })
            .collect())
    }

    /// Removes a link and, of a pair, both ends; gone already: fine.
    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        let mut request = Request::default();
        let header = link_header(0, false);
        request.message("removing a link", libc::RTM_DELLINK, ACK, &header, |link| {
            link.text(IFLA_IFNAME, name);
        });
        self.send(&request, &[Errno::ENODEV]).map(drop)
    }

    /// Removes links together, which takes no longer than removing one; gone already: fine.
    pub(crate) fn remove_all(&self, names: &BTreeSet<String>) -> io::Result<()> {
        let mut request = Request::default();
        for name in names {
            let header = link_header(0, false);
            request.message("marking a link", libc::RTM_SETLINK, ACK, &header, |link| {
                link.text(IFLA_IFNAME, name);
                link.u32(IFLA_GROUP, DOOMED);
            });
        }
        let header = link_header(0, false);
        request.message("removing links", libc::RTM_DELLINK, ACK, &header, |link| {
            link.u32(IFLA_GROUP, DOOMED);
        });
        self.send(&request, &[Errno::ENODEV]).map(drop)
    }

    /// Removes those of our bridges and ports that `is_doomed` chooses by name. What else there is,
    /// tunnels that some kernels put into every namespace, cannot be removed.
    pub(crate) fn remove_made(&self, is_doomed: impl Fn(&str) -> bool) -> io::Result<()> {
        let is_ours = |name: &str| name.starts_with(PORT_PREFIX) || name.starts_with(BRIDGE_PREFIX);
        let names = self.list()?.into_iter().map(|link| link.name);
        let doomed: BTreeSet<_> = names.filter(|name| is_ours(name) && is_doomed(name)).collect();
        match doomed.is_empty() {
            true => Ok(()),
            false => self.remove_all(&doomed),
        }
    }

    /// The link of that name.
    pub(crate) fn find(&self, name: &str) -> io::Result<Option<Link>> {
        let mut request = Request::default();
        let header = link_header(0, false);
        request.message("looking a link up", libc::RTM_GETLINK, 0, &header, |link| {
            link.text(IFLA_IFNAME, name);
        });
        let bodies = self.send(&request, &[Errno::ENODEV])?;
        Ok(bodies.iter().find_map(|body| read_link(body)))
    }

    /// Every link.
    pub(crate) fn list(&self) -> io::Result<Vec<Link>> {
        let mut request = Request::default();
        let header = link_header(0, false);
        let flags = libc::NLM_F_DUMP;
        request.message("listing links", libc::RTM_GETLINK, flags, &header, |_| {});
        let bodies = self.send(&request, &[])?;
        Ok(bodies.iter().filter_map(|body| read_link(body)).collect())
    }
}

fn set_up(request: &mut Request, index: u32) {
    let header = link_header(index, true);
    request.message("bringing a link up", libc::RTM_NEWLINK, ACK, &header, |_| {});
}

fn put_address(request: &mut Request, index: u32, address: Ipv4Addr, prefix: u8) {
    let header = address_header(index, prefix);
    request.message("an address", libc::RTM_NEWADDR, CREATE, &header, |body| {
        body.put(IFA_LOCAL, &address.octets());
        body.put(IFA_ADDRESS, &address.octets());
    });
}

/// `struct ifinfomsg`.
fn link_header(index: u32, is_up: bool) -> [u8; LINK_HEADER] {
    let mut header = [0; LINK_HEADER];
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    if is_up {
        header[8..12].copy_from_slice(&(libc::IFF_UP as u32).to_ne_bytes());
        header[12..16].copy_from_slice(&(libc::IFF_UP as u32).to_ne_bytes());
    }
    header
}

/// `struct ifaddrmsg`.
fn address_header(index: u32, prefix: u8) -> [u8; ADDRESS_HEADER] {
    let mut header = [libc::AF_INET as u8, prefix, 0, libc::RT_SCOPE_UNIVERSE, 0, 0, 0, 0];
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    header
}

/// `struct rtmsg` of a default route.
fn route_header(kind: u8) -> [u8; 12] {
    let mut header = [0; 12];
    header[0] = libc::AF_INET as u8;
    header[4] = libc::RT_TABLE_MAIN;
    header[5] = libc::RTPROT_STATIC;
    header[6] = libc::RT_SCOPE_UNIVERSE;
    header[7] = kind;
    header
}

fn read_link(body: &[u8]) -> Option<Link> {
    let index = u32_at(body, 4)?;
    let (mut name, mut stats) = (None, InterfaceStats::default());
    // A new port is forwarding for a moment before the kernel has looked whether it is up.
    let (mut is_forwarding, mut is_up) = (false, false);
    for (kind, value) in attributes(body.get(LINK_HEADER..)?) {
        match kind {
            IFLA_IFNAME => {
                let text = value.strip_suffix(&[0]).unwrap_or(value);
                name = Some(String::from_utf8_lossy(text).into_owned());
            }
            IFLA_OPERSTATE => is_up = value == [OPERATIONAL_UP],
            IFLA_LINKINFO => {
                let port = attributes(value).find(|(kind, _)| *kind == IFLA_INFO_SLAVE_DATA);
                let state = port.and_then(|(_, port)| {
                    attributes(port).find(|(kind, _)| *kind == IFLA_BRPORT_STATE)
                });
                is_forwarding = state.is_some_and(|(_, state)| state == [BRIDGE_FORWARDING]);
            }
            IFLA_STATS64 => {
                let counter = |n: usize| u64_at(value, n * 8).unwrap_or(0);
                stats = InterfaceStats {
                    rx_packets: counter(0),
                    tx_packets: counter(1),
                    rx_bytes: counter(2),
                    tx_bytes: counter(3),
                };
            }
            _ => {}
        }
    }
    Some(Link { index, name: name?, stats, is_up, is_forwarding: is_forwarding && is_up })
}
