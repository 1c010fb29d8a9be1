//! Where the time of `neargate up` goes: one `up`, taken apart by what its engine wrote down.
//!
//! Everything that changes a platform is in its journal with its time, so nothing is instrumented
//! and nothing runs slower for being measured.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use serde_json::{Deserializer, Value};

/// How a record of an input begins.
const RECORD: &[u8] = br#"{"Input":{"now":"#;

/// What to take apart.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The `neargate` to run; build it with `--release`.
    #[arg(long, default_value = "target/release/neargate")]
    binary: PathBuf,
    /// Folder of a neargate.yaml.
    #[arg(long, default_value = "systems/broxiva")]
    system: PathBuf,
    /// Its environment.
    #[arg(long, default_value = "prod")]
    env: String,
    /// How tasks are made.
    #[arg(long, default_value = "container")]
    driver: String,
}

/// What is seen of a platform on its way up, in the order of a task's life.
const STEPS: [(&str, &str); 6] = [
    ("Commands", "the description is accepted"),
    ("NetworkAttached", "interfaces and security groups stand"),
    ("ImagesPulled", "images are packed and unpacked"),
    ("ContainerStarted", "containers run"),
    ("ContainerHealth", "container health checks pass"),
    ("TargetHealthChanged", "targets are healthy"),
];

/// Measures and prints.
#[allow(clippy::print_stdout)] // The result is data on stdout.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let home = tempfile::tempdir().context("cannot make a temporary directory")?;
    let neargate = |words: &[&str]| -> Result<Output> {
        Command::new(&arguments.binary)
            .args(words)
            .arg("--home")
            .arg(home.path())
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("cannot run {}", arguments.binary.display()))
    };
    let system = arguments.system.display().to_string();
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is wrong")?;
    let began = Instant::now();
    let up = neargate(
        &[
            &["up", system.as_str(), "--env", arguments.env.as_str(), "--detach"][..],
            &["--ephemeral-ports", "--port", "0", "--driver", arguments.driver.as_str()],
        ]
        .concat(),
    );
    let took = began.elapsed();
    let seen = read_journal(&home.path().join("journal"));
    let down = neargate(&["down"]);
    let (up, seen) = (up?, seen?);
    ensure!(up.status.success(), "up: {}", String::from_utf8_lossy(&up.stderr));
    ensure!(down?.status.success(), "down failed; look into {}", home.keep().display());

    let start = u64::try_from(wall.as_millis()).unwrap_or(u64::MAX);
    println!("step                                   times   first ms   median ms   last ms");
    for (name, words) in STEPS {
        let Some(times) = seen.get(name) else { continue };
        let since = |at: u64| at.saturating_sub(start);
        let (first, last) = (times[0], times[times.len() - 1]);
        println!(
            "{words:<38} {:>5}   {:>8}   {:>9}   {:>7}",
            times.len(),
            since(first),
            since(times[times.len() / 2]),
            since(last)
        );
    }
    println!("{:<38} {:>5}   {:>8}   {:>9}   {:>7}", "up returns", 1, "", "", took.as_millis());
    Ok(())
}

/// Times of everything that was seen, by its name, earliest first.
fn read_journal(dir: &Path) -> Result<BTreeMap<String, Vec<u64>>> {
    let mut seen: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for entry in fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let bytes = fs::read(entry?.path())?;
        let starts = bytes.windows(RECORD.len()).enumerate().filter(|(_, at)| *at == RECORD);
        for (start, _) in starts {
            let mut records = Deserializer::from_slice(&bytes[start..]).into_iter::<Value>();
            // What is being written at this moment may be half.
            let Some(Ok(record)) = records.next() else { continue };
            let input = &record["Input"]["input"];
            let name = match &input["Observed"] {
                Value::Null if input["Commands"].is_array() => "Commands",
                Value::Object(observed) if is_good(observed) => {
                    observed.keys().next().map_or("", String::as_str)
                }
                _ => continue,
            };
            if let Some(now) = record["Input"]["now"].as_u64() {
                seen.entry(name.to_owned()).or_default().push(now);
            }
        }
    }
    seen.values_mut().for_each(|times| times.sort_unstable());
    Ok(seen)
}

/// Health counts when it has come, not on the way there.
fn is_good(observed: &serde_json::Map<String, Value>) -> bool {
    let state = match (observed.get("ContainerHealth"), observed.get("TargetHealthChanged")) {
        (Some(container), _) => container["health"].as_str(),
        (_, Some(target)) => target["health"]["state"].as_str(),
        _ => return true,
    };
    state.is_some_and(|state| state.eq_ignore_ascii_case("healthy"))
}
