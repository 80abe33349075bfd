//! Bases that are damaged or gone while a delta is applied to them.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};

use super::tests::{Files, made, published, snapshots};
use super::*;
use crate::base::progress::Silent;
use crate::base::{Error, Kind};
use crate::build::sandbox::{AnyError, Sandbox, large_file, time};
use crate::delta::apply::apply;
use crate::object::pack_reader::PackReader;

type Outcome = Result<(), AnyError>;

/// Overwrites what the packs of a store hold when some work has come so far.
struct Vandal<'s> {
    sandbox: &'s Sandbox,
    /// How often progress is told before.
    spared: u64,
    told: AtomicU64,
}

impl Vandal<'_> {
    fn strike(&self) -> Outcome {
        for pack in self.sandbox.packs()? {
            let bytes = fs::read(&pack)?;
            // Where the frames are: behind the header, up to the fan-out. The file stays as long as it is, since it may be mapped.
            let start = 32;
            let trailer = bytes
                .last_chunk::<64>()
                .and_then(|trailer| trailer.first_chunk());
            let end = u64::from_le_bytes(*trailer.ok_or("a trailer")?);
            let zeros = vec![0; usize::try_from(end - start)?];
            let file = fs::File::options().write(true).open(&pack)?;
            std::os::unix::fs::FileExt::write_all_at(&file, &zeros, start)?;
        }
        Ok(())
    }
}

impl Progress for Vandal<'_> {
    fn expect(&self, _bytes: u64) {}

    fn advance(&self, _bytes: u64) {
        if self.told.fetch_add(1, Ordering::Relaxed) == self.spared {
            self.strike().expect("packs can be overwritten");
        }
    }
}

/// Everything that a store shows of its builds and files.
fn seen(sandbox: &Sandbox) -> Result<(usize, usize, usize), AnyError> {
    let builds = sandbox.store()?.reader()?.builds()?.len();
    let unfinished = fs::read_dir(sandbox.root().join("tmp"))?.count();
    Ok((builds, sandbox.packs()?.len(), unfinished))
}

#[test]
fn a_base_that_is_lost_halfway_is_noticed_and_nothing_is_half_applied() -> Outcome {
    let large = large_file()?;
    let mut larger = large.clone();
    larger.splice(1_000_000..1_000_000, *b"inserted");
    let text: Vec<u8> = large
        .iter()
        .rev()
        .skip(600_000)
        .take(30_000)
        .copied()
        .collect();
    let other = [&text[..], b"and another one\n"].concat();
    // Keeps both in frames of their own: what was read of one is not remembered for the other.
    let between: Vec<u8> = large.iter().rev().take(500_000).copied().collect();
    let first: Files<'_> = &[("large", &large), ("middle", &between), ("text", &text)];
    let second: Files<'_> = &[("large", &larger), ("middle", &between), ("text", &other)];
    let maker = published(&[first, second])?;
    let [from, to] = snapshots(&maker)?[..] else {
        return Err("two releases".into());
    };
    let (delta, _) = made(&maker, Some(from), to)?;
    let pack = PackReader::open(&delta[..])?;
    // One thread reads a base only when it comes to its group.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    let mut refused = 0;
    for spared in 0.. {
        let receiver = published(&[first])?;
        let (store, repo) = (receiver.store()?, receiver.repo("main")?);
        let vandal = Vandal {
            sandbox: &receiver,
            spared,
            told: AtomicU64::new(0),
        };
        let before = seen(&receiver)?;
        let now = time(100)?;
        let applied = pool.install(|| apply(store, &repo, None, &pack, now, &vandal));
        match applied {
            Err(error) => {
                assert_eq!(error.kind(), Kind::Integrity, "{error}");
                assert!(error.to_string().contains("pack"), "{error}");
                assert_eq!(seen(&receiver)?, before, "after {spared} steps");
                refused += 1;
            }
            Ok(build) => {
                assert_eq!(build.committed.map(|is| is.snapshot), Some(to));
                break;
            }
        }
    }
    // At least once before anything was made, and once when one of two groups was.
    assert!(refused >= 2, "{refused}");
    Ok(())
}

#[test]
fn a_base_that_is_not_there_is_named_and_nothing_is_half_applied() -> Outcome {
    let text = b"the same line\n".repeat(1000);
    let other = [&text[..], b"and another one\n"].concat();
    let maker = published(&[&[("text", &text)], &[("text", &other)]])?;
    let [from, to] = snapshots(&maker)?[..] else {
        return Err("two releases".into());
    };
    let (delta, _) = made(&maker, Some(from), to)?;
    let receiver = published(&[&[("text", b"something else")]])?;
    let before = seen(&receiver)?;
    let (store, repo) = (receiver.store()?, receiver.repo("main")?);
    let pack = PackReader::open(&delta[..])?;
    let applied = apply(store, &repo, None, &pack, time(100)?, &Silent);
    assert!(
        matches!(applied, Err(Error::NotFound { .. })),
        "{applied:?}"
    );
    assert_eq!(seen(&receiver)?, before);
    Ok(())
}

/// Work that is not wanted any more once that was asked so often.
struct Unwanted {
    left: AtomicU64,
}

impl Progress for Unwanted {
    fn expect(&self, _bytes: u64) {}

    fn advance(&self, _bytes: u64) {}

    fn check(&self) -> Result<()> {
        let take = |left: u64| left.checked_sub(1);
        let left = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        left.map(drop).map_err(|_| Error::Interrupted)
    }
}

#[test]
fn a_delta_of_one_file_is_left_between_the_ways_of_making_its_patch() -> Outcome {
    let text: Vec<u8> = large_file()?.into_iter().take(200_000).collect();
    let mut other = text.clone();
    other.splice(1000..1000, *b"inserted");
    let maker = published(&[&[("text", &text)], &[("text", &other)]])?;
    let [from, to] = snapshots(&maker)?[..] else {
        return Err("two releases".into());
    };
    let repo = maker.repo("main")?;
    let options = MakeOptions {
        effort: Effort::Thorough,
        ..MakeOptions::default()
    };
    let mut interrupted = 0;
    for left in 0..100 {
        let view = maker.store()?.view(&repo.name, &[])?;
        let unwanted = Unwanted {
            left: AtomicU64::new(left),
        };
        match make(&view, Some(from), to, &options, &mut Vec::new(), &unwanted) {
            Err(Error::Interrupted) => interrupted += 1,
            made => {
                made?;
                break;
            }
        }
    }
    // Before its texts, its group, its file, and each of two ways; all that beside what comes before.
    assert!(interrupted >= 5, "{interrupted}");
    Ok(())
}
