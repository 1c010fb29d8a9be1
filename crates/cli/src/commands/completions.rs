//! `neargate completions`

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::cli::Cli;
use crate::failure::Failure;
use crate::out;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  neargate completions bash > ~/.local/share/bash-completion/completions/neargate
  neargate completions zsh > ~/.zfunc/_neargate
  neargate completions fish > ~/.config/fish/completions/neargate.fish")]
pub(crate) struct Completions {
    /// Which shell
    #[arg(value_parser = ["bash", "zsh", "fish"])]
    shell: String,
}

impl Completions {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let shell = match self.shell.as_str() {
            "zsh" => Shell::Zsh,
            "fish" => Shell::Fish,
            _ => Shell::Bash,
        };
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "neargate", &mut script);
        out::data(&String::from_utf8_lossy(&script))?;
        Ok(())
    }
}
