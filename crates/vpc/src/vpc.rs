//! The platform's network as a whole: wishes in, kernel state out.
//!
//! Every `put` states a whole wish and may be repeated; what the kernel already has is left alone.
//! Order matters in two places. A task's rules stand before its interface exists, so there is no
//! moment without them. Its address is in its peers' sets before `attach` returns, and out of them
//! before `detach` returns, so that whoever gets the address next does not inherit trust.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use neargate_core::network::{SecurityGroupSpec, SubnetSpec, VpcSpec};

use crate::eni::{Eni, check_task_id, port_name};
use crate::error::{Doing, Error};
use crate::layout::{self, Layout};
use crate::link::InterfaceStats;
use crate::namespace::{Namespace, Role, configure};
use crate::netns::{NetNs, unpin};
use crate::ports::PortRemover;
use crate::probe::{self, Missing};
use crate::state::{Changed, State};
use crate::wish::{Interface, Wish, subnet_range};

/// The network of one platform: its VPCs, in one network namespace.
///
/// All methods block for as long as the kernel takes, a few milliseconds, and may be called from
/// any number of threads. One process at a time may have a network open.
#[derive(Debug)]
pub struct Vpc {
    layout: Layout,
    state: Mutex<State>,
    ports: PortRemover,
    /// Tasks being attached or detached: one thread at a time each.
    claimed: Mutex<BTreeSet<String>>,
    released: Condvar,
}

/// The right to attach or detach one task.
struct Claim<'a> {
    vpc: &'a Vpc,
    task: String,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.vpc.claimed().remove(&self.task);
        self.vpc.released.notify_all();
    }
}

impl Vpc {
    /// Whether this process can make such a network here, found out by making a small one.
    ///
    /// # Errors
    /// The first privilege or kernel feature that is missing.
    pub fn probe() -> Result<(), Missing> {
        probe::probe()
    }

    /// Makes the network in `dir`, or finds it again as a former owner left it, even killed.
    ///
    /// # Errors
    /// A privilege or kernel feature is missing (see [`Vpc::probe`]); `dir` cannot be
    /// written; what lies there is of another version.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let layout = Layout::new(dir);
        layout.create()?;
        let pin = layout.platform_pin();
        let doing = || format!("make the platform's network namespace at {}", pin.display());
        let platform = if NetNs::is_pinned(&pin).doing(doing)? {
            let platform = Namespace::open(&pin).doing(doing)?;
            platform.net.run(|| configure(Role::Platform)).doing(doing)?.doing(doing)?;
            platform
        } else {
            // The machine was started anew: what was noted is about namespaces that are gone.
            layout.forget()?;
            Namespace::create(&pin, Role::Platform).doing(doing)?
        };
        platform.links.loopback_up().doing(doing)?;
        platform.links.put_blackhole().doing(doing)?;
        let ports = PortRemover::new(platform.more_links().doing(doing)?);
        let mut state = State {
            wish: layout::read(&layout.wish())?.unwrap_or_default(),
            layout: layout.clone(),
            platform,
            bridges: BTreeMap::new(),
            tasks: BTreeMap::new(),
            members: BTreeMap::new(),
        };
        state.find_tasks()?;
        state.remove_strays()?;
        state.put_bridges()?;
        state.put_addresses()?;
        state.settle(Changed::Rules)?;
        for task in state.tasks.keys().cloned().collect::<Vec<_>>() {
            state.connect(&task)?;
        }
        let (claimed, released) = (Mutex::default(), Condvar::new());
        Ok(Self { layout, state: Mutex::new(state), ports, claimed, released })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the platform's namespace is pinned: the edge's place.
    #[must_use]
    pub fn namespace(&self) -> PathBuf {
        self.layout.platform_pin()
    }

    /// Where a task's namespace is pinned once it is attached.
    #[must_use]
    pub fn task_namespace(&self, task: &str) -> PathBuf {
        self.layout.task_pin(task)
    }

    /// Puts a VPC.
    ///
    /// # Errors
    /// Its range overlaps another VPC's, or no longer has all its subnets.
    pub fn put_vpc(&self, spec: VpcSpec) -> Result<(), Error> {
        self.state().change(|wish, _| wish.put_vpc(spec))
    }

    /// Removes a VPC without subnets; gone already: fine.
    ///
    /// # Errors
    /// It has subnets.
    pub fn remove_vpc(&self, name: &str) -> Result<(), Error> {
        self.state().change(|wish, _| wish.remove_vpc(name))
    }

