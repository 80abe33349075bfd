//! A history: what is done to a store, step by step, as data that can be written down, cut short and done again.
//!
//! A step names what it is done to by a number, which counts among whatever there is by then, and starts over at its end.
//! So a step has a meaning also when others before it are left out; if there is nothing to do it to, it does nothing.
//!
//! # Invariants
//!
//! - `parse(text(x)) == x` for every step.
//!
//! # Not here
//!
//! What a step means for a store (`verb`), which steps are tried (`dice`).

use std::fmt;
use std::str::FromStr;

use bindery::build::stage::StageMode;
use bindery::store::check_rows::CheckOutcome;
use bindery::store::settings::OnConflict;

use crate::shelf::{CHECKED, CHECKS};
use crate::support::simulated_disk::Kept;

/// The repos of a store.
pub const REPOS: [&str; 2] = ["example.org/os", "example.org/second"];
/// The refs of the repos; none lies within another of its repo.
const LINES: [(usize, &str); 5] = [
    (0, "stable"),
    (0, "testing"),
    (0, "app/editor"),
    (1, "stable"),
    (0, CHECKED),
];
/// The checks that report: those that the ref [`CHECKED`] asks for, and one that nobody asks for.
pub const CHECK_NAMES: [&str; 3] = [CHECKS[0], CHECKS[1], "spelling"];

/// A ref of a repo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line(usize);

impl Line {
    /// How many there are.
    pub const COUNT: usize = LINES.len();

    /// One of them.
    pub fn nth(number: u64) -> Self {
        Self(usize::try_from(number % LINES.len() as u64).unwrap_or_default())
    }

    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..LINES.len()).map(Self)
    }

    /// One of those of a repo.
    pub fn of_repo(repo: usize, number: u64) -> Self {
        let own: Vec<Self> = Self::all().filter(|line| line.repo() == repo).collect();
        own[usize::try_from(number % own.len() as u64).unwrap_or_default()]
    }

    /// The number of its repo.
    pub const fn repo(self) -> usize {
        LINES[self.0].0
    }

    /// The checks that it asks for.
    pub fn checks(self) -> &'static [&'static str] {
        if self.name() == CHECKED { &CHECKS } else { &[] }
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        LINES[self.0].1
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.repo(), self.name())
    }
}

impl FromStr for Line {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::all().find(|line| line.to_string() == text);
        found.ok_or_else(|| format!("{text:?} is no ref"))
    }
}

/// A build, by its number among those that a verb is for; `7!` counts among all builds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pick {
    Fit(u64),
    Any(u64),
}

impl fmt::Display for Pick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fit(number) => write!(f, "{number}"),
            Self::Any(number) => write!(f, "{number}!"),
        }
    }
}

impl FromStr for Pick {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_suffix('!') {
            Some(text) => Ok(Self::Any(number(text)?)),
            None => Ok(Self::Fit(number(text)?)),
        }
    }
}

/// What is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// A build is made for a ref, or for none in the first repo, maybe from another one.
    Create(Option<Line>, Option<Pick>),
    /// Files are staged at a path: each a name and the number of a text. `wide` is many files in a directory.
    Stage(Pick, StageMode, String, Vec<(String, u64)>),
    /// The nth file that a build wants is removed, or with `all` the directory that it is in.
    Remove(Pick, u64, Extent),
    Commit(Pick),
    /// A check reports what it found in a build.
    Check(Pick, &'static str, CheckOutcome),
    /// A build is published: to the ref it is for, or to the nth of its repo.
    Publish(Pick, Option<u64>, Option<OnConflict>),
    /// The same, but it only becomes pending.
    Import(Pick, Option<u64>, Option<OnConflict>),
    Update(Line),
    Withdraw(Pick),
    /// The nth release is shown again, and the ref maybe held.
    RollBack(Line, u64, Hold),
    Hold(Line, Hold),
    Purge(Pick),
    /// All releases but the last so many are let go of.
    Retire(Line, u64),
    CheckOut(Line),
    Reindex,
    Reopen,
}

/// How much is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    One,
    All,
}

/// Whether a ref is held from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    On,
    Off,
}

/// What comes in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    None,
    /// Power is lost after so many operations of the disk, which keeps some of what was in flight.
    Crash(u64, Kept),
    /// One operation of the disk fails, after so many.
    Fault(u64),
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub trouble: Trouble,
    pub deed: Deed,
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{text:?} is no number"))
}

/// A path; the root is `/`.
fn path(text: &str) -> String {
    text.trim_start_matches('/').to_owned()
}

