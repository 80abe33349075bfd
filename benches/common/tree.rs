//! Trees of files on disk, to be staged.

use std::path::Path;

use super::Outcome;

/// Files in one directory.
pub const DIRECTORY_FILES: u64 = 40;

/// Writes `files` files beneath `root`, and returns their bytes. `content` gives those of each number.
pub fn write_tree(
    root: &Path,
    files: u64,
    mut content: impl FnMut(u64) -> Outcome<Vec<u8>>,
) -> Outcome<u64> {
    let mut bytes = 0;
    for number in 0..files {
        let folder = root.join(format!("{:04}", number / DIRECTORY_FILES));
        if number.is_multiple_of(DIRECTORY_FILES) {
            std::fs::create_dir_all(&folder)?;
        }
        let content = content(number)?;
        std::fs::write(folder.join(format!("{number}.c")), &content)?;
        bytes += content.len() as u64;
    }
    Ok(bytes)
}
