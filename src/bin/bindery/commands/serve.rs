//! `bindery serve`: the store over HTTP.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf, absolute};

use bindery::base::{Error, Result};
use bindery::server::anonymous::Anonymous;
use bindery::server::serve::{Told, serve};
use clap::{Args, ValueEnum};

use crate::examples::examples;
use crate::session::Session;

/// Where the server listens, unless something else is said.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8417);

/// What `serve` takes.
#[derive(Debug, Args)]
#[command(after_help = examples!(
    "bindery serve"
    "bindery serve --listen 127.0.0.1:9000"
))]
pub struct Arguments {
    /// The address and port to listen at; port 0 is any free one
    ///
    /// If not said here, `listen` of the settings, or 127.0.0.1:8417
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// All requests come through a proxy that speaks TLS and sets X-Forwarded-For
    #[arg(long)]
    behind_proxy: bool,
    /// The certificates to show, as a PEM file, the server's own first
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// Their secret key, as a PEM file
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// A URL under which others reach the server, for pin files; may be given again
    #[arg(long = "url", value_name = "URL")]
    urls: Vec<String>,
    /// What is read without a token: what is published, unless the settings say something else
    #[arg(
        long,
        value_enum,
        value_name = "nothing|published|builds",
        hide_possible_values = true
    )]
    anonymous: Option<AnonymousArgument>,
}

/// What is read without a token.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum AnonymousArgument {
    /// Nothing.
    Nothing,
    /// What is published.
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

/// A path that was typed, whatever folder it is read from.
fn from_here(path: &Path) -> Result<PathBuf> {
    absolute(path).map_err(Error::io("find", path))
}

/// Serves the store until the process is asked to end.
///
/// # Errors
///
/// What the library answers.
pub fn run(session: &Session, arguments: &Arguments) -> Result<()> {
    let store = session.write_here()?;
    let root = store.root();
    let mut settings = store.settings().serve().clone();
    settings.behind_proxy |= arguments.behind_proxy;
    if let (Some(certificate), Some(key)) = (&arguments.tls_certificate, &arguments.tls_key) {
        settings.tls_certificate = Some(from_here(certificate)?);
        settings.tls_key = Some(from_here(key)?);
    }
    if !arguments.urls.is_empty() {
        settings.urls.clone_from(&arguments.urls);
    }
    if let Some(anonymous) = arguments.anonymous {
        settings.anonymous = anonymous.into();
    }
    settings.check().map_err(Error::usage)?;
    let listen = arguments.listen.or(settings.listen).unwrap_or(LISTEN);
    let scheme = match settings.tls_certificate {
        Some(_) => "https",
        None => "http",
    };
    let root = root.display();
    serve(store, listen, settings, &|told| match told {
        Told::Ready(address) => session
            .output
            .note(format_args!("serving {root} at {scheme}://{address}/")),
        Told::Renewed(Ok(())) => session.output.note("certificate and key were read again"),
        Told::NothingToRenew => session
            .output
            .note("there is no certificate to be read again: clear text is spoken here"),
        Told::Trouble(words) => session.output.note(format_args!("warning: {words}")),
        Told::Renewed(Err(error)) => session.output.note(format_args!(
            "warning: certificate and key stay as they were: {error}"
        )),
    })?;
    session.output.note("the server has ended");
    Ok(())
}
