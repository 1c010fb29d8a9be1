//! The store on the real file system: killed processes, locks, refused operations.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use neargate_store::{Error, Store};

/// Set in the child that this test binary starts of itself.
const CHILD_DIR: &str = "NEARGATE_STORE_TEST_DIR";

/// Not a test of its own: the body of the child that is killed. Without the variable it does
/// nothing.
#[test]
fn child_that_appends_until_killed() {
    let Ok(dir) = std::env::var(CHILD_DIR) else { return };
    let (mut store, recovered) = Store::open(Path::new(&dir)).expect("opens");
    let base = recovered.snapshot.map_or(0, |s| s.len());
    let mut out = std::io::stdout();
    for n in base + recovered.entries.len().. {
        store.append(&[n.to_string().into_bytes()]).expect("appends");
        writeln!(out, "acknowledged {n}").expect("parent reads");
        if n % 7 == 0 {
            // A snapshot as long as the entries it stands for.
            store.snapshot(&vec![b'.'; n + 1]).expect("snapshot");
        }
    }
}

/// kill -9 at many moments: everything the child acknowledged is there, in order.
#[test]
fn a_killed_process_loses_nothing_it_acknowledged() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let mut acknowledged = None;
    for round in 0..12 {
        let mut child = Command::new(std::env::current_exe().expect("own path"))
            .args(["--exact", "child_that_appends_until_killed", "--nocapture"])
            .env(CHILD_DIR, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut seen = 0;
        while seen < 3 + round * 5 {
            let line = lines.next().expect("child runs").expect("text");
            if let Some((_, n)) = line.split_once("acknowledged ") {
                acknowledged = Some(n.parse::<usize>().expect("number"));
                seen += 1;
            }
        }
        child.kill().expect("killed");
        child.wait().expect("reaped");
        // What it still said before it died was acknowledged too.
        for line in lines.map_while(Result::ok) {
            if let Some(n) = line.split_once("acknowledged ").and_then(|(_, n)| n.parse().ok()) {
                acknowledged = Some(n);
            }
        }

        let (_, recovered) = Store::open(dir.path()).expect("opens");
        let base = recovered.snapshot.map_or(0, |s| s.len());
        for (offset, entry) in recovered.entries.iter().enumerate() {
            assert_eq!(entry, (base + offset).to_string().as_bytes());
        }
        let newest = (base + recovered.entries.len()).checked_sub(1);
        assert!(newest >= acknowledged, "{newest:?} of {acknowledged:?}");
    }
}

#[test]
fn a_second_opening_is_refused_with_the_holders_pid() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let held = Store::open(dir.path()).expect("opens");
    let error = Store::open(dir.path()).err().expect("refused");
    let Error::InUse { pid, .. } = &error else { panic!("{error}") };
    assert_eq!(*pid, Some(std::process::id()));
    assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
    drop(held);
    assert!(Store::open(dir.path()).is_ok());
}

#[test]
fn superfluous_files_go_and_foreign_files_stay() {
    let dir = tempfile::tempdir().expect("temporary directory");
    std::fs::write(dir.path().join("notes.txt"), "mine").expect("written");
    let (mut store, _) = Store::open(dir.path()).expect("opens");
    for n in 0..3_u8 {
        store.append(&[vec![n]]).expect("appends");
        store.snapshot(&[n]).expect("snapshot");
    }
    drop(store);
    let mut names: Vec<String> = std::fs::read_dir(dir.path())
        .expect("readable")
        .map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert_eq!(names, ["lock", "notes.txt", "segment-0000000004", "snapshot-0000000004"]);
    let (_, recovered) = Store::open(dir.path()).expect("opens");
    assert_eq!((recovered.snapshot, recovered.entries.len()), (Some(vec![2]), 0));
}

#[test]
fn an_impossible_directory_is_named() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let file = dir.path().join("file");
    std::fs::write(&file, "").expect("written");
    let error = Store::open(&file.join("store")).err().expect("not a directory");
    assert!(error.to_string().contains("file/store"), "{error}");
}
