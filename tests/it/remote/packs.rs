//! Packs that are not what was promised: each is refused, and the copy is as it was.

use bindery::base::{Error, Result};
use bindery::remote::origin::{Origin, Wanted};

use super::lies::Forger;
use crate::shelf::ref_name;
use crate::support::forge::flipped;

#[test]
fn a_pack_is_complete_and_every_object_is_what_its_id_says() -> Result<()> {
    let forger = Forger::new()?;
    let mut whole = Vec::new();
    let row = forger.pair.origin.store.reader()?;
    let row = row.find_ref(&forger.pair.repo()?, &ref_name("stable")?)?;
    let current = row.and_then(|row| row.current);
    let to = current
        .ok_or_else(|| Error::internal("it was released"))?
        .snapshot;
    let from = forger.pair.copy.store.reader()?;
    let from = from.find_ref(&forger.pair.copy.row()?, &ref_name("stable")?)?;
    let from = from
        .and_then(|row| row.current)
        .map(|current| current.snapshot);
    let wanted = Wanted { to, from };
    forger.pair.honest()?.pack(wanted, &mut whole)?;
    for place in (0..whole.len()).step_by(whole.len() / 60 + 1) {
        let reason = format!("byte {place} of {} flipped", whole.len());
        forger.check(&reason, "", |liar| {
            liar.pack = Box::new(move |pack| flipped(pack, place));
        })?;
        let reason = format!("cut after {place}");
        forger.check(&reason, "", |liar| {
            liar.pack = Box::new(move |mut pack| {
                pack.truncate(place);
                pack
            });
        })?;
    }
    forger.check("bytes behind it", "", |liar| {
        liar.pack = Box::new(|mut pack| {
            pack.push(0);
            pack
        });
    })?;
    let Some(old) = from else {
        return Err(Error::internal("it was pulled"));
    };
    forger.check("the pack of another snapshot", "another snapshot", |liar| {
        liar.wanted = Box::new(move |wanted| Wanted { to: old, ..wanted });
    })?;
    forger.check(
        "a pack that leaves out what is new",
        "it starts from another snapshot",
        |liar| {
            liar.wanted = Box::new(move |wanted| Wanted {
                from: Some(to),
                ..wanted
            });
        },
    )?;
    forger.finish()
}
