//! The audit log on a real disk: written, read in pages, torn, and begun anew when it is full.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use super::super::layout;
use super::log::{AuditLog, Mode};
use super::page::{AuditPage, PAGE_LINES_MAX};
use super::parts::{PART_BYTES_MAX, PARTS_MAX};
use super::record::{Actor, AuditRecord, Decision, LINE_BYTES_MAX};
use crate::base::clock::Time;
use crate::base::{Kind, Result};
use crate::disk::real::RealDisk;
use crate::trust::token::capability::Capability;

type Outcome<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// A folder, and the log in it.
struct Scratch {
    folder: tempfile::TempDir,
    log: AuditLog,
}

impl Scratch {
    fn new() -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let log = open(&folder, Mode::Append);
        Ok(Self { folder, log })
    }

    fn part(&self, start: u64) -> std::path::PathBuf {
        self.folder.path().join(layout::audit_part(start))
    }
}

fn open(folder: &tempfile::TempDir, mode: Mode) -> AuditLog {
    AuditLog::new(Arc::new(RealDisk::new(folder.path())), mode)
}

fn record(act: &str, decision: Decision) -> Result<AuditRecord> {
    Ok(AuditRecord {
        time: Time::from_seconds(1_795_338_000)?,
        actor: Actor::Unknown,
        capability: Capability::Publish,
        act: act.to_owned(),
        repo: None,
        reference: None,
        build: None,
        decision,
    })
}

fn refused(act: &str) -> Result<AuditRecord> {
    let reason = "no".to_owned();
    record(act, Decision::Refused { reason })
}

fn acts(page: &AuditPage) -> Vec<&str> {
    page.records.iter().map(|one| one.act.as_str()).collect()
}

#[test]
fn a_line_is_json_and_comes_back_as_it_went_in() -> Outcome {
    let id = "00112233445566778899aabbccddeeff";
    let granted = AuditRecord {
        actor: Actor::Token(vec![id.parse()?, id.parse()?]),
        repo: Some("example.org/os".parse()?),
        reference: Some("app/editor".parse()?),
        build: Some(17),
        ..record("publish build 17", Decision::Granted)?
    };
    let line = String::from_utf8(granted.to_line()?)?;
    assert_eq!(
        line,
        format!(
            "{{\"time\":\"2026-11-22T09:00:00Z\",\"actor\":[\"{id}\",\"{id}\"],\"can\":\"publish\",\
             \"act\":\"publish build 17\",\"repo\":\"example.org/os\",\"ref\":\"app/editor\",\"build\":17,\
             \"granted\":true}}\n"
        )
    );
    for one in [
        granted,
        refused("x")?,
        AuditRecord {
            actor: Actor::Local,
            ..refused("y")?
        },
    ] {
        let line = one.to_line()?;
        assert_eq!(AuditRecord::parse(&line[..line.len() - 1]), Some(one));
    }
    for line in [
        "",
        "{}",
        "null",
        &line.replace("true", "false"),
        &line.replace("publish", "x"),
    ] {
        assert_eq!(
            AuditRecord::parse(line.trim_end().as_bytes()),
            None,
            "{line}"
        );
    }
    Ok(())
}

#[test]
fn what_callers_send_stays_on_one_line_of_bounded_length() -> Outcome {
    let name = "n".repeat(255);
    for text in ["\u{1F600}", "\"", "\\", "\n", "\u{0}", "\u{85}"] {
        let long = text.repeat(10_000);
        let longest = AuditRecord {
            actor: Actor::Token(vec!["00112233445566778899aabbccddeeff".parse()?; 8]),
            repo: Some(name.parse()?),
            reference: Some(name.parse()?),
            build: Some(u64::MAX),
            ..record(
                &long,
                Decision::Refused {
                    reason: long.clone(),
                },
            )?
        };
        let line = longest.to_line()?;
        assert!(line.len() <= LINE_BYTES_MAX, "{text:?}: {}", line.len());
        let end = line.iter().position(|byte| *byte == b'\n');
        assert_eq!(end, Some(line.len() - 1), "{text:?}");
    }
    Ok(())
}

#[test]
fn lines_are_read_by_cursor_and_from_the_end() -> Outcome {
    let scratch = Scratch::new()?;
    assert_eq!(
        scratch.log.read(0, 10)?,
        AuditPage {
            is_last: true,
            ..AuditPage::default()
        }
    );
    for act in ["a", "b", "c", "d", "e"] {
        scratch.log.append(&refused(act)?)?;
    }
    let first = scratch.log.read(0, 2)?;
    assert_eq!((acts(&first), first.is_last), (vec!["a", "b"], false));
    let second = scratch.log.read(first.next, 3)?;
    assert_eq!((acts(&second), second.is_last), (vec!["c", "d", "e"], true));
    let third = scratch.log.read(second.next, 3)?;
    assert_eq!((acts(&third), third.next), (vec![], second.next));
    scratch.log.append(&record("f", Decision::Granted)?)?;
    assert_eq!(acts(&scratch.log.read(second.next, 3)?), ["f"]);
    let newest = scratch.log.newest(2)?;
    assert_eq!(acts(&newest), ["e", "f"]);
    assert_eq!(acts(&scratch.log.read(newest.next, 3)?), Vec::<&str>::new());
    let within = scratch
        .log
        .read(first.next + 1, 1)
        .map_err(|error| error.kind());
    assert_eq!(within, Err(Kind::Usage));
    let mode = fs::metadata(scratch.part(0))?.permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "who reads it sees what others do");
    Ok(())
}

