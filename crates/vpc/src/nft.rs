//! nf_tables without a program or a C library: rule sets as nfnetlink batches.
//!
//! A batch is one datagram that the kernel carries out as a whole or not at all. When only the
//! members of sets differ from what stands there, a batch of element changes is enough; otherwise
//! the table is replaced. Either way no packet meets half of it, and connections that were let
//! through go on, because what the kernel knows about connections is not part of the table.

use std::collections::BTreeSet;
use std::io;
use std::net::Ipv4Addr;

use nix::libc;
use nix::sys::socket::SockProtocol;

use crate::netlink::{Attributes, Request, Socket};
use crate::range::Range;
use crate::ruleset::{Chain, Hook, Rule, Ruleset, Side, TABLE, Test, Verdict};

const SUBSYSTEM: u16 = libc::NFNL_SUBSYS_NFTABLES as u16;
const CREATE: i32 = libc::NLM_F_CREATE;
/// Elements per message: an attribute's length has 16 bits, an element takes 16 bytes.
const ELEMENTS_PER_MESSAGE: usize = 1000;

const LIST_ELEM: u16 = 1;
const DATA_VALUE: u16 = 1;
const DATA_VERDICT: u16 = 2;
const VERDICT_CODE: u16 = 1;
const TABLE_NAME: u16 = 1;
const CHAIN_TABLE: u16 = 1;
const CHAIN_NAME: u16 = 3;
const CHAIN_HOOK: u16 = 4;
const CHAIN_POLICY: u16 = 5;
const CHAIN_TYPE: u16 = 7;
const HOOK_NUMBER: u16 = 1;
const HOOK_PRIORITY: u16 = 2;
const RULE_TABLE: u16 = 1;
const RULE_CHAIN: u16 = 2;
const RULE_EXPRESSIONS: u16 = 4;
const EXPRESSION_NAME: u16 = 1;
const EXPRESSION_DATA: u16 = 2;
const SET_TABLE: u16 = 1;
const SET_NAME: u16 = 2;
const SET_FLAGS: u16 = 3;
const SET_KEY_TYPE: u16 = 4;
const SET_KEY_LENGTH: u16 = 5;
const SET_ID: u16 = 10;
const ELEMENTS_TABLE: u16 = 1;
const ELEMENTS_SET: u16 = 2;
const ELEMENTS: u16 = 3;
const ELEMENT_KEY: u16 = 1;

/// What the `nft` program calls `ipv4_addr`; the kernel only keeps it for that program.
const KEY_TYPE_IPV4: u32 = 7;
const DESTINATION_NAT_PRIORITY: i32 = -100;
const NAT_OF_DESTINATION: u32 = 1;
/// The one register rules here need, and the one that takes the verdict.
const REGISTER: u32 = 1;
/// For the second half of an address and a port.
const SECOND_REGISTER: u32 = 2;
const VERDICT_REGISTER: u32 = 0;
const META_IN_INTERFACE: u32 = 4;
const META_OUT_INTERFACE: u32 = 5;
const META_L4_PROTOCOL: u32 = 16;
const CT_STATE: u32 = 0;
const CT_STATUS: u32 = 2;
const CT_ESTABLISHED_OR_RELATED: u32 = 2 | 4;
const CT_STATUS_DESTINATION_NAT: u32 = 1 << 5;
const NETWORK_HEADER: u32 = 1;
const TRANSPORT_HEADER: u32 = 2;
const SOURCE_OFFSET: u32 = 12;
const DESTINATION_OFFSET: u32 = 16;
const DESTINATION_PORT_OFFSET: u32 = 2;
const EQUAL: u32 = 0;
const NOT_EQUAL: u32 = 1;

/// The packet filter of one network namespace.
#[derive(Debug)]
pub(crate) struct Firewall {
    socket: Socket,
    /// What certainly stands in the kernel.
    applied: Option<Ruleset>,
}

