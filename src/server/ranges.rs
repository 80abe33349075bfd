//! Ranges: which bytes of something are asked for (RFC 9110, section 14).
//!
//! # Not here
//!
//! What is sent for them (`server::content`).

/// Ranges in one request; more are answered with all there is, as the specification allows.
pub const RANGES_MAX: usize = 16;

/// Some bytes of something, from the first to before the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The offset of the first byte.
    pub start: u64,
    /// The offset after the last byte.
    pub end: u64,
}

impl Span {
    /// How many bytes it has.
    #[must_use]
    pub const fn len(self) -> u64 {
        self.end - self.start
    }

    /// Whether it has none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.end == self.start
    }

    /// The value of `Content-Range`.
    #[must_use]
    pub fn words(self, length: u64) -> String {
        format!(
            "bytes {}-{}/{length}",
            self.start,
            self.end.saturating_sub(1)
        )
    }
}

/// What a header `Range` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ranges {
    /// All there is.
    All,
    /// These spans, in the order in which they were asked for; never none.
    Some(Vec<Span>),
    /// Nothing that there is.
    Unsatisfiable,
}

/// Reads a header for something of `length` bytes. What is not understood asks for all there is.
#[must_use]
pub fn parse(header: &str, length: u64) -> Ranges {
    let Some(sets) = header.strip_prefix("bytes=") else {
        return Ranges::All;
    };
    let mut spans = Vec::new();
    let mut count = 0;
    for text in sets
        .split(',')
        .map(str::trim)
        .filter(|text| !text.is_empty())
    {
        count += 1;
        let Some((first, last)) = text.split_once('-') else {
            return Ranges::All;
        };
        let span = match (number(first), number(last)) {
            (Number::Is(first), Number::None) => Some((first, length)),
            (Number::Is(first), Number::Is(last)) if first <= last => {
                Some((first, last.saturating_add(1).min(length)))
            }
            (Number::None, Number::Is(count)) => Some((length.saturating_sub(count), length)),
            _ => return Ranges::All,
        };
        spans.extend(
            span.filter(|(start, end)| start < end)
                .map(|(start, end)| Span { start, end }),
        );
    }
    if count == 0 || count > RANGES_MAX {
        return Ranges::All;
    }
    // Many spans that cover the same bytes would be asked for to make work.
    let asked: u64 = spans.iter().map(|span| span.len()).sum();
    match spans.len() {
        0 => Ranges::Unsatisfiable,
        1 => Ranges::Some(spans),
        _ if asked > length => Ranges::All,
        _ => Ranges::Some(spans),
    }
}

enum Number {
    None,
    Is(u64),
    Wrong,
}

fn number(text: &str) -> Number {
    if text.is_empty() {
        return Number::None;
    }
    // A sign is no digit, though it would parse.
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Number::Wrong;
    }
    text.parse().map_or(Number::Is(u64::MAX), Number::Is)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_asks_for_spans() {
        let some = |spans: &[(u64, u64)]| {
            let spans = spans.iter();
            Ranges::Some(spans.map(|&(start, end)| Span { start, end }).collect())
        };
        let many = "0-0,".repeat(RANGES_MAX + 1);
        for (header, expected) in [
            ("bytes=0-0", some(&[(0, 1)])),
            ("bytes=0-99", some(&[(0, 100)])),
            ("bytes=0-100", some(&[(0, 100)])),
            ("bytes=99-", some(&[(99, 100)])),
            ("bytes=-1", some(&[(99, 100)])),
            ("bytes=-1000", some(&[(0, 100)])),
            ("bytes=5-18446744073709551616", some(&[(5, 100)])),
            ("bytes=0-1,4-5", some(&[(0, 2), (4, 6)])),
            ("bytes=4-5, 0-1", some(&[(4, 6), (0, 2)])),
            ("bytes=0-1,100-", some(&[(0, 2)])),
            ("bytes=100-", Ranges::Unsatisfiable),
            ("bytes=-0", Ranges::Unsatisfiable),
            ("bytes=0-,0-", Ranges::All),
            (&format!("bytes={many}"), Ranges::All),
            ("bytes=", Ranges::All),
            ("bytes=1", Ranges::All),
            ("bytes=2-1", Ranges::All),
            ("bytes=+1-2", Ranges::All),
            ("bytes=a-b", Ranges::All),
            ("lines=0-1", Ranges::All),
        ] {
            assert_eq!(parse(header, 100), expected, "{header}");
        }
        assert_eq!(parse("bytes=0-", 0), Ranges::Unsatisfiable);
    }
}
