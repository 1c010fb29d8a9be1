//! What the stand-in is told by its environment variables.

use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;

/// Everything the stand-in is told at its start.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// Server or worker.
    pub(crate) role: Role,
    /// Who it says it is.
    pub(crate) identity: Identity,
    /// Prefix under which the load balancer forwards to it, no final `/`; may be empty.
    pub(crate) base_path: String,
    /// Path of the health check, if somebody said it.
    pub(crate) health_path: Option<String>,
    /// Server that knows the discovery names.
    pub(crate) dns: Option<SocketAddr>,
    /// One log line per request.
    pub(crate) log_requests: bool,
    /// Failures to rehearse.
    pub(crate) rehearsal: Rehearsal,
}

/// Whether it listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// `PORT` is set.
    Server {
        /// `HOST`, all addresses unless set.
        host: Ipv4Addr,
        /// 0 lets the machine choose; the log says which.
        port: u16,
    },
    /// `PORT` is not set.
    Worker,
}

/// Who the stand-in says it is. Empty where the environment does not tell.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Identity {
    pub(crate) service: String,
    pub(crate) environment: String,
    pub(crate) revision: String,
    pub(crate) zone: String,
    pub(crate) task: String,
    pub(crate) container: String,
    pub(crate) cluster: String,
    pub(crate) address: String,
}

/// Failures to rehearse, each by one variable `STANDIN_<FIELD>`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rehearsal {
    /// Exits with this code.
    pub(crate) exit_code: Option<i32>,
    /// ... so long after its start.
    pub(crate) exit_after: Duration,
    /// Status of the health check's answer (200 unless set; 503 once it fails by the next).
    pub(crate) health_status: Option<u16>,
    /// The health check passes until so long after the start.
    pub(crate) health_fail_after: Option<Duration>,
    /// Listens this late.
    pub(crate) start_delay: Duration,
    /// Does nothing on SIGTERM.
    pub(crate) ignore_sigterm: bool,
    /// Goes on serving this long after SIGTERM before it stops.
    pub(crate) sigterm_delay: Duration,
    /// Every answer but the health check's comes this late.
    pub(crate) latency: Duration,
}

/// A variable holds something unusable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}=`{value}` is not usable: expected {expected}")]
pub(crate) struct InvalidVariable {
    name: String,
    value: String,
    expected: &'static str,
}

/// Path of the health check when nobody said another.
pub(crate) const DEFAULT_HEALTH_PATH: &str = "/health";

/// Looks a variable up; tests hand in a table.
pub(crate) type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Config {
    /// Reads the variables the runtime, the task definition and a rehearsal may set.
    pub(crate) fn read(lookup: Lookup<'_>) -> Result<Config, InvalidVariable> {
        let text = |name: &str| lookup(name).unwrap_or_default();
        let number = "a number of milliseconds";
        let millis = |name: &str| -> Result<Option<Duration>, InvalidVariable> {
            Ok(parse(lookup, name, number)?.map(Duration::from_millis))
        };
        let host = parse(lookup, "HOST", "an IPv4 address")?.unwrap_or(Ipv4Addr::UNSPECIFIED);
        let role = match parse(lookup, "PORT", "a port from 0 to 65535")? {
            Some(port) => Role::Server { host, port },
            None => Role::Worker,
        };
        let environment = [text("ENV"), text("ENVIRONMENT")].into_iter().find(|v| !v.is_empty());
        let identity = Identity {
            service: text("NEARGATE_SERVICE"),
            environment: environment.unwrap_or_default(),
            revision: text("NEARGATE_REVISION"),
            zone: text("NEARGATE_ZONE"),
            task: text("NEARGATE_TASK_ID"),
            container: text("NEARGATE_CONTAINER"),
            cluster: text("NEARGATE_CLUSTER"),
            address: text("NEARGATE_ADDRESS"),
        };
        let health_path = Some(text("STANDIN_HEALTH_PATH")).filter(|p| !p.is_empty());
        let status: Option<u16> =
            parse(lookup, "STANDIN_HEALTH_STATUS", "an HTTP status from 200 to 599")?;
        if let Some(status) = status.filter(|s| !(200..600).contains(s)) {
            return Err(InvalidVariable {
                name: "STANDIN_HEALTH_STATUS".to_owned(),
                value: status.to_string(),
                expected: "an HTTP status from 200 to 599",
            });
        }
        Ok(Config {
            role,
            identity,
            base_path: text("BASE_PATH").trim_end_matches('/').to_owned(),
            health_path,
            dns: parse(lookup, "NEARGATE_DNS", "<ip>:<port>")?,
            log_requests: flag(lookup, "STANDIN_LOG_REQUESTS")?,
            rehearsal: Rehearsal {
                exit_code: parse(lookup, "STANDIN_EXIT_CODE", "an exit code from 0 to 255")?
                    .map(|code: u8| i32::from(code)),
                exit_after: millis("STANDIN_EXIT_AFTER_MS")?.unwrap_or_default(),
                health_status: status,
                health_fail_after: millis("STANDIN_HEALTH_FAIL_AFTER_MS")?,
                start_delay: millis("STANDIN_START_DELAY_MS")?.unwrap_or_default(),
                ignore_sigterm: flag(lookup, "STANDIN_IGNORE_SIGTERM")?,
                sigterm_delay: millis("STANDIN_SIGTERM_DELAY_MS")?.unwrap_or_default(),
                latency: millis("STANDIN_LATENCY_MS")?.unwrap_or_default(),
            },
        })
    }

    /// Whether the path is the health check's, at the root or below the base path; without a
    /// word about it, whether it ends like one.
    pub(crate) fn is_health_path(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        let Some(health) = &self.health_path else {
            return path.ends_with(DEFAULT_HEALTH_PATH);
        };
        let health = health.trim_end_matches('/');
        path == health
            || (!self.base_path.is_empty() && path.strip_prefix(&*self.base_path) == Some(health))
    }

    /// The health check's status so long after the start.
    pub(crate) fn health_status(&self, age: Duration) -> u16 {
        match (self.rehearsal.health_status, self.rehearsal.health_fail_after) {
            (None, None) => 200,
            (Some(status), None) => status,
            (status, Some(after)) if age >= after => status.unwrap_or(503),
            (_, Some(_)) => 200,
        }
    }
}

