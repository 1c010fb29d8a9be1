//! Hundreds of tasks, and a machine as before.

use std::sync::Arc;

use neargate_core::effect::TaskLaunch;
use neargate_core::input::Exit;
use neargate_runtime::Driver;

use crate::life::POLITE;
use crate::machine::{assert_as_before, assert_reaped, traces};
use crate::rig::{APP, Rig};
use crate::storage::with_storage;

/// Tasks in all, and at once.
const TASKS: usize = 500;
const AT_ONCE: usize = 10;

/// Tasks with storage of their own.
const WITH_STORAGE: usize = 100;

/// No namespace, interface, mount, control group, file or zombie of 500 tasks stays.
#[test]
fn five_hundred_tasks_leave_nothing() {
    leave_nothing(TASKS, |launch| launch);
}

/// Nor a loop device of those that have a file system of their own.
#[test]
fn tasks_with_storage_leave_nothing() {
    leave_nothing(WITH_STORAGE, |launch| with_storage(&launch, 21));
}

fn leave_nothing(tasks: usize, change: impl Fn(Arc<TaskLaunch>) -> Arc<TaskLaunch>) {
    let rig = Rig::new(Driver::Container);
    rig.release(rig.ready(&rig.script("echo up"), "up"));
    let before = traces(&rig);
    let mut processes = Vec::new();
    for _ in 0..tasks / AT_ONCE {
        rig.forget_reports();
        let ids: Vec<_> = (0..AT_ONCE).map(|_| rig.start(&change(rig.script(POLITE)))).collect();
        for id in &ids {
            rig.wait_started(*id, APP);
            rig.wait_log(*id, "up");
            processes.extend(["pid", "shim.pid"].map(|file| rig.pid_in(*id, file).expect(file)));
            rig.runtime().stop_container(*id, APP);
        }
        for id in &ids {
            assert_eq!(rig.wait_exit(*id), Exit::Code(0));
            rig.runtime().release_task(*id);
        }
        for id in &ids {
            rig.release(*id);
        }
    }
    assert_as_before(&rig, &before);
    assert_reaped(&processes);
}
