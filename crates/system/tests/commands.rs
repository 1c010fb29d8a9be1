//! What the platform is told: complete, in order, the same every time.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::Path;

use neargate_core::input::Command;
use neargate_core::network::Internet;
use neargate_core::service::ServiceName;
use neargate_system::{CommandOptions, ENVIRONMENT_TAG, SYSTEM_TAG, System, load, load_text};

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
            other => panic!("a description never says {other:?}"),
        }
    }
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
        let groups = commands.into_iter().filter_map(|command| match command {
            Command::PutSecurityGroup(group) if group.name.ends_with("-default") => Some(group),
            _ => None,
        });
        groups.last().expect("a default group")
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
fn services_no_longer_described_are_found() {
    let system = system("backend-booking");
    let name = |service: &str| ServiceName {
        cluster: "backend-booking-dev-cluster".to_owned(),
        service: service.to_owned(),
    };
    let tags = |system: &str, environment: &str| {
        let tag = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        BTreeMap::from([tag(SYSTEM_TAG, system), tag(ENVIRONMENT_TAG, environment)])
    };
    let existing = [
        (name("backend-booking-dev"), tags("backend-booking", "dev")),
        (name("old-worker"), tags("backend-booking", "dev")),
        (name("old-in-prod"), tags("backend-booking", "prod")),
        (name("someone-elses"), tags("broxiva", "dev")),
        (name("by-hand"), BTreeMap::new()),
    ];
    assert_eq!(system.obsolete(&existing, &["dev"]), [name("old-worker")]);
    assert_eq!(
        system.obsolete(&existing, &["dev", "prod"]),
        [name("old-worker"), name("old-in-prod")]
    );
    assert!(system.obsolete(&existing, &[]).is_empty());
}
