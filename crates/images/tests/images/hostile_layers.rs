//! Layers that try to leave their directory, to take the machine, or to say what is not so.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;

use neargate_images::{Digest, Limits};
use proptest::prelude::*;

use crate::support::{
    CONFIG, LAYER, Layout, MANIFEST, Node, Rig, Tar, digest, gzip, host, listing, options,
    require_root, tar,
};
use serde_json::json;

use Node::{CharDevice, Dir, Fifo, File, HardLink, Symlink};

#[test]
fn paths_that_lead_out_are_refused() {
    let rig = Rig::new();
    let victim = rig.path("victim");
    fs::write(&victim, "untouched").expect("written");
    for (name, entries, problem) in [
        ("dots", vec![("../../../victim", File(b"x"))], "`..` in its path"),
        ("dots-inside", vec![("a/../../victim", File(b"x"))], "`..` in its path"),
        ("dots-dir", vec![("..", Dir)], "`..` in its path"),
        ("hard-link-out", vec![("l", HardLink("../../../victim"))], "`..` in its path"),
        ("hard-link-abs", vec![("l", HardLink("/etc/passwd"))], "could not find the target"),
        ("hard-link-none", vec![("l", HardLink("nothing"))], "not in the layer"),
        ("hard-link-dir", vec![("d", Dir), ("l", HardLink("d"))], "no file"),
        ("root-file", vec![("/", File(b"x"))], "root of a layer"),
        ("whiteout-dots", vec![(".wh...", File(b""))], "without a name"),
        ("whiteout-empty", vec![(".wh.", File(b""))], "without a name"),
        ("whiteout-parent", vec![(".wh.a/b", File(b""))], "marks a deleted file"),
        ("below-a-file", vec![("a", File(b"")), ("a/b", File(b""))], "could not"),
        (
            "link-loop",
            vec![("a", Symlink("b")), ("b", Symlink("a")), ("a/c", File(b""))],
            "could not",
        ),
        ("dangling", vec![("a", Symlink("nowhere")), ("a/c", File(b""))], "could not"),
        ("link-nothing", vec![("a", Symlink(""))], "is no path"),
    ] {
        let error = rig.layer(name, tar(&entries)).expect_err(name);
        assert!(error.contains(problem), "{name}: {error}");
        assert!(error.starts_with("CannotPullContainerError: "), "{error}");
    }
    assert_eq!(fs::read_to_string(&victim).expect("there"), "untouched");
    assert_eq!(listing(&rig.path("store/layers")), Vec::<String>::new());
    assert_eq!(listing(&rig.path("store/staging")), Vec::<String>::new());
}

/// Links are followed as a process with the layer as its root would follow them.
#[test]
fn links_stay_below_the_root() {
    let rig = Rig::new();
    let outside = rig.path("outside");
    fs::create_dir(&outside).expect("made");
    let abs = outside.to_str().expect("UTF-8").trim_start_matches('/').to_owned();
    let up = "../../../../../../../../../../../../tmp";
    for (name, entries, expected) in [
        // An absolute link means a place below the layer's root.
        ("absolute", vec![("etc", Dir), ("l", Symlink("/etc")), ("l/new", File(b"x"))], "etc/new"),
        ("upwards", vec![("tmp", Dir), ("a/l", Symlink(up)), ("a/l/new", File(b"x"))], "tmp/new"),
        (
            "through-links",
            vec![
                ("d/e", Dir),
                ("one", Symlink("/d")),
                ("two", Symlink("one/e")),
                ("two/new", File(b"x")),
            ],
            "d/e/new",
        ),
        ("leading-slash", vec![("/new", File(b"x"))], "new"),
        (
            "hard-link-through-link",
            vec![("d/f", File(b"x")), ("l", Symlink("/d")), ("new", HardLink("l/f"))],
            "new",
        ),
        ("replaced", vec![("new", Symlink("/etc/passwd")), ("new", File(b"x"))], "new"),
        ("replaced-dir", vec![("new/a/b", File(b"")), ("new", File(b"x"))], "new"),
    ] {
        let layer = rig.layer(name, tar(&entries)).expect(name);
        assert_eq!(fs::read(layer.join(expected)).expect(name), b"x", "{name}");
    }
    let link = format!("/{abs}");
    let escape = tar(&[("l", Symlink(&link)), ("l/new", File(b"x"))]);
    rig.layer("escape", escape).expect_err("the place is not there below the root");
    assert_eq!(fs::read_dir(&outside).expect("listed").count(), 0);
}

