//! LZMA2: the one door to liblzma, for the streams within the blocks of xz files.
//!
//! # Not here
//!
//! Blocks and indexes of xz files (`scan`), which preset made a stream (`coder`).

use liblzma::stream::{Action, Filters, LzmaOptions, PRESET_EXTREME, Status, Stream};

use super::stream::{EXTREME, Expanded, Filter, WINDOW_BYTES};

/// What `packed` expands to.
pub(super) fn expand(packed: &[u8], dictionary: u8, filter: Filter, bytes_max: usize) -> Expanded {
    let mut filters = Filters::new();
    if filter == Filter::X86 {
        filters.x86();
    }
    let with_lzma = filters.lzma2_properties(&[dictionary]).is_ok();
    let Ok(mut stream) = Stream::new_raw_decoder(&filters) else {
        return Expanded::Broken;
    };
    let mut plain = Vec::new();
    let mut fits = true;
    let ended = drive(&mut stream, packed, &mut |piece| {
        fits = plain.len() + piece.len() <= bytes_max;
        if fits {
            plain.extend_from_slice(piece);
        }
        fits
    });
    match (ended && with_lzma, fits) {
        (_, false) => Expanded::TooLong,
        (true, true) if stream.total_in() == packed.len() as u64 => Expanded::Whole(plain),
        _ => Expanded::Broken,
    }
}

/// Compresses `plain`, and gives the stream to `sink` piece by piece until that says no. Says whether it came to its end.
pub(super) fn pack(
    plain: &[u8],
    preset: u8,
    dictionary: u8,
    filter: Filter,
    sink: &mut dyn FnMut(&[u8]) -> bool,
) -> bool {
    let extreme = if preset & EXTREME == 0 {
        0
    } else {
        PRESET_EXTREME
    };
    let Ok(mut options) = LzmaOptions::new_preset(u32::from(preset & !EXTREME) | extreme) else {
        return false;
    };
    options.dict_size(dictionary_bytes(dictionary));
    let mut filters = Filters::new();
    if filter == Filter::X86 {
        filters.x86();
    }
    filters.lzma2(&options);
    Stream::new_raw_encoder(&filters).is_ok_and(|mut stream| drive(&mut stream, plain, sink))
}

/// Bytes of the dictionary with a code: two numbers for each power of two, from 4 KiB on (xz file format, 5.3.1).
const fn dictionary_bytes(code: u8) -> u32 {
    (2 | (code & 1) as u32) << (code / 2 + 11)
}

/// Gives all of `input` to a stream, and what it makes to `sink`. Says whether the stream came to its end.
fn drive(stream: &mut Stream, input: &[u8], sink: &mut dyn FnMut(&[u8]) -> bool) -> bool {
    let mut window = vec![0; WINDOW_BYTES];
    loop {
        let (read, made) = (stream.total_in(), stream.total_out());
        let Some(left) = usize::try_from(read).ok().and_then(|at| input.get(at..)) else {
            return false;
        };
        let Ok(status) = stream.process(left, &mut window, Action::Finish) else {
            return false;
        };
        let more = usize::try_from(stream.total_out() - made).unwrap_or(0);
        if !sink(&window[..more]) {
            return false;
        }
        match status {
            Status::StreamEnd => return true,
            Status::Ok if more > 0 || stream.total_in() > read => {}
            _ => return false,
        }
    }
}
