//! Arrivals: packs on their way from an origin, which a later process goes on with if this one is killed.
//!
//! A pack whose server says how long it is and which tag it has lies in the folder of what can be made again, under a name
//! that says where it comes from, its length and its tag. Any other lies under `tmp/` and goes with this process.
//!
//! # Invariants
//!
//! - Nothing depends on what is kept: nothing of it is synced, and whoever goes on with it verifies all of it. What is torn
//!   or foreign is fetched once more.
//! - At most [`KEPT_MAX`] packs of at most [`KEPT_BYTES_MAX`] bytes together are kept, and those of an origin no longer than
//!   until all that is wanted of it is here.
//! - A pack is written by one arrival at a time.
//!
//! # Not here
//!
//! What is asked of an origin (`remote::http::origin`), what of it is believed (`delta::unpack`).

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, PoisonError};

use super::layout;
use super::open::Store;
use crate::base::id::Hash;
use crate::base::limits::GIB;
use crate::base::{Error, Result};
use crate::disk::files::{Mapping, Sequential};

/// Packs that are kept, of all origins.
pub const KEPT_MAX: usize = 16;
/// Bytes that these packs have when they are whole.
pub const KEPT_BYTES_MAX: u64 = 4 * GIB;
/// Bytes of a tag: it is written in hex, and fits the name of a file together with all else.
pub const TAG_BYTES_MAX: usize = 80;
/// Digits that tell origins apart.
const ORIGIN_DIGITS: usize = 16;
/// Digits that tell the packs of an origin apart.
const URL_DIGITS: usize = 32;

/// What a server says of a file, so that one can know it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promise {
    bytes: u64,
    tag: String,
}

impl Promise {
    /// What makes a file known again: its length, and a strong entity tag, quotes included. None without them, or if they
    /// are too long.
    #[must_use]
    pub fn new(bytes: Option<u64>, tag: Option<&str>) -> Option<Self> {
        let bytes = bytes.filter(|bytes| *bytes <= KEPT_BYTES_MAX)?;
        let is_strong = |tag: &&str| tag.len() >= 2 && tag.starts_with('"') && tag.ends_with('"');
        let tag = tag.filter(is_strong)?;
        let is_short = tag.len() <= TAG_BYTES_MAX;
        is_short.then(|| Self {
            bytes,
            tag: tag.to_owned(),
        })
    }

    /// The bytes of the whole.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The tag, quotes included.
    #[must_use]
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// Reads what [`words`](Self::words) wrote.
    fn parse(words: &str) -> Option<Self> {
        let (bytes, digits) = words.split_once('-')?;
        let digits = digits.as_bytes().chunks(2);
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        let tag: Vec<u8> = digits.map(byte).collect::<Option<_>>()?;
        let promise = Self::new(bytes.parse().ok(), Some(std::str::from_utf8(&tag).ok()?))?;
        // One spelling for each, so that a name is found again.
        (promise.words() == words).then_some(promise)
    }

    /// The end of the name of a file.
    fn words(&self) -> String {
        let digits = self.tag.bytes().map(|byte| format!("{byte:02x}"));
        format!("{}-{}", self.bytes, digits.collect::<String>())
    }
}

/// A pack on its way.
#[derive(Debug)]
#[must_use = "what has arrived goes when it is dropped"]
pub struct Arrival<'s> {
    store: &'s Store,
    /// Begins the names of all packs of its origin.
    origin: String,
    file: Option<Arriving>,
    earlier: Earlier,
}

/// What is known of an earlier process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Earlier {
    /// What it left is looked for.
    LookedFor,
    /// The pack begins with what it left.
    Used,
    /// What it left was of no use.
    Refused,
}

#[derive(Debug)]
struct Arriving {
    path: PathBuf,
    out: Sequential,
    /// What tells it apart, if it is kept.
    kept: Option<String>,
}

impl<'s> Arrival<'s> {
    /// A pack of the origin at `place` of which nothing has arrived.
    pub fn new(store: &'s Store, place: &str) -> Self {
        Self {
            store,
            origin: origin_prefix(place),
            file: None,
            earlier: Earlier::LookedFor,
        }
    }

