//! The table: groups of lines, each with the ratio of its largest size to its smallest.

use std::io::{self, Write};
use std::time::Duration;

use crate::common::cost::Cost;

/// One measurement.
#[derive(Debug)]
pub struct Line {
    /// What was measured; lines of the same name are a group.
    pub name: String,
    /// How large the store or the work was.
    pub size: u64,
    /// How much was done: the ratio is that of the time for each.
    pub units: u64,
    /// The medians.
    pub cost: Cost,
    /// What else is to be said.
    pub note: String,
}

impl Line {
    /// A line about one thing done, without a note.
    pub fn new(name: impl Into<String>, size: u64, costs: &[Cost]) -> Self {
        Self {
            name: name.into(),
            size,
            units: 1,
            cost: Cost::median(costs),
            note: String::new(),
        }
    }

    /// Says how many units were done, and notes the time for each.
    pub fn of_units(mut self, units: u64) -> Self {
        self.units = units.max(1);
        let each = seconds(self.cost.wall) * 1e6 / count(self.units);
        self.note = format!("{each:.1} us each");
        self
    }

    /// Notes something more.
    pub fn with_note(mut self, note: &str) -> Self {
        let comma = if self.note.is_empty() { "" } else { ", " };
        self.note = format!("{}{comma}{note}", self.note);
        self
    }
}

/// All lines.
#[derive(Debug, Default)]
pub struct Report(Vec<Line>);

impl Report {
    /// Adds a line.
    pub fn add(&mut self, line: Line) {
        self.0.push(line);
    }

    /// Writes the table, groups in the order of their first lines.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(
            out,
            "{:28} {:>10} {:>11} {:>11}  note",
            "row", "size", "wall ms", "CPU ms"
        )?;
        let mut names: Vec<&str> = Vec::new();
        for line in &self.0 {
            if !names.contains(&line.name.as_str()) {
                names.push(&line.name);
            }
        }
        for name in names {
            let group: Vec<&Line> = self.0.iter().filter(|line| line.name == name).collect();
            for line in &group {
                write_line(out, line)?;
            }
            let smallest = group.iter().min_by_key(|line| line.size);
            let largest = group.iter().max_by_key(|line| line.size);
            if let (Some(smallest), Some(largest)) = (smallest, largest)
                && largest.size > smallest.size
            {
                write_ratio(out, smallest, largest)?;
            }
        }
        Ok(())
    }
}

fn write_line(out: &mut impl Write, line: &Line) -> io::Result<()> {
    let Line {
        name,
        size,
        cost,
        note,
        ..
    } = line;
    let (wall, cpu) = (seconds(cost.wall) * 1e3, seconds(cost.cpu) * 1e3);
    writeln!(out, "{name:28} {size:>10} {wall:>11.2} {cpu:>11.2}  {note}")
}

fn write_ratio(out: &mut impl Write, smallest: &Line, largest: &Line) -> io::Result<()> {
    let each = |line: &Line, time: Duration| seconds(time) / count(line.units);
    let ratio = |time: fn(&Cost) -> Duration| {
        each(largest, time(&largest.cost)) / each(smallest, time(&smallest.cost))
    };
    let (wall, cpu) = (ratio(|cost| cost.wall), ratio(|cost| cost.cpu));
    let what = if smallest.units == 1 && largest.units == 1 {
        "largest : smallest"
    } else {
        "largest : smallest, of each"
    };
    writeln!(out, "  {what:37} {wall:>11.2} {cpu:>11.2}")
}

fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}

fn count(units: u64) -> f64 {
    // No bench does 4 billion things; one that did would show a ratio that is too large.
    f64::from(u32::try_from(units).unwrap_or(u32::MAX))
}
