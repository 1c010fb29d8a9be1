//! A platform, and a caller of operations on it. Every answer is held against the service model.

use std::hash::{BuildHasher, RandomState};
use std::net::Ipv4Addr;
use std::sync::OnceLock;

use neargate_core::id::Generation;
use neargate_core::input::{Command, Exit, Input, Observation};
use neargate_core::load_balancer::TargetAddress;
use neargate_core::network::{Internet, SubnetSpec, VpcSpec};
use neargate_core::platform::Identity;
use neargate_core::secrets::Sealed;
use neargate_core::target_health::{TargetHealth, TargetState};
use neargate_core::time::Time;
use neargate_core::{Platform, discovery::DiscoveryServiceSpec};
use neargate_images::ImageStore;
use neargate_images::registry::{Credentials, Token};
use neargate_logs::LogStore;
use neargate_services::{Answer, Issued, Rooms, operation, refused};
use neargate_wire::{Auth, AwsError, Models, Wire};
use serde_json::{Value, json};

pub(crate) struct Rig {
    pub(crate) platform: Platform,
    pub(crate) now: Time,
    pub(crate) rooms: TestRooms,
}

fn wire() -> &'static Wire {
    static WIRE: OnceLock<Wire> = OnceLock::new();
    WIRE.get_or_init(|| Wire::new(Models::embedded(), Auth::Any))
}

/// Rooms for tests: what is sealed can be read by anyone.
pub(crate) struct TestRooms {
    _directory: tempfile::TempDir,
    pub(crate) logs: LogStore,
    pub(crate) images: ImageStore,
    registry: Credentials,
}

/// Real time in tests.
pub(crate) const WALL_MS: u64 = 1_700_000_000_000;

impl TestRooms {
    fn new() -> TestRooms {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path();
        TestRooms {
            logs: LogStore::open(&path.join("logs")).expect("log store"),
            images: ImageStore::open(path.join("images")).expect("image store"),
            registry: Credentials::open(&path.join("registry.key")).expect("key"),
            _directory: directory,
        }
    }

