//! `bindery token`: make, narrow, look at and revoke tokens.
//!
//! # Invariants
//!
//! - A token is printed once, by `create` and `narrow`, and nothing else goes to standard output with it.
//! - `narrow` needs no store and asks nobody.

use std::io::{self, Write};

use bindery::base::clock::Time;
use bindery::base::duration::parse_duration;
use bindery::base::name::{RefName, RepoName};
use bindery::base::path::TreePath;
use bindery::base::{Error, Result};
use bindery::build::spec::only_repo;
use bindery::store::Store;
use bindery::store::token_files::TokenFiles;
use bindery::trust::token::capability::Capability;
use bindery::trust::token::id::BlockId;
use bindery::trust::token::scope::Scope;
use bindery::trust::token::{Block, Token};
use clap::{Args, Subcommand};
use serde::Serialize;

use super::token_log::log;
use super::{token_inspect, token_revoke};
use crate::choice::{Choice, scope};
use crate::colour::Colours;
use crate::examples::examples;
use crate::output::Answer;
use crate::session::Session;
use crate::token_source::read_token;
use crate::values::BuildId;

/// How long a token lasts if nothing is said, in seconds: the longest build of most projects.
const EXPIRES_S: u64 = 4 * 60 * 60;

/// What can be done with tokens.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Make a token and print it, once
    ///
    /// Without --can it may stage and commit; without --expires it lasts four hours; without --repo it is for the only repo
    /// of the store.
    #[command(after_help = examples!(
        "bindery token create --ref app/editor > ci.token"
        "bindery token create --ref '*' --can publish --can withdraw --expires 30d"
    ))]
    Create(CreateArguments),
    /// Make a token that may do less of a token; needs no store
    #[command(after_help = examples!(
        "bindery token narrow --token-file ci.token --can stage --path pool/main --expires 1h"
        "bindery token narrow --build 17 < ci.token > build-17.token"
    ))]
    Narrow(Restrictions),
    /// Show what a token allows, and whether it is valid
    #[command(after_help = examples!(
        "bindery token inspect --token-file ci.token"
        "bindery token inspect --json < ci.token"
    ))]
    Inspect,
    /// End tokens: those that have a block, or all of them
    #[command(after_help = examples!(
        "bindery token revoke 5f0c0a1e6c1d4a0b9b7d3c2f1e0d9c8b"
        "bindery token revoke --all"
    ))]
    Revoke(token_revoke::Arguments),
}

/// What `token create` takes.
#[derive(Debug, Args)]
pub struct CreateArguments {
    #[command(flatten)]
    restrictions: Restrictions,
}

/// What restricts a token.
#[derive(Debug, Args)]
pub struct Restrictions {
    /// What it may do: stage, commit, check, publish, withdraw, purge, read, mirror or admin; '*' is all
    #[arg(long = "can", value_name = "CAPABILITY")]
    capabilities: Vec<Choice<Capability>>,
    /// In which repo; '*' is all
    #[arg(long = "repo", value_name = "REPO")]
    repos: Vec<Choice<RepoName>>,
    /// To this ref and all whose first parts are this; '*' is all, which it takes to pull: others read plain files and logs
    #[arg(long = "ref", value_name = "PREFIX")]
    refs: Vec<Choice<RefName>>,
    /// To which build alone
    #[arg(long = "build", value_name = "ID")]
    builds: Vec<BuildId>,
    /// To this path in the tree and what is beneath it
    #[arg(long, value_name = "PATH")]
    path: Option<TreePath>,
    /// Up to how many bytes that are stored, since the server was started
    #[arg(long, value_name = "N")]
    bytes: Option<u64>,
    /// For how long, such as 30m, 4h or 7d
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    expires: Option<std::time::Duration>,
}

impl Restrictions {
    /// The block that says this, without an id.
    fn block(&self, now: Time) -> Result<Block> {
        if self.expires.is_some_and(|time| time.is_zero()) {
            return Err(Error::usage(
                "--expires 0s makes a token that has ended: say how long it is to last, such as 4h",
            ));
        }
        let expires = self.expires.map(|time| now.plus_seconds(time.as_secs()));
        Ok(Block {
            id: None,
            expires,
            can: scope("--can", &self.capabilities)?,
            repos: scope("--repo", &self.repos)?,
            refs: scope("--ref", &self.refs)?,
            builds: Scope::some(self.builds.iter().map(|build| build.0)),
            path: self.path.clone(),
            bytes: self.bytes,
        })
    }
}

