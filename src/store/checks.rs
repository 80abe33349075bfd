//! Outside checks of committed builds: what they report, and the state that follows from it.
//!
//! A check runs elsewhere, on the build's test repository, and reports what it found in the snapshot that it looked at. A
//! build whose ref asks for no checks is ready when it is committed; any other waits until all of them passed.
//!
//! # Invariants
//!
//! - The state of a build that is checking, ready or rejected follows from its row alone. Which checks it waits for is
//!   settled by its commit: settings that change later let nobody through, and hold nobody up, before it is published.
//! - A report counts only for the snapshot that the build has.
//! - A build becomes pending on a ref only if it is ready and passed what the policy of that ref asks for at that moment.
//!
//! # Not here
//!
//! Which checks a ref asks for (`store::settings`); what a report looks like in the catalog (`store::check_rows`).

use std::collections::BTreeSet;

use super::check_rows::{CheckOutcome, CheckRow};
use super::open::Store;
use super::rows::{BuildRow, BuildState, Committed};
use super::settings::RefPolicy;
use super::tables::BUILDS;
use super::transaction::{Transaction, check_state};
use crate::base::clock::Time;
use crate::base::error::check_limit;
use crate::base::id::SnapshotId;
use crate::base::limits::BUILD_CHECKS_MAX;
use crate::base::name::{CheckName, RefName};
use crate::base::remark::Remark;
use crate::base::unmet::Unmet;
use crate::base::{Error, Result};

/// The states in which checks report.
const CHECKED: [BuildState; 3] = [
    BuildState::Checking,
    BuildState::Ready,
    BuildState::Rejected,
];

/// What a check says of a build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckReport {
    /// The check.
    pub name: CheckName,
    /// What it found.
    pub outcome: CheckOutcome,
    /// The snapshot in which it found that.
    pub snapshot: SnapshotId,
    /// What it says about that.
    pub message: Remark,
}

impl BuildRow {
    /// The checks that keep the build from being ready.
    #[must_use]
    pub fn unmet(&self) -> Unmet {
        self.unmet_with(&BTreeSet::new())
    }

    /// The same, where others are asked for, too.
    fn unmet_with(&self, asked: &BTreeSet<CheckName>) -> Unmet {
        let mut unmet = Unmet::default();
        let names: BTreeSet<&CheckName> = self
            .checks
            .keys()
            .chain(&self.required)
            .chain(asked)
            .collect();
        for name in names {
            match self.checks.get(name).map(|check| check.outcome) {
                Some(CheckOutcome::Pass) => {}
                Some(CheckOutcome::Fail) => unmet.failed.push(name.clone()),
                Some(CheckOutcome::Review) | None => unmet.waiting.push(name.clone()),
            }
        }
        unmet
    }

    /// The state that a committed build has by its checks.
    fn judged(&self) -> BuildState {
        let unmet = self.unmet();
        if !unmet.failed.is_empty() {
            BuildState::Rejected
        } else if unmet.waiting.is_empty() {
            BuildState::Ready
        } else {
            BuildState::Checking
        }
    }

    /// The snapshot that a check must have looked at.
    ///
    /// # Errors
    ///
    /// [`Error::State`] if the build is not committed yet, or checks do not matter any more.
    pub fn snapshot_to_check(&self) -> Result<SnapshotId> {
        check_state(self, &CHECKED, "report a check of")?;
        let committed = self.committed;
        let committed =
            committed.ok_or_else(|| Error::internal("a committed build has a snapshot"))?;
        Ok(committed.snapshot.id)
    }

    /// Checks that the build can be published to a ref with this policy.
    ///
    /// # Errors
    ///
    /// [`Error::Unchecked`] if checks are in the way, [`Error::Refused`] if the build is held, [`Error::State`] if anything else
    /// is.
    pub(crate) fn check_publishable(&self, target: &RefName, policy: &RefPolicy) -> Result<()> {
        let unmet = self.unmet_with(&policy.checks);
        if CHECKED.contains(&self.state) && !unmet.is_empty() {
            return Err(Error::Unchecked {
                build: self.id,
                target: target.clone(),
                unmet,
            });
        }
        check_state(self, &[BuildState::Ready], "publish")?;
        match &self.held {
            Some(reason) => Err(Error::refused(format!(
                "build {} is held: {reason}",
                self.id
            ))),
            None => Ok(()),
        }
    }

    /// Checks that one more check may report.
    fn check_room(&self, name: &CheckName) -> Result<()> {
        let names: BTreeSet<&CheckName> = self.checks.keys().chain(&self.required).collect();
        let more = usize::from(!names.contains(name));
        let (found, max) = (names.len() + more, BUILD_CHECKS_MAX);
        check_limit("checks of a build", found as u64, max as u64)
    }
}

impl Store {
    /// Sets what a commit froze; from then on the build waits for the checks for which its ref asks at this moment, or, if there
    /// are none, for the time at which its ref has it published. The answer ends the words about what happened.
    pub(super) fn freeze(&self, build: &mut BuildRow, committed: Committed) -> String {
        let policy = build.target.as_ref();
        let policy = policy.map(|target| self.settings().policy(target));
        build.required = policy.map(|policy| policy.checks).unwrap_or_default();
        build.committed = Some(committed);
        build.state = build.judged();
        self.plan_by_policy(build, committed.time)
    }

