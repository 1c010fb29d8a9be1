//! One file per command.

pub(crate) mod chaos;
pub(crate) mod completions;
pub(crate) mod deploy;
pub(crate) mod doctor;
pub(crate) mod down;
pub(crate) mod edge;
pub(crate) mod engine;
pub(crate) mod events;
pub(crate) mod exec;
pub(crate) mod images;
pub(crate) mod inventory;
pub(crate) mod load;
pub(crate) mod logs;
pub(crate) mod ps;
pub(crate) mod rollback;
pub(crate) mod scale;
pub(crate) mod secret;
pub(crate) mod status;
pub(crate) mod stop_task;
pub(crate) mod terraform;
pub(crate) mod up;
mod wait;

use crate::out;
use crate::render::Colours;

/// Colours for standard output.
fn stdout_colours() -> Colours {
    Colours(out::stdout_colours())
}

/// Colours for standard error.
fn stderr_colours() -> Colours {
    Colours(out::stderr_colours())
}
