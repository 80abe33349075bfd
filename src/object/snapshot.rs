//! Snapshots: one tree at one moment, with what it follows and why it was made.
//!
//! ```text
//! bindery snapshot 1
//! tree <size> <id>
//! files <n>
//! bytes <n>
//! depth <n>
//! parent <id>                  0 to 16 lines
//! time 2026-11-22T09:00:00Z
//! label <key> <value>          0 to 64 lines, sorted by key
//!
//! <message>                    only if there is one: an empty line, then the text as it was given
//! ```
//!
//! # Invariants
//!
//! - A snapshot has one spelling: `Snapshot::decode(&bytes)?.encode()? == bytes`. A message is kept to the byte, with
//!   or without an LF at its end; the empty message is written without the empty line.
//! - `encode` refuses what `decode` would refuse.
//!
//! # Not here
//!
//! Whether totals and depth are those of the tree (`build`), who vouches for the snapshot (`trust`).

use crate::base::Result;
use crate::base::clock::Time;
use crate::base::error::{Error, check_limit};
use crate::base::id::{SnapshotId, TreeId};
use crate::base::limits::{
    MESSAGE_BYTES_MAX, PARENTS_MAX, PATH_DEPTH_MAX, SNAPSHOT_BYTES_MAX, TREE_BYTES_MAX,
};
use crate::base::text::{Lines, TextError};

use super::entry::TreeRef;
use super::totals::Totals;

pub use super::label::{LabelError, Labels};

/// One tree at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The root of the tree.
    pub tree: TreeRef,
    /// Files beneath the root, and their expanded bytes.
    pub totals: Totals,
    /// No path of the tree has more names than this, which is at most [`PATH_DEPTH_MAX`]. It may be more than the deepest
    /// path has: finding out exactly would cost a walk over everything that a merge left alone.
    pub depth: u64,
    /// What the snapshot follows, at most [`PARENTS_MAX`]. It is complete without them.
    pub parents: Vec<SnapshotId>,
    /// When it was made.
    pub time: Time,
    /// Facts about it.
    pub labels: Labels,
    /// Why it was made: at most [`MESSAGE_BYTES_MAX`] bytes without control characters, except LF and TAB. May be empty.
    pub message: String,
}

impl Snapshot {
    /// Writes the text of the snapshot.
    ///
    /// # Errors
    ///
    /// [`Error::Limit`] if a part or the whole is too large, [`Error::Usage`] if the message has control characters.
    pub fn encode(&self) -> Result<Vec<u8>> {
        self.check()?;
        let mut text = format!(
            "bindery snapshot 1\ntree {} {}\nfiles {}\nbytes {}\ndepth {}\n",
            self.tree.size,
            self.tree.id,
            self.totals.files(),
            self.totals.bytes(),
            self.depth
        );
        let parents = self.parents.iter();
        text.extend(parents.map(|parent| format!("parent {parent}\n")));
        text.extend([format!("time {}\n", self.time)]);
        let labels = self.labels.iter();
        text.extend(labels.map(|(key, value)| format!("label {key} {value}\n")));
        if !self.message.is_empty() {
            text += "\n";
            text += &self.message;
        }
        check_limit(
            "a snapshot's number of bytes",
            text.len() as u64,
            SNAPSHOT_BYTES_MAX,
        )?;
        Ok(text.into_bytes())
    }

    /// Reads a snapshot from its text.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if the bytes are anything but the one text of a snapshot.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        if bytes.len() as u64 > SNAPSHOT_BYTES_MAX {
            let reason = format!("{} bytes, more than {SNAPSHOT_BYTES_MAX}", bytes.len());
            return Err(Error::malformed("snapshot", reason));
        }
        let snapshot = decode_text(bytes).map_err(Error::text("snapshot"))?;
        match snapshot.check() {
            Ok(()) => Ok(snapshot),
            Err(error) => Err(Error::malformed("snapshot", error.to_string())),
        }
    }

    /// Checks every part that its type does not.
    fn check(&self) -> Result<()> {
        check_limit(
            "a tree node's number of bytes",
            self.tree.size,
            TREE_BYTES_MAX,
        )?;
        check_limit("a tree's depth", self.depth, PATH_DEPTH_MAX as u64)?;
        check_limit(
            "a snapshot's number of parents",
            self.parents.len() as u64,
            PARENTS_MAX as u64,
        )?;
        check_message(&self.message)
    }
}

