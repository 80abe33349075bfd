//! Small files that are chunks of large ones: an update with both could not be applied, and each store that pulled it was
//! stuck with the release before.

use super::tests::{Files, check, made, published, snapshots};
use crate::build::sandbox::AnyError;
use crate::build::testing::noise;
use crate::delta::show::show;
use crate::object::chunk::{CHUNK_BYTES_MAX, Follows, cut};
use crate::object::pack_reader::PackReader;
use crate::object::script::Content;

type Outcome = Result<(), AnyError>;

/// The group that makes what is at a path, if one does.
fn group_of(delta: &[u8], path: &str) -> Result<Option<u32>, AnyError> {
    let shown = show(&PackReader::open(delta)?)?;
    let step = shown
        .steps
        .iter()
        .find(|step| step.path.to_string() == path);
    let put = step.and_then(|step| step.put.as_ref()).ok_or("it is put")?;
    Ok(match put.content {
        Content::Made { group, .. } | Content::Patched { group, .. } => Some(group),
        _ => None,
    })
}

/// A file without zeros, the same with so many put in, and one of the chunks in which these are stored.
fn image(rest: usize, zeros: usize) -> Result<[Vec<u8>; 3], AnyError> {
    let (front, back) = (noise(rest), noise(rest / 3));
    let image = [&front[..], &vec![0; zeros], &back].concat();
    let chunk = vec![0; CHUNK_BYTES_MAX];
    if cut(&image, Follows::End).any(|range| image[range] == chunk) {
        Ok([[front, back].concat(), image, chunk])
    } else {
        Err("no chunk is of zeros alone".into())
    }
}

#[test]
fn a_small_file_may_be_a_chunk_of_a_large_one_whichever_comes_first() -> Outcome {
    let [before, image, chunk] = image(500 << 10, 12 << 20)?;
    let [before_thin, thin, _] = self::image(300 << 10, 9 << 20)?;
    let seven_mib = noise(7 << 20);
    let cases: [(Files<'_>, Files<'_>, [Option<u32>; 2], &str); 4] = [
        (
            &[("image", &before)],
            &[("chunk", &chunk), ("image", &image)],
            [Some(1), Some(0)],
            "the large file first",
        ),
        (
            &[("image", &before_thin)],
            &[("chunk", &chunk), ("image", &thin)],
            [Some(0), Some(0)],
            "both in one group",
        ),
        (
            &[("image", &before_thin)],
            &[("a", &seven_mib), ("chunk", &chunk), ("image", &thin)],
            [Some(0), Some(1)],
            "the small file first",
        ),
        (
            &[("old", b"x")],
            &[("chunk", &chunk), ("image", &thin), ("z", b"in its frame")],
            [Some(0), None],
            "the large file whole",
        ),
    ];
    for (old, new, groups, reason) in cases {
        let maker = published(&[old, new])?;
        let [from, to] = snapshots(&maker)?[..] else {
            return Err("two releases".into());
        };
        let (delta, _) = made(&maker, Some(from), to)?;
        let found = [group_of(&delta, "chunk")?, group_of(&delta, "image")?];
        assert_eq!(found, groups, "{reason}");
        check(old, new).map_err(|error| format!("{reason}: {error}"))?;
    }
    Ok(())
}
