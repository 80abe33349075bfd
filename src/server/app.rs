//! The application: what every request has at hand.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::{Notify, Semaphore, watch};

use super::anonymous::Anonymous;
use super::brought::Brought;
use super::events::{Events, Happened};
use super::idempotency::Done;
use super::jobs::Jobs;
use super::metrics::Metrics;
use super::object_cache::ObjectCache;
use super::pack_cache::PackCache;
use super::paths::PathCache;
use super::pool::Pool;
use super::quota::{Arrivals, OpenBuilds, Rates, check_room};
use super::strangers::Strangers;
use super::troubles::Troubles;
use super::turns::Turns;
use super::under_way::UnderWay;
use crate::base::clock::Time;
use crate::base::name::{RefName, RepoName};
use crate::base::{Error, Result};
use crate::store::Store;
use crate::store::rows::BuildRow;
use crate::store::serve_settings::ServeSettings;
use crate::trust::token::TokenKey;

/// What every request has at hand.
#[derive(Debug)]
pub struct App {
    /// The store.
    pub store: Store,
    /// What is read without a token.
    pub anonymous: Anonymous,
    /// How it is served.
    pub settings: ServeSettings,
    /// Figures about it.
    pub metrics: Metrics,
    /// Requests of each caller in this minute.
    pub rates: Rates,
    /// Lines of the audit log about those without a good token.
    pub strangers: Strangers,
    /// Bytes on their way into builds.
    pub arrivals: Arrivals,
    /// Bytes that were brought with tokens that bound them.
    pub brought: Brought,
    /// Builds that are open, by token.
    pub open_builds: OpenBuilds,
    /// Where its work is done.
    pub pool: Pool,
    /// Objects that were read lately.
    pub objects: ObjectCache,
    /// Where paths led lately.
    pub paths: PathCache,
    /// Packs that were made lately.
    pub packs: PackCache,
    /// Who may send a pack now.
    pub uploads: Semaphore,
    /// Whose turn it is to make visible what is pending.
    pub turns: Turns<(RepoName, RefName)>,
    /// Changes that are seen through, whoever has gone.
    pub under_way: UnderWay,
    /// What happened lately.
    pub events: Events,
    /// Work beside answering.
    pub jobs: Jobs,
    /// Tells that something is to be published at a time, or may go on.
    pub plans: Notify,
    /// What goes wrong beside answering.
    pub troubles: Troubles,
    /// Requests that were done lately.
    pub done: Done,
    /// Whether the server ends.
    pub ending: watch::Sender<bool>,
    /// Counts changes of the store: whoever waits for one looks again.
    pub changes: watch::Sender<u64>,
    /// When the server started.
    pub started: Instant,
    /// The key of tokens, once one was shown.
    key: Mutex<Option<Arc<TokenKey>>>,
}

impl App {
    /// Makes it of a store.
    ///
    /// # Errors
    ///
    /// [`Error::Time`] if the clock cannot be read.
    pub fn new(store: Store, settings: ServeSettings) -> Result<Arc<Self>> {
        let run = Time::now()?.seconds();
        Ok(Arc::new(Self {
            key: Mutex::default(),
            store,
            anonymous: settings.anonymous,
            metrics: Metrics::new(),
            rates: Rates::new(),
            strangers: Strangers::default(),
            arrivals: Arrivals::default(),
            brought: Brought::default(),
            open_builds: OpenBuilds::default(),
            pool: Pool::new(),
            objects: ObjectCache::new(),
            paths: PathCache::default(),
            packs: PackCache::new(),
            uploads: Semaphore::new(usize::try_from(settings.limits.uploads_max).unwrap_or(1)),
            events: Events::new(run, settings.limits.event_streams_max),
            settings,
            turns: Turns::default(),
            under_way: UnderWay::default(),
            jobs: Jobs::new(run),
            plans: Notify::new(),
            troubles: Troubles::default(),
            done: Done::default(),
            ending: watch::Sender::new(false),
            changes: watch::Sender::new(0),
            started: Instant::now(),
        }))
    }

    /// The key that makes and checks tokens.
    ///
    /// # Errors
    ///
    /// [`Error::NotAllowed`] if no token was ever made; what the store answers.
    pub fn token_key(&self) -> Result<Arc<TokenKey>> {
        let mut known = self.key.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = &*known {
            return Ok(Arc::clone(key));
        }
        let key = self.store.tokens().key()?;
        let key = key.ok_or_else(|| Error::NotAllowed {
            reason: "this server has made no token yet".into(),
        })?;
        Ok(Arc::clone(known.insert(Arc::new(key))))
    }

    /// Has the key of tokens looked up anew: there is another.
    pub fn forget_token_key(&self) {
        let mut known = self.key.lock().unwrap_or_else(PoisonError::into_inner);
        *known = None;
    }

    /// Whether there is room to take anything in.
    ///
    /// # Errors
    ///
    /// As [`check_room`].
    pub fn check_room(&self) -> Result<()> {
        check_room(&self.store.root(), self.settings.limits.free_bytes_min)
    }

    /// The time it is.
    ///
    /// # Errors
    ///
    /// [`Error::Time`] if the clock cannot be read.
    pub fn now(&self) -> Result<Time> {
        Ok(Time::now()?)
    }

    /// Does work that changes the store, at the time it is, and tells those who wait for a change.
    ///
    /// # Errors
    ///
    /// As [`Pool::run`].
    pub async fn write<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Store, Time) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let done = self.work(move |app| work(&app.store, app.now()?)).await;
        self.changed();
        done
    }

    /// What is known of a build.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is none; [`Error::Catalog`] if the catalog cannot be read.
    pub async fn build(self: &Arc<Self>, build: u64) -> Result<BuildRow> {
        self.work(move |app| app.store.reader()?.build(build)).await
    }

    /// Counts and says what went wrong where nobody waits for an answer; `doing` is what was being done.
    pub fn went_wrong(&self, doing: &str, error: &Error) {
        self.metrics.went_wrong(error);
        let kind = error.kind().word();
        self.troubles.say_seldom(doing, kind, &error.to_string());
    }

    /// Tells what happened in a repo, which is durable.
    pub fn tell(&self, repo: &RepoName, happened: Happened) {
        // Without a clock the event is told late rather than not at all.
        let time = self.now().unwrap_or_else(|_| Time::beginning());
        if let Some(target) = happened.moved() {
            self.jobs.moved(repo, target);
        }
        self.events.tell(repo, happened, time);
        self.changed();
    }

    /// Waits until the server ends.
    pub async fn ended(&self) {
        let mut ending = self.ending.subscribe();
        // Whoever ends it holds the other side, so it cannot go before.
        ending.wait_for(|is_ending| *is_ending).await.map(drop).ok();
    }

    /// Tells those who wait for a change of the store that there may have been one.
    pub fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// Does work that needs the store.
    ///
    /// # Errors
    ///
    /// As [`Pool::run`].
    pub async fn work<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let app = Arc::clone(self);
        self.pool.run(move || work(&app)).await
    }
}
