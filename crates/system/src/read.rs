//! From a path to a tree: what can go wrong before a single key has been looked at.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Error, Location, Spanned};

use crate::diagnostics::{Diagnostics, shown};
use crate::node::{Entry, Node, Position, Value};
use crate::suggest;

/// Name of the description inside a system's folder.
pub const FILE_NAME: &str = "neargate.yaml";
/// The largest description that is read, in bytes. Thousands of services fit; a file beyond it
/// is not a description, and is refused unread.
pub const MAX_FILE_BYTES: u64 = 1024 * 1024;
/// Mappings and lists inside each other; the format itself needs nine.
const MAX_DEPTH: usize = 32;
/// Values after all aliases are filled in.
const MAX_NODES: usize = 100_000;
/// `<<` entries; each copies what it merges.
const MAX_MERGE_KEYS: usize = 100;
/// Entries of one mapping or list.
const MAX_ENTRIES: usize = 2_000;

/// The text of a description and the file it came from.
#[derive(Debug)]
pub(crate) struct Source {
    /// As the user named it, for messages.
    pub(crate) file: PathBuf,
    pub(crate) text: String,
}

/// Reads the text.
pub(crate) fn source(path: &Path) -> Result<Source, Diagnostics> {
    let file = match path.metadata() {
        Ok(found) if found.is_dir() => path.join(FILE_NAME),
        Ok(_) => path.to_path_buf(),
        Err(error) => return Err(unreadable(path, &error, near_miss(path))),
    };
    let fail = |message: String| Diagnostics::one(&file, None, message);
    let found = match file.metadata() {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let hint = Some(format!("a system is a folder with a {FILE_NAME}"));
            let message = format!("the folder holds no {FILE_NAME}");
            return Err(Diagnostics::hinted(path, None, message, hint));
        }
        Err(error) => return Err(unreadable(&file, &error, None)),
    };
    if !found.is_file() {
        return Err(fail(format!("is not a file; expected a {FILE_NAME}")));
    }
    if found.len() > MAX_FILE_BYTES {
        return Err(fail(too_large(found.len())));
    }
    let mut bytes = Vec::new();
    // The file may grow between the two looks at it; one byte over the limit settles it.
    let read = File::open(&file).and_then(|f| f.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes));
    if let Err(error) = read {
        return Err(unreadable(&file, &error, None));
    }
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(fail(too_large(bytes.len() as u64)));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Source { file, text }),
        Err(error) => {
            let offset = error.utf8_error().valid_up_to();
            let bytes = error.as_bytes();
            let before = &bytes[..offset];
            let start = before.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
            let column = String::from_utf8_lossy(&before[start..]).chars().count() as u64 + 1;
            let line = before.iter().filter(|b| **b == b'\n').count() as u64 + 1;
            let byte = bytes.get(offset).copied().unwrap_or_default();
            let message =
                format!("byte {offset} (0x{byte:02x}) is not UTF-8; expected a text file in UTF-8");
            Err(Diagnostics::one(&file, Some(Position { line, column }), message))
        }
    }
}

fn too_large(bytes: u64) -> String {
    format!("is {bytes} bytes long; expected a description of at most {MAX_FILE_BYTES} bytes")
}

fn unreadable(path: &Path, error: &std::io::Error, hint: Option<String>) -> Diagnostics {
    let message = match error.kind() {
        ErrorKind::NotFound => {
            format!("does not exist; expected a folder with a {FILE_NAME}, or such a file")
        }
        ErrorKind::PermissionDenied => {
            "cannot be read: permission denied; expected a file you may read".to_owned()
        }
        _ => format!("cannot be read: {error}"),
    };
    Diagnostics::hinted(path, None, message, hint)
}

/// A neighbour of the path that does not exist, if one is spelled almost like it.
fn near_miss(path: &Path) -> Option<String> {
    let given = path.file_name()?.to_str()?;
    let parent = match path.parent()? {
        empty if empty.as_os_str().is_empty() => Path::new("."),
        parent => parent,
    };
    let names: Vec<String> = std::fs::read_dir(parent)
        .ok()?
        .take(1000)
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    let name = suggest::closest(given, names.iter().map(String::as_str))?;
    Some(format!("did you mean {}?", shown(&path.with_file_name(name).display().to_string())))
}

