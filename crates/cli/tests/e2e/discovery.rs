//! Tasks find each other by name (CP-9, BX-41, BX-42).

use crate::platform::{Platform, system};
use crate::recovery::http_get;

/// BX-42: one service calls another by its discovery name; BX-41: the name follows the tasks.
#[test]
fn a_service_calls_another_by_its_name() {
    let platform = Platform::up(&system("broxiva"), &["--env", "prod"]);
    let api = platform.url("broxiva-prod-api");
    let call = format!("{api}?call=http://search.broxiva-prod.local:8003/search/anything");
    let answer = http_get(&call);
    let called = answer.to_string();
    assert!(called.contains("broxiva-prod-search"), "{answer:#}");

    platform.ok(&["scale", "broxiva-prod-search", "3"]);
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..60 {
        let answer = http_get(&call).to_string();
        for task in platform.running_tasks("broxiva-prod-search") {
            let id = task["id"].as_str().expect("id");
            if answer.contains(id) {
                seen.insert(id.to_owned());
            }
        }
        if seen.len() == 3 {
            return;
        }
    }
    panic!("the name reached only {} of 3 tasks", seen.len());
}
