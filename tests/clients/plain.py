"""zsync, curl and wget: files as files, in parts, and whole folders of them; and pip, which reads the lists."""

import random
import re
import shutil
import zipfile
from pathlib import Path

from .proof import attempt, require, require_text, run

FILE_BYTES = 3_000_000
ZSYNC_BLOCK_BYTES = 2048


def noise(version: int) -> bytes:
    """A file that changes a little with each version."""
    content = bytearray(random.Random(1).randbytes(FILE_BYTES))
    content[FILE_BYTES // 2 : FILE_BYTES // 2 + 10_000] = random.Random(version).randbytes(10_000)
    return bytes(content)


class Zsync:
    """Brings a changed file by what it shares with the one before."""

    NAME = "zsync"

    def __init__(self, folder: Path):
        self.folder = folder

    def write(self, tree: Path, version: int) -> None:
        """Writes the file and its description."""
        (tree / "image.img").write_bytes(noise(version))
        described = ("-b", ZSYNC_BLOCK_BYTES, "-u", "image.img", "-o", tree / "image.img.zsync", tree / "image.img")
        run("zsyncmake", *described)

    def check(self, url: str, version: int, name: str) -> None:
        """Brings the file over an earlier one, of which it must have used nearly all."""
        place = self.folder / name
        place.mkdir(exist_ok=True)
        before = place / "before.img"
        before.write_bytes(noise(version + 1000))
        said = attempt("zsync", "-i", before, "-o", "image.img", f"{url}/image.img.zsync", cwd=place)
        require(said.code == 0, f"zsync ended with {said.code}: {said.everything}")
        require((place / "image.img").read_bytes() == noise(version), "the file that zsync made is not the one there")
        found = re.search(r"fetched (\d+)", said.everything)
        require(found, f"zsync does not say what it fetched: {said.everything}")
        require(int(found[1]) < FILE_BYTES // 20, f"zsync fetched nearly all: {said.everything}")
        for old in place.iterdir():
            old.unlink()

    def close(self) -> None:
        """Has nothing to end."""


class Curl:
    """Reads parts of a file, and what changed since."""

    NAME = "curl"

    def __init__(self, folder: Path):
        self.folder = folder

    def write(self, tree: Path, version: int) -> None:
        """Writes a file."""
        (tree / "large.bin").write_bytes(noise(version))

    def check(self, url: str, version: int, name: str) -> None:
        """Brings the file in parts, goes on where it was broken off, and asks again for what it has."""
        place = self.folder / name
        place.mkdir(exist_ok=True)
        whole, url = noise(version), f"{url}/large.bin"
        plain = ("curl", "--silent", "--show-error", "--fail")
        parts = b""
        for span in ("0-999999", "1000000-2222222", "2222223-"):
            run(*plain, "--range", span, "--output", place / "part", url)
            parts += (place / "part").read_bytes()
        require(parts == whole, "the parts that curl brought are not the file")
        run(*plain, "--range", "5-9,-5", "--output", place / "several", url)
        several = (place / "several").read_bytes()
        two = all(part in several for part in (whole[5:10], whole[-5:]))
        require(two and several.count(b"Content-Range: bytes ") == 2, f"two ranges give {several[:500]!r}")
        (place / "broken").write_bytes(whole[:1_234_567])
        run(*plain, "--continue-at", "-", "--output", place / "broken", url)
        require((place / "broken").read_bytes() == whole, "a download that went on is not the file")
        run(*plain, "--etag-save", place / "etag", "--output", place / "whole", url)
        again = run(*plain, "--etag-compare", place / "etag", "--write-out", "%{http_code}", "--output", place / "new", url)
        require(again == "304", f"what curl has already is answered with {again}")
        run(*plain, "--compressed", "--output", place / "whole", url)
        require((place / "whole").read_bytes() == whole, "the file is not the same for who takes compressed answers")
        shutil.rmtree(place)

    def close(self) -> None:
        """Has nothing to end."""


class Wget:
    """Brings a folder by following its lists."""

    NAME = "wget"

    FILES = {
        "index.html": "not a list\n",
        "a name/with spaces & more.txt": "one\n",
        "a name/100%?#.txt": "two\n",
        "ä/ö:ü.txt": "three\n",
        "deep/er/and/deeper/file": "four\n",
    }

    def __init__(self, folder: Path):
        self.folder = folder

    def write(self, tree: Path, version: int) -> None:
        """Writes some files whose names are hard to write in links, and a link."""
        for name, text in self.FILES.items():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_text(f"{text}{version}\n")
        (tree / "link").symlink_to("deep/er")
        # Who follows a list must not be led to what is not there.
        (tree / "outside").symlink_to("/etc/passwd")
        (tree / "nowhere").symlink_to("deep/nothing")

    def check(self, url: str, version: int, name: str) -> None:
        """Brings all, and compares it with what was written."""
        place = self.folder / name
        names = ("--no-host-directories", "--restrict-file-names=nocontrol", f"--cut-dirs={url.count('/') - 2}")
        plain = ("wget", "--no-verbose", "--recursive", "--level=inf", "--no-parent", "--execute=robots=off")
        run(*plain, *names, "--default-page=.list", "--directory-prefix", place, f"{url}/")
        for path, text in self.FILES.items():
            require_text(place / path, f"{text}{version}\n")
        require_text(place / "link/and/deeper/file", f"{self.FILES['deep/er/and/deeper/file']}{version}\n")
        found = {str(path.relative_to(place)) for path in place.rglob("*") if path.is_file() and path.name != ".list"}
        strange = found - set(self.FILES) - {"link/and/deeper/file"}
        require(not strange, f"wget found what nobody wrote: {strange}")
        shutil.rmtree(place)

    def close(self) -> None:
        """Has nothing to end."""


class Pip:
    """Installs a package from a simple index that is nothing but folders."""

    NAME = "pip"

    def __init__(self, folder: Path):
        self.folder = folder

    def write(self, tree: Path, version: int) -> None:
        """Writes a wheel where an index has it."""
        place = tree / "simple/bindery-proof"
        place.mkdir(parents=True)
        info = f"bindery_proof-{version}.dist-info"
        with zipfile.ZipFile(place / f"bindery_proof-{version}-py3-none-any.whl", "w") as wheel:
            wheel.writestr("bindery_proof.py", f"VERSION = {version}\n")
            wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: bindery-proof\nVersion: {version}\n")
            wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: proof\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{info}/RECORD", "")

    def check(self, url: str, version: int, name: str) -> None:
        """Installs the newest there is."""
        place = self.folder / name
        plain = ("python3", "-m", "pip", "--isolated", "--disable-pip-version-check", "--no-cache-dir", "--quiet")
        line = ("install", "--no-deps", "--upgrade", "--target", place, "--index-url", f"{url}/simple/", "bindery-proof")
        run(*plain, *line)
        require_text(place / "bindery_proof.py", f"VERSION = {version}\n")

    def close(self) -> None:
        """Has nothing to end."""
