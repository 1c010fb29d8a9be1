//! How a modelled container behaves, read from the tag of its image, and how long things take.

use neargate_core::input::Exit;
use neargate_core::rng::Rng;
use neargate_core::time::SECOND;

/// How a container behaves once it is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Behaviour {
    /// The image does not exist.
    pub(crate) missing_image: bool,
    /// The process cannot be started.
    pub(crate) cannot_start: bool,
    /// It exits by itself that long after its start.
    pub(crate) exits: Option<(u64, Exit)>,
    /// How it answers when it listens.
    pub(crate) answers: Answers,
    /// It listens that much later than others.
    pub(crate) listens_late_ms: u64,
    /// It ignores the stop signal.
    pub(crate) ignores_stop_signal: bool,
    /// It takes that much longer than others to stop.
    pub(crate) stops_late_ms: u64,
}

/// How a container answers probes and requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Answers {
    /// 200.
    #[default]
    Well,
    /// 503 to health probes.
    Unavailable,
    /// Never.
    Never,
}

impl Behaviour {
    /// Reads `name:word+word`; words without a meaning here (`v1`) change nothing.
    pub(crate) fn of_image(image: &str) -> Self {
        let tag = image.rsplit_once(':').map_or("", |(_, tag)| tag);
        let mut behaviour = Self::default();
        for word in tag.split('+') {
            match word {
                "missing" => behaviour.missing_image = true,
                "nostart" => behaviour.cannot_start = true,
                "crash" => behaviour.exits = Some((300, Exit::Code(1))),
                "crash-late" => behaviour.exits = Some((20 * SECOND, Exit::Code(1))),
                "oom" => behaviour.exits = Some((5 * SECOND, Exit::OutOfMemory)),
                "once" => behaviour.exits = Some((SECOND, Exit::Code(0))),
                "once-fail" => behaviour.exits = Some((SECOND, Exit::Code(3))),
                "never-healthy" => behaviour.answers = Answers::Unavailable,
                "hang" => behaviour.answers = Answers::Never,
                "slow" => behaviour.listens_late_ms = 45 * SECOND,
                "stubborn" => behaviour.ignores_stop_signal = true,
                "slow-stop" => behaviour.stops_late_ms = 15 * SECOND,
                _ => {}
            }
        }
        behaviour
    }
}

/// A span of milliseconds to draw from, both ends included.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span(pub(crate) u64, pub(crate) u64);

impl Span {
    pub(crate) fn draw(self, rng: &mut Rng) -> u64 {
        self.0 + rng.below(self.1 - self.0 + 1)
    }
}

/// How long things take, and how reliable reports are.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) attach: Span,
    pub(crate) pull: Span,
    pub(crate) start: Span,
    pub(crate) listen: Span,
    pub(crate) shutdown: Span,
    pub(crate) release: Span,
    pub(crate) request: Span,
    /// From one request to a target group to the next; `None` for no traffic.
    pub(crate) request_every: Option<Span>,
    /// From a publication to its use by the edge.
    pub(crate) edge_apply_ms: u64,
    /// From the edge to the engine: one connection, so always the same and in order.
    pub(crate) edge_report_ms: u64,
    /// From the machine to the engine.
    pub(crate) report: Span,
    /// From an input to its journal entry being durable.
    pub(crate) sync_ms: u64,
    /// One report in so many comes twice; 0 for never.
    pub(crate) duplicate_one_in: u64,
    /// One time in so many the engine dies as its journal becomes durable: with the entries or
    /// without, but before anything that follows from them is done; 0 for never.
    pub(crate) crash_at_sync_one_in: u64,
    /// One pull or start in so many fails for no lasting reason; 0 for never.
    pub(crate) flaky_one_in: u64,
}

impl Settings {
    /// Round numbers, the same every time: for scripts and benchmarks.
    pub(crate) fn steady() -> Self {
        let exactly = |ms| Span(ms, ms);
        Self {
            attach: exactly(1_000),
            pull: exactly(2_000),
            start: exactly(500),
            listen: exactly(1_000),
            shutdown: exactly(1_000),
            release: exactly(500),
            request: exactly(200),
            request_every: None,
            edge_apply_ms: 10,
            edge_report_ms: 10,
            report: exactly(0),
            sync_ms: 0,
            duplicate_one_in: 0,
            crash_at_sync_one_in: 0,
            flaky_one_in: 0,
        }
    }

    /// Anything within reason.
    pub(crate) fn random(rng: &mut Rng) -> Self {
        let mut up_to = |low: u64, high: u64| Span(low, low + rng.below(high - low + 1));
        Self {
            attach: up_to(0, 5_000),
            pull: up_to(100, 20_000),
            start: up_to(10, 2_000),
            listen: up_to(0, 5_000),
            shutdown: up_to(0, 8_000),
            release: up_to(0, 3_000),
            request: up_to(5, 4_000),
            request_every: Some(up_to(500, 4_000)),
            edge_apply_ms: up_to(1, 500).1,
            edge_report_ms: up_to(0, 500).1,
            report: up_to(0, 1_000),
            sync_ms: up_to(0, 20).1,
            duplicate_one_in: 0,
            crash_at_sync_one_in: 0,
            flaky_one_in: 0,
        }
    }
}
