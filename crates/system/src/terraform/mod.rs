//! A description as Terraform: the root that makes the same platform on AWS.
//!
//! What is the same in every root lies as text in `root/`, with conditions at the ends of its
//! lines (`template`). What a system is, its services and environments, is written from the tree of
//! the description before any environment or variable is filled in (`expression`, `layer`), so the
//! root says it as the description does: once, with names for what differs. Modules do the rest.

mod environments;
mod expression;
mod hcl;
mod layer;
mod resources;
mod services;
mod template;

use std::collections::BTreeMap;
use std::path::Path;

use crate::diagnostics::Diagnostics;
use crate::node::{Node, Position};
use crate::read::{self, Source};
use expression::Description;

/// The files of a root: path below its folder to text.
pub type Root = BTreeMap<String, String>;

/// Something the modules cannot say.
#[derive(Debug)]
struct Refusal {
    at: Position,
    message: String,
}

type Written<T> = Result<T, Refusal>;

impl Refusal {
    fn new(at: Position, message: impl Into<String>) -> Refusal {
        Refusal { at, message: message.into() }
    }
}

/// Writes the Terraform root of the description at `path`, a folder or a file, for all its
/// environments or for one of them.
///
/// # Errors
/// What is wrong with the description, or what of it the Terraform modules cannot say.
pub fn terraform_root(path: &Path, only: Option<&str>) -> Result<Root, Diagnostics> {
    let source = read::source(path)?;
    let (root, system) = crate::checked(&source)?;
    if let Some(name) = only
        && system.environment(name).is_none()
    {
        let known = system.environments.iter().map(|e| e.name.as_str());
        let message =
            format!("there is no environment `{name}`; expected {}", crate::suggest::one_of(known));
        return Err(Diagnostics::one(&source.file, None, message));
    }
    let write = || {
        let description = Description::new(&source, &root, &system, only)?;
        files(&description)
    };
    write().map_err(|refusal| refused(&source, refusal))
}

fn refused(source: &Source, refusal: Refusal) -> Diagnostics {
    let Refusal { at, message } = refusal;
    let place = (at != Position::default()).then_some(at);
    Diagnostics::one(&source.file, place, format!("cannot be written as Terraform: {message}"))
}

fn files(description: &Description<'_>) -> Written<Root> {
    let mut root = Root::new();
    services::write(description, &mut root)?;
    template::write(description, &mut root)?;
    // Last: the others find out what environments differ in, and which names are used.
    environments::write(description, &mut root)?;
    for (name, text) in &mut root {
        if name.ends_with(".tf") {
            *text = hcl::align(text);
        }
    }
    Ok(root)
}

/// The node at that path, when it is there and not null.
fn at<'n>(node: &'n Node, path: &[&str]) -> Option<&'n Node> {
    let mut node = node;
    for step in path {
        node = node.get(step)?;
    }
    (!matches!(node.value, crate::node::Value::Null { .. })).then_some(node)
}
