//! Opening a store and reading all its refs, by what it holds.

use std::process::{Command, Stdio};

use bindery::store::{Access, Store};

use crate::common::Outcome;
use crate::common::cost::Cost;
use crate::common::shop::{Closed, impatience};
use crate::common::stock::Stock;
use crate::report::{Line, Report};

/// Times that the store is opened: each takes little.
const ROUNDS: u64 = 20;

/// Measures it, in this process and as `bindery refs`. **If it grows** with the store, every command does, also the one
/// that a script calls for each of a thousand packages.
pub fn run(stock: Stock, objects: u64, report: &mut Report) -> Outcome {
    let repo = stock.shop().repo().clone();
    let closed = stock.into_shop().close();
    let (mut opening, mut running) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (refs, cost) = Cost::of(|| {
            let store = Store::open(&closed.root(), Access::Read, &impatience())?;
            let reader = store.reader()?;
            Ok(reader.refs(&reader.repo(&repo)?)?)
        })?;
        assert_eq!(refs.len(), 1, "everything is published to one ref");
        opening.push(cost);
        let ((), cost) = Cost::of(|| show_refs(&closed))?;
        running.push(cost);
    }
    report.add(Line::new("open, read refs", objects, &opening));
    let line = Line::new("bindery refs", objects, &running);
    report.add(line.with_note("CPU of this process only"));
    Ok(())
}

fn show_refs(closed: &Closed) -> Outcome {
    let status = Command::new(env!("CARGO_BIN_EXE_bindery"))
        .arg("--store")
        .arg(closed.root())
        .arg("refs")
        .stdout(Stdio::null())
        .status()?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("bindery refs failed: {status}").into())
    }
}
