//! Listings of objects: two versions of the operation, and one that would show versions.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use neargate_core::Platform;
use serde_json::{Value, json};

use super::{OBJECTS, acl, buckets, checksums, errors, under, url};
use crate::error::AwsError;
use crate::{Answer, fields, note};

const PAGE: u64 = 1000;

/// What is listed.
struct Asked<'a> {
    bucket: String,
    prefix: &'a str,
    delimiter: Option<&'a str>,
    size: usize,
    encoded: bool,
}

/// One page of it.
#[derive(Default)]
struct Listed {
    objects: Vec<(String, Value)>,
    prefixes: Vec<String>,
    /// The last key or prefix, when there is more after it.
    next: Option<String>,
}

impl<'a> Asked<'a> {
    fn of(platform: &Platform, input: &'a Value) -> Result<Asked<'a>, AwsError> {
        Ok(Asked {
            bucket: buckets::check(platform, input)?,
            prefix: fields::text(input, "Prefix").unwrap_or_default(),
            delimiter: fields::text(input, "Delimiter"),
            size: fields::number(input, "MaxKeys").unwrap_or(PAGE).min(PAGE) as usize,
            encoded: fields::text(input, "EncodingType") == Some("url"),
        })
    }

    /// Up to and with the delimiter behind the prefix, if there is one.
    fn common(&self, key: &str) -> Option<String> {
        let rest = key.get(self.prefix.len()..)?;
        let delimiter = self.delimiter?;
        let end = self.prefix.len() + rest.find(delimiter)? + delimiter.len();
        Some(key[..end].to_owned())
    }

    /// The page after that key or prefix.
    fn page(&self, platform: &Platform, after: &str) -> Listed {
        let mut listed = Listed::default();
        let start = under(&self.bucket, "").len();
        let mut last = String::new();
        for (place, object) in OBJECTS.starting(platform, &under(&self.bucket, self.prefix)) {
            let key = &place[start..];
            let common = self.common(key);
            // A prefix that was given out stands for everything that starts with it.
            let is_past = key > after && common.as_deref() != Some(after);
            if !is_past || common.as_ref().is_some_and(|c| listed.prefixes.last() == Some(c)) {
                continue;
            }
            if listed.objects.len() + listed.prefixes.len() == self.size {
                listed.next = (self.size > 0).then_some(last);
                break;
            }
            match common {
                Some(common) => {
                    last.clone_from(&common);
                    listed.prefixes.push(common);
                }
                None => {
                    key.clone_into(&mut last);
                    listed.objects.push((key.to_owned(), object));
                }
            }
        }
        listed
    }

    /// A key as the answer writes it.
    fn written(&self, key: &str) -> String {
        if self.encoded { url::encode(key) } else { key.to_owned() }
    }

    /// What every listing has.
    fn answer(&self, listed: &Listed) -> Value {
        let prefixes = listed.prefixes.iter().map(|p| json!({ "Prefix": self.written(p) }));
        let mut answer = json!({
            "Name": self.bucket,
            "Prefix": self.written(self.prefix),
            "MaxKeys": self.size,
            "IsTruncated": listed.next.is_some(),
            "CommonPrefixes": prefixes.collect::<Vec<_>>(),
        });
        fields::set(&mut answer, "Delimiter", self.delimiter.map(|d| self.written(d)));
        fields::set(&mut answer, "EncodingType", self.encoded.then_some("url"));
        answer
    }

    fn object(&self, key: &str, object: &Value) -> Value {
        let mut view = note::members(object, &["ETag", "Size", "LastModified"]);
        view["Key"] = json!(self.written(key));
        let class = fields::text(&object["Headers"], "StorageClass").unwrap_or("STANDARD");
        view["StorageClass"] = json!(class);
        let algorithms = checksums::algorithms(&object["Checksum"]);
        if !algorithms.is_empty() {
            view["ChecksumAlgorithm"] = json!(algorithms);
        }
        view
    }
}

pub(super) fn first(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let asked = Asked::of(platform, input)?;
    let marker = fields::text(input, "Marker").unwrap_or_default();
    let listed = asked.page(platform, marker);
    let mut answer = asked.answer(&listed);
    let objects = listed.objects.iter().map(|(key, object)| {
        let mut view = asked.object(key, object);
        view["Owner"] = acl::owner(platform);
        view
    });
    answer["Contents"] = objects.collect();
    answer["Marker"] = json!(asked.written(marker));
    fields::set(&mut answer, "NextMarker", listed.next.map(|next| asked.written(&next)));
    Ok(Answer::Now(answer))
}

pub(super) fn second(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let asked = Asked::of(platform, input)?;
    let token = fields::text(input, "ContinuationToken");
    let start = fields::text(input, "StartAfter").unwrap_or_default();
    let after = match token {
        None => start.to_owned(),
        Some(token) => {
            let key = BASE64.decode(token).ok().and_then(|key| String::from_utf8(key).ok());
            key.ok_or_else(|| {
                errors::invalid("InvalidArgument", "The continuation token provided is incorrect")
            })?
        }
    };
    let listed = asked.page(platform, &after);
    let mut answer = asked.answer(&listed);
    let with_owner = fields::flag(input, "FetchOwner").unwrap_or(false);
    let objects = listed.objects.iter().map(|(key, object)| {
        let mut view = asked.object(key, object);
        if with_owner {
            view["Owner"] = acl::owner(platform);
        }
        view
    });
    answer["Contents"] = objects.collect();
    answer["KeyCount"] = json!(listed.objects.len() + listed.prefixes.len());
    fields::set(&mut answer, "ContinuationToken", token);
    let start = fields::text(input, "StartAfter").map(|start| asked.written(start));
    fields::set(&mut answer, "StartAfter", start);
    fields::set(&mut answer, "NextContinuationToken", listed.next.map(|next| BASE64.encode(next)));
    Ok(Answer::Now(answer))
}

/// There is one version of each object: the current one.
pub(super) fn versions(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let asked = Asked::of(platform, input)?;
    let marker = fields::text(input, "KeyMarker").unwrap_or_default();
    let listed = asked.page(platform, marker);
    let mut answer = asked.answer(&listed);
    let versions = listed.objects.iter().map(|(key, object)| {
        let mut view = asked.object(key, object);
        view["VersionId"] = json!("null");
        view["IsLatest"] = json!(true);
        view["Owner"] = acl::owner(platform);
        view
    });
    answer["Versions"] = versions.collect();
    answer["KeyMarker"] = json!(asked.written(marker));
    if let Some(next) = listed.next {
        answer["NextKeyMarker"] = json!(asked.written(&next));
        answer["NextVersionIdMarker"] = json!("null");
    }
    Ok(Answer::Now(answer))
}
