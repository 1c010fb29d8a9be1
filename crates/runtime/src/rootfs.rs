//! A container's root: the image's layers with a writable one on top.
//!
//! The mount is made in the shim's own mount namespace, so it shows nowhere else and is gone with
//! its last user, however that ends. Where overlayfs refuses (no privilege, or a directory it
//! cannot write over), the layers are copied.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Gid, Mode, OFlags, ResolveFlags, Uid, XattrFlags};
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};

/// Written beside a copied root once it is whole.
const COPIED: &str = "root.copied";
/// Of a directory that hides what lower layers have in it.
const OPAQUE: [&str; 2] = ["trusted.overlay.opaque", "user.overlay.opaque"];
/// Largest /etc/passwd or /etc/group that is read.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// How the root came to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Made {
    /// Mounted.
    Overlay,
    /// Copied, because overlayfs said this.
    Copy(String),
}

/// Gives this process a mount namespace of its own: what it mounts is seen nowhere else, what the
/// host mounts from now on is seen here.
///
/// Other tasks' pinned network namespaces come along with the copy of the mount table, and would
/// live on here after their release; so they are let go of, except `keep`.
///
/// # Errors
/// The kernel's refusal.
pub(crate) fn own_mount_namespace(keep: Option<&Path>) -> io::Result<()> {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS)?;
    let downstream = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", downstream)?;
    let table = fs::read_to_string("/proc/self/mountinfo")?;
    for point in pins(&table) {
        if keep != Some(point.as_path()) {
            let _already_gone = rustix::mount::unmount(&point, UnmountFlags::DETACH);
        }
    }
    Ok(())
}

/// Mount points of namespaces.
fn pins(mountinfo: &str) -> Vec<PathBuf> {
    mountinfo
        .lines()
        .filter_map(|line| {
            let (place, kind) = line.split_once(" - ")?;
            let point = place.split(' ').nth(4)?;
            kind.starts_with("nsfs ").then(|| PathBuf::from(unescape(point)))
        })
        .collect()
}

/// Octal escapes of space, tab, newline and backslash, as /proc writes them.
fn unescape(text: &str) -> String {
    let mut plain = text.to_owned();
    for (escape, character) in [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")] {
        plain = plain.replace(escape, character);
    }
    plain
}

/// Makes `dir/root` the root file system of these layers, lowest first. What is written goes to the
/// directory `writable`, which may be `dir` itself; what was written in an earlier run is there.
///
/// # Errors
/// A layer that cannot be read, or a full disk.
pub(crate) fn prepare(layers: &[PathBuf], dir: &Path, writable: &Path) -> io::Result<Made> {
    if layers.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the image has no layers"));
    }
    let root = dir.join("root");
    fs::create_dir_all(&root)?;
    let copy = writable.join("root");
    let show = || -> io::Result<()> {
        if copy != root {
            rustix::mount::mount_bind(&copy, &root)?;
        }
        Ok(())
    };
    if writable.join(COPIED).exists() {
        show()?;
        return Ok(Made::Copy("copied before".to_owned()));
    }
    match overlay(layers, writable, &root) {
        Ok(()) => Ok(Made::Overlay),
        Err(refusal) if refusal.kind() == io::ErrorKind::NotFound => Err(refusal),
        Err(refusal) => {
            // What an interrupted copy left would be taken for the image's.
            remove(&copy)?;
            fs::create_dir_all(&copy)?;
            for layer in layers {
                copy_tree(layer, &copy)?;
            }
            fs::write(writable.join(COPIED), b"")?;
            show()?;
            Ok(Made::Copy(refusal.to_string()))
        }
    }
}

fn overlay(layers: &[PathBuf], dir: &Path, root: &Path) -> io::Result<()> {
    // Descriptors in place of paths: the options fit one page whatever the paths are, and no
    // character in them has a meaning.
    let open = |path: &Path| -> io::Result<OwnedFd> {
        rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .map_err(|error| {
                let error = io::Error::from(error);
                io::Error::new(error.kind(), format!("opening layer {}: {error}", path.display()))
            })
    };
    let lower = layers.iter().rev().map(|layer| open(layer)).collect::<io::Result<Vec<_>>>()?;
    let (upper, work) = (dir.join("upper"), dir.join("overlay"));
    fs::create_dir_all(&upper)?;
    fs::create_dir_all(&work)?;
    // The root directory is the image's, as far as its owner and mode go.
    let top = fs::metadata(layers.last().map_or(root, PathBuf::as_path))?;
    fs::set_permissions(&upper, top.permissions())?;
    let (upper, work) = (open(&upper)?, open(&work)?);
    let path = |descriptor: &OwnedFd| format!("/proc/self/fd/{}", descriptor.as_raw_fd());
    let lower: Vec<String> = lower.iter().map(path).collect();
    let data =
        format!("lowerdir={},upperdir={},workdir={}\0", lower.join(":"), path(&upper), path(&work));
    let data = std::ffi::CString::from_vec_with_nul(data.into_bytes())
        .map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    rustix::mount::mount("overlay", root, "overlay", MountFlags::empty(), Some(data.as_c_str()))?;
    Ok(())
}

