//! Images: describe, list, get, put under another tag, delete.

use neargate_core::Platform;
use neargate_images::{Digest, ImageDetail, ImageId};
use serde_json::{Value, json};

use super::{Asked, errors, in_store, time};
use crate::error::{self, AwsError};
use crate::rooms::Rooms;
use crate::{Answer, fields, page};

/// The images a request names. The error is the id of one that is no image's.
fn ids(input: &Value) -> Vec<Result<ImageId, Value>> {
    let read = |id: &Value| {
        let digest = fields::text(id, "imageDigest").map(str::parse::<Digest>).transpose();
        let tag = fields::owned(id, "imageTag");
        digest.map(|digest| ImageId { digest, tag }).map_err(|_| id.clone())
    };
    fields::list(input, "imageIds").iter().map(read).collect()
}

fn id_view(id: &ImageId) -> Value {
    let mut view = json!({});
    fields::set(&mut view, "imageDigest", id.digest.map(|digest| digest.to_string()));
    fields::set(&mut view, "imageTag", id.tag.clone());
    view
}

fn failure(id: &Value, code: &str, reason: &str) -> Value {
    json!({ "imageId": id, "failureCode": code, "failureReason": reason })
}

fn invalid_digest(id: &Value) -> Value {
    failure(
        id,
        "InvalidImageDigest",
        "Invalid request parameters: image digest should satisfy the regex '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'",
    )
}

/// The images of the repository, by digest; those the filter asks for.
fn filtered(asked: &Asked, rooms: &dyn Rooms) -> Result<Vec<ImageDetail>, AwsError> {
    let status = fields::text(asked.input.get("filter").unwrap_or(&Value::Null), "tagStatus");
    let images = rooms.images().images(asked.repository()).map_err(|e| asked.failure(e))?;
    let mut images: Vec<ImageDetail> = images
        .into_iter()
        .filter(|image| match status {
            Some("TAGGED") => !image.tags.is_empty(),
            Some("UNTAGGED") => image.tags.is_empty(),
            _ => true,
        })
        .collect();
    images.sort_by_key(|image| image.digest);
    Ok(images)
}

fn view(asked: &Asked, image: &ImageDetail) -> Value {
    let mut view = asked.names();
    view["imageDigest"] = json!(image.digest.to_string());
    if !image.tags.is_empty() {
        view["imageTags"] = json!(image.tags);
    }
    view["imageSizeInBytes"] = json!(image.size_bytes);
    view["imagePushedAt"] = time(image.pushed_at_ms);
    view["imageManifestMediaType"] = json!(image.media_type);
    view["imageStatus"] = json!("ACTIVE");
    fields::set(&mut view, "artifactMediaType", image.artifact_type.clone());
    view
}

pub(super) fn describe(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    in_store(platform, input, |asked, rooms| {
        let ids = ids(&asked.input);
        if !ids.is_empty() {
            let views = ids.into_iter().map(|id| {
                let id = id.map_err(|id| errors::invalid(format!("{id} names no image")))?;
                let image = rooms.images().image(asked.repository(), &id);
                Ok(view(asked, &image.map_err(|error| asked.failure(error))?))
            });
            let views = views.collect::<Result<Vec<_>, AwsError>>()?;
            return Ok(json!({ "imageDetails": views }));
        }
        let size = fields::number(&asked.input, "maxResults").unwrap_or(100) as usize;
        let token = fields::text(&asked.input, "nextToken");
        let images = filtered(asked, rooms)?;
        let page = page::page(images, |image| image.digest.to_string(), false, token, size)
            .map_err(|_| errors::invalid("The specified nextToken is invalid."))?;
        let views: Vec<Value> = page.entries.iter().map(|image| view(asked, image)).collect();
        let mut answer = json!({ "imageDetails": views });
        fields::set(&mut answer, "nextToken", page.next);
        Ok(answer)
    })
}

