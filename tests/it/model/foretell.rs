//! What a verb should lead to, and answer, by the words of the design.
//!
//! # Invariants
//!
//! - Nothing is learned from the store but the numbers that it gives away.
//!
//! # Not here
//!
//! Doing it (`perform`), comparing (`compare`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bindery::build::stage::StageMode;
use bindery::store::check_rows::CheckOutcome;
use bindery::store::rows::BuildState;
use bindery::store::settings::OnConflict;

use super::history::{Hold, Line};
use super::reference::{Build, Change, Import, Model, State, Winner, merged};
use super::verb::Verb;
use crate::shelf::Files;

/// What a verb answers. Builds and releases are given by their places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Nothing,
    Staged {
        files: u64,
    },
    Committed {
        files: u64,
        conflicts: u64,
    },
    /// The state that a report leaves a build in.
    Judged(BuildState),
    /// The builds that became visible.
    Released(Vec<usize>),
    /// The builds that are ready again.
    TakenBack(Vec<usize>),
    /// The releases that were let go of.
    Retired(BTreeSet<usize>),
    Shown(Arc<Files>),
}

/// What a verb should lead to.
#[derive(Debug)]
pub struct Foretold {
    /// What may be there if it is cut short, beside what was there before and what is there after.
    pub between: Vec<Model>,
    /// What is there after it went through, and what it answers; none if it must be refused.
    pub done: Option<(Model, Answer)>,
    /// What is there after it was refused, and how many conflicts that is told with; none if it must go through.
    pub refused: Option<(Model, Option<u64>)>,
}

impl Foretold {
    fn done(model: Model, answer: Answer) -> Self {
        Self {
            between: Vec::new(),
            done: Some((model, answer)),
            refused: None,
        }
    }

    fn refused(model: &Model) -> Self {
        Self {
            between: Vec::new(),
            done: None,
            refused: Some((model.clone(), None)),
        }
    }

    fn conflicts(model: &Model, conflicts: u64) -> Self {
        let refused = Some((model.clone(), Some(conflicts)));
        Self {
            refused,
            ..Self::refused(model)
        }
    }

    /// It may be refused as well, and then nothing has changed.
    fn or_refused_if(mut self, may_be: bool, model: &Model) -> Self {
        if may_be {
            self.refused = Some((model.clone(), None));
        }
        self
    }
}

impl Model {
    /// What a verb should lead to.
    pub fn foretell(&self, verb: &Verb) -> Foretold {
        let mut next = self.clone();
        match verb {
            Verb::Create { repo, target, from } => self.create(*repo, *target, *from),
            Verb::Stage {
                build,
                mode,
                at,
                files,
            } => {
                let (at, staged) = (at.clone(), Arc::new(files.clone()));
                let change = match mode {
                    StageMode::Merge => Change::Merge(at, staged),
                    StageMode::Replace => Change::Replace(at, staged),
                };
                let files = files.len() as u64;
                self.change(*build, change, Answer::Staged { files })
            }
            Verb::Remove { build, path } => {
                let change = Change::Remove(path.clone());
                let foretold = self.change(*build, change, Answer::Nothing);
                foretold.or_refused_if(self.builds[*build].may_miss, self)
            }
            Verb::Commit(build) => self.commit(*build),
            Verb::Check(build, name, outcome) => self.check(*build, name, *outcome),
            Verb::Import {
                build,
                line,
                policy,
            } => self.import(*build, *line, *policy),
            Verb::Publish {
                build,
                line,
                policy,
            } => self.publish(*build, *line, *policy),
            Verb::Update(line) => self.make_visible(*line),
            Verb::Withdraw(build) => self.withdraw(*build),
            Verb::RollBack {
                line,
                release,
                hold,
            } => self.roll_back(*line, *release, *hold),
            Verb::Hold(line, hold) => {
                next.line(*line).is_held = *hold == Hold::On;
                Foretold::done(next, Answer::Nothing)
            }
            Verb::Purge(build) => self.end(*build),
            Verb::Retire { line, last } => {
                let going = self.find_line(*line).going(*last);
                for place in &going {
                    next.line(*line).releases[*place].is_retired = true;
                }
                next.let_go(line.repo());
                Foretold::done(next, Answer::Retired(going))
            }
            Verb::CheckOut(line) => {
                let shown = Answer::Shown(self.find_line(*line).shown());
                Foretold::done(next, shown)
            }
            Verb::Reindex => {
                next.reindex();
                Foretold::done(next, Answer::Nothing)
            }
            Verb::Reopen => Foretold::done(next, Answer::Nothing),
        }
    }

