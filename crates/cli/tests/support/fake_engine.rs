//! An engine made of a closure, behind a real socket.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::{Arc, Mutex};

use neargate_engine::api::{
    DeploymentView, EdgeStatus, EngineStatus, PlatformView, Request, Response, ServiceView, Status,
    TaskView,
};
use tempfile::TempDir;

/// No process has this id.
pub(crate) const ENGINE_PID: u32 = 4_194_305;

/// The engine, its home, and what it was asked.
pub(crate) struct FakeEngine {
    pub(crate) home: TempDir,
    pub(crate) asked: Arc<Mutex<Vec<Request>>>,
}

impl FakeEngine {
    /// Answers every request by the closure.
    pub(crate) fn start(answer: impl FnMut(&Request) -> Response + Send + 'static) -> FakeEngine {
        let home = tempfile::tempdir().expect("home");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let listener = UnixListener::bind(home.path().join("engine.sock")).expect("bind");
        let answer = Arc::new(Mutex::new(answer));
        let log = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, log) = (answer.clone(), log.clone());
                std::thread::spawn(move || {
                    let mut writer = stream.try_clone().expect("clone");
                    for line in BufReader::new(stream).lines() {
                        let Ok(line) = line else { return };
                        let request: Request = serde_json::from_str(&line).expect("request");
                        let response = (answer.lock().expect("lock"))(&request);
                        log.lock().expect("lock").push(request);
                        let mut text = serde_json::to_vec(&response).expect("response");
                        text.push(b'\n');
                        if writer.write_all(&text).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        FakeEngine { home, asked }
    }

    /// Always shows this; accepts everything.
    pub(crate) fn showing(view: PlatformView) -> FakeEngine {
        let home = Arc::new(Mutex::new(view));
        FakeEngine::start(move |request| respond(request, &home.lock().expect("lock")))
    }

    pub(crate) fn path(&self) -> &Path {
        self.home.path()
    }

    /// The commands it was given, as JSON.
    pub(crate) fn commands(&self) -> Vec<serde_json::Value> {
        let asked = self.asked.lock().expect("lock");
        let commands = asked.iter().filter_map(|request| match request {
            Request::Commands { commands, .. } => Some(commands),
            _ => None,
        });
        commands.flatten().map(|c| serde_json::to_value(c).expect("json")).collect()
    }
}

/// What an engine that accepts everything answers.
pub(crate) fn respond(request: &Request, view: &PlatformView) -> Response {
    match request {
        Request::Status => Response::Status(status()),
        Request::Platform => Response::Platform(view.clone()),
        Request::Inventory => Response::Inventory(Default::default()),
        Request::Events { .. } => Response::Events(Vec::new()),
        Request::MissingSecrets { .. } => Response::Missing(Vec::new()),
        Request::Commands { .. } | Request::PutSecrets(_) | Request::Down => Response::Accepted,
    }
}

pub(crate) fn status() -> Status {
    Status {
        engine: EngineStatus {
            pid: ENGINE_PID,
            endpoint: "http://127.0.0.1:4566".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            cpu_ms: 1500,
        },
        edge: EdgeStatus { pid: Some(12) },
        driver: "process".into(),
        driver_note: None,
        auth: Default::default(),
        pace: 20,
        home: "/somewhere".into(),
        dns: "127.77.0.2:53".into(),
    }
}

/// A steady service of one task in cluster `main`.
pub(crate) fn service(name: &str) -> ServiceView {
    ServiceView {
        name: name.into(),
        cluster: "main".into(),
        status: "ACTIVE".into(),
        desired: 1,
        running: 1,
        pending: 0,
        healthy: 1,
        revision: format!("{name}:1"),
        url: Some(format!("http://127.0.0.1:8080/{name}")),
        steady: true,
        reason: None,
        deployments: vec![deployment("ecs-svc/1", "PRIMARY", "COMPLETED")],
        tags: Default::default(),
    }
}

pub(crate) fn deployment(id: &str, status: &str, rollout_state: &str) -> DeploymentView {
    DeploymentView {
        id: id.into(),
        status: status.into(),
        rollout_state: rollout_state.into(),
        rollout_state_reason: format!("reason of {id}"),
        task_definition: "user:1".into(),
        desired: 1,
        running: 1,
        pending: 0,
        failed_tasks: 0,
        created_at_ms: 0,
        updated_at_ms: 0,
    }
}

pub(crate) fn task(id: &str, service: &str) -> TaskView {
    TaskView {
        id: format!("{id:0<32}"),
        service: service.into(),
        cluster: "main".into(),
        zone: "us-east-1a".into(),
        address: "127.77.1.4".into(),
        status: "RUNNING".into(),
        desired_status: "RUNNING".into(),
        health: "HEALTHY".into(),
        capacity: "FARGATE".into(),
        revision: format!("{service}:1"),
        started_by: "ecs-svc/1".into(),
        started_at_ms: Some(0),
        stopped_at_ms: None,
        stop_code: None,
        stopped_reason: None,
        containers: vec![neargate_engine::api::ContainerView {
            name: "web".into(),
            status: "RUNNING".into(),
            health: "UNKNOWN".into(),
            exit_code: None,
            reason: None,
            log: None,
        }],
    }
}

pub(crate) fn view(services: &[&str]) -> PlatformView {
    PlatformView {
        services: services.iter().map(|name| service(name)).collect(),
        tasks: services.iter().map(|name| task(&format!("a{}", name.len()), name)).collect(),
        ..PlatformView::default()
    }
}
