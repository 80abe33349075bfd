"""Runs the binary: untouched, killed at a moment, killed at a system call, or with a system call that fails.

A kill at a moment is SIGKILL from outside. What happens at a system call is done by strace, which counts the calls of
each thread apart. Which calls there are to choose from is known from a trace of an untouched run.

Not here: what is run, and what must be true afterwards.
"""

import json
import os
import random
import re
import signal
import subprocess
import time
from enum import Enum
from pathlib import Path
from typing import NamedTuple, Optional

COMMAND_SECONDS_MAX = 120
# How long a command takes that has not run untouched, and how many runs the others are judged by.
GUESSED_SECONDS = 0.03
SECONDS_KEPT = 5
# Calls that change files, or make changes durable. Of openat only those that may create a file are chosen.
WRITE_CALLS = (
    "openat,write,writev,pwrite64,rename,renameat,renameat2,unlink,unlinkat,rmdir,fsync,fdatasync,sync_file_range,"
    "mkdir,mkdirat,ftruncate,link,linkat,symlink,symlinkat,fallocate,fchmod,copy_file_range,utimensat"
)
# Calls that need space; of the others, none fails for want of it.
SPACE_CALLS = set(
    "openat write writev pwrite64 mkdir mkdirat ftruncate fallocate fsync fdatasync rename renameat renameat2 "
    "symlink symlinkat".split()
)
# A library, or the cache that says where libraries are, as the loader opens it.
LIBRARY = re.compile(r'"[^"]*(\.so(\.[0-9.]+)?|/ld\.so\.cache)"')
TRACE_LINE = re.compile(r"^(\d+) +(\w+)\((.*)")

OUTPUT_LINE = re.compile(r"^\d+ +writev?\([12],")


class Violation(Exception):
    """Something that must hold does not."""


def require(condition: object, message: str) -> None:
    """Raises Violation unless the condition holds."""
    if not condition:
        raise Violation(message)


class Call(NamedTuple):
    """A system call of an untouched run: the n-th of its name in its thread."""

    name: str
    number: int
    is_output: bool


class Failed(Enum):
    """What failed: nothing, as no call was reached; what a command prints to; or only its files."""

    NOTHING = 0
    OUTPUT = 1
    FILES = 2


class Outcome(NamedTuple):
    """What became of a command."""

    args: list[str]
    code: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def was_killed(self) -> bool:
        return self.code == -signal.SIGKILL

    @property
    def answer(self) -> Optional[dict]:
        """The document that was printed, if all of it was."""
        try:
            return json.loads(self.stdout) if self.stdout.endswith("\n") else None
        except ValueError:
            return None

    @property
    def was_acknowledged(self) -> bool:
        """Whether whoever called was told that it is done."""
        return self.code == 0 or (self.was_killed and self.answer is not None)

    def __str__(self) -> str:
        return f"'bindery {' '.join(self.args)}' ended with {self.code}: {self.stdout[:600]}{self.stderr[:600]}"


