//! Facts about what Terraform made, from `facts/<system>-<environment>.txt`.
//!
//! ```text
//! # A comment.
//! BB-14: the load balancer faces the internet, in the public subnets
//!   every aws_lb | internal = false | subnets in {aws_subnet | tags.Tier = public}.id
//!
//! with {"certificate_arn": "arn:aws:acm:eu-west-2:000000000000:certificate/1"}
//!
//! BB-18: a certificate is all it takes
//!   1 aws_lb_listener | port = 443 | protocol = HTTPS
//! ```
//!
//! A line that is not indented names requirements and says what they ask; the indented lines below it
//! are the facts that show it. What stands below a `with` is held against the plan that these
//! variables lead to, everything else against the state.
//!
//! A fact is `quantity resources | condition | condition ...`:
//! - quantity: `every` (the last condition holds for all that meet the ones before, which are not
//!   none), `some`, `no`, or how many there are.
//! - resources: a type, a pattern of types (those that have the attribute asked for), or with a dot in
//!   it a pattern of addresses. `output` is the root's outputs, `change` what a plan does.
//! - condition: `path operator value`. A path goes through lists and through texts that hold JSON;
//!   `list[name=PORT]` goes on with the members whose `name` is `PORT`.
//! - operator: `=` and `!=` compare as sets, `has` and `lacks` look for all and for any of the values,
//!   `in` is met by values that are all among these, `~` by values that all match one of the patterns,
//!   `<`, `<=`, `>=`, `>` compare numbers.
//! - value: JSON, a word, `nothing`, or `{resources | condition}.path`.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Map, Value, json};

/// Facts that are about the same world.
#[derive(Debug)]
pub(crate) struct Section {
    /// Over the variables of the apply; none for the state itself.
    pub(crate) variables: Option<Value>,
    facts: Vec<(usize, String)>,
}

/// The sections of a file.
pub(crate) fn sections(text: &str) -> Result<Vec<Section>> {
    let mut sections = vec![Section { variables: None, facts: Vec::new() }];
    let mut asked = None;
    for (number, line) in (1..).zip(text.lines()) {
        let section = sections.last_mut().context("never empty")?;
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        } else if let Some(variables) = line.strip_prefix("with ") {
            ensure!(asked.is_none(), "line {number}: no fact stands below the line before");
            let variables = serde_json::from_str(variables);
            let variables = Some(variables.with_context(|| format!("line {number}: {line}"))?);
            sections.push(Section { variables, facts: Vec::new() });
        } else if line.starts_with(' ') {
            section.facts.push((number, line.trim().to_owned()));
            asked = None;
        } else {
            ensure!(asked.is_none(), "line {number}: no fact stands below the line before");
            asked = Some(line);
        }
    }
    ensure!(asked.is_none(), "no fact stands below the last line");
    Ok(sections)
}

impl Section {
    /// What does not hold, a line each.
    pub(crate) fn failures(&self, world: &World) -> Vec<String> {
        let check = |(number, fact): &(usize, String)| match world.holds(fact) {
            Ok(()) => None,
            Err(why) => Some(format!("line {number}: {fact}\n    {why:#}")),
        };
        self.facts.iter().filter_map(check).collect()
    }

    /// How many facts there are.
    pub(crate) fn len(&self) -> usize {
        self.facts.len()
    }
}

#[derive(Debug)]
struct Resource {
    address: String,
    kind: String,
    values: Value,
}

/// Everything that facts can be about.
#[derive(Debug)]
pub(crate) struct World {
    resources: Vec<Resource>,
}

impl World {
    /// From `terraform show -json`, of the state or of a plan.
    pub(crate) fn of(shown: &Value) -> Result<World> {
        let values = shown.get("planned_values").or_else(|| shown.get("values"));
        let values = values.context("neither a state nor a plan")?;
        let mut resources = Vec::new();
        collect(&values["root_module"], &mut resources);
        ensure!(!resources.is_empty(), "there are no resources");
        let outputs = values["outputs"].as_object().into_iter().flatten();
        let outputs: Map<String, Value> = outputs
            .map(|(name, output)| {
                let known = output.get("value").cloned();
                (name.clone(), known.unwrap_or_else(|| "known after apply".into()))
            })
            .collect();
        let changes = shown["resource_changes"].as_array().into_iter().flatten();
        let changes = changes.filter(|change| change["mode"] == "managed").map(|change| {
            json!({ "address": change["address"], "type": change["type"],
                    "actions": change["change"]["actions"] })
        });
        let special = |kind: &str, values: Value| Resource {
            address: kind.to_owned(),
            kind: kind.to_owned(),
            values,
        };
        resources.extend(changes.map(|values| special("change", values)));
        resources.push(special("output", outputs.into()));
        Ok(World { resources })
    }

