//! Random histories, lived by a store and by a model of it in memory: after each step both show the same.
//!
//! Builds are made, staged, committed, checked, published, withdrawn and purged, many at once; releases are rolled back, held and
//! let go of; the store is closed and opened, its catalog made anew; power goes in the middle of any verb, and operations
//! of the disk fail. After each step the store has the rows that the model foretold and every ref shows its files, all of
//! which hash to their ids; every few steps, and after each crash, every release and every committed build is read, every
//! count recomputed, and nothing is left over. In the end all but the newest releases are let go of, and nothing else is
//! left.
//!
//! `BINDERY_MODEL_STEPS` makes a longer run, with so many steps in all; `BINDERY_MODEL_SEED` begins with another seed. A
//! failure is shrunk and printed in the form in which `tests/data/model` keeps histories that are lived again in each run.
//!
//! # Not here
//!
//! A crash at *every* operation of a verb (`crash`); many threads (`together`).

pub mod compare;
pub mod dice;
pub mod foretell;
mod fuse;
pub mod history;
mod lean;
pub mod perform;
pub mod reference;
mod shrink;
pub mod verb;
pub mod world;

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use self::history::{Step, parse_history, text_of};
use self::shrink::shrink;
use self::world::World;

pub type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// Steps of a short run.
const STEPS: usize = 1500;
/// Steps of most histories: few enough that one that fails is soon shrunk.
const HISTORY_STEPS: usize = 150;
/// One history of so many is longer, so many times.
const LONG_EVERY: u64 = 16;
/// The first seed.
const SEED: u64 = 1;
/// Histories lived at a time.
const THREADS: usize = 2;

fn setting<T: std::str::FromStr>(variable: &str) -> Option<T> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Lives a history; returns the verbs done, or the number of the step that went wrong and how.
fn live(steps: &[Step]) -> Result<u64, (usize, String)> {
    let lived = catch_unwind(AssertUnwindSafe(|| {
        let mut world = World::new().map_err(|error| (0, error.to_string()))?;
        world.live(steps).map(|()| world.operations)
    }));
    lived.unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<String>().cloned();
        Err((steps.len(), words.unwrap_or_else(|| "a panic".to_owned())))
    })
}

/// What is told of a history that went wrong.
fn told(name: &str, steps: &[Step], number: usize, error: &str) -> String {
    let failing = &steps[..steps.len().min(number + 1)];
    let short = shrink(failing, |steps| live(steps).is_err());
    let last = live(&short).err();
    let last = last.map_or_else(String::new, |(_, error)| error.replace('\n', "\n# "));
    format!(
        "{name}, step {number}: {error}\nof which these steps are left, to be kept in tests/data/model:\n# {name}: {last}\n{}",
        text_of(&short)
    )
}

fn history_of(seed: u64) -> Vec<Step> {
    let length = if seed.is_multiple_of(LONG_EVERY) {
        HISTORY_STEPS * 16
    } else {
        HISTORY_STEPS
    };
    dice::steps_of(seed, length)
}

/// Lives the histories of seeds one after the other, until there were enough steps.
fn live_seeds(seeds: &AtomicU64, left: &AtomicUsize, done: &AtomicU64) -> Result<(), String> {
    loop {
        let seed = seeds.fetch_add(1, Ordering::Relaxed);
        let steps = history_of(seed);
        let before = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            Some(left.saturating_sub(steps.len()))
        });
        let steps = &steps[..steps.len().min(before.unwrap_or_default())];
        if steps.is_empty() {
            return Ok(());
        }
        let lived = live(steps)
            .map_err(|(number, error)| told(&format!("seed {seed}"), steps, number, &error))?;
        done.fetch_add(lived, Ordering::Relaxed);
    }
}

#[test]
fn a_store_lives_as_its_model_foretold() -> Outcome {
    let left = AtomicUsize::new(setting("BINDERY_MODEL_STEPS").unwrap_or(STEPS));
    let seeds = AtomicU64::new(setting("BINDERY_MODEL_SEED").unwrap_or(SEED));
    let done = AtomicU64::new(0);
    let outcomes: Vec<Result<(), String>> = std::thread::scope(|scope| {
        let live = || scope.spawn(|| live_seeds(&seeds, &left, &done));
        let threads: Vec<_> = (0..THREADS).map(|_| live()).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, _>| {
            thread
                .join()
                .unwrap_or_else(|_| Err("a thread panicked".to_owned()))
        };
        threads.into_iter().map(join).collect()
    });
    // Past the harness, which would keep it to itself.
    writeln!(
        std::io::stderr(),
        "{} operations of model and store",
        done.load(Ordering::Relaxed)
    )?;
    for outcome in outcomes {
        outcome?;
    }
    Ok(())
}

#[test]
fn histories_that_once_went_wrong_or_might_go_well() -> Outcome {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/model");
    let mut lived = 0;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let steps = parse_history(&std::fs::read_to_string(&path)?)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        live(&steps).map_err(|(number, error)| {
            let step = steps.get(number).map_or_else(String::new, Step::to_string);
            format!("{}: step {number}, {step}: {error}", path.display())
        })?;
        lived += 1;
    }
    assert!(lived >= 5, "{lived} histories are kept");
    Ok(())
}
