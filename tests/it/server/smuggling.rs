//! Requests that two readers would understand differently: none leaves room for a second request that only one of them sees.

use bindery::base::id::{Hash, PackId};
use bindery::object::pack_reader::PackReader;

use crate::server::limits::limited;
use crate::server::uploads::{open_build, pack, put};
use crate::support::Outcome;
use crate::support::http::exchange;

/// Bytes of a pack's trailer, and of the hash at its end.
const TRAILER_BYTES: usize = 64;
const HASH_BYTES: usize = 32;

/// A request that must not be answered, because it lies in the body of another.
const HIDDEN: &str = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

#[test]
fn a_body_of_two_lengths_hides_no_request() -> Outcome {
    let (_scratch, served) = limited("")?;
    let chunked = format!("2\r\n{{}}\r\n0\r\n\r\n{HIDDEN}");
    let (whole, length) = (chunked.len(), "Content-Length");
    let (chunks, identity) = ("Transfer-Encoding: chunked", "Transfer-Encoding: identity");
    for (reason, headers) in [
        (
            "a length, then chunks",
            format!("{length}: {whole}\r\n{chunks}"),
        ),
        (
            "chunks, then a length",
            format!("{chunks}\r\n{length}: {whole}"),
        ),
        (
            "chunks, then a short length",
            format!("{chunks}\r\n{length}: 4"),
        ),
        ("two lengths", format!("{length}: 4\r\n{length}: {whole}")),
        ("two lengths in one line", format!("{length}: 4, {whole}")),
        ("a length with a sign", format!("{length}: +{whole}")),
        ("a length in hexadecimal", format!("{length}: 0x10")),
        (
            "a length with a space before the colon",
            format!("{length} : {whole}"),
        ),
        (
            "an encoding there is not",
            format!("{identity}\r\n{length}: {whole}"),
        ),
        (
            "chunks within something else",
            format!("{chunks}, identity"),
        ),
        (
            "chunks by another name",
            "Transfer-Encoding: xchunked".to_owned(),
        ),
        (
            "a folded line",
            format!("X: y\r\n {chunks}\r\n{length}: {whole}"),
        ),
    ] {
        let token = &served.token;
        let text = format!(
            "POST /api/v1/repos/main/builds HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n{headers}\r\n\r\n{chunked}"
        );
        let reply = exchange(served.address, text.as_bytes())?;
        let reply = String::from_utf8_lossy(&reply);
        assert_eq!(reply.matches("HTTP/1.1 ").count(), 1, "{reason}: {reply}");
        assert!(!reply.contains("HTTP/1.1 200"), "{reason}: {reply}");
    }
    served.get("/healthz")?.expect(200)?;
    Ok(())
}

#[test]
fn a_pack_whose_index_lies_is_stored_with_one_that_does_not() -> Outcome {
    let (scratch, served) = limited("")?;
    let build = open_build(&served)?;
    let good = pack(&[&[b"one", b"two"], &[b"three"]])?;
    let reader = PackReader::open(good.as_slice())?;
    let frames = (0..reader.frames()).map(|number| reader.stored_frame(number));
    let frames: Vec<&[u8]> = frames.collect::<Result<_, _>>()?;
    let index = 32 + frames.iter().map(|frame| frame.len()).sum::<usize>();
    // The first counts, every byte of the rows, and of the table of frames and the trailer behind them.
    let places = (index..index + 8).chain(index + 1024..good.len() - HASH_BYTES);
    for place in places {
        let mut lying = good.clone();
        lying[place] ^= 1;
        let end = lying.len() - HASH_BYTES;
        let hash = Hash::of(&lying[..end]);
        lying[end..].copy_from_slice(hash.as_bytes());
        let reply = put(&served, build, PackId::of(&lying), 2, &lying)?;
        let is_trailer = place >= good.len() - TRAILER_BYTES;
        assert!(
            reply.status == 200 || is_trailer && reply.status == 422,
            "{place}: {}",
            reply.text()
        );
    }
    let missing = format!("/api/v1/builds/{build}/missing?kind=blob");
    let ids: Vec<u8> = [b"one".as_slice(), b"two", b"three"]
        .iter()
        .flat_map(|blob| *Hash::of(blob).as_bytes())
        .collect();
    let ask = crate::support::http::Ask::new("POST", &missing).token(&served.token);
    assert_eq!(ask.body(ids).send(served.address)?.expect(200)?.body, [0]);
    served.end_sound(&scratch)
}
