//! Commands for tests.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use neargate_core::alarm::{
    AlarmAction, AlarmCondition, AlarmSpec, Comparison, DimensionValue, Metric, MetricCondition,
    MetricStatistic, Statistic, Threshold, Watched,
};
use neargate_core::input::Command;
use neargate_core::load_balancer::{
    Action, Condition, ListenerSpec, LoadBalancerSpec, Rule, TargetGroupSpec, TargetHealthCheck,
    WeightedTargetGroup,
};
use neargate_core::network::{Internet, SubnetSpec, VpcSpec};
use neargate_core::run_task::{RunTask, TaskOverrides};
use neargate_core::scaling::{
    PolicyKind, ResourceLabel, ScalableTargetSpec, ScalingPolicySpec, SuspendedState,
    TargetTracking, TrackedMetric,
};
use neargate_core::service::{
    DeploymentConfiguration, ServiceLoadBalancer, ServiceName, ServiceSpec, TaskDefinitionRef,
};
use neargate_core::task_definition::{ContainerDefinition, PortMapping, TaskDefinition};

pub(crate) fn name(service: &str) -> ServiceName {
    ServiceName { cluster: "main".into(), service: service.into() }
}

pub(crate) fn definition(family: &str) -> TaskDefinition {
    let mut container = ContainerDefinition::new("web", "shop/web:1");
    container.ports = vec![PortMapping { container_port: 80, name: None }];
    TaskDefinition {
        family: family.into(),
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

pub(crate) fn service(service: &str, desired_count: u32) -> ServiceSpec {
    ServiceSpec {
        name: name(service),
        task_definition: TaskDefinitionRef { family: service.into(), revision: None },
        desired_count,
        deployment: DeploymentConfiguration::default(),
        capacity: Vec::new(),
        load_balancers: vec![ServiceLoadBalancer {
            target_group: format!("{service}-tg"),
            container: "web".into(),
            port: 80,
        }],
        registry: None,
        subnets: vec!["a".into(), "b".into()],
        security_groups: Vec::new(),
        public_ip: false,
        health_check_grace_period_ms: 0,
        zone_rebalancing: false,
        enable_execute_command: false,
        tags: BTreeMap::new(),
    }
}

fn subnet(name: &str, third: u8) -> Command {
    Command::PutSubnet(SubnetSpec {
        name: name.into(),
        vpc: "main".into(),
        internet: Internet::None,
        zone: format!("us-east-1{name}"),
        base: Ipv4Addr::new(127, 9, third, 0),
        prefix: 24,
    })
}

/// One service behind a load balancer, rule `/test/auth/*`.
pub(crate) fn system(service_name: &str, desired_count: u32) -> Vec<Command> {
    let target_group = format!("{service_name}-tg");
    let forward = Action::Forward(vec![WeightedTargetGroup {
        target_group: target_group.clone(),
        weight: 1,
    }]);
    vec![
        Command::PutCluster { name: "main".into() },
        Command::PutVpc(VpcSpec {
            name: "main".into(),
            base: Ipv4Addr::new(127, 9, 0, 0),
            prefix: 16,
        }),
        subnet("a", 1),
        subnet("b", 2),
        Command::PutTaskDefinition(Box::new(definition(service_name))),
        Command::PutLoadBalancer(LoadBalancerSpec {
            name: "lb".into(),
            internet_facing: true,
            subnets: vec!["a".into(), "b".into()],
            security_groups: Vec::new(),
            idle_timeout_ms: 60_000,
            tags: BTreeMap::new(),
        }),
        Command::PutTargetGroup(TargetGroupSpec {
            name: target_group,
            port: 80,
            health_check: TargetHealthCheck::default(),
            deregistration_delay_ms: 5_000,
            tags: BTreeMap::new(),
        }),
        Command::PutListener(ListenerSpec {
            load_balancer: "lb".into(),
            port: 80,
            host_port: 8080,
            default_action: Action::FixedResponse {
                status: 404,
                content_type: "text/plain".into(),
                body: String::new(),
            },
            rules: vec![Rule {
                priority: 7,
                conditions: vec![Condition::PathPattern(vec!["/test/auth/*".into()])],
                action: forward,
            }],
        }),
        Command::PutService(Box::new(service(service_name, desired_count))),
    ]
}

/// A task of that family that belongs to no service.
pub(crate) fn run(family: &str) -> Command {
    Command::RunTask(Box::new(RunTask {
        cluster: "main".into(),
        task_definition: TaskDefinitionRef { family: family.into(), revision: None },
        count: 1,
        capacity: Vec::new(),
        subnets: vec!["b".into()],
        security_groups: Vec::new(),
        public_ip: false,
        overrides: TaskOverrides::default(),
        group: None,
        started_by: None,
        token: "one".into(),
        enable_execute_command: false,
        tags: BTreeMap::new(),
    }))
}

/// Scaling of the service of [`system`] by CPU and requests, and an alarm on its load balancer.
pub(crate) fn scaling(service_name: &str) -> Vec<Command> {
    let service = name(service_name);
    let target = ScalableTargetSpec {
        service: service.clone(),
        min: 1,
        max: 4,
        suspended: SuspendedState::default(),
        tags: BTreeMap::new(),
    };
    let mut commands = vec![Command::PutScalableTarget(target)];
    let label = ResourceLabel::TargetGroup { target_group: format!("{service_name}-tg") };
    for (name, metric) in [
        ("cpu", TrackedMetric::AverageCpu),
        ("requests", TrackedMetric::RequestCountPerTarget(label)),
    ] {
        commands.push(Command::PutScalingPolicy(Box::new(ScalingPolicySpec {
            service: service.clone(),
            name: name.into(),
            kind: PolicyKind::TargetTracking(TargetTracking {
                metric,
                target_value: 0.1 + 0.2,
                scale_out_cooldown_s: None,
                scale_in_cooldown_s: None,
                disable_scale_in: false,
            }),
        })));
    }
    let load_balancer = DimensionValue::LoadBalancer { load_balancer: "lb".into() };
    commands.push(Command::PutAlarm(Box::new(AlarmSpec {
        name: "slow".into(),
        description: None,
        condition: AlarmCondition::Metric(MetricCondition {
            watched: Watched::Metric(MetricStatistic {
                metric: Metric {
                    namespace: "AWS/ApplicationELB".into(),
                    name: "TargetResponseTime".into(),
                    dimensions: BTreeMap::from([("LoadBalancer".into(), load_balancer)]),
                },
                statistic: Statistic::Average,
                period_s: 60,
                unit: None,
            }),
            comparison: Comparison::GreaterThanThreshold,
            threshold: Threshold::Value(2.0),
            evaluation_periods: 3,
            datapoints_to_alarm: None,
            missing_data: None,
            low_sample_percentile: None,
        }),
        actions_enabled: true,
        alarm_actions: vec![AlarmAction::Topic { topic: "told".into() }],
        ok_actions: Vec::new(),
        insufficient_data_actions: Vec::new(),
        tags: BTreeMap::new(),
    })));
    commands
}
