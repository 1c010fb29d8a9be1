//! ECR: repositories and the images in them.

use serde_json::{Value, json};

use crate::rig::{Rig, WALL_MS, text};

fn ecr(rig: &mut Rig, name: &str, input: Value) -> Value {
    rig.call("ecr", name, input).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn create(rig: &mut Rig, members: Value) -> Value {
    let mut input = json!({ "repositoryName": "shop/api" });
    input.as_object_mut().expect("object").extend(members.as_object().cloned().expect("object"));
    ecr(rig, "CreateRepository", input)["repository"].clone()
}

/// An index of nothing is the smallest image.
fn manifest(label: &str) -> String {
    json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [],
        "annotations": { "label": label },
    })
    .to_string()
}

fn push(rig: &mut Rig, label: &str, tag: &str) -> String {
    let input = json!({
        "repositoryName": "shop/api", "imageManifest": manifest(label), "imageTag": tag,
    });
    text(&ecr(rig, "PutImage", input)["image"]["imageId"]["imageDigest"])
}

/// As Terraform's `aws_ecr_repository` reads it back.
#[test]
fn a_repository_is_described_as_it_was_made_and_changed() {
    let mut rig = Rig::new();
    let made = create(
        &mut rig,
        json!({
            "imageTagMutability": "IMMUTABLE",
            "imageScanningConfiguration": { "scanOnPush": true },
            "encryptionConfiguration": { "encryptionType": "AES256" },
            "tags": [{ "Key": "env", "Value": "prod" }],
        }),
    );
    let arn = "arn:aws:ecr:us-east-1:000000000000:repository/shop/api";
    assert_eq!(
        made,
        json!({
            "repositoryArn": arn,
            "registryId": "000000000000",
            "repositoryName": "shop/api",
            "repositoryUri": "000000000000.dkr.ecr.us-east-1.amazonaws.com/shop/api",
            "createdAt": made["createdAt"],
            "imageTagMutability": "IMMUTABLE",
            "imageScanningConfiguration": { "scanOnPush": true },
            "encryptionConfiguration": { "encryptionType": "AES256" },
        })
    );
    let repository = json!({ "repositoryName": "shop/api" });
    let mutable = json!({
        "repositoryName": "shop/api", "imageTagMutability": "IMMUTABLE_WITH_EXCLUSION",
        "imageTagMutabilityExclusionFilters": [{ "filterType": "WILDCARD", "filter": "dev-*" }],
    });
    ecr(&mut rig, "PutImageTagMutability", mutable.clone());
    let scanning = json!({
        "repositoryName": "shop/api", "imageScanningConfiguration": { "scanOnPush": false },
    });
    ecr(&mut rig, "PutImageScanningConfiguration", scanning);
    let tag = json!({ "resourceArn": arn, "tags": [{ "Key": "team", "Value": "a" }] });
    ecr(&mut rig, "TagResource", tag);
    ecr(&mut rig, "UntagResource", json!({ "resourceArn": arn, "tagKeys": ["env"] }));
    let found = ecr(&mut rig, "DescribeRepositories", json!({ "repositoryNames": ["shop/api"] }));
    let found = &found["repositories"][0];
    assert_eq!(found["imageTagMutability"], "IMMUTABLE_WITH_EXCLUSION");
    assert_eq!(
        found["imageTagMutabilityExclusionFilters"],
        mutable["imageTagMutabilityExclusionFilters"]
    );
    assert_eq!(found["imageScanningConfiguration"], json!({ "scanOnPush": false }));
    let tags = ecr(&mut rig, "ListTagsForResource", json!({ "resourceArn": arn }));
    assert_eq!(tags["tags"], json!([{ "Key": "team", "Value": "a" }]));
    ecr(&mut rig, "DeleteRepository", repository.clone());
    let gone = json!({ "repositoryNames": ["shop/api"] });
    let (code, message) = rig.refuses("ecr", "DescribeRepositories", gone);
    assert_eq!(code, "RepositoryNotFoundException");
    // ERR-ECR-1.
    assert_eq!(
        message,
        "The repository with name 'shop/api' does not exist in the registry with id '000000000000'"
    );
}

