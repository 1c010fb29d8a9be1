//! Who a container's process runs as: `uid`, `name`, `uid:gid`, `name:group`, looked up in the
//! image's own files by Docker's rules. Pure.

use std::io;

/// The outcome of the look-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// The group itself, as Docker has it, and the supplementary ones; of those none when a group
    /// was given.
    pub(crate) groups: Vec<u32>,
    /// For HOME.
    pub(crate) home: String,
}

/// Looks `wanted` up in the texts of `/etc/passwd` and `/etc/group`; nothing wanted is root.
///
/// # Errors
/// A name that is in neither file: the file and the name.
pub(crate) fn resolve(wanted: Option<&str>, passwd: &str, group: &str) -> io::Result<User> {
    let wanted = wanted.unwrap_or_default();
    let (user, wanted_group) = match wanted.split_once(':') {
        Some((user, group)) => (user, Some(group).filter(|group| !group.is_empty())),
        None => (wanted, None),
    };
    let user = if user.is_empty() { "0" } else { user };
    let number: Option<u32> = user.parse().ok();
    let entry = entries(passwd).find(|fields| {
        fields.first() == Some(&user)
            || (number.is_some() && fields.get(2).and_then(|uid| uid.parse().ok()) == number)
    });
    let field = |index: usize| entry.as_ref().and_then(|fields| fields.get(index).copied());
    let uid = match (field(2).and_then(|uid| uid.parse().ok()), number) {
        (Some(uid), _) => uid,
        (None, Some(uid)) => uid,
        (None, None) => return Err(unknown("user", user, "/etc/passwd")),
    };
    let name = field(0);
    let mut resolved = User {
        uid,
        gid: field(3).and_then(|gid| gid.parse().ok()).unwrap_or(0),
        groups: Vec::new(),
        home: field(5).filter(|home| !home.is_empty()).unwrap_or("/").to_owned(),
    };
    match wanted_group {
        Some(wanted) => {
            let by_name = entries(group)
                .find(|fields| fields.first() == Some(&wanted))
                .and_then(|fields| fields.get(2)?.parse().ok());
            resolved.gid = by_name
                .or_else(|| wanted.parse().ok())
                .ok_or_else(|| unknown("group", wanted, "/etc/group"))?;
        }
        None => {
            resolved.groups.extend(
                entries(group)
                    .filter(|fields| {
                        name.is_some_and(|name| {
                            fields
                                .get(3)
                                .is_some_and(|members| members.split(',').any(|m| m == name))
                        })
                    })
                    .filter_map(|fields| fields.get(2)?.parse::<u32>().ok()),
            );
        }
    }
    let gid = resolved.gid;
    resolved.groups.retain(|group| *group != gid);
    resolved.groups.insert(0, gid);
    Ok(resolved)
}

fn entries(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split(':').collect())
}

fn unknown(kind: &str, name: &str, file: &str) -> io::Error {
    let message = format!("unable to find {kind} {name}: no such entry in the image's {file}");
    io::Error::new(io::ErrorKind::NotFound, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str =
        "root:x:0:0:root:/root:/bin/sh\n# no one\napp:x:1000:1001::/srv/app:/bin/sh\nbad\n";
    const GROUP: &str = "root:x:0:\napp:x:1001:\nwww:x:33:app,other\nlog:x:44:app\n";

    #[test]
    fn users_are_found_as_docker_finds_them() {
        for (wanted, uid, gid, groups, home) in [
            (None, 0, 0, vec![0], "/root"),
            (Some(""), 0, 0, vec![0], "/root"),
            (Some("app"), 1000, 1001, vec![1001, 33, 44], "/srv/app"),
            (Some("1000"), 1000, 1001, vec![1001, 33, 44], "/srv/app"),
            (Some("app:www"), 1000, 33, vec![33], "/srv/app"),
            (Some("app:5"), 1000, 5, vec![5], "/srv/app"),
            (Some("4242"), 4242, 0, vec![0], "/"),
            (Some("4242:77"), 4242, 77, vec![77], "/"),
            (Some(":www"), 0, 33, vec![33], "/root"),
        ] {
            let user = resolve(wanted, PASSWD, GROUP).expect("found");
            assert_eq!(user, User { uid, gid, groups, home: home.into() }, "{wanted:?}");
        }
        for (wanted, said) in [("nobody", "user nobody"), ("app:staff", "group staff")] {
            let error = resolve(Some(wanted), PASSWD, GROUP).expect_err("unknown");
            assert!(error.to_string().contains(said), "{error}");
        }
        assert_eq!(resolve(Some("7"), "", "").expect("a number needs no file").uid, 7);
    }
}
