//! Repositories: create, describe, change, delete, and their resource policies.

use neargate_core::Platform;
use neargate_images::{Encryption, RepositoryDetail, RepositorySettings, TagMutability};
use neargate_wire::read_json;
use serde_json::{Value, json};

use super::{Asked, errors, in_store, time};
use crate::error::AwsError;
use crate::{Answer, arn, fields, page, tags};

fn mutability(asked: &Value) -> Result<TagMutability, AwsError> {
    let kind = fields::text(asked, "imageTagMutability").unwrap_or("MUTABLE");
    let filters = fields::list(asked, "imageTagMutabilityExclusionFilters");
    let exclusions: Vec<String> =
        filters.iter().filter_map(|filter| fields::owned(filter, "filter")).collect();
    if kind.ends_with("_WITH_EXCLUSION") == exclusions.is_empty() {
        return Err(errors::invalid(format!(
            "Invalid parameter at 'imageTagMutabilityExclusionFilters' failed to satisfy \
             constraint: 'filters go with a mutability _WITH_EXCLUSION, and with {kind} there are {}'",
            exclusions.len()
        )));
    }
    Ok(TagMutability { immutable: kind.starts_with("IMMUTABLE"), exclusions })
}

fn scans(input: &Value) -> bool {
    let settings = input.get("imageScanningConfiguration").unwrap_or(&Value::Null);
    fields::flag(settings, "scanOnPush").unwrap_or(false)
}

/// The key of the account, where KMS is asked for without one.
fn encryption(asked: &Asked) -> Encryption {
    let sent = asked.input.get("encryptionConfiguration").unwrap_or(&Value::Null);
    let kind = fields::text(sent, "encryptionType").unwrap_or("AES256").to_owned();
    let key = fields::owned(sent, "kmsKey").or_else(|| {
        let id = arn::derived_uuid(&[b"alias/aws/ecr", asked.account().as_bytes()]);
        let key = arn::of(&asked.identity, "kms", format_args!("key/{id}"));
        (kind != "AES256").then_some(key)
    });
    Encryption { kind, key }
}

pub(super) fn create(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    in_store(platform, input, |asked, rooms| {
        let settings = RepositorySettings {
            tag_mutability: mutability(&asked.input)?,
            scan_on_push: scans(&asked.input),
            resource_tags: tags::read(fields::list(&asked.input, "tags"), tags::LARGE),
            encryption: encryption(asked),
            ..RepositorySettings::default()
        };
        let made = rooms.images().create_repository(asked.repository(), settings);
        let made = made.map_err(|error| asked.failure(error))?;
        Ok(json!({ "repository": view(asked, &made) }))
    })
}

fn mutability_view(settings: &RepositorySettings) -> Value {
    let TagMutability { immutable, exclusions } = &settings.tag_mutability;
    let kind = if *immutable { "IMMUTABLE" } else { "MUTABLE" };
    if exclusions.is_empty() {
        return json!({ "imageTagMutability": kind });
    }
    let filters: Vec<Value> = exclusions
        .iter()
        .map(|filter| json!({ "filterType": "WILDCARD", "filter": filter }))
        .collect();
    json!({
        "imageTagMutability": format!("{kind}_WITH_EXCLUSION"),
        "imageTagMutabilityExclusionFilters": filters,
    })
}

fn view(asked: &Asked, repository: &RepositoryDetail) -> Value {
    let RepositoryDetail { name, settings, .. } = repository;
    let (account, region) = (asked.account(), &asked.identity.region);
    let mut view = mutability_view(settings);
    let mut encryption = json!({ "encryptionType": settings.encryption.kind });
    fields::set(&mut encryption, "kmsKey", settings.encryption.key.clone());
    crate::note::merge(
        &mut view,
        &json!({
            "repositoryArn": asked.arn(name),
            "registryId": account,
            "repositoryName": name,
            "repositoryUri": format!("{account}.dkr.ecr.{region}.amazonaws.com/{name}"),
            "createdAt": time(repository.created_at_ms),
            "imageScanningConfiguration": { "scanOnPush": settings.scan_on_push },
            "encryptionConfiguration": encryption,
        }),
    );
    view
}

