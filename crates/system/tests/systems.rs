//! The five described systems, held against the numbered requirements of their documents.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use neargate_core::load_balancer::{Action, Condition, Rule};
use neargate_core::scaling::{PolicyKind, TargetTracking, TrackedMetric};
use neargate_core::service::CapacityProvider;
use neargate_core::task_definition::is_fargate_size;
use neargate_system::{Environment, ImageOrigin, Nat, Service, System, load};

const SYSTEMS: [&str; 5] =
    ["modular-template", "microservices", "backend-booking", "customer-order-portal", "broxiva"];

fn system(name: &str) -> System {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../systems").join(name);
    load(&folder).unwrap_or_else(|problems| panic!("{problems}"))
}

fn environment<'s>(system: &'s System, name: &str) -> &'s Environment {
    system.environment(name).unwrap_or_else(|| panic!("{} has no {name}", system.name))
}

fn service<'e>(environment: &'e Environment, key: &str) -> &'e Service {
    environment.service(key).unwrap_or_else(|| panic!("{} has no {key}", environment.name))
}

fn size(service: &Service) -> (u32, u32) {
    (service.task_definition.cpu, service.task_definition.memory_mib)
}

fn limits(service: &Service) -> (u32, u32) {
    service.scaling.as_ref().map_or((0, 0), |scaling| (scaling.target.min, scaling.target.max))
}

/// Name, target value, and seconds after scaling out and in of every policy.
fn policies(service: &Service) -> Vec<(String, f64, u32, u32)> {
    let policies = service.scaling.iter().flat_map(|scaling| &scaling.policies);
    policies
        .map(|policy| {
            let PolicyKind::TargetTracking(tracking) = &policy.kind else {
                panic!("not target tracking: {policy:?}")
            };
            assert_eq!(policy.service, service.spec.name);
            assert!(!tracking.disable_scale_in);
            let cooldowns = (tracking.scale_out_cooldown_s, tracking.scale_in_cooldown_s);
            let (Some(out), Some(into)) = cooldowns else { panic!("no cooldowns: {policy:?}") };
            (policy.name.clone(), tracking.target_value, out, into)
        })
        .collect()
}

fn named(name: &str, value: f64, out: u32, into: u32) -> (String, f64, u32, u32) {
    (name.to_owned(), value, out, into)
}

fn variable<'s>(service: &'s Service, name: &str) -> Option<&'s str> {
    service.task_definition.containers[0].environment.get(name).map(String::as_str)
}

fn secret<'s>(service: &'s Service, name: &str) -> Option<&'s str> {
    service.task_definition.containers[0].secrets.get(name).map(String::as_str)
}

fn port(service: &Service) -> Option<u16> {
    service.task_definition.containers[0].ports.first().map(|port| port.container_port)
}

/// Priority, patterns, target group of every rule of the environment's first listener.
fn rules(environment: &Environment) -> Vec<(u32, Vec<String>, String)> {
    environment.load_balancers[0].listeners[0].rules.iter().map(rule).collect()
}

fn rule(rule: &Rule) -> (u32, Vec<String>, String) {
    let patterns = rule
        .conditions
        .iter()
        .flat_map(|condition| match condition {
            Condition::PathPattern(patterns) | Condition::HostHeader(patterns) => patterns.clone(),
        })
        .collect();
    let Action::Forward(groups) = &rule.action else { panic!("not a forward: {rule:?}") };
    (rule.priority, patterns, groups[0].target_group.clone())
}

fn owned(rules: &[(u32, &[&str], &str)]) -> Vec<(u32, Vec<String>, String)> {
    rules
        .iter()
        .map(|(priority, patterns, group)| {
            let patterns = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
            (*priority, patterns, (*group).to_owned())
        })
        .collect()
}

fn providers(service: &Service) -> Vec<(CapacityProvider, u32, u32)> {
    service.spec.capacity.iter().map(|item| (item.provider, item.base, item.weight)).collect()
}

