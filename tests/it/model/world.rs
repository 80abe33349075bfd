//! A store and its model, side by side, and how both take a step, whatever comes in its way.
//!
//! # Invariants
//!
//! - After a crash the store is as it was before the verb or as after it, or as at one of the places in between that the
//!   design names. The model takes over whichever is so, and the same verb goes through then.
//! - What was acknowledged before a crash is there after it.
//!
//! # Not here
//!
//! What a verb should lead to (`foretell`), how both are compared (`compare`).

use std::sync::Arc;

use bindery::base::profile::Profile;
use bindery::base::progress::Silent;
use bindery::base::{Error, Kind};
use bindery::build::repo::create_repo;
use bindery::build::verify::verify_repo;
use bindery::disk::files::Disk;
use bindery::store::Store;
use bindery::store::reindex::{ReindexReport, reindex_on};

use super::Outcome;
use super::compare::{Depth, compare, learn};
use super::foretell::{Answer, Foretold};
use super::fuse::FusedDisk;
use super::history::{REPOS, Step, Trouble};
use super::lean::check_lean;
use super::perform::{Stage, repo};
use super::reference::{Model, State};
use super::verb::Verb;
use crate::shelf::{Shelf, moment};
use crate::support::simulated_disk::Kept;

/// Steps from one full check to the next.
const CHECK_STEPS: usize = 16;

/// A store and its model.
pub struct World {
    disk: FusedDisk,
    shelf: Option<Shelf>,
    folder: tempfile::TempDir,
    model: Model,
    /// Whether a fault may have left files that the next open removes.
    has_leftovers: bool,
    /// Verbs that were done.
    pub operations: u64,
}

/// What is told when what was foretold did not come.
fn wrong(verb: &Verb, what: &str, found: impl std::fmt::Debug) -> Box<dyn std::error::Error> {
    format!("{verb:?} {what}: {found:?}").into()
}

impl World {
    /// An empty store with its repos.
    pub fn new() -> Outcome<Self> {
        let disk = FusedDisk::new();
        let shelf = Shelf::create_checked(Arc::new(disk.clone()))?;
        for number in 1..REPOS.len() {
            create_repo(
                &shelf.store,
                repo(number)?,
                Profile::Posix,
                None,
                moment(0)?,
            )?;
        }
        Ok(Self {
            disk,
            shelf: Some(shelf),
            folder: tempfile::tempdir()?,
            model: Model::default(),
            has_leftovers: false,
            operations: 0,
        })
    }

    /// The store.
    pub fn store(&self) -> Outcome<&Store> {
        let open = self.shelf.as_ref().ok_or("the store is open")?;
        Ok(&open.store)
    }

    /// What is known of it.
    pub const fn model(&self) -> &Model {
        &self.model
    }

    /// Checks what must hold in any store.
    pub fn check_sound(&self) -> Outcome {
        Ok(self.shelf.as_ref().ok_or("the store is open")?.check()?)
    }

    /// Takes all of some steps, and ends everything afterwards. Fails with the number of the step that went wrong.
    pub fn live(&mut self, steps: &[Step]) -> Result<(), (usize, String)> {
        for (number, step) in steps.iter().enumerate() {
            let full = number % CHECK_STEPS == CHECK_STEPS - 1;
            let taken = self.step(step).and_then(|()| self.check(full));
            taken.map_err(|error| (number, error.to_string()))?;
        }
        self.finish()
            .map_err(|error| (steps.len(), format!("at the end: {error}")))
    }

    fn check(&mut self, full: bool) -> Outcome {
        if !full {
            return compare(&self.model, self.store()?, Depth::Shown);
        }
        self.check_all()
    }

    /// Checks everything that must hold, whatever the store holds, and everything that it shows.
    fn check_all(&mut self) -> Outcome {
        if self.has_leftovers {
            self.reopen()?;
        }
        compare(&self.model, self.store()?, Depth::All)?;
        self.check_sound()
    }

    fn reopen(&mut self) -> Result<(), Error> {
        self.shelf = None;
        self.shelf = Some(Shelf::open(Arc::new(self.disk.clone()))?);
        self.has_leftovers = false;
        Ok(())
    }

    /// Makes a new catalog for the store, which is closed.
    fn reindex(&self) -> Result<ReindexReport, Error> {
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        reindex_on(&disk)
    }

    /// Takes a step.
    pub fn step(&mut self, step: &Step) -> Outcome {
        let Some(verb) = self.model.verb(&step.deed) else {
            return Ok(());
        };
        match step.trouble {
            Trouble::None => self.go(&verb),
            Trouble::Crash(power, kept) => self.crash(&verb, power, kept),
            Trouble::Fault(at) => self.fault(&verb, at),
        }
    }

    fn perform(&mut self, verb: &Verb) -> Result<Answer, Error> {
        self.operations += 1;
        match verb {
            Verb::Reopen => self.reopen()?,
            Verb::Reindex => {
                self.shelf = None;
                let report = self.reindex()?;
                if let Some(problem) = report.problems.first() {
                    return Err(Error::internal(problem.to_string()));
                }
                self.reopen()?;
            }
            _ => {
                let open = self.shelf.as_ref();
                let open = open.ok_or_else(|| Error::internal("the store is open"))?;
                let stage = Stage {
                    store: &open.store,
                    model: &self.model,
                    folder: self.folder.path(),
                };
                return stage.perform(verb);
            }
        }
        Ok(Answer::Nothing)
    }

    /// Does a verb, with nothing in its way.
    fn go(&mut self, verb: &Verb) -> Outcome {
        let foretold = self.model.foretell(verb);
        let outcome = self.perform(verb);
        let model = judge(verb, foretold, outcome)?;
        self.adopt(model)
    }

