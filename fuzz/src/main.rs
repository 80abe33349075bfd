//! Drives the targets, and keeps their corpora.
//!
//! ```text
//! bindery-fuzz [--iterations N] [--seed N] [--target NAME]   feeds every target
//! bindery-fuzz list                                          names the targets
//! bindery-fuzz unpack TARGET FOLDER                          writes seeds and corpus as files, as libFuzzer wants them
//! bindery-fuzz pack TARGET FOLDER                            makes the files of a folder the corpus
//! ```
//!
//! Every seed is fed as it is, and must be accepted, and every input of the corpus; then `N` inputs made of both are. A
//! panic, or too much memory, is a finding: the exit code is not 0, and the input is in `artifacts/<target>` beside this
//! crate. It is written there before it is fed, so that it is there however the program ends.
//!
//! # Invariants
//!
//! - A run is bounded by iterations, never by time, and the same arguments make the same inputs.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bindery_fuzz::memory::bounded;
use bindery_fuzz::mutation::{Random, mutate};
use bindery_fuzz::{Target, Verdict, corpus, targets};

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

/// How often a target accepted and refused, and the most memory that it took.
#[derive(Default)]
struct Counts {
    accepted: u64,
    refused: u64,
    peak_bytes: usize,
}

/// Feeds one target, and keeps what it was fed last.
struct Feeder {
    target: &'static Target,
    file: File,
    path: PathBuf,
    counts: Counts,
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
    // One thread more than this one: what is measured is then the same on every machine.
    rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build_global()?;
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["list"] => list(),
        ["unpack", name, folder] => unpack(find(name)?, Path::new(folder)),
        ["pack", name, folder] => pack(find(name)?, Path::new(folder)),
        _ => feed(&parse_arguments(words.iter().copied())?),
    }
}

fn find(name: &str) -> Outcome<&'static Target> {
    let target = targets::ALL.iter().find(|target| target.name == name);
    Ok(target.ok_or_else(|| format!("there is no target {name}"))?)
}

fn list() -> Outcome {
    for target in targets::ALL {
        writeln!(io::stdout(), "{}", target.name)?;
    }
    Ok(())
}

fn feed(arguments: &Arguments) -> Outcome {
    let chosen: Vec<&Target> = match &arguments.target {
        Some(name) => vec![find(name)?],
        None => targets::ALL.iter().collect(),
    };
    let mut inputs = 0;
    for target in &chosen {
        let counts = drive(target, arguments)?;
        inputs += counts.accepted + counts.refused;
        writeln!(
            io::stdout(),
            "{:16} {:8} accepted {:8} refused {:8} KiB at most",
            target.name,
            counts.accepted,
            counts.refused,
            counts.peak_bytes / 1024
        )?;
    }
    writeln!(
        io::stdout(),
        "{} targets, {inputs} inputs, no finding",
        chosen.len()
    )?;
    Ok(())
}

fn parse_arguments<'a>(mut words: impl Iterator<Item = &'a str>) -> Outcome<Arguments> {
    let mut arguments = Arguments {
        iterations: ITERATIONS_DEFAULT,
        seed: 1,
        target: None,
    };
    while let Some(word) = words.next() {
        let value = words
            .next()
            .ok_or_else(|| format!("{word} needs a value"))?;
        match word {
            "--iterations" => arguments.iterations = value.parse()?,
            "--seed" => arguments.seed = value.parse()?,
            "--target" => arguments.target = Some(value.to_owned()),
            _ => return Err(format!("there is no option {word}").into()),
        }
    }
    Ok(arguments)
}

/// Feeds `target` with its seeds, its corpus, and what can be made of them.
fn drive(target: &'static Target, arguments: &Arguments) -> Outcome<Counts> {
    let mut feeder = Feeder::new(target)?;
    let mut inputs = Vec::new();
    for (path, seed) in read_seeds(target.name)? {
        if feeder.feed(&seed)? != Verdict::Accepted {
            return Err(format!("{} refuses its seed {}", target.name, path.display()).into());
        }
        inputs.push(seed);
    }
    for input in read_corpus(target.name)? {
        feeder.feed(&input)?;
        inputs.push(input);
    }
    let mut random = Random::new(arguments.seed);
    for _ in 0..arguments.iterations {
        feeder.feed(&mutate(&mut random, &inputs))?;
    }
    feeder.finish()
}

impl Feeder {
    fn new(target: &'static Target) -> Outcome<Self> {
        let folder = home().join("artifacts");
        fs::create_dir_all(&folder)?;
        let path = folder.join(target.name);
        Ok(Self {
            target,
            file: File::create(&path)?,
            path,
            counts: Counts::default(),
        })
    }

    fn feed(&mut self, input: &[u8]) -> Outcome<Verdict> {
        self.file.set_len(0)?;
        self.file.write_all_at(input, 0)?;
        let run = || bounded(input.len(), || (self.target.run)(input));
        let Ok((verdict, peak_bytes)) = std::panic::catch_unwind(run) else {
            return Err(format!("{} panics at {}", self.target.name, self.path.display()).into());
        };
        self.counts.peak_bytes = self.counts.peak_bytes.max(peak_bytes);
        match verdict {
            Verdict::Accepted => self.counts.accepted += 1,
            Verdict::Refused => self.counts.refused += 1,
        }
        Ok(verdict)
    }

    /// Ends without a finding.
    fn finish(self) -> Outcome<Counts> {
        fs::remove_file(&self.path)?;
        Ok(self.counts)
    }
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

fn corpus_path(target: &str) -> PathBuf {
    home().join("corpus").join(format!("{target}.txt"))
}

/// The corpus of a target; a target without one has none yet.
fn read_corpus(target: &str) -> Outcome<Vec<Vec<u8>>> {
    let path = corpus_path(target);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let inputs = corpus::decode(&fs::read_to_string(&path)?);
    Ok(inputs.ok_or_else(|| format!("{} is no corpus", path.display()))?)
}

fn unpack(target: &Target, folder: &Path) -> Outcome {
    fs::create_dir_all(folder)?;
    let seeds = read_seeds(target.name)?.into_iter().map(|(_, seed)| seed);
    let inputs = seeds.chain(read_corpus(target.name)?);
    for (number, input) in inputs.enumerate() {
        fs::write(folder.join(format!("{number:04}")), input)?;
    }
    Ok(())
}

fn pack(target: &Target, folder: &Path) -> Outcome {
    let seeds = read_seeds(target.name)?;
    let mut inputs = Vec::new();
    for entry in fs::read_dir(folder)? {
        let input = fs::read(entry?.path())?;
        if !seeds.iter().any(|(_, seed)| *seed == input) {
            inputs.push(input);
        }
    }
    let path = corpus_path(target.name);
    fs::create_dir_all(home().join("corpus"))?;
    fs::write(&path, corpus::encode(inputs))?;
    Ok(())
}
