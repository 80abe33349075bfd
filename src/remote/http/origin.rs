//! A repo on a server, or on any web server that has the files of a static export, as an origin.
//!
//! # Invariants
//!
//! - Nothing that is answered is believed here: only how long it may be is checked, before it is read.
//!
//! # Not here
//!
//! What is asked for, and whether it holds (`remote::follow`, `remote::pull`).

use std::io::Read;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::agent::{Agent, Opened};
use crate::base::id::{Hash, StatementId};
use crate::base::limits::{FRAME_BYTES_MAX, PACK_BYTES_MAX};
use crate::base::name::RepoName;
use crate::base::{Error, Kind, Result};
use crate::remote::origin::{Origin, Part, Sink, Wanted, placed};
use crate::store::arrival::Promise;
use crate::store::note_files::{
    HEADS_NOTE_BYTES_MAX, KEYSET_NOTE_BYTES_MAX, STATEMENT_NOTE_BYTES_MAX,
};
use crate::store::rows::SnapshotRef;
use crate::trust::heads::RefsObject;

/// How often a pack that broke off is gone on with.
pub const RESUMES_MAX: u32 = 5;
/// Bytes that are moved at once.
const CHUNK_BYTES: usize = 256 * 1024;

/// A repo on a server. The agent's URL is that of the repo, such as `https://example.org/r/os`.
#[derive(Debug)]
pub struct HttpOrigin {
    agent: Agent,
    singles: Mutex<Singles>,
}

/// The answers that came one after the other since the heads were asked for: each may be slow, and all of them may not.
#[derive(Debug)]
struct Singles {
    answers: u64,
    bytes: u64,
    elapsed: Duration,
}

impl Singles {
    const NONE: Self = Self {
        answers: 0,
        bytes: 0,
        elapsed: Duration::ZERO,
    };
}

impl HttpOrigin {
    /// The repo at the agent's URL.
    #[must_use]
    pub const fn new(agent: Agent) -> Self {
        Self {
            agent,
            singles: Mutex::new(Singles::NONE),
        }
    }

    /// Asks for a file, and gives up a server that lets whoever asks for many of them wait for each.
    fn fetch(&self, path: &str, bytes_max: u64) -> Result<Option<Vec<u8>>> {
        let started = Instant::now();
        let mut paused = Duration::ZERO;
        let found = self.agent.fetch_paused(path, bytes_max, &mut paused)?;
        let mut singles = self.singles.lock().unwrap_or_else(PoisonError::into_inner);
        singles.answers += 1;
        singles.bytes += found.as_ref().map_or(0, |bytes| bytes.len() as u64);
        // A pause that it asked for is no slowness, and has a limit of its own.
        singles.elapsed += started.elapsed().saturating_sub(paused);
        let waits = self.agent.waits();
        if waits.are_too_slow(singles.elapsed, singles.answers, singles.bytes) {
            return Err(Error::Unreachable {
                place: self.place(),
                reason: format!(
                    "{} answers took it {} s, less than {} a second",
                    singles.answers,
                    singles.elapsed.as_secs(),
                    waits.answers_per_second_min
                ),
            });
        }
        Ok(found)
    }

    fn must(&self, what: &'static str, path: &str, bytes_max: u64) -> Result<Vec<u8>> {
        let found = self.fetch(path, bytes_max)?;
        found.ok_or_else(|| Error::not_found(what, self.agent.server().join(path)))
    }

    /// That a pack cannot be gone on with.
    fn changed(&self, path: &str, reason: &str) -> Error {
        Error::Remote {
            place: self.agent.server().join(path),
            reason: reason.to_owned(),
            kind: Kind::Unavailable,
            details: Vec::new(),
        }
    }

    /// Writes a pack to `out`, and goes on where it breaks off, also where it broke off in an earlier process; says whether
    /// there is one.
    fn pack_at(&self, path: &str, out: &mut dyn Sink) -> Result<bool> {
        let url = self.agent.server().join(path);
        let kept = out.kept(&url);
        let mut arrived = kept.map_or_else(Arrived::default, Arrived::earlier);
        if arrived.whole_bytes == Some(arrived.bytes) {
            return Ok(true);
        }
        let mut wait = self.agent.waits().resume;
        for attempt in 0.. {
            match self.go_on(path, &mut arrived, out) {
                Err(Error::Unreachable { .. }) if arrived.is_ours() && attempt < RESUMES_MAX => {
                    thread::sleep(wait);
                    wait *= 2;
                }
                outcome => return outcome,
            }
        }
        Err(Error::internal("the loop has ended before"))
    }

