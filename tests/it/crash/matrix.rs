//! The matrix: a verb, every moment at which it can be interrupted, and what a crash may leave then.
//!
//! # Not here
//!
//! The verbs (`verbs`), how many moments and crashes are tried (`census`), what must hold (`invariants`).

use std::path::Path;
use std::sync::Arc;

use bindery::base::{Error, Result};

use super::census::{Census, Crash, crashes, moments_of_verb};
use super::invariants::{
    Acknowledged, check, i4_heads_name_nothing_that_is_not_there,
    i7_nothing_is_unlinked_before_it_is_forgotten, i8_the_verb_is_whole_or_absent,
    i9_nothing_half_written_is_left, i9_nothing_is_left_behind,
};
use super::ledger::Ledger;
use super::verbs::{Run, Verb};
use super::words::words;
use crate::shelf::Shelf;
use crate::support::Node::File;
use crate::support::simulated_disk::{Kept, SimulatedDisk};
use crate::support::write_tree;

/// When the verb is done first, in seconds after the preparation.
const FIRST_S: u64 = 10;
/// When it is done again: what is signed then is another text.
const AGAIN_S: u64 = 1000;
/// When it is done a third time, after a second crash.
const THIRD_S: u64 = 2000;

/// A verb with all that is needed to interrupt it.
pub struct Matrix {
    pub verb: Verb,
    /// The disk from which it starts; everything is durable.
    pub before: SimulatedDisk,
    /// The states that may be seen; the last one is that after the verb.
    pub states: Vec<String>,
    /// Operations that change something, from opening the store to closing it.
    pub operations: u64,
    /// What is staged.
    source: tempfile::TempDir,
}

/// A verb that was interrupted.
pub struct Interrupted {
    pub disk: SimulatedDisk,
    acknowledged: Acknowledged,
    signed: Ledger,
}

fn io(error: std::io::Error) -> Error {
    Error::io("prepare", Path::new("a source"))(error)
}

impl Matrix {
    pub fn new(verb: Verb) -> Result<Self> {
        let source = tempfile::tempdir().map_err(io)?;
        let large = "text of a file that is staged\n".repeat(300);
        let tree = [("file", File("staged")), ("below/one", File(&large))];
        write_tree(source.path(), &tree).map_err(io)?;

        let empty = SimulatedDisk::new();
        drop(Shelf::create_checked(Arc::new(empty.clone()))?);
        let before = settled(&empty, |opened| (verb.prepare)(opened))?;
        let mut states = vec![words_on(&before)?];
        for step in verb.steps {
            states.push(words_on(&settled(&before, step)?)?);
        }
        let whole = before.with_power(None);
        whole.watch();
        verb.attempt(&whole, source.path(), FIRST_S)?;
        i7_nothing_is_unlinked_before_it_is_forgotten(&whole, "uninterrupted")?;
        let operations = whole.operations();
        let kept = words_on(&whole.after_crash(Kept::Synced));
        states.push(kept.map_err(|error| {
            Error::internal(format!(
                "I8 is broken: acknowledged, and lost by an outage: {error}"
            ))
        })?);
        Ok(Self {
            verb,
            before,
            states,
            operations,
            source,
        })
    }

    /// What is staged.
    pub fn source(&self) -> &Path {
        self.source.path()
    }

    /// The state after the verb.
    pub fn after(&self) -> &str {
        self.states.last().map_or("", String::as_str)
    }

    /// Does the verb until power is lost, or it is killed, after so many operations.
    pub fn interrupt(&self, power: u64) -> Result<Interrupted> {
        let disk = self.before.with_power(Some(power));
        disk.watch();
        let outcome = self.verb.attempt(&disk, self.source(), FIRST_S);
        let place = format!("after {power} operations of {}", self.verb.name);
        let with_power = disk.with_power(None);
        let mut signed = Ledger::default();
        signed.add(&with_power, &disk, &place)?;
        // What an outage leaves shows no more of this than the disk as it is.
        i7_nothing_is_unlinked_before_it_is_forgotten(&disk, &place)?;
        Ok(Interrupted {
            disk,
            acknowledged: Acknowledged::of(&outcome),
            signed,
        })
    }

