//! Numbers for people: `78,613`, `1.30 GB`, `3 files`.
//!
//! # Not here
//!
//! Numbers for programs: JSON has them as plain integers.

/// The units above a byte, each a thousand times the one before.
const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];

/// A number with commas between thousands.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of bytes, with three digits that count; rounded down, so that nothing looks larger than it is.
pub fn size(bytes: u64) -> String {
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut divisor = 1000;
    let mut unit = 0;
    while bytes / divisor >= 1000 {
        divisor *= 1000;
        unit += 1;
    }
    let (whole, rest) = (bytes / divisor, bytes % divisor);
    let name = UNITS[unit];
    match whole {
        0..10 => format!("{whole}.{:02} {name}", rest / (divisor / 100)),
        10..100 => format!("{whole}.{} {name}", rest / (divisor / 10)),
        _ => format!("{whole} {name}"),
    }
}

/// A number of things: `1 file`, `2 files`, `1,000 files`.
pub fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        for (number, expected) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (78_613, "78,613"),
            (1_234_567, "1,234,567"),
            (u64::MAX, "18,446,744,073,709,551,615"),
        ] {
            assert_eq!(grouped(number), expected);
        }
    }

    #[test]
    fn a_size_has_three_digits_that_count() {
        for (bytes, expected, reason) in [
            (0, "0 B", "nothing"),
            (999, "999 B", "the last without a unit"),
            (1000, "1.00 kB", "the first with one"),
            (1999, "1.99 kB", "rounded down"),
            (12_345, "12.3 kB", "one place"),
            (999_999, "999 kB", "never 1000 kB"),
            (207_400_000, "207 MB", "no place"),
            (1_300_000_000, "1.30 GB", "zeros are kept"),
            (u64::MAX, "18.4 EB", "the largest"),
        ] {
            assert_eq!(size(bytes), expected, "{reason}");
        }
    }

    #[test]
    fn one_thing_is_not_many() {
        assert_eq!(counted(0, "file"), "0 files");
        assert_eq!(counted(1, "file"), "1 file");
        assert_eq!(counted(2000, "file"), "2,000 files");
    }
}
