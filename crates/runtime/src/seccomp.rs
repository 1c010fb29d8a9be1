//! The system calls a container is refused: those that Docker's default profile refuses to a
//! container with the default capabilities.
//!
//! Stated once, as data, and rendered twice: into filter programs for the kernel, and into the
//! profile of an OCI runtime. A refused call answers EPERM; `clone3` answers ENOSYS, because a
//! filter cannot look at its flags and C libraries then fall back to `clone`.

use std::collections::BTreeMap;
use std::io;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, sock_filter,
};
use serde_json::{Value, json};

use crate::raw;

/// A call refused whatever its arguments.
type Call = (&'static str, libc::c_long);

macro_rules! calls {
    ($($name:ident = $number:ident),+ $(,)?) => {
        &[$((stringify!($name), libc::$number)),+]
    };
}

/// Refused on every architecture.
const DENIED: &[Call] = calls![
    acct = SYS_acct,
    add_key = SYS_add_key,
    bpf = SYS_bpf,
    clock_adjtime = SYS_clock_adjtime,
    clock_settime = SYS_clock_settime,
    delete_module = SYS_delete_module,
    fanotify_init = SYS_fanotify_init,
    finit_module = SYS_finit_module,
    fsconfig = SYS_fsconfig,
    fsmount = SYS_fsmount,
    fsopen = SYS_fsopen,
    fspick = SYS_fspick,
    get_mempolicy = SYS_get_mempolicy,
    init_module = SYS_init_module,
    io_uring_enter = SYS_io_uring_enter,
    io_uring_register = SYS_io_uring_register,
    io_uring_setup = SYS_io_uring_setup,
    kexec_load = SYS_kexec_load,
    keyctl = SYS_keyctl,
    lookup_dcookie = SYS_lookup_dcookie,
    mbind = SYS_mbind,
    migrate_pages = SYS_migrate_pages,
    mount = SYS_mount,
    mount_setattr = SYS_mount_setattr,
    move_mount = SYS_move_mount,
    move_pages = SYS_move_pages,
    nfsservctl = SYS_nfsservctl,
    open_by_handle_at = SYS_open_by_handle_at,
    open_tree = SYS_open_tree,
    perf_event_open = SYS_perf_event_open,
    pivot_root = SYS_pivot_root,
    quotactl = SYS_quotactl,
    quotactl_fd = SYS_quotactl_fd,
    reboot = SYS_reboot,
    request_key = SYS_request_key,
    set_mempolicy = SYS_set_mempolicy,
    set_mempolicy_home_node = SYS_set_mempolicy_home_node,
    setdomainname = SYS_setdomainname,
    sethostname = SYS_sethostname,
    setns = SYS_setns,
    settimeofday = SYS_settimeofday,
    swapoff = SYS_swapoff,
    swapon = SYS_swapon,
    syslog = SYS_syslog,
    umount2 = SYS_umount2,
    unshare = SYS_unshare,
    userfaultfd = SYS_userfaultfd,
    vhangup = SYS_vhangup,
];

/// Refused where they exist.
#[cfg(target_arch = "x86_64")]
const DENIED_HERE: &[Call] = calls![
    _sysctl = SYS__sysctl,
    ioperm = SYS_ioperm,
    iopl = SYS_iopl,
    kexec_file_load = SYS_kexec_file_load,
    sysfs = SYS_sysfs,
    uselib = SYS_uselib,
    ustat = SYS_ustat,
];
#[cfg(not(target_arch = "x86_64"))]
const DENIED_HERE: &[Call] = &[];

/// `clone` with any of these flags makes a namespace. The time namespace is missing: in `clone`
/// its bit belongs to the exit signal, so it cannot be made that way.
const NAMESPACE_FLAGS: [i32; 7] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];
/// Personalities that undo protections or change what calls mean. Refused where the top bit is not
/// set, because with it the call only asks.
const PERSONALITY_FLAGS: [u64; 10] = [
    0x0004_0000, // ADDR_NO_RANDOMIZE
    0x0008_0000, // FDPIC_FUNCPTRS
    0x0010_0000, // MMAP_PAGE_ZERO
    0x0020_0000, // ADDR_COMPAT_LAYOUT
    0x0040_0000, // READ_IMPLIES_EXEC
    0x0080_0000, // ADDR_LIMIT_32BIT
    0x0100_0000, // SHORT_INODE
    0x0200_0000, // WHOLE_SECONDS
    0x0400_0000, // STICKY_TIMEOUTS
    0x0800_0000, // ADDR_LIMIT_3GB
];
const PERSONALITY_ASKS: u64 = 0x8000_0000;