    /// Puts a subnet.
    ///
    /// # Errors
    /// Its VPC is unknown or does not contain it, it overlaps another subnet, or it would change
    /// its range or VPC while something has an address of it.
    pub fn put_subnet(&self, spec: SubnetSpec) -> Result<(), Error> {
        let mut state = self.state();
        let before = state.wish.subnets.get(&spec.name).cloned();
        let moved = before
            .filter(|before| subnet_range(before) != subnet_range(&spec) || before.vpc != spec.vpc);
        state.change(|wish, tasks| {
            if let Some(before) = &moved {
                wish.check_idle(before, tasks.values().map(|task| &task.eni))?;
            }
            wish.put_subnet(spec)
        })?;
        if let Some(before) = moved {
            state.remove_bridge(&before)?;
        }
        state.put_bridges()
    }

    /// Removes a subnet that nothing has an address of; gone already: fine.
    ///
    /// # Errors
    /// A task or an interface has an address of it.
    pub fn remove_subnet(&self, name: &str) -> Result<(), Error> {
        let mut state = self.state();
        let Some(before) = state.wish.subnets.get(name).cloned() else { return Ok(()) };
        state.change(|wish, tasks| {
            wish.check_idle(&before, tasks.values().map(|task| &task.eni))?;
            wish.subnets.remove(name);
            Ok(())
        })?;
        state.remove_bridge(&before)
    }

    /// Puts a security group. Members feel it at once; connections that stand go on.
    ///
    /// # Errors
    /// Its VPC is unknown, or changes while the group has members.
    pub fn put_group(&self, spec: SecurityGroupSpec) -> Result<(), Error> {
        self.state().change(|wish, tasks| {
            let before = wish.groups.get(&spec.name);
            if before.is_some_and(|before| before.vpc != spec.vpc) {
                wish.check_unused(&spec.name, tasks.values().map(|task| &task.eni))?;
            }
            wish.put_group(spec)
        })
    }

    /// Removes a security group without members; gone already: fine. Rules of other groups that
    /// name it match nobody then.
    ///
    /// # Errors
    /// It has members.
    pub fn remove_group(&self, name: &str) -> Result<(), Error> {
        self.state().change(|wish, tasks| {
            wish.check_unused(name, tasks.values().map(|task| &task.eni))?;
            wish.groups.remove(name);
            Ok(())
        })
    }

    /// Puts an interface of the platform itself, a load balancer's: its addresses, in the
    /// platform's namespace, are members of its groups, and connections from and to them pass by
    /// its groups' rules only. Whoever connects from there binds the address first.
    ///
    /// # Errors
    /// An address is in no subnet, reserved or taken; the addresses are of several VPCs; a group is
    /// unknown or of another VPC.
    pub fn put_interface(
        &self,
        name: &str,
        addresses: &[Ipv4Addr],
        groups: &[String],
    ) -> Result<(), Error> {
        let addresses = addresses.iter().copied().collect();
        let interface = Interface { addresses, groups: groups.to_vec() };
        let mut state = self.state();
        state.change(|wish, tasks| {
            wish.put_interface(name, interface, tasks.values().map(|task| &task.eni))
        })?;
        state.put_addresses()
    }

