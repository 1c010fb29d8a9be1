//! Deployments that fail: the breaker trips at its threshold, the old revision serves all along
//! (ECS-CB-1, ECS-CB-3, ECS-CB-6, BX-68, BX-69).

use serde_json::Value;

use crate::platform::{Load, LowWater, Platform, assert_flawless, find_service, system};

const SERVICE: &str = "broxiva-prod-search";

/// Deploys with these options, expects exit 1 with `words` on stderr, the old revision serving,
/// and the failed deployment stopped at exactly the threshold.
fn fails_and_rolls_back(options: &[&str], words: &[&str]) -> (Platform, Value) {
    let platform = Platform::up(&system("broxiva"), &["--env", "prod"]);
    let before = platform.service(SERVICE);
    let load = Load::start(&platform, &[platform.url(SERVICE)]);
    let low_water = LowWater::watch(&platform);

    let mut arguments = vec!["deploy", SERVICE];
    arguments.extend_from_slice(options);
    let output = platform.run(&arguments);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    for word in words {
        assert!(stderr.contains(word), "no {word:?} in: {stderr}");
    }

    let view = platform.until("rolled back and steady", |v| {
        let service = find_service(v, SERVICE);
        service["steady"] == true && service["revision"] == before["revision"]
    });
    let service = find_service(&view, SERVICE);
    let failed: Vec<&Value> = service["deployments"]
        .as_array()
        .expect("deployments")
        .iter()
        .filter(|d| d["rolloutState"] == "FAILED")
        .collect();
    assert_eq!(failed.len(), 1, "{service:#}");
    // Desired 2, so the threshold is 3.
    assert_eq!(failed[0]["failedTasks"], 3, "{service:#}");

    assert_flawless(&load.finish());
    for (group, healthy) in low_water.finish() {
        assert!(healthy >= 1, "{group} fell to {healthy} healthy targets");
    }
    (platform, service)
}

#[test]
fn tasks_that_crash() {
    let words = ["circuit breaker", "Essential container in task exited"];
    fails_and_rolls_back(&["--env-var", "STANDIN_EXIT_CODE=1"], &words);
}

#[test]
fn tasks_that_never_turn_healthy() {
    let options = ["--env-var", "STANDIN_HEALTH_STATUS=503"];
    fails_and_rolls_back(&options, &["circuit breaker", "health checks"]);
}

#[test]
fn an_image_that_does_not_exist() {
    let options = ["--image", "nowhere/nothing:v1"];
    let words = ["CannotPullContainerError", "nowhere/nothing:v1"];
    let (platform, _) = fails_and_rolls_back(&options, &words);
    let events = platform.ok(&["events", SERVICE]);
    for words in ["was unable to place a task", "deployment failed", "rolling back to deployment"] {
        assert!(events.contains(words), "{events}");
    }
}