/// Checks a message before anything is made of it.
///
/// # Errors
///
/// [`Error::Limit`] above [`MESSAGE_BYTES_MAX`], [`Error::Usage`] for control characters other than LF and TAB.
pub fn check_message(message: &str) -> Result<()> {
    check_limit(
        "a message's number of bytes",
        message.len() as u64,
        MESSAGE_BYTES_MAX as u64,
    )?;
    if message.contains(|c: char| c.is_control() && c != '\n' && c != '\t') {
        return Err(Error::usage(
            "a message has no control characters but line ends and tabs",
        ));
    }
    Ok(())
}

fn decode_text(bytes: &[u8]) -> Result<Snapshot, TextError> {
    let mut lines = Lines::new(bytes);
    let mut header = lines.next_with("bindery")?;
    header.word("snapshot")?;
    header.version(1)?;
    header.end()?;
    let mut fields = lines.next_with("tree")?;
    let size = fields.number()?;
    let id = fields.value::<TreeId>("the id of a tree")?;
    fields.end()?;
    let files = number(&mut lines, "files")?;
    let bytes = number(&mut lines, "bytes")?;
    let totals =
        Totals::new(files, bytes).map_err(|_| lines.expected("totals within the limits"))?;
    let depth = number(&mut lines, "depth")?;
    let parents = decode_parents(&mut lines)?;
    let mut fields = lines.next_with("time")?;
    let time = fields.value::<Time>("a time")?;
    fields.end()?;
    Ok(Snapshot {
        tree: TreeRef { id, size },
        totals,
        depth,
        parents,
        time,
        labels: decode_labels(&mut lines)?,
        message: decode_message(&mut lines)?,
    })
}

fn number(lines: &mut Lines<'_>, word: &str) -> Result<u64, TextError> {
    let mut fields = lines.next_with(word)?;
    let number = fields.number()?;
    fields.end()?;
    Ok(number)
}

fn decode_parents(lines: &mut Lines<'_>) -> Result<Vec<SnapshotId>, TextError> {
    let mut parents = Vec::new();
    while lines.starts_with("parent") {
        let mut fields = lines.next_with("parent")?;
        if parents.len() == PARENTS_MAX {
            return Err(fields.expected(format!("at most {PARENTS_MAX} parents")));
        }
        parents.push(fields.value("the id of a snapshot")?);
        fields.end()?;
    }
    Ok(parents)
}

fn decode_labels(lines: &mut Lines<'_>) -> Result<Labels, TextError> {
    let mut labels = Labels::default();
    while lines.starts_with("label") {
        let mut fields = lines.next_with("label")?;
        let key = text(fields.field()?).ok_or_else(|| fields.expected("a key"))?;
        let value = text(fields.remainder()?).ok_or_else(|| fields.expected("a value"))?;
        if labels.last_key().is_some_and(|last| last >= key) {
            return Err(fields.expected("labels sorted by key"));
        }
        labels
            .insert(key, value)
            .map_err(|error| fields.wrong(error))?;
    }
    Ok(labels)
}

