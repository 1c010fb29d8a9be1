//! The documents against the facts, on a platform that is told what its tasks do.

use std::net::Ipv4Addr;

use neargate_core::id::{Generation, TaskId};
use neargate_core::input::{Command, ContainerHealth, Input, Observation};
use neargate_core::log_group::LogGroupSpec;
use neargate_core::metadata::container_id;
use neargate_core::task::Task;
use neargate_core::task_definition::{
    ContainerDefinition, ContainerHealthCheck, LogConfiguration, TaskDefinition,
};
use neargate_core::time::{MINUTE, Time};
use neargate_core::{Identity, Platform};
use neargate_services::{Answer as Outcome, operation};
use serde_json::{Value, json};

use super::call::{self, Answer};
use super::reply::Reply;
use super::route::{Route, Subject};
use super::{protection, stats, task_document};
use crate::engine_tests::samples::{definition, name, system};
use crate::vault::Vault;

const NOW: Time = Time(1_602_187_751_445);
const ROLE: &str = "arn:aws:iam::000000000000:role/app";

fn two_containers() -> TaskDefinition {
    let mut definition = definition("auth");
    definition.task_role = Some(ROLE.into());
    definition.containers[0].log = Some(LogConfiguration::new("/ecs/auth".into(), "ecs".into()));
    let mut second = ContainerDefinition::new("proxy", "shop/proxy:2");
    second.cpu = 10;
    second.memory_mib = Some(128);
    second.health_check = Some(ContainerHealthCheck {
        command: vec!["CMD".into(), "true".into()],
        interval_ms: 5_000,
        timeout_ms: 2_000,
        retries: 3,
        start_period_ms: 0,
    });
    definition.containers.push(second);
    definition
}

struct Rig {
    platform: Platform,
    vault: Vault,
    _home: tempfile::TempDir,
}

impl Rig {
    /// One task of two containers, not started yet.
    fn new(definition: TaskDefinition) -> Rig {
        let identity = Identity { account: "000000000000".into(), region: "us-east-1".into() };
        let home = tempfile::tempdir().expect("directory");
        let vault = Vault::open(&home.path().join("secrets.key")).expect("vault");
        let mut rig = Rig { platform: Platform::new(identity, 3), vault, _home: home };
        let mut commands = system("auth", 1);
        let log_group = LogGroupSpec { name: "/ecs/auth".into(), retention_days: None };
        commands.insert(0, Command::PutLogGroup(log_group));
        for command in &mut commands {
            if let Command::PutTaskDefinition(put) = command {
                **put = definition.clone();
            }
        }
        rig.step(&Input::Commands(commands));
        rig
    }

    fn step(&mut self, input: &Input) {
        assert_eq!(self.platform.step(NOW, input).result, Ok(()));
    }

    fn task(&self) -> &Task {
        self.platform.tasks().next().expect("a task")
    }

    fn observe(&mut self, observation: impl Fn(TaskId) -> Observation) {
        let observed = observation(self.task().id);
        self.step(&Input::Observed(observed));
    }

    fn start(&mut self) {
        self.observe(|task| Observation::NetworkAttached { task });
        self.observe(|task| Observation::ImagesPulled { task });
        self.run("web");
        self.run("proxy");
    }

    fn run(&mut self, container: &str) {
        let container = container.to_owned();
        self.observe(|task| Observation::ContainerStarted { task, container: container.clone() });
    }

    fn ask(&self, id: &str, subject: Subject, from: Option<Ipv4Addr>) -> Answer {
        call::answer(&self.platform, &self.vault, &Route { id: id.to_owned(), subject }, from)
    }

    fn document(&self, container: &str) -> Value {
        let id = container_id(self.task().id, container);
        match self.ask(&id, Subject::Container, None) {
            Answer::Ready(Reply { status: 200, body }) => body,
            other => panic!("{other:?}"),
        }
    }

    fn task_document(&self, with_tags: bool) -> Value {
        task_document::task(&self.platform, self.task(), with_tags)
    }

    /// The operation, its commands, the answer.
    fn protect(&mut self, body: Option<&str>) -> Reply {
        let body = body.map(str::as_bytes);
        let question = match protection::question(&self.platform, self.task(), body) {
            Ok(question) => question,
            Err(refused) => return refused,
        };
        let served = operation("ecs", question.operation).expect("served");
        let answer = match served(&self.platform, &question.input) {
            Err(error) => Err(error),
            Ok(Outcome::Now(value)) => Ok(value),
            Ok(Outcome::After { commands, answer }) => {
                self.step(&Input::Commands(commands));
                Ok(answer(&self.platform))
            }
            Ok(Outcome::Here(_) | Outcome::Away(_) | Outcome::Round(_)) => {
                unreachable!("it needs no room")
            }
        };
        protection::worded(&question, answer)
    }
}

