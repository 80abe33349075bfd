//! Arguments: the commands there are, and the options that all of them have.
//!
//! # Not here
//!
//! The arguments of one command: the file of that command in `commands`; what runs a command: `dispatch`.

use clap::{Parser, Subcommand};

// `build` alone would be taken for the floor of the library.
use crate::commands::{
    self, audit, bundle, cat, checkout, completions, demo, diff, fsck, help, hold, init, key, list,
    log, man, publish, pull, push, refs, repo, retire, rollback, show, stats, token, verify,
    withdraw,
};
use crate::examples::examples;
use crate::globals::Globals;

/// A content-addressed, versioned store whose first-class object is the build.
///
/// A build is staged, committed, looked at, and then published to a ref or purged. Users see all of it or nothing.
#[derive(Debug, Parser)]
#[command(
    name = "bindery",
    version,
    disable_help_subcommand = true,
    arg_required_else_help = true
)]
#[command(after_help = examples!(
    "bindery demo                     the whole life of a build, step by step"
    "bindery init                     a store in ./.bindery"
    "bindery build create --ref stable"
    "bindery help build stage         what a command takes"
))]
pub struct Cli {
    /// What all commands understand.
    #[command(flatten)]
    pub globals: Globals,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a store with one repo and its key
    Init(init::Arguments),
    /// Make and show repos
    #[command(subcommand)]
    Repo(repo::Verb),
    /// Make and move the keys that sign releases
    #[command(subcommand)]
    Key(key::Verb),
    /// Make, narrow, look at and revoke tokens, which say what a caller of a server may do
    #[command(subcommand)]
    Token(token::Verb),
    /// List who was granted or refused a change
    Audit(audit::Arguments),
    /// Make, fill, commit, show and purge builds
    #[command(subcommand)]
    Build(commands::build::Verb),
    /// Merge a committed build into a ref and move the ref
    Publish(publish::Arguments),
    /// Take a published build's changes out of its ref again
    Withdraw(withdraw::Arguments),
    /// Show an older release of a ref again, as a new one
    Rollback(rollback::Arguments),
    /// Refuse to publish to a ref until it is released
    Hold(hold::HoldArguments),
    /// Let go of a ref that was held
    Release(hold::ReleaseArguments),
    /// List the refs of a repo
    Refs(refs::Arguments),
    /// List the releases of a ref, newest first
    Log(log::Arguments),
    /// Show a snapshot: its tree, time, labels and message
    Show(show::Arguments),
    /// List the files of a snapshot
    Ls(list::Arguments),
    /// Write a file of a snapshot to standard output
    Cat(cat::Arguments),
    /// List what differs between two snapshots
    Diff(diff::Arguments),
    /// Make, apply and show packs that turn one snapshot into another
    #[command(subcommand)]
    Delta(commands::delta::Verb),
    /// Write the files of a snapshot into a directory
    Checkout(checkout::Arguments),
    /// Put a directory into a build, commit and publish it, in one line
    Push(push::Arguments),
    /// Fetch and verify what another store released
    Pull(pull::Arguments),
    /// Carry a release from one store to another as a file
    #[command(subcommand)]
    Bundle(bundle::Verb),
    /// Check signatures, completeness and hashes, or a directory against a release
    Verify(verify::Arguments),
    /// Let go of old releases and free what only they held
    Retire(retire::Arguments),
    /// Do what can wait, such as preparing deltas of new releases
    RunJobs(commands::run_jobs::Arguments),
    /// Look after the work that a server does beside answering
    #[command(subcommand)]
    Job(commands::job::Verb),
    /// Keep a verified copy of a repo
    Mirror(commands::mirror::Arguments),
    /// Write a repo as plain files, for any web server
    Export(commands::export::Arguments),
    /// Serve the store over HTTP
    Serve(commands::serve::Arguments),
    /// Say how much the store holds
    Stats(stats::Arguments),
    /// Check every pack and every row of the store, or make its catalog anew
    Fsck(fsck::Arguments),
    /// Live through the life of a build on a store of its own
    Demo(demo::Arguments),
    /// Write a script that completes commands in a shell
    Completions(completions::Arguments),
    /// Write the manual pages
    Man(man::Arguments),
    /// Explain a command, or the exit codes
    Help(help::Arguments),
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_do_not_contradict_each_other() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_argument_of_a_command_has_the_name_of_a_global_option() {
        // `demo DIR` once was taken for `-C DIR`: arguments are known by their field's name.
        fn check(command: &clap::Command, globals: &[clap::Id]) {
            for below in command.get_subcommands() {
                let own = below.get_arguments().map(clap::Arg::get_id);
                let shared: Vec<_> = own.filter(|id| globals.contains(id)).collect();
                assert_eq!(shared, Vec::<&clap::Id>::new(), "{}", below.get_name());
                check(below, globals);
            }
        }
        let command = Cli::command();
        let globals = command
            .get_arguments()
            .filter(|argument| argument.is_global_set());
        let globals: Vec<clap::Id> = globals.map(|argument| argument.get_id().clone()).collect();
        assert!(globals.len() > 5);
        check(&command, &globals);
    }

    #[test]
    fn global_options_stand_before_or_after_the_command() -> Result<(), clap::Error> {
        for line in [
            "bindery --json -s /x --lock-wait 5s stats",
            "bindery stats --json -s /x --lock-wait 5s",
            "bindery -s /x stats --json --lock-wait=5s",
        ] {
            let globals = Cli::try_parse_from(line.split(' '))?.globals;
            assert!(globals.json, "{line}");
            assert_eq!(globals.store, Some(PathBuf::from("/x")), "{line}");
            assert_eq!(globals.lock_wait, Duration::from_secs(5), "{line}");
        }
        Ok(())
    }
}
