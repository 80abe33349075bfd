//! The API of a server, as calls: what the command line does on a store of this machine, done on a server.
//!
//! # Errors
//!
//! All calls: [`Error::Unreachable`] if the server cannot be reached,
//! [`Error::Remote`] with what it says if it could not do what it was asked.
//!
//! # Not here
//!
//! Filling builds with what lies on this machine (`remote::push`).

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use super::agent::Agent;
use crate::base::error::check_limit;
use crate::base::name::{CheckName, RefName, RepoName};
use crate::base::path::TreePath;
use crate::base::remark::Remark;
use crate::base::{Error, Result};
use crate::build::spec::{Which, which_repo};
use crate::remote::pin::{PIN_BYTES_MAX, Pin};
use crate::remote::wire::audit::{AuditSaid, RevokeTokens, RevokedTokens};
use crate::remote::wire::builds::{
    BuildSaid, BuildsPage, Commit, CreateBuild, CreatedBuild, EventsSaid, Publish, Publishing,
    ReceiptSaid, Stage, Withdrawal,
};
use crate::remote::wire::checks::ReportCheck;
use crate::remote::wire::jobs::{JobSaid, JobsPage, StartJob};
use crate::remote::wire::plans::Schedule;
use crate::remote::wire::refs::{
    Hold, RefSaid, Refs, ReleaseSaid, Releases, RepoSaid, Repos, Rollback,
};
use crate::remote::wire::repos::{CreateRepo, Retire, Retired};
use crate::remote::wire::snapshots::NamedSaid;
use crate::remote::wire::stats::StatsSaid;
use crate::store::retire::Mode;

/// Where the API begins.
pub const API: &str = "api/v1";
/// Pages of a list that are asked for in one go.
const PAGES_MAX: usize = 10_000;
/// Releases that are asked for at once.
const LOG_PAGE_RELEASES: usize = 1000;
/// Bytes of a log that is read: more than a million releases.
const LOG_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Bytes of a job's log.
const JOB_LOG_BYTES_MAX: u64 = 1024 * 1024;

/// Which builds are listed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted<'w> {
    /// Those of this repo.
    pub repo: Option<&'w RepoName>,
    /// Those in this state.
    pub state: Option<&'w str>,
}

#[allow(
    clippy::missing_errors_doc,
    reason = "the header says which errors all of them have"
)]
impl Agent {
    /// The repos that the caller may see.
    pub fn repos(&self) -> Result<Repos> {
        self.get(&format!("{API}/repos"))
    }

    /// The repo that is named, or the only one that the server shows: [`Error::Usage`] if it shows several,
    /// [`Error::NotFound`] if none.
    pub fn only_repo(&self, named: Option<&RepoName>) -> Result<RepoName> {
        match named {
            Some(repo) => Ok(repo.clone()),
            None => self.repo(None).map(|repo| repo.repo),
        }
    }

    /// Shows the repo that is named, or the only one: as [`only_repo`](Self::only_repo).
    pub fn repo(&self, named: Option<&RepoName>) -> Result<RepoSaid> {
        let mut repos = self.repos()?.repos;
        if let Some(named) = named {
            let found = repos.into_iter().find(|repo| repo.repo == *named);
            return found.ok_or_else(|| Error::not_found("repo", named));
        }
        match (repos.pop(), repos.is_empty()) {
            (Some(repo), true) => Ok(repo),
            (None, _) => Err(Error::not_found("repo at", self.server())),
            (Some(last), false) => {
                repos.push(last);
                Err(which_repo("server", repos.iter().map(|said| &said.repo)))
            }
        }
    }

    /// What is needed for first contact with a repo, as the server says.
    pub fn pin(&self, repo: &RepoName) -> Result<Pin> {
        let pin = Pin::parse(&self.text(&format!("r/{repo}/pin"), PIN_BYTES_MAX)?)?;
        self.check_repo(repo, &pin.repo)?;
        Ok(pin)
    }

    /// Checks that what the server shows of a repo is of that repo: [`Error::Untrusted`] if not.
    pub fn check_repo(&self, asked: &RepoName, shown: &RepoName) -> Result<()> {
        if asked == shown {
            return Ok(());
        }
        Err(Error::Untrusted {
            what: self.server().join(&format!("r/{asked}")),
            reason: format!("it shows the repo {shown}"),
        })
    }

    /// Sums over the store.
    pub fn stats(&self) -> Result<StatsSaid> {
        self.get(&format!("{API}/stats"))
    }

    /// The snapshot that a ref shows or has shown, or whose id begins like this.
    pub fn snapshot(&self, repo: &RepoName, name: &RefName, which: Which) -> Result<NamedSaid> {
        let spec = format!("{name}{which}");
        let spec = encoded(&spec);
        self.get(&format!("{API}/repos/{repo}/snapshots?spec={spec}"))
    }

    /// The snapshot that the test repository of a build shows.
    pub fn snapshot_of_build(&self, build: u64) -> Result<NamedSaid> {
        self.get(&format!("{API}/builds/{build}/snapshot"))
    }

