//! The policies that AWS manages: every account has them, under ARNs without an account.

use serde_json::{Value, json};

use crate::arn;

/// What there is, one per line.
const POLICIES: &str = include_str!("aws_managed_policies.txt");
const ARN: &str = "arn:aws:iam::aws:policy";

/// One of them.
#[derive(Clone, Copy)]
pub(super) struct Managed {
    path: &'static str,
    name: &'static str,
    pub(super) version: &'static str,
    /// Epoch seconds.
    pub(super) made: u64,
    /// Known of those only that roles around ECS tend to have.
    pub(super) document: Option<&'static str>,
}

/// All of them by name.
pub(super) fn all() -> impl Iterator<Item = Managed> {
    POLICIES.lines().filter_map(parse)
}

/// The one with that ARN.
pub(super) fn find(arn: &str) -> Option<Managed> {
    let path_and_name = arn.strip_prefix(ARN)?;
    let name = path_and_name.rsplit('/').next()?;
    let named = |policy: &Managed| policy.name == name;
    all().find(named).filter(|policy| policy.path.len() + name.len() == path_and_name.len())
}

fn parse(line: &'static str) -> Option<Managed> {
    let mut parts = line.splitn(5, ' ');
    let path = parts.next().filter(|path| path.starts_with('/'))?;
    let (name, version) = (parts.next()?, parts.next()?);
    let made = parts.next()?.parse().ok()?;
    Some(Managed { path, name, version, made, document: parts.next() })
}

impl Managed {
    pub(super) fn arn(&self) -> String {
        format!("{ARN}{}{}", self.path, self.name)
    }

    /// The policy as IAM shows it, without how often it is attached.
    pub(super) fn view(&self) -> Value {
        json!({
            "PolicyName": self.name,
            "PolicyId": format!("ANPA{:016X}A", arn::derived(&[b"aws", self.name.as_bytes()])),
            "Arn": self.arn(),
            "Path": self.path,
            "DefaultVersionId": self.version,
            "PermissionsBoundaryUsageCount": 0,
            "IsAttachable": self.path != "/aws-service-role/",
            "CreateDate": self.made,
            "UpdateDate": self.made,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy_document::{self, Kind};

    #[test]
    fn policies_are_found_by_their_whole_arn_and_documents_are_good() {
        let execution = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy";
        let found = find(execution).expect("known");
        assert!(found.document.is_some_and(|text| text.contains("ecr:BatchGetImage")));
        assert_eq!(found.arn(), execution);
        assert!(find("arn:aws:iam::aws:policy/AmazonECSTaskExecutionRolePolicy").is_none());
        for policy in all() {
            if let Some(text) = policy.document {
                assert_eq!(
                    policy_document::check(text, Kind::Permissions),
                    Ok(()),
                    "{}",
                    policy.name
                );
            }
        }
        assert!(all().count() > 1000);
    }
}
