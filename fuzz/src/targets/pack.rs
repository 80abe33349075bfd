//! Packs: whole ones, their headers, and their indexes.

use bindery::base::id::{Hash, PackId};
use bindery::object::pack_reader::PackReader;
use bindery::object::pack_writer::PackWriter;

use crate::Verdict;

/// Most frames of a pack that are opened one by one before the pack is checked as a whole.
const FRAMES_OPENED_MAX: u32 = 64;
/// Bytes of a header, of which the last 16 are the salt.
const HEADER_BYTES: usize = 32;
/// Rows of the fan-out.
const FANOUT_ROWS: usize = 256;
/// Bytes of a change of the fan-out: a row, and what to count there.
const FANOUT_CHANGE_BYTES: usize = 5;
/// Bytes of a row of the index.
const INDEX_ROW_BYTES: usize = 48;
/// Bytes of a row of the frame table.
const FRAME_ROW_BYTES: usize = 16;
/// What stands at both ends of a pack.
const MAGIC: &[u8; 8] = b"bindery\0";

/// A pack: opened, listed, its frames read, checked, searched for what is damaged, and written again.
///
/// # Panics
///
/// If the reader contradicts itself: that is a finding.
#[must_use]
pub fn whole(data: &[u8]) -> Verdict {
    let Ok(pack) = PackReader::open(data) else {
        return Verdict::Refused;
    };
    for entry in pack.entries().filter_map(Result::ok) {
        let found = pack.find(entry.kind, entry.id);
        let Some(frame) = found.filter(|place| place.frame < FRAMES_OPENED_MAX) else {
            continue;
        };
        if let Ok(frame) = pack.frame(frame.frame) {
            let place = entry.location;
            let read = frame.object(entry.kind, place.start, place.length);
            assert!(read.is_err() || read.is_ok_and(|bytes| bytes.len() == place.length as usize));
        }
    }
    let damaged = pack.damaged_objects();
    assert!(
        damaged.len() <= pack.objects() as usize,
        "no more are damaged than there are"
    );
    let Ok(id) = pack.verify() else {
        return Verdict::Refused;
    };
    assert!(
        id == PackId::of(data) && damaged.is_empty(),
        "a sound pack is sound"
    );
    assert!(
        rewrite(&pack).as_deref() == Some(data),
        "a sound pack must be written again as the same bytes"
    );
    Verdict::Accepted
}

/// The header of a pack that holds nothing.
///
/// # Panics
///
/// If a header is taken that no writer makes: that is a finding.
#[must_use]
pub fn header(data: &[u8]) -> Verdict {
    if data.len() != HEADER_BYTES {
        return Verdict::Refused;
    }
    let pack = seal([data, &tail(HEADER_BYTES, &[], &[0; FANOUT_ROWS], &[])].concat());
    match PackReader::open(&*pack) {
        Ok(reader) => {
            assert!(
                rewrite(&reader).is_some_and(|again| again == pack),
                "a header must encode to itself"
            );
            Verdict::Accepted
        }
        Err(_) => Verdict::Refused,
    }
}

/// A pack with any index, frame table and frames, of which header, trailer and hash are right, so that changes get past
/// those:
///
/// ```text
/// changes u8 | objects u8 | frames u8 | changes of the fan-out | index | frame table | frames
/// ```
#[must_use]
pub fn index(data: &[u8]) -> Verdict {
    let (counts, rest) = data.split_at(data.len().min(3));
    let count = |place: usize| counts.get(place).map_or(0, |count| usize::from(*count));
    let (changes, rest) = rows(rest, count(0), FANOUT_CHANGE_BYTES);
    let (index, rest) = rows(rest, count(1), INDEX_ROW_BYTES);
    let (table, frames) = rows(rest, count(2), FRAME_ROW_BYTES);
    let mut fanout = [0_u32; FANOUT_ROWS];
    for row in index.chunks_exact(INDEX_ROW_BYTES) {
        fanout[usize::from(row[0])..]
            .iter_mut()
            .for_each(|counted| *counted += 1);
    }
    for change in changes.as_chunks::<FANOUT_CHANGE_BYTES>().0 {
        let [row, counted @ ..] = *change;
        fanout[usize::from(row)] = u32::from_le_bytes(counted);
    }
    let mut pack = [&MAGIC[..], &1_u64.to_le_bytes(), &[0; 16], frames].concat();
    pack.extend(tail(pack.len(), index, &fanout, table));
    whole(&seal(pack))
}

