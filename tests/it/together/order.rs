//! Rows of verbs in several threads at once, each written down with what it answered: some order of all of them, one after
//! the other, explains every answer and what is there in the end.
//!
//! The order must agree with the clock: a verb that ended before another began comes first (linearizability, after Herlihy
//! and Wing, 1990; searched as by Wing and Gong, 1993). One that was told to try again changed nothing.
//!
//! # Not here
//!
//! What a verb should answer (`model::foretell`); verbs that are two steps by design, publish and retire (`races`).

use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};

use bindery::base::{Error, Result};
use bindery::build::stage::StageMode;
use bindery::store::check_rows::CheckOutcome;

use crate::model::Outcome;
use crate::model::compare::{Depth, compare, learn};
use crate::model::dice::Dice;
use crate::model::foretell::Answer;
use crate::model::history::{CHECK_NAMES, Hold, Line, parse_history};
use crate::model::perform::Stage;
use crate::model::reference::Model;
use crate::model::verb::Verb;
use crate::model::world::{World, is_refusal};
use crate::shelf::files;

/// Times that threads are let loose.
const ROUNDS: u64 = 32;
/// Threads at a time.
const THREADS: u64 = 3;
/// Verbs of each.
const VERBS: usize = 4;
/// Places in the search for an order that are looked at, at most.
const PLACES_MAX: u64 = 200_000;

/// What there is when threads are let loose: a release, a pending build, one that is ready, and two that are open.
const BEFORE: &str = "
    create 0:stable
    stage 0 merge / f0=7 f1=8
    commit 0
    publish 0
    create 0:stable
    stage 0 merge / f1=9
    commit 0
    import 0
    create 0:stable
    stage 0 merge d0 f2=10
    commit 0
    create 0:stable
    stage 0 merge d1 f3=11
    create 0:testing
    stage 1 merge d1 f4=12
";
/// Builds that there are then.
const BUILDS: u64 = 5;

/// A verb that was done, from one tick of the clock to another.
struct Done {
    verb: Verb,
    outcome: Result<Answer>,
    begun: u64,
    ended: u64,
}

fn some_verb(dice: &mut Dice) -> Verb {
    let build = usize::try_from(dice.below(BUILDS)).unwrap_or_default();
    let line = Line::nth(dice.below(2));
    let policy = None;
    match dice.below(12) {
        0..2 => Verb::Stage {
            build,
            mode: StageMode::Merge,
            at: String::new(),
            files: files(&[("f5", &dice.below(4).to_string())]),
        },
        2..4 => Verb::Commit(build),
        4..6 => Verb::Import {
            build,
            line,
            policy,
        },
        6 => Verb::Update(line),
        7 => Verb::Withdraw(build),
        8 => Verb::Purge(build),
        9..11 => {
            let outcomes = [CheckOutcome::Pass, CheckOutcome::Fail];
            let is_bad = usize::from(dice.below(3) == 0);
            Verb::Check(build, CHECK_NAMES[0], outcomes[is_bad])
        }
        _ => match dice.below(3) {
            0 => Verb::Hold(line, Hold::On),
            _ => Verb::Hold(line, Hold::Off),
        },
    }
}

fn do_verbs(stage: &Stage<'_>, seed: u64, clock: &AtomicU64, start: &Barrier) -> Vec<Done> {
    let mut dice = Dice::new(seed);
    let verbs: Vec<Verb> = (0..VERBS).map(|_| some_verb(&mut dice)).collect();
    start.wait();
    let tick = || clock.fetch_add(1, Ordering::SeqCst);
    let act = |verb: Verb| {
        let begun = tick();
        let outcome = stage.perform(&verb);
        let ended = tick();
        Done {
            verb,
            outcome,
            begun,
            ended,
        }
    };
    verbs.into_iter().map(act).collect()
}

/// What there is after a verb was done to a model, if it may have answered so.
fn after(model: &Model, done: &Done) -> Option<Model> {
    let foretold = model.foretell(&done.verb);
    match &done.outcome {
        Ok(answer) => foretold
            .done
            .filter(|(_, expected)| expected == answer)
            .map(|(model, _)| model),
        Err(Error::Refused { reason }) if reason.ends_with("try again") => Some(model.clone()),
        Err(error) => foretold
            .refused
            .filter(|(_, conflicts)| is_refusal(error, *conflicts))
            .map(|(model, _)| model),
    }
}

/// A search for an order.
struct Search<'a> {
    rows: &'a [Vec<Done>],
    is_end: &'a dyn Fn(Model) -> bool,
    places: u64,
}

