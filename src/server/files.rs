//! Files: what refs and builds show, at plain paths, for clients that know nothing of Bindery.
//!
//! A ref that moved does not take away at once what its releases before showed: for a while, a path that is no longer there
//! leads to where it led. So a client that read an index before can still read what that names.
//!
//! # Not here
//!
//! For how long (`server::grace`), lists of directories (`server::listing`), ranges and conditions (`server::content`).

use std::sync::Arc;

use axum::http::StatusCode;
use axum::http::header::LOCATION;
use bytes::Bytes;

use super::access::Caller;
use super::answer::{Answer, Failure, Keep, bytes, set};
use super::app::App;
use super::blobs::Blob;
use super::content::{Facts, Wish, answer};
use super::context::Context;
use super::grace::releases_within;
use super::listing::{Form, Listed, list, list_refs};
use super::modified::Modified;
use super::names::in_url;
use super::ref_names::{NO_REF, ref_in};
use super::route::{Base, FilesAsked};
use super::shown::refs_shown;
use super::sight::{Sight, snapshot_of_build};
use crate::base::clock::Time;
use crate::base::id::BlobId;
use crate::base::name::{EntryName, RefName};
use crate::base::path::TreePath;
use crate::base::{Error, Result};
use crate::build::reached::{Reached, follow_within};
use crate::object::entry::{Entry, TreeRef};
use crate::store::Store;
use crate::store::rows::{ReleaseRow, RepoRow};

/// The part of a URL below which files are.
const FILES: &str = "files";

/// One tree that a path may lead into.
#[derive(Clone, Copy, Debug)]
pub struct Shown {
    /// The tree.
    pub root: TreeRef,
    /// Since when it was shown.
    pub since: Time,
}

/// What the first names of a URL mean.
struct Place {
    sight: Sight,
    /// What is shown.
    shown: Shown,
    /// The ref that moved there, so that what it showed before counts for a while.
    moved: Option<(RepoRow, RefName)>,
    /// The names below the root.
    names: Vec<String>,
    /// The directories that the caller may read alone; none if all may be read.
    bounds: Vec<TreePath>,
    keep: Keep,
}

/// What a URL leads to.
enum Found {
    File(Box<Entry>, Place, Shown),
    Listed(Listed, Place, Shown),
    /// Refs, of which the names are the beginning.
    Refs(Listed),
    /// The same with a slash at its end.
    Slash(String),
}

/// What a path leads to in one tree.
enum Looked {
    File(Box<Entry>, Shown),
    Listed(Listed, Shown),
    Slash(String),
}

impl Looked {
    /// The same, with where it was found.
    fn at(self, place: Place) -> Found {
        match self {
            Self::File(entry, shown) => Found::File(entry, place, shown),
            Self::Listed(listed, shown) => Found::Listed(listed, place, shown),
            Self::Slash(name) => Found::Slash(name),
        }
    }
}

/// Answers a request for a file or a directory.
///
/// # Errors
///
/// [`Error::NotFound`] if there is none.
pub async fn files(
    app: &Arc<App>,
    context: &Context,
    base: Base,
    asked: FilesAsked,
) -> Result<Answer, Failure> {
    let (wish, caller) = (&context.wish, context.caller.clone());
    let form = if wish.wants_json() {
        Form::Json
    } else {
        Form::Html
    };
    let sent = app.work({
        let app = Arc::clone(app);
        let wish = wish.clone();
        move |_| {
            Ok(match find(&app, &caller, &base, &asked)? {
                Found::Slash(name) => slash(&name),
                Found::Refs(listed) => listed.answer(&wish, form, Keep::Never, None),
                Found::Listed(listed, place, shown) => {
                    let modified = Modified::new(shown.since, app.now()?);
                    listed.answer(&wish, form, place.keep, Some(modified))
                }
                Found::File(entry, place, shown) => send(&app, &wish, &entry, &place, shown)?,
            })
        }
    });
    Ok(sent.await?)
}

fn send(app: &Arc<App>, wish: &Wish, entry: &Entry, place: &Place, shown: Shown) -> Result<Answer> {
    let view = place.sight.view(&app.store)?;
    let id = BlobId::new(entry.id());
    let blob = Blob::open(app, &place.sight, &view, id, entry.size())?;
    let facts = Facts {
        content_type: content_type(entry.name().as_str()),
        etag: id.to_string(),
        modified: Some(Modified::new(shown.since, app.now()?)),
        keep: place.keep,
    };
    Ok(answer(wish, Arc::new(blob), &facts))
}

