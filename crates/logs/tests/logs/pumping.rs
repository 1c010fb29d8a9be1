//! The pump on real pipes: rate, loss, drops.

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use neargate_logs::{
    DeliveryMode, Dropped, GetEvents, LogStore, MESSAGE_BYTES_MAX, Multiline, Pump, PumpState,
};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::harness::{Helper, Rig, wait_until};

fn field(report: &str, name: &str) -> u64 {
    let mut words = report.split_whitespace();
    words.find(|word| *word == name);
    words.next().and_then(|number| number.parse().ok()).expect("a number in the helper's report")
}

fn end_report(mut helper: Helper) -> String {
    let mut report = String::new();
    helper.0.stdout.take().unwrap().read_to_string(&mut report).unwrap();
    assert!(helper.0.wait().unwrap().success());
    report
}

#[test]
fn ten_thousand_lines_a_second_without_loss() {
    const LINES: usize = 30_000;
    let rig = Rig::new();
    let fifo = rig.root().join("output");
    mkfifo(&fifo, Mode::S_IRWXU).unwrap();
    let arguments = ["pump", rig.root().to_str().unwrap(), "s", fifo.to_str().unwrap(), "blocking"];
    let helper = Helper::start(&arguments);
    let mut container = OpenOptions::new().write(true).open(&fifo).unwrap();
    let start = Instant::now();
    for i in 0..LINES {
        // One write for each line, as a program without buffering does it, at 10,000 a second.
        container.write_all(format!("{i:08} {}\n", "x".repeat(190)).as_bytes()).unwrap();
        let due = start + Duration::from_micros(100) * u32::try_from(i).unwrap();
        if let Some(early) = due.checked_duration_since(Instant::now())
            && early > Duration::from_millis(1)
        {
            std::thread::sleep(early);
        }
    }
    drop(container);
    let report = end_report(helper);
    let took = start.elapsed();
    let texts = rig.texts("s");
    assert_eq!(texts.len(), LINES);
    for (i, text) in texts.iter().enumerate() {
        assert!(text.starts_with(&format!("{i:08} ")), "line {i} is {text}");
    }
    assert_eq!(field(&report, "dropped"), 0);
    assert!(took < Duration::from_secs(15), "3 s worth of lines took {took:?}");
}

/// `cargo test --config profile.dev.package.neargate-logs.opt-level=3 -- --ignored measure` prints
/// what a million lines cost.
#[test]
#[ignore = "a measurement, not a test"]
fn measure_cpu_of_a_million_lines() {
    const LINES: usize = 1_000_000;
    for paced in [true, false] {
        let rig = Rig::new();
        let fifo = rig.root().join("output");
        mkfifo(&fifo, Mode::S_IRWXU).unwrap();
        let arguments =
            ["pump", rig.root().to_str().unwrap(), "s", fifo.to_str().unwrap(), "10485760"];
        let helper = Helper::start(&arguments);
        let mut container = OpenOptions::new().write(true).open(&fifo).unwrap();
        let line = format!("{}\n", "x".repeat(199));
        let lines = if paced { LINES / 10 } else { LINES };
        let start = Instant::now();
        for i in 0..lines {
            container.write_all(line.as_bytes()).unwrap();
            let due = start + Duration::from_micros(100) * u32::try_from(i).unwrap();
            if paced && let Some(early) = due.checked_duration_since(Instant::now()) {
                std::thread::sleep(early);
            }
        }
        drop(container);
        let report = end_report(helper);
        let cpu_s = field(&report, "cpu_ns") as f64 / 1e9 * (LINES / lines) as f64;
        let mut out = std::io::stderr();
        let how = if paced { "10,000 lines/s" } else { "as fast as possible" };
        writeln!(out, "{how}: {cpu_s:.2} CPU s per million lines, {:?}", start.elapsed()).unwrap();
    }
}

#[test]
fn lines_are_cut_joined_and_the_last_needs_no_newline() {
    let rig = Rig::new();
    let (reader, writer) = std::io::pipe().unwrap();
    let mut pump =
        Pump::new(reader.into(), rig.writer("s"), DeliveryMode::default(), None).unwrap();
    let mut container = &writer;
    container.write_all(b"one\n\ntwo\r\nno newline").unwrap();
    assert_eq!(pump.ready(1000).unwrap(), PumpState::Open);
    assert_eq!(rig.texts("s"), ["one", "two\r"], "no empty events, lines as they are");
    assert!(!pump.wants_read(1001), "a small read is followed by a pause");
    assert_eq!(pump.deadline_ms(), Some(1020));
    assert!(pump.wants_read(1020));
    container.write_all(&[0xff, 0xfe]).unwrap();
    drop(writer);
    assert_eq!(pump.ready(1020).unwrap(), PumpState::Open);
    assert_eq!(pump.ready(1041).unwrap(), PumpState::Ended);
    assert!(!pump.wants_read(2000));
    pump.finish(1042).unwrap();
    let events = rig.all("s");
    assert_eq!(events[2].message, b"no newline\xff\xfe", "bytes are kept");
    assert_eq!(events[2].text(), "no newline\u{fffd}\u{fffd}");
    assert_eq!(events[2].timestamp_ms, 1042);
}

