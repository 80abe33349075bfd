//! Purging one committed build, by what else the store holds.

use crate::ROUNDS;
use crate::common::Outcome;
use crate::common::cost::Cost;
use crate::common::stock::Stock;
use crate::report::{Line, Report};

/// Files of the build.
const FILES: u64 = 1_000;

/// Measures it. **If it grows** with the store, builds that nobody wants pile up, because getting rid of them takes as long
/// as a garbage collection elsewhere.
pub fn run(stock: &Stock, objects: u64, report: &mut Report) -> Outcome {
    let numbers: Vec<u64> = (stock.files()..stock.files() + FILES).collect();
    let mut costs = Vec::new();
    for _ in 0..ROUNDS {
        let build = stock.commit(&numbers, 0)?;
        let ((), cost) = Cost::of(|| stock.shop().purge(build))?;
        costs.push(cost);
    }
    report.add(Line::new("purge 1,000 files", objects, &costs));
    Ok(())
}
