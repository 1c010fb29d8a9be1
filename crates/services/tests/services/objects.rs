//! S3: buckets, what can be put on them, and objects with real bytes. And CloudFront before them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use crate::rig::{Rig, text};

const BUCKET: &str = "shop-site";

fn s3(rig: &mut Rig, name: &str, mut input: Value) -> Value {
    input["Bucket"] = json!(BUCKET);
    rig.call("s3", name, input).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn refused(rig: &mut Rig, name: &str, mut input: Value) -> (u16, String) {
    input["Bucket"] = json!(BUCKET);
    let error = rig.call("s3", name, input).expect_err("refused");
    (error.status, error.code)
}

fn rig() -> Rig {
    let mut rig = Rig::new();
    s3(&mut rig, "CreateBucket", json!({}));
    rig
}

fn put(rig: &mut Rig, key: &str, body: &str) -> Value {
    s3(rig, "PutObject", json!({ "Key": key, "Body": BASE64.encode(body) }))
}

/// The bytes of the files that an answer consists of.
fn body(answer: &Value) -> String {
    let files = answer["Body"]["files"].as_array().into_iter().flatten();
    let part = |file: &Value| {
        let bytes = std::fs::read(text(&file["path"])).expect("the file is there");
        let number = |member: &str| file[member].as_u64().expect("a number") as usize;
        bytes[number("offset")..number("offset") + number("length")].to_vec()
    };
    String::from_utf8(files.flat_map(part).collect()).expect("text")
}

/// The table of aws-operations.md, section 3.
#[test]
fn what_is_not_configured_is_an_error_by_its_name() {
    let mut rig = rig();
    for (name, code) in [
        ("GetBucketCors", "NoSuchCORSConfiguration"),
        ("GetBucketEncryption", "ServerSideEncryptionConfigurationNotFoundError"),
        ("GetBucketLifecycleConfiguration", "NoSuchLifecycleConfiguration"),
        ("GetObjectLockConfiguration", "ObjectLockConfigurationNotFoundError"),
        ("GetBucketPolicy", "NoSuchBucketPolicy"),
        ("GetPublicAccessBlock", "NoSuchPublicAccessBlockConfiguration"),
        ("GetBucketReplication", "ReplicationConfigurationNotFoundError"),
        ("GetBucketTagging", "NoSuchTagSet"),
        ("GetBucketWebsite", "NoSuchWebsiteConfiguration"),
    ] {
        assert_eq!(refused(&mut rig, name, json!({})), (404, code.to_owned()), "{name}");
    }
    for name in ["GetBucketVersioning", "GetBucketLogging", "GetBucketAccelerateConfiguration"] {
        assert_eq!(s3(&mut rig, name, json!({})), json!({}), "{name}");
    }
    assert_eq!(s3(&mut rig, "GetBucketRequestPayment", json!({}))["Payer"], "BucketOwner");
    let cors = json!({ "CORSRules": [{ "AllowedMethods": ["GET"], "AllowedOrigins": ["*"] }] });
    s3(&mut rig, "PutBucketCors", json!({ "CORSConfiguration": cors }));
    assert_eq!(s3(&mut rig, "GetBucketCors", json!({})), cors);
    s3(&mut rig, "DeleteBucketCors", json!({}));
    assert_eq!(refused(&mut rig, "GetBucketCors", json!({})).0, 404);
    let missing = rig.call("s3", "HeadBucket", json!({ "Bucket": "none" })).expect_err("none");
    assert_eq!(missing.status, 404);
}

#[test]
fn objects_come_back_whole_in_ranges_and_as_copies() {
    let mut rig = rig();
    let etag = put(&mut rig, "a/hello", "hello, world")["ETag"].clone();
    assert_eq!(etag, "\"e4d7f1b4ed2e42d15898f4b27b019da4\"", "MD5 of the bytes");
    let get = |rig: &mut Rig, key: &str, range: Option<&str>| {
        let mut input = json!({ "Key": key });
        if let Some(range) = range {
            input["Range"] = json!(range);
        }
        s3(rig, "GetObject", input)
    };
    assert_eq!(body(&get(&mut rig, "a/hello", None)), "hello, world");
    let part = get(&mut rig, "a/hello", Some("bytes=7-"));
    assert_eq!((body(&part), &part["ContentRange"]), ("world".into(), &json!("bytes 7-11/12")));
    let beyond = json!({ "Key": "a/hello", "Range": "bytes=12-" });
    assert_eq!(refused(&mut rig, "GetObject", beyond), (416, "InvalidRange".into()));
    let known = json!({ "Key": "a/hello", "IfNoneMatch": etag });
    assert_eq!(refused(&mut rig, "GetObject", known).0, 304);
    let copy = json!({ "Key": "b", "CopySource": format!("{BUCKET}/a%2Fhello") });
    s3(&mut rig, "CopyObject", copy);
    put(&mut rig, "a/hello", "other");
    assert_eq!(body(&get(&mut rig, "b", None)), "hello, world", "a copy is one of its own");
    s3(&mut rig, "DeleteObject", json!({ "Key": "a/hello" }));
    let gone = refused(&mut rig, "GetObject", json!({ "Key": "a/hello" }));
    assert_eq!(gone, (404, "NoSuchKey".into()));
    assert_eq!(refused(&mut rig, "DeleteBucket", json!({})), (409, "BucketNotEmpty".into()));
    let used = neargate_services::objects_in_use(&rig.platform);
    assert_eq!(used.len(), 1, "only the copy's bytes are needed");
    let wrong = json!({ "Key": "c", "Body": BASE64.encode("x"), "ChecksumCRC32": "AAAAAA==" });
    assert_eq!(refused(&mut rig, "PutObject", wrong), (400, "BadDigest".into()));
}

#[test]
fn listings_fold_prefixes_and_go_on_over_pages() {
    let mut rig = rig();
    for key in ["a", "b/1", "b/2", "c/1", "d"] {
        put(&mut rig, key, "x");
    }
    let mut found = Vec::new();
    let mut token = Value::Null;
    loop {
        let mut input = json!({ "Delimiter": "/", "MaxKeys": 1 });
        if !token.is_null() {
            input["ContinuationToken"] = token;
        }
        let page = s3(&mut rig, "ListObjectsV2", input);
        assert_eq!(page["KeyCount"], 1);
        let named = |list: &str, member: &str| page[list][0][member].as_str().map(str::to_owned);
        found.extend(named("Contents", "Key").or(named("CommonPrefixes", "Prefix")));
        token = page["NextContinuationToken"].clone();
        if page["IsTruncated"] == false {
            break;
        }
    }
    assert_eq!(found, ["a", "b/", "c/", "d"]);
    let under = s3(&mut rig, "ListObjects", json!({ "Prefix": "b/", "Marker": "b/1" }));
    assert_eq!(
        (&under["Contents"][0]["Key"], &under["IsTruncated"]),
        (&json!("b/2"), &json!(false))
    );
}

#[test]
fn uploads_in_parts_become_one_object() {
    let mut rig = rig();
    let upload = s3(&mut rig, "CreateMultipartUpload", json!({ "Key": "big" }));
    let id = upload["UploadId"].clone();
    let large = "x".repeat(5 << 20);
    let mut parts = Vec::new();
    for (number, body) in [(1, large.as_str()), (2, "end")] {
        let input = json!({
            "Key": "big", "UploadId": id, "PartNumber": number, "Body": BASE64.encode(body),
        });
        let etag = s3(&mut rig, "UploadPart", input)["ETag"].clone();
        parts.push(json!({ "PartNumber": number, "ETag": etag }));
    }
    let with = |parts: &[Value]| json!({ "Key": "big", "UploadId": id, "MultipartUpload": { "Parts": parts } });
    let turned = with(&[parts[1].clone(), parts[0].clone()]);
    let error = refused(&mut rig, "CompleteMultipartUpload", turned);
    assert_eq!(error, (400, "InvalidPartOrder".into()));
    let done = s3(&mut rig, "CompleteMultipartUpload", with(&parts));
    assert!(text(&done["ETag"]).ends_with("-2\""), "{done}");
    let seam = json!({ "Key": "big", "Range": format!("bytes={}-", (5 << 20) - 2) });
    assert_eq!(body(&s3(&mut rig, "GetObject", seam)), "xxend");
    let late = refused(&mut rig, "AbortMultipartUpload", json!({ "Key": "big", "UploadId": id }));
    assert_eq!(late, (404, "NoSuchUpload".into()));
}

/// Section 2: disable, then delete with the ETag of that.
#[test]
fn a_distribution_is_disabled_before_it_goes() {
    let mut rig = Rig::new();
    let mut config = json!({
        "CallerReference": "one", "Comment": "", "Enabled": true,
        "Origins": { "Quantity": 1, "Items": [{ "Id": "site", "DomainName": "a.example" }] },
        "DefaultCacheBehavior": { "TargetOriginId": "site", "ViewerProtocolPolicy": "allow-all" },
    });
    let mut call = |name: &str, input: Value| rig.call("cloudfront", name, input);
    let made = call("CreateDistribution", json!({ "DistributionConfig": config })).expect("made");
    let id = made["Distribution"]["Id"].clone();
    assert_eq!(made["Distribution"]["Status"], "Deployed");
    let delete = |etag: &Value| json!({ "Id": id, "IfMatch": etag });
    let error = call("DeleteDistribution", delete(&made["ETag"])).expect_err("enabled");
    assert_eq!((error.status, error.code.as_str()), (409, "DistributionNotDisabled"));
    config["Enabled"] = json!(false);
    let update = json!({ "Id": id, "IfMatch": made["ETag"], "DistributionConfig": config });
    let off = call("UpdateDistribution", update).expect("updated");
    let error = call("DeleteDistribution", delete(&made["ETag"])).expect_err("an old ETag");
    assert_eq!((error.status, error.code.as_str()), (412, "PreconditionFailed"));
    call("DeleteDistribution", delete(&off["ETag"])).expect("deleted");
    let error = call("GetDistribution", json!({ "Id": id })).expect_err("gone");
    assert_eq!((error.status, error.code.as_str()), (404, "NoSuchDistribution"));
}
