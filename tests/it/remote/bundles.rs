//! Bundles: a release carried as a file, believed no more than a pull would be.

use bindery::base::{Error, Kind, Result};
use bindery::disk::files::Mapping;
use bindery::remote::bundle::{Bundle, create};
use bindery::remote::follow::Asked;
use bindery::remote::known::Root;
use bindery::remote::pull::{PullAnswer, PullOptions};
use bindery::store::rows::SnapshotRef;

use super::pair::{Pair, options};
use crate::shelf::{Files, files, ref_name};

fn bundle(pair: &Pair, from: Option<SnapshotRef>) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    let (repo, target) = (pair.repo()?, ref_name("stable")?);
    create(
        &pair.origin.store,
        &repo,
        &target,
        from,
        &pair.honest()?,
        &mut out,
    )?;
    Ok(out)
}

fn import(pair: &Pair, bytes: Vec<u8>, root: Option<Root>) -> Result<PullAnswer> {
    let bundle = Bundle::open(Mapping::owned(bytes), "the bundle".into())?;
    let options = PullOptions {
        asked: Asked::Named(vec![bundle.target().clone()]),
        ..options(root)
    };
    pair.pull_with(&bundle, &options)
}

fn shown(pair: &Pair) -> Result<SnapshotRef> {
    let row = pair
        .origin
        .store
        .reader()?
        .find_ref(&pair.repo()?, &ref_name("stable")?)?;
    let current = row.and_then(|row| row.current);
    Ok(current
        .ok_or_else(|| Error::internal("it was released"))?
        .snapshot)
}

fn first() -> Files {
    files(&[("f", "1"), ("d/g", "same"), ("d/h", "same too")])
}

#[test]
fn a_release_travels_as_a_file() -> Result<()> {
    let pair = Pair::new()?;
    pair.origin.release("stable", &first())?;
    pair.origin
        .release("testing", &files(&[("t", "not asked for")]))?;
    let root = Root::Id(pair.repo()?.repo_id);
    let whole = bundle(&pair, None)?;
    let refused = import(&pair, whole.clone(), None).map_err(|error| error.kind());
    assert_eq!(
        refused.err(),
        Some(Kind::Usage),
        "first contact needs a root"
    );
    import(&pair, whole.clone(), Some(root))?;
    pair.check_shows("stable", &first())?;
    let start = shown(&pair)?;
    for number in 2..5 {
        pair.origin
            .release("stable", &files(&[("f", &number.to_string())]))?;
    }
    let update = bundle(&pair, Some(start))?;
    assert!(update.len() < 2 * whole.len(), "statements and what is new");
    let answer = import(&pair, update.clone(), None)?;
    assert_eq!(answer.moves[0].seq, 4);
    pair.check_shows("stable", &pair.origin.shown("stable")?)?;
    let again = import(&pair, update, None)?;
    assert!(again.moves.is_empty());
    let old = import(&pair, whole, None).map_err(|error| error.kind());
    assert_eq!(old.err(), Some(Kind::Integrity), "an old bundle goes back");
    pair.check_copy()
}

#[test]
fn a_bundle_for_others_says_what_is_missing() -> Result<()> {
    let pair = Pair::new()?;
    pair.origin.release("stable", &first())?;
    let start = shown(&pair)?;
    pair.origin.release("stable", &files(&[("f", "2")]))?;
    let update = bundle(&pair, Some(start))?;
    let before = pair.state()?;
    let root = Root::Id(pair.repo()?.repo_id);
    let refused = import(&pair, update, Some(root));
    let text = refused
        .err()
        .map(|error| error.to_string())
        .unwrap_or_default();
    assert!(
        text.contains("from which the pack of the bundle starts"),
        "{text}"
    );
    assert_eq!(pair.state()?, before);
    Ok(())
}

#[test]
fn a_bundle_that_was_damaged_or_cut_is_refused_or_does_no_harm() -> Result<()> {
    let pair = Pair::following(&first())?;
    let start = shown(&pair)?;
    pair.origin.release("stable", &files(&[("f", "2")]))?;
    let good = bundle(&pair, Some(start))?;
    let before = pair.state()?;
    for end in (0..good.len()).step_by(7) {
        assert!(
            import(&pair, good[..end].to_vec(), None).is_err(),
            "cut after {end}"
        );
    }
    for place in (0..good.len()).step_by(5) {
        let mut bad = good.clone();
        bad[place] ^= 1;
        match import(&pair, bad, None) {
            Err(error) => {
                let is_told = matches!(
                    error.kind(),
                    Kind::Integrity | Kind::NotFound | Kind::Conflict
                );
                assert!(is_told || error.kind() == Kind::Usage, "{place}: {error}");
            }
            // A name that nobody looks at, such as that of a statement which is known already.
            Ok(_) => return pair.check_shows("stable", &pair.origin.shown("stable")?),
        }
        assert_eq!(pair.state()?, before, "byte {place} flipped");
    }
    import(&pair, good, None)?;
    pair.check_shows("stable", &pair.origin.shown("stable")?)
}