    fn go_on(&self, path: &str, arrived: &mut Arrived, out: &mut dyn Sink) -> Result<bool> {
        out.asked();
        let answer = match arrived.since {
            Since::Nothing => self.whole(path, arrived, out)?,
            Since::Earlier => self.rest_or_whole(path, arrived, out)?,
            Since::Now => Some(self.rest(path, arrived)?),
        };
        match answer {
            Some(answer) => self.receive(answer, arrived, out).map(|()| true),
            None => Ok(false),
        }
    }

    /// Asks for a pack from its first byte on.
    fn whole(
        &self,
        path: &str,
        arrived: &mut Arrived,
        out: &mut dyn Sink,
    ) -> Result<Option<Opened>> {
        let answer = self.agent.open(path, None)?;
        if let Some(answer) = &answer {
            self.begin(path, answer, arrived, out)?;
        }
        Ok(answer)
    }

    /// An answer has all of a pack.
    fn begin(
        &self,
        path: &str,
        answer: &Opened,
        arrived: &mut Arrived,
        out: &mut dyn Sink,
    ) -> Result<()> {
        *arrived = Arrived {
            bytes: 0,
            whole_bytes: answer.whole_bytes,
            etag: answer.etag.clone(),
            since: Since::Nothing,
        };
        let promise = Promise::new(arrived.whole_bytes, arrived.etag.as_deref());
        let url = self.agent.server().join(path);
        out.begin(&url, arrived.whole_bytes, promise.as_ref())
    }

    /// Asks for the rest of a pack that broke off in an earlier process. Much may have changed since: where there is no rest
    /// of the same, it comes from its first byte on.
    fn rest_or_whole(
        &self,
        path: &str,
        arrived: &mut Arrived,
        out: &mut dyn Sink,
    ) -> Result<Option<Opened>> {
        let asked = self.agent.open(path, Some(arrived.resume()));
        match asked {
            Ok(Some(answer)) if answer.start == 0 => {
                self.begin(path, &answer, arrived, out)?;
                Ok(Some(answer))
            }
            Ok(Some(answer)) if arrived.is_part_of(&answer) => Ok(Some(answer)),
            Ok(None) => Ok(None),
            Err(error @ Error::Unreachable { .. }) => Err(error),
            Ok(Some(_)) | Err(_) => {
                out.asked();
                self.whole(path, arrived, out)
            }
        }
    }

    /// Asks for the rest of a pack that broke off just now.
    fn rest(&self, path: &str, arrived: &Arrived) -> Result<Opened> {
        let answer = self.agent.open(path, Some(arrived.resume()))?;
        let Some(answer) = answer else {
            return Err(self.changed(path, "the pack that broke off is no longer there"));
        };
        if arrived.is_part_of(&answer) {
            Ok(answer)
        } else {
            let reason = "the pack is another one than the one that broke off";
            Err(self.changed(path, reason))
        }
    }

    fn receive(&self, mut answer: Opened, arrived: &mut Arrived, out: &mut dyn Sink) -> Result<()> {
        if answer.whole_bytes > Some(PACK_BYTES_MAX) {
            return Err(self.agent.too_much(PACK_BYTES_MAX));
        }
        // A server that knows no ranges sends the whole once more.
        let mut known = arrived.bytes - answer.start;
        let mut buffer = vec![0; CHUNK_BYTES];
        loop {
            out.check()?;
            let read = answer.body.read(&mut buffer);
            let count = read.map_err(|error| self.agent.broke_off(&error))?;
            if count == 0 {
                return Ok(());
            }
            arrived.since = Since::Now;
            let skipped = usize::try_from(known).unwrap_or(usize::MAX).min(count);
            known -= skipped as u64;
            let fresh = &buffer[skipped..count];
            arrived.bytes += fresh.len() as u64;
            if arrived.bytes > PACK_BYTES_MAX {
                return Err(self.agent.too_much(PACK_BYTES_MAX));
            }
            let written = out.write_all(fresh);
            written.map_err(Error::io("write", Path::new("the download")))?;
        }
    }
}