#[derive(Serialize)]
struct Made {
    token: String,
    id: String,
    expires: Option<Time>,
}

/// Runs a verb.
///
/// # Errors
///
/// What the library answers.
pub fn run(session: &Session, verb: &Verb) -> Result<()> {
    match verb {
        Verb::Create(arguments) => create(session, &arguments.restrictions),
        Verb::Narrow(arguments) => narrow(session, arguments),
        Verb::Inspect => token_inspect::run(session),
        Verb::Revoke(arguments) => token_revoke::run(session, arguments),
    }
}

fn create(session: &Session, restrictions: &Restrictions) -> Result<()> {
    let now = Time::now()?;
    let mut block = restrictions.block(now)?;
    if block.refs.is_none() {
        return Err(Error::usage(
            "a token says to which refs: --ref PREFIX, or --ref '*' for all",
        ));
    }
    let for_ci = || Scope::some(Capability::FOR_CI);
    block.can = block.can.or_else(for_ci);
    let end = now.plus_seconds(EXPIRES_S);
    block.expires = block.expires.or(Some(end));
    let id = BlockId::random()?;
    block.id = Some(id);
    let Some(store) = session.write_unless_served()? else {
        return create_beside(session, block, id);
    };
    block.repos = Some(repos(&store, block.repos)?);
    let token = store.tokens().key_or_new()?.issue(block)?;
    log(&store, now, format!("create token {id}"))?;
    answer(session, &token, id)
}

/// Makes a token beside the server that holds the store: its key is a file. The audit log is the server's to write.
fn create_beside(session: &Session, block: Block, id: BlockId) -> Result<()> {
    let files = TokenFiles::at(&session.store_root()?)?;
    let Some(scope) = &block.repos else {
        return Err(Error::usage(
            "the store is served: say for which repos the token is, with --repo",
        ));
    };
    for name in scope.things().into_iter().flatten() {
        if !files.has_repo(name)? {
            return Err(Error::not_found("repo", name));
        }
    }
    let key = files.key()?.ok_or_else(|| {
        Error::refused("the store is served and has made no token yet: end the server, make the first one, and start it again")
    })?;
    let token = key.issue(block)?;
    session.output.note(format_args!(
        "note: the store is served, so the audit log has no line about this token"
    ));
    answer(session, &token, id)
}

/// The repos that are meant, all of which are there; the only one, if none was named.
fn repos(store: &Store, named: Option<Scope<RepoName>>) -> Result<Scope<RepoName>> {
    let Some(scope) = named else {
        return Ok(Scope::one(only_repo(store, None)?.name));
    };
    let reader = store.reader()?;
    for name in scope.things().into_iter().flatten() {
        reader.repo(name)?;
    }
    Ok(scope)
}

fn narrow(session: &Session, restrictions: &Restrictions) -> Result<()> {
    let mut block = restrictions.block(Time::now()?)?;
    if block.is_empty() {
        return Err(Error::usage(
            "say what the new token may not do: --can, --repo, --ref, --build, --path, --bytes or --expires",
        ));
    }
    let id = BlockId::random()?;
    block.id = Some(id);
    let token = read_token(session.globals.token_file.as_deref())?;
    let token = token.narrow(block)?;
    check_useful(&token)?;
    answer(session, &token, id)
}

/// Requires that there is something that every block lets its holder do: whoever asks for more than the token has would
/// otherwise only find out at the server.
fn check_useful(token: &Token) -> Result<()> {
    let may = |capability: &Capability| {
        let mut scopes = token.blocks().iter().filter_map(|block| block.can.as_ref());
        scopes.all(|scope| scope.holds(Some(capability)))
    };
    if Capability::ALL.iter().any(may) {
        return Ok(());
    }
    Err(Error::usage(
        "the new token could do nothing: '--can' names only what the token may not do; 'bindery token inspect' shows what it may",
    ))
}

/// Prints a token: here it is shown, and nowhere else.
fn answer(session: &Session, token: &Token, id: BlockId) -> Result<()> {
    let ends = token.blocks().iter().filter_map(|block| block.expires);
    let expires = ends.min();
    let until = expires.map_or_else(String::new, |time| format!(", good until {time}"));
    session.output.note(format_args!(
        "token {id}{until}; it is shown once and stored nowhere"
    ));
    session.output.answer(&Made {
        token: token.to_text().to_string(),
        id: id.to_string(),
        expires,
    })
}

impl Answer for Made {
    fn write_text(&self, out: &mut dyn Write, _colours: Colours) -> io::Result<()> {
        writeln!(out, "{}", self.token)
    }
}
