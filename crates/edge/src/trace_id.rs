//! X-Amzn-Trace-Id (ALB-HDR-4).

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};

/// Larger headers in all leave room for a lone Root only.
const MAX_HEADER_BYTES: usize = 7 * 1024;

/// Makes the ids of one worker.
#[derive(Debug)]
pub(crate) struct TraceIds {
    state: Cell<u64>,
}

impl TraceIds {
    /// Seeded differently in every worker and process.
    pub(crate) fn new() -> Self {
        Self { state: Cell::new(RandomState::new().hash_one(0u8)) }
    }

    /// SplitMix64: ids must differ, not be unpredictable.
    fn next(&self) -> u64 {
        let state = self.state.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
        self.state.set(state);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Writes the value for the target. `existing` is what the client sent, `header_bytes` the
    /// size of all its headers, `epoch_s` the time.
    pub(crate) fn write(
        &self,
        out: &mut Vec<u8>,
        existing: Option<&[u8]>,
        header_bytes: usize,
        epoch_s: u64,
    ) {
        let existing = existing.filter(|_| header_bytes <= MAX_HEADER_BYTES);
        let Some(existing) = existing else {
            out.extend_from_slice(b"Root=");
            self.write_id(out, epoch_s);
            return;
        };
        let kept: Vec<&[u8]> = existing
            .split(|b| *b == b';')
            .map(|field| field.trim_ascii())
            .filter(|field| !field.is_empty() && !field.starts_with(b"Self="))
            .collect();
        let has_root = kept.iter().any(|field| field.starts_with(b"Root="));
        out.extend_from_slice(if has_root { b"Self=" } else { b"Root=" });
        self.write_id(out, epoch_s);
        for field in kept {
            out.push(b';');
            out.extend_from_slice(field);
        }
    }

    /// `1-<8 hex epoch seconds>-<24 hex>`
    fn write_id(&self, out: &mut Vec<u8>, epoch_s: u64) {
        let mut id = *b"1-00000000-000000000000000000000000";
        // The low 32 bits hold the time until 2106.
        write_hex(&mut id[2..10], epoch_s);
        write_hex(&mut id[11..27], self.next());
        write_hex(&mut id[27..], self.next());
        out.extend_from_slice(&id);
    }
}

/// Fills the slice with the lowest hexadecimal digits of the value.
fn write_hex(out: &mut [u8], mut value: u64) {
    for digit in out.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(value & 0xF) as usize];
        value >>= 4;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(existing: Option<&str>, header_bytes: usize) -> String {
        let mut out = Vec::new();
        let existing = existing.map(str::as_bytes);
        TraceIds::new().write(&mut out, existing, header_bytes, 0x5759_e988);
        String::from_utf8(out).unwrap()
    }

    /// Replaces the random part.
    fn shape(value: &str) -> String {
        let at = value.find("=1-").unwrap() + 3;
        let (time, random) = (&value[at..at + 8], &value[at + 9..at + 33]);
        assert_eq!(time, "5759e988");
        assert!(random.bytes().all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase()));
        value.replacen(random, "R", 1)
    }

    #[test]
    fn alb_hdr_4_root_self_and_the_rest() {
        let other = "Root=1-67891233-abcdef012345678912345678";
        for (existing, bytes, expected) in [
            (None, 100, "Root=1-5759e988-R".to_owned()),
            (Some(other), 100, format!("Self=1-5759e988-R;{other}")),
            (
                Some("Self=1-1-x;Root=1-2-y;CalledFrom=app"),
                100,
                "Self=1-5759e988-R;Root=1-2-y;CalledFrom=app".to_owned(),
            ),
            (Some("CalledFrom=app"), 100, "Root=1-5759e988-R;CalledFrom=app".to_owned()),
            (Some(other), 8000, "Root=1-5759e988-R".to_owned()),
        ] {
            assert_eq!(shape(&value(existing, bytes)), expected);
        }
    }

    #[test]
    fn ids_differ() {
        let ids = TraceIds::new();
        let mut seen = std::collections::HashSet::new();
        for _ in 0..1000 {
            let mut out = Vec::new();
            ids.write(&mut out, None, 0, 1);
            assert!(seen.insert(out));
        }
    }
}
