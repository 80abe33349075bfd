//! Changes that are under way: whoever asked for one may go, it is seen through to its end all the same.
//!
//! # Invariants
//!
//! - A change that was begun is not given up half-way because its connection has ended: what follows its durable part, such as
//!   the event that tells of it and the answer that is kept for those who ask again, is done, too.
//! - So many are under way at a time; more are refused before they begin.
//! - The end of the server waits for them ([`UnderWay::all_done`]).
//!
//! # Not here
//!
//! Which requests are changes (`server::route_table`), how long the end waits (`server::serve`).

use tokio::sync::watch;

use super::answer::{Answer, Failure};
use crate::base::{Error, Result};

/// Changes that are under way at a time, with those that wait for their turn or for the store: as many as may wait for the store.
pub const UNDER_WAY_MAX: usize = 4096;

/// The changes that are under way.
#[derive(Debug)]
pub struct UnderWay(watch::Sender<usize>);

impl Default for UnderWay {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

/// A change that is under way until this is dropped.
#[must_use]
#[derive(Debug)]
pub struct Going(watch::Sender<usize>);

impl Drop for Going {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

impl UnderWay {
    /// Counts a change that begins.
    ///
    /// # Errors
    ///
    /// [`Error::TooMany`] if too many are under way.
    pub fn begin(&self) -> Result<Going> {
        let begun = self.0.send_if_modified(|count| {
            let is_room = *count < UNDER_WAY_MAX;
            *count += usize::from(is_room);
            is_room
        });
        if begun {
            return Ok(Going(self.0.clone()));
        }
        Err(Error::TooMany {
            what: "changes that are under way",
            max: UNDER_WAY_MAX as u64,
        })
    }

    /// Does a change on a task of its own, which goes on when this future is dropped, and returns its answer.
    ///
    /// # Errors
    ///
    /// As [`begin`](Self::begin); [`Error::Internal`] if the change broke a promise; and its own.
    pub async fn see_through(
        &self,
        change: impl Future<Output = Result<Answer, Failure>> + Send + 'static,
    ) -> Result<Answer, Failure> {
        let going = self.begin()?;
        let done = tokio::spawn(async move {
            let done = change.await;
            drop(going);
            done
        });
        let done = done.await;
        done.map_err(|error| Error::internal(format!("a change ended early: {error}")))?
    }

    /// Waits until none is under way.
    pub async fn all_done(&self) {
        let mut count = self.0.subscribe();
        // This side is here, so the other one cannot have gone.
        count.wait_for(|count| *count == 0).await.map(drop).ok();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use axum::http::StatusCode;
    use tokio::sync::{Notify, oneshot};
    use tokio::time::timeout;

    use super::*;
    use crate::server::answer::json;

    type Outcome = std::result::Result<(), Box<dyn std::error::Error>>;

    #[test]
    fn a_change_goes_on_when_nobody_waits_and_the_end_waits_for_it() -> Outcome {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let (under_way, go) = (UnderWay::default(), Arc::new(Notify::new()));
            let (tell, told) = oneshot::channel();
            let waits = Arc::clone(&go);
            let change = under_way.see_through(async move {
                waits.notified().await;
                tell.send(()).ok();
                json(StatusCode::OK, &1)
            });
            let soon = Duration::from_millis(20);
            assert!(timeout(soon, change).await.is_err(), "who asked has gone");
            assert!(timeout(soon, under_way.all_done()).await.is_err());
            go.notify_one();
            told.await?;
            under_way.all_done().await;
            Ok::<_, Box<dyn std::error::Error>>(())
        })
    }

    #[test]
    fn so_many_are_under_way_and_one_that_breaks_a_promise_is_none_any_more() -> Outcome {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        runtime.block_on(async {
            let under_way = UnderWay::default();
            let all = (0..UNDER_WAY_MAX).map(|_| under_way.begin());
            let mut all: Vec<Going> = all.collect::<Result<_>>()?;
            let error = under_way.begin().err();
            assert!(matches!(error, Some(Error::TooMany { .. })), "{error:?}");
            all.pop();
            let broken = under_way.see_through(async {
                assert!(std::hint::black_box(false), "broken");
                json(StatusCode::OK, &1)
            });
            let failure = broken.await.err().ok_or("it broke")?;
            assert_eq!(failure.status, StatusCode::INTERNAL_SERVER_ERROR);
            drop(under_way.begin()?);
            all.clear();
            under_way.all_done().await;
            Ok(())
        })
    }
}
