//! Hundreds of tasks, and a machine as before.

use neargate_core::input::Exit;
use neargate_runtime::Driver;

use crate::life::POLITE;
use crate::machine::{assert_as_before, assert_reaped, traces};
use crate::rig::{APP, Rig};

/// Tasks in all, and at once.
const TASKS: usize = 500;
const AT_ONCE: usize = 10;

/// No namespace, interface, mount, control group, file or zombie of 500 tasks stays.
#[test]
fn five_hundred_tasks_leave_nothing() {
    let rig = Rig::new(Driver::Container);
    rig.release(rig.ready(&rig.script("echo up"), "up"));
    let before = traces(&rig);
    let mut processes = Vec::new();
    for _ in 0..TASKS / AT_ONCE {
        rig.forget_reports();
        let ids: Vec<_> = (0..AT_ONCE).map(|_| rig.start(&rig.script(POLITE))).collect();
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
