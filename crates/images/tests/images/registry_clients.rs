//! The clients people use, as judges: skopeo and podman (apt-get install skopeo podman).

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use neargate_images::registry::RegistryOptions;
use neargate_images::{BinaryImage, RepositorySettings, TagMutability};

use crate::server::Server;
use crate::support::{LAYER, Layout, Node, digest, gzip, host, options, require_root, tar};
use neargate_images::Digest;

fn run(mut command: Command) -> Result<String, String> {
    let Output { status, stdout, stderr } = command
        .output()
        .unwrap_or_else(|error| panic!("{:?} cannot be started: {error}", command.get_program()));
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    if status.success() { Ok(text(stdout)) } else { Err(text(stderr)) }
}

fn skopeo(arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new("skopeo");
    // Not with the settings of whoever runs the tests.
    command.env("HOME", "/nonexistent").env("XDG_RUNTIME_DIR", "/nonexistent");
    command.arg("--insecure-policy").args(arguments);
    run(command)
}

/// An image for two platforms, its layers compressed.
fn layout(path: &Path) -> (Layout, Digest) {
    let layout = Layout::new(path);
    let member = |architecture: &str, content: &[u8]| {
        let layer = tar(&[("hello", Node::File(content))]);
        let kind = format!("{LAYER}+gzip");
        layout.manifest(architecture, &[(&kind, gzip(&layer), Digest::of(&layer))])
    };
    let index =
        layout.index(&[(host(), member(host(), b"ours")), ("s390x", member("s390x", b"theirs"))]);
    layout.names(&[("v1", index.clone())]);
    let index = digest(&index);
    (layout, index)
}

#[test]
#[cfg_attr(
    not(feature = "root-tests"),
    ignore = "needs skopeo and podman, and root: --features root-tests"
)]
fn skopeo_pushes_and_pulls() {
    let server = Server::new(RegistryOptions { strict: true, ..RegistryOptions::default() });
    let address = server.listen();
    let path = |name: &str| -> PathBuf { server.directory.path().join(name) };
    let (layout, index) = layout(&path("layout"));
    let source = format!("oci:{}:v1", layout.path.display());
    let target = format!("docker://{address}/team/api:v1");
    let login = format!("AWS:{}", server.password());
    let push = |login: &str, target: &str| {
        skopeo(&[
            "copy",
            "--all",
            "--dest-tls-verify=false",
            "--dest-creds",
            login,
            &source,
            target,
        ])
    };

    let refused = push("AWS:wrong", &target).expect_err("wrong login");
    assert!(refused.to_lowercase().contains("unauthorized"), "{refused}");
    let refused = push(&login, &target).expect_err("no repository");
    assert!(refused.contains("does not exist in the registry with id '000000000000'"), "{refused}");
    server.store.ensure_repository("team/api").expect("made");
    push(&login, &target).expect("pushed");
    let image = server.store.resolve("team/api:v1").expect("resolved");
    assert_eq!(image.reference_digest, index);
    assert_eq!(std::fs::read(image.layers[0].join("hello")).expect("there"), b"ours");

    let back = format!("oci:{}:v1", path("back").display());
    let arguments =
        ["copy", "--all", "--src-tls-verify=false", "--src-creds", &login, &target, &back];
    skopeo(&arguments).expect("pulled");
    let imported = server.store.import_layout(&path("back"), &options("again")).expect("imported");
    assert_eq!(imported, index);
    let arguments = [
        "list-tags",
        "--tls-verify=false",
        "--creds",
        &login,
        &format!("docker://{address}/team/api"),
    ];
    assert!(skopeo(&arguments).expect("listed").contains("\"v1\""));

    let immutable = TagMutability { immutable: true, exclusions: Vec::new() };
    let settings =
        RepositorySettings { tag_mutability: immutable, ..RepositorySettings::default() };
    server.store.put_settings("team/api", settings).expect("set");
    let other = Layout::new(&path("other"));
    other.image("v1", &[tar(&[("hello", Node::File(b"other"))])]);
    let source = format!("oci:{}:v1", other.path.display());
    let arguments = ["copy", "--dest-tls-verify=false", "--dest-creds", &login, &source, &target];
    let refused = skopeo(&arguments).expect_err("immutable");
    assert!(refused.contains("cannot be overwritten because the tag is immutable"), "{refused}");
}

