//! Cuts a stream of bytes into lines. Pure: bytes in, lines out.

use memchr::memchr;

use crate::utf8;

/// Cuts at newlines, and where a line would become longer than the limit.
#[derive(Debug)]
pub(crate) struct LineSplitter {
    /// The beginning of a line whose end is not here yet.
    partial: Vec<u8>,
    /// Longest line in bytes; longer ones come in several pieces.
    max: usize,
}

impl LineSplitter {
    pub(crate) fn new(max: usize) -> Self {
        Self { partial: Vec::new(), max }
    }

    /// Takes more bytes and hands out what lines they complete, without their newlines.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], mut line: impl FnMut(&[u8])) {
        while let Some(at) = memchr(b'\n', bytes) {
            let (end, rest) = bytes.split_at(at);
            bytes = &rest[1..];
            if self.partial.is_empty() && end.len() <= self.max {
                line(end);
                continue;
            }
            self.extend(end, &mut line);
            line(&self.partial);
            self.partial.clear();
        }
        self.extend(bytes, &mut line);
    }

    fn extend(&mut self, bytes: &[u8], line: &mut impl FnMut(&[u8])) {
        self.partial.extend_from_slice(bytes);
        let mut done = 0;
        while self.partial.len() - done > self.max {
            let piece = &self.partial[done..];
            let cut = utf8::cut(piece, self.max);
            line(&piece[..cut]);
            done += cut;
        }
        self.partial.drain(..done);
    }

    /// Hands out the last line, when its newline did not come.
    pub(crate) fn finish(&mut self, line: impl FnOnce(&[u8])) {
        if !self.partial.is_empty() {
            line(&self.partial);
            self.partial.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(chunks: &[&[u8]], max: usize) -> Vec<Vec<u8>> {
        let mut splitter = LineSplitter::new(max);
        let mut lines = Vec::new();
        for chunk in chunks {
            splitter.feed(chunk, |line| lines.push(line.to_vec()));
        }
        splitter.finish(|line| lines.push(line.to_vec()));
        lines
    }

    #[test]
    fn lines_come_without_newline_and_the_last_one_may_lack_it() {
        assert_eq!(lines(&[b"one\ntw", b"o\n\nthree"], 10), [&b"one"[..], b"two", b"", b"three"]);
    }

    #[test]
    fn a_long_line_comes_in_pieces_between_characters() {
        assert_eq!(lines(&[b"abcdefgh\n"], 3), [&b"abc"[..], b"def", b"gh"]);
        assert_eq!(lines(&[b"abcdef\n"], 3), [&b"abc"[..], b"def"]);
        let text = "abß\n".as_bytes();
        assert_eq!(lines(&[text], 3), [&b"ab"[..], "ß".as_bytes()]);
    }

    proptest! {
        #[test]
        fn where_reads_end_makes_no_difference(
            text in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'a'), any::<u8>()], 0..200),
            cuts in proptest::collection::vec(0..200_usize, 0..6),
            max in 4..20_usize,
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().filter(|cut| *cut <= text.len()).collect();
            cuts.sort_unstable();
            let mut chunks = Vec::new();
            let mut from = 0;
            for cut in cuts {
                chunks.push(&text[from..cut]);
                from = cut;
            }
            chunks.push(&text[from..]);
            prop_assert_eq!(lines(&chunks, max), lines(&[&text], max));
        }
    }
}
