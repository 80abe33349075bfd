//! What a pull computes, apart from what it waits for, and how it is stopped.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

use bindery::base::id::StatementId;
use bindery::base::progress::Progress;
use bindery::base::{Error, Result};
use bindery::remote::origin::{Origin, Sink, Wanted};
use bindery::remote::pull::pull;
use bindery::store::rows::SnapshotRef;
use bindery::trust::heads::RefsObject;

use super::pair::{PULLED_AT, Pair, options};
use crate::shelf::{Files, files, moment};

thread_local! {
    /// Whether this thread computes.
    static IS_COMPUTING: Cell<bool> = const { Cell::new(false) };
}

/// Hears how often it is asked whether the work is wanted, while something is computed, and after so often says no.
struct Heard {
    asked: AtomicU64,
    most: u64,
}

impl Heard {
    const fn until(most: u64) -> Self {
        Self {
            asked: AtomicU64::new(0),
            most,
        }
    }
}

impl Progress for Heard {
    fn expect(&self, _bytes: u64) {}

    fn advance(&self, _bytes: u64) {}

    fn check(&self) -> Result<()> {
        if !IS_COMPUTING.get() {
            return Ok(());
        }
        if self.asked.fetch_add(1, Ordering::Relaxed) >= self.most {
            return Err(Error::Interrupted);
        }
        Ok(())
    }

    fn compute(&self, work: &mut (dyn FnMut() + Send)) {
        IS_COMPUTING.set(true);
        work();
        IS_COMPUTING.set(false);
    }
}

/// An origin that is never asked by who computes.
struct Waiting<'o>(&'o dyn Origin);

impl Origin for Waiting<'_> {
    fn place(&self) -> String {
        self.0.place()
    }

    fn keyset(&self, version: u64) -> Result<Option<Vec<u8>>> {
        self.0.keyset(version)
    }

    fn heads(&self) -> Result<Vec<u8>> {
        self.0.heads()
    }

    fn refs_list(&self, object: RefsObject) -> Result<Vec<u8>> {
        self.0.refs_list(object)
    }

    fn statement(&self, id: StatementId) -> Result<Vec<u8>> {
        self.0.statement(id)
    }

    fn pack(&self, wanted: Wanted, out: &mut dyn Sink) -> Result<Option<SnapshotRef>> {
        assert!(!IS_COMPUTING.get(), "what computes waits for nobody");
        let mut pack = Vec::new();
        let from = self.0.pack(wanted, &mut pack)?;
        out.check()?;
        out.write_all(&pack)
            .map_err(Error::io("write", std::path::Path::new("the download")))?;
        Ok(from)
    }
}

/// Files of several directories and frames.
fn several(tag: &str) -> Files {
    let mut all = files(&[("same", "same")]);
    for number in 0..10 {
        let text = format!("{tag} {number} ").repeat(40_000 + number);
        all.insert(format!("dir{number}/file"), text);
    }
    all
}

#[test]
fn a_pull_computes_apart_from_waiting_and_stops_while_it_does() -> Result<()> {
    let pair = Pair::following(&several("one"))?;
    pair.origin.release("stable", &several("two"))?;
    let before = pair.state()?;
    let honest = pair.honest()?;
    let pull_until = |heard: &Heard| {
        let (origin, options) = (Waiting(&honest), options(None));
        pull(
            &pair.copy.store,
            &origin,
            &options,
            moment(PULLED_AT)?,
            heard,
        )
    };
    let mut stopped = 0;
    loop {
        let heard = Heard::until(stopped);
        match pull_until(&heard) {
            Err(Error::Interrupted) => assert_eq!(pair.state()?, before, "{stopped}"),
            pulled => {
                assert_eq!(pulled?.moves.len(), 1);
                break;
            }
        }
        stopped += 1;
    }
    assert!(stopped > 10, "it is asked again and again: {stopped}");
    pair.check_shows("stable", &several("two"))
}