impl Firewall {
    /// That of the calling thread's namespace, from now on and from anywhere.
    pub(crate) fn open() -> io::Result<Self> {
        Ok(Self { socket: Socket::open(SockProtocol::NetlinkNetFilter)?, applied: None })
    }

    /// Makes the kernel's rules these.
    pub(crate) fn apply(&mut self, wanted: &Ruleset) -> io::Result<()> {
        if self.applied.as_ref() == Some(wanted) {
            return Ok(());
        }
        let before = self.applied.take();
        let changed = before.and_then(|before| members_changed(&before, wanted));
        // Where somebody has meddled with the table, a change of members fails; replacing heals.
        let done = changed.is_some_and(|batch| self.send(&batch).is_ok());
        if !done {
            self.send(&replaced(wanted))?;
        }
        self.applied = Some(wanted.clone());
        Ok(())
    }

    /// What certainly stands there.
    pub(crate) fn applied(&self) -> Option<&Ruleset> {
        self.applied.as_ref()
    }

    fn send(&self, batch: &Request) -> io::Result<()> {
        self.socket.request(batch)?.tolerating(&[]).map(drop)
    }
}

/// The batch that makes a table anew, whatever stood there.
fn replaced(wanted: &Ruleset) -> Request {
    let mut batch = Request::default();
    transaction(&mut batch, |batch| {
        // Removing needs one to be there.
        add_table(batch);
        remove_table(batch);
        add_table(batch);
        for (id, (name, addresses)) in (1u32..).zip(&wanted.sets) {
            let kind = libc::NFT_MSG_NEWSET as u16;
            message(batch, "a set of addresses", kind, CREATE, |set| {
                set.text(SET_TABLE, TABLE);
                set.text(SET_NAME, name);
                set.be32(SET_FLAGS, 0);
                set.be32(SET_KEY_TYPE, KEY_TYPE_IPV4);
                set.be32(SET_KEY_LENGTH, 4);
                set.be32(SET_ID, id);
            });
            let addresses: Vec<_> = addresses.iter().copied().collect();
            elements(batch, libc::NFT_MSG_NEWSETELEM, name, &addresses);
        }
        for chain in &*wanted.chains {
            add_chain(batch, chain);
        }
        for chain in &*wanted.chains {
            for rule in &chain.rules {
                add_rule(batch, chain.hook, rule);
            }
        }
    });
    batch
}

/// The batch that leads from one rule set to the other, if they differ in members only.
fn members_changed(before: &Ruleset, wanted: &Ruleset) -> Option<Request> {
    if before.chains != wanted.chains || !before.sets.keys().eq(wanted.sets.keys()) {
        return None;
    }
    let mut batch = Request::default();
    transaction(&mut batch, |batch| {
        for (name, wanted) in &wanted.sets {
            let before = &before.sets[name];
            let without = |a: &BTreeSet<_>, b| a.difference(b).copied().collect::<Vec<_>>();
            elements(batch, libc::NFT_MSG_DELSETELEM, name, &without(before, wanted));
            elements(batch, libc::NFT_MSG_NEWSETELEM, name, &without(wanted, before));
        }
    });
    Some(batch)
}

fn transaction(batch: &mut Request, body: impl FnOnce(&mut Request)) {
    let header = [libc::AF_UNSPEC as u8, 0, 0, SUBSYSTEM as u8];
    batch.message("the batch", libc::NFNL_MSG_BATCH_BEGIN as u16, 0, &header, |_| {});
    body(batch);
    batch.message("the batch", libc::NFNL_MSG_BATCH_END as u16, 0, &header, |_| {});
}

