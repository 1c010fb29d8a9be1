//! What every driver promises, as a table: wishes, and what is then reported, in this order and
//! nothing else. The real drivers are held to it here, the modelled machine of `crates/sim` by its
//! own test, which includes this file: what the scheduler was tried with is what it meets.

/// What the task's one container is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// Runs until SIGTERM, then exits with 0.
    Polite,
    /// Runs, whatever SIGTERM says.
    Stubborn,
    /// Exits with 0 by itself.
    Ends,
    /// Exits with [`FAILS_WITH`] by itself.
    Fails,
    /// Is no program.
    Unstartable,
    /// Has an image that does not exist.
    Missing,
    /// Polite, with a health check that passes.
    Healthy,
    /// Polite, with a health check that fails.
    Sick,
}

/// The exit code of [`Program::Fails`].
pub(crate) const FAILS_WITH: i32 = 3;

/// What is asked of a driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Attach,
    Pull,
    Start,
    Stop,
    Kill,
    Release,
}

/// What a driver says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Report {
    Attached,
    Pulled,
    /// The task failed, for a reason that begins so.
    TaskFailed(&'static str),
    Started,
    /// The container failed, for a reason that begins so.
    Failed(&'static str),
    Healthy,
    Unhealthy,
    /// It exited with this code.
    Exited(i32),
    /// SIGKILL ended it, or, had it no time to say that it wants no SIGTERM, that.
    Signalled,
    /// Nobody knows how it ended, or that it ever ran.
    Gone,
    Released,
}

/// A task's life under these wishes: the wishes of one line are made at once, those of the next
/// when everything was reported that the line says.
pub(crate) struct Promise {
    pub(crate) name: &'static str,
    pub(crate) program: Program,
    pub(crate) life: &'static [(&'static [Wish], &'static [Report])],
}

use Report::{
    Attached, Exited, Failed, Gone, Healthy, Pulled, Released, Signalled, Started, TaskFailed,
    Unhealthy,
};
use Wish::{Attach, Kill, Pull, Release, Start, Stop};

/// How the reasons of ECS-STOP-8 begin.
const NO_IMAGE: &str = "CannotPullContainerError: ";
const NO_START: &str = "CannotStartContainerError: ";

/// All of them.
pub(crate) const PROMISES: &[Promise] = &[
    Promise {
        name: "a whole life",
        program: Program::Polite,
        life: &[
            (&[Attach], &[Attached]),
            (&[Pull], &[Pulled]),
            (&[Start], &[Started]),
            (&[Stop], &[Exited(0)]),
            (&[Release], &[Released]),
        ],
    },
    Promise {
        name: "an exit of its own",
        program: Program::Ends,
        life: &[
            (&[Attach], &[Attached]),
            (&[Start], &[Started, Exited(0)]),
            (&[Release], &[Released]),
        ],
    },
    Promise {
        name: "ECS-TASK-8: the exit code is the program's",
        program: Program::Fails,
        life: &[
            (&[Attach], &[Attached]),
            (&[Start], &[Started, Exited(FAILS_WITH)]),
            (&[Release], &[Released]),
        ],
    },
    Promise {
        name: "SIGTERM may be ignored, SIGKILL not",
        program: Program::Stubborn,
        life: &[
            (&[Attach], &[Attached]),
            (&[Start], &[Started]),
            (&[Stop, Kill], &[Signalled]),
            (&[Release], &[Released]),
        ],
    },
    Promise {
        name: "a kill without a stop",
        program: Program::Polite,
        life: &[
            (&[Attach], &[Attached]),
            (&[Start], &[Started]),
            (&[Kill], &[Signalled]),
            (&[Release], &[Released]),
        ],
    },
    Promise {
        name: "a wish made twice repeats the report and starts nothing twice",
        program: Program::Polite,
        life: &[
            (&[Attach], &[Attached]),
            (&[Attach], &[Attached]),
            (&[Pull], &[Pulled]),
            (&[Pull], &[Pulled]),
            (&[Start], &[Started]),
            (&[Start], &[Started]),
            (&[Stop], &[Exited(0)]),
            (&[Stop], &[Started, Exited(0)]),
            (&[Kill], &[Started, Exited(0)]),
            (&[Start], &[Started, Exited(0)]),
            (&[Release], &[Released]),
            (&[Release], &[Released]),
        ],
    },
    Promise {
        name: "a stop of what was never started",
        program: Program::Polite,
        life: &[
            (&[Stop], &[Gone]),
            (&[Attach], &[Attached]),
            (&[Stop], &[Gone]),
            (&[Kill], &[Gone]),
            (&[Release], &[Released]),
            (&[Stop], &[Gone]),
        ],
    },
    Promise {
        name: "a stop and a kill right behind the start are not lost",
        program: Program::Stubborn,
        life: &[
            (&[Attach], &[Attached]),
            (&[Start, Stop, Kill], &[Started, Signalled]),
            (&[Release], &[Released]),
        ],
    },
    Promise {
        name: "ECS-STOP-8: an image that does not exist",
        program: Program::Missing,
        life: &[
            (&[Attach], &[Attached]),
            (&[Pull], &[TaskFailed(NO_IMAGE)]),
            (&[Release], &[Released]),
        ],
    },
    Promise {
        name: "ECS-STOP-8: a command that cannot be run",
        program: Program::Unstartable,
        life: &[
            (&[Attach], &[Attached]),
            (&[Pull], &[Pulled]),
            (&[Start], &[Failed(NO_START)]),
            (&[Start], &[Failed(NO_START)]),
            (&[Release], &[Released]),
        ],
    },
    Promise {
        name: "ECS-TD-13: health is told when it changes",
        program: Program::Healthy,
        life: &[
            (&[Attach], &[Attached]),
            (&[Start], &[Started, Healthy]),
            (&[Start], &[Started, Healthy]),
            (&[Stop], &[Exited(0)]),
            (&[Stop], &[Started, Healthy, Exited(0)]),
            (&[Release], &[Released]),
        ],
    },
    Promise {
        name: "ECS-TD-13: a check that fails",
        program: Program::Sick,
        life: &[
            (&[Attach], &[Attached]),
            (&[Start], &[Started, Unhealthy]),
            (&[Kill], &[Signalled]),
            (&[Release], &[Released]),
        ],
    },
];
