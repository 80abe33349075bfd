//! Damage: packs, notes and the catalog, cut, changed and lost.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use super::{expect_nothing_lost, with_a_release_and_an_open_build};
use crate::support::Node::File;
use crate::support::{Answer, Outcome, Scratch, files_beneath, noise, number, text};

/// Places in a file that are changed, spread over all of it.
const FLIPS: usize = 24;

/// The largest pack of the release: not that of the open build, which has as many bytes as its purge would free.
fn published_pack(scratch: &Scratch) -> Result<PathBuf, Box<dyn Error>> {
    let own_bytes = number(&scratch.json("build purge 2 --dry-run")?, "bytes")?;
    let mut packs = Vec::new();
    for pack in files_beneath(&scratch.store().join("packs"))? {
        packs.push((pack.metadata()?.len(), pack));
    }
    packs.retain(|(bytes, _)| *bytes != own_bytes);
    let (_, largest) = packs.into_iter().max().ok_or("nothing is published")?;
    Ok(largest)
}

/// Expects a command to find the damage: exit 7, and the name of what is damaged.
fn expect_damage(scratch: &Scratch, line: &str) -> Result<Answer, Box<dyn Error>> {
    scratch.run(line.split(' '))?.expect_code(7)
}

/// Does `damage` to a file, has it found, and puts the file back.
fn check(scratch: &Scratch, place: &Path, damage: &dyn Fn(&mut Vec<u8>)) -> Outcome {
    let whole = fs::read(place)?;
    let mut bytes = whole.clone();
    damage(&mut bytes);
    fs::remove_file(place)?;
    fs::write(place, &bytes)?;
    let name = place.file_name().ok_or("no name")?.to_string_lossy();
    let found = expect_damage(scratch, "fsck")?;
    let said = format!("{}{}", found.stdout, found.stderr);
    assert!(said.contains(&*name), "fsck names the pack: {said}");
    fs::remove_file(place)?;
    fs::write(place, &whole)?;
    scratch.ok("fsck")?;
    Ok(())
}

#[test]
fn a_flipped_byte_in_a_pack_is_found_wherever_it_is() -> Outcome {
    let scratch = with_a_release_and_an_open_build()?;
    let pack = published_pack(&scratch)?;
    let bytes = fs::read(&pack)?.len();
    for place in (0..bytes).step_by(bytes / FLIPS + 1).chain([bytes - 1]) {
        check(&scratch, &pack, &|bytes| bytes[place] ^= 0x10)
            .map_err(|error| format!("byte {place} of {bytes}: {error}"))?;
    }
    expect_nothing_lost(&scratch)
}

#[test]
fn a_truncated_pack_is_found() -> Outcome {
    let scratch = with_a_release_and_an_open_build()?;
    let pack = published_pack(&scratch)?;
    let bytes = fs::read(&pack)?.len();
    for length in [0, 1, bytes / 2, bytes - 1] {
        check(&scratch, &pack, &|bytes| bytes.truncate(length))
            .map_err(|error| format!("{length} of {bytes} bytes: {error}"))?;
    }
    check(&scratch, &pack, &|bytes| bytes.push(0))?;
    expect_nothing_lost(&scratch)
}

