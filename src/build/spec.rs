//! Specs: how people name a snapshot.
//!
//! | spec | snapshot |
//! |---|---|
//! | `REF` | what the ref shows now |
//! | `REF@SEQ` | what release `SEQ` of the ref showed |
//! | `REF~N` | what the ref showed `N` releases ago |
//! | `build:ID` | what the test repository of a committed build shows |
//! | a snapshot's id, or 8 or more digits that only one starts with | that snapshot |
//!
//! With several repos in a store, `REPO:REF` says which; with one, it is meant.

use std::fmt;
use std::str::FromStr;

use crate::base::id::HASH_BYTES;
use crate::base::name::{RefName, RepoName};
use crate::base::{Error, Result};
use crate::store::Store;
use crate::store::reader::Reader;
use crate::store::rows::{BuildRow, BuildState, RepoRow, SnapshotRef};

/// The shortest prefix of a snapshot's id that is looked for.
const PREFIX_DIGITS_MIN: usize = 8;
/// Snapshots listed when a prefix names several.
const LISTED_SNAPSHOTS_MAX: usize = 10;

/// A text that names a snapshot, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spec {
    /// A build.
    Build(u64),
    /// A ref, or what looks like one: a prefix of a snapshot's id does, too.
    Ref {
        /// The repo, if it was said.
        repo: Option<RepoName>,
        /// The ref.
        name: RefName,
        /// Which of its releases.
        which: Which,
    },
}

/// Which release of a ref.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The newest.
    Newest,
    /// The one with this seq.
    Seq(u64),
    /// So many before the newest.
    Back(u64),
}

impl fmt::Display for Which {
    /// As it stands behind the name of a ref.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newest => Ok(()),
            Self::Seq(seq) => write!(f, "@{seq}"),
            Self::Back(back) => write!(f, "~{back}"),
        }
    }
}

impl Which {
    /// Requires that it is what the ref `name` shows now, which is the release `seq`.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if it is not.
    pub fn check_shown(self, name: &RefName, seq: u64) -> Result<()> {
        match self {
            Self::Newest | Self::Back(0) => Ok(()),
            Self::Seq(asked) if asked == seq => Ok(()),
            other => Err(Error::refused(format!(
                "{name} shows {name}@{seq} and not {name}{other}"
            ))),
        }
    }
}

/// What a spec names.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The repo.
    pub repo: RepoRow,
    /// The builds whose packs must be seen, too.
    pub builds: Vec<u64>,
    /// The snapshot.
    pub snapshot: SnapshotRef,
    /// The spec in full, such as `stable@3`.
    pub name: String,
}

impl FromStr for Spec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let number = |digits: &str| {
            let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
            let number = plain.then(|| digits.parse().ok()).flatten();
            number.ok_or_else(|| Error::usage(format!("{text:?}: {digits:?} is no number")))
        };
        if let Some(id) = text.strip_prefix("build:") {
            return Ok(Self::Build(number(id)?));
        }
        let (repo, rest) = match text.split_once(':') {
            Some((repo, rest)) => (Some(parse_name("repo name", repo)?), rest),
            None => (None, text),
        };
        let (name, which) = if let Some((name, seq)) = rest.split_once('@') {
            (name, Which::Seq(number(seq)?))
        } else if let Some((name, back)) = rest.split_once('~') {
            (
                name,
                Which::Back(if back.is_empty() { 1 } else { number(back)? }),
            )
        } else {
            (rest, Which::Newest)
        };
        Ok(Self::Ref {
            repo,
            name: parse_name("ref name", name)?,
            which,
        })
    }
}

fn parse_name<T: FromStr<Err = crate::base::name::NameError>>(
    what: &'static str,
    text: &str,
) -> Result<T> {
    text.parse().map_err(|source| Error::Name {
        what,
        text: text.to_owned(),
        source,
    })
}

