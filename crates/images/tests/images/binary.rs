//! `binary:` images: packed once, the same everywhere, and they run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use neargate_images::BinaryImage;

use crate::support::{Rig, listing, require_root};

fn program(path: impl Into<PathBuf>) -> BinaryImage {
    BinaryImage { program: path.into(), ..BinaryImage::default() }
}

fn run_in(root: &Path, argv: &[&str]) -> (bool, String) {
    let output = Command::new("chroot")
        .arg(root)
        .args(argv)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin")
        .output()
        .expect("chroot runs");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
#[cfg_attr(not(feature = "root-tests"), ignore = "needs root: --features root-tests")]
fn a_dynamic_program_runs_with_nothing_but_its_layer() {
    require_root();
    let rig = Rig::new();
    let image = BinaryImage {
        name: Some("list".into()),
        entrypoint: vec!["-1".into()],
        cmd: vec!["/etc".into()],
        env: vec!["A=1".into()],
        exposed_ports: vec!["8080/tcp".into()],
        stop_signal: Some("SIGINT".into()),
        programs: vec!["/bin/sh".into()],
        ..program("/bin/ls")
    };
    let digest = rig.store.put_binary("shop/api", "v1", &image).expect("packed");
    let found = rig.store.resolve("000000000000.dkr.ecr.us-east-1.amazonaws.com/shop/api:v1");
    let found = found.expect("resolved");
    assert_eq!((found.digest, found.repository.as_str()), (digest, "shop/api"));
    assert_eq!(found.config.entrypoint, ["/usr/local/bin/list", "-1"]);
    assert_eq!(found.config.cmd, ["/etc"]);
    assert_eq!(found.config.env[1], "A=1");
    assert!(found.config.env[0].starts_with("PATH="));
    assert_eq!(found.config.exposed_ports, ["8080/tcp"]);
    assert_eq!(found.config.stop_signal.as_deref(), Some("SIGINT"));
    let [root] = &found.layers[..] else { panic!("one layer: {:?}", found.layers) };
    let (ran, text) = run_in(root, &["/usr/local/bin/list", "-1", "/etc"]);
    assert!(ran, "{text}");
    assert!(text.contains("passwd") && text.contains("nsswitch.conf"), "{text}");
    let (ran, text) = run_in(root, &["/bin/sh", "-c", "echo $((6 * 7))"]);
    assert!(ran && text == "42\n", "{text}");
    let mode = |path: &str| {
        use std::os::unix::fs::PermissionsExt;
        root.join(path).metadata().expect(path).permissions().mode() & 0o7777
    };
    assert_eq!((mode("tmp"), mode("usr/local/bin/list"), mode("root")), (0o1777, 0o755, 0o700));
}

/// The test's own binary, which is what `neargate` is: Rust, dynamic, large.
#[test]
fn a_rust_program_is_packed_once_and_then_known() {
    let rig = Rig::new();
    let own = std::env::current_exe().expect("own path");
    let copy = rig.path("service");
    fs::copy(&own, &copy).expect("copied");
    let first = rig.store.put_binary("api", "v1", &program(&copy)).expect("packed");
    let again = rig.store.put_binary("api", "v1", &program(&copy)).expect("packed");
    assert_eq!(first, again);
    let layers = listing(&rig.path("store/blobs")).len();
    rig.store.put_binary("worker", "v1", &program(&copy)).expect("packed");
    assert_eq!(listing(&rig.path("store/blobs")).len(), layers, "one layer for both");

    // Another file under the same path is noticed.
    let changed = rig.path("changed");
    fs::copy("/bin/true", &changed).expect("copied");
    fs::rename(&changed, &copy).expect("renamed");
    let other = rig.store.put_binary("api", "v1", &program(&copy)).expect("packed");
    assert_ne!(first, other);
    assert_eq!(rig.store.resolve("api:v1").expect("resolved").digest, other);
    let images = rig.store.images("api").expect("there");
    assert_eq!(images.len(), 1, "what lost its tag is gone: {images:?}");
}

#[test]
fn the_same_program_gives_the_same_digest_anywhere() {
    let digests: Vec<_> = (0..2)
        .map(|_| {
            let rig = Rig::new();
            let copy = rig.path("service");
            fs::copy("/bin/ls", &copy).expect("copied");
            rig.store.put_binary("api", "v1", &program(&copy)).expect("packed")
        })
        .collect();
    assert_eq!(digests[0], digests[1]);
}

#[test]
fn what_cannot_be_packed_is_named() {
    let rig = Rig::new();
    let script = rig.path("script.sh");
    fs::write(&script, "#!/bin/sh\n").expect("written");
    let error = |path: &Path| {
        rig.store.put_binary("api", "v1", &program(path)).expect_err("refused").chain()
    };
    assert!(error(&script).contains("not an executable file"), "{}", error(&script));
    Command::new("chmod").arg("+x").arg(&script).status().expect("chmod runs");
    let text = error(&script);
    assert!(text.contains("no ELF program") && text.contains("script.sh"), "{text}");
    let missing = rig.path("missing");
    assert!(error(&missing).contains("missing"), "{}", error(&missing));
    assert!(rig.store.repositories().is_empty(), "a failure leaves no repository");
}
