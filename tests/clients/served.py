"""A store that is served by the real binary, and pushed to over HTTP.

Not here: what is pushed, and who reads it.
"""

import json
import re
import signal
import subprocess
import threading
import urllib.request
from pathlib import Path
from typing import NamedTuple

from .proof import SECONDS_MAX, Failed, plain_environment, require, run

REPO = "main"


class Pushed(NamedTuple):
    """A build that was committed, and where its files are."""

    build: int
    url: str


class Served:
    """A server, until the block ends; then the store must be sound."""

    def __init__(self, bindery: Path, folder: Path, settings: str = ""):
        self.bindery = bindery
        self.store = folder / "store"
        self.said: list[str] = []
        self._bindery("init", "--repo", REPO)
        with (self.store / "bindery.toml").open("a") as file:
            file.write(settings)
        can_all = ("--repo", "*", "--ref", "*", "--can", "*")
        self.token = self._bindery("token", "create", *can_all).strip()

    def __enter__(self) -> "Served":
        line = [self.bindery, "--store", self.store, "serve", "--listen", "127.0.0.1:0", "--anonymous", "builds"]
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        self.process = subprocess.Popen(line, env=plain_environment(), text=True, **pipes)
        try:
            self.url = self._read_address()
        except Failed:
            self.process.kill()
            raise
        # Somebody must read what it says, or it is held up by it.
        self.listener = threading.Thread(target=lambda: self.said.extend(self.process.stderr), daemon=True)
        self.listener.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(timeout=SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self.listener.join()
        if kind is None:
            require(code == 0, f"the server ended with {code}: {''.join(self.said)}")
            self._bindery("fsck", "--counts")

    def commit(self, tree: Path, ref: str) -> Pushed:
        """Makes a build of a tree, which the ref does not show yet."""
        line = ("push", tree, "--ref", ref, "--commit", "--remote", self.url, "--json")
        build = json.loads(self._bindery(*line).splitlines()[0])["build"]
        return Pushed(build, f"{self.url}/b/{build}/files/{ref}")

    def publish(self, build: int) -> None:
        """Publishes a build, and waits until its ref shows it."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        url = f"{self.url}/api/v1/builds/{build}/publish?wait"
        request = urllib.request.Request(url, data=b"", headers=headers, method="POST")
        with urllib.request.urlopen(request, timeout=SECONDS_MAX) as answer:
            answer.read()

    def published(self, ref: str) -> str:
        """Where the files of a ref are."""
        return f"{self.url}/r/{REPO}/files/{ref}"

    def _bindery(self, *line: object) -> str:
        more = {"BINDERY_TOKEN": self.token} if "--remote" in line else {}
        return run(self.bindery, "--store", self.store, *line, **more)

    def _read_address(self) -> str:
        for line in self.process.stderr:
            self.said.append(line)
            found = re.search(r"http://[0-9.:]+", line)
            if found:
                return found.group(0)
        raise Failed(f"the server did not start: {''.join(self.said)}")