/// ECS-META-4: as Fargate shows a container, member by member.
#[test]
fn ecs_meta_4_a_container() {
    let mut rig = Rig::new(two_containers());
    rig.start();
    let (task, address) = (rig.task().id, rig.task().address);
    assert!(address.to_string().starts_with("127.9.1."), "in subnet a: {address}");
    let last = address.octets()[3];
    let arn = |rest: String| format!("arn:aws:ecs:us-east-1:000000000000:{rest}");
    let document = rig.document("web");
    let container_arn = document["ContainerARN"].as_str().expect("an ARN").to_owned();
    assert!(container_arn.starts_with(&arn(format!("container/main/{task}/"))));
    let expected = json!({
        "DockerId": container_id(task, "web"),
        "Name": "web",
        "DockerName": "web",
        "Image": "shop/web:1",
        "Labels": {
            "com.amazonaws.ecs.cluster": arn("cluster/main".into()),
            "com.amazonaws.ecs.container-name": "web",
            "com.amazonaws.ecs.task-arn": arn(format!("task/main/{task}")),
            "com.amazonaws.ecs.task-definition-family": "auth",
            "com.amazonaws.ecs.task-definition-version": "1",
        },
        "DesiredStatus": "RUNNING",
        "KnownStatus": "RUNNING",
        "Limits": { "CPU": 2 },
        "CreatedAt": "2020-10-08T20:09:11.445Z",
        "StartedAt": "2020-10-08T20:09:11.445Z",
        "Type": "NORMAL",
        "LogDriver": "awslogs",
        "LogOptions": {
            "awslogs-group": "/ecs/auth",
            "awslogs-region": "us-east-1",
            "awslogs-stream": format!("ecs/web/{task}"),
        },
        "ContainerARN": container_arn,
        "Networks": [{
            "NetworkMode": "awsvpc",
            "IPv4Addresses": [address.to_string()],
            "AttachmentIndex": 0,
            "MACAddress": format!("02:4e:7f:09:01:{last:02x}"),
            "IPv4SubnetCIDRBlock": "127.9.1.0/24",
            "DomainNameServers": ["127.9.0.2"],
            "DomainNameSearchList": ["ec2.internal"],
            "PrivateDNSName": format!("ip-127-9-1-{last}.ec2.internal"),
            "SubnetGatewayIpv4Address": "127.9.1.1/24",
        }],
        "Snapshotter": "overlayfs",
    });
    assert_eq!(document, expected);

    let proxy = rig.document("proxy");
    assert_eq!(proxy["Limits"], json!({ "CPU": 10, "Memory": 128 }));
    assert_eq!(proxy["Health"], json!({ "status": "UNKNOWN" }));
    assert_eq!(proxy.get("LogDriver"), None);
    let health = ContainerHealth::Healthy;
    rig.observe(|task| Observation::ContainerHealth { task, container: "proxy".into(), health });
    assert_eq!(rig.document("proxy")["Health"], json!({ "status": "HEALTHY" }));
}

/// ECS-META-3: strings and numbers as the agent has them; nothing that is not known yet.
#[test]
fn ecs_meta_3_a_task() {
    let mut rig = Rig::new(two_containers());
    let young = rig.task_document(false);
    assert_eq!(
        (&young["KnownStatus"], &young["DesiredStatus"]),
        (&json!("NONE"), &json!("RUNNING"))
    );
    for absent in ["PullStoppedAt", "ExecutionStoppedAt", "TaskTags", "EphemeralStorageMetrics"] {
        assert_eq!(young.get(absent), None, "{absent}");
    }
    assert_eq!(young["Containers"][0]["KnownStatus"], "NONE");
    assert_eq!(young["Containers"][0].get("Networks"), None);
    assert_eq!(young["Containers"][0].get("StartedAt"), None);
    rig.start();
    let mut document = rig.task_document(false);
    task_document::add_storage(&mut document, 20, 208 * 1024 * 1024 - 1);
    let containers = document["Containers"].take();
    assert_eq!(containers, json!([rig.document("web"), rig.document("proxy")]));
    let task = rig.task().id;
    let expected = json!({
        "Cluster": "arn:aws:ecs:us-east-1:000000000000:cluster/main",
        "TaskARN": format!("arn:aws:ecs:us-east-1:000000000000:task/main/{task}"),
        "Family": "auth",
        "Revision": "1",
        "ServiceName": "auth",
        "DesiredStatus": "RUNNING",
        "KnownStatus": "RUNNING",
        "Limits": { "CPU": 0.25, "Memory": 512 },
        "PullStartedAt": "2020-10-08T20:09:11.445Z",
        "PullStoppedAt": "2020-10-08T20:09:11.445Z",
        "AvailabilityZone": "us-east-1a",
        "LaunchType": "FARGATE",
        "Containers": null,
        "ClockDrift": {
            "ClockErrorBound": 0.0,
            "ReferenceTimestamp": "2020-10-08T20:09:11Z",
            "ClockSynchronizationStatus": "SYNCHRONIZED",
        },
        "EphemeralStorageMetrics": { "Utilized": 208, "Reserved": 20_496 },
    });
    assert_eq!(document, expected);
    let mut whole = two_containers();
    (whole.cpu, whole.memory_mib) = (1024, 2048);
    let document = Rig::new(whole).task_document(false);
    assert_eq!(document["Limits"], json!({ "CPU": 1, "Memory": 2048 }), "no fraction");
}

