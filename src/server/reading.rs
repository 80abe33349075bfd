//! The documents of a repo that others follow: keysets, heads, statements, objects, the pin file.

use axum::http::StatusCode;
use bytes::Bytes;

use std::sync::Arc;

use super::answer::{Answer, Keep};
use super::app::App;
use super::blobs::Memory;
use super::content::{Facts, Wish, answer};
use super::route::Base;
use super::sight::Sight;
use crate::base::id::{Hash, StatementId};
use crate::base::name::RepoName;
use crate::base::{Error, Result};
use crate::remote::http::url::ServerUrl;
use crate::remote::pin::Pin;
use crate::store::note_files::NoteFiles;

const TEXT: &str = "text/plain; charset=utf-8";
const BYTES: &str = "application/octet-stream";

/// A document that is asked for.
#[derive(Clone, Copy, Debug)]
pub enum Document {
    /// The heads note.
    Heads,
    /// A version of the keyset.
    Keyset(u64),
    /// The note of a statement.
    Statement(StatementId),
    /// An object.
    Object(Hash),
    /// The pin file.
    Pin,
}

impl Document {
    const fn keep(self) -> Keep {
        match self {
            Self::Heads | Self::Pin => Keep::Minute,
            Self::Keyset(_) | Self::Statement(_) | Self::Object(_) => Keep::Forever,
        }
    }

    const fn content_type(self) -> &'static str {
        match self {
            Self::Object(_) => BYTES,
            _ => TEXT,
        }
    }

    fn read(self, app: &App, base: &Base) -> Result<Vec<u8>> {
        let store = &app.store;
        let sight = Sight::of(store, base)?;
        let notes = NoteFiles::new(store.disk(), sight.repo.clone());
        let (found, what, name) = match self {
            Self::Heads => (notes.heads()?, "release in", sight.repo.to_string()),
            Self::Keyset(version) => (notes.keyset(version)?, "keyset", version.to_string()),
            Self::Statement(id) => (notes.statement(id)?, "statement", id.to_string()),
            Self::Object(id) => {
                // The list of refs is no object of the store, and yet it is one by its id.
                let found = match notes.refs_list(id)? {
                    Some(list) if matches!(base, Base::Repo(_)) => list,
                    _ => sight.view(store)?.read_any(id)?,
                };
                (Some(found), "object", id.to_string())
            }
            Self::Pin => {
                let row = store.reader()?.repo(&sight.repo)?;
                let urls = app.settings.urls.iter();
                let urls = urls.filter_map(|url| place(url, &row.name));
                let pin = Pin::of(store, &row, urls.collect())?;
                (Some(pin.encode().into_bytes()), "pin", String::new())
            }
        };
        found.ok_or_else(|| Error::not_found(what, name))
    }
}

/// Where a repo of a server can be pulled from; none if the URL is that of another repo.
fn place(server: &str, repo: &RepoName) -> Option<String> {
    let (server, below) = (server.trim_end_matches('/'), format!("/r/{repo}"));
    if server.ends_with(&below) {
        return Some(server.to_owned());
    }
    let is_of_repo = server
        .parse::<ServerUrl>()
        .is_ok_and(|url| url.is_of_repo());
    (!is_of_repo).then(|| server.to_owned() + &below)
}

/// Answers a request for a document.
///
/// # Errors
///
/// [`Error::NotFound`] if it is not there.
pub async fn document(
    app: &Arc<App>,
    wish: &Wish,
    base: Base,
    document: Document,
) -> Result<Answer> {
    let bytes = app.work(move |app| document.read(app, &base)).await?;
    let facts = Facts {
        content_type: document.content_type().into(),
        etag: Hash::of(&bytes).to_string(),
        modified: None,
        keep: document.keep(),
    };
    Ok(answer(wish, Arc::new(Memory(Bytes::from(bytes))), &facts))
}

/// Says that the server runs.
#[must_use]
pub fn healthy() -> Answer {
    super::answer::bytes(
        StatusCode::OK,
        TEXT,
        Keep::Never,
        Bytes::from_static(b"ok\n"),
    )
}

/// Says whether the server can answer from its store and take something in: the catalog is read, there is room, and it does
/// not end.
///
/// # Errors
///
/// [`Error::Unreachable`] if it ends, and what the store answers.
pub async fn ready(app: &Arc<App>) -> Result<Answer> {
    if *app.ending.borrow() {
        return Err(Error::Unreachable {
            place: "the store".into(),
            reason: "the server ends".into(),
        });
    }
    app.work(|app| {
        app.store.reader()?.repos()?;
        app.check_room()
    })
    .await?;
    Ok(healthy())
}
