//! Staging many files that are empty or nearly so.

use crate::ROUNDS;
use crate::common::Outcome;
use crate::common::cost::{Cost, forget_peak, peak_megabytes};
use crate::common::shop::Shop;
use crate::common::tree::write_tree;
use crate::report::{Line, Report};

/// One file in so many is empty.
const EMPTY_ONE_IN: u64 = 4;

/// The smaller tree has one file of so many.
const SMALLER: u64 = 10;

/// Measures it for two trees. **If the time for each file grows**, trees of sources and of language packages, which are
/// mostly tiny files, take longer than they did by hand.
pub fn run(files: u64, report: &mut Report) -> Outcome {
    for files in [files / SMALLER, files] {
        let folder = tempfile::tempdir()?;
        write_tree(folder.path(), files, |number| {
            let is_empty = number.is_multiple_of(EMPTY_ONE_IN);
            let content = if is_empty {
                String::new()
            } else {
                format!("{number}\n")
            };
            Ok(content.into_bytes())
        })?;
        let (mut costs, mut peak, mut stored) = (Vec::new(), 0, 0);
        for _ in 0..ROUNDS {
            let shop = Shop::open()?;
            forget_peak()?;
            let ((_, answer), cost) = Cost::of(|| shop.stage(folder.path()))?;
            assert_eq!(answer.files, files, "every file is staged");
            stored = answer.stored_bytes;
            costs.push(cost);
            peak = peak_megabytes()?.max(peak);
        }
        let line = Line::new("tiny files", files, &costs).of_units(files);
        report.add(line.with_note(&format!("stored {stored} bytes, peak {peak} MB")));
    }
    Ok(())
}
