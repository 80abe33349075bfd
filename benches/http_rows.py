"""The rows of over_http.py: what is done, beside what, and what is printed.

Not here: how a program is timed (timing.py), and how a server is started (tests/clients/served.py).
"""

import json
import os
import re
import shutil
import threading
import time
from pathlib import Path
from typing import Callable, NamedTuple, Optional

from clients.nginx import Nginx
from clients.proof import attempt, require, run
from clients.served import REPO, Served
from http_timing import Bench, Peers, Timed

# Without it `wrk` is refused after some seconds, as it should be.
NO_LIMIT = "[serve.limits]\nrequests_per_minute_per_address = 0\nrequests_per_minute_per_token = 0\n"
REF = "stable"
# How long deltas may take after a publish.
DELTA_SECONDS_MAX = 600
FILE_BYTES = 1_000_000
# Fewer than fit the server's cache of objects, and more.
FILE_COUNTS = (20, 400)
WRK_SECONDS = 8
CONNECTIONS = 16
BUILDS = 100
BUILD_FILES = 100
CLIENTS = 16


class Row(NamedTuple):
    """What runs, and the programs that it needs."""

    run: Callable[[Bench], None]
    peers: tuple[str, ...] = ()


class Target(NamedTuple):
    """A store that is served, and the folder it is in."""

    bench: Bench
    served: Served

    def push(self, tree: str, *flags: str, ref: str = REF) -> Timed:
        """Pushes a tree of the data to a ref."""
        line = (self.bench.bindery, "push", self.bench.data / tree, "--ref", ref, *flags, "--json")
        return self.bench.timed(*line, "--remote", self.served.url, BINDERY_TOKEN=self.served.token)

    def pull(self, store: Path) -> Timed:
        """Pulls into a store what is new."""
        url = f"{self.served.url}/r/{REPO}"
        return self.bench.timed(self.bench.bindery, "--store", store, "pull", url, "--trust-first", "--json")

    def await_jobs(self) -> None:
        """Waits until no job is left, so that the deltas are made."""
        deadline = time.monotonic() + DELTA_SECONDS_MAX
        line = (self.bench.bindery, "job", "list", "--json", "--remote", self.served.url)
        while True:
            said = run(*line, BINDERY_TOKEN=self.served.token)
            if not re.search(r'"state": ?"(waiting|running)"', said):
                return
            require(time.monotonic() < deadline, f"jobs do not end: {said}")
            time.sleep(1)


def pushing(bench: Bench) -> None:
    """A first push beside staging."""
    store = bench.folder / "local"

    def stage() -> Timed:
        build = run(bench.bindery, "-q", "--store", store, "build", "create", "--ref", REF).strip()
        return bench.timed(bench.bindery, "-q", "--store", store, "build", "stage", build, bench.data / "source-a")

    def prepare() -> None:
        shutil.rmtree(store, ignore_errors=True)
        run(bench.bindery, "--store", store, "init")

    with Served(bench.bindery, bench.folder) as served:
        target = Target(bench, served)
        bench.compare({"stage": stage, "push": lambda: target.push("source-a", ref=f"run-{time.monotonic_ns()}")}, prepare)


def pushing_next(bench: Bench) -> None:
    """The push of the next version."""
    for number in range(bench.runs):
        folder = bench.fresh(f"next-{number}")
        with Served(bench.bindery, folder) as served:
            target = Target(bench, served)
            first = json.loads(target.push("source-a", "--publish").said)
            timed = target.push("source-b", "--publish")
            told = json.loads(timed.said)
            print(
                f"  {timed.wall:.2f} s wall, {told['requests']} requests with its packs, {told['sent_objects']:,} objects"
                f" of {told['sent_bytes']:,} bytes (first: {first['sent_objects']:,} of {first['sent_bytes']:,})"
            )