    fn end(&self, build: usize) -> Foretold {
        let mut next = self.clone();
        match self.builds[build].state {
            State::Pending { .. } => Foretold::refused(self),
            State::Purged => Foretold::done(next, Answer::Nothing),
            State::Open
            | State::Checking(_)
            | State::Ready(_)
            | State::Rejected(_)
            | State::Published { .. } => {
                next.purge(build);
                Foretold::done(next, Answer::Nothing)
            }
        }
    }

    fn create(&self, repo: usize, target: Option<Line>, from: Option<usize>) -> Foretold {
        let from = from.map(|from| &self.builds[from]);
        if from.is_some_and(|from| from.state == State::Purged || from.repo != repo) {
            return Foretold::refused(self);
        }
        let base = target.map(|line| self.find_line(line).shown());
        let mut whole = self.clone();
        whole.builds.push(Build {
            id: None,
            repo,
            target,
            base: base.unwrap_or_default(),
            changes: Some(Vec::new()),
            state: State::Open,
            required: &[],
            reports: BTreeMap::new(),
            may_miss: false,
            receipt: None,
        });
        let Some(from) = from else {
            return Foretold::done(whole, Answer::Nothing);
        };
        let place = self.builds.len();
        let copy = &mut whole.builds[place];
        copy.may_miss = from.may_miss;
        copy.changes = match from.state {
            State::Open => from.changes.clone(),
            _ => None,
        };
        let (is_lost, may_be_lost) = match from.state {
            State::Published { line, release, .. } => {
                let releases = self.find_line(line).releases;
                let before = release.checked_sub(1).map(|before| &releases[before]);
                let is_before_lost = before.is_some_and(|before| before.is_retired);
                (releases[release].is_retired, is_before_lost)
            }
            _ => (false, from.may_miss),
        };
        Foretold {
            between: Vec::new(),
            done: (!is_lost).then_some((whole, Answer::Nothing)),
            refused: (is_lost || may_be_lost).then(|| (self.clone(), None)),
        }
    }

    fn change(&self, build: usize, change: Change, answer: Answer) -> Foretold {
        if self.builds[build].state != State::Open {
            return Foretold::refused(self);
        }
        let mut next = self.clone();
        let changes = &mut next.builds[build].changes;
        changes.get_or_insert_default().push(change);
        Foretold::done(next, answer)
    }

    fn commit(&self, place: usize) -> Foretold {
        let build = &self.builds[place];
        if build.state != State::Open || build.changes().is_empty() {
            return Foretold::refused(self);
        }
        let onto = build.target.map(|line| self.find_line(line).shown());
        let (files, conflicts) = build.merged(&onto.unwrap_or_default(), Winner::Build);
        let mut next = self.clone();
        let answer = Answer::Committed {
            files: files.len() as u64,
            conflicts,
        };
        let build_next = &mut next.builds[place];
        build_next.required = build.target.map_or(&[], Line::checks);
        build_next.state = build_next.judged(Arc::new(files));
        Foretold::done(next, answer).or_refused_if(build.may_miss, self)
    }

    fn check(&self, place: usize, name: &'static str, outcome: CheckOutcome) -> Foretold {
        let Some(files) = self.builds[place].state.waiting() else {
            return Foretold::refused(self);
        };
        let mut next = self.clone();
        let build = &mut next.builds[place];
        build.reports.insert(name, outcome);
        build.state = build.judged(Arc::clone(files));
        let answer = Answer::Judged(build.state.name());
        Foretold::done(next, answer)
    }

