//! ECR's lifecycle policy: which images of a repository expire. A pure function of the images and
//! the time.

use std::collections::BTreeSet;
use std::str::FromStr;

use serde::Deserialize;

use crate::digest::Digest;
use crate::repository::matches_pattern;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// The rules of a repository, in the order of their priority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LifecyclePolicy {
    /// Lowest `rulePriority` first.
    pub rules: Vec<LifecycleRule>,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LifecycleRule {
    /// Lower comes first.
    pub priority: u32,
    /// For people.
    pub description: Option<String>,
    /// Which images it looks at.
    pub selection: TagSelection,
    /// Which of those expire.
    pub count: CountType,
}

/// Which images a rule looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TagSelection {
    /// Images without a tag.
    Untagged,
    /// All images.
    Any,
    /// Images that have, for each of these prefixes, a tag that begins with it.
    Prefixes(Vec<String>),
    /// Images that have, for each of these patterns (`*` for any characters), a tag of that form.
    Patterns(Vec<String>),
}

/// Which of the images looked at expire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountType {
    /// All but the newest so many.
    ImageCountMoreThan(u64),
    /// Those pushed longer ago than so many days.
    SinceImagePushedDays(u64),
}

/// An image as the policy sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LifecycleImage {
    /// Its manifest or index.
    pub digest: Digest,
    /// Its tags.
    pub tags: Vec<String>,
    /// When it came, in milliseconds since 1970.
    pub pushed_at_ms: u64,
    /// Whether an index of the repository has it as a member: it expires with that, not alone.
    pub is_member: bool,
}

/// The text is no lifecycle policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidPolicy(String);

impl LifecyclePolicy {
    /// The images that expire now, with the priority of the rule they expire by. Every rule sees
    /// all images; an image that a rule looks at is out of reach for the rules after it.
    pub fn evaluate(&self, images: &[LifecycleImage], now_ms: u64) -> Vec<(Digest, u32)> {
        let mut claimed = BTreeSet::new();
        let mut expired = Vec::new();
        for rule in &self.rules {
            let mut selected: Vec<_> =
                images.iter().filter(|image| !image.is_member && rule.selects(image)).collect();
            // Newest first; the digest decides between images of one instant.
            selected.sort_by_key(|image| (std::cmp::Reverse(image.pushed_at_ms), image.digest));
            for (place, image) in selected.into_iter().enumerate() {
                let is_expired = match rule.count {
                    CountType::ImageCountMoreThan(count) => place as u64 >= count,
                    CountType::SinceImagePushedDays(days) => {
                        now_ms.saturating_sub(image.pushed_at_ms) > days.saturating_mul(DAY_MS)
                    }
                };
                if claimed.insert(image.digest) && is_expired {
                    expired.push((image.digest, rule.priority));
                }
            }
        }
        expired
    }
}

