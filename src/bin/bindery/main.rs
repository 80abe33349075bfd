//! The command line of Bindery: arguments in, verbs of the library called, answers out.
//!
//! # Invariants
//!
//! - Data goes to standard output, everything else to standard error.
//! - The exit code is decided by [`failure::exit_code`] and [`Outcome`] alone.
//!
//! # Not here
//!
//! What the verbs do: the library. What the arguments are: [`arguments`] and the file of each command in [`commands`].

mod arguments;
mod carried;
mod choice;
mod colour;
mod commands;
mod copied;
mod dispatch;
mod examples;
mod failure;
mod first_contact;
mod globals;
mod hint;
mod interrupt;
mod outcome;
mod output;
mod progress;
mod quantity;
mod server;
mod session;
mod store_place;
mod table;
mod token_source;
mod url;
mod values;

use std::ffi::OsString;
use std::io::Write;
use std::panic::{self, AssertUnwindSafe, Location, PanicHookInfo};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use bindery::base::{Error, Kind, Result};
use clap::Parser;

use crate::arguments::Cli;
use crate::outcome::Outcome;
use crate::output::Output;
use crate::session::Session;
use crate::store_place::Surroundings;

fn main() -> ExitCode {
    panic::set_hook(Box::new(report_panic));
    let arguments: Vec<OsString> = std::env::args_os().collect();
    panic::catch_unwind(AssertUnwindSafe(|| run(&arguments)))
        .unwrap_or_else(|_| failure::exit_code(Kind::Internal))
}

/// Parses and runs a whole command line.
fn run(arguments: &[OsString]) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return failure::report_usage(&error, arguments),
    };
    let output = Output::new(&cli.globals);
    let outcome = enter(cli.globals.run_in.as_deref()).and_then(|surroundings| {
        let session = Session::new(cli.globals, surroundings, output.clone(), arguments);
        let outcome = with_sound_catalog(|| dispatch::run(&session, &cli.command))?;
        session.close();
        Ok(outcome)
    });
    match outcome {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Differences) => failure::exit_code(Kind::Failed),
        Err(error) => failure::report(&error, &output),
    }
}

/// Goes to the directory that `-C` names, and looks around.
fn enter(directory: Option<&std::path::Path>) -> Result<Surroundings> {
    if let Some(directory) = directory {
        std::env::set_current_dir(directory).map_err(Error::io("enter", directory))?;
    }
    Surroundings::of_process()
}

/// Runs a command; where redb panics, that is the error that the catalog is damaged.
fn with_sound_catalog<T>(run: impl FnOnce() -> Result<T>) -> Result<T> {
    panic::catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|payload| {
        if !IS_CATALOG_DAMAGED.load(Ordering::Relaxed) {
            panic::resume_unwind(payload);
        }
        Err(Error::Catalog {
            action: "read",
            reason: "the file is damaged".into(),
            kind: Kind::Integrity,
        })
    })
}

/// Whether the last panic was one of redb, which reads pages without checking them: the catalog is damaged then.
static IS_CATALOG_DAMAGED: AtomicBool = AtomicBool::new(false);

/// Says that the program is at fault, and where. What redb finds in a damaged file is told by whoever catches it.
fn report_panic(info: &PanicHookInfo<'_>) {
    let file = info.location().map(Location::file).unwrap_or_default();
    let is_of_redb = file.contains("/redb-");
    IS_CATALOG_DAMAGED.store(is_of_redb, Ordering::Relaxed);
    if is_of_redb {
        return;
    }
    let payload = info.payload();
    let message = payload.downcast_ref::<&str>().copied();
    let message = message.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let message = message.unwrap_or("no message");
    let place = info
        .location()
        .map_or_else(String::new, |location| format!(" at {location}"));
    // Nothing can be done if standard error is closed.
    writeln!(
        std::io::stderr(),
        "error: internal error: {message}{place}; please report it"
    )
    .ok();
}