    /// Goes on with what an earlier process left of the file at a URL, if it did: how many bytes that are, and of what. What
    /// is written from now on comes behind it.
    pub fn kept(&mut self, url: &str) -> Option<(u64, Promise)> {
        self.clear();
        if self.earlier == Earlier::Refused {
            return None;
        }
        let key = self.key(url);
        // What cannot be read costs time and nothing else, so that is no error; so for all that follows.
        let parts = self.store.arrivals().ok()?;
        let part = parts.into_iter().find(|part| part.name.starts_with(&key))?;
        if !self.store.claim(&key) {
            return None;
        }
        let opened = self.store.disk.open(&part.path());
        let length = opened.and_then(|file| {
            let place = self.store.disk.place(&part.path());
            let length = file.len().map_err(Error::io("read", &place))?;
            Ok((file, length))
        });
        match (length, part.promise.clone()) {
            (Ok((file, bytes)), Some(promise)) if bytes > 0 && bytes <= promise.bytes => {
                self.file = Some(Arriving {
                    path: part.path(),
                    out: Sequential::at(file, bytes),
                    kept: Some(key),
                });
                self.earlier = Earlier::Used;
                Some((bytes, promise))
            }
            _ => {
                self.store.disk.remove(&part.path()).ok();
                self.store.disclaim(&key);
                None
            }
        }
    }

    /// The file at a URL comes from its first byte on; all that was here of this arrival goes.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if no file can be made.
    pub fn begin(&mut self, url: &str, promise: Option<&Promise>) -> Result<()> {
        self.clear();
        if self.earlier == Earlier::Used {
            self.earlier = Earlier::LookedFor;
        }
        let kept = promise.and_then(|promise| self.make_kept(&self.key(url), promise));
        let file = match kept {
            Some(file) => file,
            None => self.make_passing()?,
        };
        self.file = Some(file);
        Ok(())
    }

    /// Whether it begins with what an earlier process left.
    #[must_use]
    pub fn is_resumed(&self) -> bool {
        self.earlier == Earlier::Used
    }

    /// Drops all that has arrived, and looks for nothing of an earlier process any more.
    pub fn start_over(&mut self) {
        self.clear();
        self.earlier = Earlier::Refused;
    }

    /// Shows the bytes that have arrived; they stay readable when this is gone.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the file cannot be mapped.
    pub fn map(&self) -> Result<Mapping> {
        match &self.file {
            Some(file) => self.store.disk.map(&file.path),
            None => Ok(Mapping::owned(Vec::new())),
        }
    }

    /// Leaves what has arrived to whoever asks for the same, as far as it is kept.
    pub fn leave(mut self) {
        if let Some(key) = self.file.as_ref().and_then(|file| file.kept.clone()) {
            self.file = None;
            self.store.disclaim(&key);
        }
    }

    fn key(&self, url: &str) -> String {
        let url = Hash::of(url.as_bytes()).to_string();
        format!("{}{}-", self.origin, &url[..URL_DIGITS])
    }

    /// Makes a file that is kept, if it can be.
    fn make_kept(&self, key: &str, promise: &Promise) -> Option<Arriving> {
        if !self.store.claim(key) {
            return None;
        }
        let path = layout::arrival(&format!("{key}{}", promise.words()));
        let room = self.store.make_room_to_keep(key, promise.bytes);
        let Ok(file) = room.and_then(|()| self.store.disk.create(&path)) else {
            self.store.disclaim(key);
            return None;
        };
        Some(Arriving {
            path,
            out: Sequential::new(file),
            kept: Some(key.to_owned()),
        })
    }

    /// Makes a file that goes with this process.
    fn make_passing(&self) -> Result<Arriving> {
        let path = layout::download(self.store.next_pack.fetch_add(1, Ordering::Relaxed));
        let out = Sequential::new(self.store.disk.create(&path)?);
        let kept = None;
        Ok(Arriving { path, out, kept })
    }

