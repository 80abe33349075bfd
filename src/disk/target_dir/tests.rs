//! Whatever lies in a directory, nothing outside it is touched.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use rayon::prelude::*;

use super::*;

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// A folder with a fresh directory `in` and, beside it, `out` with a file that nothing may touch.
struct Scene {
    folder: tempfile::TempDir,
    top: TargetDir,
}

impl Scene {
    fn new() -> Result<Self, Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        fs::create_dir_all(folder.path().join("out/dir"))?;
        fs::write(folder.path().join("out/dir/file"), b"untouched")?;
        let place = folder.path().join("in");
        fs::create_dir(&place)?;
        let top = TargetDir::new(File::open(&place)?.into(), place);
        Ok(Self { folder, top })
    }

    fn inside(&self, path: &str) -> PathBuf {
        self.folder.path().join("in").join(path)
    }

    fn check_outside(&self) -> Outcome {
        let out = self.folder.path().join("out");
        assert_eq!(fs::read(out.join("dir/file"))?, b"untouched");
        assert_eq!(fs::read_dir(out.join("dir"))?.count(), 1);
        assert_eq!(fs::read_dir(out)?.count(), 1);
        Ok(())
    }
}

fn name(text: &str) -> Result<EntryName, crate::base::name::NameError> {
    text.parse()
}

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(result: &Result<T>) {
    assert!(matches!(result, Err(Error::Refused { .. })), "{result:?}");
}

#[track_caller]
fn assert_io<T: std::fmt::Debug>(result: &Result<T>, expected: &str) {
    assert!(
        matches!(result, Err(Error::Io { action, .. }) if *action == expected),
        "{result:?}"
    );
}

#[test]
fn a_tree_is_written_by_many_threads() -> Outcome {
    let scene = Scene::new()?;
    let numbers: Vec<u32> = (0..200).collect();
    let dir = scene.top.make_dir(&name("dir")?)?;
    let write = |number: &u32| -> Result<()> {
        let file = number.to_string().parse().map_err(|_| Error::Interrupted)?;
        dir.write_file(&file, FileMode::Plain, &number.to_le_bytes())
    };
    numbers.par_iter().try_for_each(write)?;
    dir.make_dir(&name("empty")?)?;
    dir.make_link(&name("link")?, "../nowhere")?;
    for number in &numbers {
        let bytes = fs::read(scene.inside("dir").join(number.to_string()))?;
        assert_eq!(bytes, number.to_le_bytes());
    }
    assert_eq!(
        fs::read_link(scene.inside("dir/link"))?,
        Path::new("../nowhere")
    );
    let empty = scene.top.open(Path::new("dir/empty"))?;
    assert_eq!(empty.place(), scene.inside("dir/empty"));
    assert!(empty.list()?.is_empty());
    Ok(())
}

#[test]
fn a_name_that_is_taken_is_never_written_through() -> Outcome {
    let scene = Scene::new()?;
    let top = &scene.top;
    let outside = scene.folder.path().join("out/dir/file");
    for (at, to) in [
        ("link", outside.as_path()),
        ("loose", Path::new("../out/new")),
    ] {
        symlink(to, scene.inside(at))?;
        let at = name(at)?;
        assert_io(&top.write_file(&at, FileMode::Plain, b"evil"), "create");
        assert_io(&top.create_file(&at, FileMode::Executable), "create");
        assert_io(&top.make_link(&at, "x"), "make the link");
        assert_io(&top.make_dir(&at), "make the directory");
        assert_eq!(top.stat(&at)?.map(|stat| stat.kind), Some(FileKind::Link));
        top.remove_file(&at)?;
        top.write_file(&at, FileMode::Plain, b"mine")?;
    }
    scene.check_outside()
}

#[test]
fn a_directory_that_becomes_a_link_leads_nowhere() -> Outcome {
    let scene = Scene::new()?;
    let top = &scene.top;
    let deep = top.make_dir(&name("a")?)?.make_dir(&name("dir")?)?;
    fs::rename(scene.inside("a"), scene.inside("moved"))?;
    symlink("../out", scene.inside("a"))?;
    assert_refused(&top.open_dir(&name("a")?));
    assert_refused(&top.open(Path::new("a/dir")));
    assert_refused(&top.remove_dir_all(&name("a")?));
    // A handle stays with the directory that was opened, wherever its name went.
    deep.write_file(&name("file")?, FileMode::Plain, b"inside")?;
    assert_eq!(fs::read(scene.inside("moved/dir/file"))?, b"inside");
    symlink("../../out/dir", scene.inside("moved/link"))?;
    top.remove_dir_all(&name("moved")?)?;
    assert_eq!(top.stat(&name("moved")?)?, None);
    scene.check_outside()
}