/// Up to `count` rows of `bytes` each from the start of `data`, and what is behind them.
fn rows(data: &[u8], count: usize, bytes: usize) -> (&[u8], &[u8]) {
    data.split_at(count.min(data.len() / bytes) * bytes)
}

/// Everything behind the frames but the hash, as `docs/FORMAT.md` says.
fn tail(frames_end: usize, index: &[u8], fanout: &[u32; FANOUT_ROWS], table: &[u8]) -> Vec<u8> {
    let mut tail: Vec<u8> = fanout
        .iter()
        .flat_map(|counted| counted.to_le_bytes())
        .collect();
    tail.extend_from_slice(index);
    let table_start = frames_end + tail.len();
    tail.extend_from_slice(table);
    let number = |number: usize| (number as u64).to_le_bytes();
    tail.extend_from_slice(&number(frames_end));
    tail.extend_from_slice(&number(table_start));
    tail.extend_from_slice(&number(index.len() / INDEX_ROW_BYTES)[..4]);
    tail.extend_from_slice(&number(table.len() / FRAME_ROW_BYTES)[..4]);
    tail.extend_from_slice(MAGIC);
    tail
}

/// `bytes` with their hash behind them.
fn seal(mut bytes: Vec<u8>) -> Vec<u8> {
    let hash = Hash::of(&bytes);
    bytes.extend_from_slice(hash.as_bytes());
    bytes
}

/// Writes the frames of a pack into another.
fn rewrite<B: AsRef<[u8]>>(pack: &PackReader<B>) -> Option<Vec<u8>> {
    let entries = pack.entries_by_place().ok()?;
    let mut writer = PackWriter::new(Vec::new(), pack.salt()).ok()?;
    let mut rest = &entries[..];
    for number in 0..pack.frames() {
        let end = rest.partition_point(|entry| entry.location.frame == number);
        let (of_frame, others) = rest.split_at(end);
        writer
            .append(&pack.sealed_frame(number, of_frame).ok()?)
            .ok()?;
        rest = others;
    }
    Some(writer.finish().ok()?.0)
}

/// Bytes of a trailer, the hash included.
#[cfg(test)]
const TRAILER_BYTES: usize = 64;

/// The seeds of the index are those of whole packs, taken apart.
#[test]
fn a_pack_is_taken_apart_and_put_together() -> Result<(), Box<dyn std::error::Error>> {
    let seeds = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    for name in ["empty", "golden", "two-frames"] {
        let pack = std::fs::read(seeds.join("pack").join(name))?;
        let parts = std::fs::read(seeds.join("pack-index").join(name))?;
        let reader = PackReader::open(&*pack)?;
        let (objects, frames) = (reader.objects() as usize, reader.frames() as usize);
        let table_end = pack.len() - TRAILER_BYTES;
        let index_end = table_end - frames * FRAME_ROW_BYTES;
        let index_start = index_end - objects * INDEX_ROW_BYTES;
        let counts = [0, u8::try_from(objects)?, u8::try_from(frames)?];
        let frames = &pack[HEADER_BYTES..index_start - 4 * FANOUT_ROWS];
        assert_eq!(
            parts,
            [&counts, &pack[index_start..table_end], frames].concat()
        );
        assert_eq!(index(&parts), Verdict::Accepted);
    }
    Ok(())
}
