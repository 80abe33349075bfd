//! Verbs: what a step means, given what there is.
//!
//! # Invariants
//!
//! - A model stays small: where there are many builds or releases already, making more of them means ending some.
//!
//! # Not here
//!
//! What a verb should lead to (`foretell`), doing it (`perform`).

use bindery::build::stage::StageMode;
use bindery::store::check_rows::CheckOutcome;
use bindery::store::settings::OnConflict;

use super::history::{Deed, Extent, Hold, Line, Pick};
use super::reference::{Build, Change, Model, State, lies_in};
use crate::shelf::Files;

/// Builds that are not purged, at most.
const LIVE_BUILDS_MAX: usize = 10;
/// Releases of a ref that are kept, at most.
const RELEASES_MAX: usize = 6;
/// Releases that are left where there were too many.
const RELEASES_LEFT: u64 = 2;
/// Files of a wide directory: more than fit in one node.
const WIDE_FILES: u64 = 600;

/// A verb, done to certain things. Builds are given by their places in the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verb {
    Create {
        repo: usize,
        target: Option<Line>,
        from: Option<usize>,
    },
    Stage {
        build: usize,
        mode: StageMode,
        at: String,
        files: Files,
    },
    Remove {
        build: usize,
        path: String,
    },
    Commit(usize),
    Check(usize, &'static str, CheckOutcome),
    /// Merged and made visible.
    Publish {
        build: usize,
        line: Line,
        policy: Option<OnConflict>,
    },
    /// Only merged.
    Import {
        build: usize,
        line: Line,
        policy: Option<OnConflict>,
    },
    Update(Line),
    Withdraw(usize),
    RollBack {
        line: Line,
        release: usize,
        hold: Hold,
    },
    Hold(Line, Hold),
    Purge(usize),
    Retire {
        line: Line,
        last: u64,
    },
    CheckOut(Line),
    Reindex,
    Reopen,
}

fn nth(number: u64, count: usize) -> Option<usize> {
    let place = number.checked_rem(count as u64)?;
    usize::try_from(place).ok()
}

impl Model {
    /// A build.
    fn pick(&self, pick: Pick, is_fit: impl Fn(&State) -> bool) -> Option<usize> {
        let (number, is_any) = match pick {
            Pick::Fit(number) => (number, false),
            Pick::Any(number) => (number, true),
        };
        let builds = self.builds.iter().enumerate();
        let fit = builds.filter(|(_, build)| is_any || is_fit(&build.state));
        let fit: Vec<usize> = fit.map(|(place, _)| place).collect();
        Some(fit[nth(number, fit.len())?])
    }

    /// What a deed means now; nothing if there is nothing to do it to.
    pub fn verb(&self, deed: &Deed) -> Option<Verb> {
        let is_open = |state: &State| *state == State::Open;
        let is_ready = |state: &State| matches!(state, State::Ready(_));
        let is_out =
            |state: &State| matches!(state, State::Pending { .. } | State::Published { .. });
        Some(match deed {
            Deed::Create(target, from) => self.creation(*target, *from),
            Deed::Stage(pick, mode, at, files) => Verb::Stage {
                build: self.pick(*pick, is_open)?,
                mode: *mode,
                at: at.clone(),
                files: files_of(files),
            },
            Deed::Remove(pick, path, extent) => {
                let build = self.pick(*pick, is_open)?;
                let path = removable(&self.builds[build], *path, *extent)?;
                Verb::Remove { build, path }
            }
            Deed::Commit(pick) => Verb::Commit(self.pick(*pick, is_open)?),
            Deed::Check(pick, name, outcome) => self.report(*pick, name, *outcome)?,
            Deed::Publish(pick, to, policy) => {
                let build = self.pick(*pick, |state| {
                    is_ready(state) || matches!(state, State::Pending { .. })
                })?;
                let (line, policy) = (self.target(build, *to), *policy);
                match self.crowded(line) {
                    Some(retire) => retire,
                    None => Verb::Publish {
                        build,
                        line,
                        policy,
                    },
                }
            }
            Deed::Import(pick, to, policy) => {
                let build = self.pick(*pick, is_ready)?;
                let (line, policy) = (self.target(build, *to), *policy);
                Verb::Import {
                    build,
                    line,
                    policy,
                }
            }
            Deed::Update(line) => self.crowded(*line).unwrap_or(Verb::Update(*line)),
            Deed::Withdraw(pick) => Verb::Withdraw(self.pick(*pick, is_out)?),
            Deed::RollBack(line, release, hold) => {
                let release = nth(*release, self.find_line(*line).releases.len())?;
                let (line, hold) = (*line, *hold);
                let roll_back = Verb::RollBack {
                    line,
                    release,
                    hold,
                };
                self.crowded(line).unwrap_or(roll_back)
            }
            Deed::Hold(line, hold) => Verb::Hold(*line, *hold),
            Deed::Purge(pick) => Verb::Purge(self.pick(*pick, |state| *state != State::Purged)?),
            Deed::Retire(line, last) => {
                let (line, last) = (*line, *last);
                nth(0, self.find_line(line).releases.len())?;
                Verb::Retire { line, last }
            }
            Deed::CheckOut(line) => {
                nth(0, self.find_line(*line).releases.len())?;
                Verb::CheckOut(*line)
            }
            Deed::Reindex => Verb::Reindex,
            Deed::Reopen => Verb::Reopen,
        })
    }