/// Installs the filter for this thread and everything it starts. Needs `CAP_SYS_ADMIN`: asking for
/// no-new-privileges instead would break setuid programs, which work in Docker and on Fargate.
///
/// # Errors
/// The kernel's refusal.
pub(crate) fn install() -> io::Result<()> {
    // The kernel takes the strictest answer of all filters installed.
    for program in programs()? {
        raw::install_filter(&program)?;
    }
    Ok(())
}

/// Whether this kernel has such filters.
pub(crate) fn is_supported() -> bool {
    std::path::Path::new("/proc/sys/kernel/seccomp/actions_avail").exists()
}

fn programs() -> io::Result<Vec<BpfProgram>> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        DENIED.iter().chain(DENIED_HERE).map(|(_, number)| (*number, Vec::new())).collect();
    rules.insert(libc::SYS_clone, namespace_rules().map_err(invalid)?);
    let personalities = PERSONALITY_FLAGS.map(|flag| masked(flag | PERSONALITY_ASKS, flag));
    let personalities = personalities.into_iter().collect::<Result<_, _>>().map_err(invalid)?;
    rules.insert(libc::SYS_personality, personalities);
    let vsock = argument(0, SeccompCmpOp::Eq, libc::AF_VSOCK as u64)
        .and_then(|family| SeccompRule::new(vec![family]))
        .map_err(invalid)?;
    rules.insert(libc::SYS_socket, vec![vsock]);
    let mut programs = vec![
        program(rules, libc::EPERM)?,
        program([(libc::SYS_clone3, Vec::new())].into(), libc::ENOSYS)?,
    ];
    if cfg!(target_arch = "x86_64") {
        programs.push(no_x32());
    }
    Ok(programs)
}

fn program(rules: BTreeMap<i64, Vec<SeccompRule>>, errno: i32) -> io::Result<BpfProgram> {
    let architecture: TargetArch = std::env::consts::ARCH.try_into().map_err(invalid)?;
    SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        SeccompAction::Errno(errno.unsigned_abs()),
        architecture,
    )
    .and_then(BpfProgram::try_from)
    .map_err(invalid)
}

fn namespace_rules() -> Result<Vec<SeccompRule>, seccompiler::BackendError> {
    NAMESPACE_FLAGS
        .iter()
        .map(|flag| {
            let flag = u64::from(flag.unsigned_abs());
            masked(flag, flag)
        })
        .collect()
}

/// Where the first argument has this value under this mask.
fn masked(mask: u64, value: u64) -> Result<SeccompRule, seccompiler::BackendError> {
    SeccompRule::new(vec![argument(0, SeccompCmpOp::MaskedEq(mask), value)?])
}

fn argument(
    index: u8,
    operator: SeccompCmpOp,
    value: u64,
) -> Result<SeccompCondition, seccompiler::BackendError> {
    // The kernel looks at the low half of these arguments, and so must a filter.
    SeccompCondition::new(index, SeccompCmpArgLen::Dword, operator, value)
}

