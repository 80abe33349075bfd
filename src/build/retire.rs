//! Retire: which old releases are let go of, and why the others stay.
//!
//! # Invariants
//!
//! - What a ref shows now stays. Without a rule everything does.
//! - Where a rule lets something go, a tagged release stays all the same, unless it is said that tags do not count.
//!
//! # Not here
//!
//! Letting go of them (`Store::retire_releases`).

use crate::base::clock::Time;
use crate::base::name::{RefName, RepoName};
use crate::base::{Error, Kind, Result};
use crate::object::label::TAG;
use crate::store::Store;
use crate::store::rows::{RefRow, ReleaseRow, RepoRow};
use crate::store::settings::RefPolicy;
use crate::store::view::View;

/// Seconds of a day.
const DAY_SECONDS: u64 = 24 * 60 * 60;

/// Which releases of a ref stay: those that one of the rules keeps. A rule that is not said is that of the ref's policy;
/// but where how many or how young is said, neither is asked of the policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// The last so many.
    pub last: Option<u64>,
    /// Those younger than so many seconds.
    pub younger_s: Option<u64>,
    /// Whether tagged ones stay.
    pub tagged: Option<Tagged>,
}

/// What becomes of tagged releases that no other rule keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tagged {
    /// They stay.
    Keep,
    /// They go.
    LetGo,
}

impl From<bool> for Tagged {
    fn from(keep: bool) -> Self {
        if keep { Self::Keep } else { Self::LetGo }
    }
}

impl Keep {
    fn or(self, policy: &RefPolicy) -> Self {
        let tagged = self.tagged.or(Some(Tagged::from(policy.keep_tagged)));
        if self.last.is_some() || self.younger_s.is_some() {
            return Self { tagged, ..self };
        }
        Self {
            last: policy.keep_last,
            younger_s: policy
                .keep_days
                .map(|days| days.saturating_mul(DAY_SECONDS)),
            tagged,
        }
    }
}

/// Why a release stays: the first reason that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// It is what its ref shows now.
    Shown,
    /// There is no rule for its ref.
    NoRule,
    /// It is one of the last so many.
    Last(u64),
    /// It is younger than so many seconds.
    Younger(u64),
    /// A snapshot of it has this tag.
    Tagged(String),
    /// A snapshot of it cannot be read, so nobody knows whether it has a tag.
    Unreadable,
}

/// Which releases go and which stay, ref by ref, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Plan {
    /// Those that go.
    pub going: Vec<(RefName, ReleaseRow)>,
    /// Those that stay.
    pub kept: Vec<(RefName, ReleaseRow, Why)>,
}

impl Plan {
    /// The releases that go, as `Store::retire_releases` takes them: by ref, epoch and seq.
    #[must_use]
    pub fn ids(&self) -> Vec<(RefName, u64, u64)> {
        let going = self.going.iter();
        going
            .map(|(target, row)| (target.clone(), row.epoch, row.seq))
            .collect()
    }
}

/// Plans a retirement: of one ref, or of every ref of a repo.
///
/// # Errors
///
/// [`Error::NotFound`] if there is no such repo or ref.
pub fn plan(
    store: &Store,
    repo: &RepoName,
    target: Option<&RefName>,
    keep: Keep,
    time: Time,
) -> Result<Plan> {
    let reader = store.reader()?;
    let repo = reader.repo(repo)?;
    let refs = match target {
        Some(target) => vec![
            reader
                .find_ref(&repo, target)?
                .ok_or_else(|| Error::not_found("ref", target))?,
        ],
        None => reader.refs(&repo)?,
    };
    let view = store.view(&repo.name, &[])?;
    let mut plan = Plan::default();
    for row in refs {
        let keep = keep.or(&store.settings().policy(&row.name));
        plan.add_ref(&view, &repo, &row, keep, time)?;
    }
    Ok(plan)
}

impl Plan {
    fn add_ref(
        &mut self,
        view: &View<'_>,
        repo: &RepoRow,
        row: &RefRow,
        keep: Keep,
        time: Time,
    ) -> Result<()> {
        let releases = view.store().reader()?.releases(repo, &row.name)?;
        let newest_first = releases
            .into_iter()
            .filter(|release| !release.retired)
            .rev();
        for (place, release) in (0..).zip(newest_first) {
            let target = row.name.clone();
            match why_kept(view, row, &release, place, keep, time)? {
                Some(why) => self.kept.push((target, release, why)),
                None => self.going.push((target, release)),
            }
        }
        Ok(())
    }
}

/// Why the release that has `place` newer ones stays; `None` if it goes.
fn why_kept(
    view: &View<'_>,
    row: &RefRow,
    release: &ReleaseRow,
    place: u64,
    keep: Keep,
    time: Time,
) -> Result<Option<Why>> {
    let current = row.current.map(|current| (current.epoch, current.seq));
    if current == Some((release.epoch, release.seq)) {
        return Ok(Some(Why::Shown));
    }
    if keep.last.is_none() && keep.younger_s.is_none() {
        return Ok(Some(Why::NoRule));
    }
    if let Some(last) = keep.last.filter(|last| place < *last) {
        return Ok(Some(Why::Last(last)));
    }
    let is_younger = |seconds: &u64| release.time.plus_seconds(*seconds) > time;
    if let Some(seconds) = keep.younger_s.filter(is_younger) {
        return Ok(Some(Why::Younger(seconds)));
    }
    if keep.tagged == Some(Tagged::LetGo) {
        return Ok(None);
    }
    match tag(view, release) {
        Ok(tag) => Ok(tag.map(Why::Tagged)),
        // Not found is what was published since the view was made.
        Err(error) if matches!(error.kind(), Kind::Integrity | Kind::NotFound) => {
            Ok(Some(Why::Unreadable))
        }
        Err(error) => Err(error),
    }
}

/// The tag of a release that is not retired, if it has one: the label [`TAG`] of what it shows, or else of the last of its
/// builds that has one.
///
/// # Errors
///
/// [`Error::Damaged`] if a snapshot of it cannot be read.
pub fn tag(view: &View<'_>, release: &ReleaseRow) -> Result<Option<String>> {
    let builds = release.imports.iter().rev().map(|import| import.snapshot);
    for snapshot in std::iter::once(release.snapshot).chain(builds) {
        if let Some(tag) = view.snapshot_of_size(snapshot)?.labels.value(TAG) {
            return Ok(Some(tag.to_owned()));
        }
    }
    Ok(None)
}