/// ECS-META-2, ECS-TD-28.
#[test]
fn ecs_meta_2_a_task_with_tags() {
    let mut rig = Rig::new(two_containers());
    rig.start();
    assert_eq!(rig.task_document(true).get("TaskTags"), None);
    let update = operation("ecs", "UpdateService").expect("served");
    let input = json!({ "cluster": "main", "service": "auth", "enableECSManagedTags": true });
    let Ok(Outcome::After { commands, .. }) = update(&rig.platform, &input) else { panic!() };
    rig.step(&Input::Commands(commands));
    let tags = json!({ "aws:ecs:clusterName": "main", "aws:ecs:serviceName": "auth" });
    assert_eq!(rig.task_document(true)["TaskTags"], tags);
    assert_eq!(rig.task_document(false).get("TaskTags"), None);
}

/// Nobody learns about a task by its neighbour's address, nor from one that is over.
#[test]
fn who_may_ask() {
    let mut rig = Rig::new(two_containers());
    rig.start();
    let (id, own) = (container_id(rig.task().id, "web"), rig.task().address);
    let other = Ipv4Addr::from(u32::from(own) + 1);
    let status = |rig: &Rig, id: &str, subject, from| match rig.ask(id, subject, from) {
        Answer::Ready(reply) => reply.status,
        _ => 200,
    };
    let every = [
        Subject::Container,
        Subject::Task { with_tags: false },
        Subject::ContainerStats,
        Subject::TaskStats,
    ];
    for subject in every {
        assert_eq!(status(&rig, &id, subject, Some(own)), 200, "{subject:?}");
        assert_eq!(status(&rig, &id, subject, None), 200, "{subject:?}");
        assert_eq!(status(&rig, &id, subject, Some(other)), 404, "{subject:?}");
        let digits = if id.ends_with("0000000000") { "1111111111" } else { "0000000000" };
        let no_container = format!("{}{digits}", &id[..33]);
        assert_eq!(status(&rig, &no_container, subject, None), 404, "{subject:?}");
        let no_task = format!("{}-0123456789", "0".repeat(32));
        assert_eq!(status(&rig, &no_task, subject, None), 404, "{subject:?}");
    }
    let launch = rig.task().launch();
    let found = super::variables(&rig.vault, "", &launch, "web")
        .find(|(name, _)| name == "AWS_CONTAINER_CREDENTIALS_FULL_URI");
    let (_, path) = found.expect("the task has a role");
    let credentials = path.strip_prefix("/v2/credentials/").expect("a path").to_owned();
    let subject = Subject::Credentials;
    assert_eq!(status(&rig, &credentials, subject, Some(own)), 200);
    assert_eq!(status(&rig, &credentials, subject, Some(other)), 400);
    assert_eq!(status(&rig, "813d3956-27d2-4a33-b37c-0ef40c9c070c", subject, None), 400);

    rig.observe(|task| Observation::TaskFailed { task, reason: "lost".into() });
    let applied = Observation::DataPlaneApplied { generation: Generation(u64::MAX) };
    rig.platform.step(NOW.plus(10 * MINUTE), &Input::Observed(applied));
    for container in ["web", "proxy"] {
        rig.observe(|task| Observation::ContainerExited {
            task,
            container: container.into(),
            exit: neargate_core::input::Exit::Code(0),
        });
    }
    let stopped = launch.task;
    rig.step(&Input::Observed(Observation::TaskReleased { task: stopped }));
    let phase = rig.platform.task(stopped).map(|task| task.phase);
    assert_eq!(phase, Some(neargate_core::task::Phase::Stopped));
    assert_eq!(status(&rig, &id, Subject::Container, None), 404);
    assert_eq!(status(&rig, &credentials, subject, None), 400);
}

/// ECS-META-6: a task without a role has no credentials, and is not told of any.
#[test]
fn ecs_meta_6_no_role_no_credentials() {
    let mut plain = two_containers();
    plain.task_role = None;
    let rig = Rig::new(plain);
    let launch = rig.task().launch();
    let names: Vec<String> =
        super::variables(&rig.vault, "http://h", &launch, "web").map(|(name, _)| name).collect();
    let expected = ["ECS_CONTAINER_METADATA_URI_V4", "ECS_CONTAINER_METADATA_URI", "ECS_AGENT_URI"];
    assert_eq!(names, expected);
}

