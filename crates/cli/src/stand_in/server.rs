//! The stand-in with a port: accepts, serves, and on SIGTERM finishes what it has begun.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

use super::answer::Service;
use super::config::{Config, Role};
use super::{log, stop};

/// Serves until it is told to stop.
pub(super) async fn run(config: Arc<Config>) -> anyhow::Result<()> {
    let Role::Server { host, port } = config.role else {
        anyhow::bail!("a worker has no port to serve")
    };
    let mut stop = stop::StopSignal::listen().context("cannot watch for SIGTERM")?;
    let serving = async {
        tokio::time::sleep(config.rehearsal.start_delay).await;
        let address = SocketAddr::from((host, port));
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("cannot listen on {address}"))?;
        let bound = listener.local_addr().context("cannot tell the bound address")?.to_string();
        log::event(&config.identity, "started", json!({ "address": bound }));
        Ok::<_, anyhow::Error>(listener)
    };
    let listener = tokio::select! {
        listener = serving => listener?,
        // Stopped before it had begun.
        () = stop.ordered(&config) => {
            log::event(&config.identity, "stopped", json!({ "code": 0 }));
            return Ok(());
        }
    };

    let (stopping_sender, stopping) = watch::channel(false);
    let (alive, mut all_done) = mpsc::channel::<Infallible>(1);
    let service = Arc::new(Service::new(config.clone(), stopping, alive.downgrade()));
    {
        let mut ordered = std::pin::pin!(stop.ordered(&config));
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => connection(stream, service.clone(), alive.clone()),
                    // The peer gave up, or no descriptor is free: others go on.
                    Err(error) => {
                        log::event(&config.identity, "accept failed", json!({ "error": error.to_string() }));
                        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                    }
                },
                () = &mut ordered => break,
            }
        }
    }
    // Connections the kernel has already accepted for us are ours to serve; closing the listener
    // would reset them.
    if let Ok(listener) = listener.into_std() {
        while let Ok((stream, _)) = listener.accept() {
            if stream.set_nonblocking(true).is_ok()
                && let Ok(stream) = TcpStream::from_std(stream)
            {
                connection(stream, service.clone(), alive.clone());
            }
        }
    }
    let _ = stopping_sender.send(true);
    drop(alive);
    all_done.recv().await;
    log::event(&config.identity, "stopped", json!({ "code": 0 }));
    Ok(())
}

/// Serves one connection until it ends; after the order to stop, until its request in flight is
/// answered (with `connection: close`).
fn connection(stream: TcpStream, service: Arc<Service>, alive: mpsc::Sender<Infallible>) {
    // Small answers must not wait for more.
    let _ = stream.set_nodelay(true);
    let mut stopping = service.stopping.clone();
    tokio::spawn(async move {
        let _alive = alive;
        let answering = service_fn(move |request| {
            let service = service.clone();
            async move { Ok::<_, Infallible>(service.answer(request).await) }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            // Idle connections are the load balancer's to close, not ours.
            .header_read_timeout(None)
            .serve_connection(TokioIo::new(stream), answering)
            .with_upgrades();
        let mut connection = std::pin::pin!(connection);
        // A broken connection concerns nobody but its client.
        tokio::select! {
            _ = &mut connection => return,
            _ = stopping.wait_for(|stopping| *stopping) => {}
        }
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    });
}
