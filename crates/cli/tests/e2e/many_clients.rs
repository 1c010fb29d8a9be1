//! Many clients at once, and an engine killed while they speak: what was acknowledged is there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::client::{Client, endpoint};
use crate::platform::{Platform, system};

const CLIENTS: usize = 64;
const ROUNDS: usize = 6;

fn definition(family: &str) -> Value {
    json!({
        "family": family,
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": "256",
        "memory": "512",
        "containerDefinitions": [{ "name": "app", "image": "none:1" }],
    })
}

fn texts(list: &Value) -> BTreeSet<String> {
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect()
}

/// Every cluster, page by page.
fn clusters(client: &mut Client) -> BTreeSet<String> {
    let (mut all, mut token) = (BTreeSet::new(), Value::Null);
    loop {
        let page = client.ecs("ListClusters", &json!({ "nextToken": token }));
        all.extend(texts(&page["clusterArns"]));
        token = page["nextToken"].clone();
        if token.is_null() {
            return all;
        }
    }
}

/// What one client made is there for it and for all others from the answer on; revisions of one
/// family are given out once each.
#[test]
fn sixty_four_clients_lose_nothing_and_never_see_the_past() {
    let mut platform = Platform::new();
    platform.serve();
    let authority = endpoint(&platform);
    let made = AtomicUsize::new(0);
    let revisions: Vec<i64> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let (authority, made) = (&authority, &made);
                scope.spawn(move || {
                    let mut client = Client::connect(authority, None);
                    let (mut own, mut last) = (Vec::new(), 0);
                    for round in 0..ROUNDS {
                        let name = format!("c{number}-{round}");
                        client.ecs("CreateCluster", &json!({ "clusterName": name }));
                        let at_least = made.fetch_add(1, Ordering::SeqCst) + 1;
                        let seen = clusters(&mut client).len();
                        assert!(seen >= at_least, "{seen} clusters after {at_least} were made");
                        let answer = client.ecs("RegisterTaskDefinition", &definition("shared"));
                        let revision = answer["taskDefinition"]["revision"].as_i64().expect("one");
                        assert!(revision > last, "{revision} after {last}");
                        let newest = client
                            .ecs("DescribeTaskDefinition", &json!({ "taskDefinition": "shared" }));
                        last = newest["taskDefinition"]["revision"].as_i64().expect("one");
                        assert!(last >= revision, "{last} is older than {revision}");
                        own.push(revision);
                    }
                    own
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("a client")).collect()
    });
    let distinct: BTreeSet<i64> = revisions.iter().copied().collect();
    assert_eq!(distinct.len(), CLIENTS * ROUNDS, "a revision was given out twice");
    assert_eq!(distinct.last().copied(), Some((CLIENTS * ROUNDS) as i64), "one was skipped");
    let mut client = Client::connect(&authority, None);
    assert_eq!(clusters(&mut client).len(), CLIENTS * ROUNDS);
}

/// What a client was told before the engine died.
#[derive(Default)]
struct Acknowledged {
    clusters: BTreeSet<String>,
    /// Tasks by the token they were asked for with.
    tasks: BTreeMap<String, String>,
    /// Asked for when the engine died.
    unanswered: Option<Value>,
}

/// Creates without end, until the connection breaks.
fn create(authority: &str, number: usize, network: &Value, done: &AtomicUsize) -> Acknowledged {
    let mut client = Client::connect(authority, None);
    let mut told = Acknowledged::default();
    for round in 0.. {
        let name = format!("k{number}-{round}");
        let Ok((status, answer)) = client.try_ecs("CreateCluster", &json!({ "clusterName": name }))
        else {
            return told;
        };
        assert_eq!(status, 200, "{answer}");
        told.clusters.extend(answer["cluster"]["clusterArn"].as_str().map(str::to_owned));
        let token = format!("token-{number}-{round}");
        let input = json!({
            "cluster": name,
            "taskDefinition": "none",
            "launchType": "FARGATE",
            "networkConfiguration": network,
            "clientToken": token,
        });
        let Ok((status, answer)) = client.try_ecs("RunTask", &input) else {
            told.unanswered = Some(input);
            return told;
        };
        assert_eq!(status, 200, "{answer}");
        let task = answer["tasks"][0]["taskArn"].as_str().expect("a task").to_owned();
        told.tasks.insert(token, task);
        done.fetch_add(1, Ordering::SeqCst);
    }
    told
}

/// kill -9 in the middle of a stream of creations: all that was answered is there, and a request
/// repeated with its token is carried out once, whether or not it had been before.
#[test]
fn what_was_acknowledged_survives_a_kill_and_nothing_is_doubled() {
    let mut platform = Platform::up(&system("microservices"), &["--env", "test"]);
    let mut client = Client::of(&platform);
    let network = crate::standalone::run(&mut client, &json!({}))["networkConfiguration"].clone();
    client.ecs("RegisterTaskDefinition", &definition("none"));
    let authority = endpoint(&platform);
    let done = AtomicUsize::new(0);
    let told: Vec<Acknowledged> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..8)
            .map(|number| {
                let (authority, network, done) = (&authority, &network, &done);
                scope.spawn(move || create(authority, number, network, done))
            })
            .collect();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while done.load(Ordering::SeqCst) < 40 {
            assert!(std::time::Instant::now() < deadline, "too slow to be killed in the middle");
            std::thread::yield_now();
        }
        crate::recovery::kill_engine(&platform);
        writers.into_iter().map(|writer| writer.join().expect("a writer")).collect()
    });
    platform.serve();
    let mut client = Client::of(&platform);
    let there = clusters(&mut client);
    let mut tokens = BTreeSet::new();
    for told in &told {
        assert!(told.clusters.is_subset(&there), "an acknowledged cluster is lost");
        for (token, task) in &told.tasks {
            tokens.insert(task.clone());
            let cluster = task.split('/').nth(1).expect("a cluster");
            let input = json!({ "cluster": cluster, "tasks": [task] });
            let described = client.ecs("DescribeTasks", &input);
            assert_eq!(described["tasks"][0]["taskArn"], json!(task), "{token} is lost");
        }
    }
    let acknowledged: usize = told.iter().map(|told| told.tasks.len()).sum();
    assert_eq!(tokens.len(), acknowledged, "one task per token");
    assert!(acknowledged >= 40);
    for input in told.iter().filter_map(|told| told.unanswered.as_ref()) {
        let first = client.ecs("RunTask", input)["tasks"][0]["taskArn"].clone();
        let again = client.ecs("RunTask", input)["tasks"][0]["taskArn"].clone();
        assert_eq!(first, again);
        // By ARN: a task may stop between the two listings.
        let mut all = BTreeSet::new();
        for status in ["RUNNING", "STOPPED"] {
            let list = json!({ "cluster": input["cluster"], "desiredStatus": status });
            all.extend(texts(&client.ecs("ListTasks", &list)["taskArns"]));
        }
        assert_eq!(all.len(), 1, "{input} was carried out more than once");
    }
}