/// What holds for every system: Fargate sizes, private subnets in two zones or more, a role of
/// each kind, checked containers, logs, stand-ins.
#[test]
fn every_service_is_complete() {
    for name in SYSTEMS {
        let system = system(name);
        for environment in &system.environments {
            let public: BTreeSet<&str> = environment
                .network
                .subnets
                .iter()
                .filter(|subnet| subnet.public)
                .map(|subnet| subnet.name.as_str())
                .collect();
            assert_ne!(environment.network.nat, Nat::None, "{name}: tasks need a way out");
            for service in &environment.services {
                let who = format!("{name} {} {}", environment.name, service.key);
                let (cpu, memory) = size(service);
                assert!(is_fargate_size(cpu, memory), "{who}");
                // BB-42, SM-28, CP-81, BX-22, BX-78: tasks only in private subnets.
                assert!(service.spec.subnets.len() >= 2, "{who}");
                let outside = service.spec.subnets.iter().find(|s| public.contains(s.as_str()));
                assert_eq!(outside, None, "{who}");
                assert!(!service.spec.security_groups.is_empty(), "{who}");
                // SM-33, CP-85: two roles.
                assert!(service.task_definition.execution_role.is_some(), "{who}");
                assert!(service.task_definition.task_role.is_some(), "{who}");
                assert_ne!(
                    service.task_definition.execution_role,
                    service.task_definition.task_role
                );
                assert!(!service.log_groups.is_empty(), "{who}");
                assert!(service.spec.deployment.circuit_breaker, "{who}");
                assert!(service.spec.deployment.rollback, "{who}");
                let image = system.image(&service.task_definition.containers[0].image);
                assert_eq!(image.map(|i| &i.origin), Some(&ImageOrigin::StandIn), "{who}");
                let (min, max) = limits(service);
                assert!((min..=max).contains(&service.spec.desired_count), "{who}");
            }
        }
    }
}

/// MT-1, MT-6, MT-30, MT-32, MT-33, MT-34: six modules, each with its own definition, service, target
/// group, roles and database; production has the names of the runbook.
#[test]
fn mt_1_six_modules() {
    let system = system("modular-template");
    assert_eq!(system.default_environments, ["prod"]);
    let table = [
        ("orders", &["/api/v*/orders*"][..]),
        ("sales", &["/api/v*/sales*"]),
        ("customer", &["/api/v*/customers*"]),
        ("inventory", &["/api/v*/stock*"]),
        ("organization", &["/api/v*/organizations*"]),
        ("sample", &["/api/v*/products*", "/api/v*/catalogs*"]),
    ];
    for (name, suffix, folder) in [
        ("dev", "-dev", "/dev"),
        ("itg", "-itg", "/itg"),
        ("qua", "-qua", "/qua"),
        ("prod", "", ""),
    ] {
        let environment = environment(&system, name);
        assert_eq!(environment.cluster, format!("modular-cluster{suffix}"));
        let groups: Vec<String> =
            table.iter().map(|(key, _)| format!("modular-{key}{suffix}")).collect();
        let expected: Vec<_> = table
            .iter()
            .zip(&groups)
            .zip(11..)
            .map(|(((_, paths), group), n)| (10 * n, *paths, group.as_str()))
            .collect();
        assert_eq!(rules(environment), owned(&expected));
        let default = &environment.load_balancers[0].listeners[0].default_action;
        assert!(matches!(default, Action::FixedResponse { status: 404, .. }), "{default:?}");
        let mut roles = BTreeSet::new();
        for (key, _) in table {
            let service = service(environment, key);
            let definition = &service.task_definition;
            assert_eq!(service.spec.name.service, format!("{key}-service"));
            assert_eq!(definition.family, format!("{key}-task{suffix}"));
            let container = &definition.containers[0];
            assert_eq!(container.name, format!("{key}-api"));
            assert_eq!(container.image, format!("modular-api-{key}:latest"));
            assert_eq!((port(service), size(service)), (Some(8080), (256, 512)));
            assert_eq!((service.spec.desired_count, limits(service)), (2, (1, 10)));
            assert_eq!(
                secret(service, "ConnectionStrings__Database"),
                Some(format!("/modular{suffix}/{key}/database-connection").as_str())
            );
            assert_eq!(
                secret(service, "ConnectionStrings__Cache"),
                Some(format!("/modular{suffix}/redis-connection").as_str())
            );
            let check = &service.target_group.as_ref().expect("MT-34").health_check;
            assert_eq!(check.path, "/health");
            assert_eq!((check.healthy_threshold, check.unhealthy_threshold), (2, 3));
            // MT-2.
            let policy = format!("{key}-service-cpu");
            assert_eq!(policies(service), [named(&policy, 70.0, 60, 120)]);
            assert_eq!(providers(service), [(CapacityProvider::Fargate, 0, 1)]);
            // MT-28: modules do not call each other, so they have no names to call.
            assert!(service.discovery.is_none());
            assert_eq!(service.log_groups[0].name, format!("/ecs{folder}/{key}-api"));
            assert_eq!(service.log_groups[0].retention_days, Some(30));
            roles.extend([definition.execution_role.clone(), definition.task_role.clone()]);
        }
        assert_eq!(roles.len(), 12);
    }
}

