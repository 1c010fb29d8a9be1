//! One record of a segment, as bytes: pure encoding, decoding and scanning.
//!
//! ```text
//! crc32c u32 | kind u8, payload length u24 | sequence u64 | timestamp i64 | ingestion i64 | payload
//! ```
//!
//! Everything is little-endian; the checksum covers all that follows it. Sequences of a stream count
//! up by one from record to record, so a stray copy of an old record is not taken for a new one.
//!
//! A broken record with nothing valid behind it is a write that was cut short. A broken one with
//! valid ones behind it is damage: [`scan`] passes over it, because the records behind it may have
//! been seen by readers already and must not be lost.

/// Bytes of a record before its payload.
pub(crate) const HEADER_BYTES: usize = 32;
/// Largest payload, in bytes: a log event of the largest size CloudWatch takes (CWL-PUT-1).
pub(crate) const PAYLOAD_BYTES_MAX: usize = 1 << 20;

/// What a record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A log event; the payload is its message.
    Event,
    /// Lines were dropped here; the payload is their number and bytes, two u64.
    Dropped,
    /// The segment ends here; the next one starts with this record's sequence.
    Seal,
}

/// A record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    pub(crate) kind: Kind,
    pub(crate) sequence: u64,
    pub(crate) timestamp_ms: i64,
    pub(crate) ingestion_ms: i64,
    pub(crate) payload: &'a [u8],
}

/// Appends a record to `out`. The payload must not be longer than [`PAYLOAD_BYTES_MAX`].
pub(crate) fn encode(record: &Record<'_>, out: &mut Vec<u8>) {
    debug_assert!(record.payload.len() <= PAYLOAD_BYTES_MAX, "callers split long payloads");
    let kind = match record.kind {
        Kind::Event => 0,
        Kind::Dropped => 1,
        Kind::Seal => 2,
    };
    let kind_and_length = (record.payload.len() as u32) << 8 | kind;
    let start = out.len();
    let mut header = [0; HEADER_BYTES];
    header[4..8].copy_from_slice(&kind_and_length.to_le_bytes());
    header[8..16].copy_from_slice(&record.sequence.to_le_bytes());
    header[16..24].copy_from_slice(&record.timestamp_ms.to_le_bytes());
    header[24..32].copy_from_slice(&record.ingestion_ms.to_le_bytes());
    out.extend_from_slice(&header);
    out.extend_from_slice(record.payload);
    seal_checksum(&mut out[start..]);
}

fn seal_checksum(record: &mut [u8]) {
    let crc = crc32c::crc32c(&record[4..]);
    record[..4].copy_from_slice(&crc.to_le_bytes());
}

/// Gives the records in `bytes` the sequences from `first` on. They must all be whole.
pub(crate) fn renumber(bytes: &mut [u8], first: u64) {
    let mut at = 0;
    let mut sequence = first;
    while let Some(length) = record_length(&bytes[at..]) {
        let record = &mut bytes[at..at + length];
        record[8..16].copy_from_slice(&sequence.to_le_bytes());
        seal_checksum(record);
        sequence += 1;
        at += length;
    }
}

/// Number of whole records in `bytes`, which starts at a record, and their length.
pub(crate) fn whole_records(bytes: &[u8]) -> (u64, usize) {
    let mut count = 0;
    let mut at = 0;
    while let Some(length) = record_length(&bytes[at..])
        && at + length <= bytes.len()
    {
        at += length;
        count += 1;
    }
    (count, at)
}

fn record_length(bytes: &[u8]) -> Option<usize> {
    let header = bytes.get(..HEADER_BYTES)?;
    Some(HEADER_BYTES + (u32_at(header, 4) >> 8) as usize)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}

/// The valid record at the start of `bytes` and its length, if there is one.
pub(crate) fn decode(bytes: &[u8]) -> Option<(Record<'_>, usize)> {
    let length = record_length(bytes)?;
    let kind = match bytes[4] {
        0 => Kind::Event,
        1 => Kind::Dropped,
        2 => Kind::Seal,
        _ => return None,
    };
    if length > HEADER_BYTES + PAYLOAD_BYTES_MAX {
        return None;
    }
    let record = bytes.get(..length)?;
    if crc32c::crc32c(&record[4..]) != u32_at(record, 0) {
        return None;
    }
    let record = Record {
        kind,
        sequence: u64_at(record, 8),
        timestamp_ms: u64_at(record, 16) as i64,
        ingestion_ms: u64_at(record, 24) as i64,
        payload: &record[HEADER_BYTES..],
    };
    Some((record, length))
}

/// What [`scan`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scanned {
    /// Where the last valid record ends.
    pub(crate) end: usize,
    /// The sequence of the record that would follow.
    pub(crate) next_sequence: u64,
    /// The segment ends here; another one follows.
    pub(crate) is_sealed: bool,
}

