//! What the platform is told: complete, in order, the same every time.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::Path;

use neargate_core::Platform;
use neargate_core::alarm::{
    Alarm, AlarmAction, AlarmCondition, AlarmSpec, Comparison, DimensionValue, MetricCondition,
    MissingData, Statistic, Threshold, Watched,
};
use neargate_core::input::{Command, Input};
use neargate_core::network::Internet;
use neargate_core::platform::Identity;
use neargate_core::scaling::ScalableTarget;
use neargate_core::service::ServiceName;
use neargate_core::time::Time;
use neargate_system::{
    CommandOptions, ENVIRONMENT_TAG, Existing, SYSTEM_TAG, System, load, load_text,
};

const SYSTEMS: [&str; 5] =
    ["modular-template", "microservices", "backend-booking", "customer-order-portal", "broxiva"];

fn system(name: &str) -> System {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../systems").join(name);
    load(&folder).unwrap_or_else(|problems| panic!("{problems}"))
}

fn all(system: &System) -> Vec<&str> {
    system.environments.iter().map(|environment| environment.name.as_str()).collect()
}

fn free_ports() -> CommandOptions {
    CommandOptions { ephemeral_ports: true }
}

/// Whatever a command refers to has been put by an earlier one.
#[test]
fn nothing_is_referred_to_before_it_exists() {
    for name in SYSTEMS {
        let system = system(name);
        let every = all(&system);
        let mut selections: Vec<Vec<&str>> = every.iter().map(|one| vec![*one]).collect();
        selections.push(every);
        for selection in selections {
            check_order(&system.commands(&selection, &free_ports()));
        }
    }
}

