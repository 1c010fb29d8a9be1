//! AWS Cloud Map: namespaces, services and instances.
//!
//! What DNS answers is the platform's: its discovery services with the tasks that are their
//! instances. A namespace, and whatever a client said about a service beyond that, is a record.
//! What `neargate.yaml` names is shown without one. Ids are made from names, so what is made again
//! under its old name has its old id.

mod instances;
mod namespaces;
mod operations;
mod services;
mod tagging;

use neargate_core::Rejection;
use serde_json::{Value, json};

use crate::error::{self, AwsError};
use crate::page::{self, Page};
use crate::{Table, fields};

pub(crate) const OPERATIONS: Table = &[
    ("CreateHttpNamespace", namespaces::create_http),
    ("CreatePrivateDnsNamespace", namespaces::create_private_dns),
    ("CreateService", services::create),
    ("DeleteNamespace", namespaces::delete),
    ("DeleteService", services::delete),
    ("DiscoverInstances", instances::discover),
    ("GetInstance", instances::get),
    ("GetInstancesHealthStatus", instances::health),
    ("GetNamespace", namespaces::get),
    ("GetOperation", operations::get),
    ("GetService", services::get),
    ("ListInstances", instances::list),
    ("ListNamespaces", namespaces::list),
    ("ListOperations", operations::list),
    ("ListServices", services::list),
    ("ListTagsForResource", tagging::list),
    ("TagResource", tagging::tag),
    ("UntagResource", tagging::untag),
    ("UpdateHttpNamespace", namespaces::update),
    ("UpdateInstanceCustomHealthStatus", instances::set_health),
    ("UpdatePrivateDnsNamespace", namespaces::update),
    ("UpdateService", services::update),
];

/// ERR-CM-1, ERR-CM-3.
fn not_found(code: &str, which: &str) -> AwsError {
    error::client(code, which)
}

/// ERR-CM-1.
fn invalid(message: impl Into<String>) -> AwsError {
    error::client("InvalidInput", message)
}

/// ERR-CM-1.
fn in_use(message: impl Into<String>) -> AwsError {
    error::client("ResourceInUse", message)
}

/// A rejection of the core.
pub(crate) fn refused(rejection: &Rejection) -> AwsError {
    match rejection {
        Rejection::NotFound { kind: "discovery service", name, .. } => {
            not_found("ServiceNotFound", name)
        }
        Rejection::NotFound { kind: "discovery instance", name, .. } => {
            not_found("InstanceNotFound", name)
        }
        _ => invalid(rejection.to_string()),
    }
}

fn page<T>(
    input: &Value,
    entries: Vec<T>,
    key: impl Fn(&T) -> String,
) -> Result<Page<T>, AwsError> {
    let size = fields::number(input, "MaxResults").map_or(100, |n| n as usize).max(1);
    page::page(entries, key, false, fields::text(input, "NextToken"), size)
        .map_err(|_| invalid("The next token is not valid."))
}

fn listed(member: &str, entries: Vec<Value>, next: Option<String>) -> Value {
    let mut answer = json!({ member: entries });
    fields::set(&mut answer, "NextToken", next);
    answer
}

/// Whether an entry passes every filter; a filter this does not know passes nothing.
fn passes(input: &Value, values: &[(&str, &str)]) -> bool {
    fields::list(input, "Filters").iter().all(|filter| {
        let name = fields::text(filter, "Name").unwrap_or_default();
        let wanted = fields::texts(filter, "Values");
        let begins = fields::text(filter, "Condition") == Some("BEGINS_WITH");
        values.iter().filter(|(known, _)| *known == name).any(|(_, value)| {
            wanted.iter().any(|w| if begins { value.starts_with(w) } else { value == w })
        })
    })
}
