//! The builds of a server, as those who push to it see them.

use std::collections::BTreeMap;

use super::agent::Agent;
use super::api::API;
use crate::base::error::check_limit;
use crate::base::id::Hash;
use crate::base::name::{RefName, RepoName};
use crate::base::path::TreePath;
use crate::base::{Error, Result};
use crate::build::publish_answer::PublishAnswer;
use crate::object::kind::ObjectKind;
use crate::object::tree::TreeRef;
use crate::remote::builds::{Builds, Committed, MISSING_OBJECTS_MAX, Parcel};
use crate::remote::wire::PACK_TYPE;
use crate::remote::wire::builds::{BuildSaid, CreateBuild, Publish, Received, Stage, StageMode};
use crate::store::rows::SnapshotRef;

/// The content type of ids.
const OCTETS: &str = "application/octet-stream";

/// The builds of a server.
#[derive(Debug)]
pub struct HttpBuilds {
    agent: Agent,
    /// The repo in which a new build is made.
    repo: Option<RepoName>,
}

impl HttpBuilds {
    /// The builds of a server, new ones in `repo`. Who fills a build that there is need not know of which repo it is, and perhaps
    /// may not.
    #[must_use]
    pub const fn new(agent: Agent, repo: Option<RepoName>) -> Self {
        Self { agent, repo }
    }

    /// What of some objects of one sort must be sent.
    fn missing_of(&self, build: u64, kind: &str, ids: &[Hash]) -> Result<Vec<bool>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let bytes: Vec<u8> = ids.iter().flat_map(|id| *id.as_bytes()).collect();
        let path = format!("{API}/builds/{build}/missing?kind={kind}");
        let expected = ids.len().div_ceil(8);
        let bits = self
            .agent
            .post_bytes(&path, OCTETS, &bytes, expected as u64)?;
        if bits.len() != expected {
            let reason = format!("{} bytes are too few for {} objects", bits.len(), ids.len());
            return Err(Error::malformed("answer", reason));
        }
        let bit = |at: usize| bits[at / 8] >> (at % 8) & 1 == 1;
        Ok((0..ids.len()).map(bit).collect())
    }
}

impl Builds for HttpBuilds {
    fn place(&self) -> String {
        self.agent.server().to_string()
    }

    fn create(&self, target: &RefName, labels: &BTreeMap<String, String>) -> Result<u64> {
        let repo = self.repo.as_ref();
        let repo = repo.ok_or_else(|| Error::internal("a new build is made in a repo"))?;
        let created = self.agent.create_build(
            repo,
            &CreateBuild {
                target: Some(target.clone()),
                labels: labels.clone(),
                from: None,
            },
        )?;
        Ok(created.build)
    }

    fn missing(&self, build: u64, objects: &[(ObjectKind, Hash)]) -> Result<Vec<bool>> {
        let (found, max) = (objects.len() as u64, MISSING_OBJECTS_MAX as u64);
        check_limit("a question about what is missing, in objects,", found, max)?;
        let is_tree = |kind: ObjectKind| kind == ObjectKind::Tree;
        let ids = |trees: bool| -> Vec<Hash> {
            let wanted = objects.iter().filter(|(kind, _)| is_tree(*kind) == trees);
            wanted.map(|(_, id)| *id).collect()
        };
        let mut trees = self.missing_of(build, "tree", &ids(true))?.into_iter();
        let mut blobs = self.missing_of(build, "blob", &ids(false))?.into_iter();
        let answers = objects.iter().map(|(kind, _)| {
            let answer = if is_tree(*kind) {
                trees.next()
            } else {
                blobs.next()
            };
            answer.ok_or_else(|| Error::internal("every object was asked about"))
        });
        answers.collect()
    }

    fn receive(&self, build: u64, parcel: &Parcel) -> Result<u64> {
        let announced = parcel.announced;
        let path = format!(
            "{API}/builds/{build}/packs/{}?frames={}",
            announced.id, announced.frames
        );
        let received: Received = self.agent.put(&path, PACK_TYPE, &parcel.bytes)?;
        if received.pack == announced.id.hash() {
            Ok(received.stored_bytes)
        } else {
            let reason = format!("it is about the pack {}", received.pack);
            Err(Error::malformed("answer", reason))
        }
    }

    fn target(&self, build: u64) -> Result<Option<RefName>> {
        Ok(self.agent.build(build)?.target)
    }

    fn stage(
        &self,
        build: u64,
        at: &TreePath,
        tree: TreeRef,
        mode: StageMode,
    ) -> Result<Option<RefName>> {
        let path = format!("{API}/builds/{build}/stage");
        let said = Stage {
            at: at.clone(),
            tree: Some(tree.into()),
            mode: Some(mode),
            remove: false,
        };
        let build: BuildSaid = self.agent.post(&path, &said)?;
        Ok(build.target)
    }

    fn commit(&self, build: u64, message: &str) -> Result<Committed> {
        let said = self.agent.commit(build, message)?;
        let (state, unmet) = (said.state, said.unmet());
        let committed = said
            .committed
            .ok_or_else(|| Error::malformed("answer", format!("build {build} is {state}")))?;
        Ok(Committed {
            snapshot: SnapshotRef {
                id: committed.snapshot.id,
                size: committed.snapshot.size,
            },
            root: committed.snapshot.root.into(),
            state,
            unmet,
            due: said.due,
        })
    }

    fn publish(&self, build: u64) -> Result<PublishAnswer> {
        let said = self.agent.publish(build, &Publish::default())?;
        let snapshot = said.snapshot.filter(|_| said.visible);
        let snapshot =
            snapshot.ok_or_else(|| Error::malformed("answer", "it is not visible yet"))?;
        Ok(PublishAnswer {
            target: said.target,
            epoch: said.epoch,
            seq: said.seq,
            snapshot: SnapshotRef {
                id: snapshot.id,
                size: snapshot.size,
            },
            root: snapshot.root.into(),
            tested: said.tested,
            builds: said.builds,
        })
    }
}
