//! Findings: how the streams of a file are made again, as a search found it. Searching takes as long as compressing some
//! times; what it came to takes three bytes for each stream.
//!
//! # Not here
//!
//! The search (`unfold`), where findings are kept (`delta::memo`).

use super::coder::Packing;

/// Stands for a stream that cannot be made again.
const NONE: [u8; 3] = [0; 3];

/// How each stream of a file is made again, in the order in which they are met: those within a stream behind it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings(Vec<Option<Packing>>);

impl Findings {
    /// Adds how the next stream is made again, if it is.
    pub(super) fn push(&mut self, packing: Option<Packing>) {
        self.0.push(packing);
    }

    pub(super) fn into_iter(self) -> std::vec::IntoIter<Option<Packing>> {
        self.0.into_iter()
    }

    /// The findings as bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let words = self.0.iter();
        words
            .flat_map(|packing| packing.map_or(NONE, Packing::encode))
            .collect()
    }

    /// Reads what [`encode`](Self::encode) gave; nothing if it is something else.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (words, rest) = bytes.as_chunks();
        let packings = words.iter().map(|word| match *word {
            NONE => Some(None),
            [coder, level, dictionary] => Packing::decode(coder, level, dictionary).map(Some),
        });
        let findings = packings.collect::<Option<Vec<_>>>()?;
        rest.is_empty().then_some(Self(findings))
    }
}
