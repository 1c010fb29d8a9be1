//! The bytes of segments and snapshots. Pure: encoding and decoding, no files.

/// Starts every segment.
const SEGMENT_MAGIC: [u8; 8] = *b"NGATEJNL";
/// Starts every snapshot.
const SNAPSHOT_MAGIC: [u8; 8] = *b"NGATESNP";
/// Of both formats.
pub(crate) const VERSION: u32 = 1;
/// Magic, version, number, checksum.
pub(crate) const HEADER_LEN: usize = 24;
/// Length, count, checksum.
const BATCH_HEADER_LEN: usize = 12;
/// The most bytes in one batch: far above any real one, far below what its length field holds.
pub(crate) const MAX_BATCH: usize = 1 << 30;

/// What a header says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Header {
    /// As expected.
    Good,
    /// Readable, but of another format version.
    OtherVersion(u32),
    /// Not a header of that kind and number.
    Bad,
}

/// The header of a segment.
pub(crate) fn segment_header(number: u64) -> [u8; HEADER_LEN] {
    header(SEGMENT_MAGIC, number)
}

/// What the first bytes of a segment say.
pub(crate) fn check_segment_header(bytes: &[u8], number: u64) -> Header {
    check_header(bytes, SEGMENT_MAGIC, number)
}

fn header(magic: [u8; 8], number: u64) -> [u8; HEADER_LEN] {
    let mut bytes = [0; HEADER_LEN];
    bytes[..8].copy_from_slice(&magic);
    bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
    bytes[12..20].copy_from_slice(&number.to_le_bytes());
    let checksum = crc32c::crc32c(&bytes[..20]);
    bytes[20..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

fn check_header(bytes: &[u8], magic: [u8; 8], number: u64) -> Header {
    let Some(bytes) = bytes.get(..HEADER_LEN) else { return Header::Bad };
    if bytes[..8] != magic || read_u32(bytes, 20) != Some(crc32c::crc32c(&bytes[..20])) {
        return Header::Bad;
    }
    match read_u32(bytes, 8) {
        Some(VERSION) if bytes[12..20] == number.to_le_bytes() => Header::Good,
        Some(VERSION) | None => Header::Bad,
        Some(other) => Header::OtherVersion(other),
    }
}

/// Bytes that `entries` take as one batch.
pub(crate) fn batch_len(entries: &[Vec<u8>]) -> usize {
    BATCH_HEADER_LEN + entries.iter().map(|entry| 4 + entry.len()).sum::<usize>()
}

/// One batch, as it stands at `offset` of segment `number`. At most [`MAX_BATCH`] bytes.
pub(crate) fn encode_batch(number: u64, offset: u64, entries: &[Vec<u8>]) -> Vec<u8> {
    let total = batch_len(entries);
    let mut bytes = Vec::with_capacity(total);
    bytes.extend_from_slice(&((total - BATCH_HEADER_LEN) as u32).to_le_bytes());
    bytes.extend_from_slice(&(entries.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    for entry in entries {
        bytes.extend_from_slice(&(entry.len() as u32).to_le_bytes());
        bytes.extend_from_slice(entry);
    }
    let checksum = batch_checksum(number, offset, &bytes);
    bytes[8..BATCH_HEADER_LEN].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

/// Covers the batch except its checksum field, and where it stands.
fn batch_checksum(number: u64, offset: u64, batch: &[u8]) -> u32 {
    let mut checksum = crc32c::crc32c(&number.to_le_bytes());
    checksum = crc32c::crc32c_append(checksum, &offset.to_le_bytes());
    checksum = crc32c::crc32c_append(checksum, &batch[..8]);
    crc32c::crc32c_append(checksum, &batch[BATCH_HEADER_LEN..])
}

/// The whole batch at `offset`, if there is a valid one.
fn batch_at(segment: &[u8], number: u64, offset: usize) -> Option<&[u8]> {
    let length = read_u32(segment, offset)? as usize;
    let end = offset.checked_add(BATCH_HEADER_LEN)?.checked_add(length)?;
    // Every batch has an entry and every entry a length: zeros are no batch.
    if !(4..=MAX_BATCH).contains(&length) || end > segment.len() {
        return None;
    }
    let batch = &segment[offset..end];
    let stored = read_u32(batch, 8)?;
    (stored == batch_checksum(number, offset as u64, batch)).then_some(batch)
}

/// How the batches of a segment end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// With the segment.
    Clean,
    /// With bytes from this offset on that are no batch, and none after them.
    Torn(usize),
    /// Broken at this offset, although valid batches follow.
    Damaged(usize),
}

/// Takes the entries out of a segment whose header is good.
pub(crate) fn decode_batches(segment: &[u8], number: u64, entries: &mut Vec<Vec<u8>>) -> End {
    let mut offset = HEADER_LEN;
    while offset < segment.len() {
        let Some(batch) = batch_at(segment, number, offset) else {
            let follows =
                (offset + 1..segment.len()).any(|at| batch_at(segment, number, at).is_some());
            return if follows { End::Damaged(offset) } else { End::Torn(offset) };
        };
        if split_batch(batch, entries).is_none() {
            return End::Damaged(offset);
        }
        offset += batch.len();
    }
    End::Clean
}

/// `None` when the lengths inside do not add up although the checksum is right.
fn split_batch(batch: &[u8], entries: &mut Vec<Vec<u8>>) -> Option<()> {
    let count = read_u32(batch, 4)?;
    let mut at = BATCH_HEADER_LEN;
    for _ in 0..count {
        let length = read_u32(batch, at)? as usize;
        entries.push(batch.get(at + 4..at + 4 + length)?.to_vec());
        at += 4 + length;
    }
    (at == batch.len()).then_some(())
}

/// What precedes the payload of a snapshot file.
pub(crate) fn snapshot_header(number: u64, payload: &[u8]) -> Vec<u8> {
    let mut bytes = header(SNAPSHOT_MAGIC, number).to_vec();
    bytes.extend_from_slice(&(payload.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&crc32c::crc32c(payload).to_le_bytes());
    bytes
}

/// Why a snapshot cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum BadSnapshot {
    /// Of another format version.
    OtherVersion(u32),
    /// What, and where.
    Damaged(&'static str, usize),
}

/// The payload of a snapshot file.
pub(crate) fn decode_snapshot(mut file: Vec<u8>, number: u64) -> Result<Vec<u8>, BadSnapshot> {
    match check_header(&file, SNAPSHOT_MAGIC, number) {
        Header::Good => {}
        Header::OtherVersion(version) => return Err(BadSnapshot::OtherVersion(version)),
        Header::Bad => return Err(BadSnapshot::Damaged("its header is broken", 0)),
    }
    let start = HEADER_LEN + 12;
    let payload = file.get(start..).unwrap_or_default();
    let length = file.get(HEADER_LEN..HEADER_LEN + 8);
    if length != Some(&(payload.len() as u64).to_le_bytes()[..]) {
        return Err(BadSnapshot::Damaged("its length is not the recorded one", HEADER_LEN));
    }
    if read_u32(&file, HEADER_LEN + 8) != Some(crc32c::crc32c(payload)) {
        return Err(BadSnapshot::Damaged("its checksum does not match", HEADER_LEN + 8));
    }
    file.drain(..start);
    Ok(file)
}

fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    let field = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes([field[0], field[1], field[2], field[3]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A batch copied to another place, as a stray block would be, is not taken for one.
    #[test]
    fn a_batch_is_valid_only_where_it_was_written() {
        let batch = encode_batch(1, HEADER_LEN as u64, &[b"entry".to_vec()]);
        let mut good = segment_header(1).to_vec();
        good.extend_from_slice(&batch);
        let mut entries = Vec::new();
        assert_eq!(decode_batches(&good, 1, &mut entries), End::Clean);
        assert_eq!(entries, [b"entry".to_vec()]);

        let mut moved = segment_header(1).to_vec();
        moved.push(0);
        moved.extend_from_slice(&batch);
        assert_eq!(decode_batches(&moved, 1, &mut Vec::new()), End::Torn(HEADER_LEN));
        assert_eq!(decode_batches(&good, 2, &mut Vec::new()), End::Torn(HEADER_LEN));
    }

    #[test]
    fn an_unreadable_version_is_named() {
        let mut bytes = segment_header(3);
        bytes[8..12].copy_from_slice(&7_u32.to_le_bytes());
        let checksum = crc32c::crc32c(&bytes[..20]);
        bytes[20..].copy_from_slice(&checksum.to_le_bytes());
        assert_eq!(check_segment_header(&bytes, 3), Header::OtherVersion(7));
    }
}
