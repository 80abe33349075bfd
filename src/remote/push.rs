//! Push: a directory that lies in one store goes into a build of another, which is sent no more than it lacks.
//!
//! The other side is asked from the top down: a tree that it has is there with everything beneath, and is not looked into.
//!
//! # Invariants
//!
//! - A push that was interrupted goes on by asking again: what has arrived is not sent twice.
//!
//! # Not here
//!
//! How files become a tree (`build::stage`), what the other side checks (`remote::store_builds`).

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::builds::{Builds, Committed, MISSING_OBJECTS_MAX, Parcel};
use super::wire::builds::StageMode;
use crate::base::id::Hash;
use crate::base::name::RefName;
use crate::base::path::TreePath;
use crate::base::progress::Progress;
use crate::base::{Error, Result};
use crate::build::publish::PublishAnswer;
use crate::delta::inventory::Item;
use crate::delta::parcel::pack_objects;
use crate::delta::receive::Announced;
use crate::object::edges::{Edge, edges_of};
use crate::object::kind::ObjectKind;
use crate::object::pack::PACK_OBJECTS_TARGET;
use crate::object::tree::TreeRef;
use crate::store::download::Download;
use crate::store::place::Place;
use crate::store::reach::tree_edge;
use crate::store::view::View;

/// Packs that are sent at a time.
const CONNECTIONS: usize = 3;
/// Bytes of the packs that are sent: enough for several at a time, and few enough that the other side is not slowed down by
/// looking into many.
const PARCEL_BYTES_TARGET: u64 = 24 * 1024 * 1024;

/// Where a directory goes, and how far.
#[derive(Clone, Debug)]
pub struct PushOptions {
    /// The ref that a new build is for.
    pub target: RefName,
    /// The build; a new one, if none is said.
    pub build: Option<u64>,
    /// What is to be known about a new build.
    pub labels: BTreeMap<String, String>,
    /// Where the directory goes in the build.
    pub at: TreePath,
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

/// What a push did.
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

/// Pushes the directory `tree`, which `view` shows, to a build elsewhere.
///
/// # Errors
///
/// What the other side answers, and [`Error::Damaged`] if an object here is. What has arrived
/// stays in the build; a new build is purged by whoever no longer wants it.
pub fn push(
    view: &View<'_>,
    tree: TreeRef,
    to: &dyn Builds,
    options: &PushOptions,
    progress: &dyn Progress,
) -> Result<PushAnswer> {
    let mut requests = 0;
    let build = if let Some(build) = options.build {
        build
    } else {
        requests += 1;
        to.create(&options.target, &options.labels)?
    };
    let sent = send_tree(view, tree, to, build, progress)?;
    to.stage(build, &options.at, tree, StageMode::Merge)?;
    let mut answer = PushAnswer {
        build,
        sent_objects: sent.objects,
        sent_bytes: sent.bytes,
        requests: requests + sent.requests + 1,
        committed: None,
        published: None,
    };
    if let Goal::Commit(message) | Goal::Publish(message) = &options.goal {
        answer.requests += 1;
        answer.committed = Some(to.commit(build, message)?);
    }
    if matches!(options.goal, Goal::Publish(_)) {
        answer.requests += 1;
        answer.published = Some(to.publish(build)?);
    }
    Ok(answer)
}

/// Sends a build elsewhere what it lacks of a directory, which can be staged there then.
///
/// # Errors
///
/// As [`push`].
pub fn send_tree(
    view: &View<'_>,
    tree: TreeRef,
    to: &dyn Builds,
    build: u64,
    progress: &dyn Progress,
) -> Result<Sent> {
    let mut sender = Sender {
        view,
        to,
        build,
        sent: Sent::default(),
    };
    let lacking = sender.ask(tree)?;
    sender.send(&lacking, progress)?;
    Ok(sender.sent)
}

/// What was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Questions and packs.
    pub requests: u64,
    /// Objects.
    pub objects: u64,
    /// The bytes of the packs.
    pub bytes: u64,
}