fn check_order(commands: &[Command]) {
    let mut known: BTreeSet<(&str, String)> = BTreeSet::new();
    let put = |known: &mut BTreeSet<(&'static str, String)>, kind: &'static str, name: String| {
        assert!(known.insert((kind, name.clone())), "{kind} {name} is put twice");
    };
    for command in commands {
        let needs: Vec<(&str, String)> = match command {
            Command::PutSubnet(subnet) => vec![("VPC", subnet.vpc.clone())],
            Command::PutSecurityGroup(group) => vec![("VPC", group.vpc.clone())],
            Command::PutLoadBalancer(b) => {
                let groups = b.security_groups.iter().map(|g| ("security group", g.clone()));
                b.subnets.iter().map(|s| ("subnet", s.clone())).chain(groups).collect()
            }
            Command::PutListener(listener) => {
                let groups = listener.target_groups().map(|g| ("target group", g.to_owned()));
                groups.chain([("load balancer", listener.load_balancer.clone())]).collect()
            }
            Command::PutService(service) => {
                let groups = service.load_balancers.iter();
                let groups = groups.map(|b| ("target group", b.target_group.clone()));
                let subnets = service.subnets.iter().map(|s| ("subnet", s.clone()));
                let names = service.registry.iter().map(|r| ("name", r.dns_name.clone()));
                let rest = [
                    ("cluster", service.name.cluster.clone()),
                    ("family", service.task_definition.family.clone()),
                ];
                let allowed = service.security_groups.iter().map(|g| ("security group", g.clone()));
                groups.chain(subnets).chain(allowed).chain(names).chain(rest).collect()
            }
            Command::PutScalableTarget(target) => vec![("service", target.service.to_string())],
            Command::PutScalingPolicy(policy) => vec![("target", policy.service.to_string())],
            Command::PutAlarm(alarm) => watched_by(alarm),
            _ => Vec::new(),
        };
        for need in needs {
            assert!(known.contains(&need), "{need:?} is missing before {command:?}");
        }
        match command {
            Command::PutCluster { name } => put(&mut known, "cluster", name.clone()),
            Command::PutVpc(vpc) => put(&mut known, "VPC", vpc.name.clone()),
            Command::PutSecurityGroup(g) => put(&mut known, "security group", g.name.clone()),
            Command::PutLogGroup(group) => put(&mut known, "log group", group.name.clone()),
            Command::PutSubnet(subnet) => put(&mut known, "subnet", subnet.name.clone()),
            Command::PutLoadBalancer(b) => put(&mut known, "load balancer", b.name.clone()),
            Command::PutTargetGroup(group) => put(&mut known, "target group", group.name.clone()),
            Command::PutListener(l) => {
                put(&mut known, "listener", format!("{}:{}", l.load_balancer, l.port));
            }
            Command::PutDiscoveryService(d) => put(&mut known, "name", d.dns_name()),
            Command::PutTaskDefinition(d) => put(&mut known, "family", d.family.clone()),
            Command::PutService(s) => put(&mut known, "service", s.name.to_string()),
            Command::PutScalableTarget(t) => put(&mut known, "target", t.service.to_string()),
            Command::PutScalingPolicy(p) => {
                put(&mut known, "policy", format!("{}/{}", p.service, p.name));
            }
            Command::PutAlarm(alarm) => put(&mut known, "alarm", alarm.name.clone()),
            other => panic!("a description never says {other:?}"),
        }
    }
}

/// The things an alarm's dimensions name.
fn watched_by(alarm: &AlarmSpec) -> Vec<(&'static str, String)> {
    let dimensions = dimensions(alarm);
    let text = |name: &str| match dimensions.get(name) {
        Some(DimensionValue::Text(text)) => text.clone(),
        other => panic!("{name} of {}: {other:?}", alarm.name),
    };
    if dimensions.contains_key("ClusterName") {
        return vec![("service", format!("{}/{}", text("ClusterName"), text("ServiceName")))];
    }
    let named = dimensions.values().map(|value| match value {
        DimensionValue::LoadBalancer { load_balancer } => ("load balancer", load_balancer.clone()),
        DimensionValue::TargetGroup { target_group } => ("target group", target_group.clone()),
        DimensionValue::Text(text) => panic!("{} watches {text}", alarm.name),
    });
    named.collect()
}

fn dimensions(alarm: &AlarmSpec) -> &BTreeMap<String, DimensionValue> {
    let AlarmCondition::Metric(MetricCondition { watched: Watched::Metric(statistic), .. }) =
        &alarm.condition
    else {
        panic!("{} watches no metric", alarm.name)
    };
    &statistic.metric.dimensions
}

#[test]
fn the_same_description_gives_the_same_commands() {
    for name in SYSTEMS {
        let (one, other) = (system(name), system(name));
        let environments = all(&one);
        assert_eq!(
            one.commands(&environments, &free_ports()),
            other.commands(&environments, &free_ports())
        );
        // Nor does it matter in which order environments are named.
        let mut backwards = environments.clone();
        backwards.reverse();
        assert_eq!(
            one.commands(&environments, &free_ports()),
            one.commands(&backwards, &free_ports())
        );
    }
}

/// SM-53: bringing up one environment takes nothing away from those that share its load balancer.
#[test]
fn sm_53_a_shared_listener_always_has_all_rules() {
    let system = system("microservices");
    let commands = system.commands(&["stage"], &CommandOptions::default());
    let count = |kind: fn(&Command) -> bool| commands.iter().filter(|c| kind(c)).count();
    assert_eq!(count(|c| matches!(c, Command::PutTargetGroup(_))), 12);
    assert_eq!(count(|c| matches!(c, Command::PutService(_))), 4);
    assert_eq!(count(|c| matches!(c, Command::PutTaskDefinition(_))), 4);
    let listeners: Vec<_> = commands
        .iter()
        .filter_map(|c| if let Command::PutListener(l) = c { Some(l) } else { None })
        .collect();
    let [listener] = listeners.as_slice() else { panic!("one listener") };
    let priorities: Vec<u32> = listener.rules.iter().map(|rule| rule.priority).collect();
    assert_eq!(priorities, [110, 120, 130, 140, 210, 220, 230, 240, 310, 320, 330, 340]);
    assert_eq!((listener.port, listener.host_port), (80, 8080));
}

#[test]
fn an_environment_of_its_own_brings_only_its_own() {
    let system = system("broxiva");
    let commands = system.commands(&["prod"], &CommandOptions::default());
    let text = format!("{commands:?}");
    assert!(!text.contains("broxiva-staging") && !text.contains("broxiva-dev"));
    let services = commands.iter().filter(|c| matches!(c, Command::PutService(_))).count();
    assert_eq!(services, 15);
}

/// Networks are as described on every machine: where tasks get other addresses is not said here.
#[test]
fn subnets_have_the_described_ranges_and_ways_out() {
    let system = system("broxiva");
    let commands = system.commands(&["prod"], &free_ports());
    let subnets: BTreeMap<&str, (Ipv4Addr, u8, Internet)> = commands
        .iter()
        .filter_map(|command| match command {
            Command::PutSubnet(s) => Some((s.name.as_str(), (s.base, s.prefix, s.internet))),
            _ => None,
        })
        .collect();
    assert_eq!(subnets.len(), 9);
    let third = |byte| Ipv4Addr::new(10, 0, byte, 0);
    assert_eq!(subnets["broxiva-prod-public-a"], (third(101), 24, Internet::Gateway));
    assert_eq!(subnets["broxiva-prod-private-b"], (third(2), 24, Internet::Nat));
    assert_eq!(subnets["broxiva-prod-database-c"], (third(203), 24, Internet::None));
}

/// The default group of a VPC lets something through only where a service has no other group.
#[test]
fn the_default_group_is_shut_where_nothing_uses_it() {
    let default_group = |system: &System| {
        let commands = system.commands(&all(system), &free_ports());
        let mut groups = commands.into_iter().filter_map(|command| match command {
            Command::PutSecurityGroup(group) if group.name.ends_with("-default") => Some(group),
            _ => None,
        });
        groups.next_back().expect("a default group")
    };
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../systems/microservices/neargate.yaml");
    let text = std::fs::read_to_string(file).expect("readable");
    let group = default_group(&system("microservices"));
    assert!(group.ingress.is_empty() && group.egress.is_empty(), "{group:?}");
    let without = text.replace("  securityGroups: [tasks]\n  port", "  port");
    assert_ne!(without, text);
    let group = default_group(&load_text(Path::new("neargate.yaml"), &without).expect("valid"));
    assert!(group.ingress.len() == 1 && group.egress.len() == 1, "{group:?}");
}

#[test]
fn what_is_made_is_labelled() {
    let system = system("backend-booking");
    let commands = system.commands(&["dev"], &free_ports());
    for command in &commands {
        match command {
            Command::PutService(service) => {
                assert_eq!(service.tags[SYSTEM_TAG], "backend-booking");
                assert_eq!(service.tags[ENVIRONMENT_TAG], "dev");
            }
            Command::PutListener(listener) => assert_eq!(listener.host_port, 0),
            Command::PutTaskDefinition(definition) => {
                assert_eq!(definition.tags[SYSTEM_TAG], "backend-booking");
            }
            _ => {}
        }
    }
    // As it would be registered on AWS, a definition knows nothing of stand-ins.
    assert!(!format!("{commands:?}").contains("STANDIN_"));
}

#[test]
fn what_is_no_longer_described_goes() {
    let system = system("backend-booking");
    let name = |service: &str| ServiceName {
        cluster: "backend-booking-dev-cluster".to_owned(),
        service: service.to_owned(),
    };
    let tags = |system: &str, environment: &str| {
        let tag = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        BTreeMap::from([tag(SYSTEM_TAG, system), tag(ENVIRONMENT_TAG, environment)])
    };
    let services = [
        (name("backend-booking-dev"), tags("backend-booking", "dev")),
        (name("old-worker"), tags("backend-booking", "dev")),
        (name("old-in-prod"), tags("backend-booking", "prod")),
        (name("someone-elses"), tags("broxiva", "dev")),
        (name("by-hand"), BTreeMap::new()),
    ];
    let policies = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let targets = [
        ("backend-booking-dev", policies(&["backend-booking-dev-cpu", "old"])),
        ("old-worker", policies(&["old"])),
        ("by-hand", policies(&["mine"])),
    ];
    let targets = targets.map(|(service, policies)| {
        let tags = match service {
            "by-hand" => BTreeMap::new(),
            _ => tags("backend-booking", "dev"),
        };
        (name(service), policies, tags)
    });
    let alarms = [
        ("backend-booking-dev-5xx", tags("backend-booking", "dev")),
        ("old-alarm", tags("backend-booking", "dev")),
        ("TargetTracking-service/main/web-AlarmHigh-1", BTreeMap::new()),
    ];
    let existing = Existing {
        services: services.into(),
        targets: targets.into(),
        alarms: alarms.map(|(name, tags)| (name.to_owned(), tags)).into(),
    };
    let obsolete = |environments: &[&str]| {
        system.obsolete(&existing, &system.commands(environments, &free_ports()), environments)
    };
    let delete = |service: &str| Command::DeleteService { service: name(service), force: true };
    let mut expected = vec![
        Command::DeleteScalingPolicy { service: name("backend-booking-dev"), name: "old".into() },
        Command::DeleteScalableTarget { service: name("old-worker") },
        Command::DeleteAlarm { name: "old-alarm".into() },
        delete("old-worker"),
    ];
    assert_eq!(obsolete(&["dev"]), expected);
    expected.push(delete("old-in-prod"));
    assert_eq!(obsolete(&["dev", "prod"]), expected);
    assert!(obsolete(&[]).is_empty());
}

fn alarms(system: &System, environments: &[&str]) -> Vec<AlarmSpec> {
    let commands = system.commands(environments, &CommandOptions::default());
    let alarm = |command: Command| match command {
        Command::PutAlarm(alarm) => Some(*alarm),
        _ => None,
    };
    commands.into_iter().filter_map(alarm).collect()
}

fn names(alarms: &[AlarmSpec]) -> Vec<&str> {
    alarms.iter().map(|alarm| alarm.name.as_str()).collect()
}

/// Namespace, metric, statistic, threshold, seconds of a period, periods.
fn watched(alarm: &AlarmSpec) -> (String, String, Statistic, f64, u32, u32) {
    let AlarmCondition::Metric(condition) = &alarm.condition else { panic!("a metric alarm") };
    let (Watched::Metric(of), Threshold::Value(threshold)) =
        (&condition.watched, &condition.threshold)
    else {
        panic!("{} watches no metric", alarm.name)
    };
    // The same in every alarm of the Terraform modules.
    assert_eq!(condition.comparison, Comparison::GreaterThanThreshold);
    assert_eq!(condition.missing_data, Some(MissingData::NotBreaching));
    assert_eq!((condition.datapoints_to_alarm, &of.unit), (None, &None));
    assert!(alarm.actions_enabled && alarm.insufficient_data_actions.is_empty());
    assert_eq!(alarm.alarm_actions, alarm.ok_actions);
    (
        of.metric.namespace.clone(),
        of.metric.name.clone(),
        of.statistic.clone(),
        *threshold,
        of.period_s,
        condition.evaluation_periods,
    )
}

fn find<'a>(alarms: &'a [AlarmSpec], name: &str) -> &'a AlarmSpec {
    alarms.iter().find(|a| a.name == name).unwrap_or_else(|| panic!("{name}: {:?}", names(alarms)))
}

