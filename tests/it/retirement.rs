//! Retirement: whatever was published and whatever is let go of, what is kept is whole, and the store is lean.
//!
//! Random histories of several refs, whose releases share some of their files, with builds open and committed, meet random
//! rules. Each time the plan is what a second reading of the rules says; working it out changes nothing on disk; doing it
//! gives the same receipt, and that is by how much the files became shorter. Then every kept release and every committed
//! build is read byte for byte, all counts are recomputed, and the packs take at most twice what is live. In the end every
//! open build is committed: what was retired under it is named, and staging the same again is enough.
//!
//! `BINDERY_RETIRE_SEEDS` makes a longer run, `BINDERY_RETIRE_SEED` the one that failed.
//!
//! # Not here
//!
//! Crashes while something is retired (`crash`), the command line (`life::ending`).

mod history;
mod measure;

use bindery::base::{Error, Result};

use self::history::History;

/// Seeds of a short run.
const SEEDS: u64 = 8;
/// Steps with each seed.
const STEPS: u64 = 40;

fn setting(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn run(seed: u64) -> Result<()> {
    let mut history = History::new(seed)?;
    for number in 0..STEPS {
        history.begin(format!("seed {seed}, step {number}"));
        let stepped = history.step();
        stepped.map_err(|error| Error::internal(format!("{error}: {}", history.place())))?;
    }
    history.begin(format!("seed {seed}, the end"));
    history.finish()
}

#[test]
fn after_any_history_and_any_retirement_what_is_kept_is_whole_and_the_store_is_lean() -> Result<()>
{
    match setting("BINDERY_RETIRE_SEED") {
        Some(seed) => run(seed),
        None => (1..=setting("BINDERY_RETIRE_SEEDS").unwrap_or(SEEDS)).try_for_each(run),
    }
}