    fn clear(&mut self) {
        let Some(file) = self.file.take() else {
            return;
        };
        // One that stays under `tmp/` is removed by the next open, and another is fetched over.
        self.store.disk.remove(&file.path).ok();
        if let Some(key) = &file.kept {
            self.store.disclaim(key);
        }
    }
}

impl Write for Arrival<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let file = match self.file.take() {
            Some(file) => file,
            None => self.make_passing().map_err(io::Error::other)?,
        };
        self.file.insert(file).out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        // Nothing is held back.
        Ok(())
    }
}

impl Drop for Arrival<'_> {
    fn drop(&mut self) {
        self.clear();
    }
}

/// A pack that is kept.
struct Part {
    name: String,
    /// What was said of it; none if the name is no name of ours.
    promise: Option<Promise>,
}

impl Part {
    fn path(&self) -> PathBuf {
        layout::arrival(&self.name)
    }

    /// What tells it apart.
    fn key(&self) -> &str {
        let digits = layout::ARRIVAL_PREFIX.len() + ORIGIN_DIGITS + 1 + URL_DIGITS + 1;
        self.name.get(..digits).unwrap_or(&self.name)
    }
}

/// Begins the names of all packs of the origin at `place`.
fn origin_prefix(place: &str) -> String {
    let hash = Hash::of(place.as_bytes()).to_string();
    format!("{}{}-", layout::ARRIVAL_PREFIX, &hash[..ORIGIN_DIGITS])
}

impl Store {
    /// Forgets what is kept of packs of the origin at `place`, but for those that are on their way: all that was wanted of
    /// it is here, or not to be had.
    pub fn forget_arrivals(&self, place: &str) {
        let prefix = origin_prefix(place);
        let claimed = self.claimed();
        for part in self.arrivals().unwrap_or_default() {
            if part.name.starts_with(&prefix) && !claimed.contains(part.key()) {
                // One that stays makes room for others when they need it.
                self.disk.remove(&part.path()).ok();
            }
        }
    }

    fn arrivals(&self) -> Result<Vec<Part>> {
        let mut files = self.disk.list(Path::new(layout::CACHE))?;
        files.retain(|file| !file.is_dir && file.name.starts_with(layout::ARRIVAL_PREFIX));
        let parts = files.into_iter().map(|file| {
            let mut part = Part {
                name: file.name,
                promise: None,
            };
            let words = part.name.strip_prefix(part.key());
            part.promise = words.and_then(Promise::parse);
            part
        });
        Ok(parts.collect())
    }

    /// Removes packs that are kept until there is room for one of so many bytes: what is known of the same, then others,
    /// whichever, that are not on their way.
    fn make_room_to_keep(&self, key: &str, bytes: u64) -> Result<()> {
        let claimed = self.claimed();
        let (mut number, mut total, mut idle) = (1, bytes, Vec::new());
        for part in self.arrivals()? {
            let is_idle = part.key() == key || !claimed.contains(part.key());
            match &part.promise {
                Some(promise) if part.key() != key => {
                    (number, total) = (number + 1, total + promise.bytes);
                    if is_idle {
                        idle.push((part.path(), promise.bytes));
                    }
                }
                _ => self.disk.remove(&part.path())?,
            }
        }
        let is_full = |number, total| number > KEPT_MAX || total > KEPT_BYTES_MAX;
        for (path, bytes) in idle {
            if !is_full(number, total) {
                break;
            }
            self.disk.remove(&path)?;
            (number, total) = (number - 1, total - bytes);
        }
        if is_full(number, total) {
            return Err(Error::Limit {
                what: "what is kept of packs, in bytes,",
                found: total,
                max: KEPT_BYTES_MAX,
            });
        }
        Ok(())
    }

    fn claimed(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.arriving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that a pack is on its way, if no other says so.
    fn claim(&self, key: &str) -> bool {
        self.claimed().insert(key.to_owned())
    }

    fn disclaim(&self, key: &str) {
        self.claimed().remove(key);
    }
}

#[cfg(test)]
mod tests;
