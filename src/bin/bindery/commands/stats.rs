//! `bindery stats`: how much the store holds.

use std::io::{self, Write};

use bindery::base::Result;
use bindery::remote::wire::stats::StatsSaid;
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
#[serde(transparent)]
struct Stats(StatsSaid);

/// Prints the sums over the store.
///
/// # Errors
///
/// What the library answers.
pub fn run(session: &Session, _arguments: &Arguments) -> Result<()> {
    let said = match session.server()? {
        Some(server) => server.stats()?,
        None => StatsSaid::of(&session.read()?)?,
    };
    session.output.answer(&Stats(said))
}

impl Answer for Stats {
    fn write_text(&self, out: &mut dyn Write, _colours: Colours) -> io::Result<()> {
        let mut table = Table::plain([Side::Left, Side::Right, Side::Left]);
        let said = &self.0;
        let rows = [
            ("objects", grouped(said.objects), "published, or in builds"),
            ("packs", grouped(said.packs), "files that hold them"),
            ("stored", size(said.stored_bytes), "bytes of the packs"),
            (
                "logical",
                size(said.logical_bytes),
                "the same, not compressed",
            ),
            ("live", size(said.live_bytes), "of those, still needed"),
            ("deltas", size(said.delta_bytes), "bytes of prepared ones"),
        ];
        for (name, value, meaning) in rows {
            table.push([name.into(), value, meaning.into()]);
        }
        table.write(out)
    }
}