#[test]
fn a_long_line_becomes_events_of_256_kib() {
    let rig = Rig::new();
    let (reader, mut writer) = std::io::pipe().unwrap();
    let mut pump = Pump::new(reader.into(), rig.writer("s"), DeliveryMode::Blocking, None).unwrap();
    let feeder = std::thread::spawn(move || {
        writer.write_all(&vec![b'x'; 600_000]).unwrap();
        writer.write_all(b"\nnext\n").unwrap();
    });
    wait_until("the pipe ends", || pump.ready(5).unwrap() == PumpState::Ended);
    feeder.join().unwrap();
    pump.finish(6).unwrap();
    let lengths: Vec<usize> = rig.all("s").iter().map(|event| event.message.len()).collect();
    assert_eq!(lengths, [MESSAGE_BYTES_MAX, MESSAGE_BYTES_MAX, 600_000 - 2 * MESSAGE_BYTES_MAX, 4]);
}

#[test]
fn ecs_td_21_lines_are_joined_by_a_pattern() {
    let rig = Rig::new();
    let (reader, mut writer) = std::io::pipe().unwrap();
    let multiline = Multiline::pattern("^ERROR").unwrap();
    let mut pump =
        Pump::new(reader.into(), rig.writer("s"), DeliveryMode::Blocking, Some(multiline)).unwrap();
    writer.write_all(b"ERROR a\n  at x\nERROR b\n").unwrap();
    pump.ready(1000).unwrap();
    assert_eq!(rig.texts("s"), ["ERROR a\n  at x\n"]);
    pump.ready(6000).unwrap();
    assert_eq!(rig.texts("s").len(), 2, "nothing followed for five seconds");
}

#[test]
fn a_small_step_back_of_the_clock_keeps_the_order_of_lines() {
    let rig = Rig::new();
    let (reader, mut writer) = std::io::pipe().unwrap();
    let mut pump = Pump::new(reader.into(), rig.writer("s"), DeliveryMode::Blocking, None).unwrap();
    for (line, at) in [("a\n", 10_000), ("b\n", 9_000), ("c\n", 9_900)] {
        writer.write_all(line.as_bytes()).unwrap();
        pump.ready(at).unwrap();
    }
    assert_eq!(rig.texts("s"), ["a", "b", "c"]);
}

#[test]
fn a_deleted_stream_does_not_hold_the_container_up() {
    let rig = Rig::new();
    let (reader, mut writer) = std::io::pipe().unwrap();
    let mut pump = Pump::new(reader.into(), rig.writer("s"), DeliveryMode::Blocking, None).unwrap();
    rig.store.delete_stream("g", "s").unwrap();
    writer.write_all(b"lost\n").unwrap();
    assert!(pump.ready(1000).unwrap_err().is_gone());
    assert!(pump.wants_read(1100));
    assert_eq!(pump.dropped(), Dropped { lines: 1, bytes: 4 });
    rig.store.create_stream("g", "s", 0).unwrap();
    writer.write_all(b"kept\n").unwrap();
    pump.ready(2000).unwrap();
    assert_eq!(rig.texts("s"), ["kept"]);
}

/// Runs the body of the test `name` in a mount namespace of its own, on a disk of 4 MiB: this test
/// binary runs that test again there.
fn on_a_tiny_disk(name: &str, body: impl FnOnce(&Path)) {
    const DISK: &str = "NEARGATE_LOGS_TINY_DISK";
    if let Some(disk) = std::env::var_os(DISK) {
        return body(Path::new(&disk));
    }
    let own = std::env::current_exe().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=4m tiny \"$1\" && exec \"$2\" --exact \"$3\"";
    let output = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"])
        .args([dir.path().as_os_str(), own.as_os_str(), name.as_ref()])
        .env(DISK, dir.path())
        .output()
        .expect("unshare (util-linux) is installed");
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(
        output.status.success() && out.contains("1 passed"),
        "needs the right to mount a tmpfs in a mount namespace (root, or CAP_SYS_ADMIN): {out}{err}"
    );
}

fn fill(disk: &Path) -> std::path::PathBuf {
    let path = disk.join("ballast");
    let mut file = fs::File::create(&path).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    path
}

