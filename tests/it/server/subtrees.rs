//! One directory of a release, pulled without the rest.

use std::fs;

use crate::server::released;
use crate::support::Node::File;
use crate::support::{Outcome, files_beneath, noise, number, text};

#[test]
fn a_directory_alone_is_pulled_as_a_build() -> Outcome {
    let (scratch, served) = released("")?;
    fs::write(scratch.path("tree/large"), noise(1_000_000))?;
    let push = format!("push tree --ref stable --publish --remote {}", served.url());
    served.run(&scratch, &push)?.expect_code(0)?;
    let pin = served.get("/r/main/pin")?.expect(200)?.text();
    fs::write(scratch.path("main.bindery"), pin)?;
    scratch.ok("--store part init --repo mine")?;
    let line = format!(
        "--store part pull {}/r/main stable --path bin --pin main.bindery",
        served.url()
    );
    let pulled = scratch.json(&line)?;
    assert_eq!((number(&pulled, "build")?, number(&pulled, "seq")?), (1, 2));
    assert_eq!(number(&pulled, "files")?, 3, "{pulled}");
    assert!(number(&pulled, "received_bytes")? < 20_000, "{pulled}");
    scratch.ok("--store part checkout build:1 out")?;
    let files = files_beneath(&scratch.path("out/bin"))?;
    assert_eq!(files.len(), 3, "{files:?}");
    let tool = fs::read_to_string(scratch.path("out/bin/tool"))?;
    assert_eq!(tool, fs::read_to_string(scratch.path("tree/bin/tool"))?);
    assert!(!scratch.path("out/index.txt").exists(), "nothing else came");
    let shown = scratch.json("--store part build show 1")?;
    assert_eq!(shown["labels"]["part-of"], "main:stable@2");
    // It is a build as any other: it can be published, and purged.
    scratch.ok("--store part publish 1 --ref parts/bin")?;
    let again = scratch.json(&line)?;
    scratch.ok(&format!(
        "--store part build purge {}",
        number(&again, "build")?
    ))?;
    // The root is a directory, too.
    let whole = line.replace("--path bin", "--path /");
    let code = scratch.run(whole.split(' '))?.code;
    assert!(code == 0 || code == 2, "{code}");
    for (path, code, word) in [
        ("nowhere", 3, "nowhere"),
        ("bin/tool", 2, "is a file"),
        ("bin/tool/deeper", 3, "bin/tool/deeper"),
    ] {
        let line = line.replace("--path bin", &format!("--path {path}"));
        scratch.fails(&line, code, &[word])?;
    }
    scratch.fails(&line.replace(" stable", ""), 2, &["REF"])?;
    scratch.fails(&line.replace(" stable", " stable other"), 2, &["one ref"])?;
    scratch.ok("--store copies init --no-repo")?;
    scratch.fails(&line.replace("part", "copies"), 2, &["--into"])?;
    served.end_sound(&scratch)?;
    scratch.ok("--store part fsck --counts")?;
    scratch.ok("--store part verify --all")?;
    Ok(())
}

#[test]
fn a_directory_alone_is_pulled_from_a_store_and_from_plain_files() -> Outcome {
    let scratch = crate::support::Scratch::new()?;
    scratch.write("tree", crate::server::TREE)?;
    scratch.write("tree", &[("deep/er/file", File("deep"))])?;
    scratch.publish("stable", "tree")?;
    scratch.ok("--store part init --repo mine")?;
    let local = scratch.json("--store part pull .bindery stable --path deep/er --trust-first")?;
    assert_eq!(number(&local, "files")?, 1);
    scratch.ok("export --static www")?;
    let plain = super::exports::PlainServer::start(&scratch, "www")?;
    let line = format!(
        "--store part pull {}/r/main stable --path deep/er --trust-first",
        plain.url
    );
    let from_files = scratch.json(&line)?;
    assert_eq!(text(&from_files, "snapshot")?.len(), 64);
    scratch.ok(&format!(
        "--store part checkout build:{} out",
        number(&from_files, "build")?
    ))?;
    assert_eq!(
        fs::read_to_string(scratch.path("out/deep/er/file"))?,
        "deep"
    );
    assert_eq!(
        files_beneath(&scratch.path("out"))?.len(),
        1,
        "nothing else came"
    );
    // Its pack is not what it should be: that is found out, and no build is left.
    let builds = scratch.json("--store part build list")?;
    for pack in files_beneath(&scratch.path("www/r/main/packs"))? {
        let mut bytes = fs::read(&pack)?;
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&pack, bytes)?;
    }
    scratch.ok("--store other init --repo mine")?;
    let line = line.replace("part", "other");
    scratch.fails(&line, 7, &[])?;
    assert_eq!(scratch.json("--store part build list")?, builds);
    let none = scratch.json("--store other build list")?;
    assert_eq!(none["builds"].as_array().map(Vec::len), Some(0));
    scratch.ok("--store other fsck --counts")?;
    Ok(())
}
