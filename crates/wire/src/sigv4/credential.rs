//! What a request says about its signature: in the Authorization header, or in the query string of
//! a presigned one.

use std::collections::HashMap;

use super::{AuthError, Key};
use crate::{HttpRequest, uri};

/// The only algorithm.
pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const TERMINATOR: &str = "aws4_request";
/// Parameters of a query string that are looked at.
pub(super) const PARAMETERS: usize = 4096;

/// A credential: `KEY/DATE/REGION/SERVICE/aws4_request`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// Whose.
    pub access_key: String,
    /// Day, `YYYYMMDD`.
    pub date: String,
    /// Region the client means.
    pub region: String,
    /// Signing name of the service.
    pub service: String,
}

impl Scope {
    fn parse(credential: &str) -> Option<Self> {
        let mut parts = credential.rsplitn(5, '/');
        let terminator = parts.next()?;
        let mut next = || parts.next().filter(|part| !part.is_empty()).map(str::to_owned);
        let (service, region, date, access_key) = (next()?, next()?, next()?, next()?);
        (terminator == TERMINATOR).then_some(Self { access_key, date, region, service })
    }

    /// What stands in the string to sign.
    pub(super) fn path(&self) -> String {
        format!("{}/{}/{}/{TERMINATOR}", self.date, self.region, self.service)
    }
}

/// A signature with all that belongs to it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) scope: Scope,
    pub(super) signed_headers: Vec<String>,
    pub(super) signature: String,
    /// `YYYYMMDDTHHMMSSZ`.
    pub(super) date: String,
    /// Seconds, of a presigned request.
    pub(super) expires: Option<u64>,
    pub(super) session_token: Option<String>,
}

/// The scope a request names, whether or not it is rightly signed: it says which service is meant.
#[must_use]
pub fn scope_of(request: &HttpRequest) -> Option<Scope> {
    if let Some(header) = request.header("authorization") {
        let at = header.find("Credential=")? + "Credential=".len();
        return Scope::parse(header[at..].split([',', ' ']).next()?);
    }
    let (_, query) = uri::split(&request.uri);
    let pairs = uri::pairs(query.as_bytes(), false, PARAMETERS).ok()?;
    let credential = pairs.iter().find(|(name, _)| name == "X-Amz-Credential")?;
    Scope::parse(&credential.1)
}

impl Claim {
    /// Whose secret it must be signed with.
    pub(super) fn key(&self, now_ms: u64) -> Key<'_> {
        let session_token = self.session_token.as_deref();
        Key { access_key: &self.scope.access_key, session_token, now_ms }
    }
}

pub(super) fn claim(request: &HttpRequest) -> Result<Claim, AuthError> {
    match request.header("authorization") {
        Some(header) => from_header(request, header),
        None => from_query(request),
    }
}

fn incomplete(what: &str) -> AuthError {
    AuthError::Incomplete(what.to_owned())
}

fn from_header(request: &HttpRequest, header: &str) -> Result<Claim, AuthError> {
    let fields = header.trim().strip_prefix(ALGORITHM).ok_or_else(|| {
        incomplete("Authorization header requires the algorithm 'AWS4-HMAC-SHA256'.")
    })?;
    let fields: HashMap<&str, &str> =
        fields.split(',').filter_map(|field| field.trim().split_once('=')).collect();
    let field = |name: &str| {
        fields.get(name).copied().ok_or_else(|| {
            AuthError::Incomplete(format!("Authorization header requires '{name}' parameter."))
        })
    };
    let date = request.header("x-amz-date").or_else(|| request.header("date"));
    let date = date.ok_or_else(|| {
        incomplete(
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.",
        )
    })?;
    Ok(Claim {
        scope: scope(field("Credential")?)?,
        signed_headers: names(field("SignedHeaders")?),
        signature: field("Signature")?.to_owned(),
        date: date.trim().to_owned(),
        expires: None,
        session_token: request.header("x-amz-security-token").map(str::to_owned),
    })
}

fn from_query(request: &HttpRequest) -> Result<Claim, AuthError> {
    let (_, query) = uri::split(&request.uri);
    let pairs = uri::pairs(query.as_bytes(), false, PARAMETERS).map_err(|error| {
        AuthError::Incomplete(format!("The query string cannot be read: {error}"))
    })?;
    let find = |name: &str| pairs.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    let algorithm = find("X-Amz-Algorithm").ok_or(AuthError::Missing)?;
    if algorithm != ALGORITHM {
        return Err(incomplete("X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\""));
    }
    let field = |name: &str| {
        find(name).ok_or_else(|| {
            AuthError::Incomplete(format!("AWS query-string parameters must include '{name}'."))
        })
    };
    /// A week.
    const LONGEST: u64 = 604_800;
    let expires = field("X-Amz-Expires")?.parse().ok().filter(|seconds| *seconds <= LONGEST);
    Ok(Claim {
        scope: scope(field("X-Amz-Credential")?)?,
        signed_headers: names(field("X-Amz-SignedHeaders")?),
        signature: field("X-Amz-Signature")?.to_owned(),
        date: field("X-Amz-Date")?.to_owned(),
        expires: Some(expires.ok_or_else(|| {
            incomplete("X-Amz-Expires must be a number of seconds of at most a week")
        })?),
        session_token: find("X-Amz-Security-Token").map(str::to_owned),
    })
}

fn scope(credential: &str) -> Result<Scope, AuthError> {
    Scope::parse(credential).ok_or_else(|| {
        AuthError::Incomplete(format!(
            "Credential must have exactly 5 slash-delimited elements, e.g. \
             keyid/date/region/service/term, got '{credential}'"
        ))
    })
}

fn names(list: &str) -> Vec<String> {
    list.split(';').filter(|name| !name.is_empty()).map(str::to_ascii_lowercase).collect()
}
