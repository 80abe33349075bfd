//! Uploads: packs on their way into a build.
//!
//! # Invariants
//!
//! - What arrives is verified object by object before it is kept, and belongs to one build until that is published.
//! - A pack that broke off leaves nothing behind; sent again, it brings what is still missing.

use std::sync::Arc;

use axum::body::Body;
use axum::http::StatusCode;

use crate::base::limits::UPLOAD_BYTES_MAX;
use crate::base::{Error, Result};
use crate::delta::receive::Announced;
use crate::remote::store_builds::StoreBuilds;
use crate::remote::wire::builds::Received;
use crate::server::access::Caller;
use crate::server::answer::{Answer, Failure, json};
use crate::server::app::App;
use crate::server::body::{Arriving, streamed};
use crate::server::brought::{Bound, TooMuch};
use crate::server::context::Context;
use crate::server::scope::Scope;
use crate::trust::token::capability::Capability;

/// Takes a pack in.
///
/// # Errors
///
/// [`Error::Malformed`] or [`Error::Limit`] if it is none; [`Error::State`] if the build is not open.
pub async fn upload(
    app: &Arc<App>,
    context: &Context,
    build: u64,
    announced: Announced,
    body: Body,
) -> Result<Answer, Failure> {
    let row = app.build(build).await?;
    let max = app.settings.limits.staged_bytes_per_build;
    let staged = row.staged.stored_bytes;
    let bounds = Bound::all_of(&context.caller.holder()?.verified);
    // Without a length, all that is left may come.
    let left = max.saturating_sub(staged).min(app.brought.left(&bounds));
    let bytes = context.wish.length().unwrap_or(left.min(UPLOAD_BYTES_MAX));
    let bringing = app.brought.bring(&bounds, bytes.max(1));
    let scope = Scope {
        over: bringing.as_ref().err().and_then(TooMuch::denied),
        ..Scope::of_build(&row)
    };
    context.admit(app, Capability::Stage, scope).await?;
    let bringing = bringing.map_err(Error::from)?;
    let arrival = app.arrivals.reserve(build, staged, bytes.max(1), max)?;
    app.work(App::check_room).await?;
    let place = app.uploads.try_acquire();
    let place = place.map_err(|_| Error::TooMany {
        what: "packs that arrive (uploads_max)",
        max: app.settings.limits.uploads_max,
    })?;
    let (taking, caller) = (Arc::clone(app), context.caller.clone());
    let received = streamed(body, bytes.min(UPLOAD_BYTES_MAX), |arriving| async move {
        let work =
            tokio::task::spawn_blocking(move || take(&taking, &caller, build, announced, arriving));
        let taken = work.await;
        taken.map_err(|error| Error::internal(format!("an upload ended early: {error}")))?
    });
    let received = received.await?;
    drop((place, arrival));
    bringing.arrived(received.stored_bytes);
    app.metrics.uploads.inc();
    let stored = &app.metrics.upload_stored_bytes;
    stored.inc_by(received.stored_bytes);
    app.changed();
    json(StatusCode::OK, &received)
}

fn take(
    app: &App,
    caller: &Caller,
    build: u64,
    announced: Announced,
    arriving: Arriving,
) -> Result<Received> {
    let store = &app.store;
    let row = store.reader()?.build(build)?;
    let count_on = caller.counts_on(app, &row)?;
    let builds = StoreBuilds::new(store, row.repo, app.now()?).counting_on(count_on);
    let sums = builds.receive_from(build, arriving, announced)?;
    Ok(Received {
        pack: announced.id.hash(),
        new_objects: sums.new_objects,
        stored_bytes: sums.stored_bytes,
    })
}