/// Visits every valid record of `bytes` with its offset and length. `expected` is the sequence of
/// the first one.
pub(crate) fn scan<'a>(
    bytes: &'a [u8],
    expected: u64,
    visit: impl FnMut(usize, usize, &Record<'a>),
) -> Scanned {
    scan_until(bytes, expected, bytes.len(), visit)
}

/// The same for the first part of a file: ends at a record that may go on behind the part.
pub(crate) fn scan_part<'a>(
    bytes: &'a [u8],
    expected: u64,
    visit: impl FnMut(usize, usize, &Record<'a>),
) -> Scanned {
    let undecided = bytes.len().saturating_sub(HEADER_BYTES + PAYLOAD_BYTES_MAX);
    scan_until(bytes, expected, undecided, visit)
}

/// What cannot be decoded is passed over before `damage_until`, and ends the scan behind it.
fn scan_until<'a>(
    bytes: &'a [u8],
    expected: u64,
    damage_until: usize,
    mut visit: impl FnMut(usize, usize, &Record<'a>),
) -> Scanned {
    let mut found = Scanned { end: 0, next_sequence: expected, is_sealed: false };
    let mut at = 0;
    while at < bytes.len() {
        // Of n skipped bytes at most n / HEADER_BYTES can have been records.
        let latest = found.next_sequence + ((at - found.end) / HEADER_BYTES) as u64;
        let sequence = bytes.get(at + 8..at + 16).map(|word| u64_at(word, 0));
        // Looked at first, because it is cheap and almost never right by chance.
        let is_in_turn = sequence.is_some_and(|s| (found.next_sequence..=latest).contains(&s));
        let decoded = if is_in_turn { decode(&bytes[at..]) } else { None };
        match decoded {
            Some((record, length)) => {
                if record.kind == Kind::Seal {
                    return Scanned {
                        end: at + length,
                        next_sequence: record.sequence,
                        is_sealed: true,
                    };
                }
                visit(at, length, &record);
                at += length;
                found.end = at;
                found.next_sequence = record.sequence + 1;
            }
            None if at < damage_until => at += 1,
            None => break,
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(first: u64, messages: &[&[u8]]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (i, payload) in messages.iter().enumerate() {
            let sequence = first + i as u64;
            let record =
                Record { kind: Kind::Event, sequence, timestamp_ms: 5, ingestion_ms: 6, payload };
            encode(&record, &mut bytes);
        }
        bytes
    }

    fn sequences(bytes: &[u8], expected: u64) -> (Vec<u64>, Scanned) {
        let mut seen = Vec::new();
        let scanned = scan(bytes, expected, |_, _, record| seen.push(record.sequence));
        (seen, scanned)
    }

    #[test]
    fn every_cut_of_the_tail_keeps_what_is_whole() {
        let bytes = events(7, &[b"one", b"", b"three"]);
        let ends: Vec<usize> = vec![0, 35, 67, 104];
        for cut in 0..=bytes.len() {
            let (seen, scanned) = sequences(&bytes[..cut], 7);
            let whole = ends.iter().filter(|end| **end <= cut).count() - 1;
            assert_eq!(seen.len(), whole, "cut at {cut}");
            assert_eq!(scanned.end, ends[whole]);
            assert_eq!(scanned.next_sequence, 7 + whole as u64);
        }
    }

    #[test]
    fn damage_in_the_middle_does_not_hide_what_follows() {
        let bytes = events(1, &[b"one", b"two", b"three"]);
        for at in 35..70 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            let (seen, scanned) = sequences(&damaged, 1);
            assert_eq!(seen, [1, 3], "damage at {at}");
            assert_eq!(scanned.end, bytes.len());
        }
    }

    #[test]
    fn a_stray_record_with_another_sequence_is_not_taken() {
        let mut bytes = events(1, &[b"one"]);
        bytes.extend(events(900, &[b"stray"]));
        assert_eq!(sequences(&bytes, 1).0, [1]);
        bytes.truncate(35);
        bytes.extend(events(1, &[b"again"]));
        assert_eq!(sequences(&bytes, 1).0, [1]);
    }

    #[test]
    fn renumbered_records_are_valid() {
        let mut bytes = events(1, &[b"one", b"two"]);
        renumber(&mut bytes, 40);
        assert_eq!(sequences(&bytes, 40).0, [40, 41]);
        assert_eq!(whole_records(&bytes), (2, bytes.len()));
        assert_eq!(whole_records(&bytes[..bytes.len() - 1]), (1, 35));
    }

    #[test]
    fn a_seal_ends_the_scan() {
        let mut bytes = events(1, &[b"one"]);
        let seal = Record {
            kind: Kind::Seal,
            sequence: 2,
            timestamp_ms: 0,
            ingestion_ms: 0,
            payload: &[],
        };
        encode(&seal, &mut bytes);
        let end = bytes.len();
        bytes.extend(events(2, &[b"behind"]));
        let (seen, scanned) = sequences(&bytes, 1);
        assert_eq!(seen, [1]);
        assert_eq!(scanned, Scanned { end, next_sequence: 2, is_sealed: true });
    }
}
