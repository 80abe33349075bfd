//! One line of the audit log: JSON, so that any program can read it.
//!
//! # Invariants
//!
//! - A line is one line, whatever callers sent: texts have no control characters and a largest length, and a whole line has
//!   at most [`LINE_BYTES_MAX`] bytes.

use serde::{Deserialize, Serialize};

use crate::base::clock::Time;
use crate::base::error::check_limit;
use crate::base::name::{RefName, RepoName};
use crate::base::printable::printable;
use crate::base::{Error, Result};
use crate::trust::token::capability::Capability;
use crate::trust::token::id::BlockId;

/// Bytes of a line, its LF included: two names, eight ids and two texts of four-byte characters fit.
pub const LINE_BYTES_MAX: usize = 4096;
/// Characters of what was to be done.
const ACT_CHARACTERS_MAX: usize = 160;
/// Characters of a reason.
const REASON_CHARACTERS_MAX: usize = 480;

/// Who wanted a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// Somebody with access to the folder of the store.
    Local,
    /// The holder of a token: the ids of its blocks, the first one first.
    Token(Vec<BlockId>),
    /// Somebody without a token, or with one that is not genuine.
    Unknown,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It was allowed.
    Granted,
    /// It was not, and why.
    Refused {
        /// Why, in words.
        reason: String,
    },
}

/// One line of the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRecord {
    /// When.
    pub time: Time,
    /// Who.
    pub actor: Actor,
    /// What for.
    pub capability: Capability,
    /// What was to be done, in a few words, such as `publish build 17`. Shortened to 160 characters.
    pub act: String,
    /// In which repo.
    pub repo: Option<RepoName>,
    /// To which ref.
    pub reference: Option<RefName>,
    /// To which build.
    pub build: Option<u64>,
    /// What became of it. A reason is shortened to 480 characters.
    pub decision: Decision,
}

/// A line as JSON.
#[derive(Serialize, Deserialize)]
struct Row {
    time: Time,
    actor: Who,
    can: String,
    act: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    repo: Option<RepoName>,
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    reference: Option<RefName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    build: Option<u64>,
    granted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// The ids of a token's blocks, or a word.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Who {
    Token(Vec<String>),
    Word(String),
}

/// The word for [`Actor::Local`].
const LOCAL: &str = "local";
/// The word for [`Actor::Unknown`].
const UNKNOWN: &str = "unknown";

impl AuditRecord {
    /// The line, with its LF.
    ///
    /// # Errors
    ///
    /// [`Error::Limit`] if it is longer than [`LINE_BYTES_MAX`], which no token makes it.
    pub(super) fn to_line(&self) -> Result<Vec<u8>> {
        let actor = match &self.actor {
            Actor::Local => Who::Word(LOCAL.into()),
            Actor::Unknown => Who::Word(UNKNOWN.into()),
            Actor::Token(ids) => Who::Token(ids.iter().map(ToString::to_string).collect()),
        };
        let reason = match &self.decision {
            Decision::Granted => None,
            Decision::Refused { reason } => Some(one_line(reason, REASON_CHARACTERS_MAX)),
        };
        let row = Row {
            time: self.time,
            actor,
            can: self.capability.word().into(),
            act: one_line(&self.act, ACT_CHARACTERS_MAX),
            repo: self.repo.clone(),
            reference: self.reference.clone(),
            build: self.build,
            granted: self.decision == Decision::Granted,
            reason,
        };
        let json = serde_json::to_vec(&row);
        let mut line = json.map_err(|error| Error::internal(error.to_string()))?;
        line.push(b'\n');
        let (bytes, max) = (line.len() as u64, LINE_BYTES_MAX as u64);
        check_limit("a line of the audit log, in bytes,", bytes, max)?;
        Ok(line)
    }

    /// Reads a line, without its LF; `None` if it is none.
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        let row: Row = serde_json::from_slice(line).ok()?;
        let actor = match row.actor {
            Who::Token(ids) => {
                let ids = ids.iter().map(|id| id.parse().ok());
                Actor::Token(ids.collect::<Option<_>>()?)
            }
            Who::Word(word) if word == LOCAL => Actor::Local,
            Who::Word(word) if word == UNKNOWN => Actor::Unknown,
            Who::Word(_) => return None,
        };
        let decision = match (row.granted, row.reason) {
            (true, None) => Decision::Granted,
            (false, Some(reason)) => Decision::Refused { reason },
            _ => return None,
        };
        Some(Self {
            time: row.time,
            actor,
            capability: row.can.parse().ok()?,
            act: row.act,
            repo: row.repo,
            reference: row.reference,
            build: row.build,
            decision,
        })
    }
}

/// A text on one line, and not too long.
fn one_line(text: &str, characters_max: usize) -> String {
    printable(text).chars().take(characters_max).collect()
}