fn metric(
    (namespace, name, statistic): (&str, &str, Statistic),
    threshold: f64,
    period: u32,
    periods: u32,
) -> (String, String, Statistic, f64, u32, u32) {
    (namespace.to_owned(), name.to_owned(), statistic, threshold, period, periods)
}

/// BB-17, BB-27, BB-46: the alarms of both environments, and what they tell.
#[test]
fn bb_17_27_46_alarms() {
    let system = system("backend-booking");
    for (name, seconds, errors) in [("dev", 3.0, 25.0), ("prod", 1.0, 10.0)] {
        let alarms = alarms(&system, &[name]);
        let prefix = format!("backend-booking-{name}");
        let expected = [
            "-cpu-high",
            "-memory-high",
            "-worker-cpu-high",
            "-worker-memory-high",
            "-response-time",
            "-5xx",
            "-app-unhealthy",
        ];
        let expected = expected.map(|end| format!("{prefix}{end}"));
        assert_eq!(names(&alarms), expected.iter().map(String::as_str).collect::<Vec<_>>());
        let (elb, ecs) = ("AWS/ApplicationELB", "AWS/ECS");
        for (end, expected, description) in [
            (
                "-worker-memory-high",
                metric((ecs, "MemoryUtilization", Statistic::Average), 80.0, 300, 2),
                format!("Average memory of {prefix}-worker is above 80 %"),
            ),
            (
                "-response-time",
                metric((elb, "TargetResponseTime", Statistic::Average), seconds, 300, 2),
                format!("Answers take longer than {seconds} s on average"),
            ),
            (
                "-5xx",
                metric((elb, "HTTPCode_Target_5XX_Count", Statistic::Sum), errors, 300, 2),
                format!("More than {errors} answers with 5xx in 300 s"),
            ),
            (
                "-app-unhealthy",
                metric((elb, "UnHealthyHostCount", Statistic::Maximum), 0.0, 300, 2),
                "A target of app is not healthy".to_owned(),
            ),
        ] {
            let alarm = find(&alarms, &format!("{prefix}{end}"));
            assert_eq!(watched(alarm), expected);
            assert_eq!(alarm.description, Some(description));
            let topic = AlarmAction::Topic { topic: format!("{prefix}-alarms") };
            assert_eq!(alarm.alarm_actions, [topic]);
            assert_eq!(alarm.tags[SYSTEM_TAG], "backend-booking");
            assert_eq!(alarm.tags[ENVIRONMENT_TAG], name);
        }
        let dimensions = dimensions(find(&alarms, &format!("{prefix}-app-unhealthy")));
        let load_balancer = format!("{prefix}-alb");
        assert_eq!(dimensions["LoadBalancer"], DimensionValue::LoadBalancer { load_balancer });
        let target_group = prefix.clone();
        assert_eq!(dimensions["TargetGroup"], DimensionValue::TargetGroup { target_group });
    }
}

