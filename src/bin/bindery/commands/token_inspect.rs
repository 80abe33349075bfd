//! `bindery token inspect`: what a token allows, and whether it is valid.

use std::fmt::Display;
use std::io::{self, Write};

use bindery::base::clock::Time;
use bindery::base::path::TreePath;
use bindery::base::printable::printable;
use bindery::base::{Error, Result};
use bindery::store::token_files::TokenFiles;
use bindery::trust::token::scope::Scope;
use bindery::trust::token::{Block, Token, Unverified};
use serde::Serialize;
use serde_json::Value;

use crate::colour::{Colours, Tone};
use crate::output::Answer;
use crate::session::Session;
use crate::token_source::read_token;

/// What is known of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    /// The store made it, and it can be used.
    Valid,
    /// It has come to its end.
    Expired,
    /// One of its blocks was revoked.
    Revoked,
    /// The store's key did not make it like this.
    Forged,
    /// Another key made it.
    OtherKey,
    /// There is no store here that could tell.
    Unchecked,
}

#[derive(Serialize)]
struct Inspected {
    verdict: Verdict,
    /// Why, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    key: String,
    expires: Option<Time>,
    blocks: Vec<Shown>,
    /// The text of each block.
    #[serde(skip)]
    texts: Vec<String>,
}

/// A block for programs; `["*"]` is everything.
#[derive(Serialize)]
struct Shown {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    can: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repo: Option<Vec<String>>,
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    reference: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    build: Option<Vec<Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<TreePath>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
}

/// Shows a token.
///
/// # Errors
///
/// [`Error::Malformed`] if there is none.
pub fn run(session: &Session) -> Result<()> {
    let token = read_token(session.globals.token_file.as_deref())?;
    let now = Time::now()?;
    let ends = token.blocks().iter().filter_map(|block| block.expires);
    let expires = ends.min();
    // A token for a server is no matter of the store here, which may be another's.
    let (verdict, reason) = if let Some(url) = &session.globals.remote {
        let reason = format!("only {url} could tell whether it is good");
        (Verdict::Unchecked, Some(reason))
    } else {
        let files = session.store_root().and_then(|root| TokenFiles::at(&root));
        match files {
            Ok(files) => judge(&files, &token, expires, now)?,
            Err(error @ Error::NotFound { .. }) => (Verdict::Unchecked, Some(error.to_string())),
            Err(error) => return Err(error),
        }
    };
    session.output.answer(&Inspected {
        verdict,
        reason,
        key: token.key_id().to_string(),
        expires,
        blocks: token.blocks().iter().map(shown).collect(),
        texts: token.blocks().iter().map(ToString::to_string).collect(),
    })
}

/// What a store knows of a token.
fn judge(
    tokens: &TokenFiles,
    token: &Token,
    expires: Option<Time>,
    now: Time,
) -> Result<(Verdict, Option<String>)> {
    let Some(key) = tokens.key()? else {
        let reason = "the store has made no token".to_owned();
        return Ok((Verdict::OtherKey, Some(reason)));
    };
    let verified = match key.verify(token) {
        Ok(verified) => verified,
        Err(error @ Unverified::Forged) => return Ok((Verdict::Forged, Some(error.to_string()))),
        Err(error @ Unverified::OtherKey { .. }) => {
            return Ok((Verdict::OtherKey, Some(error.to_string())));
        }
    };
    if let Some(id) = tokens.revoked_of(&verified)? {
        let reason = format!("its block {id} was revoked");
        return Ok((Verdict::Revoked, Some(reason)));
    }
    match expires {
        Some(end) if end <= now => Ok((Verdict::Expired, Some(format!("it ended at {end}")))),
        _ => Ok((Verdict::Valid, None)),
    }
}

fn shown(block: &Block) -> Shown {
    Shown {
        id: block.id.map(|id| id.to_string()),
        exp: block.expires,
        can: list(block.can.as_ref()),
        repo: list(block.repos.as_ref()),
        reference: list(block.refs.as_ref()),
        build: block.builds.as_ref().map(numbers),
        path: block.path.clone(),
        bytes: block.bytes,
    }
}

fn list<T: Display + Ord>(scope: Option<&Scope<T>>) -> Option<Vec<String>> {
    let things = scope?.things();
    Some(things.map_or_else(
        || vec!["*".to_owned()],
        |things| things.map(ToString::to_string).collect(),
    ))
}

/// Numbers stay numbers.
fn numbers(scope: &Scope<u64>) -> Vec<Value> {
    let things = scope.things();
    things.map_or_else(
        || vec!["*".into()],
        |things| things.map(|number| Value::from(*number)).collect(),
    )
}

impl Verdict {
    const fn words(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Forged => "not genuine",
            Self::OtherKey => "made with another key",
            Self::Unchecked => "not checked",
        }
    }

    const fn tone(self) -> Tone {
        match self {
            Self::Valid => Tone::Good,
            Self::Unchecked => Tone::Advice,
            Self::Expired | Self::Revoked | Self::Forged | Self::OtherKey => Tone::Bad,
        }
    }
}

impl Answer for Inspected {
    fn write_text(&self, out: &mut dyn Write, colours: Colours) -> io::Result<()> {
        let verdict = colours.paint(self.verdict.tone(), self.verdict.words());
        let reason = self.reason.as_ref();
        let reason = reason.map_or_else(String::new, |reason| format!(": {}", printable(reason)));
        writeln!(out, "token    {verdict}{reason}")?;
        writeln!(out, "key      {}", self.key)?;
        if let Some(expires) = self.expires {
            writeln!(out, "expires  {expires}")?;
        }
        for (number, text) in self.texts.iter().enumerate() {
            writeln!(out, "block {number}")?;
            text.lines()
                .try_for_each(|line| writeln!(out, "  {}", printable(line)))?;
        }
        Ok(())
    }
}
