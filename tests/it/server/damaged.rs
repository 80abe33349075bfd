//! A store that is damaged while it is served: nothing wrong is sent as good or kept, and whoever runs the server is told.

use std::error::Error;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use crate::server::narrow::letters;
use crate::support::Node::File;
use crate::support::http::{Ask, exchange};
use crate::support::served::Served;
use crate::support::{Outcome, Scratch, files_beneath};

/// Where in the largest pack bytes are changed.
const FLIPPED: std::ops::Range<u64> = 100_000..100_064;

/// The largest pack of the store: the content.
fn pack(scratch: &Scratch) -> Result<PathBuf, Box<dyn Error>> {
    let folder = scratch.store().join("packs");
    let files = files_beneath(&folder)?.into_iter();
    let sizes = files.map(|path| {
        let path = folder.join(path);
        Ok::<_, std::io::Error>((fs::metadata(&path)?.len(), path))
    });
    let sizes: Vec<_> = sizes.collect::<Result<_, _>>()?;
    let largest = sizes.into_iter().max();
    Ok(largest.ok_or("a pack")?.1)
}

/// Flips all bits of some bytes of a file; done again, it is as before.
fn flip(path: &PathBuf) -> Outcome {
    let mut permissions = fs::metadata(path)?.permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o600);
    fs::set_permissions(path, permissions)?;
    let file = fs::OpenOptions::new().read(true).write(true).open(path)?;
    let mut bytes = [0; 64];
    file.read_exact_at(&mut bytes, FLIPPED.start)?;
    for byte in &mut bytes {
        *byte = !*byte;
    }
    file.write_all_at(&bytes, FLIPPED.start)?;
    Ok(())
}

#[test]
fn what_is_damaged_is_neither_sent_as_good_nor_kept_and_is_told() -> Outcome {
    let scratch = Scratch::new()?;
    let text = letters(5, 400_000);
    scratch.write("tree", &[("big.bin", File(&text))])?;
    scratch.publish("stable", "tree")?;
    let log = scratch.json("log stable")?;
    let snapshot = &log["releases"][0]["snapshot"];
    let snapshot = if snapshot.is_string() {
        snapshot
    } else {
        &snapshot["id"]
    };
    let snapshot = snapshot.as_str().ok_or("an id")?;
    let pack = pack(&scratch)?;
    flip(&pack)?;
    let served = Served::start(&scratch, "")?;
    let full = format!("/r/main/packs/{snapshot}/full.pack");
    let refused = served.get(&full)?.expect(500)?;
    assert_eq!(refused.header("cache-control"), "no-store");
    served.wait_for_word(&format!("GET {full}: "))?;
    served.wait_for_word("damaged")?;
    // A file that breaks off does so visibly, and is told as well.
    let ask = "GET /r/main/files/stable/big.bin HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let came = exchange(served.address, ask.as_bytes()).unwrap_or_default();
    assert!(came.len() < text.len(), "{} bytes came", came.len());
    let figures = served.get("/metrics")?.expect(200)?.text();
    assert!(
        figures.contains("bindery_errors_total{code=\"integrity\"}"),
        "{figures}"
    );
    // Once it is healed, nothing is left of it.
    flip(&pack)?;
    served.get(&full)?.expect(200)?;
    let whole = Ask::new("GET", "/r/main/files/stable/big.bin").send(served.address)?;
    assert_eq!(whole.expect(200)?.text(), text);
    served.end_sound(&scratch)
}
