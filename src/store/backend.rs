//! redb on our disk: the catalog's file goes through the same [`Disk`](crate::disk::files::Disk) as everything else, so a
//! simulated disk fails packs and catalog together.

use std::io;

use redb::StorageBackend;

use crate::disk::files::DiskFile;

/// The file of the catalog.
#[derive(Debug)]
pub(super) struct CatalogFile(pub(super) Box<dyn DiskFile>);

impl StorageBackend for CatalogFile {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_at(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_at(offset, data)
    }
}
