//! What a container may not see, change or call.

use serde_json::json;

use crate::machine::{Backend, Container, SHIM, on_both, wait_until};

on_both! {
    /// Docker's default capabilities, for root and for others; setuid programs work.
    fn capabilities_are_dockers(backend) {
        let script = "grep -E '^(CapInh|CapPrm|CapEff|CapBnd|CapAmb|NoNewPrivs|Seccomp):' \
                      /proc/self/status | tr -s '\\t\\n' '  '";
        let root = Container::new(backend, script).output();
        assert_eq!(
            root.trim(),
            "CapInh: 0000000000000000 CapPrm: 00000000a80425fb CapEff: 00000000a80425fb \
             CapBnd: 00000000a80425fb CapAmb: 0000000000000000 NoNewPrivs: 0 Seccomp: 2"
        );
        let user = Container::new(backend, script).sandbox("user", json!("app")).output();
        assert_eq!(
            user.trim(),
            "CapInh: 0000000000000000 CapPrm: 0000000000000000 CapEff: 0000000000000000 \
             CapBnd: 00000000a80425fb CapAmb: 0000000000000000 NoNewPrivs: 0 Seccomp: 2"
        );
        let container = Container::new(backend, "id -u; su root -c 'id -u; grep CapEff /proc/self/status'")
            .sandbox("user", json!("app"))
            .sandbox("drop_capabilities", json!(["CAP_NET_RAW", "MKNOD"]));
        let busybox = container.layer().join("bin/busybox");
        let suid = std::os::unix::fs::PermissionsExt::from_mode(0o4755);
        std::fs::set_permissions(busybox, suid).expect("ours");
        assert_eq!(container.output(), "1000\n0\nCapEff:\t00000000a00405fb\n");
    }
}

on_both! {
    /// Calls that need no capability, so that only the filter refuses them.
    fn dangerous_calls_are_refused(backend) {
        let script = "unshare -U true 2>&1; linux32 uname -m; linux64 uname -m; \
                      mount -t tmpfs none /tmp 2>&1 && echo mounted; umount /proc 2>&1; true";
        let output = Container::new(backend, script).output();
        assert!(output.contains("unshare(0x10000000): Operation not permitted"), "{output}");
        assert!(output.contains("i686\n"), "harmless personalities are allowed: {output}");
        assert!(!output.contains("mounted") && output.contains("permission denied"), "{output}");
        assert!(output.ends_with("Operation not permitted\n"), "{output}");
    }
}

on_both! {
    fn the_host_is_out_of_sight(backend) {
        // Each where this kernel has it.
        let script = "for file in kcore timer_list keys interrupts; do \
                          test ! -s /proc/$file || wc -c < /proc/$file; done; ls -A /sys/firmware; \
                      (echo 1 > /proc/sys/kernel/panic) 2>&1; \
                      mkdir /sys/fs/cgroup/x 2>&1; \
                      cd /sys/fs/cgroup; test -e memory && cd memory; mkdir x 2>&1; cd /; set -- /proc/[0-9]*; echo $#; ls / | tr '\\n' ' '; \
                      ls /dev | tr '\\n' ' '; cat /sys/class/net/*/address | wc -l";
        let output = Container::new(backend, script).output();
        let lines: Vec<&str> = output.lines().collect();
        for line in &lines[..3] {
            assert!(line.contains("Read-only file system"), "{output}");
        }
        assert_eq!(lines[3], "1", "itself: {output}");
        let entries: Vec<&str> = lines[4].split(' ').collect();
        assert_eq!(entries[..8], ["bin", "dev", "etc", "proc", "root", "srv", "sys", "tmp"]);
        assert_eq!(
            entries[8..],
            [
                "core", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr",
                "stdin", "stdout", "tty", "urandom", "zero", "1"
            ]
            .into_iter()
            .filter(|name| *name != "core" || entries.contains(&"core"))
            .collect::<Vec<_>>()
        );
    }
}

on_both! {
    fn a_read_only_root_leaves_the_file_systems_in_memory(backend) {
        let script = "(echo x > /file) 2>&1; echo x > /dev/shm/file && echo shm; \
                      echo x > /scratch/file && df -m /scratch /dev/shm | awk 'NR>1{print $2}'; \
                      cat /etc/hosts";
        let container = Container::new(backend, script)
            .sandbox("readonly_root", json!(true))
            .sandbox("tmpfs", json!([{ "path": "/scratch", "size_mib": 7 }]));
        container.file("hosts", "10.0.1.5 me\n");
        let output = container.output();
        assert!(output.contains("can't create /file: Read-only file system"), "{output}");
        assert!(output.ends_with("shm\n7\n64\n10.0.1.5 me\n"), "{output}");
    }
}

on_both! {
    fn names_are_the_engines(backend) {
        let container = Container::new(backend, "cat /etc/resolv.conf /etc/hosts /etc/hostname");
        container.file("resolv.conf", "nameserver 10.0.0.2\n");
        container.file("hosts", "10.0.1.5 me\n");
        container.file("hostname", "me\n");
        assert_eq!(container.output(), "nameserver 10.0.0.2\n10.0.1.5 me\nme\n");
    }
}