def pulling(bench: Bench) -> None:
    """A first pull beside `curl` and `tar`."""
    archive = bench.fresh("www") / "a.tar.zst"
    run("tar", "-C", bench.data / "source-a", "-I", "zstd -3 -T2", "-cf", archive, ".")
    store, out, unpacked = (bench.folder / name for name in ("copy", "out", "unpacked"))

    def prepare() -> None:
        for folder in (store, out, unpacked):
            shutil.rmtree(folder, ignore_errors=True)
        run(bench.bindery, "--store", store, "init", "--no-repo")
        unpacked.mkdir()

    with Served(bench.bindery, bench.folder) as served, Nginx(bench.folder) as server:
        target = Target(bench, served)
        target.push("source-a", "--publish")
        url = f"http://127.0.0.1:{server.port}/a.tar.zst"
        bench.compare(
            {
                "curl, tar x": lambda: bench.shell(f"curl -s {url} | zstd -dcq | tar -C {unpacked} -xf -"),
                "pull": lambda: target.pull(store),
                "check out": lambda: bench.timed(bench.bindery, "--store", store, "checkout", f"{REPO}:{REF}", out),
            },
            prepare,
        )


def updating(bench: Bench) -> None:
    """The pull of the next version by its delta."""
    old, new = bench.folder / "old", bench.folder / "new"
    with Served(bench.bindery, bench.folder) as served:
        target = Target(bench, served)
        target.push("source-a", "--publish")
        run(bench.bindery, "--store", old, "init", "--no-repo")
        target.pull(old)
        target.push("source-b", "--publish")
        target.await_jobs()
        deltas = [path.stat().st_size for path in (served.store / "deltas").rglob("*") if path.is_file()]
        print(f"  deltas of {', '.join(f'{size:,}' for size in deltas)} bytes")
        for _ in range(bench.runs):
            copy(old, new)
            timed = target.pull(new)
            told = json.loads(timed.said)
            print(f"  {timed.wall:.2f} s wall, {timed.cpu:.2f} s CPU, {told['requests']} requests, {told['received_bytes']:,} bytes")


class Peer(NamedTuple):
    """What stands beside a pull: how its repository is made of a tree, which gives the URL, and how it is fetched."""

    name: str
    offer: Callable[[str], str]
    prepare: Callable[[Path, str], None]
    first: Callable[[Path, str], Timed]
    update: Callable[[Path], Timed]


def beside(bench: Bench, peers: Peers, peer: Peer) -> None:
    """A first pull and an update beside those of a peer."""
    theirs, ours, theirs_new, ours_new = (bench.folder / name for name in ("theirs", "ours", "theirs-new", "ours-new"))
    with peers, Served(bench.bindery, bench.folder) as served:
        target = Target(bench, served)
        target.push("source-a", "--publish")
        url = peer.offer("source-a")

        def prepare() -> None:
            for folder in (theirs, ours):
                shutil.rmtree(folder, ignore_errors=True)
            run(bench.bindery, "--store", ours, "init", "--no-repo")
            peer.prepare(theirs, url)

        bench.compare({peer.name: lambda: peer.first(theirs, url), "pull": lambda: target.pull(ours)}, prepare)
        target.push("source-b", "--publish")
        target.await_jobs()
        peer.offer("source-b")

        def prepare_update() -> None:
            copy(theirs, theirs_new)
            copy(ours, ours_new)

        sides = {f"{peer.name}, update": lambda: peer.update(theirs_new), "update": lambda: target.pull(ours_new)}
        bench.compare(sides, prepare_update)


def beside_git(bench: Bench) -> None:
    """A pull beside shallow git."""
    peers = Peers(bench)
    depth = ("-q", "--depth", "1")
    peer = Peer(
        "git",
        peers.git,
        lambda _folder, _url: None,
        lambda folder, url: bench.timed("git", "clone", *depth, "--no-checkout", url, folder),
        lambda folder: bench.timed("git", "-C", folder, "fetch", *depth, "origin", "main"),
    )
    beside(bench, peers, peer)


def beside_ostree(bench: Bench) -> None:
    """A pull beside ostree."""
    peers = Peers(bench)

    def prepare(repo: Path, url: str) -> None:
        run("ostree", f"--repo={repo}", "init", "--mode=bare-user-only")
        run("ostree", f"--repo={repo}", "remote", "add", "--no-gpg-verify", "origin", url)

    def pull(repo: Path) -> Timed:
        return bench.timed("ostree", f"--repo={repo}", "pull", "origin", REF)

    beside(bench, peers, Peer("ostree", peers.ostree, prepare, lambda repo, _url: pull(repo), pull))


