//! `bindery build stage` and `bindery build remove`: what a build changes.

use std::io::{self, Write};
use std::path::PathBuf;

use bindery::base::Result;
use bindery::base::clock::Time;
use bindery::base::path::TreePath;
use bindery::build::stage::{
    Source, StageAnswer, StageMode, StageOptions, check_paths, remove, stage,
};
use bindery::disk::exclude::Excludes;
use bindery::disk::findings::Dropped;
use bindery::remote::http::agent::Agent;
use bindery::remote::http::builds::HttpBuilds;
use bindery::remote::push::stage_at;
use bindery::remote::wire::builds as wire;
use clap::Args;
use serde::Serialize;

use crate::colour::Colours;
use crate::examples::examples;
use crate::output::Answer;
use crate::quantity::{counted, size};
use crate::session::Session;
use crate::values::BuildId;

/// Paths that are named one by one when they were left out.
const NAMED_PATHS_MAX: usize = 5;

/// What stands beneath the help of `build stage`.
pub const STAGE_EXAMPLES: &str = examples!(
    "bindery build stage 17 out/                     its contents, at the root"
    "bindery build stage 17 a.deb b.deb --at pool/main"
    "bindery build stage 17 doc --at usr/share/doc --replace --exclude '*.tmp'"
);
/// What stands beneath the help of `build remove`.
pub const REMOVE_EXAMPLES: &str = examples!("bindery build remove 17 pool/main/old.deb");

/// What `build stage` takes.
#[derive(Debug, Args)]
pub struct StageArguments {
    /// The build
    #[arg(value_name = "ID")]
    build: BuildId,
    /// Files and directories: a directory stages its contents, a file itself
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// The directory of the build that they are put into; else the root
    #[arg(
        long,
        value_name = "DEST",
        default_value = "",
        hide_default_value = true
    )]
    at: TreePath,
    /// Put the one directory named in place of what is at DEST, instead of merging it in
    #[arg(long)]
    replace: bool,
    /// Leave out what matches, as in .gitignore; can be repeated
    #[arg(long = "exclude", value_name = "GLOB")]
    excludes: Vec<String>,
}

/// What `build remove` takes.
#[derive(Debug, Args)]
pub struct RemoveArguments {
    /// The build
    #[arg(value_name = "ID")]
    build: BuildId,
    /// Paths that the published tree will lose
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<TreePath>,
}

#[derive(Debug, Serialize)]
struct StagedAnswer {
    files: u64,
    bytes: u64,
    new_objects: u64,
    new_bytes: u64,
    stored_bytes: u64,
    dropped: DroppedAnswer,
}

#[derive(Debug, Serialize)]
struct DroppedAnswer {
    special_files: u64,
    owners: u64,
    set_ids: u64,
    hard_links: u64,
}

#[derive(Debug, Serialize)]
struct Removed<'a> {
    build: u64,
    removed: &'a [TreePath],
}

/// Stages files and directories.
///
/// # Errors
///
/// What the library answers; nothing is staged then.
pub fn stage_paths(session: &Session, arguments: &StageArguments) -> Result<()> {
    let options = StageOptions {
        at: arguments.at.clone(),
        mode: if arguments.replace {
            StageMode::Replace
        } else {
            StageMode::Merge
        },
        excludes: Excludes::parse(&arguments.excludes)?,
    };
    let answer = if let Some(server) = session.server()? {
        stage_on(session, server, arguments, &options)?
    } else {
        let store = session.write()?;
        let progress = session.progress("staging");
        let (build, time) = (arguments.build.0, Time::now()?);
        stage(&store, build, &arguments.paths, &options, &progress, time)?
    };
    session.output.note(format_args!(
        "staged {}, {}; {}, {} stored",
        counted(answer.files, "file"),
        size(answer.bytes),
        counted(answer.new_objects, "new object"),
        size(answer.stored_bytes)
    ));
    note_dropped(session, &answer.dropped);
    session.output.answer(&StagedAnswer {
        files: answer.files,
        bytes: answer.bytes,
        new_objects: answer.new_objects,
        new_bytes: answer.new_bytes,
        stored_bytes: answer.stored_bytes,
        dropped: DroppedAnswer {
            special_files: answer.dropped.special.total(),
            owners: answer.dropped.owners,
            set_ids: answer.dropped.set_ids,
            hard_links: answer.dropped.hard_links,
        },
    })
}