/// A cached directory must not outlive the link it was reached by.
#[test]
fn a_link_that_changes_leads_elsewhere() {
    let rig = Rig::new();
    let layer = rig.layer(
        "changing",
        tar(&[
            ("a", Dir),
            ("b", Dir),
            ("l", Symlink("a")),
            ("l/one", File(b"")),
            ("l", Symlink("b")),
            ("l/two", File(b"")),
        ]),
    );
    assert_eq!(listing(&layer.expect("unpacked")), ["a/", "a/one", "b/", "b/two", "l"]);
}

#[test]
#[cfg_attr(not(feature = "root-tests"), ignore = "needs root: --features root-tests")]
fn deleted_files_become_what_overlayfs_wants() {
    require_root();
    let whiteout = overlayfs_sees_what_is_deleted(&["--mount", "--propagation", "private"]);
    assert!(whiteout, "root's marks are the trusted ones");
}

/// Set for the process that runs the same without root.
const UNPRIVILEGED: &str = "NEARGATE_IMAGES_UNPRIVILEGED";

/// The same as a user, in a user namespace, with marks that are the user's.
#[test]
#[cfg_attr(not(feature = "root-tests"), ignore = "needs root: --features root-tests")]
fn deleted_files_become_what_overlayfs_wants_without_root() {
    if std::env::var_os(UNPRIVILEGED).is_some() {
        let trusted = overlayfs_sees_what_is_deleted(&["--user", "--map-root-user", "--mount"]);
        assert!(!trusted, "without root the marks are the user's");
        return;
    }
    require_root();
    let directory = tempfile::tempdir().expect("temporary directory");
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o777)).expect("opened to all");
    let own = directory.path().join("test");
    fs::copy(std::env::current_exe().expect("own path"), &own).expect("copied");
    let name = "hostile_layers::deleted_files_become_what_overlayfs_wants_without_root";
    let output = std::process::Command::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .arg(&own)
        .args(["--exact", name, "--nocapture"])
        .env(UNPRIVILEGED, "1")
        .env("TMPDIR", directory.path())
        .current_dir(&directory)
        .output()
        .expect("setpriv runs");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

