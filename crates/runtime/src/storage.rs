//! A task's own file system, for a task that says how much storage it wants (ECS-TD-5): what its
//! containers write goes there, and beyond its size they are told that there is no space left.
//!
//! It is a sparse file in the task's directory with ext4 in it, on a loop device. Each shim mounts it
//! in its own mount namespace, so nobody else sees it; the same device mounted again is the same
//! file system, so the containers share it. The kernel takes the device away with the last mount,
//! however that ends, and the file goes with the task's directory.
//!
//! Nothing in it outlives the task. So it has no journal, and writes are not forced to the disk
//! behind the loop device: a power cut that would lose them ends the task as well.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::FlockOperation;
use rustix::mount::MountFlags;

use crate::raw;

/// Of the names below, none can be a container's: they have a dot.
const IMAGE: &str = "storage.ext4";
/// Why the task has no file system of its own; the same holds for all of its containers.
const REFUSED: &str = "storage.refused";
/// Where the program is looked for: shims have no environment.
const PROGRAMS: [&str; 3] = ["/usr/sbin/mkfs.ext4", "/sbin/mkfs.ext4", "/usr/local/sbin/mkfs.ext4"];
/// The kernel would otherwise fill the tables of an empty file system with zeros, which they are,
/// and keep the space of files that are gone.
const OPTIONS: &std::ffi::CStr = c"noinit_itable,discard,nobarrier";
/// How often a free device may be taken by somebody else meanwhile.
const ATTEMPTS: usize = 64;

/// The file that the file system is in, if the task has one.
pub(crate) fn image(task: &Path) -> PathBuf {
    task.join(IMAGE)
}

/// Bytes in use on the file system that the container of this process writes to.
pub(crate) fn used_by(pid: i32) -> Option<u64> {
    // Of an overlay these are the numbers of the file system that is written to.
    let found = rustix::fs::statvfs(format!("/proc/{pid}/root")).ok()?;
    Some(found.f_blocks.saturating_sub(found.f_bfree) * found.f_frsize)
}

/// Mounts the file system of the task in this directory at `point`, in this process's mount
/// namespace; the first container makes it, `size_mib` large. The inner error is why this machine
/// cannot do so: then no container of the task has it.
///
/// # Errors
/// When the task has one and it cannot be mounted.
pub(crate) fn mount(task: &Path, size_mib: u64, point: &Path) -> io::Result<Result<(), String>> {
    // Containers of a task start at the same time. Let go of with the process, however it ends.
    let lock = File::open(task)?;
    rustix::fs::flock(&lock, FlockOperation::LockExclusive)?;
    fs::create_dir_all(point)?;
    let (image, refused) = (image(task), task.join(REFUSED));
    if image.exists() {
        return attach(&image, point).map(Ok).map_err(|error| {
            io::Error::new(error.kind(), format!("mounting the task's storage: {error}"))
        });
    }
    if let Ok(reason) = fs::read_to_string(&refused) {
        return Ok(Err(reason));
    }
    // A name of its own: the program that a killed shim had started may still write to the last.
    let draft = task.join(format!("storage.{}", std::process::id()));
    let made = make(&draft, size_mib)
        .and_then(|()| attach(&draft, point).map_err(|error| format!("mounting ext4: {error}")));
    match made {
        Ok(()) => fs::rename(&draft, &image).map(Ok),
        Err(reason) => {
            let _nothing_of_use = fs::remove_file(&draft);
            fs::write(refused, &reason)?;
            Ok(Err(reason))
        }
    }
}

/// An empty file system in a new file, which takes up next to no space.
fn make(file: &Path, size_mib: u64) -> Result<(), String> {
    let program = PROGRAMS
        .iter()
        .find(|program| Path::new(program).is_file())
        .ok_or("the program mkfs.ext4 is not installed (Debian: apt-get install e2fsprogs)")?;
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .and_then(|file| file.set_len(size_mib << 20))
        .map_err(|error| format!("making {}: {error}", file.display()))?;
    let output = Command::new(program)
        // Nothing is reserved for root, which is what most containers run as.
        .args(["-q", "-F", "-b", "4096", "-m", "0", "-O", "^has_journal,^resize_inode"])
        .args(["-E", "lazy_itable_init=1,nodiscard"])
        .arg(file)
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("starting {program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let line = said.lines().rfind(|line| !line.is_empty()).unwrap_or("it does not say why");
    Err(format!("{program} ended with {}: {line}", output.status))
}

/// Mounts the file, on the device that it is behind already or on a free one. Only under the lock:
/// two devices with the same file would be two file systems in one place.
fn attach(image: &Path, point: &Path) -> io::Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(image)?;
    // Open until it is mounted, so that it does not go away in between.
    let (_device, path) = match device_of(&file)? {
        Some(found) => found,
        None => attach_free(&file)?,
    };
    Ok(rustix::mount::mount(&path, point, "ext4", MountFlags::empty(), Some(OPTIONS))?)
}

fn open_device(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}

fn device_of(file: &File) -> io::Result<Option<(File, PathBuf)>> {
    let metadata = file.metadata()?;
    let wanted = (metadata.dev(), metadata.ino());
    for entry in fs::read_dir("/sys/block")?.flatten() {
        // Only of those with a file.
        if !entry.path().join("loop").exists() {
            continue;
        }
        let path = Path::new("/dev").join(entry.file_name());
        let Ok(device) = open_device(&path) else { continue };
        if raw::file_of_loop_device(&device) == Some(wanted) {
            return Ok(Some((device, path)));
        }
    }
    Ok(None)
}

fn attach_free(file: &File) -> io::Result<(File, PathBuf)> {
    let of = |path: &Path| {
        let path = path.display().to_string();
        move |error: io::Error| io::Error::new(error.kind(), format!("{path}: {error}"))
    };
    let control = Path::new("/dev/loop-control");
    let control = open_device(control).map_err(of(control))?;
    for _ in 0..ATTEMPTS {
        let path = PathBuf::from(format!("/dev/loop{}", raw::free_loop_device(&control)?));
        let device = open_device(&path).map_err(of(&path))?;
        match raw::attach_loop_device(&device, file) {
            Ok(()) => return Ok((device, path)),
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {}
            Err(error) => return Err(of(&path)(error)),
        }
    }
    Err(io::Error::other("every free loop device was taken by somebody else at once"))
}
