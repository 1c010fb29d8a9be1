//! What a container writes, in its log stream.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;

use crate::machine::{Container, on_both, wait_until};

on_both! {
    /// ECS-TD-21. All of it is there by the time the exit is, also a last line without its end.
    fn ecs_td_21_output_is_a_stream_of_lines(backend) {
        let mut container =
            Container::new(backend, "echo one; echo two >&2; printf three; exit 3").logged();
        container.start();
        assert_eq!(container.wait_exit(), json!({ "Code": 3 }));
        assert_eq!(container.events(), ["one", "two", "three"]);
        container.assert_nothing_left();
    }
}

on_both! {
    /// What a program that logs to /dev/stdout by name does, as another user.
    fn another_user_can_open_its_output_again(backend) {
        let script = "echo one > /dev/stdout; echo two > /proc/self/fd/2; echo three >> /dev/stderr";
        let mut container =
            Container::new(backend, script).sandbox("user", json!("1000:1001")).logged();
        container.start();
        assert_eq!(container.wait_exit(), json!({ "Code": 0 }), "{:?}", container.events());
        assert_eq!(container.events(), ["one", "two", "three"]);
    }
}

on_both! {
    /// Without a shim a container goes on writing; the next shim takes it all.
    fn output_is_kept_for_the_next_shim(backend) {
        let script = "echo before; until test -e /go; do sleep 0.01; done; \
                      i=0; while test $i -lt 100; do echo line $i; i=$((i+1)); done; \
                      touch /done; exec sleep 1000";
        let mut container = Container::new(backend, script).logged();
        container.start();
        container.wait_pid();
        wait_until("the first line", || container.events() == ["before"]);
        container.kill_shim();
        container.exec_text("touch /go; until test -e /done; do sleep 0.01; done");
        container.adopt();
        wait_until("the rest", || container.events().len() == 101);
        let events = container.events();
        assert_eq!((events[1].as_str(), events[100].as_str()), ("line 0", "line 99"));
        container.stop(Signal::SIGKILL);
        container.wait_exit();
        container.assert_nothing_left();
    }
}

on_both! {
    /// Lines come at once, not with the next batch.
    fn a_line_is_there_within_a_moment(backend) {
        let mut container = Container::new(backend, "exec cat /pipe").logged();
        nix::unistd::mkfifo(&container.layer().join("pipe"), nix::sys::stat::Mode::S_IRWXU)
            .expect("made");
        container.start();
        container.wait_pid();
        let slowest = (0..10)
            .map(|number| {
                container.exec_text(&format!("echo line {number} >> /proc/1/fd/1"));
                let began = Instant::now();
                wait_until("the line", || container.events().len() > number);
                began.elapsed()
            })
            .max();
        assert!(slowest < Some(Duration::from_millis(500)), "{slowest:?}");
        container.stop(Signal::SIGKILL);
        container.wait_exit();
    }
}

/// Requirement of issue 3: ten thousand lines a second from one container, none lost.
#[test]
fn ten_thousand_lines_a_second_are_not_lost() {
    let lines = 50_000;
    let script = format!(
        "awk 'BEGIN {{ l = sprintf(\"%190s\", \"x\"); for (i = 0; i < {lines}; i++) print i, l }}'"
    );
    let mut container = Container::new(crate::machine::Backend::Libcontainer, &script).logged();
    let began = Instant::now();
    container.start();
    assert_eq!(container.wait_exit(), json!({ "Code": 0 }));
    let took = began.elapsed();
    let events = container.events();
    assert_eq!(events.len(), lines);
    for (number, event) in events.iter().enumerate() {
        assert!(event.starts_with(&format!("{number} ")), "{number}: {event}");
    }
    assert!(took < Duration::from_secs(5), "{lines} lines took {took:?}");
}
