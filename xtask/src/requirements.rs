//! The page of requirements: for every requirement of the five systems the tests that name it.
//!
//! A test names a requirement in its comment, its body or the comment of its file (`BX-24`,
//! `CP-14 to CP-22`). Facts about AWS have longer ids (`ECS-CP-1`) and do not count. In a file of facts
//! about what Terraform made (`facts/*.txt`), the line above the facts names what they show.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// The systems with their prefixes and how many requirements each has.
const SYSTEMS: [(&str, &str, u32); 5] = [
    ("MT", "ModularTemplate", 45),
    ("BB", "backend-booking", 46),
    ("SM", "microservices", 63),
    ("CP", "customer-order-portal", 102),
    ("BX", "broxiva", 88),
];
const PAGE: &str = "docs/requirements.md";

/// What to do.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Write nothing; fail when the page is not what the tests say.
    #[arg(long)]
    check: bool,
}

type Id = (String, u32);

/// Writes the page, or compares it.
#[allow(clippy::print_stdout)] // The result is data on stdout.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut shown: BTreeMap<Id, BTreeSet<String>> = BTreeMap::new();
    for file in tests(Path::new("crates"))? {
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let named = match is_of_facts(&file) {
            true => named_by_facts(&text),
            false => named(&text),
        };
        for (id, by) in named {
            let path = file.display();
            let by = by.map_or_else(|| format!("`{path}`"), |name| format!("`{path}` {name}"));
            shown.entry(id).or_default().insert(by);
        }
    }
    let page = page(&shown);
    let there = fs::read_to_string(PAGE).unwrap_or_default();
    if arguments.check {
        ensure!(there == page, "{PAGE} is old: run `cargo run -p xtask -- requirements`");
    } else if there != page {
        fs::write(PAGE, page).context(PAGE)?;
    }
    println!("requirements: {} shown by tests", shown.len());
    Ok(())
}

