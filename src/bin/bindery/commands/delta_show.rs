//! What `bindery delta show` and `bindery delta make --dry-run` print: a line for each path that differs.

use std::io::{self, Write};

use bindery::base::Result;
use bindery::base::id::{PackId, SnapshotId};
use bindery::base::path::TreePath;
use bindery::delta::show::{Planned, Shown};
use bindery::disk::files::Mapping;
use bindery::object::pack_reader::PackReader;
use bindery::object::script::{Content, Step};
use serde::Serialize;

use crate::colour::{Colours, Tone};
use crate::output::Answer;
use crate::quantity::{counted, size};
use crate::session::Session;

/// What a delta does at one path.
#[derive(Debug, Serialize)]
struct Line {
    path: TreePath,
    /// `removed`, `old`, `again`, `patch`, `new`, `whole` or `empty`.
    what: &'static str,
    /// The path that the content comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<TreePath>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<u32>,
    /// The bytes of a new content, if they are known without the base.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    /// Bytes that a patched content has more than its base.
    #[serde(skip_serializing_if = "Option::is_none")]
    growth: Option<i64>,
}

impl From<&Step> for Line {
    fn from(step: &Step) -> Self {
        let mut line = Self {
            path: step.path.clone(),
            what: "removed",
            from: None,
            group: None,
            bytes: None,
            growth: None,
        };
        let Some(put) = &step.put else {
            return line;
        };
        line.from.clone_from(&put.at);
        match put.content {
            Content::Old => line.what = "old",
            Content::Again => line.what = "again",
            Content::Empty => line.what = "empty",
            Content::Patched { group, growth } => {
                (line.what, line.group, line.growth) = ("patch", Some(group), Some(growth));
            }
            Content::Archive { group, size, .. } => {
                (line.what, line.group, line.bytes) = ("archive", Some(group), Some(size));
            }
            Content::Made { group, size } => {
                (line.what, line.group, line.bytes) = ("new", Some(group), Some(size));
            }
            Content::Whole { size, .. } => (line.what, line.bytes) = ("whole", Some(size)),
        }
        line
    }
}

impl Line {
    fn write(&self, out: &mut dyn Write, colours: Colours) -> io::Result<()> {
        let tone = match self.what {
            "removed" => Tone::Bad,
            "new" | "whole" => Tone::Good,
            _ => Tone::Changed,
        };
        write!(out, "{:8}", colours.paint(tone, self.what))?;
        if let Some(group) = self.group {
            write!(out, "{group:>4}  ")?;
        } else {
            write!(out, "{:>4}  ", "")?;
        }
        write!(out, "{}", self.path)?;
        if let Some(from) = &self.from {
            write!(out, "  from {from}")?;
        }
        if let Some(bytes) = self.bytes {
            write!(out, "  {}", size(bytes))?;
        }
        match self.growth {
            Some(growth) => writeln!(out, "  {growth:+} B"),
            None => writeln!(out),
        }
    }
}

#[derive(Debug, Serialize)]
struct GroupLine {
    contents: u32,
    bytes: u32,
    patch_bytes: u64,
}

/// What is in a delta.
#[derive(Debug, Serialize)]
struct ShowAnswer {
    pack: PackId,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    snapshot: SnapshotId,
    objects: u64,
    groups: Vec<GroupLine>,
    paths: Vec<Line>,
}

/// Shows a delta.
///
/// # Errors
///
/// [`Error::Malformed`](bindery::base::Error::Malformed) if it is none.
pub fn show(session: &Session, pack: &PackReader<Mapping>) -> Result<()> {
    let shown: Shown = bindery::delta::show::show(pack)?;
    let groups = shown.groups.iter().map(|group| GroupLine {
        contents: group.contents,
        bytes: group.bytes,
        patch_bytes: group.patch_bytes,
    });
    session.output.answer(&ShowAnswer {
        pack: shown.pack,
        bytes: pack.bytes().len() as u64,
        from: shown.from,
        snapshot: shown.to.id,
        objects: shown.objects,
        groups: groups.collect(),
        paths: shown.steps.iter().map(Line::from).collect(),
    })
}

impl Answer for ShowAnswer {
    fn write_text(&self, out: &mut dyn Write, colours: Colours) -> io::Result<()> {
        match &self.from {
            Some(from) => writeln!(out, "from      {from}")?,
            None => writeln!(out, "from      nothing")?,
        }
        writeln!(out, "to        {}", self.snapshot)?;
        let objects = counted(self.objects, "whole object");
        writeln!(out, "bytes     {} with {objects}", size(self.bytes))?;
        for (number, group) in self.groups.iter().enumerate() {
            let contents = counted(group.contents.into(), "content");
            let (bytes, patch) = (size(group.bytes.into()), size(group.patch_bytes));
            writeln!(out, "group {number:<4}{contents} of {bytes} in {patch}")?;
        }
        self.paths
            .iter()
            .try_for_each(|line| line.write(out, colours))
    }
}

/// What would be in a delta.
#[derive(Debug, Serialize)]
pub struct PlanAnswer {
    paths: Vec<PlanLine>,
}

#[derive(Debug, Serialize)]
struct PlanLine {
    #[serde(flatten)]
    line: Line,
    bases: Vec<TreePath>,
}

impl From<Vec<Planned>> for PlanAnswer {
    fn from(planned: Vec<Planned>) -> Self {
        let line = |planned: Planned| {
            let mut line = Line::from(&planned.step);
            if planned.bytes.is_some() {
                line.what = if planned.bases.is_empty() {
                    "new"
                } else {
                    "patch"
                };
                line.bytes = planned.bytes;
            }
            PlanLine {
                line,
                bases: planned.bases,
            }
        };
        Self {
            paths: planned.into_iter().map(line).collect(),
        }
    }
}

impl Answer for PlanAnswer {
    fn write_text(&self, out: &mut dyn Write, colours: Colours) -> io::Result<()> {
        for line in &self.paths {
            line.line.write(out, colours)?;
            for base in &line.bases {
                writeln!(out, "              perhaps from {base}")?;
            }
        }
        Ok(())
    }
}
