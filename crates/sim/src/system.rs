//! The systems that simulations and scripts run: one cluster, one load balancer, three zones.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use neargate_core::discovery::DiscoveryServiceSpec;
use neargate_core::input::Command;
use neargate_core::load_balancer::{
    Action, Condition, DEFAULT_IDLE_TIMEOUT_MS, ListenerSpec, LoadBalancerSpec, Rule,
    TargetGroupSpec, TargetHealthCheck, WeightedTargetGroup,
};
use neargate_core::network::{Internet, SubnetSpec, VpcSpec};
use neargate_core::run_task::{RunTask, TaskOverrides};
use neargate_core::service::{
    CapacityProviderStrategyItem, DeploymentConfiguration, ServiceLoadBalancer, ServiceName,
    ServiceRegistry, ServiceSpec, TaskDefinitionRef,
};
use neargate_core::task_definition::{
    ContainerDefinition, ContainerHealthCheck, PortMapping, TaskDefinition,
};
use neargate_core::time::SECOND;

pub(crate) const CLUSTER: &str = "main";
const VPC: &str = "main";
pub(crate) const LOAD_BALANCER: &str = "lb";
const PORT: u16 = 8080;

/// A service as scripts and simulations describe it.
#[derive(Clone, Debug)]
pub(crate) struct ServiceForm {
    pub(crate) name: String,
    pub(crate) desired: u32,
    pub(crate) deployment: DeploymentConfiguration,
    pub(crate) capacity: Vec<CapacityProviderStrategyItem>,
    /// Health check and deregistration delay of its target group.
    pub(crate) load_balancer: Option<(TargetHealthCheck, u64)>,
    pub(crate) container_check: Option<ContainerHealthCheck>,
    pub(crate) registry: bool,
    /// Any of `a`, `b`, `c`.
    pub(crate) zones: Vec<char>,
    pub(crate) grace_ms: u64,
    pub(crate) rebalancing: bool,
    pub(crate) stop_timeout_ms: u64,
}

impl ServiceForm {
    pub(crate) fn new(name: &str, desired: u32) -> Self {
        Self {
            name: name.to_owned(),
            desired,
            deployment: DeploymentConfiguration::default(),
            capacity: Vec::new(),
            load_balancer: None,
            container_check: None,
            registry: false,
            zones: vec!['a', 'b', 'c'],
            grace_ms: 0,
            rebalancing: false,
            stop_timeout_ms: 30 * SECOND,
        }
    }

    pub(crate) fn spec(&self) -> ServiceSpec {
        let target = ServiceLoadBalancer {
            target_group: self.name.clone(),
            container: "app".to_owned(),
            port: PORT,
        };
        let registry = ServiceRegistry { dns_name: self.dns_name(), port: Some(PORT) };
        ServiceSpec {
            name: service_name(&self.name),
            task_definition: TaskDefinitionRef { family: self.name.clone(), revision: None },
            desired_count: self.desired,
            deployment: self.deployment,
            capacity: self.capacity.clone(),
            load_balancers: self.load_balancer.iter().map(|_| target.clone()).collect(),
            registry: self.registry.then_some(registry),
            subnets: self.zones.iter().map(|zone| format!("private-{zone}")).collect(),
            security_groups: Vec::new(),
            public_ip: false,
            health_check_grace_period_ms: self.grace_ms,
            zone_rebalancing: self.rebalancing,
            enable_execute_command: false,
            tags: BTreeMap::new(),
        }
    }

    pub(crate) fn dns_name(&self) -> String {
        format!("{}.main.local", self.name)
    }

    /// A revision whose container behaves as the tag says.
    pub(crate) fn definition(&self, tag: &str) -> TaskDefinition {
        let mut container = ContainerDefinition::new("app", &format!("{}:{tag}", self.name));
        container.ports.push(PortMapping { container_port: PORT, name: None });
        container.stop_timeout_ms = self.stop_timeout_ms;
        container.health_check.clone_from(&self.container_check);
        TaskDefinition {
            family: self.name.clone(),
            revision: 0,
            cpu: 256,
            memory_mib: 512,
            containers: vec![container],
            execution_role: None,
            task_role: None,
            ephemeral_storage_gib: 20,
            tags: BTreeMap::new(),
        }
    }