/// An empty variable counts as unset: overlays switch rehearsals off that way.
fn parse<T: std::str::FromStr>(
    lookup: Lookup<'_>,
    name: &str,
    expected: &'static str,
) -> Result<Option<T>, InvalidVariable> {
    match lookup(name).filter(|value| !value.is_empty()) {
        None => Ok(None),
        Some(value) => match value.trim().parse() {
            Ok(parsed) => Ok(Some(parsed)),
            Err(_) => Err(InvalidVariable { name: name.to_owned(), value, expected }),
        },
    }
}

fn flag(lookup: Lookup<'_>, name: &str) -> Result<bool, InvalidVariable> {
    match lookup(name).as_deref() {
        None | Some("" | "0" | "false") => Ok(false),
        Some("1" | "true") => Ok(true),
        Some(value) => Err(InvalidVariable {
            name: name.to_owned(),
            value: value.to_owned(),
            expected: "1 or 0",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Config, InvalidVariable> {
        Config::read(&|name| {
            variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn without_a_port_it_is_a_worker() {
        assert_eq!(read(&[("HOST", "127.0.0.9")]).unwrap().role, Role::Worker);
        let server = Role::Server { host: Ipv4Addr::UNSPECIFIED, port: 8080 };
        assert_eq!(read(&[("PORT", "8080")]).unwrap().role, server);
    }

    #[test]
    fn unusable_variables_name_themselves() {
        for (name, value, expected) in [
            ("PORT", "http", "a port"),
            ("HOST", "localhost", "an IPv4 address"),
            ("STANDIN_EXIT_CODE", "256", "an exit code"),
            ("STANDIN_HEALTH_STATUS", "99", "an HTTP status"),
            ("STANDIN_LATENCY_MS", "1s", "milliseconds"),
            ("STANDIN_IGNORE_SIGTERM", "yes", "1 or 0"),
            ("NEARGATE_DNS", "127.0.0.1", "<ip>:<port>"),
        ] {
            let error = read(&[(name, value)]).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains(value), "{error}");
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn without_a_health_path_every_path_that_ends_like_one_counts() {
        let config = read(&[]).unwrap();
        for path in ["/health", "/health/", "/api/health", "/test/auth/health"] {
            assert!(config.is_health_path(path), "{path}");
        }
        for path in ["/", "/api", "/api/health/x", "/unhealth"] {
            assert!(!config.is_health_path(path), "{path}");
        }
    }

    #[test]
    fn the_health_path_also_counts_below_the_base_path() {
        let config = read(&[("BASE_PATH", "/test/"), ("STANDIN_HEALTH_PATH", "/health/")]).unwrap();
        for (path, expected) in [
            ("/health", true),
            ("/health/", true),
            ("/test/health", true),
            ("/test/health/x", false),
            ("/stage/health", false),
            ("/testhealth", false),
        ] {
            assert_eq!(config.is_health_path(path), expected, "{path}");
        }
    }

    #[test]
    fn health_fails_by_status_or_by_age() {
        let seconds = Duration::from_secs;
        let status = |variables: &[(&str, &str)], age| read(variables).unwrap().health_status(age);
        assert_eq!(status(&[], seconds(9)), 200);
        assert_eq!(status(&[("STANDIN_HEALTH_STATUS", "500")], seconds(0)), 500);
        let late = [("STANDIN_HEALTH_FAIL_AFTER_MS", "2000")];
        assert_eq!(status(&late, seconds(1)), 200);
        assert_eq!(status(&late, seconds(2)), 503);
    }
}
