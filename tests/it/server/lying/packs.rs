//! Step 6 of a pull: packs, of which every object is what its id says, and which lead to the snapshot that was named.

use std::error::Error;

use bindery::base::id::Hash;
use bindery::object::frame_builder::FrameBuilder;
use bindery::object::kind::ObjectKind;
use bindery::object::pack_reader::PackReader;
use bindery::object::pack_writer::PackWriter;

use super::liar::{Said, honest, instead, ok, reply};
use super::site::Site;
use super::world::World;
use crate::support::Outcome;
use crate::support::forge::flipped;

/// Bytes of a pack's header, of a row of its table of frames, of its trailer, and of the hash at its end.
const HEADER_BYTES: usize = 32;
const FRAME_ENTRY_BYTES: usize = 16;
const TRAILER_BYTES: usize = 64;
const HASH_BYTES: usize = 32;

/// The pack whose hash at the end is right for what stands before it.
fn sealed(mut pack: Vec<u8>) -> Vec<u8> {
    let end = pack.len().saturating_sub(HASH_BYTES);
    let hash = Hash::of(&pack[..end]);
    pack.truncate(end);
    pack.extend_from_slice(hash.as_bytes());
    pack
}

/// An object: its kind, its id, and its bytes, as far as that is true.
type Object = (ObjectKind, Hash, Vec<u8>);

/// A pack, as bytes.
type Packed = Result<Vec<u8>, Box<dyn Error>>;

/// A pack of these objects, whatever they are said to be.
fn pack(objects: &[Object]) -> Packed {
    let mut writer = PackWriter::new(Vec::new(), [0; 16])?;
    for (kind, id, bytes) in objects {
        let mut frame = FrameBuilder::new();
        frame.push(*kind, *id, bytes)?;
        writer.append(&frame.seal()?)?;
    }
    Ok(writer.finish()?.0)
}

/// A pack of these objects, of which one is changed.
fn with(objects: &[Object], at: usize, change: &dyn Fn(&mut Object)) -> Packed {
    let mut objects = objects.to_vec();
    objects.get_mut(at).into_iter().for_each(change);
    pack(&objects)
}

/// A pack of these objects but one.
fn without(objects: &[Object], at: usize) -> Packed {
    let mut objects = objects.to_vec();
    objects.remove(at);
    pack(&objects)
}

/// The objects of a pack.
pub fn objects(pack: &[u8]) -> Result<Vec<Object>, Box<dyn Error>> {
    let reader = PackReader::open(pack)?;
    let mut found = Vec::new();
    for entry in reader.entries_by_place()? {
        let (frame, place) = (reader.frame(entry.location.frame)?, entry.location);
        let bytes = frame.object(entry.kind, place.start, place.length)?;
        found.push((entry.kind, entry.id, bytes.to_vec()));
    }
    Ok(found)
}

/// The id of the snapshot that a site shows.
pub fn snapshot(site: &Site) -> Result<String, Box<dyn Error>> {
    let statement = site.statement("stable")?;
    let text = std::str::from_utf8(statement)?;
    let snapshot = text.lines().find_map(|line| line.strip_prefix("snapshot "));
    let id = snapshot.and_then(|snapshot| snapshot.split(' ').nth(1));
    Ok(id.ok_or("a snapshot")?.to_owned())
}

/// The pack of everything that a site shows.
pub fn full(site: &Site) -> Result<Vec<u8>, Box<dyn Error>> {
    let path = format!("packs/{}/full.pack", snapshot(site)?);
    Ok(site.get(&path)?.to_vec())
}

/// Shows the truth without the packs that start from another snapshot.
fn show_full_packs(world: &World) {
    let mut site = world.second.clone();
    let is_wanted = |path: &String| !path.contains("packs/") || path.ends_with("full.pack");
    site.files.retain(|path, _| is_wanted(path));
    world.liar.show(site.files);
}

