//! `bindery demo`: the whole life of a build, typed and run on a store of its own.
//!
//! # Invariants
//!
//! - What is shown is what happens: every command is parsed and run as if it had been typed, and prints its own answer.
//! - Nothing but a folder of its own is written, which is removed however the demo ends, unless it is to be kept. A directory of the
//!   user is only read.
//!
//! # Not here
//!
//! The story itself (`demo_story`).

use std::cell::RefCell;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use bindery::base::{Error, Kind, Result};
use bindery::disk::scratch::Scratch;
use bindery::remote::borrowed::Loan;
use bindery::server::background::Background;
use bindery::store::serve_settings::ServeSettings;
use bindery::store::{Access, Store};
use clap::Args;

use super::demo_story::{SMALL_TREE, STORY, Step, TREE, URL, words};
use crate::colour::Tone;
use crate::examples::examples;
use crate::failure;
use crate::output::{self, Bars, Format, Notes, Output};
use crate::session::Session;
use crate::store_place::{STORE_FOLDER, Surroundings};

/// How the name of its folder begins.
const PREFIX: &str = "bindery-demo";

/// What `demo` takes.
#[derive(Debug, Args)]
#[command(after_help = examples!("bindery demo" "bindery demo out/ --keep"))]
pub struct Arguments {
    /// A directory to show it on, which is only read; else a small one is made
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
    /// Keep the store to look around in
    #[arg(long)]
    keep: bool,
}

/// Parses and runs a command line, as if it had been typed in a place.
pub type Play<'a> = dyn Fn(&[OsString], Surroundings, Output) -> Result<()> + 'a;

/// Tells the story; every command of it is run by `play`.
///
/// # Errors
///
/// [`Error::Usage`] with `--json`, and what a command of the story answers that should not have failed.
pub fn run(session: &Session, arguments: &Arguments, play: &Play<'_>) -> Result<()> {
    if session.output.format == Format::Json {
        return Err(Error::usage("the demo is for people: it has no JSON form"));
    }
    let before = &session.surroundings.directory;
    let folder = if arguments.keep {
        let name = format!("{PREFIX}-{}", std::process::id());
        Folder::Kept(Scratch::create(&std::env::temp_dir(), &name)?)
    } else {
        Folder::Lent(session.lender()?.folder(PREFIX)?)
    };
    let tree = match &arguments.directory {
        Some(directory) => before.join(directory),
        None => PathBuf::from(TREE),
    };
    for (path, text) in SMALL_TREE {
        folder.write(path, text)?;
    }
    let stage = Stage {
        session,
        folder: &folder,
        play,
        tree,
        server: RefCell::new(None),
    };
    enter(folder.root())?;
    let told = STORY.iter().try_for_each(|step| stage.perform(*step));
    enter(before)?;
    told?;
    end(session, folder)
}

fn enter(directory: &Path) -> Result<()> {
    std::env::set_current_dir(directory).map_err(Error::io("enter", directory))
}

/// Removes the folder, or says where it is.
fn end(session: &Session, folder: Folder) -> Result<()> {
    let place = folder.root().display().to_string();
    match folder {
        Folder::Kept(scratch) => {
            let store = scratch.keep().join(STORE_FOLDER);
            let store = store.display();
            session.output.note(format_args!(
                "\nEverything is kept in {place}; look around with: bindery -s {store} refs"
            ));
        }
        Folder::Lent(loan) => {
            loan.remove()?;
            session.output.note(format_args!(
                "\nThat was all, in {place}, which is removed again. Now: bindery init"
            ));
        }
    }
    Ok(())
}

/// The folder in which all of it is.
enum Folder {
    /// It stays, also if the process is asked to end.
    Kept(Scratch),
    /// It goes, also then.
    Lent(Loan),
}

impl Folder {
    fn root(&self) -> &Path {
        match self {
            Self::Kept(scratch) => scratch.root(),
            Self::Lent(loan) => loan.root(),
        }
    }

    fn write(&self, path: &str, text: &str) -> Result<()> {
        match self {
            Self::Kept(scratch) => scratch.write(path, text),
            Self::Lent(loan) => loan.write(path, text),
        }
    }
}

/// Where the story is performed.
struct Stage<'a> {
    session: &'a Session,
    folder: &'a Folder,
    play: &'a Play<'a>,
    /// What is staged, as the user would type it.
    tree: PathBuf,
    /// The server, while the store is shown to others.
    server: RefCell<Option<Background>>,
}

impl Stage<'_> {
    fn perform(&self, step: Step) -> Result<()> {
        let output = self.output();
        match step {
            Step::Say(text) => {
                output.note(format_args!(
                    "\n{}",
                    output
                        .answer_colours
                        .paint(Tone::Advice, format_args!("# {text}"))
                ));
                Ok(())
            }
            Step::Write(path, text) => self.folder.write(path, text),
            Step::Type(line) => self.run(line),
            Step::Serve => self.serve(&output),
            Step::End => {
                self.server.replace(None);
                Ok(())
            }
            Step::Refused(line) => match self.run(line) {
                Err(error) if error.kind() == Kind::Conflict => {
                    let text = failure::text(&error, output.answer_colours);
                    output::print(|out| out.write_all(text.as_bytes()))
                }
                Err(error) => Err(error),
                Ok(()) => Err(Error::internal(format!("'bindery {line}' was not refused"))),
            },
        }
    }

    /// Serves the store of the demo, on a port that is free.
    fn serve(&self, output: &Output) -> Result<()> {
        let root = self.folder.root().join(STORE_FOLDER);
        let store = Store::open(&root, Access::Write, &self.session.patience()?)?;
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let server = Background::start(store, listen, ServeSettings::default())?;
        let address = server.address();
        self.server.replace(Some(server));
        let prompt = format!("$ bindery serve --listen {address} &");
        output::print(|out| writeln!(out, "{}", output.answer_colours.paint(Tone::Strong, prompt)))
    }

    /// What the story types, with the URL of the server in it.
    fn typed(&self, line: &str) -> String {
        match &*self.server.borrow() {
            Some(server) => line.replace(URL, &format!("http://{}", server.address())),
            None => line.to_owned(),
        }
    }

    /// Shows a command as it would be typed, and runs it.
    fn run(&self, line: &str) -> Result<()> {
        let line = &self.typed(line);
        let typed: Vec<OsString> = words(line)
            .into_iter()
            .map(|word| self.word(word))
            .collect();
        let shown = line.replace(&format!(" {TREE}"), &format!(" {}", self.tree.display()));
        let output = self.output();
        output::print(|out| {
            let prompt = format!("$ bindery {shown}");
            writeln!(out, "{}", output.answer_colours.paint(Tone::Strong, prompt))
        })?;
        let surroundings = Surroundings {
            directory: self.folder.root().to_owned(),
            is_apart: true,
            ..Surroundings::default()
        };
        (self.play)(&typed, surroundings, output)
    }

    fn word(&self, word: String) -> OsString {
        if word == TREE {
            self.tree.clone().into()
        } else {
            word.into()
        }
    }

    /// As the user's, but with notes and errors where the answers are: all that a terminal would show.
    fn output(&self) -> Output {
        let output = self.session.output.clone();
        Output {
            notes: if output.notes == Notes::Off {
                Notes::Off
            } else {
                Notes::Within
            },
            bars: Bars::Off,
            ..output
        }
    }
}
