//! One case: a folder with a configuration and what is to be done with it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::endpoint::Endpoint;
use crate::terraform::{Change, Root};

/// What an import needs to know about one resource.
enum Import {
    /// Its id, with `${attribute}` in it.
    Id(String),
    /// It cannot be imported.
    Skip,
    /// Attributes that an import cannot find out.
    Differs(Vec<String>),
}

pub(crate) struct Case {
    name: String,
    configuration: String,
    changes: Vec<PathBuf>,
    /// By address, without the index of an instance.
    imports: BTreeMap<String, Vec<Import>>,
    /// Beginnings of what may stay in the inventory: a kind, or a kind and a name.
    leaves: Vec<String>,
}

impl Case {
    pub(crate) fn read(folder: &Path) -> Result<Case> {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let read = |file: &str| std::fs::read_to_string(folder.join(file));
        let mut changes: Vec<PathBuf> = std::fs::read_dir(folder)?
            .map(|entry| Ok(entry?.path()))
            .collect::<std::io::Result<Vec<_>>>()?;
        changes.retain(|path| path.extension().is_some_and(|e| e == "tfvars"));
        changes.sort();
        let mut imports: BTreeMap<String, Vec<Import>> = BTreeMap::new();
        for line in lines(&read("import.txt").unwrap_or_default()) {
            let (address, rest) =
                line.split_once(' ').with_context(|| format!("{name}/import.txt: `{line}`"))?;
            let import = match rest.split_once(' ') {
                Some(("skip", _reason)) => Import::Skip,
                Some(("differs", names)) => {
                    Import::Differs(names.split(',').map(|n| n.trim().to_owned()).collect())
                }
                _ => Import::Id(rest.to_owned()),
            };
            imports.entry(address.to_owned()).or_default().push(import);
        }
        Ok(Case {
            configuration: read("main.tf").with_context(|| format!("{name}/main.tf"))?,
            leaves: lines(&read("leaves.txt").unwrap_or_default()).map(str::to_owned).collect(),
            name,
            changes,
            imports,
        })
    }

    pub(crate) fn run(&self) -> Result<()> {
        let endpoint = Endpoint::start()?;
        let outcome = self.run_on(&endpoint);
        outcome.with_context(|| format!("the engine's log ends with:\n{}", endpoint.log()))
    }

    fn run_on(&self, endpoint: &Endpoint) -> Result<()> {
        let before = endpoint.inventory()?;
        let root = Root::new(&endpoint.url, &[("main.tf", &self.configuration)])?;
        let began = Instant::now();
        root.apply()?;
        let applied = began.elapsed();
        root.nothing_to_do("after the apply", &[])?;
        let mut variables: Vec<&Path> = Vec::new();
        for file in &self.changes {
            variables.push(file);
            self.change(&root, file, &variables)?;
        }
        self.import(&root, &endpoint.url, &variables)?;
        let began = Instant::now();
        root.destroy(&variables)?;
        self.nothing_left(before, endpoint)?;
        crate::say(&format!(
            "{}: apply {:.1} s, {} changes, destroy {:.1} s",
            self.name,
            applied.as_secs_f32(),
            self.changes.len(),
            began.elapsed().as_secs_f32()
        ));
        Ok(())
    }

    fn change(&self, root: &Root, file: &Path, variables: &[&Path]) -> Result<()> {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let text = std::fs::read_to_string(file)?;
        let first = text.lines().next().unwrap_or_default();
        let replaces: BTreeSet<&str> = first
            .strip_prefix("# replaces: ")
            .map(|addresses| addresses.split(' ').collect())
            .unwrap_or_default();
        let changes = root.plan(variables)?;
        let (unchanged, changed): (Vec<Change>, Vec<Change>) =
            changes.into_iter().partition(|c| c.actions == ["no-op"]);
        ensure!(!changed.is_empty(), "{name} changes nothing of {} resources", unchanged.len());
        for change in &changed {
            let may_be_replaced = replaces.contains(change.address.as_str());
            ensure!(
                change.actions == ["update"] || may_be_replaced,
                "{name}: {} is not updated in place but {:?}: {:?}",
                change.address,
                change.actions,
                change.attributes
            );
        }
        root.apply_plan().with_context(|| format!("applying {name}"))?;
        root.nothing_to_do(&format!("after {name}"), variables)
    }

    /// Everything of the state is found again by its id.
    fn import(&self, root: &Root, endpoint: &str, variables: &[&Path]) -> Result<()> {
        let mut blocks = String::new();
        let mut skipped = BTreeSet::new();
        let mut differs: BTreeMap<String, &[String]> = BTreeMap::new();
        for (address, attributes) in root.resources()? {
            let general = address.split('[').next().unwrap_or_default();
            let mut id = text(&attributes["id"]);
            for import in self.imports.get(general).into_iter().flatten() {
                match import {
                    Import::Id(template) => id = fill(template, &attributes),
                    Import::Skip => {
                        skipped.insert(address.clone());
                    }
                    Import::Differs(names) => {
                        differs.insert(address.clone(), names);
                    }
                }
            }
            if !skipped.contains(&address) {
                let id = serde_json::to_string(&id)?.replace("${", "$${");
                let _ = write!(blocks, "import {{\n  to = {address}\n  id = {id}\n}}\n");
            }
        }
        let files = [("main.tf", self.configuration.as_str()), ("imports.tf", &blocks)];
        let again = Root::new(endpoint, &files)?;
        let changes = again.plan(variables).context("importing")?;
        let mut problems = String::new();
        for change in changes.iter().filter(|c| !skipped.contains(&c.address)) {
            let Change { address, actions, imports, attributes } = change;
            if !imports {
                let _ = writeln!(problems, "{address} is not imported but {actions:?}");
            } else if actions != &["no-op"] {
                let allowed = differs.get(address).copied().unwrap_or_default();
                let others: Vec<&String> =
                    attributes.iter().filter(|name| !allowed.contains(name)).collect();
                if actions != &["update"] || !others.is_empty() {
                    let _ = writeln!(problems, "{address} is then {actions:?}: {others:?}");
                }
            }
        }
        ensure!(problems.is_empty(), "after the import:\n{problems}");
        Ok(())
    }

    fn nothing_left(
        &self,
        before: BTreeMap<String, BTreeMap<String, Value>>,
        endpoint: &Endpoint,
    ) -> Result<()> {
        let mut left = String::new();
        for (kind, things) in endpoint.inventory()? {
            let known = before.get(&kind).cloned().unwrap_or_default();
            for (name, thing) in things {
                let shown = format!("{kind} {name}");
                let stays = self.leaves.iter().any(|start| shown.starts_with(start));
                if !known.contains_key(&name) && !stays {
                    let _ = writeln!(left, "{shown}: {thing}");
                }
            }
        }
        if !left.is_empty() {
            bail!("left after the destroy:\n{left}");
        }
        Ok(())
    }
}

/// Lines without comments and blank ones.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .map(|line| line.split_once("  #").map_or(line, |(before, _)| before).trim())
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// The template with every `${attribute}` replaced.
fn fill(template: &str, attributes: &Value) -> String {
    let mut filled = template.to_owned();
    for (name, value) in attributes.as_object().into_iter().flatten() {
        filled = filled.replace(&format!("${{{name}}}"), &text(value));
    }
    filled
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
