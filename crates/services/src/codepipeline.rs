//! AWS CodePipeline: pipelines. They are kept; nothing runs in them.

use std::collections::BTreeSet;

use neargate_core::Platform;
use serde_json::{Value, json};

use crate::error::{self, AwsError};
use crate::records::{Records, table};
use crate::{Answer, Table, arn, fields, page, tags};

pub(crate) const OPERATIONS: Table = &[
    ("CreatePipeline", create),
    ("DeletePipeline", delete),
    ("GetPipeline", get),
    ("GetPipelineState", state),
    ("ListPipelines", list),
    ("ListTagsForResource", list_tags),
    ("TagResource", tag),
    ("UntagResource", untag),
    ("UpdatePipeline", update),
];

/// By name: the `pipeline` itself, when it was `created` and `updated`, and `tags`.
const PIPELINES: Records = table("codepipeline", "pipeline");

/// What CodePipeline shows of a secret of a source.
const HIDDEN: &str = "****";

fn found(platform: &Platform, name: &str) -> Result<Value, AwsError> {
    PIPELINES.get(platform, name).ok_or_else(|| {
        let account = &platform.identity().account;
        let why = format!("Account '{account}' does not have a pipeline with name '{name}'");
        error::client("PipelineNotFoundException", why)
    })
}

fn find(platform: &Platform, input: &Value) -> Result<(String, Value), AwsError> {
    let name = fields::text(input, "name").unwrap_or_default();
    Ok((name.to_owned(), found(platform, name)?))
}

/// A pipeline as it is kept: whole, sound, and without secrets.
fn sound(declared: &Value, version: u64) -> Result<Value, AwsError> {
    let invalid = |why: String| error::client("InvalidStructureException", why);
    let mut pipeline = declared.clone();
    pipeline["version"] = json!(version);
    for (member, default) in [("executionMode", "SUPERSEDED"), ("pipelineType", "V1")] {
        if !fields::sent(&pipeline, member) {
            pipeline[member] = json!(default);
        }
    }
    let mut names = BTreeSet::new();
    let mut stages = fields::list(declared, "stages").to_vec();
    if stages.len() < 2 {
        return Err(invalid("Pipeline must have at least 2 stages".to_owned()));
    }
    for (place, stage) in stages.iter_mut().enumerate() {
        let name = fields::owned(stage, "name").unwrap_or_default();
        let mut actions = fields::list(stage, "actions").to_vec();
        if actions.is_empty() {
            return Err(invalid(format!("Stage '{name}' must have at least one action")));
        }
        for action in &mut actions {
            let source = fields::text(&action["actionTypeId"], "category") == Some("Source");
            if source != (place == 0) {
                return Err(invalid(match source {
                    true => format!("Stage '{name}' has a Source action; only the first stage may"),
                    false => {
                        format!("Stage '{name}' is the first: it may have Source actions only")
                    }
                }));
            }
            if !fields::sent(action, "runOrder") {
                action["runOrder"] = json!(1);
            }
            if fields::sent(&action["configuration"], "OAuthToken") {
                action["configuration"]["OAuthToken"] = json!(HIDDEN);
            }
        }
        stage["actions"] = json!(actions);
        if !names.insert(name.clone()) {
            return Err(invalid(format!(
                "Two stages have the name '{name}'; names must be unique"
            )));
        }
    }
    pipeline["stages"] = json!(stages);
    Ok(pipeline)
}

fn create(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = fields::text(&input["pipeline"], "name").unwrap_or_default();
    if PIPELINES.has(platform, name) {
        let account = &platform.identity().account;
        let why =
            format!("A pipeline with the name '{name}' already exists in account '{account}'");
        return Err(error::client("PipelineNameInUseException", why));
    }
    let pipeline = sound(&input["pipeline"], 1)?;
    let now = fields::time(platform.now());
    let mut record = json!({ "pipeline": pipeline, "created": now, "updated": now });
    tags::add(&mut record, tags::read(fields::list(input, "tags"), tags::SMALL));
    Answer::after(
        vec![PIPELINES.put(name, &record)],
        move |_| json!({ "pipeline": record["pipeline"], "tags": tags::listed(&record, tags::SMALL) }),
    )
}

