"""dnf: a repository of one package with the metadata of `createrepo_c`, read by `dnf` from a root of its own."""

import shutil
from pathlib import Path

from .proof import require, require_text, run

PACKAGE = "bindery-proof"


class Dnf:
    """Writes the repository, and reads it."""

    NAME = "dnf"

    def __init__(self, folder: Path):
        self.folder = folder

    def write(self, tree: Path, version: int) -> None:
        """Writes the repository with one version of the package."""
        rpms = self._package(version)
        packages = tree / "Packages"
        packages.mkdir()
        for rpm in rpms.glob("noarch/*.rpm"):
            shutil.copy(rpm, packages / rpm.name)
        run("createrepo_c", "--quiet", tree)

    def check(self, url: str, version: int, name: str) -> None:
        """Installs, and looks at what was installed. The root stays, and is updated by the next check."""
        root = self.folder / name
        repos = root / "etc/yum.repos.d"
        repos.mkdir(parents=True, exist_ok=True)
        words = ("[proof]", "name=proof", f"baseurl={url}", "gpgcheck=0", "metadata_expire=0", "retries=1")
        (repos / "proof.repo").write_text("\n".join([*words, ""]))
        verb = "upgrade" if (root / "usr/share/bindery-proof").exists() else "install"
        options = {"installroot": root, "releasever": 1, "forcearch": "x86_64"}
        settings = {"reposdir": repos, "plugins": 0, "install_weak_deps": 0, "cachedir": root / "var/cache/dnf"}
        line = [f"--{name}={value}" for name, value in options.items()]
        line += [f"--setopt={name}={value}" for name, value in settings.items()]
        run("dnf", "--assumeyes", "--quiet", "--refresh", *line, verb, PACKAGE)
        require_text(root / "usr/share/bindery-proof/version", content(version))
        found = run("rpm", "--root", root, "--query", "--queryformat", "%{VERSION}", PACKAGE)
        require(found == str(version), f"rpm says that version {found} is installed, not {version}")

    def _package(self, version: int) -> Path:
        made = self.folder / f"rpm-{version}"
        made.mkdir()
        spec = made / "proof.spec"
        spec.write_text(
            f"Name: {PACKAGE}\nVersion: {version}\nRelease: 1\nSummary: shows that it was installed\nLicense: MIT\n"
            "BuildArch: noarch\n%description\nIt does.\n%prep\n%build\n%install\n"
            f"mkdir -p %{{buildroot}}/usr/share/{PACKAGE}\n"
            f"printf '%s' '{content(version)}' > %{{buildroot}}/usr/share/{PACKAGE}/version\n"
            f"%files\n/usr/share/{PACKAGE}/version\n"
        )
        rpms = made / "rpms"
        run("rpmbuild", "-bb", "--quiet", f"--define=_topdir {made}", f"--define=_rpmdir {rpms}", spec)
        return rpms

    def close(self) -> None:
        """Has nothing to end."""


def content(version: int) -> str:
    """What the package puts into its file."""
    return f"this is version {version}"
