//! Drives the targets: `bindery-fuzz [--iterations N] [--seed N] [--target NAME]`.
//!
//! Every seed is fed as it is, and must be accepted; then `N` inputs made of them are. A panic is a finding: the input
//! goes to `artifacts/<target>-<seed>-<iteration>` beside this crate, and the exit code is 1.
//!
//! # Invariants
//!
//! - A run is bounded by iterations, never by time, and the same arguments make the same inputs.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bindery_fuzz::mutation::{Random, mutate};
use bindery_fuzz::{Target, Verdict, targets};

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// Inputs for each target when `--iterations` is not given.
const ITERATIONS_DEFAULT: u64 = 20_000;

/// Largest seed, in bytes.
const SEED_BYTES_MAX: u64 = 64 * 1024;

/// What the command line asks for.
struct Arguments {
    iterations: u64,
    seed: u64,
    target: Option<String>,
}

/// How often a target accepted and refused.
#[derive(Default)]
struct Counts {
    accepted: u64,
    refused: u64,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to tell if stderr is closed.
            writeln!(io::stderr(), "error: {error}").ok();
            ExitCode::FAILURE
        }
    }
}

fn run() -> Outcome {
    let arguments = parse_arguments(std::env::args().skip(1))?;
    let chosen: Vec<&Target> = targets::ALL
        .iter()
        .filter(|target| {
            arguments
                .target
                .as_deref()
                .is_none_or(|name| name == target.name)
        })
        .collect();
    if chosen.is_empty() {
        return Err("there is no such target".into());
    }
    let mut inputs = 0;
    for target in &chosen {
        let counts = drive(target, &arguments)?;
        inputs += counts.accepted + counts.refused;
        writeln!(
            io::stdout(),
            "{:16} {:8} accepted {:8} refused",
            target.name,
            counts.accepted,
            counts.refused
        )?;
    }
    writeln!(
        io::stdout(),
        "{} targets, {inputs} inputs, no finding",
        chosen.len()
    )?;
    Ok(())
}

fn parse_arguments(mut words: impl Iterator<Item = String>) -> Outcome<Arguments> {
    let mut arguments = Arguments {
        iterations: ITERATIONS_DEFAULT,
        seed: 1,
        target: None,
    };
    while let Some(word) = words.next() {
        let value = words
            .next()
            .ok_or_else(|| format!("{word} needs a value"))?;
        match word.as_str() {
            "--iterations" => arguments.iterations = value.parse()?,
            "--seed" => arguments.seed = value.parse()?,
            "--target" => arguments.target = Some(value),
            _ => return Err(format!("there is no option {word}").into()),
        }
    }
    Ok(arguments)
}

/// Feeds `target` with its seeds and with what can be made of them.
fn drive(target: &Target, arguments: &Arguments) -> Outcome<Counts> {
    let seeds = read_seeds(target.name)?;
    for (path, seed) in &seeds {
        if (target.run)(seed) != Verdict::Accepted {
            return Err(format!("{} refuses its seed {}", target.name, path.display()).into());
        }
    }
    let seeds: Vec<Vec<u8>> = seeds.into_iter().map(|(_, bytes)| bytes).collect();
    let mut random = Random::new(arguments.seed);
    let mut counts = Counts::default();
    for iteration in 0..arguments.iterations {
        let input = mutate(&mut random, &seeds);
        match std::panic::catch_unwind(|| (target.run)(&input)) {
            Ok(Verdict::Accepted) => counts.accepted += 1,
            Ok(Verdict::Refused) => counts.refused += 1,
            Err(_) => {
                let name = format!("{}-{}-{iteration}", target.name, arguments.seed);
                let path = keep(&name, &input)?;
                return Err(format!("{} panics at {}", target.name, path.display()).into());
            }
        }
    }
    Ok(counts)
}

fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The seeds of a target, in the order of their names.
fn read_seeds(target: &str) -> Outcome<Vec<(PathBuf, Vec<u8>)>> {
    let folder = home().join("seeds").join(target);
    let mut paths = Vec::new();
    for entry in fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))? {
        paths.push(entry?.path());
    }
    paths.sort();
    let mut seeds = Vec::new();
    for path in paths {
        if fs::metadata(&path)?.len() > SEED_BYTES_MAX {
            return Err(format!("{} is too large for a seed", path.display()).into());
        }
        let bytes = fs::read(&path)?;
        seeds.push((path, bytes));
    }
    if seeds.is_empty() {
        return Err(format!("{} has no seeds", folder.display()).into());
    }
    Ok(seeds)
}

fn keep(name: &str, input: &[u8]) -> Outcome<PathBuf> {
    let folder = home().join("artifacts");
    fs::create_dir_all(&folder)?;
    let path = folder.join(name);
    fs::write(&path, input)?;
    Ok(path)
}
