//! Reading a certificate: as much of X.509 as ACM shows.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// What a certificate says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Certificate {
    /// Bytes in hexadecimal, with colons between.
    serial: String,
    issuer: Vec<Attribute>,
    subject: Vec<Attribute>,
    /// Epoch seconds.
    not_before: i64,
    not_after: i64,
    /// In the words of ACM.
    pub(super) key_algorithm: &'static str,
    signature_algorithm: &'static str,
    /// The DNS names it is for.
    pub(super) names: Vec<String>,
}

/// One part of a distinguished name: its short name, and its value.
type Attribute = (&'static str, String);

/// The first certificate in a PEM text; `None` when there is none that can be read.
pub(super) fn read(pem: &str) -> Option<Certificate> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    let (_, rest) = pem.split_once(BEGIN)?;
    let (text, _) = rest.split_once("-----END CERTIFICATE-----")?;
    let text: String = text.chars().filter(|letter| !letter.is_whitespace()).collect();
    certificate(&STANDARD.decode(text).ok()?)
}

impl Certificate {
    /// The name that it goes by.
    pub(super) fn domain(&self) -> String {
        let common = self.subject.iter().find(|(name, _)| *name == "CN");
        common.map(|(_, value)| value).or(self.names.first()).cloned().unwrap_or_default()
    }

    /// Puts what it says into what DescribeCertificate shows.
    pub(super) fn describe(&self, view: &mut Value) {
        let part = |parts: &[Attribute], wanted: &str| {
            parts.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.clone())
        };
        let issuer = part(&self.issuer, "O").or_else(|| part(&self.issuer, "CN"));
        let subject: Vec<String> =
            self.subject.iter().map(|(name, value)| format!("{name}={value}")).collect();
        view["Serial"] = json!(self.serial);
        view["Subject"] = json!(subject.join(","));
        view["Issuer"] = json!(issuer.unwrap_or_default());
        view["NotBefore"] = json!(self.not_before);
        view["NotAfter"] = json!(self.not_after);
        view["SignatureAlgorithm"] = json!(self.signature_algorithm);
        view["KeyUsages"] =
            json!([{ "Name": "DIGITAL_SIGNATURE" }, { "Name": "KEY_ENCIPHERMENT" }]);
        view["ExtendedKeyUsages"] =
            json!([{ "Name": "TLS_WEB_SERVER_AUTHENTICATION", "OID": "1.3.6.1.5.5.7.3.1" }]);
    }
}

/// One element of DER: its tag and its content.
type Element<'a> = (u8, &'a [u8]);

const INTEGER: u8 = 0x02;
const BITS: u8 = 0x03;
const OCTETS: u8 = 0x04;
const OID: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERAL_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
/// The version of a certificate, which one of version 1 leaves out.
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
/// A DNS name among the names of a certificate.
const DNS_NAME: u8 = 0x82;

/// The first element and what follows it.
fn first(bytes: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&length, rest) = rest.split_first()?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(length), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
            (digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some(((tag, content), rest))
}

/// All elements, up to the first that cannot be read.
fn elements(mut bytes: &[u8]) -> impl Iterator<Item = Element<'_>> {
    std::iter::from_fn(move || {
        let (element, rest) = first(bytes)?;
        bytes = rest;
        Some(element)
    })
}

/// The content of the next element if it has that tag.
fn next<'a>(elements: &mut impl Iterator<Item = Element<'a>>, tag: u8) -> Option<&'a [u8]> {
    elements.next().filter(|(found, _)| *found == tag).map(|(_, content)| content)
}

fn certificate(der: &[u8]) -> Option<Certificate> {
    let whole = next(&mut elements(der), SEQUENCE)?;
    let mut parts = elements(whole);
    let mut fields = elements(next(&mut parts, SEQUENCE)?).filter(|(tag, _)| *tag != VERSION);
    let signature = next(&mut parts, SEQUENCE)?;
    let serial = next(&mut fields, INTEGER)?;
    next(&mut fields, SEQUENCE)?;
    let issuer = next(&mut fields, SEQUENCE)?;
    let mut validity = elements(next(&mut fields, SEQUENCE)?);
    let subject = next(&mut fields, SEQUENCE)?;
    let key = next(&mut fields, SEQUENCE)?;
    let extensions = fields.find(|(tag, _)| *tag == EXTENSIONS).map(|(_, content)| content);
    let serial: Vec<String> = serial
        .iter()
        .skip(usize::from(serial.len() > 1 && serial[0] == 0))
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Some(Certificate {
        serial: serial.join(":"),
        issuer: distinguished(issuer),
        subject: distinguished(subject),
        not_before: time(validity.next()?)?,
        not_after: time(validity.next()?)?,
        key_algorithm: key_algorithm(key)?,
        signature_algorithm: signature_algorithm(signature),
        names: extensions.and_then(names).unwrap_or_default(),
    })
}

fn distinguished(name: &[u8]) -> Vec<Attribute> {
    let attribute = |content: &[u8]| {
        let mut parts = elements(content);
        let kind = match next(&mut parts, OID)? {
            [0x55, 0x04, 0x03] => "CN",
            [0x55, 0x04, 0x06] => "C",
            [0x55, 0x04, 0x07] => "L",
            [0x55, 0x04, 0x08] => "ST",
            [0x55, 0x04, 0x0a] => "O",
            [0x55, 0x04, 0x0b] => "OU",
            _ => return None,
        };
        Some((kind, String::from_utf8_lossy(parts.next()?.1).into_owned()))
    };
    let sets = elements(name).flat_map(|(_, set)| elements(set));
    sets.filter_map(|(_, content)| attribute(content)).collect()
}

