//! Names of log groups and streams: the rules CloudWatch has for them, and how they are written as
//! file names.
//!
//! Names contain `/` and may be longer than a file name can be. `/`, `%`, `~`, control characters
//! and a leading dot are percent-encoded; what is then too long for one file name becomes several
//! nested directories, all but the last ending in `~`. The way back is exact.

use std::path::PathBuf;

use crate::error::Error;

/// Longest piece of a name in one file name, in bytes. File names have at most 255; a leading dot
/// adds two.
const PIECE_BYTES: usize = 240;
/// Longest name, in characters (CWL-GRP-1).
const NAME_CHARS: usize = 512;

/// Checks a log group's name (CWL-GRP-1).
pub(crate) fn check_group(name: &str) -> Result<(), Error> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '/' | '.' | '#');
    let reason = if name.is_empty() {
        "it is empty"
    } else if name.chars().count() > NAME_CHARS {
        "it is too long"
    } else if name.starts_with("aws/") {
        "names starting with 'aws/' are reserved"
    } else if !name.chars().all(allowed) {
        "it has a character that is not allowed"
    } else {
        return Ok(());
    };
    Err(Error::InvalidGroupName { name: name.to_owned(), reason })
}

/// Checks a log stream's name (CWL-GRP-1).
pub(crate) fn check_stream(name: &str) -> Result<(), Error> {
    let reason = if name.is_empty() {
        "it is empty"
    } else if name.chars().count() > NAME_CHARS {
        "it is too long"
    } else if name.contains([':', '*']) {
        "it has a ':' or a '*'"
    } else {
        return Ok(());
    };
    Err(Error::InvalidStreamName { name: name.to_owned(), reason })
}

/// The directory of a name, relative to the directory of all names of its kind.
pub(crate) fn encode(name: &str) -> PathBuf {
    let mut pieces = vec![String::new()];
    for character in name.chars() {
        let mut buffer = [0; 4];
        let text = character.encode_utf8(&mut buffer);
        let piece = pieces.len() - 1;
        if pieces[piece].len() + 3 * text.len() > PIECE_BYTES {
            pieces[piece].push('~');
            pieces.push(String::new());
        }
        let Some(piece) = pieces.last_mut() else { continue };
        let is_plain = !matches!(character, '/' | '%' | '~') && !character.is_control();
        if is_plain && !(piece.is_empty() && character == '.') {
            piece.push(character);
        } else {
            for byte in text.bytes() {
                piece.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    pieces.iter().collect()
}

/// Whether a directory's name is a piece that goes on in a directory below it.
pub(crate) fn goes_on(piece: &str) -> bool {
    piece.ends_with('~')
}

/// The name whose pieces, joined, are `encoded`; `None` when no name is written like this.
pub(crate) fn decode(encoded: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'~' => {}
            b'%' => {
                let (digits, after) = rest.split_at_checked(2)?;
                let digits = std::str::from_utf8(digits).ok()?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                rest = after;
            }
            _ => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_group_is_readable_on_disk() {
        assert_eq!(encode("/ecs/prod/api"), PathBuf::from("%2Fecs%2Fprod%2Fapi"));
        assert_eq!(encode(".."), PathBuf::from("%2E."));
    }

    #[test]
    fn cwl_grp_1_rules_for_names() {
        for good in ["/ecs/a_b-c.d#e", "a", "/aws/ecs/broxiva-prod/api"] {
            assert!(check_group(good).is_ok(), "{good}");
        }
        let long = "a".repeat(513);
        for bad in ["", "aws/x", "a b", "ä", long.as_str(), "a:b"] {
            assert!(check_group(bad).is_err(), "{bad}");
        }
        assert!(check_stream("web/api/0123 ü%~").is_ok());
        for bad in ["", "a:b", "a*", long.as_str()] {
            assert!(check_stream(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_name_comes_back_and_fits_in_file_names(name in "[^:*]{1,512}") {
            let path = encode(&name);
            let pieces: Vec<_> =
                path.iter().map(|piece| piece.to_str().unwrap().to_owned()).collect();
            let (last, before) = pieces.split_last().unwrap();
            prop_assert!(before.iter().all(|piece| goes_on(piece)) && !goes_on(last));
            for piece in &pieces {
                prop_assert!(piece.len() <= 255 && piece != "." && piece != "..");
            }
            prop_assert_eq!(decode(&pieces.concat()), Some(name));
        }
    }
}
