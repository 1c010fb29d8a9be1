//! Who holds a port, for an error message that helps.

use std::path::Path;

/// `<name> (process <pid>)` of whoever listens on that TCP port of 127.0.0.1, as far as this user
/// may see it.
pub(crate) fn of(port: u16) -> Option<String> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let inode = tables.iter().find_map(|table| {
        let text = std::fs::read_to_string(table).ok()?;
        text.lines().skip(1).find_map(|line| listening_inode(line, port).map(str::to_owned))
    })?;
    let wanted = format!("socket:[{inode}]");
    let processes = std::fs::read_dir("/proc").ok()?;
    processes.flatten().find_map(|process| {
        let pid: u32 = process.file_name().to_str()?.parse().ok()?;
        let holds = std::fs::read_dir(process.path().join("fd")).ok()?.flatten().any(|open| {
            std::fs::read_link(open.path()).is_ok_and(|target| target == Path::new(&wanted))
        });
        let name = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
        holds.then(|| format!("{} (process {pid})", name.trim()))
    })
}

/// The inode of the socket in a line of `/proc/net/tcp`, when it listens on that port and an
/// address that keeps 127.0.0.1 from being used.
fn listening_inode(line: &str, port: u16) -> Option<&str> {
    const LISTEN: &str = "0A";
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (address, number) = fields.get(1)?.split_once(':')?;
    let same = u16::from_str_radix(number, 16).ok()? == port && fields.get(3) == Some(&LISTEN);
    let loopback = u32::from(std::net::Ipv4Addr::LOCALHOST).swap_bytes();
    let in_the_way = address.bytes().all(|b| b == b'0') || address == format!("{loopback:08X}");
    (same && in_the_way).then(|| fields.get(9).copied()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_of_a_taken_port_is_named() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = socket.local_addr().expect("bound").port();
        let holder = of(port).expect("found");
        assert!(holder.ends_with(&format!("(process {})", std::process::id())), "{holder}");
    }
}
