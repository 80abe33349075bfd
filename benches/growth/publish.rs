//! Committing and publishing a build of few changed files, by what else its ref shows.

use crate::ROUNDS;
use crate::common::Outcome;
use crate::common::cost::Cost;
use crate::common::stock::Stock;
use crate::report::{Line, Report};

/// Files that each build changes, each in another directory as far as there are so many.
const FILES: u64 = 10;

/// Measures both. **If it grows** with the ref, a large distribution cannot publish each build as it arrives, and people
/// begin to collect builds into nightly releases.
pub fn run(stock: &Stock, objects: u64, report: &mut Report) -> Outcome {
    let apart = stock.files() / FILES;
    let (mut committing, mut publishing) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let first = round * apart / ROUNDS;
        let numbers: Vec<u64> = (0..FILES).map(|number| first + number * apart).collect();
        let build = stock.stage(&numbers, 1 + round)?;
        let ((), cost) = Cost::of(|| stock.shop().commit(build))?;
        committing.push(cost);
        let (_, cost) = Cost::of(|| stock.shop().publish(build))?;
        publishing.push(cost);
    }
    report.add(Line::new("commit 10 changed files", objects, &committing));
    report.add(Line::new("publish 10 changed files", objects, &publishing));
    Ok(())
}
