//! The options that all commands have.

use bindery::base::duration::parse_duration;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, ValueEnum};

/// The options that stand before or after any command.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Options of all commands")]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line, on or off"
)]
pub struct Globals {
    /// Run as if started in DIR
    #[arg(short = 'C', long = "directory", value_name = "DIR", global = true)]
    pub run_in: Option<PathBuf>,
    /// The store; without it, see `store_place`.
    #[arg(short, long, value_name = "DIR", global = true)]
    #[arg(
        help = "The store; else $BINDERY_STORE, the nearest .bindery folder upwards, or the user's own"
    )]
    pub store: Option<PathBuf>,
    /// A file with the token for a server; `-` is standard input. See `token_source`.
    #[arg(long, value_name = "FILE", global = true)]
    #[arg(
        help = "A file with a token; else $BINDERY_TOKEN, or the file that $BINDERY_TOKEN_FILE names"
    )]
    pub token_file: Option<PathBuf>,
    /// Believe the authorities in this PEM file about who a server is, and no others
    #[arg(long, value_name = "FILE", env = "BINDERY_CA_FILE", global = true)]
    pub ca_file: Option<PathBuf>,
    /// Do it on a server instead of on a store of this machine
    #[arg(long, value_name = "URL", env = "BINDERY_REMOTE", global = true)]
    pub remote: Option<String>,
    /// Print one JSON document
    #[arg(long, global = true)]
    pub json: bool,
    /// Print data and errors only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say which store is used, and how long it took
    #[arg(short, long, global = true, action = ArgAction::SetTrue)]
    pub verbose: bool,
    /// When to use colours; 'auto' is on a terminal, unless `NO_COLOR` is set
    #[arg(
        long,
        value_name = "auto|always|never",
        value_enum,
        default_value_t,
        global = true
    )]
    #[arg(hide_possible_values = true, hide_default_value = true)]
    #[arg(help = "When to use colours; 'auto' is on a terminal, unless NO_COLOR is set")]
    pub color: ColourChoice,
    /// Draw no progress bars
    #[arg(long, global = true)]
    pub no_progress: bool,
    /// Do not ask before something is let go of
    #[arg(short, long, global = true)]
    pub yes: bool,
    /// How long to wait for another process that holds the store, such as 30s or 5m
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = parse_duration, global = true)]
    pub lock_wait: Duration,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ColourChoice {
    /// On a terminal, unless the variable `NO_COLOR` is set.
    #[default]
    Auto,
    /// Also into files and pipes.
    Always,
    /// Not at all.
    Never,
}