#[test]
#[cfg_attr(not(feature = "root-tests"), ignore = "needs root: --features root-tests")]
fn ecs_td_23_a_full_disk_drops_and_counts_without_blocking() {
    let name = "pumping::ecs_td_23_a_full_disk_drops_and_counts_without_blocking";
    on_a_tiny_disk(name, non_blocking_on_a_full_disk);
}

fn non_blocking_on_a_full_disk(disk: &Path) {
    let store = LogStore::open(disk).unwrap();
    store.create_group("g", None, Default::default(), 0).unwrap();
    let stream = neargate_logs::StreamWriter::open(disk, "g", "s", 0).unwrap();
    let (reader, mut writer) = std::io::pipe().unwrap();
    let mode = DeliveryMode::NonBlocking { buffer_bytes: 400_000 };
    let mut pump = Pump::new(reader.into(), stream, mode, None).unwrap();
    let ballast = fill(disk);
    let line = [&[b'y'; 999][..], b"\n"].concat();
    let mut now = 1000;
    let mut failures = 0;
    for _ in 0..1000 {
        writer.write_all(&line).unwrap();
        now += 20;
        failures += i32::from(pump.ready(now).is_err_and(|error| error.is_disk_full()));
    }
    assert!(failures > 10, "the disk is full: {failures}");
    let dropped = pump.dropped();
    assert!((500..700).contains(&dropped.lines), "{dropped:?}");
    assert_eq!(dropped.bytes, dropped.lines * 999);
    assert_eq!(store.dropped("g", "s").unwrap(), dropped, "the counter works on a full disk");
    fs::remove_file(ballast).unwrap();
    writer.write_all(b"again\n").unwrap();
    pump.ready(now + 1000).unwrap();
    pump.finish(now + 2000).unwrap();
    let get = GetEvents { group: "g", stream: "s", from_head: true, ..Default::default() };
    let events = store.get_events(&get).unwrap().events;
    assert_eq!(events.len() as u64, 1000 - dropped.lines + 1, "what was not dropped is there");
    assert_eq!(events.last().unwrap().message, b"again");
    let notices = store.drop_notices("g", "s").unwrap();
    assert_eq!(notices.iter().map(|n| n.dropped.lines).sum::<u64>(), dropped.lines);
}

#[test]
#[cfg_attr(not(feature = "root-tests"), ignore = "needs root: --features root-tests")]
fn a_full_disk_makes_a_blocking_container_wait_and_loses_nothing() {
    let name = "pumping::a_full_disk_makes_a_blocking_container_wait_and_loses_nothing";
    on_a_tiny_disk(name, blocking_on_a_full_disk);
}

fn blocking_on_a_full_disk(disk: &Path) {
    let store = LogStore::open(disk).unwrap();
    store.create_group("g", None, Default::default(), 0).unwrap();
    let stream = neargate_logs::StreamWriter::open(disk, "g", "s", 0).unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    let mut pump = Pump::new(reader.into(), stream, DeliveryMode::Blocking, None).unwrap();
    let ballast = fill(disk);
    let flags = nix::fcntl::OFlag::O_NONBLOCK;
    nix::fcntl::fcntl(writer.as_fd(), nix::fcntl::FcntlArg::F_SETFL(flags)).unwrap();
    let mut container = &writer;
    let mut written = 0;
    let mut now = 1000;
    let mut refused = 0;
    while refused < 5 {
        let line = format!("{written:0999}\n");
        match container.write(line.as_bytes()) {
            Ok(1000) => written += 1,
            Ok(n) => panic!("a line shorter than a page came in parts: {n}"),
            Err(_) => {
                // The pipe is full and stays so, however often the pump is called.
                refused += 1;
                now += 300;
                let _ = pump.ready(now);
            }
        }
    }
    assert_eq!(pump.dropped(), Dropped::default());
    fs::remove_file(ballast).unwrap();
    drop(writer);
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        now += 300;
        if pump.ready(now).unwrap() == PumpState::Ended {
            break;
        }
        assert!(Instant::now() < deadline, "the pump reads on");
    }
    pump.finish(now).unwrap();
    assert_eq!(store.dropped("g", "s").unwrap(), Dropped::default());
    assert_eq!(store.stream_info("g", "s").unwrap().next_sequence - 1, written);
    let get = GetEvents { group: "g", stream: "s", from_head: true, ..Default::default() };
    let events = store.get_events(&get).unwrap().events;
    assert!(written > 1000, "more than a page, and more than the pipe takes: {written}");
    for (i, event) in events.iter().enumerate() {
        assert_eq!(event.text(), format!("{i:0999}"));
    }
}