#[test]
fn damaged_content_is_named_by_its_id_and_path_and_never_given_out() -> Outcome {
    let scratch = Scratch::new()?;
    // Content that does not compress, so that the middle of the pack is in it.
    scratch.write(
        "tree",
        &[("deep/er/small", File("s")), ("other/small", File("s"))],
    )?;
    fs::write(scratch.path("tree/deep/er/large"), noise(100_000))?;
    scratch.publish("stable", "tree")?;
    let id = text(
        &scratch.json("ls stable deep/er/large")?["entries"][0],
        "id",
    )?;
    let packs = files_beneath(&scratch.store().join("packs"))?;
    let largest = packs
        .iter()
        .max_by_key(|pack| pack.metadata().map_or(0, |found| found.len()));
    let pack = largest.ok_or("no pack")?;
    let whole = fs::read(pack)?;
    let mut bytes = whole.clone();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::remove_file(pack)?;
    fs::write(pack, &bytes)?;
    let verified = scratch.fails("verify", 7, &["damaged", "hint:", "fsck"])?;
    assert!(
        verified.stderr.contains("deep/er/large"),
        "{}",
        verified.stderr
    );
    assert!(verified.stderr.contains(&id), "{}", verified.stderr);
    let found = expect_damage(&scratch, "fsck")?;
    let said = format!("{}{}", found.stdout, found.stderr);
    assert!(
        said.contains(&id) && said.contains("deep/er/large"),
        "{said}"
    );
    scratch.fails("cat stable deep/er/large", 7, &["damaged"])?;
    expect_damage(&scratch, "checkout stable out")?;
    assert!(
        !scratch.path("out/deep/er/large").exists(),
        "no wrong bytes are left"
    );
    fs::remove_file(pack)?;
    fs::write(pack, &whole)?;
    scratch.expect_checkout("stable", "out", "tree")?;
    scratch.expect_sound()
}

#[test]
fn a_missing_pack_is_found_and_what_does_not_need_it_still_works() -> Outcome {
    let scratch = with_a_release_and_an_open_build()?;
    let (pack, away) = (published_pack(&scratch)?, scratch.path("away"));
    fs::rename(&pack, &away)?;
    let name = pack
        .file_name()
        .ok_or("no name")?
        .to_string_lossy()
        .into_owned();
    let found = expect_damage(&scratch, "fsck")?;
    let said = format!("{}{}", found.stdout, found.stderr);
    assert!(said.contains(&name) && said.contains("stable@1"), "{said}");
    for line in [
        "verify",
        "cat stable etc/tool.conf",
        "ls stable",
        "checkout stable out",
    ] {
        let found = expect_damage(&scratch, line)?;
        assert!(found.stderr.contains(&name), "{line}: {}", found.stderr);
    }
    for line in ["refs", "log stable", "build list", "stats"] {
        scratch.ok(line)?;
    }
    fs::rename(&away, &pack)?;
    scratch.ok("checkout stable out")?;
    expect_nothing_lost(&scratch)
}

/// Copies the folder of the store to the folder `name` beside it.
fn back_up(scratch: &Scratch, name: &str) -> Result<PathBuf, Box<dyn Error>> {
    let (store, copy) = (scratch.store(), scratch.path(name));
    for file in files_beneath(&store)? {
        let place = copy.join(file.strip_prefix(&store)?);
        fs::create_dir_all(place.parent().ok_or("a file lies in a folder")?)?;
        fs::copy(&file, &place)?;
    }
    Ok(copy)
}

#[test]
fn a_store_is_healed_from_a_copy_of_it() -> Outcome {
    let scratch = with_a_release_and_an_open_build()?;
    back_up(&scratch, "backup")?;
    let packs = files_beneath(&scratch.store().join("packs"))?;
    for pack in &packs {
        fs::remove_file(pack)?;
    }
    let heads = scratch.store().join("repos/main/trust/heads");
    fs::remove_file(&heads)?;
    expect_damage(&scratch, "fsck")?;
    let healed = scratch.json("fsck --repair backup --counts")?;
    assert_eq!(number(&healed["repair"], "packs")?, packs.len() as u64);
    assert_eq!(number(&healed["repair"], "moved")?, 0);
    assert_eq!(healed["repair"]["lost"].as_array().map(Vec::len), Some(0));
    let notes = healed["repair"]["notes"].as_array();
    assert_eq!(notes.map(Vec::len), Some(1), "{healed}");
    let objects = healed["repair"]["healed"].to_string();
    assert!(objects.contains("in stable@1"), "{objects}");
    assert!(objects.contains("in build 2"), "{objects}");
    assert_eq!(healed["problems"].as_array().map(Vec::len), Some(0));
    expect_nothing_lost(&scratch)
}

