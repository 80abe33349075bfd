//! Step 6 of a pull from an origin without packs: objects one by one, each of which is what its id says.

use bindery::base::limits::FRAME_BYTES_MAX;
use bindery::object::kind::ObjectKind;

use super::packs::{full, objects};
use super::world::World;
use crate::support::Outcome;
use crate::support::forge::flipped;

#[test]
fn an_object_that_is_another_one_is_refused() -> Outcome {
    let mut world = World::new()?;
    let all = objects(&full(&world.second)?)?;
    let known = objects(&full(&world.first)?)?;
    world
        .second
        .files
        .retain(|path, _| !path.contains("packs/"));
    for (_, id, bytes) in &all {
        world.second.put(&format!("objects/{id}"), bytes.clone());
    }
    for kind in [ObjectKind::Snapshot, ObjectKind::Tree, ObjectKind::Blob] {
        let is_new = |id| known.iter().all(|(_, old, _)| old != id);
        let new = all.iter().find(|(of, id, _)| *of == kind && is_new(id));
        let (_, id, good) = new.ok_or("a new one")?;
        let other = all
            .iter()
            .find(|(_, other, _)| other != id)
            .ok_or("another")?;
        let path = format!("objects/{id}");
        let most = usize::try_from(FRAME_BYTES_MAX)?;
        let lies: [(&str, Vec<u8>); 7] = [
            ("nothing", Vec::new()),
            ("a byte less", good[..good.len() - 1].to_vec()),
            ("a byte more", [good.as_slice(), b"\n"].concat()),
            ("a flipped byte", flipped(good.clone(), good.len() / 2)),
            ("another object", other.2.clone()),
            ("a page for people", b"<html>".to_vec()),
            ("as much as there may be, and a byte", vec![0; most + 1]),
        ];
        for (lie, bytes) in lies {
            let lie = format!("{}: {lie}", kind.name());
            world.check_site(&lie, 7, &[], |site| {
                site.put(&path, bytes);
                Ok(())
            })?;
        }
        let lie = format!("{}: it is not there", kind.name());
        world.check_site(&lie, 7, &["no object at", &id.to_string()], |site| {
            site.files.retain(|place, _| !place.ends_with(&path));
            Ok(())
        })?;
    }
    world.finish()
}