/// ECS-META-5: a container that does not run has none, and its limit is its own or its task's.
#[test]
fn ecs_meta_5_whose_stats() {
    let mut rig = Rig::new(two_containers());
    rig.observe(|task| Observation::NetworkAttached { task });
    rig.observe(|task| Observation::ImagesPulled { task });
    rig.run("proxy");
    let task = rig.task().id;
    let (web, proxy) = (container_id(task, "web"), container_id(task, "proxy"));
    let Answer::TaskStats { running, others, .. } = rig.ask(&web, Subject::TaskStats, None) else {
        panic!("no stats")
    };
    assert_eq!(others, [web]);
    let expected = stats::Subject {
        name: "proxy".into(),
        id: proxy,
        memory_limit_bytes: 128 << 20,
        task_memory_bytes: 512 << 20,
    };
    assert_eq!(running, [expected]);
}

/// ECS-PROT-1, ECS-PROT-2: off, on for two hours or as long as asked, off again.
#[test]
fn ecs_prot_1_protection_is_given_and_taken() {
    let mut rig = Rig::new(two_containers());
    rig.start();
    let arn = format!("arn:aws:ecs:us-east-1:000000000000:task/main/{}", rig.task().id);
    let mut state = |body: Option<&str>| {
        let reply = rig.protect(body);
        assert_eq!(reply.status, 200);
        assert_eq!(reply.body["requestID"].as_str().map(str::len), Some(36));
        assert_eq!(reply.body["protection"]["TaskArn"], arn.as_str());
        (
            reply.body["protection"]["ProtectionEnabled"].clone(),
            reply.body["protection"]["ExpirationDate"].clone(),
        )
    };
    let off = (json!(false), Value::Null);
    assert_eq!(state(None), off);
    let two_hours = (json!(true), json!("2020-10-08T22:09:11.445Z"));
    assert_eq!(state(Some(r#"{"ProtectionEnabled":true}"#)), two_hours);
    assert_eq!(state(None), two_hours);
    let minute = (json!(true), json!("2020-10-08T20:10:11.445Z"));
    assert_eq!(state(Some(r#"{"protectionEnabled":true,"ExpiresInMinutes":1}"#)), minute);
    assert_eq!(state(Some(r#"{"ProtectionEnabled":false}"#)), off);
    assert_eq!(rig.task().protected_until, None);
}

/// ECS-PROT-1, ECS-PROT-2: in the agent's shapes.
#[test]
fn ecs_prot_2_what_is_refused() {
    let mut rig = Rig::new(two_containers());
    rig.start();
    for (body, message) in [
        ("", "UpdateTaskProtection: failed to decode request"),
        ("[]", "UpdateTaskProtection: failed to decode request"),
        (r#"{"ProtectionEnabled":"yes"}"#, "UpdateTaskProtection: failed to decode request"),
        (r#"{"ProtectionEnabled":true,"X":1}"#, "UpdateTaskProtection: failed to decode request"),
        ("{}", "Invalid request: does not contain 'ProtectionEnabled' field"),
        (
            r#"{"ProtectionEnabled":true,"ExpiresInMinutes":2881}"#,
            "expiresInMinutes must be between 1 and 2880.",
        ),
        (
            r#"{"ProtectionEnabled":true,"ExpiresInMinutes":-1}"#,
            "expiresInMinutes must be between 1 and 2880.",
        ),
    ] {
        let reply = rig.protect(Some(body));
        let error = &reply.body["error"];
        assert_eq!(
            (reply.status, &error["Code"]),
            (400, &json!("InvalidParameterException")),
            "{body}"
        );
        assert_eq!(error["Message"], message, "{body}");
    }
    assert_eq!(rig.task().protected_until, None);
    let stop = Command::Scale { service: name("auth"), desired_count: 0 };
    rig.step(&Input::Commands(vec![stop]));
    let reply = rig.protect(Some(r#"{"ProtectionEnabled":true}"#));
    assert_eq!(reply.status, 200);
    let failure = &reply.body["failure"];
    assert_eq!((&failure["Reason"], &failure["Detail"]), (&json!("TASK_NOT_VALID"), &Value::Null));
    assert!(failure["Arn"].as_str().is_some_and(|arn| arn.contains(":task/main/")));

    let mut plain = two_containers();
    plain.task_role = None;
    let reply = Rig::new(plain).protect(None);
    assert_eq!(
        (reply.status, &reply.body["error"]["Code"]),
        (403, &json!("AccessDeniedException"))
    );
}