fn update(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (name, mut record) = find(platform, &input["pipeline"])?;
    let version = fields::number(&record["pipeline"], "version").unwrap_or_default() + 1;
    record["pipeline"] = sound(&input["pipeline"], version)?;
    record["updated"] = fields::time(platform.now());
    Answer::after(
        vec![PIPELINES.put(&name, &record)],
        move |_| json!({ "pipeline": record["pipeline"] }),
    )
}

fn get(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (name, record) = find(platform, input)?;
    let current = fields::number(&record["pipeline"], "version");
    if let Some(version) = fields::number(input, "version")
        && Some(version) != current
    {
        let why = format!(
            "The pipeline '{name}' does not have version {version}; only the current one is kept"
        );
        return Err(error::client("PipelineVersionNotFoundException", why));
    }
    Ok(Answer::Now(json!({
        "pipeline": record["pipeline"],
        "metadata": {
            "pipelineArn": arn::of(platform.identity(), "codepipeline", &name),
            "created": record["created"],
            "updated": record["updated"],
        },
    })))
}

/// Nothing has ever run.
fn state(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (name, record) = find(platform, input)?;
    let stage = |stage: &Value| {
        let actions = fields::list(stage, "actions").iter();
        json!({
            "stageName": stage["name"],
            "inboundTransitionState": { "enabled": true },
            "actionStates": actions.map(|a| json!({ "actionName": a["name"] })).collect::<Value>(),
        })
    };
    let stages = fields::list(&record["pipeline"], "stages").iter();
    Ok(Answer::Now(json!({
        "pipelineName": name,
        "pipelineVersion": record["pipeline"]["version"],
        "stageStates": stages.map(stage).collect::<Value>(),
        "created": record["created"],
        "updated": record["updated"],
    })))
}

fn list(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let line = |(name, record): (&str, Value)| {
        let pipeline = &record["pipeline"];
        let view = json!({
            "name": name,
            "version": pipeline["version"],
            "pipelineType": pipeline["pipelineType"],
            "executionMode": pipeline["executionMode"],
            "created": record["created"],
            "updated": record["updated"],
        });
        (name.to_owned(), view)
    };
    let all: Vec<(String, Value)> = PIPELINES.all(platform).map(line).collect();
    let size = fields::number(input, "maxResults").map_or(1000, |n| n as usize).max(1);
    let token = fields::text(input, "nextToken");
    let page = page::page(all, |(name, _)| name.clone(), false, token, size)
        .map_err(|_| error::client("InvalidNextTokenException", "The next token is not valid."))?;
    let lines: Value = page.entries.into_iter().map(|(_, view)| view).collect();
    let mut answer = json!({ "pipelines": lines });
    fields::set(&mut answer, "nextToken", page.next);
    Ok(Answer::Now(answer))
}

/// One that is gone already is no error.
fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = fields::text(input, "name").unwrap_or_default();
    let commands = PIPELINES.has(platform, name).then(|| PIPELINES.remove(name));
    Answer::after(commands.into_iter().collect(), |_| json!({}))
}

fn by_arn(platform: &Platform, input: &Value) -> Result<(String, Value), AwsError> {
    let text = fields::text(input, "resourceArn").unwrap_or_default();
    let Some(("codepipeline", name)) = arn::parse(text) else {
        let why = format!("{text} is not the ARN of a pipeline");
        return Err(error::client("InvalidArnException", why));
    };
    let record = PIPELINES.get(platform, name).ok_or_else(|| {
        error::client("ResourceNotFoundException", format!("Could not find resource {text}"))
    })?;
    Ok((name.to_owned(), record))
}

fn list_tags(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (_, record) = by_arn(platform, input)?;
    Ok(Answer::Now(json!({ "tags": tags::listed(&record, tags::SMALL) })))
}

fn tag(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (name, mut record) = by_arn(platform, input)?;
    tags::add(&mut record, tags::read(fields::list(input, "tags"), tags::SMALL));
    Answer::after(vec![PIPELINES.put(&name, &record)], |_| json!({}))
}

fn untag(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (name, mut record) = by_arn(platform, input)?;
    tags::remove(&mut record, &fields::texts(input, "tagKeys"));
    Answer::after(vec![PIPELINES.put(&name, &record)], |_| json!({}))
}
