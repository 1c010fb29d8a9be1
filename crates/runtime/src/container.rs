//! From a task definition to the command and environment of a real process. Pure.

use std::collections::BTreeMap;
use std::path::Path;

use neargate_core::container_health::CheckSchedule;
use neargate_core::effect::TaskLaunch;
use neargate_core::task_definition::ContainerDefinition;

use crate::images::Pulled;
use crate::layout::{HealthCheckSpec, RestartSpec};

/// Shortest real interval between health checks, however fast the platform's clock runs: each one
/// is a process.
const SHORTEST_INTERVAL_MS: u64 = 10;
/// Where programs are looked for when the engine itself has no PATH.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// PATH of a container whose image sets none, as Docker has it.
const CONTAINER_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What containers learn about the machine they run on.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings<'a> {
    /// Whether the task has a network and files of its own.
    pub(crate) isolated: bool,
    /// `<ip>:<port>` of the DNS server for discovery names.
    pub(crate) dns: &'a str,
    /// The Neargate binary: its directory comes first in PATH.
    pub(crate) binary: &'a Path,
    /// The engine's PATH.
    pub(crate) path: Option<&'a str>,
}

impl Surroundings<'_> {
    /// Whether the task shares network and files with the machine.
    fn is_shared(&self) -> bool {
        !self.isolated
    }
}

/// Path and arguments, by Docker's rules: entryPoint replaces the image's path and drops its
/// command, command replaces the image's command. An image that stands in keeps its own.
pub(crate) fn argv(definition: &ContainerDefinition, image: &Pulled) -> Vec<String> {
    if image.fixed_arguments {
        return [image.entry_point.clone(), image.command.clone()].concat();
    }
    let (mut argv, default) = if definition.entry_point.is_empty() {
        (image.entry_point.clone(), image.command.as_slice())
    } else {
        (definition.entry_point.clone(), &[][..])
    };
    let command = if definition.command.is_empty() { default } else { &definition.command };
    argv.extend_from_slice(command);
    argv
}

/// The container's whole environment: nothing of the engine's but PATH.
pub(crate) fn environment(
    launch: &TaskLaunch,
    definition: &ContainerDefinition,
    image: &Pulled,
    surroundings: &Surroundings<'_>,
) -> BTreeMap<String, String> {
    let address = launch.address.to_string();
    let region = region(&launch.zone);
    let of_image = image.environment.iter().filter_map(|variable| variable.split_once('='));
    let mut environment: BTreeMap<String, String> =
        of_image.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    // What a definition may choose otherwise.
    let mut default = |name: &str, value: String| environment.insert(name.to_owned(), value);
    default("AWS_REGION", region.to_owned());
    default("AWS_DEFAULT_REGION", region.to_owned());
    default("HOSTNAME", host_name(launch));
    // Neargate's own programs have no other way to know which port they are mapped to.
    let port = definition.ports.first();
    if let (true, Some(port)) = (surroundings.is_shared() || image.fixed_arguments, port) {
        default("PORT", port.container_port.to_string());
    }
    environment.extend(definition.environment.clone());

    // What is so, whatever the definition says.
    let mut fixed = |name: &str, value: String| environment.insert(name.to_owned(), value);
    fixed("AWS_EXECUTION_ENV", "AWS_ECS_FARGATE".to_owned());
    if surroundings.is_shared() {
        // A HOST of 0.0.0.0 in particular, right where each task has a network of its own, would
        // here take the port from every other task.
        fixed("HOST", address.clone());
    } else if !image.fixed_arguments {
        environment.entry("PATH".to_owned()).or_insert_with(|| CONTAINER_PATH.to_owned());
        // A real image sees what it would see on Fargate.
        return environment;
    }
    fixed("NEARGATE_ADDRESS", address);
    fixed("NEARGATE_TASK_ID", launch.task.to_string());
    fixed("NEARGATE_CLUSTER", launch.cluster.clone());
    if let Some(service) = &launch.service {
        fixed("NEARGATE_SERVICE", service.clone());
    }
    fixed("NEARGATE_ZONE", launch.zone.clone());
    fixed("NEARGATE_REVISION", launch.definition.reference());
    fixed("NEARGATE_CONTAINER", definition.name.clone());
    fixed("NEARGATE_CAPACITY", launch.capacity_provider.to_owned());
    fixed("NEARGATE_DNS", surroundings.dns.to_owned());
    if image.fixed_arguments {
        let command = [definition.entry_point.as_slice(), &definition.command].concat();
        if !command.is_empty() {
            fixed("NEARGATE_COMMAND", shell_join(&command));
        }
    }
    if !surroundings.is_shared() {
        environment.entry("PATH".to_owned()).or_insert_with(|| CONTAINER_PATH.to_owned());
        return environment;
    }
    let rest = environment.remove("PATH");
    let rest = rest.as_deref().or(surroundings.path).unwrap_or(DEFAULT_PATH);
    let path = match surroundings.binary.parent() {
        Some(own) => format!("{}:{rest}", own.display()),
        None => rest.to_owned(),
    };
    environment.insert("PATH".to_owned(), path);
    environment
}