/// Stacks layers with deletions and lets the kernel judge; whether the marks are the trusted ones.
fn overlayfs_sees_what_is_deleted(namespace: &[&str]) -> bool {
    let rig = Rig::new();
    let below = tar(&[
        ("d/gone", File(b"1")),
        ("d/kept", File(b"1")),
        ("o/gone", File(b"1")),
        ("t/x", File(b"1")),
        ("v/x", File(b"1")),
    ]);
    let above = tar(&[
        ("d/.wh.gone", File(b"")),
        ("o/.wh..wh..opq", File(b"")),
        ("o/new", File(b"2")),
        (".wh..wh.plnk", Dir),
        // Deleted and made anew: only the lower one is hidden.
        (".wh.t", File(b"")),
        ("t/y", File(b"2")),
        (".wh.v", File(b"")),
        ("v", Dir),
        ("v/y", File(b"2")),
        ("u/y", File(b"2")),
        (".wh.u", File(b"")),
    ]);
    let image = rig.image("whiteouts", &[below, above]).expect("resolved");
    let whiteout = image.layers[1].join("d/gone").symlink_metadata().expect("there");
    assert!(whiteout.file_type().is_char_device() && whiteout.rdev() == 0);
    let merged = rig.path("merged");
    fs::create_dir(&merged).expect("made");
    let lower: Vec<_> =
        image.layers.iter().rev().map(|layer| layer.display().to_string()).collect();
    let script = format!(
        "mount -t overlay overlay -o {}lowerdir={} {merged} && cd {merged} && find . -type f | sort",
        if image.userxattr { "userxattr," } else { "" },
        lower.join(":"),
        merged = merged.display()
    );
    let output = std::process::Command::new("unshare")
        .args(namespace)
        .args(["sh", "-c", &script])
        .output()
        .expect("unshare runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(text, "./d/kept\n./o/new\n./t/y\n./u/y\n./v/y\n", "{errors}");
    !image.userxattr
}

#[test]
#[cfg_attr(not(feature = "root-tests"), ignore = "needs root: --features root-tests")]
fn devices_are_left_out_and_marks_of_overlayfs_cannot_be_brought_along() {
    require_root();
    let rig = Rig::new();
    let layer = Tar::default()
        .add("dev/mem", 0o666, 0, &CharDevice)
        .add("pipe", 0o640, 7, &Fifo)
        .pax(&[
            ("SCHILY.xattr.trusted.overlay.redirect", b"/etc"),
            ("SCHILY.xattr.user.overlay.opaque", b"y"),
            ("SCHILY.xattr.user.note", b"kept"),
            ("SCHILY.xattr.security.selinux", b"x"),
        ])
        .add("d", 0o755, 0, &Dir)
        .finish();
    let layer = rig.layer("devices", layer).expect("unpacked");
    assert_eq!(listing(&layer), ["d/", "pipe"]);
    let pipe = layer.join("pipe").metadata().expect("there");
    assert!(pipe.file_type().is_fifo());
    assert_eq!((pipe.mode() & 0o7777, pipe.uid()), (0o640, 7));
    let xattr = |name: &str| {
        let mut value = [0; 16];
        rustix::fs::getxattr(layer.join("d"), name, &mut value[..])
            .map(|length| value[..length].to_vec())
    };
    assert_eq!(xattr("user.note").ok().as_deref(), Some(&b"kept"[..]));
    assert!(xattr("trusted.overlay.redirect").is_err());
    assert!(xattr("user.overlay.opaque").is_err());
}

#[test]
#[cfg_attr(not(feature = "root-tests"), ignore = "needs root: --features root-tests")]
fn owners_modes_and_times_are_kept() {
    require_root();
    let rig = Rig::new();
    let layer = Tar::default()
        .add("./", 0o711, 0, &Dir)
        .add("bin/su", 0o4755, 0, &File(b"x"))
        .add("home/app", 0o700, 1000, &Dir)
        .add("home/app/f", 0o600, 1000, &File(b"x"))
        .add("home/app/l", 0o777, 1000, &Symlink("f"))
        .pax(&[("uid", b"70000"), ("path", "home/app/\u{e4}".as_bytes())])
        .add("short", 0o644, 1, &File(b"x"))
        .finish();
    let layer = rig.layer("owners", layer).expect("unpacked");
    let seen = |path: &str| {
        let metadata = layer.join(path).symlink_metadata().expect(path);
        (metadata.permissions().mode() & 0o7777, metadata.uid(), metadata.mtime())
    };
    let then = 1_000_000_000;
    assert_eq!(seen("bin/su"), (0o4755, 0, then));
    assert_eq!(seen("home/app/f"), (0o600, 1000, then));
    assert_eq!(seen("home/app/l"), (0o777, 1000, then));
    assert_eq!(seen("home/app/\u{e4}"), (0o644, 70000, then));
    assert_eq!((seen("home/app").0, seen("home/app").1), (0o700, 1000));
    assert_eq!((seen("").0, seen("bin").0), (0o711, 0o755));
}

#[test]
fn sizes_and_numbers_are_bounded() {
    let limits = Limits { layer_bytes: 1 << 20, layer_entries: 50, ..Limits::default() };
    let rig = Rig::with(limits);
    let large = vec![0; 2 << 20];
    let error = rig.layer("large", tar(&[("f", File(&large))])).expect_err("refused");
    assert!(error.contains("more than 1048576 bytes, unpacked"), "{error}");

    // A few kilobytes that become many.
    let bomb = tar(&[("f", File(&vec![0; 900 << 10])), ("g", File(&vec![0; 900 << 10]))]);
    let packed = gzip(&bomb);
    assert!(packed.len() < 20_000);
    let layout = Layout::new(&rig.path("bomb"));
    let manifest = layout.manifest(host(), &[(LAYER, packed, Digest::of(&bomb))]);
    layout.names(&[("v1", manifest)]);
    rig.store.import_layout(&layout.path, &options("bomb")).expect("stored");
    let error = rig.store.resolve("bomb:v1").expect_err("refused").to_string();
    assert!(error.contains("more than 1048576 bytes, unpacked"), "{error}");

    let names: Vec<_> = (0..60).map(|number| number.to_string()).collect();
    let entries: Vec<_> = names.iter().map(|name| (name.as_str(), Dir)).collect();
    let error = rig.layer("many", tar(&entries)).expect_err("refused");
    assert!(error.contains("more than 50 entries"), "{error}");
    assert_eq!(listing(&rig.path("store/staging")), Vec::<String>::new());
}

/// Deeper than could be removed again: by a long name, and by links that hide the depth.
#[test]
fn depth_is_bounded() {
    let rig = Rig::new();
    let deep = "d/".repeat(45);
    let mut layer = Tar::default();
    let mut at = String::new();
    for step in 0..8 {
        let name = format!("{at}{deep}");
        layer = layer.add(&name, 0o755, 0, &Dir);
        let link = format!("l{step}");
        layer = layer.add(&link, 0o777, 0, &Symlink(name.trim_end_matches('/')));
        at = format!("{link}/");
    }
    let error = rig.layer("deep", layer.finish()).expect_err("refused");
    assert!(error.contains("nested deeper than 200"), "{error}");
    assert_eq!(listing(&rig.path("store/staging")), Vec::<String>::new());
}

#[test]
fn contents_must_be_what_they_are_called() {
    let rig = Rig::new();
    let layer = tar(&[("f", File(b"x"))]);
    let import = |name: &str, layout: &Layout| {
        rig.store.import_layout(&layout.path, &options(name)).map_err(|error| error.chain())
    };

    // A blob that was changed after its name was given.
    let layout = Layout::new(&rig.path("changed"));
    layout.image("v1", std::slice::from_ref(&layer));
    let mut changed = layer.clone();
    changed[0] = b'g';
    fs::write(layout.blob_path(Digest::of(&layer)), &changed).expect("written");
    let error = import("changed", &layout).expect_err("refused");
    assert!(error.contains("damaged or was changed"), "{error}");

    // A blob of another length.
    let layout = Layout::new(&rig.path("short"));
    layout.image("v1", std::slice::from_ref(&layer));
    fs::write(layout.blob_path(Digest::of(&layer)), &layer[..512]).expect("written");
    let error = import("short", &layout).expect_err("refused");
    assert!(error.contains("has 512 bytes, not the"), "{error}");

    // A manifest that is longer than its descriptor says.
    let layout = Layout::new(&rig.path("longer"));
    let mut manifest = layout.image("v1", std::slice::from_ref(&layer));
    manifest["size"] = json!(manifest["size"].as_u64().expect("number") - 1);
    layout.names(&[("v1", manifest)]);
    let error = import("longer", &layout).expect_err("refused");
    assert!(error.contains("its descriptor says"), "{error}");

    // A diff id that is another content's, plain and compressed.
    for (name, blob) in [("plain", layer.clone()), ("gzip", gzip(&layer))] {
        let layout = Layout::new(&rig.path(name));
        let manifest = layout.manifest(host(), &[(LAYER, blob, Digest::of(b"other"))]);
        layout.names(&[("v1", manifest)]);
        import(name, &layout).expect("stored");
        let error = rig.store.resolve(&format!("{name}:v1")).expect_err("refused").to_string();
        assert!(error.contains("has the diff id"), "{error}");
    }
    assert_eq!(listing(&rig.path("store/layers")), Vec::<String>::new());

    // Fewer diff ids than layers.
    let layout = Layout::new(&rig.path("fewer"));
    let config = json!({ "architecture": host(), "os": "linux", "rootfs": { "diff_ids": [] } });
    let config = layout.json(CONFIG, &config);
    let layers = [layout.blob(LAYER, &layer)];
    let manifest = json!({ "schemaVersion": 2, "config": config, "layers": layers });
    layout.names(&[("v1", layout.json(MANIFEST, &manifest))]);
    import("fewer", &layout).expect("stored");
    let error = rig.store.resolve("fewer:v1").expect_err("refused").to_string();
    assert!(error.contains("1 layers, but 0 diff ids"), "{error}");
}

/// A layout is untrusted, too: its blobs are files of its own.
#[test]
fn a_layout_cannot_bring_files_of_the_machine() {
    let rig = Rig::new();
    let layout = Layout::new(&rig.path("linked"));
    let layer = tar(&[("f", File(b"x"))]);
    layout.image("v1", std::slice::from_ref(&layer));
    let blob = layout.blob_path(Digest::of(&layer));
    let moved = rig.path("moved");
    fs::rename(&blob, &moved).expect("moved");
    std::os::unix::fs::symlink(&moved, &blob).expect("linked");
    rig.store.import_layout(&layout.path, &options("linked")).expect_err("refused");
    let _ = digest(&layout.image("v1", &[layer]));
}

fn any_name() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        4 => "[ab]",
        1 => Just("..".to_owned()),
        1 => Just(".".to_owned()),
        1 => Just(String::new()),
        1 => Just(".wh.a".to_owned()),
        1 => Just(".wh..wh..opq".to_owned()),
    ];
    prop::collection::vec(part, 1..5).prop_map(|parts| parts.join("/"))
}