impl Search<'_> {
    /// Whether some order of what comes after the first `taken` of each row explains it.
    fn explains(&mut self, model: &Model, taken: &mut [usize]) -> bool {
        self.places += 1;
        if self.places > PLACES_MAX {
            return false;
        }
        let next = self.rows.iter().zip(&*taken);
        let next: Vec<Option<&Done>> = next.map(|(row, taken)| row.get(*taken)).collect();
        let Some(first_end) = next.iter().flatten().map(|done| done.ended).min() else {
            return (self.is_end)(model.clone());
        };
        for (row, done) in next.iter().enumerate() {
            let Some(done) = done.filter(|done| done.begun < first_end) else {
                continue;
            };
            if let Some(model) = after(model, done) {
                taken[row] += 1;
                if self.explains(&model, taken) {
                    return true;
                }
                taken[row] -= 1;
            }
        }
        false
    }
}

fn told(rows: &[Vec<Done>]) -> String {
    let mut all: Vec<&Done> = rows.iter().flatten().collect();
    all.sort_by_key(|done| done.begun);
    let line = |done: &&Done| {
        let (begun, ended) = (done.begun, done.ended);
        format!("{begun:3}..{ended:3} {:?}: {:?}\n", done.verb, done.outcome)
    };
    all.iter().map(line).collect()
}

fn let_loose(round: u64) -> Outcome {
    let mut world = World::new()?;
    for step in parse_history(BEFORE)? {
        world.step(&step)?;
    }
    let (store, model) = (world.store()?, world.model());
    let (clock, start) = (AtomicU64::new(0), Barrier::new(usize::try_from(THREADS)?));
    let rows: Vec<Vec<Done>> = std::thread::scope(|scope| {
        let begin = |thread| {
            let (clock, start) = (&clock, &start);
            scope.spawn(move || -> Handed<Vec<Done>> {
                let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
                let folder = folder.path();
                let stage = Stage {
                    store,
                    model,
                    folder,
                };
                Ok(do_verbs(&stage, round * THREADS + thread, clock, start))
            })
        };
        let threads: Vec<_> = (0..THREADS).map(begin).collect();
        let panicked = |_| "a thread panicked".to_owned();
        let rows = threads
            .into_iter()
            .map(|thread| thread.join().map_err(panicked)?);
        rows.collect::<Handed<_>>()
    })?;
    let is_end = |mut end: Model| {
        let fits = learn(&mut end, store).and_then(|()| compare(&end, store, Depth::All));
        fits.is_ok()
    };
    let mut search = Search {
        rows: &rows,
        is_end: &is_end,
        places: 0,
    };
    let mut taken = vec![0; rows.len()];
    if !search.explains(model, &mut taken) {
        let places = search.places;
        return Err(format!(
            "round {round}: no order of {places} explains\n{}",
            told(&rows)
        )
        .into());
    }
    world.check_sound()
}

/// What threads hand over.
type Handed<T> = Result<T, String>;

#[test]
fn some_order_explains_what_threads_were_answered() -> Outcome {
    (0..ROUNDS).try_for_each(let_loose)
}

#[test]
fn an_answer_that_no_order_explains_is_found() -> Outcome {
    let mut world = World::new()?;
    for step in parse_history(BEFORE)? {
        world.step(&step)?;
    }
    let done = |verb: Verb, begun, ended| Done {
        verb,
        outcome: Ok(Answer::Nothing),
        begun,
        ended,
    };
    // Build 4 is open and can be purged once for all, so nothing can be committed afterwards; before, it can.
    let commit = |begun, ended| Done {
        outcome: Ok(Answer::Committed {
            files: 1,
            conflicts: 0,
        }),
        ..done(Verb::Commit(4), begun, ended)
    };
    for (rows, expected, reason) in [
        (
            vec![vec![done(Verb::Purge(4), 0, 3)], vec![commit(1, 2)]],
            true,
            "at the same time, so the commit may come first",
        ),
        (
            vec![vec![done(Verb::Purge(4), 0, 1)], vec![commit(2, 3)]],
            false,
            "purged before the commit began",
        ),
        (
            vec![vec![commit(0, 3)], vec![commit(1, 2)]],
            false,
            "committed twice",
        ),
    ] {
        let mut search = Search {
            rows: &rows,
            is_end: &|_| true,
            places: 0,
        };
        let found = search.explains(world.model(), &mut [0, 0]);
        assert_eq!(found, expected, "{reason}");
    }
    world.check_sound()
}