fn kept_text(kept: Kept) -> String {
    match kept {
        Kept::Synced => "synced".to_owned(),
        Kept::All => "all".to_owned(),
        Kept::Torn(cut) => format!("torn:{cut}"),
        Kept::Zeroed => "zeroed".to_owned(),
        Kept::Some(seed) => format!("some:{seed}"),
    }
}

fn parse_kept(text: &str) -> Result<Kept, String> {
    match text.split_once(':') {
        None if text == "synced" => Ok(Kept::Synced),
        None if text == "all" => Ok(Kept::All),
        None if text == "zeroed" => Ok(Kept::Zeroed),
        Some(("torn", cut)) => Ok(Kept::Torn(number(cut)?)),
        Some(("some", seed)) => Ok(Kept::Some(number(seed)?)),
        _ => Err(format!("{text:?} is no way to keep things")),
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.trouble {
            Trouble::None => {}
            Trouble::Crash(power, kept) => write!(f, "crash {power} {} | ", kept_text(kept))?,
            Trouble::Fault(at) => write!(f, "fault {at} | ")?,
        }
        self.deed.fmt(f)
    }
}

fn publication(
    f: &mut fmt::Formatter<'_>,
    verb: &str,
    pick: Pick,
    to: Option<u64>,
    policy: Option<OnConflict>,
) -> fmt::Result {
    write!(f, "{verb} {pick}")?;
    if let Some(to) = to {
        write!(f, " to {to}")?;
    }
    match policy {
        None => Ok(()),
        Some(OnConflict::Refuse) => write!(f, " refuse"),
        Some(OnConflict::Build) => write!(f, " build"),
        Some(OnConflict::Ref) => write!(f, " ref"),
    }
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create(target, from) => {
                let target = target.map_or_else(|| "none".to_owned(), |line| line.to_string());
                write!(f, "create {target}")?;
                from.map_or(Ok(()), |from| write!(f, " from {from}"))
            }
            Self::Stage(build, mode, at, files) => {
                let mode = match mode {
                    StageMode::Merge => "merge",
                    StageMode::Replace => "replace",
                };
                write!(f, "stage {build} {mode} /{at}")?;
                files
                    .iter()
                    .try_for_each(|(name, text)| write!(f, " {name}={text}"))
            }
            Self::Remove(build, path, extent) => {
                write!(f, "remove {build} {path}")?;
                match extent {
                    Extent::One => Ok(()),
                    Extent::All => write!(f, " all"),
                }
            }
            Self::Commit(build) => write!(f, "commit {build}"),
            Self::Check(build, name, outcome) => write!(f, "check {build} {name} {outcome}"),
            Self::Publish(build, to, policy) => publication(f, "publish", *build, *to, *policy),
            Self::Import(build, to, policy) => publication(f, "import", *build, *to, *policy),
            Self::Update(line) => write!(f, "update {line}"),
            Self::Withdraw(build) => write!(f, "withdraw {build}"),
            Self::RollBack(line, release, Hold::Off) => write!(f, "rollback {line} {release}"),
            Self::RollBack(line, release, Hold::On) => write!(f, "rollback {line} {release} hold"),
            Self::Hold(line, Hold::On) => write!(f, "hold {line}"),
            Self::Hold(line, Hold::Off) => write!(f, "release {line}"),
            Self::Purge(build) => write!(f, "purge {build}"),
            Self::Retire(line, last) => write!(f, "retire {line} {last}"),
            Self::CheckOut(line) => write!(f, "checkout {line}"),
            Self::Reindex => write!(f, "reindex"),
            Self::Reopen => write!(f, "reopen"),
        }
    }
}

impl FromStr for Step {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (trouble, deed) = match text.split_once(" | ") {
            None => (Trouble::None, text),
            Some((trouble, deed)) => (parse_trouble(trouble)?, deed),
        };
        let words: Vec<&str> = deed.split_whitespace().collect();
        let deed = parse_deed(&words).map_err(|error| format!("{text:?}: {error}"))?;
        Ok(Self { trouble, deed })
    }
}

fn parse_trouble(text: &str) -> Result<Trouble, String> {
    match text.split_whitespace().collect::<Vec<_>>()[..] {
        ["crash", power, kept] => Ok(Trouble::Crash(number(power)?, parse_kept(kept)?)),
        ["fault", at] => Ok(Trouble::Fault(number(at)?)),
        _ => Err(format!("{text:?} is no trouble")),
    }
}

