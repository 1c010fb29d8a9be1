//! Repositories, deletion, crashes, and several who want the same at once.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use neargate_images::{
    BinaryImage, Digest, Error, ImageId, ImageStore, RepositorySettings, TagMutability,
};

use crate::support::{LAYER, Layout, Node, Rig, digest, host, listing, options, tar};

fn layer(content: &[u8]) -> Vec<u8> {
    tar(&[("hello", Node::File(content))])
}

fn none() -> BTreeSet<Digest> {
    BTreeSet::new()
}

fn by_tag(tag: &str) -> ImageId {
    ImageId { digest: None, tag: Some(tag.to_owned()) }
}

/// ECS-STOP-8: the reason names the image as the user wrote it.
#[test]
fn ecs_stop_8_what_cannot_be_pulled_is_named() {
    let rig = Rig::new();
    rig.image("api", &[layer(b"x")]).expect("there");
    let digest = Digest::of(b"nothing");
    for (image, why) in [
        ("api:v2".to_owned(), "no tag v2"),
        ("r.io/nothing:v1".to_owned(), "no repository nothing"),
        (format!("api@{digest}"), "has no image sha256:"),
        ("Bad Name".to_owned(), "invalid reference format"),
    ] {
        let error = rig.store.resolve(&image).expect_err(&image);
        let text = error.to_string();
        assert!(text.starts_with("CannotPullContainerError: "), "{text}");
        assert!(text.contains(&format!("\"{image}\"")) && text.contains(why), "{text}");
    }
}

#[test]
fn a_repository_under_a_hosts_name_comes_first() {
    let rig = Rig::new();
    for (name, content) in [("team/app", b"1"), ("quay.io/team/app", b"2")] {
        let layout = Layout::new(&rig.path(&name.replace('/', "-")));
        layout.image("v1", &[layer(content)]);
        rig.store.import_layout(&layout.path, &options(name)).expect("imported");
    }
    for (image, content) in
        [("team/app:v1", b"1"), ("quay.io/team/app:v1", b"2"), ("ghcr.io/team/app:v1", b"1")]
    {
        let image = rig.store.resolve(image).expect(image);
        assert_eq!(fs::read(image.layers[0].join("hello")).expect("there"), content);
    }
}

#[test]
fn the_store_outlives_the_process_and_is_opened_once() {
    let rig = Rig::new();
    let image = rig.image("team/api", &[layer(b"x")]).expect("there");
    let root = rig.store.root().to_owned();
    assert!(matches!(ImageStore::open(root.clone()), Err(Error::InUse { .. })));
    let reader = ImageStore::open_read_only(root.clone()).expect("opened");
    assert_eq!(reader.resolve("team/api:v1").expect("resolved"), image);
    assert!(matches!(reader.ensure_repository("x1"), Err(Error::ReadOnly { .. })));
    drop(rig.store);
    let store = ImageStore::open(root).expect("opened");
    assert_eq!(store.resolve("team/api:v1").expect("resolved"), image);
}

/// What a killed process leaves: half written blobs, half unpacked layers, half a record.
#[test]
fn leftovers_are_swept_and_never_taken_for_content() {
    let rig = Rig::new();
    let image = rig.image("api", &[layer(b"x")]).expect("there");
    let root = rig.store.root().to_owned();
    drop(rig.store);
    fs::write(root.join("staging/1-1"), "half a blob").expect("written");
    fs::create_dir_all(root.join("staging/1-2/usr")).expect("made");
    fs::write(root.join("uploads/x"), "half an upload").expect("written");
    fs::write(root.join("repositories/api/_repository.tmp"), "{").expect("written");
    let store = ImageStore::open(root.clone()).expect("opened");
    assert_eq!(listing(&root.join("staging")), Vec::<String>::new());
    assert_eq!(listing(&root.join("uploads")), Vec::<String>::new());
    assert_eq!(store.resolve("api:v1").expect("resolved"), image);
}

