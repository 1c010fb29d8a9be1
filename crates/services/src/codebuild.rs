//! AWS CodeBuild: projects. They are kept; nothing is built.

use neargate_core::Platform;
use serde_json::{Value, json};

use crate::error::{self, AwsError};
use crate::records::{Records, table};
use crate::{Answer, Table, arn, fields, note, page, tags};

pub(crate) const OPERATIONS: Table = &[
    ("BatchGetProjects", batch_get),
    ("CreateProject", create),
    ("DeleteProject", delete),
    ("ListProjects", list),
    ("UpdateProject", update),
];

/// By name.
const PROJECTS: Records = table("codebuild", "project");

/// What a project takes over from an input as it is.
const SETTINGS: &[&str] = &[
    "artifacts",
    "autoRetryLimit",
    "buildBatchConfig",
    "cache",
    "concurrentBuildLimit",
    "description",
    "encryptionKey",
    "environment",
    "fileSystemLocations",
    "logsConfig",
    "queuedTimeoutInMinutes",
    "secondaryArtifacts",
    "secondarySourceVersions",
    "secondarySources",
    "serviceRole",
    "source",
    "sourceVersion",
    "timeoutInMinutes",
    "vpcConfig",
];

/// How many projects a page has.
const PAGE: usize = 100;

fn invalid(message: impl Into<String>) -> AwsError {
    error::client("InvalidInputException", message)
}

/// Takes over what an input says; what it does not mention stays.
fn take_over(project: &mut Value, input: &Value) -> Result<(), AwsError> {
    note::merge(project, &note::members(input, SETTINGS));
    if let Some(enabled) = fields::flag(input, "badgeEnabled") {
        project["badge"] = json!({ "badgeEnabled": enabled });
    }
    if fields::sent(input, "tags") {
        let own = tags::read(fields::list(input, "tags"), tags::SMALL);
        tags::note(project, &own);
    }
    let environment = &mut project["environment"];
    for (member, default) in [
        ("environmentVariables", json!([])),
        ("privilegedMode", json!(false)),
        ("imagePullCredentialsType", json!("CODEBUILD")),
    ] {
        if !fields::sent(environment, member) {
            environment[member] = default;
        }
    }
    for variable in environment["environmentVariables"].as_array_mut().into_iter().flatten() {
        if !fields::sent(variable, "type") {
            variable["type"] = json!("PLAINTEXT");
        }
    }
    if fields::text(project, "serviceRole").is_none() {
        return Err(invalid("Service role is required"));
    }
    let source = &project["source"];
    let kind = fields::text(source, "type").unwrap_or_default();
    let has = |member: &str| fields::text(source, member).is_some();
    match kind {
        "NO_SOURCE" if !has("buildspec") => {
            Err(invalid("If you use a NO_SOURCE source type, you must specify a buildspec"))
        }
        "CODEPIPELINE" | "NO_SOURCE" => Ok(()),
        _ if !has("location") => {
            Err(invalid(format!("Project source location is required for source type {kind}")))
        }
        _ => Ok(()),
    }
}

/// The project as CodeBuild shows it.
fn view(project: Value) -> Value {
    let own = tags::listed(&project, tags::SMALL);
    let mut view = tags::without(project);
    view["tags"] = own;
    view
}

fn create(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = fields::text(input, "name").unwrap_or_default();
    let identity = platform.identity();
    let arn = arn::of(identity, "codebuild", format_args!("project/{name}"));
    if PROJECTS.has(platform, name) {
        let why = format!("Project already exists: {arn}");
        return Err(error::client("ResourceAlreadyExistsException", why));
    }
    let now = fields::time(platform.now());
    let mut project = json!({
        "name": name,
        "arn": arn,
        "created": now,
        "lastModified": now,
        "timeoutInMinutes": 60,
        "queuedTimeoutInMinutes": 480,
        "encryptionKey": arn::of(identity, "kms", "alias/aws/s3"),
        "badge": { "badgeEnabled": false },
        "cache": { "type": "NO_CACHE" },
        "projectVisibility": "PRIVATE",
    });
    take_over(&mut project, input)?;
    Answer::after(vec![PROJECTS.put(name, &project)], move |_| json!({ "project": view(project) }))
}

fn update(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = fields::text(input, "name").unwrap_or_default();
    let mut project = PROJECTS.get(platform, name).ok_or_else(|| {
        let arn = arn::of(platform.identity(), "codebuild", format_args!("project/{name}"));
        let why = format!("Project cannot be found: {arn}");
        error::client("ResourceNotFoundException", why)
    })?;
    take_over(&mut project, input)?;
    project["lastModified"] = fields::time(platform.now());
    Answer::after(vec![PROJECTS.put(name, &project)], move |_| json!({ "project": view(project) }))
}

fn batch_get(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (mut projects, mut missing) = (Vec::new(), Vec::new());
    for asked in fields::texts(input, "names") {
        let name = arn::resource(asked, "codebuild", "project").unwrap_or(asked);
        match PROJECTS.get(platform, name) {
            Some(project) => projects.push(view(project)),
            None => missing.push(asked),
        }
    }
    Ok(Answer::Now(json!({ "projects": projects, "projectsNotFound": missing })))
}

fn list(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let descending = fields::text(input, "sortOrder") == Some("DESCENDING");
    let mut names: Vec<&str> = PROJECTS.all(platform).map(|(name, _)| name).collect();
    if descending {
        names.reverse();
    }
    let token = fields::text(input, "nextToken");
    let page = page::page(names, |name| (*name).to_owned(), descending, token, PAGE)
        .map_err(|_| invalid("Invalid nextToken"))?;
    let mut answer = json!({ "projects": page.entries });
    fields::set(&mut answer, "nextToken", page.next);
    Ok(Answer::Now(answer))
}

/// One that is gone already is no error.
fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let asked = fields::text(input, "name").unwrap_or_default();
    let name = arn::resource(asked, "codebuild", "project").unwrap_or(asked);
    let commands = PROJECTS.has(platform, name).then(|| PROJECTS.remove(name));
    Answer::after(commands.into_iter().collect(), |_| json!({}))
}