    /// Makes a repo.
    pub fn create_repo(&self, repo: &CreateRepo) -> Result<RepoSaid> {
        self.post(&format!("{API}/repos"), repo)
    }

    /// Lets go of old releases, or says which would go.
    pub fn retire(&self, repo: &RepoName, what: &Retire, mode: Mode) -> Result<Retired> {
        let query = dry_run(mode);
        self.post(&format!("{API}/repos/{repo}/retire{query}"), what)
    }

    /// Lists lines of the audit log: from a cursor on, or the newest.
    pub fn audit(&self, after: Option<u64>, number: usize) -> Result<AuditSaid> {
        let after = after.map_or_else(String::new, |after| format!("&after={after}"));
        self.get(&format!("{API}/audit?number={number}{after}"))
    }

    /// Ends tokens.
    pub fn revoke(&self, tokens: &RevokeTokens) -> Result<RevokedTokens> {
        self.post(&format!("{API}/tokens/revoke"), tokens)
    }

    /// Lists the newest jobs: all that wait or run, and those that ended lately.
    pub fn jobs(&self) -> Result<Vec<JobSaid>> {
        let (mut jobs, mut query, mut last) = (Vec::new(), String::new(), None);
        for _ in 0..PAGES_MAX {
            let page: JobsPage = self.get(&format!("{API}/jobs{query}"))?;
            jobs.extend(page.jobs);
            match page.next {
                Some(next) if last.is_some_and(|last| next >= last) => return Err(self.endless()),
                Some(next) => (query, last) = (format!("?cursor={next}"), Some(next)),
                None => break,
            }
        }
        Ok(jobs)
    }

    /// Starts a job.
    pub fn start_job(&self, job: &StartJob) -> Result<JobSaid> {
        self.post(&format!("{API}/jobs"), job)
    }

    /// Shows a job.
    pub fn job(&self, id: &str) -> Result<JobSaid> {
        self.get(&format!("{API}/jobs/{}", encoded(id)))
    }

    /// What a job said, from a byte on.
    pub fn job_log(&self, id: &str, offset: u64) -> Result<String> {
        let path = format!("{API}/jobs/{}/log?offset={offset}", encoded(id));
        self.text(&path, JOB_LOG_BYTES_MAX)
    }

    /// Has a job tried again.
    pub fn retry_job(&self, id: &str) -> Result<JobSaid> {
        self.post(&format!("{API}/jobs/{}/retry", encoded(id)), &json!({}))
    }

    /// Cancels a job.
    pub fn cancel_job(&self, id: &str) -> Result<JobSaid> {
        self.post(&format!("{API}/jobs/{}/cancel", encoded(id)), &json!({}))
    }

    /// Makes a build.
    pub fn create_build(&self, repo: &RepoName, build: &CreateBuild) -> Result<CreatedBuild> {
        self.post(&format!("{API}/repos/{repo}/builds"), build)
    }

    /// Shows a build.
    pub fn build(&self, build: u64) -> Result<BuildSaid> {
        self.get(&format!("{API}/builds/{build}"))
    }

    /// Lists all builds that are wanted, oldest first.
    pub fn builds(&self, wanted: Wanted<'_>) -> Result<Vec<BuildSaid>> {
        let mut query = String::new();
        if let Some(repo) = wanted.repo {
            query.extend(["&repo=", repo.as_str()]);
        }
        if let Some(state) = wanted.state {
            query.extend(["&state=", state]);
        }
        let (mut builds, mut cursor, mut last) = (Vec::new(), String::new(), None);
        for _ in 0..PAGES_MAX {
            let page: BuildsPage = self.get(&format!("{API}/builds?{cursor}{query}"))?;
            builds.extend(page.builds);
            match page.next {
                Some(next) if last.is_some_and(|last| next >= last) => return Err(self.endless()),
                Some(next) => (cursor, last) = (format!("cursor={next}"), Some(next)),
                None => break,
            }
        }
        builds.reverse();
        Ok(builds)
    }

    /// Says what happened to a build.
    pub fn build_log(&self, build: u64) -> Result<EventsSaid> {
        self.get(&format!("{API}/builds/{build}/log"))
    }

    /// Takes a path out of what a build will publish.
    pub fn remove(&self, build: u64, path: &TreePath) -> Result<BuildSaid> {
        let said = Stage {
            at: path.clone(),
            tree: None,
            mode: None,
            remove: true,
        };
        self.post(&format!("{API}/builds/{build}/stage"), &said)
    }

    /// Freezes a build.
    pub fn commit(&self, build: u64, message: &str) -> Result<BuildSaid> {
        let message = message.to_owned();
        self.post(&format!("{API}/builds/{build}/commit"), &Commit { message })
    }

    /// Reports what a check found in a build.
    pub fn report_check(
        &self,
        build: u64,
        name: &CheckName,
        report: &ReportCheck,
    ) -> Result<BuildSaid> {
        self.put_document(&format!("{API}/builds/{build}/checks/{name}"), report)
    }

