//! What the tests of every floor share: every small damage to some bytes.

use std::str::FromStr;

/// Every truncation and every flip of one bit of `bytes`.
pub fn mutations(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let cut = (0..bytes.len()).map(|end| bytes[..end].to_vec());
    let flipped = (0..8 * bytes.len()).map(|bit| {
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        flipped
    });
    cut.chain(flipped)
}

/// Checks that `good` is a `T`, and that each of its mutations is refused or is another `T` that is written as it was
/// given.
pub fn check_spelling<T: FromStr + ToString>(good: &str) {
    let spell = |text: &[u8]| {
        Some(
            std::str::from_utf8(text)
                .ok()?
                .parse::<T>()
                .ok()?
                .to_string(),
        )
    };
    assert_eq!(spell(good.as_bytes()).as_deref(), Some(good));
    for mutation in mutations(good.as_bytes()) {
        if let Some(text) = spell(&mutation) {
            assert_eq!(text.as_bytes(), mutation, "{good}");
            assert_ne!(text, good);
        }
    }
}
