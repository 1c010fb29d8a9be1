//! Domain names as Route 53 writes and orders them.

use crate::error::{self, AwsError};

/// In small letters, with the last dot, and with an asterisk as its code.
pub(super) fn normal(name: &str) -> String {
    let name = name.to_ascii_lowercase().replace('*', "\\052");
    if name.ends_with('.') { name } else { name + "." }
}

/// A normal name in the order of names: from the top down. What lies below a name comes after it.
pub(super) fn order(normal: &str) -> String {
    let labels: Vec<&str> = normal.trim_end_matches('.').rsplit('.').collect();
    labels.join(".")
}

/// Whether a normal name is the zone's own or lies below it.
pub(super) fn within(name: &str, zone: &str) -> bool {
    name.strip_suffix(zone).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// Whether something can have that name.
pub(super) fn check(normal: &str) -> Result<(), AwsError> {
    let label = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(|byte| byte.is_ascii_graphic())
    };
    if normal.len() <= 255 && normal.trim_end_matches('.').split('.').all(label) {
        return Ok(());
    }
    Err(error::client("InvalidDomainName", format!("{normal} is not a valid domain name")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_ordered_from_the_top_down() {
        let mut names = ["b.example.com.", "a.b.example.com.", "example.com.", "a.example.com."]
            .map(|name| order(name) + " A");
        names.sort();
        assert_eq!(
            names,
            ["com.example A", "com.example.a A", "com.example.b A", "com.example.b.a A"]
        );
        assert_eq!(normal("*.Example.com"), "\\052.example.com.");
        assert!(within("a.example.com.", "example.com."));
        assert!(!within("anexample.com.", "example.com."));
        assert!(check("a..b.").is_err());
    }
}
