"""Times programs in turns, and serves what the peers of Bindery read.

Not here: which programs (http_rows.py).
"""

import os
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Callable, NamedTuple, Optional

from clients.nginx import Nginx
from clients.proof import plain_environment, require, run

# How much of what a failed program said is shown.
SAID_CHARS_MAX = 2000
# How long fcgiwrap may take until its socket is there.
START_SECONDS_MAX = 10

GIT_LOCATION = """
        location ~ ^/git(/.*)$ {{
            include /etc/nginx/fastcgi_params;
            fastcgi_param SCRIPT_FILENAME {backend};
            fastcgi_param GIT_HTTP_EXPORT_ALL "";
            fastcgi_param GIT_PROJECT_ROOT {folder};
            fastcgi_param PATH_INFO $1;
            fastcgi_param HTTP_CONTENT_ENCODING $http_content_encoding;
            fastcgi_param GIT_PROTOCOL $http_git_protocol;
            fastcgi_buffering off;
            fastcgi_pass unix:{folder}/fcgi.sock;
        }}
"""


class Timed(NamedTuple):
    """A program that succeeded: wall and CPU seconds of it and of its children, and what it printed."""

    wall: float
    cpu: float
    said: str


class Bench(NamedTuple):
    """The binary, the trees, a scratch folder, and how often each side runs."""

    bindery: Path
    data: Path
    folder: Path
    runs: int

    def fresh(self, name: str) -> Path:
        """A new folder in the scratch folder."""
        folder = self.folder / name
        folder.mkdir()
        return folder

    def timed(self, *line: object, **more: str) -> Timed:
        """Runs a program that must succeed. The names are more of its environment."""
        words = list(map(str, line))
        environment = plain_environment(**more)
        with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as told:
            # What earlier runs wrote must not be paid for by this one.
            os.sync()
            start = time.perf_counter()
            process = subprocess.Popen(words, env=environment, stdin=subprocess.DEVNULL, stdout=said, stderr=told)
            _, status, usage = os.wait4(process.pid, 0)
            wall = time.perf_counter() - start
            process.returncode = os.waitstatus_to_exitcode(status)
            said.seek(0)
            told.seek(0)
            require(process.returncode == 0, f"'{' '.join(words)}' ended with {process.returncode}: {told.read()[-SAID_CHARS_MAX:]}")
            return Timed(wall, usage.ru_utime + usage.ru_stime, said.read())

    def shell(self, line: str) -> Timed:
        """Runs a line of the shell that must succeed."""
        return self.timed("bash", "-euo", "pipefail", "-c", line)

    def compare(self, sides: dict[str, Callable[[], Timed]], prepare: Callable[[], None]) -> None:
        """Lets the sides run in turn, after one warm-up, and prints each beside the first."""
        found: dict[str, list[Timed]] = {name: [] for name in sides}
        for number in range(self.runs + 1):
            prepare()
            for name, side in sides.items():
                timed = side()
                if number > 0:
                    found[name].append(timed)
        first: Optional[tuple[float, float]] = None
        for name, times in found.items():
            wall, cpu = self.median([t.wall for t in times]), self.median([t.cpu for t in times])
            first = first or (wall, cpu)
            walls = ", ".join(f"{t.wall:.2f}" for t in times)
            print(f"  {name}: {wall:.2f} s wall ({walls}), {cpu:.2f} s CPU; {wall / first[0]:.2f} x, {cpu / first[1]:.2f} x", flush=True)

    @staticmethod
    def median(numbers: list[float]) -> float:
        """The median."""
        return statistics.median(numbers)


class Peers:
    """Repositories of git and ostree, served by nginx until the block ends."""

    def __init__(self, bench: Bench):
        self.bench = bench
        self.folder = bench.fresh("peers")
        (self.folder / "www").mkdir()
        self.wrapper: Optional[subprocess.Popen] = None
        backend = Path(run("git", "--exec-path").strip()) / "git-http-backend" if shutil.which("git") else ""
        locations = GIT_LOCATION.format(backend=backend, folder=self.folder) if shutil.which("fcgiwrap") else ""
        self.nginx = Nginx(self.folder, locations)

    def __enter__(self) -> "Peers":
        if shutil.which("fcgiwrap"):
            socket = self.folder / "fcgi.sock"
            # git serves no repository of somebody else.
            environment = plain_environment(GIT_CONFIG_COUNT="1", GIT_CONFIG_KEY_0="safe.directory", GIT_CONFIG_VALUE_0="*")
            self.wrapper = subprocess.Popen(["fcgiwrap", "-s", f"unix:{socket}"], env=environment, stdin=subprocess.DEVNULL)
            deadline = time.monotonic() + START_SECONDS_MAX
            while not socket.exists():
                require(time.monotonic() < deadline, "fcgiwrap does not answer")
                time.sleep(0.05)
        self.nginx.__enter__()
        return self

    def __exit__(self, *how: object) -> None:
        self.nginx.__exit__(*how)
        if self.wrapper is not None:
            self.wrapper.terminate()
            self.wrapper.wait()

    def git(self, tree: str) -> str:
        """Commits a tree of the data to a repository; gives its URL."""
        repository = self.folder / "tree.git"
        more = {"GIT_DIR": str(repository), "GIT_WORK_TREE": str(self.bench.data / tree)}
        if not repository.exists():
            run("git", "init", "-q", "--bare", "--initial-branch=main", repository)
        who = ("-c", "user.name=bench", "-c", "user.email=bench@example.org")
        # Not bounded as programs of the tests are: a repack takes minutes.
        for line in (("add", "-A", "-f", "--", ":/"), (*who, "commit", "-q", "-m", tree), ("repack", "-adq")):
            self.bench.timed("git", *line, **more)
        return f"http://127.0.0.1:{self.nginx.port}/git/tree.git"

    def ostree(self, tree: str) -> str:
        """Commits a tree of the data to an archive, with a static delta from the one before; gives its URL."""
        archive = self.folder / "www" / "archive"
        is_first = not archive.exists()
        if is_first:
            run("ostree", f"--repo={archive}", "init", "--mode=archive")
        folder = f"--tree=dir={self.bench.data / tree}"
        self.bench.timed("ostree", f"--repo={archive}", "commit", "-b", "stable", "--canonical-permissions", folder)
        if not is_first:
            self.bench.timed("ostree", f"--repo={archive}", "static-delta", "generate", "stable")
        run("ostree", f"--repo={archive}", "summary", "-u")
        return f"http://127.0.0.1:{self.nginx.port}/archive"
