//! `bindery stats`: how much the store holds.

use std::io::{self, Write};

use bindery::base::Result;
use clap::Args;
use serde::Serialize;

use crate::colour::Colours;
use crate::examples::examples;
use crate::output::Answer;
use crate::quantity::{grouped, size};
use crate::session::Session;
use crate::table::{Side, Table};

/// What `stats` takes.
#[derive(Debug, Args)]
#[command(after_help = examples!("bindery stats" "bindery stats --json"))]
pub struct Arguments {}

#[derive(Debug, Serialize)]
struct Stats {
    objects: u64,
    packs: u64,
    stored_bytes: u64,
    logical_bytes: u64,
    live_bytes: u64,
    deltas: u64,
    delta_bytes: u64,
}

/// Prints the sums over the store.
///
/// # Errors
///
/// What the library answers.
pub fn run(session: &Session, _arguments: &Arguments) -> Result<()> {
    let store = session.read()?;
    let totals = store.reader()?.totals()?;
    let (mut deltas, mut delta_bytes) = (0, 0);
    for repo in store.reader()?.repos()? {
        for delta in store.prepared_deltas(&repo.name)? {
            deltas += 1;
            delta_bytes += delta.bytes;
        }
    }
    session.output.answer(&Stats {
        objects: totals.objects,
        packs: totals.packs,
        stored_bytes: totals.stored_bytes,
        logical_bytes: totals.logical_bytes,
        live_bytes: totals.live_bytes,
        deltas,
        delta_bytes,
    })
}

impl Answer for Stats {
    fn write_text(&self, out: &mut dyn Write, _colours: Colours) -> io::Result<()> {
        let mut table = Table::plain([Side::Left, Side::Right, Side::Left]);
        let rows = [
            ("objects", grouped(self.objects), "published, or in builds"),
            ("packs", grouped(self.packs), "files that hold them"),
            ("stored", size(self.stored_bytes), "bytes of the packs"),
            (
                "logical",
                size(self.logical_bytes),
                "the same, not compressed",
            ),
            ("live", size(self.live_bytes), "of those, still needed"),
            ("deltas", size(self.delta_bytes), "bytes of prepared ones"),
        ];
        for (name, value, meaning) in rows {
            table.push([name.into(), value, meaning.into()]);
        }
        table.write(out)
    }
}
