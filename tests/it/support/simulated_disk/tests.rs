//! What the simulated disk itself promises: without it the crash tests would prove nothing.

use std::path::Path;

use bindery::base::Result;
use bindery::disk::files::Disk;

use super::{Failure, Fault, Kept, Lasting, SimulatedDisk};

/// The text of a file; nothing if there is none of that name.
fn read(disk: &SimulatedDisk, path: &str) -> Option<String> {
    let bytes = disk.map(Path::new(path)).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// A disk with the durable file `a/file`, which was then written and renamed.
fn renamed() -> Result<SimulatedDisk, Box<dyn std::error::Error>> {
    let disk = SimulatedDisk::new();
    disk.create_dir(Path::new("a"))?;
    let file = disk.create(Path::new("a/file"))?;
    file.write_at(0, b"old.")?;
    file.sync()?;
    disk.sync_dir(Path::new("a"))?;
    file.write_at(0, b"new!!!")?;
    disk.rename(Path::new("a/file"), Path::new("a/moved"))?;
    Ok(disk)
}

#[test]
fn an_outage_keeps_what_was_synced_and_what_it_likes_of_the_rest() -> Outcome {
    let disk = renamed()?;
    for (kept, name, bytes) in [
        (Kept::Synced, "a/file", "old."),
        (Kept::All, "a/moved", "new!!!"),
        (Kept::Torn(0), "a/moved", "new."),
        (Kept::Torn(1), "a/moved", "nld."),
        (Kept::Torn(2), "a/moved", "new!!"),
        (Kept::Torn(3), "a/moved", "old."),
        (Kept::Zeroed, "a/moved", "old.\0\0"),
    ] {
        let after = disk.after_crash(kept);
        assert_eq!(read(&after, name).as_deref(), Some(bytes), "{kept:?}");
    }
    for seed in 0..50 {
        let after = disk.after_crash(Kept::Some(seed));
        assert!(!after.files("a").is_empty(), "a rename loses no file");
    }
    Ok(())
}

#[test]
fn names_and_bytes_last_independently_of_each_other() -> Outcome {
    let disk = SimulatedDisk::new();
    for name in ["one", "two"] {
        disk.create(Path::new(name))?.write_at(0, b"bytes")?;
    }
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..500 {
        let after = disk.after_crash(Kept::Some(seed));
        seen.insert(["one", "two"].map(|name| read(&after, name)));
    }
    let nothing = Some(String::new());
    let whole = Some("bytes".to_owned());
    let zeros = Some("\0".repeat(5));
    for one in [&None, &nothing, &whole, &zeros] {
        for two in [&None, &nothing, &whole, &zeros] {
            let both = [one.clone(), two.clone()];
            assert!(seen.contains(&both), "{both:?} was never seen");
        }
    }
    Ok(())
}

#[test]
fn a_folder_is_durable_when_the_one_above_is_synced_and_takes_its_files_with_it() -> Outcome {
    let disk = SimulatedDisk::new();
    disk.create_dir(Path::new("a/b"))?;
    assert_eq!(disk.operations(), 4, "two folders, two syncs");
    let killed = SimulatedDisk::new().with_power(Some(1));
    assert!(killed.create_dir(Path::new("a")).is_err());
    let next = killed.with_power(None);
    next.create_dir(Path::new("a"))?;
    let file = next.create(Path::new("a/file"))?;
    file.write_at(0, b"x")?;
    file.sync()?;
    next.sync_dir(Path::new("a"))?;
    assert_eq!(
        read(&next.after_crash(Kept::All), "a/file").as_deref(),
        Some("x")
    );
    let lost = next.after_crash(Kept::Synced);
    assert!(
        lost.list(Path::new("a")).is_err(),
        "nobody synced what it lies in"
    );
    assert_eq!(lost.files(""), Vec::<std::path::PathBuf>::new());
    next.sync_dir(Path::new(""))?;
    assert_eq!(
        read(&next.after_crash(Kept::Synced), "a/file").as_deref(),
        Some("x")
    );
    Ok(())
}

#[test]
fn a_killed_process_leaves_what_is_in_flight_to_the_next_one() -> Outcome {
    let next = renamed()?.with_power(None);
    assert_eq!(read(&next, "a/moved").as_deref(), Some("new!!!"));
    assert_eq!(
        read(&next.after_crash(Kept::Synced), "a/file").as_deref(),
        Some("old.")
    );
    next.open(Path::new("a/moved"))?.sync()?;
    next.sync_dir(Path::new("a"))?;
    assert_eq!(
        read(&next.after_crash(Kept::Synced), "a/moved").as_deref(),
        Some("new!!!")
    );
    Ok(())
}

#[test]
fn without_power_everything_fails() -> Outcome {
    let disk = SimulatedDisk::new();
    let file = disk.create(Path::new("file"))?;
    drop(file);
    for power in 0..3 {
        let disk = disk.with_power(Some(power));
        assert!(disk.list(Path::new("")).is_ok());
        let file = disk.open(Path::new("file"))?;
        let mut done = 0;
        while file.write_at(done, b"x").is_ok() {
            done += 1;
        }
        assert_eq!(done, power);
        assert!(file.len().is_err() && file.sync().is_err());
        assert!(disk.list(Path::new("")).is_err());
    }
    Ok(())
}

#[test]
fn a_fault_strikes_the_call_it_is_meant_for_and_does_what_it_says() -> Outcome {
    let fault = |at, failure, lasting| Fault {
        at,
        failure,
        lasting,
    };
    for (failure, kind, left) in [
        (Failure::Medium, None, ""),
        (Failure::Full, Some(std::io::ErrorKind::StorageFull), ""),
        (Failure::Short, Some(std::io::ErrorKind::StorageFull), "12"),
    ] {
        for lasting in [Lasting::Once, Lasting::Always] {
            let disk = SimulatedDisk::new();
            let file = disk.create(Path::new("file"))?;
            disk.fail(fault(2, failure, lasting));
            file.set_len(0)?;
            let failed = file.write_at(0, b"1234").err().ok_or("it is to fail")?;
            assert!(kind.is_none_or(|kind| failed.kind() == kind), "{failed}");
            assert_eq!(read(&disk, "file").as_deref(), Some(left), "{failure:?}");
            let is_well = file.write_at(0, b"1234").is_ok();
            assert_eq!(is_well, lasting == Lasting::Once);
            disk.heal();
            file.write_at(0, b"5678")?;
        }
    }
    Ok(())
}

#[test]
fn a_sync_that_failed_may_have_lost_what_the_next_one_calls_durable() -> Outcome {
    for (failure, expected) in [(Failure::LostSync, ""), (Failure::Medium, "bytes")] {
        let disk = SimulatedDisk::new();
        let file = disk.create(Path::new("file"))?;
        disk.sync_dir(Path::new(""))?;
        file.write_at(0, b"bytes")?;
        disk.fail(Fault {
            at: 1,
            failure,
            lasting: Lasting::Once,
        });
        assert!(file.sync().is_err());
        file.sync()?;
        assert_eq!(
            read(&disk, "file").as_deref(),
            Some("bytes"),
            "the live file"
        );
        let after = disk.after_crash(Kept::Synced);
        assert_eq!(
            read(&after, "file").as_deref(),
            Some(expected),
            "{failure:?}"
        );
    }
    Ok(())
}

#[test]
fn a_look_can_fail_as_well() -> Outcome {
    let disk = SimulatedDisk::new();
    disk.create(Path::new("file"))?.write_at(0, b"bytes")?;
    disk.go_blind(Fault {
        at: 2,
        failure: Failure::Medium,
        lasting: Lasting::Once,
    });
    let file = disk.open(Path::new("file"))?;
    let mut byte = [0];
    assert!(file.read_at(0, &mut byte).is_err());
    file.read_at(0, &mut byte)?;
    assert_eq!((&byte, disk.looks()), (b"b", 3));
    Ok(())
}