/// The container's health check on a platform whose clock runs `pace` times faster. The time-out of
/// a single check stays real: the check is a real process.
pub(crate) fn health_check(definition: &ContainerDefinition, pace: u32) -> Option<HealthCheckSpec> {
    let check = definition.health_check.as_ref()?;
    let (kind, command) = check.command.split_first()?;
    let argv = match (kind.as_str(), command) {
        ("CMD-SHELL", [script, ..]) => vec!["/bin/sh".to_owned(), "-c".to_owned(), script.clone()],
        ("CMD", [_, ..]) => command.to_vec(),
        // NONE, or nothing to run.
        _ => return None,
    };
    Some(HealthCheckSpec {
        argv,
        timeout_ms: check.timeout_ms,
        schedule: CheckSchedule {
            interval_ms: real(check.interval_ms, pace).max(SHORTEST_INTERVAL_MS),
            retries: check.retries.max(1),
            start_period_ms: real(check.start_period_ms, pace),
        },
    })
}

/// ECS-TD-18, in real time.
pub(crate) fn restart(definition: &ContainerDefinition, pace: u32) -> Option<RestartSpec> {
    definition.restart_policy.as_ref().map(|policy| RestartSpec {
        ignored_exit_codes: policy.ignored_exit_codes.clone(),
        attempt_period_ms: real(policy.attempt_period_ms, pace),
    })
}

fn real(platform_ms: u64, pace: u32) -> u64 {
    platform_ms / u64::from(pace.max(1))
}

/// `us-east-1` of `us-east-1a`.
fn region(zone: &str) -> &str {
    match zone.strip_suffix(|c: char| c.is_ascii_lowercase()) {
        Some(region) if region.ends_with(|c: char| c.is_ascii_digit()) => region,
        _ => "us-east-1",
    }
}

/// As the VPC's DNS would name the task.
pub(crate) fn host_name(launch: &TaskLaunch) -> String {
    let dashed = launch.address.to_string().replace('.', "-");
    format!("ip-{dashed}.{}", search_domain(launch))
}

/// What a VPC's DHCP options give as the domain to search.
pub(crate) fn search_domain(launch: &TaskLaunch) -> String {
    match region(&launch.zone) {
        "us-east-1" => "ec2.internal".to_owned(),
        region => format!("{region}.compute.internal"),
    }
}