/// Copies one layer over what is there, by overlayfs's rules for whiteouts.
fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    let of = |path: &Path| {
        let path = path.display().to_string();
        move |error: io::Error| io::Error::new(error.kind(), format!("copying {path}: {error}"))
    };
    if is_opaque(from) {
        clear(to)?;
    }
    for entry in fs::read_dir(from).map_err(of(from))? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let meta = fs::symlink_metadata(&source)?;
        let kind = meta.file_type();
        let present = fs::symlink_metadata(&target).ok();
        if kind.is_char_device() && meta.rdev() == 0 {
            remove(&target)?;
            continue;
        }
        if !(kind.is_dir() && present.as_ref().is_some_and(|target| target.is_dir())) {
            remove(&target)?;
        }
        if kind.is_dir() {
            fs::create_dir_all(&target).map_err(of(&target))?;
            copy_tree(&source, &target)?;
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&source)?, &target).map_err(of(&target))?;
        } else if kind.is_file() {
            fs::copy(&source, &target).map_err(of(&target))?;
        } else if kind.is_fifo() {
            nix::unistd::mkfifo(&target, nix::sys::stat::Mode::S_IRUSR).map_err(io::Error::from)?;
        } else {
            // Devices and sockets of an image are of no use in a container.
            continue;
        }
        own_as(&source, &target, &meta)?;
    }
    Ok(())
}

/// Owner first: changing it takes the setuid bit away.
fn own_as(source: &Path, target: &Path, meta: &fs::Metadata) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(meta.uid()), Gid::from_raw(meta.gid()));
    rustix::fs::chownat(CWD, target, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
    if !meta.file_type().is_symlink() {
        fs::set_permissions(target, fs::Permissions::from_mode(meta.mode()))?;
        let mut value = [0_u8; 256];
        // File capabilities, such as ping's.
        if let Ok(length) = rustix::fs::lgetxattr(source, "security.capability", &mut value[..]) {
            rustix::fs::lsetxattr(
                target,
                "security.capability",
                &value[..length],
                XattrFlags::empty(),
            )?;
        }
    }
    Ok(())
}

fn is_opaque(dir: &Path) -> bool {
    OPAQUE.iter().any(|name| {
        let mut value = [0_u8; 8];
        matches!(rustix::fs::lgetxattr(dir, *name, &mut value[..]), Ok(1) if value[0] == b'y')
    })
}

fn clear(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        remove(&entry?.path())?;
    }
    Ok(())
}

fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A small text file of the container, where no link leads outside of it; empty when there is none.
pub(crate) fn read_text(root: &Path, path: &str) -> String {
    let open = || -> io::Result<String> {
        let root = rustix::fs::open(
            root,
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        let file = rustix::fs::openat2(
            &root,
            path.trim_start_matches('/'),
            OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK,
            Mode::empty(),
            ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS,
        )?;
        let file = File::from(file);
        let mut text = Vec::new();
        io::Read::read_to_end(&mut io::Read::take(file, MAX_FILE), &mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    };
    open().unwrap_or_default()
}

/// Makes the working directory if the image has none, as Docker does, owned by the user.
///
/// # Errors
/// When it cannot be made, or something else is in its place.
pub(crate) fn make_working_directory(
    root: &Path,
    path: &Path,
    uid: u32,
    gid: u32,
) -> io::Result<()> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut at = rustix::fs::open(root, flags, Mode::empty())?;
    let inside = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let top = at.try_clone()?;
    let mut so_far = PathBuf::new();
    for part in path.components() {
        let std::path::Component::Normal(part) = part else { continue };
        so_far.push(part);
        at = match rustix::fs::openat2(&top, &so_far, flags, Mode::empty(), inside) {
            Err(rustix::io::Errno::NOENT) => {
                rustix::fs::mkdirat(&at, part, Mode::from_raw_mode(0o755))?;
                rustix::fs::chownat(
                    &at,
                    part,
                    Some(Uid::from_raw(uid)),
                    Some(Gid::from_raw(gid)),
                    AtFlags::SYMLINK_NOFOLLOW,
                )?;
                rustix::fs::openat2(&top, &so_far, flags, Mode::empty(), inside)?
            }
            opened => opened.map_err(|error| {
                let error = io::Error::from(error);
                let message = format!("working directory {}: {error}", path.display());
                io::Error::new(error.kind(), message)
            })?,
        };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pinned_namespaces_are_told_from_other_mounts() {
        let table = "\
30 1 254:0 / / rw - ext4 /dev/vda rw
55 30 0:4 net:[4026532281] /home/a\\040b/net rw shared:1 - nsfs nsfs rw
";
        assert_eq!(pins(table), [PathBuf::from("/home/a b/net")]);
    }

    /// Where layers cannot be mounted, what is written goes to the same place as where they can.
    #[test]
    #[cfg_attr(not(feature = "root-tests"), ignore = "needs root: --features root-tests")]
    fn a_copy_is_made_where_it_is_written_to() {
        let temporary = tempfile::tempdir().expect("a directory");
        let at = |path: &str| temporary.path().join(path);
        for dir in ["layer", "app", "writable"] {
            fs::create_dir_all(at(dir)).expect("made");
        }
        fs::write(at("layer/file"), "text").expect("written");
        // A file where overlayfs wants a directory.
        fs::write(at("writable/overlay"), "").expect("written");
        let prepared = std::thread::scope(|scope| {
            let (layers, dir, writable) = ([at("layer")], at("app"), at("writable"));
            // The mount is this thread's and goes with it.
            let thread = scope.spawn(move || {
                own_mount_namespace(None).expect("this test needs root, for a mount");
                for _ in 0..2 {
                    let made = prepare(&layers, &dir, &writable).expect("prepared");
                    assert!(matches!(made, Made::Copy(_)), "{made:?}");
                    fs::write(dir.join("root/new"), "new").expect("written");
                }
                fs::read_to_string(dir.join("root/file"))
            });
            thread.join().expect("no panic")
        });
        assert_eq!(prepared.expect("the image's"), "text");
        assert_eq!(fs::read_to_string(at("writable/root/new")).expect("written"), "new");
        assert_eq!(fs::read_dir(at("app/root")).expect("there").count(), 0, "seen there only");
    }

    #[test]
    #[cfg_attr(not(feature = "root-tests"), ignore = "needs root: --features root-tests")]
    fn copied_layers_obey_whiteouts_and_links_stay_inside() {
        let temporary = tempfile::tempdir().expect("a directory");
        let at = |path: &str| temporary.path().join(path);
        for (path, text) in [
            ("a/etc/passwd", "low"),
            ("a/gone", "low"),
            ("a/opaque/old", "low"),
            ("b/opaque/new", "x"),
        ] {
            fs::create_dir_all(at(path).parent().expect("a parent")).expect("made");
            fs::write(at(path), text).expect("written");
        }
        fs::create_dir_all(at("b/etc")).expect("made");
        std::os::unix::fs::symlink("/etc/passwd", at("b/etc/link")).expect("linked");
        rustix::fs::mknodat(
            CWD,
            at("b/gone"),
            rustix::fs::FileType::CharacterDevice,
            Mode::RUSR,
            rustix::fs::makedev(0, 0),
        )
        .expect("this test needs root, to make a whiteout");
        rustix::fs::lsetxattr(at("b/opaque"), OPAQUE[0], b"y", XattrFlags::empty())
            .expect("this test needs root, to mark a directory opaque");
        fs::create_dir_all(at("root")).expect("made");
        for layer in ["a", "b"] {
            copy_tree(&at(layer), &at("root")).expect("copied");
        }
        assert_eq!(read_text(&at("root"), "/etc/link"), "low", "the link leads to the root's own");
        assert!(!at("root/gone").exists());
        assert!(at("root/opaque/new").exists() && !at("root/opaque/old").exists());
        assert_eq!(read_text(&at("root"), "/etc/none"), "");

        make_working_directory(&at("root"), Path::new("/srv/app"), 5, 6).expect("made");
        let made = fs::metadata(at("root/srv/app")).expect("there");
        assert_eq!((made.uid(), made.gid()), (5, 6));
        std::os::unix::fs::symlink("/", at("root/out")).expect("linked");
        make_working_directory(&at("root"), Path::new("/out/made"), 5, 6).expect("made inside");
        assert!(at("root/made").is_dir(), "not in the host's root");
    }
}
