//! Random verbs, done to a store and to a model of it in memory: after each of them both show the same.
//!
//! After every step every ref, release and ready build has the files that the model foretold, everything that is read
//! hashes to its id, every count equals the recomputed one, and the folder of packs holds what the catalog says. In the end
//! everything but the newest releases is let go of, and nothing else is left.
//!
//! `BINDERY_MODEL_STEPS` and `BINDERY_MODEL_SEED` make a longer run, or the one run that failed: its seed and step are in
//! the message.
//!
//! # Not here
//!
//! Crashes (`crash`).

mod builds;
mod reference;
mod releases;
mod world;

use bindery::base::{Error, Result};

use self::world::World;

/// Steps of a short run with each seed.
const STEPS: u64 = 120;
/// Seeds of a short run.
const SEEDS: std::ops::Range<u64> = 1..5;

fn setting(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Does one random verb.
fn step(world: &mut World) -> Result<()> {
    match world.below(100) {
        0..12 => builds::create_build(world),
        12..34 => builds::stage_files(world),
        34..40 => builds::remove_path(world),
        40..54 => builds::commit_build(world),
        54..66 => releases::publish_build(world),
        66..72 => releases::import_build(world),
        72..76 => releases::update_ref(world),
        76..81 => releases::withdraw_build(world),
        81..84 => releases::roll_back(world),
        84..88 => releases::hold_or_release(world),
        88..93 => builds::purge_build(world),
        93..97 => {
            let last = world.below(3) + 1;
            let (name, _) = world.pick_ref()?;
            releases::retire(world, &name, last)
        }
        _ => {
            world.doing("reopen");
            world.reopen()
        }
    }
}

fn run(seed: u64, steps: u64) -> Result<()> {
    let mut world = World::new(seed)?;
    for number in 0..steps {
        world.begin(format!("seed {seed}, step {number}"));
        let outcome = step(&mut world).and_then(|()| world.check());
        outcome.map_err(|error| Error::internal(format!("{error}: {}", world.place())))?;
    }
    world.begin(format!("seed {seed}, the end"));
    releases::finish(&mut world)?;
    world.check()?;
    world.check_lean()
}

#[test]
fn a_store_shows_what_its_model_foretold() -> Result<()> {
    let steps = setting("BINDERY_MODEL_STEPS").unwrap_or(STEPS);
    match setting("BINDERY_MODEL_SEED") {
        Some(seed) => run(seed, steps),
        None => SEEDS.into_iter().try_for_each(|seed| run(seed, steps)),
    }
}
