#!/usr/bin/env python3
"""Measures Bindery over HTTP beside what people use instead, server and client on one machine, over loopback.

    over_http.py --bindery target/release/bindery --data DIR [--runs 3] [ROW ...]

DIR has two versions of one tree, `source-a` and `source-b`. Each row runs its sides in turn (A B A B ...) after one warm-up,
and prints medians of wall and CPU seconds of the clients, and their ratios. Rows, all when none is named:

    push       push source-a                     against staging it in a store on the same disk
    next       push and publish source-b         its requests, packs and bytes
    pull       pull source-a, and check it out   against `curl` of its tar.zst piped into `tar x`
    update     pull source-b by its delta        its requests, and its bytes beside those of the delta
    git        pull, and then the update         against `git clone` and `git fetch`, `--depth 1`, over smart HTTP
    ostree     pull, and then the update         against `ostree pull` from nginx, of an archive and of a static delta
    files      files of 1 MB, 16 connections     against nginx with sendfile, by `wrk`
    builds     100 builds of 100 files           made, filled and committed by 16 clients at once

Peers come from the distribution (nginx, fcgiwrap, git, ostree, wrk, curl, zstd); a row whose peers are not there says so and is
left out. Scratch folders lie under DIR/over-http and are removed. Servers listen on 127.0.0.1 only. Exit code 1 if a row fails.
"""

import argparse
import shutil
import signal
import sys
import tempfile
from pathlib import Path

# The checkout stays as it is.
sys.dont_write_bytecode = True
# The server and the programs are run as the tests with real clients run them.
sys.path.insert(1, str(Path(__file__).resolve().parent.parent / "tests"))

from clients.proof import Failed  # noqa: E402
from http_rows import ROWS, Bench  # noqa: E402


def main() -> int:
    """Runs the rows that the command line names; gives the exit code."""
    options = parse_arguments()
    # So that it ends its servers, whatever ends it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    failed = 0
    for name in options.rows or ROWS:
        row = ROWS[name]
        missing = [program for program in row.peers if shutil.which(program) is None]
        if missing:
            print(f"{name}: left out, {', '.join(missing)} is not installed")
            continue
        folder = Path(tempfile.mkdtemp(prefix=f"over-http-{name}-", dir=options.data))
        try:
            print(f"{name}:", flush=True)
            row.run(Bench(options.bindery.resolve(), options.data.resolve(), folder, options.runs))
        except Failed as failure:
            print(f"  FAILED: {failure}")
            failed += 1
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return 1 if failed else 0


def parse_arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description="Measures Bindery over HTTP beside its peers.")
    parser.add_argument("--bindery", type=Path, required=True, help="the binary, a release build")
    parser.add_argument("--data", type=Path, required=True, help="the folder with source-a and source-b")
    parser.add_argument("--runs", type=int, default=3, help="so often each side runs (default: 3)")
    parser.add_argument("rows", nargs="*", metavar="ROW", help=", ".join(ROWS))
    options = parser.parse_args()
    for name in options.rows:
        if name not in ROWS:
            parser.error(f"there is no row {name}; there are {', '.join(ROWS)}")
    return options


if __name__ == "__main__":
    sys.exit(main())
