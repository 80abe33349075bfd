//! What `bindery build show` and `bindery build list` say about a build.

use std::collections::BTreeMap;
use std::io::{self, Write};

use bindery::base::clock::Time;
use bindery::base::id::{SnapshotId, TreeId};
use bindery::base::name::{RefName, RepoName};
use bindery::base::printable::printable;
use bindery::base::remark::Remark;
use bindery::remote::wire::builds::BuildSaid;
use bindery::remote::wire::checks::CheckSaid;
use bindery::remote::wire::due::DueSaid;
use bindery::store::due::SaidBy;
use bindery::store::rows::{BuildState, Receipt, Staged};
use serde::Serialize;

use crate::colour::{Colours, Tone};
use crate::output::Answer;
use crate::quantity::{counted, size};
use crate::table::{Side, Table};

/// A build.
#[derive(Debug, Serialize)]
pub struct Build {
    #[serde(rename = "build")]
    id: u64,
    state: BuildState,
    repo: RepoName,
    #[serde(rename = "ref")]
    target: Option<RefName>,
    labels: BTreeMap<String, String>,
    created: Time,
    base: Option<u64>,
    staged: Staged,
    committed: Option<Committed>,
    checks: Vec<CheckSaid>,
    published: Option<Published>,
    receipt: Option<Receipt>,
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    held: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    due: Option<DueSaid>,
}

/// Many builds.
#[derive(Debug, Serialize)]
pub struct Builds {
    /// By their ids.
    pub builds: Vec<Build>,
}

#[derive(Debug, Serialize)]
struct Committed {
    snapshot: SnapshotId,
    root: TreeId,
    files: u64,
    bytes: u64,
    conflicts: u64,
    time: Time,
}

#[derive(Debug, Serialize)]
struct Published {
    #[serde(rename = "ref")]
    target: RefName,
    seq: u64,
    snapshot: SnapshotId,
    tested: bool,
}

impl From<BuildSaid> for Build {
    fn from(said: BuildSaid) -> Self {
        Self {
            id: said.id,
            state: said.state,
            repo: said.repo,
            target: said.target,
            labels: said.labels,
            created: said.created,
            base: said.base.map(|base| base.seq),
            staged: Staged {
                operations: said.staged.operations,
                files: said.staged.files,
                bytes: said.staged.bytes,
                new_objects: said.staged.new_objects,
                new_bytes: said.staged.new_bytes,
                stored_bytes: said.staged.stored_bytes,
            },
            committed: said.committed.map(|committed| Committed {
                snapshot: committed.snapshot.id,
                root: committed.snapshot.root.id,
                files: committed.files,
                bytes: committed.bytes,
                conflicts: committed.conflicts,
                time: committed.time,
            }),
            checks: said.checks,
            published: said.published.map(|published| Published {
                target: published.target,
                seq: published.seq,
                snapshot: published.snapshot,
                tested: published.tested,
            }),
            receipt: said.receipt.map(Receipt::from),
            reason: said.reason,
            held: said.held,
            due: said.due,
        }
    }
}

/// What a check found, in words.
fn words(check: &CheckSaid) -> String {
    let name = &check.name;
    let found = check.outcome.zip(check.time);
    let said = found.map_or_else(
        || format!("{name} has not reported"),
        |(outcome, time)| format!("{name} {} ({time})", outcome.verb()),
    );
    let message = check.message.as_ref().map(Remark::after_colon);
    said + &printable(&message.unwrap_or_default())
}

impl Build {
    /// The ref it is meant for, or the release that carries it.
    fn place(&self) -> String {
        match (&self.published, &self.target) {
            (Some(published), _) => format!("{}@{}", published.target, published.seq),
            (None, Some(target)) => target.to_string(),
            (None, None) => String::new(),
        }
    }

    /// Its state, and what is to become of it.
    fn state(&self) -> String {
        let state = self.state.name();
        match (&self.held, &self.due) {
            (Some(_), Some(_)) => format!("{state}, held, due"),
            (Some(_), None) => format!("{state}, held"),
            (None, Some(_)) => format!("{state}, due"),
            (None, None) => state.to_owned(),
        }
    }

    fn labels(&self) -> String {
        let labels: Vec<String> = self
            .labels
            .iter()
            .map(|(key, value)| printable(&format!("{key}={value}")))
            .collect();
        labels.join(" ")
    }