/// What a liar makes of a pack.
type Twist = fn(&[u8]) -> Vec<u8>;

#[test]
fn packs_that_are_damaged_on_the_way_are_refused() -> Outcome {
    let world = World::new()?;
    let twists: [(&str, Twist); 12] = [
        ("nothing", |_| Vec::new()),
        ("a flipped byte at its start", |good| {
            flipped(good.to_vec(), 0)
        }),
        ("a flipped byte of a frame's header", |good| {
            flipped(good.to_vec(), 40)
        }),
        ("a flipped byte of a frame", |good| {
            flipped(good.to_vec(), 200)
        }),
        ("a flipped byte of its index", |good| {
            flipped(good.to_vec(), good.len() - 200)
        }),
        ("a flipped byte of its hash", |good| {
            flipped(good.to_vec(), good.len() - 1)
        }),
        ("half of it", |good| good[..good.len() / 2].to_vec()),
        ("a byte less", |good| good[..good.len() - 1].to_vec()),
        ("a byte more", |good| [good, b"x"].concat()),
        ("twice", |good| good.repeat(2)),
        ("the wrong way round", |good| {
            good.iter().rev().copied().collect()
        }),
        ("a page for people", |_| b"<html>welcome</html>".to_vec()),
    ];
    for (lie, twist) in twists {
        world.liar.tell(instead("packs/", twist));
        world.check(lie, 7, &["malformed"])?;
    }
    world.finish()
}

#[test]
fn packs_whose_every_hash_is_right_are_refused_for_what_they_say() -> Outcome {
    let world = World::new()?;
    show_full_packs(&world);
    let whole = full(&world.second)?;
    let all = objects(&whole)?;
    let first = objects(&full(&world.first)?)?;
    let place = |kind: ObjectKind| {
        let is_new = |id| first.iter().all(|(_, old, _)| *old != id);
        let mut places = all.iter();
        let found = places.position(|(of, id, _)| *of == kind && is_new(*id));
        found.ok_or_else(|| format!("a new {}", kind.name()))
    };
    let (blob, tree) = (place(ObjectKind::Blob)?, place(ObjectKind::Tree)?);
    let snapshot = place(ObjectKind::Snapshot)?;
    let mut two = all.clone();
    two.extend(
        first
            .iter()
            .filter(|(kind, ..)| *kind == ObjectKind::Snapshot)
            .cloned(),
    );
    let lies: [(&str, &str, Vec<u8>); 9] = [
        (
            "the pack of another release",
            "malformed delta",
            full(&world.first)?,
        ),
        (
            "a blob of other bytes",
            "damaged blob",
            with(&all, blob, &|o| o.2 = b"evil".to_vec())?,
        ),
        (
            "a tree of other bytes",
            "damaged tree",
            with(&all, tree, &|o| o.2 = b"evil".to_vec())?,
        ),
        (
            "a snapshot of other bytes",
            "snapshot",
            with(&all, snapshot, &|o| o.2 = b"evil".to_vec())?,
        ),
        (
            "a blob under another id",
            "damaged blob",
            with(&all, blob, &|o| o.1 = Hash::of(b"x"))?,
        ),
        ("a blob is missing", "it lacks blob", without(&all, blob)?),
        ("a tree is missing", "it lacks tree", without(&all, tree)?),
        (
            "the snapshot is missing",
            "it holds no snapshot",
            without(&all, snapshot)?,
        ),
        ("two snapshots", "it holds several snapshots", pack(&two)?),
    ];
    for (lie, said, bytes) in lies {
        world.liar.tell(instead("packs/", move |_| bytes.clone()));
        world.check(lie, 7, &[said])?;
    }
    world.finish()
}

