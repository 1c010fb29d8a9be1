//! Amazon S3: buckets with their settings, and objects for real.
//!
//! Settings of a bucket are records that are given back as they were put; nothing acts on a policy,
//! a lifecycle rule or a notification. An object's bytes are files beside the journal (`Rooms`), its
//! headers, metadata and tags a record; a body may have 64 MiB, larger objects come in parts. They
//! are kept as they are: server-side encryption is a word that is given back.
//!
//! The status of versioning is kept and versions are not: an object has one, called `null`, which is
//! the current one, and deleting it deletes it.

mod acl;
mod buckets;
mod checksums;
mod copy;
mod delete;
mod errors;
mod listing;
mod multipart;
mod objects;
mod parts;
mod preconditions;
mod ranges;
mod settings;
mod tagging;
mod url;

use std::collections::BTreeSet;

use neargate_core::Platform;
use serde_json::Value;

use crate::records::{Records, table};
use crate::{Table, fields};

pub(crate) const OPERATIONS: Table = &[
    ("AbortMultipartUpload", multipart::abort),
    ("CompleteMultipartUpload", multipart::complete),
    ("CopyObject", copy::copy),
    ("CreateBucket", buckets::create),
    ("CreateMultipartUpload", multipart::create),
    ("DeleteBucket", buckets::delete),
    ("DeleteBucketCors", settings::delete::<{ settings::CORS }>),
    ("DeleteBucketEncryption", settings::delete::<{ settings::ENCRYPTION }>),
    ("DeleteBucketLifecycle", settings::delete::<{ settings::LIFECYCLE }>),
    ("DeleteBucketOwnershipControls", settings::delete::<{ settings::OWNERSHIP }>),
    ("DeleteBucketPolicy", settings::delete::<{ settings::POLICY }>),
    ("DeleteBucketReplication", settings::delete::<{ settings::REPLICATION }>),
    ("DeleteBucketTagging", settings::delete::<{ settings::TAGGING }>),
    ("DeleteBucketWebsite", settings::delete::<{ settings::WEBSITE }>),
    ("DeleteObject", delete::one),
    ("DeleteObjectTagging", tagging::delete),
    ("DeleteObjects", delete::many),
    ("DeletePublicAccessBlock", settings::delete::<{ settings::PUBLIC_ACCESS }>),
    ("GetBucketAccelerateConfiguration", settings::get::<{ settings::ACCELERATE }>),
    ("GetBucketAcl", acl::get),
    ("GetBucketCors", settings::get::<{ settings::CORS }>),
    ("GetBucketEncryption", settings::get::<{ settings::ENCRYPTION }>),
    ("GetBucketLifecycleConfiguration", settings::get::<{ settings::LIFECYCLE }>),
    ("GetBucketLocation", buckets::location),
    ("GetBucketLogging", settings::get::<{ settings::LOGGING }>),
    ("GetBucketNotificationConfiguration", settings::get::<{ settings::NOTIFICATION }>),
    ("GetBucketOwnershipControls", settings::get::<{ settings::OWNERSHIP }>),
    ("GetBucketPolicy", settings::get::<{ settings::POLICY }>),
    ("GetBucketPolicyStatus", settings::policy_status),
    ("GetBucketReplication", settings::get::<{ settings::REPLICATION }>),
    ("GetBucketRequestPayment", settings::get::<{ settings::PAYMENT }>),
    ("GetBucketTagging", settings::get::<{ settings::TAGGING }>),
    ("GetBucketVersioning", settings::get::<{ settings::VERSIONING }>),
    ("GetBucketWebsite", settings::get::<{ settings::WEBSITE }>),
    ("GetObject", objects::get),
    ("GetObjectAcl", acl::of_object),
    ("GetObjectLockConfiguration", settings::get::<{ settings::LOCK }>),
    ("GetObjectTagging", tagging::get),
    ("GetPublicAccessBlock", settings::get::<{ settings::PUBLIC_ACCESS }>),
    ("HeadBucket", buckets::head),
    ("HeadObject", objects::head),
    ("ListBuckets", buckets::list),
    ("ListMultipartUploads", parts::uploads),
    ("ListObjectVersions", listing::versions),
    ("ListObjects", listing::first),
    ("ListObjectsV2", listing::second),
    ("ListParts", parts::list),
    ("PutBucketAccelerateConfiguration", settings::put::<{ settings::ACCELERATE }>),
    ("PutBucketAcl", acl::put),
    ("PutBucketCors", settings::put::<{ settings::CORS }>),
    ("PutBucketEncryption", settings::put::<{ settings::ENCRYPTION }>),
    ("PutBucketLifecycleConfiguration", settings::put::<{ settings::LIFECYCLE }>),
    ("PutBucketLogging", settings::put::<{ settings::LOGGING }>),
    ("PutBucketNotificationConfiguration", settings::put::<{ settings::NOTIFICATION }>),
    ("PutBucketOwnershipControls", settings::put::<{ settings::OWNERSHIP }>),
    ("PutBucketPolicy", settings::put::<{ settings::POLICY }>),
    ("PutBucketReplication", settings::put::<{ settings::REPLICATION }>),
    ("PutBucketRequestPayment", settings::put::<{ settings::PAYMENT }>),
    ("PutBucketTagging", settings::put::<{ settings::TAGGING }>),
    ("PutBucketVersioning", settings::put::<{ settings::VERSIONING }>),
    ("PutBucketWebsite", settings::put::<{ settings::WEBSITE }>),
    ("PutObject", objects::put),
    ("PutObjectLockConfiguration", settings::put::<{ settings::LOCK }>),
    ("PutObjectTagging", tagging::put),
    ("PutPublicAccessBlock", settings::put::<{ settings::PUBLIC_ACCESS }>),
    ("UploadPart", parts::upload),
    ("UploadPartCopy", copy::part),
];

/// `{"Created", "Acl"}` by name.
const BUCKETS: Records = table("s3", "bucket");
/// What was put, by `<bucket>/<setting>`.
const SETTINGS: Records = table("s3", "setting");
/// `{"Size", "ETag", "LastModified", "Headers", "Metadata", "Tags", "Checksum", "Pieces"}` by
/// `<bucket>/<key>`.
const OBJECTS: Records = table("s3", "object");
/// `{"Key", "UploadId", "Initiated", ..}` by `<bucket>/<upload>`.
const UPLOADS: Records = table("s3", "upload");
/// As objects, by `<upload>/<number with five digits>`.
const PARTS: Records = table("s3", "part");

/// The bytes of a record: `(id, size)`, in order.
fn pieces(record: &Value) -> Vec<(String, u64)> {
    let piece = |piece: &Value| Some((fields::owned(piece, "Id")?, fields::number(piece, "Size")?));
    fields::list(record, "Pieces").iter().filter_map(piece).collect()
}

/// The ids of all bytes that some record names; no others are needed.
#[must_use]
pub fn objects_in_use(platform: &Platform) -> BTreeSet<String> {
    let records = OBJECTS.all(platform).chain(PARTS.all(platform));
    records.flat_map(|(_, record)| pieces(&record)).map(|(id, _)| id).collect()
}

/// What an object or a bucket is kept under beside its bucket.
fn under(bucket: &str, name: &str) -> String {
    format!("{bucket}/{name}")
}

/// The bucket and the key that the input names.
fn names(input: &Value) -> (&str, &str) {
    let name = |member| fields::text(input, member).unwrap_or_default();
    (name("Bucket"), name("Key"))
}