    /// Takes the report of a check in, in place of what the check reported before; returns the build as it is then.
    ///
    /// It is rejected if any check failed; checking if any asks for a review, or has not reported and was asked for when
    /// the build was committed; and ready otherwise. One that is not ready is not to be published at a time any more, and one that
    /// becomes ready is to be published when the policy of its ref says. Reporting the same once more changes nothing.
    ///
    /// # Errors
    ///
    /// [`Error::State`] if the build is open, being published, published or purged; [`Error::Refused`] if another snapshot
    /// was looked at than the build has; [`Error::Limit`] if more than [`BUILD_CHECKS_MAX`] checks report. Nothing changes
    /// then.
    pub fn report_check(&self, build: u64, report: CheckReport, time: Time) -> Result<BuildRow> {
        let transaction = Transaction::begin(self)?;
        let row: Option<BuildRow> = transaction.row(BUILDS, build)?;
        let mut row = row.ok_or_else(|| Error::not_found("build", build))?;
        let snapshot = row.snapshot_to_check()?;
        let CheckReport { name, outcome, .. } = &report;
        if report.snapshot != snapshot {
            return Err(Error::refused(format!(
                "the check {name} looked at the snapshot {}, and build {build} is {snapshot}",
                report.snapshot
            )));
        }
        let before = row.checks.get(name);
        if before.is_some_and(|it| it.outcome == *outcome && it.message == report.message) {
            return Ok(row);
        }
        row.check_room(name)?;
        let mut what = format!(
            "check {name} {}{}",
            outcome.verb(),
            report.message.after_colon()
        );
        let check = CheckRow {
            outcome: *outcome,
            message: report.message,
            time,
        };
        row.checks.insert(report.name, check);
        let state = row.judged();
        if state != row.state {
            what.extend(["; the build is ", state.name()]);
        }
        let was = std::mem::replace(&mut row.state, state);
        if was != BuildState::Ready {
            what.push_str(&self.plan_by_policy(&mut row, time));
        }
        if state != BuildState::Ready && row.due.take().is_some() {
            // What may not be published now is not to be published later without somebody who says so again.
            row.reason = Some("its checks took back that it is to be published".into());
            what.push_str("; its time is taken back");
        }
        transaction.put_build(&row, time, what)?;
        transaction.commit()?;
        Ok(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Outcome = std::result::Result<(), Box<dyn std::error::Error>>;

    /// A committed build, as it was written before there were checks.
    const OLD: &str = r#"{"id": 7, "repo": "r", "target": "stable", "state": "ready", "labels": {},
        "created": "2026-11-22T09:00:00Z", "base": null, "staged": {"operations": 1, "files": 1, "bytes": 1,
        "new_objects": 1, "new_bytes": 1, "stored_bytes": 1}, "committed": null, "published": null, "receipt": null,
        "reason": null}"#;

    fn names(text: &str) -> std::result::Result<BTreeSet<CheckName>, Box<dyn std::error::Error>> {
        let names = text.split_whitespace().map(str::parse);
        Ok(names.collect::<std::result::Result<_, _>>()?)
    }

    /// A build that waits for the checks in `required`, after some that passed, failed and asked for a review.
    fn row(
        required: &str,
        reported: [&str; 3],
    ) -> std::result::Result<BuildRow, Box<dyn std::error::Error>> {
        let mut row: BuildRow = serde_json::from_str(OLD)?;
        row.required = names(required)?;
        for (outcome, reported) in CheckOutcome::ALL.into_iter().zip(reported) {
            let check = CheckRow {
                outcome,
                message: Remark::default(),
                time: row.created,
            };
            let reported = names(reported)?.into_iter();
            row.checks
                .extend(reported.map(|name| (name, check.clone())));
        }
        Ok(row)
    }

    #[test]
    fn a_row_without_checks_is_read_and_written_as_before() -> Outcome {
        let row = row("", [""; 3])?;
        assert_eq!(row.judged(), BuildState::Ready);
        let text = serde_json::to_string(&row)?;
        assert!(!text.contains("required") && !text.contains("checks"));
        let with = self::row("b", ["a", "", ""])?;
        let read: BuildRow = serde_json::from_str(&serde_json::to_string(&with)?)?;
        assert_eq!(read, with);
        Ok(())
    }

    #[test]
    fn the_checks_of_a_build_decide_its_state() -> Outcome {
        use BuildState::{Checking, Ready, Rejected};
        for (required, reported, expected, reason) in [
            ("", ["", "", ""], Ready, "nothing is asked for"),
            ("a", ["", "", ""], Checking, "it has not reported"),
            ("a b", ["a", "", ""], Checking, "one has not reported"),
            ("a b", ["a b", "", ""], Ready, "all passed"),
            ("a", ["a", "", "c"], Checking, "somebody has to look at c"),
            ("a", ["", "", "a"], Checking, "somebody has to look at a"),
            ("a b", ["a", "b", ""], Rejected, "one failed"),
            (
                "a b",
                ["", "a", "b"],
                Rejected,
                "a failure outdoes a review",
            ),
            ("a", ["a", "c", ""], Rejected, "one failed, though unasked"),
            ("a", ["c", "", ""], Checking, "c says nothing about a"),
        ] {
            assert_eq!(row(required, reported)?.judged(), expected, "{reason}");
        }
        Ok(())
    }

    #[test]
    fn a_row_has_room_for_every_check_that_is_asked_for() -> Outcome {
        let many = |count: usize| {
            let names: Vec<String> = (0..count).map(|number| format!("c{number}")).collect();
            names.join(" ")
        };
        let reported = many(BUILD_CHECKS_MAX - 1);
        let row = row("asked", [&reported, "", ""])?;
        row.check_room(&"asked".parse()?)?;
        row.check_room(&"c0".parse()?)?;
        let refused = row.check_room(&"one-more".parse()?);
        assert!(
            matches!(
                refused,
                Err(Error::Limit {
                    found: 65,
                    max: 64,
                    ..
                })
            ),
            "{refused:?}"
        );
        Ok(())
    }
}
