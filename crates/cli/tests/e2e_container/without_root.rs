//! As far as it goes without root: a whole platform in a user namespace of an ordinary user.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::platform::system;

/// What is done in there, as the user: everything up, a command in a container, a request to it by
/// the load balancer, everything down.
const SCRIPT: &str = r#"
set -e
neargate() { command=$1; shift; "$PLACE/neargate" "$command" --home "$PLACE/home" "$@"; }
ip link set lo up
neargate up "$PLACE/system" --env test --detach --ephemeral-ports --port 0 --pace 20 --timeout 60
neargate exec test-auth-service -- "$PLACE/neargate" --version 2>/dev/null && exit 9
neargate exec test-auth-service -- /usr/local/bin/neargate --version
neargate load "$(neargate ps --json | grep -o 'http://[^"]*auth/')" --rate 50 --duration 1 --json
neargate status --json
neargate down
"#;

fn open_to_all(path: &Path) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).expect("ours");
}

/// On runc, because that one does without control groups; nothing is limited, and it is said.
#[test]
fn a_user_namespace_carries_a_platform() {
    let place = tempfile::tempdir().expect("a folder");
    open_to_all(place.path());
    let program = place.path().join("neargate");
    std::fs::copy(env!("CARGO_BIN_EXE_neargate"), &program).expect("copied");
    open_to_all(&program);
    let copied = Command::new("cp")
        .arg("-r")
        .args([system("microservices"), place.path().join("system")])
        .status()
        .expect("cp runs");
    assert!(copied.success());
    let home = place.path().join("home");
    std::fs::create_dir(&home).expect("made");
    std::os::unix::fs::chown(&home, Some(65534), Some(65534)).expect("root may");

    let output = Command::new("runuser")
        .args(["-u", "nobody", "--", "unshare", "-Urmnpf", "--mount-proc", "bash", "-c", SCRIPT])
        .env("PLACE", place.path())
        .env("HOME", &home)
        .current_dir("/")
        .stdin(Stdio::null())
        .output()
        .expect("runuser and unshare are in util-linux");
    let (said, complaints) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let log = std::fs::read_to_string(home.join("engine.log")).unwrap_or_default();
    assert!(output.status.success(), "{}\n{said}\n{complaints}\n{log}", output.status);
    assert!(log.contains("driver=runc"), "{log}");
    assert!(log.contains("nothing is limited"), "{log}");
    assert!(said.contains("\"failed\":0") || said.contains("\"failed\": 0"), "{said}");
}
