//! Failures: what an error looks like to whoever typed the command, and the exit code it gives.
//!
//! # Invariants
//!
//! - [`exit_code`] is the only place where a kind of error becomes a number; the table of `help exit-codes` is made from
//!   it.
//! - A pipe whose reader has gone is no failure: the program ends silently with 0.
//!
//! # Not here
//!
//! What to do next (`hint`).

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use bindery::base::error::ConflictPath;
use bindery::base::printable::printable_lines;
use bindery::base::{Error, Kind};
use clap::error::ErrorKind;
use serde::Serialize;

use crate::colour::{Colours, Tone};
use crate::hint::hint;
use crate::output::{Format, Output, SCHEMA, is_closed_pipe};

/// The exit code of a kind of failure, as a number.
pub const fn code(kind: Kind) -> u8 {
    match kind {
        Kind::Failed => 1,
        Kind::Usage => 2,
        Kind::NotFound => 3,
        Kind::NotAllowed => 4,
        Kind::Conflict => 5,
        Kind::Busy => 6,
        Kind::Integrity => 7,
        Kind::Unavailable => 8,
        Kind::Check => 9,
        Kind::Internal => 70,
        Kind::Interrupted => 130,
    }
}

/// What a kind of failure means, in words.
pub const fn meaning(kind: Kind) -> &'static str {
    match kind {
        Kind::Failed => "failed, or there are differences and --exit-code was given",
        Kind::Usage => "the command line, a name or a setting makes no sense",
        Kind::NotFound => "there is no such store, repo, ref, build, file or key",
        Kind::NotAllowed => "the system, or the token, does not allow it",
        Kind::Conflict => "it contradicts what is there; nothing was changed",
        Kind::Busy => "another process holds the store; try again",
        Kind::Integrity => "bytes or signatures are not what they should be",
        Kind::Unavailable => "the storage cannot be used, such as a full disk",
        Kind::Check => "a check, hook or job failed",
        Kind::Internal => "a fault of this program; please report it",
        Kind::Interrupted => "interrupted",
    }
}

/// The exit code of a kind of failure.
pub fn exit_code(kind: Kind) -> ExitCode {
    ExitCode::from(code(kind))
}

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    error: Body<'a>,
}

#[derive(Serialize)]
struct Body<'a> {
    code: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    paths: &'a [Clash],
}

#[derive(Serialize)]
struct Clash {
    path: String,
    build: Option<u64>,
    release: String,
}

/// Reports an error on standard error; the answer is what the process ends with.
pub fn report(error: &Error, output: &Output) -> ExitCode {
    if is_closed_pipe(error) {
        return ExitCode::SUCCESS;
    }
    let text = match output.format {
        Format::Text => text(error, output.error_colours),
        Format::Json => json(error),
    };
    write_error(&text);
    exit_code(error.kind())
}

/// Reports that a command line could not be parsed, or shows the help or version that it asks for.
pub fn report_usage(error: &clap::Error, arguments: &[OsString]) -> ExitCode {
    let asked = matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    );
    if !asked && arguments.iter().any(|argument| argument == "--json") {
        let message = error.to_string();
        let message = message.trim_start_matches("error: ").trim_end();
        write_error(&json(&Error::usage(message)));
    } else {
        // Nothing can be done if the stream is closed.
        error.print().ok();
    }
    if asked {
        ExitCode::SUCCESS
    } else {
        exit_code(Kind::Usage)
    }
}

/// An error for people: what failed, the facts beneath it, and what to do next.
pub fn text(error: &Error, colours: Colours) -> String {
    let message = printable_lines(&error.to_string());
    let mut text = format!("{} {message}\n", colours.paint(Tone::Bad, "error:"));
    for detail in details(error) {
        text.extend(["  ", &printable_lines(&detail), "\n"]);
    }
    if let Some(hint) = hint(error) {
        text.extend([
            &colours.paint(Tone::Advice, "hint:"),
            " ",
            &printable_lines(&hint),
            "\n",
        ]);
    }
    text
}