#[test]
fn what_another_store_lacks_is_told_with_exit_code_7() -> Outcome {
    let scratch = with_a_release_and_an_open_build()?;
    scratch.ok("--store other init")?;
    let pack = published_pack(&scratch)?;
    fs::remove_file(&pack)?;
    let found = expect_damage(&scratch, "fsck --repair other")?;
    assert!(found.stdout.contains("lost object:"), "{}", found.stdout);
    assert!(found.stdout.contains("in stable@1"), "{}", found.stdout);
    for (from, code, parts) in [
        (
            "https://example.org/store",
            2,
            ["cannot be healed over https yet", "folder"],
        ),
        (
            "http://127.0.0.1:1/",
            2,
            ["cannot be healed over http yet", "folder"],
        ),
        (".bindery", 5, ["is the store itself", "lost"]),
        ("nowhere", 3, ["no store at", "nowhere"]),
    ] {
        scratch.fails(&format!("fsck --repair {from}"), code, &parts)?;
    }
    let both = scratch.run(["fsck", "--repair", "other", "--reindex"])?;
    assert_eq!(both.code, 2, "{}", both.stderr);
    Ok(())
}

#[test]
fn a_catalog_with_a_flipped_byte_is_an_error_with_a_hint_or_does_no_harm() -> Outcome {
    let scratch = with_a_release_and_an_open_build()?;
    let place = scratch.store().join("catalog.redb");
    let whole = fs::read(&place)?;
    let right = scratch.ok("cat stable etc/tool.conf")?.stdout;
    let mut found = 0;
    for at in (0..whole.len())
        .step_by(whole.len() / FLIPS + 1)
        .chain([9, 40, 70, 130, 300])
    {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        fs::write(&place, &bytes)?;
        let answer = scratch.run("cat stable etc/tool.conf".split(' '))?;
        match answer.code {
            0 => assert_eq!(answer.stdout, right, "byte {at}"),
            3 | 7 | 8 => assert!(answer.stderr.contains("error: "), "byte {at}: {answer:?}"),
            _ => return Err(format!("byte {at}: {answer:?}").into()),
        }
        fs::write(&place, &bytes)?;
        let checked = scratch.run(["fsck"])?;
        assert!([0, 7, 8].contains(&checked.code), "byte {at}: {checked:?}");
        if checked.code == 0 {
            assert_eq!(answer.code, 0, "byte {at}: {answer:?}");
            continue;
        }
        found += 1;
        if found % 4 == 1 {
            scratch.ok("fsck --reindex")?;
            assert_eq!(
                scratch.ok("cat stable etc/tool.conf")?.stdout,
                right,
                "byte {at}"
            );
            scratch.ok("fsck --counts")?;
            for pack in files_beneath(&scratch.store().join("unowned"))? {
                let name = pack.file_name().ok_or("no name")?.to_owned();
                let text = name.to_string_lossy();
                let folder = scratch.store().join("packs").join(&text[..2]);
                fs::create_dir_all(&folder)?;
                fs::rename(&pack, folder.join(&name))?;
            }
        }
    }
    assert!(found > 0, "some of it is in use");
    fs::write(&place, whole)?;
    expect_nothing_lost(&scratch)
}

#[test]
fn a_missing_catalog_is_made_again_from_packs_and_notes() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.ok("repo create example.org/tools")?;
    for content in ["1", "2", "3"] {
        scratch.write("tree", &[("n", File(content)), ("d/same", File("same"))])?;
        let build = scratch.json("build create --repo main --ref stable")?["build"].clone();
        scratch.ok(&format!("build stage {build} tree"))?;
        scratch.ok(&format!("build commit {build}"))?;
        scratch.ok(&format!("publish {build}"))?;
    }
    let before = scratch.json("log main:stable")?;
    fs::remove_file(scratch.store().join("catalog.redb"))?;
    let lost = scratch.run(["ls", "main:stable"])?;
    assert_ne!(lost.code, 0);
    assert!(lost.stderr.contains("fsck --reindex"), "{}", lost.stderr);
    let told = scratch.ok("fsck --reindex")?.stderr;
    assert!(told.contains("only the old catalog could say"), "{told}");
    let after = scratch.json("log main:stable")?;
    for (field, number) in [("seq", 3), ("snapshot", 3), ("statement", 3)] {
        for release in 0..number {
            assert_eq!(
                before["releases"][release][field], after["releases"][release][field],
                "{field}"
            );
        }
    }
    scratch.ok("fsck --counts")?;
    scratch.ok("verify --all")?;
    scratch.expect_checkout("main:stable", "out", "tree")?;
    assert_eq!(scratch.ok("cat main:stable@1 n")?.stdout, "1");
    scratch.write("tree", &[("n", File("4"))])?;
    let build = scratch.json("build create --repo main --ref stable")?["build"].clone();
    assert!(build.as_u64() > Some(3), "no number is used twice: {build}");
    scratch.ok(&format!("build stage {build} tree"))?;
    scratch.ok(&format!("build commit {build}"))?;
    assert_eq!(scratch.ok(&format!("publish {build}"))?.text(), "stable@4");
    scratch.expect_checkout("main:stable", "out", "tree")?;
    scratch.ok("verify --all")?;
    scratch.ok("retire main:stable --keep-last 1")?;
    scratch.expect_sound()
}

