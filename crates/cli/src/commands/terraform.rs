//! `neargate terraform`

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use neargate_system::{Root, terraform_root};

use crate::cli::Global;
use crate::failure::Failure;
use crate::out;

/// Path below `terraform/modules` to text.
const MODULES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/terraform_modules.rs"));
/// The root of a system that lies below `systems/` finds the modules here.
const SHARED_MODULES: &str = "../../../terraform/modules";
const OWN_MODULES: &str = "./modules";

#[derive(Debug, Args)]
#[command(after_help = "\
The root makes the same platform on AWS, and here by `AWS_ENDPOINT_URL` alone. It is written anew
each time: what you add goes into files of your own beside these, and values into *.tfvars. Files of
others are left alone.

Examples:
  neargate terraform systems/broxiva             into systems/broxiva/terraform
  neargate terraform shop --env prod --out infra
  neargate terraform shop --check                exit 1 if the files are not what would be written")]
pub(crate) struct Terraform {
    /// Directory with a neargate.yaml, or the file itself
    #[arg(default_value = ".")]
    directory: PathBuf,
    /// Only this environment [default: all]
    #[arg(long, value_name = "NAME")]
    env: Option<String>,
    /// Where the root is written [default: `terraform` beside the description]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Write nothing; exit 1 if a file is not as it would be written
    #[arg(long)]
    check: bool,
}

impl Terraform {
    pub(crate) fn run(&self, _global: &Global) -> Result<(), Failure> {
        let root = terraform_root(&self.directory, self.env.as_deref())
            .map_err(|problems| Failure::bad_inputs(problems.problems()))?;
        let beside = match self.directory.is_dir() {
            true => self.directory.clone(),
            false => self.directory.parent().map(Path::to_path_buf).unwrap_or_default(),
        };
        let folder = self.out.clone().unwrap_or_else(|| beside.join("terraform"));
        let root = with_modules(root, &folder);
        let changed: Vec<(&String, &String)> = root
            .iter()
            .filter(|(name, text)| {
                fs::read_to_string(folder.join(name)).ok().as_ref() != Some(*text)
            })
            .collect();
        for (name, text) in &changed {
            if !self.check {
                write(&folder.join(name), text)?;
            }
            out::data(&format!("{}\n", folder.join(name).display()))?;
        }
        match (self.check, changed.len()) {
            (true, 1..) => {
                Err(Failure::new("not what `neargate terraform` writes: the files above")
                    .hint("run it without --check"))
            }
            (false, 0) | (true, 0) => {
                out::note(&format!("{} is up to date\n", folder.display()));
                Ok(())
            }
            (false, _) => Ok(()),
        }
    }
}

/// The modules are referred to where they lie, or written beside the root.
fn with_modules(root: Root, folder: &Path) -> Root {
    if shared_above(folder) {
        return root;
    }
    let mut own: Root = root
        .into_iter()
        .map(|(name, text)| (name, text.replace(SHARED_MODULES, OWN_MODULES)))
        .collect();
    for (name, text) in MODULES {
        own.insert(format!("modules/{name}"), (*text).to_owned());
    }
    own
}

/// Whether the modules will be found once the folder is there.
fn shared_above(folder: &Path) -> bool {
    let Ok(folder) = std::path::absolute(folder) else { return false };
    folder.ancestors().nth(3).is_some_and(|above| above.join("terraform/modules").is_dir())
}

/// By another name first, so that nobody finds half a file.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let new = path.with_extension("new");
    let written = fs::write(&new, text).and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written.with_context(|| format!("cannot write {}", path.display()))?;
    Ok(())
}