    fn holds(&self, fact: &str) -> Result<()> {
        let (quantity, rest) = fact.split_once(' ').context("a quantity, then resources")?;
        let mut parts = split(rest, '|').into_iter();
        let wanted = parts.next().context("no resources")?.trim();
        let conditions: Vec<Condition> =
            parts.map(|part| Condition::read(part, self)).collect::<Result<_>>()?;
        let all = self.of_kind(wanted, &conditions)?;
        let meeting = |conditions: &[Condition]| -> Vec<&Resource> {
            let meets = |r: &&Resource| conditions.iter().all(|c| c.holds(&r.values));
            all.iter().copied().filter(meets).collect()
        };
        let found = meeting(&conditions);
        match quantity {
            "every" => {
                let (last, filters) = conditions.split_last().context("every needs a condition")?;
                let selected = meeting(filters);
                ensure!(!selected.is_empty(), "there is none");
                if let Some(other) = selected.iter().find(|r| !last.holds(&r.values)) {
                    bail!("{} has {}", other.address, last.found(&other.values));
                }
            }
            "some" => ensure!(!found.is_empty(), "there is none among {}", seen(&all, &conditions)),
            "no" => {
                ensure!(!all.is_empty(), "there is no {wanted} at all; say 0 for that");
                ensure!(found.is_empty(), "{} is one", found[0].address);
            }
            number => {
                let number: usize = number.parse().context("every, some, no or a number")?;
                let among = seen(&all, &conditions);
                ensure!(found.len() == number, "there are {} among {among}", found.len());
            }
        }
        Ok(())
    }

    /// Those that a selection means; what is asked for must be something they have.
    fn of_kind(&self, wanted: &str, conditions: &[Condition]) -> Result<Vec<&Resource>> {
        let selected = self.resources.iter().filter(|resource| match wanted.contains('.') {
            true => matches(wanted, &resource.address),
            false => matches(wanted, &resource.kind),
        });
        let has = |r: &&Resource| conditions.iter().all(|c| r.values.get(c.first()).is_some());
        let selected: Vec<&Resource> = match wanted.contains('*') {
            true => selected.filter(has).collect(),
            false => selected.collect(),
        };
        for condition in conditions {
            let known = selected.iter().any(|r| r.values.get(condition.first()).is_some());
            ensure!(selected.is_empty() || known, "{wanted} has no {}", condition.first());
        }
        Ok(selected)
    }

    /// `{resources | condition}.path`.
    fn reference(&self, text: &str) -> Result<Vec<Value>> {
        let (inside, path) = text[1..].rsplit_once("}.").context("expected {resources}.path")?;
        let mut parts = split(inside, '|').into_iter();
        let wanted = parts.next().context("no resources")?.trim();
        let conditions: Vec<Condition> =
            parts.map(|part| Condition::read(part, self)).collect::<Result<_>>()?;
        let all = self.of_kind(wanted, &conditions)?;
        let meets = |r: &&Resource| conditions.iter().all(|c| c.holds(&r.values));
        let found: Vec<Value> =
            all.into_iter().filter(meets).flat_map(|r| at(&r.values, path)).collect();
        ensure!(!found.is_empty(), "{text} is nothing");
        Ok(found)
    }
}

fn collect(module: &Value, resources: &mut Vec<Resource>) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let managed = module["resources"].as_array().into_iter().flatten();
    resources.extend(managed.filter(|r| r["mode"] == "managed").map(|r| Resource {
        address: text(&r["address"]),
        kind: text(&r["type"]),
        values: r["values"].clone(),
    }));
    for child in module["child_modules"].as_array().into_iter().flatten() {
        collect(child, resources);
    }
}

/// What the selected have where the conditions look.
fn seen(all: &[&Resource], conditions: &[Condition]) -> String {
    let describe = |r: &&Resource| {
        let found = conditions.iter().map(|c| c.found(&r.values)).collect::<Vec<_>>().join(", ");
        format!("{} ({found})", r.address)
    };
    let all: Vec<String> = all.iter().map(describe).collect();
    if all.is_empty() { "none".to_owned() } else { all.join("; ") }
}

#[derive(Debug)]
struct Condition {
    path: String,
    operator: String,
    values: Vec<Value>,
}

