//! The outbox: frames become packs in memory, which a few couriers hand in, several at a time.
//!
//! # Invariants
//!
//! - At most one pack is being filled, one waits, and one is with each courier.

use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Scope, ScopedJoinHandle};

use super::asking::Named;
use super::sent::Sent;
use crate::base::id::Hash;
use crate::base::{Error, Result};
use crate::build::stage::FrameSink;
use crate::delta::receive::Announced;
use crate::object::frame_builder::SealedFrame;
use crate::object::kind::ObjectKind;
use crate::object::pack::{PACK_OBJECTS_TARGET, PACK_SALT_BYTES};
use crate::object::pack_writer::PackWriter;
use crate::remote::builds::{Builds, Parcel};

/// Packs that are handed in at a time.
const COURIERS: usize = 3;
/// Bytes of a pack: several at a time fit into memory, and they are few enough that the other side is not slowed down by
/// looking into many.
const PARCEL_BYTES_TARGET: usize = 24 * 1024 * 1024;
/// Packs have one owner where they arrive, and are made anew there: nothing tells those of one push from those of another.
const SALT: [u8; PACK_SALT_BYTES] = [0; PACK_SALT_BYTES];

/// Takes frames in, of the objects that are wanted.
pub(super) struct Outbox {
    post: Post,
    wanted: HashSet<Named>,
    filling: Option<PackWriter<Vec<u8>>>,
    sent: Sent,
}

impl Outbox {
    pub(super) fn new(post: Post) -> Self {
        Self {
            post,
            wanted: HashSet::new(),
            filling: None,
            sent: Sent::default(),
        }
    }

    /// Says that an object is to be sent.
    pub(super) fn want(&mut self, object: Named) {
        self.wanted.insert(object);
    }

    /// Posts the last pack; tells what all of them hold.
    pub(super) fn finish(mut self) -> Result<Sent> {
        if let Some((kind, id)) = self.wanted.iter().next() {
            let object = format!("the {} {id} was to be sent and was not read", kind.name());
            return Err(Error::internal(object));
        }
        self.post_pack()?;
        Ok(self.sent)
    }

    fn post_pack(&mut self) -> Result<()> {
        let Some(writer) = self.filling.take() else {
            return Ok(());
        };
        let (bytes, summary) = writer.finish().map_err(failed)?;
        self.sent.objects += u64::from(summary.objects);
        self.sent.bytes += summary.bytes;
        let (id, frames) = (summary.id, summary.frames);
        let announced = Announced { id, frames };
        self.post.hand_over(Parcel { announced, bytes })
    }
}

impl FrameSink for Outbox {
    fn expect(&mut self, _objects: usize) {}

    fn wants(&mut self, kind: ObjectKind, id: Hash) -> Result<bool> {
        Ok(self.wanted.remove(&(kind, id)))
    }

    fn append(&mut self, frame: &SealedFrame) -> Result<()> {
        let is_full = self.filling.as_ref().is_some_and(|pack| {
            pack.bytes() + frame.stored().len() as u64 > PARCEL_BYTES_TARGET as u64
                || pack.objects() as usize + frame.objects().len() > PACK_OBJECTS_TARGET as usize
        });
        if is_full {
            self.post_pack()?;
        }
        let pack = match &mut self.filling {
            Some(pack) => pack,
            none => none.insert(empty_pack()?),
        };
        let lengths = frame.objects().iter().map(|object| object.length);
        self.sent.expanded_bytes += lengths.map(u64::from).sum::<u64>();
        pack.append(frame).map_err(failed)
    }
}

fn empty_pack() -> Result<PackWriter<Vec<u8>>> {
    PackWriter::new(Vec::with_capacity(PARCEL_BYTES_TARGET), SALT).map_err(failed)
}

fn failed(source: std::io::Error) -> Error {
    Error::io("write", Path::new("a pack in memory"))(source)
}

/// Where packs are given to couriers.
pub(super) struct Post {
    packs: SyncSender<Parcel>,
    has_failed: Arc<AtomicBool>,
}

impl Post {
    /// Waits until a courier has taken a pack.
    fn hand_over(&self, parcel: Parcel) -> Result<()> {
        let stopped = || Error::internal("the couriers have stopped");
        if self.has_failed.load(Ordering::Relaxed) {
            return Err(stopped());
        }
        self.packs.send(parcel).map_err(|_| stopped())
    }
}

/// Threads that hand packs in until the post is closed.
pub(super) struct Couriers<'t> {
    threads: Vec<ScopedJoinHandle<'t, Result<u64>>>,
}

impl<'t> Couriers<'t> {
    pub(super) fn start<'e>(
        threads: &'t Scope<'t, 'e>,
        to: &'e dyn Builds,
        build: u64,
    ) -> (Self, Post) {
        let (packs, waiting) = sync_channel(0);
        let waiting = Arc::new(Mutex::new(waiting));
        let has_failed = Arc::new(AtomicBool::new(false));
        let courier = |_| {
            let (waiting, has_failed) = (Arc::clone(&waiting), Arc::clone(&has_failed));
            threads.spawn(move || {
                let handed_in = hand_in(to, build, &waiting);
                has_failed.fetch_or(handed_in.is_err(), Ordering::Relaxed);
                handed_in
            })
        };
        let threads = (0..COURIERS).map(courier).collect();
        (Self { threads }, Post { packs, has_failed })
    }

    /// Waits until everything that was posted is handed in; the post is closed. Returns the number of packs.
    ///
    /// # Errors
    ///
    /// The first failure.
    pub(super) fn join(self) -> Result<u64> {
        let ended = || Err(Error::internal("a thread that sends ended early"));
        let threads = self.threads.into_iter();
        // All of them, also after a failure.
        let outcomes: Vec<Result<u64>> = threads
            .map(|thread| thread.join().unwrap_or_else(|_| ended()))
            .collect();
        outcomes.into_iter().sum()
    }
}

fn hand_in(to: &dyn Builds, build: u64, waiting: &Mutex<Receiver<Parcel>>) -> Result<u64> {
    let mut packs = 0;
    loop {
        let next = waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv();
        let Ok(parcel) = next else {
            return Ok(packs);
        };
        to.receive(build, &parcel)?;
        packs += 1;
    }
}
