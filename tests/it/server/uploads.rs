//! Packs on their way into a build: only what is what it says is taken in, and what breaks off leaves nothing behind.

use std::error::Error;

use bindery::base::id::{Hash, PackId};
use bindery::object::frame_builder::FrameBuilder;
use bindery::object::kind::ObjectKind;
use bindery::object::pack_writer::PackWriter;

use crate::server::served;
use crate::support::http::{Ask, Reply, exchange};
use crate::support::served::Served;
use crate::support::{Outcome, files_beneath, number};

/// A pack of some blobs, one frame for each list.
pub fn pack(frames: &[&[&[u8]]]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut writer = PackWriter::new(Vec::new(), [7; 16])?;
    for blobs in frames {
        let mut frame = FrameBuilder::new();
        for blob in *blobs {
            frame.push(ObjectKind::Blob, Hash::of(blob), blob)?;
        }
        writer.append(&frame.seal()?)?;
    }
    Ok(writer.finish()?.0)
}

pub fn put(
    served: &Served,
    build: u64,
    id: PackId,
    frames: u32,
    body: &[u8],
) -> Result<Reply, Box<dyn Error>> {
    let target = format!("/api/v1/builds/{build}/packs/{id}?frames={frames}");
    Ask::new("PUT", &target)
        .token(&served.token)
        .body(body)
        .send(served.address)
}

pub fn open_build(served: &Served) -> Result<u64, Box<dyn Error>> {
    let made = served.ask("POST", "/api/v1/repos/main/builds", r#"{"ref": "stable"}"#)?;
    number(&made.expect(201)?.json()?, "build")
}

#[test]
fn a_pack_is_stored_once_and_sending_it_again_stores_nothing() -> Outcome {
    let (scratch, served) = served("")?;
    let build = open_build(&served)?;
    let bytes = pack(&[&[b"one", b"two"], &[b"three"]])?;
    let id = PackId::of(&bytes);
    let first = put(&served, build, id, 2, &bytes)?.expect(200)?.json()?;
    assert_eq!(number(&first, "new_objects")?, 3);
    let second = put(&served, build, id, 2, &bytes)?.expect(200)?.json()?;
    assert_eq!(
        (
            number(&second, "new_objects")?,
            number(&second, "stored_bytes")?
        ),
        (0, 0)
    );
    // Only what is not there yet is stored of another one.
    let other = pack(&[&[b"two", b"four"]])?;
    let third = put(&served, build, PackId::of(&other), 1, &other)?
        .expect(200)?
        .json()?;
    assert_eq!(number(&third, "new_objects")?, 1);
    // Another build does not see them: nobody can probe what others send.
    let another = open_build(&served)?;
    let bits = |build: u64| {
        let target = format!("/api/v1/builds/{build}/missing?kind=blob");
        let ask = Ask::new("POST", &target).token(&served.token);
        ask.body(Hash::of(b"one").as_bytes().to_vec())
            .send(served.address)
    };
    assert_eq!(bits(build)?.expect(200)?.body, [0]);
    assert_eq!(bits(another)?.expect(200)?.body, [1]);
    served.end_sound(&scratch)
}

#[test]
fn what_is_not_what_it_says_is_refused_and_nothing_of_it_is_kept() -> Outcome {
    let (scratch, served) = served("")?;
    let build = open_build(&served)?;
    let good = pack(&[&[b"one", b"two"], &[b"three"]])?;
    let id = PackId::of(&good);
    let before = files_beneath(&scratch.store().join("packs"))?.len();
    for place in (0..good.len()).step_by(3) {
        let mut bad = good.clone();
        bad[place] ^= 0x10;
        let reply = put(&served, build, id, 2, &bad)?;
        assert!(
            [413, 422].contains(&reply.status),
            "byte {place}: {} {}",
            reply.status,
            reply.text()
        );
        // Under its own name, too, but for what nobody reads of it: the salt, and the index, which is made anew.
        let reply = put(&served, build, PackId::of(&bad), 2, &bad)?;
        assert!(
            [413, 422].contains(&reply.status),
            "byte {place}: {} {}",
            reply.status,
            reply.text()
        );
    }
    for length in (0..good.len()).step_by(7) {
        let reply = put(&served, build, id, 2, &good[..length])?;
        reply.expect_problem(422, "integrity", "")?;
    }
    for frames in [0, 1, 3, u32::MAX] {
        put(&served, build, id, frames, &good)?.expect_problem(422, "integrity", "")?;
    }
    let longer = [good.as_slice(), b"x"].concat();
    put(&served, build, id, 2, &longer)?.expect_problem(422, "integrity", "")?;
    assert_eq!(files_beneath(&scratch.store().join("packs"))?.len(), before);
    assert_eq!(files_beneath(&scratch.store().join("tmp"))?.len(), 0);
    served.end_sound(&scratch)
}

#[test]
fn a_bomb_is_not_expanded() -> Outcome {
    let (scratch, served) = served("")?;
    let build = open_build(&served)?;
    let mut bytes = pack(&[&[&vec![0; 1_000_000]]])?;
    // The length of the expanded payload, as the frame says it.
    bytes[32 + 8..32 + 12].copy_from_slice(&u32::MAX.to_le_bytes());
    let reply = put(&served, build, PackId::of(&bytes), 1, &bytes)?;
    reply.expect_problem(413, "failed", "frame bytes")?;
    served.end_sound(&scratch)
}

#[test]
fn a_body_that_breaks_off_leaves_nothing_behind() -> Outcome {
    let (scratch, served) = served("")?;
    let build = open_build(&served)?;
    let noise = crate::support::noise(1_000_000);
    let bytes = pack(&[&[&noise]])?;
    let head = format!(
        "PUT /api/v1/builds/{build}/packs/{}?frames=1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\n\r\n",
        PackId::of(&bytes),
        served.token,
        bytes.len()
    );
    // Half of it, and then the connection is closed.
    let half = [head.as_bytes(), &bytes[..bytes.len() / 2]].concat();
    {
        use std::io::Write;
        let mut stream = std::net::TcpStream::connect(served.address)?;
        stream.write_all(&half)?;
    }
    let wrong = head.replace("Content-Length: ", "Content-Length: x");
    let reply = exchange(served.address, wrong.as_bytes())?;
    let reply = String::from_utf8_lossy(&reply);
    assert!(reply.starts_with("HTTP/1.1 400"), "{reply}");
    put(&served, build, PackId::of(&bytes), 1, &bytes)?.expect(200)?;
    served.end_sound(&scratch)
}

#[test]
fn after_its_commit_a_build_takes_nothing_more() -> Outcome {
    let (scratch, served) = served("")?;
    let line = format!(
        "push tree --ref stable --commit --json --remote {}",
        served.url()
    );
    let pushed = served.run(&scratch, &line)?.expect_code(0)?.json()?;
    let build = number(&pushed, "build")?;
    let bytes = pack(&[&[b"late"]])?;
    put(&served, build, PackId::of(&bytes), 1, &bytes)?.expect_problem(409, "conflict", "ready")?;
    let stage = format!("/api/v1/builds/{build}/stage");
    let body = r#"{"at": "index.txt", "remove": true}"#;
    served
        .ask("POST", &stage, body)?
        .expect_problem(409, "conflict", "ready")?;
    served.end_sound(&scratch)
}
