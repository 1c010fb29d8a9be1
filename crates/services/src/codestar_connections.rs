//! AWS CodeStar connections: to where source code is. They are kept and wait for ever for the
//! handshake that only AWS's console can do.

use neargate_core::Platform;
use serde_json::{Value, json};

use crate::error::{self, AwsError};
use crate::records::{Ids, Records, table};
use crate::{Answer, Table, arn, fields, page, tags};

pub(crate) const OPERATIONS: Table = &[
    ("CreateConnection", create),
    ("DeleteConnection", delete),
    ("GetConnection", get),
    ("ListConnections", list),
    ("ListTagsForResource", list_tags),
    ("TagResource", tag),
    ("UntagResource", untag),
];

/// By ARN.
const CONNECTIONS: Records = table("codestar-connections", "connection");

/// The ARN and the record of the connection that a member names.
fn find(platform: &Platform, input: &Value, member: &str) -> Result<(String, Value), AwsError> {
    let arn = fields::text(input, member).unwrap_or_default();
    let found = CONNECTIONS.get(platform, arn).ok_or_else(|| {
        error::client("ResourceNotFoundException", format!("Resource {arn} was not found."))
    })?;
    Ok((arn.to_owned(), found))
}

fn create(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let host = fields::text(input, "HostArn");
    let provider = match (fields::text(input, "ProviderType"), host) {
        (Some(provider), None) => provider,
        (None, Some(_)) => "GitHubEnterpriseServer",
        _ => {
            let why = "Exactly one of ProviderType and HostArn must be given.";
            return Err(error::client("InvalidInputException", why));
        }
    };
    let mut ids = Ids::of(platform);
    let id = ids.uuid();
    let arn = arn::of(platform.identity(), "codestar-connections", format_args!("connection/{id}"));
    let mut connection = json!({
        "ConnectionName": input["ConnectionName"],
        "ConnectionArn": arn,
        "ProviderType": provider,
        "OwnerAccountId": platform.identity().account,
        "ConnectionStatus": "PENDING",
    });
    fields::set(&mut connection, "HostArn", host);
    tags::add(&mut connection, tags::read(fields::list(input, "Tags"), tags::LARGE));
    let commands = vec![ids.taken(), CONNECTIONS.put(&arn, &connection)];
    Answer::after(
        commands,
        move |_| json!({ "ConnectionArn": arn, "Tags": tags::listed(&connection, tags::LARGE) }),
    )
}

fn get(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (_, connection) = find(platform, input, "ConnectionArn")?;
    Ok(Answer::Now(json!({ "Connection": tags::without(connection) })))
}

fn list(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let is = |connection: &Value, filter: &str, member: &str| {
        let wanted = fields::text(input, filter);
        wanted.is_none() || wanted == fields::text(connection, member)
    };
    let all: Vec<(&str, Value)> = CONNECTIONS
        .all(platform)
        .filter(|(_, c)| is(c, "ProviderTypeFilter", "ProviderType"))
        .filter(|(_, c)| is(c, "HostArnFilter", "HostArn"))
        .collect();
    let size = fields::number(input, "MaxResults").map_or(100, |n| n as usize).max(1);
    let token = fields::text(input, "NextToken");
    let page = page::page(all, |(arn, _)| (*arn).to_owned(), false, token, size)
        .map_err(|_| error::client("InvalidInputException", "The next token is not valid."))?;
    let views: Value = page.entries.into_iter().map(|(_, c)| tags::without(c)).collect();
    let mut answer = json!({ "Connections": views });
    fields::set(&mut answer, "NextToken", page.next);
    Ok(Answer::Now(answer))
}

fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (arn, _) = find(platform, input, "ConnectionArn")?;
    Answer::after(vec![CONNECTIONS.remove(&arn)], |_| json!({}))
}

fn list_tags(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (_, connection) = find(platform, input, "ResourceArn")?;
    Ok(Answer::Now(json!({ "Tags": tags::listed(&connection, tags::LARGE) })))
}

fn tag(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (arn, mut connection) = find(platform, input, "ResourceArn")?;
    tags::add(&mut connection, tags::read(fields::list(input, "Tags"), tags::LARGE));
    Answer::after(vec![CONNECTIONS.put(&arn, &connection)], |_| json!({}))
}

fn untag(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (arn, mut connection) = find(platform, input, "ResourceArn")?;
    tags::remove(&mut connection, &fields::texts(input, "TagKeys"));
    Answer::after(vec![CONNECTIONS.put(&arn, &connection)], |_| json!({}))
}
