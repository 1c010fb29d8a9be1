//! One client connection as its worker sees it: what it is waiting for and until when. Requests arm
//! no timer of their own; the worker's sweeper wakes connections whose deadline has passed.

use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;

use http::HeaderMap;

use crate::clock::Clock;
use crate::socket::Outbox;
use crate::target::Target;
use crate::tunnel::Tunnel;

/// A client has this long to send a whole request head, however slowly (real milliseconds).
pub(crate) const HEAD_TIMEOUT_MS: u64 = 30_000;

/// What the connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Between requests.
    Idle,
    /// Some bytes of a request head have come. Further bytes do not move the deadline.
    Head,
    /// A connection to the target is being made. Nothing moves the deadline.
    Connecting,
    /// A request is being served.
    Busy,
    /// The answer is handed over, not yet written out.
    Answered,
}

/// The state of one client connection, shared by its reader, its requests and the sweeper.
#[derive(Debug)]
pub(crate) struct Client {
    /// The client's address, as X-Forwarded-For spells it.
    pub(crate) peer: Box<str>,
    /// Emptied headers of the last request, whose room the next answer's headers take.
    pub(crate) spare_headers: RefCell<HeaderMap>,
    /// Where its sockets list what they have to write.
    pub(crate) outbox: Rc<Outbox>,
    clock: Rc<Clock>,
    phase: Cell<Phase>,
    deadline_ms: Cell<u64>,
    idle_timeout_ms: Cell<u64>,
    served: Cell<u64>,
    /// An extra moment to be woken at, 0 for none.
    alarm_ms: Cell<u64>,
    cut: Cell<bool>,
    /// Address of the target its request or tunnel is at; 0 for none. Only compared: whoever set
    /// it keeps the target alive.
    target: Cell<usize>,
    waker: RefCell<Option<Waker>>,
    /// Set by an accepted upgrade, taken when HTTP is over.
    pub(crate) tunnel: RefCell<Option<Tunnel>>,
}

impl Client {
    pub(crate) fn new(
        peer: IpAddr,
        clock: Rc<Clock>,
        outbox: Rc<Outbox>,
        idle_timeout_ms: u64,
    ) -> Self {
        let deadline = clock.now_ms().saturating_add(idle_timeout_ms);
        Self {
            peer: peer.to_string().into(),
            spare_headers: RefCell::default(),
            outbox,
            clock,
            phase: Cell::new(Phase::Idle),
            deadline_ms: Cell::new(deadline),
            idle_timeout_ms: Cell::new(idle_timeout_ms),
            served: Cell::new(0),
            alarm_ms: Cell::new(0),
            cut: Cell::new(false),
            target: Cell::new(0),
            waker: RefCell::new(None),
            tunnel: RefCell::new(None),
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// Requests begun so far.
    pub(crate) fn served(&self) -> u64 {
        self.served.get()
    }

    fn rearm(&self, timeout_ms: u64) {
        self.deadline_ms.set(self.clock.now_ms().saturating_add(timeout_ms));
    }

    /// A request begins.
    pub(crate) fn begin(&self, idle_timeout_ms: u64) {
        self.idle_timeout_ms.set(idle_timeout_ms);
        self.served.set(self.served.get() + 1);
        self.enter(Phase::Busy);
    }

    /// Changes the phase and starts its time anew.
    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.set(phase);
        self.rearm(self.idle_timeout_ms.get());
    }

    /// A connection to the target is being made, for so long at most.
    pub(crate) fn connecting(&self, timeout_ms: u64) {
        self.phase.set(Phase::Connecting);
        self.rearm(timeout_ms);
    }

    /// The answer is complete as far as the target is concerned.
    pub(crate) fn answered(&self) {
        self.alarm_ms.set(0);
        if self.phase.get() != Phase::Answered {
            self.enter(Phase::Answered);
        }
    }

    /// Bytes went to or came from either side.
    pub(crate) fn progress(&self) {
        if !matches!(self.phase.get(), Phase::Head | Phase::Connecting) {
            self.rearm(self.idle_timeout_ms.get());
        }
    }

    /// Bytes came from the client.
    pub(crate) fn received(&self) {
        if self.phase.get() == Phase::Idle {
            self.phase.set(Phase::Head);
            self.rearm(HEAD_TIMEOUT_MS.min(self.idle_timeout_ms.get()));
        } else {
            self.progress();
        }
    }

    /// Everything there was to write is written.
    pub(crate) fn flushed(&self) {
        if self.phase.get() == Phase::Answered {
            self.phase.set(Phase::Idle);
        }
    }

    /// Nothing moved for as long as the phase allows.
    pub(crate) fn expired(&self) -> bool {
        self.clock.now_ms() >= self.deadline_ms.get()
    }

    /// Expired, and those waiting had their chance to act on it.
    pub(crate) fn overdue(&self) -> bool {
        self.clock.now_ms() >= self.deadline_ms.get().saturating_add(2_000)
    }

    /// Shortens the time left.
    pub(crate) fn hurry(&self, timeout_ms: u64) {
        let by = self.clock.now_ms().saturating_add(timeout_ms);
        self.deadline_ms.set(self.deadline_ms.get().min(by));
    }

    /// Asks for a wake-up in addition to the deadline.
    pub(crate) fn set_alarm(&self, in_ms: u64) {
        self.alarm_ms.set(self.clock.now_ms().saturating_add(in_ms));
    }

    /// Whether the moment asked for has come.
    pub(crate) fn alarm_rang(&self) -> bool {
        let at = self.alarm_ms.get();
        at != 0 && self.clock.now_ms() >= at
    }

    pub(crate) fn clear_alarm(&self) {
        self.alarm_ms.set(0);
    }

    /// Whether the sweeper should wake it.
    pub(crate) fn is_due(&self) -> bool {
        self.expired() || self.alarm_rang()
    }

    /// Remembers who to wake.
    pub(crate) fn register(&self, waker: &Waker) {
        let mut slot = self.waker.borrow_mut();
        match &*slot {
            Some(current) if current.will_wake(waker) => {}
            _ => *slot = Some(waker.clone()),
        }
    }

    pub(crate) fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    /// Its request or tunnel is at this target.
    pub(crate) fn set_target(&self, target: &Arc<Target>) {
        self.target.set(Arc::as_ptr(target) as usize);
    }

    /// Its request or tunnel is over.
    pub(crate) fn clear_target(&self) {
        self.target.set(0);
    }

    /// Ends what it has at this target (ALB-TG-10: the deregistration delay is over).
    pub(crate) fn cut_if_at(&self, target: &Arc<Target>) {
        if self.target.get() == Arc::as_ptr(target) as usize {
            self.cut.set(true);
            self.wake();
        }
    }

    /// Whether the request in flight must end now.
    pub(crate) fn is_cut(&self) -> bool {
        self.cut.get()
    }

    pub(crate) fn clear_cut(&self) {
        self.cut.set(false);
    }
}
