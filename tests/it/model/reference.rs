//! The plainest store that could be: every tree is a flat map from paths to texts, kept whole for every build and release.
//!
//! It is written from the words of the design, not from the code that it judges.
//!
//! # Invariants
//!
//! - Directories have no entries of their own, so a store is compared by its files. The paths that tests use name
//!   directories and files differently, so neither ever stands in the other's way.
//!
//! # Not here
//!
//! Which verbs are done (`verbs`).

use std::collections::{BTreeMap, BTreeSet};

use bindery::store::rows::{Receipt, SnapshotRef};

use crate::shelf::Files;

/// What is done to the paths of a build.
#[derive(Clone, Debug)]
pub enum Change {
    /// Files are added beneath a directory.
    Merge(String, Files),
    /// A directory becomes these files.
    Replace(String, Files),
    /// A file, or what is in a directory, is lost.
    Remove(String),
}

/// Who has a path that changed on both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Winner {
    Build,
    Ref,
}

/// A build.
#[derive(Clone, Debug)]
pub struct Build {
    pub target: Option<String>,
    pub base: Files,
    pub changes: Vec<Change>,
    pub state: State,
    /// Whether something was let go of while the build was open: what it was not asked to send may be lost by now.
    pub may_miss: bool,
}

/// How far a build has come.
#[derive(Clone, Debug)]
pub enum State {
    Open,
    Ready(Files),
    /// With what it shows as a test.
    Pending {
        target: String,
        files: Files,
    },
    Published {
        target: String,
        seq: u64,
        is_withdrawn: bool,
    },
    Purged(Receipt),
}

/// A line of releases.
#[derive(Clone, Debug, Default)]
pub struct Line {
    pub releases: Vec<Release>,
    pub pending: Vec<Import>,
    pub held: bool,
}

/// A build merged onto what a ref shows next.
#[derive(Clone, Debug)]
pub struct Import {
    pub build: u64,
    pub before: Files,
    pub after: Files,
}

/// A release.
#[derive(Clone, Debug)]
pub struct Release {
    pub seq: u64,
    pub snapshot: SnapshotRef,
    pub files: Files,
    pub imports: Vec<Import>,
    pub is_retired: bool,
}

/// Everything.
#[derive(Clone, Debug, Default)]
pub struct Model {
    pub builds: BTreeMap<u64, Build>,
    pub lines: BTreeMap<String, Line>,
}

impl Model {
    /// Notes that published objects may have died.
    pub fn let_go(&mut self) {
        for build in self.builds.values_mut() {
            build.may_miss |= matches!(build.state, State::Open);
        }
    }
}

impl Line {
    /// What the ref shows.
    pub fn shown(&self) -> Files {
        self.releases
            .last()
            .map(|release| release.files.clone())
            .unwrap_or_default()
    }

    /// What the ref shows when everything pending is visible.
    pub fn shown_next(&self) -> Files {
        match self.pending.last() {
            Some(import) => import.after.clone(),
            None => self.shown(),
        }
    }

    /// The seqs of the releases that go if the last `last` stay.
    pub fn going(&self, last: usize) -> BTreeSet<u64> {
        let kept = self.releases.iter().filter(|release| !release.is_retired);
        let current = self.releases.last().map(|release| release.seq);
        kept.rev()
            .skip(last)
            .map(|release| release.seq)
            .filter(|seq| Some(*seq) != current)
            .collect()
    }
}

impl Build {
    /// What the build wants.
    pub fn wanted(&self) -> Files {
        applied(&self.base, &self.changes)
    }

    /// Merges what the build wants into `current`.
    pub fn merged(&self, current: &Files, winner: Winner) -> (Files, u64) {
        let claims = self.changes.iter().filter_map(|change| match change {
            Change::Replace(at, _) => Some(at.clone()),
            Change::Merge(..) | Change::Remove(_) => None,
        });
        let claims: Vec<String> = claims.collect();
        merged(&self.base, &self.wanted(), current, &claims, winner)
    }
}

/// The files of `base` after some changes.
fn applied(base: &Files, changes: &[Change]) -> Files {
    let mut files = base.clone();
    for change in changes {
        match change {
            Change::Merge(at, staged) => files.extend(beneath(at, staged)),
            Change::Replace(at, staged) => {
                files.retain(|path, _| !lies_in(path, at));
                files.extend(beneath(at, staged));
            }
            Change::Remove(at) => files.retain(|path, _| path != at && !lies_in(path, at)),
        }
    }
    files
}

/// Merges path by path; also says how many paths changed on both sides.
pub fn merged(
    base: &Files,
    wanted: &Files,
    current: &Files,
    claims: &[String],
    winner: Winner,
) -> (Files, u64) {
    let paths: BTreeSet<&String> = base
        .keys()
        .chain(wanted.keys())
        .chain(current.keys())
        .collect();
    let (mut files, mut conflicts) = (Files::new(), 0);
    for path in paths {
        let (before, ours, theirs) = (base.get(path), wanted.get(path), current.get(path));
        let is_claimed = claims.iter().any(|claim| lies_in(path, claim));
        let text = if ours == theirs || theirs == before {
            ours
        } else if ours == before && !is_claimed {
            theirs
        } else {
            conflicts += 1;
            match winner {
                Winner::Build => ours,
                Winner::Ref => theirs,
            }
        };
        files.extend(text.map(|text| (path.clone(), text.clone())));
    }
    (files, conflicts)
}

/// Files with a directory in front of their paths.
pub fn beneath(at: &str, files: &Files) -> Files {
    let path = |path: &String| match at {
        "" => path.clone(),
        at => format!("{at}/{path}"),
    };
    files
        .iter()
        .map(|(name, text)| (path(name), text.clone()))
        .collect()
}

fn lies_in(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory)
        .is_some_and(|rest| rest.starts_with('/'))
}

#[test]
fn the_reference_merges_as_the_design_says() {
    let one = |text: Option<&str>| -> Files {
        text.map(|text| ("d/f".to_owned(), text.to_owned()))
            .into_iter()
            .collect()
    };
    let (a, b, c) = (Some("a"), Some("b"), Some("c"));
    for (base, wanted, current, claims, expected, conflicts, reason) in [
        (a, b, a, false, b, 0, "only the build changed it"),
        (a, a, b, false, b, 0, "only the ref changed it"),
        (a, b, b, false, b, 0, "both made the same of it"),
        (a, b, c, false, b, 1, "both changed it"),
        (a, None, c, false, None, 1, "lost here and changed there"),
        (a, a, b, true, a, 1, "claimed, so what it has is wanted"),
        (
            None,
            None,
            b,
            true,
            None,
            1,
            "claimed, so what it lacks is wanted, too",
        ),
        (None, b, None, false, b, 0, "new"),
    ] {
        let claims: Vec<String> = claims.then(|| "d".to_owned()).into_iter().collect();
        let found = merged(
            &one(base),
            &one(wanted),
            &one(current),
            &claims,
            Winner::Build,
        );
        assert_eq!(found, (one(expected), conflicts), "{reason}");
    }
}