/// A packed program goes out as an image like any other.
#[test]
#[cfg_attr(
    not(feature = "root-tests"),
    ignore = "needs skopeo and podman, and root: --features root-tests"
)]
fn skopeo_pulls_a_packed_program() {
    let server = Server::new(RegistryOptions::default());
    let address = server.listen();
    let image = BinaryImage { program: "/bin/true".into(), ..BinaryImage::default() };
    let digest = server.store.put_binary("api", "v1", &image).expect("packed");
    let back = server.directory.path().join("back");
    let (source, target) =
        (format!("docker://{address}/api:v1"), format!("oci:{}:v1", back.display()));
    skopeo(&["copy", "--preserve-digests", "--src-tls-verify=false", &source, &target])
        .expect("pulled");
    assert_eq!(server.store.import_layout(&back, &options("again")).expect("imported"), digest);
}

#[test]
#[cfg_attr(
    not(feature = "root-tests"),
    ignore = "needs skopeo and podman, and root: --features root-tests"
)]
fn podman_pushes_what_it_made() {
    require_root();
    let server = Server::new(RegistryOptions {
        strict: true,
        create_on_push: true,
        ..RegistryOptions::default()
    });
    let address = server.listen();
    let path = |name: &str| server.directory.path().join(name);
    let podman = |arguments: &[&str]| {
        let mut command = Command::new("podman");
        command.args(["--root", path("podman").to_str().expect("UTF-8")]);
        command.args(["--runroot", path("run").to_str().expect("UTF-8")]);
        command.args([
            "--storage-driver",
            "vfs",
            "--events-backend",
            "none",
            "--cgroup-manager",
            "cgroupfs",
        ]);
        command.env("REGISTRY_AUTH_FILE", path("auth.json")).args(arguments);
        run(command)
    };
    let layer = path("layer.tar");
    std::fs::write(&layer, tar(&[("hello", Node::File(b"made"))])).expect("written");
    let name = format!("{address}/team/made:v1");
    let layer = layer.to_str().expect("UTF-8");
    podman(&["import", "-c", "CMD [\"/hello\"]", "-c", "STOPSIGNAL SIGINT", layer, &name])
        .expect("imported");
    podman(&["push", "--tls-verify=false", &name]).expect_err("not logged in");
    let registry = address.to_string();
    let password = server.password();
    podman(&["login", "--tls-verify=false", "-u", "AWS", "-p", &password, &registry])
        .expect("logged in");
    podman(&["push", "--tls-verify=false", &name]).expect("pushed");
    let image = server.store.resolve(&name).expect("resolved");
    assert_eq!(image.config.cmd, ["/hello"]);
    // Podman writes the number.
    assert_eq!(image.config.stop_signal.as_deref(), Some("2"));
    assert_eq!(std::fs::read(image.layers[0].join("hello")).expect("there"), b"made");
    // Both of podman's archive formats.
    for format in ["oci-archive", "docker-archive"] {
        let archive = path(format);
        podman(&["save", "--format", format, "-o", archive.to_str().expect("UTF-8"), &name])
            .expect("saved");
        server.store.import_archive(&archive, &options(format)).expect("imported");
        let again = server.store.resolve(&format!("{format}:v1")).expect("resolved");
        assert_eq!(again.layers, image.layers, "{format}");
    }
    // Vfs keeps directories only; nothing is mounted by these commands.
    podman(&["rmi", "--all"]).expect("removed");
}