#[test]
fn removal_takes_all_that_is_there() -> Outcome {
    let scene = Scene::new()?;
    let top = &scene.top;
    fs::create_dir_all(scene.inside("dir/a/b"))?;
    fs::write(scene.inside("dir/a/b/file"), b"")?;
    let strange = std::ffi::OsStr::from_bytes(b"\xff");
    fs::write(scene.inside("dir").join(strange), b"")?;
    symlink("../out", scene.inside("dir/link"))?;
    let _socket = std::os::unix::net::UnixListener::bind(scene.inside("dir/socket"))?;
    assert_io(&top.remove_file(&name("dir")?), "remove");
    top.remove_dir_all(&name("dir")?)?;
    assert!(top.list()?.is_empty());
    assert_io(&top.remove_dir_all(&name("dir")?), "open");
    assert_io(&top.remove_file(&name("dir")?), "remove");
    let deep = ["d"; PATH_DEPTH_MAX + 2].join("/");
    fs::create_dir_all(scene.inside(&deep))?;
    let refused = top.remove_dir_all(&name("d")?);
    assert!(matches!(refused, Err(Error::Limit { .. })), "{refused:?}");
    scene.check_outside()
}

#[test]
fn only_an_empty_directory_is_removed_alone() -> Outcome {
    let scene = Scene::new()?;
    let top = &scene.top;
    fs::create_dir_all(scene.inside("a/b"))?;
    symlink("a", scene.inside("link"))?;
    top.remove_empty_dir(&name("a")?)?;
    assert!(scene.inside("a").exists());
    top.open_dir(&name("a")?)?.remove_empty_dir(&name("b")?)?;
    top.remove_empty_dir(&name("a")?)?;
    assert!(!scene.inside("a").exists());
    assert_io(&top.remove_empty_dir(&name("a")?), "remove");
    assert_io(&top.remove_empty_dir(&name("link")?), "remove");
    Ok(())
}

#[test]
fn a_link_is_read_and_nothing_else() -> Outcome {
    let scene = Scene::new()?;
    let target = std::ffi::OsStr::from_bytes(b"../out/\xff");
    symlink(target, scene.inside("link"))?;
    fs::write(scene.inside("file"), b"")?;
    assert_eq!(scene.top.read_link(&name("link")?)?, b"../out/\xff");
    assert_io(&scene.top.read_link(&name("file")?), "read the link");
    assert_io(&scene.top.read_link(&name("gone")?), "read the link");
    Ok(())
}

#[test]
fn a_directory_can_be_listed_again() -> Outcome {
    let scene = Scene::new()?;
    scene.top.make_link(&name("link")?, "x")?;
    let expected = [TargetEntry {
        name: "link".into(),
        kind: FileKind::Link,
    }];
    assert_eq!(scene.top.list()?, expected);
    assert_eq!(scene.top.list()?, expected);
    Ok(())
}

#[test]
fn modes_do_not_depend_on_the_umask() -> Outcome {
    const NESTED: &str = "BINDERY_TEST_UMASK";
    if std::env::var_os(NESTED).is_some() {
        return check_modes();
    }
    // The umask is one for all threads, so each runs this test alone in a process of its own.
    let test = std::env::current_exe()?;
    for umask in ["000", "022", "077"] {
        let status = Command::new("sh")
            .args(["-c", "umask \"$0\" && exec \"$@\"", umask])
            .arg(&test)
            .args(["--exact", "--quiet"])
            .arg(concat!(
                "disk::target_dir::tests::",
                "modes_do_not_depend_on_the_umask"
            ))
            .env(NESTED, "1")
            .output()?;
        let said = String::from_utf8_lossy(&status.stdout);
        assert!(status.status.success(), "umask {umask}: {said}");
        assert!(said.contains("1 passed"), "umask {umask}: {said}");
    }
    Ok(())
}

fn check_modes() -> Outcome {
    let scene = Scene::new()?;
    let top = &scene.top;
    top.make_dir(&name("dir")?)?;
    top.write_file(&name("plain")?, FileMode::Plain, b"")?;
    top.write_file(&name("tool")?, FileMode::Executable, b"")?;
    for (path, expected) in [("dir", 0o755), ("plain", 0o644), ("tool", 0o755)] {
        let mode = fs::metadata(scene.inside(path))?.permissions().mode() & 0o7777;
        assert_eq!(mode, expected, "{path}");
    }
    Ok(())
}