def files(bench: Bench) -> None:
    """Plain files beside nginx."""
    folder = bench.fresh("www")
    with Served(bench.bindery, bench.folder, NO_LIMIT) as served, Nginx(bench.folder) as server:
        for count in FILE_COUNTS:
            tree = folder / str(count)
            tree.mkdir()
            for number in range(count):
                (tree / f"{number}.bin").write_bytes(os.urandom(FILE_BYTES))
            line = (bench.bindery, "push", tree, "--ref", f"files-{count}", "--publish", "--remote", served.url)
            run(*line, BINDERY_TOKEN=served.token)
            urls = {"nginx": f"http://127.0.0.1:{server.port}/{count}", "bindery": served.published(f"files-{count}")}
            rates: dict[str, list[float]] = {name: [] for name in urls}
            for _ in range(bench.runs):
                for name, url in urls.items():
                    rates[name].append(requests_per_second(bench, url, count))
            shown = "; ".join(f"{name} {', '.join(f'{rate:,.0f}' for rate in list_)}" for name, list_ in rates.items())
            ratio = bench.median(rates["bindery"]) / bench.median(rates["nginx"])
            print(f"  {count} files, requests a second: {shown}; ratio {ratio:.2f}; server at most {served_memory(served)} MiB")


def requests_per_second(bench: Bench, url: str, count: int) -> float:
    """What wrk counts, each file in turn."""
    script = bench.folder / "files.lua"
    path = re.sub(r"^https?://[^/]+", "", url)
    script.write_text(
        f'local n = 0\nrequest = function()\n  n = (n + 1) % {count}\n  return wrk.format("GET", "{path}/" .. n .. ".bin")\nend\n'
    )
    line = ("wrk", "-t1", f"-c{CONNECTIONS}", f"-d{WRK_SECONDS}s", "-s", script, url)
    said = run(*line)
    require("Non-2xx" not in said, f"not all requests were answered: {said}")
    found = re.search(r"Requests/sec:\s+([0-9.]+)", said)
    require(found, f"wrk counted nothing: {said}")
    return float(found.group(1))


def served_memory(served: Served) -> Optional[int]:
    """The largest memory of the server so far, mapped files counted, in MiB."""
    status = Path(f"/proc/{served.process.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+)", status)
    return int(found.group(1)) // 1024 if found else None


def builds(bench: Bench) -> None:
    """Many builds at once."""
    with Served(bench.bindery, bench.folder, NO_LIMIT) as served:
        trees = []
        for number in range(BUILDS):
            tree = bench.fresh(f"build-{number}")
            for file in range(BUILD_FILES):
                (tree / f"{file}.txt").write_text(f"file {file} of build {number}\n")
            trees.append(tree)
        requests: list[int] = []
        failures: list[str] = []
        waiting = list(enumerate(trees))

        def client() -> None:
            while waiting and not failures:
                try:
                    number, tree = waiting.pop()
                except IndexError:
                    return
                line = (bench.bindery, "push", tree, "--ref", f"app-{number}", "--commit", "--json", "--remote", served.url)
                said = attempt(*line, BINDERY_TOKEN=served.token)
                if said.code != 0:
                    failures.append(said.everything)
                    return
                requests.append(json.loads(said.answer.splitlines()[0])["requests"])

        start = time.monotonic()
        threads = [threading.Thread(target=client) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.monotonic() - start
        require(not failures, f"a push failed: {failures[:1]}")
        line = (bench.bindery, "build", "list", "--state", "ready", "--json", "--remote", served.url)
        found = len(json.loads(run(*line, BINDERY_TOKEN=served.token))["builds"])
        require(found == BUILDS, f"{found} builds are ready, not {BUILDS}")
        print(f"  {BUILDS} builds in {seconds:.1f} s, {sum(requests)} requests, {sum(requests) / seconds:.0f} a second")


def copy(folder: Path, to: Path) -> None:
    """A copy of a folder, in place of what was there."""
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(folder, to, symlinks=True)


ROWS = {
    "push": Row(pushing),
    "next": Row(pushing_next),
    "pull": Row(pulling, ("curl", "zstd", "tar", "nginx")),
    "update": Row(updating),
    "git": Row(beside_git, ("git", "nginx", "fcgiwrap")),
    "ostree": Row(beside_ostree, ("ostree", "nginx")),
    "files": Row(files, ("wrk", "nginx")),
    "builds": Row(builds),
}