/// SM-16, SM-17, SM-20, SM-21: services, paths, containers and names per environment.
#[test]
fn sm_16_17_20_21_names_paths_and_containers() {
    let system = system("microservices");
    assert_eq!(system.default_environments, ["test", "stage", "production"]);
    let keys = ["auth-service", "gmail-service", "calendar-service", "ai-router"];
    let images = ["auth", "gmail", "calendar", "ai-router"];
    for (name, prefix, path, tag, priority) in [
        ("test", "test-", "/test", "test", 110),
        ("stage", "stage-", "/stage", "stage", 210),
        ("production", "", "", "latest", 310),
    ] {
        let environment = environment(&system, name);
        // SM-51, SM-53: one cluster, one load balancer.
        assert_eq!(environment.cluster, "microservices-cluster");
        assert_eq!(environment.load_balancers[0].spec.name, "microservices-alb");
        let expected: Vec<_> = ["auth", "gmail", "calendar", "ai"]
            .iter()
            .zip(keys)
            .zip(0..)
            .map(|((last, key), n)| {
                (priority + 10 * n, vec![format!("{path}/{last}/*")], format!("{prefix}{key}"))
            })
            .collect();
        assert_eq!(rules(environment), expected);
        for (key, image) in keys.iter().zip(images) {
            let service = service(environment, key);
            assert_eq!(service.spec.name.service, format!("{prefix}{key}"));
            // SM-19: its own definition.
            assert_eq!(service.task_definition.family, format!("{prefix}{key}"));
            let container = &service.task_definition.containers[0];
            assert_eq!(container.name, image);
            assert_eq!(container.image, format!("{image}:{tag}"));
            assert_eq!(port(service), Some(3000));
            // SM-40.
            assert_eq!(limits(service), (1, 5));
            assert_eq!(variable(service, "PORT"), Some("3000"));
            let check = container.health_check.as_ref().expect("SM-46");
            assert_eq!((check.interval_ms, check.timeout_ms, check.retries), (30_000, 5_000, 3));
            assert_eq!(check.start_period_ms, 60_000);
            let group = service.target_group.as_ref().expect("SM-45");
            assert_eq!(group.health_check.path, "/health");
            assert_eq!(
                (group.health_check.healthy_threshold, group.health_check.unhealthy_threshold),
                (2, 3)
            );
        }
    }
}