/// The lines beneath the message.
fn details(error: &Error) -> Vec<String> {
    match error {
        Error::Conflict { paths, total, .. } => {
            let widths = paths
                .iter()
                .map(|path| path.path.to_string().chars().count());
            let width = widths.max().unwrap_or(0);
            let line = |path: &ConflictPath| {
                let who = path.build.map_or_else(
                    || "changed".to_owned(),
                    |build| format!("published by build {build}"),
                );
                format!("{:width$}  {who} ({})", path.path.to_string(), path.release)
            };
            with_rest(paths.iter().map(line).collect(), *total)
        }
        Error::Missing { objects, .. } => objects.clone(),
        Error::Ambiguous { matches, .. } => matches.clone(),
        _ => Vec::new(),
    }
}

/// Says how many there are beside those that are listed.
fn with_rest(mut lines: Vec<String>, total: u64) -> Vec<String> {
    let rest = total.saturating_sub(lines.len() as u64);
    if rest > 0 {
        lines.push(format!("and {rest} more"));
    }
    lines
}

fn json(error: &Error) -> String {
    let path = |path: &ConflictPath| Clash {
        path: path.path.to_string(),
        build: path.build,
        release: path.release.clone(),
    };
    let paths: Vec<Clash> = match error {
        Error::Conflict { paths, .. } => paths.iter().map(path).collect(),
        _ => Vec::new(),
    };
    let document = Document {
        schema: SCHEMA,
        error: Body {
            code: error.kind().word(),
            message: error.to_string(),
            hint: hint(error),
            paths: &paths,
        },
    };
    // Strings and numbers have a JSON form; the message alone is better than nothing.
    let text = serde_json::to_string(&document).unwrap_or_else(|_| error.to_string());
    format!("{text}\n")
}

fn write_error(text: &str) {
    // Nothing can be done if standard error is closed; the exit code still tells.
    std::io::stderr().write_all(text.as_bytes()).ok();
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    fn conflict(total: u64) -> Result<Error, Box<dyn std::error::Error>> {
        let path = |path: &str, build| {
            Ok::<_, Box<dyn std::error::Error>>(ConflictPath {
                path: path.parse()?,
                build,
                release: "stable@41".into(),
            })
        };
        Ok(Error::Conflict {
            verb: "publish",
            build: 17,
            target: "stable".parse()?,
            paths: vec![
                path("pool/m/mesa/libgl1_24.1.deb", Some(16))?,
                path("dists/Release", None)?,
            ],
            total,
        })
    }

    #[test]
    fn a_conflict_lists_its_paths() -> Outcome {
        assert_eq!(
            text(&conflict(2)?, Colours::Off),
            "error: cannot publish build 17 to stable: 2 paths changed since its base\n  \
             pool/m/mesa/libgl1_24.1.deb  published by build 16 (stable@41)\n  \
             dists/Release                changed (stable@41)\n\
             hint: rebuild on stable@41, or choose with --on-conflict build|ref\n"
        );
        assert!(text(&conflict(102)?, Colours::Off).contains("\n  and 100 more\n"));
        Ok(())
    }

    #[test]
    fn an_error_in_json_has_a_code_and_a_message() {
        assert_eq!(
            json(&Error::refused("no")),
            "{\"schema\":1,\"error\":{\"code\":\"conflict\",\"message\":\"no\"}}\n"
        );
    }

    #[test]
    fn every_kind_has_a_code_of_its_own() {
        let codes: BTreeSet<u8> = Kind::ALL.into_iter().map(code).collect();
        assert_eq!(codes.len(), Kind::ALL.len());
        assert!(!codes.contains(&0), "0 means done");
        let meanings: BTreeSet<&str> = Kind::ALL.into_iter().map(meaning).collect();
        assert_eq!(meanings.len(), Kind::ALL.len());
    }
}