/// Since when there is something of a pack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Since {
    /// There is nothing.
    #[default]
    Nothing,
    /// An earlier process got it.
    Earlier,
    /// Something came just now.
    Now,
}

/// What has arrived of a pack.
#[derive(Default)]
struct Arrived {
    bytes: u64,
    whole_bytes: Option<u64>,
    etag: Option<String>,
    since: Since,
}

impl Arrived {
    fn earlier((bytes, promise): (u64, Promise)) -> Self {
        Self {
            bytes,
            whole_bytes: Some(promise.bytes()),
            etag: Some(promise.tag().to_owned()),
            since: Since::Earlier,
        }
    }

    /// Whether the server has sent something to this process, so that waiting for it is worth while.
    const fn is_ours(&self) -> bool {
        matches!(self.since, Since::Now)
    }

    /// Where the rest begins, and the tag of the whole.
    fn resume(&self) -> (u64, Option<&str>) {
        (self.bytes, self.etag.as_deref())
    }

    /// Whether an answer goes on with what has arrived, as far as it says.
    fn is_part_of(&self, answer: &Opened) -> bool {
        let differs = |(one, other): (u64, u64)| one != other;
        answer.etag == self.etag
            && !self
                .whole_bytes
                .zip(answer.whole_bytes)
                .is_some_and(differs)
    }
}

/// What is not found where a repo has no heads, since nothing was released in it.
pub const NO_HEADS: &str = "release at";
/// What others name and the server must show: when it is not there, not the question was wrong.
const OBJECT: &str = "object at";
const STATEMENT: &str = "statement at";
const REFS_LIST: &str = "list of refs at";

/// Makes of "there is no such thing", said about what a server must show since something else that it shows names it, that it
/// cannot be trusted to. Malformed bytes are said to come from there; other errors stay as they are.
#[must_use]
pub fn lost(error: Error, place: &str) -> Error {
    match error {
        Error::NotFound {
            what: what @ (OBJECT | STATEMENT | REFS_LIST),
            name,
        } => Error::Untrusted {
            what: place.to_owned(),
            reason: format!(
                "there is no {what} {name}, which what it shows needs; it may have been retired"
            ),
        },
        other => placed(other, place),
    }
}

impl Origin for HttpOrigin {
    fn place(&self) -> String {
        self.agent.server().to_string()
    }

    fn repo(&self) -> Option<RepoName> {
        self.agent.server().repo()
    }

    fn keyset(&self, version: u64) -> Result<Option<Vec<u8>>> {
        let path = format!("trust/keyset/{version}");
        self.fetch(&path, KEYSET_NOTE_BYTES_MAX)
    }

    fn heads(&self) -> Result<Vec<u8>> {
        // A new pull begins.
        *self.singles.lock().unwrap_or_else(PoisonError::into_inner) = Singles::NONE;
        self.must(NO_HEADS, "trust/heads", HEADS_NOTE_BYTES_MAX)
    }

    fn refs_list(&self, object: RefsObject) -> Result<Vec<u8>> {
        self.must(REFS_LIST, &format!("objects/{}", object.hash), object.size)
    }

    fn statement(&self, id: StatementId) -> Result<Vec<u8>> {
        self.must(
            STATEMENT,
            &format!("statements/{id}"),
            STATEMENT_NOTE_BYTES_MAX,
        )
    }

    fn object(&self, id: Hash) -> Result<Vec<u8>> {
        self.must(OBJECT, &format!("objects/{id}"), FRAME_BYTES_MAX)
    }

    fn pack(&self, wanted: Wanted, out: &mut dyn Sink) -> Result<Option<SnapshotRef>> {
        let to = wanted.to.id;
        if let Some(from) = wanted.from
            && self.pack_at(&format!("packs/{to}/{}.pack", from.id), out)?
        {
            return Ok(Some(from));
        }
        if self.pack_at(&format!("packs/{to}/full.pack"), out)? {
            return Ok(None);
        }
        Err(Error::not_found("pack of snapshot", to))
    }

    fn part(&self, part: &Part, out: &mut dyn Sink) -> Result<()> {
        let (of, path) = (part.of, part.path.to_string());
        let path = utf8_percent_encode(&path, NON_ALPHANUMERIC);
        if self.pack_at(&format!("packs/{of}/full.pack?path={path}"), out)? {
            return Ok(());
        }
        Err(Error::not_found("pack of", &part.path))
    }
}
