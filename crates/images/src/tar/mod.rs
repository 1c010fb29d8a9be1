//! The tar format as layers use it.
//!
//! The reader is our own because its input is hostile: extension headers (long names, extended
//! attributes) are bounded before they are read, every length is checked once, in one place, and
//! names stay bytes. Layers come from Go's, GNU's and BSD's writers: ustar, GNU long names, PAX.

mod header;
mod pax;
mod read;
mod write;

pub(crate) use read::{Entry, Kind, TarError, TarReader};
pub(crate) use write::TarWriter;

/// Everything in a tar archive is a multiple of this.
const BLOCK: usize = 512;