/// SM-14, SM-34, SM-49, SM-54: variables, secrets, sizes and labels per environment.
#[test]
fn sm_14_34_49_54_one_definition_three_environments() {
    let system = system("microservices");
    let auth = |name| service(environment(&system, name), "auth-service");
    assert_eq!(size(auth("test")), (256, 512));
    assert_eq!(size(auth("stage")), (256, 512));
    assert_eq!(size(auth("production")), (512, 1024));
    assert_eq!(variable(auth("test"), "ENABLE_DEBUG"), Some("true"));
    assert_eq!(variable(auth("stage"), "ENABLE_DEBUG"), None);
    assert_eq!(variable(auth("stage"), "ENV"), Some("staging"));
    assert_eq!(variable(auth("production"), "NODE_ENV"), Some("production"));
    assert_eq!(variable(auth("test"), "BASE_PATH"), Some("/test/auth"));
    assert_eq!(variable(auth("production"), "BASE_PATH"), Some("/auth"));
    assert_eq!(
        secret(auth("production"), "JWT_SECRET"),
        Some(
            "arn:aws:secretsmanager:us-west-2:000000000000:secret:auth-service-prod-config:JWT_SECRET::"
        )
    );
    assert!(
        secret(auth("test"), "MONGODB_URI").is_some_and(|s| s.contains("auth-service-test-config"))
    );
    assert_eq!(auth("test").spec.tags["Environment"], "test");
    assert_eq!(auth("test").spec.tags["Service"], "auth-service");
    assert_eq!(auth("stage").log_groups[0].name, "/ecs/auth-service/stage");
    assert_eq!(auth("stage").log_groups[0].retention_days, Some(30));
    // SM-36: off in test, 70 % in stage, 60 % and 60 s in production.
    assert_eq!(policies(auth("test")), []);
    assert_eq!(policies(auth("stage")), [named("stage-auth-service-cpu", 70.0, 60, 60)]);
    assert_eq!(policies(auth("production")), [named("auth-service-cpu", 60.0, 60, 60)]);
    // SM-30: a role of its own per service and environment.
    let mut roles = BTreeSet::new();
    for environment in &system.environments {
        roles.extend(environment.services.iter().map(|s| s.task_definition.task_role.clone()));
    }
    assert_eq!(roles.len(), 12);
}

/// BB-3, BB-4, BB-5, BB-6, BB-12, BB-13, BB-15, BB-36, BB-40: the web service.
#[test]
fn bb_4_12_web_service() {
    let system = system("backend-booking");
    let dev = environment(&system, "dev");
    let prod = environment(&system, "prod");
    assert_eq!(system.default_environments, ["dev"]);
    assert_eq!(dev.cluster, "backend-booking-dev-cluster");
    for (environment, name) in [(dev, "dev"), (prod, "prod")] {
        let app = service(environment, "app");
        assert_eq!(app.spec.name.service, format!("backend-booking-{name}"));
        assert_eq!(app.task_definition.family, format!("backend-booking-{name}"));
        assert_eq!(app.task_definition.containers[0].name, "backend-booking-app");
        assert_eq!(
            app.task_definition.containers[0].image,
            format!("backend-booking-{name}:latest")
        );
        assert_eq!((size(app), port(app)), ((512, 1024), Some(8000)));
        assert_eq!((app.spec.desired_count, limits(app)), (2, (1, 5)));
        // BB-13.
        let expected = [("cpu", 70.0), ("memory", 80.0)].map(|(metric, value)| {
            named(&format!("backend-booking-{name}-{metric}"), value, 60, 300)
        });
        assert_eq!(policies(app), expected);
        let check = &app.target_group.as_ref().expect("BB-11").health_check;
        assert_eq!((check.path.as_str(), check.matcher.as_str()), ("/health/", "200"));
        assert_eq!((check.interval_ms, check.timeout_ms), (30_000, 10_000));
        assert_eq!((check.healthy_threshold, check.unhealthy_threshold), (2, 3));
        assert_eq!(variable(app, "DJANGO_SETTINGS_MODULE"), Some("config.settings.production"));
        assert_eq!(variable(app, "ALLOWED_HOSTS"), variable(app, "DJANGO_ALLOWED_HOSTS"));
        assert_eq!(
            secret(app, "DJANGO_SECRET_KEY"),
            Some(format!("/backend-booking/{name}/app/django-secret-key").as_str())
        );
        assert_eq!(
            secret(app, "DATABASE_PASSWORD"),
            Some(format!("/backend-booking/{name}/database/password").as_str())
        );
        // BB-14, BB-16: all paths by the default action of an internet-facing balancer's port 80.
        let balancer = &environment.load_balancers[0];
        assert!(balancer.spec.internet_facing);
        assert_eq!(balancer.listeners[0].port, 80);
        assert!(rules(environment).is_empty());
        // BB-31.
        assert_eq!(
            app.discovery.as_ref().map(|d| d.dns_name()),
            Some(format!("app.backend-booking-{name}.local"))
        );
    }
    let (app, live) = (service(dev, "app"), service(prod, "app"));
    assert_eq!(providers(app), [(CapacityProvider::FargateSpot, 0, 1)]);
    assert_eq!(providers(live), [(CapacityProvider::Fargate, 0, 1)]);
    assert_eq!(app.spec.health_check_grace_period_ms, 360_000);
    assert_eq!(app.spec.deployment.minimum_healthy_percent, 0);
    assert_eq!(live.spec.deployment.minimum_healthy_percent, 100);
    assert_eq!(app.target_group.as_ref().map(|g| g.deregistration_delay_ms), Some(15_000));
    assert_eq!(app.log_groups[0].name, "/ecs/backend-booking-dev");
    assert_eq!(app.log_groups[0].retention_days, Some(7));
}