    /// What the runtime does about the platform's log groups.
    fn keep_groups(&self, platform: &Platform) {
        for group in platform.log_groups() {
            match self.logs.create_group(&group.name, group.retention_days, [].into(), 0) {
                Ok(()) | Err(neargate_logs::Error::GroupExists { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
}

impl Rooms for TestRooms {
    fn seal(&self, value: &str) -> Sealed {
        Sealed(format!("sealed:{value}"))
    }

    fn unseal(&self, sealed: &Sealed) -> Option<String> {
        sealed.0.strip_prefix("sealed:").map(str::to_owned)
    }

    fn endpoint(&self) -> &str {
        "http://127.0.0.1:4566"
    }

    fn random_bits(&self) -> u64 {
        RandomState::new().hash_one(0)
    }

    fn wall_ms(&self) -> u64 {
        WALL_MS
    }

    fn logs(&self) -> &LogStore {
        &self.logs
    }

    fn images(&self) -> &ImageStore {
        &self.images
    }

    fn registry_login(&self) -> Token {
        self.registry.token(WALL_MS)
    }

    /// The same for every name: for `shop.test` and `*.shop.test`.
    fn issue_certificate(&self, _: &[&str]) -> Result<Issued, String> {
        Ok(Issued {
            certificate: include_str!("../../src/acm/x509_rsa.pem").to_owned(),
            chain: include_str!("../../src/acm/x509_ec.pem").to_owned(),
            private_key: "-----BEGIN PRIVATE KEY-----".to_owned(),
        })
    }
}

impl Rig {
    /// A cluster `main` and two subnets in two zones.
    pub(crate) fn new() -> Rig {
        let identity = Identity { account: "000000000000".into(), region: "us-east-1".into() };
        let platform = Platform::new(identity, 7);
        let mut rig = Rig { platform, now: Time(WALL_MS), rooms: TestRooms::new() };
        let subnet = |name: &str, zone: &str, third: u8| {
            Command::PutSubnet(SubnetSpec {
                name: name.into(),
                vpc: "vpc".into(),
                internet: Internet::None,
                zone: zone.into(),
                base: Ipv4Addr::new(127, 9, third, 0),
                prefix: 24,
            })
        };
        rig.commands(vec![
            Command::PutVpc(VpcSpec {
                name: "vpc".into(),
                base: Ipv4Addr::new(127, 9, 0, 0),
                prefix: 16,
            }),
            subnet("subnet-a", "us-east-1a", 1),
            subnet("private-b", "us-east-1b", 2),
            Command::PutDiscoveryService(DiscoveryServiceSpec {
                name: "web".into(),
                namespace: "shop.local".into(),
                ttl_s: 10,
                srv: false,
            }),
        ]);
        rig.ecs("CreateCluster", json!({ "clusterName": "main" }));
        rig
    }

    pub(crate) fn commands(&mut self, commands: Vec<Command>) {
        let outcome = self.platform.step(self.now, &Input::Commands(commands));
        assert_eq!(outcome.result, Ok(()));
    }

    pub(crate) fn observe(&mut self, observation: Observation) {
        self.platform.step(self.now, &Input::Observed(observation));
    }

    /// What the engine will do: the operation, its commands, the answer.
    pub(crate) fn call(
        &mut self,
        service: &str,
        name: &str,
        input: Value,
    ) -> Result<Value, AwsError> {
        let operation = operation(service, name).expect("served");
        let mut answer = operation(&self.platform, &input)?;
        while let Answer::Here(next) = answer {
            answer = next(&self.platform, &self.rooms)?;
        }
        let output = match answer {
            Answer::Now(output) => output,
            Answer::Away(errand) => errand(&self.rooms)?,
            Answer::Here(_) => unreachable!("followed to its end above"),
            Answer::After { commands, answer } => {
                let outcome = self.platform.step(self.now, &Input::Commands(commands));
                outcome.result.map_err(|rejection| refused(service, &rejection))?;
                self.rooms.keep_groups(&self.platform);
                answer(&self.platform)
            }
        };
        let mistakes = wire().check_answer(service, name, &output);
        assert!(mistakes.is_empty(), "{service} {name}: {mistakes:?} in {output:#}");
        Ok(output)
    }

    #[track_caller]
    pub(crate) fn ecs(&mut self, name: &str, input: Value) -> Value {
        self.call("ecs", name, input).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    #[track_caller]
    pub(crate) fn elb(&mut self, name: &str, input: Value) -> Value {
        self.call("elbv2", name, input).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    #[track_caller]
    pub(crate) fn refuses(&mut self, service: &str, name: &str, input: Value) -> (String, String) {
        let error = self.call(service, name, input).expect_err("refused");
        assert_eq!(error.status, 400);
        (error.code, error.message)
    }

    /// A family of one container `app` with port 8080.
    pub(crate) fn register(&mut self, family: &str) -> Value {
        let input = json!({
            "family": family,
            "networkMode": "awsvpc",
            "requiresCompatibilities": ["FARGATE"],
            "cpu": "256",
            "memory": "512",
            "containerDefinitions": [{
                "name": "app",
                "image": "shop/app:1",
                "portMappings": [{ "containerPort": 8080 }],
            }],
        });
        self.ecs("RegisterTaskDefinition", input)["taskDefinition"].clone()
    }

    pub(crate) fn network() -> Value {
        json!({ "awsvpcConfiguration": { "subnets": ["subnet-a"] } })
    }

    /// A service `web` of that many tasks, not behind a load balancer.
    pub(crate) fn create_service(&mut self, count: u32) -> Value {
        self.register("web");
        let input = json!({
            "cluster": "main",
            "serviceName": "web",
            "taskDefinition": "web",
            "desiredCount": count,
            "networkConfiguration": Self::network(),
        });
        self.ecs("CreateService", input)["service"].clone()
    }

    /// A load balancer `lb`, a target group `web` and a listener on port 80 that forwards to it.
    /// Answers their ARNs.
    pub(crate) fn create_load_balancer(&mut self) -> (String, String, String) {
        let balancer = self.elb(
            "CreateLoadBalancer",
            json!({ "Name": "lb", "Subnets": ["subnet-a", "private-b"] }),
        );
        let balancer = text(&balancer["LoadBalancers"][0]["LoadBalancerArn"]);
        let group = self.elb(
            "CreateTargetGroup",
            json!({ "Name": "web", "Port": 80, "Protocol": "HTTP", "VpcId": "vpc-1", "TargetType": "ip" }),
        );
        let group = text(&group["TargetGroups"][0]["TargetGroupArn"]);
        let listener = self.elb(
            "CreateListener",
            json!({
                "LoadBalancerArn": balancer,
                "Port": 80,
                "Protocol": "HTTP",
                "DefaultActions": [{ "Type": "forward", "TargetGroupArn": group }],
            }),
        );
        (balancer, group, text(&listener["Listeners"][0]["ListenerArn"]))
    }

    /// Everything that is asked of the world happens.
    pub(crate) fn settle(&mut self) {
        for _ in 0..12 {
            self.now = self.now.plus(10_000);
            self.platform.step(self.now, &Input::Tick);
            let tasks: Vec<_> = self.platform.tasks().cloned().collect();
            for task in tasks {
                let id = task.id;
                self.observe(Observation::NetworkAttached { task: id });
                self.observe(Observation::ImagesPulled { task: id });
                for container in &task.definition().containers {
                    let container = container.name.clone();
                    if task.stop.is_none() {
                        self.observe(Observation::ContainerStarted { task: id, container });
                    } else {
                        let exit = Exit::Code(0);
                        self.observe(Observation::ContainerExited { task: id, container, exit });
                    }
                }
                self.observe(Observation::DataPlaneApplied { generation: Generation(u64::MAX) });
                let load_balancers = task.revision.load_balancers.iter();
                for balancer in load_balancers.filter(|_| task.stop.is_none()) {
                    self.observe(Observation::TargetHealthChanged {
                        target_group: balancer.target_group.clone(),
                        target: TargetAddress { ip: task.address, port: balancer.port },
                        health: TargetHealth { state: TargetState::Healthy, reason: None },
                    });
                }
                if task.stop.is_some() {
                    self.observe(Observation::TaskReleased { task: id });
                }
            }
        }
    }
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}")).to_owned()
}

/// The named members of an object.
pub(crate) fn members(value: &Value, names: &[&str]) -> Value {
    names.iter().map(|name| ((*name).to_owned(), value[*name].clone())).collect()
}
