//! What a container's root may do: Docker's default set, less what a task definition drops.

use std::collections::BTreeSet;
use std::io;

use rustix::thread::{CapabilitySet, CapabilitySets};

/// Docker's default set, which Fargate keeps.
const DEFAULT: [&str; 14] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// The capabilities of a container, as names without `CAP_`; `ALL` in either list is everything.
///
/// # Errors
/// A name the kernel does not know.
pub(crate) fn resolve(add: &[String], drop: &[String]) -> io::Result<BTreeSet<String>> {
    let mut names: BTreeSet<String> = DEFAULT.iter().map(|name| (*name).to_owned()).collect();
    if drop.iter().any(|name| name == "ALL") {
        names.clear();
    }
    if add.iter().any(|name| name == "ALL") {
        names.extend(CapabilitySet::all().iter_names().map(|(name, _)| name.to_owned()));
    }
    for name in drop.iter().filter(|name| *name != "ALL") {
        names.remove(&known(name)?);
    }
    for name in add.iter().filter(|name| *name != "ALL") {
        names.insert(known(name)?);
    }
    Ok(names)
}

fn known(name: &str) -> io::Result<String> {
    let short = name.strip_prefix("CAP_").unwrap_or(name);
    if CapabilitySet::from_name(short).is_some() {
        return Ok(short.to_owned());
    }
    let message = format!("\"{name}\" is no Linux capability, such as SYS_PTRACE or NET_RAW");
    Err(io::Error::new(io::ErrorKind::InvalidInput, message))
}

fn set_of(names: &BTreeSet<String>) -> CapabilitySet {
    names.iter().filter_map(|name| CapabilitySet::from_name(name)).collect()
}

/// Takes from this thread, and from every program it may ever run, all but these.
///
/// # Errors
/// The kernel's refusal; needs `CAP_SETPCAP`.
pub(crate) fn bound(names: &BTreeSet<String>) -> io::Result<()> {
    let kept = set_of(names);
    for capability in CapabilitySet::all().iter().filter(|c| !kept.contains(*c)) {
        // Of those the kernel does not know there is nothing to take.
        if rustix::thread::capability_is_in_bounding_set(capability).unwrap_or(false) {
            rustix::thread::remove_capability_from_bounding_set(capability)?;
        }
    }
    Ok(())
}

/// Makes these the capabilities of this thread: of root what the container has, of another user
/// nothing. A setuid program gets the container's again.
///
/// # Errors
/// The kernel's refusal.
pub(crate) fn limit(names: &BTreeSet<String>, is_root: bool) -> io::Result<()> {
    let _old_kernels_have_none = rustix::thread::clear_ambient_capability_set();
    let held = if is_root { set_of(names) } else { CapabilitySet::empty() };
    let sets =
        CapabilitySets { effective: held, permitted: held, inheritable: CapabilitySet::empty() };
    Ok(rustix::thread::set_capabilities(None, sets)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_definition_drops_and_adds_by_either_spelling() {
        let plain = resolve(&[], &[]).expect("known");
        assert_eq!(plain.len(), DEFAULT.len());
        assert!(!plain.contains("SYS_ADMIN") && !plain.contains("NET_ADMIN"));
        let less = resolve(&names(&["CAP_SYS_PTRACE"]), &names(&["NET_RAW"])).expect("known");
        assert!(less.contains("SYS_PTRACE") && !less.contains("NET_RAW"));
        assert_eq!(resolve(&[], &names(&["ALL"])).expect("known"), BTreeSet::new());
        assert_eq!(
            resolve(&names(&["KILL"]), &names(&["ALL"])).expect("known"),
            BTreeSet::from(["KILL".to_owned()])
        );
        assert!(resolve(&names(&["ALL"]), &[]).expect("known").contains("SYS_ADMIN"));
        let error = resolve(&names(&["SYS_MAGIC"]), &[]).expect_err("unknown");
        assert!(error.to_string().contains("SYS_MAGIC"), "{error}");
    }
}