    fn report(&self, pick: Pick, name: &'static str, outcome: CheckOutcome) -> Option<Verb> {
        let build = self.pick(pick, |state| state.waiting().is_some())?;
        Some(Verb::Check(build, name, outcome))
    }

    fn creation(&self, target: Option<Line>, from: Option<Pick>) -> Verb {
        let live = |(_, build): &(usize, &Build)| build.state != State::Purged;
        let builds = self.builds.iter().enumerate().filter(live);
        if builds.clone().count() >= LIVE_BUILDS_MAX {
            // One that is pending is refused; there may be nothing but these.
            let pending = |build: &Build| matches!(build.state, State::Pending { .. });
            if let Some((oldest, _)) = builds.min_by_key(|(place, build)| (pending(build), *place))
            {
                return match &self.builds[oldest].state {
                    State::Pending { .. } => Verb::Withdraw(oldest),
                    _ => Verb::Purge(oldest),
                };
            }
        }
        let from = from.and_then(|from| self.pick(from, |state| *state != State::Purged));
        let repo = target.map_or(0, Line::repo);
        Verb::Create { repo, target, from }
    }

    /// Letting go of the releases of a ref that has too many.
    fn crowded(&self, line: Line) -> Option<Verb> {
        let last = RELEASES_LEFT;
        (self.find_line(line).kept() >= RELEASES_MAX).then_some(Verb::Retire { line, last })
    }

    /// Where a build is published: where it is pending, or was to go, or to another ref of its repo.
    fn target(&self, build: usize, to: Option<u64>) -> Line {
        let build = &self.builds[build];
        match (&build.state, to, build.target) {
            (State::Pending { line, .. }, None, _) => *line,
            (_, None, Some(line)) => line,
            (_, to, _) => Line::of_repo(build.repo, to.unwrap_or_default()),
        }
    }
}

/// A path that can be removed from a build, if there is one.
fn removable(build: &Build, number: u64, extent: Extent) -> Option<String> {
    let wanted = build.wanted();
    let path = wanted.keys().nth(nth(number, wanted.len())?)?;
    // What the build claims and then empties is told in the unit tests of merging: an empty directory has no files.
    let is_claimed = |change: &Change| match change {
        Change::Replace(at, _) => lies_in(path, at),
        Change::Merge(..) | Change::Remove(_) => false,
    };
    if build.changes().iter().any(is_claimed) {
        return None;
    }
    Some(match (extent, path.split_once('/')) {
        (Extent::All, Some((directory, _))) => directory.to_owned(),
        _ => path.clone(),
    })
}

/// The files of a staging.
fn files_of(named: &[(String, u64)]) -> Files {
    let mut files = Files::new();
    for (name, text) in named {
        if name == "wide" {
            let wide = *text..*text + WIDE_FILES;
            files.extend(wide.map(|number| (format!("wide/w{number}"), (number % 7).to_string())));
        } else {
            files.insert(name.clone(), text_of(*text));
        }
    }
    files
}

/// A text, unlike the others: none, a short one, or a longer one.
fn text_of(number: u64) -> String {
    match number {
        0 => String::new(),
        1..6 => number.to_string(),
        _ => {
            let lines = usize::try_from(number * number % 97).unwrap_or_default();
            format!("{number} of many\n").repeat(lines + 1)
        }
    }
}
