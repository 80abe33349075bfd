//! Which command runs what.

use std::ffi::OsString;

use bindery::base::{Error, Result};
use clap::{CommandFactory, Parser};

use crate::arguments::{Cli, Command};
// `build` alone would be taken for the floor of the library.
use crate::commands::{
    self, audit, bundle, cat, checkout, completions, demo, diff, fsck, help, hold, init, key, list,
    log, man, publish, pull, push, refs, repo, retire, rollback, show, stats, token, verify,
    withdraw,
};
use crate::outcome::Outcome;
use crate::output::Output;
use crate::session::Session;
use crate::store_place::Surroundings;

/// Runs a command.
///
/// # Errors
///
/// What the library answers.
pub fn run(session: &Session, command: &Command) -> Result<Outcome> {
    if let (Some(url), Some(why)) = (&session.globals.remote, here_alone(command)) {
        let reason =
            format!("this works on a store of this machine, and --remote says {url}: {why}");
        return Err(Error::usage(reason));
    }
    let done = match command {
        Command::Init(arguments) => init::run(session, arguments),
        Command::Repo(verb) => repo::run(session, verb),
        Command::Key(verb) => key::run(session, verb),
        Command::Token(verb) => token::run(session, verb),
        Command::Audit(arguments) => audit::run(session, arguments),
        Command::Build(verb) => commands::build::run(session, verb),
        Command::Publish(arguments) if arguments.is_for_later() => {
            commands::publish_plan::run(session, arguments)
        }
        Command::Publish(arguments) => publish::run(session, arguments),
        Command::Push(arguments) => push::run(session, arguments),
        Command::Pull(arguments) => pull::run(session, arguments),
        Command::Bundle(verb) => bundle::run(session, verb),
        Command::Withdraw(arguments) => withdraw::run(session, arguments),
        Command::Rollback(arguments) => rollback::run(session, arguments),
        Command::Hold(arguments) => hold::hold(session, arguments),
        Command::Release(arguments) => hold::release(session, arguments),
        Command::Refs(arguments) => refs::run(session, arguments),
        Command::Log(arguments) => log::run(session, arguments),
        Command::Show(arguments) => show::run(session, arguments),
        Command::Ls(arguments) => list::run(session, arguments),
        Command::Cat(arguments) => cat::run(session, arguments),
        Command::Diff(arguments) => return diff::run(session, arguments),
        Command::Delta(verb) => commands::delta::run(session, verb),
        Command::Checkout(arguments) => checkout::run(session, arguments),
        Command::Verify(arguments) => verify::run(session, arguments),
        Command::Retire(arguments) => retire::run(session, arguments),
        Command::RunJobs(arguments) => commands::run_jobs::run(session, arguments),
        Command::Job(verb) => commands::job::run(session, verb),
        Command::Mirror(arguments) => commands::mirror::run(session, arguments),
        Command::Export(arguments) => commands::export::run(session, arguments),
        Command::Serve(arguments) => commands::serve::run(session, arguments),
        Command::Stats(arguments) => stats::run(session, arguments),
        Command::Fsck(arguments) => fsck::run(session, arguments),
        Command::Demo(arguments) => demo::run(session, arguments, &play),
        Command::Completions(arguments) => completions::run(arguments, Cli::command()),
        Command::Man(arguments) => man::run(session, arguments, Cli::command()),
        Command::Help(arguments) => help::run(session, arguments, Cli::command()),
    };
    done.map(|()| Outcome::Done)
}

/// Why a command is of no use on a server, and what is to be done instead.
const fn here_alone(command: &Command) -> Option<&'static str> {
    match command {
        Command::Key(_) => Some(
            "secret keys never leave the machine that they lie on: run it there; 'bindery repo pin' says what others need",
        ),
        Command::Token(token::Verb::Create(_)) => Some(
            "who may make tokens is who has the store: run it on the server's machine, or make a token from one that you have, \
             with 'bindery token narrow'",
        ),
        Command::Fsck(_) => Some(
            "a server checks its store itself: 'bindery job scrub' reads every pack again, 'bindery job verify' checks what a \
             repo shows; the rest of fsck needs a store that nobody serves",
        ),
        Command::RunJobs(_) => {
            Some("a server does such work itself, and 'bindery job list' shows it")
        }
        Command::Delta(commands::delta::Verb::Make(_)) => Some(
            "a server makes deltas itself, and whoever pulls gets them: pull both releases to make one here",
        ),
        Command::Delta(commands::delta::Verb::Apply(_)) => Some(
            "a build is made of a delta where its base is: apply it here, check the build out, and push that",
        ),
        Command::Bundle(bundle::Verb::Import(_)) => Some(
            "a bundle brings a copy to this machine: import it here, and serve it, or import it on the server's machine",
        ),
        _ => None,
    }
}

/// Parses and runs a command line of the demo, as if it had been typed in `surroundings`, on stores of this machine: what the
/// variables of the process say of servers is not meant.
fn play(typed: &[OsString], surroundings: Surroundings, output: Output) -> Result<()> {
    let parsed = Cli::try_parse_from(typed);
    let mut cli = parsed.map_err(|error| Error::internal(error.to_string()))?;
    (cli.globals.remote, cli.globals.ca_file) = (None, None);
    let session = Session::new(cli.globals, surroundings, output, typed);
    run(&session, &cli.command).map(drop)
}