/// Rust files that hold tests, and the steps that other programs run, in the order of their paths.
fn tests(below: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![below.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            let is = |extension: &str| path.extension().is_some_and(|e| e == extension);
            let in_tests = path.components().any(|part| part.as_os_str() == "tests");
            if path.is_dir() {
                folders.push(path);
            } else if is("rs") {
                let text = fs::read_to_string(&path)?;
                if text.contains("#[test]") || in_tests {
                    files.push(path);
                }
            } else if (is("tf") || is("txt")) && in_tests {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Every requirement that a file names, with the function that does.
fn named(text: &str) -> Vec<(Id, Option<String>)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut named = Vec::new();
    let mut current = None;
    for (at, line) in lines.iter().enumerate() {
        let function = function(line);
        if function.is_some() {
            current = function;
        }
        let ids = ids(line);
        if ids.is_empty() {
            continue;
        }
        let comment = line.trim_start();
        let by = if comment.starts_with("//!") {
            None
        } else if comment.starts_with("///") {
            lines[at..].iter().find_map(|line| self::function(line))
        } else {
            current.clone()
        };
        named.extend(ids.into_iter().map(|id| (id, by.clone())));
    }
    named
}

/// Whether a file holds facts about what Terraform made.
fn is_of_facts(path: &Path) -> bool {
    let folder = path.parent().and_then(Path::file_name);
    folder.is_some_and(|folder| folder == "facts") && path.extension().is_some_and(|e| e == "txt")
}

/// Every requirement above facts, with what the line says it asks for.
fn named_by_facts(text: &str) -> Vec<(Id, Option<String>)> {
    let is_heading = |line: &&str| !line.starts_with([' ', '#']) && !line.starts_with("with ");
    let headings = text.lines().filter(is_heading).filter_map(|line| line.split_once(": "));
    let named = headings
        .flat_map(|(before, asked)| ids(before).into_iter().map(|id| (id, Some(asked.to_owned()))));
    named.collect()
}

/// The name of the function that a line begins.
fn function(line: &str) -> Option<String> {
    let (before, after) = line.split_once("fn ")?;
    let is_code = before.split_whitespace().all(|w| ["async", "pub", "pub(crate)"].contains(&w));
    let name = after.split(['(', '<']).next()?;
    (is_code && !name.is_empty()).then(|| name.to_owned())
}

/// The ids on a line; `CP-14 to CP-22` is all of them.
fn ids(line: &str) -> Vec<Id> {
    let mut found: Vec<(Id, usize, usize)> = Vec::new();
    for (prefix, _, most) in SYSTEMS {
        let mark = format!("{prefix}-");
        for (at, _) in line.match_indices(&mark) {
            let digits = &line[at + mark.len()..];
            let length = digits.bytes().take_while(u8::is_ascii_digit).count();
            let is_word = line[..at]
                .chars()
                .next_back()
                .is_none_or(|c| !c.is_alphanumeric() && c != '-' && c != '_');
            if let (true, Ok(number)) = (is_word, digits[..length].parse::<u32>())
                && (1..=most).contains(&number)
            {
                found.push(((prefix.to_owned(), number), at, at + mark.len() + length));
            }
        }
    }
    found.sort_by_key(|(_, at, _)| *at);
    let mut ids: Vec<Id> = Vec::new();
    for (index, (id, at, _)) in found.iter().enumerate() {
        let before = index.checked_sub(1).map(|index| &found[index]);
        if let Some(((prefix, from), _, end)) = before
            && *prefix == id.0
            && line[*end..*at].trim() == "to"
        {
            ids.extend((from + 1..id.1).map(|number| (prefix.clone(), number)));
        }
        ids.push(id.clone());
    }
    ids
}

fn page(shown: &BTreeMap<Id, BTreeSet<String>>) -> String {
    let mut page = String::from(
        "# Requirements of the five systems\n\nMade from the tests by `cargo run -p xtask -- \
         requirements`; do not edit. A requirement is shown by the tests that name it.\n",
    );
    for (prefix, system, count) in SYSTEMS {
        let id = |number: u32| (prefix.to_owned(), number);
        let have = (1..=count).filter(|n| shown.contains_key(&id(*n))).count();
        let _ = write!(
            page,
            "\n## {system}\n\n{have} of {count} shown.\n\n| | shown by |\n|---|---|\n"
        );
        for number in 1..=count {
            let by = shown.get(&id(number)).map_or_else(
                || "not yet".to_owned(),
                |by| by.iter().cloned().collect::<Vec<_>>().join("<br>"),
            );
            let _ = writeln!(page, "| {prefix}-{number} | {by} |");
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(prefix: &str, number: u32) -> Id {
        (prefix.to_owned(), number)
    }

    #[test]
    fn ids_are_words_of_their_own_and_ranges_are_all_of_them() {
        assert_eq!(
            ids("CP-14 to CP-16, BX-2"),
            [id("CP", 14), id("CP", 15), id("CP", 16), id("BX", 2)]
        );
        assert_eq!(ids("ECS-CP-1, XBX-3, CP-0, CP-103, CP-"), []);
    }

    #[test]
    fn facts_are_named_by_the_line_above_them() {
        let text = "# BX-1: no\nBX-2, BX-4 to BX-5: groups: two\n  1 aws_lb | name = BX-3: x\n\
                    with {\"a\": \"BX-6: b\"}\n";
        let by = || Some("groups: two".to_owned());
        assert_eq!(
            named_by_facts(text),
            [(id("BX", 2), by()), (id("BX", 4), by()), (id("BX", 5), by())]
        );
        assert!(is_of_facts(Path::new("tests/roots/facts/a.txt")));
        assert!(!is_of_facts(Path::new("tests/roots/facts.txt")));
    }

    #[test]
    fn a_comment_speaks_of_the_function_below_and_a_line_of_the_one_around() {
        let text = "//! BX-1\n/// BX-2: so.\n#[test]\nfn a() {\n    // BX-3\n}\n";
        let by = |name: &str| Some(name.to_owned());
        assert_eq!(
            named(text),
            [(id("BX", 1), None), (id("BX", 2), by("a")), (id("BX", 3), by("a"))]
        );
    }
}
