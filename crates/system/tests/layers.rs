//! What an environment, a template and the defaults do to each other.

use std::path::Path;

use neargate_system::{Environment, Service, System, load_text};

const BASE: &str = r#"
name: shop
region: us-east-1
images:
  shop/api: { standIn: true }
  shop/log: { standIn: true }
  shop/${environment}: { standIn: true }
variables: { greeting: "hello ${environment}" }
cluster: shop-${environment}
network:
  name: shop
  cidr: 10.0.0.0/16
  subnets:
    a: { zone: us-east-1a, cidr: 10.0.1.0/24 }
    b: { zone: us-east-1b, cidr: 10.0.2.0/24 }
defaults:
  name: ${environment}-${service}
  image: shop/api:1
  cpu: 256
  memory: 512
  subnets: [a, b]
  environment: { A: default, B: default, C: default, N: 1.10, Z: 007, GREETING: "${greeting}" }
templates:
  big: { cpu: 1024, memory: 2048, environment: { B: template, C: template } }
services:
  plain: {}
  own: { template: big, cpu: 512, memory: 1024, environment: { C: service } }
  pair:
    stopTimeout: 7
    containers:
      main: { port: 80, dependsOn: [{ containerName: log, condition: START }] }
      log: { image: "shop/log:2", essential: false, stopTimeout: 9, environment: { A: null } }
environments:
  dev: {}
  prod:
    variables: { greeting: bye }
    defaults: { cpu: 512, memory: 1024, environment: { A: prod } }
    templates: { big: { environment: { B: prod } } }
    services:
      plain: { subnets: [b], environment: { C: null } }
      pair: null
"#;

fn system(text: &str) -> System {
    load_text(Path::new("neargate.yaml"), text).unwrap_or_else(|problems| panic!("{problems}"))
}

fn environment<'s>(system: &'s System, name: &str) -> &'s Environment {
    system.environment(name).expect("described")
}

fn service<'e>(environment: &'e Environment, key: &str) -> &'e Service {
    environment.service(key).expect("described")
}

fn variables(service: &Service) -> Vec<String> {
    let all = &service.task_definition.containers[0].environment;
    all.iter().map(|(name, value)| format!("{name}={value}")).collect()
}

#[test]
fn a_service_wins_over_its_template_and_that_over_the_defaults() {
    let system = system(BASE);
    let own = service(environment(&system, "dev"), "own");
    assert_eq!((own.task_definition.cpu, own.task_definition.memory_mib), (512, 1024));
    assert_eq!(
        variables(own),
        ["A=default", "B=template", "C=service", "GREETING=hello dev", "N=1.10", "Z=007"]
    );
}

#[test]
fn an_environment_changes_each_layer_in_its_place() {
    let system = system(BASE);
    let prod = environment(&system, "prod");
    let own = service(prod, "own");
    // The service's own size stands: the environment changed the defaults, not the service.
    assert_eq!((own.task_definition.cpu, own.task_definition.memory_mib), (512, 1024));
    assert_eq!(variables(own)[..4], ["A=prod", "B=prod", "C=service", "GREETING=bye"]);
    let plain = service(prod, "plain");
    assert_eq!(plain.task_definition.cpu, 512);
    // Lists are replaced, `null` takes away.
    assert_eq!(plain.spec.subnets, ["shop-b"]);
    assert_eq!(variables(plain)[..3], ["A=prod", "B=default", "GREETING=bye"]);
    assert!(prod.service("pair").is_none());
    assert_eq!(prod.services.len(), 2);
}

#[test]
fn names_are_filled_in() {
    let system = system(BASE);
    assert_eq!(environment(&system, "dev").cluster, "shop-dev");
    let plain = service(environment(&system, "prod"), "plain");
    assert_eq!(plain.spec.name.to_string(), "shop-prod/prod-plain");
    let repositories: Vec<&str> = system.images().keys().map(String::as_str).collect();
    assert_eq!(repositories, ["shop/api", "shop/dev", "shop/log", "shop/prod"]);
    assert_eq!(system.default_environments, ["dev"]);
}

#[test]
fn containers_inherit_what_the_service_says_about_containers() {
    let system = system(BASE);
    let pair = service(environment(&system, "dev"), "pair");
    let [main, log] = pair.task_definition.containers.as_slice() else { panic!("two containers") };
    assert_eq!((main.name.as_str(), main.image.as_str()), ("main", "shop/api:1"));
    assert_eq!((log.name.as_str(), log.image.as_str()), ("log", "shop/log:2"));
    assert_eq!((main.stop_timeout_ms, log.stop_timeout_ms), (7_000, 9_000));
    assert_eq!(main.environment["A"], "default");
    assert!(!log.environment.contains_key("A"));
    assert!(main.essential && !log.essential);
    // Task sizes are not container reservations.
    assert_eq!((main.cpu, main.memory_mib), (0, None));
    assert_eq!(pair.task_definition.cpu, 256);
}

#[test]
fn without_environments_there_is_one() {
    let text = BASE.split("environments:").next().expect("the base");
    let system = system(text);
    assert_eq!(system.default_environments, ["default"]);
    assert_eq!(environment(&system, "default").cluster, "shop-default");
}

/// Values ECS fills in when a description says nothing.
#[test]
fn what_is_left_out_is_what_ecs_takes() {
    let system = system(BASE);
    let plain = service(environment(&system, "dev"), "plain");
    assert_eq!(plain.spec.desired_count, 1);
    assert_eq!(plain.spec.deployment.minimum_healthy_percent, 100);
    assert_eq!(plain.spec.deployment.maximum_percent, 200);
    assert!(plain.spec.capacity.is_empty());
    // ECS-SVC-5: CreateService without it enables it.
    assert!(plain.spec.zone_rebalancing);
    assert_eq!(plain.task_definition.ephemeral_storage_gib, 20);
    assert_eq!(plain.task_definition.containers[0].stop_timeout_ms, 30_000);
}