/// BB-20, BB-21, BB-22, BB-23: the worker.
#[test]
fn bb_20_worker_runs_the_same_image_with_another_command() {
    let system = system("backend-booking");
    let dev = environment(&system, "dev");
    let (app, worker) = (service(dev, "app"), service(dev, "worker"));
    let container = &worker.task_definition.containers[0];
    assert_eq!(worker.spec.name.service, "backend-booking-dev-worker");
    assert_eq!(container.name, "backend-booking-worker");
    assert_eq!(container.image, app.task_definition.containers[0].image);
    assert_eq!(container.command, ["python", "manage.py", "rundramatiq"]);
    assert_eq!((size(worker), port(worker)), ((256, 512), None));
    assert_eq!((worker.spec.desired_count, limits(worker)), (1, (1, 3)));
    assert_eq!(providers(worker), [(CapacityProvider::FargateSpot, 0, 1)]);
    assert_eq!(container.stop_timeout_ms, 120_000);
    assert_eq!(container.nofile, Some((1024, 4096)));
    assert!(worker.target_group.is_none() && worker.spec.load_balancers.is_empty());
    // BB-23.
    let policy = "backend-booking-dev-worker-BacklogPerTask";
    assert_eq!(policies(worker), [named(policy, 100.0, 60, 300)]);
    let policy = &worker.scaling.as_ref().expect("BB-22").policies[0];
    let PolicyKind::TargetTracking(TargetTracking {
        metric: TrackedMetric::Customized(custom),
        ..
    }) = &policy.kind
    else {
        panic!("BB-23: a metric of its own: {policy:?}")
    };
    assert_eq!(custom.metric.namespace, "BackendBooking/Dramatiq");
    assert_eq!(custom.metric.name, "BacklogPerTask");
    let dimensions: Vec<&str> = custom.metric.dimensions.keys().map(String::as_str).collect();
    assert_eq!(dimensions, ["ClusterName", "ServiceName"]);
    for name in ["DATABASE_URL", "REDIS_URL", "DJANGO_SECRET_KEY", "ALLOWED_HOSTS"] {
        assert!(
            secret(worker, name).is_some_and(|s| s.starts_with("/backend-booking/dev/")),
            "{name}"
        );
    }
    assert_eq!(
        secret(worker, "TWILIO_AUTH_TOKEN"),
        Some("/backend-booking/dev/third-party/twilio-auth-token")
    );
    assert_eq!(variable(worker, "WORKER_QUEUES"), Some("default,notifications,bookings"));
}