/// `YYMMDDhhmmssZ` or `YYYYMMDDhhmmssZ`.
fn time((tag, content): Element<'_>) -> Option<i64> {
    let text = std::str::from_utf8(content).ok()?;
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = text.split_at_checked(2)?;
            let year: i64 = year.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        GENERAL_TIME => {
            let (year, rest) = text.split_at_checked(4)?;
            (year.parse().ok()?, rest)
        }
        _ => return None,
    };
    let part = |place: usize| rest.get(2 * place..2 * place + 2)?.parse::<i64>().ok();
    let (month, day) = (part(0)?, part(1)?);
    // Days since 1970, with years that begin in March so that a leap day comes last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let in_year = (153 * month + 2) / 5 + day - 1;
    let days = 365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let days = days + in_year - 719_468;
    Some(days * 86_400 + part(2)? * 3600 + part(3)? * 60 + part(4)?)
}

fn key_algorithm(key: &[u8]) -> Option<&'static str> {
    let mut parts = elements(key);
    let mut algorithm = elements(next(&mut parts, SEQUENCE)?);
    Some(match next(&mut algorithm, OID)? {
        // rsaEncryption: the modulus tells how long it is.
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01] => {
            let bits = next(&mut parts, BITS)?.get(1..)?;
            let modulus = next(&mut elements(next(&mut elements(bits), SEQUENCE)?), INTEGER)?;
            match modulus.len() {
                0..=129 => "RSA_1024",
                130..=257 => "RSA_2048",
                258..=385 => "RSA_3072",
                _ => "RSA_4096",
            }
        }
        // id-ecPublicKey: the curve follows.
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01] => match next(&mut algorithm, OID)? {
            [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07] => "EC_prime256v1",
            [0x2b, 0x81, 0x04, 0x00, 0x22] => "EC_secp384r1",
            [0x2b, 0x81, 0x04, 0x00, 0x23] => "EC_secp521r1",
            _ => return None,
        },
        _ => return None,
    })
}

fn signature_algorithm(signature: &[u8]) -> &'static str {
    match next(&mut elements(signature), OID) {
        Some([0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, kind]) => match *kind {
            5 => "SHA1WITHRSA",
            12 => "SHA384WITHRSA",
            13 => "SHA512WITHRSA",
            _ => "SHA256WITHRSA",
        },
        Some([0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03]) => "SHA384WITHECDSA",
        Some([0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04]) => "SHA512WITHECDSA",
        _ => "SHA256WITHECDSA",
    }
}

/// The DNS names in the extension subjectAltName.
fn names(extensions: &[u8]) -> Option<Vec<String>> {
    let list = next(&mut elements(extensions), SEQUENCE)?;
    let own = elements(list).find_map(|(_, extension)| {
        let mut parts = elements(extension);
        if next(&mut parts, OID)? != [0x55, 0x1d, 0x11] {
            return None;
        }
        // Whether it is critical may stand between.
        parts.find(|(tag, _)| *tag == OCTETS).map(|(_, content)| content)
    })?;
    let names = elements(next(&mut elements(own), SEQUENCE)?);
    let dns = names.filter(|(tag, _)| *tag == DNS_NAME);
    Some(dns.map(|(_, name)| String::from_utf8_lossy(name).into_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of RSA with 2048 bits for two names, until 2100.
    const RSA: &str = include_str!("x509_rsa.pem");
    /// Of EC for one, in the form of before 2050.
    const EC: &str = include_str!("x509_ec.pem");

    #[test]
    fn a_certificate_is_read() {
        let rsa = read(RSA).expect("readable");
        assert_eq!(rsa.domain(), "shop.test");
        assert_eq!(rsa.names, ["shop.test", "*.shop.test"]);
        assert_eq!((rsa.key_algorithm, rsa.signature_algorithm), ("RSA_2048", "SHA256WITHRSA"));
        assert_eq!(rsa.issuer, [("O", "Shop".to_owned()), ("CN", "shop.test".to_owned())]);
        assert_eq!((rsa.not_before, rsa.not_after), (1_709_210_096, 4_102_444_799));
        assert_eq!(rsa.serial, "0a:0b:0c");
        let ec = read(EC).expect("readable");
        assert_eq!(
            (ec.key_algorithm, ec.signature_algorithm),
            ("EC_prime256v1", "SHA256WITHECDSA")
        );
        assert_eq!(ec.not_after, 1_767_225_599);
    }

    #[test]
    fn what_is_no_certificate_or_not_whole_is_not_read() {
        assert_eq!(read("no certificate"), None);
        let (_, rest) = RSA.split_once("-----\n").expect("a header");
        let text: String = rest.split("-----").next().expect("a body").split_whitespace().collect();
        let der = STANDARD.decode(text).expect("base64");
        for length in 0..der.len() {
            assert_eq!(certificate(&der[..length]), None, "cut after {length} bytes");
        }
    }
}
