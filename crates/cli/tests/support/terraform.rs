//! The program `terraform`, run in a folder of its own.

#![allow(dead_code, reason = "each test program uses another part")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;

const PROVIDER: &str = r#"
terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}

provider "aws" {
  region            = "us-east-1"
  s3_use_path_style = true
}
"#;

/// A root module with its state.
pub(crate) struct Root {
    folder: PathBuf,
    /// What goes away with the root.
    _tree: TempDir,
    endpoint: String,
}

/// What a plan wants to do with one resource.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) address: String,
    /// `no-op`, `create`, `update`, `delete`; two of them are a replacement.
    pub(crate) actions: Vec<String>,
    pub(crate) imports: bool,
    /// Names of the attributes that differ.
    pub(crate) attributes: Vec<String>,
}

impl Root {
    /// A root made of these configurations, initialised.
    pub(crate) fn new(endpoint: &str, files: &[(&str, &str)]) -> Result<Root> {
        let folder = tempfile::Builder::new().prefix("neargate-terraform-root").tempdir()?;
        std::fs::write(folder.path().join("provider.tf"), PROVIDER)?;
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text)?;
        }
        Root::within(endpoint, folder, Path::new(""))
    }

    /// The configuration in a folder of this tree, initialised.
    pub(crate) fn within(endpoint: &str, tree: TempDir, below: &Path) -> Result<Root> {
        let folder = tree.path().join(below);
        let root = Root { folder, _tree: tree, endpoint: endpoint.to_owned() };
        root.must(&["init", "-input=false", "-no-color", "-backend=false"])?;
        Ok(root)
    }

    /// Where the configuration is.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("terraform");
        command
            .args(arguments)
            .current_dir(&self.folder)
            .env("AWS_ENDPOINT_URL", &self.endpoint)
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("CHECKPOINT_DISABLE", "1")
            .env_remove("AWS_PROFILE")
            .stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Result<(i32, String, String)> {
        let output =
            self.command(arguments).output().context("running terraform; is it installed?")?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok((output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr)))
    }

    fn must(&self, arguments: &[&str]) -> Result<String> {
        let (code, out, err) = self.run(arguments)?;
        if code != 0 {
            bail!("terraform {} ended with {code}\n{out}\n{err}", arguments.join(" "));
        }
        Ok(out)
    }

    fn with_variables(fixed: &[&str], variables: &[&Path]) -> Vec<String> {
        let mut arguments: Vec<String> = fixed.iter().map(|a| (*a).to_owned()).collect();
        arguments.extend(["-input=false".into(), "-no-color".into()]);
        arguments.extend(variables.iter().map(|file| format!("-var-file={}", file.display())));
        arguments
    }

    fn must_with(&self, fixed: &[&str], variables: &[&Path]) -> Result<String> {
        let arguments = Self::with_variables(fixed, variables);
        self.must(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }

    pub(crate) fn apply(&self) -> Result<()> {
        self.must(&["apply", "-auto-approve", "-input=false", "-no-color", "-parallelism=40"])?;
        Ok(())
    }

    /// Applies with these variables; what it did to which resource, in its order.
    pub(crate) fn apply_with(&self, variables: &[&Path]) -> Result<Vec<(String, String)>> {
        let fixed = ["apply", "-auto-approve", "-parallelism=40", "-json"];
        let out = self.must_with(&fixed, variables)?;
        let messages = out.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(messages
            .filter(|message| message["type"] == "planned_change")
            .map(|message| {
                let change = &message["change"];
                (text(&change["resource"]["addr"]), text(&change["action"]))
            })
            .collect())
    }

    /// Addresses in the state.
    pub(crate) fn addresses(&self) -> Result<Vec<String>> {
        Ok(self.must(&["state", "list"])?.lines().map(str::to_owned).collect())
    }

    /// Starts an apply and does not wait for it.
    pub(crate) fn start_apply(&self) -> Result<Child> {
        let arguments = ["apply", "-auto-approve", "-input=false", "-no-color", "-parallelism=40"];
        let mut command = self.command(&arguments);
        Ok(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?)
    }

    pub(crate) fn destroy(&self, variables: &[&Path]) -> Result<()> {
        self.must_with(&["destroy", "-auto-approve", "-parallelism=40"], variables)?;
        Ok(())
    }

    /// What a plan with these variables wants; the plan can then be applied.
    pub(crate) fn plan(&self, variables: &[&Path]) -> Result<Vec<Change>> {
        let plan = self.planned(variables)?;
        let changes = plan["resource_changes"].as_array().into_iter().flatten();
        Ok(changes.filter(|c| c["mode"] == "managed").map(change).collect())
    }

    /// Carries out the last plan.
    pub(crate) fn apply_plan(&self) -> Result<()> {
        self.must(&["apply", "-input=false", "-no-color", "-parallelism=40", "plan"])?;
        Ok(())
    }

    /// The plan must want nothing, neither of resources nor of outputs.
    pub(crate) fn nothing_to_do(&self, when: &str, variables: &[&Path]) -> Result<()> {
        let arguments = Self::with_variables(&["plan", "-detailed-exitcode"], variables);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let (code, out, err) = self.run(&arguments)?;
        ensure!(code == 0, "the plan {when} is not empty:\n{out}\n{err}");
        Ok(())
    }

    /// The state with all its modules.
    pub(crate) fn state(&self) -> Result<Value> {
        Ok(serde_json::from_str(&self.must(&["show", "-json"])?)?)
    }

    /// The whole plan with these variables.
    pub(crate) fn planned(&self, variables: &[&Path]) -> Result<Value> {
        self.must_with(&["plan", "-out=plan", "-parallelism=40"], variables)?;
        Ok(serde_json::from_str(&self.must(&["show", "-json", "plan"])?)?)
    }

    /// Address and attributes of every resource of the state.
    pub(crate) fn resources(&self) -> Result<Vec<(String, Value)>> {
        let state = self.state()?;
        let resources = state["values"]["root_module"]["resources"].as_array();
        let managed = resources.into_iter().flatten().filter(|r| r["mode"] == "managed");
        Ok(managed
            .map(|r| (r["address"].as_str().unwrap_or_default().to_owned(), r["values"].clone()))
            .collect())
    }
}

fn change(change: &Value) -> Change {
    let actions = change["change"]["actions"].as_array().into_iter().flatten();
    let (before, after) = (&change["change"]["before"], &change["change"]["after"]);
    let attributes = after.as_object().into_iter().flatten();
    Change {
        address: change["address"].as_str().unwrap_or_default().to_owned(),
        actions: actions.filter_map(Value::as_str).map(str::to_owned).collect(),
        imports: !change["change"]["importing"].is_null(),
        attributes: attributes
            .filter(|(name, value)| before.get(name.as_str()) != Some(value))
            .map(|(name, _)| name.clone())
            .collect(),
    }
}