#[test]
fn a_catalog_that_is_no_catalog_is_not_overwritten() -> Outcome {
    let scratch = with_a_release_and_an_open_build()?;
    let place = scratch.store().join("catalog.redb");
    let whole = fs::read(&place)?;
    for (bytes, reason) in [
        (b"this is no catalog".to_vec(), "something else"),
        (
            vec![0; whole.len()],
            "zeros, as a crash of a file system leaves",
        ),
        (whole[..whole.len() / 2].to_vec(), "cut"),
    ] {
        fs::write(&place, &bytes)?;
        for line in ["ls stable", "build create"] {
            let answer = scratch.run(line.split(' '))?;
            assert!(
                [7, 8].contains(&answer.code),
                "{reason}: {line}: {answer:?}"
            );
            assert!(
                answer.stderr.contains("catalog"),
                "{reason}: {line}: {answer:?}"
            );
            assert!(
                answer.stderr.contains("hint:"),
                "{reason}: {line}: {answer:?}"
            );
        }
        assert_eq!(fs::read(&place)?, bytes, "{reason}: it may yet be rescued");
    }
    fs::write(&place, whole)?;
    expect_nothing_lost(&scratch)
}

#[test]
fn a_changed_note_is_not_trusted() -> Outcome {
    let scratch = with_a_release_and_an_open_build()?;
    let notes = files_beneath(&scratch.store().join("repos"))?;
    assert!(
        notes.len() >= 4,
        "a keyset, heads, a list of refs and a statement"
    );
    for note in notes {
        let whole = fs::read(&note)?;
        let mut bytes = whole.clone();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&note, &bytes)?;
        let found = expect_damage(&scratch, "verify")?;
        assert!(
            found.stderr.contains("error: "),
            "{}: {}",
            note.display(),
            found.stderr
        );
        fs::remove_file(&note)?;
        expect_damage(&scratch, "verify")
            .map_err(|error| format!("{} is missing: {error}", note.display()))?;
        fs::write(&note, &whole)?;
        scratch.ok("verify")?;
    }
    expect_nothing_lost(&scratch)
}

#[test]
fn files_that_are_none_of_the_stores_do_no_harm() -> Outcome {
    let scratch = with_a_release_and_an_open_build()?;
    for name in [
        "packs/README",
        "packs/ab/notes.txt",
        "tmp/half.pack",
        "repos/notes.txt",
        "notes.txt",
    ] {
        scratch.write(".bindery", &[(name, File("not mine"))])?;
    }
    scratch.ok("build list")?;
    scratch.ok("build create")?;
    scratch.ok("fsck")?;
    for name in [
        "packs/README",
        "packs/ab/notes.txt",
        "repos/notes.txt",
        "notes.txt",
    ] {
        assert_eq!(fs::read(scratch.store().join(name))?, b"not mine");
        fs::remove_file(scratch.store().join(name))?;
    }
    let left = files_beneath(&scratch.store().join("tmp"))?;
    assert!(left.is_empty(), "what lies in tmp is the store's: {left:?}");
    expect_nothing_lost(&scratch)
}
