//! What a namespace's packet filter shall do, as a value.
//!
//! Rules are derived from security groups by pure functions and compared as values; only what
//! differs reaches the kernel. The text form is the one the `nft` program prints, so that a person
//! looking into a namespace and a test read the same words.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

use crate::range::Range;

/// The table every namespace has its rules in.
pub(crate) const TABLE: &str = "neargate";

/// The addresses of a set, shared by all rule sets that use it.
pub type Addresses = Arc<BTreeSet<Ipv4Addr>>;

/// All rules of one namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ruleset {
    /// Named sets of addresses that the rules refer to.
    pub sets: BTreeMap<String, Addresses>,
    /// The chains.
    pub chains: Arc<Vec<Chain>>,
}

/// Where in a packet's way through the namespace a chain stands, and what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// Changes where arriving connections go; passes what it has no rule for.
    Redirect,
    /// Packets for this namespace; drops what it has no rule for.
    Input,
    /// Packets passing through; drops what it has no rule for.
    Forward,
    /// Packets from this namespace; drops what it has no rule for.
    Output,
}

/// The rules of one hook; the first that matches decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Its place.
    pub hook: Hook,
    /// In order.
    pub rules: Vec<Rule>,
}

/// A rule: when every test matches, the verdict stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// All must match.
    pub tests: Vec<Test>,
    /// What then happens.
    pub verdict: Verdict,
}

/// Which address of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The sender's.
    Source,
    /// The receiver's.
    Destination,
}

/// A property of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// It came in through the loopback.
    FromLoopback,
    /// It goes out through the loopback.
    ToLoopback,
    /// It belongs to a connection that was let through, or is an error message about one.
    OfConnection,
    /// A [`Verdict::Redirect`] brought it here.
    Redirected,
    /// The IP protocol number.
    Protocol(u8),
    /// The port connected to lies between these two. Stands after [`Test::Protocol`].
    Ports(u16, u16),
    /// An address lies in a range.
    In(Side, Range),
    /// An address lies outside a range.
    NotIn(Side, Range),
    /// An address is in the set of that name.
    InSet(Side, String),
}

/// What happens to a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It passes.
    Accept,
    /// It vanishes.
    Drop,
    /// It goes to this port of the namespace itself.
    Redirect(u16),
    /// It goes there; what comes back seems to come from where it was sent to.
    To(SocketAddrV4),
}

/// A rule that lets packets pass.
pub(crate) fn accept(tests: impl IntoIterator<Item = Test>) -> Rule {
    Rule { tests: tests.into_iter().collect(), verdict: Verdict::Accept }
}

impl Ruleset {
    /// The same rules over other members. Sets that `members` does not know become empty.
    #[must_use]
    pub(crate) fn over(&self, members: &BTreeMap<String, Addresses>) -> Self {
        let of = |name: &String| members.get(name).cloned().unwrap_or_default();
        let sets = self.sets.keys().map(|name| (name.clone(), of(name))).collect();
        Self { sets, chains: Arc::clone(&self.chains) }
    }

    /// Names of the sets that the rules refer to.
    pub(crate) fn referenced(chains: &[Chain]) -> BTreeSet<&str> {
        let rules = chains.iter().flat_map(|chain| &chain.rules);
        rules
            .flat_map(|rule| &rule.tests)
            .filter_map(|test| match test {
                Test::InSet(_, name) => Some(name.as_str()),
                _ => None,
            })
            .collect()
    }
}

impl Hook {
    /// The chain's name; also what `nft` calls the hook, except for the redirecting one.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Redirect => "prerouting",
            Self::Input => "input",
            Self::Forward => "forward",
            Self::Output => "output",
        }
    }
}

impl fmt::Display for Ruleset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "table ip {TABLE} {{")?;
        for (name, addresses) in &self.sets {
            writeln!(f, "\tset {name} {{\n\t\ttype ipv4_addr")?;
            let list: Vec<_> = addresses.iter().map(ToString::to_string).collect();
            if !list.is_empty() {
                writeln!(f, "\t\telements = {{ {} }}", list.join(", "))?;
            }
            writeln!(f, "\t}}\n")?;
        }
        for (position, chain) in self.chains.iter().enumerate() {
            let name = chain.hook.name();
            let (kind, priority, policy) = match chain.hook {
                Hook::Redirect => ("nat", "dstnat", "accept"),
                _ => ("filter", "filter", "drop"),
            };
            writeln!(f, "\tchain {name} {{")?;
            writeln!(f, "\t\ttype {kind} hook {name} priority {priority}; policy {policy};")?;
            for rule in &chain.rules {
                writeln!(f, "\t\t{rule}")?;
            }
            writeln!(f, "\t}}{}", if position + 1 < self.chains.len() { "\n" } else { "" })?;
        }
        writeln!(f, "}}")
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, test) in self.tests.iter().enumerate() {
            match (test, self.tests.get(position + 1)) {
                // A test of ports names the protocol itself.
                (Test::Protocol(_), Some(Test::Ports(..))) => {}
                (Test::Ports(first, last), _) => {
                    let udp = position.checked_sub(1).and_then(|before| self.tests.get(before))
                        == Some(&Test::Protocol(UDP));
                    write!(f, "{} dport {first}", if udp { "udp" } else { "tcp" })?;
                    if first != last {
                        write!(f, "-{last}")?;
                    }
                    f.write_str(" ")?;
                }
                (test, _) => write!(f, "{test} ")?,
            }
        }
        match self.verdict {
            Verdict::Accept => f.write_str("accept"),
            Verdict::Drop => f.write_str("drop"),
            Verdict::Redirect(port) => write!(f, "redirect to :{port}"),
            Verdict::To(place) => write!(f, "dnat to {place}"),
        }
    }
}

/// Protocol numbers of the IP header.
pub(crate) const ICMP: u8 = 1;
pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = |side: &Side| match side {
            Side::Source => "saddr",
            Side::Destination => "daddr",
        };
        match self {
            Self::FromLoopback => f.write_str("iif \"lo\""),
            Self::ToLoopback => f.write_str("oif \"lo\""),
            Self::OfConnection => f.write_str("ct state established,related"),
            Self::Redirected => f.write_str("ct status dnat"),
            Self::Protocol(ICMP) => f.write_str("meta l4proto icmp"),
            Self::Protocol(TCP) => f.write_str("meta l4proto tcp"),
            Self::Protocol(UDP) => f.write_str("meta l4proto udp"),
            Self::Protocol(number) => write!(f, "meta l4proto {number}"),
            Self::Ports(first, last) => write!(f, "th dport {first}-{last}"),
            Self::In(which, range) => write!(f, "ip {} {range}", side(which)),
            Self::NotIn(which, range) => write!(f, "ip {} != {range}", side(which)),
            Self::InSet(which, name) => write!(f, "ip {} @{name}", side(which)),
        }
    }
}