struct Sender<'a, 's> {
    view: &'a View<'s>,
    to: &'a dyn Builds,
    build: u64,
    sent: Sent,
}

impl Sender<'_, '_> {
    /// What the other side lacks of a directory: trees and recipes, and blobs in the order in which trees name them.
    fn ask(&mut self, tree: TreeRef) -> Result<Lacking> {
        let mut lacking = Lacking::default();
        let mut contents = self.ask_trees(tree, &mut lacking)?;
        // Recipes name pieces, which may be recipes: each round lies deeper, and there are no more than levels of those.
        while !contents.is_empty() {
            let asked = self.lacking(&contents)?;
            contents = Vec::new();
            for edge in asked {
                if edge.kind == ObjectKind::Blob {
                    lacking.blobs.push(item(edge, edge.size));
                    continue;
                }
                let text = self.view.read(edge.kind, edge.id)?;
                let text = text.as_slice()?;
                lacking.texts.push(item(edge, text.len() as u64));
                let pieces = edges_of(edge.kind, text)?.into_iter();
                contents.extend(pieces.filter(|edge| lacking.is_new(edge)));
            }
        }
        Ok(lacking)
    }

    /// Asks about trees from the top down, as many at once as one question may hold; what a tree that is there holds is
    /// there, too. Returns the contents that the lacking ones name.
    fn ask_trees(&mut self, root: TreeRef, lacking: &mut Lacking) -> Result<Vec<Edge>> {
        let mut contents = Vec::new();
        let mut waiting = VecDeque::from([tree_edge(root)]);
        lacking.asked.insert((ObjectKind::Tree, root.id.hash()));
        while !waiting.is_empty() {
            let mut question: Vec<Tree> = Vec::new();
            while question.len() < MISSING_OBJECTS_MAX
                && let Some(edge) = waiting.pop_front()
            {
                let text = self.view.read(edge.kind, edge.id)?;
                let text = text.as_slice()?;
                let (trees, others): (Vec<Edge>, Vec<Edge>) = edges_of(edge.kind, text)?
                    .into_iter()
                    .filter(|edge| lacking.is_new(edge))
                    .partition(|edge| edge.kind == ObjectKind::Tree);
                waiting.extend(trees);
                question.push(Tree {
                    edge,
                    bytes: text.len() as u64,
                    others,
                });
            }
            let edges: Vec<Edge> = question.iter().map(|tree| tree.edge).collect();
            let answered: HashSet<Hash> =
                self.lacking(&edges)?.iter().map(|edge| edge.id).collect();
            for tree in question {
                if answered.contains(&tree.edge.id) {
                    lacking.texts.push(item(tree.edge, tree.bytes));
                    contents.extend(tree.others);
                }
            }
        }
        Ok(contents)
    }

    fn lacking(&mut self, edges: &[Edge]) -> Result<Vec<Edge>> {
        let mut lacking = Vec::new();
        for edges in edges.chunks(MISSING_OBJECTS_MAX) {
            let objects: Vec<(ObjectKind, Hash)> =
                edges.iter().map(|edge| (edge.kind, edge.id)).collect();
            self.sent.requests += 1;
            let missing = self.to.missing(self.build, &objects)?;
            let answered = edges.iter().zip(missing);
            lacking.extend(answered.filter_map(|(edge, missing)| missing.then_some(*edge)));
        }
        Ok(lacking)
    }

