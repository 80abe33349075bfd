//! A world to lie in: a repo with two releases, and a copy that knows the first.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use bindery::store::{Access, Patience, Store};
use bindery::trust::secret_key::SecretKey;

use super::liar::{Files, Liar};
use super::site::Site;
use crate::remote::pair;
use crate::shelf::Shelf;
use crate::support::Node::File;
use crate::support::{Answer, Outcome, Scratch, files_beneath};

/// How long a test waits for a store that a command has just let go of.
const WAIT: Duration = Duration::from_secs(30);

/// What a refused pull may leave in a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// Nothing.
    Nothing,
    /// Notes that contradict each other.
    Evidence,
}

/// A repo with two releases of `stable`, a liar, and a copy of the first release in the store `copy`.
pub struct World {
    pub scratch: Scratch,
    pub liar: Liar,
    /// What the repo showed when the copy was made.
    pub first: Site,
    /// What it shows now.
    pub second: Site,
    /// Its one key, which has all roles.
    pub key: SecretKey,
}

fn exported(scratch: &Scratch) -> Result<Site, Box<dyn Error>> {
    exported_from(scratch, ".bindery", "www")
}

/// What a store shows, as files of the folder `out`.
pub fn exported_from(scratch: &Scratch, store: &str, out: &str) -> Result<Site, Box<dyn Error>> {
    scratch.ok(&format!("--store {store} export --static {out}"))?;
    let mut files = Files::new();
    for file in files_beneath(&scratch.path(out).join("r"))? {
        let path = file.strip_prefix(scratch.path(out))?;
        if path.components().any(|part| part.as_os_str() == "files") {
            continue;
        }
        files.insert(format!("/{}", path.display()), fs::read(&file)?);
    }
    Ok(Site { files })
}

impl World {
    pub fn new() -> Result<Self, Box<dyn Error>> {
        let scratch = Scratch::new()?;
        scratch.write("tree", crate::server::TREE)?;
        scratch.publish("stable", "tree")?;
        let first = exported(&scratch)?;
        let honest = Liar::start(first.files.clone())?;
        scratch.ok("--store copy init --no-repo")?;
        let url = honest.url();
        scratch.ok(&format!("--store copy pull {url} --pin www/r/main/pin"))?;
        scratch.write("tree", &[("new", File("new"))])?;
        scratch.publish("stable", "tree")?;
        let second = exported(&scratch)?;
        let secret = scratch.ok("key export main --secret")?;
        Ok(Self {
            liar: Liar::start(second.files.clone())?,
            key: SecretKey::parse(&secret.stdout)?,
            scratch,
            first,
            second,
        })
    }

    /// Makes a copy of the copy.
    pub fn another_copy(&self, name: &str) -> Outcome {
        let mut command = Command::new("cp");
        self.scratch.isolate(command.args(["-r", "copy", name]));
        Answer::of(&mut command)?.expect_code(0)?;
        Ok(())
    }

    /// Everything that a copy has: every file but the catalog's, and what that one tells.
    pub fn state(&self, copy: &str) -> Result<BTreeMap<PathBuf, Vec<u8>>, Box<dyn Error>> {
        let root = self.scratch.path(copy);
        let mut state = BTreeMap::new();
        for file in files_beneath(&root)? {
            let path = file.strip_prefix(&root)?.to_owned();
            if path.as_os_str() != "catalog.redb" {
                state.insert(path, fs::read(&file)?);
            }
        }
        let patience = Patience {
            wait: WAIT,
            holder: String::new(),
            tell: None,
        };
        let store = Store::open(&root, Access::Read, &patience)?;
        let repo = "main".parse()?;
        let told = pair::state(&Shelf { store, repo })?;
        state.insert("catalog.redb".into(), told.into_bytes());
        Ok(state)
    }

    /// Expects the lie that is told to be found out with an exit code and words, and the copy to be as it was.
    pub fn check(&self, lie: &str, code: i32, words: &[&str]) -> Outcome {
        self.check_pull(lie, &self.liar.url(), code, words, Left::Nothing)
            .map(drop)
    }

    /// Expects a pull by these words to be refused, and the copy to be as it was, but for what may be left.
    pub fn check_pull(
        &self,
        lie: &str,
        pull: &str,
        code: i32,
        words: &[&str],
        left: Left,
    ) -> Result<Answer, Box<dyn Error>> {
        let before = self.state("copy")?;
        let pull = format!("--store copy pull {pull}");
        let refused = self.scratch.fails(&pull, code, words);
        let refused = refused.map_err(|error| format!("{lie}: {error}"))?;
        let is_obeyed = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
        let has_controls = refused.stderr.chars().any(is_obeyed);
        assert!(!has_controls, "{lie}: {:?}", refused.stderr);
        let is_evidence = |path: &PathBuf| {
            left == Left::Evidence && path.components().any(|part| part.as_os_str() == "evidence")
        };
        let mut after = self.state("copy")?;
        after.retain(|path, _| !is_evidence(path));
        let changed: Vec<&PathBuf> = before
            .keys()
            .chain(after.keys())
            .filter(|path| before.get(*path) != after.get(*path) && !is_evidence(path))
            .collect();
        assert!(changed.is_empty(), "{lie}: {changed:?} changed");
        Ok(refused)
    }

    /// Shows a site that a test made of the second release's, and expects it to be refused.
    pub fn check_site(
        &self,
        lie: &str,
        code: i32,
        words: &[&str],
        change: impl FnOnce(&mut Site) -> Outcome,
    ) -> Outcome {
        let mut site = self.second.clone();
        change(&mut site).map_err(|error| format!("{lie}: {error}"))?;
        self.liar.show(site.files);
        self.check(lie, code, words)
    }

    /// Expects the truth to be believed after all the lies.
    pub fn finish(&self) -> Outcome {
        self.liar.show(self.second.files.clone());
        let line = format!("--store copy pull {}", self.liar.url());
        assert_eq!(self.scratch.ok(&line)?.stdout, "stable@2\n");
        self.scratch.ok("--store copy verify --all")?;
        self.scratch.ok("--store copy fsck --counts")?;
        Ok(())
    }
}
