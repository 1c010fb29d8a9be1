//! Cutting bytes that are mostly UTF-8 without cutting a character.

/// Where to cut `bytes` so that at most `max` come before, and no character is torn. Bytes that are
/// not UTF-8 are cut at `max`.
pub(crate) fn cut(bytes: &[u8], max: usize) -> usize {
    if bytes.len() <= max {
        return bytes.len();
    }
    let is_inside = |at: usize| bytes[at] & 0b1100_0000 == 0b1000_0000;
    (max.saturating_sub(3)..=max).rev().find(|&at| at > 0 && !is_inside(at)).unwrap_or(max)
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn characters_stay_whole() {
        assert_eq!(cut("abc".as_bytes(), 3), 3);
        assert_eq!(cut("abcd".as_bytes(), 3), 3);
        assert_eq!(cut("abß".as_bytes(), 3), 2);
        assert_eq!(cut("a😀b".as_bytes(), 4), 1);
        assert_eq!(cut("a😀b".as_bytes(), 5), 5);
        assert_eq!(cut(&[0x80; 9], 4), 4, "not UTF-8");
    }
}
