//! Spot reclaims and a lost zone under load (CP-61, BX-74, CP-101).

use crate::platform::{Load, Platform, assert_flawless, system};

/// ECS-CP-4: every Spot task is reclaimed with notice; replacements serve before anything fails.
#[test]
fn a_spot_reclaim_drops_nothing() {
    let platform = Platform::up(&system("customer-order-portal"), &["--env", "production"]);
    platform.ok(&["scale", "gateway-service", "3"]);
    let before = platform.running_tasks("gateway-service");
    assert!(before.iter().all(|t| t["capacity"] == "FARGATE_SPOT"), "{before:#?}");
    let load = Load::start(&platform, &[platform.url("gateway-service")]);

    platform.ok(&["chaos", "spot", "gateway-service", "--count", "2"]);
    let view = platform.until("two interrupted tasks are gone", |v| {
        let tasks = v["tasks"].as_array().expect("tasks").iter();
        let interrupted = tasks.filter(|t| {
            t["service"] == "gateway-service"
                && t["stopCode"] == "SpotInterruption"
                && t["status"] == "STOPPED"
        });
        interrupted.count() == 2
    });
    platform.until_steady("gateway-service");
    assert_eq!(platform.running_tasks("gateway-service").len(), 3);
    let reasons: Vec<_> = view["tasks"]
        .as_array()
        .expect("tasks")
        .iter()
        .filter(|t| t["stopCode"] == "SpotInterruption")
        .map(|t| t["stoppedReason"].clone())
        .collect();
    assert!(reasons.iter().all(|r| r == "Your Spot Task was interrupted."), "{reasons:?}");
    assert_flawless(&load.finish());
}

/// CP-101: a zone is lost. Only requests in flight at a killed task may fail; later ones never do.
#[test]
fn a_lost_zone_fails_only_what_was_in_flight_there() {
    let platform = Platform::up(&system("customer-order-portal"), &["--env", "production"]);
    platform.ok(&["scale", "gateway-service", "4"]);
    let tasks = platform.running_tasks("gateway-service");
    let zone = tasks[0]["zone"].as_str().expect("zone").to_owned();
    let lost = tasks.iter().filter(|t| t["zone"] == zone.as_str()).count();
    assert_eq!(lost, 2, "four tasks over two zones");

    // Every request takes 50 ms, so that about ten are in flight at any time.
    let url = format!("{}?sleep_ms=50", platform.url("gateway-service"));
    let load = Load::start(&platform, &[url]);
    platform.until("both zones carry load", |_| load.started.elapsed().as_millis() > 500);
    let killed_at_ms = load.started.elapsed().as_millis() as u64;
    platform.ok(&["chaos", "zone", &zone]);
    platform.until_steady("gateway-service");
    let after = platform.running_tasks("gateway-service");
    assert_eq!(after.len(), 4);
    assert!(after.iter().all(|t| t["zone"] != zone.as_str()), "{after:#?}");

    let done_at_ms = load.started.elapsed().as_millis() as u64;
    platform.until("load goes on after recovery", |_| {
        load.started.elapsed().as_millis() as u64 > done_at_ms + 500
    });
    let report = load.finish();
    let failed = report["failed"].as_u64().expect("failed");
    // 200/s for 50 ms each is 10 in flight, half of them in the lost zone; the rest is scheduling.
    assert!(failed <= 20, "more failed than can have been in flight: {report:#}");
    for error in report["errors"].as_array().expect("errors") {
        let at_ms = error["at_ms"].as_u64().expect("at_ms");
        assert!(
            (killed_at_ms.saturating_sub(500)..killed_at_ms + 1500).contains(&at_ms),
            "failed long before or after the loss at {killed_at_ms}: {error}"
        );
    }

    platform.ok(&["chaos", "zone", &zone, "--restore"]);
    platform.until("rebalanced over both zones", |_| {
        let tasks = platform.running_tasks("gateway-service");
        tasks.len() == 4 && tasks.iter().filter(|t| t["zone"] == zone.as_str()).count() == 2
    });
}