    /// Publishes a build, and waits until it is visible.
    pub fn publish(&self, build: u64, how: &Publish) -> Result<Publishing> {
        self.post(&format!("{API}/builds/{build}/publish?wait"), how)
    }

    /// Says when a build is to be published.
    pub fn schedule(&self, build: u64, when: &Schedule) -> Result<BuildSaid> {
        self.post(&format!("{API}/builds/{build}/schedule"), when)
    }

    /// Takes back when a build is to be published.
    pub fn unschedule(&self, build: u64) -> Result<BuildSaid> {
        self.delete(&format!("{API}/builds/{build}/schedule"))
    }

    /// Holds publishing a build back, or lets it go.
    pub fn hold_build(&self, build: u64, reason: Option<Remark>) -> Result<BuildSaid> {
        let path = format!("{API}/builds/{build}");
        match reason {
            Some(reason) => self.post(&format!("{path}/hold"), &Hold { reason }),
            None => self.post(&format!("{path}/release"), &json!({})),
        }
    }

    /// Takes a build's changes out of its ref.
    pub fn withdraw(&self, build: u64) -> Result<Withdrawal> {
        self.post(&format!("{API}/builds/{build}/withdraw"), &json!({}))
    }

    /// Ends a build, or says what that would free.
    pub fn purge(&self, build: u64, mode: Mode) -> Result<ReceiptSaid> {
        let query = dry_run(mode);
        self.delete(&format!("{API}/builds/{build}{query}"))
    }

    /// Lists the refs of a repo, by name.
    pub fn refs(&self, repo: &RepoName) -> Result<Vec<RefSaid>> {
        let (mut refs, mut query, mut last) = (Vec::new(), String::new(), None);
        for _ in 0..PAGES_MAX {
            let page: Refs = self.get(&format!("{API}/repos/{repo}/refs{query}"))?;
            refs.extend(page.refs);
            match page.next {
                Some(next) if last.as_ref().is_some_and(|last: &RefName| next <= *last) => {
                    return Err(self.endless());
                }
                Some(next) => {
                    query = format!("?cursor={}", encoded(next.as_str()));
                    last = Some(next);
                }
                None => break,
            }
        }
        Ok(refs)
    }

    /// Lists the newest releases of a ref, at most so many, newest first: [`Error::NotFound`] if there is no such ref, also if none
    /// are wanted; [`Error::Malformed`] or [`Error::Limit`] if the list has no end.
    pub fn releases(
        &self,
        repo: &RepoName,
        target: &RefName,
        number: usize,
    ) -> Result<Vec<ReleaseSaid>> {
        // With one, whether there is such a ref is answered, too.
        let asked = number.max(1);
        let (mut releases, mut held_bytes) = (Vec::new(), 0);
        let mut cursor: Option<u64> = None;
        loop {
            let wanted = (asked - releases.len()).min(LOG_PAGE_RELEASES);
            let before = cursor.map_or_else(String::new, |cursor| format!("&cursor={cursor}"));
            let path = format!("{API}/repos/{repo}/refs/{target}/log?number={wanted}{before}");
            let page: Releases = self.get(&path)?;
            let count = page.releases.len();
            for said in page.releases {
                held_bytes += said.held_bytes();
                check_limit("a log, in bytes,", held_bytes, LOG_BYTES_MAX)?;
                releases.push(said);
            }
            if count > wanted {
                return Err(self.endless());
            }
            match page.next {
                Some(next) if releases.len() < asked => {
                    // So a list that goes on ends at the limit, after few pages.
                    if count < wanted || cursor.is_some_and(|cursor| next >= cursor) {
                        return Err(self.endless());
                    }
                    cursor = Some(next);
                }
                _ => break,
            }
        }
        releases.truncate(number);
        Ok(releases)
    }

    /// That a list in pages would not end, or has more on a page than was asked for.
    fn endless(&self) -> Error {
        let reason = format!(
            "{} shows a list that does not go on as it should",
            self.server()
        );
        Error::malformed("answer", reason)
    }

    /// Shows an older release of a ref again.
    pub fn roll_back(
        &self,
        repo: &RepoName,
        target: &RefName,
        how: &Rollback,
    ) -> Result<Publishing> {
        self.post(&format!("{API}/repos/{repo}/refs/{target}/rollback"), how)
    }

    /// Holds a ref back, or lets it go.
    pub fn hold(
        &self,
        repo: &RepoName,
        target: &RefName,
        reason: Option<Remark>,
    ) -> Result<RefSaid> {
        let path = format!("{API}/repos/{repo}/refs/{target}");
        match reason {
            Some(reason) => self.post(&format!("{path}/hold"), &Hold { reason }),
            None => self.post(&format!("{path}/release"), &json!({})),
        }
    }
}

/// What was typed, as a part of a path or a value of a query.
fn encoded(text: &str) -> impl std::fmt::Display {
    utf8_percent_encode(text, NON_ALPHANUMERIC)
}

const fn dry_run(mode: Mode) -> &'static str {
    match mode {
        Mode::Apply => "",
        Mode::DryRun => "?dry_run",
    }
}
