//! The errors of ELBv2, in its words (ERR-ELB-*).

use neargate_core::Rejection;

use crate::error::{self, AwsError};

/// ERR-ELB-5.
pub(crate) fn validation(message: impl Into<String>) -> AwsError {
    error::client("ValidationError", message)
}

/// ERR-ELB-6.
pub(crate) fn load_balancer_not_found(which: &str) -> AwsError {
    let message = match which {
        "" => "One or more load balancers not found".to_owned(),
        name => format!("Load balancers '[{name}]' not found"),
    };
    error::client("LoadBalancerNotFound", message)
}

/// ERR-ELB-6.
pub(crate) fn target_group_not_found() -> AwsError {
    error::client("TargetGroupNotFound", "One or more target groups not found")
}

/// ERR-ELB-6.
pub(crate) fn listener_not_found() -> AwsError {
    error::client("ListenerNotFound", "One or more listeners not found")
}

/// ERR-ELB-6.
pub(crate) fn rule_not_found() -> AwsError {
    error::client("RuleNotFound", "One or more rules not found")
}

/// ERR-ELB-6.
pub(crate) fn priority_in_use(priority: u32) -> AwsError {
    error::client("PriorityInUse", format!("Priority '{priority}' is currently in use"))
}

/// What this platform does not do although ELB would.
pub(crate) fn unsupported(message: impl Into<String>) -> AwsError {
    error::client("InvalidConfigurationRequest", message)
}

/// A rejection of the core.
pub(crate) fn refused(rejection: &Rejection) -> AwsError {
    match rejection {
        Rejection::NotFound { kind: "load balancer", name, .. } => load_balancer_not_found(name),
        Rejection::NotFound { kind: "target group", .. } => target_group_not_found(),
        Rejection::NotFound { kind: "listener", .. } => listener_not_found(),
        Rejection::NotFound { kind: "subnet", name, .. } => {
            error::client("SubnetNotFound", format!("The subnet ID '{name}' does not exist"))
        }
        Rejection::NotFound { .. } => validation(rejection.to_string()),
        Rejection::Invalid(why) => error::client("InvalidConfigurationRequest", why.clone()),
    }
}
