//! Helpers that tests of the real binary share: a scratch folder with a store, command lines run in it, and trees
//! written, read and compared; beneath it, the disk that tests of the library share.
//!
//! # Invariants
//!
//! - A command line sees nothing of whoever runs the tests: its environment has a home of its own, one fixed time, no
//!   terminal and no input.
//! - Helpers answer with errors that say what was run and what came back; they never decide what is right.
//!
//! # Not here
//!
//! What is tested: the modules beside this one.

pub mod forge;
pub mod http;
pub mod served;
pub mod simulated_disk;

use std::collections::BTreeMap;
use std::error::Error;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// What a test answers.
pub type Outcome = Result<(), Box<dyn Error>>;

/// The seconds since 1970 at which every command line runs: 2023-11-14T22:13:20Z.
pub const TIME_S: u64 = 1_700_000_000;
/// Levels of folders that are compared: more than a store takes, so that a test cannot loop.
const COMPARED_DEPTH_MAX: usize = 200;

/// A folder for one test, removed with the value. Command lines run in it; its store is `.bindery`.
#[derive(Debug)]
pub struct Scratch {
    folder: TempDir,
}

impl Scratch {
    /// Makes an empty folder, without a store.
    pub fn empty() -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("bindery-it-").tempdir()?;
        Ok(Self { folder })
    }

    /// Makes a folder with a store that has the repo `main`.
    pub fn new() -> Result<Self, Box<dyn Error>> {
        let scratch = Self::empty()?;
        scratch.ok("init")?;
        Ok(scratch)
    }

    /// The path of `name` in the folder.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The folder of the store.
    pub fn store(&self) -> PathBuf {
        self.path(".bindery")
    }

    /// A command line of the real binary, ready to be run in the folder.
    pub fn command<W: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = W>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bindery"));
        command.args(words);
        self.isolate(&mut command);
        command
    }

    /// Makes any command run in the folder, with nothing of the environment of whoever runs the tests but `PATH`.
    pub fn isolate(&self, command: &mut Command) {
        command
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path("home"))
            .env("SOURCE_DATE_EPOCH", TIME_S.to_string());
    }

    /// Runs a command line, whatever comes of it.
    pub fn run<W: AsRef<OsStr>>(
        &self,
        words: impl IntoIterator<Item = W>,
    ) -> Result<Answer, Box<dyn Error>> {
        Answer::of(&mut self.command(words))
    }

    /// Runs a command line whose words have no spaces, so many seconds after [`TIME_S`].
    pub fn later(&self, seconds: u64, line: &str) -> Result<Answer, Box<dyn Error>> {
        let mut command = self.command(line.split(' '));
        command.env("SOURCE_DATE_EPOCH", (TIME_S + seconds).to_string());
        Answer::of(&mut command)
    }

    /// Runs a command line whose words have no spaces, and expects it to be done.
    pub fn ok(&self, line: &str) -> Result<Answer, Box<dyn Error>> {
        self.run(line.split(' '))?.expect_code(0)
    }

    /// Runs a command line whose words have no spaces, and expects it to end with `code`, nothing on standard output,
    /// and a message that has `parts` in it, one after the other.
    pub fn fails(&self, line: &str, code: i32, parts: &[&str]) -> Result<Answer, Box<dyn Error>> {
        self.run(line.split(' '))?.expect_failure(code, parts)
    }

    /// Runs a command line with `--json` and gives the document it prints.
    pub fn json(&self, line: &str) -> Result<Value, Box<dyn Error>> {
        self.ok(&format!("{line} --json"))?.json()
    }

    /// Writes a tree into the folder `name`, which need not be there yet.
    pub fn write(&self, name: &str, tree: &[(&str, Node<'_>)]) -> io::Result<()> {
        write_tree(&self.path(name), tree)
    }

    /// Creates a build for `target`, stages the folder `tree` at its root and commits it; gives the build's id.
    pub fn commit(&self, target: &str, tree: &str) -> Result<u64, Box<dyn Error>> {
        let build = self.stage(target, tree)?;
        self.ok(&format!("build commit {build}"))?;
        Ok(build)
    }

    /// Creates a build for `target` and stages the folder `tree` at its root; gives the build's id.
    pub fn stage(&self, target: &str, tree: &str) -> Result<u64, Box<dyn Error>> {
        let build = number(
            &self.json(&format!("build create --ref {target}"))?,
            "build",
        )?;
        self.ok(&format!("build stage {build} {tree}"))?;
        Ok(build)
    }

    /// Publishes the folder `tree` to `target` by a build of its own; gives the build's id.
    pub fn publish(&self, target: &str, tree: &str) -> Result<u64, Box<dyn Error>> {
        let build = self.commit(target, tree)?;
        self.ok(&format!("publish {build}"))?;
        Ok(build)
    }

    /// Checks out `spec` into a new folder `name` and compares it with the folder `expected`.
    pub fn expect_checkout(&self, spec: &str, name: &str, expected: &str) -> Outcome {
        self.ok(&format!("checkout {spec} {name}"))?;
        expect_same_tree(&self.path(expected), &self.path(name))
    }

    /// Recomputes every count of the store and expects it to be in order, with nothing left over on disk.
    pub fn expect_sound(&self) -> Outcome {
        self.ok("fsck --counts")?;
        let on_disk = files_beneath(&self.store().join("packs"))?.len() as u64;
        let packs = number(&self.json("stats")?, "packs")?;
        if packs != on_disk {
            return Err(format!("{packs} packs have rows and {on_disk} are on disk").into());
        }
        Ok(())
    }
}

/// What a command line answered.
#[derive(Clone, Debug)]
pub struct Answer {
    line: String,
    /// The exit code; -1 if a signal ended it.
    pub code: i32,
    /// What it printed.
    pub stdout: String,
    /// What it said beside.
    pub stderr: String,
}

impl Answer {
    /// Runs a command to its end.
    pub fn of(command: &mut Command) -> Result<Self, Box<dyn Error>> {
        let output = command.output()?;
        let words = command.get_args().map(OsStr::to_string_lossy);
        Ok(Self {
            line: words.collect::<Vec<_>>().join(" "),
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Passes the answer on if it ended with `code`.
    pub fn expect_code(self, code: i32) -> Result<Self, Box<dyn Error>> {
        if self.code == code {
            Ok(self)
        } else {
            Err(self.unlike(&format!("exit code {code}")))
        }
    }

    /// Passes the answer on if it ended with `code`, printed nothing, and said `parts` in this order.
    pub fn expect_failure(self, code: i32, parts: &[&str]) -> Result<Self, Box<dyn Error>> {
        let answer = self.expect_code(code)?;
        if !answer.stdout.is_empty() {
            return Err(answer.unlike("nothing on standard output"));
        }
        let mut rest = answer.stderr.as_str();
        for part in parts {
            match rest.split_once(part) {
                Some((_, after)) => rest = after,
                None => return Err(answer.unlike(&format!("{part:?} in the message"))),
            }
        }
        Ok(answer)
    }

    /// The document that was printed.
    pub fn json(&self) -> Result<Value, Box<dyn Error>> {
        serde_json::from_str(&self.stdout)
            .map_err(|error| format!("bindery {}: {error}: {}", self.line, self.stdout).into())
    }

    /// The document that tells of a failure.
    pub fn json_error(&self) -> Result<Value, Box<dyn Error>> {
        serde_json::from_str(&self.stderr)
            .map_err(|error| format!("bindery {}: {error}: {}", self.line, self.stderr).into())
    }

    /// What was printed, without the end of its last line.
    pub fn text(&self) -> &str {
        self.stdout.trim_end_matches('\n')
    }

    /// The lines that were printed.
    pub fn lines(&self) -> Vec<&str> {
        self.stdout.lines().collect()
    }

    fn unlike(&self, expected: &str) -> Box<dyn Error> {
        format!(
            "bindery {}\nexpected: {expected}\nexit code: {}\nstdout: {}\nstderr: {}",
            self.line, self.code, self.stdout, self.stderr
        )
        .into()
    }
}

/// A number in a JSON document.
pub fn number(document: &Value, field: &str) -> Result<u64, Box<dyn Error>> {
    document[field]
        .as_u64()
        .ok_or_else(|| format!("no number {field:?} in {document}").into())
}

/// A text in a JSON document.
pub fn text(document: &Value, field: &str) -> Result<String, Box<dyn Error>> {
    match document[field].as_str() {
        Some(text) => Ok(text.to_owned()),
        None => Err(format!("no text {field:?} in {document}").into()),
    }
}

/// One thing in a tree that is written.
#[derive(Clone, Copy, Debug)]
pub enum Node<'a> {
    /// A file with this content.
    File(&'a str),
    /// A file that can be run.
    Executable(&'a str),
    /// A symbolic link to this target.
    Link(&'a str),
    /// A folder; those above files are made anyway.
    Folder,
}

/// Writes things into `folder`, replacing files and links that are there.
pub fn write_tree(folder: &Path, tree: &[(&str, Node<'_>)]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for (path, node) in tree {
        let place = folder.join(path);
        if let Some(above) = place.parent() {
            fs::create_dir_all(above)?;
        }
        match node {
            Node::File(content) => write_file(&place, content.as_bytes(), 0o644)?,
            Node::Executable(content) => write_file(&place, content.as_bytes(), 0o755)?,
            Node::Link(target) => {
                remove_if_there(&place)?;
                symlink(target, &place)?;
            }
            Node::Folder => fs::create_dir_all(&place)?,
        }
    }
    Ok(())
}

/// Writes a new file with a mode, in place of the one that is there.
fn write_file(place: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    remove_if_there(place)?;
    let mut options = fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(place)?;
    io::Write::write_all(&mut file, content)
}

fn remove_if_there(place: &Path) -> io::Result<()> {
    match fs::remove_file(place) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// What a tree has at one path, as far as Bindery keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Found {
    File(Vec<u8>),
    Executable(Vec<u8>),
    Link(PathBuf),
    Folder,
    Special,
}

/// Expects two folders to have the same names, kinds, bytes, link targets and permissions to run. The marker of a
/// checkout, the file `.bindery` at the top, is passed over.
pub fn expect_same_tree(expected: &Path, found: &Path) -> Outcome {
    let (expected_tree, found_tree) = (read_tree(expected)?, read_tree(found)?);
    let names = expected_tree.keys().chain(found_tree.keys());
    let different: Vec<&PathBuf> = names
        .filter(|name| expected_tree.get(*name) != found_tree.get(*name))
        .collect();
    if different.is_empty() {
        return Ok(());
    }
    let (expected, found) = (expected.display(), found.display());
    Err(format!("{expected} and {found} differ at {different:?}").into())
}

fn read_tree(folder: &Path) -> io::Result<BTreeMap<PathBuf, Found>> {
    let mut tree = BTreeMap::new();
    read_into(&mut tree, folder, Path::new(""), 0)?;
    Ok(tree)
}

fn read_into(
    tree: &mut BTreeMap<PathBuf, Found>,
    folder: &Path,
    beneath: &Path,
    depth: usize,
) -> io::Result<()> {
    if depth > COMPARED_DEPTH_MAX {
        return Err(io::Error::other(format!(
            "{} is too deep",
            beneath.display()
        )));
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (place, name) = (entry.path(), beneath.join(entry.file_name()));
        let kind = entry.file_type()?;
        if depth == 0 && kind.is_file() && entry.file_name() == ".bindery" {
            continue;
        }
        let found = if kind.is_symlink() {
            Found::Link(fs::read_link(&place)?)
        } else if kind.is_dir() {
            read_into(tree, &place, &name, depth + 1)?;
            Found::Folder
        } else if !kind.is_file() {
            Found::Special
        } else if entry.metadata()?.permissions().mode() & 0o111 == 0 {
            Found::File(fs::read(&place)?)
        } else {
            Found::Executable(fs::read(&place)?)
        };
        tree.insert(name, found);
    }
    Ok(())
}

/// The files beneath a folder, each with its path in it; none if there is no such folder.
pub fn files_beneath(folder: &Path) -> io::Result<Vec<PathBuf>> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let tree = read_tree(folder)?;
    let files = tree
        .into_iter()
        .filter(|(_, found)| *found != Found::Folder);
    Ok(files.map(|(path, _)| folder.join(path)).collect())
}

/// Bytes that do not compress, the same ones every time (splitmix64).
pub fn noise(bytes: usize) -> Vec<u8> {
    let word = |number: usize| {
        let mut word = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    };
    (0..bytes / 8)
        .flat_map(|number| word(number).to_le_bytes())
        .collect()
}
