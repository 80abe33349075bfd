"""An export that nginx serves, and who pulls it.

Not here: what is exported and pulled, which the tests in Rust look at from all sides.
"""

import json
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

from .proof import SECONDS_MAX, Failed, plain_environment, require, run
from .served import REPO, Served

REF = "dist/nginx"
# How long nginx may take until it answers.
START_SECONDS_MAX = 10
# A file larger than what goes over a connection at once, so that a pack is more than one part.
NOISE_BYTES = 3_000_000

CONFIG = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        root {folder}/www;
        sendfile on;
        {locations}
    }}
}}
"""


class Nginx:
    """nginx on a folder `www`, and on more locations of its configuration, until the block ends."""

    def __init__(self, folder: Path, locations: str = ""):
        self.folder = folder
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self.port = listener.getsockname()[1]
        self.config = folder / "nginx.conf"
        self.config.write_text(CONFIG.format(folder=folder, port=self.port, locations=locations))

    def __enter__(self) -> "Nginx":
        # As root it would give its files to a user that cannot read this folder.
        line = ["nginx", "-c", self.config, "-g", "user root;"]
        try:
            self.process = subprocess.Popen(line, env=plain_environment(), stdin=subprocess.DEVNULL)
        except FileNotFoundError as error:
            raise Failed("nginx is not installed: run .ci/setup") from error
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline:
            with socket.socket() as asking:
                if asking.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            time.sleep(0.05)
        self.process.kill()
        raise Failed("nginx does not answer")

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(timeout=SECONDS_MAX)

    def requests(self) -> list[str]:
        """The paths that were asked for."""
        return re.findall(r'"GET (\S+)', (self.folder / "access.log").read_text())


def nginx(served: Served, folder: Path) -> str:
    """Pulls a release and the next one from nginx; says how often each pull asked."""
    web = folder / "nginx"
    web.mkdir()
    tree = folder / "tree"
    tree.mkdir()
    (tree / "noise").write_bytes(bytes((number * number >> 7) & 255 for number in range(NOISE_BYTES)))
    (tree / "version").write_text("1\n")
    copy = folder / "copy"
    run(served.bindery, "--store", copy, "init", "--no-repo")
    asked = []
    with Nginx(web) as server:
        url = f"http://127.0.0.1:{server.port}/r/{REPO}"
        for version in (1, 2):
            (tree / "version").write_text(f"{version}\n")
            served.publish(served.commit(tree, REF).build)
            # An export is made of a store that is not served: of a copy of it, as a mirror would be.
            exported = folder / f"exported-{version}"
            run(served.bindery, "--store", exported, "init", "--no-repo")
            run(served.bindery, "--store", exported, "pull", f"{served.url}/r/{REPO}", REF, "--trust-first")
            run(served.bindery, "--store", exported, "export", "--static", web / "www", "--repo", REPO)
            before = len(server.requests()) if version > 1 else 0
            line = ("--store", copy, "pull", url, REF, "--trust-first", "--json")
            pulled = json.loads(run(served.bindery, *line).splitlines()[0])
            require(pulled["refs"][0]["seq"] == version, f"release {version} was expected: {pulled}")
            paths = server.requests()[before:]
            # A pack that is not there is asked for once more, as another one.
            require(len(paths) <= pulled["requests"] + 1, f"too many requests: {paths}")
            asked.append(str(len(paths)))
            out = folder / f"out-{version}"
            run(served.bindery, "--store", copy, "checkout", f"{REPO}:{REF}", out)
            found = (out / "version").read_text()
            require(found == f"{version}\n", f"release {version} has version {found}")
            shutil.rmtree(out)
    run(served.bindery, "--store", copy, "verify", "--all")
    return f"two releases, pulled with {' and '.join(asked)} requests"
