//! Staging a tree in which every content occurs several times.

use crate::ROUNDS;
use crate::common::Outcome;
use crate::common::cost::Cost;
use crate::common::shop::Shop;
use crate::common::text::{Random, text};
use crate::common::tree::write_tree;
use crate::report::{Line, Report};

/// How often each content occurs, the first time only once.
const COPIES: [u64; 3] = [1, 8, 64];

/// Bytes of a file.
const FILE_BYTES: usize = 4_000;

/// Measures it, and checks that each content is stored once. **If it is not**, builds that ship the same libraries in
/// many places fill disks; if time does not fall with the copies, they are compressed in vain.
pub fn run(files: u64, report: &mut Report) -> Outcome {
    // As many trees for all: where a directory is cut follows from its names alone.
    let mut trees = None;
    for copies in COPIES {
        let distinct = files.div_ceil(copies);
        let folder = tempfile::tempdir()?;
        write_tree(folder.path(), files, |number| {
            Ok(text(&mut Random::new(number % distinct), FILE_BYTES))
        })?;
        let (mut costs, mut stored) = (Vec::new(), 0);
        for _ in 0..ROUNDS {
            let shop = Shop::open()?;
            let ((_, answer), cost) = Cost::of(|| shop.stage(folder.path()))?;
            let trees = *trees.get_or_insert(answer.new_objects - distinct);
            assert_eq!(
                answer.new_objects,
                distinct + trees,
                "each content is stored once"
            );
            stored = answer.stored_bytes;
            costs.push(cost);
        }
        let line = Line::new("duplicated files, copies", copies, &costs);
        report.add(line.with_note(&format!("stored {stored} bytes")));
    }
    Ok(())
}
