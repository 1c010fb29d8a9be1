//! The home's own certificate authority: whoever trusts its certificate trusts every certificate
//! that the platform gives out, as browsers trust those of AWS.
//!
//! Key and certificate are made when the first certificate is asked for, and stay. The key lies in
//! the home for its owner alone, as the key of the secrets does; the certificate is there to be put
//! into a trust store.

use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use neargate_services::Issued;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};

/// Days that a certificate is good for, as with AWS.
const CERTIFICATE_DAYS: i64 = 395;
/// Days that the authority's own is good for: ten years.
const AUTHORITY_DAYS: i64 = 3652;
const NAME: &str = "Neargate";

/// Whoever can issue certificates.
pub(crate) struct Authority {
    key_file: PathBuf,
    certificate_file: PathBuf,
    /// Once it has been needed.
    opened: Mutex<Option<Opened>>,
}

struct Opened {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

impl Authority {
    /// With key and certificate in these files, or the two made there when they are needed.
    pub(crate) fn new(key_file: PathBuf, certificate_file: PathBuf) -> Self {
        Self { key_file, certificate_file, opened: Mutex::new(None) }
    }

    /// A certificate for these names. The error says why there is none.
    pub(crate) fn issue(&self, domains: &[&str]) -> Result<Issued, String> {
        let failed = |error: &dyn std::fmt::Display| {
            let names = domains.join(", ");
            format!("issue a certificate for {names} with {}: {error}", self.key_file.display())
        };
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let authority = match opened.take() {
            Some(authority) => opened.insert(authority),
            None => opened.insert(self.open().map_err(|error| failed(&error))?),
        };
        let names: Vec<String> = domains.iter().map(|name| (*name).to_owned()).collect();
        let first = names.first().cloned().unwrap_or_default();
        let issue = || {
            let mut params = CertificateParams::new(names)?;
            params.distinguished_name.push(DnType::CommonName, first);
            params.key_usages =
                vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            params.use_authority_key_identifier_extension = true;
            for_days(&mut params, CERTIFICATE_DAYS);
            let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
            let certificate = params.signed_by(&key, &authority.issuer)?;
            Ok::<_, rcgen::Error>((certificate.pem(), key.serialize_pem()))
        };
        let (certificate, private_key) = issue().map_err(|error| failed(&error))?;
        Ok(Issued { certificate, chain: authority.certificate.clone(), private_key })
    }

    fn open(&self) -> io::Result<Opened> {
        let key = match std::fs::read_to_string(&self.key_file) {
            Ok(pem) => KeyPair::from_pem(&pem).map_err(io::Error::other)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let key =
                    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(io::Error::other)?;
                write_whole(&self.key_file, &key.serialize_pem(), 0o600)?;
                key
            }
            Err(error) => return Err(error),
        };
        let params = own_params();
        let certificate = match std::fs::read_to_string(&self.certificate_file) {
            Ok(pem) => pem,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let pem = params.self_signed(&key).map_err(io::Error::other)?.pem();
                write_whole(&self.certificate_file, &pem, 0o644)?;
                pem
            }
            Err(error) => return Err(error),
        };
        Ok(Opened { issuer: Issuer::new(params, key), certificate })
    }
}

/// What the authority says about itself; the same whenever it is opened, but for the days.
fn own_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::OrganizationName, NAME);
    params.distinguished_name.push(DnType::CommonName, "Neargate local authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    for_days(&mut params, AUTHORITY_DAYS);
    params
}

/// Good from yesterday on: clocks differ.
fn for_days(params: &mut CertificateParams, days: i64) {
    let now = Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let on = |days: i64| {
        let date = now.saturating_add(jiff::Span::new().days(days));
        rcgen::date_time_ymd(
            date.year().into(),
            date.month().unsigned_abs(),
            date.day().unsigned_abs(),
        )
    };
    params.not_before = on(-1);
    params.not_after = on(days);
}

/// Whole or not there, and durable when this returns.
fn write_whole(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(mode).open(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    match path.parent() {
        Some(directory) => std::fs::File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn one_authority_vouches_for_every_certificate_of_a_home() {
        let home = tempfile::tempdir().expect("directory");
        let path = |name: &str| home.path().join(name);
        let authority = || Authority::new(path("authority.key"), path("authority.pem"));
        let first = authority().issue(&["shop.test", "*.shop.test"]).expect("issued");
        let again = authority().issue(&["shop.test"]).expect("issued");
        assert_eq!(first.chain, again.chain, "another engine on the same home goes on with it");
        assert_ne!(first.private_key, again.private_key);
        assert!(first.certificate.starts_with("-----BEGIN CERTIFICATE-----"));
        assert!(first.private_key.contains("PRIVATE KEY-----"));
        let mode = std::fs::metadata(path("authority.key")).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(std::fs::read_to_string(path("authority.pem")).expect("there"), first.chain);
        std::fs::write(path("authority.key"), "no key").expect("written");
        let error = authority().issue(&["shop.test"]).err().expect("refused");
        assert!(error.contains("authority.key"), "{error}");
    }
}
