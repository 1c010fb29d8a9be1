//! The process driver with real shims and real processes, each test in a home of its own.

mod containers;
mod machine;
mod re_adoption;
