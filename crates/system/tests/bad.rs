//! Every mistake in `bad/*.yaml` and what the user reads about it, in the `*.txt` beside it.
//!
//! A new mistake is a new file; `UPDATE_EXPECT=1 cargo test -p neargate-system --test bad` writes
//! what is said about it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use neargate_system::{Diagnostics, MAX_FILE_BYTES, load};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad")
}

fn refused(path: &Path) -> Diagnostics {
    match load(path) {
        Err(problems) => problems,
        Ok(_) => panic!("{} was accepted", path.display()),
    }
}

#[test]
fn every_mistake_is_explained() {
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut files: Vec<PathBuf> = fs::read_dir(folder())
        .expect("the folder of mistakes")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|end| end == "yaml"))
        .collect();
    files.sort();
    assert!(files.len() >= 90, "only {} mistakes", files.len());
    let mut wrong = Vec::new();
    for file in files {
        let problems = refused(&file);
        for problem in problems.problems() {
            // Whole-file problems aside, each message says where.
            let whole = problem.position.is_none();
            assert!(!whole || problem.message.contains("empty"), "{problem}");
            assert!(!problem.message.contains('\n'), "one line: {problem}");
        }
        let folder = format!("{}/", folder().display());
        let text = format!("{problems}\n").replace(&folder, "");
        let expected = file.with_extension("txt");
        if update {
            fs::write(&expected, &text).expect("written");
        } else if fs::read_to_string(&expected).unwrap_or_default() != text {
            wrong.push(text);
        }
    }
    assert!(wrong.is_empty(), "not as expected (UPDATE_EXPECT=1 accepts):\n{}", wrong.join("\n"));
}

#[test]
fn a_large_file_is_refused_unread() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("neargate.yaml");
    // 10 GB of nothing: reading it would take far longer than the test may.
    let file = fs::File::create(&path).expect("created");
    file.set_len(10 * 1024 * 1024 * 1024).expect("sparse");
    let started = Instant::now();
    let text = refused(folder.path()).to_string();
    assert!(text.ends_with(&format!(
        "neargate.yaml: is 10737418240 bytes long; expected a description of at most \
         {MAX_FILE_BYTES} bytes"
    )));
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn paths_that_lead_nowhere_are_explained() {
    let folder = tempfile::tempdir().expect("a folder");
    let systems = folder.path();
    fs::create_dir(systems.join("microservices")).expect("created");
    let text = refused(&systems.join("microservice")).to_string();
    assert!(text.contains("microservice: does not exist; expected a folder with a neargate.yaml"));
    assert!(text.contains("hint: did you mean `"), "{text}");
    assert!(text.contains("/microservices`?"), "{text}");
    let text = refused(&systems.join("microservices")).to_string();
    assert!(text.contains("microservices: the folder holds no neargate.yaml"), "{text}");
    fs::create_dir(systems.join("microservices/neargate.yaml")).expect("created");
    let text = refused(&systems.join("microservices")).to_string();
    assert!(text.contains("is not a file"), "{text}");
}

/// Root may read everything, so this says something only for other users.
#[cfg(unix)]
#[test]
fn a_file_without_permission_is_explained() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("neargate.yaml");
    fs::write(&path, "name: x\n").expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).expect("changed");
    let text = refused(&path).to_string();
    let denied = text.contains("cannot be read: permission denied");
    assert!(denied || fs::read(&path).is_ok(), "{text}");
}

#[cfg(unix)]
#[test]
fn a_device_is_not_read() {
    let text = refused(Path::new("/dev/zero")).to_string();
    assert!(text.contains("/dev/zero: is not a file"), "{text}");
}
