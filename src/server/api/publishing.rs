//! Publishing: builds are merged one by one, and become visible together.
//!
//! Whoever publishes first merges its build, which is cheap and durable, and then waits for its turn to make visible what is
//! pending on the ref. Builds that were merged meanwhile are carried by the same statement, so their turn finds nothing left
//! to do: many publishes share one switch.

use std::sync::Arc;
use std::time::Instant;

use crate::base::clock::Time;
use crate::base::name::{RefName, RepoName};
use crate::base::{Error, Result};
use crate::build::carried::carried;
use crate::build::publish::{PublishAnswer, PublishOptions, Tested, merge, publish};
use crate::build::withdraw::{Withdrawn, withdraw};
use crate::remote::wire::builds::{OnConflictSaid, Publish, Publishing, SnapshotSaid, Withdrawal};
use crate::remote::wire::events::What;
use crate::server::answer::{Answer, Failure, json};
use crate::server::app::App;
use crate::server::body;
use crate::server::context::Context;
use crate::server::events::Happened;
use crate::server::route::Wait;
use crate::store::Store;
use crate::store::rows::{BuildState, Published};
use crate::store::settings::OnConflict;
use axum::body::Body;
use axum::http::StatusCode;
use tokio::task::JoinHandle;

/// Publishes a build.
///
/// # Errors
///
/// As [`publish`].
pub async fn start(
    app: &Arc<App>,
    context: &Context,
    build: u64,
    wait: Wait,
    body: Body,
) -> Result<Answer, Failure> {
    let asked: Publish = body::document(body).await?;
    let started = Instant::now();
    let row = app.build(build).await?;
    let target = asked.target.clone().or_else(|| row.target.clone());
    let wanted = asked.target.as_ref();
    context.admit_publishing(app, &row, wanted).await?;
    let options = PublishOptions::from(asked);
    let started = Started {
        at: started,
        build,
        options,
        wait,
    };
    let (published, visible) = started.publish(app, &row.repo, target.as_ref()).await?;
    if wait == Wait::No {
        return json(StatusCode::ACCEPTED, &waiting(&published));
    }
    let visible = visible.await;
    let visible =
        visible.map_err(|error| Error::internal(format!("publishing ended early: {error}")))?;
    json(StatusCode::OK, &visible?)
}

impl From<Publish> for PublishOptions {
    fn from(asked: Publish) -> Self {
        Self {
            target: asked.target,
            on_conflict: asked.on_conflict.map(OnConflict::from),
            tested: if asked.require_tested {
                Tested::Required
            } else {
                Tested::Any
            },
            due: None,
        }
    }
}

/// A publish that has begun.
pub(in crate::server) struct Started {
    /// When.
    pub at: Instant,
    /// The build.
    pub build: u64,
    /// How.
    pub options: PublishOptions,
    /// Whether somebody waits until it is visible, and hears what is in the way.
    pub wait: Wait,
}

/// What becomes visible.
type Visible = JoinHandle<Result<Publishing>>;

impl Started {
    /// Merges the build, and has it made visible, which the answer can be waited for with.
    pub async fn publish(
        self,
        app: &Arc<App>,
        repo: &RepoName,
        target: Option<&RefName>,
    ) -> Result<(Published, Visible)> {
        let Self {
            at,
            build,
            options,
            wait,
        } = self;
        let merging = options.clone();
        // Said first: what was merged is to become visible.
        let going = app.under_way.begin()?;
        // Nobody moves the ref while a build is merged onto it.
        let turn = match target {
            Some(target) => Some(app.turns.of((repo.clone(), target.clone())).await),
            None => None,
        };
        let merged = app.write(move |store, time| {
            let merged = merge(store, build, &merging, time)?;
            let published = store.reader()?.build(build)?.published;
            let published = published.ok_or_else(|| Error::internal("a merged build has a ref"))?;
            let is_new = merged.row.state != BuildState::Publishing;
            Ok((merged.row.repo, published, is_new))
        });
        let merged = merged.await;
        drop(turn);
        let (repo, published, is_new) = merged?;
        let target = published.target.clone();
        if is_new {
            let seq = Some(published.seq);
            app.tell(
                &repo,
                Happened::on_ref(What::Merged, build, target.clone(), seq),
            );
        }
        let making = Arc::clone(app);
        // It goes on also if whoever asked has gone.
        let visible = tokio::spawn(async move {
            let made = make_visible(&making, &repo, &target, build, options).await;
            let made = made.inspect_err(|error| {
                if wait == Wait::No {
                    making.went_wrong(&format!("publishing build {build}"), error);
                }
                // It stays pending: somebody must try again.
                making.plans.notify_one();
            })?;
            let seconds = at.elapsed().as_secs_f64();
            making.metrics.visible_seconds.observe(seconds);
            drop(going);
            Ok::<_, Error>(made)
        });
        Ok((published, visible))
    }
}

