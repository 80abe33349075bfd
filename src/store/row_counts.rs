//! Row counts: how many rows each table of the catalog has, at one moment.
//!
//! What a verb adds and takes away is exact, where its time is not; this makes it visible without showing any row.
//!
//! # Invariants
//!
//! - Every table is counted, also one that a later version of the program adds.
//!
//! # Not here
//!
//! What the tables hold (`store::tables`), sums that people ask for ([`Totals`](super::reader::Totals)).

use std::collections::BTreeMap;

use redb::{ReadableTableMetadata, TableHandle};

use super::catalog::failed;
use super::reader::Reader;
use crate::base::Result;

impl Reader<'_> {
    /// Counts the rows of each table of the catalog, by the table's name, such as `objects` or `build packs`. The cost is
    /// that of the number of tables: the catalog keeps the counts.
    ///
    /// # Errors
    ///
    /// [`Error::Catalog`](crate::base::Error::Catalog) if the catalog cannot be read.
    pub fn row_counts(&self) -> Result<BTreeMap<String, u64>> {
        let mut counts = BTreeMap::new();
        for handle in self.read.list_tables().map_err(failed("read"))? {
            let name = handle.name().to_owned();
            let table = self.read.open_untyped_table(handle);
            let rows = table
                .map_err(failed("read"))?
                .len()
                .map_err(failed("read"))?;
            counts.insert(name, rows);
        }
        Ok(counts)
    }
}