/// CP-14 to CP-22 (ports and sizes), CP-38, CP-61, CP-67 to CP-75.
#[test]
fn cp_14_to_22_nine_services() {
    let system = system("customer-order-portal");
    assert_eq!(system.default_environments, ["production"]);
    let table = [
        ("gateway", 8000, 256, 512, None),
        ("order", 8001, 512, 1024, Some("DATABASE_URL")),
        ("customer", 8002, 512, 1024, Some("DATABASE_URL")),
        ("inventory", 8003, 512, 1024, Some("DATABASE_URL")),
        ("returns", 8004, 512, 1024, Some("DATABASE_URL")),
        ("chatbot", 8005, 1024, 2048, Some("OPENAI_API_KEY")),
        ("notification", 8006, 256, 512, Some("MAIL_API_KEY")),
        ("analytics", 8007, 512, 1024, Some("DATABASE_URL")),
        ("salesforce", 8008, 256, 512, Some("SALESFORCE_PASSWORD")),
    ];
    for name in ["development", "staging", "production"] {
        let environment = environment(&system, name);
        assert_eq!(environment.cluster, format!("customer-order-portal-{name}"));
        let keys: Vec<&str> = environment.services.iter().map(|s| s.key.as_str()).collect();
        assert_eq!(keys, table.map(|row| row.0));
        let mut groups = BTreeSet::new();
        let mut roles = BTreeSet::new();
        for (key, container_port, cpu, memory, secret_name) in table {
            let service = service(environment, key);
            assert_eq!(service.spec.name.service, format!("{key}-service"));
            assert_eq!((port(service), size(service)), (Some(container_port), (cpu, memory)));
            assert_eq!(limits(service), (1, 10));
            let container = &service.task_definition.containers[0];
            assert_eq!(container.image, format!("customer-portal/{key}:latest"));
            assert_eq!(variable(service, "ENVIRONMENT"), Some(name));
            if let Some(secret_name) = secret_name {
                assert!(secret(service, secret_name).is_some(), "{key} {secret_name}");
            }
            // CP-31; the target for memory is off unless somebody wants it.
            let policy = format!("{key}-service-cpu");
            assert_eq!(policies(service), [named(&policy, 70.0, 60, 300)]);
            let spot = [(CapacityProvider::FargateSpot, 0, 100), (CapacityProvider::Fargate, 0, 0)];
            assert_eq!(providers(service), spot);
            let group = service.target_group.as_ref().expect("CP-38");
            assert_eq!(group.health_check.path, "/health");
            groups.insert(group.name.clone());
            roles.extend([
                service.task_definition.execution_role.clone(),
                service.task_definition.task_role.clone(),
            ]);
            let group = &service.log_groups[0];
            assert_eq!(group.name, format!("/ecs/customer-order-portal-{name}/{key}"));
            assert_eq!(group.retention_days, Some(7));
        }
        assert_eq!(groups.len(), 9);
        // CP-5: 18 roles.
        assert_eq!(roles.len(), 18);
        // CP-52: 2 + 4 subnets, 4 groups.
        assert_eq!(environment.network.subnets.iter().filter(|s| s.public).count(), 2);
        assert_eq!(environment.network.subnets.len(), 6);
        assert_eq!(environment.network.security_groups.len(), 4);
    }
    let production = environment(&system, "production");
    let group = |service: &str| format!("portal-production-{service}");
    let expected: Vec<_> = [
        ("orders", "order"),
        ("tickets", "customer"),
        ("inventory", "inventory"),
        ("returns", "returns"),
        ("chatbot", "chatbot"),
        ("notifications", "notification"),
        ("analytics", "analytics"),
        ("salesforce", "salesforce"),
    ]
    .iter()
    .zip(11..)
    .map(|((path, service), n)| (10 * n, vec![format!("/api/{path}/*")], group(service)))
    .collect();
    assert_eq!(rules(production), expected);
    let Action::Forward(shares) = &production.load_balancers[0].listeners[0].default_action else {
        panic!("CP: everything else goes to the gateway")
    };
    assert_eq!(shares[0].target_group, group("gateway"));
}

type Row = (&'static str, u16, &'static str, (u32, u32), (u32, u32), (u32, u32), (u32, u32));

/// Key, port, health path; production size and limits; staging size and limits.
const CRITICAL: [Row; 8] = [
    ("api", 4000, "/health", (2048, 4096), (5, 20), (1024, 2048), (3, 10)),
    ("web", 3000, "/api/health", (1024, 2048), (5, 15), (512, 1024), (3, 8)),
    ("ai-engine", 8002, "/health", (512, 1024), (2, 10), (256, 512), (1, 5)),
    ("recommendation", 8001, "/health", (512, 1024), (2, 10), (256, 512), (1, 5)),
    ("search", 8003, "/health", (256, 512), (2, 10), (256, 512), (1, 5)),
    ("notification", 8009, "/health", (256, 512), (2, 10), (256, 512), (1, 5)),
    ("inventory", 8007, "/health", (256, 512), (2, 10), (256, 512), (1, 5)),
    ("pricing", 8006, "/health", (256, 512), (2, 6), (256, 512), (1, 3)),
];

const WORKERS: [&str; 7] = [
    "analytics",
    "chatbot",
    "fraud-detection",
    "media",
    "personalization",
    "supplier-integration",
    "ai-agents",
];

