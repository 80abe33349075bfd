//! Exports into one folder at a time, of a store here and of one that is served.

use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use bindery::disk::lock::{EXPORT_LOCK_FILE, FolderLock};

use crate::server::taking::World;
use crate::support::Node::File;
use crate::support::{Answer, Outcome, Scratch, files_beneath};

/// How long a lock is waited for that was released in this process: a child that another test starts at that moment has
/// it, too, until it becomes another program.
const LOCK_WAIT: Duration = Duration::from_secs(60);
/// Exports that are begun at a time.
const MANY: usize = 4;

/// What an export answered.
type Exported = Result<Answer, Box<dyn Error>>;

fn lock(folder: &Path) -> bindery::base::Result<FolderLock> {
    FolderLock::acquire_export(folder, LOCK_WAIT, "process 4711", None)
}

fn stores() -> Result<(World, Scratch), Box<dyn Error>> {
    let (world, scratch) = (World::new("")?, Scratch::new()?);
    scratch.write("tree", &[("file", File("content"))])?;
    scratch.publish("stable", "tree")?;
    Ok((world, scratch))
}

/// Checks that an export is refused while another has the folder, and done when it has ended, or was killed.
fn check_one_at_a_time(folder: &Path, export: &dyn Fn(&str) -> Exported) -> Outcome {
    fs::create_dir(folder)?;
    let held = lock(folder)?;
    let words = [
        "the export ",
        "is held by process 4711; waited 0 s",
        "--lock-wait",
    ];
    export("--lock-wait 0s")?.expect_failure(6, &words)?;
    let files = files_beneath(folder)?;
    assert_eq!(
        files,
        [folder.join(EXPORT_LOCK_FILE)],
        "nothing was written"
    );
    drop(held);
    // What one leaves that was killed is a text that nobody holds.
    fs::write(folder.join(EXPORT_LOCK_FILE), "process 4712")?;
    fs::write(folder.join("bindery-export.next"), "bindery ex")?;
    export("")?.expect_code(0)?;
    assert_eq!(fs::read(folder.join(EXPORT_LOCK_FILE))?, b"");
    let held = lock(folder)?;
    export("--lock-wait 0s")?.expect_failure(6, &words)?;
    // Whoever waits gets its turn.
    let waited = thread::scope(|threads| {
        let waiting = threads.spawn(move || {
            thread::sleep(Duration::from_millis(300));
            drop(held);
        });
        let answer = export("").map_err(|error| error.to_string());
        (answer, waiting.join())
    });
    waited.0?.expect_code(0)?;
    waited.1.map_err(|_| "a thread ended early")?;
    Ok(())
}

#[test]
fn a_folder_takes_one_export_at_a_time() -> Outcome {
    let (world, scratch) = stores()?;
    check_one_at_a_time(&scratch.path("www"), &|more| {
        let line = format!("export --static www {more}");
        Answer::of(&mut scratch.command(line.split_whitespace()))
    })?;
    check_one_at_a_time(&world.here.path("www"), &|more| {
        world.run(format!("export --static www {more}").trim_end())
    })?;
    world.end()
}

#[test]
fn exports_that_are_begun_at_once_come_one_after_the_other() -> Outcome {
    let (world, scratch) = stores()?;
    scratch.publish("testing", "tree")?;
    let local = |number: usize| {
        let name = ["stable", "testing"][number % 2];
        let line = format!("export --static www {name}");
        Answer::of(&mut scratch.command(line.split_whitespace()))
    };
    let remote = |_| world.run("export --static www stable");
    let all: [&(dyn Fn(usize) -> Exported + Sync); 2] = [&local, &remote];
    for export in all {
        let codes = thread::scope(|threads| {
            let export_one = |number| {
                threads.spawn(move || {
                    let answer = export(number).and_then(|answer| answer.expect_code(0));
                    answer.map(drop).map_err(|error| error.to_string())
                })
            };
            let begun: Vec<_> = (0..MANY).map(export_one).collect();
            let ended = begun.into_iter().map(thread::ScopedJoinHandle::join);
            ended.collect::<Vec<_>>()
        });
        for code in codes {
            code.map_err(|_| "a thread ended early")??;
        }
    }
    // No ref that one of them wrote was lost to another.
    for name in ["stable", "testing"] {
        let file = format!("www/r/main/files/{name}/file");
        assert_eq!(fs::read_to_string(scratch.path(&file))?, "content");
    }
    let marker = fs::read_to_string(scratch.path("www/bindery-export"))?;
    assert_eq!(marker.lines().count(), 3, "{marker}");
    world.end()
}

#[test]
fn a_ref_that_others_export_meanwhile_is_not_lost() -> Outcome {
    let (world, _) = stores()?;
    let url = world.served.url();
    let www = world.here.path("www");
    fs::create_dir(&www)?;
    let held = lock(&www)?;
    let line = format!("export --static www stable --remote {url}");
    let mut command = world.here.command(line.split(' '));
    command.env("BINDERY_TOKEN", &world.served.token);
    let mut waiting = command.stderr(Stdio::piped()).spawn()?;
    let mut said = BufReader::new(waiting.stderr.take().ok_or("its standard error")?);
    let mut heard = String::new();
    said.read_line(&mut heard)?;
    // It has what it came for, and nothing else.
    assert!(heard.contains("for the export "), "{heard}");
    let id = "0".repeat(64);
    let marker = format!("bindery export 1\nmain other {id}\n");
    fs::write(www.join("bindery-export"), &marker)?;
    drop(held);
    let mut rest = String::new();
    said.read_to_string(&mut rest)?;
    assert_eq!(waiting.wait()?.code(), Some(5), "{rest}");
    assert!(rest.contains("other was exported into "), "{rest}");
    assert_eq!(fs::read_to_string(www.join("bindery-export"))?, marker);
    world.end()
}
