//! The sums that clients of S3 send with their bytes.

use md5::Digest;

/// A sum by which bytes are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// CRC-32 of ISO/HDLC.
    Crc32,
    /// CRC-32 of Castagnoli.
    Crc32c,
    /// CRC-64 of NVMe.
    Crc64Nvme,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
}

/// The sum of these bytes, the highest byte first.
#[must_use]
pub fn digest(algorithm: Algorithm, bytes: &[u8]) -> Vec<u8> {
    match algorithm {
        Algorithm::Crc32 => crc32fast::hash(bytes).to_be_bytes().to_vec(),
        Algorithm::Crc32c => crc32c::crc32c(bytes).to_be_bytes().to_vec(),
        Algorithm::Crc64Nvme => crc64(bytes).to_be_bytes().to_vec(),
        Algorithm::Sha1 => sha1::Sha1::digest(bytes).to_vec(),
        Algorithm::Sha256 => sha2::Sha256::digest(bytes).to_vec(),
    }
}

/// The polynomial with the lowest power in the highest bit.
const NVME: u64 = 0x9a6c_9329_ac4b_c9b5;
const TABLE: [u64; 256] = table();

const fn table() -> [u64; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut sum = byte as u64;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum & 1 == 1 { sum >> 1 ^ NVME } else { sum >> 1 };
            bit += 1;
        }
        table[byte] = sum;
        byte += 1;
    }
    table
}

fn crc64(bytes: &[u8]) -> u64 {
    !bytes
        .iter()
        .fold(!0, |sum: u64, byte| TABLE[((sum ^ u64::from(*byte)) & 0xff) as usize] ^ sum >> 8)
}

/// MD5 of bytes that come one after the other: no protection, but what S3 calls an ETag.
#[derive(Debug, Clone, Default)]
pub struct Md5(md5::Md5);

impl Md5 {
    /// Of all of them.
    #[must_use]
    pub fn of(bytes: &[u8]) -> [u8; 16] {
        md5::Md5::digest(bytes).into()
    }

    /// Some more.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// That was all.
    #[must_use]
    pub fn finish(self) -> [u8; 16] {
        self.0.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check values that the algorithms are published with.
    #[test]
    fn sums_are_those_of_the_specifications() {
        let hex = |bytes: Vec<u8>| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let of = |algorithm| hex(digest(algorithm, b"123456789"));
        assert_eq!(of(Algorithm::Crc32), "cbf43926");
        assert_eq!(of(Algorithm::Crc32c), "e3069283");
        assert_eq!(of(Algorithm::Crc64Nvme), "ae8b14860a799888");
        assert_eq!(of(Algorithm::Sha1), "f7c3bc1d808e04732adf679965ccc34ca7ae3441");
        assert_eq!(hex(Md5::of(b"123456789").to_vec()), "25f9e794323b453885f5181f1b624d0b");
    }
}