    /// Loses power, or is killed, at the moments that are to be tried, and checks what comes of it.
    pub fn run(&self) -> Result<()> {
        let mut census = Census::new(self.verb.name);
        for power in moments_of_verb(self.operations) {
            let interrupted = self.interrupt(power)?;
            for crash in crashes(power) {
                let place = format!("after {power} operations of {}, {crash:?}", self.verb.name);
                self.case(&interrupted.left(crash), &interrupted, &place)?;
                census.count();
            }
        }
        census.end(self.operations.min(20));
        Ok(())
    }

    /// Checks what an interrupted verb left on `disk`, does the verb again, and checks everything.
    pub fn case(&self, disk: &SimulatedDisk, interrupted: &Interrupted, place: &str) -> Result<()> {
        i4_heads_name_nothing_that_is_not_there(disk, place)?;
        disk.watch();
        let opened = self.reopen(disk, interrupted.acknowledged, place)?;
        check(&opened, disk, place)?;
        i9_nothing_is_left_behind(&opened, disk, place)?;
        let acknowledged = interrupted.acknowledged;
        let found = i8_the_verb_is_whole_or_absent(&opened, &self.states, acknowledged, place)?;
        drop(opened);
        if found != self.after() {
            self.again(disk, place);
            let opened = self.reopen(disk, Acknowledged::Yes, place)?;
            check(&opened, disk, place)?;
            i9_nothing_is_left_behind(&opened, disk, place)?;
            i9_nothing_half_written_is_left(disk, place);
            i8_the_verb_is_whole_or_absent(&opened, &self.states, Acknowledged::Yes, place)?;
        }
        interrupted.signed.clone().add(disk, disk, place)?;
        i7_nothing_is_unlinked_before_it_is_forgotten(disk, place)?;
        self.lose_power_at_last(disk, place)
    }

    fn again(&self, disk: &SimulatedDisk, place: &str) {
        let seconds = if place.contains("recovery") {
            THIRD_S
        } else {
            AGAIN_S
        };
        let outcome = self.verb.attempt(disk, self.source(), seconds);
        assert!(
            outcome.is_ok(),
            "I9 is broken {place}: the same command fails: {outcome:?}"
        );
    }

    /// What was acknowledged survives one more outage, also if it was built on what a killed process left in flight.
    fn lose_power_at_last(&self, disk: &SimulatedDisk, place: &str) -> Result<()> {
        let place = format!("{place}, then without power");
        let last = disk.after_crash(Kept::Synced);
        let opened = self.reopen(&last, Acknowledged::Yes, &place)?;
        i8_the_verb_is_whole_or_absent(&opened, &self.states, Acknowledged::Yes, &place)?;
        check(&opened, &last, &place)
    }

    /// Opens the store; if the verb is one that leaves it closed in between, after doing that again.
    fn reopen(
        &self,
        disk: &SimulatedDisk,
        acknowledged: Acknowledged,
        place: &str,
    ) -> Result<Shelf> {
        let opened = Shelf::open(Arc::new(disk.clone()));
        match (opened, self.verb.run) {
            (Err(error), Run::OnDisk(_))
                if acknowledged == Acknowledged::No && error.is_file_not_found() =>
            {
                self.again(disk, place);
                Shelf::open(Arc::new(disk.clone()))
            }
            (Err(error), _) => {
                let reason = format!("I9 is broken {place}: the store does not open: {error}");
                Err(Error::internal(reason))
            }
            (opened, _) => opened,
        }
    }
}

impl Interrupted {
    /// The disk as the next process finds it.
    pub fn left(&self, crash: Crash) -> SimulatedDisk {
        left(&self.disk, crash)
    }
}

/// A disk as the next process finds it after a crash.
pub fn left(disk: &SimulatedDisk, crash: Crash) -> SimulatedDisk {
    match crash {
        Crash::Power(kept) => disk.after_crash(kept),
        Crash::Kill => disk.with_power(None),
    }
}

/// A disk as it is after `act` on a store, with everything closed and durable.
fn settled(disk: &SimulatedDisk, act: impl FnOnce(&Shelf) -> Result<()>) -> Result<SimulatedDisk> {
    let disk = disk.with_power(None);
    let opened = Shelf::open(Arc::new(disk.clone()))?;
    act(&opened)?;
    drop(opened);
    Ok(disk.after_crash(Kept::All))
}

/// The store on a disk, in words.
fn words_on(disk: &SimulatedDisk) -> Result<String> {
    words(&Shelf::open(Arc::new(disk.with_power(None)))?)
}