/// What the alarms of broxiva watch. The requirements that name them also want them to go off and
/// come back, which is more than a description shows.
#[test]
fn broxiva_alarms_watch_what_its_documents_say() {
    let system = system("broxiva");
    let alarms = alarms(&system, &["prod"]);
    assert_eq!(alarms.len(), 2 * 15 + 2);
    let (elb, ecs) = ("AWS/ApplicationELB", "AWS/ECS");
    for (name, expected) in [
        ("api-cpu-high", metric((ecs, "CPUUtilization", Statistic::Average), 80.0, 60, 3)),
        ("media-memory-high", metric((ecs, "MemoryUtilization", Statistic::Average), 80.0, 60, 3)),
        ("5xx", metric((elb, "HTTPCode_ELB_5XX_Count", Statistic::Sum), 10.0, 60, 2)),
        ("response-time", metric((elb, "TargetResponseTime", Statistic::Average), 2.0, 60, 3)),
    ] {
        assert_eq!(watched(find(&alarms, &format!("broxiva-prod-{name}"))), expected, "{name}");
    }
}

/// SM-44: every environment's services, and the load balancer that they share once: for the last
/// of those that come up together.
#[test]
fn sm_44_a_shared_load_balancer_is_watched_once() {
    let system = system("microservices");
    let of_balancer = |environments: &[&str]| -> Vec<String> {
        let alarms = alarms(&system, environments);
        assert_eq!(alarms.len(), 8 * environments.len() + 2);
        let of_balancer = alarms.iter().filter(|a| dimensions(a).contains_key("LoadBalancer"));
        of_balancer.map(|alarm| alarm.name.clone()).collect()
    };
    assert_eq!(
        of_balancer(&["test", "stage", "production"]),
        ["microservices-production-response-time", "microservices-production-5xx"]
    );
    assert_eq!(
        of_balancer(&["test"]),
        ["microservices-test-response-time", "microservices-test-5xx"]
    );
    let all = alarms(&system, &["test", "stage"]);
    let cpu = find(&all, "stage-auth-service-cpu-high");
    let expected = metric(("AWS/ECS", "CPUUtilization", Statistic::Average), 75.0, 60, 2);
    assert_eq!(watched(cpu), expected);
}

