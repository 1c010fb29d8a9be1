//! Commands in a running container.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;
use serde_json::json;

use crate::machine::{Container, SHIM, on_both};

on_both! {
    fn a_command_is_one_of_the_containers_processes(backend) {
        let mut container = Container::new(backend, "echo up; exec sleep 1000")
            .sandbox("user", json!("app"))
            .sandbox("working_directory", json!("/srv/app"))
            .with(|spec| spec["nofile"] = json!([123, 456]))
            .ready("up");
        let script = "id; pwd; echo $MODE $HOME; ulimit -n; hostname; cat /proc/1/comm; \
                      grep -E '^(CapEff|CapBnd|Seccomp):' /proc/self/status | tr -s '\\t\\n' '  '; echo; \
                      for ns in pid mnt net ipc uts cgroup; do \
                          test $(readlink /proc/self/ns/$ns) = $(readlink /proc/1/ns/$ns) || echo $ns; \
                      done 2>/dev/null; ls /proc/self/fd | wc -l; grep memory /proc/self/cgroup | cut -d: -f3";
        assert_eq!(
            container.exec_text(script),
            "uid=1000(app) gid=1001(app) groups=33(www),44(log),1001(app)\n/srv/app\n\
             test /srv/app\n123\nip-10-0-1-5.ec2.internal\nsleep\n\
             CapEff: 0000000000000000 CapBnd: 00000000a80425fb Seccomp: 2 \n4\n/\n"
        );
        container.stop(Signal::SIGKILL);
        container.wait_exit();
        container.assert_nothing_left();
    }
}

on_both! {
    fn input_output_and_exit_code_pass_through(backend) {
        let mut container = Container::new(backend, "echo up; exec sleep 1000").ready("up");
        let mut child = container
            .exec_command(&["sh", "-c", "cat; echo err >&2; exit 42"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("runs");
        child.stdin.take().expect("piped").write_all(b"hello\n").expect("read");
        let output = child.wait_with_output().expect("ends");
        assert_eq!((output.status.code(), &*output.stdout, &*output.stderr), (Some(42), &b"hello\n"[..], &b"err\n"[..]));
        assert_eq!(container.exec(&["sh", "-c", "kill -9 $$"]).status.code(), Some(137));
        let missing = container.exec(&["no-such-program"]);
        assert_eq!(missing.status.code(), Some(127));
        let said = String::from_utf8_lossy(&missing.stderr).into_owned();
        assert!(said.contains("executable file not found in $PATH"), "{said}");
        container.stop(Signal::SIGKILL);
        container.wait_exit();
        let gone = container.exec(&["true"]);
        assert_eq!(gone.status.code(), Some(1));
        let said = String::from_utf8_lossy(&gone.stderr).into_owned();
        assert!(said.contains("the container is not running"), "{said}");
    }
}

on_both! {
    /// A request to end the command's foreground process ends the command.
    fn a_command_ends_with_its_foreground(backend) {
        let mut container = Container::new(backend, "echo up; exec sleep 1000").ready("up");
        let mut child = container
            .exec_command(&["sh", "-c", "trap 'exit 5' TERM; echo ready; while :; do sleep 0.01; done"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("runs");
        let mut line = [0; 6];
        child.stdout.as_mut().expect("piped").read_exact(&mut line).expect("ready");
        let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).expect("a pid"));
        nix::sys::signal::kill(pid, Signal::SIGTERM).expect("ours");
        assert_eq!(child.wait().expect("ends").code(), Some(5));
        container.stop(Signal::SIGKILL);
        container.wait_exit();
    }
}

fn size(rows: u16, columns: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

/// Reads until this text has come.
#[track_caller]
fn expect(terminal: &mut File, seen: &mut String, text: &str) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !seen.contains(text) {
        assert!(Instant::now() < deadline, "never {text:?} in {seen:?}");
        let mut readable = [PollFd::new(terminal.as_fd(), PollFlags::POLLIN)];
        if poll(&mut readable, PollTimeout::from(100_u8)).expect("polled") == 0 {
            continue;
        }
        let mut buffer = [0; 4096];
        match terminal.read(&mut buffer) {
            Ok(count) => seen.push_str(&String::from_utf8_lossy(&buffer[..count])),
            Err(error) => panic!("{error} before {text:?} in {seen:?}"),
        }
    }
}

on_both! {
    fn a_terminal_is_a_real_one(backend) {
        let mut container = Container::new(backend, "echo up; exec sleep 1000")
            .sandbox("user", json!("app"))
            .ready("up");
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master: OwnedFd = rustix::pty::openpt(flags).expect("a terminal");
        rustix::pty::unlockpt(&master).expect("ours");
        let slave = rustix::pty::ioctl_tiocgptpeer(&master, flags).expect("its other end");
        rustix::termios::tcsetwinsize(&master, size(31, 97)).expect("ours");
        let before = rustix::termios::tcgetattr(&slave).expect("a terminal");
        // As in a person's terminal: session leader, with this one as its own.
        let mut child = Command::new("setsid")
            .args(["-c", "-w", SHIM, "shim", "exec"])
            .arg(container.dir())
            .args(["--tty", "--", "/bin/sh"])
            .stdin(slave.try_clone().expect("a copy"))
            .stdout(slave.try_clone().expect("a copy"))
            .stderr(slave.try_clone().expect("a copy"))
            .spawn()
            .expect("setsid runs");
        let mut terminal = File::from(master.try_clone().expect("a copy"));
        let mut seen = String::new();
        let say = |text: &str| {
            (&File::from(master.try_clone().expect("a copy"))).write_all(text.as_bytes()).expect("read");
        };
        expect(&mut terminal, &mut seen, "$ ");
        say("tty; stty size; id -u; echo $TERM\n");
        expect(&mut terminal, &mut seen, "/dev/pts/0\r\n31 97\r\n1000\r\nxterm\r\n");
        // Opened by name, which another user may do only with a terminal of its own.
        say("echo by-name > $(tty)\n");
        expect(&mut terminal, &mut seen, "\nby-name\r\n");
        rustix::termios::tcsetwinsize(&master, size(50, 120)).expect("ours");
        say("until stty size | grep '50 120'; do sleep 0.05; done\n");
        expect(&mut terminal, &mut seen, "\n50 120\r\n");
        // Ctrl-C goes to what runs in the foreground there, not to the shell or to us.
        say("sh -c 'echo begin; exec sleep 1000'\n");
        expect(&mut terminal, &mut seen, "\nbegin\r\n");
        say("\x03");
        say("echo code $?; exit 9\n");
        expect(&mut terminal, &mut seen, "\ncode 130\r\n");
        assert_eq!(child.wait().expect("ends").code(), Some(9), "{seen}");
        let after = rustix::termios::tcgetattr(&slave).expect("a terminal");
        assert_eq!(after.local_modes, before.local_modes, "restored");
        assert_eq!(after.output_modes, before.output_modes, "restored");
        container.stop(Signal::SIGKILL);
        container.wait_exit();
        container.assert_nothing_left();
    }
}