const OPERATORS: [&str; 10] = ["=", "!=", "has", "lacks", "in", "~", "<", "<=", ">=", ">"];

impl Condition {
    fn read(text: &str, world: &World) -> Result<Condition> {
        let mut words = text.trim().splitn(3, ' ');
        let (Some(path), Some(operator), Some(value)) = (words.next(), words.next(), words.next())
        else {
            bail!("expected `path operator value`: {text}")
        };
        ensure!(OPERATORS.contains(&operator), "{operator} is none of {OPERATORS:?}");
        let values = match value.trim() {
            "nothing" => Vec::new(),
            reference if reference.starts_with('{') => world.reference(reference)?,
            list if list.starts_with('[') => {
                serde_json::from_str(list).with_context(|| list.to_owned())?
            }
            word => vec![serde_json::from_str(word).unwrap_or_else(|_| word.into())],
        };
        let known = !values.is_empty() || matches!(operator, "=" | "!=");
        ensure!(known, "{operator} needs a value");
        Ok(Condition { path: path.to_owned(), operator: operator.to_owned(), values })
    }

    /// The attribute it begins with.
    fn first(&self) -> &str {
        self.path.split(['.', '[']).next().unwrap_or_default()
    }

    fn holds(&self, resource: &Value) -> bool {
        let found = at(resource, &self.path);
        let is_there = |value: &Value| found.iter().any(|f| text(f) == text(value));
        let is_meant = |found: &Value| self.values.iter().any(|v| text(v) == text(found));
        let set = |values: &[Value]| values.iter().map(text).collect::<BTreeSet<_>>();
        let compare = |compare: fn(f64, f64) -> bool| {
            let number = |value: &Value| text(value).parse::<f64>().ok();
            let meant = self.values.first().and_then(number);
            let each = |f| matches!((number(f), meant), (Some(a), Some(b)) if compare(a, b));
            !found.is_empty() && found.iter().all(each)
        };
        match &*self.operator {
            "=" => set(&found) == set(&self.values),
            "!=" => set(&found) != set(&self.values),
            "has" => self.values.iter().all(is_there),
            "lacks" => !self.values.iter().any(is_there),
            "in" => !found.is_empty() && found.iter().all(is_meant),
            "~" => {
                let matching = |f: &Value| self.values.iter().any(|v| matches(&text(v), &text(f)));
                !found.is_empty() && found.iter().all(matching)
            }
            "<" => compare(|a, b| a < b),
            "<=" => compare(|a, b| a <= b),
            ">=" => compare(|a, b| a >= b),
            _ => compare(|a, b| a > b),
        }
    }

    fn found(&self, resource: &Value) -> String {
        format!("{} {}", self.path, Value::from(at(resource, &self.path)))
    }
}

/// `5` and `"5"` are the same: Terraform writes many a number as a text.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What a path leads to; nothing for what is null or empty.
fn at(value: &Value, path: &str) -> Vec<Value> {
    let mut found = vec![value.clone()];
    for step in split(path, '.') {
        let (name, filter) = match step.strip_suffix(']').and_then(|s| s.split_once('[')) {
            Some((name, filter)) => (name, filter.split_once('=')),
            None => (step, None),
        };
        found = found.iter().flat_map(members).filter_map(|m| m.get(name).cloned()).collect();
        if let Some((key, wanted)) = filter {
            found = found.iter().flat_map(members).collect();
            found.retain(|member| member.get(key).is_some_and(|v| text(v) == wanted));
        }
    }
    let leaves = found.iter().flat_map(|value| match value {
        Value::Array(list) => list.clone(),
        other => vec![other.clone()],
    });
    leaves.filter(|leaf| !leaf.is_null() && leaf != "").collect()
}

/// The members of a list, or of the JSON in a text.
fn members(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(list) => list.iter().flat_map(members).collect(),
        Value::String(json) => match serde_json::from_str(json) {
            Ok(inner @ (Value::Array(_) | Value::Object(_))) => members(&inner),
            _ => Vec::new(),
        },
        other => vec![other.clone()],
    }
}

/// Splits where no bracket is open and no quote.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut from, mut depth, mut quoted) = (Vec::new(), 0, 0_usize, false);
    for (at, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '{' | '[' if !quoted => depth += 1,
            '}' | ']' if !quoted => depth = depth.saturating_sub(1),
            c if c == separator && depth == 0 && !quoted => {
                parts.push(&text[from..at]);
                from = at + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[from..]);
    parts
}

