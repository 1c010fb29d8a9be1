//! The store as its users see it: writers and readers in processes of their own, real files, real
//! pipes.

mod crash;
mod events;
mod following;
mod groups;
mod harness;
mod pumping;
mod retention;
