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
//! What each verb makes of it (`foretell`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bindery::store::check_rows::CheckOutcome;
use bindery::store::rows::{BuildState, Receipt, SnapshotRef};

use super::history::Line;
use crate::shelf::Files;

/// What is done to the paths of a build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Files are added beneath a directory.
    Merge(String, Arc<Files>),
    /// A directory becomes these files.
    Replace(String, Arc<Files>),
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
    /// Its number in the store, once that is known.
    pub id: Option<u64>,
    pub repo: usize,
    pub target: Option<Line>,
    pub base: Arc<Files>,
    /// Not known yet, of a build that took over what a committed one changed.
    pub changes: Option<Vec<Change>>,
    pub state: State,
    /// The checks that it waits for: those that its ref asked for when it was committed.
    pub required: &'static [&'static str],
    /// What each check reported last.
    pub reports: BTreeMap<&'static str, CheckOutcome>,
    /// Whether something was let go of while the build was open: what it was not asked to send may be lost by now.
    pub may_miss: bool,
    /// What purging freed, once that is known.
    pub receipt: Option<Receipt>,
}

/// How far a build has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    Open,
    Checking(Arc<Files>),
    Ready(Arc<Files>),
    Rejected(Arc<Files>),
    /// With what it shows as a test.
    Pending {
        line: Line,
        files: Arc<Files>,
    },
    /// In the nth release of a ref.
    Published {
        line: Line,
        release: usize,
        is_withdrawn: bool,
    },
    Purged,
}

impl State {
    /// What the store calls it.
    pub const fn name(&self) -> BuildState {
        match self {
            Self::Open => BuildState::Open,
            Self::Checking(_) => BuildState::Checking,
            Self::Ready(_) => BuildState::Ready,
            Self::Rejected(_) => BuildState::Rejected,
            Self::Pending { .. } => BuildState::Publishing,
            Self::Published { .. } => BuildState::Published,
            Self::Purged => BuildState::Purged,
        }
    }

    /// What a committed build shows that is on its way to no ref yet.
    pub const fn waiting(&self) -> Option<&Arc<Files>> {
        match self {
            Self::Checking(files) | Self::Ready(files) | Self::Rejected(files) => Some(files),
            Self::Open | Self::Pending { .. } | Self::Published { .. } | Self::Purged => None,
        }
    }
}

/// A line of releases.
#[derive(Clone, Debug, Default)]
pub struct History {
    pub releases: Vec<Release>,
    pub pending: Vec<Import>,
    pub is_held: bool,
}

/// A build, by its place, merged onto what a ref shows next.
#[derive(Clone, Debug)]
pub struct Import {
    pub build: usize,
    pub before: Arc<Files>,
    pub after: Arc<Files>,
}

/// A release.
#[derive(Clone, Debug)]
pub struct Release {
    /// Its number in the store and what it shows, once that is known.
    pub place: Option<(u64, SnapshotRef)>,
    pub files: Arc<Files>,
    pub imports: Vec<Import>,
    pub is_retired: bool,
    /// Whether it was let go of, and a new catalog may know it again: all that it shows may still be there.
    pub may_be_back: bool,
}

/// Everything.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// In the order in which they were made.
    pub builds: Vec<Build>,
    pub lines: BTreeMap<Line, History>,
}

impl Model {
    /// Notes that published objects of a repo may have died.
    pub fn let_go(&mut self, repo: usize) {
        for build in self.builds.iter_mut().filter(|build| build.repo == repo) {
            build.may_miss |= build.state == State::Open;
        }
    }

    /// A ref.
    pub fn line(&mut self, line: Line) -> &mut History {
        self.lines.entry(line).or_default()
    }

    /// A ref, as it is.
    pub fn find_line(&self, line: Line) -> History {
        self.lines.get(&line).cloned().unwrap_or_default()
    }

    /// Ends a build.
    pub fn purge(&mut self, build: usize) {
        let build = &mut self.builds[build];
        build.state = State::Purged;
        build.base = Arc::default();
        build.changes = Some(Vec::new());
        let repo = build.repo;
        self.let_go(repo);
    }

