//! The sums that come with bytes: checked, kept and given back.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use neargate_objects::{Algorithm, Md5, digest};
use serde_json::{Value, json};

use super::errors;
use crate::error::AwsError;
use crate::{fields, note};

/// Member, name of the algorithm, algorithm.
const KNOWN: [(&str, &str, Algorithm); 5] = [
    ("ChecksumCRC32", "CRC32", Algorithm::Crc32),
    ("ChecksumCRC32C", "CRC32C", Algorithm::Crc32c),
    ("ChecksumCRC64NVME", "CRC64NVME", Algorithm::Crc64Nvme),
    ("ChecksumSHA1", "SHA1", Algorithm::Sha1),
    ("ChecksumSHA256", "SHA256", Algorithm::Sha256),
];
pub(super) const MEMBERS: [&str; 5] =
    ["ChecksumCRC32", "ChecksumCRC32C", "ChecksumCRC64NVME", "ChecksumSHA1", "ChecksumSHA256"];

/// Holds the bytes against what the input says of them; the sums to be kept.
pub(super) fn check(input: &Value, bytes: &[u8]) -> Result<Value, AwsError> {
    if let Some(wanted) = fields::text(input, "ContentMD5") {
        match BASE64.decode(wanted) {
            Ok(wanted) if wanted.len() == 16 => {
                if wanted != Md5::of(bytes) {
                    let why = "The Content-MD5 you specified did not match what we received.";
                    return Err(errors::invalid("BadDigest", why));
                }
            }
            _ => {
                let why = "The Content-MD5 you specified was invalid.";
                return Err(errors::invalid("InvalidDigest", why));
            }
        }
    }
    for (member, name, algorithm) in KNOWN {
        let Some(wanted) = fields::text(input, member) else { continue };
        if wanted != BASE64.encode(digest(algorithm, bytes)) {
            let why = format!("The {name} you specified did not match the calculated checksum.");
            return Err(errors::invalid("BadDigest", &why));
        }
    }
    let mut sums = note::members(input, &MEMBERS);
    // Named and not sent: to be summed up here.
    let asked = fields::text(input, "ChecksumAlgorithm");
    let asked = KNOWN.iter().find(|(_, name, _)| Some(*name) == asked);
    if let Some((member, _, algorithm)) = asked
        && !fields::sent(&sums, member)
    {
        sums[*member] = json!(BASE64.encode(digest(*algorithm, bytes)));
    }
    Ok(sums)
}

/// The sum of the sums of parts, as a whole object in parts has it: `<sum>-<parts>`.
pub(super) fn composite(name: &str, parts: &[Value]) -> Option<(&'static str, String)> {
    let (member, _, algorithm) = KNOWN.iter().find(|(_, known, _)| *known == name)?;
    let mut sums = Vec::new();
    for part in parts {
        sums.extend(BASE64.decode(fields::text(&part["Checksum"], member)?).ok()?);
    }
    let sum = BASE64.encode(digest(*algorithm, &sums));
    Some((*member, format!("{sum}-{}", parts.len())))
}

/// The names of the algorithms of these sums.
pub(super) fn algorithms(sums: &Value) -> Vec<&'static str> {
    let there = KNOWN.iter().filter(|(member, ..)| fields::sent(sums, member));
    there.map(|(_, name, _)| *name).collect()
}

/// MD5 as an ETag shows it, in its quotes.
pub(super) fn etag(md5: &[u8; 16]) -> String {
    format!("\"{}\"", hex(md5))
}

/// The ETag of an object in parts: MD5 of the parts' MD5s, and how many they are.
pub(super) fn etag_of_parts(etags: &[String]) -> String {
    let mut md5 = Md5::default();
    for etag in etags {
        let hex = etag.trim_matches('"').as_bytes();
        let pairs = hex.chunks(2).filter_map(|pair| std::str::from_utf8(pair).ok());
        let bytes: Vec<u8> = pairs.filter_map(|pair| u8::from_str_radix(pair, 16).ok()).collect();
        md5.update(&bytes);
    }
    format!("\"{}-{}\"", hex(&md5.finish()), etags.len())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
