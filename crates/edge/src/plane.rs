//! The data plane as the control thread knows it: what the engine wished for last, and how far the
//! workers have followed. Everything here happens on one thread and without awaiting, so a change
//! is always carried out whole.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use neargate_core::id::Generation;
use neargate_core::load_balancer::ListenerSpec;
use neargate_names as names;
use tokio::sync::{Notify, mpsc};

use crate::control::{Change, FromEdge, Instance, Metrics, ToEdge};
use crate::groups::{Consequences, Groups, NewProbe, OwnedTask};
use crate::listeners::{Doorstep, ListenerEntry};
use crate::prober;
use crate::table::{Table, groups_used};
use crate::target::Target;
use crate::worker::ListenerId;

/// How often a port that could not be bound is tried again (real time).
const BIND_RETRY: Duration = Duration::from_secs(1);
/// Requests at a listener that is removed may take this long to finish.
const UNLISTEN_LIMIT_MS: u64 = 30_000;

type ListenerKey = (String, u16);

/// For all workers.
#[derive(Debug)]
pub(crate) enum SocketChange {
    /// Accept here.
    Listen(ListenerId, std::net::TcpListener, Arc<ArcSwap<Table>>),
    /// No longer accept there.
    Unlisten(ListenerId, u64),
}

/// What the workers must have done before a generation is applied.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) generation: Generation,
    /// The engine whose generation it is.
    pub(crate) engine: u64,
    pub(crate) sockets: VecDeque<SocketChange>,
    pub(crate) purge: Arc<[Arc<Target>]>,
    pub(crate) cut: Arc<[Arc<Target>]>,
}

/// The control thread's state.
#[derive(Debug)]
pub(crate) struct Plane {
    me: Weak<RefCell<Plane>>,
    doorstep: Doorstep,
    pace: u32,
    groups: Groups,
    listeners: BTreeMap<ListenerKey, ListenerEntry>,
    next_listener: u64,
    names: names::Table,
    named: BTreeSet<String>,
    /// The newest generation heard of, and the newest that no worker is behind.
    wished: Generation,
    applied: Generation,
    /// The engine expects an acknowledgement that has not been asked of the workers yet.
    unasked: bool,
    sockets: VecDeque<SocketChange>,
    purge: Vec<Arc<Target>>,
    cut: Vec<Arc<Target>>,
    /// Rung when there is something for the workers.
    work: Rc<Notify>,
    /// Rung by `Shutdown`.
    shutdown: Rc<Notify>,
    engine: Option<mpsc::Sender<FromEdge>>,
    /// Counts engines: an acknowledgement must not reach the next one, whose numbers differ.
    engines: u64,
    /// While a whole wish is carried out, nothing is told: all of it is told afterwards.
    quiet: bool,
}

/// What the tasks around the plane wait for.
#[derive(Debug, Clone)]
pub(crate) struct Bells {
    /// There is something for the workers.
    pub(crate) work: Rc<Notify>,
    /// The engine wants the edge to end.
    pub(crate) shutdown: Rc<Notify>,
    /// A draining target may have become idle.
    pub(crate) idle: Arc<Notify>,
}

impl Plane {
    pub(crate) fn new(
        doorstep: Doorstep,
        pace: u32,
        names: names::Table,
    ) -> (Rc<RefCell<Self>>, Bells) {
        let bells = Bells {
            work: Rc::new(Notify::new()),
            shutdown: Rc::new(Notify::new()),
            idle: Arc::new(Notify::new()),
        };
        let plane = Rc::new_cyclic(|me| {
            RefCell::new(Self {
                me: me.clone(),
                doorstep,
                pace,
                groups: Groups::new(bells.idle.clone()),
                listeners: BTreeMap::new(),
                next_listener: 0,
                names,
                named: BTreeSet::new(),
                wished: Generation::default(),
                applied: Generation::default(),
                unasked: false,
                sockets: VecDeque::new(),
                purge: Vec::new(),
                cut: Vec::new(),
                work: bells.work.clone(),
                shutdown: bells.shutdown.clone(),
                engine: None,
                engines: 0,
                quiet: false,
            })
        });
        (plane, bells)
    }

    /// From now on this is the engine; whoever was before hears no more.
    pub(crate) fn set_engine(&mut self, engine: mpsc::Sender<FromEdge>) {
        self.engine = Some(engine);
        self.engines += 1;
        self.tell(FromEdge::Hello {
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        });
    }

    /// Says something to the engine, if there is one. An engine that does not keep up is let go: it
    /// will connect again and get the whole state.
    fn tell(&mut self, message: FromEdge) {
        if self.quiet {
            return;
        }
        if let Some(engine) = &self.engine
            && engine.try_send(message).is_err()
        {
            self.engine = None;
        }
    }

