//! The rim: sockets in, [`respond`], sockets out.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::answer::{Transport, respond, split_mix};
use crate::forward::{Upstream, is_elsewhere};
use crate::table::Table;

/// Streams served at once; more wait in the listen queue.
const MAX_STREAMS: usize = 128;
/// Questions put to other resolvers at once.
const MAX_FORWARDED: usize = 256;
/// A stream on which nothing comes for so long is closed (real time; RFC 7766 asks for seconds).
const STREAM_IDLE: Duration = Duration::from_secs(10);
/// Pause after a socket error that may repeat at once, such as running out of descriptors.
const BACK_OFF: Duration = Duration::from_millis(50);

/// Answers questions on both sockets from `table`, and those about other names from `upstream`,
/// until the future is dropped.
pub async fn serve(table: Table, upstream: Option<Upstream>, udp: UdpSocket, tcp: TcpListener) {
    let seeds = Arc::new(Seeds::new());
    let udp = Arc::new(udp);
    tokio::join!(
        datagrams(&table, upstream.as_ref(), &seeds, &udp),
        streams(&table, upstream.as_ref(), &seeds, &tcp)
    );
}

async fn datagrams(
    table: &Table,
    upstream: Option<&Upstream>,
    seeds: &Seeds,
    socket: &Arc<UdpSocket>,
) {
    let mut asked = JoinSet::new();
    let mut buffer = vec![0; usize::from(u16::MAX)];
    loop {
        let (length, peer) = match socket.recv_from(&mut buffer).await {
            Ok(received) => received,
            Err(error) => {
                tracing::debug!(%error, "receiving a DNS question failed");
                sleep(BACK_OFF).await;
                continue;
            }
        };
        let names = table.snapshot();
        let question = &buffer[..length];
        let Some(response) = respond(&names, question, seeds.next(), Transport::Udp) else {
            continue;
        };
        while asked.try_join_next().is_some() {}
        match upstream.filter(|_| is_elsewhere(&response)) {
            None => send(socket, &response, peer).await,
            // Whoever asks faster than this is not answered, and asks again.
            Some(_) if asked.len() >= MAX_FORWARDED => {}
            Some(upstream) => {
                let (upstream, socket) = (upstream.clone(), Arc::clone(socket));
                let question = question.to_vec();
                asked.spawn(async move {
                    let answer = upstream.ask(&question, response).await;
                    send(&socket, &answer, peer).await;
                });
            }
        }
    }
}

async fn send(socket: &UdpSocket, response: &[u8], peer: SocketAddr) {
    if let Err(error) = socket.send_to(response, peer).await {
        tracing::debug!(%error, %peer, "sending a DNS answer failed");
    }
}

async fn streams(
    table: &Table,
    upstream: Option<&Upstream>,
    seeds: &Arc<Seeds>,
    listener: &TcpListener,
) {
    let mut open = JoinSet::new();
    loop {
        while open.len() >= MAX_STREAMS {
            open.join_next().await;
        }
        while open.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                let (table, seeds) = (table.clone(), Arc::clone(seeds));
                let upstream = upstream.cloned();
                open.spawn(async move {
                    // A peer that goes away mid-question is its own affair.
                    let _ended =
                        stream_of_questions(&table, upstream.as_ref(), &seeds, stream).await;
                });
            }
            Err(error) => {
                tracing::debug!(%error, "accepting a DNS stream failed");
                sleep(BACK_OFF).await;
            }
        }
    }
}

async fn stream_of_questions(
    table: &Table,
    upstream: Option<&Upstream>,
    seeds: &Seeds,
    mut stream: TcpStream,
) -> io::Result<()> {
    loop {
        let question = timeout(STREAM_IDLE, async {
            let length = stream.read_u16().await?;
            let mut message = vec![0; usize::from(length)];
            stream.read_exact(&mut message).await?;
            io::Result::Ok(message)
        })
        .await??;
        let names = table.snapshot();
        let Some(response) = respond(&names, &question, seeds.next(), Transport::Tcp) else {
            return Ok(());
        };
        let response = match upstream.filter(|_| is_elsewhere(&response)) {
            None => response,
            Some(upstream) => upstream.ask(&question, response).await,
        };
        let length = u16::try_from(response.len()).map_err(io::Error::other)?;
        let mut framed = Vec::with_capacity(response.len() + 2);
        framed.extend_from_slice(&length.to_be_bytes());
        framed.extend_from_slice(&response);
        timeout(STREAM_IDLE, stream.write_all(&framed)).await??;
    }
}

/// A different seed for every answer, and a different start for every process.
struct Seeds(AtomicU64);

impl Seeds {
    fn new() -> Self {
        Self(AtomicU64::new(RandomState::new().hash_one(0_u8)))
    }

    fn next(&self) -> u64 {
        let mut state = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        split_mix(&mut state)
    }
}
