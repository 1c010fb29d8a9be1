//! Layouts and archives, with several images and platforms.

use std::fs;
use std::path::Path;

use neargate_images::{Digest, ImageId, ImportOptions, Select};
use serde_json::json;

use crate::support::{LAYER, Layout, Node, Rig, digest, gzip, host, options, tar};

fn layer(content: &[u8]) -> Vec<u8> {
    tar(&[("hello", Node::File(content))])
}

/// The files of a directory as a tar archive.
fn archive(directory: &Path) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_dir_all(".", directory).expect("archived");
    builder.into_inner().expect("archived")
}

#[test]
fn a_layout_and_its_archives_give_the_same_image() {
    let rig = Rig::new();
    let layout = Layout::new(&rig.path("layout"));
    let manifest = digest(&layout.image("v1", &[layer(b"1"), layer(b"2")]));
    assert_eq!(rig.store.import_layout(&layout.path, &options("dir")).expect("imported"), manifest);
    let plain = archive(&layout.path);
    for (name, bytes) in [("plain", plain.clone()), ("gzip", gzip(&plain))] {
        let path = rig.path(name);
        fs::write(&path, bytes).expect("written");
        assert_eq!(rig.store.import_archive(&path, &options(name)).expect("imported"), manifest);
        let image = rig.store.resolve(&format!("{name}:v1")).expect("resolved");
        assert_eq!(fs::read(image.layers[1].join("hello")).expect("there"), b"2");
        assert_eq!(image.config.cmd, ["/hello"]);
    }
    assert_eq!(rig.store.images("dir").expect("there").len(), 1);
}

#[test]
fn compressed_layers_are_the_same_layers() {
    let rig = Rig::new();
    let plain = layer(b"x");
    let zstd =
        ruzstd::encoding::compress_to_vec(&plain[..], ruzstd::encoding::CompressionLevel::Fastest);
    let found: Vec<_> = [("plain", plain.clone()), ("gzip", gzip(&plain)), ("zstd", zstd)]
        .into_iter()
        .map(|(name, blob)| {
            let layout = Layout::new(&rig.path(name));
            let manifest = layout.manifest(host(), &[(LAYER, blob, Digest::of(&plain))]);
            layout.names(&[("v1", manifest)]);
            rig.store.import_layout(&layout.path, &options(name)).expect("imported");
            rig.store.resolve(&format!("{name}:v1")).expect("resolved").layers
        })
        .collect();
    assert!(found.iter().all(|layers| layers == &found[0]), "unpacked once: {found:?}");
}

#[test]
fn images_are_chosen_by_name_or_digest() {
    let rig = Rig::new();
    let layout = Layout::new(&rig.path("layout"));
    let first = layout.image("unused", &[layer(b"1")]);
    let second = layout.image("unused", &[layer(b"2")]);
    layout.names(&[("v1", first.clone()), ("docker.io/team/app:v2", second.clone())]);
    let import = |select| {
        let options = ImportOptions { repository: "api".into(), tag: None, select };
        rig.store.import_layout(&layout.path, &options)
    };
    let error = import(Select::Only).expect_err("ambiguous").to_string();
    assert!(
        error.contains("several images") && error.contains("v1, docker.io/team/app:v2"),
        "{error}"
    );
    assert_eq!(import(Select::Name("v2".into())).expect("imported"), digest(&second));
    assert_eq!(import(Select::Name("team/app:v2".into())).expect("imported"), digest(&second));
    assert_eq!(import(Select::Digest(digest(&first))).expect("imported"), digest(&first));
    assert_eq!(rig.store.tags("api").expect("there"), ["v1", "v2"]);
    let error = import(Select::Name("v3".into())).expect_err("not there").to_string();
    assert!(error.contains("it has no image v3"), "{error}");
}

