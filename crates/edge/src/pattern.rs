//! ALB wildcards, compiled once when a listener is published: `*` is any run of characters, `?`
//! exactly one, both also match `/` (ALB-RULE-5).

/// A pattern ready to match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// No wildcard.
    Exact(Box<[u8]>),
    /// One `*`, at the end: the shape of nearly every path rule.
    Prefix(Box<[u8]>),
    /// Anything else, matched piece by piece.
    General(Box<[u8]>),
}

impl Pattern {
    /// Compiles a case-sensitive pattern (ALB-RULE-7).
    pub(crate) fn new(text: &str) -> Self {
        let bytes = text.as_bytes();
        match bytes.iter().position(|b| matches!(b, b'*' | b'?')) {
            None => Pattern::Exact(bytes.into()),
            Some(at) if at + 1 == bytes.len() && bytes[at] == b'*' => {
                Pattern::Prefix(bytes[..at].into())
            }
            Some(_) => Pattern::General(bytes.into()),
        }
    }

    /// Compiles a pattern for text that the caller lower-cases (ALB-RULE-6).
    pub(crate) fn case_insensitive(text: &str) -> Self {
        Self::new(&text.to_ascii_lowercase())
    }

    /// Whether the whole text matches.
    pub(crate) fn matches(&self, text: &[u8]) -> bool {
        match self {
            Pattern::Exact(pattern) => **pattern == *text,
            Pattern::Prefix(prefix) => text.starts_with(prefix),
            Pattern::General(pattern) => glob(pattern, text),
        }
    }
}

/// Matches with one point to go back to, so the time is bounded by the product of the lengths
/// whatever the number of wildcards.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p + 1, t));
                p += 1;
            }
            Some(b'?') => {
                p += 1;
                t += 1;
            }
            Some(c) if *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match retry {
                Some((after_star, from)) => {
                    p = after_star;
                    t = from + 1;
                    retry = Some((after_star, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|b| *b == b'*')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn alb_rule_5_and_7_wildcards() {
        for (pattern, text, expected) in [
            ("/img/*", "/img/", true),
            ("/img/*", "/img/a/b", true),
            ("/img/*", "/img", false),
            ("/img/*", "/IMG/a", false),
            ("/a", "/a", true),
            ("/a", "/a/", false),
            ("/?", "/a", true),
            ("/?", "/", false),
            ("/?", "//", true),
            ("/?", "/ab", false),
            ("*", "", true),
            ("*.png", "/x/y.png", true),
            ("*.png", "/x/y.pngz", false),
            ("/a*b*c", "/axxbyybzzc", true),
            ("/a*b*c", "/axxbyybzz", false),
            ("/*/v?/x", "/api/v2/x", true),
            ("/*/v?/x", "/api/v22/x", false),
            ("**", "abc", true),
            ("a**", "a", true),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(
                Pattern::new(pattern).matches(text.as_bytes()),
                expected,
                "{pattern} {text}"
            );
        }
    }

    #[test]
    fn many_stars_stay_cheap() {
        let pattern = Pattern::new(&"*a".repeat(60));
        assert!(!pattern.matches("a".repeat(59).as_bytes()));
        assert!(!pattern.matches(&b"b".repeat(16_000)));
    }

    fn slow(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some((b'*', rest)), None) => slow(rest, text),
            (Some((b'*', rest)), Some((_, after))) => slow(rest, text) || slow(pattern, after),
            (Some((p, rest)), Some((t, after))) => (*p == b'?' || p == t) && slow(rest, after),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_obvious_definition(pattern in "[ab*?]{0,8}", text in "[ab/]{0,10}") {
            let expected = slow(pattern.as_bytes(), text.as_bytes());
            prop_assert_eq!(Pattern::new(&pattern).matches(text.as_bytes()), expected);
        }
    }
}
