//! Refolding: the file that a recipe and unpacked bytes make.
//!
//! # Not here
//!
//! Whether it is the right file: whoever refolds compares its hash.

use super::recipe::{Level, Made, malformed};
use crate::base::error::Result;
use crate::base::limits::PATCH_BYTES_MAX;

/// The file of `bytes` bytes of which `form` is the unfolded form.
///
/// # Errors
///
/// [`Error::Malformed`](crate::base::Error::Malformed) or [`Error::Limit`](crate::base::Error::Limit) if the recipe is none,
/// or what it makes has another length.
pub fn refold(form: &[u8], bytes: usize) -> Result<Vec<u8>> {
    refold_by(form, bytes, &|made, plain, sink| {
        made.packing.pack(plain, sink)
    })
}

/// Makes a stream of its content, and gives it to a sink piece by piece until that says no. Says whether it came to its end.
pub(super) type Pack<'p> = &'p dyn Fn(&Made, &[u8], &mut dyn FnMut(&[u8]) -> bool) -> bool;

/// The same with streams from `pack`.
pub(super) fn refold_by(form: &[u8], bytes: usize, pack: Pack<'_>) -> Result<Vec<u8>> {
    let (recipe, unpacked) = Level::decode(form)?;
    let file = level(&recipe, unpacked, bytes, pack)?;
    if file.len() == bytes {
        return Ok(file);
    }
    Err(malformed("what it makes has another length"))
}

fn level(recipe: &Level, unpacked: &[u8], bytes_max: usize, pack: Pack<'_>) -> Result<Vec<u8>> {
    let too_short = || malformed("a stream is longer than what it is in");
    let mut file = Vec::new();
    let mut rest = unpacked;
    for made in &recipe.streams {
        let (gap, behind) = rest.split_at_checked(made.gap).ok_or_else(too_short)?;
        let (content, behind) = behind.split_at_checked(made.bytes).ok_or_else(too_short)?;
        rest = behind;
        append(&mut file, gap, bytes_max)?;
        let inner;
        let content = if made.within.streams.is_empty() {
            content
        } else {
            let most = usize::try_from(PATCH_BYTES_MAX).unwrap_or(usize::MAX);
            inner = level(&made.within, content, most, pack)?;
            &inner
        };
        if content.len() < made.packing.plain_bytes_min() {
            return Err(malformed("a stream is too short to be made again"));
        }
        let ended = pack(made, content, &mut |piece| {
            append(&mut file, piece, bytes_max).is_ok()
        });
        if !ended {
            return Err(malformed("a stream cannot be made, or is too long"));
        }
    }
    append(&mut file, rest, bytes_max)?;
    Ok(file)
}

fn append(file: &mut Vec<u8>, bytes: &[u8], bytes_max: usize) -> Result<()> {
    if bytes.len() > bytes_max.saturating_sub(file.len()) {
        return Err(malformed("it makes more bytes than it should"));
    }
    file.extend_from_slice(bytes);
    Ok(())
}