pub(super) fn list(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    in_store(platform, input, |asked, rooms| {
        let images = filtered(asked, rooms)?;
        let ids = images.into_iter().flat_map(|image| {
            let digest = Some(image.digest);
            match image.tags.is_empty() {
                true => vec![ImageId { digest, tag: None }],
                false => {
                    image.tags.into_iter().map(|tag| ImageId { digest, tag: Some(tag) }).collect()
                }
            }
        });
        let size = fields::number(&asked.input, "maxResults").unwrap_or(100) as usize;
        let token = fields::text(&asked.input, "nextToken");
        let key = |id: &ImageId| {
            let digest = id.digest.map(|digest| digest.to_string()).unwrap_or_default();
            format!("{digest} {}", id.tag.as_deref().unwrap_or_default())
        };
        let page = page::page(ids.collect(), key, false, token, size)
            .map_err(|_| errors::invalid("The specified nextToken is invalid."))?;
        let mut answer = json!({ "imageIds": page.entries.iter().map(id_view).collect::<Value>() });
        fields::set(&mut answer, "nextToken", page.next);
        Ok(answer)
    })
}

/// An image with its manifest, as BatchGetImage and PutImage show it.
fn with_manifest(asked: &Asked, rooms: &dyn Rooms, id: &ImageId) -> Result<Value, AwsError> {
    let found = rooms.images().manifest(asked.repository(), id);
    let (digest, media_type, bytes) = found.map_err(|error| asked.failure(error))?;
    let mut view = asked.names();
    view["imageId"] = id_view(&ImageId { digest: Some(digest), tag: id.tag.clone() });
    view["imageManifest"] = json!(String::from_utf8_lossy(&bytes));
    view["imageManifestMediaType"] = json!(media_type);
    Ok(view)
}

pub(super) fn get(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    in_store(platform, input, |asked, rooms| {
        rooms.images().repository(asked.repository()).map_err(|error| asked.failure(error))?;
        let (mut images, mut failures) = (Vec::new(), Vec::new());
        for id in ids(&asked.input) {
            let id = match id {
                Ok(id) => id,
                Err(id) => {
                    failures.push(invalid_digest(&id));
                    continue;
                }
            };
            match with_manifest(asked, rooms, &id) {
                Ok(image) => images.push(image),
                Err(error) if error.code == "ImageNotFoundException" => {
                    let reason = "Requested image not found";
                    failures.push(failure(&id_view(&id), "ImageNotFound", reason));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(json!({ "images": images, "failures": failures }))
    })
}

/// An image under another tag, for one: its layers are there already.
pub(super) fn put(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    in_store(platform, input, |asked, rooms| {
        let tag = fields::owned(&asked.input, "imageTag");
        let manifest = fields::text(&asked.input, "imageManifest").unwrap_or_default();
        let media_type = fields::text(&asked.input, "imageManifestMediaType");
        let digest = Digest::of(manifest.as_bytes());
        if fields::text(&asked.input, "imageDigest").is_some_and(|d| d != digest.to_string()) {
            let why = format!("The image's digest is {digest}, not the one that was given.");
            return Err(error::client("ImageDigestDoesNotMatchException", why));
        }
        let id = ImageId { digest: Some(digest), tag: tag.clone() };
        if rooms.images().image(asked.repository(), &id).is_ok() {
            let tag = tag.map(|tag| format!(" and tag '{tag}'")).unwrap_or_default();
            let why = format!(
                "Image with digest '{digest}'{tag} already exists in the repository with name '{}' \
                 in registry with id '{}'",
                asked.repository(),
                asked.account()
            );
            return Err(error::client("ImageAlreadyExistsException", why));
        }
        let put = rooms.images().put_manifest(
            asked.repository(),
            tag.as_deref(),
            manifest.as_bytes(),
            media_type,
        );
        put.map_err(|error| asked.failure(error))?;
        Ok(json!({ "image": with_manifest(asked, rooms, &id)? }))
    })
}

pub(super) fn delete(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    in_store(platform, input, |asked, rooms| {
        let (mut wanted, mut failures) = (Vec::new(), Vec::new());
        for id in ids(&asked.input) {
            match id {
                Ok(id) => wanted.push(id),
                Err(id) => failures.push(invalid_digest(&id)),
            }
        }
        let deleted = rooms.images().delete_images(asked.repository(), &wanted);
        let (gone, failed) = deleted.map_err(|error| asked.failure(error))?;
        failures.extend(failed.iter().map(|f| failure(&id_view(&f.id), f.code, &f.reason)));
        Ok(json!({
            "imageIds": gone.iter().map(id_view).collect::<Value>(),
            "failures": failures,
        }))
    })
}
