//! `bindery serve`: the store over HTTP.

use std::net::SocketAddr;

use bindery::base::Result;
use bindery::server::anonymous::Anonymous;
use bindery::server::serve::{ServeOptions, serve};
use clap::{Args, ValueEnum};

use crate::examples::examples;
use crate::session::Session;

/// Where the server listens, unless something else is said.
const LISTEN: &str = "127.0.0.1:8417";

/// What `serve` takes.
#[derive(Debug, Args)]
#[command(after_help = examples!(
    "bindery serve"
    "bindery serve --listen 127.0.0.1:9000"
))]
pub struct Arguments {
    /// The address and port to listen at; port 0 is any free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = LISTEN)]
    listen: SocketAddr,
    /// What is read without a token
    #[arg(
        long,
        value_enum,
        default_value_t,
        value_name = "nothing|published|builds",
        hide_possible_values = true
    )]
    anonymous: AnonymousArgument,
}

/// What is read without a token.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum AnonymousArgument {
    /// Nothing.
    Nothing,
    /// What is published.
    #[default]
    Published,
    /// What is published, and builds.
    Builds,
}

impl From<AnonymousArgument> for Anonymous {
    fn from(argument: AnonymousArgument) -> Self {
        match argument {
            AnonymousArgument::Nothing => Self::Nothing,
            AnonymousArgument::Published => Self::Published,
            AnonymousArgument::Builds => Self::Builds,
        }
    }
}

/// Serves the store until the process is asked to end.
///
/// # Errors
///
/// What the library answers.
pub fn run(session: &Session, arguments: &Arguments) -> Result<()> {
    let store = session.write_here()?;
    let root = store.root();
    let options = ServeOptions {
        listen: arguments.listen,
        anonymous: arguments.anonymous.into(),
    };
    serve(store, &options, &|address| {
        let root = root.display();
        session
            .output
            .note(format_args!("serving {root} at http://{address}/"));
    })?;
    session.output.note("the server has ended");
    Ok(())
}