/// Leads to the same with a slash, so that what is relative in a list or page is right. The way there is relative, too: whoever stands
/// in between may have changed what is before.
pub fn slash(name: &str) -> Answer {
    let text = Bytes::from_static(b"a directory ends in a slash\n");
    let mut answer = bytes(StatusCode::MOVED_PERMANENTLY, "text/plain", Keep::Ask, text);
    // A name with a colon would be taken for a scheme (RFC 3986, section 4.2).
    let here = if name.contains(':') { "./" } else { "" };
    set(&mut answer, LOCATION, &format!("{here}{}/", in_url(name)));
    answer
}

fn find(app: &Arc<App>, caller: &Caller, base: &Base, asked: &FilesAsked) -> Result<Found> {
    let store = &app.store;
    let not_found = || asked.not_found();
    let mut place = match base {
        Base::Build(build) => of_build(store, *build, &asked.names)?,
        Base::Repo(repo) => {
            let repo = store.reader()?.repo(repo)?;
            match of_ref(app, &repo, &asked.names)? {
                Some(place) => place,
                None => return refs_below(app, caller, &repo, asked)?.ok_or_else(not_found),
            }
        }
    };
    place.bounds = caller.bounds(app, base.open_to());
    if let Some(found) = look(app, &place, place.shown, asked)? {
        return Ok(found.at(place));
    }
    if let Some((repo, name)) = &place.moved {
        let within = (app.settings.grace_seconds, app.now()?);
        for release in releases_within(store, repo, name, place.shown.since, within)? {
            let shown = shown_by(app, repo, &release)?;
            if let Some(found) = look(app, &place, shown, asked)? {
                return Ok(found.at(place));
            }
        }
    }
    Err(not_found())
}

/// Looks for what is asked for in one tree.
fn look(app: &App, place: &Place, shown: Shown, asked: &FilesAsked) -> Result<Option<Looked>> {
    let view = place.sight.view(&app.store)?;
    let (sight, names) = (&place.sight, &place.names);
    let lead = |names: &[String]| {
        if !place.bounds.is_empty() {
            // A link must not lead out of what the caller may read.
            return follow_within(&view, shown.root, names, &place.bounds);
        }
        if let Some(reached) = app.paths.find(sight, shown.root, names) {
            Ok(reached)
        } else {
            app.paths.follow(&view, sight, shown.root, names)
        }
    };
    Ok(match lead(names)? {
        Reached::Nothing => None,
        Reached::File(_) if asked.is_directory => None,
        Reached::File(entry) => Some(Looked::File(Box::new(entry), shown)),
        Reached::Directory(_) if !asked.is_directory => {
            asked.names.last().cloned().map(Looked::Slash)
        }
        Reached::Directory(tree) => {
            let title = format!("/{}/", asked.names.join("/"));
            let beyond = |name: &EntryName| {
                let mut names = names.clone();
                names.push(name.as_str().to_owned());
                lead(&names)
            };
            let listed = list(
                &view,
                tree,
                title,
                shown.since,
                asked.after.as_ref(),
                &beyond,
            )?;
            Some(Looked::Listed(listed, shown))
        }
    })
}

/// The build whose files are asked for. The names of its ref come first, so that all that follows is as it will be once
/// published.
fn of_build(store: &Store, build: u64, names: &[String]) -> Result<Place> {
    let row = store.reader()?.build(build)?;
    let snapshot = snapshot_of_build(store, build)?;
    let sight = Sight::of_build(&row);
    let root = sight.view(store)?.snapshot_of_size(snapshot)?.tree;
    let since = row
        .committed
        .map_or(row.created, |committed| committed.time);
    let below = match names.split_first() {
        Some((first, below)) if first == NO_REF => Some(below.to_vec()),
        _ => row.target.as_ref().and_then(|target| below(target, names)),
    };
    let expected = row
        .target
        .map_or_else(|| NO_REF.to_owned(), |target| target.to_string());
    let names = below.ok_or_else(|| {
        let name =
            format!("of build {build}: they begin with files/{expected}/ or files/{NO_REF}/");
        Error::not_found("files", name)
    })?;
    Ok(Place {
        sight,
        shown: Shown { root, since },
        moved: None,
        names,
        bounds: Vec::new(),
        keep: Keep::Ask,
    })
}

/// The names after those of a ref.
fn below(target: &RefName, names: &[String]) -> Option<Vec<String>> {
    let count = target.components().count();
    let is_same = names.len() >= count && target.components().zip(names).all(|(a, b)| a == b);
    is_same.then(|| names[count..].to_vec())
}

