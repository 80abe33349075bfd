//! How verbs grow: `cargo bench --bench growth -- [ROW ...] [--objects N,N,...] [--bytes N] [--files N]`.
//!
//! Each verb is measured several times in stores of several sizes, or with work of several sizes; a line has the medians
//! of wall and CPU time, and the last line of a group the ratio of the largest size to the smallest. What must not grow
//! has a ratio near 1. Small unless told otherwise, so that it always runs; figures that count come from `--objects
//! 10000,100000,1000000` and more.
//!
//! # Not here
//!
//! The verbs one after the other (`benches/verbs.rs`), the hot parts (`benches/parts.rs`).

use std::io::{self, Write};

#[path = "../common/mod.rs"]
mod common;

mod arguments;
mod duplicated;
mod large_file;
mod open;
mod publish;
mod purge;
mod report;
mod retire;
mod tiny;
mod together;

use self::arguments::{Arguments, Row};
use self::common::Outcome;
use self::common::cost::Cost;
use self::common::stock::Stock;
use self::report::Report;

/// Times that everything is measured, unless a row says otherwise.
const ROUNDS: u64 = 5;

fn main() -> Outcome {
    let arguments = Arguments::parse(std::env::args().skip(1))?;
    let mut report = Report::default();
    if arguments.rows.iter().any(|row| row.needs_stock()) {
        for objects in &arguments.objects {
            in_stock(*objects, &arguments, &mut report)?;
        }
    }
    for row in &arguments.rows {
        match row {
            Row::LargeFile => large_file::run(arguments.bytes, &mut report)?,
            Row::Tiny => tiny::run(arguments.files, &mut report)?,
            Row::Duplicated => duplicated::run(arguments.files, &mut report)?,
            Row::Together => together::run(arguments.files, &mut report)?,
            Row::Purge | Row::Publish | Row::Retire | Row::Open => {}
        }
    }
    report.write(&mut io::stdout())?;
    Ok(())
}

/// Runs the rows that need a store with `objects` published objects, all in the same one.
fn in_stock(objects: u64, arguments: &Arguments, report: &mut Report) -> Outcome {
    let (stock, cost) = Cost::of(|| Stock::fill(objects))?;
    writeln!(
        io::stderr(),
        "{objects} objects published in {:.1} s",
        cost.wall.as_secs_f64()
    )?;
    for row in &arguments.rows {
        match row {
            Row::Purge => purge::run(&stock, objects, report)?,
            Row::Publish => publish::run(&stock, objects, report)?,
            Row::Retire => retire::run(&stock, objects, report)?,
            Row::Open | Row::LargeFile | Row::Tiny | Row::Duplicated | Row::Together => {}
        }
    }
    // The last, because it closes the store.
    if arguments.rows.contains(&Row::Open) {
        open::run(stock, objects, report)?;
    }
    Ok(())
}
