//! Where a task's question comes in and its answer goes out. Reads what containers use here, on a
//! thread that may wait, so that no task can hold up the main loop.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Response, StatusCode, body::Body};
use neargate_core::id::TaskId;
use neargate_runtime::Usage;
use serde_json::{Map, Value, json};

use super::call::{Answer, MetadataCall};
use super::readings::{Reading, Readings};
use super::reply::Reply;
use super::route::Route;
use super::{stats, task_document};
use crate::clock::wall_ms;
use crate::endpoint_answer;
use crate::event::Event;

/// Largest body of a request: there is one kind, and it is small.
const LARGEST_BODY: usize = 64 * 1024;
/// A task's files are not counted again within this time.
const STORAGE_MS: u64 = 10_000;

/// Whoever knows what containers use. May be asked on any thread.
pub(crate) trait Meter: Send + Sync {
    /// What a container uses; `None` when it does not run.
    fn usage(&self, task: TaskId, container: &str) -> Option<Usage>;
    /// What a task has on disk; `None` when that is not known.
    fn storage_bytes(&self, task: TaskId) -> Option<u64>;
}

impl Meter for neargate_runtime::Meter {
    fn usage(&self, task: TaskId, container: &str) -> Option<Usage> {
        neargate_runtime::Meter::usage(self, task, container)
    }

    fn storage_bytes(&self, task: TaskId) -> Option<u64> {
        neargate_runtime::Meter::storage_bytes(self, task)
    }
}

/// Where tasks ask.
pub(crate) struct Desk {
    events: SyncSender<Event>,
    meter: Arc<dyn Meter>,
    readings: Mutex<Readings>,
    /// What tasks had on disk, and when.
    storage: Mutex<BTreeMap<TaskId, (u64, Option<u64>)>>,
}

impl Desk {
    /// Questions become events of the main loop.
    pub(crate) fn new(events: SyncSender<Event>, meter: Arc<dyn Meter>) -> Arc<Self> {
        let (readings, storage) = (Mutex::default(), Mutex::default());
        Arc::new(Self { events, meter, readings, storage })
    }

    /// Answers one request. `from` is its source address, where that says who asks.
    pub(crate) async fn respond<B>(
        self: Arc<Self>,
        route: Route,
        from: Option<Ipv4Addr>,
        body: B,
    ) -> Response<Full<Bytes>>
    where
        B: Body,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let body = match Limited::new(body, LARGEST_BODY).collect().await {
            Ok(body) => body.to_bytes().to_vec(),
            Err(problem) => {
                let why = format!("the request's body cannot be read: {problem}");
                return http(&Reply::new(400, json!(why)));
            }
        };
        let answered = tokio::task::spawn_blocking(move || self.answer(route, from, body)).await;
        http(&answered.unwrap_or_else(|problem| {
            tracing::error!(%problem, "answering a task failed");
            Reply::new(500, json!("the request could not be answered; the engine's log says why"))
        }))
    }

    /// Waits for the main loop, then reads what is to be read.
    fn answer(&self, route: Route, from: Option<Ipv4Addr>, body: Vec<u8>) -> Reply {
        let (answer, answered) = sync_channel(1);
        let subject = route.subject;
        let id = route.id.clone();
        let sent = self.events.send(Event::Metadata(MetadataCall { route, from, body, answer }));
        let Ok(answer) = sent.map_err(drop).and_then(|()| answered.recv().map_err(drop)) else {
            return Reply::unavailable("the engine ended before it could answer");
        };
        match answer {
            Answer::Ready(reply) => reply,
            Answer::Task { mut document, task, reserved_gib } => {
                if let Some(used_bytes) = self.storage_bytes(task, wall_ms()) {
                    task_document::add_storage(&mut document, reserved_gib, used_bytes);
                }
                Reply::ok(document)
            }
            Answer::ContainerStats { task, container } => match self.stats(task, &container) {
                Some(stats) => Reply::ok(stats),
                None => super::call::unknown(subject, &id),
            },
            Answer::TaskStats { task, running, others } => {
                let mut all: Map<String, Value> =
                    others.into_iter().map(|id| (id, Value::Null)).collect();
                all.extend(running.into_iter().map(|container| {
                    let stats = self.stats(task, &container).unwrap_or(Value::Null);
                    (container.id, stats)
                }));
                Reply::ok(Value::Object(all))
            }
        }
    }

    fn stats(&self, task: TaskId, container: &stats::Subject) -> Option<Value> {
        let usage = self.meter.usage(task, &container.name)?;
        let now = Reading { at_ms: wall_ms(), usage };
        let before = self.readings.lock().unwrap_or_else(PoisonError::into_inner).take(
            task,
            &container.name,
            &now,
        );
        Some(stats::document(container, &now, before.as_ref()))
    }

    fn storage_bytes(&self, task: TaskId, now_ms: u64) -> Option<u64> {
        let storage = || self.storage.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at_ms, bytes)) = storage().get(&task)
            && now_ms.saturating_sub(*at_ms) < STORAGE_MS
        {
            return *bytes;
        }
        // Not under the lock: it may take a while.
        let bytes = self.meter.storage_bytes(task);
        let mut storage = storage();
        storage.retain(|_, (at_ms, _)| now_ms.saturating_sub(*at_ms) < STORAGE_MS);
        storage.insert(task, (now_ms, bytes));
        bytes
    }
}

fn http(reply: &Reply) -> Response<Full<Bytes>> {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    endpoint_answer::json(status, &reply.body)
}