/// Whether a text matches a pattern in which `*` stands for anything.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, rest)) => text.strip_prefix(before).is_some_and(|text| {
            (0..=text.len())
                .filter(|at| text.is_char_boundary(*at))
                .any(|at| matches(rest, &text[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world() -> World {
        let resource = |address: &str, kind: &str, values: Value| json!({ "address": address, "mode": "managed", "type": kind, "values": values });
        let policy = json!({ "Statement": [
            { "Sid": "Read", "Resource": ["a", "b"] }, { "Sid": "Write", "Resource": "c" }
        ]});
        World::of(&json!({ "values": {
            "outputs": { "url": { "value": "http://x" } },
            "root_module": { "child_modules": [{ "resources": [
                resource("module.n.aws_subnet.a", "aws_subnet", json!({ "id": "s1", "public": true })),
                resource("module.n.aws_subnet.b", "aws_subnet", json!({ "id": "s2", "public": false })),
                resource("module.b.aws_lb.this", "aws_lb", json!({
                    "subnets": ["s1"], "policy": policy.to_string(), "port": "80", "certificate": null
                })),
            ]}]}
        }}))
        .expect("a state")
    }

    fn holds(fact: &str) -> bool {
        world().holds(fact).is_ok()
    }

    #[test]
    fn quantities() {
        assert!(holds("2 aws_subnet") && !holds("1 aws_subnet"));
        assert!(holds("1 aws_subnet | public = true") && holds("0 aws_vpc"));
        assert!(holds("every aws_subnet | public = true | id = s1"));
        assert!(!holds("every aws_subnet | public = true") && !holds("every aws_vpc | id = s1"));
        assert!(!holds("every aws_subnet | id = s3 | public = true"), "none is not every");
        assert!(holds("some aws_subnet | public = false") && !holds("some aws_subnet | id = s3"));
        assert!(holds("no aws_subnet | id = s3") && !holds("no aws_subnet | id = s2"));
        assert!(!holds("no aws_vpc | id = s3"), "of what is not there nothing is shown");
        assert!(!holds("no aws_subnet | ip = 1"), "nor of an attribute that is not there");
    }

    #[test]
    fn resources() {
        assert!(holds("2 module.n.*") && holds("3 module.*") && holds("1 *.aws_lb.this"));
        assert!(holds("2 aws_* | id ~ s*"), "those that have the attribute");
        assert!(holds("every output | url ~ http://*"));
    }

    #[test]
    fn conditions() {
        assert!(holds("every aws_lb | port = 80") && holds("every aws_lb | port > 79"));
        assert!(!holds("every aws_lb | port < 80") && holds("every aws_lb | port <= 80"));
        assert!(holds("every aws_lb | policy.Statement.Resource = [\"c\", \"b\", \"a\"]"));
        assert!(!holds("every aws_lb | policy.Statement.Resource = [\"a\", \"b\"]"));
        assert!(holds("every aws_lb | policy.Statement[Sid=Read].Resource = [\"a\", \"b\"]"));
        assert!(holds("every aws_lb | policy.Statement.Resource has a"));
        assert!(holds("every aws_lb | policy.Statement.Resource lacks d"));
        assert!(!holds("every aws_lb | policy.Statement.Resource lacks [\"d\", \"a\"]"));
        assert!(holds("every aws_lb | certificate = nothing"));
        assert!(!holds("every aws_lb | port = nothing") && holds("every aws_lb | port != nothing"));
        assert!(holds("every aws_lb | subnets in {aws_subnet | public = true}.id"));
        assert!(!holds("every aws_lb | subnets in {aws_subnet | public = false}.id"));
        assert!(!holds("every aws_lb | certificate in {aws_subnet}.id"), "nothing is in nothing");
        assert!(!holds("every aws_lb | port is 80") && !holds("every aws_lb | port"));
    }

    #[test]
    fn sections_have_facts_below_what_they_show() {
        let text = "# Note\nBB-1: a\n  1 aws_lb\n\nwith {\"a\": 1}\nBB-2: b\n  1 aws_vpc\n";
        let sections = sections(text).expect("well formed");
        assert_eq!(sections.iter().map(|s| s.len()).collect::<Vec<_>>(), [1, 1]);
        assert_eq!(sections[1].variables, Some(json!({ "a": 1 })));
        assert_eq!(sections[0].failures(&world()), Vec::<String>::new());
        assert_eq!(sections[1].failures(&world()).len(), 1);
        for bad in ["BB-1: a\n", "BB-1: a\nBB-2: b\n  1 aws_lb\n", "BB-1: a\nwith {}\n"] {
            super::sections(bad).expect_err(bad);
        }
    }
}
