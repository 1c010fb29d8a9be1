//! Policy documents: whether one is what IAM would take. They are kept as they were sent; what one
//! allows is for those to find out who ask it.

use std::collections::BTreeSet;

use neargate_wire::read_json;
use serde_json::Value;

/// What a policy is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Who may take on a role.
    Trust,
    /// What its owner may do.
    Permissions,
    /// Who may do what with the thing it is put on.
    Resource,
}

/// Whether IAM would take the document; the error is its message.
pub(crate) fn check(text: &str, kind: Kind) -> Result<(), String> {
    let document = read_json(text).map_err(|_| "This policy contains invalid Json".to_owned())?;
    let syntax = || "Syntax errors in policy.".to_owned();
    let document = document.as_object().ok_or_else(syntax)?;
    if document.keys().any(|key| !["Version", "Id", "Statement"].contains(&key.as_str())) {
        return Err(syntax());
    }
    if let Some(version) = document.get("Version")
        && !matches!(version.as_str(), Some("2012-10-17" | "2008-10-17"))
    {
        return Err("The policy must contain a valid version string.".to_owned());
    }
    let statements = one_or_many(document.get("Statement")).ok_or_else(syntax)?;
    if statements.is_empty() {
        return Err(syntax());
    }
    let mut ids = BTreeSet::new();
    for statement in statements {
        if let Some(id) = statement.get("Sid").and_then(Value::as_str).filter(|id| !id.is_empty()) {
            check_id(id, kind)?;
            if !ids.insert(id) {
                let why = "Statement IDs (SID) in a single policy must be unique.";
                return Err(why.to_owned());
            }
        }
        check_statement(statement, kind)?;
    }
    Ok(())
}

/// Characters that count towards the size of a policy: white space does not.
pub(crate) fn size(text: &str) -> usize {
    text.chars().filter(|letter| !letter.is_whitespace()).count()
}

/// IAM is strict about statement ids; what a resource has is read more kindly.
fn check_id(id: &str, kind: Kind) -> Result<(), String> {
    if kind == Kind::Resource || id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Ok(());
    }
    Err("Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular \
         expression [0-9A-Za-z]*"
        .to_owned())
}

fn check_statement(statement: &Value, kind: Kind) -> Result<(), String> {
    const MEMBERS: [&str; 9] = [
        "Sid",
        "Effect",
        "Principal",
        "NotPrincipal",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Condition",
    ];
    let syntax = || "Syntax errors in policy.".to_owned();
    let members = statement.as_object().ok_or_else(syntax)?;
    if members.keys().any(|key| !MEMBERS.contains(&key.as_str()))
        || !matches!(members.get("Effect").and_then(Value::as_str), Some("Allow" | "Deny"))
        || members.get("Condition").is_some_and(|condition| !condition.is_object())
    {
        return Err(syntax());
    }
    let either = |name: &str, not: &str| {
        one_or_many(members.get(name).or_else(|| members.get(not))).filter(|l| !l.is_empty())
    };
    let principal = members.contains_key("Principal") || members.contains_key("NotPrincipal");
    let resources = either("Resource", "NotResource");
    let actions = either("Action", "NotAction");
    let actions = actions.ok_or_else(|| "Policy statement must contain actions.".to_owned())?;
    let actions: Vec<&str> = actions.iter().filter_map(|action| action.as_str()).collect();
    if actions.iter().any(|action| *action != "*" && !action.contains(':')) {
        let why = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.";
        return Err(why.to_owned());
    }
    match kind {
        Kind::Trust if !principal => Err("Missing required field Principal".to_owned()),
        Kind::Trust if resources.is_some() => Err("Has prohibited field Resource".to_owned()),
        Kind::Trust if !actions.iter().all(|action| action.starts_with("sts:")) => {
            Err("AssumeRole policy may only specify STS AssumeRole actions.".to_owned())
        }
        Kind::Trust => Ok(()),
        Kind::Permissions if principal => {
            Err("Policy document should not specify a principal.".to_owned())
        }
        Kind::Resource if !principal => Err("Missing required field Principal".to_owned()),
        Kind::Permissions | Kind::Resource => {
            let resources =
                resources.ok_or_else(|| "Policy statement must contain resources.".to_owned())?;
            let strange = |text: &&str| *text != "*" && !text.starts_with("arn:");
            match resources.iter().filter_map(|resource| resource.as_str()).find(strange) {
                Some(text) if kind == Kind::Permissions => {
                    Err(format!("Resource {text} must be in ARN format or \"*\"."))
                }
                _ => Ok(()),
            }
        }
    }
}

fn one_or_many(value: Option<&Value>) -> Option<Vec<&Value>> {
    match value? {
        Value::Array(many) => Some(many.iter().collect()),
        one @ (Value::Object(_) | Value::String(_)) => Some(vec![one]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn statement(kind: Kind, statement: Value) -> Result<(), String> {
        check(&json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string(), kind)
    }

    #[test]
    fn a_document_is_taken_or_refused_in_the_words_of_iam() {
        let allow = json!({ "Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*" });
        let trust = json!({
            "Effect": "Allow",
            "Action": ["sts:AssumeRole"],
            "Principal": { "Service": "ecs-tasks.amazonaws.com" },
        });
        assert_eq!(statement(Kind::Permissions, allow.clone()), Ok(()));
        assert_eq!(statement(Kind::Trust, trust.clone()), Ok(()));
        assert!(check("{", Kind::Trust).is_err_and(|why| why.contains("invalid Json")));
        assert!(check("{}", Kind::Trust).is_err_and(|why| why.contains("Syntax errors")));
        let with = |base: &Value, member: &str, value: Value| {
            let mut changed = base.clone();
            changed[member] = value;
            changed
        };
        for (kind, base, member, value, says) in [
            (Kind::Permissions, &allow, "Resource", json!("queue"), "must be in ARN format"),
            (Kind::Permissions, &allow, "Action", json!([]), "must contain actions"),
            (Kind::Permissions, &allow, "Action", json!("Send"), "prefaced by a vendor"),
            (Kind::Permissions, &allow, "Principal", json!("*"), "not specify a principal"),
            (Kind::Permissions, &allow, "Effect", json!("allow"), "Syntax errors"),
            (Kind::Permissions, &allow, "Sid", json!("not good"), "alpha-numeric"),
            (Kind::Trust, &trust, "Action", json!("sqs:*"), "STS AssumeRole actions"),
            (Kind::Trust, &trust, "Resource", json!("*"), "prohibited field Resource"),
            (Kind::Trust, &allow, "Sid", json!("A"), "Missing required field Principal"),
            (Kind::Resource, &allow, "Sid", json!("A"), "Missing required field Principal"),
        ] {
            let why = statement(kind, with(base, member, value)).expect_err(says);
            assert!(why.contains(says), "{why} is not about {says}");
        }
    }
}
