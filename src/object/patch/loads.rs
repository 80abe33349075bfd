//! Loads: how a target is loaded, which an applier must know before it can predict.
//!
//! ```text
//! control stream, for each target: 0, if nothing is predicted; or 1 and the number of loaded segments, and for each its
//! offset, bytes and address, as varints
//! ```
//!
//! # Invariants
//!
//! - Segments that are read ascend by offset, as those of an image do.
//!
//! # Not here
//!
//! Finding them (`elf`).

use super::elf::{LOADS_MAX, Load};
use super::stream::{Stream, malformed};
use super::varint;
use crate::base::error::{Result, check_limit};

/// Most bytes of what stands before the segments of one target.
const CONTROL_BYTES_MAX: u64 = 2 + 15 * LOADS_MAX as u64;

/// The most bytes of the control stream that this takes.
pub(super) fn control_bytes_max(targets: u64) -> u64 {
    targets * CONTROL_BYTES_MAX
}

/// Appends that nothing is predicted.
pub(super) fn push_none(control: &mut Vec<u8>) {
    varint::push(control, 0);
}

/// Appends the loaded segments of a target for which there are predictions.
pub(super) fn push_all(control: &mut Vec<u8>, loads: &[Load]) {
    varint::push(control, loads.len() as u64 + 1);
    for load in loads {
        for number in [load.offset, load.bytes, load.address] {
            varint::push(control, number.into());
        }
    }
}

/// Reads what either appended.
///
/// # Errors
///
/// [`Malformed`](crate::base::error::Error::Malformed) or [`Limit`](crate::base::error::Error::Limit) if there is
/// something else.
pub(super) fn take_all(control: &mut Stream<'_>) -> Result<Option<Vec<Load>>> {
    let Some(count) = control.number()?.checked_sub(1) else {
        return Ok(None);
    };
    check_limit("loaded segments of a target", count, LOADS_MAX as u64)?;
    let mut loads: Vec<Load> = Vec::new();
    for _ in 0..count {
        let mut next = || {
            let number = control.number()?;
            u32::try_from(number).map_err(|_| malformed("a loaded segment lies beyond 32 bits"))
        };
        let load = Load {
            offset: next()?,
            bytes: next()?,
            address: next()?,
        };
        if loads.last().is_some_and(|last| last.offset >= load.offset) {
            return Err(malformed("loaded segments do not ascend"));
        }
        loads.push(load);
    }
    Ok(Some(loads))
}
