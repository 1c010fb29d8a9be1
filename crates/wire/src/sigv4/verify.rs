//! Holds a request's signature against the one its sender's secret gives.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use subtle::ConstantTimeEq as _;

use super::canonical::{Encoding, canonical_request};
use super::credential::{Claim, claim};
use super::signing::{sha256_hex, signature, string_to_sign};
use super::{Auth, AuthError};
use crate::HttpRequest;

/// How far clocks may be apart, in milliseconds.
const SKEW_MS: i64 = 15 * 60 * 1000;
const DATE: &str = "%Y%m%dT%H%M%SZ";
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";
/// Bodies in signed or checksummed chunks name themselves; the head's signature covers the word.
pub(super) const STREAMING: &str = "STREAMING-";
/// The one service with its own rules in the specification of SigV4 itself.
const S3: &str = "s3";

/// Says whether the request may pass. `now_ms` are milliseconds since 1970.
///
/// # Errors
/// What is wrong with the signature.
pub fn verify(request: &HttpRequest, auth: &Auth, now_ms: u64) -> Result<(), AuthError> {
    let Auth::Strict { lookup } = auth else { return Ok(()) };
    let claim = claim(request)?;
    check_headers(request, &claim)?;
    check_time(&claim, now_ms)?;
    let secret = lookup(&claim.key(now_ms))?;
    let is_s3 = claim.scope.service == S3;
    let encoding = if is_s3 { Encoding::Once } else { Encoding::Twice };
    let payload = payload(request, claim.expires.is_some() && is_s3)?;
    let canonical = canonical_request(request, &claim.signed_headers, &payload, encoding);
    let to_sign = string_to_sign(&claim.date, &claim.scope, &canonical);
    let expected = signature(&secret, &claim.scope, &to_sign);
    let equal: bool = expected.as_bytes().ct_eq(claim.signature.as_bytes()).into();
    if equal { Ok(()) } else { Err(AuthError::Mismatch) }
}

/// The host and all that AWS itself gives a meaning must be covered, or could be changed.
fn check_headers(request: &HttpRequest, claim: &Claim) -> Result<(), AuthError> {
    let signed = |name: &str| claim.signed_headers.iter().any(|n| n.eq_ignore_ascii_case(name));
    if !signed("host") {
        return Err(AuthError::Incomplete("'Host' must be a signed header".to_owned()));
    }
    for (name, _) in &request.headers {
        let is_ours = name.get(..6).is_some_and(|head| head.eq_ignore_ascii_case("x-amz-"));
        if is_ours && !signed(name) {
            return Err(AuthError::Incomplete(format!(
                "There were headers present in the request which were not signed: {name}"
            )));
        }
    }
    Ok(())
}

fn check_time(claim: &Claim, now_ms: u64) -> Result<(), AuthError> {
    let date = jiff::civil::DateTime::strptime(DATE, &claim.date)
        .and_then(|date| date.to_zoned(TimeZone::UTC))
        .map_err(|_| {
            AuthError::Incomplete(format!(
                "Date must be in ISO-8601 'basic format'. Got '{}'.",
                claim.date
            ))
        })?;
    if claim.date.get(..8) != Some(claim.scope.date.as_str()) {
        return Err(AuthError::Incomplete(format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from \
             HTTP: '{}' != '{}'",
            claim.scope.date, claim.date
        )));
    }
    let signed = date.timestamp().as_millisecond();
    let now = i64::try_from(now_ms).unwrap_or(i64::MAX);
    let basic = |milliseconds: i64| {
        let time = Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::UNIX_EPOCH);
        time.to_zoned(TimeZone::UTC).strftime(DATE).to_string()
    };
    if signed > now.saturating_add(SKEW_MS) {
        return Err(AuthError::Skewed(format!(
            "Signature not yet current: {} is still later than {} ({} + 15 min.)",
            claim.date,
            basic(now.saturating_add(SKEW_MS)),
            basic(now)
        )));
    }
    match claim.expires {
        Some(seconds) => {
            let until = signed.saturating_add_unsigned(seconds * 1000);
            if now > until { Err(AuthError::Expired) } else { Ok(()) }
        }
        None if signed < now.saturating_sub(SKEW_MS) => Err(AuthError::Skewed(format!(
            "Signature expired: {} is now earlier than {} ({} - 15 min.)",
            claim.date,
            basic(now.saturating_sub(SKEW_MS)),
            basic(now)
        ))),
        None => Ok(()),
    }
}

/// What stands for the body in the canonical request.
fn payload(request: &HttpRequest, presigned_s3: bool) -> Result<String, AuthError> {
    match request.header("x-amz-content-sha256") {
        Some(word) if word == UNSIGNED || word.starts_with(STREAMING) => Ok(word.to_owned()),
        Some(hash) => {
            let computed = sha256_hex(&request.body);
            if hash == computed { Ok(computed) } else { Err(AuthError::Body) }
        }
        None if presigned_s3 => Ok(UNSIGNED.to_owned()),
        None => Ok(sha256_hex(&request.body)),
    }
}