pub(super) fn describe(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    in_store(platform, input, |asked, rooms| {
        let names = fields::texts(&asked.input, "repositoryNames");
        if !names.is_empty() {
            let found = names.iter().map(|name| {
                let found = rooms.images().repository(name).map_err(|e| asked.failure(e))?;
                Ok(view(asked, &found))
            });
            let found = found.collect::<Result<Vec<_>, AwsError>>()?;
            return Ok(json!({ "repositories": found }));
        }
        let size = fields::number(&asked.input, "maxResults").unwrap_or(100) as usize;
        let token = fields::text(&asked.input, "nextToken");
        let all = rooms.images().repositories();
        let page = page::page(all, |repository| repository.name.clone(), false, token, size)
            .map_err(|_| errors::invalid("The specified nextToken is invalid."))?;
        let views: Vec<Value> = page.entries.iter().map(|r| view(asked, r)).collect();
        let mut answer = json!({ "repositories": views });
        fields::set(&mut answer, "nextToken", page.next);
        Ok(answer)
    })
}

pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    in_store(platform, input, |asked, rooms| {
        let force = fields::flag(&asked.input, "force").unwrap_or(false);
        let gone = rooms.images().delete_repository(asked.repository(), force);
        let gone = gone.map_err(|error| asked.failure(error))?;
        Ok(json!({ "repository": view(asked, &gone) }))
    })
}

pub(super) fn put_mutability(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    in_store(platform, input, |asked, rooms| {
        let wanted = mutability(&asked.input)?;
        let changed = rooms
            .images()
            .change_settings(asked.repository(), |settings| settings.tag_mutability = wanted);
        let changed = changed.map_err(|error| asked.failure(error))?;
        let mut answer = asked.names();
        crate::note::merge(&mut answer, &mutability_view(&changed.settings));
        Ok(answer)
    })
}

pub(super) fn put_scanning(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    in_store(platform, input, |asked, rooms| {
        let on_push = scans(&asked.input);
        let changed = rooms
            .images()
            .change_settings(asked.repository(), |settings| settings.scan_on_push = on_push);
        changed.map_err(|error| asked.failure(error))?;
        let mut answer = asked.names();
        answer["imageScanningConfiguration"] = json!({ "scanOnPush": on_push });
        Ok(answer)
    })
}

fn policy_answer(asked: &Asked, policy: Option<String>) -> Result<Value, AwsError> {
    let policy = policy.ok_or_else(|| {
        let code = "RepositoryPolicyNotFoundException";
        errors::no_policy(code, "Repository policy", asked.repository(), asked.account())
    })?;
    let mut answer = asked.names();
    answer["policyText"] = json!(policy);
    Ok(answer)
}

pub(super) fn policy(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    in_store(platform, input, |asked, rooms| {
        let found = rooms.images().repository(asked.repository());
        policy_answer(asked, found.map_err(|error| asked.failure(error))?.settings.policy)
    })
}

pub(super) fn set_policy(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    in_store(platform, input, |asked, rooms| {
        let text = fields::owned(&asked.input, "policyText").unwrap_or_default();
        if !read_json(&text).is_ok_and(|policy| policy.is_object()) {
            return Err(errors::invalid(
                "Invalid parameter at 'PolicyText' failed to satisfy constraint: 'Invalid \
                 repository policy provided'",
            ));
        }
        let kept = text.clone();
        let changed = rooms
            .images()
            .change_settings(asked.repository(), |settings| settings.policy = Some(kept));
        changed.map_err(|error| asked.failure(error))?;
        policy_answer(asked, Some(text))
    })
}

pub(super) fn delete_policy(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    in_store(platform, input, |asked, rooms| {
        let mut old = None;
        let changed = rooms
            .images()
            .change_settings(asked.repository(), |settings| old = settings.policy.take());
        changed.map_err(|error| asked.failure(error))?;
        policy_answer(asked, old)
    })
}