    /// Sends objects in packs of the usual size, several at a time.
    fn send(&mut self, lacking: &Lacking, progress: &dyn Progress) -> Result<()> {
        progress.expect(lacking.items().map(|item| item.bytes).sum());
        let (view, to, build) = (self.view, self.to, self.build);
        let frames = by_frame(view, lacking.items())?;
        let parcels = Mutex::new(parcels(&frames));
        let send_some = || -> Result<Sent> {
            let mut sent = Sent::default();
            loop {
                let next = parcels
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .next();
                let Some(items) = next else {
                    return Ok(sent);
                };
                let parcel = make_parcel(view, &items, progress)?;
                to.receive(build, &parcel)?;
                sent.requests += 1;
                sent.objects += items.len() as u64;
                sent.bytes += parcel.bytes.len() as u64;
            }
        };
        let outcomes: Vec<Result<Sent>> = thread::scope(|scope| {
            let senders = [(); CONNECTIONS].map(|()| scope.spawn(send_some));
            let ended = || Err(Error::internal("a thread that sends ended early"));
            let senders = senders.into_iter();
            senders
                .map(|sender| sender.join().unwrap_or_else(|_| ended()))
                .collect()
        });
        for outcome in outcomes {
            let sent = outcome?;
            self.sent.requests += sent.requests;
            self.sent.objects += sent.objects;
            self.sent.bytes += sent.bytes;
        }
        Ok(())
    }
}

/// A tree that is asked about.
struct Tree {
    edge: Edge,
    bytes: u64,
    /// What it names beside trees.
    others: Vec<Edge>,
}

/// What the other side lacks.
#[derive(Default)]
struct Lacking {
    texts: Vec<Item>,
    blobs: Vec<Item>,
    asked: HashSet<(ObjectKind, Hash)>,
}

impl Lacking {
    /// Whether an object comes up for the first time.
    fn is_new(&mut self, edge: &Edge) -> bool {
        self.asked.insert((edge.kind, edge.id))
    }

    fn items(&self) -> impl Iterator<Item = &Item> {
        self.texts.iter().chain(&self.blobs)
    }
}

fn make_parcel(view: &View<'_>, items: &[Item], progress: &dyn Progress) -> Result<Parcel> {
    let mut file = Download::create(view.store())?;
    let pack = pack_objects(view, items, &mut file, progress)?;
    let (id, frames) = (pack.id, pack.frames);
    Ok(Parcel {
        announced: Announced { id, frames },
        bytes: file.finish()?,
    })
}

fn item(edge: Edge, bytes: u64) -> Item {
    Item {
        kind: edge.kind,
        id: edge.id,
        bytes,
    }
}

/// Objects that lie in one frame here.
struct FrameOf {
    /// In the order in which they lie.
    items: Vec<Item>,
    /// The bytes of the frame as it is stored.
    stored_bytes: u64,
}

/// Sorts objects by the frames in which they lie here, so that frames can be sent as they are.
fn by_frame<'i>(view: &View<'_>, items: impl Iterator<Item = &'i Item>) -> Result<Vec<FrameOf>> {
    let mut frames: BTreeMap<(u64, u32), Vec<(Place, Item)>> = BTreeMap::new();
    for item in items {
        let place = view.find_or_fail(item.kind, item.id)?.place();
        frames
            .entry(place.frame())
            .or_default()
            .push((place, *item));
    }
    let frame_of = |mut objects: Vec<(Place, Item)>| {
        objects.sort_unstable_by_key(|(place, _)| place.location().start);
        let stored_bytes = match objects.first() {
            Some((place, _)) => view.pack_at(*place)?.stored_frame(place.frame().1)?.len() as u64,
            None => 0,
        };
        let items = objects.into_iter().map(|(_, item)| item).collect();
        Ok(FrameOf {
            items,
            stored_bytes,
        })
    };
    frames.into_values().map(frame_of).collect()
}

/// Puts frames together to parts that make one pack each.
fn parcels(frames: &[FrameOf]) -> impl Iterator<Item = Vec<Item>> {
    let mut rest = frames;
    std::iter::from_fn(move || {
        let (mut bytes, mut objects) = (0, 0);
        let fitting = rest.iter().take_while(|frame| {
            bytes += frame.stored_bytes;
            objects += frame.items.len();
            bytes <= PARCEL_BYTES_TARGET && objects <= PACK_OBJECTS_TARGET as usize
        });
        let count = fitting.count().max(1).min(rest.len());
        let (parcel, later) = rest.split_at(count);
        rest = later;
        let items = parcel.iter().flat_map(|frame| &frame.items).copied();
        (!parcel.is_empty()).then(|| items.collect())
    })
}
