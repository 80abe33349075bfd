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

use std::collections::{BTreeMap, HashSet};

use super::builds::{Builds, MISSING_OBJECTS_MAX};
use super::wire::builds::StageMode;
use crate::base::Result;
use crate::base::id::Hash;
use crate::base::name::RefName;
use crate::base::path::TreePath;
use crate::base::progress::Progress;
use crate::build::publish::PublishAnswer;
use crate::delta::inventory::Item;
use crate::delta::parcel::pack_objects;
use crate::object::edges::{Edge, edges_of};
use crate::object::kind::ObjectKind;
use crate::object::pack::{PACK_BYTES_TARGET, PACK_OBJECTS_TARGET};
use crate::object::tree::TreeRef;
use crate::store::download::Download;
use crate::store::reach::tree_edge;
use crate::store::rows::BuildRow;
use crate::store::view::View;

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
    pub committed: Option<BuildRow>,
    /// The release that it became part of.
    pub published: Option<PublishAnswer>,
}

/// Pushes the directory `tree`, which `view` shows, to a build elsewhere.
///
/// # Errors
///
/// What the other side answers, and [`Error::Damaged`](crate::base::Error::Damaged) if an object here is. What has arrived
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
    let mut sender = Sender {
        view,
        to,
        build,
        requests,
        sent_objects: 0,
        sent_bytes: 0,
    };
    let lacking = sender.ask(tree)?;
    sender.send(&lacking, progress)?;
    to.stage(build, &options.at, tree, StageMode::Merge)?;
    let mut answer = PushAnswer {
        build,
        sent_objects: sender.sent_objects,
        sent_bytes: sender.sent_bytes,
        requests: sender.requests + 1,
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

struct Sender<'a, 's> {
    view: &'a View<'s>,
    to: &'a dyn Builds,
    build: u64,
    requests: u64,
    sent_objects: u64,
    sent_bytes: u64,
}

impl Sender<'_, '_> {
    /// What the other side lacks of a directory: texts first, then blobs in the order in which trees name them.
    fn ask(&mut self, tree: TreeRef) -> Result<Vec<Item>> {
        let (mut texts, mut blobs) = (Vec::new(), Vec::new());
        let mut asked = HashSet::new();
        let mut level = vec![tree_edge(tree)];
        // Each level lies deeper in the tree, so there are no more of them than paths may have names.
        while !level.is_empty() {
            level.retain(|edge| asked.insert((edge.kind, edge.id)));
            let lacking = self.lacking(&level)?;
            level = Vec::new();
            for edge in lacking {
                if edge.kind == ObjectKind::Blob {
                    blobs.push(item(edge, edge.size));
                    continue;
                }
                let text = self.view.read(edge.kind, edge.id)?;
                texts.push(item(edge, text.as_slice()?.len() as u64));
                level.extend(edges_of(edge.kind, text.as_slice()?)?);
            }
        }
        texts.extend(blobs);
        Ok(texts)
    }

    fn lacking(&mut self, edges: &[Edge]) -> Result<Vec<Edge>> {
        let mut lacking = Vec::new();
        for edges in edges.chunks(MISSING_OBJECTS_MAX) {
            let objects: Vec<(ObjectKind, Hash)> =
                edges.iter().map(|edge| (edge.kind, edge.id)).collect();
            self.requests += 1;
            let missing = self.to.missing(self.build, &objects)?;
            let answered = edges.iter().zip(missing);
            lacking.extend(answered.filter_map(|(edge, missing)| missing.then_some(*edge)));
        }
        Ok(lacking)
    }

    /// Sends objects in packs of the usual size.
    fn send(&mut self, items: &[Item], progress: &dyn Progress) -> Result<()> {
        progress.expect(items.iter().map(|item| item.bytes).sum());
        for items in parcels(items) {
            let mut file = Download::create(self.view.store())?;
            pack_objects(self.view, items, &mut file, progress)?;
            let pack = file.finish()?;
            self.requests += 1;
            self.sent_objects += items.len() as u64;
            self.sent_bytes += pack.len() as u64;
            self.to.receive(self.build, pack)?;
        }
        Ok(())
    }
}

fn item(edge: Edge, bytes: u64) -> Item {
    Item {
        kind: edge.kind,
        id: edge.id,
        bytes,
    }
}

/// Cuts a list of objects into parts that make one pack each. Compressed they are smaller, so packs are never too large.
fn parcels(items: &[Item]) -> impl Iterator<Item = &[Item]> {
    let mut rest = items;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fitting = rest.iter().take(PACK_OBJECTS_TARGET as usize);
        let fitting = fitting.take_while(|item| {
            bytes += item.bytes;
            bytes <= PACK_BYTES_TARGET
        });
        let count = fitting.count().max(1).min(rest.len());
        let (parcel, later) = rest.split_at(count);
        rest = later;
        (!parcel.is_empty()).then_some(parcel)
    })
}