fn decode_message(lines: &mut Lines<'_>) -> Result<String, TextError> {
    if lines.is_at_end() {
        return Ok(String::new());
    }
    let separator = lines.next_line()?.remainder()?;
    let message = text(lines.rest()).filter(|message| separator.is_empty() && !message.is_empty());
    let message =
        message.ok_or_else(|| lines.expected("an empty line and a message, or the end"))?;
    Ok(message.to_owned())
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limits::{LABEL_BYTES_MAX, LABELS_MAX};

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    /// The hash of nothing, as `b3sum` prints it.
    const ID: &str = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";

    fn golden() -> String {
        format!(
            "bindery snapshot 1\ntree 19 {ID}\nfiles 2\nbytes 30\ndepth 1\nparent {ID}\ntime 2026-11-22T09:00:00Z\n\
             label arch x86_64\nlabel builder ci  7\n\nFirst line.\n\n\tMore."
        )
    }

    fn smallest() -> String {
        format!(
            "bindery snapshot 1\ntree 19 {ID}\nfiles 0\nbytes 0\ndepth 0\ntime 1970-01-01T00:00:00Z\n"
        )
    }

    #[test]
    fn a_snapshot_has_one_spelling() -> Outcome {
        for text in [golden(), smallest(), format!("{}\n\n", smallest())] {
            let snapshot = Snapshot::decode(text.as_bytes())?;
            assert_eq!(String::from_utf8(snapshot.encode()?)?, text);
        }
        let snapshot = Snapshot::decode(golden().as_bytes())?;
        assert_eq!(snapshot.tree.size, 19);
        assert_eq!(snapshot.totals, Totals::new(2, 30)?);
        assert_eq!(snapshot.depth, 1);
        assert_eq!(snapshot.parents.len(), 1);
        assert_eq!(snapshot.labels.value("builder"), Some("ci  7"));
        assert_eq!(snapshot.message, "First line.\n\n\tMore.");
        Ok(())
    }

    #[test]
    fn a_text_that_breaks_a_rule_is_no_snapshot() {
        let parents = format!("parent {ID}\n").repeat(PARENTS_MAX);
        for (from, to, reason) in [
            ("snapshot 1", "snapshot 2", "line 1: version 2, of which"),
            ("snapshot 1\n", "snapshot 1 \n", "line 1: expected the end"),
            ("tree 19", "tree 019", "line 2: expected a number"),
            ("tree 19", "tree 1048577", "the limit is 1048576"),
            ("files 2\n", "", "line 3: expected 'files'"),
            ("files 2", "files 50000001", "within the limits"),
            ("depth 1", "depth 129", "the limit is 128"),
            ("depth 1\n", "depth 1\nparent\n", "'time'"),
            ("depth 1\n", &format!("depth 1\n{parents}"), "at most 16"),
            ("time 2026", "time  2026", "a time"),
            ("label arch", "label zoo", "sorted by key"),
            ("label builder", "label arch", "sorted by key"),
            ("label arch x", "label a/b x", "a label's key"),
            ("label arch x86_64", "label arch ", "a label's value"),
            ("label arch x86_64", "label arch", "another field"),
            ("\n\nFirst", "\nFirst", "an empty line"),
            ("First line.\n\n\tMore.", "", "an empty line"),
            ("First", "Fi\rst", "control characters"),
            ("First", "Fi\u{85}st", "control characters"),
        ] {
            let text = golden().replacen(from, to, 1);
            let message = match Snapshot::decode(text.as_bytes()) {
                Ok(snapshot) => format!("{snapshot:?}"),
                Err(error) => error.to_string(),
            };
            assert!(message.contains(reason), "{from:?} to {to:?}: {message}");
        }
    }

    #[test]
    fn what_could_not_be_read_is_not_written() -> Outcome {
        let good = Snapshot::decode(smallest().as_bytes())?;
        let parent = SnapshotId::of(b"");
        let longest = "m".repeat(MESSAGE_BYTES_MAX);
        let mut labels = Labels::default();
        for number in 0..LABELS_MAX {
            let key = format!("{number:02}");
            labels.insert(&key, &"v".repeat(LABEL_BYTES_MAX - 2))?;
        }
        let full = |message: &str| Snapshot {
            labels: labels.clone(),
            message: message.into(),
            ..good.clone()
        };
        let with = |change: &dyn Fn(&mut Snapshot)| {
            let mut snapshot = good.clone();
            change(&mut snapshot);
            snapshot
        };
        for (snapshot, written) in [
            (with(&|s| s.message.clone_from(&longest)), true),
            (with(&|s| s.message = format!("{longest}m")), false),
            (with(&|s| s.message = "a\0".into()), false),
            (with(&|s| s.parents = vec![parent; PARENTS_MAX]), true),
            (with(&|s| s.parents = vec![parent; PARENTS_MAX + 1]), false),
            (with(&|s| s.depth = 128), true),
            (with(&|s| s.depth = 129), false),
            (with(&|s| s.tree.size = TREE_BYTES_MAX + 1), false),
            (full("short"), true),
            (full(&longest), false),
        ] {
            match snapshot.encode() {
                Ok(bytes) => assert!(written && Snapshot::decode(&bytes)? == snapshot),
                Err(error) => assert!(!written, "{error}"),
            }
        }
        assert!(Snapshot::decode(&vec![b'x'; 1 << 18]).is_err());
        Ok(())
    }

    #[test]
    fn every_truncation_and_every_flipped_bit_is_noticed() -> Outcome {
        let text = golden();
        let bytes = text.as_bytes();
        for length in 0..bytes.len() {
            // A shorter message is a message; the id gives it away.
            if let Ok(snapshot) = Snapshot::decode(&bytes[..length]) {
                assert_eq!(snapshot.encode()?, &bytes[..length]);
            }
        }
        for bit in 0..8 * bytes.len() {
            let mut flipped = bytes.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            if let Ok(snapshot) = Snapshot::decode(&flipped) {
                assert_eq!(snapshot.encode()?, flipped, "bit {bit}");
            }
        }
        Ok(())
    }
}
