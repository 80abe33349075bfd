//! What the simulated disk itself promises: without it the crash tests would prove nothing.

use std::path::Path;

use bindery::disk::files::Disk;

use super::{Kept, SimulatedDisk};

#[test]
fn a_crash_keeps_what_was_synced_and_what_it_likes_of_the_rest()
-> Result<(), Box<dyn std::error::Error>> {
    let disk = SimulatedDisk::new();
    let read = |disk: &SimulatedDisk, path: &str| {
        let mapping = disk.map(Path::new(path));
        mapping.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    };
    disk.create_dir(Path::new("a"))?;
    let file = disk.create(Path::new("a/file"))?;
    file.write_at(0, b"old.")?;
    file.sync()?;
    disk.sync_dir(Path::new("a"))?;
    file.write_at(0, b"new!")?;
    disk.rename(Path::new("a/file"), Path::new("a/moved"))?;
    for (kept, name, bytes) in [
        (Kept::Synced, "a/file", "old."),
        (Kept::All, "a/moved", "new!"),
        (Kept::Torn, "a/moved", "ned."),
    ] {
        let after = disk.after_crash(kept);
        assert_eq!(read(&after, name)?, bytes, "{kept:?}");
    }
    for seed in 0..20 {
        let after = disk.after_crash(Kept::Some(seed));
        assert!(!after.files("a").is_empty(), "a rename loses no file");
    }
    Ok(())
}

#[test]
fn without_power_everything_fails() -> Result<(), Box<dyn std::error::Error>> {
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
