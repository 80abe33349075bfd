"""flatpak: a repository with a tiny runtime and a tiny app, installed for a user of its own, and run.

The repository is what `flatpak build-export` writes: an OSTree repository, plain files. It has no graphics and no libraries: the app
is one program that needs nothing. Where no sandboxes can be made, it cannot be run, and the runner says so.
"""

import shutil
from pathlib import Path
from typing import Optional

from .proof import attempt, require, run

RUNTIME = "org.example.Platform"
APP = "org.example.Proof"
BRANCH = "stable"


class Flatpak:
    """Writes the repository, and reads it."""

    NAME = "flatpak"

    def __init__(self, folder: Path):
        self.folder = folder
        self.shortfall = "" if self._can_run() else "; no sandboxes can be made here, so it was installed and not run"
        self.program = self._program()
        self.repository = folder / "repository"
        self._export_runtime()

    def write(self, tree: Path, version: int) -> None:
        """Writes the repository with one version of the app more."""
        app = self.folder / "app"
        shutil.rmtree(app, ignore_errors=True)
        (app / "files/bin").mkdir(parents=True)
        (app / "files/version").write_text(content(version))
        shutil.copy(self.program, app / "files/bin/proof")
        (app / "export").mkdir()
        (app / "metadata").write_text(
            f"[Application]\nname={APP}\nruntime={RUNTIME}/x86_64/{BRANCH}\nsdk={RUNTIME}/x86_64/{BRANCH}\ncommand=proof\n"
        )
        self._flatpak("build-export", "--disable-sandbox", "--arch=x86_64", self.repository, app, BRANCH)
        self._flatpak("build-update-repo", self.repository)
        shutil.copytree(self.repository, tree, dirs_exist_ok=True)

    def check(self, url: str, version: int, name: str) -> None:
        """Installs or updates, looks at what was installed, and runs it."""
        home = self.folder / name
        if not home.exists():
            self._flatpak("remote-add", "--user", "--no-gpg-verify", "proof", f"{url}/", home=home)
            self._flatpak("install", "--user", "--noninteractive", "proof", APP, home=home)
        else:
            self._flatpak("remote-modify", "--user", f"--url={url}/", "proof", home=home)
            self._flatpak("update", "--user", "--noninteractive", home=home)
        place = Path(self._flatpak("info", "--user", "--show-location", APP, home=home).strip().splitlines()[-1])
        found = (place / "files/version").read_text()
        require(found == content(version), f"flatpak installed {found!r}, not {content(version)!r}")
        if self.shortfall:
            return
        said = self._flatpak("run", "--user", APP, home=home)
        require(said.endswith(content(version)), f"the app says {said!r}, not {content(version)!r}")

    def close(self) -> None:
        """Has nothing to end."""

    @staticmethod
    def _can_run() -> bool:
        plain = ("--ro-bind", "/", "/", "--unshare-pid", "--proc", "/proc")
        return attempt("bwrap", *plain, "true").code == 0

    def _export_runtime(self) -> None:
        runtime = self.folder / "runtime"
        (runtime / "files/bin").mkdir(parents=True)
        (runtime / "metadata").write_text(f"[Runtime]\nname={RUNTIME}\nruntime={RUNTIME}/x86_64/{BRANCH}\n")
        shutil.copy(self.program, runtime / "files/bin/proof")
        words = ("build-export", "--disable-sandbox", "--runtime", "--arch=x86_64", "--files=files")
        self._flatpak(*words, self.repository, runtime, BRANCH)

    def _program(self) -> Path:
        """A program that needs no libraries, and prints a file of the app that it is in."""
        source, program = self.folder / "proof.rs", self.folder / "proof"
        text = "fn main() { print!(\"{}\", std::fs::read_to_string(\"/app/version\").expect(\"it is there\")) }\n"
        source.write_text(text)
        run("rustc", "--target=x86_64-unknown-linux-gnu", "-Ctarget-feature=+crt-static", "-o", program, source)
        return program

    def _flatpak(self, *line: object, home: Optional[Path] = None) -> str:
        """Runs flatpak as a user whose home is the folder, on a bus of its own."""
        home = home or self.folder / "maker"
        (home / "run").mkdir(mode=0o700, parents=True, exist_ok=True)
        folders = {"HOME": home, "XDG_DATA_HOME": home / "data", "XDG_CACHE_HOME": home / "cache"}
        folders |= {"XDG_RUNTIME_DIR": home / "run", "FLATPAK_SYSTEM_DIR": home / "system"}
        folders |= {"FLATPAK_USER_DIR": home / "data/flatpak", "XDG_DATA_DIRS": "/usr/share"}
        more = {name: str(path) for name, path in folders.items()}
        return run("dbus-run-session", "--", "flatpak", *line, **more)


def content(version: int) -> str:
    """What the app says."""
    return f"this is version {version}\n"