    fn tell_all(&mut self, messages: Vec<FromEdge>) {
        for message in messages {
            self.tell(message);
        }
    }

    /// Carries out what the engine says.
    pub(crate) fn receive(&mut self, message: ToEdge) {
        match message {
            ToEdge::Sync { generation, state } => self.sync(generation, state),
            ToEdge::Apply { generation, change } => {
                self.wished = generation;
                self.change(change);
                self.ask_workers();
            }
            ToEdge::GetMetrics => {
                let target_groups = self.groups.metrics();
                self.tell(FromEdge::Metrics(Metrics { target_groups }));
            }
            ToEdge::Shutdown => self.shutdown.notify_one(),
        }
    }

    fn ask_workers(&mut self) {
        self.unasked = true;
        self.work.notify_one();
    }

    fn sync(&mut self, generation: Generation, state: Vec<Change>) {
        let (mut groups, mut listeners, mut names) =
            (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for change in &state {
            match change {
                Change::TargetGroup { spec, .. } => groups.insert(spec.name.clone()),
                Change::Listener { spec, .. } => {
                    listeners.insert((spec.load_balancer.clone(), spec.port))
                }
                Change::Name { dns_name, .. } => names.insert(dns_name.clone()),
                Change::RemoveTargetGroup { .. } | Change::RemoveListener { .. } => false,
            };
        }
        // A new engine may count from anywhere: its generations are its own.
        self.wished = generation;
        self.applied = Generation::default();
        self.quiet = true;
        for change in state {
            self.change(change);
        }
        let gone: Vec<_> =
            self.listeners.keys().filter(|key| !listeners.contains(*key)).cloned().collect();
        for key in gone {
            self.remove_listener(&key);
        }
        for name in self.groups.published() {
            if !groups.contains(&name) {
                let consequences = self.groups.remove(&name);
                self.follow(consequences);
            }
        }
        for name in self.named.difference(&names) {
            self.names.remove(name);
        }
        self.named.retain(|name| names.contains(name));
        self.quiet = false;

        let mut all = self.groups.tell_all(generation);
        for ((load_balancer, port), listener) in &self.listeners {
            let result = match (&listener.failure, listener.bound) {
                (None, Some((_, host_port))) => Ok(host_port),
                (Some(failure), _) => Err(failure.clone()),
                (None, None) => continue,
            };
            let (load_balancer, port) = (load_balancer.clone(), *port);
            all.push(FromEdge::ListenerBound { load_balancer, port, result });
        }
        self.tell_all(all);
        self.ask_workers();
    }

    fn change(&mut self, change: Change) {
        match change {
            Change::TargetGroup { spec, targets, sources } => {
                let consequences = self.groups.put(&spec, &targets, &sources, self.wished);
                self.follow(consequences);
            }
            Change::RemoveTargetGroup { name } => {
                let consequences = self.groups.remove(&name);
                self.follow(consequences);
            }
            Change::Listener { spec, idle_timeout_ms } => self.put_listener(spec, idle_timeout_ms),
            Change::RemoveListener { load_balancer, port } => {
                self.remove_listener(&(load_balancer, port));
            }
            Change::Name { dns_name, ttl_s, instances } => {
                self.put_name(dns_name, ttl_s, &instances);
            }
        }
    }

    fn follow(&mut self, consequences: Consequences) {
        let Consequences { purge, cut, news, probes } = consequences;
        self.purge.extend(purge);
        self.cut.extend(cut);
        self.tell_all(news);
        for probe in probes {
            self.start_probe(probe);
        }
    }

    fn start_probe(&mut self, NewProbe { group, target: address, check, sources }: NewProbe) {
        let me = self.me.clone();
        let name = group.clone();
        let report = move |outcome, counts| {
            let plane = me.upgrade()?;
            let mut plane = plane.borrow_mut();
            let (state, news) = plane.groups.probed(&name, address, outcome, counts)?;
            plane.tell_all(news.into_iter().collect());
            Some(state)
        };
        let probing = prober::run(address, sources, check, self.pace, report);
        let task = OwnedTask(tokio::task::spawn_local(probing).abort_handle());
        let news = self.groups.set_probe(&group, address, task);
        self.tell_all(news.into_iter().collect());
    }

    fn put_name(&mut self, dns_name: String, ttl_s: u32, instances: &[Instance]) {
        let instances = instances.iter().map(|instance| names::Instance {
            id: instance.id.to_string(),
            address: instance.address,
            port: instance.port,
            healthy: instance.healthy,
        });
        let records = names::NameRecords { ttl_s, instances: instances.collect() };
        match self.names.set(&dns_name, records) {
            Ok(()) => {
                self.named.insert(dns_name);
            }
            Err(error) => tracing::warn!(%error, "this name is not served"),
        }
    }

    fn put_listener(&mut self, spec: ListenerSpec, idle_timeout_ms: u64) {
        let key = (spec.load_balancer.clone(), spec.port);
        // Begin before end: a group that stays in use is never unused in between.
        let begun = self.groups.begin_use(groups_used(&spec));
        self.follow(begun);
        let idle_timeout = Duration::from_millis(idle_timeout_ms.max(1));
        let table = Table::new(&spec, idle_timeout, &mut |name| self.groups.find(name));
        match self.listeners.get_mut(&key) {
            Some(known) => {
                known.table.store(Arc::new(table));
                let before = std::mem::replace(&mut known.spec, spec);
                if before.host_port != known.spec.host_port {
                    known.failure = None;
                }
                let ended = self.groups.end_use(groups_used(&before));
                self.follow(ended);
            }
            None => {
                let entry = ListenerEntry {
                    spec,
                    table: Arc::new(ArcSwap::from_pointee(table)),
                    bound: None,
                    failure: None,
                    retry: None,
                };
                self.listeners.insert(key.clone(), entry);
            }
        }
        self.bind(&key);
    }

    fn remove_listener(&mut self, key: &ListenerKey) {
        let Some(entry) = self.listeners.remove(key) else { return };
        if let Some((id, _)) = entry.bound {
            self.sockets.push_back(SocketChange::Unlisten(id, UNLISTEN_LIMIT_MS));
        }
        let ended = self.groups.end_use(groups_used(&entry.spec));
        self.follow(ended);
    }

    /// Binds the wanted port if it is not bound, or arranges to try again. A port in use before is
    /// given up only once the new one is there.
    fn bind(&mut self, key: &ListenerKey) {
        let Some(entry) = self.listeners.get_mut(key) else { return };
        if entry.is_settled() {
            entry.retry = None;
            if entry.failure.take().is_some() {
                self.tell_bound(key);
            }
            return;
        }
        match self.doorstep.bind(entry.spec.host_port) {
            Ok((socket, port)) => {
                let id = ListenerId(self.next_listener);
                self.next_listener += 1;
                self.sockets.push_back(SocketChange::Listen(id, socket, entry.table.clone()));
                if let Some((old, _)) = entry.bound.replace((id, port)) {
                    self.sockets.push_back(SocketChange::Unlisten(old, UNLISTEN_LIMIT_MS));
                }
                entry.failure = None;
                entry.retry = None;
                self.work.notify_one();
                self.tell_bound(key);
            }
            Err(failure) => {
                let known = entry.failure.as_ref() == Some(&failure);
                if !known {
                    tracing::warn!(%failure, "will try again every second");
                    entry.failure = Some(failure);
                }
                entry.retry = Some(retry(self.me.clone(), key.clone()));
                if !known {
                    self.tell_bound(key);
                }
            }
        }
    }

    fn tell_bound(&mut self, key: &ListenerKey) {
        let Some(entry) = self.listeners.get(key) else { return };
        let result = match (&entry.failure, entry.bound) {
            (Some(failure), _) => Err(failure.clone()),
            (None, Some((_, port))) => Ok(port),
            (None, None) => return,
        };
        let (load_balancer, port) = key.clone();
        self.tell(FromEdge::ListenerBound { load_balancer, port, result });
    }

    /// What the workers are to do next; `None` when they know everything.
    pub(crate) fn take_batch(&mut self) -> Option<Batch> {
        if !self.unasked && self.sockets.is_empty() {
            return None;
        }
        self.unasked = false;
        Some(Batch {
            generation: self.wished,
            engine: self.engines,
            sockets: std::mem::take(&mut self.sockets),
            purge: std::mem::take(&mut self.purge).into(),
            cut: std::mem::take(&mut self.cut).into(),
        })
    }

    /// Every worker has passed this batch.
    pub(crate) fn applied(&mut self, generation: Generation, engine: u64) {
        if engine == self.engines {
            self.applied = generation;
            self.tell(FromEdge::Applied { generation });
            self.look_for_idle();
        }
    }

    /// Reports draining targets that have become idle.
    pub(crate) fn look_for_idle(&mut self) {
        // With no engine there is nobody to tell; its Sync asks again.
        if self.engine.is_some() {
            let idle = self.groups.newly_idle(self.applied);
            self.tell_all(idle);
        }
    }
}

fn retry(me: Weak<RefCell<Plane>>, key: ListenerKey) -> OwnedTask {
    let task = tokio::task::spawn_local(async move {
        tokio::time::sleep(BIND_RETRY).await;
        if let Some(plane) = me.upgrade() {
            plane.borrow_mut().bind(&key);
        }
    });
    OwnedTask(task.abort_handle())
}
