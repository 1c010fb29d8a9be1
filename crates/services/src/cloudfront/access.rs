//! How a distribution shows an origin who it is: identities, and the controls that came after them.

use neargate_core::Platform;
use serde_json::{Value, json};

use super::{CONTROLS, DISTRIBUTIONS, IDENTITIES, check_etag, error, id, paged};
use crate::error::AwsError;
use crate::records::{Ids, Records};
use crate::{Answer, arn, fields};

/// One of the two kinds.
struct Kind {
    records: Records,
    /// The member that shows it, and the one with what a client says of it.
    shown: &'static str,
    config: &'static str,
    /// Where it is, in a URL.
    path: &'static str,
    missing: &'static str,
    in_use: &'static str,
}

const IDENTITY: Kind = Kind {
    records: IDENTITIES,
    shown: "CloudFrontOriginAccessIdentity",
    config: "CloudFrontOriginAccessIdentityConfig",
    path: "origin-access-identity/cloudfront",
    missing: "NoSuchCloudFrontOriginAccessIdentity",
    in_use: "CloudFrontOriginAccessIdentityInUse",
};
const CONTROL: Kind = Kind {
    records: CONTROLS,
    shown: "OriginAccessControl",
    config: "OriginAccessControlConfig",
    path: "origin-access-control",
    missing: "NoSuchOriginAccessControl",
    in_use: "OriginAccessControlInUse",
};

impl Kind {
    fn find(&self, platform: &Platform, input: &Value) -> Result<(String, Value), AwsError> {
        let id = fields::owned(input, "Id").unwrap_or_default();
        match self.records.get(platform, &id) {
            Some(record) => Ok((id, record)),
            None => Err(error(
                404,
                self.missing,
                format!("The specified {} does not exist.", self.shown),
            )),
        }
    }

    fn view(&self, id: &str, record: &Value) -> Value {
        let mut view = json!({ "Id": id, self.config: record["config"] });
        if self.path == IDENTITY.path {
            let user: String = (0..6u8)
                .map(|n| format!("{:016x}", arn::derived(&[id.as_bytes(), &[n]])))
                .collect();
            view["S3CanonicalUserId"] = json!(user);
        }
        view
    }

    fn answer(&self, id: &str, record: &Value) -> Value {
        json!({ self.shown: self.view(id, record), "ETag": record["ETag"] })
    }

    fn create(&self, platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
        let mut ids = Ids::of(platform);
        let (name, etag) = (id(&mut ids), id(&mut ids));
        let record = json!({ "config": input[self.config], "ETag": etag });
        let mut answer = self.answer(&name, &record);
        let base = "https://cloudfront.amazonaws.com/2020-05-31";
        answer["Location"] = json!(format!("{base}/{}/{name}", self.path));
        let commands = vec![self.records.put(&name, &record), ids.taken()];
        Answer::after(commands, move |_| answer)
    }

    fn get(&self, platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
        let (id, record) = self.find(platform, input)?;
        Ok(Answer::Now(self.answer(&id, &record)))
    }

    fn update(&self, platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
        let (name, mut record) = self.find(platform, input)?;
        check_etag(input, &record)?;
        let mut ids = Ids::of(platform);
        record["config"] = input[self.config].clone();
        record["ETag"] = json!(id(&mut ids));
        let answer = self.answer(&name, &record);
        let commands = vec![self.records.put(&name, &record), ids.taken()];
        Answer::after(commands, move |_| answer)
    }

    fn delete(&self, platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
        let (id, record) = self.find(platform, input)?;
        check_etag(input, &record)?;
        let path = format!("origin-access-identity/cloudfront/{id}");
        let uses = |origin: &Value| {
            origin["OriginAccessControlId"] == *id
                || origin["S3OriginConfig"]["OriginAccessIdentity"] == *path
        };
        let mut distributions = DISTRIBUTIONS.all(platform);
        if distributions
            .any(|(_, d)| fields::list(&d["config"]["Origins"], "Items").iter().any(uses))
        {
            let why = "It cannot be deleted because it is in use by one or more distributions.";
            return Err(error(409, self.in_use, why));
        }
        Answer::after(vec![self.records.remove(&id)], |_| json!({}))
    }

    /// A listing shows the members of the configuration beside the id.
    fn list(&self, platform: &Platform, input: &Value, member: &str) -> Value {
        let all = self.records.all(platform).map(|(id, record)| {
            let mut view = self.view(id, &record);
            let config = view[self.config].take();
            if let Some(view) = view.as_object_mut() {
                view.remove(self.config);
            }
            for (name, value) in config.as_object().into_iter().flatten() {
                if name != "CallerReference" {
                    view[name] = value.clone();
                }
            }
            (id.to_owned(), view)
        });
        json!({ member: paged(input, all.collect()) })
    }
}

pub(super) fn create_identity(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    IDENTITY.create(platform, input)
}

pub(super) fn identity(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    IDENTITY.get(platform, input)
}

pub(super) fn identity_config(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let (_, record) = IDENTITY.find(platform, input)?;
    let answer = json!({ IDENTITY.config: record["config"], "ETag": record["ETag"] });
    Ok(Answer::Now(answer))
}

pub(super) fn identities(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    Ok(Answer::Now(IDENTITY.list(platform, input, "CloudFrontOriginAccessIdentityList")))
}

pub(super) fn update_identity(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    IDENTITY.update(platform, input)
}

pub(super) fn delete_identity(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    IDENTITY.delete(platform, input)
}

pub(super) fn create_control(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let name = &input[CONTROL.config]["Name"];
    if CONTROLS.all(platform).any(|(_, other)| other["config"]["Name"] == *name) {
        let why = "An origin access control with the same name already exists.";
        return Err(error(409, "OriginAccessControlAlreadyExists", why));
    }
    CONTROL.create(platform, input)
}

pub(super) fn control(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    CONTROL.get(platform, input)
}

pub(super) fn controls(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    Ok(Answer::Now(CONTROL.list(platform, input, "OriginAccessControlList")))
}

pub(super) fn update_control(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    CONTROL.update(platform, input)
}

pub(super) fn delete_control(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    CONTROL.delete(platform, input)
}