#[test]
fn a_pack_that_lies_about_its_own_parts_is_refused() -> Outcome {
    let world = World::new()?;
    show_full_packs(&world);
    let whole = full(&world.second)?;
    let reader = PackReader::open(whole.as_slice())?;
    let frames = (0..reader.frames()).map(|number| reader.stored_frame(number));
    let frames: Vec<&[u8]> = frames.collect::<Result<_, _>>()?;
    let index = HEADER_BYTES + frames.iter().map(|frame| frame.len()).sum::<usize>();
    // Every byte of header, frame header, index, frame table and trailer, each under a hash that is right.
    let structure = (0..HEADER_BYTES + 16).chain((index..whole.len() - HASH_BYTES).step_by(23));
    for place in structure {
        // The salt says from where it starts: zeros are nothing.
        let bytes = sealed(flipped(whole.clone(), place));
        world.liar.tell(instead("packs/", move |_| bytes.clone()));
        world.check(&format!("byte {place} of {}", whole.len()), 7, &[])?;
    }
    world.finish()
}

#[test]
fn a_bomb_is_not_expanded_and_what_never_ends_is_not_kept() -> Outcome {
    let world = World::new()?;
    show_full_packs(&world);
    let whole = full(&world.second)?;
    let frames = PackReader::open(whole.as_slice())?.frames() as usize;
    for (lie, raw_bytes) in [
        ("of 4 GiB", u32::MAX),
        ("of 16 MiB and a byte", 16 * 1024 * 1024 + 1),
    ] {
        let mut bomb = whole.clone();
        // The length of the expanded payload, as the frame and the table of frames say it.
        let table = bomb.len() - TRAILER_BYTES - frames * FRAME_ENTRY_BYTES;
        for place in [HEADER_BYTES + 8, table + FRAME_ENTRY_BYTES - 4] {
            bomb[place..place + 4].copy_from_slice(&raw_bytes.to_le_bytes());
        }
        let bomb = sealed(bomb);
        world.liar.tell(instead("packs/", move |_| bomb.clone()));
        world.check(lie, 7, &["frame bytes"])?;
    }
    // A blob of zeros, ten thousand times as large as what is sent, in place of one that was promised to be small.
    let mut all = objects(&whole)?;
    let blob = all.iter_mut().find(|(kind, ..)| *kind == ObjectKind::Blob);
    blob.ok_or("blob")?.2 = vec![0; 8_000_000];
    let bomb = pack(&all)?;
    assert!(bomb.len() < 100_000);
    world.liar.tell(instead("packs/", move |_| bomb.clone()));
    world.check("a blob that is a bomb", 7, &["damaged blob"])?;
    // More than nobody asks about, and more than the snapshot makes it; it says so before anything comes.
    world.liar.tell(|asked, good| match good {
        Some(_) if asked.path.contains("packs/") => {
            let length = 1024_u64.pow(3) + 1;
            Said::All(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").into_bytes())
        }
        good => honest(good),
    });
    world.check(
        "larger than any",
        7,
        &["it has 1073741825 bytes, and all that is in it has at most"],
    )?;
    world.finish()
}

#[test]
fn packs_that_are_not_there_leave_the_objects_which_are_checked_likewise() -> Outcome {
    let world = World::new()?;
    world.liar.tell(|asked, good| {
        if asked.path.contains("packs/") {
            honest(None)
        } else {
            honest(good)
        }
    });
    world.check("neither packs nor objects", 7, &["no object at"])?;
    world.liar.tell(|asked, good| {
        if asked.path.contains("packs/") {
            Said::All(reply("410 Gone", "", b""))
        } else {
            honest(good)
        }
    });
    world.check("packs that are gone", 8, &["status 410"])?;
    world.liar.tell(|asked, good| match good {
        Some(good) if asked.path.contains("packs/") => ok(good),
        Some(good) => honest(Some(good)),
        None => Said::All(reply("200 OK", "", b"<html>not found</html>")),
    });
    world.check(
        "a page for people for what is not there",
        7,
        &["malformed note"],
    )?;
    world.finish()
}
