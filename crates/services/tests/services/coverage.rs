//! The table of operations against the service models, and the page that shows it to people.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use neargate_services::operations;
use neargate_wire::Models;

#[test]
fn every_operation_is_one_the_model_knows_and_stands_once() {
    let models = Models::embedded();
    let mut seen = BTreeSet::new();
    for (service, name, _) in operations() {
        let (known, _) = models.operations(service);
        assert!(known.contains(&name), "the model of {service} has no operation {name}");
        assert!(seen.insert((service, name)), "{service} {name} stands twice");
    }
}

/// Made anew by `UPDATE_EXPECT=1 cargo test -p neargate-services`.
#[test]
fn the_page_of_operations_is_up_to_date() {
    let page = page();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/aws-operations.md");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, page).expect("the page is written");
        return;
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(there == page, "docs/aws-operations.md is old: run the tests with UPDATE_EXPECT=1");
}

fn page() -> String {
    let models = Models::embedded();
    let mut page = String::from(
        "# AWS operations\n\nMade from the service models and the table of operations by a test of \
         `neargate-services`; do not edit.\n\nAn operation that is not served answers at once with \
         an error that names it.\n",
    );
    let mut services: Vec<&str> = models.services().collect();
    services.sort_unstable();
    for service in services {
        let served: BTreeSet<&str> =
            operations().filter(|(of, ..)| *of == service).map(|(_, name, _)| name).collect();
        let (known, others) = models.operations(service);
        let all: BTreeSet<&str> = known.into_iter().chain(others).collect();
        let missing: Vec<&str> = all.difference(&served).copied().collect();
        let _ = write!(page, "\n## {service}\n\n{} of {} served.\n", served.len(), all.len());
        for (title, names) in
            [("Served", served.into_iter().collect::<Vec<_>>()), ("Not served", missing)]
        {
            if !names.is_empty() {
                let _ = write!(page, "\n{title}: {}.\n", names.join(", "));
            }
        }
    }
    page
}