/// Finds the snapshot that a spec names. `repo` is meant if the spec does not say one.
///
/// # Errors
///
/// [`Error::NotFound`] if there is none, [`Error::Ambiguous`] if a prefix names several, [`Error::Refused`] if it was
/// let go of, [`Error::State`] if a build was not committed.
pub fn resolve(store: &Store, spec: &Spec, repo: Option<&RepoName>) -> Result<Resolved> {
    let reader = store.reader()?;
    match spec {
        Spec::Build(id) => of_build(&reader, *id),
        Spec::Ref {
            repo: said,
            name,
            which,
        } => {
            let repo = only_repo(store, said.as_ref().or(repo))?;
            resolve_in(&reader, repo, name, *which, &|_| true)
        }
    }
}

/// Finds the snapshot that a ref of a repo shows or has shown, or, if there is no such ref, the one whose id begins like this.
/// Of builds, only those that `is_seen` are looked at.
///
/// # Errors
///
/// As [`resolve`].
pub fn resolve_in(
    reader: &Reader<'_>,
    repo: RepoRow,
    name: &RefName,
    which: Which,
    is_seen: &dyn Fn(&BuildRow) -> bool,
) -> Result<Resolved> {
    match of_ref(reader, &repo, name, which) {
        Err(Error::NotFound { what: "ref", .. }) if which == Which::Newest && is_prefix(name) => {
            of_prefix(reader, repo, name.as_str(), is_seen)
        }
        other => other,
    }
}

/// The repo of that name; without a name, the only one there is.
///
/// # Errors
///
/// [`Error::NotFound`] if there is none, [`Error::Usage`] if there are several and none was named.
pub fn only_repo(store: &Store, name: Option<&RepoName>) -> Result<RepoRow> {
    let reader = store.reader()?;
    if let Some(name) = name {
        return reader.repo(name);
    }
    let mut repos = reader.repos()?;
    match (repos.pop(), repos.is_empty()) {
        (Some(repo), true) => Ok(repo),
        (None, _) => Err(Error::not_found("repo", "in this store")),
        (Some(last), false) => {
            repos.push(last);
            Err(which_repo("store", repos.iter().map(|repo| &repo.name)))
        }
    }
}

/// The repo and ref of a text `REF` or `REPO:REF`.
///
/// # Errors
///
/// As [`only_repo`]; [`Error::Name`] if a name is not legal. Whether there is such a ref is not looked at.
pub fn named_ref(store: &Store, text: &str, repo: Option<&RepoName>) -> Result<(RepoRow, RefName)> {
    let (said, name) = split_ref(text)?;
    Ok((only_repo(store, said.as_ref().or(repo))?, name))
}

/// The names in a text `REF` or `REPO:REF`.
///
/// # Errors
///
/// [`Error::Name`] if one is not legal.
pub fn split_ref(text: &str) -> Result<(Option<RepoName>, RefName)> {
    let (repo, name) = match text.split_once(':') {
        Some((repo, name)) => (Some(parse_name("repo name", repo)?), name),
        None => (None, text),
    };
    Ok((repo, parse_name("ref name", name)?))
}

/// What to say if several repos are there and none was named.
#[must_use]
pub fn which_repo<'n>(place: &str, names: impl Iterator<Item = &'n RepoName>) -> Error {
    let names: Vec<String> = names.map(|name| format!("{name}:...")).collect();
    let names = names.join(", ");
    Error::usage(format!(
        "the {place} has several repos: say {names} or --repo"
    ))
}

/// The repo and ref of a spec that names what the ref shows now: `REF`, `REF@SEQ` with the newest seq, or `REF~0`.
///
/// # Errors
///
/// As [`only_repo`]; [`Error::NotFound`] if there is no such ref or it shows nothing; [`Error::Refused`] if the spec names
/// anything else.
pub fn shown_ref(
    store: &Store,
    spec: &Spec,
    repo: Option<&RepoName>,
) -> Result<(RepoRow, RefName)> {
    let (said, name, which) = match spec {
        Spec::Ref { repo, name, which } => (repo, name, *which),
        Spec::Build(id) => return Err(Error::refused(format!("build:{id} is no ref"))),
    };
    let repo = only_repo(store, said.as_ref().or(repo))?;
    let row = store.reader()?.find_ref(&repo, name)?;
    let current = row.and_then(|row| row.current);
    let current = current.ok_or_else(|| Error::not_found("ref", name))?;
    which.check_shown(name, current.seq)?;
    Ok((repo, name.clone()))
}

