//! How long requests to the endpoint were under way.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

/// Stands before an endpoint and notes when each request began and its answer ended. Clients of
/// AWS send the next request on a connection when they have the answer of the one before.
///
/// The time during which at least one request was under way is the most that the endpoint can
/// have added to a client's wall time, whatever the client would have done meanwhile.
pub(crate) struct WireTime {
    pub(crate) url: String,
    spans: Arc<Mutex<Vec<(Instant, Instant)>>>,
}

impl WireTime {
    /// Listens on a free port; connections end with the client or the endpoint.
    pub(crate) fn before(endpoint: &str) -> Result<WireTime> {
        let address = endpoint.strip_prefix("http://").context("an http URL")?.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}", listener.local_addr()?);
        let spans = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&spans);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(&address) else { continue };
                let _delays_only = client.set_nodelay(true).and(server.set_nodelay(true));
                forward(client, server, &noted);
            }
        });
        Ok(WireTime { url, spans })
    }

    /// Since when something began: the time with a request under way, and the number of requests.
    pub(crate) fn since(&self, began: Instant) -> (Duration, usize) {
        let mut spans = self.spans.lock().expect("unbroken").clone();
        spans.retain(|(start, _)| *start >= began);
        spans.sort();
        let mut busy = Duration::ZERO;
        let mut until = began;
        for (start, end) in &spans {
            busy += end.saturating_duration_since((*start).max(until));
            until = until.max(*end);
        }
        (busy, spans.len())
    }
}

/// Both directions of one connection.
fn forward(client: TcpStream, server: TcpStream, spans: &Arc<Mutex<Vec<(Instant, Instant)>>>) {
    // Where the request under way has its span.
    let current = Arc::new(Mutex::new(None));
    let (Ok(from_client), Ok(from_server)) = (client.try_clone(), server.try_clone()) else {
        return;
    };
    let (spans_up, current_up) = (Arc::clone(spans), Arc::clone(&current));
    std::thread::spawn(move || {
        // A request of several pieces is one: there is no answer yet.
        pump(from_client, server, || {
            let mut current = current_up.lock().expect("unbroken");
            let mut spans = spans_up.lock().expect("unbroken");
            let answered = current.is_none_or(|at: usize| spans[at].0 != spans[at].1);
            if answered {
                let now = Instant::now();
                spans.push((now, now));
                *current = Some(spans.len() - 1);
            }
        });
    });
    let spans = Arc::clone(spans);
    std::thread::spawn(move || {
        pump(from_server, client, || {
            if let Some(at) = *current.lock().expect("unbroken") {
                spans.lock().expect("unbroken")[at].1 = Instant::now();
            }
        });
    });
}

fn pump(mut from: TcpStream, mut to: TcpStream, passing: impl Fn()) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        passing();
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _gone_already = to.shutdown(Shutdown::Both);
    let _gone_already = from.shutdown(Shutdown::Both);
}