/// Layers are not flushed, so a restart of the machine may have emptied their files.
#[test]
fn layers_are_made_again_after_a_restart_of_the_machine() {
    let rig = Rig::new();
    let image = rig.image("api", &[layer(b"x")]).expect("there");
    let root = rig.store.root().to_owned();
    drop(rig.store);
    fs::write(image.layers[0].join("hello"), "").expect("emptied");
    fs::write(root.join("boot"), "another boot").expect("written");
    let store = ImageStore::open(root).expect("opened");
    let again = store.resolve("api:v1").expect("resolved");
    assert_eq!(fs::read(again.layers[0].join("hello")).expect("there"), b"x");
}

#[test]
fn several_at_once_unpack_a_layer_once() {
    let rig = Rig::new();
    let layout = Layout::new(&rig.path("layout"));
    layout.image("v1", &[layer(b"1"), layer(b"2"), layer(b"3")]);
    rig.store.import_layout(&layout.path, &options("api")).expect("imported");
    let found: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| rig.store.resolve("api:v1"))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic").expect("resolved"))
            .collect()
    });
    assert!(found.iter().all(|image| *image == found[0]));
    assert_eq!(listing(&rig.path("store/staging")), Vec::<String>::new());
}

#[test]
fn deletion_frees_what_nobody_needs() {
    let rig = Rig::new();
    let one = rig.image("one", &[layer(b"shared"), layer(b"one")]).expect("there");
    let two = rig.image("two", &[layer(b"shared"), layer(b"two")]).expect("there");
    let blobs = || listing(&rig.path("store/blobs/sha256")).len();
    let freed =
        |in_use: &BTreeSet<Digest>, grace| rig.store.collect_garbage(in_use, grace).expect("freed");
    assert_eq!(freed(&none(), Duration::ZERO).blobs, 0, "all of it is needed");
    assert_eq!(blobs(), 7);

    rig.store.delete_manifest("one", one.digest).expect("deleted");
    assert_eq!(rig.store.tags("one").expect("there"), Vec::<String>::new());
    assert!(rig.store.resolve("one:v1").is_err());
    // A container still runs from it; and a push may be under way.
    let in_use = BTreeSet::from([one.digest]);
    assert_eq!(freed(&in_use, Duration::ZERO).blobs, 0);
    assert!(one.layers[1].exists(), "layers of images in use stay");
    let gone = freed(&none(), Duration::from_secs(3600));
    assert_eq!((gone.blobs, gone.layers), (0, 1));
    let gone = freed(&none(), Duration::ZERO);
    assert_eq!((gone.blobs, gone.layers), (3, 0));
    assert!(gone.bytes > 1024);
    assert!(!one.layers[1].exists() && one.layers[0].exists());
    assert_eq!(rig.store.resolve("two:v1").expect("resolved"), two);

    let error = rig.store.delete_repository("two", false).expect_err("not empty");
    assert!(matches!(error, Error::RepositoryNotEmpty { .. }));
    rig.store.delete_repository("two", true).expect("deleted");
    assert_eq!(freed(&none(), Duration::ZERO).blobs, 4);
    assert_eq!((blobs(), listing(&rig.path("store/layers"))), (0, Vec::new()));
    assert_eq!(listing(&rig.path("store/repositories")), ["one/", "one/_repository.json"]);
}

#[test]
fn a_packed_layer_that_was_freed_is_packed_again() {
    let rig = Rig::new();
    let image = BinaryImage { program: "/bin/true".into(), ..BinaryImage::default() };
    let first = rig.store.put_binary("api", "v1", &image).expect("packed");
    rig.store.delete_repository("api", true).expect("deleted");
    rig.store.collect_garbage(&none(), Duration::ZERO).expect("freed");
    assert_eq!(rig.store.put_binary("api", "v1", &image).expect("packed"), first);
    rig.store.resolve("api:v1").expect("resolved");
}