/// Parses the text into a tree.
pub(crate) fn parse(source: &Source) -> Result<Node, Diagnostics> {
    if source.text.len() as u64 > MAX_FILE_BYTES {
        let message = too_large(source.text.len() as u64);
        return Err(Diagnostics::one(&source.file, None, message));
    }
    if !source.text.lines().any(|l| !l.trim().is_empty() && !l.trim_start().starts_with('#')) {
        let message = "is empty; expected at least `name`, `region`, `cluster` and `services`";
        return Err(Diagnostics::one(&source.file, None, message.to_owned()));
    }
    let budget = serde_saphyr::budget! {
        max_depth: MAX_DEPTH,
        flow_nesting_limit: MAX_DEPTH,
        max_nodes: MAX_NODES,
        max_events: 4 * MAX_NODES,
        max_recorded_anchor_events: MAX_NODES,
        max_merge_keys: MAX_MERGE_KEYS,
    };
    let alias_limits = serde_saphyr::alias_limits! {
        max_total_replayed_events: MAX_NODES,
        max_replay_stack_depth: MAX_DEPTH,
        max_alias_expansions_per_anchor: 10_000,
    };
    let options = serde_saphyr::options! {
        budget: budget,
        alias_limits: alias_limits,
        strict_booleans: true,
        reject_unsupported_tags: true,
        emit_comments: false,
        with_snippet: false,
    };
    match serde_saphyr::from_str_with_options::<Spanned<Raw>>(&source.text, options) {
        Ok(raw) => Ok(node(raw, None, &source.text)),
        Err(error) => Err(explain(source, &error)),
    }
}

/// The parser's complaint in words for someone who writes a description, not a parser.
fn explain(source: &Source, error: &Error) -> Diagnostics {
    let error = match error.without_snippet() {
        Error::AliasError { error, .. } => error,
        other => other,
    };
    let at = error.location().filter(|l| l.line() > 0).map(position);
    let line = at.and_then(|at| source.text.lines().nth(at.line.saturating_sub(1) as usize));
    let indent = |l: &str| l.chars().take_while(|c| c.is_whitespace()).any(|c| c == '\t');
    // The parser may notice the tab only while it still reads the line before.
    let next = at.and_then(|at| source.text.lines().nth(at.line as usize));
    let (at, tab) = match (at, line.is_some_and(indent), next.is_some_and(indent)) {
        (Some(at), false, true) => (Some(Position { line: at.line + 1, column: 1 }), true),
        (at, tab, _) => (at, tab),
    };
    let (message, hint) = match error {
        _ if tab => (
            "the line is indented with a tab; expected spaces (YAML allows no tabs there)"
                .to_owned(),
            None,
        ),
        Error::DuplicateMappingKey { key, .. } => (
            format!(
                "the key {} stands twice in the same mapping; expected each key once",
                shown(key.as_deref().unwrap_or_default())
            ),
            None,
        ),
        Error::UnknownAnchor { .. } => (
            "the alias names no anchor above it; expected `&name` before `*name`".to_owned(),
            Some("a text that begins with `*` needs quotes".to_owned()),
        ),
        Error::MultipleDocuments { .. } => {
            ("a second document begins here; expected one per file".to_owned(), None)
        }
        other if other.to_string().contains("recursion limit") => too_much(),
        Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. }
        | Error::Budget { .. } => too_much(),
        Error::NonFiniteFloat { value, .. } => {
            (format!("{} is no number to count with", shown(value)), None)
        }
        other => {
            let text = other.to_string();
            let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(before, _)| before);
            let hint = match text {
                t if t.starts_with("mapping values are not allowed") => Some(
                    "check the indentation; a text that holds `: ` or ends in `:` needs quotes",
                ),
                t if t.contains("quote") => Some("is a quote above it never closed?"),
                t if t.starts_with("unexpected character") => {
                    Some("a text that begins with @, %, ` or similar needs quotes")
                }
                t if t.starts_with("unsupported tag") => {
                    Some("tags such as !Ref belong to other tools; write ${name} for a variable")
                }
                _ => None,
            };
            (
                format!("not valid YAML: {}", text.replace(['\n', '\r'], " ")),
                hint.map(str::to_owned),
            )
        }
    };
    Diagnostics::hinted(&source.file, at, message, hint)
}

