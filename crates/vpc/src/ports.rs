//! Removing the tasks' bridge ports, many in one go.
//!
//! The kernel waits for two or three RCU grace periods before a removed interface is gone, some 30
//! ms, but only once for all that are removed together. So whoever removes a port first does it for
//! everybody who has come until then, while those who come later gather for the next round.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::link::Links;

/// Removes ports of one namespace.
#[derive(Debug)]
pub(crate) struct PortRemover {
    /// A socket of its own, because a round must not keep others from theirs.
    links: Links,
    rounds: Mutex<Rounds>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct Rounds {
    /// For the next round.
    waiting: BTreeSet<String>,
    /// In the round that runs; empty if none does.
    running: BTreeSet<String>,
    /// Rounds that ended.
    count: u64,
    /// How the last one ended.
    failure: Option<(io::ErrorKind, String)>,
}

impl PortRemover {
    pub(crate) fn new(links: Links) -> Self {
        Self { links, rounds: Mutex::default(), ended: Condvar::new() }
    }

    fn rounds(&self) -> MutexGuard<'_, Rounds> {
        self.rounds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that somebody will call [`remove`](Self::remove) for the port.
    pub(crate) fn announce(&self, port: String) {
        self.rounds().waiting.insert(port);
    }

    /// Whether a port of that name is still to be removed. A new one must not be made yet.
    pub(crate) fn is_pending(&self, port: &str) -> bool {
        let rounds = self.rounds();
        rounds.waiting.contains(port) || rounds.running.contains(port)
    }

    /// Returns when the port is gone. What could not be removed is tried again with the next one.
    pub(crate) fn remove(&self, port: String) -> io::Result<()> {
        let mut rounds = self.rounds();
        rounds.waiting.insert(port);
        // The running round does not know of this port.
        let enough = rounds.count + if rounds.running.is_empty() { 1 } else { 2 };
        while rounds.count < enough {
            if !rounds.running.is_empty() {
                rounds = self.ended.wait(rounds).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let ports = std::mem::take(&mut rounds.waiting);
            rounds.running.clone_from(&ports);
            drop(rounds);
            let removed = self.links.remove_all(&ports);
            rounds = self.rounds();
            rounds.running.clear();
            rounds.count += 1;
            rounds.failure = removed.err().map(|error| {
                rounds.waiting.extend(ports);
                (error.kind(), error.to_string())
            });
            self.ended.notify_all();
        }
        // A later round's failure is no less true: it tried again what this one left.
        rounds.failure.clone().map_or(Ok(()), |(kind, text)| Err(io::Error::new(kind, text)))
    }
}

#[cfg(all(test, feature = "root-tests"))]
mod tests {
    use std::net::Ipv4Addr;
    use std::thread;

    use nix::sched::{CloneFlags, unshare};

    use super::*;
    use crate::netns::NetNs;

    /// A namespace that lives as long as the links.
    fn new_namespace() -> (NetNs, Links) {
        let made = thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect("these tests need CAP_SYS_ADMIN");
            (NetNs::current().expect("it"), Links::open().expect("its links"))
        });
        made.join().expect("no panic")
    }

    #[test]
    fn ports_are_gone_when_removing_returns_and_pending_until_then() {
        let (platform, links) = new_namespace();
        let tasks: Vec<_> = (0..6).map(|_| new_namespace()).collect();
        let gateway = Ipv4Addr::new(10, 0, 0, 1);
        let bridge = links.put_bridge("sub0", [2; 6], gateway, 24).expect("a bridge");
        for (n, (task, _)) in tasks.iter().enumerate() {
            links.add_veth(&format!("eni{n}"), bridge, task, [2; 6]).expect("a pair");
        }
        let remover = PortRemover::new(platform.run(Links::open).expect("in").expect("links"));
        remover.announce("eni0".into());
        assert!(remover.is_pending("eni0") && !remover.is_pending("eni1"));
        thread::scope(|scope| {
            for n in 0..5 {
                let (remover, links) = (&remover, &links);
                scope.spawn(move || {
                    let name = format!("eni{n}");
                    remover.remove(name.clone()).expect("removed");
                    assert_eq!(links.find(&name).expect("looked up"), None);
                    assert!(!remover.is_pending(&name));
                });
            }
        });
        assert!(links.find("eni5").expect("looked up").is_some(), "nobody asked for that");
        remover.remove("eni0".into()).expect("gone already");
        assert!(links.find("sub0").expect("looked up").is_some());
    }
}
