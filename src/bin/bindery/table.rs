//! Tables: lines of text whose columns stand beneath each other.

use std::io::{self, Write};

/// Which side of its column a text stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// Rows that are printed when all of them are known.
#[derive(Clone, Debug)]
pub struct Table {
    sides: Vec<Side>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table with a heading.
    pub fn new<const N: usize>(columns: [(&str, Side); N]) -> Self {
        let mut table = Self::plain(columns.map(|(_, side)| side));
        table.push(columns.map(|(name, _)| name.to_uppercase()));
        table
    }

    /// An empty table without a heading.
    pub fn plain<const N: usize>(sides: [Side; N]) -> Self {
        Self {
            sides: sides.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds a row; it has as many columns as the table.
    pub fn push<const N: usize>(&mut self, row: [String; N]) {
        self.rows.push(row.into());
    }

    /// Writes the rows, with two spaces between columns and none at the end of a line.
    ///
    /// # Errors
    ///
    /// What `out` answers.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut widths = vec![0; self.sides.len()];
        for row in &self.rows {
            for (width, text) in widths.iter_mut().zip(row) {
                *width = text.chars().count().max(*width);
            }
        }
        for row in &self.rows {
            let mut line = String::new();
            for ((text, width), side) in row.iter().zip(&widths).zip(&self.sides) {
                let padding = " ".repeat(width - text.chars().count());
                match side {
                    Side::Left => line.extend([text.as_str(), &padding, "  "]),
                    Side::Right => line.extend([&padding, text.as_str(), "  "]),
                }
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_beneath_each_other() -> io::Result<()> {
        let mut table = Table::new([
            ("ref", Side::Left),
            ("seq", Side::Right),
            ("note", Side::Left),
        ]);
        table.push(["stable".into(), "7".into(), String::new()]);
        table.push(["é".into(), "1000".into(), "held".into()]);
        let mut out = Vec::new();
        table.write(&mut out)?;
        let text = String::from_utf8_lossy(&out);
        assert_eq!(
            text,
            "REF      SEQ  NOTE\nstable     7\né       1000  held\n"
        );
        Ok(())
    }
}
