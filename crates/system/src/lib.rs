//! `neargate.yaml`: one description of a system, checked and resolved per environment.
//!
//! The way of a file through this crate, each step one module:
//!
//! 1. `read` turns bytes into a tree of `node`s that remember line and column;
//! 2. `structure` compares the tree with the JSON Schema that `schema` derives from
//!    `document`, so an editor and the loader can never disagree about a key or a type;
//! 3. `layers` lays an environment over the base, the defaults and templates under each
//!    service, and fills in `${...}`; positions survive, so a message still points at the line
//!    that holds the wrong value;
//! 4. `resolve` checks what a schema cannot say and makes the [`System`];
//! 5. `commands` turns the environments asked for into what the platform is told.
//!
//! `terraform` goes another way from the tree: it writes the description as Terraform.
//!
//! Steps 2 and 4 do not stop at the first problem: whoever runs `neargate up` sees all of them.

mod commands;
mod diagnostics;
mod document;
mod layers;
mod node;
mod read;
mod resolve;
mod schema;
mod structure;
mod suggest;
mod system;
mod terraform;

pub use commands::{CommandOptions, ENVIRONMENT_TAG, Existing, SYSTEM_TAG};
pub use diagnostics::{Diagnostic, Diagnostics};
pub use read::{FILE_NAME, MAX_FILE_BYTES};
pub use schema::json_schema;
pub use system::{
    Environment, Image, ImageOrigin, LoadBalancer, Nat, Network, Scaling, Service, Subnet, System,
};

pub use terraform::{Root, terraform_root};

use std::path::Path;

/// Reads and checks a description: a folder that holds a `neargate.yaml`, or such a file.
///
/// # Errors
/// Every problem found, each with its place in the file and what was expected there.
pub fn load(path: &Path) -> Result<System, Diagnostics> {
    let source = read::source(path)?;
    from_source(&source)
}

/// Like [`load`], for a text that is already in memory. `name` stands for the file in messages;
/// relative paths of binaries start at its folder.
///
/// # Errors
/// As [`load`].
pub fn load_text(name: &Path, text: &str) -> Result<System, Diagnostics> {
    let source = read::Source { file: name.to_path_buf(), text: text.to_owned() };
    from_source(&source)
}

fn from_source(source: &read::Source) -> Result<System, Diagnostics> {
    checked(source).map(|(_, system)| system)
}

/// The tree, and the system it describes.
fn checked(source: &read::Source) -> Result<(node::Node, System), Diagnostics> {
    let root = read::parse(source)?;
    let mut problems = diagnostics::Problems::default();
    let readable = structure::check(&root, &mut problems);
    let system = if readable { resolve::system(&root, source, &mut problems) } else { None };
    match system {
        Some(system) if problems.is_empty() => Ok((root, system)),
        _ => Err(problems.finish(&source.file)),
    }
}
