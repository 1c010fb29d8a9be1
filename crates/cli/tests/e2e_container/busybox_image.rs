//! An image nobody here has made for Neargate: Debian's static busybox in an OCI layout, with an
//! entry point, an environment, a user and a stop signal of its own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Writes the layout into `directory`: a web server on port 8080 that serves `/www`.
pub(crate) fn write_layout(directory: &Path, greeting: &str) {
    let busybox = Path::new("/bin/busybox");
    assert!(busybox.exists(), "this test needs /bin/busybox: apt-get install busybox-static");
    let root = tempfile::tempdir().expect("a folder");
    for folder in ["bin", "www", "tmp", "etc", "var/log"] {
        fs::create_dir_all(root.path().join(folder)).expect("a folder");
    }
    fs::copy(busybox, root.path().join("bin/busybox")).expect("copied");
    fs::set_permissions(root.path().join("bin/busybox"), fs::Permissions::from_mode(0o755))
        .expect("executable");
    std::os::unix::fs::symlink("busybox", root.path().join("bin/sh")).expect("a link");
    fs::write(root.path().join("www/index.html"), greeting).expect("written");
    fs::write(
        root.path().join("etc/passwd"),
        "root:x:0:0::/:/bin/sh\nweb:x:1000:1000::/:/bin/sh\n",
    )
    .expect("written");
    fs::write(root.path().join("etc/group"), "root:x:0:\nweb:x:1000:\n").expect("written");
    let tar = Command::new("tar")
        .args(["--owner=0", "--group=0", "-C"])
        .arg(root.path())
        .args(["-cf", "-", "."])
        .output()
        .expect("tar runs");
    assert!(tar.status.success());

    fs::create_dir_all(directory.join("blobs/sha256")).expect("a folder");
    let layer = put(directory, &tar.stdout);
    let config = json!({
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
        "os": "linux",
        "config": {
            "Entrypoint": ["/bin/busybox"],
            "Cmd": ["httpd", "-f", "-v", "-p", "8080", "-h", "/www"],
            "Env": ["PATH=/bin", "GREETING=from the image"],
            "User": "web",
            "WorkingDir": "/tmp",
            "StopSignal": "SIGKILL",
        },
        "rootfs": { "type": "layers", "diff_ids": [layer["digest"]] },
    });
    let config = put(directory, config.to_string().as_bytes());
    let typed = |mut descriptor: Value, kind: &str| {
        descriptor["mediaType"] = json!(format!("application/vnd.oci.image.{kind}"));
        descriptor
    };
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": typed(config, "config.v1+json"),
        "layers": [typed(layer, "layer.v1.tar")],
    });
    let manifest = put(directory, manifest.to_string().as_bytes());
    let mut manifest = typed(manifest, "manifest.v1+json");
    manifest["annotations"] = json!({ "org.opencontainers.image.ref.name": "v1" });
    let index = json!({ "schemaVersion": 2, "manifests": [manifest] });
    fs::write(directory.join("index.json"), index.to_string()).expect("written");
    fs::write(directory.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).expect("written");
}

/// Stores a blob; its descriptor without a type.
fn put(directory: &Path, bytes: &[u8]) -> Value {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    fs::write(directory.join("blobs/sha256").join(&hex), bytes).expect("written");
    json!({ "digest": format!("sha256:{hex}"), "size": bytes.len() })
}