fn parse_deed(words: &[&str]) -> Result<Deed, String> {
    Ok(match *words {
        ["create", "none", ref from @ ..] => Deed::Create(None, parse_from(from)?),
        ["create", line, ref from @ ..] => Deed::Create(Some(line.parse()?), parse_from(from)?),
        ["stage", build, mode, at, ref files @ ..] => {
            let mode = match mode {
                "merge" => StageMode::Merge,
                "replace" => StageMode::Replace,
                _ => return Err(format!("{mode:?} is no way to stage")),
            };
            let files = files.iter().map(|file| {
                let file = file.split_once('=');
                let (name, text) = file.ok_or("a file is a name, = and a number")?;
                Ok((name.to_owned(), number(text)?))
            });
            let files = files.collect::<Result<_, String>>()?;
            Deed::Stage(build.parse()?, mode, path(at), files)
        }
        ["remove", build, path] => Deed::Remove(build.parse()?, number(path)?, Extent::One),
        ["remove", build, path, "all"] => Deed::Remove(build.parse()?, number(path)?, Extent::All),
        ["commit", build] => Deed::Commit(build.parse()?),
        ["check", build, name, outcome] => {
            let name = CHECK_NAMES.into_iter().find(|known| *known == name);
            let name = name.ok_or("there is no such check")?;
            let outcome = CheckOutcome::ALL.into_iter().find(|o| o.name() == outcome);
            let outcome = outcome.ok_or("a check passes, fails or asks for a review")?;
            Deed::Check(build.parse()?, name, outcome)
        }
        ["publish", build, ref how @ ..] => {
            let (to, policy) = parse_how(how)?;
            Deed::Publish(build.parse()?, to, policy)
        }
        ["import", build, ref how @ ..] => {
            let (to, policy) = parse_how(how)?;
            Deed::Import(build.parse()?, to, policy)
        }
        ["update", line] => Deed::Update(line.parse()?),
        ["withdraw", build] => Deed::Withdraw(build.parse()?),
        ["rollback", line, release] => Deed::RollBack(line.parse()?, number(release)?, Hold::Off),
        ["rollback", line, release, "hold"] => {
            Deed::RollBack(line.parse()?, number(release)?, Hold::On)
        }
        ["hold", line] => Deed::Hold(line.parse()?, Hold::On),
        ["release", line] => Deed::Hold(line.parse()?, Hold::Off),
        ["purge", build] => Deed::Purge(build.parse()?),
        ["retire", line, last] => Deed::Retire(line.parse()?, number(last)?),
        ["checkout", line] => Deed::CheckOut(line.parse()?),
        ["reindex"] => Deed::Reindex,
        ["reopen"] => Deed::Reopen,
        _ => return Err("there is no such step".to_owned()),
    })
}

fn parse_from(words: &[&str]) -> Result<Option<Pick>, String> {
    match *words {
        [] => Ok(None),
        ["from", build] => build.parse().map(Some),
        _ => Err(format!("{words:?} is no build to start from")),
    }
}

fn parse_how(words: &[&str]) -> Result<(Option<u64>, Option<OnConflict>), String> {
    let (to, policy) = match *words {
        ["to", to, ref policy @ ..] => (Some(number(to)?), policy),
        ref policy => (None, policy),
    };
    let policy = match *policy {
        [] => None,
        ["refuse"] => Some(OnConflict::Refuse),
        ["build"] => Some(OnConflict::Build),
        ["ref"] => Some(OnConflict::Ref),
        _ => return Err(format!("{policy:?} is no policy")),
    };
    Ok((to, policy))
}

/// Parses a history: a step on each line, but for empty lines and those that begin with `#`.
pub fn parse_history(text: &str) -> Result<Vec<Step>, String> {
    let lines = text.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(str::parse).collect()
}

/// The text of a history.
pub fn text_of(steps: &[Step]) -> String {
    let lines = steps.iter().map(|step| format!("{step}\n"));
    lines.collect()
}

#[test]
fn a_text_that_is_no_history_is_refused_with_the_line() {
    for (text, reason) in [
        ("frobnicate 3", "no such verb"),
        ("commit x", "no number"),
        ("commit", "no build"),
        ("update 7:stable", "no such repo"),
        ("stage 0 merge / f", "a file without a text"),
        ("stage 0 throw / f=1", "no such mode"),
        ("crash 3 most | commit 0", "no such way to keep things"),
        ("rain | commit 0", "no such trouble"),
        ("publish 0 to 1 both", "no such policy"),
        ("create none of 3", "no such source"),
        ("check 0 taste pass", "no such check"),
        ("check 0 lint maybe", "no such outcome"),
    ] {
        let refused = parse_history(&format!("# fine\ncommit 0\n\n{text}\n"));
        assert!(refused.is_err(), "{reason}: {refused:?}");
    }
}