/// Stages into a build of a server, which is sent what it lacks.
fn stage_on(
    session: &Session,
    server: Agent,
    arguments: &StageArguments,
    options: &StageOptions,
) -> Result<StageAnswer> {
    let build = arguments.build.0;
    check_paths(&arguments.paths, options.mode)?;
    let paths = arguments.paths.iter();
    let sources = paths
        .map(|path| Source::open(path, &options.at, &options.excludes))
        .collect::<Result<Vec<Source>>>()?;
    let mode = match options.mode {
        StageMode::Merge => wire::StageMode::Merge,
        StageMode::Replace => wire::StageMode::Replace,
    };
    let builds = HttpBuilds::new(server, None);
    let progress = session.progress("staging");
    let sent = stage_at(&sources, &builds, build, (&options.at, mode), &progress)?;
    let mut answer = StageAnswer {
        files: sent.files,
        bytes: sent.file_bytes,
        new_objects: sent.objects,
        new_bytes: sent.expanded_bytes,
        stored_bytes: sent.bytes,
        dropped: Dropped::default(),
    };
    for source in sources {
        answer.dropped.absorb(source.into_dropped());
    }
    Ok(answer)
}

/// Says what trees do not hold and was left out.
pub fn note_dropped(session: &Session, dropped: &Dropped) {
    let special = dropped.special.total();
    if special > 0 {
        let named: Vec<String> = dropped
            .special
            .paths()
            .take(NAMED_PATHS_MAX)
            .map(|path| path.display().to_string())
            .collect();
        let more = if special > named.len() as u64 {
            ", ..."
        } else {
            ""
        };
        let files = counted(special, "socket, pipe or device file");
        session.output.note(format_args!(
            "note: left out {files}: {}{more}",
            named.join(", ")
        ));
    }
    for (number, what) in [
        (dropped.owners, "staged without its owner"),
        (
            dropped.set_ids,
            "staged without its set-user-id or set-group-id bit",
        ),
        (
            dropped.hard_links,
            "with hard links staged as a file of its own",
        ),
    ] {
        if number > 0 {
            let (files, what) = (
                counted(number, "file"),
                if number == 1 {
                    what.to_owned()
                } else {
                    plural(what)
                },
            );
            session.output.note(format_args!("note: {files} {what}"));
        }
    }
}

/// `its owner` of one file is `their owners` of several.
fn plural(what: &str) -> String {
    what.replace("its owner", "their owners")
        .replace("its set", "their set")
        .replace("id bit", "id bits")
        .replace("a file of its own", "files of their own")
}

/// Takes paths out of what the build will publish.
///
/// # Errors
///
/// What the library answers; nothing is recorded then.
pub fn remove_paths(session: &Session, arguments: &RemoveArguments) -> Result<()> {
    let build = arguments.build.0;
    if let Some(server) = session.server()? {
        for path in &arguments.paths {
            server.remove(build, path)?;
        }
    } else {
        remove(&session.write()?, build, &arguments.paths, Time::now()?)?;
    }
    let paths = counted(arguments.paths.len() as u64, "path");
    session
        .output
        .note(format_args!("build {build} removes {paths}"));
    session.output.answer(&Removed {
        build,
        removed: &arguments.paths,
    })
}

impl Answer for StagedAnswer {
    /// The note says it all: nothing is left that a script would read.
    fn write_text(&self, _out: &mut dyn Write, _colours: Colours) -> io::Result<()> {
        Ok(())
    }
}

impl Answer for Removed<'_> {
    /// As for a staging.
    fn write_text(&self, _out: &mut dyn Write, _colours: Colours) -> io::Result<()> {
        Ok(())
    }
}