/// CP-45, CP-80: alarms are off until somebody wants them; scaling is not.
#[test]
fn cp_45_80_alarms_are_off_unless_wanted() {
    for (name, services) in [("customer-order-portal", 9), ("modular-template", 6)] {
        let system = system(name);
        for environment in all(&system) {
            assert_eq!(names(&alarms(&system, &[environment])), [""; 0]);
            let commands = system.commands(&[environment], &free_ports());
            let targets = commands.iter().filter(|c| matches!(c, Command::PutScalableTarget(_)));
            assert_eq!(targets.count(), services, "{name} {environment}");
            let policies = commands.iter().filter(|c| matches!(c, Command::PutScalingPolicy(_)));
            assert_eq!(policies.count(), services, "{name} {environment}");
        }
    }
    // Wanted in one environment, they are there.
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../systems/customer-order-portal/neargate.yaml");
    let text = std::fs::read_to_string(&file).expect("the description");
    let wanted =
        text.replace("  production:\n", "  production:\n    monitoring: { enabled: true }\n");
    let system = load_text(&file, &wanted).unwrap_or_else(|problems| panic!("{problems}"));
    let alarms = alarms(&system, &["production"]);
    assert_eq!(alarms.len(), 2 * 9 + 2);
    find(&alarms, "customer-order-portal-production-response-time");
    let cpu = find(&alarms, "gateway-service-cpu-high");
    let expected = metric(("AWS/ECS", "CPUUtilization", Statistic::Average), 80.0, 300, 2);
    assert_eq!(watched(cpu), expected);
}

