//! Load balancers, listeners, actions, rules and target groups.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{OneOrMany, Text};

/// An application load balancer.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct LoadBalancer {
    /// Name, at most 32 letters, digits and hyphens. Environments that name the same load
    /// balancer share it.
    pub(crate) name: Option<String>,
    /// `internet-facing` unless set.
    pub(crate) scheme: Option<Scheme>,
    /// Subnets in at least two zones.
    pub(crate) subnets: Vec<String>,
    /// Security groups.
    pub(crate) security_groups: Vec<String>,
    /// Seconds without traffic after which a connection is closed; 60 unless set.
    #[schemars(range(min = 1, max = 4_000))]
    pub(crate) idle_timeout: Option<u32>,
    /// Listeners by name.
    pub(crate) listeners: BTreeMap<String, Listener>,
    /// Labels.
    pub(crate) tags: BTreeMap<String, Option<Text>>,
}

/// Who can reach a load balancer.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Scheme {
    /// Everybody.
    InternetFacing,
    /// Only the network.
    Internal,
}

/// A listener for HTTP.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Listener {
    /// Port of the load balancer.
    #[schemars(range(min = 1, max = 65_535))]
    pub(crate) port: Option<u32>,
    /// Port on this machine. Left out: `port` from 1024 on, `port` + 8000 below.
    #[schemars(range(min = 1, max = 65_535))]
    pub(crate) host_port: Option<u32>,
    /// What happens to requests that no rule matches.
    pub(crate) default_action: Option<Action>,
}

/// Exactly one of `forward`, `fixedResponse` and `redirect`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Action {
    /// To the target group of a service, or of several by weight.
    pub(crate) forward: Option<Forward>,
    /// An answer without a target.
    pub(crate) fixed_response: Option<FixedResponse>,
    /// Somewhere else.
    pub(crate) redirect: Option<Redirect>,
}

/// A service, or services with weights.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Forward {
    /// All to one service.
    One(String),
    /// By weight.
    Weighted(Vec<ForwardShare>),
}

/// A service's share of a forward action.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub(crate) struct ForwardShare {
    /// Key of the service.
    pub(crate) service: String,
    /// Its share is weight / sum of all weights.
    #[schemars(range(max = 999))]
    pub(crate) weight: u32,
}

/// An answer of the load balancer itself.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct FixedResponse {
    /// 2xx, 4xx or 5xx.
    #[schemars(range(min = 200, max = 599))]
    pub(crate) status_code: Option<u32>,
    /// `text/plain` unless set.
    pub(crate) content_type: Option<ContentType>,
    /// At most 1024 bytes.
    pub(crate) message_body: Option<String>,
}

/// What a fixed response can be.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
pub(crate) enum ContentType {
    /// Plain text.
    #[serde(rename = "text/plain")]
    Plain,
    /// A style sheet.
    #[serde(rename = "text/css")]
    Css,
    /// A page.
    #[serde(rename = "text/html")]
    Html,
    /// A script.
    #[serde(rename = "application/javascript")]
    JavaScript,
    /// JSON.
    #[serde(rename = "application/json")]
    Json,
}

/// A redirect; `#{protocol}`, `#{host}`, `#{port}`, `#{path}`, `#{query}` stand for the request's.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Redirect {
    /// HTTP, HTTPS or `#{protocol}`.
    pub(crate) protocol: Option<String>,
    /// Host name.
    pub(crate) host: Option<String>,
    /// Port.
    pub(crate) port: Option<String>,
    /// Begins with `/`.
    pub(crate) path: Option<String>,
    /// Without the leading `?`.
    pub(crate) query: Option<String>,
    /// HTTP_301 or HTTP_302.
    pub(crate) status_code: Option<RedirectStatus>,
}

/// For good, or for now.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
pub(crate) enum RedirectStatus {
    /// Moved permanently.
    #[serde(rename = "HTTP_301")]
    Permanent,
    /// Found.
    #[serde(rename = "HTTP_302")]
    Found,
}

/// A target group for the service's tasks.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct TargetGroup {
    /// Name, at most 32 letters, digits and hyphens; the service's name unless set.
    pub(crate) name: Option<String>,
    /// The container that takes the requests; the only one with a port unless set.
    pub(crate) container_name: Option<String>,
    /// Its port; the only one unless set.
    #[schemars(range(min = 1, max = 65_535))]
    pub(crate) container_port: Option<u32>,
    /// Seconds a target may finish its requests after it is taken out; 300 unless set.
    #[schemars(range(max = 3_600))]
    pub(crate) deregistration_delay: Option<u32>,
    /// How targets are probed.
    pub(crate) health_check: Option<TargetHealthCheck>,
}

/// How the load balancer probes a target.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct TargetHealthCheck {
    /// Path of the probe; `/` unless set.
    pub(crate) path: Option<String>,
    /// Port of the probe; the port that takes the requests unless set.
    #[schemars(range(min = 1, max = 65_535))]
    pub(crate) port: Option<u32>,
    /// Seconds between probes; 30 unless set.
    #[schemars(range(min = 5, max = 300))]
    pub(crate) interval: Option<u32>,
    /// Seconds to wait for an answer, below the interval; 5 unless set.
    #[schemars(range(min = 2, max = 120))]
    pub(crate) timeout: Option<u32>,
    /// Passed probes in a row that make a target healthy; 5 unless set.
    #[schemars(range(min = 2, max = 10))]
    pub(crate) healthy_threshold: Option<u32>,
    /// Failed probes in a row that make a target unhealthy; 2 unless set.
    #[schemars(range(min = 2, max = 10))]
    pub(crate) unhealthy_threshold: Option<u32>,
    /// Status codes that pass, e.g. `200` or `200-299,301`; `200` unless set.
    pub(crate) matcher: Option<Text>,
}

/// Requests the load balancer sends to the service; all given conditions must hold.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub(crate) struct Rule {
    /// `loadBalancer.listener`; the only listener unless set.
    pub(crate) listener: Option<String>,
    /// The lowest priority that matches wins.
    #[schemars(range(min = 1, max = 50_000))]
    pub(crate) priority: u32,
    /// Paths with `*` and `?`.
    pub(crate) path_pattern: Option<OneOrMany>,
    /// Host names with `*` and `?`.
    pub(crate) host_header: Option<OneOrMany>,
}
