"""Runs programs, and says what did not hold.

Not here: which programs (the other files).
"""

import os
import subprocess
from pathlib import Path
from typing import NamedTuple, Optional

# How long one program may take.
SECONDS_MAX = 120
# How much of what a program said is shown.
SAID_CHARS_MAX = 3000


class Failed(Exception):
    """Something that must hold does not."""


def require(condition: object, message: str) -> None:
    """Raises Failed unless the condition holds."""
    if not condition:
        raise Failed(message)


def plain_environment(**more: str) -> dict[str, str]:
    """The environment without what would lead a client or Bindery elsewhere."""
    strange = ("BINDERY_", "PIP_", "APT_", "FLATPAK_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(strange)}
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        kept.pop(name, None)
        kept.pop(name.upper(), None)
    return {**kept, "LC_ALL": "C.UTF-8", "NO_COLOR": "1", "no_proxy": "127.0.0.1", **more}


def run(*line: object, cwd: Optional[Path] = None, **more: str) -> str:
    """Runs a program that must succeed; gives what it printed. The names are more of its environment."""
    said = attempt(*line, cwd=cwd, **more)
    words = f"'{' '.join(map(str, line))}' ended with {said.code}"
    require(said.code == 0, f"{words}:\n{said.everything[-SAID_CHARS_MAX:]}")
    return said.answer


class Said(NamedTuple):
    """What became of a program: its exit code, what it printed, and its messages."""

    code: int
    answer: str
    messages: str

    @property
    def everything(self) -> str:
        return self.answer + self.messages


def attempt(*line: object, cwd: Optional[Path] = None, **more: str) -> Said:
    """Runs a program that may fail. The names are more of its environment."""
    words = list(map(str, line))
    environment = plain_environment(**more)
    how = {"cwd": cwd, "env": environment, "stdin": subprocess.DEVNULL, "timeout": SECONDS_MAX}
    try:
        done = subprocess.run(words, capture_output=True, check=False, **how)
    except FileNotFoundError as error:
        raise Failed(f"{words[0]} is not installed: .ci/setup brings it") from error
    except subprocess.TimeoutExpired as timeout:
        raise Failed(f"'{' '.join(words)}' did not end in {SECONDS_MAX} s") from timeout
    return Said(done.returncode, *(text.decode(errors="replace") for text in (done.stdout, done.stderr)))


def require_text(path: Path, text: str) -> None:
    """A client must have put a file here, and it must hold this."""
    require(path.is_file(), f"{path} is not there")
    found = path.read_text(errors="replace")
    require(found == text, f"{path} holds {found[:200]!r}, not {text[:200]!r}")
