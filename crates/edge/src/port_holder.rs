//! Who listens on a port of this machine, so that a taken port is reported with a name and not
//! only with an errno.

use std::fs;
use std::net::Ipv4Addr;

/// A process that listens on the port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its process id.
    pub pid: u32,
    /// Its name, as the kernel keeps it.
    pub name: String,
}

/// The process that keeps us from listening there, as far as this user may see it.
#[must_use]
pub fn find(ip: Ipv4Addr, port: u16) -> Option<Holder> {
    let mut inodes = Vec::new();
    for (table, is_v4) in [("/proc/net/tcp", true), ("/proc/net/tcp6", false)] {
        let text = fs::read_to_string(table).unwrap_or_default();
        inodes.extend(listening_inodes(&text, is_v4, ip, port));
    }
    if inodes.is_empty() {
        return None;
    }
    let wanted: Vec<String> = inodes.iter().map(|inode| format!("socket:[{inode}]")).collect();
    for process in fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|n| n.parse::<u32>().ok()) else {
            continue;
        };
        let Ok(descriptors) = fs::read_dir(process.path().join("fd")) else { continue };
        let holds = descriptors.flatten().any(|descriptor| {
            fs::read_link(descriptor.path())
                .is_ok_and(|link| wanted.iter().any(|w| link.as_os_str() == w.as_str()))
        });
        if holds {
            let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some(Holder { pid, name: name.trim().to_owned() });
        }
    }
    None
}

/// Inodes of listening sockets in a `/proc/net/tcp` table that overlap with the address.
fn listening_inodes(table: &str, is_v4: bool, ip: Ipv4Addr, port: u16) -> Vec<u64> {
    const LISTEN: &str = "0A";
    let overlaps = |address: &str| {
        if !is_v4 {
            // `::` takes the port of every IPv4 address too; other IPv6 addresses do not.
            return address.bytes().all(|b| b == b'0');
        }
        let bound = u32::from_str_radix(address, 16).map(|n| Ipv4Addr::from(n.to_ne_bytes()));
        bound.is_ok_and(|bound| bound == ip || bound.is_unspecified() || ip.is_unspecified())
    };
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (address, line_port) = fields.get(1)?.split_once(':')?;
            let same_port = u16::from_str_radix(line_port, 16).ok()? == port;
            let matches = fields.get(3) == Some(&LISTEN) && same_port && overlaps(address);
            if matches { fields.get(9)?.parse().ok() } else { None }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_ourselves() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let holder = find(Ipv4Addr::LOCALHOST, port).unwrap();
        assert_eq!(holder.pid, std::process::id());
        assert!(!holder.name.is_empty());
    }

    #[test]
    fn reads_only_listening_sockets_of_that_port() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 11 1\n\
             1: 0100007F:1F90 0100007F:C000 01 00000000:00000000 00:00000000 00000000 0 0 12 1\n\
             2: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 13 1\n\
             3: 0200007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 14 1\n\
             4: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 15 1\n\
             garbage\n";
        assert_eq!(listening_inodes(table, true, Ipv4Addr::LOCALHOST, 8080), [11, 13]);
    }
}
