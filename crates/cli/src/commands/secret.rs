//! `neargate secret`

use std::io::{IsTerminal, Read as _};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use neargate_engine::api::SecretValue;

use crate::cli::Global;
use crate::client::Client;
use crate::failure::Failure;
use crate::out;

/// As in AWS (Secrets Manager; a parameter holds 8 KiB at most).
const LARGEST_SECRET: usize = 65_536;
const LARGEST_PARAMETER: usize = 8_192;

#[derive(Debug, Args)]
pub(crate) struct Secret {
    #[command(subcommand)]
    command: SecretCommand,
}

#[derive(Debug, Subcommand)]
enum SecretCommand {
    /// Give a secret a new value, read from standard input
    Put(Put),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Containers that start from now on get the value; running ones keep what they have until
`neargate deploy`. The value is kept encrypted and never shown. One newline at its end is cut off.

Examples:
  printf %s \"$PASSWORD\" | neargate secret put broxiva-dev/database-url
  neargate secret put auth-service-prod-config < config.json
  echo postgres://db | neargate secret put --parameter /shop/database-url")]
struct Put {
    /// Name of the secret
    name: String,
    /// It is a parameter of the Parameter Store, not a secret of Secrets Manager
    #[arg(long)]
    parameter: bool,
}

impl Secret {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Failure> {
        match &self.command {
            SecretCommand::Put(put) => put.run(global),
        }
    }
}

impl Put {
    fn run(&self, global: &Global) -> Result<(), Failure> {
        let mut client = Client::connect(&global.home()?)?;
        let stdin = std::io::stdin();
        if stdin.is_terminal() {
            out::note("the value, then Ctrl-D:\n");
        }
        let largest = if self.parameter { LARGEST_PARAMETER } else { LARGEST_SECRET };
        let mut bytes = Vec::new();
        stdin
            .lock()
            .take(largest as u64 + 2)
            .read_to_end(&mut bytes)
            .context("cannot read the value from standard input")?;
        let text = String::from_utf8(bytes).map_err(|_| {
            Failure::bad_input("the value is not UTF-8 text").hint("encode it, e.g. with base64")
        })?;
        let value = text.strip_suffix('\n').unwrap_or(&text).to_owned();
        if value.is_empty() {
            return Err(Failure::bad_input("the value is empty")
                .hint("it is read from standard input, e.g. `neargate secret put NAME < FILE`"));
        }
        if value.len() > largest {
            return Err(Failure::bad_input(format!("the value has more than {largest} bytes")));
        }
        let name = self.name.clone();
        client.put_secrets(vec![match self.parameter {
            true => SecretValue::Parameter { name, value },
            false => SecretValue::Secret { name, value },
        }])
    }
}
