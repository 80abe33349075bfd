//! `bindery withdraw`: take a published build's changes out of its ref again.

use std::io::{self, Write};

use bindery::base::clock::Time;
use bindery::base::name::RefName;
use bindery::base::{Kind, Result};
use bindery::build::withdraw::{Withdrawn, withdraw};
use clap::Args;
use serde::Serialize;

use super::publish::Released;
use crate::colour::Colours;
use crate::examples::examples;
use crate::output::Answer;
use crate::session::Session;
use crate::values::BuildId;

/// What `withdraw` takes.
#[derive(Debug, Args)]
#[command(after_help = examples!("bindery withdraw 17"))]
pub struct Arguments {
    /// The build
    #[arg(value_name = "ID")]
    build: BuildId,
}

#[derive(Debug, Serialize)]
struct TakenBack {
    #[serde(rename = "ref")]
    target: Option<RefName>,
    ready: Vec<u64>,
}

/// Withdraws a build.
///
/// # Errors
///
/// What the library answers.
pub fn run(session: &Session, arguments: &Arguments) -> Result<()> {
    let build = arguments.build.0;
    if let Some(server) = session.server()? {
        let said = match server.withdraw(build) {
            // Who may publish and not withdraw may take back what is not published yet.
            Err(error) if error.kind() == Kind::NotAllowed => {
                let Ok(said) = server.unschedule(build) else {
                    return Err(error);
                };
                let ready = vec![said.id];
                let target = said.target;
                return session.output.answer(&TakenBack { target, ready });
            }
            said => said?,
        };
        let (target, ready) = (said.target, said.builds);
        match said.seq {
            Some(seq) => session.output.note(format_args!(
                "the changes of build {build} are taken out: {target}@{seq} shows what was before"
            )),
            None => session.output.note(format_args!(
                "{target} never showed it, and has not changed"
            )),
        }
        return session.output.answer(&TakenBack {
            target: Some(target),
            ready,
        });
    }
    let store = session.write()?;
    match withdraw(&store, build, Time::now()?)? {
        Withdrawn::Released(answer) => {
            session.output.answer(&Released::from(answer))?;
            session.output.note(format_args!(
                "the changes of build {build} are taken out; its paths are what they were before"
            ));
        }
        Withdrawn::Unscheduled { target } => {
            session
                .output
                .note(format_args!("it is not published to {target} any more"));
            let ready = vec![build];
            session.output.answer(&TakenBack {
                target: Some(target),
                ready,
            })?;
        }
        Withdrawn::Pending { target, builds } => {
            session.output.note(format_args!(
                "{target} never showed it, and has not changed"
            ));
            let ready = builds;
            session.output.answer(&TakenBack {
                target: Some(target),
                ready,
            })?;
        }
    }
    Ok(())
}

impl Answer for TakenBack {
    fn write_text(&self, out: &mut dyn Write, _colours: Colours) -> io::Result<()> {
        let mut builds = self.ready.iter();
        builds.try_for_each(|build| writeln!(out, "build {build} is ready again"))
    }
}
