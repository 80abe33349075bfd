//! Which signals this process was started to ignore, as `nohup` does: Linux says so in a file.

use std::fs;

/// The file, and the field in it: 64 bits as hexadecimal digits, the lowest of which is signal 1.
const FILE: &str = "/proc/self/status";
const FIELD: &str = "SigIgn:";

/// Whether a signal is ignored. Where the system does not say so, it is not.
#[must_use]
pub fn is_ignored(signal: i32) -> bool {
    fs::read_to_string(FILE).is_ok_and(|text| says_ignored(&text, signal))
}

fn says_ignored(text: &str, signal: i32) -> bool {
    let mut fields = text.lines().filter_map(|line| line.strip_prefix(FIELD));
    let digits = fields.next().unwrap_or_default().trim();
    let bits = u64::from_str_radix(digits, 16).unwrap_or_default();
    let place = signal
        .checked_sub(1)
        .and_then(|place| u32::try_from(place).ok());
    place.is_some_and(|place| bits.checked_shr(place).unwrap_or_default() & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_bit_is_signal_1() {
        let text =
            "SigBlk:\tffffffffffffffff\nSigIgn:\t0000000000001003\nSigCgt:\tffffffffffffffff\n";
        for (signal, expected) in [(1, true), (2, true), (3, false), (13, true), (64, false)] {
            assert_eq!(says_ignored(text, signal), expected, "{signal}");
        }
        for (text, signal) in [
            (text, 0),
            (text, -1),
            (text, 65),
            (text, i32::MIN),
            ("", 1),
            ("SigIgn:\tx\n", 1),
        ] {
            assert!(!says_ignored(text, signal), "{text} {signal}");
        }
        // The library ignores SIGPIPE, as every Rust program does.
        assert!(is_ignored(13) && !is_ignored(9));
    }
}