#[test]
fn a_log_that_is_open_to_read_takes_no_line() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.log.append(&refused("a")?)?;
    let reading = open(&scratch.folder, Mode::Read);
    assert_eq!(acts(&reading.read(0, 9)?), ["a"]);
    let outcome = reading.append(&refused("b")?).map_err(|error| error.kind());
    assert_eq!(outcome, Err(Kind::NotAllowed));
    Ok(())
}

#[test]
fn a_torn_line_is_not_read_and_is_cut_off_before_the_next() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.log.append(&refused("a")?)?;
    let whole = fs::read(scratch.part(0))?;
    let line = refused("torn")?.to_line()?;
    for length in 1..line.len() {
        fs::write(scratch.part(0), [&whole, &line[..length]].concat())?;
        let log = open(&scratch.folder, Mode::Append);
        let before = log.read(0, 9)?;
        assert_eq!((acts(&before), before.is_last), (vec!["a"], true));
        log.append(&refused("b")?)?;
        assert_eq!(acts(&log.read(before.next, 9)?), ["b"], "{length}");
        assert_eq!(acts(&log.newest(9)?), ["a", "b"], "{length}");
        // Other programs read the file, too.
        let expected = [whole.as_slice(), &refused("b")?.to_line()?].concat();
        assert_eq!(fs::read(scratch.part(0))?, expected, "{length}");
    }
    // A cursor that was given out before an outage took what it stood behind.
    let past = scratch.log.read(1 << 40, 9)?;
    assert!(past.next < 1 << 40 && past.is_last && past.records.is_empty());
    Ok(())
}

#[test]
fn damaged_lines_are_counted_and_the_others_read() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.log.append(&refused("a")?)?;
    let line = fs::read(scratch.part(0))?;
    let hole = [vec![0; 50_000], b"\n".to_vec()].concat();
    fs::write(
        scratch.part(0),
        [&line, b"no record\n".as_slice(), &hole, &line].concat(),
    )?;
    let page = scratch.log.read(0, 9)?;
    assert_eq!((acts(&page), page.damaged), (vec!["a", "a"], 2));
    assert_eq!(scratch.log.newest(9)?.damaged, 2);
    // Without any end of a line, the rest of the part cannot be told apart; reading ends all the same.
    fs::write(
        scratch.part(0),
        [line.as_slice(), &vec![0; 600_000], &line].concat(),
    )?;
    let first = scratch.log.read(0, 9)?;
    assert_eq!(acts(&first), ["a"]);
    let second = scratch.log.read(first.next, 9)?;
    assert_eq!((second.damaged, second.is_last), (1, true));
    Ok(())
}

#[test]
fn a_full_part_is_followed_by_another_and_the_oldest_goes() -> Outcome {
    let scratch = Scratch::new()?;
    scratch.log.append(&refused("old")?)?;
    let line = fs::read(scratch.part(0))?;
    // As many parts as are kept, each of one line but the newest, which is full.
    let bytes = line.len() as u64;
    for number in 1..PARTS_MAX as u64 {
        fs::write(scratch.part(number * bytes), &line)?;
    }
    let newest = (PARTS_MAX as u64 - 1) * bytes;
    let lines = usize::try_from(PART_BYTES_MAX / bytes)?;
    fs::write(scratch.part(newest), line.repeat(lines))?;
    let log = open(&scratch.folder, Mode::Append);
    log.append(&refused("new")?)?;
    assert!(!scratch.part(0).exists(), "the oldest part is gone");
    let parts = fs::read_dir(scratch.folder.path().join(layout::AUDIT))?.count();
    assert_eq!(parts, PARTS_MAX);
    assert_eq!(acts(&log.newest(2)?), ["old", "new"], "across two parts");

    let (mut read, mut cursor, mut is_gap) = (0, 0, false);
    loop {
        let page = log.read(cursor, PAGE_LINES_MAX)?;
        read += page.records.len();
        is_gap |= page.is_gap;
        assert_eq!(page.damaged, 0);
        if page.is_last {
            break;
        }
        assert!(page.next > cursor, "a page goes on");
        cursor = page.next;
    }
    assert_eq!(read, PARTS_MAX - 2 + lines + 1);
    assert!(is_gap, "the first line is not kept any more");
    Ok(())
}
