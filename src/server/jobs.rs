//! Jobs: work that the server does beside answering, one at a time, and what is known of it.
//!
//! Deltas come up when a ref shows something new, and follow from the releases alone: whatever was not done is found again
//! when the server starts. Checks are done when somebody asks for them.
//!
//! # Invariants
//!
//! - A publish never waits for a job.
//! - So many jobs wait, and so many that ended are remembered.
//!
//! # Not here
//!
//! Doing them (`server::job_work`).

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::job_book::{Begun, Book, Task, key};
use crate::base::clock::Time;
use crate::base::name::{RefName, RepoName};
use crate::base::{Error, Result};
use crate::delta::prepare::{Owed, owed, owed_for};
use crate::remote::wire::jobs::{JobKind, JobSaid, JobState};
use crate::store::Store;

/// Jobs that wait.
pub const WAITING_MAX: usize = 10_000;
/// Jobs on one page.
pub const PAGE_JOBS_MAX: usize = 100;

/// The jobs of a server.
#[derive(Debug)]
pub struct Jobs {
    /// Tells this run of the server from others.
    run: u64,
    book: Mutex<Book>,
    /// Wakes whoever does them.
    pub(super) news: Notify,
}

impl Jobs {
    /// Starts with none; all refs are looked at before the first is begun.
    #[must_use]
    pub fn new(run: u64) -> Self {
        let book = Book {
            next: 1,
            is_all_new: true,
            ..Book::default()
        };
        Self {
            run,
            book: Mutex::new(book),
            news: Notify::new(),
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that a ref shows something new.
    pub fn moved(&self, repo: &RepoName, target: &RefName) {
        self.book().moved.insert((repo.clone(), target.clone()));
        self.news.notify_one();
    }

    /// Takes in a job that somebody asks for.
    ///
    /// # Errors
    ///
    /// [`Error::TooMany`] if [`WAITING_MAX`] wait already.
    pub fn start(&self, task: Task, now: Time) -> Result<JobSaid> {
        let mut book = self.book();
        if book.waiting() >= WAITING_MAX {
            return Err(Error::TooMany {
                what: "jobs that wait",
                max: WAITING_MAX as u64,
            });
        }
        let number = book.add(task, now);
        let said = self.said(&book, number);
        drop(book);
        self.news.notify_one();
        said
    }

    /// Takes in a job that is done at once, beside the others.
    pub(super) fn begin_at_once(&self, task: Task, now: Time) -> Option<Begun> {
        let mut book = self.book();
        let number = book.add(task, now);
        book.begin(number, now)
    }

    /// The jobs, newest first, at most [`PAGE_JOBS_MAX`]: those with smaller numbers than `before`, if that is said; and the
    /// number before which the next page begins.
    ///
    /// # Errors
    ///
    /// None that is to be expected.
    pub fn page(&self, before: Option<u64>) -> Result<(Vec<JobSaid>, Option<u64>)> {
        let book = self.book();
        let older = book.jobs.range(..before.unwrap_or(u64::MAX)).rev();
        let page: Vec<u64> = older
            .map(|(number, _)| *number)
            .take(PAGE_JOBS_MAX)
            .collect();
        let next = page.last().copied().filter(|_| page.len() == PAGE_JOBS_MAX);
        let said = page.iter().map(|number| self.said(&book, *number));
        Ok((said.collect::<Result<_>>()?, next))
    }

    /// Shows a job.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is none with this id; so for the others.
    pub fn show(&self, id: &str) -> Result<JobSaid> {
        let number = self.number(id)?;
        self.said(&self.book(), number)
    }

    /// Shows the log of a job from a byte on.
    ///
    /// # Errors
    ///
    /// As [`show`](Self::show).
    pub fn log(&self, id: &str, offset: u64) -> Result<String> {
        let number = self.number(id)?;
        let book = self.book();
        let job = book.jobs.get(&number).ok_or_else(|| unknown(id))?;
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        // Lines are cut where somebody else stopped reading, which is at their ends.
        Ok(job.log.get(offset..).unwrap_or_default().to_owned())
    }

    /// Lets a job wait again that failed or was cancelled.
    ///
    /// # Errors
    ///
    /// As [`show`](Self::show); [`Error::Refused`] if it is in another state.
    pub fn retry(&self, id: &str, now: Time) -> Result<JobSaid> {
        let number = self.number(id)?;
        let mut book = self.book();
        let job = book.jobs.get_mut(&number).ok_or_else(|| unknown(id))?;
        if !matches!(job.state, JobState::Failed | JobState::Cancelled) {
            let state = job.state.name();
            return Err(Error::refused(format!(
                "job {id} is {state}: only what failed or was cancelled is tried again"
            )));
        }
        job.state = JobState::Waiting;
        (job.started, job.ended, job.reason) = (None, None, None);
        job.tally = Arc::default();
        job.write(now, "to be tried again");
        if let Task::Delta(owed) = job.task.clone() {
            book.attempts.forgive(&owed);
            book.open.insert(key(&owed));
        }
        let said = self.said(&book, number);
        drop(book);
        self.news.notify_one();
        said
    }

    /// Cancels a job that waits or runs; one that runs ends soon.
    ///
    /// # Errors
    ///
    /// As [`show`](Self::show); [`Error::Refused`] if it has ended.
    pub fn cancel(&self, id: &str, now: Time) -> Result<JobSaid> {
        let number = self.number(id)?;
        let mut book = self.book();
        let job = book.jobs.get_mut(&number).ok_or_else(|| unknown(id))?;
        match job.state {
            JobState::Waiting => {
                if let Task::Delta(owed) = job.task.clone() {
                    book.attempts.begin(&owed);
                }
                book.end(number, JobState::Cancelled, now, "cancelled");
            }
            JobState::Running => job.tally.stop(),
            JobState::Done | JobState::Failed | JobState::Cancelled => {
                let state = job.state.name();
                return Err(Error::refused(format!("job {id} is {state} already")));
            }
        }
        self.said(&book, number)
    }

    /// Has the jobs that run end soon, because the server does; and those that are begun at the last moment.
    pub(super) fn stop(&self) {
        let mut book = self.book();
        book.is_ending = true;
        for job in book.jobs.values() {
            if job.state == JobState::Running {
                job.tally.stop();
            }
        }
    }

    /// How many wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.book().waiting()
    }

    /// Looks at the refs that show something new, and begins the next job, if there is one.
    ///
    /// # Errors
    ///
    /// What the store answers.
    pub(super) fn begin(&self, store: &Store, now: Time) -> Result<Option<Begun>> {
        self.look(store, now)?;
        loop {
            let Some(begun) = self.book().begin_next(now) else {
                return Ok(None);
            };
            let Task::Delta(delta) = &begun.task else {
                return Ok(Some(begun));
            };
            // Its ref may show something newer since it came up.
            let still = owed_for(store, &delta.repo.name, &delta.target);
            // One that cannot be looked at is not left as if it ran.
            let still = still.inspect_err(|error| {
                let words = error.to_string();
                self.book().end(begun.number, JobState::Failed, now, &words);
            })?;
            let same = |other: &Owed| (other.from, other.to) == (delta.from, delta.to);
            if still.iter().any(same) {
                return Ok(Some(begun));
            }
            let mut book = self.book();
            book.end(
                begun.number,
                JobState::Cancelled,
                now,
                "not wanted any more",
            );
            book.attempts.forget(delta.to.id);
        }
    }

    fn look(&self, store: &Store, now: Time) -> Result<()> {
        let (moved, is_all_new) = {
            let mut book = self.book();
            let all = std::mem::take(&mut book.is_all_new);
            (std::mem::take(&mut book.moved), all)
        };
        let found = if is_all_new {
            owed(store)
        } else {
            let found = moved.iter();
            let found = found.map(|(repo, target)| owed_for(store, repo, target));
            found
                .collect::<Result<Vec<_>>>()
                .map(|found| found.concat())
        };
        // What could not be looked at is looked at again.
        let mut found = found.inspect_err(|_| self.book().is_all_new = true)?;
        let mut book = self.book();
        let room = WAITING_MAX.saturating_sub(book.waiting());
        let may_begin =
            |owed: &Owed| book.attempts.may_begin(store, owed) && !book.open.contains(&key(owed));
        found.retain(may_begin);
        // What does not fit is found again once there is room.
        book.is_all_new |= found.len() > room;
        for owed in found.into_iter().take(room) {
            book.add(Task::Delta(Box::new(owed)), now);
        }
        Ok(())
    }

    /// Writes down how a job ended: with what is said of it, or with an error. Returns the state that this gives it.
    pub(super) fn end(
        &self,
        begun: &Begun,
        outcome: Result<String>,
        took: Duration,
        now: Time,
    ) -> JobState {
        let mut book = self.book();
        if let Task::Delta(owed) = &begun.task {
            book.attempts.end(owed, took);
        }
        let (state, words) = match outcome {
            Ok(words) => (JobState::Done, words),
            Err(Error::Interrupted) => (JobState::Cancelled, "cancelled".to_owned()),
            Err(error) => (JobState::Failed, error.to_string()),
        };
        book.end(begun.number, state, now, &words);
        state
    }

    fn number(&self, id: &str) -> Result<u64> {
        let parsed = id.split_once('-').and_then(|(run, number)| {
            let run: u64 = run.parse().ok()?;
            number.parse().ok().filter(|_| run == self.run)
        });
        parsed.ok_or_else(|| unknown(id))
    }

    fn said(&self, book: &Book, number: u64) -> Result<JobSaid> {
        let id = format!("{}-{number}", self.run);
        let job = book.jobs.get(&number).ok_or_else(|| unknown(&id))?;
        let (kind, repo, delta) = match &job.task {
            Task::Delta(owed) => (JobKind::Delta, Some(owed.repo.name.clone()), Some(owed)),
            Task::Mirror(_) => (JobKind::Mirror, None, None),
            Task::Verify(repo) => (JobKind::Verify, Some(repo.clone()), None),
            Task::Scrub => (JobKind::Scrub, None, None),
        };
        let url = match &job.task {
            Task::Mirror(mirror) => Some(mirror.url().to_owned()),
            _ => None,
        };
        Ok(JobSaid {
            id,
            kind,
            state: job.state,
            url,
            repo,
            target: delta.map(|owed| owed.target.clone()),
            from: delta.map(|owed| owed.from.id),
            to: delta.map(|owed| owed.to.id),
            created: job.created,
            started: job.started,
            ended: job.ended,
            done_bytes: job.tally.done.load(Ordering::Relaxed),
            expected_bytes: job.tally.expected.load(Ordering::Relaxed),
            reason: job.reason.clone(),
        })
    }
}

fn unknown(id: &str) -> Error {
    Error::not_found("job", id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_cancelled_tried_again_and_told_apart_from_those_of_another_run() -> Result<()> {
        let (jobs, now) = (Jobs::new(7), Time::beginning());
        let first = jobs.start(Task::Scrub, now)?;
        let second = jobs.start(Task::Scrub, now)?;
        assert_eq!((jobs.waiting(), first.id.as_str()), (2, "7-1"));
        assert_eq!(jobs.cancel(&first.id, now)?.state, JobState::Cancelled);
        assert!(matches!(
            jobs.cancel(&first.id, now),
            Err(Error::Refused { .. })
        ));
        assert!(matches!(
            jobs.retry(&second.id, now),
            Err(Error::Refused { .. })
        ));
        let begun = jobs.book().begin_next(now);
        let begun = begun.ok_or_else(|| Error::internal("the second waits"))?;
        assert_eq!(jobs.show(&second.id)?.state, JobState::Running);
        // One that runs is told to end, and has ended when it says so.
        assert_eq!(jobs.cancel(&second.id, now)?.state, JobState::Running);
        let given_up = crate::base::progress::Progress::check(&*begun.tally);
        assert!(matches!(given_up, Err(Error::Interrupted)));
        let state = jobs.end(
            &begun,
            given_up.map(|()| String::new()),
            Duration::ZERO,
            now,
        );
        assert_eq!(state, JobState::Cancelled);
        let again = jobs.retry(&second.id, now)?;
        assert_eq!((again.state, again.ended), (JobState::Waiting, None));
        assert!(jobs.log(&second.id, 0)?.contains("to be tried again"));
        assert!(matches!(jobs.show("8-1"), Err(Error::NotFound { .. })));
        Ok(())
    }
}
