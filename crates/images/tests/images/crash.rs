//! A process that works on a store is killed at many points; what it leaves is right.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use neargate_images::{BinaryImage, ImageStore};

use crate::support::{Layout, Node, options, tar};

/// Set for the process that is going to be killed.
const VICTIM: &str = "NEARGATE_IMAGES_VICTIM";

/// The content of an image's files tells which image it is.
fn content(round: usize) -> Vec<u8> {
    format!("round {round} ").repeat(40_000).into_bytes()
}

/// Not a test of its own: what the killed process does.
#[test]
fn victim() {
    let Ok(directory) = std::env::var(VICTIM) else { return };
    let directory = PathBuf::from(directory);
    let store = ImageStore::open(directory.join("store")).expect("opened");
    let say = |what: &str| {
        let mut out = std::io::stdout().lock();
        writeln!(out, "victim: {what}").and_then(|()| out.flush()).expect("heard");
    };
    for round in 0.. {
        let layout = Layout::new(&directory.join("layout"));
        let shared = tar(&[("shared", Node::File(b"always"))]);
        layout.image("v1", &[shared, tar(&[("file", Node::File(&content(round)))])]);
        say("layout");
        store.import_layout(&layout.path, &options(&format!("image{round}"))).expect("imported");
        say("imported");
        store.resolve(&format!("image{round}:v1")).expect("resolved");
        say("resolved");
        let program = BinaryImage { program: "/bin/true".into(), ..BinaryImage::default() };
        store.put_binary("packed", "v1", &program).expect("packed");
        say("packed");
        if round > 1 {
            store.delete_repository(&format!("image{}", round - 2), true).expect("deleted");
            say("deleted");
            store.collect_garbage(&BTreeSet::new(), Duration::ZERO).expect("freed");
            say("freed");
            store.delete_repository("packed", true).expect("deleted");
        }
    }
}

/// Starts the victim and kills it after it has said so many things, while it does the next.
fn kill_after(directory: &Path, said: usize) {
    let mut victim = Command::new(std::env::current_exe().expect("own path"))
        .args(["--exact", "crash::victim", "--nocapture"])
        .env(VICTIM, directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("started");
    let output = BufReader::new(victim.stdout.take().expect("piped"));
    let heard = output.lines().map_while(Result::ok).filter(|line| line.contains("victim: "));
    let heard = heard.take(said).count();
    // Work goes on for moments that differ from round to round.
    for _ in 0..said * 5_000 {
        std::hint::black_box(said);
    }
    victim.kill().expect("killed");
    victim.wait().expect("ended");
    assert_eq!(heard, said, "the victim ended by itself");
}

#[test]
fn a_killed_process_leaves_what_was_or_what_is() {
    let directory = tempfile::tempdir().expect("temporary directory");
    for said in 0..16 {
        kill_after(directory.path(), said);
        let store = ImageStore::open(directory.path().join("store")).expect("opened");
        assert_eq!(fs::read_dir(store.root().join("staging")).expect("listed").count(), 0);
        for repository in store.repositories() {
            for image in store.images(&repository.name).expect("listed") {
                let resolved = store.resolve(&format!("{}@{}", repository.name, image.digest));
                let resolved = resolved.unwrap_or_else(|error| panic!("after {said}: {error}"));
                if let Some(round) = repository.name.strip_prefix("image") {
                    let round = round.parse().expect("number");
                    let read =
                        |layer: usize, name: &str| fs::read(resolved.layers[layer].join(name));
                    assert_eq!(read(0, "shared").expect("there"), b"always");
                    assert!(read(1, "file").expect("there") == content(round), "after {said}");
                }
            }
            store.delete_repository(&repository.name, true).expect("deleted");
        }
        store.collect_garbage(&BTreeSet::new(), Duration::ZERO).expect("freed");
        for left in ["blobs/sha256", "layers", "repositories"] {
            let count = fs::read_dir(store.root().join(left)).expect("listed").count();
            assert_eq!(count, 0, "{left} after {said}");
        }
    }
}
