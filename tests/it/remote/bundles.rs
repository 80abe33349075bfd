//! Bundles: a release carried as a file, believed no more than a pull would be.

use bindery::base::{Error, Kind, Result};
use bindery::disk::files::Mapping;
use bindery::remote::bundle::{Bundle, create};
use bindery::remote::follow::Asked;
use bindery::remote::known::Root;
use bindery::remote::pull::{PullAnswer, PullOptions};
use bindery::store::rows::SnapshotRef;

use super::pair::{Pair, empty, options};
use crate::shelf::{Files, files, ref_name};
use crate::support::simulated_disk::SimulatedDisk;

fn bundle(pair: &Pair, from: Option<SnapshotRef>) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    let (repo, target) = (pair.repo()?, ref_name("stable")?);
    create(
        &pair.origin.store,
        &repo,
        &target,
        from,
        &pair.honest()?,
        &pair.honest()?,
        &mut out,
    )?;
    Ok(out)
}

fn import(pair: &Pair, bytes: Vec<u8>, root: Option<Root>) -> Result<PullAnswer> {
    let bundle = Bundle::open(Mapping::owned(bytes), "the bundle".into())?;
    let options = PullOptions {
        repo_id: None,
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

/// Bytes from one place that is flipped to the next.
const STEP: usize = 3;

/// A pair whose copy has what a bundle brought to it, and what can be seen of that.
fn with_copy(mut pair: Pair, first: &[u8]) -> Result<(Pair, String)> {
    pair.copy_disk = SimulatedDisk::new();
    pair.copy = empty(&pair.copy_disk)?;
    let root = Root::Id(pair.repo()?.repo_id);
    import(&pair, first.to_vec(), Some(root))?;
    let state = pair.state()?;
    Ok((pair, state))
}

#[test]
fn a_bundle_that_was_damaged_or_cut_is_refused() -> Result<()> {
    let pair = Pair::new()?;
    pair.origin.release("stable", &first())?;
    let beginning = bundle(&pair, None)?;
    let (pair, before) = with_copy(pair, &beginning)?;
    let start = shown(&pair)?;
    pair.origin.release("stable", &files(&[("f", "2")]))?;
    let good = bundle(&pair, Some(start))?;
    for end in (0..good.len()).step_by(7) {
        assert!(
            import(&pair, good[..end].to_vec(), None).is_err(),
            "cut after {end}"
        );
    }
    for place in (0..good.len()).step_by(STEP) {
        let mut bad = good.clone();
        bad[place] ^= 1;
        let refused = import(&pair, bad, None).err();
        let refused =
            refused.ok_or_else(|| Error::internal(format!("byte {place} is flipped and taken")))?;
        let is_told = [Kind::Integrity, Kind::NotFound].contains(&refused.kind());
        assert!(is_told, "{place}: {refused}");
        assert_eq!(pair.state()?, before, "byte {place} flipped");
    }
    import(&pair, good, None)?;
    pair.check_shows("stable", &pair.origin.shown("stable")?)
}

#[test]
fn a_header_that_says_something_else_than_its_parts_is_malformed() -> Result<()> {
    let pair = Pair::new()?;
    pair.origin.release("stable", &first())?;
    let good = bundle(&pair, None)?;
    let repo = pair.repo()?;
    let changed = |from: &str, to: &str| {
        let at = good
            .windows(from.len())
            .position(|part| part == from.as_bytes());
        let at = at.ok_or_else(|| Error::internal(format!("there is no {from:?}")))?;
        let bytes = [&good[..at], to.as_bytes(), &good[at + from.len()..]].concat();
        Ok::<_, Error>(bytes)
    };
    let list_id = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let line = text.lines().find(|line| line.starts_with("refs "));
        line.map(str::to_owned).unwrap_or_default()
    };
    let list = list_id(&good);
    let (length, id) = list.rsplit_once(' ').unwrap_or_default();
    let other = id.chars().rev().collect::<String>();
    let to = shown(&pair)?;
    let longer = format!("of {} bytes, and its ref shows ", to.size + 1);
    for (from, to, reason) in [
        (
            format!("pack {} ", to.size),
            format!("pack {} ", to.size + 1),
            &longer[..],
        ),
        (
            format!("repo {}\n", repo.name),
            "repo example.org/other\n".to_owned(),
            "it says that it is of example.org/other",
        ),
        (
            "ref stable\n".to_owned(),
            "ref stabel\n".to_owned(),
            "its list of refs has no stabel",
        ),
        (
            "keyset 1 ".to_owned(),
            "keyset 2 ".to_owned(),
            "line 4: expected keyset 1",
        ),
        (
            list.clone(),
            format!("{length} {other}"),
            "its list of refs is not the one",
        ),
    ] {
        let refused = import(&pair, changed(&from, &to)?, Some(Root::Id(repo.repo_id)));
        let error = refused.err().map(|error| (error.kind(), error.to_string()));
        let (kind, message) = error.unwrap_or((Kind::Internal, String::new()));
        assert!(message.contains(reason), "{from:?}: {message}");
        assert_eq!(kind, Kind::Integrity, "{message}");
    }
    Ok(())
}

/// The lines of a bundle, each with the part that it is of.
fn parts(bundle: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
    let header_end = bundle.windows(2).position(|pair| pair == b"\n\n")? + 1;
    let header = std::str::from_utf8(&bundle[..header_end]).ok()?;
    let mut rest = &bundle[header_end + 1..];
    let mut parts = Vec::new();
    for line in header.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let bytes = match words[..] {
            ["keyset", _, bytes] | ["heads", bytes] | ["refs" | "statement", bytes, _] => {
                bytes.parse().ok()?
            }
            ["pack", ..] => rest.len(),
            _ => 0,
        };
        let (part, behind) = rest.split_at_checked(bytes)?;
        parts.push((line.to_owned(), part.to_vec()));
        rest = behind;
    }
    Some(parts)
}

#[test]
fn a_bundle_has_its_parts_once_and_in_order() -> Result<()> {
    let pair = Pair::new()?;
    pair.origin.release("stable", &first())?;
    pair.origin.release("stable", &files(&[("f", "2")]))?;
    let good = bundle(&pair, None)?;
    let parts = parts(&good).ok_or_else(|| Error::internal("it is a bundle"))?;
    let place = |word: &str| parts.iter().position(|(line, _)| line.starts_with(word));
    let [Some(keyset), Some(statement)] = [place("keyset"), place("statement")] else {
        return Err(Error::internal("it has all parts"));
    };
    let root = Some(Root::Id(pair.repo()?.repo_id));
    let all: Vec<usize> = (0..parts.len()).collect();
    let twice = |place: usize| [&all[..=place], &all[place..]].concat();
    let mut reversed = all.clone();
    reversed.swap(statement, statement + 1);
    for (order, reason) in [
        (twice(keyset), "line 5: expected keyset 2"),
        (twice(statement), "where"),
        (twice(statement + 1), "where none belongs"),
        (reversed, "where"),
        (all.clone(), ""),
    ] {
        let lines = order.iter().map(|place| parts[*place].0.clone() + "\n");
        let bodies = order.iter().flat_map(|place| parts[*place].1.clone());
        let lines: String = lines.chain(["\n".to_owned()]).collect();
        let bytes = lines.into_bytes().into_iter().chain(bodies).collect();
        let imported = import(&pair, bytes, root.clone());
        let told = imported.map_or_else(|error| error.to_string(), |_| String::new());
        assert_eq!(told.is_empty(), reason.is_empty(), "{order:?}: {told}");
        assert!(told.contains(reason), "{order:?}: {told}");
    }
    Ok(())
}
