//! What stands, beside what is wished for: kept by [`Vpc`](crate::Vpc) behind one lock.
//!
//! Each function here makes one part of the kernel's state what the wish says, whatever it was.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::thread;
use std::time::Duration;

use neargate_core::network::SubnetSpec;

use crate::eni::{Eni, bridge_name, mac, port_name};
use crate::error::{Doing, Error};
use crate::layout::{self, Layout};
use crate::link::{LOOPBACK_INDEX, Links};
use crate::namespace::Namespace;
use crate::netns::{NetNs, unpin};
use crate::perimeter::platform_ruleset;
use crate::ruleset::{Addresses, Ruleset};
use crate::security_group::{members, task_ruleset};
use crate::wish::{Wish, gateway, subnet_range};

/// How long to wait for a new port to work, and how often to look. It is a matter of
/// microseconds, unless the machine is very busy with interfaces.
const READY_WAIT_MAX: Duration = Duration::from_secs(10);
const READY_WAIT_STEP: Duration = Duration::from_micros(100);

/// A network and what is in it.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) layout: Layout,
    pub(crate) wish: Wish,
    /// The namespace of the bridges.
    pub(crate) platform: Namespace,
    /// Index of each subnet's bridge.
    pub(crate) bridges: BTreeMap<String, u32>,
    pub(crate) tasks: BTreeMap<String, Attached>,
    /// Who is behind each set that rules refer to.
    pub(crate) members: BTreeMap<String, Addresses>,
}

/// A task with its namespace.
#[derive(Debug)]
pub(crate) struct Attached {
    pub(crate) eni: Eni,
    pub(crate) namespace: Namespace,
}

/// How much of the rules may differ from what stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Changed {
    /// Only who is a member of what.
    Members,
    /// Anything.
    Rules,
}

