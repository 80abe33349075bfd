//! Retiring one release, by how many objects die and by what else the store holds.

use bindery::build::stage::remove;
use bindery::store::retire::Mode;
use bindery::store::rows::Receipt;

use crate::ROUNDS;
use crate::common::Outcome;
use crate::common::cost::Cost;
use crate::common::stock::{GROUP_FILES, Stock};
use crate::report::{Line, Report};

/// Files that only the retired release shows.
const FILES: [u64; 3] = [100, 1_000, 10_000];

/// Measures it; the time for each has a share of what every retirement costs, so it falls with the number of files. **If
/// it grows** with that number or with the store, keeping old releases becomes cheaper than letting them go, and disks
/// fill.
pub fn run(stock: &Stock, objects: u64, report: &mut Report) -> Outcome {
    for files in FILES {
        let (mut costs, mut died) = (Vec::new(), 0);
        for round in 0..ROUNDS {
            let (receipt, cost) = retire(stock, files, round)?;
            assert!(
                receipt.objects >= files,
                "what only this release shows dies with it"
            );
            died = receipt.objects;
            costs.push(cost);
        }
        let line = Line::new(format!("retire {files} files"), objects, &costs);
        report.add(line.of_units(died));
    }
    Ok(())
}

/// Publishes files, publishes that they are gone, and measures the retirement of the first of the two releases.
fn retire(stock: &Stock, files: u64, round: u64) -> Outcome<(Receipt, Cost)> {
    let shop = stock.shop();
    let first = stock.files().next_multiple_of(GROUP_FILES);
    let numbers: Vec<u64> = (first..first + files).collect();
    let build = stock.commit(&numbers, files + round)?;
    let old = shop.publish(build)?;
    let build = shop.create()?;
    let gone = Stock::group_path(first)?;
    remove(shop.store(), build, &[gone], shop.time())?;
    shop.commit(build)?;
    shop.publish(build)?;
    let repo = shop.store().reader()?.repo(shop.repo())?;
    let release = (shop.target().clone(), old.epoch, old.seq);
    Cost::of(|| {
        Ok(shop
            .store()
            .retire_releases(&repo, &[release], Mode::Apply)?)
    })
}