    /// The same revision once more, beside the service.
    pub(crate) fn run(&self, count: u32, token: &str) -> Command {
        Command::RunTask(Box::new(RunTask {
            cluster: CLUSTER.to_owned(),
            task_definition: TaskDefinitionRef { family: self.name.clone(), revision: None },
            count,
            capacity: self.capacity.clone(),
            subnets: self.zones.iter().map(|zone| format!("private-{zone}")).collect(),
            security_groups: Vec::new(),
            public_ip: false,
            overrides: TaskOverrides::default(),
            group: None,
            started_by: None,
            token: token.to_owned(),
            enable_execute_command: false,
            tags: BTreeMap::new(),
        }))
    }

    /// Everything the service needs, and the service.
    pub(crate) fn create(&self, definition: TaskDefinition) -> Vec<Command> {
        let mut commands = vec![Command::PutTaskDefinition(Box::new(definition))];
        if let Some((health_check, deregistration_delay_ms)) = &self.load_balancer {
            commands.push(Command::PutTargetGroup(TargetGroupSpec {
                name: self.name.clone(),
                port: PORT,
                health_check: health_check.clone(),
                deregistration_delay_ms: *deregistration_delay_ms,
                tags: BTreeMap::new(),
            }));
        }
        if self.registry {
            commands.push(Command::PutDiscoveryService(DiscoveryServiceSpec {
                name: self.name.clone(),
                namespace: "main.local".to_owned(),
                ttl_s: 10,
                srv: true,
            }));
        }
        commands.push(Command::PutService(Box::new(self.spec())));
        commands
    }
}

pub(crate) fn service_name(name: &str) -> ServiceName {
    ServiceName { cluster: CLUSTER.to_owned(), service: name.to_owned() }
}

/// Cluster, subnets in three zones, load balancer.
pub(crate) fn foundation(prefix: u8) -> Vec<Command> {
    let subnet = |(index, zone): (u8, char)| {
        Command::PutSubnet(SubnetSpec {
            name: format!("private-{zone}"),
            vpc: VPC.to_owned(),
            internet: Internet::Nat,
            zone: format!("zone-{zone}"),
            base: Ipv4Addr::new(10, 16 * index, 0, 0),
            prefix,
        })
    };
    let vpc = VpcSpec { name: VPC.to_owned(), base: Ipv4Addr::new(10, 0, 0, 0), prefix: 8 };
    let mut commands = vec![Command::PutCluster { name: CLUSTER.to_owned() }, Command::PutVpc(vpc)];
    commands.extend([(0, 'a'), (1, 'b'), (2, 'c')].map(subnet));
    commands.push(Command::PutLoadBalancer(LoadBalancerSpec {
        name: LOAD_BALANCER.to_owned(),
        internet_facing: true,
        subnets: ["private-a", "private-b", "private-c"].map(str::to_owned).to_vec(),
        security_groups: Vec::new(),
        idle_timeout_ms: DEFAULT_IDLE_TIMEOUT_MS,
        tags: BTreeMap::new(),
    }));
    commands
}

/// The listener, with a rule for each group.
pub(crate) fn listener<'a>(groups: impl Iterator<Item = &'a str>) -> Command {
    let rules = groups.zip(1..).map(|(group, priority)| Rule {
        priority,
        conditions: vec![Condition::PathPattern(vec![format!("/{group}/*")])],
        action: Action::Forward(vec![WeightedTargetGroup {
            target_group: group.to_owned(),
            weight: 1,
        }]),
    });
    Command::PutListener(ListenerSpec {
        load_balancer: LOAD_BALANCER.to_owned(),
        port: 80,
        host_port: 0,
        default_action: Action::FixedResponse {
            status: 404,
            content_type: "text/plain".to_owned(),
            body: String::new(),
        },
        rules: rules.collect(),
    })
}