impl LifecycleRule {
    fn selects(&self, image: &LifecycleImage) -> bool {
        let has_tag = |fits: &dyn Fn(&str) -> bool| image.tags.iter().any(|tag| fits(tag));
        match &self.selection {
            TagSelection::Any => true,
            TagSelection::Untagged => image.tags.is_empty(),
            TagSelection::Prefixes(prefixes) => {
                prefixes.iter().all(|prefix| has_tag(&|tag| tag.starts_with(prefix.as_str())))
            }
            TagSelection::Patterns(patterns) => {
                patterns.iter().all(|pattern| has_tag(&|tag| matches_pattern(pattern, tag)))
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PolicyText {
    rules: Vec<RuleText>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RuleText {
    rule_priority: u32,
    description: Option<String>,
    selection: SelectionText,
    action: ActionText,
}

#[derive(Deserialize)]
struct ActionText {
    r#type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SelectionText {
    tag_status: String,
    tag_prefix_list: Option<Vec<String>>,
    tag_pattern_list: Option<Vec<String>>,
    count_type: String,
    count_unit: Option<String>,
    count_number: u64,
}

impl FromStr for LifecyclePolicy {
    type Err = InvalidPolicy;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text: PolicyText =
            serde_json::from_str(text).map_err(|error| InvalidPolicy(error.to_string()))?;
        if text.rules.is_empty() {
            return Err(InvalidPolicy("rules is empty; at least one rule is needed".to_owned()));
        }
        let mut rules = text.rules.into_iter().map(rule).collect::<Result<Vec<_>, _>>()?;
        rules.sort_by_key(|rule| rule.priority);
        for pair in rules.windows(2) {
            let priority = pair[0].priority;
            if priority == pair[1].priority {
                return Err(InvalidPolicy(format!("two rules have the rulePriority {priority}")));
            }
            if pair[0].selection == TagSelection::Any {
                return Err(InvalidPolicy(format!(
                    "the rule with tagStatus any must have the highest rulePriority, not {priority}"
                )));
            }
        }
        Ok(Self { rules })
    }
}

fn rule(text: RuleText) -> Result<LifecycleRule, InvalidPolicy> {
    let priority = text.rule_priority;
    let invalid = |problem: &str| InvalidPolicy(format!("rule {priority}: {problem}"));
    let SelectionText { tag_status, tag_prefix_list, tag_pattern_list, .. } = &text.selection;
    if priority == 0 {
        return Err(invalid("rulePriority must be at least 1"));
    }
    if text.action.r#type != "expire" {
        return Err(invalid("action.type must be expire"));
    }
    let lists = (tag_prefix_list.clone(), tag_pattern_list.clone());
    let selection = match (tag_status.as_str(), lists) {
        ("untagged", (None, None)) => TagSelection::Untagged,
        ("any", (None, None)) => TagSelection::Any,
        ("untagged" | "any", _) => {
            return Err(invalid("tagPrefixList and tagPatternList go with tagStatus tagged only"));
        }
        ("tagged", (Some(prefixes), None)) if !prefixes.is_empty() => {
            TagSelection::Prefixes(prefixes)
        }
        ("tagged", (None, Some(patterns))) if !patterns.is_empty() => {
            if patterns.iter().any(|pattern| pattern.matches('*').count() > 4) {
                return Err(invalid("a tag pattern has more than four *"));
            }
            TagSelection::Patterns(patterns)
        }
        ("tagged", _) => {
            return Err(invalid("tagStatus tagged needs either tagPrefixList or tagPatternList"));
        }
        _ => return Err(invalid("tagStatus must be tagged, untagged or any")),
    };
    let number = text.selection.count_number;
    if number == 0 {
        return Err(invalid("countNumber must be at least 1"));
    }
    let count = match (text.selection.count_type.as_str(), text.selection.count_unit.as_deref()) {
        ("imageCountMoreThan", None) => CountType::ImageCountMoreThan(number),
        ("imageCountMoreThan", Some(_)) => {
            return Err(invalid("countUnit goes with countType sinceImagePushed only"));
        }
        ("sinceImagePushed", Some("days")) => CountType::SinceImagePushedDays(number),
        ("sinceImagePushed", _) => return Err(invalid("countUnit must be days")),
        _ => return Err(invalid("countType must be imageCountMoreThan or sinceImagePushed")),
    };
    Ok(LifecycleRule { priority, description: text.description, selection, count })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(rules: &[(u32, &str, &str)]) -> Result<LifecyclePolicy, InvalidPolicy> {
        let rules: Vec<_> = rules
            .iter()
            .map(|(priority, selection, count)| {
                format!(
                    r#"{{"rulePriority":{priority},"selection":{{{selection},{count}}},"action":{{"type":"expire"}}}}"#
                )
            })
            .collect();
        format!(r#"{{"rules":[{}]}}"#, rules.join(",")).parse()
    }

    const ANY: &str = r#""tagStatus":"any""#;
    const UNTAGGED: &str = r#""tagStatus":"untagged""#;
    const PROD: &str = r#""tagStatus":"tagged","tagPrefixList":["prod"]"#;
    const BOTH: &str = r#""tagStatus":"tagged","tagPrefixList":["prod","eu"]"#;
    const PATTERN: &str = r#""tagStatus":"tagged","tagPatternList":["*-rc*"]"#;

    fn more_than(count: u64) -> String {
        format!(r#""countType":"imageCountMoreThan","countNumber":{count}"#)
    }

    fn older_than(days: u64) -> String {
        format!(r#""countType":"sinceImagePushed","countUnit":"days","countNumber":{days}"#)
    }

    /// Images `0..`, the first the oldest, one day apart, the last pushed just now.
    fn images(tags: &[&[&str]]) -> Vec<LifecycleImage> {
        let image = |(place, tags): (usize, &&[&str])| LifecycleImage {
            digest: Digest::of(&[place as u8]),
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            pushed_at_ms: place as u64 * DAY_MS,
            is_member: false,
        };
        tags.iter().enumerate().map(image).collect()
    }

    #[track_caller]
    fn check(rules: &[(u32, &str, &str)], tags: &[&[&str]], expired: &[usize]) {
        let images = images(tags);
        let now = (tags.len() as u64 - 1) * DAY_MS;
        let found = policy(rules).expect("valid").evaluate(&images, now);
        let mut found: Vec<_> = found
            .iter()
            .filter_map(|(digest, _)| images.iter().position(|image| image.digest == *digest))
            .collect();
        found.sort_unstable();
        assert_eq!(found, expired);
    }

    /// BB, MT: "keep the last 10 images".
    #[test]
    fn the_newest_stay() {
        check(&[(1, ANY, &more_than(2))], &[&["a"], &[], &["b"], &["c"]], &[0, 1]);
        check(&[(1, ANY, &more_than(9))], &[&["a"], &[]], &[]);
        check(&[(1, UNTAGGED, &more_than(1))], &[&[], &["a"], &[], &[]], &[0, 2]);
    }

    #[test]
    fn age_counts_from_the_push() {
        check(&[(1, UNTAGGED, &older_than(2))], &[&[], &[], &["x"], &[], &[]], &[0, 1]);
    }

    #[test]
    fn prefixes_are_all_needed_and_patterns_match() {
        check(&[(1, PROD, &more_than(1))], &[&["prod1"], &["dev"], &["x", "prod2"]], &[0]);
        check(
            &[(1, BOTH, &more_than(1))],
            &[&["prod1", "eu"], &["prod2"], &["prod3", "eu3"]],
            &[0],
        );
        check(&[(1, PATTERN, &more_than(1))], &[&["v1-rc1"], &["v1"], &["v2-rc2"]], &[0]);
    }

    /// "An image that matches the tagging requirements of a rule cannot be expired by a rule with a
    /// lower priority", but is counted by it.
    #[test]
    fn an_earlier_rule_keeps_images_from_later_ones() {
        let rules: &[(u32, &str, &str)] = &[(20, ANY, &more_than(1)), (10, PROD, &more_than(2))];
        check(rules, &[&["prod1"], &["x"], &["prod2"], &["prod3"]], &[0, 1]);
    }

    #[test]
    fn members_of_an_index_do_not_expire_alone() {
        let mut images = images(&[&[], &[]]);
        images[0].is_member = true;
        let policy = policy(&[(1, UNTAGGED, &more_than(1))]).expect("valid");
        assert_eq!(policy.evaluate(&images, 0), []);
    }

    #[test]
    fn policies_that_ecr_refuses() {
        for (rules, problem) in [
            (vec![], "at least one rule"),
            (vec![(1, ANY, more_than(1)), (1, PROD, more_than(1))], "two rules"),
            (vec![(1, ANY, more_than(1)), (2, PROD, more_than(1))], "highest rulePriority"),
            (vec![(0, ANY, more_than(1))], "at least 1"),
            (vec![(1, ANY, more_than(0))], "countNumber"),
            (vec![(1, r#""tagStatus":"tagged""#, more_than(1))], "tagPrefixList or tagPatternList"),
            (vec![(1, r#""tagStatus":"all""#, more_than(1))], "tagStatus must be"),
            (
                vec![(1, ANY, r#""countType":"sinceImagePushed","countNumber":1"#.to_owned())],
                "days",
            ),
        ] {
            let rules: Vec<_> = rules
                .iter()
                .map(|(priority, tags, count)| (*priority, *tags, count.as_str()))
                .collect();
            let error = policy(&rules).expect_err(problem).to_string();
            assert!(error.contains(problem), "{error}");
        }
        assert!("{".parse::<LifecyclePolicy>().is_err());
    }
}
