//! Staging one large file.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use crate::ROUNDS;
use crate::common::Outcome;
use crate::common::cost::{Cost, forget_peak, peak_megabytes};
use crate::common::shop::Shop;
use crate::common::text::{Random, text};
use crate::report::{Line, Report};

/// Bytes that are made and written at once.
const BLOCK_BYTES: u64 = 1 << 20;

/// Measures it, with the largest memory of the process meanwhile. **If memory grows** with the file, images of disks
/// cannot be staged on small machines; if MB/s fall, they take longer than copying them.
pub fn run(bytes: u64, report: &mut Report) -> Outcome {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("large");
    write_text(&file, bytes)?;
    let (mut costs, mut peak) = (Vec::new(), 0);
    for _ in 0..ROUNDS {
        let shop = Shop::open()?;
        forget_peak()?;
        let (_, cost) = Cost::of(|| shop.stage(&file))?;
        costs.push(cost);
        peak = peak_megabytes()?.max(peak);
    }
    let line = Line::new("large-file", bytes, &costs);
    // A byte in a microsecond is a megabyte in a second.
    let speed = u128::from(bytes) / line.cost.wall.as_micros().max(1);
    report.add(line.with_note(&format!("{speed} MB/s, peak {peak} MB")));
    Ok(())
}

/// Writes text that does not repeat.
fn write_text(path: &Path, bytes: u64) -> Outcome {
    let mut file = BufWriter::new(File::create(path)?);
    let mut random = Random::new(0);
    let mut left = bytes;
    while left > 0 {
        let block = left.min(BLOCK_BYTES);
        file.write_all(&text(&mut random, usize::try_from(block)?))?;
        left -= block;
    }
    file.flush()?;
    Ok(())
}
