//! Trees of ten thousand million entries in a dozen objects: each names the next one ten times. That every command ends
//! shows that it counts before it walks.

use bindery::base::Error;
use bindery::base::id::Hash;
use bindery::build::commit::commit;
use bindery::object::kind::ObjectKind;
use bindery::object::totals::Totals;
use bindery::object::tree::TreeRef;
use bindery::store::rows::BuildState;

use super::forged::{Forge, measured};
use crate::shelf::{files, moment};
use crate::support::Outcome;

/// Trees that name the next one.
const LEVELS: usize = 10;
/// How often they do.
const WIDTH: usize = 10;
/// What is said of such a tree.
const TOLD: &str = "a tree's number of entries";

/// The objects of such a tree, and its root: of files, with headers that lie, or of directories alone, which are counted
/// nowhere.
fn bomb(is_of_files: bool) -> (Vec<(ObjectKind, Hash, Vec<u8>)>, TreeRef) {
    let blob = b"x".to_vec();
    let id = Hash::of(&blob);
    let mut text = if is_of_files {
        format!("bindery tree 1 1 1\nf 1 {id} f\n")
    } else {
        "bindery tree 1 0 0\n".to_owned()
    };
    let mut objects = vec![(ObjectKind::Blob, id, blob)];
    for _ in 0..LEVELS {
        let tree = TreeRef::of(text.as_bytes());
        objects.push((ObjectKind::Tree, tree.id.hash(), text.into_bytes()));
        let lines = (0..WIDTH).map(|n| format!("d {} {} d{n}\n", tree.size, tree.id));
        text = lines.fold("bindery tree 1 0 0\n".to_owned(), |text, line| text + &line);
    }
    let root = TreeRef::of(text.as_bytes());
    objects.push((ObjectKind::Tree, root.id.hash(), text.into_bytes()));
    (objects, root)
}

#[test]
fn a_commit_counts_a_tree_before_it_walks_through_it() -> Outcome {
    for is_of_files in [true, false] {
        let forge = Forge::new()?;
        // Once alone, once onto a release that has directories of the same names.
        for round in 0..2 {
            let (objects, root) = bomb(is_of_files);
            let build = forge.stage(&objects, &[], root)?;
            let store = &forge.shelf.store;
            let committed = commit(store, build, "", moment(3)?);
            let is_limit =
                matches!(committed, Err(Error::Limit { found, .. }) if found >= 10_u64.pow(10));
            assert!(is_limit, "{committed:?}");
            assert_eq!(store.reader()?.build(build)?.state, BuildState::Open);
            let objects = store.purge_build(build, moment(4)?)?.objects;
            assert_eq!(objects, LEVELS as u64 + 2, "few objects");
            if round == 0 {
                let pairs = [("d0/d0/f", "a"), ("d1/d1/d1/g", "b")];
                forge.shelf.release("stable", &files(&pairs))?;
            }
        }
        forge.shelf.check()?;
    }
    Ok(())
}

#[test]
fn what_got_past_every_check_is_refused_when_it_is_read() -> Outcome {
    for is_of_files in [true, false] {
        let forge = Forge::new()?;
        forge.shelf.release("testing", &files(&[("d0/f", "a")]))?;
        let (objects, root) = bomb(is_of_files);
        let build = forge.stage(&objects, &[], root)?;
        forge.force_commit(build, root, Totals::ZERO)?;
        let scratch = forge.close();
        let spec = format!("build:{build}");
        for line in [
            format!("ls {spec} -r"),
            format!("checkout {spec} out"),
            format!("diff testing {spec}"),
            format!("diff {spec} testing --stat"),
            format!("verify {spec}"),
        ] {
            let answer = measured(&scratch, &line)?;
            let is_told = answer.stderr.contains(TOLD) || (is_of_files && answer.code == 7);
            assert!(answer.code != 0 && is_told, "{line}: {answer:?}");
        }
        assert!(!scratch.path("out").exists(), "nothing was begun");
        // What goes from object to object goes to each once, so it is done in no time.
        let listed = measured(&scratch, &format!("ls {spec} d3/d4"))?;
        assert_eq!(listed.lines().len(), WIDTH);
        measured(&scratch, &format!("publish {build}"))?.expect_code(0)?;
        for line in ["ls stable -r", "checkout stable out", "verify stable"] {
            assert_ne!(measured(&scratch, line)?.code, 0, "{line}");
        }
        measured(&scratch, "fsck --counts")?.expect_code(0)?;
        // A build whose base it is, and a second release, which lets the first one go.
        scratch.write("tree", &[("only", crate::support::Node::File("this"))])?;
        let next = scratch.json("build create --ref stable")?["build"].clone();
        scratch.ok(&format!("build stage {next} tree --replace"))?;
        measured(&scratch, &format!("build commit {next}"))?.expect_code(0)?;
        measured(&scratch, &format!("publish {next}"))?.expect_code(0)?;
        measured(&scratch, &format!("build purge {next}"))?.expect_code(0)?;
        measured(&scratch, "retire stable --keep-last 1")?.expect_code(0)?;
        scratch.expect_checkout("stable", "new", "tree")?;
        scratch.expect_sound()?;
    }
    Ok(())
}