/// Every call has a second number for x32 programs, which a list of numbers would miss.
fn no_x32() -> BpfProgram {
    const X32_BIT: u32 = 0x4000_0000;
    let instruction = |code: u32, jt, jf, k| sock_filter {
        code: u16::try_from(code).unwrap_or_default(),
        jt,
        jf,
        k,
    };
    let refused = libc::SECCOMP_RET_ERRNO | libc::ENOSYS.unsigned_abs();
    vec![
        // The call's number is the first word of what a filter sees.
        instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        instruction(libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K, 0, 1, X32_BIT),
        instruction(libc::BPF_RET | libc::BPF_K, 0, 0, refused),
        instruction(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ]
}

fn invalid(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// The profile of every container, as an OCI runtime reads it that installs it itself.
#[must_use]
pub fn oci_profile() -> Value {
    let refused = |names: Value, arguments: Value, errno: i32| {
        json!({
            "names": names, "action": "SCMP_ACT_ERRNO", "errnoRet": errno, "args": arguments,
        })
    };
    let names: Vec<&str> = DENIED.iter().chain(DENIED_HERE).map(|(name, _)| *name).collect();
    let mut calls = vec![
        refused(json!(names), json!([]), libc::EPERM),
        refused(json!(["clone3"]), json!([]), libc::ENOSYS),
        refused(
            json!(["socket"]),
            json!([{ "index": 0, "value": libc::AF_VSOCK, "op": "SCMP_CMP_EQ" }]),
            libc::EPERM,
        ),
    ];
    // One rule each: in this format conditions on the same argument are alternatives.
    let masked = |name: &str, mask: u64, value: u64| {
        let condition = json!([{
            "index": 0, "value": mask, "valueTwo": value, "op": "SCMP_CMP_MASKED_EQ",
        }]);
        refused(json!([name]), condition, libc::EPERM)
    };
    calls.extend(NAMESPACE_FLAGS.iter().map(|flag| {
        let flag = u64::from(flag.unsigned_abs());
        masked("clone", flag, flag)
    }));
    calls.extend(
        PERSONALITY_FLAGS.iter().map(|flag| masked("personality", flag | PERSONALITY_ASKS, *flag)),
    );
    let architectures = match std::env::consts::ARCH {
        "x86_64" => json!(["SCMP_ARCH_X86_64"]),
        "aarch64" => json!(["SCMP_ARCH_AARCH64"]),
        _ => json!([]),
    };
    json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": architectures,
        "syscalls": calls,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profile_compiles_and_both_forms_say_the_same() {
        let programs = programs().expect("compiles");
        assert!(programs.iter().all(|program| program.len() < 4096), "BPF_MAXINSNS");
        let profile = oci_profile();
        let rules = profile["syscalls"].as_array().expect("rules");
        assert_eq!(
            rules[0]["names"].as_array().map(Vec::len),
            Some(DENIED.len() + DENIED_HERE.len())
        );
        let count = |name: &str| rules.iter().filter(|rule| rule["names"][0] == name).count();
        assert_eq!((count("clone"), count("personality")), (7, 10));
    }

    /// In this thread only, which is what a filter applies to.
    #[test]
    #[cfg_attr(not(feature = "root-tests"), ignore = "needs root: --features root-tests")]
    fn refused_calls_are_refused_and_others_are_not() {
        use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
        let open = || rustix::mount::fsopen("tmpfs", rustix::mount::FsOpenFlags::empty());
        open().expect("this test needs root: the call is to be refused by the filter alone");
        let thread = std::thread::spawn(move || {
            install().expect("this test needs root, to install a filter");
            assert_eq!(open().expect_err("refused"), rustix::io::Errno::PERM);
            let unshared = nix::sched::unshare(nix::sched::CloneFlags::CLONE_FS);
            assert_eq!(unshared, Err(nix::errno::Errno::EPERM));
            assert!(!rustix::thread::no_new_privs().expect("asked"), "setuid programs work");
            let of = |family| socket(family, SockType::Stream, SockFlag::empty(), None);
            assert_eq!(of(AddressFamily::Vsock).err(), Some(nix::errno::Errno::EPERM));
            of(AddressFamily::Inet).expect("harmless");
            // Through clone3, which is not there, to clone.
            let child = std::process::Command::new("true").status().expect("still starts");
            assert!(child.success());
            std::thread::spawn(|| ()).join().expect("threads still start");
        });
        thread.join().expect("as asserted");
    }

    #[test]
    fn no_call_is_listed_twice() {
        let mut names: Vec<&str> =
            DENIED.iter().chain(DENIED_HERE).map(|(name, _)| *name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