    /// What stands beneath the first lines, each with its heading.
    fn facts(&self) -> Vec<(&'static str, String)> {
        let mut facts = Vec::new();
        if let (Some(base), Some(target)) = (self.base, &self.target) {
            facts.push(("base", format!("{target}@{base}")));
        }
        if !self.labels.is_empty() {
            facts.push(("labels", self.labels()));
        }
        if let Some(held) = &self.held {
            facts.push(("held", printable(held)));
        }
        if let Some(due) = &self.due {
            let target = due.target.as_ref();
            let target = target.map_or_else(String::new, |target| format!(", to {target}"));
            let says = match due.said_by {
                SaidBy::Person => "",
                SaidBy::Policy => ", as the settings of the ref say",
            };
            facts.push(("due", format!("{}{target}{says}", due.at)));
        }
        let staged = &self.staged;
        let (files, bytes) = (counted(staged.files, "file"), size(staged.bytes));
        let (objects, stored) = (
            counted(staged.new_objects, "new object"),
            size(staged.stored_bytes),
        );
        facts.push((
            "staged",
            format!("{files}, {bytes}; {objects}, {stored} stored"),
        ));
        if let Some(committed) = &self.committed {
            let (files, bytes) = (counted(committed.files, "file"), size(committed.bytes));
            facts.push((
                "committed",
                format!("{} ({files}, {bytes})", committed.time),
            ));
            facts.push(("snapshot", committed.snapshot.to_string()));
            facts.push(("root", committed.root.to_string()));
            if committed.conflicts > 0 {
                facts.push(("conflicts", counted(committed.conflicts, "path")));
            }
        }
        facts.extend(self.checks.iter().map(|check| ("check", words(check))));
        if let Some(published) = &self.published {
            let tested = if published.tested {
                "as tested"
            } else {
                "onto a newer release than it was tested on"
            };
            facts.push((
                "published",
                format!("{}@{}, {tested}", published.target, published.seq),
            ));
        }
        if let Some(receipt) = self.receipt {
            let (objects, packs) = (
                counted(receipt.objects, "object"),
                counted(receipt.packs, "pack"),
            );
            facts.push((
                "freed",
                format!("{objects}, {packs}, {}", size(receipt.bytes)),
            ));
        }
        if let Some(reason) = &self.reason {
            facts.push(("reason", printable(reason)));
        }
        facts
    }
}

/// The colour of a state: what waits for somebody stands out.
const fn tone(state: BuildState) -> Option<Tone> {
    match state {
        BuildState::Published => Some(Tone::Good),
        BuildState::Rejected => Some(Tone::Bad),
        BuildState::Open | BuildState::Checking | BuildState::Ready | BuildState::Publishing => {
            Some(Tone::Changed)
        }
        BuildState::Purged => None,
    }
}

impl Answer for Build {
    fn write_text(&self, out: &mut dyn Write, colours: Colours) -> io::Result<()> {
        let state = self.state.name();
        let state =
            tone(self.state).map_or_else(|| state.to_owned(), |tone| colours.paint(tone, state));
        let mut table = Table::plain([Side::Left, Side::Left]);
        table.push(["build".into(), format!("{} ({state})", self.id)]);
        table.push(["repo".into(), self.repo.to_string()]);
        if let Some(target) = &self.target {
            table.push(["ref".into(), target.to_string()]);
        }
        table.push(["created".into(), self.created.to_string()]);
        for (heading, fact) in self.facts() {
            table.push([heading.to_owned(), fact]);
        }
        table.write(out)
    }
}

impl Answer for Builds {
    fn write_text(&self, out: &mut dyn Write, _colours: Colours) -> io::Result<()> {
        let mut table = Table::new([
            ("build", Side::Right),
            ("state", Side::Left),
            ("ref", Side::Left),
            ("files", Side::Right),
            ("size", Side::Right),
            ("created", Side::Left),
            ("labels", Side::Left),
        ]);
        for build in &self.builds {
            table.push([
                build.id.to_string(),
                build.state(),
                build.place(),
                crate::quantity::grouped(build.staged.files),
                size(build.staged.bytes),
                build.created.to_string(),
                build.labels(),
            ]);
        }
        table.write(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a server says need not have been looked at by anybody.
    #[test]
    fn a_terminal_obeys_nothing_of_a_build() -> Result<(), Box<dyn std::error::Error>> {
        let said: BuildSaid = serde_json::from_str(
            r#"{"build": 7, "state": "ready", "repo": "r", "ref": null, "created": "2026-11-22T09:00:00Z",
                "labels": {"a\u001b[2J": "b\n\u202ec"}, "base": null, "committed": null, "published": null,
                "receipt": null, "reason": "d\u001b\u202e", "held": "e\r\u202e",
                "checks": [{"check": "lint", "required": true, "outcome": "fail", "message": "f\u202eg",
                            "time": "2026-11-22T09:00:00Z"}],
                "staged": {"operations": 0, "files": 0, "bytes": 0, "new_objects": 0, "new_bytes": 0,
                           "stored_bytes": 0}}"#,
        )?;
        let build = Build::from(said);
        let mut out = Vec::new();
        build.write_text(&mut out, Colours::Off)?;
        Builds {
            builds: vec![build],
        }
        .write_text(&mut out, Colours::Off)?;
        let text = String::from_utf8(out)?;
        for line in [
            "labels   a [2J=b  c\n",
            "held     e\n",
            "check    lint failed (2026-11-22T09:00:00Z): f g\n",
            "reason   d\n",
        ] {
            assert!(text.contains(line), "{text}");
        }
        let is_obeyed = |character| matches!(character, '\u{1b}' | '\r' | '\u{202e}');
        assert!(!text.contains(is_obeyed), "{text:?}");
        Ok(())
    }
}