/// ERR-ECR-1, SM-58: as `batch-get-image` and `put-image` move a tag back.
#[test]
fn images_are_described_tagged_and_deleted() {
    let mut rig = Rig::new();
    create(&mut rig, json!({}));
    let (code, _) = rig.refuses("ecr", "CreateRepository", json!({ "repositoryName": "shop/api" }));
    assert_eq!(code, "RepositoryAlreadyExistsException");
    let first = push(&mut rig, "first", "v1");
    let second = push(&mut rig, "second", "latest");
    let by_tag = json!({ "repositoryName": "shop/api", "imageIds": [{ "imageTag": "v1" }, { "imageTag": "v9" }] });
    let got = ecr(&mut rig, "BatchGetImage", by_tag);
    assert_eq!(got["images"][0]["imageManifest"], manifest("first"));
    assert_eq!(got["failures"][0]["failureCode"], "ImageNotFound");
    push(&mut rig, "first", "latest");
    let again = json!({
        "repositoryName": "shop/api", "imageManifest": manifest("first"), "imageTag": "latest",
    });
    assert_eq!(rig.refuses("ecr", "PutImage", again).0, "ImageAlreadyExistsException");
    let listed = json!({ "repositoryName": "shop/api" });
    let described = ecr(&mut rig, "DescribeImages", listed.clone());
    let tags = |digest: &str| {
        let images = described["imageDetails"].as_array().expect("a list");
        let image = images.iter().find(|image| image["imageDigest"] == digest).expect("there");
        image["imageTags"].clone()
    };
    assert_eq!((tags(&first), tags(&second)), (json!(["latest", "v1"]), Value::Null));
    let ids = ecr(&mut rig, "ListImages", listed.clone());
    assert_eq!(ids["imageIds"].as_array().map(Vec::len), Some(3));
    let untagged = json!({ "repositoryName": "shop/api", "filter": { "tagStatus": "UNTAGGED" } });
    let ids = ecr(&mut rig, "ListImages", untagged);
    assert_eq!(ids["imageIds"], json!([{ "imageDigest": second }]));
    let (code, _) = rig.refuses("ecr", "DeleteRepository", listed.clone());
    assert_eq!(code, "RepositoryNotEmptyException");
    let (code, message) = rig.refuses(
        "ecr",
        "DescribeImages",
        json!({ "repositoryName": "shop/api", "imageIds": [{ "imageTag": "v9" }] }),
    );
    assert_eq!(code, "ImageNotFoundException");
    assert!(message.contains("imageTag:'v9'"), "{message}");
    let delete = json!({ "repositoryName": "shop/api", "imageIds": [{ "imageDigest": second }] });
    let deleted = ecr(&mut rig, "BatchDeleteImage", delete);
    assert_eq!(deleted["imageIds"], json!([{ "imageDigest": second }]));
    ecr(&mut rig, "DeleteRepository", json!({ "repositoryName": "shop/api", "force": true }));
}

#[test]
fn policies_are_kept_and_tried() {
    let mut rig = Rig::new();
    create(&mut rig, json!({}));
    let repository = json!({ "repositoryName": "shop/api" });
    let missing = rig.refuses("ecr", "GetLifecyclePolicy", repository.clone());
    assert_eq!(missing.0, "LifecyclePolicyNotFoundException");
    let policy = json!({ "rules": [{
        "rulePriority": 1,
        "selection": { "tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 1 },
        "action": { "type": "expire" },
    }] })
    .to_string();
    let input = json!({ "repositoryName": "shop/api", "lifecyclePolicyText": policy });
    ecr(&mut rig, "PutLifecyclePolicy", input);
    let got = ecr(&mut rig, "GetLifecyclePolicy", repository.clone());
    assert_eq!(got["lifecyclePolicyText"], json!(policy));
    let wrong = json!({ "repositoryName": "shop/api", "lifecyclePolicyText": r#"{"rules":[{"rulePriority":0}]}"# });
    assert_eq!(rig.refuses("ecr", "PutLifecyclePolicy", wrong).0, "InvalidParameterException");
    push(&mut rig, "first", "v1");
    push(&mut rig, "second", "v2");
    let started = ecr(&mut rig, "StartLifecyclePolicyPreview", repository.clone());
    assert_eq!(started["status"], "IN_PROGRESS");
    let preview = ecr(&mut rig, "GetLifecyclePolicyPreview", repository.clone());
    assert_eq!(preview["status"], "COMPLETE");
    assert_eq!(preview["summary"]["expiringImageTotalCount"], 1);
    assert_eq!(preview["previewResults"][0]["appliedRulePriority"], 1);
    ecr(&mut rig, "DeleteLifecyclePolicy", repository.clone());
    let text = r#"{"Version":"2012-10-17","Statement":[]}"#;
    let set = json!({ "repositoryName": "shop/api", "policyText": text });
    ecr(&mut rig, "SetRepositoryPolicy", set);
    assert_eq!(ecr(&mut rig, "GetRepositoryPolicy", repository.clone())["policyText"], text);
    ecr(&mut rig, "DeleteRepositoryPolicy", repository.clone());
    let missing = rig.refuses("ecr", "GetRepositoryPolicy", repository);
    assert_eq!(missing.0, "RepositoryPolicyNotFoundException");
}

#[test]
fn the_login_is_for_the_platforms_registry() {
    let mut rig = Rig::new();
    let answer = ecr(&mut rig, "GetAuthorizationToken", json!({}));
    let data = &answer["authorizationData"][0];
    assert_eq!(data["proxyEndpoint"], "http://127.0.0.1:4566");
    assert_eq!(data["expiresAt"], (WALL_MS + 12 * 3_600_000) as f64 / 1000.0);
    assert!(text(&data["authorizationToken"]).starts_with("QVdTO"), "base64 of `AWS:`");
}
