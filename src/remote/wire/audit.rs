//! What the API says about the audit log, and about tokens that end.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::clock::Time;
use crate::base::name::{RefName, RepoName};
use crate::store::audit::page::AuditPage;
use crate::store::audit::record::{Actor, AuditRecord, Decision};

/// Lines of the audit log, the oldest first.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AuditSaid {
    /// The lines.
    pub records: Vec<AuditLine>,
    /// The cursor with which to go on.
    pub next: u64,
    /// Whether nothing follows so far.
    pub last: bool,
    /// Whether lines between the cursor and the first of these are not kept any more.
    pub gap: bool,
    /// Lines that are left out, because they were damaged or torn.
    pub damaged: u64,
}

/// A change that somebody was granted or refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditLine {
    /// When.
    #[schemars(with = "String")]
    pub time: Time,
    /// Who: local, unknown or token.
    pub actor: String,
    /// The ids of the token's blocks, the first one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub token: Vec<String>,
    /// What it takes.
    pub can: String,
    /// What was to be done, in a few words.
    pub act: String,
    /// In which repo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub repo: Option<RepoName>,
    /// To which ref.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub target: Option<RefName>,
    /// To which build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<u64>,
    /// Whether it was allowed.
    pub granted: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Tokens that are to end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeTokens {
    /// Ids of blocks: all tokens that have one of them.
    #[serde(default)]
    pub ids: Vec<String>,
    /// All tokens of the store, also the one with which this is asked.
    #[serde(default)]
    pub all: bool,
}

/// Tokens that ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RevokedTokens {
    /// Ids of blocks.
    pub revoked: Vec<String>,
    /// Whether all did.
    pub all: bool,
}

impl From<AuditPage> for AuditSaid {
    fn from(page: AuditPage) -> Self {
        Self {
            records: page.records.into_iter().map(AuditLine::from).collect(),
            next: page.next,
            last: page.is_last,
            gap: page.is_gap,
            damaged: page.damaged,
        }
    }
}

impl From<AuditRecord> for AuditLine {
    fn from(record: AuditRecord) -> Self {
        let (actor, token) = match record.actor {
            Actor::Local => ("local", Vec::new()),
            Actor::Unknown => ("unknown", Vec::new()),
            Actor::Token(ids) => ("token", ids.iter().map(ToString::to_string).collect()),
        };
        let reason = match record.decision {
            Decision::Granted => None,
            Decision::Refused { reason } => Some(reason),
        };
        Self {
            time: record.time,
            actor: actor.to_owned(),
            token,
            can: record.capability.word().to_owned(),
            act: record.act,
            repo: record.repo,
            target: record.reference,
            build: record.build,
            granted: reason.is_none(),
            reason,
        }
    }
}
