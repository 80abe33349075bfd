//! Snapshots that people name: which they are. What is in them is read below `/r/` and `/b/`.

use std::sync::Arc;

use axum::http::StatusCode;

use crate::base::Result;
use crate::base::name::{RefName, RepoName};
use crate::build::spec::{Spec, Which, resolve, resolve_in};
use crate::remote::snapshots::Named;
use crate::remote::wire::snapshots::NamedSaid;
use crate::server::access::Caller;
use crate::server::anonymous::Anonymous;
use crate::server::answer::{Answer, Failure, json};
use crate::server::app::App;
use crate::server::scope::Scope;
use crate::store::rows::BuildRow;

/// Says which snapshot a ref shows or has shown, or which one's id begins like this: among those that are published, and those
/// of the builds that the caller may see.
///
/// # Errors
///
/// As [`resolve_in`].
pub async fn of_ref(
    app: &Arc<App>,
    caller: &Caller,
    repo: RepoName,
    name: RefName,
    which: Which,
) -> Result<Answer, Failure> {
    let caller = caller.clone();
    let found = app.work(move |app| {
        let reader = app.store.reader()?;
        let is_seen = |row: &BuildRow| {
            let may_read = caller.may_read(app, Anonymous::Builds, &Scope::of_build(row));
            may_read.unwrap_or(false)
        };
        resolve_in(&reader, reader.repo(&repo)?, &name, which, &is_seen)
    });
    json(StatusCode::OK, &NamedSaid::from(Named::from(found.await?)))
}

/// Says which snapshot the test repository of a build shows.
///
/// # Errors
///
/// As [`resolve`].
pub async fn of_build(app: &Arc<App>, build: u64) -> Result<Answer, Failure> {
    let found = app.work(move |app| resolve(&app.store, &Spec::Build(build), None));
    json(StatusCode::OK, &NamedSaid::from(Named::from(found.await?)))
}
