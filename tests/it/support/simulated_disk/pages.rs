//! The bytes of a simulated file, in pages that copies share until one of them is written.
//!
//! # Invariants
//!
//! - Bytes beyond the end of the file are zeros, so that lengthening it shows nothing that was cut off.

use std::sync::Arc;

/// Bytes of a page: those of the catalog, so that writing one of them copies one of these.
const PAGE_BYTES: usize = 4096;

type Page = [u8; PAGE_BYTES];

/// The bytes of a file. Copies are cheap.
#[derive(Clone, Debug, Default)]
pub struct Pages {
    pages: Vec<Arc<Page>>,
    bytes: usize,
}

impl Pages {
    /// The length of the file, in bytes.
    pub fn len(&self) -> usize {
        self.bytes
    }

    /// Cuts the file, or lengthens it with zeros.
    pub fn set_len(&mut self, bytes: usize) {
        let pages = bytes.div_ceil(PAGE_BYTES);
        if pages > self.pages.len() {
            let zeros = Arc::new([0; PAGE_BYTES]);
            self.pages.resize(pages, zeros);
        }
        self.pages.truncate(pages);
        let end = bytes % PAGE_BYTES;
        if bytes < self.bytes && end > 0 {
            Arc::make_mut(&mut self.pages[pages - 1])[end..].fill(0);
        }
        self.bytes = bytes;
    }

    /// Writes `bytes` at `offset`; nothing at all if there are none.
    pub fn write(&mut self, mut offset: usize, mut bytes: &[u8]) {
        let end = offset + bytes.len();
        if !bytes.is_empty() && end > self.bytes {
            self.set_len(end);
        }
        while !bytes.is_empty() {
            let (page, start) = (offset / PAGE_BYTES, offset % PAGE_BYTES);
            let length = bytes.len().min(PAGE_BYTES - start);
            let (here, rest) = bytes.split_at(length);
            Arc::make_mut(&mut self.pages[page])[start..start + length].copy_from_slice(here);
            (offset, bytes) = (offset + length, rest);
        }
    }

    /// Fills `buffer` from `offset`; says whether the file has so many bytes there.
    #[must_use]
    pub fn read(&self, mut offset: usize, mut buffer: &mut [u8]) -> bool {
        if buffer.is_empty() {
            return true;
        }
        if offset.saturating_add(buffer.len()) > self.bytes {
            return false;
        }
        while !buffer.is_empty() {
            let (page, start) = (offset / PAGE_BYTES, offset % PAGE_BYTES);
            let length = buffer.len().min(PAGE_BYTES - start);
            let (here, rest) = buffer.split_at_mut(length);
            here.copy_from_slice(&self.pages[page][start..start + length]);
            (offset, buffer) = (offset + length, rest);
        }
        true
    }

    /// All bytes of the file.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.bytes];
        let is_whole = self.read(0, &mut bytes);
        assert!(is_whole, "a file has its own bytes");
        bytes
    }
}