fn of_build(reader: &Reader<'_>, id: u64) -> Result<Resolved> {
    let build = reader.build(id)?;
    let repo = reader.repo(&build.repo)?;
    let name = format!("build:{id}");
    match (build.state, build.committed, build.published) {
        (BuildState::Published, _, Some(published)) => Ok(Resolved {
            repo,
            builds: Vec::new(),
            snapshot: published.snapshot,
            name,
        }),
        (BuildState::Open | BuildState::Purged, _, _) | (_, None, _) => Err(Error::State {
            build: id,
            state: build.state.to_string(),
            verb: "look into",
        }),
        (_, Some(committed), _) => Ok(Resolved {
            repo,
            builds: vec![id],
            snapshot: committed.snapshot,
            name,
        }),
    }
}

fn of_ref(reader: &Reader<'_>, repo: &RepoRow, name: &RefName, which: Which) -> Result<Resolved> {
    let row = reader.find_ref(repo, name)?.and_then(|row| row.current);
    let current = row.ok_or_else(|| Error::not_found("ref", name))?;
    let resolved = |snapshot, seq| Resolved {
        repo: repo.clone(),
        builds: Vec::new(),
        snapshot,
        name: format!("{name}@{seq}"),
    };
    if which == Which::Newest {
        return Ok(resolved(current.snapshot, current.seq));
    }
    let releases = reader.releases(repo, name)?;
    let (release, wanted) = match which {
        Which::Seq(seq) => (
            releases.iter().rev().find(|release| release.seq == seq),
            format!("{name}@{seq}"),
        ),
        Which::Back(back) => {
            let back_index = usize::try_from(back).unwrap_or(usize::MAX);
            (
                releases.iter().rev().nth(back_index),
                format!("{name}~{back}"),
            )
        }
        Which::Newest => (releases.last(), name.to_string()),
    };
    let release = release.ok_or_else(|| Error::not_found("release", &wanted))?;
    if release.retired {
        return Err(Error::refused(format!(
            "{name}@{} is retired: its files were let go of",
            release.seq
        )));
    }
    Ok(resolved(release.snapshot, release.seq))
}

/// Whether the name of a ref could be the beginning of a snapshot's id.
#[must_use]
pub fn is_prefix(name: &RefName) -> bool {
    let text = name.as_str();
    (PREFIX_DIGITS_MIN..=2 * HASH_BYTES).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

fn of_prefix(
    reader: &Reader<'_>,
    repo: RepoRow,
    prefix: &str,
    is_seen: &dyn Fn(&BuildRow) -> bool,
) -> Result<Resolved> {
    let mut found = Vec::new();
    for id in reader.snapshots_with_prefix(&repo, prefix, LISTED_SNAPSHOTS_MAX)? {
        found.push((id, Vec::new()));
    }
    for build in reader.builds()? {
        let live = build.repo == repo.name
            && build.state != BuildState::Purged
            && build.state != BuildState::Published
            && is_seen(&build);
        if let Some(committed) = build.committed.filter(|_| live) {
            let id = committed.snapshot.id;
            if id.to_string().starts_with(prefix) && !found.iter().any(|(other, _)| *other == id) {
                found.push((id, vec![build.id]));
            }
        }
    }
    if found.len() > 1 {
        let matches = found.iter().map(|(id, _)| id.to_string()).collect();
        return Err(Error::Ambiguous {
            what: "snapshot",
            prefix: prefix.to_owned(),
            matches,
        });
    }
    let (id, builds) = found
        .pop()
        .ok_or_else(|| Error::not_found("ref or snapshot", prefix))?;
    let size = reader
        .store()
        .view(&repo.name, &builds)?
        .snapshot(id)?
        .encode()?
        .len() as u64;
    Ok(Resolved {
        repo,
        builds,
        snapshot: SnapshotRef { id, size },
        name: id.to_string(),
    })
}

#[cfg(test)]
mod tests;
