//! `neargate stand-in check`: the health check run inside the container. It starts every few
//! seconds in every task, so it uses nothing but one blocking socket.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::config::{Config, DEFAULT_HEALTH_PATH, Role};
use super::heartbeat;

/// Below the shortest time-out of an ECS health check (ECS-TD-13: 2 s), so that the reason is ours.
const TIMEOUT: Duration = Duration::from_millis(1900);

/// Succeeds when the service is healthy.
pub(super) fn run(config: &Config) -> anyhow::Result<()> {
    match config.role {
        Role::Server { host, port } => {
            let host = if host == Ipv4Addr::UNSPECIFIED { Ipv4Addr::LOCALHOST } else { host };
            let path = config.health_path.as_deref().unwrap_or(DEFAULT_HEALTH_PATH);
            probe(SocketAddrV4::new(host, port), path)
        }
        Role::Worker => heartbeat_is_fresh(config),
    }
}

fn probe(address: SocketAddrV4, path: &str) -> anyhow::Result<()> {
    let attempt = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&address.into(), TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        // `HTTP/1.1 200`: twelve bytes decide.
        let mut status_line = [0_u8; 12];
        stream.read_exact(&mut status_line)?;
        Ok(String::from_utf8_lossy(&status_line).into_owned())
    };
    let line = attempt().with_context(|| format!("cannot get http://{address}{path}"))?;
    match line.strip_prefix("HTTP/1.1 2") {
        Some(_) => Ok(()),
        None => bail!("http://{address}{path} answered `{line}`"),
    }
}

fn heartbeat_is_fresh(config: &Config) -> anyhow::Result<()> {
    let path = heartbeat::path(config);
    let modified = std::fs::metadata(&path)
        .and_then(|metadata| metadata.modified())
        .with_context(|| format!("no heartbeat at {}", path.display()))?;
    // A time in the future is fresh: the clock was set back.
    let age = crate::clock::wall().duration_since(modified).unwrap_or_default();
    if age > heartbeat::FRESH {
        bail!("the heartbeat at {} is {} s old", path.display(), age.as_secs());
    }
    Ok(())
}