/// One line that a POSIX shell splits into the same words.
fn shell_join(words: &[String]) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./:=,@%+".contains(&b);
    let quoted: Vec<String> = words
        .iter()
        .map(|word| {
            if !word.is_empty() && word.bytes().all(plain) {
                word.clone()
            } else {
                format!("'{}'", word.replace('\'', r"'\''"))
            }
        })
        .collect();
    quoted.join(" ")
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::path::PathBuf;
    use std::sync::Arc;

    use neargate_core::id::TaskId;
    use neargate_core::task_definition::{ContainerHealthCheck, PortMapping, TaskDefinition};

    use super::*;
    use crate::images::Program;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn image(fixed_arguments: bool) -> Pulled {
        let path = PathBuf::from("/opt/neargate");
        Program { path, arguments: words("stand-in"), fixed_arguments }.into()
    }

    fn container(entry_point: &str, command: &str) -> ContainerDefinition {
        let mut container = ContainerDefinition::new("api", "api:v1");
        container.entry_point = words(entry_point);
        container.command = words(command);
        container
    }

    fn environment_of(container: &ContainerDefinition, image: &Pulled) -> BTreeMap<String, String> {
        environment_where(false, container, image)
    }

    fn environment_where(
        isolated: bool,
        container: &ContainerDefinition,
        image: &Pulled,
    ) -> BTreeMap<String, String> {
        let definition = TaskDefinition {
            family: "api".into(),
            revision: 3,
            cpu: 256,
            memory_mib: 512,
            containers: vec![container.clone()],
            execution_role: None,
            task_role: None,
            ephemeral_storage_gib: 20,
            tags: BTreeMap::new(),
        };
        let launch = TaskLaunch {
            task: TaskId(1),
            cluster: "shop".into(),
            service: Some("api".into()),
            definition: Arc::new(definition),
            zone: "eu-west-1b".into(),
            subnet: "b".into(),
            address: Ipv4Addr::new(127, 1, 2, 3),
            capacity_provider: "FARGATE_SPOT",
            security_groups: Vec::new(),
            public_ip: false,
        };
        let surroundings = Surroundings {
            isolated,
            dns: "127.0.0.1:5300",
            binary: Path::new("/opt/neargate"),
            path: Some("/usr/bin"),
        };
        environment(&launch, container, image, &surroundings)
    }

    #[test]
    fn argv_follows_docker_and_a_stand_in_keeps_its_own() {
        for (fixed, entry_point, command, expected) in [
            (false, "", "", "/opt/neargate stand-in"),
            (false, "", "serve --all", "/opt/neargate serve --all"),
            (false, "sh -c", "", "sh -c"),
            (false, "sh -c", "true", "sh -c true"),
            (true, "sh -c", "true", "/opt/neargate stand-in"),
        ] {
            let argv = argv(&container(entry_point, command), &image(fixed));
            assert_eq!(argv, words(expected), "{fixed} [{entry_point}] [{command}]");
        }
    }

    #[test]
    fn the_environment_is_the_definitions_and_ours_and_nothing_else() {
        let mut container = container("", "python 'manage it.py'");
        container.command.push("a b".into());
        container.ports = vec![PortMapping { container_port: 8000, name: None }];
        container.environment = [("HOST", "0.0.0.0"), ("AWS_REGION", "eu-x-9"), ("MODE", "test")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        let environment = environment_of(&container, &image(true));
        let text: Vec<String> = environment.iter().map(|(n, v)| format!("{n}={v}")).collect();
        assert_eq!(
            text,
            [
                "AWS_DEFAULT_REGION=eu-west-1",
                "AWS_EXECUTION_ENV=AWS_ECS_FARGATE",
                "AWS_REGION=eu-x-9",
                "HOST=127.1.2.3",
                "HOSTNAME=ip-127-1-2-3.eu-west-1.compute.internal",
                "MODE=test",
                "NEARGATE_ADDRESS=127.1.2.3",
                "NEARGATE_CAPACITY=FARGATE_SPOT",
                "NEARGATE_CLUSTER=shop",
                r"NEARGATE_COMMAND=python ''\''manage' 'it.py'\''' 'a b'",
                "NEARGATE_CONTAINER=api",
                "NEARGATE_DNS=127.0.0.1:5300",
                "NEARGATE_REVISION=api:3",
                "NEARGATE_SERVICE=api",
                "NEARGATE_TASK_ID=00000000000000000000000000000001",
                "NEARGATE_ZONE=eu-west-1b",
                "PATH=/opt:/usr/bin",
                "PORT=8000",
            ]
        );
        container.environment.insert("PORT".into(), "9".into());
        assert_eq!(environment_of(&container, &image(false))["PORT"], "9");
        assert!(!environment_of(&container, &image(false)).contains_key("NEARGATE_COMMAND"));
    }

    /// A definition made for AWS does not say it, and a real image knows it by itself.
    #[test]
    fn a_stand_in_is_told_its_port_also_in_a_network_of_its_own() {
        let mut container = container("", "");
        container.ports = vec![PortMapping { container_port: 8000, name: None }];
        assert_eq!(environment_where(true, &container, &image(true))["PORT"], "8000");
        assert!(!environment_where(true, &container, &image(false)).contains_key("PORT"));
    }

    /// ECS-TD-13: CMD runs the words, CMD-SHELL a shell; periods follow the pace, the time-out not.
    #[test]
    fn ecs_td_13_check_commands_and_their_times() {
        let mut container = container("", "");
        let mut check = |command: &str, pace| {
            container.health_check = Some(ContainerHealthCheck {
                command: words(command),
                interval_ms: 30_000,
                timeout_ms: 5_000,
                retries: 3,
                start_period_ms: 60_000,
            });
            health_check(&container, pace)
        };
        let plain = check("CMD curl -f", 20).expect("a check");
        assert_eq!(plain.argv, words("curl -f"));
        assert_eq!(plain.timeout_ms, 5_000);
        assert_eq!(plain.schedule.interval_ms, 1_500);
        assert_eq!(plain.schedule.start_period_ms, 3_000);
        assert_eq!(check("CMD-SHELL true", 1).expect("a check").argv, words("/bin/sh -c true"));
        assert_eq!(check("CMD true", u32::MAX).expect("a check").schedule.interval_ms, 10);
        assert_eq!(check("NONE", 1), None);
        assert_eq!(check("CMD", 1), None);
    }
}
