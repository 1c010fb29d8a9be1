//! Where a check stands: the tree it looks at and where its findings go.

use std::collections::BTreeMap;

use crate::diagnostics::{Problems, shown};
use crate::document::Text;
use crate::node::{Node, path_text};
use crate::suggest;

/// One environment under check.
pub(crate) struct Scope<'a> {
    tree: &'a Node,
    environment: &'a str,
    problems: &'a mut Problems,
}

impl<'a> Scope<'a> {
    pub(crate) fn new(tree: &'a Node, environment: &'a str, problems: &'a mut Problems) -> Self {
        Scope { tree, environment, problems }
    }

    /// Reports a problem of the value at that path.
    pub(crate) fn say(&mut self, path: &[&str], message: &str) {
        self.hint(path, message, None);
    }

    /// The same with something to try.
    pub(crate) fn hint(&mut self, path: &[&str], message: &str, hint: Option<String>) {
        let at = self.tree.position(path);
        self.problems.add(at, &path_text(path), message, hint, Some(self.environment));
    }

    /// The value, or a problem if there is none; `expected` says what would be right.
    pub(crate) fn required<T: Clone>(
        &mut self,
        path: &[&str],
        value: Option<&T>,
        expected: &str,
    ) -> Option<T> {
        if value.is_none() {
            let (last, before) = path.split_last().unwrap_or((&"", &[]));
            self.say(before, &format!("{} is missing; expected {expected}", shown(last)));
        }
        value.cloned()
    }

    /// The keys of the mapping at that path, in the order of the file.
    pub(crate) fn keys(&self, path: &[&str]) -> Vec<String> {
        let mut node = Some(self.tree);
        for step in path {
            node = node.and_then(|n| n.get(step));
        }
        node.map(Node::entries).unwrap_or_default().iter().map(|e| e.key.clone()).collect()
    }

    /// Whether the file has a value at that path.
    pub(crate) fn has(&self, path: &[&str]) -> bool {
        let mut node = Some(self.tree);
        for step in path {
            node = node.and_then(|n| n.get(step));
        }
        node.is_some()
    }

    /// Reports a text that is not a name of 1 to `longest` such letters. `what` has its article.
    pub(crate) fn name(
        &mut self,
        path: &[&str],
        text: &str,
        what: &str,
        longest: usize,
        letter: fn(char) -> bool,
    ) {
        if !words::is_name(text, 1, longest, letter) {
            let message = format!(
                "{} is not {what}; expected 1 to {longest} letters, digits, `-`, `_`",
                shown(text)
            );
            self.say(path, &message);
        }
    }

    /// Reports a name that is none of `known`. `what` is a noun without article.
    pub(crate) fn unknown<'k>(
        &mut self,
        path: &[&str],
        what: &str,
        given: &str,
        known: impl Iterator<Item = &'k str> + Clone,
    ) {
        let expected = match known.clone().next() {
            None => format!("this environment has no {what}s"),
            Some(_) => format!("expected {}", suggest::one_of(known.clone())),
        };
        let hint =
            suggest::closest(given, known).map(|name| format!("did you mean {}?", shown(name)));
        self.hint(path, &format!("there is no {what} {}; {expected}", shown(given)), hint);
    }
}

/// Labels without the ones that were taken away.
pub(crate) fn tags(tags: &BTreeMap<String, Option<Text>>) -> BTreeMap<String, String> {
    tags.iter().filter_map(|(key, value)| Some((key.clone(), value.as_ref()?.0.clone()))).collect()
}

/// Texts that must follow rules.
pub(crate) mod words {
    use std::net::Ipv4Addr;

    /// Letters of keys and of most ECS names (ECS-TD-7).
    pub(crate) fn key_letter(letter: char) -> bool {
        letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_')
    }

    /// Letters of ELB names (ALB-TG-1, ALB-HDR-11).
    pub(crate) fn elb_letter(letter: char) -> bool {
        letter.is_ascii_alphanumeric() || letter == '-'
    }

