//! `bindery help`: explain a command, or the exit codes.

use std::io::{self, Write};

use bindery::base::{Error, Kind, Result};
use clap::{Args, Command};
use serde::Serialize;

use crate::colour::Colours;
use crate::examples::examples;
use crate::failure::{code, meaning};
use crate::output::{self, Answer};
use crate::session::Session;

/// The topic that is no command.
const EXIT_CODES: &str = "exit-codes";

/// What `help` takes.
#[derive(Debug, Args)]
#[command(after_help = examples!("bindery help build stage" "bindery help exit-codes"))]
pub struct Arguments {
    /// A command, such as 'build stage', or 'exit-codes'
    #[arg(value_name = "TOPIC")]
    topic: Vec<String>,
}

#[derive(Debug, Serialize)]
struct ExitCodes {
    exit_codes: Vec<ExitCode>,
}

#[derive(Debug, Serialize)]
struct ExitCode {
    number: u8,
    code: &'static str,
    meaning: &'static str,
}

/// Explains a topic.
///
/// # Errors
///
/// [`Error::Usage`] if there is no such command.
pub fn run(session: &Session, arguments: &Arguments, mut command: Command) -> Result<()> {
    if arguments.topic == [EXIT_CODES] {
        return session.output.answer(&exit_codes());
    }
    command.build();
    for word in &arguments.topic {
        let found = command.find_subcommand(word).cloned();
        let topic = arguments.topic.join(" ");
        command = found.ok_or_else(|| {
            Error::usage(format!(
                "there is no command {topic:?}: see 'bindery --help'"
            ))
        })?;
    }
    let help = command.render_long_help();
    output::print(|out| match session.output.answer_colours {
        Colours::On => write!(out, "{}", help.ansi()),
        Colours::Off => write!(out, "{help}"),
    })
}

fn exit_codes() -> ExitCodes {
    let done = ExitCode {
        number: 0,
        code: "done",
        meaning: "done",
    };
    let failures = Kind::ALL.into_iter().map(|kind| ExitCode {
        number: code(kind),
        code: kind.word(),
        meaning: meaning(kind),
    });
    ExitCodes {
        exit_codes: std::iter::once(done).chain(failures).collect(),
    }
}

impl Answer for ExitCodes {
    fn write_text(&self, out: &mut dyn Write, _colours: Colours) -> io::Result<()> {
        let mut lines = self.exit_codes.iter();
        lines.try_for_each(|line| {
            writeln!(
                out,
                "{:>3}  {:<11}  {}",
                line.number, line.code, line.meaning
            )
        })
    }
}