fn message(
    batch: &mut Request,
    label: &'static str,
    kind: u16,
    flags: i32,
    body: impl FnOnce(&mut Attributes<'_>),
) {
    let header = [libc::NFPROTO_IPV4 as u8, 0, 0, 0];
    batch.message(label, SUBSYSTEM << 8 | kind, flags, &header, body);
}

fn add_table(batch: &mut Request) {
    message(batch, "a table", libc::NFT_MSG_NEWTABLE as u16, CREATE, |table| {
        table.text(TABLE_NAME, TABLE);
    });
}

fn remove_table(batch: &mut Request) {
    message(batch, "removing a table", libc::NFT_MSG_DELTABLE as u16, 0, |table| {
        table.text(TABLE_NAME, TABLE);
    });
}

fn add_chain(batch: &mut Request, chain: &Chain) {
    let (number, kind, priority, policy) = match chain.hook {
        Hook::Redirect => {
            (libc::NF_INET_PRE_ROUTING, "nat", DESTINATION_NAT_PRIORITY, libc::NF_ACCEPT)
        }
        Hook::Input => (libc::NF_INET_LOCAL_IN, "filter", 0, libc::NF_DROP),
        Hook::Forward => (libc::NF_INET_FORWARD, "filter", 0, libc::NF_DROP),
        Hook::Output => (libc::NF_INET_LOCAL_OUT, "filter", 0, libc::NF_DROP),
    };
    message(batch, "a chain", libc::NFT_MSG_NEWCHAIN as u16, CREATE, |body| {
        body.text(CHAIN_TABLE, TABLE);
        body.text(CHAIN_NAME, chain.hook.name());
        body.nest(CHAIN_HOOK, |hook| {
            hook.be32(HOOK_NUMBER, number as u32);
            hook.be32(HOOK_PRIORITY, priority as u32);
        });
        body.be32(CHAIN_POLICY, policy as u32);
        body.text(CHAIN_TYPE, kind);
    });
}

fn elements(batch: &mut Request, kind: i32, set: &str, addresses: &[Ipv4Addr]) {
    for chunk in addresses.chunks(ELEMENTS_PER_MESSAGE) {
        message(batch, "members of a set", kind as u16, CREATE, |body| {
            body.text(ELEMENTS_TABLE, TABLE);
            body.text(ELEMENTS_SET, set);
            body.nest(ELEMENTS, |list| {
                for address in chunk {
                    list.nest(LIST_ELEM, |element| {
                        element.nest(ELEMENT_KEY, |key| key.put(DATA_VALUE, &address.octets()));
                    });
                }
            });
        });
    }
}

fn add_rule(batch: &mut Request, hook: Hook, rule: &Rule) {
    let flags = CREATE | libc::NLM_F_APPEND;
    message(batch, "a rule", libc::NFT_MSG_NEWRULE as u16, flags, |body| {
        body.text(RULE_TABLE, TABLE);
        body.text(RULE_CHAIN, hook.name());
        body.nest(RULE_EXPRESSIONS, |list| {
            let mut expressions = Expressions { list };
            rule.tests.iter().for_each(|test| expressions.test(test));
            expressions.verdict(rule.verdict);
        });
    });
}

/// The kernel's small instructions: load something into a register, compare the register.
struct Expressions<'a, 'b> {
    list: &'a mut Attributes<'b>,
}

impl Expressions<'_, '_> {
    fn push(&mut self, name: &str, data: impl FnOnce(&mut Attributes<'_>)) {
        self.list.nest(LIST_ELEM, |element| {
            element.text(EXPRESSION_NAME, name);
            element.nest(EXPRESSION_DATA, data);
        });
    }

    fn meta(&mut self, key: u32) {
        self.push("meta", |data| {
            data.be32(1, REGISTER);
            data.be32(2, key);
        });
    }

    fn payload(&mut self, base: u32, offset: u32, length: u32) {
        self.push("payload", |data| {
            data.be32(1, REGISTER);
            data.be32(2, base);
            data.be32(3, offset);
            data.be32(4, length);
        });
    }

    fn address(&mut self, side: Side) {
        let offset = match side {
            Side::Source => SOURCE_OFFSET,
            Side::Destination => DESTINATION_OFFSET,
        };
        self.payload(NETWORK_HEADER, offset, 4);
    }

    fn compare(&mut self, operator: u32, value: &[u8]) {
        self.push("cmp", |data| {
            data.be32(1, REGISTER);
            data.be32(2, operator);
            data.nest(3, |operand| operand.put(DATA_VALUE, value));
        });
    }

    fn masked(&mut self, mask: [u8; 4]) {
        self.push("bitwise", |data| {
            data.be32(1, REGISTER);
            data.be32(2, REGISTER);
            data.be32(3, 4);
            data.nest(4, |operand| operand.put(DATA_VALUE, &mask));
            data.nest(5, |operand| operand.put(DATA_VALUE, &[0; 4]));
        });
    }

    fn range(&mut self, side: Side, operator: u32, range: Range) {
        self.address(side);
        if range.prefix() < 32 {
            self.masked(range.mask().octets());
        }
        self.compare(operator, &range.base().octets());
    }

    /// Connection tracking's view, as a set of bits of which one must be set.
    fn connection(&mut self, key: u32, bits: u32) {
        self.push("ct", |data| {
            data.be32(1, REGISTER);
            data.be32(2, key);
        });
        self.masked(bits.to_ne_bytes());
        self.compare(NOT_EQUAL, &[0; 4]);
    }

    fn test(&mut self, test: &Test) {
        match test {
            Test::FromLoopback => {
                self.meta(META_IN_INTERFACE);
                self.compare(EQUAL, &crate::link::LOOPBACK_INDEX.to_ne_bytes());
            }
            Test::ToLoopback => {
                self.meta(META_OUT_INTERFACE);
                self.compare(EQUAL, &crate::link::LOOPBACK_INDEX.to_ne_bytes());
            }
            Test::OfConnection => self.connection(CT_STATE, CT_ESTABLISHED_OR_RELATED),
            Test::Redirected => self.connection(CT_STATUS, CT_STATUS_DESTINATION_NAT),
            Test::Protocol(number) => {
                self.meta(META_L4_PROTOCOL);
                self.compare(EQUAL, &[*number]);
            }
            Test::Ports(first, last) => {
                self.payload(TRANSPORT_HEADER, DESTINATION_PORT_OFFSET, 2);
                if first == last {
                    return self.compare(EQUAL, &first.to_be_bytes());
                }
                self.push("range", |data| {
                    data.be32(1, REGISTER);
                    data.be32(2, EQUAL);
                    data.nest(3, |from| from.put(DATA_VALUE, &first.to_be_bytes()));
                    data.nest(4, |to| to.put(DATA_VALUE, &last.to_be_bytes()));
                });
            }
            Test::In(_, Range::ANYWHERE) => {}
            Test::In(side, range) => self.range(*side, EQUAL, *range),
            Test::NotIn(side, range) => self.range(*side, NOT_EQUAL, *range),
            Test::InSet(side, name) => {
                self.address(*side);
                self.push("lookup", |data| {
                    data.text(1, name);
                    data.be32(2, REGISTER);
                });
            }
        }
    }

    fn load(&mut self, register: u32, value: &[u8]) {
        self.push("immediate", |data| {
            data.be32(1, register);
            data.nest(2, |operand| operand.put(DATA_VALUE, value));
        });
    }

    fn verdict(&mut self, verdict: Verdict) {
        let code = match verdict {
            Verdict::Accept => libc::NF_ACCEPT,
            Verdict::Drop => libc::NF_DROP,
            Verdict::Redirect(port) => {
                self.load(REGISTER, &port.to_be_bytes());
                return self.push("redir", |data| data.be32(1, REGISTER));
            }
            Verdict::To(place) => {
                self.load(REGISTER, &place.ip().octets());
                self.load(SECOND_REGISTER, &place.port().to_be_bytes());
                return self.push("nat", |data| {
                    data.be32(1, NAT_OF_DESTINATION);
                    data.be32(2, libc::NFPROTO_IPV4 as u32);
                    data.be32(3, REGISTER);
                    data.be32(5, SECOND_REGISTER);
                });
            }
        };
        self.push("immediate", |data| {
            data.be32(1, VERDICT_REGISTER);
            data.nest(2, |value| {
                value.nest(DATA_VERDICT, |verdict| verdict.be32(VERDICT_CODE, code as u32));
            });
        });
    }
}