fn too_much() -> (String, Option<String>) {
    let message = format!(
        "too much: expected at most {MAX_NODES} values, {MAX_DEPTH} levels deep, with all aliases \
         filled in"
    );
    (message, None)
}

fn position(location: Location) -> Position {
    Position { line: location.line(), column: location.column() }
}

/// A value as the parser hands it over.
enum Raw {
    Null,
    Bool(bool),
    Int(i128),
    Float,
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Raw;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a YAML value")
            }
            fn visit_unit<E>(self) -> Result<Raw, E> {
                Ok(Raw::Null)
            }
            fn visit_none<E>(self) -> Result<Raw, E> {
                Ok(Raw::Null)
            }
            fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
                Ok(Raw::Bool(value))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
                Ok(Raw::Int(value.into()))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
                Ok(Raw::Int(value.into()))
            }
            fn visit_i128<E>(self, value: i128) -> Result<Raw, E> {
                Ok(Raw::Int(value))
            }
            fn visit_u128<E: serde::de::Error>(self, value: u128) -> Result<Raw, E> {
                i128::try_from(value)
                    .map(Raw::Int)
                    .map_err(|_| E::custom("the number is too large"))
            }
            fn visit_f64<E>(self, _: f64) -> Result<Raw, E> {
                Ok(Raw::Float)
            }
            fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
                Ok(Raw::Text(value.to_owned()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    list.push(item);
                    if list.len() > MAX_ENTRIES {
                        return Err(A::Error::custom(too_many()));
                    }
                }
                Ok(Raw::List(list))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
                let mut map: Vec<(Spanned<String>, Spanned<Raw>)> = Vec::new();
                let mut seen = std::collections::BTreeSet::new();
                while let Some((key, value)) = entries.next_entry::<Spanned<String>, _>()? {
                    // `1` and `"1"` are different keys to the parser and the same name to us.
                    if !seen.insert(key.value.clone()) {
                        return Err(A::Error::custom(format!(
                            "the key {} stands twice in the same mapping",
                            shown(&key.value)
                        )));
                    }
                    map.push((key, value));
                    if map.len() > MAX_ENTRIES {
                        return Err(A::Error::custom(too_many()));
                    }
                }
                Ok(Raw::Map(map))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

fn too_many() -> String {
    format!("more than {MAX_ENTRIES} entries in one mapping or list")
}

fn node(raw: Spanned<Raw>, key: Option<Position>, text: &str) -> Node {
    let at = position(raw.defined);
    let written = || {
        let span = raw.defined.span();
        let start = span.byte_offset().unwrap_or(0) as usize;
        let end = start.saturating_add(span.byte_len().unwrap_or(0) as usize);
        text.get(start..end).unwrap_or_default().trim().to_owned()
    };
    match raw.value {
        Raw::Null => {
            let written = !written().is_empty();
            Node { value: Value::Null { written }, at: key.unwrap_or(at) }
        }
        Raw::Bool(value) => Node { value: Value::Bool(value), at },
        Raw::Int(value) => {
            let written = written();
            Node { value: Value::Int(value, written), at }
        }
        Raw::Float => {
            let written = written();
            Node { value: Value::Float(written), at }
        }
        Raw::Text(value) => Node { value: Value::Text(value), at },
        Raw::List(items) => {
            let items = items.into_iter().map(|item| node(item, None, text)).collect();
            Node { value: Value::List(items), at: key.unwrap_or(at) }
        }
        Raw::Map(entries) => {
            let entries = entries
                .into_iter()
                .map(|(key, value)| {
                    let at = position(key.defined);
                    Entry { key: key.value, at, value: node(value, Some(at), text) }
                })
                .collect();
            Node { value: Value::Map(entries), at: key.unwrap_or(at) }
        }
    }
}