    /// Removes an interface of the platform; gone already: fine.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn remove_interface(&self, name: &str) -> Result<(), Error> {
        let mut state = self.state();
        state.change(|wish, _| {
            wish.interfaces.remove(name);
            Ok(())
        })?;
        state.put_addresses()
    }

    /// Gives the platform's namespace an address for a service that every task may use: the task
    /// metadata endpoint, a resolver. Of a VPC's own addresses only that VPC's tasks may use it.
    ///
    /// # Errors
    /// A task or an interface has the address.
    pub fn add_service_address(&self, address: Ipv4Addr) -> Result<(), Error> {
        let mut state = self.state();
        state.change(|wish, tasks| {
            let mut enis = tasks.values().map(|task| &task.eni);
            wish.check_free(address, &mut enis)?;
            wish.service_addresses.insert(address);
            Ok(())
        })?;
        state.put_addresses()
    }

    /// Takes such an address away; gone already: fine.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn remove_service_address(&self, address: Ipv4Addr) -> Result<(), Error> {
        let mut state = self.state();
        state.change(|wish, _| {
            wish.service_addresses.remove(&address);
            Ok(())
        })?;
        state.put_addresses()
    }

    /// Gives a task its interface and returns where its namespace is pinned. When this returns,
    /// the interface is up, its rules stand and its peers know it. Attached already: makes sure of
    /// all that; other groups than before replace them; another address is another interface.
    ///
    /// # Errors
    /// The subnet or a group is unknown, the address is not the subnet's or taken, the kernel
    /// refuses. Nothing is left of a new interface then.
    pub fn attach(&self, eni: Eni) -> Result<PathBuf, Error> {
        check_task_id(&eni.task)?;
        let task = eni.task.clone();
        let _claim = self.claim(&task);
        let pin = self.layout.task_pin(&task);
        let (is_attached, is_kept) = {
            let state = self.state();
            state.check(&eni)?;
            let is_pinned =
                NetNs::is_pinned(&pin).doing(|| format!("look for {}", pin.display()))?;
            // Without its pin nobody can enter it any more.
            (state.tasks.contains_key(&task), is_pinned && state.keeps(&eni))
        };
        if is_attached && !is_kept {
            self.take_apart(&task)?;
        }
        // The namespace takes longest and concerns nobody else yet.
        let attached = layout::write(&self.layout.record(&task), &eni)
            .and_then(|()| match is_kept {
                true => Ok(None),
                false => Namespace::create(&pin, Role::Task)
                    .map(Some)
                    .doing(|| format!("make the network namespace of task {task}")),
            })
            .and_then(|namespace| {
                let port = port_name(eni.address);
                let mut state = self.state();
                if self.ports.is_pending(&port) {
                    // The address's former holder is about to go.
                    let removed = self.ports.remove(port);
                    removed.doing(|| format!("free the address {}", eni.address))?;
                }
                state.attach(eni, namespace)
            });
        if attached.is_err() && !is_kept {
            // Without this, what was made so far would have no owner. The first error counts.
            drop(self.take_apart(&task));
        }
        attached.map(|()| pin)
    }

    /// Takes a task's interface and namespace away; gone already: fine. Processes still in there
    /// have no network left.
    ///
    /// # Errors
    /// The kernel refuses; repeating completes it.
    pub fn detach(&self, task: &str) -> Result<(), Error> {
        check_task_id(task)?;
        let _claim = self.claim(task);
        self.take_apart(task)
    }

    /// Waits for others who attach or detach the task.
    fn claim(&self, task: &str) -> Claim<'_> {
        let mut claimed = self.claimed();
        while claimed.contains(task) {
            claimed = self.released.wait(claimed).unwrap_or_else(PoisonError::into_inner);
        }
        claimed.insert(task.into());
        Claim { vpc: self, task: task.into() }
    }

    fn claimed(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.claimed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Detaches a claimed task. The port goes last, when nobody has to wait for it any more; a
    /// crash before that leaves a port that nobody wished for, which is found.
    fn take_apart(&self, task: &str) -> Result<(), Error> {
        let mut state = self.state();
        let before = state.tasks.remove(task);
        let settled = state.settle(Changed::Members);
        let unpinned = unpin(&self.layout.task_pin(task));
        let removed = layout::remove_file(&self.layout.record(task));
        let port = before.map(|before| port_name(before.eni.address));
        if let Some(port) = &port {
            self.ports.announce(port.clone());
        }
        drop(state);
        if let Some(port) = port {
            let gone = self.ports.remove(port);
            gone.doing(|| format!("remove the interface of task {task}"))?;
        }
        unpinned.doing(|| format!("remove the network namespace of task {task}"))?;
        removed.and(settled)
    }

    /// Every attached interface, by task id.
    #[must_use]
    pub fn attached(&self) -> Vec<Eni> {
        self.state().tasks.values().map(|task| task.eni.clone()).collect()
    }

    /// Everything else that was put, to compare with what should be.
    #[must_use]
    pub fn wish(&self) -> Wish {
        self.state().wish.clone()
    }

    /// What a task's interface has carried; `None` if it is not attached.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn stats(&self, task: &str) -> Result<Option<InterfaceStats>, Error> {
        let state = self.state();
        let Some(attached) = state.tasks.get(task) else { return Ok(None) };
        let port = state.platform.links.find(&port_name(attached.eni.address));
        let port = port.doing(|| format!("read the counters of task {task}"))?;
        // What the port received, the task sent.
        Ok(port.map(|port| InterfaceStats {
            rx_bytes: port.stats.tx_bytes,
            rx_packets: port.stats.tx_packets,
            tx_bytes: port.stats.rx_bytes,
            tx_packets: port.stats.rx_packets,
        }))
    }
}