/// Makes what is pending on a ref visible, in its turn.
///
/// # Errors
///
/// As [`publish`]; [`Error::Refused`] if the build was withdrawn meanwhile.
pub(in crate::server) async fn make_visible(
    app: &Arc<App>,
    repo: &RepoName,
    target: &RefName,
    build: u64,
    options: PublishOptions,
) -> Result<Publishing> {
    let turn = app.turns.of((repo.clone(), target.clone())).await;
    let switching = app.write(move |store, time| switch(store, build, &options, time));
    let switched = switching.await;
    drop(turn);
    let (publishing, is_new) = switched?;
    if is_new {
        let seq = Some(publishing.seq);
        let released = Happened::to_ref(What::Published, target.clone(), seq);
        app.tell(repo, released.with_builds(&publishing.builds));
    }
    Ok(publishing)
}

/// Makes what is pending visible, unless somebody else did; says also whether that made a release. What was withdrawn since it
/// was merged stays so.
fn switch(
    store: &Store,
    build: u64,
    options: &PublishOptions,
    time: Time,
) -> Result<(Publishing, bool)> {
    match carried(store, build)? {
        Some(answer) => Ok((visible(answer), false)),
        None if store.reader()?.build(build)?.state == BuildState::Ready => Err(Error::refused(
            format!("build {build} was withdrawn before it was visible"),
        )),
        None => Ok((visible(publish(store, build, options, time)?), true)),
    }
}

fn waiting(published: &Published) -> Publishing {
    Publishing {
        target: published.target.clone(),
        epoch: published.epoch,
        seq: published.seq,
        visible: false,
        tested: published.tested,
        snapshot: None,
        builds: Vec::new(),
    }
}

/// What a release says that is visible.
pub(super) fn visible(answer: PublishAnswer) -> Publishing {
    Publishing {
        target: answer.target,
        epoch: answer.epoch,
        seq: answer.seq,
        visible: true,
        tested: answer.tested,
        snapshot: Some(SnapshotSaid {
            id: answer.snapshot.id,
            size: answer.snapshot.size,
            root: answer.root.into(),
        }),
        builds: answer.builds,
    }
}

/// Takes a build out of its ref.
///
/// # Errors
///
/// As [`withdraw`].
pub async fn take_out(app: &Arc<App>, build: u64) -> Result<Answer, Failure> {
    let row = app.build(build).await?;
    let repo = row.repo;
    let withdrawing = app.write(move |store, time| withdraw(store, build, time));
    let withdrawn = match row.published {
        Some(published) => {
            let _turn = app.turns.of((repo.clone(), published.target)).await;
            withdrawing.await?
        }
        None => withdrawing.await?,
    };
    let is_unscheduled = matches!(withdrawn, Withdrawn::Unscheduled { .. });
    let said = match withdrawn {
        Withdrawn::Pending { target, builds } => Withdrawal {
            target,
            builds,
            seq: None,
        },
        Withdrawn::Unscheduled { target } => Withdrawal {
            target,
            builds: vec![build],
            seq: None,
        },
        Withdrawn::Released(answer) => Withdrawal {
            target: answer.target,
            builds: Vec::new(),
            seq: Some(answer.seq),
        },
    };
    app.tell(
        &repo,
        if is_unscheduled {
            // Nothing left the ref.
            Happened::to_build(What::Withdrawn, build)
        } else {
            Happened::on_ref(What::Withdrawn, build, said.target.clone(), said.seq)
        },
    );
    // Builds that were merged onto it may still be due.
    app.plans.notify_one();
    if said.seq.is_some() {
        let target = said.target.clone();
        app.tell(&repo, Happened::to_ref(What::Published, target, said.seq));
    }
    json(StatusCode::OK, &said)
}

impl From<OnConflictSaid> for OnConflict {
    fn from(said: OnConflictSaid) -> Self {
        match said {
            OnConflictSaid::Refuse => Self::Refuse,
            OnConflictSaid::Build => Self::Build,
            OnConflictSaid::Ref => Self::Ref,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::commit::commit;
    use crate::build::sandbox::{AnyError, Sandbox, time};

    #[test]
    fn what_is_withdrawn_after_it_was_merged_does_not_become_visible() -> Result<(), AnyError> {
        let mut sandbox = Sandbox::with_repo()?;
        let build = sandbox.stage("main", "stable", &[("file", b"1")])?.id;
        let (store, options) = (sandbox.store()?, PublishOptions::default());
        commit(store, build, "", time(5)?)?;
        merge(store, build, &options, time(6)?)?;
        withdraw(store, build, time(6)?)?;
        let error = switch(store, build, &options, time(7)?).err();
        let words = error.map(|error| error.to_string());
        assert_eq!(
            words.as_deref(),
            Some("build 1 was withdrawn before it was visible")
        );
        // It can be published again, and is then visible.
        merge(store, build, &options, time(8)?)?;
        let (publishing, is_new) = switch(store, build, &options, time(8)?)?;
        assert!(is_new && publishing.visible);
        assert!(!switch(store, build, &options, time(9)?)?.1, "as it is");
        Ok(())
    }
}