impl State {
    /// Changes the wish, keeps it, and makes the rules follow.
    pub(crate) fn change(
        &mut self,
        change: impl FnOnce(&mut Wish, &BTreeMap<String, Attached>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut wish = self.wish.clone();
        change(&mut wish, &self.tasks)?;
        if wish != self.wish {
            layout::write(&self.layout.wish(), &wish)?;
            self.wish = wish;
        }
        self.settle(Changed::Rules)
    }

    /// Makes the rules of all namespaces what the wish and the members make of them. Goes on when
    /// one namespace refuses, because a stale rule elsewhere would be worse.
    pub(crate) fn settle(&mut self, changed: Changed) -> Result<(), Error> {
        let enis = self.tasks.values().map(|task| &task.eni);
        self.members = members(&self.wish, enis, &self.members);
        let (wish, members) = (&self.wish, &self.members);
        let derive = |stands: Option<&Ruleset>, anew: &dyn Fn() -> Ruleset| match stands {
            Some(stands) if changed == Changed::Members => stands.over(members),
            _ => anew(),
        };
        let firewall = &mut self.platform.firewall;
        let wanted = derive(firewall.applied(), &|| platform_ruleset(wish, members));
        let doing = || "set the packet filter of the platform's namespace".into();
        let mut result = firewall.apply(&wanted).doing(doing);
        for task in self.tasks.values_mut() {
            let (eni, firewall) = (&task.eni, &mut task.namespace.firewall);
            let wanted = derive(firewall.applied(), &|| task_ruleset(wish, eni, members));
            let doing = || format!("set the packet filter of task {}", eni.task);
            result = result.and(firewall.apply(&wanted).doing(doing));
        }
        result
    }

    pub(crate) fn put_bridges(&mut self) -> Result<(), Error> {
        let mut bridges = BTreeMap::new();
        for (name, spec) in &self.wish.subnets {
            let range = subnet_range(spec);
            let gateway = gateway(spec);
            let bridge = bridge_name(range);
            let index =
                self.platform.links.put_bridge(&bridge, mac(gateway), gateway, range.prefix());
            let index = index.doing(|| format!("make the bridge of subnet {name} ({range})"))?;
            bridges.insert(name.clone(), index);
        }
        self.bridges = bridges;
        Ok(())
    }

    pub(crate) fn remove_bridge(&mut self, spec: &SubnetSpec) -> Result<(), Error> {
        self.bridges.remove(&spec.name);
        let bridge = bridge_name(subnet_range(spec));
        let removed = self.platform.links.remove(&bridge);
        removed.doing(|| format!("remove the bridge of subnet {}", spec.name))
    }

    /// Makes the single addresses of the bridges and the loopback those of the interfaces and
    /// services.
    pub(crate) fn put_addresses(&mut self) -> Result<(), Error> {
        let links = &self.platform.links;
        let of_interfaces: BTreeSet<_> =
            self.wish.interfaces.values().flat_map(|i| i.addresses.iter().copied()).collect();
        let subnets = self.wish.subnets.values().filter_map(|spec| {
            let range = subnet_range(spec);
            let own = of_interfaces.iter().copied().filter(move |a| range.contains(*a));
            Some((*self.bridges.get(&spec.name)?, own.collect::<BTreeSet<_>>()))
        });
        let loopback = (LOOPBACK_INDEX, self.wish.service_addresses.clone());
        for (index, wanted) in subnets.chain([loopback]) {
            let doing = || "list the platform's addresses".into();
            let present = links.single_addresses(index).doing(doing)?;
            for address in present.difference(&wanted) {
                let removed = links.remove_address(index, *address);
                removed.doing(|| format!("remove the address {address}"))?;
            }
            for address in wanted.difference(&present) {
                let added = links.add_address(index, *address, 32);
                added.doing(|| format!("add the address {address}"))?;
            }
        }
        Ok(())
    }

    pub(crate) fn check(&self, eni: &Eni) -> Result<(), Error> {
        self.wish.check_eni(eni, self.tasks.values().map(|task| &task.eni))
    }

    /// Whether the task's interface is there and stays what it is.
    pub(crate) fn keeps(&self, eni: &Eni) -> bool {
        self.tasks
            .get(&eni.task)
            .is_some_and(|task| task.eni.address == eni.address && task.eni.subnet == eni.subnet)
    }

    /// Attaches a task in a new namespace, or once more in its own.
    pub(crate) fn attach(&mut self, eni: Eni, namespace: Option<Namespace>) -> Result<(), Error> {
        // Somebody may have taken the address meanwhile.
        self.check(&eni)?;
        let task = eni.task.clone();
        let before = self.tasks.remove(&task).map(|before| before.namespace);
        if let Some(namespace) = namespace.or(before) {
            self.tasks.insert(task.clone(), Attached { eni, namespace });
        }
        self.settle_with(&task)?;
        self.connect(&task)
    }

    /// Settles members everywhere, and the rules of one task whose groups may have changed.
    pub(crate) fn settle_with(&mut self, task: &str) -> Result<(), Error> {
        let settled = self.settle(Changed::Members);
        if let Some(attached) = self.tasks.get_mut(task) {
            let wanted = task_ruleset(&self.wish, &attached.eni, &self.members);
            let applied = attached.namespace.firewall.apply(&wanted);
            applied.doing(|| format!("set the packet filter of task {task}"))?;
        }
        settled
    }

    /// Makes sure that a task's `eth0` is there, up, and a port of its subnet's bridge.
    pub(crate) fn connect(&mut self, task: &str) -> Result<(), Error> {
        let Some(Attached { eni, namespace }) = self.tasks.get(task) else { return Ok(()) };
        let Some(spec) = self.wish.subnets.get(&eni.subnet) else { return Ok(()) };
        let bridge = self.bridges.get(&eni.subnet).ok_or_else(|| Error::Unknown {
            what: "the bridge of subnet",
            name: eni.subnet.clone(),
        })?;
        let links = &self.platform.links;
        let port = port_name(eni.address);
        let connect = || {
            if namespace.links.find("eth0")?.is_some() {
                links.put_port(&port, *bridge)?;
            } else {
                // A port of that name would lead into a namespace that is gone.
                links.remove(&port)?;
                links.add_veth(&port, *bridge, &namespace.net, mac(eni.address))?;
            }
            let eth0 = namespace.links.find("eth0")?.ok_or(io::ErrorKind::NotFound)?;
            let subnet_gateway = gateway(spec);
            namespace.links.configure_eth0(eth0.index, eni.address, spec.prefix, subnet_gateway)?;
            wait_until_ready(links, &port, &bridge_name(subnet_range(spec)))?;
            namespace.links.announce(eth0.index, mac(eni.address))
        };
        connect()
            .doing(|| format!("connect task {task} ({}) to subnet {}", eni.address, eni.subnet))
    }

    /// Finds the tasks a former owner attached. Those whose namespace is gone are forgotten.
    pub(crate) fn find_tasks(&mut self) -> Result<(), Error> {
        for task in self.layout.recorded_tasks()? {
            let record = self.layout.record(&task);
            let pin = self.layout.task_pin(&task);
            let doing = || format!("find the network namespace of task {task}");
            let eni = layout::read::<Eni>(&record)?.filter(|eni| eni.task == task);
            match (eni, NetNs::is_pinned(&pin).doing(doing)?) {
                (Some(eni), true) => {
                    let namespace = Namespace::open(&pin).doing(doing)?;
                    self.tasks.insert(task, Attached { eni, namespace });
                }
                _ => layout::remove_file(&record)?,
            }
        }
        Ok(())
    }

    /// Removes what a former owner left half made: pins without a task, ports and bridges nobody
    /// wished for.
    pub(crate) fn remove_strays(&self) -> Result<(), Error> {
        let doing = || "remove what an interrupted run left".to_owned();
        for task in layout::names_in(&self.layout.tasks())? {
            if !self.tasks.contains_key(&task) {
                unpin(&self.layout.task_pin(&task)).doing(doing)?;
            }
        }
        let ports = self.tasks.values().map(|task| port_name(task.eni.address));
        let bridges = self.wish.subnets.values().map(|spec| bridge_name(subnet_range(spec)));
        let ours: BTreeSet<_> = ports.chain(bridges).collect();
        self.platform.links.remove_made(|name| !ours.contains(name)).doing(doing)
    }
}

/// The kernel notices a moment later, in a thread of its own, that both ends of a pair are up, and
/// that a bridge has its first port; until then they drop what they are given to send. A first packet
/// lost, or the answer to the question for the gateway, costs whoever waits for it a second.
fn wait_until_ready(links: &Links, port: &str, bridge: &str) -> io::Result<()> {
    let mut waited = Duration::ZERO;
    loop {
        let is_forwarding = links.find(port)?.is_some_and(|port| port.is_forwarding);
        if is_forwarding && links.find(bridge)?.is_some_and(|bridge| bridge.is_up) {
            return Ok(());
        }
        if waited >= READY_WAIT_MAX {
            let text = format!("port {port} of bridge {bridge} is not up after {waited:?}");
            return Err(io::Error::new(io::ErrorKind::TimedOut, text));
        }
        thread::sleep(READY_WAIT_STEP);
        waited += READY_WAIT_STEP;
    }
}
