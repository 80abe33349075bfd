"""apt: a signed repository of one package, read by `apt-get` from a root of its own.

Indexes are also found by their hash (`Acquire-By-Hash`), as in Debian's archive. Each version has only its own indexes: that
those of the version before are still found is up to the server.
"""

import gzip
import hashlib
import shutil
from email.utils import formatdate
from pathlib import Path

from .proof import attempt, require, require_text, run

PACKAGE = "bindery-proof"
ARCHITECTURE = "all"
INDEXES = Path("dists/stable/main/binary-amd64")


class Apt:
    """Writes the repository, and reads it."""

    NAME = "apt"

    def __init__(self, folder: Path):
        self.folder = folder
        self.gpg = folder / "gpg"
        self.gpg.mkdir(mode=0o700)
        self.key = folder / "proof.gpg"
        self._gpg("--quick-generate-key", "proof@example.org", "ed25519", "sign", "never")
        self._gpg("--output", self.key, "--export")

    def write(self, tree: Path, version: int) -> None:
        """Writes the repository with one version of the package."""
        deb = self._package(version)
        pool = tree / "pool" / deb.name
        pool.parent.mkdir(parents=True)
        shutil.copy(deb, pool)
        control = run("dpkg-deb", "--field", deb)
        fields = (f"Filename: pool/{deb.name}", f"Size: {deb.stat().st_size}", f"SHA256: {sha256(deb.read_bytes())}")
        packages = "\n".join([control.strip(), *fields, ""]).encode()
        indexes = tree / INDEXES
        indexes.mkdir(parents=True)
        contents = {"Packages": packages, "Packages.gz": gzip.compress(packages, mtime=0)}
        lines = []
        for name, content in contents.items():
            (indexes / name).write_bytes(content)
            by_hash = indexes / "by-hash" / "SHA256" / sha256(content)
            by_hash.parent.mkdir(parents=True, exist_ok=True)
            by_hash.write_bytes(content)
            lines.append(f" {sha256(content)} {len(content)} main/binary-amd64/{name}")
        release = tree / "dists/stable/Release"
        head = ("Origin: Bindery", "Suite: stable", "Codename: stable", f"Date: {formatdate(usegmt=True)}")
        what = ("Architectures: amd64 all", "Components: main", "Acquire-By-Hash: yes", "SHA256:")
        release.write_text("\n".join([*head, *what, *lines, ""]))
        self._gpg("--output", release.with_name("InRelease"), "--clear-sign", release)

    def check(self, url: str, version: int, name: str) -> None:
        """Updates, installs, and looks at what was installed. The root stays, and is updated by the next check."""
        root = self.root(url, name)
        require(self.update(root) == "", "apt-get update says what it should not")
        require(self.newest(root) == str(version), f"apt-cache knows {self.newest(root)}, not {version}")
        install = ("install", "--yes", "--no-install-recommends", PACKAGE)
        run("apt-get", *self._options(root), *install)
        require_text(root / "usr/share/bindery-proof/version", content(version))
        status = run("dpkg-query", f"--root={root}", "--show", "--showformat=${Status} ${Version}", PACKAGE)
        require(status == f"install ok installed {version}", f"dpkg says {status}")

    def root(self, url: str, name: str) -> Path:
        """A root with apt's and dpkg's own folders, and one source."""
        root = self.folder / name
        for part in ("etc/apt/sources.list.d", "etc/apt/preferences.d", "etc/apt/apt.conf.d", "etc/apt/trusted.gpg.d"):
            (root / part).mkdir(parents=True, exist_ok=True)
        for part in ("var/lib/apt/lists/partial", "var/cache/apt/archives/partial", "var/log/apt"):
            (root / part).mkdir(parents=True, exist_ok=True)
        for part in ("var/lib/dpkg/updates", "var/lib/dpkg/info", "var/lib/dpkg/triggers"):
            (root / part).mkdir(parents=True, exist_ok=True)
        (root / "var/lib/dpkg/status").touch()
        source = f"deb [arch=amd64 signed-by={self.key}] {url} stable main\n"
        (root / "etc/apt/sources.list").write_text(source)
        return root

    def update(self, root: Path) -> str:
        """Runs `apt-get update`; gives its warnings and errors. A file that does not match its hash is one."""
        said = attempt("apt-get", *self._options(root), "update", "--error-on=any")
        wrong = [line for line in said.everything.splitlines() if line.startswith(("W:", "E:", "Err:"))]
        require(said.code == 0 or wrong, f"apt-get update ended with {said.code}: {said.everything}")
        return "\n".join(wrong)

    def newest(self, root: Path) -> str:
        """The version that apt would install."""
        words = run("apt-cache", *self._options(root), "show", "--no-all-versions", PACKAGE).splitlines()
        return next((line.removeprefix("Version: ") for line in words if line.startswith("Version: ")), "none")

    def _options(self, root: Path) -> list[str]:
        settings = {
            "Dir": root,
            "Dir::State::status": root / "var/lib/dpkg/status",
            "DPkg::Options::": f"--root={root}",
            "APT::Architecture": "amd64",
            "APT::Architectures::": "amd64",
            "APT::Sandbox::User": "root",
            "Acquire::Languages": "none",
            "Acquire::Retries": "0",
            "Acquire::http::Proxy": "DIRECT",
            "Debug::NoLocking": "true",
        }
        return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]

    def _package(self, version: int) -> Path:
        source = self.folder / f"deb-{version}"
        shared = source / "usr/share/bindery-proof"
        shared.mkdir(parents=True)
        (shared / "version").write_text(content(version))
        control = source / "DEBIAN/control"
        control.parent.mkdir()
        control.write_text(
            f"Package: {PACKAGE}\nVersion: {version}\nArchitecture: {ARCHITECTURE}\n"
            "Maintainer: Proof <proof@example.org>\nDescription: shows that it was installed\n"
        )
        deb = self.folder / f"{PACKAGE}_{version}_{ARCHITECTURE}.deb"
        run("dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", source, deb)
        shutil.rmtree(source)
        return deb

    def _gpg(self, *line: object) -> None:
        plain = ("--batch", "--quiet", "--yes", "--no-tty", "--pinentry-mode", "loopback", "--passphrase", "")
        run("gpg", "--homedir", self.gpg, *plain, *line)

    def close(self) -> None:
        """Ends what gpg left running."""
        attempt("gpgconf", "--homedir", self.gpg, "--kill", "all")


def content(version: int) -> str:
    """What the package puts into its file."""
    return f"this is version {version}\n"


def sha256(content_: bytes) -> str:
    """The hash by which apt knows a file."""
    return hashlib.sha256(content_).hexdigest()
