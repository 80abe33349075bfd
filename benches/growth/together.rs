//! Staging several builds at once, against one after the other.

use std::path::{Path, PathBuf};

use crate::ROUNDS;
use crate::common::Outcome;
use crate::common::cost::Cost;
use crate::common::shop::Shop;
use crate::common::text::{Random, text};
use crate::common::tree::write_tree;
use crate::report::{Line, Report};

/// Builds that are staged.
const BUILDS: u64 = 8;

/// Bytes of a file.
const FILE_BYTES: usize = 16_000;

/// Measures both by turns; the size is the number of builds that are staged at once. **If the ratio rises above 1**,
/// builds wait for each other, and a server that takes in many is slower than one that lets them queue.
pub fn run(files: u64, report: &mut Report) -> Outcome {
    let folder = tempfile::tempdir()?;
    let files_each = files / BUILDS;
    let mut trees = Vec::new();
    for build in 0..BUILDS {
        let tree = folder.path().join(format!("{build}"));
        write_tree(&tree, files_each, |number| {
            let mut random = Random::new(build * files_each + number);
            Ok(text(&mut random, FILE_BYTES))
        })?;
        trees.push(tree);
    }
    let (mut queued, mut at_once) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let shop = Shop::open()?;
        let ((), cost) = Cost::of(|| trees.iter().try_for_each(|tree| stage(&shop, tree)))?;
        queued.push(cost);
        let shop = Shop::open()?;
        let ((), cost) = Cost::of(|| stage_at_once(&shop, &trees))?;
        at_once.push(cost);
    }
    report.add(Line::new("8 builds, together", 1, &queued));
    report.add(Line::new("8 builds, together", BUILDS, &at_once));
    Ok(())
}

fn stage(shop: &Shop, tree: &Path) -> Outcome {
    shop.stage(tree)?;
    Ok(())
}

/// Stages all trees, each by a thread of its own.
fn stage_at_once(shop: &Shop, trees: &[PathBuf]) -> Outcome {
    std::thread::scope(|scope| {
        let stage = |tree: &Path| stage(shop, tree).map_err(|error| error.to_string());
        let threads: Vec<_> = trees
            .iter()
            .map(|tree| scope.spawn(move || stage(tree)))
            .collect();
        for thread in threads {
            thread.join().map_err(|_| "a thread ended early")??;
        }
        Ok(())
    })
}