#[test]
fn the_image_of_this_machine_is_chosen() {
    let rig = Rig::new();
    let layout = Layout::new(&rig.path("layout"));
    let manifest = |architecture, content| {
        let layer = layer(content);
        layout.manifest(architecture, &[(LAYER, layer.clone(), Digest::of(&layer))])
    };
    let ours = manifest(host(), b"ours");
    let index =
        layout.index(&[("riscv64", manifest("riscv64", b"theirs")), (host(), ours.clone())]);
    layout.names(&[("v1", index.clone())]);
    rig.store.import_layout(&layout.path, &options("multi")).expect("imported");
    let image = rig.store.resolve("multi:v1").expect("resolved");
    assert_eq!((image.digest, image.reference_digest), (digest(&ours), digest(&index)));
    assert_eq!(fs::read(image.layers[0].join("hello")).expect("there"), b"ours");
    let by_digest = format!("multi@{}", digest(&ours));
    assert_eq!(rig.store.resolve(&by_digest).expect("resolved").layers, image.layers);
    let id = ImageId { digest: Some(digest(&index)), tag: None };
    assert_eq!(rig.store.image("multi", &id).expect("there").tags, ["v1"]);

    // ECS-STOP-8: none for this machine.
    let foreign =
        layout.index(&[("riscv64", manifest("riscv64", b"x")), ("s390x", manifest("s390x", b"y"))]);
    layout.names(&[("v1", foreign)]);
    rig.store.import_layout(&layout.path, &options("foreign")).expect("imported");
    let error = rig.store.resolve("foreign:v1").expect_err("none").to_string();
    let platform = format!("'linux/{}'", host());
    assert!(error.starts_with(
        "CannotPullContainerError: image Manifest does not contain descriptor matching platform"
    ));
    assert!(error.contains(&platform) && error.contains("linux/riscv64, linux/s390x"), "{error}");
    layout.names(&[("v1", manifest("riscv64", b"single"))]);
    rig.store.import_layout(&layout.path, &options("single")).expect("imported");
    let error = rig.store.resolve("single:v1").expect_err("none").to_string();
    assert!(error.contains("it has linux/riscv64"), "{error}");
}

/// `docker save` before it wrote layouts: layers by directory, equal ones as links.
#[test]
fn what_docker_saved_is_read() {
    let rig = Rig::new();
    let directory = rig.path("saved");
    let layer = layer(b"saved");
    fs::create_dir_all(directory.join("aaa")).expect("made");
    fs::create_dir_all(directory.join("bbb")).expect("made");
    fs::write(directory.join("aaa/layer.tar"), &layer).expect("written");
    std::os::unix::fs::symlink("../aaa/layer.tar", directory.join("bbb/layer.tar"))
        .expect("linked");
    let id = Digest::of(&layer);
    let config = json!({ "architecture": host(), "os": "linux", "config": { "Cmd": ["/hello"] },
        "rootfs": { "type": "layers", "diff_ids": [id, id] } });
    fs::write(directory.join("cfg.json"), config.to_string()).expect("written");
    let manifest = json!([{ "Config": "cfg.json", "RepoTags": ["team/app:v7"],
        "Layers": ["aaa/layer.tar", "bbb/layer.tar"] }]);
    fs::write(directory.join("manifest.json"), manifest.to_string()).expect("written");
    let mut builder = tar::Builder::new(Vec::new());
    builder.follow_symlinks(false);
    builder.append_dir_all("", &directory).expect("archived");
    let path = rig.path("saved.tar");
    fs::write(&path, builder.into_inner().expect("archived")).expect("written");
    let imported = rig.store.import_archive(&path, &options("app")).expect("imported");
    let image = rig.store.resolve("app:v7").expect("resolved");
    assert_eq!(image.digest, imported);
    assert_eq!(image.layers.len(), 1, "overlayfs takes a directory once");
    assert_eq!(fs::read(image.layers[0].join("hello")).expect("there"), b"saved");
    let by_name = ImportOptions { select: Select::Name("team/app:v7".into()), ..options("app") };
    assert_eq!(rig.store.import_archive(&path, &by_name).expect("imported"), imported);
}

#[test]
fn what_is_no_image_is_said_to_be_none() {
    let rig = Rig::new();
    let import = |name: &str, bytes: &[u8]| {
        let path = rig.path(name);
        fs::write(&path, bytes).expect("written");
        rig.store.import_archive(&path, &options("api")).expect_err(name).chain()
    };
    assert!(import("other.tar", &layer(b"x")).contains("neither an OCI layout"));
    assert!(
        import("text", &b"not a tar archive at all".repeat(100))
            .contains("no tar archive at byte 0")
    );
    assert!(import("empty", b"").contains("neither an OCI layout"));
    let cut = archive(&{
        let layout = Layout::new(&rig.path("layout"));
        layout.image("v1", &[layer(b"x")]);
        layout.path
    });
    let error = import("cut", &cut[..cut.len() / 2]);
    assert!(error.contains("ends within") || error.contains("not there"), "{error}");
}
