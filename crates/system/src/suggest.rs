//! "Did you mean": the nearest of the names that would have been right.

/// The candidate closest to `given`, if close enough to be a slip of the fingers.
pub(crate) fn closest<'a>(
    given: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    // A third of the letters wrong is a typing mistake; more is another word.
    let limit = (given.chars().count() / 3).clamp(1, 4);
    let candidates: Vec<&str> = candidates.into_iter().collect();
    let near = candidates
        .iter()
        .copied()
        .map(|candidate| (distance(given, candidate, limit), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate);
    // `desired` for `desiredCount`, `development` for `dev`: a beginning that fits only one name.
    let begins = |a: &str, b: &str| b.len() >= 3 && a.starts_with(b);
    let mut begins = candidates.iter().copied().filter(|c| begins(c, given) || begins(given, c));
    near.or_else(|| begins.next().filter(|_| begins.next().is_none()))
}

/// Edits (insert, delete, replace, swap of neighbours) between the two, ignoring case; anything
/// beyond `limit` may be reported as `limit + 1`.
/// Both are cut at 64 letters: what is longer is no slip.
fn distance(a: &str, b: &str, limit: usize) -> usize {
    let letters = |text: &str| text.chars().flat_map(char::to_lowercase).take(64).collect();
    let (a, b): (Vec<char>, Vec<char>) = (letters(a), letters(b));
    if a.len().abs_diff(b.len()) > limit {
        return limit.saturating_add(1);
    }
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

/// The few of many names that are most like what was given, as a sentence part.
pub(crate) fn nearest<'a>(given: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    const SHOWN: usize = 12;
    let mut names: Vec<&str> = names.into_iter().collect();
    let more = names.len().saturating_sub(SHOWN);
    if more > 0 {
        names.sort_by_cached_key(|name| distance(given, name, usize::MAX));
        names.truncate(SHOWN);
        names.sort_unstable();
        return format!("{} or {more} more", names.join(", "));
    }
    one_of(names)
}

/// The names as a sentence part: `a`, `a or b`, `a, b or c`; long lists are cut.
pub(crate) fn one_of<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    let shown = names.len().min(24);
    match (&names[..shown], names.len() - shown) {
        ([], _) => "nothing".to_owned(),
        ([only], _) => (*only).to_owned(),
        ([head @ .., last], 0) => format!("{} or {last}", head.join(", ")),
        (head, more) => format!("{} or {more} more", head.join(", ")),
    }
}

/// The names as an enumeration: `a`, `a and b`, `a, b and c`.
pub(crate) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    match names.as_slice() {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [head @ .., last] => format!("{} and {last}", head.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let keys = ["image", "memory", "cpu", "capacityProviderStrategy"];
        assert_eq!(closest("imgae", keys), Some("image"));
        assert_eq!(closest("mem", keys), Some("memory"));
        assert_eq!(closest("CPU", keys), Some("cpu"));
        assert_eq!(closest("capacityProviderStratgy", keys), Some("capacityProviderStrategy"));
        assert_eq!(closest("volumes", keys), None);
        assert_eq!(closest("", keys), None);
    }

    #[test]
    fn lists_read_like_sentences() {
        assert_eq!(one_of(["a"]), "a");
        assert_eq!(one_of(["a", "b", "c"]), "a, b or c");
    }
}