    /// Makes everything pending of a ref a release.
    pub fn update(&mut self, line: Line) {
        self.let_go(line.repo());
        let releases = self.line(line);
        let imports = std::mem::take(&mut releases.pending);
        let Some(last) = imports.last() else { return };
        let release = releases.releases.len();
        let files = Arc::clone(&last.after);
        let builds: Vec<usize> = imports.iter().map(|import| import.build).collect();
        releases.show(files, imports);
        for build in builds {
            let is_withdrawn = false;
            self.builds[build].state = State::Published {
                line,
                release,
                is_withdrawn,
            };
        }
    }

    /// Takes a pending build and those merged onto it back; returns them.
    pub fn take_back(&mut self, build: usize, line: Line) -> Vec<usize> {
        let pending = &mut self.line(line).pending;
        let kept = pending
            .iter()
            .take_while(|import| import.build != build)
            .count();
        let dropped: Vec<usize> = pending.drain(kept..).map(|import| import.build).collect();
        for build in &dropped {
            let state = &mut self.builds[*build].state;
            if let State::Pending { files, .. } = state {
                *state = State::Ready(Arc::clone(files));
            }
        }
        dropped
    }

    /// Forgets what packs and notes do not tell.
    pub fn reindex(&mut self) {
        self.builds.clear();
        self.lines.retain(|_, line| !line.releases.is_empty());
        for line in self.lines.values_mut() {
            line.pending.clear();
            line.is_held = false;
            for release in &mut line.releases {
                release.imports.clear();
                release.may_be_back = release.is_retired;
            }
        }
    }
}

impl History {
    /// What the ref shows.
    pub fn shown(&self) -> Arc<Files> {
        let last = self.releases.last();
        last.map(|release| Arc::clone(&release.files))
            .unwrap_or_default()
    }

    /// What the ref shows when everything pending is visible.
    pub fn shown_next(&self) -> Arc<Files> {
        match self.pending.last() {
            Some(import) => Arc::clone(&import.after),
            None => self.shown(),
        }
    }

    /// Adds a release.
    pub fn show(&mut self, files: Arc<Files>, imports: Vec<Import>) {
        self.releases.push(Release {
            place: None,
            files,
            imports,
            is_retired: false,
            may_be_back: false,
        });
    }

    /// The places of the releases that go if the last `last` stay.
    pub fn going(&self, last: u64) -> BTreeSet<usize> {
        let places = (0..self.releases.len()).rev();
        let kept = places.filter(|place| !self.releases[*place].is_retired);
        let current = self.releases.len().checked_sub(1);
        kept.skip(usize::try_from(last).unwrap_or(usize::MAX))
            .filter(|place| Some(*place) != current)
            .collect()
    }

    /// How many releases there are that were not let go of.
    pub fn kept(&self) -> usize {
        self.releases
            .iter()
            .filter(|release| !release.is_retired)
            .count()
    }
}

impl Build {
    /// What was done to its paths.
    pub fn changes(&self) -> &[Change] {
        self.changes.as_deref().unwrap_or_default()
    }

    /// Whether every one of some checks passed.
    pub fn has_passed(&self, checks: &[&str]) -> bool {
        let passed = |name: &&str| self.reports.get(name) == Some(&CheckOutcome::Pass);
        checks.iter().all(passed)
    }

    /// How far it has come, committed with these files: one failure rejects it, one review keeps it waiting, and so does a
    /// check that was asked for and has not passed.
    pub fn judged(&self, files: Arc<Files>) -> State {
        let is_any = |outcome| self.reports.values().any(|reported| *reported == outcome);
        if is_any(CheckOutcome::Fail) {
            State::Rejected(files)
        } else if is_any(CheckOutcome::Review) || !self.has_passed(self.required) {
            State::Checking(files)
        } else {
            State::Ready(files)
        }
    }

    /// What the build wants.
    pub fn wanted(&self) -> Files {
        applied(&self.base, self.changes())
    }

    /// Merges what the build wants into `current`.
    pub fn merged(&self, current: &Files, winner: Winner) -> (Files, u64) {
        let claims = self.changes().iter().filter_map(|change| match change {
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

pub fn lies_in(path: &str, directory: &str) -> bool {
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
