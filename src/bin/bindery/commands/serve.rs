//! `bindery serve`: the store over HTTP.

use std::net::SocketAddr;

use bindery::base::Result;
use bindery::server::serve::{ServeOptions, serve};
use clap::Args;

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
}

/// Serves the store until the process is asked to end.
///
/// # Errors
///
/// What the library answers.
pub fn run(session: &Session, arguments: &Arguments) -> Result<()> {
    let store = session.write()?;
    let root = store.root();
    let options = ServeOptions {
        listen: arguments.listen,
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
