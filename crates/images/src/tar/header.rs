//! One 512-byte header block.

use super::BLOCK;

/// The fields of a header block, by place.
pub(super) struct Header<'a>(pub(super) &'a [u8; BLOCK]);

impl Header<'_> {
    fn field(&self, from: usize, length: usize) -> &[u8] {
        &self.0[from..from + length]
    }

    /// A text field: up to its first NUL.
    fn text(&self, from: usize, length: usize) -> &[u8] {
        let field = self.field(from, length);
        &field[..field.iter().position(|byte| *byte == 0).unwrap_or(length)]
    }

    pub(super) fn is_end(&self) -> bool {
        self.0.iter().all(|byte| *byte == 0)
    }

    /// The sum of all bytes, with the checksum's own place counted as spaces. Old writers summed
    /// signed bytes.
    pub(super) fn checksum_holds(&self) -> bool {
        let bytes = || {
            let around = |(place, byte): (usize, &u8)| {
                if (148..156).contains(&place) { b' ' } else { *byte }
            };
            self.0.iter().enumerate().map(around)
        };
        let unsigned: i64 = bytes().map(i64::from).sum();
        let signed: i64 = bytes().map(|byte| i64::from(byte.cast_signed())).sum();
        number(self.field(148, 8))
            .is_some_and(|sum| i64::try_from(sum).is_ok_and(|sum| sum == unsigned || sum == signed))
    }

    pub(super) fn path(&self) -> Vec<u8> {
        let name = self.text(0, 100);
        let prefix = if self.field(257, 6) == b"ustar\0" { self.text(345, 155) } else { b"" };
        if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() }
    }

    pub(super) fn link(&self) -> Vec<u8> {
        self.text(157, 100).to_vec()
    }

    pub(super) fn kind(&self) -> u8 {
        self.0[156]
    }

    pub(super) fn mode(&self) -> Option<u64> {
        number(self.field(100, 8))
    }

    pub(super) fn uid(&self) -> Option<u64> {
        number(self.field(108, 8))
    }

    pub(super) fn gid(&self) -> Option<u64> {
        number(self.field(116, 8))
    }

    pub(super) fn size(&self) -> Option<u64> {
        number(self.field(124, 12))
    }

    /// Seconds; times before 1970, which some writers store as negative numbers, read as 0.
    pub(super) fn mtime(&self) -> u64 {
        number(self.field(136, 12)).unwrap_or(0)
    }
}

/// A numeric field: octal digits among spaces and NULs, or base 256 when the first bit is set.
fn number(field: &[u8]) -> Option<u64> {
    let (first, rest) = field.split_first()?;
    if first & 0x80 != 0 {
        if *first != 0x80 {
            return None;
        }
        return rest
            .iter()
            .try_fold(0_u64, |value, byte| value.checked_mul(256)?.checked_add(u64::from(*byte)));
    }
    let is_filler = |byte: &u8| matches!(byte, b' ' | 0);
    let start = field.iter().position(|byte| !is_filler(byte)).unwrap_or(field.len());
    let digits = &field[start..];
    let end = digits.iter().position(is_filler).unwrap_or(digits.len());
    if !digits[end..].iter().all(is_filler) {
        return None;
    }
    digits[..end].iter().try_fold(0_u64, |value, digit| match digit {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_are_octal_or_base_256() {
        for (field, value) in [
            (&b"0000644\0"[..], Some(0o644)),
            (b"   644 \0", Some(0o644)),
            (b"\0\0\0\0", Some(0)),
            (b"        ", Some(0)),
            (b"12 34", None),
            (b"0000008\0", None),
            (b"-000001\0", None),
            (b"\x80\0\0\x01\0", Some(256)),
            (b"\xff\xff\xff\xff", None),
            (b"\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff", None),
            (b"7777777777777777777777777", None),
        ] {
            assert_eq!(number(field), value, "{field:?}");
        }
    }
}
