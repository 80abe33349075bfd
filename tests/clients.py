#!/usr/bin/env python3
"""Real clients read what Bindery serves: before it is published, after, and after the next release.

    clients.py --bindery PATH [--updates N] [apt|dnf|flatpak|zsync|curl|wget|pip|nginx|stream]...        all of them without names

For each client a repository is written with the client's own tools, pushed and committed. The client reads it from the test
repository of the build; then from the ref, once that build is published; then it updates to the next release. What it
installed or downloaded is compared with what was written. Each check must fail, too, where another version is expected.

`stream` runs `apt-get update` again and again while releases are published, one after the other: none may end with an error
or a warning, and each must see a release that is no older than that published before it began.

`nginx` serves an export as plain files, and Bindery pulls a release and the next one from it.

Exit code 1 at the first thing that does not hold. The clients come from the distribution (.ci/setup); the server listens on
127.0.0.1 only.
"""

import argparse
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

# The checkout stays as it is.
sys.dont_write_bytecode = True

from clients.apt import Apt  # noqa: E402
from clients.dnf import Dnf  # noqa: E402
from clients.flatpaks import Flatpak  # noqa: E402
from clients.nginx import nginx  # noqa: E402
from clients.plain import Curl, Pip, Wget, Zsync  # noqa: E402
from clients.proof import Failed, require  # noqa: E402
from clients.served import Served  # noqa: E402
from clients.stream import stream  # noqa: E402

CLIENTS = {client.NAME: client for client in (Apt, Dnf, Flatpak, Zsync, Curl, Wget, Pip)}


def main() -> int:
    """Runs what the command line asks for; gives the exit code."""
    options = parse_arguments()
    bindery = options.bindery.resolve()
    # So that it ends its server, whatever ends it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    passed = 0
    for name in options.names or [*CLIENTS, "nginx", "stream"]:
        folder = Path(tempfile.mkdtemp(prefix=f"bindery-{name}-"))
        start = time.monotonic()
        try:
            with Served(bindery, folder) as served:
                words = perform(name, served, folder, options.updates)
        except Failed as failed:
            print(f"FAILED: {name}: {failed}\nwhat it left is in {folder}\n{passed} passed, 1 failed")
            return 1
        shutil.rmtree(folder)
        passed += 1
        print(f"{name}: {words} ({time.monotonic() - start:.1f} s)", flush=True)
    print(f"{passed} passed, 0 failed")
    return 0


def perform(name: str, served: Served, folder: Path, updates: int) -> str:
    """Does what a name stands for; says what came of it."""
    if name == "stream":
        return stream(served, folder, updates)
    if name == "nginx":
        return nginx(served, folder)
    return prove(name, served, folder)


def prove(name: str, served: Served, folder: Path) -> str:
    """Lets one client read a build, the release that it becomes, and the next release."""
    client = CLIENTS[name](folder)
    try:
        ref = f"dist/{name}"
        first = served.commit(written(client, folder, 1), ref)
        client.check(first.url, 1, "tested")
        must_fail(name, lambda: client.check(first.url, 2, "mistaken"))
        served.publish(first.build)
        client.check(served.published(ref), 1, "user")
        second = served.commit(written(client, folder, 2), ref)
        client.check(second.url, 2, "tested-next")
        served.publish(second.build)
        client.check(served.published(ref), 2, "user")
    finally:
        client.close()
    return f"a test repository, its release, and an update{getattr(client, 'shortfall', '')}"


def written(client: object, folder: Path, version: int) -> Path:
    """The folder to which the client's repository was written."""
    tree = folder / f"tree-{version}"
    tree.mkdir()
    client.write(tree, version)
    return tree


def must_fail(name: str, check: object) -> None:
    """A check that expects what is not there must say so, or it proves nothing."""
    try:
        check()
    except Failed:
        return
    require(False, f"{name} was asked for a version that is not there, and its check passed")


def parse_arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description="Lets real clients read what Bindery serves.")
    parser.add_argument("--bindery", type=Path, required=True, help="the binary")
    parser.add_argument("--updates", type=int, default=100, help="so many times apt-get updates (default: 100)")
    parser.add_argument("names", nargs="*", metavar="NAME", help="a client, nginx or stream")
    options = parser.parse_args()
    for name in options.names:
        if name not in (*CLIENTS, "nginx", "stream"):
            parser.error(f"there is no client {name}")
    return options


if __name__ == "__main__":
    sys.exit(main())