/// What the ref shows that the first names are.
fn of_ref(app: &Arc<App>, repo: &RepoRow, names: &[String]) -> Result<Option<Place>> {
    let Some(found) = ref_in(&app.store.reader()?, repo, names)? else {
        return Ok(None);
    };
    let (name, Some(current)) = (found.row.name, found.row.current) else {
        return Ok(None);
    };
    let sight = Sight {
        repo: repo.name.clone(),
        builds: Vec::new(),
    };
    let (shown, moved, keep) = if let Some(seq) = found.seq {
        (one_release(app, repo, &name, &seq)?, None, Keep::Forever)
    } else {
        let newest = Shown {
            root: current.root.into(),
            since: current.time,
        };
        (newest, Some((repo.clone(), name)), Keep::Ask)
    };
    Ok(Some(Place {
        sight,
        shown,
        moved,
        names: names[found.count..].to_vec(),
        bounds: Vec::new(),
        keep,
    }))
}

fn one_release(app: &App, repo: &RepoRow, name: &RefName, seq: &str) -> Result<Shown> {
    let not_found = || Error::not_found("release", format!("{name}@{seq}"));
    let seq: u64 = seq.parse().map_err(|_| not_found())?;
    let releases = app.store.reader()?.releases(repo, name)?;
    // Of two epochs with the same seq, the newer one is meant.
    let mut releases = releases.into_iter().rev();
    let release = releases.find(|release| release.seq == seq && !release.retired);
    let release = release.ok_or_else(not_found)?;
    shown_by(app, repo, &release)
}

fn shown_by(app: &App, repo: &RepoRow, release: &ReleaseRow) -> Result<Shown> {
    let view = app.store.view(&repo.name, &[])?;
    let root = view.snapshot_of_size(release.snapshot)?.tree;
    let since = release.time;
    Ok(Shown { root, since })
}

/// A list of the refs that begin with some names and that the caller may read, if there are any.
fn refs_below(
    app: &App,
    caller: &Caller,
    repo: &RepoRow,
    asked: &FilesAsked,
) -> Result<Option<Found>> {
    let rows = refs_shown(app, caller, repo)?.into_iter();
    let shown = rows.filter(|row| row.current.is_some());
    let below = shown.filter_map(|row| {
        let names: Vec<String> = row.name.components().map(str::to_owned).collect();
        let rest = names.strip_prefix(asked.names.as_slice())?;
        // What only begins the names of refs has no date.
        let current = row.current.filter(|_| rest.len() == 1);
        Some((rest.first().cloned()?, current.map(|current| current.time)))
    });
    let mut names: Vec<(String, Option<Time>)> = below.collect();
    names.dedup_by(|one, other| one.0 == other.0);
    if names.is_empty() && !asked.names.is_empty() {
        return Ok(None);
    }
    match asked.names.last() {
        None if !asked.is_directory => Ok(Some(Found::Slash(FILES.to_owned()))),
        Some(last) if !asked.is_directory => Ok(Some(Found::Slash(last.clone()))),
        _ => {
            let title = if asked.names.is_empty() {
                format!("refs of {}", repo.name)
            } else {
                format!("/{}/", asked.names.join("/"))
            };
            Ok(Some(Found::Refs(list_refs(names, title))))
        }
    }
}

/// The content type of a file, by its name.
fn content_type(name: &str) -> String {
    let known = OWN_TYPES.iter().find(|(ending, _)| name.ends_with(ending));
    if let Some((_, content_type)) = known {
        return (*content_type).to_owned();
    }
    let guessed = mime_guess::from_path(name).first_or_octet_stream();
    if guessed.type_() == "text" {
        format!("{guessed}; charset=utf-8")
    } else {
        guessed.to_string()
    }
}

/// Types of files that package managers name in their own ways.
const OWN_TYPES: &[(&str, &str)] = &[
    ("Packages", "text/plain; charset=utf-8"),
    ("Sources", "text/plain; charset=utf-8"),
    ("Release", "text/plain; charset=utf-8"),
    (".deb", "application/vnd.debian.binary-package"),
    (".udeb", "application/vnd.debian.binary-package"),
    (".rpm", "application/x-rpm"),
    (".xz", "application/x-xz"),
    (".zst", "application/zstd"),
    (".flatpak", "application/vnd.flatpak"),
    (".flatpakref", "application/vnd.flatpak.ref"),
    (".flatpakrepo", "application/vnd.flatpak.repo"),
    (".zsync", "application/x-zsync"),
    (".whl", "application/zip"),
];