/// BX-4 to BX-11, BX-70, BX-71, BX-72, BX-74, BX-75, BX-76, BX-77: the critical services.
#[test]
fn bx_4_to_11_critical_services() {
    let system = system("broxiva");
    assert_eq!(system.default_environments, ["dev"]);
    for (key, container_port, health, size_prod, limits_prod, size_staging, limits_staging) in
        CRITICAL
    {
        for (name, size_here, limits_here, drain) in [
            ("prod", size_prod, limits_prod, 120_000),
            ("staging", size_staging, limits_staging, 30_000),
            ("dev", (256, 512), (1, 1), 30_000),
        ] {
            let service = service(environment(&system, name), key);
            assert_eq!(service.spec.name.service, format!("broxiva-{name}-{key}"));
            assert_eq!(port(service), Some(container_port), "{key}");
            assert_eq!(variable(service, "PORT"), Some(container_port.to_string().as_str()));
            assert_eq!(size(service), size_here, "{name} {key}");
            assert_eq!(limits(service), limits_here, "{name} {key}");
            assert_eq!(service.spec.desired_count, limits_here.0);
            let group = service.target_group.as_ref().expect("behind the load balancer");
            assert_eq!(group.health_check.path, health);
            assert_eq!(group.health_check.matcher, "200-299");
            assert_eq!(
                (group.health_check.interval_ms, group.health_check.timeout_ms),
                (30_000, 10_000)
            );
            assert_eq!(group.deregistration_delay_ms, drain);
            assert_eq!(providers(service), [(CapacityProvider::Fargate, 0, 1)]);
            let deployment = service.spec.deployment;
            assert_eq!(
                (deployment.minimum_healthy_percent, deployment.maximum_percent),
                (100, 200)
            );
            assert_eq!(service.spec.health_check_grace_period_ms, 120_000);
        }
    }
}

/// BX-12 to BX-18, BX-70, BX-72, BX-73: the workers.
#[test]
fn bx_12_to_18_workers() {
    let system = system("broxiva");
    for (name, most) in [("prod", 5), ("staging", 3), ("dev", 1)] {
        for key in WORKERS {
            let service = service(environment(&system, name), key);
            assert_eq!((size(service), limits(service)), ((256, 512), (1, most)));
            assert_eq!(port(service), None);
            assert!(service.target_group.is_none() && service.spec.load_balancers.is_empty());
            let shares =
                [(CapacityProvider::Fargate, 0, 20), (CapacityProvider::FargateSpot, 0, 80)];
            assert_eq!(providers(service), shares);
            let deployment = service.spec.deployment;
            assert_eq!((deployment.minimum_healthy_percent, deployment.maximum_percent), (50, 200));
            assert_eq!(service.spec.health_check_grace_period_ms, 60_000);
            assert_eq!(variable(service, "WORKER_TYPE"), Some(key));
        }
    }
}

/// The published floor and ceiling of production.
#[test]
fn bx_floor_29_tasks_and_ceiling_126() {
    let system = system("broxiva");
    let prod = environment(&system, "prod");
    assert_eq!(prod.services.len(), 15);
    let floor = |of: fn(&Service) -> u32| -> u32 {
        prod.services.iter().map(|s| of(s) * limits(s).0).sum()
    };
    assert_eq!(floor(|_| 1), 29);
    assert_eq!(f64::from(floor(|s| size(s).0)) / 1024.0, 20.75);
    assert_eq!(f64::from(floor(|s| size(s).1)) / 1024.0, 41.5);
    assert_eq!(prod.services.iter().map(|s| limits(s).1).sum::<u32>(), 126);
    assert_eq!(prod.services.iter().map(|s| s.spec.desired_count).sum::<u32>(), 29);
}

/// BX-32 to BX-39, and BX-3 host routing; priority 150 stays free.
#[test]
fn bx_32_to_39_rules() {
    let system = system("broxiva");
    let prod = environment(&system, "prod");
    assert_eq!(
        rules(prod),
        owned(&[
            (90, &["api.broxiva.com"], "broxiva-prod-api"),
            (100, &["/api/*", "/graphql"], "broxiva-prod-api"),
            (110, &["/ai/*"], "broxiva-prod-ai-engine"),
            (120, &["/recommendations/*"], "broxiva-prod-recommendation"),
            (130, &["/search/*"], "broxiva-prod-search"),
            (140, &["/notifications/*"], "broxiva-prod-notification"),
            (160, &["/inventory/*"], "broxiva-prod-inventory"),
            (170, &["/pricing/*"], "broxiva-prod-pricing"),
            (190, &["broxiva.com", "www.broxiva.com"], "broxiva-prod-web"),
            (200, &["/*"], "broxiva-prod-web"),
        ])
    );
    let Action::Forward(shares) = &prod.load_balancers[0].listeners[0].default_action else {
        panic!("BX-39: the default goes to web")
    };
    assert_eq!(shares[0].target_group, "broxiva-prod-web");
}

