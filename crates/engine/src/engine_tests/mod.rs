//! The whole engine on a real journal, with a machine and an edge made of memory.

mod durability;
mod edge;
mod full_disk;
mod machine;
mod metadata;
mod process;
pub(crate) mod rig;
pub(crate) mod samples;
mod taking_down;
mod together;
