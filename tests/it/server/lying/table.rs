//! Tables of lies as text: one in each line, with bars between the cells.

use std::error::Error;

/// The rows of a table.
pub fn rows<const CELLS: usize>(
    table: &'static str,
) -> Result<Vec<[&'static str; CELLS]>, Box<dyn Error>> {
    let lines = table.lines().filter(|line| !line.is_empty());
    let row = |line: &'static str| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let row = cells.try_into();
        row.map_err(|_| format!("{CELLS} cells in {line:?}").into())
    };
    lines.map(row).collect()
}
