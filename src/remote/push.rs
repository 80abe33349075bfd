//! Push: files of this machine go into a build elsewhere, which is sent no more than it lacks.
//!
//! # How
//!
//! Files are read and hashed in order. At first what was read is held until the other side has been asked about it, a
//! window at a time; what it lacks is compressed and sent while the next files are read. When it turns out to have most of a
//! window, the rest is only hashed: then it is asked about trees from the top down, one that is there being there with
//! everything beneath, and the files that it lacks are read once more. So a new tree is read once, and the next version of
//! a tree costs few questions.
//!
//! # Invariants
//!
//! - A push that was interrupted goes on by asking again: what has arrived is not sent twice.
//! - The other side is not told to stage anything before everything was sent.
//!
//! # Not here
//!
//! How files are read and trees made (`build::stage`), what the other side checks (`remote::store_builds`).

mod asking;
mod lacking;
mod outbox;
mod outgoing;
mod sent;
#[cfg(test)]
mod tests;

use std::thread;

use self::asking::Asking;
use self::outbox::{Couriers, Outbox};
use self::outgoing::{Outgoing, WINDOW_BYTES};
pub use self::sent::Sent;
use super::builds::{Builds, Committed};
use super::wire::builds::StageMode;
use crate::base::name::RefName;
use crate::base::path::TreePath;
use crate::base::progress::Progress;
use crate::base::{Error, Result};
use crate::build::publish::PublishAnswer;
use crate::build::stage::{Source, on_all_threads};
use crate::object::edit::Written;

/// Where a directory goes, and how far.
#[derive(Clone, Debug)]
pub struct PushOptions {
    /// The ref that the build is for, if the caller says so: it is not committed if it is for another one.
    pub target: Option<RefName>,
    /// Where the directory goes in the build.
    pub at: TreePath,
    /// Whether it is merged into what is there, or put in its place.
    pub mode: StageMode,
    /// How far it goes.
    pub goal: Goal,
}

/// How far a push goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Goal {
    /// The build stays open.
    Stage,
    /// The build is committed, with this message.
    Commit(String),
    /// The build is committed, with this message, and published.
    Publish(String),
}

/// What a push did, or how far it came.
#[derive(Clone, Debug)]
pub struct PushAnswer {
    /// The build.
    pub build: u64,
    /// Objects that were sent.
    pub sent_objects: u64,
    /// The bytes of the packs that were sent.
    pub sent_bytes: u64,
    /// How often the other side was asked, the packs included.
    pub requests: u64,
    /// The build after its commit.
    pub committed: Option<Committed>,
    /// The release that it became part of.
    pub published: Option<PublishAnswer>,
}

impl PushAnswer {
    /// A push to a build, before anything is done; how often the other side was asked already.
    #[must_use]
    pub const fn begin(build: u64, requests: u64) -> Self {
        Self {
            build,
            sent_objects: 0,
            sent_bytes: 0,
            requests,
            committed: None,
            published: None,
        }
    }
}

/// Pushes a directory to the open build that `answer` names, and tells there what it did.
///
/// # Errors
///
/// What the other side answers, and [`Error::Source`] for a file that cannot be read or changes while
/// it is read; [`Error::Refused`] if the build turns out to be for another ref. What has arrived stays
/// in the build: the same push to it goes on.
pub fn push(
    source: &Source,
    to: &dyn Builds,
    options: &PushOptions,
    progress: &dyn Progress,
    answer: &mut PushAnswer,
) -> Result<()> {
    let (build, sources) = (answer.build, std::slice::from_ref(source));
    let place = (&options.at, options.mode);
    let (sent, target) = stage_and_tell(sources, to, build, place, progress)?;
    answer.sent_objects = sent.objects;
    answer.sent_bytes = sent.bytes;
    answer.requests += sent.requests;
    check_target(build, target.as_ref(), options.target.as_ref())?;
    if let Goal::Commit(message) | Goal::Publish(message) = &options.goal {
        answer.requests += 1;
        answer.committed = Some(to.commit(build, message)?);
    }
    if matches!(options.goal, Goal::Publish(_)) {
        answer.requests += 1;
        answer.published = Some(to.publish(build)?);
    }
    Ok(())
}

/// Checks that a build is for the ref that was said, if one was.
///
/// # Errors
///
/// [`Error::Refused`] if it is for another one, or for none.
pub fn check_target(build: u64, found: Option<&RefName>, said: Option<&RefName>) -> Result<()> {
    let Some(said) = said.filter(|said| Some(*said) != found) else {
        return Ok(());
    };
    let found = found.map_or("no ref", RefName::as_str);
    Err(Error::refused(format!(
        "build {build} is for {found}, not for {said}: leave out --ref, or name another build"
    )))
}

/// Sends a build elsewhere what it lacks of some sources, and stages them there: each its files in the directory that is said.
///
/// # Errors
///
/// As [`push`]; nothing is staged if a source could not be read or sent.
pub fn stage_at(
    sources: &[Source],
    to: &dyn Builds,
    build: u64,
    place: (&TreePath, StageMode),
    progress: &dyn Progress,
) -> Result<Sent> {
    Ok(stage_and_tell(sources, to, build, place, progress)?.0)
}

/// As [`stage_at`]; tells also which ref the build is for, if it is for one.
fn stage_and_tell(
    sources: &[Source],
    to: &dyn Builds,
    build: u64,
    (at, mode): (&TreePath, StageMode),
    progress: &dyn Progress,
) -> Result<(Sent, Option<RefName>)> {
    let (written, mut sent) = send(sources, to, build, WINDOW_BYTES, progress)?;
    let mut target = None;
    for written in written {
        target = to.stage(build, at, written.tree, mode)?;
        sent.requests += 1;
    }
    Ok((sent, target))
}

/// Sends a build elsewhere what it lacks of some sources; tells what trees they are. Objects are held until there are
/// `window_bytes` of them.
fn send(
    sources: &[Source],
    to: &dyn Builds,
    build: u64,
    window_bytes: u64,
    progress: &dyn Progress,
) -> Result<(Vec<Written>, Sent)> {
    for source in sources {
        progress.expect(source.bytes());
    }
    thread::scope(|threads| {
        let (couriers, post) = Couriers::start(threads, to, build);
        let outcome = on_all_threads(|scope| -> Result<(Vec<Written>, Sent)> {
            let asking = Asking::new(to, build);
            let mut outgoing = Outgoing::new(scope, Outbox::new(post), asking, window_bytes);
            let written = sources
                .iter()
                .map(|source| outgoing.send(scope, source, progress));
            let written = written.collect::<Result<Vec<Written>>>()?;
            Ok((written, outgoing.finish()?))
        });
        // If sending failed, that is why the rest did.
        let packs = couriers.join()?;
        let (written, mut sent) = outcome?;
        sent.requests += packs;
        for written in &written {
            sent.files += written.totals.files();
            sent.file_bytes += written.totals.bytes();
        }
        Ok((written, sent))
    })
}
