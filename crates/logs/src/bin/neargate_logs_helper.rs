//! Writers in processes of their own, for this crate's tests: they are killed, starved of disk, and
//! measured.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use neargate_logs::{DeliveryMode, Error, Pump, PumpState, SegmentLimits, StreamWriter};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments[..] {
        ["write", root, stream, batch] => write(Path::new(root), stream, batch),
        ["pump", root, stream, fifo, mode] => pump(Path::new(root), stream, Path::new(fifo), mode),
        _ => Err("write ROOT STREAM BATCH | pump ROOT STREAM FIFO blocking|BUFFER-BYTES".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nowhere else to say it if this fails.
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Appends `<sequence> <padding>` for ever, in batches of that many lines.
fn write(root: &Path, stream: &str, batch: &str) -> Outcome {
    let batch: u64 = batch.parse()?;
    let limits = SegmentLimits { bytes: 300_000, ..SegmentLimits::default() };
    let mut writer = StreamWriter::open_with(root, "g", stream, now_ms(), limits)?;
    loop {
        for _ in 0..batch {
            let sequence = writer.next_sequence();
            let padding = "x".repeat(usize::try_from(sequence % 700)?);
            let now = now_ms();
            writer.push(now, now, format!("{sequence} {padding}").as_bytes());
        }
        writer.commit(now_ms())?;
        writer.tick(now_ms())?;
    }
}

/// What a shim does, until the pipe ends. Says at last what it dropped and what CPU time it took.
fn pump(root: &Path, stream: &str, fifo: &Path, mode: &str) -> Outcome {
    let mode = match mode {
        "blocking" => DeliveryMode::Blocking,
        bytes => DeliveryMode::NonBlocking { buffer_bytes: bytes.parse()? },
    };
    let writer = StreamWriter::open(root, "g", stream, now_ms())?;
    let mut pump = Pump::new(File::open(fifo)?.into(), writer, mode, None)?;
    let mut failures = 0;
    loop {
        let now = now_ms();
        match pump.ready(now) {
            Ok(PumpState::Open) => {}
            Ok(PumpState::Ended) => break,
            Err(Error::Io { .. }) => failures += 1,
            Err(error) => return Err(error.into()),
        }
        let now = now_ms();
        let timeout = pump.deadline_ms().map(|at| (at - now).max(0));
        let timeout =
            timeout.map(|ms| Timespec { tv_sec: ms / 1000, tv_nsec: ms % 1000 * 1_000_000 });
        let events = PollFlags::IN;
        let wants_read = pump.wants_read(now);
        let mut fds = [PollFd::new(&pump, events)];
        let fds = if wants_read { &mut fds[..] } else { &mut [] };
        match poll(fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    pump.finish(now_ms())?;
    let on_cpu = std::fs::read_to_string("/proc/self/schedstat")?;
    let cpu_ns = on_cpu.split(' ').next().unwrap_or("0");
    writeln!(io::stdout(), "dropped {} failures {failures} cpu_ns {cpu_ns}", pump.dropped().lines)?;
    Ok(())
}
