//! The system calls that no crate wraps safely: installing a system call filter without giving up
//! setuid programs, asking how a process that is not our child ended, and making a file a disk.
//!
//! The only place of this crate with `unsafe`. The calls pass one pointer at most, to memory that
//! outlives the call and whose size the kernel is told or knows.
#![expect(unsafe_code, reason = "these calls have no safe wrapper; nothing else may be here")]

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use seccompiler::sock_filter;

/// Filters the system calls of this thread and all that comes of it, from now on and for ever.
/// Needs `CAP_SYS_ADMIN` or no-new-privileges.
///
/// # Errors
/// The kernel's refusal: no privilege, or no support for filters.
pub(crate) fn install_filter(program: &[sock_filter]) -> io::Result<()> {
    let length = u16::try_from(program.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let program = libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut().cast() };
    // SAFETY: `program` points to `length` instructions for the duration of the call, and the
    // kernel only reads them. seccompiler's instruction has the kernel's layout (`repr(C)`, u16,
    // u8, u8, u32), as libc's has.
    let result =
        unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// First version of the kernel's `struct pidfd_info`; later ones are longer.
#[repr(C)]
#[derive(Default)]
struct PidfdInfo {
    mask: u64,
    cgroup: u64,
    /// Process, thread group, parent, then the eight user and group ids.
    ids: [u32; 11],
    exit_code: i32,
}

const PIDFD_INFO_EXIT: u64 = 1 << 3;
/// `_IOWR(0xFF, 11, struct pidfd_info)`.
const PIDFD_GET_INFO: libc::Ioctl =
    ((3 << 30) | (size_of::<PidfdInfo>() << 16) | (0xff << 8) | 11) as libc::Ioctl;

/// The wait status of the process behind a pidfd, whoever its parent was; `None` while it has not
/// been reaped.
///
/// # Errors
/// From kernels that do not tell (before 6.15).
pub(crate) fn exit_status(pidfd: impl AsFd) -> io::Result<Option<i32>> {
    let mut info = PidfdInfo { mask: PIDFD_INFO_EXIT, ..PidfdInfo::default() };
    // SAFETY: the request's number carries the size of `info`, which is ours to write to.
    let result = unsafe { libc::ioctl(pidfd.as_fd().as_raw_fd(), PIDFD_GET_INFO, &raw mut info) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok((info.mask & PIDFD_INFO_EXIT != 0).then_some(info.exit_code))
}

/// The kernel's `struct loop_info64`.
#[repr(C)]
struct LoopInfo {
    /// Of the file behind it.
    device: u64,
    inode: u64,
    rdevice: u64,
    offset: u64,
    size_limit: u64,
    number: u32,
    encryption: [u32; 2],
    flags: u32,
    names: [u8; 160],
    init: [u64; 2],
}

/// The kernel's `struct loop_config`.
#[repr(C)]
struct LoopConfig {
    file: u32,
    /// 0: the kernel chooses.
    block_size: u32,
    info: LoopInfo,
    reserved: [u64; 8],
}

impl LoopInfo {
    fn new(flags: u32) -> Self {
        let (device, inode, rdevice, offset, size_limit, number) = Default::default();
        let (encryption, names, init) = ([0; 2], [0; 160], [0; 2]);
        Self { device, inode, rdevice, offset, size_limit, number, encryption, flags, names, init }
    }
}

const LOOP_GET_STATUS64: libc::Ioctl = 0x4c05;
const LOOP_CONFIGURE: libc::Ioctl = 0x4c0a;
const LOOP_CTL_GET_FREE: libc::Ioctl = 0x4c82;
/// Detached with its last user.
const LO_FLAGS_AUTOCLEAR: u32 = 4;
/// What is written is not kept in memory a second time, where the file system can do so.
const LO_FLAGS_DIRECT_IO: u32 = 16;

/// Number of a loop device without a file; `control` is `/dev/loop-control`. It may be taken by
/// somebody else at any time.
///
/// # Errors
/// The kernel's refusal.
pub(crate) fn free_loop_device(control: impl AsFd) -> io::Result<u32> {
    // SAFETY: the request has no argument.
    let number = unsafe { libc::ioctl(control.as_fd().as_raw_fd(), LOOP_CTL_GET_FREE) };
    u32::try_from(number).map_err(|_| io::Error::last_os_error())
}

/// Puts a file behind a loop device, until nobody uses the device any more.
///
/// # Errors
/// `ResourceBusy` when the device has a file; else the kernel's refusal.
pub(crate) fn attach_loop_device(device: impl AsFd, file: impl AsFd) -> io::Result<()> {
    let config = LoopConfig {
        file: u32::try_from(file.as_fd().as_raw_fd()).map_err(|_| io::ErrorKind::InvalidInput)?,
        block_size: 0,
        info: LoopInfo::new(LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO),
        reserved: [0; 8],
    };
    // SAFETY: the kernel only reads `config`, which has the layout it knows.
    let result =
        unsafe { libc::ioctl(device.as_fd().as_raw_fd(), LOOP_CONFIGURE, &raw const config) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Device and inode number of the file behind a loop device; `None` when it has none.
pub(crate) fn file_of_loop_device(device: impl AsFd) -> Option<(u64, u64)> {
    let mut info = LoopInfo::new(0);
    // SAFETY: the kernel writes to `info`, which is ours and has the layout it knows.
    let result =
        unsafe { libc::ioctl(device.as_fd().as_raw_fd(), LOOP_GET_STATUS64, &raw mut info) };
    (result == 0).then_some((info.device, info.inode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structures_are_as_long_as_the_kernels() {
        assert_eq!((size_of::<LoopInfo>(), size_of::<LoopConfig>()), (232, 304));
    }
}
