//! `ephemeralStorage` as a task definition says it (ECS-TD-5).

use std::sync::Arc;

use neargate_core::effect::TaskLaunch;
use neargate_runtime::{Driver, Meter, Secrets};

use crate::machine::{assert_as_before, loop_devices, traces};
use crate::rig::{APP, Rig, kill, on_containers, shell, wait_until};

const GIB: u64 = 1 << 30;

/// The same task with this much storage.
pub(crate) fn with_storage(launch: &TaskLaunch, gib: u32) -> Arc<TaskLaunch> {
    let mut launch = launch.clone();
    Arc::make_mut(&mut launch.definition).ephemeral_storage_gib = gib;
    Arc::new(launch)
}

/// GiB of the file system that the container writes to.
fn size(rig: &Rig, id: neargate_core::id::TaskId) -> f64 {
    let said = rig.exec_text(id, "busybox stat -f -c '%b %S' /");
    let numbers: Vec<f64> = said.split_whitespace().map(|n| n.parse().expect("a number")).collect();
    numbers[0] * numbers[1] / GIB as f64
}

on_containers! {
    /// 21 GiB for both containers together; the metadata's figure is what is used of them, whatever
    /// the file behind it takes. Space is taken without writing, so the test needs no such disk.
    fn ecs_td_5_the_storage_is_the_tasks(driver) {
        const SIDE: &str = "side";
        let rig = Rig::new(driver);
        rig.release(rig.ready(&rig.script("echo up"), "up"));
        let before = traces(&rig);
        let take = |gib: u64| format!("busybox fallocate -l {} /big; echo took $?", gib * GIB);
        let app = shell(APP, &format!("{}; exec busybox sleep 1000", take(12)));
        let side = shell(SIDE, &format!("{}; exec busybox sleep 1000", take(12)));
        let launch = with_storage(&rig.task(vec![app, side]), 21);
        let id = rig.ready(&launch, "took 0");
        let size = size(&rig, id);
        assert!((20.0..=21.0).contains(&size), "{size} GiB");
        let meter = Meter::new(rig.home());
        let used = meter.storage_bytes(id).expect("measured");
        assert!((12 * GIB..13 * GIB).contains(&used), "{used}");

        rig.runtime().start_container(Arc::clone(&launch), SIDE.into(), Ok(Secrets::new()));
        wait_until("the other tries", || rig.log_of(id, SIDE).contains("took"));
        let said = rig.log_of(id, SIDE);
        assert!(said.contains("No space left on device") && said.contains("took 1"), "{said}");
        assert_eq!(loop_devices(rig.home()).len(), 1);
        rig.release(id);
        assert_eq!(meter.storage_bytes(id), None);
        assert_as_before(&rig, &before);
    }
}

on_containers! {
    /// The 20 GiB that nobody asked for are not made.
    fn unsaid_storage_costs_nothing(driver) {
        let rig = Rig::new(driver);
        let id = rig.ready(&rig.script("echo up; exec busybox sleep 1000"), "up");
        assert_eq!(loop_devices(rig.home()), Vec::<String>::new());
        rig.release(id);
    }
}

/// Engine, shim and container are killed at once; whoever comes next finds nothing but files, and
/// releases them.
#[test]
fn killed_together_they_leave_no_device() {
    let mut rig = Rig::new(Driver::Container);
    rig.release(rig.ready(&rig.script("echo up"), "up"));
    let before = traces(&rig);
    let launch = with_storage(&rig.script("echo up; exec busybox sleep 1000"), 21);
    let id = rig.ready(&launch, "up");
    assert_eq!(loop_devices(rig.home()).len(), 1);
    rig.kill_engine();
    let container = rig.pid(id);
    rig.kill_shim(id);
    kill(container);
    wait_until("the device is gone", || loop_devices(rig.home()).is_empty());
    rig.start_engine();
    rig.release(id);
    assert_as_before(&rig, &before);
}
