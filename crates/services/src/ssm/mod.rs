//! AWS Systems Manager: the Parameter Store. Parameters are the platform's, for containers are given
//! their values (ECS-TD-19); what else clients say of one is a record under its name.

mod describe;
mod errors;
mod labels;
mod parameters;
mod public;
mod tagging;
mod values;

use std::collections::BTreeMap;

use neargate_core::Platform;
use neargate_core::secrets::{Parameter, Sealed};
use serde_json::{Value, json};

use crate::error::AwsError;
use crate::records::{Records, table};
use crate::{Table, arn, fields};

pub(crate) const OPERATIONS: Table = &[
    ("AddTagsToResource", tagging::add),
    ("DeleteParameter", parameters::delete),
    ("DeleteParameters", parameters::delete_several),
    ("DescribeParameters", describe::describe),
    ("GetParameter", values::get),
    ("GetParameterHistory", values::history),
    ("GetParameters", values::get_several),
    ("GetParametersByPath", values::by_path),
    ("LabelParameterVersion", labels::label),
    ("ListTagsForResource", tagging::list),
    ("PutParameter", parameters::put),
    ("RemoveTagsFromResource", tagging::remove),
    ("UnlabelParameterVersion", labels::unlabel),
];

/// What is said of parameters, by their names: tags.
const SAID: Records = table("ssm", "parameter");
/// What came with a version, by [`version_key`]. A record each: a parameter has a hundred of them,
/// and a new value is to cost no more than that value.
const VERSIONS: Records = table("ssm", "parameter-version");

/// A parameter and what was said of it.
struct Found<'a> {
    platform: &'a Platform,
    parameter: &'a Parameter,
    said: Value,
}

/// A version of a parameter.
struct Version<'a> {
    number: u64,
    value: &'a Sealed,
    /// What came with it.
    said: Value,
}

impl<'a> Found<'a> {
    fn name(&self) -> &'a str {
        &self.parameter.name
    }

    /// What was said of a version. One that came another way is like the one before it.
    fn said_of(&self, number: u64) -> Value {
        let of = |number: u64| {
            let said = VERSIONS.get(self.platform, &version_key(self.name(), number))?;
            Some((number, said))
        };
        let Some((like, mut said)) = (self.oldest()..=number).rev().find_map(of) else {
            // Who gave it a value without saying more has sealed it.
            let at = self.parameter.changed_at;
            return json!({ "Type": "SecureString", "at": at.0 });
        };
        if like != number {
            said["at"] = json!(self.parameter.changed_at.0);
            said["Labels"] = json!([]);
        }
        said
    }

    /// The number of the oldest version that is kept.
    fn oldest(&self) -> u64 {
        self.parameter.forgotten + 1
    }

    fn version(&self, number: u64) -> Option<Version<'a>> {
        let value = self.parameter.version(number)?;
        Some(Version { number, value, said: self.said_of(number) })
    }

    /// The newest version. There is one of every parameter.
    fn newest(&self) -> Result<Version<'a>, AwsError> {
        self.version(self.parameter.newest()).ok_or_else(errors::not_found)
    }

    fn versions(&self) -> impl Iterator<Item = Version<'a>> {
        let numbers = self.oldest()..=self.parameter.newest();
        numbers.filter_map(|number| self.version(number))
    }

    /// The labels that are on versions, with their versions.
    fn labels(&self) -> BTreeMap<String, u64> {
        let labels = self.versions().flat_map(|version| {
            let labels = fields::texts(&version.said, "Labels");
            labels.into_iter().map(|l| (l.to_owned(), version.number)).collect::<Vec<_>>()
        });
        labels.collect()
    }
}

/// A parameter by its name.
fn find<'a>(platform: &'a Platform, name: &str) -> Option<Found<'a>> {
    let parameter = platform.parameter(name)?;
    let said = SAID.get(platform, name).unwrap_or_else(|| json!({}));
    Some(Found { platform, parameter, said })
}

/// Under which a version is in [`VERSIONS`]; no name has a colon.
fn version_key(name: &str, number: u64) -> String {
    format!("{name}:{number}")
}

/// A name out of a name or an ARN.
fn name_of(text: &str) -> &str {
    let Some(("ssm", resource)) = arn::parse(text) else { return text };
    match resource.strip_prefix("parameter") {
        // `parameter/a` names `a`; a name with a path keeps its first slash.
        Some(path) if path.starts_with('/') && !path[1..].contains('/') => &path[1..],
        Some(path) => path,
        None => resource,
    }
}

/// The parameter that a member names.
fn asked<'a>(platform: &'a Platform, input: &Value, member: &str) -> Result<Found<'a>, AwsError> {
    let name = name_of(fields::text(input, member).unwrap_or_default());
    find(platform, name).ok_or_else(errors::not_found)
}

fn arn_of(platform: &Platform, name: &str) -> String {
    let slash = if name.starts_with('/') { "" } else { "/" };
    arn::of(platform.identity(), "ssm", format_args!("parameter{slash}{name}"))
}

/// What was given another key than the account's own.
const DEFAULT_KEY: &str = "alias/aws/ssm";

/// Members of a parameter that are shown wherever it is described.
fn description(platform: &Platform, found: &Found<'_>, version: &Version<'_>) -> Value {
    let said = &version.said;
    let at = fields::number(said, "at").unwrap_or_default();
    let account = &platform.identity().account;
    let mut view = json!({
        "Name": found.name(),
        "Type": said["Type"],
        "Version": version.number,
        "LastModifiedDate": fields::time(neargate_core::time::Time(at)),
        "LastModifiedUser": format!("arn:aws:iam::{account}:root"),
        "Tier": fields::text(said, "Tier").unwrap_or("Standard"),
        "DataType": fields::text(said, "DataType").unwrap_or("text"),
        "Policies": [],
    });
    if said["Type"] == "SecureString" {
        view["KeyId"] = json!(fields::text(said, "KeyId").unwrap_or(DEFAULT_KEY));
    }
    for member in ["Description", "AllowedPattern"] {
        fields::set(&mut view, member, fields::text(said, member));
    }
    view
}
