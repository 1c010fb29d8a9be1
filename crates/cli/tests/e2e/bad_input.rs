//! Wrong files, taken ports, two homes: said plainly, nothing lost.

use std::net::TcpListener;

use crate::platform::{Platform, system};

/// A file with a mistake changes nothing, names file and line, and exits 2.
#[test]
fn a_wrong_file_is_refused_with_file_and_line() {
    let platform = Platform::up(&system("microservices"), &["--env", "test"]);
    let before = platform.view();
    let source = system("microservices").join("neargate.yaml");
    let text = std::fs::read_to_string(source).expect("the system's file");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("neargate.yaml");
    std::fs::write(&file, text.replacen("services:", "servises:", 1)).expect("written");
    let path = folder.path().to_str().expect("UTF-8");
    let output = platform.run(&["up", path, "--detach", "--driver", crate::DRIVER]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    let line = text.lines().position(|l| l.starts_with("services:")).expect("services") + 1;
    assert!(stderr.contains(&format!("neargate.yaml:{line}:")), "{stderr}");
    assert!(stderr.contains("servises"), "{stderr}");
    assert_eq!(platform.view()["services"], before["services"]);
}

/// A listener port somebody else holds is reported with who holds it, never stolen; once it is
/// free the listener takes it.
#[test]
fn a_taken_listener_port_is_reported_and_taken_once_free() {
    let holder = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = holder.local_addr().expect("address").port();
    let source = system("microservices").join("neargate.yaml");
    let text = std::fs::read_to_string(source).expect("the system's file");
    let folder = tempfile::tempdir().expect("a folder");
    assert_eq!(text.matches("hostPort: 8080").count(), 1, "one HTTP listener");
    let text = text.replace("hostPort: 8080", &format!("hostPort: {port}"));
    std::fs::write(folder.path().join("neargate.yaml"), text).expect("written");

    let platform = Platform::new();
    let path = folder.path().to_str().expect("UTF-8");
    let arguments = [
        "up",
        path,
        "--detach",
        "--port",
        "0",
        "--pace",
        "20",
        "--env",
        "test",
        "--driver",
        crate::DRIVER,
    ];
    let output = platform.run(&arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains(&port.to_string()), "{stderr}");
    assert!(stderr.contains(&std::process::id().to_string()), "names the holder: {stderr}");

    drop(holder);
    platform.ok(&arguments);
}

/// Several homes run side by side without disturbing each other.
#[test]
fn two_homes_side_by_side() {
    let one = Platform::up(&system("microservices"), &["--env", "test"]);
    let two = Platform::up(&system("microservices"), &["--env", "test"]);
    assert_ne!(one.url("test-auth-service"), two.url("test-auth-service"));
    two.ok(&["down"]);
    let answer = crate::recovery::http_get(&one.url("test-auth-service"));
    assert_eq!(answer["service"], "test-auth-service");
}
