//! `bindery completions`: a script that completes commands in a shell.

use bindery::base::Result;
use clap::{Args, Command};
use clap_complete::Shell;

use crate::examples::examples;
use crate::output;

/// What `completions` takes.
#[derive(Debug, Args)]
#[command(after_help = examples!(
    "bindery completions bash > ~/.local/share/bash-completion/completions/bindery"
    "bindery completions fish > ~/.config/fish/completions/bindery.fish"
))]
pub struct Arguments {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Writes the script.
///
/// # Errors
///
/// What the system answers.
pub fn run(arguments: &Arguments, mut command: Command) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "bindery", &mut script);
    output::write_bytes(&script)
}