    fn import(&self, place: usize, line: Line, policy: Option<OnConflict>) -> Foretold {
        let build = &self.builds[place];
        let State::Ready(files) = &build.state else {
            return Foretold::refused(self);
        };
        if !build.has_passed(line.checks()) {
            return Foretold::refused(self);
        }
        let releases = self.find_line(line);
        let winner = match policy {
            Some(OnConflict::Ref) => Winner::Ref,
            Some(OnConflict::Build | OnConflict::Refuse) | None => Winner::Build,
        };
        let before = releases.shown_next();
        let (after, conflicts) = build.merged(&before, winner);
        let is_strict = matches!(policy, None | Some(OnConflict::Refuse));
        if is_strict && conflicts > 0 {
            return Foretold::conflicts(self, conflicts);
        }
        if releases.is_held {
            return Foretold::refused(self);
        }
        let mut next = self.clone();
        next.line(line).pending.push(Import {
            build: place,
            before,
            after: Arc::new(after),
        });
        let files = Arc::clone(files);
        next.builds[place].state = State::Pending { line, files };
        Foretold::done(next, Answer::Nothing)
    }

    fn publish(&self, place: usize, line: Line, policy: Option<OnConflict>) -> Foretold {
        match self.builds[place].state {
            State::Pending { line: pending, .. } if pending == line => self.make_visible(line),
            State::Ready(_) => {
                let mut foretold = self.import(place, line, policy);
                if let Some((pending, _)) = foretold.done.take() {
                    foretold.done = pending.make_visible(line).done;
                    foretold.between.push(pending);
                }
                foretold
            }
            _ => Foretold::refused(self),
        }
    }

    fn make_visible(&self, line: Line) -> Foretold {
        let releases = self.find_line(line);
        if releases.pending.is_empty() || releases.is_held {
            return Foretold::refused(self);
        }
        let mut next = self.clone();
        next.update(line);
        let builds = releases.pending.iter().map(|import| import.build).collect();
        Foretold::done(next, Answer::Released(builds))
    }

    fn withdraw(&self, place: usize) -> Foretold {
        let mut next = self.clone();
        match self.builds[place].state {
            State::Pending { line, .. } => {
                let builds = next.take_back(place, line);
                Foretold::done(next, Answer::TakenBack(builds))
            }
            State::Published {
                line,
                release,
                is_withdrawn: false,
            } => self.withdraw_published(place, line, release),
            _ => Foretold::refused(self),
        }
    }

    fn withdraw_published(&self, place: usize, line: Line, release: usize) -> Foretold {
        let lines = self.find_line(line);
        let carrying = &lines.releases[release];
        if !lines.pending.is_empty() || carrying.is_retired {
            return Foretold::refused(self);
        }
        let mut imports = carrying.imports.iter();
        let Some(import) = imports.find(|import| import.build == place) else {
            return Foretold::refused(self);
        };
        let shown = lines.shown();
        let (files, conflicts) = merged(&import.after, &import.before, &shown, &[], Winner::Ref);
        let is_first = carrying.imports.first().map(|first| first.build) == Some(place);
        let before = release.checked_sub(1).map(|before| &lines.releases[before]);
        let may_be_lost = is_first && before.is_some_and(|before| before.is_retired);
        if conflicts > 0 {
            let conflicts = (!may_be_lost).then_some(conflicts);
            let mut foretold = Foretold::refused(self);
            foretold.refused = Some((self.clone(), conflicts));
            return foretold;
        }
        let mut next = self.clone();
        next.let_go(line.repo());
        next.line(line).show(Arc::new(files), Vec::new());
        next.builds[place].state = State::Published {
            line,
            release,
            is_withdrawn: true,
        };
        Foretold::done(next, Answer::Released(Vec::new())).or_refused_if(may_be_lost, self)
    }

    fn roll_back(&self, line: Line, release: usize, hold: Hold) -> Foretold {
        let lines = self.find_line(line);
        let back_to = &lines.releases[release];
        let snapshot = |place: Option<(u64, _)>| place.map(|(_, snapshot)| snapshot);
        let current = lines.releases.last().and_then(|last| snapshot(last.place));
        let is_shown = current == snapshot(back_to.place);
        if !lines.pending.is_empty() || back_to.is_retired || is_shown {
            return Foretold::refused(self);
        }
        let mut next = self.clone();
        next.let_go(line.repo());
        let lines = next.line(line);
        lines.show(Arc::clone(&back_to.files), Vec::new());
        lines.is_held |= hold == Hold::On;
        Foretold::done(next, Answer::Released(Vec::new()))
    }
}
