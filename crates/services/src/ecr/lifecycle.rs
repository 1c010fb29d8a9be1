//! Lifecycle policies of repositories. What they let expire goes with the hourly cleaning.

use neargate_core::Platform;
use neargate_images::LifecyclePolicy;
use serde_json::{Value, json};

use super::{Asked, errors, in_store, time};
use crate::error::{self, AwsError};
use crate::records::{Records, table};
use crate::rooms::Rooms;
use crate::{Answer, fields, page};

/// Policies that were to be tried, by repository.
const TRIED: Records = table("ecr", "lifecycle-preview");

fn missing(asked: &Asked) -> AwsError {
    let code = "LifecyclePolicyNotFoundException";
    errors::no_policy(code, "Lifecycle policy", asked.repository(), asked.account())
}

/// The policy that is in force.
fn current(asked: &Asked, rooms: &dyn Rooms) -> Result<String, AwsError> {
    let found = rooms.images().repository(asked.repository());
    let settings = found.map_err(|error| asked.failure(error))?.settings;
    settings.lifecycle_policy.ok_or_else(|| missing(asked))
}

fn answer(asked: &Asked, policy: &str) -> Value {
    let mut answer = asked.names();
    answer["lifecyclePolicyText"] = json!(policy);
    answer
}

pub(super) fn put(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    in_store(platform, input, |asked, rooms| {
        let text = fields::owned(&asked.input, "lifecyclePolicyText").unwrap_or_default();
        let kept = text.clone();
        let changed = rooms
            .images()
            .change_settings(asked.repository(), |settings| settings.lifecycle_policy = Some(kept));
        changed.map_err(|error| asked.failure(error))?;
        Ok(answer(asked, &text))
    })
}

pub(super) fn get(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    in_store(platform, input, |asked, rooms| {
        let policy = current(asked, rooms)?;
        let mut answer = answer(asked, &policy);
        answer["lastEvaluatedAt"] = time(rooms.wall_ms());
        Ok(answer)
    })
}

pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    in_store(platform, input, |asked, rooms| {
        let mut old = None;
        let changed = rooms
            .images()
            .change_settings(asked.repository(), |settings| old = settings.lifecycle_policy.take());
        changed.map_err(|error| asked.failure(error))?;
        let mut answer = answer(asked, &old.ok_or_else(|| missing(asked))?);
        answer["lastEvaluatedAt"] = time(rooms.wall_ms());
        Ok(answer)
    })
}

pub(super) fn start_preview(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let asked = Asked { identity: platform.identity().clone(), input: input.clone() };
    Answer::here(move |_, rooms| {
        let current = current(&asked, rooms);
        let text = match fields::owned(&asked.input, "lifecyclePolicyText") {
            Some(text) => text,
            None => current?,
        };
        text.parse::<LifecyclePolicy>().map_err(|problem| asked.failure(problem.into()))?;
        let tried = TRIED.put(asked.repository(), &json!({ "text": text }));
        let mut answer = answer(&asked, &text);
        answer["status"] = json!("IN_PROGRESS");
        Answer::after(vec![tried], move |_| answer)
    })
}

/// What the policy that was to be tried would let expire now.
pub(super) fn preview(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = fields::text(input, "repositoryName").unwrap_or_default();
    let tried = TRIED.get(platform, name).and_then(|tried| fields::owned(&tried, "text"));
    in_store(platform, input, move |asked, rooms| {
        let found = rooms.images().repository(asked.repository());
        found.map_err(|error| asked.failure(error))?;
        let Some(text) = tried else {
            let code = "LifecyclePolicyPreviewNotFoundException";
            let why = format!(
                "Lifecycle policy preview does not exist for the repository with name '{}'",
                asked.repository()
            );
            return Err(error::client(code, why));
        };
        let policy: LifecyclePolicy = text
            .parse()
            .map_err(|problem: neargate_images::InvalidPolicy| asked.failure(problem.into()))?;
        let expiring = rooms.images().expiring(asked.repository(), &policy, rooms.wall_ms());
        let expiring = expiring.map_err(|error| asked.failure(error))?;
        let count = expiring.len();
        let size = fields::number(&asked.input, "maxResults").unwrap_or(100) as usize;
        let token = fields::text(&asked.input, "nextToken");
        let page = page::page(expiring, |(image, _)| image.digest.to_string(), false, token, size)
            .map_err(|_| errors::invalid("The specified nextToken is invalid."))?;
        let results = page.entries.iter().map(|(image, priority)| {
            json!({
                "imageTags": image.tags,
                "imageDigest": image.digest.to_string(),
                "imagePushedAt": time(image.pushed_at_ms),
                "action": { "type": "EXPIRE" },
                "appliedRulePriority": priority,
            })
        });
        let results: Vec<Value> = results.collect();
        let mut answer = answer(asked, &text);
        answer["status"] = json!("COMPLETE");
        answer["previewResults"] = json!(results);
        answer["summary"] = json!({ "expiringImageTotalCount": count });
        fields::set(&mut answer, "nextToken", page.next);
        Ok(answer)
    })
}
