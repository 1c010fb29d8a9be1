//! The two system calls that no crate wraps safely: installing a system call filter without giving
//! up setuid programs, and asking how a process that is not our child ended.
//!
//! The only place of this crate with `unsafe`. Both calls pass one pointer to memory that outlives
//! the call and whose size the kernel is told.
#![expect(unsafe_code, reason = "these two calls have no safe wrapper; nothing else may be here")]

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
