//! `bindery man`: the manual pages.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bindery::base::{Error, Result};
use bindery::disk::destination::write_named;
use bindery::disk::files::Disk;
use bindery::disk::real::RealDisk;
use clap::{Args, Command};
use clap_mangen::Man;
use serde::Serialize;

use crate::colour::Colours;
use crate::examples::examples;
use crate::output::Answer;
use crate::session::Session;

/// What stands at the foot of every page.
const SOURCE: &str = concat!("bindery ", env!("CARGO_PKG_VERSION"));

/// What `man` takes.
#[derive(Debug, Args)]
#[command(after_help = examples!("bindery man --out ~/.local/share/man/man1" "man bindery-build-stage"))]
pub struct Arguments {
    /// The directory to write them into; it is made if need be
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

#[derive(Debug, Serialize)]
struct Pages {
    pages: Vec<String>,
}

/// Writes `bindery.1` and one page for each command.
///
/// # Errors
///
/// [`Error::Io`] if a page cannot be written.
pub fn run(session: &Session, arguments: &Arguments, mut command: Command) -> Result<()> {
    let disk = RealDisk::new(&arguments.out);
    disk.create_dir(Path::new(""))?;
    command.build();
    let mut pages = Vec::new();
    write_pages(&arguments.out, &command, &mut pages)?;
    session.output.answer(&Pages { pages })
}

/// Writes the page of a command, then those of the commands beneath it.
fn write_pages(folder: &Path, command: &Command, pages: &mut Vec<String>) -> Result<()> {
    let man = Man::new(command.clone()).source(SOURCE);
    let file = man.get_filename();
    let mut page = Vec::new();
    man.render(&mut page)
        .map_err(Error::io("write", Path::new(&file)))?;
    let place = folder.join(&file);
    write_named(&place, |out| {
        out.write_all(&page).map_err(Error::io("write", &place))
    })?;
    pages.push(file);
    command
        .get_subcommands()
        .try_for_each(|below| write_pages(folder, below, pages))
}

impl Answer for Pages {
    fn write_text(&self, out: &mut dyn Write, _colours: Colours) -> io::Result<()> {
        self.pages
            .iter()
            .try_for_each(|page| writeln!(out, "{page}"))
    }
}
