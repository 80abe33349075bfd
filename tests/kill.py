#!/usr/bin/env python3
"""Kills the real binary at random, on a real file system, and checks what it leaves behind.

    kill.py --bindery PATH --kills N --seed S [--strace auto|require|off]
    kill.py --bindery PATH --every-call
    kill.py --bindery PATH --self-check

Each round chooses a verb that the store at hand can do now, and interrupts it:

- `kill -9` at a moment of the time that the verb takes; often the command that recovers is killed, too;
- `kill -9` as it enters one of the system calls that change files or make changes durable (by strace);
- an EIO or ENOSPC that one of these calls, or all of that name from then on, ends with (by strace).

Then it proves that nothing is lost and nothing is leaked:

- what was acknowledged (an exit code of 0, or an answer that was printed) is there; what was not is there wholly or not
  at all, or half-way where that is documented (a build that is imported and not visible, a key without its repo);
- `fsck --counts` finds nothing to report or repair, the packs are exactly those that the catalog names, and nothing is
  in the store's folder that does not belong there;
- every release and every build that was committed shows the files that the model says, and every signature verifies;
- the same command then succeeds, or says that it is done already, and the same holds again;
- a receipt says what the file system got back; a command whose disk failed names what failed on what.

With `--every-call` checkouts, new ones and over earlier ones, are killed as they enter each of these calls, one after the
other.

The choices follow from the seed, and from how far each command got before it was killed. A kill leaves the page cache
as it is, so this says nothing about power failures: the simulated disk of `tests/it` does.

Stops at the first violation with exit code 1, and keeps the store; SIGINT and SIGTERM end a long run early. Needs
nothing but Python; strace where it is wanted.
"""

import argparse
import shutil
import signal
import sys
import tempfile
from pathlib import Path

# The checkout stays as it is.
sys.dont_write_bytecode = True

from killing.killer import Killer  # noqa: E402
from killing.program import Program, Violation, find_strace  # noqa: E402
from killing.self_check import self_check  # noqa: E402


def main() -> int:
    """Runs what the command line asks for; gives the exit code."""
    options = parse_arguments()
    scratch = Path(tempfile.mkdtemp(prefix="bindery-kill-"))
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    strace, words = find_strace("require" if options.every_call else options.strace, scratch)
    print(words, flush=True)
    if (options.every_call or options.strace == "require") and not strace:
        print("0 passed, 1 failed")
        return 1
    killer = Killer(Program(options.bindery.resolve(), scratch, strace), scratch, options.seed)
    try:
        if options.self_check:
            self_check(killer)
        elif options.every_call:
            killer.run_every_call()
        else:
            killer.run(options.kills)
    except KeyboardInterrupt:
        print("stopped early")
    except Violation as violation:
        print(f"FAILED: {killer.what}: {violation}")
        print(f"the store as the interruption left it: {killer.kept}; as it is now: {killer.store.root}")
        print("\n".join(killer.summary()))
        print(f"{killer.passed} passed, 1 failed")
        return 1
    shutil.rmtree(scratch)
    if not options.self_check:
        print("\n".join(killer.summary()))
    print(f"{killer.passed} passed, 0 failed")
    return 0


def parse_arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description="Kills bindery at random, and checks what it leaves behind.")
    parser.add_argument("--bindery", type=Path, required=True, help="the binary")
    parser.add_argument("--kills", type=int, default=200, help="so many kills must hit (default: 200)")
    parser.add_argument("--seed", type=int, default=1, help="the seed of all choices (default: 1)")
    parser.add_argument("--strace", choices=("auto", "require", "off"), default="auto", help="whether to use strace")
    parser.add_argument("--every-call", action="store_true", help="kill checkouts at every call that changes files")
    parser.add_argument("--self-check", action="store_true", help="damage stores on purpose: each must be noticed")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