/// BX-19, BX-20, BX-21: ranges and zones; BX-40, BX-41: names; BX-62, BX-63: logs.
#[test]
fn bx_19_to_21_40_62_network_names_and_logs() {
    let system = system("broxiva");
    let prod = environment(&system, "prod");
    let ranges: BTreeMap<String, (String, String)> = prod
        .network
        .subnets
        .iter()
        .map(|s| (s.name.clone(), (s.zone.clone(), format!("{}/{}", s.cidr.0, s.cidr.1))))
        .collect();
    for (zone, n) in [("a", 1), ("b", 2), ("c", 3)] {
        for (kind, third) in [("public", 100 + n), ("private", n), ("database", 200 + n)] {
            let expected = (format!("us-east-1{zone}"), format!("10.0.{third}.0/24"));
            assert_eq!(ranges[&format!("broxiva-prod-{kind}-{zone}")], expected);
        }
    }
    assert_eq!(prod.network.nat, Nat::PerZone);
    assert_eq!(environment(&system, "staging").network.nat, Nat::Single);
    assert_eq!(prod.load_balancers[0].spec.subnets.len(), 3);
    let names: Vec<String> =
        prod.services.iter().filter_map(|s| Some(s.discovery.as_ref()?.dns_name())).collect();
    assert_eq!(names.len(), 15);
    assert!(names.contains(&"api.broxiva-prod.local".to_owned()));
    for service in &prod.services {
        let discovery = service.discovery.as_ref().expect("BX-40");
        assert_eq!((discovery.ttl_s, discovery.srv), (10, port(service).is_some()));
        assert_eq!(service.log_groups[0].name, format!("/aws/ecs/broxiva-prod/{}", service.key));
        assert_eq!(service.log_groups[0].retention_days, Some(30));
    }
    let staging = environment(&system, "staging");
    assert_eq!(staging.services[0].log_groups[0].retention_days, Some(14));
}

/// BX-43 to BX-47, BX-81, BX-82: policies and secrets.
#[test]
fn bx_43_to_47_81_policies_and_secrets() {
    let system = system("broxiva");
    let prod = environment(&system, "prod");
    for (environment, requests) in [("prod", 1000.0), ("staging", 500.0), ("dev", 500.0)] {
        let api = service(self::environment(&system, environment), "api");
        let expected = [("cpu", 70.0), ("memory", 80.0), ("requests", requests)]
            .map(|(m, value)| named(&format!("broxiva-{environment}-api-{m}"), value, 60, 300));
        assert_eq!(policies(api), expected);
        let media = service(self::environment(&system, environment), "media");
        let expected = [("cpu", 75.0), ("memory", 80.0)]
            .map(|(m, value)| named(&format!("broxiva-{environment}-media-{m}"), value, 120, 300));
        assert_eq!(policies(media), expected);
    }
    for service in &prod.services {
        let database = secret(service, "DATABASE_URL").is_some();
        let redis = secret(service, "REDIS_URL").is_some();
        let expected = match service.key.as_str() {
            "media" => (false, true),
            "web" => (false, false),
            _ => (true, true),
        };
        assert_eq!((database, redis), expected, "{}", service.key);
        let values = service.task_definition.containers[0].secrets.values();
        assert!(
            values.clone().all(|s| s.contains(":secret:broxiva-prod/")),
            "{}: BX-52 only the project's secrets",
            service.key
        );
    }
    assert_eq!(variable(service(prod, "search"), "LOG_LEVEL"), Some("info"));
    assert_eq!(
        variable(service(environment(&system, "dev"), "search"), "LOG_LEVEL"),
        Some("debug")
    );
}
