//! Listings in pages. A token holds the key of the last entry given out, so that a listing goes on
//! rightly when entries come and go between two pages.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A page and the token for the next one.
pub(crate) struct Page<T> {
    pub(crate) entries: Vec<T>,
    pub(crate) next: Option<String>,
}

/// The token was not given out by a listing.
pub(crate) struct InvalidToken;

/// The entries after the token, at most `size`. `entries` must be sorted by `key`, downwards when
/// `descending`.
pub(crate) fn page<T>(
    entries: Vec<T>,
    key: impl Fn(&T) -> String,
    descending: bool,
    token: Option<&str>,
    size: usize,
) -> Result<Page<T>, InvalidToken> {
    let from = match token {
        None => 0,
        Some(token) => {
            let last = URL_SAFE_NO_PAD.decode(token).map_err(|_| InvalidToken)?;
            let last = String::from_utf8(last).map_err(|_| InvalidToken)?;
            entries.partition_point(|e| if descending { key(e) >= last } else { key(e) <= last })
        }
    };
    let more = entries.len() > from + size;
    let entries: Vec<T> = entries.into_iter().skip(from).take(size).collect();
    let next = entries.last().filter(|_| more).map(|last| URL_SAFE_NO_PAD.encode(key(last)));
    Ok(Page { entries, next })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(entries: &[u32], descending: bool, token: Option<&str>) -> Page<u32> {
        let key = |n: &u32| format!("{n:04}");
        page(entries.to_vec(), key, descending, token, 2).unwrap_or_else(|_| panic!("good token"))
    }

    #[test]
    fn pages_join_to_the_whole_also_when_entries_come_and_go() {
        let first = numbers(&[1, 2, 3, 4, 5], false, None);
        assert_eq!(first.entries, [1, 2]);
        let second = numbers(&[1, 3, 4, 5], false, first.next.as_deref());
        assert_eq!(second.entries, [3, 4], "the entry of the token is gone; nothing is skipped");
        let last = numbers(&[0, 1, 3, 4, 5], false, second.next.as_deref());
        assert_eq!((last.entries, last.next), (vec![5], None));
        let down = numbers(&[3, 2, 1], true, None);
        assert_eq!(numbers(&[3, 2, 1], true, down.next.as_deref()).entries, [1]);
        assert_eq!(numbers(&[1, 2], false, None).next, None, "a full last page has no token");
    }

    #[test]
    fn a_made_up_token_is_refused() {
        let key = |n: &u32| n.to_string();
        assert!(page(vec![1], key, false, Some("*"), 2).is_err());
    }
}