class Program:
    """The binary, and the strace to run it under, if there is one."""

    def __init__(self, bindery: Path, scratch: Path, strace: Optional[str]):
        self.bindery = bindery
        self.strace = strace
        self.log = scratch / "trace"
        kept = {name: value for name, value in os.environ.items() if not name.startswith("BINDERY_")}
        self.environment = {**kept, "NO_COLOR": "1", "RUST_BACKTRACE": "0"}
        self.seconds: dict[str, list[float]] = {}

    def learn(self, key: str, outcome: Outcome) -> None:
        """Remembers how long an untouched command took."""
        self.seconds[key] = [*self.seconds.get(key, []), outcome.seconds][-SECONDS_KEPT:]

    def some_moment(self, key: str, rng: random.Random) -> float:
        """A moment of the time that a command takes, in seconds after its start."""
        seconds = sorted(self.seconds.get(key, [GUESSED_SECONDS]))
        return rng.uniform(0, seconds[len(seconds) // 2])

    def run(self, args: list[str]) -> Outcome:
        """Runs a command, untouched."""
        return self._wait([str(self.bindery), *args], args)

    def kill_after(self, args: list[str], seconds: float) -> Outcome:
        """Runs a command and kills it after so long, unless it ended before."""
        return self._wait([str(self.bindery), *args], args, seconds)

    def kill_at(self, args: list[str], call: Call) -> Outcome:
        """Runs a command and kills it as it enters a system call."""
        return self._inject(args, call, f"signal=SIGKILL:when={call.number}")

    def fail_at(self, args: list[str], call: Call, error: str, is_lasting: bool) -> tuple[Outcome, Failed]:
        """Runs a command of which a system call fails, or all of its name from then on."""
        outcome = self._inject(args, call, f"error={error}:when={call.number}{'+' if is_lasting else ''}")
        hits = [line for line in self.log.read_text(errors="replace").splitlines() if "(INJECTED)" in line]
        if not hits:
            return outcome, Failed.NOTHING
        return outcome, Failed.OUTPUT if any(map(OUTPUT_LINE.match, hits)) else Failed.FILES

    def trace(self, args: list[str]) -> tuple[Outcome, list[Call]]:
        """Runs a command, untouched, and gives the system calls that change files."""
        outcome = self._traced(args, ["-e", f"trace={WRITE_CALLS}"])
        return outcome, read_trace(self.log.read_text(errors="replace"))

    def _inject(self, args: list[str], call: Call, what: str) -> Outcome:
        return self._traced(args, ["-e", f"trace={call.name}", "-e", f"inject={call.name}:{what}"])

    def _traced(self, args: list[str], options: list[str]) -> Outcome:
        assert self.strace, "nobody asks for system calls without strace"
        line = [self.strace, "-f", "-q", "-o", str(self.log), *options, str(self.bindery), *args]
        return self._wait(line, args)

    def _wait(self, line: list[str], args: list[str], kill_after: Optional[float] = None) -> Outcome:
        start = time.monotonic()
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with subprocess.Popen(line, env=self.environment, **pipes) as process:
            if kill_after is not None:
                time.sleep(kill_after)
                process.kill()
            try:
                stdout, stderr = process.communicate(timeout=COMMAND_SECONDS_MAX)
            except subprocess.TimeoutExpired as timeout:
                process.kill()
                raise Violation(f"'bindery {' '.join(args)}' did not end in {COMMAND_SECONDS_MAX} s") from timeout
        seconds = time.monotonic() - start
        return Outcome(args, process.returncode, stdout.decode(), stderr.decode(), seconds)


def read_trace(text: str) -> list[Call]:
    """The calls that change files in a trace, each with its number in its thread. A call of a later thread with a number that
    also one of the loader has is left out: strace counts by thread, so the program would not even start."""
    counts: dict[tuple[str, str], int] = {}
    calls = []
    loaded = 0
    for line in text.splitlines():
        found = TRACE_LINE.match(line)
        if not found:
            continue
        thread, name, rest = found.groups()
        number = counts[thread, name] = counts.get((thread, name), 0) + 1
        if name == "openat" and LIBRARY.search(rest):
            loaded = max(loaded, number)
        elif name != "openat" or ("O_CREAT" in rest and number > loaded):
            is_output = name in ("write", "writev") and rest.startswith(("1,", "2,"))
            calls.append(Call(name, number, is_output))
    return calls


def find_strace(wish: str, scratch: Path) -> tuple[Optional[str], str]:
    """The strace to use, if it is wanted and works here; and what to say about it."""
    if wish == "off":
        return None, "strace: off"
    log = scratch / "probe"
    probe = ["strace", "-f", "-q", "-o", str(log), "-e", "trace=write", "-e"]
    try:
        for effect, code in (("error=EIO", 1), ("signal=SIGKILL", -signal.SIGKILL)):
            line = [*probe, f"inject=write:{effect}:when=1", "/bin/echo", "probe"]
            done = subprocess.run(line, capture_output=True, timeout=30, check=False)
            if done.returncode != code:
                reason = done.stderr.decode(errors="replace").strip()[:300]
                return None, f"strace: cannot be used here: {effect} gives {done.returncode}: {reason}"
    except (OSError, subprocess.TimeoutExpired) as error:
        return None, f"strace: cannot be used here: {error}"
    return "strace", "strace: works"