/// design.md "Two roads, one platform": the platform takes everything that a description says of
/// scaling and alarms, and the same again changes nothing of it.
#[test]
fn the_platform_takes_scaling_and_alarms_and_bringing_up_again_changes_nothing() {
    for (name, policies, alarms) in [
        ("modular-template", 24, 48),
        ("microservices", 8, 8 * 2 + 12 * 2 + 2),
        ("backend-booking", 6, 6 * 2 + 2 * 7),
        ("customer-order-portal", 27, 54),
        ("broxiva", 3 * (8 * 3 + 7 * 2), 3 * (2 * (8 * 3 + 7 * 2) + 15 * 2 + 2)),
    ] {
        let system = system(name);
        let identity = Identity { account: "000000000000".into(), region: system.region.clone() };
        let mut platform = Platform::new(identity, 7);
        let input = Input::Commands(system.commands(&all(&system), &free_ports()));
        assert_eq!(platform.step(Time(1), &input).result, Ok(()), "{name}");
        let scaling = |platform: &Platform| {
            let targets: Vec<ScalableTarget> = platform.scalable_targets().cloned().collect();
            (targets, platform.alarms().cloned().collect::<Vec<Alarm>>())
        };
        let first = scaling(&platform);
        let services: usize = system.environments.iter().map(|e| e.services.len()).sum();
        assert_eq!(first.0.len(), services, "{name}");
        let count: usize = first.0.iter().map(|target| target.policies.len()).sum();
        assert_eq!((count, first.1.len()), (policies, alarms), "{name}");
        assert_eq!(platform.step(Time(2), &input).result, Ok(()), "{name}");
        assert_eq!(scaling(&platform), first, "{name}");
    }
}