on_both! {
    fn directories_are_shared_between_containers_of_a_task(backend) {
        let shared = tempfile::tempdir().expect("a directory");
        let bind = |read_only: bool| {
            json!([{ "source": shared.path(), "target": "/data/shared", "read_only": read_only }])
        };
        let writer = Container::new(backend, "echo hello > /data/shared/file");
        writer.sandbox("binds", bind(false)).output();
        let reader = Container::new(backend, "cat /data/shared/file; (echo x > /data/shared/file) 2>&1");
        let output = reader.sandbox("binds", bind(true)).with(|spec| {
            spec["argv"][2] = json!("cat /data/shared/file; (echo x > /data/shared/file) 2>&1; true");
        });
        let output = output.output();
        assert!(output.starts_with("hello\n") && output.contains("Read-only"), "{output}");
    }
}

on_both! {
    /// The task's namespace is joined; without one there is nothing but loopback.
    fn the_network_is_the_tasks(backend) {
        // Held by a process of the test, in the place of the engine's pin.
        let mut holder = std::process::Command::new("unshare")
            .args(["--net", "sleep", "1000"])
            .spawn()
            .expect("unshare runs");
        let path = format!("/proc/{}/ns/net", holder.id());
        let own = std::fs::read_link("/proc/self/ns/net").expect("/proc");
        wait_until("a namespace", || std::fs::read_link(&path).is_ok_and(|ns| ns != own));
        let theirs = std::fs::read_link(&path).expect("it lives").display().to_string();
        let output = Container::new(backend, "readlink /proc/self/ns/net")
            .sandbox("network", json!(path))
            .output();
        holder.kill().expect("ours");
        holder.wait().expect("ours");
        assert_eq!(output.trim(), theirs);
        let alone = Container::new(backend, "readlink /proc/self/ns/net; ls /sys/class/net").output();
        assert!(!alone.contains(&own.display().to_string()) && !alone.contains(&theirs), "{alone}");
        assert!(alone.ends_with("lo\n"), "{alone}");
    }
}

on_both! {
    /// Nothing of the shim's: no descriptor, and of namespaces that others have pinned no mount.
    fn nothing_is_inherited(backend) {
        let mut container = Container::new(backend, "echo up; exec sleep 1000").ready("up");
        let table = std::fs::read_to_string(format!("/proc/{}/mountinfo", container.pid()));
        assert!(!table.expect("it lives").contains(" nsfs "));
        let shim = container.pid_in("shim.pid");
        let table = std::fs::read_to_string(format!("/proc/{shim}/mountinfo")).expect("it lives");
        let own = table.lines().find(|line| line.contains(&format!(" {SHIM} ")));
        assert!(own.is_some_and(|line| line.contains(" ro,")), "a file that no container changes");
        let open = std::fs::read_dir(format!("/proc/{}/fd", container.pid())).expect("it lives");
        assert_eq!(open.count(), 3);
        container.stop(nix::sys::signal::Signal::SIGKILL);
        container.wait_exit();
    }
}

on_both! {
    /// A program begins with what Docker's begin with, whatever the engine had.
    fn signals_and_umask_are_the_defaults(backend) {
        let script = "grep -E '^(SigBlk|SigIgn|SigCgt):' /proc/self/status | cut -f2 | tr '\\n' ' '; umask";
        let expected = "0000000000000000 0000000000000000 0000000000000000 0022\n";
        let mut container =
            Container::new(backend, &format!("{script}; echo up; exec sleep 1000")).ready("up");
        // Signals 32 and 33 are the C library's own; ignored, nobody can set them back.
        let plain = |text: String| text.replace(" 0000000180000000 ", " 0000000000000000 ")
            .replace(" 0000000080000000 ", " 0000000000000000 ");
        assert_eq!(plain(container.log()), format!("{expected}up\n"));
        assert_eq!(plain(container.exec_text(script)), expected);
        container.stop(nix::sys::signal::Signal::SIGKILL);
        container.wait_exit();
        let output = Container::new(backend, script).sandbox("init_process", json!(true)).output();
        assert_eq!(plain(output), expected);
    }
}

/// The init process under runc is this program as a file: it can be read there, not written to.
#[test]
fn a_guest_cannot_write_to_the_shims_program() {
    let script = "for f in /proc/1/exe /dev/init/neargate; do (echo x >> $f) 2>&1; done; \
                  ls /proc/1/fd | tr '\\n' ' '";
    let output = Container::new(Backend::Runc, &format!("{script}; true"))
        .sandbox("init_process", json!(true))
        .output();
    let refusals = ["Read-only file system", "Text file busy"];
    let refused: usize = refusals.iter().map(|text| output.matches(text).count()).sum();
    assert_eq!(refused, 2, "{output}");
    assert!(output.ends_with("\n0 1 2 "), "nothing else is open in it: {output}");
}

/// The init process is a copy of the shim: the container must not get at the program behind it.
#[test]
fn the_shims_program_is_out_of_reach() {
    let script =
        "(cat /proc/1/exe) 2>&1 | head -c 100; (echo x >> /proc/1/exe) 2>&1; ls /proc/1/fd 2>&1";
    let output = Container::new(Backend::Libcontainer, &format!("{script}; true"))
        .sandbox("init_process", json!(true))
        .output();
    assert_eq!(output.matches("ermission denied").count(), 2, "{output}");
    assert!(output.ends_with("\n0\n1\n2\n"), "nothing of the shim's is open in it: {output}");
}
