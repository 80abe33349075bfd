//! Orders: what the groups of a script are to make, and whether they may.
//!
//! # Invariants
//!
//! - All sizes are checked against the limits, against each other and against the totals of the second tree before anything is
//!   read or made.
//!
//! # Not here
//!
//! Making it (`delta::follow`).

use super::parts::malformed;
use super::retell::{Told, old_entry};
use crate::base::Result;
use crate::base::error::check_limit;
use crate::base::limits::{
    ARCHIVE_CODER_BYTES_MAX, PATCH_BYTES_MAX, PATCH_GROUP_BYTES_MAX, archive_form_bytes_max,
};
use crate::object::archive::unpack;
use crate::object::edges::blob_form;
use crate::object::kind::ObjectKind;
use crate::object::script::{Content, Put, Script, Step};
use crate::object::script_frame::Group;
use crate::object::totals::Totals;
use crate::object::tree::{EntryKind, TreeRef};
use crate::store::view::View;

/// A content that is to be made: the step that puts it, its base if it has one, and its bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    pub(super) step: usize,
    pub(super) base: Option<Told>,
    /// What the patch makes.
    pub(super) bytes: u64,
    pub(super) archive: Option<Archive>,
}

impl Order {
    /// Bytes of the base as the first tree has it.
    fn base_bytes(&self) -> u64 {
        self.base.map_or(0, |(_, bytes)| bytes)
    }

    /// Bytes of the base of the patch.
    fn unpacked_base_bytes(&self) -> u64 {
        self.archive
            .map_or_else(|| self.base_bytes(), |archive| archive.base)
    }

    /// Bytes of the content that is made.
    fn content_bytes(&self) -> u64 {
        self.archive.map_or(self.bytes, |archive| archive.size)
    }

    /// Nothing is larger than patches may make, and no archive longer unpacked than writers tell.
    fn check(&self) -> Result<()> {
        let most = PATCH_BYTES_MAX;
        check_limit("bytes of a content of a delta", self.bytes, most)?;
        let Some(Archive { base, size }) = self.archive else {
            return Ok(());
        };
        check_limit("bytes of a content of a delta", size, most)?;
        for (what, bytes, packed) in [
            ("bytes of an archive, unpacked", self.bytes, size),
            ("bytes of a base, unpacked", base, self.base_bytes()),
        ] {
            check_limit(what, bytes, archive_form_bytes_max(packed))?;
        }
        Ok(())
    }

    /// Bytes of the content that is made, if it is one object.
    pub(super) fn small_bytes(&self) -> Option<usize> {
        let bytes = self.content_bytes();
        let is_small = blob_form(bytes) == ObjectKind::Blob;
        usize::try_from(bytes).ok().filter(|_| is_small)
    }
}

/// What the base and the outcome of a patch are, if the content is told by what is in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Archive {
    /// Bytes of the base, unpacked.
    pub(super) base: u64,
    /// Bytes of the file.
    pub(super) size: u64,
}

/// A group with what it makes.
pub(super) struct Task<'p> {
    pub(super) group: Group<'p>,
    pub(super) orders: Vec<Order>,
}

/// Sorts the contents of a script by their groups. All have room in the `totals` of the second tree.
///
/// # Errors
///
/// [`Error::Malformed`](crate::base::Error::Malformed) or [`Error::Limit`](crate::base::Error::Limit) if script and groups do not
/// agree, or make too much; [`Error::NotFound`](crate::base::Error::NotFound) if a tree is not there.
pub(super) fn tasks<'p>(
    script: &Script,
    groups: Vec<Group<'p>>,
    a: TreeRef,
    totals: Totals,
    view: &View<'_>,
) -> Result<Vec<Task<'p>>> {
    let mut room = Room::of(totals);
    let tasks = groups.into_iter().map(|group| Task {
        group,
        orders: Vec::new(),
    });
    let mut tasks: Vec<Task<'p>> = tasks.collect();
    for (number, step) in script.steps.iter().enumerate() {
        let Some(put) = &step.put else { continue };
        let Some((group, order)) = order(view, a, (number, step), put)? else {
            if put.kind != EntryKind::Directory {
                room.take(put.content.whole_bytes())?;
            }
            continue;
        };
        order.check()?;
        room.take(order.content_bytes())?;
        let task = tasks.get_mut(group as usize);
        let task = task.ok_or_else(|| malformed(format!("it has no group {group}")))?;
        task.orders.push(order);
    }
    tasks.iter().try_for_each(Task::check)?;
    Ok(tasks)
}

