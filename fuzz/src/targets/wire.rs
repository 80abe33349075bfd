//! What clients and servers say to each other as JSON.
//!
//! JSON has many spellings: what is taken must mean the same when it is written again. A document of a request with a field
//! that nobody knows must be refused, as otherwise whoever misspells one never learns it.

use bindery::remote::wire::audit::{AuditSaid, RevokeTokens, RevokedTokens};
use bindery::remote::wire::builds::{
    BuildSaid, BuildsPage, Commit, CreateBuild, CreatedBuild, EventsSaid, Publish, Publishing,
    ReceiptSaid, Received, Stage, Withdrawal,
};
use bindery::remote::wire::checks::ReportCheck;
use bindery::remote::wire::events::RepoEvent;
use bindery::remote::wire::jobs::{JobsPage, StartJob};
use bindery::remote::wire::plans::Schedule;
use bindery::remote::wire::problem::Problem;
use bindery::remote::wire::refs::{Hold, Refs, Releases, Repos, Rollback};
use bindery::remote::wire::repos::{CreateRepo, Retire, Retired};
use bindery::remote::wire::snapshots::NamedSaid;
use bindery::remote::wire::stats::StatsSaid;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Verdict;

/// Takes bytes as one document; says what it means, if it is one.
type Take = fn(&[u8]) -> Option<Value>;

/// The documents of requests.
const REQUESTS: [Take; 12] = [
    take::<CreateBuild>,
    take::<Stage>,
    take::<Commit>,
    take::<Publish>,
    take::<Schedule>,
    take::<ReportCheck>,
    take::<StartJob>,
    take::<RevokeTokens>,
    take::<Hold>,
    take::<Rollback>,
    take::<CreateRepo>,
    take::<Retire>,
];

/// The documents of answers.
const ANSWERS: [Take; 18] = [
    take::<AuditSaid>,
    take::<RevokedTokens>,
    take::<BuildSaid>,
    take::<BuildsPage>,
    take::<CreatedBuild>,
    take::<EventsSaid>,
    take::<Publishing>,
    take::<ReceiptSaid>,
    take::<Received>,
    take::<Withdrawal>,
    take::<RepoEvent>,
    take::<JobsPage>,
    take::<Refs>,
    take::<Releases>,
    take::<Repos>,
    take::<Retired>,
    take::<NamedSaid>,
    take::<StatsSaid>,
];

/// What a client asks for.
///
/// # Panics
///
/// If a document means something else when it is written again, or has a field that nobody knows: that is a finding.
#[must_use]
pub fn request(data: &[u8]) -> Verdict {
    let mut verdict = Verdict::Refused;
    for take in REQUESTS {
        let Some(value) = take(data) else { continue };
        verdict = Verdict::Accepted;
        let Value::Object(mut fields) = value else {
            continue;
        };
        fields.insert("unknown".into(), Value::Null);
        let unknown = Value::Object(fields).to_string();
        assert!(take(unknown.as_bytes()).is_none(), "an unknown field");
    }
    verdict
}

/// What a server answers. A field that nobody knows may be of a later version, and is passed over.
///
/// # Panics
///
/// If a document means something else when it is written again: that is a finding.
#[must_use]
pub fn answer(data: &[u8]) -> Verdict {
    let taken = ANSWERS.iter().filter(|take| take(data).is_some()).count();
    if taken > 0 {
        Verdict::Accepted
    } else {
        Verdict::Refused
    }
}

/// Why a server did not do what it was asked.
///
/// # Panics
///
/// If a problem means something else when it is written again: that is a finding.
#[must_use]
pub fn problem(data: &[u8]) -> Verdict {
    let spell = |problem: &Problem| serde_json::to_string(problem).unwrap_or_default();
    let verdict = Verdict::of_meaning(data, |text| Problem::parse(text.as_bytes()), spell);
    if let Ok(problem) = Problem::parse(data) {
        let failure = problem.failure();
        assert!(
            failure.is_none_or(|kind| kind.word() == problem.code),
            "a code is that of its kind"
        );
    }
    verdict
}

fn take<T: DeserializeOwned + Serialize>(data: &[u8]) -> Option<Value> {
    let said = serde_json::from_slice::<T>(data).ok()?;
    let value = serde_json::to_value(&said).expect("because what was read can be written");
    let text = value.to_string();
    let again: T = serde_json::from_str(&text).expect("because what was written can be read");
    let same = serde_json::to_value(&again).expect("because it was written before");
    assert!(same == value, "a document means the same in any spelling");
    Some(value)
}
