//! The pipeline: while one window of files is compressed and written, the next one is read and hashed.
//!
//! # Not here
//!
//! Its two halves: `build::stage::window` reads, `build::stage::packer` writes.

use super::listing::{Listed, Source};
use super::packer::{Content, Packer};
use super::recall::Recalled;
use super::stream;
use super::window::{self, Step, Windows};
use crate::base::Result;
use crate::base::progress::Progress;

/// Takes in the files of `source` whose ids are not yet in `recalled`, and puts their ids there.
///
/// # Errors
///
/// Those of [`window::read`], [`stream::take_in`] and [`Packer::take`].
pub(super) fn take_in_files(
    source: &Source,
    recalled: &mut Recalled,
    packer: &mut Packer<'_, '_>,
    progress: &dyn Progress,
) -> Result<()> {
    let unread: Vec<bool> = recalled.unread();
    let wanted = source.files().filter(|file| {
        let is_unread = unread[file.number];
        if !is_unread {
            progress.advance(file.size());
        }
        is_unread
    });
    let mut waiting = Vec::new();
    for step in Windows::new(wanted) {
        let contents = std::mem::take(&mut waiting);
        match step {
            Step::Window(files) => {
                let read = || window::read(&files, progress);
                let (read, taken) = rayon::join(read, || packer.take(contents));
                taken?;
                waiting = read?;
                note_ids(&files, &waiting, recalled);
            }
            Step::Large(file) => {
                packer.take(contents)?;
                let id = stream::take_in(&file, packer, progress)?;
                recalled.note(file.number, id);
            }
        }
    }
    packer.take(waiting)
}

fn note_ids(files: &[Listed<'_>], contents: &[Content], recalled: &mut Recalled) {
    for (file, content) in files.iter().zip(contents) {
        recalled.note(file.number, content.id);
    }
}
