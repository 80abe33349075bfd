//! Deflate: the one door to zlib.
//!
//! # Not here
//!
//! Which level made a stream (`coder`).

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::stream::{Expanded, WINDOW_BYTES};

/// What `packed` expands to.
pub(super) fn expand(packed: &[u8], bytes_max: usize) -> Expanded {
    let mut stream = Decompress::new(false);
    let mut plain = Vec::new();
    let mut window = vec![0; WINDOW_BYTES];
    loop {
        let (read, made) = (stream.total_in(), stream.total_out());
        let left = usize::try_from(read).ok().and_then(|at| packed.get(at..));
        let left = left.unwrap_or_default();
        let Ok(status) = stream.decompress(left, &mut window, FlushDecompress::Finish) else {
            return Expanded::Broken;
        };
        let more = usize::try_from(stream.total_out() - made).unwrap_or(0);
        if plain.len() + more > bytes_max {
            return Expanded::TooLong;
        }
        plain.extend_from_slice(&window[..more]);
        if status == Status::StreamEnd && stream.total_in() == packed.len() as u64 {
            return Expanded::Whole(plain);
        }
        if status == Status::StreamEnd || more == 0 && stream.total_in() == read {
            return Expanded::Broken;
        }
    }
}

/// Compresses `plain`, and gives the stream to `sink` piece by piece until that says no. Says whether it came to its end.
pub(super) fn pack(plain: &[u8], level: u8, sink: &mut dyn FnMut(&[u8]) -> bool) -> bool {
    let mut stream = Compress::new(Compression::new(level.into()), false);
    let mut window = vec![0; WINDOW_BYTES];
    loop {
        let (read, made) = (stream.total_in(), stream.total_out());
        let Some(left) = usize::try_from(read).ok().and_then(|at| plain.get(at..)) else {
            return false;
        };
        let Ok(status) = stream.compress(left, &mut window, FlushCompress::Finish) else {
            return false;
        };
        let more = usize::try_from(stream.total_out() - made).unwrap_or(0);
        if !sink(&window[..more]) {
            return false;
        }
        if status == Status::StreamEnd {
            return true;
        }
        if more == 0 && stream.total_in() == read {
            return false;
        }
    }
}
