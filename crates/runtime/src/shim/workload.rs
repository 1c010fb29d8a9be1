//! The last steps of a process on its way into a container: giving up what it must not have, and
//! becoming the program. Used by the container's first process and by those that enter it later.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::CString;
use std::io;

use nix::errno::Errno;

use crate::capabilities;
use crate::seccomp;

/// The program to become.
#[derive(Clone, Debug)]
pub(super) struct Workload {
    pub(super) argv: Vec<String>,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) capabilities: BTreeSet<String>,
    pub(super) seccomp: bool,
}

impl Workload {
    /// Filters system calls and bounds capabilities. Needs all privileges, so it comes before the
    /// change of user where the caller makes that change itself.
    ///
    /// # Errors
    /// What was refused; the process must not go on then.
    pub(super) fn confine(&self) -> io::Result<()> {
        if self.seccomp {
            seccomp::install().map_err(saying("filtering system calls"))?;
        }
        capabilities::bound(&self.capabilities).map_err(saying("bounding capabilities"))
    }

    /// Gives up all other privileges.
    ///
    /// # Errors
    /// As [`Self::confine`].
    pub(super) fn unprivileged(&self, is_root: bool) -> io::Result<()> {
        capabilities::limit(&self.capabilities, is_root).map_err(saying("dropping capabilities"))
    }

    /// Becomes the program; returns only what went wrong, in Docker's words.
    pub(super) fn exec(&self) -> io::Error {
        let Some(program) = self.argv.first() else {
            return io::Error::new(io::ErrorKind::InvalidInput, "there is no command to run");
        };
        let text = |text: String| CString::new(text).map_err(io::Error::from);
        let convert = || -> io::Result<(Vec<CString>, Vec<CString>)> {
            let argv = self.argv.iter().cloned().map(text).collect::<io::Result<_>>()?;
            let entry = |(name, value): (&String, &String)| text(format!("{name}={value}"));
            Ok((argv, self.environment.iter().map(entry).collect::<io::Result<_>>()?))
        };
        let (argv, environment) = match convert() {
            Ok(converted) => converted,
            Err(error) => return error,
        };
        let mut denied = false;
        for path in self.candidates(program) {
            let Ok(path) = CString::new(path) else { continue };
            let Err(errno) = nix::unistd::execve(&path, &argv, &environment);
            match errno {
                Errno::ENOENT | Errno::ENOTDIR => {}
                Errno::EACCES => denied = true,
                errno => return self.refused(io::Error::from(errno)),
            }
        }
        let errno = if denied { Errno::EACCES } else { Errno::ENOENT };
        self.refused(io::Error::from(errno))
    }

    /// Why the program could not be run, in Docker's words.
    pub(super) fn refused(&self, error: io::Error) -> io::Error {
        let program = self.argv.first().map(String::as_str).unwrap_or_default();
        if error.kind() != io::ErrorKind::NotFound {
            return io::Error::new(error.kind(), format!("exec: \"{program}\": {error}"));
        }
        let message = if program.contains('/') {
            format!("exec: \"{program}\": stat {program}: no such file or directory")
        } else {
            format!("exec: \"{program}\": executable file not found in $PATH")
        };
        io::Error::new(io::ErrorKind::NotFound, message)
    }

    fn candidates(&self, program: &str) -> Vec<String> {
        if program.contains('/') {
            return vec![program.to_owned()];
        }
        let path = self.environment.get("PATH").map(String::as_str).unwrap_or_default();
        path.split(':')
            .map(|dir| if dir.is_empty() { program.to_owned() } else { format!("{dir}/{program}") })
            .collect()
    }
}

fn saying(what: &'static str) -> impl Fn(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("{what}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_not_there_is_told_as_docker_tells_it() {
        let mut workload = Workload {
            argv: vec!["no-such-program".into()],
            environment: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]),
            capabilities: BTreeSet::new(),
            seccomp: false,
        };
        let said = workload.exec().to_string();
        assert_eq!(said, "exec: \"no-such-program\": executable file not found in $PATH");
        workload.argv = vec!["/etc/passwd".into()];
        assert_eq!(workload.exec().kind(), io::ErrorKind::PermissionDenied);
        workload.argv.clear();
        assert_eq!(workload.exec().to_string(), "there is no command to run");
    }
}