#[derive(Clone, Debug)]
enum AnyNode {
    Dir,
    File,
    Symlink(String),
    HardLink(String),
    Device,
}

fn any_node() -> impl Strategy<Value = AnyNode> {
    prop_oneof![
        Just(AnyNode::Dir),
        Just(AnyNode::File),
        any_name().prop_map(AnyNode::Symlink),
        any_name().prop_map(|name| AnyNode::Symlink(format!("/{name}"))),
        any_name().prop_map(AnyNode::HardLink),
        Just(AnyNode::Device),
    ]
}

/// Everything around the layer's directory that must stay as it is.
fn surroundings(directory: &Path) -> Vec<String> {
    let mut all = listing(directory);
    all.retain(|path| !path.starts_with("store/"));
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    /// Whatever names, links and kinds a layer has, nothing outside is made, changed or linked.
    #[test]
    fn no_layer_reaches_its_surroundings(entries in prop::collection::vec((any_name(), any_node()), 1..15)) {
        let rig = Rig::new();
        let canary = rig.path("a");
        fs::write(&canary, "canary").expect("written");
        let mut layer = Tar::default();
        for (name, node) in &entries {
            let node = match node {
                AnyNode::Dir => Dir,
                AnyNode::File => File(b"data"),
                AnyNode::Symlink(link) => Symlink(link),
                AnyNode::HardLink(link) => HardLink(link),
                AnyNode::Device => CharDevice,
            };
            layer = layer.add(name, 0o755, 0, &node);
        }
        let layout = Layout::new(&rig.path("layout"));
        layout.image("v1", &[layer.finish()]);
        let before = surroundings(rig.directory.path());
        rig.store.import_layout(&layout.path, &options("any")).expect("stored");
        let resolved = rig.store.resolve("any:v1");
        prop_assert_eq!(surroundings(rig.directory.path()), before);
        prop_assert_eq!(fs::read_to_string(&canary).expect("there"), "canary");
        prop_assert_eq!(canary.metadata().expect("there").nlink(), 1);
        if resolved.is_err() {
            prop_assert_eq!(listing(&rig.path("store/layers")), Vec::<String>::new());
        }
        prop_assert_eq!(listing(&rig.path("store/staging")), Vec::<String>::new());
    }
}
