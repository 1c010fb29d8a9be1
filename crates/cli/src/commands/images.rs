//! `neargate images`

use std::path::PathBuf;

use clap::Args;

use super::up::{image_sources, load};
use crate::cli::Global;
use crate::client::Client;
use crate::failure::Failure;
use crate::out;

#[derive(Debug, Args)]
#[command(after_help = "\
For systems that Terraform or another AWS client brings up: their task definitions name images by
repository, whatever the registry before it, and these are found from then on.

Examples:
  neargate images systems/customer-order-portal
  neargate images                                the neargate.yaml of this directory")]
pub(crate) struct Images {
    /// Directory with a neargate.yaml, or the file itself
    #[arg(default_value = ".")]
    directory: PathBuf,
}

impl Images {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Failure> {
        let images = image_sources(&load(&self.directory)?);
        let mut client = Client::connect(&global.home()?)?;
        let names: Vec<String> = images.keys().cloned().collect();
        client.commands(Vec::new(), images, Vec::new())?;
        for name in names {
            out::data(&format!("{name}\n"))?;
        }
        Ok(())
    }
}