    pub(crate) fn is_name(text: &str, min: usize, max: usize, letter: fn(char) -> bool) -> bool {
        (min..=max).contains(&text.len()) && text.chars().all(letter)
    }

    /// `us-east-1`, `us-gov-west-1`.
    pub(crate) fn is_region(text: &str) -> bool {
        let parts: Vec<&str> = text.split('-').collect();
        let word = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
        let number =
            |part: &str| (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        matches!(parts.as_slice(), [names @ .., last] if (2..=3).contains(&names.len())
            && names.iter().all(word) && number(last))
    }

    /// Lower case names divided by `/`, optionally a registry host with a port in front.
    pub(crate) fn is_repository(text: &str) -> bool {
        let part = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b))
        };
        let mut parts = text.split('/');
        let first = parts.next().unwrap_or_default();
        let rest: Vec<&str> = parts.collect();
        let host = match first.split_once(':') {
            Some((host, port)) => !rest.is_empty() && part(host) && port.parse::<u16>().is_ok(),
            None => part(first),
        };
        text.len() <= 255 && host && rest.into_iter().all(part)
    }

    /// A DNS name of labels with letters, digits, hyphens (and underscores).
    pub(crate) fn is_dns_name(text: &str) -> bool {
        text.len() <= 253 && text.split('.').all(is_dns_label)
    }

    pub(crate) fn is_dns_label(label: &str) -> bool {
        is_name(label, 1, 63, key_letter) && !label.starts_with('-') && !label.ends_with('-')
    }

    /// An address range with its first address and a prefix of `low` to 32.
    pub(crate) fn cidr(text: &str, low: u8, high: u8) -> Result<(Ipv4Addr, u8), String> {
        let parsed = text.split_once('/').and_then(|(address, prefix)| {
            Some((address.parse::<Ipv4Addr>().ok()?, prefix.parse::<u8>().ok()?))
        });
        let Some((address, prefix)) = parsed.filter(|(_, prefix)| *prefix <= 32) else {
            return Err("expected an address range such as 10.0.1.0/24".to_owned());
        };
        if !(low..=high).contains(&prefix) {
            return Err(format!("expected a prefix of /{low} to /{high}"));
        }
        let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
        let first = Ipv4Addr::from(u32::from(address) & mask);
        if first != address {
            return Err(format!("expected the first address of the range: {first}/{prefix}"));
        }
        Ok((address, prefix))
    }

    /// Whether the ranges share an address.
    pub(crate) fn overlap(a: (Ipv4Addr, u8), b: (Ipv4Addr, u8)) -> bool {
        let prefix = a.1.min(b.1);
        let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
        u32::from(a.0) & mask == u32::from(b.0) & mask
    }
}

#[cfg(test)]
mod tests {
    use super::words::*;

    #[test]
    fn ranges_need_their_first_address() {
        assert_eq!(cidr("10.0.1.0/24", 16, 28), Ok(("10.0.1.0".parse().unwrap(), 24)));
        assert!(cidr("10.0.1.5/24", 16, 28).unwrap_err().contains("10.0.1.0/24"));
        assert!(cidr("10.0.0.0/8", 16, 28).is_err());
        assert!(cidr("10.0.0/24", 16, 28).is_err());
        assert!(cidr("0.0.0.0/0", 0, 32).is_ok());
    }

    #[test]
    fn ranges_overlap_when_one_holds_the_other() {
        let range = |text| cidr(text, 0, 32).unwrap();
        assert!(overlap(range("10.0.0.0/16"), range("10.0.7.0/24")));
        assert!(!overlap(range("10.0.6.0/24"), range("10.0.7.0/24")));
    }

    #[test]
    fn regions_and_repositories() {
        assert!(is_region("eu-west-2") && is_region("us-gov-west-1"));
        assert!(!is_region("europe") && !is_region("us-east-1a"));
        assert!(is_repository("customer-portal/gateway") && is_repository("localhost:5000/a"));
        assert!(!is_repository("auth:test") && !is_repository("A") && !is_repository("a//b"));
    }
}
