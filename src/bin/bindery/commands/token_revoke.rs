//! `bindery token revoke`: end tokens.

use std::io::{self, Write};

use bindery::base::clock::Time;
use bindery::base::{Error, Result};
use bindery::remote::wire::audit::RevokeTokens;
use bindery::trust::token::id::BlockId;
use clap::Args;
use serde::Serialize;

use super::token_log::log;
use crate::colour::Colours;
use crate::output::Answer;
use crate::session::Session;

/// What `token revoke` takes.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Ids of blocks, as 'token inspect' and 'audit' show them: all tokens that have one of them end
    #[arg(value_name = "ID", conflicts_with = "all")]
    ids: Vec<String>,
    /// End every token of the store, by a new key
    #[arg(long)]
    all: bool,
    /// Say what would end, and change nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Serialize)]
struct Ended {
    revoked: Vec<String>,
    all: bool,
    dry_run: bool,
}

/// Revokes.
///
/// # Errors
///
/// [`Error::Usage`] if a text is no id of a block.
pub fn run(session: &Session, arguments: &Arguments) -> Result<()> {
    let ids: Vec<BlockId> = arguments
        .ids
        .iter()
        .map(|text| parse_id(text))
        .collect::<Result<_>>()?;
    if ids.is_empty() && !arguments.all {
        return Err(Error::usage(
            "say which: ids of blocks, as 'bindery token inspect' shows them, or --all",
        ));
    }
    match session.server()? {
        _ if arguments.dry_run => {}
        Some(server) => {
            server.revoke(&RevokeTokens {
                ids: ids.iter().map(ToString::to_string).collect(),
                all: arguments.all,
            })?;
        }
        None => revoke_here(session, &ids, arguments.all)?,
    }
    session.output.answer(&Ended {
        revoked: ids.iter().map(ToString::to_string).collect(),
        all: arguments.all,
        dry_run: arguments.dry_run,
    })
}

fn revoke_here(session: &Session, ids: &[BlockId], all: bool) -> Result<()> {
    let (store, now) = (session.write()?, Time::now()?);
    if all {
        log(&store, now, "revoke all tokens".into())?;
        store.tokens().replace_key()?;
    }
    for id in ids {
        log(&store, now, format!("revoke token {id}"))?;
        store.tokens().revoke(*id, now)?;
    }
    Ok(())
}

/// Reads an id. What is no id may be a secret and is not repeated.
fn parse_id(text: &str) -> Result<BlockId> {
    text.parse().map_err(|error| {
        if text.starts_with("bnd1_") {
            Error::usage(
                "that is a token, and others may have seen it on the command line: revoke it by the id that 'bindery token inspect' shows",
            )
        } else {
            Error::usage(format!("{error}: 'bindery token inspect' shows it"))
        }
    })
}

impl Answer for Ended {
    fn write_text(&self, out: &mut dyn Write, _colours: Colours) -> io::Result<()> {
        let verb = if self.dry_run {
            "would revoke"
        } else {
            "revoked"
        };
        if self.all {
            return writeln!(out, "{verb} all tokens");
        }
        self.revoked
            .iter()
            .try_for_each(|id| writeln!(out, "{verb} {id}"))
    }
}
