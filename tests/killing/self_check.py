"""The checks checked: stores and models that are wrong on purpose, each of which must be noticed.

Not here: what is checked (checks.py).
"""

import os
import random
from typing import Callable

from .checks import check_failure, check_tree
from .killer import Killer
from .program import Failed, Outcome, Violation, require
from .world import Leaf, Release


def self_check(killer: Killer) -> None:
    """Tampers with stores in every way."""
    cases: list[tuple[Callable[[Killer], None], str]] = [
        (add_pack, "strays"),
        (add_note, "does not belong into a store"),
        (lose_pack, "problems"),
        (damage_pack, "problems"),
        (leave_temporary_file, "tmp/ must be empty"),
        (expect_other_bytes, "and not 0000"),
        (expect_another_file, "lists the wrong files"),
        (expect_another_release, "releases main:"),
        (expect_another_build, "builds"),
        (expect_another_key, "keys must be"),
        (overstate_a_receipt, "the receipt says"),
        (leave_file_in_checkout, "has the wrong files"),
        (panic, "must not be a panic"),
        (fail_without_words, "must say what failed"),
    ]
    for tamper, words in cases:
        killer.begin_world()
        killer.what = f"self-check, {tamper.__name__}"
        check(killer)
        try:
            tamper(killer)
            check(killer)
        except Violation as violation:
            require(words in str(violation), f"{words!r} must be noticed, and this was: {violation}")
        else:
            raise Violation("nothing was noticed")
        killer.passed += 1


def check(killer: Killer) -> None:
    """All that is checked after an interruption."""
    killer.store.check_whole()
    killer.store.match([("done", killer.world)], is_repeated=False)


def some_release(killer: Killer) -> tuple[str, Release]:
    """A release of the store, and the name of its ref."""
    repo, name, ref = killer.world.refs()[0]
    return f"{repo}:{name}", ref.releases[-1]


def add_pack(killer: Killer) -> None:
    pack = next(killer.store.root.glob("packs/*/*"))
    folder = killer.store.root / "packs" / "00"
    folder.mkdir(exist_ok=True)
    (folder / ("00" * 32)).write_bytes(pack.read_bytes())


def add_note(killer: Killer) -> None:
    (killer.store.root / "repos" / "main" / "trust" / "statements" / "unknown.next").write_text("a note")


def lose_pack(killer: Killer) -> None:
    next(killer.store.root.glob("packs/*/*")).unlink()


def damage_pack(killer: Killer) -> None:
    pack = max(killer.store.root.glob("packs/*/*"), key=lambda path: path.stat().st_size)
    content = bytearray(pack.read_bytes())
    content[len(content) // 2] ^= 1
    pack.write_bytes(content)


def leave_temporary_file(killer: Killer) -> None:
    # Recovery empties the folder when the store is opened to be checked; this comes after.
    killer.store.check_whole()
    (killer.store.root / "tmp" / "1.pack").write_bytes(b"")
    killer.store.check_files(killer.world, is_repeated=False)


def expect_other_bytes(killer: Killer) -> None:
    _, release = some_release(killer)
    path = min(path for path, leaf in release.content.items() if leaf.kind == "file")
    release.content[path] = release.content[path]._replace(mark="0" * 64)
    killer.store.snapshots.clear()


def expect_another_file(killer: Killer) -> None:
    _, release = some_release(killer)
    release.content["d0/another"] = Leaf("file", "0" * 64, 1)
    killer.store.snapshots.clear()


def expect_another_release(killer: Killer) -> None:
    repo, name, _ = killer.world.refs()[0]
    killer.world.release(repo, name, {})


def expect_another_build(killer: Killer) -> None:
    killer.world = killer.chooser.make("create", killer.world, random.Random(1)).done(killer.world)


def expect_another_key(killer: Killer) -> None:
    killer.world.keys.add("another")


def overstate_a_receipt(killer: Killer) -> None:
    verb = killer.chooser.make("create", killer.world, random.Random(1))
    killer.do(verb)
    verb = killer.chooser.make("purge", killer.world, random.Random(3))
    answer = killer.program.run(killer.store.line(*verb.args))
    killer.check_result(verb, answer, killer.store.pack_bytes() + 1)


def leave_file_in_checkout(killer: Killer) -> None:
    spec, release = some_release(killer)
    target = killer.scratch / "one"
    killer.store.ask("checkout", spec, str(target))
    check_tree(target, release.content)
    (target / "d0" / "left").write_text("left behind")
    check_tree(target, release.content)


def panic(_killer: Killer) -> None:
    check_failure(Outcome(["publish"], 101, "", "thread 'main' panicked at src/lib.rs", 0.0), Failed.FILES)


def fail_without_words(_killer: Killer) -> None:
    check_failure(Outcome(["publish"], 8, "", f"error: {os.strerror(5)}", 0.0), Failed.FILES)
