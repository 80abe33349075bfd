//! Coders: how a stream is compressed, and with which parameters it is made again.
//!
//! # Invariants
//!
//! - A [`Packing`] has parameters that its compressor takes, and a dictionary within the limit.
//!
//! # Not here
//!
//! The compressors (`deflate`, `lzma`), where streams are (`scan`).

use super::stream::{EXTREME, Expanded, Filter};
use super::{deflate, lzma};
use crate::base::limits::{
    ARCHIVE_DEFLATED_BYTES_MIN, ARCHIVE_DICTIONARY_CODE_MAX, ARCHIVE_LZMA_BYTES_MIN,
};

/// Levels of deflate in the order in which they are tried: the usual one, the best, the fastest, and the rest.
const DEFLATE_LEVELS: [u8; 9] = [6, 9, 1, 8, 7, 5, 4, 3, 2];
/// Presets of LZMA2 in the order in which they are tried. 7 to 9 are as 6 with larger dictionaries, and so are their extreme
/// variants; the dictionary is known from the stream.
const LZMA_PRESETS: [u8; 13] = [
    6,
    6 | EXTREME,
    5,
    4,
    3,
    2,
    1,
    0,
    5 | EXTREME,
    3 | EXTREME,
    2 | EXTREME,
    1 | EXTREME,
    EXTREME,
];
/// Recipes' words for coders.
const DEFLATE: u8 = 1;
const LZMA2: u8 = 2;
const LZMA2_X86: u8 = 3;

/// How a stream is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Coder {
    /// Deflate (RFC 1951), without a wrapper.
    Deflate,
    /// LZMA2, without a wrapper, with the code of its dictionary's size.
    Lzma2 { dictionary: u8, filter: Filter },
}

/// A coder and the level at which it compresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Packing {
    coder: Coder,
    level: u8,
}

impl Coder {
    /// What `packed` expands to.
    pub(super) fn expand(self, packed: &[u8], bytes_max: usize) -> Expanded {
        match self {
            Self::Deflate => deflate::expand(packed, bytes_max),
            Self::Lzma2 { dictionary, filter } => {
                lzma::expand(packed, dictionary, filter, bytes_max)
            }
        }
    }

    /// Bytes of the least that a stream is made of again.
    pub(super) const fn plain_bytes_min(self) -> usize {
        match self {
            Self::Deflate => ARCHIVE_DEFLATED_BYTES_MIN,
            Self::Lzma2 { .. } => ARCHIVE_LZMA_BYTES_MIN,
        }
    }

    /// The packings that may have made a stream; `likely` first.
    pub(super) fn packings(self, likely: Option<Packing>) -> impl Iterator<Item = Packing> {
        let levels = match self {
            Self::Deflate => &DEFLATE_LEVELS[..],
            Self::Lzma2 { .. } => &LZMA_PRESETS[..],
        };
        let likely = likely.filter(|likely| likely.coder == self);
        let all = levels.iter().map(move |level| Packing {
            coder: self,
            level: *level,
        });
        let others = all.filter(move |packing| Some(*packing) != likely);
        likely.into_iter().chain(others)
    }
}

impl Packing {
    /// The packing that a recipe states.
    pub(super) fn decode(word: u8, level: u8, dictionary: u8) -> Option<Self> {
        let coder = match word {
            DEFLATE if dictionary == 0 => Coder::Deflate,
            LZMA2 | LZMA2_X86 if dictionary <= ARCHIVE_DICTIONARY_CODE_MAX => Coder::Lzma2 {
                dictionary,
                filter: if word == LZMA2 {
                    Filter::None
                } else {
                    Filter::X86
                },
            },
            _ => return None,
        };
        let packing = Self { coder, level };
        coder.packings(None).find(|known| *known == packing)
    }

    /// Bytes of the least that a stream is made of again.
    pub(super) const fn plain_bytes_min(self) -> usize {
        self.coder.plain_bytes_min()
    }

    /// Whether it is one of this coder.
    pub(super) fn is_by(self, coder: Coder) -> bool {
        self.coder == coder
    }

    /// As a recipe states it: coder, level and dictionary.
    pub(super) const fn encode(self) -> [u8; 3] {
        match self.coder {
            Coder::Deflate => [DEFLATE, self.level, 0],
            Coder::Lzma2 { dictionary, filter } => {
                let word = match filter {
                    Filter::None => LZMA2,
                    Filter::X86 => LZMA2_X86,
                };
                [word, self.level, dictionary]
            }
        }
    }

    /// Compresses `plain`, and gives the stream to `sink` piece by piece until that says no. Says whether it came to its end.
    pub(super) fn pack(self, plain: &[u8], sink: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        match self.coder {
            Coder::Deflate => deflate::pack(plain, self.level, sink),
            Coder::Lzma2 { dictionary, filter } => {
                lzma::pack(plain, self.level, dictionary, filter, sink)
            }
        }
    }

    /// Whether it makes exactly `packed` of `plain`. What differs is known where it first does.
    pub(super) fn makes(self, plain: &[u8], packed: &[u8]) -> bool {
        let mut left = packed;
        let ended = self.pack(plain, &mut |piece| match left.strip_prefix(piece) {
            Some(rest) => {
                left = rest;
                true
            }
            None => false,
        });
        ended && left.is_empty()
    }
}