/// ERR-ECR-1: names, tags and what ECR says of them.
#[test]
fn err_ecr_1_repositories_and_tags() {
    let rig = Rig::new();
    let immutable = TagMutability { immutable: true, exclusions: vec!["latest".into()] };
    let settings =
        RepositorySettings { tag_mutability: immutable, ..RepositorySettings::default() };
    rig.store.create_repository("api", settings.clone()).expect("made");
    assert!(matches!(
        rig.store.create_repository("api", settings),
        Err(Error::RepositoryExists { .. })
    ));
    let import = |tag: &str, content: &[u8]| {
        let layout = Layout::new(&rig.path(&format!("{tag}-{}", content.len())));
        layout.image(tag, &[layer(content)]);
        rig.store.import_layout(&layout.path, &options("api"))
    };
    let first = import("v1", b"x").expect("imported");
    assert_eq!(import("v1", b"x").expect("the same again moves nothing"), first);
    let error = import("v1", b"longer").expect_err("immutable");
    assert!(
        error.to_string().contains("cannot be overwritten because the tag is immutable"),
        "{error}"
    );
    import("latest", b"x").expect("imported");
    let second = import("latest", b"longer").expect("excluded tags move");
    assert_eq!(rig.store.image("api", &by_tag("latest")).expect("there").digest, second);
    let detail = rig.store.image("api", &by_tag("v1")).expect("there");
    assert_eq!((detail.digest, &detail.tags[..]), (first, &["v1".to_owned()][..]));
    assert!(detail.size_bytes > 1024 && detail.pushed_at_ms > 1_600_000_000_000);

    // BatchDeleteImage: an image goes with its last tag.
    rig.store.tag_image("api", first, "also").expect("tagged");
    let delete = |ids: &[ImageId]| rig.store.delete_images("api", ids).expect("answered");
    let (gone, failed) = delete(&[by_tag("v1"), by_tag("nothing"), ImageId::default()]);
    assert_eq!(gone, [ImageId { digest: Some(first), tag: Some("v1".into()) }]);
    assert_eq!(
        failed.iter().map(|failure| failure.code).collect::<Vec<_>>(),
        ["ImageNotFound", "MissingDigestAndTag"]
    );
    assert_eq!(rig.store.image("api", &by_tag("also")).expect("still there").digest, first);
    delete(&[by_tag("also")]);
    let by_digest = ImageId { digest: Some(first), tag: None };
    assert!(matches!(rig.store.image("api", &by_digest), Err(Error::ImageNotFound { .. })));
}

#[test]
fn members_of_an_index_go_with_it() {
    let rig = Rig::new();
    let layout = Layout::new(&rig.path("layout"));
    let content = layer(b"x");
    let member = layout.manifest(host(), &[(LAYER, content.clone(), Digest::of(&content))]);
    let index = layout.index(&[(host(), member.clone())]);
    layout.names(&[("v1", index.clone())]);
    rig.store.import_layout(&layout.path, &options("api")).expect("imported");
    let (member, index) = (digest(&member), digest(&index));
    let error = rig.store.delete_manifest("api", member).expect_err("needed");
    assert!(matches!(error, Error::ReferencedByList { .. }), "{error}");
    let ids = [ImageId { digest: Some(member), tag: None }];
    let (_, failed) = rig.store.delete_images("api", &ids).expect("answered");
    assert_eq!(failed[0].code, "ImageReferencedByManifestList");
    rig.store.delete_manifest("api", index).expect("deleted");
    rig.store.delete_manifest("api", member).expect("deleted");
}

#[test]
fn a_lifecycle_policy_is_applied() {
    let rig = Rig::new();
    for tag in ["v1", "v2", "v3"] {
        let layout = Layout::new(&rig.path(tag));
        layout.image(tag, &[layer(tag.as_bytes())]);
        rig.store.import_layout(&layout.path, &options("api")).expect("imported");
    }
    let policy = r#"{"rules":[{"rulePriority":1,"selection":{"tagStatus":"any","countType":"imageCountMoreThan",
        "countNumber":1},"action":{"type":"expire"}}]}"#;
    let settings = |policy: &str| RepositorySettings {
        lifecycle_policy: Some(policy.to_owned()),
        ..RepositorySettings::default()
    };
    let error = rig.store.put_settings("api", settings("{}")).expect_err("no policy").chain();
    assert!(error.contains("invalid lifecycle policy"), "{error}");
    rig.store.put_settings("api", settings(policy)).expect("set");
    assert_eq!(rig.store.apply_lifecycle_policy("api", 0).expect("applied").len(), 2);
    assert_eq!(rig.store.images("api").expect("there").len(), 1);
    assert_eq!(rig.store.apply_lifecycle_policy("api", 0).expect("applied"), []);
}