    /// Takes over what came of a verb.
    fn adopt(&mut self, mut model: Model) -> Outcome {
        learn(&mut model, self.store()?)?;
        self.model = model;
        Ok(())
    }

    /// Loses power while a verb is done.
    fn crash(&mut self, verb: &Verb, power: u64, kept: Kept) -> Outcome {
        let foretold = self.model.foretell(verb);
        self.disk.lose_power(power);
        let outcome = self.perform(verb);
        self.shelf = None;
        self.disk = self.disk.after_crash(kept);
        self.open_again(verb)?;
        let is_done = self.adopt_any(verb, foretold, &outcome)?;
        self.check_all()?;
        if is_done { Ok(()) } else { self.go(verb) }
    }

    /// Lets one operation of a verb fail.
    fn fault(&mut self, verb: &Verb, at: u64) -> Outcome {
        let foretold = self.model.foretell(verb);
        self.disk.fail_once(at);
        let outcome = self.perform(verb);
        if self.disk.mend() {
            self.has_leftovers = true;
        } else {
            let model = judge(verb, foretold, outcome)?;
            return self.adopt(model);
        }
        if self.shelf.is_none() || self.is_spent() {
            self.shelf = None;
            self.open_again(verb)?;
        }
        let is_done = self.adopt_any(verb, foretold, &outcome)?;
        if is_done { Ok(()) } else { self.go(verb) }
    }

    /// Whether the catalog refuses to go on until it is opened again.
    fn is_spent(&self) -> bool {
        let probe = || -> Outcome {
            // There is no such build, so a catalog that can be written says so.
            match self
                .store()?
                .record_reason(u64::MAX, String::new(), moment(6)?)
            {
                Err(Error::NotFound { .. }) => Ok(()),
                other => Ok(other?),
            }
        };
        probe().is_err()
    }

    /// Opens the store; makes the catalog again whose making was cut short.
    fn open_again(&mut self, verb: &Verb) -> Outcome {
        match self.reopen() {
            Err(error) if error.is_file_not_found() && *verb == Verb::Reindex => {
                self.reindex()?;
                self.reopen()?;
            }
            opened => opened?,
        }
        Ok(())
    }

    /// Takes over what there is after a verb was cut short; says whether nothing is left to do.
    fn adopt_any(
        &mut self,
        verb: &Verb,
        foretold: Foretold,
        outcome: &Result<Answer, Error>,
    ) -> Outcome<bool> {
        let mut candidates = Vec::new();
        candidates.extend(foretold.done.map(|(model, _)| (model, true)));
        if outcome.is_err() {
            // A verb that must be refused has nothing left to do; one that may be, is tried again.
            let is_final = candidates.is_empty();
            let refused = foretold.refused.map(|(model, _)| (model, is_final));
            candidates.extend(refused);
            candidates.extend(foretold.between.into_iter().map(|model| (model, false)));
            candidates.push((self.model.clone(), false));
        }
        let mut complaints = Vec::new();
        for (mut model, is_done) in candidates {
            let fits = learn(&mut model, self.store()?)
                .and_then(|()| compare(&model, self.store()?, Depth::All));
            match fits {
                Ok(()) => {
                    self.model = model;
                    return Ok(is_done);
                }
                Err(complaint) => complaints.push(complaint.to_string()),
            }
        }
        let what = format!("which answered {outcome:?}, is half done or lost");
        Err(wrong(verb, &what, complaints))
    }

    /// Ends everything but what the refs show: nothing else may be left then.
    fn finish(&mut self) -> Outcome {
        let pending = |model: &Model| {
            let mut builds = model.builds.iter();
            builds.position(|build| matches!(build.state, State::Pending { .. }))
        };
        while let Some(build) = pending(&self.model) {
            self.go(&Verb::Withdraw(build))?;
        }
        let lines: Vec<_> = self.model.lines.keys().copied().collect();
        for line in lines {
            if !self.model.find_line(line).releases.is_empty() {
                self.go(&Verb::Retire { line, last: 1 })?;
            }
        }
        for build in 0..self.model.builds.len() {
            self.go(&Verb::Purge(build))?;
        }
        self.check_all()?;
        let store = self.store()?;
        for row in store.reader()?.repos()? {
            verify_repo(store, &row, &Silent)?;
        }
        check_lean(store)
    }
}

/// What is there after a verb that nothing was in the way of, if it answered as it should.
fn judge(verb: &Verb, foretold: Foretold, outcome: Result<Answer, Error>) -> Outcome<Model> {
    match (outcome, foretold.done, foretold.refused) {
        (Ok(answer), Some((model, expected)), _) if answer == expected => Ok(model),
        (Ok(answer), Some((_, expected)), _) => {
            Err(wrong(verb, &format!("answered {answer:?}, not"), expected))
        }
        (Ok(answer), None, _) => Err(wrong(verb, "was not refused", answer)),
        (Err(error), _, Some((model, conflicts))) if is_refusal(&error, conflicts) => Ok(model),
        (Err(error), done, _) => {
            let what = if done.is_some() {
                "failed"
            } else {
                "was refused otherwise"
            };
            Err(wrong(verb, what, error))
        }
    }
}

/// Whether an error is one with which a verb may be refused: for so many conflicts, if there are some.
pub fn is_refusal(error: &Error, conflicts: Option<u64>) -> bool {
    match (error, conflicts) {
        (Error::Conflict { total, .. }, Some(conflicts)) => *total == conflicts,
        (_, Some(_)) => false,
        (error, None) => matches!(error.kind(), Kind::Conflict | Kind::NotFound | Kind::Check),
    }
}
