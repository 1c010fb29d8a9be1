//! Ranges of bytes, and what they are of an object's pieces.

use std::sync::Arc;

use neargate_objects::ObjectStore;
use serde_json::{Value, json};

/// What a Range header comes to.
#[derive(Debug, PartialEq)]
pub(super) enum Range {
    /// No range that is understood: everything.
    Whole,
    /// From this byte on so many.
    Part(u64, u64),
    /// Beyond the end.
    Unsatisfiable,
}

/// Reads `bytes=first-last`, `bytes=first-`, `bytes=-count`.
pub(super) fn read(header: &str, size: u64) -> Range {
    let Some((first, last)) = header.strip_prefix("bytes=").and_then(|r| r.split_once('-')) else {
        return Range::Whole;
    };
    let number = |text: &str| text.trim().parse::<u64>().ok();
    match (first.trim().is_empty(), number(first), number(last)) {
        (true, _, Some(0)) => Range::Unsatisfiable,
        (true, _, Some(_)) if size == 0 => Range::Unsatisfiable,
        (true, _, Some(count)) => Range::Part(size - count.min(size), count.min(size)),
        (false, Some(first), last_byte) => {
            let last_byte = match (last_byte, last.trim().is_empty()) {
                (Some(byte), _) if byte < first => return Range::Whole,
                (Some(byte), _) => byte.min(size.saturating_sub(1)),
                (None, true) => size.saturating_sub(1),
                (None, false) => return Range::Whole,
            };
            match first < size {
                true => Range::Part(first, last_byte - first + 1),
                false => Range::Unsatisfiable,
            }
        }
        _ => Range::Whole,
    }
}

/// The parts of pieces that hold these bytes: `(id, first byte, how many)`.
pub(super) fn cut(
    pieces: &[(String, u64)],
    mut offset: u64,
    mut length: u64,
) -> Vec<(String, u64, u64)> {
    let mut parts = Vec::new();
    for (id, size) in pieces {
        if offset >= *size {
            offset -= size;
            continue;
        }
        let here = (size - offset).min(length);
        if here == 0 {
            break;
        }
        parts.push((id.clone(), offset, here));
        length -= here;
        offset = 0;
    }
    parts
}

/// The body of an answer, read from files.
pub(super) fn body(store: &Arc<ObjectStore>, parts: &[(String, u64, u64)]) -> Value {
    let file = |(id, offset, length): &(String, u64, u64)| {
        let path = store.path(id).display().to_string();
        json!({ "path": path, "offset": offset, "length": length })
    };
    json!({ "files": parts.iter().map(file).collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_a_hundred_bytes() {
        for (header, expected) in [
            ("bytes=0-9", Range::Part(0, 10)),
            ("bytes=90-", Range::Part(90, 10)),
            ("bytes=95-200", Range::Part(95, 5)),
            ("bytes=-7", Range::Part(93, 7)),
            ("bytes=-700", Range::Part(0, 100)),
            ("bytes=100-", Range::Unsatisfiable),
            ("bytes=-0", Range::Unsatisfiable),
            ("bytes=9-3", Range::Whole),
            ("bytes=0-1,3-4", Range::Whole),
            ("lines=1-2", Range::Whole),
        ] {
            assert_eq!(read(header, 100), expected, "{header}");
        }
        assert_eq!(read("bytes=-5", 0), Range::Unsatisfiable);
        assert_eq!(read("bytes=0-", 0), Range::Unsatisfiable);
    }

    #[test]
    fn a_range_over_pieces() {
        let pieces = [("a", 10), ("b", 5), ("c", 10)].map(|(id, size)| (id.to_owned(), size));
        let cut = |offset, length| {
            let parts = cut(&pieces, offset, length);
            parts.iter().map(|(id, o, l)| format!("{id}:{o}+{l}")).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(cut(0, 25), "a:0+10 b:0+5 c:0+10");
        assert_eq!(cut(8, 4), "a:8+2 b:0+2");
        assert_eq!(cut(10, 5), "b:0+5");
        assert_eq!(cut(24, 1), "c:9+1");
    }
}