/// What the group of a content, if it is made by one, is to make.
fn order(
    view: &View<'_>,
    a: TreeRef,
    (number, step): (usize, &Step),
    put: &Put,
) -> Result<Option<(u32, Order)>> {
    let (group, base, bytes) = match put.content {
        Content::Made { group, size } => (group, None, Some(size)),
        Content::Patched { group, growth } => {
            let base = base_of(view, a, step, put)?;
            (group, Some(base), base.1.checked_add_signed(growth))
        }
        Content::Archive { group, form, .. } => {
            (group, Some(base_of(view, a, step, put)?), Some(form))
        }
        Content::Old | Content::Again | Content::Whole { .. } | Content::Empty => return Ok(None),
    };
    let order = Order {
        step: number,
        base,
        // Below nothing or beyond all numbers: beyond the limit.
        bytes: bytes.unwrap_or(u64::MAX),
        archive: Archive::of(put.content),
    };
    Ok(Some((group, order)))
}

/// What is left of the files and bytes that the second tree has. Each file that a script puts is one of them, however often a
/// content occurs.
struct Room {
    files: u64,
    bytes: u64,
}

impl Room {
    fn of(totals: Totals) -> Self {
        Self {
            files: totals.files(),
            bytes: totals.bytes(),
        }
    }

    /// Takes one file.
    fn take(&mut self, bytes: u64) -> Result<()> {
        let left = self.files.checked_sub(1).zip(self.bytes.checked_sub(bytes));
        let left =
            left.ok_or_else(|| malformed("it makes more than its snapshot says there is"))?;
        (self.files, self.bytes) = left;
        Ok(())
    }
}

/// The content of the first tree that a content is made from.
fn base_of(view: &View<'_>, a: TreeRef, step: &Step, put: &Put) -> Result<Told> {
    let path = put.at.as_ref().unwrap_or(&step.path);
    let base = old_entry(view, a, path)?;
    if base.tree_ref().is_some() {
        return Err(malformed(format!("/{path} is a directory, and no base")));
    }
    Ok((base.id(), base.size()))
}

impl Archive {
    fn of(content: Content) -> Option<Self> {
        match content {
            Content::Archive { base, size, .. } => Some(Self { base, size }),
            _ => None,
        }
    }

    /// The base of the patch, of the base as the first tree has it.
    pub(super) fn unpack(self, packed: &[u8]) -> Result<Vec<u8>> {
        let unpacked = usize::try_from(self.base).ok();
        let unpacked = unpacked.and_then(|bytes| unpack(packed, bytes));
        unpacked
            .filter(|unpacked| unpacked.len() as u64 == self.base)
            .ok_or_else(|| malformed(format!("a base does not unpack to {} bytes", self.base)))
    }
}

impl Task<'_> {
    /// The script has the contents that the group says it makes, and bases that a patch may have. The applier checks that, too,
    /// but of bases that are there.
    fn check(&self) -> Result<()> {
        let bytes = self.orders.iter().map(|order| order.bytes).sum::<u64>();
        for base_bytes in [Order::base_bytes, Order::unpacked_base_bytes] {
            let bases = self.orders.iter().map(base_bytes).sum();
            check_limit("bytes of the bases of a group", bases, PATCH_BYTES_MAX)?;
        }
        if self.orders.len() > 1 {
            check_limit("bytes of a group of contents", bytes, PATCH_GROUP_BYTES_MAX)?;
        }
        if self.orders.len() as u64 == u64::from(self.group.contents)
            && bytes == u64::from(self.group.bytes)
        {
            return Ok(());
        }
        Err(malformed(format!(
            "a group makes {} contents of {} bytes, its script has {} of {bytes}",
            self.group.contents,
            self.group.bytes,
            self.orders.len()
        )))
    }

    /// Bytes of the bases, of what is made, and of the frames that hold it; archives are made one after another.
    pub(super) fn memory_bytes(&self) -> u64 {
        let sizes = self.orders.iter();
        let sizes = sizes.map(|order| {
            let archive = order
                .archive
                .map_or(0, |archive| archive.base + 2 * archive.size + order.bytes);
            2 * order.bytes + order.base_bytes() + archive
        });
        let coder = if self.orders.iter().any(|order| order.archive.is_some()) {
            ARCHIVE_CODER_BYTES_MAX
        } else {
            0
        };
        sizes.sum::<u64>() + coder
    }
}
