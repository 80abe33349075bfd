"""The verbs: which command can be run on a store now, and what it does to the model.

A verb is chosen so that it must succeed; those that were hit least are chosen most. Contents are random bytes, which do
not compress, in few places: later builds replace most of what earlier ones brought, so that packs become thin.

Not here: how a verb is interrupted (program.py), and what must be true afterwards (checks.py).
"""

import copy
import hashlib
import os
import random
import shutil
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Callable, Optional

from .program import require
from .world import Build, Content, Edit, Leaf, Release, World, conflicts, merged

FOLDERS = ("d0", "d1", "d2/deep")
NAMES = ("a", "b", "c", "e", "f", "run", "link")
FILE_BYTES = (0, 12, 900, 5_000, 20_000, 70_000)
# Above 8 MiB a file has a recipe and is cut into chunks.
LARGE_BYTES = 8_900_000
LARGE_PATH = "d1/large"
SLOTS = 3
REPOS_MAX = 3
KEYS_MAX = 4
OPEN_BUILDS_MAX = 4
CHECKOUTS_MAX = 3
REF_NAMES = ("stable", "next/testing")

MAKERS = (
    "create", "create_from", "stage", "remove", "commit", "publish", "withdraw", "rollback", "purge", "retire",
    "checkout_new", "checkout_over", "counts", "reindex", "key", "repo", "hold", "release",
)  # fmt: skip

Change = Callable[[World], None]
# Kind and bytes, by path.
Sources = dict[str, tuple[str, bytes]]


@dataclass
class Verb:
    """A command, and what it does.

    `change` does to a world what the command does to the store; `partly` are states that an interrupted command may
    leave besides nothing and everything, as documented; `ref` is the ref that it makes a release of. If the command is
    done already it is refused with `refusal`; without one it can be done again.
    """

    name: str
    args: list[str]
    change: Change
    partly: list[Change] = field(default_factory=list)
    refusal: Optional[str] = None
    size: str = ""
    ref: Optional[tuple[str, str]] = None
    source: Optional[tuple[Path, Sources]] = None
    target: Optional[Path] = None
    content: Optional[Content] = None

    @property
    def key(self) -> str:
        """What tells the verb from others that take longer or shorter."""
        return self.name + self.size

    def done(self, world: World) -> World:
        """A world in which it is done."""
        return changed(world, self.change)

    def done_somehow(self, world: World) -> list[World]:
        """The worlds in which it is done: numbers of releases that earlier attempts may have used up can be missing."""
        spent = world.spent[self.ref] if self.ref else 0
        return [self.done(replace(world, skipped=skipped)) for skipped in range(spent + 1)]

    def half_done(self, world: World) -> list[World]:
        """Worlds in which it is begun, as documented."""
        return [changed(world, change) for change in self.partly]


def changed(world: World, change: Change) -> World:
    """A copy of a world with a change."""
    after = copy.deepcopy(world)
    change(after)
    return after


def nothing(_world: World) -> None:
    """The change of what changes nothing."""


class Chooser:
    """Chooses verbs, and makes the files that they need."""

    def __init__(self, sources: Path, checkouts: Path):
        self.sources = sources
        self.checkouts = checkouts
        self.next_checkout = 1

    def choose(self, world: World, rng: random.Random, hits: Counter) -> Verb:
        """Chooses a verb that can be done now, by how seldom it was hit."""
        verbs = [verb for verb in (getattr(self, name)(world, rng) for name in MAKERS) if verb]
        weights = [1 / (1 + hits[verb.name]) ** 2 for verb in verbs]
        verb = rng.choices(verbs, weights)[0]
        self.write_sources(verb)
        return verb

    def make(self, name: str, world: World, rng: random.Random) -> Verb:
        """Makes the verb of this name, which can be done now."""
        verb = getattr(self, name)(world, rng)
        require(verb, f"{name} cannot be done here")
        self.write_sources(verb)
        return verb

    def create(self, world: World, rng: random.Random) -> Optional[Verb]:
        repo, name = rng.choice(list(world.repos)), rng.choice(REF_NAMES)
        if len(builds_in(world, "open", "ready")) >= OPEN_BUILDS_MAX:
            return None

        def change(after: World) -> None:
            shown = after.ref(repo, name).content
            after.builds[after.next_build] = Build(repo, name, shown, shown)
            after.next_build += 1

        return Verb("build create", ["build", "create", "--repo", repo, "--ref", name], change)

    def create_from(self, world: World, rng: random.Random) -> Optional[Verb]:
        source = pick(rng, [number for number in builds_in(world, "open") if world.builds[number].edits])
        if source is None or len(builds_in(world, "open", "ready")) > OPEN_BUILDS_MAX:
            return None
        repo, name = world.builds[source].repo, rng.choice(REF_NAMES)

        def change(after: World) -> None:
            shown = after.ref(repo, name).content
            build = after.builds[after.next_build] = Build(repo, name, shown, shown)
            after.next_build += 1
            for edit in after.builds[source].edits:
                build.edit(edit)

        args = ["build", "create", "--repo", repo, "--ref", name, "--from", str(source)]
        return Verb("build create --from", args, change)

    def stage(self, world: World, rng: random.Random) -> Optional[Verb]:
        number = pick(rng, builds_in(world, "open"))
        if number is None:
            return None
        source, is_large = self.sources / str(rng.randrange(SLOTS)), rng.random() < 0.08
        staged, whole = self.plan_sources(rng, is_large), rng.choice(FOLDERS)
        if is_large or rng.random() < 0.75:
            args, replaced = [str(source)], None
        else:
            staged = {path: content for path, content in staged.items() if path.startswith(f"{whole}/")}
            staged = staged or {f"{whole}/a": ("file", rng.randbytes(3000))}
            args, replaced = [str(source / whole), "--at", whole, "--replace"], whole

        edit = Edit(replaced, {path: leaf_of(*made) for path, made in staged.items()}, [])
        size = " large" if is_large else ""
        line = ["build", "stage", str(number), *args]
        return Verb("build stage", line, edits(number, edit), size=size, source=(source, staged))

    def plan_sources(self, rng: random.Random, is_large: bool) -> Sources:
        """Files and links to stage."""
        paths = [f"{folder}/{name}" for folder in FOLDERS for name in NAMES]
        planned = {}
        for path in rng.sample(paths, rng.randint(5, 14)):
            kind = {"run": "executable", "link": "link"}.get(path.rpartition("/")[2], "file")
            planned[path] = (kind, rng.randbytes(6).hex().encode() if kind == "link" else some_bytes(rng))
        if is_large:
            planned[LARGE_PATH] = ("file", rng.randbytes(LARGE_BYTES))
        return planned

    def write_sources(self, verb: Verb) -> None:
        """Makes the files that a staging needs, in place of those of an earlier one."""
        if verb.source is None:
            return
        source, planned = verb.source
        shutil.rmtree(source, ignore_errors=True)
        for path, (kind, content) in planned.items():
            place = source / path
            place.parent.mkdir(parents=True, exist_ok=True)
            if kind == "link":
                os.symlink(content.decode(), place)
            else:
                place.write_bytes(content)
                place.chmod(0o755 if kind == "executable" else 0o644)

    def remove(self, world: World, rng: random.Random) -> Optional[Verb]:
        number = pick(rng, [number for number in builds_in(world, "open") if world.builds[number].wanted])
        if number is None:
            return None
        paths = sorted(world.builds[number].wanted)
        paths = rng.sample(paths, min(len(paths), rng.randint(1, 3)))

        change = edits(number, Edit(None, {}, paths))
        return Verb("build remove", ["build", "remove", str(number), *paths], change)

    def commit(self, world: World, rng: random.Random) -> Optional[Verb]:
        ready = [number for number in builds_in(world, "open") if world.builds[number].operations]
        number = pick(rng, [number for number in ready if merges(world, world.builds[number])])
        if number is None:
            return None

        def change(after: World) -> None:
            build = after.builds[number]
            build.state = "ready"
            build.content = merged(build.base, build.wanted, after.ref_of(build).content)

        args = ["build", "commit", str(number), "-m", "a message"]
        return Verb("build commit", args, change, refusal=f"cannot commit build {number}: it is ready")

    def publish(self, world: World, rng: random.Random) -> Optional[Verb]:
        ready = [number for number in builds_in(world, "ready") if merges(world, world.builds[number])]
        number = pick(rng, [number for number in ready if not world.ref_of(world.builds[number]).is_held])
        if number is None:
            return None

        def change(after: World) -> None:
            build = after.builds[number]
            content = merged(build.base, build.wanted, after.ref_of(build).content)
            ref = after.release(build.repo, build.ref, content, build=number)
            ref.pending = []
            build.state, build.seq, build.content = "published", ref.seq, content

        def imported(after: World) -> None:
            build = after.builds[number]
            after.repos[build.repo].setdefault(build.ref, after.ref_of(build)).pending = [number]
            build.state = "publishing"

        args, refusal = ["publish", str(number)], f"cannot publish build {number}: it is published"
        build = world.builds[number]
        return Verb("publish", args, change, [imported], refusal, ref=(build.repo, build.ref))

    def withdraw(self, world: World, rng: random.Random) -> Optional[Verb]:
        number = pick(rng, [number for number in builds_in(world, "published") if can_be_withdrawn(world, number)])
        if number is None:
            return None

        def change(after: World) -> None:
            build = after.builds[number]
            build.is_withdrawn = True
            ref = after.ref_of(build)
            release = ref.at(build.seq)
            after.release(build.repo, build.ref, merged(release.content, release.before, ref.content))

        refusal = f"cannot withdraw build {number}: it is withdrawn already"
        build = world.builds[number]
        return Verb("withdraw", ["withdraw", str(number)], change, refusal=refusal, ref=(build.repo, build.ref))

    def rollback(self, world: World, rng: random.Random) -> Optional[Verb]:
        choices = [
            (repo, name, release)
            for repo, name, ref in world.refs()
            for release in ref.releases
            if not (ref.is_held or release.is_retired or release.origin == ref.releases[-1].origin)
        ]
        if not choices:
            return None
        repo, name, release = rng.choice(choices)
        hold = ["--hold"] if rng.random() < 0.3 else []

        def change(after: World) -> None:
            after.release(repo, name, release.content, release.origin).is_held = bool(hold)

        args = ["rollback", f"{repo}:{name}", "--to", str(release.seq), *hold]
        return Verb("rollback", args, change, refusal=f"shows {name}@{release.seq} already", ref=(repo, name))

    def purge(self, world: World, rng: random.Random) -> Optional[Verb]:
        states = ["published"] if rng.random() < 0.1 else ["open", "ready"]
        number = pick(rng, builds_in(world, *states))
        if number is None:
            return None

        def change(after: World) -> None:
            after.builds[number].state, after.builds[number].seq = "purged", None

        return Verb("build purge", ["build", "purge", str(number)], change)

    def retire(self, world: World, rng: random.Random) -> Optional[Verb]:
        kept = rng.choice((1, 1, 2))
        # What was staged may rely on what goes: its commit then says what is missing, and it must be staged again.
        relying = {world.builds[number].repo for number in builds_in(world, "open") if world.builds[number].edits}
        choices = [
            (repo, name)
            for repo, name, ref in world.refs()
            if repo not in relying and len(shown(ref.releases)) > kept + 1
        ]
        if not choices:
            return None
        repo, name = rng.choice(choices)

        def change(after: World) -> None:
            ref = after.ref(repo, name)
            for release in shown(ref.releases)[:-kept]:
                release.is_retired = True

        return Verb("retire", ["-y", "retire", f"{repo}:{name}", "--keep-last", str(kept)], change)

    def checkout_new(self, world: World, rng: random.Random) -> Optional[Verb]:
        verb = self._checkout(world, rng, self.checkouts / str(self.next_checkout), "checkout, new")
        self.next_checkout += 1
        return verb

    def checkout_over(self, world: World, rng: random.Random) -> Optional[Verb]:
        earlier = sorted(self.checkouts.iterdir())
        return self._checkout(world, rng, rng.choice(earlier), "checkout, over") if earlier else None

    def checkouts_of_two(self, world: World) -> tuple[Verb, Verb]:
        """Two checkouts into the same new directory, of snapshots that differ as much as two releases do."""
        target = self.checkouts / str(self.next_checkout)
        self.next_checkout += 1
        first, *_, last = sorted(contents(world).items(), key=lambda item: item[0])
        earlier, later = (
            Verb("checkout", ["checkout", spec, str(target)], nothing, target=target, content=content)
            for spec, content in (first, last)
        )
        return earlier, later

    def _checkout(self, world: World, rng: random.Random, target: Path, name: str) -> Optional[Verb]:
        specs = contents(world)
        if not specs:
            return None
        spec, content = rng.choice(sorted(specs.items(), key=lambda item: item[0]))
        return Verb(name, ["checkout", spec, str(target)], nothing, target=target, content=content)

    def forget_old_checkouts(self) -> None:
        """Removes all but the newest checkouts."""
        for old in sorted(self.checkouts.iterdir(), key=lambda path: int(path.name))[:-CHECKOUTS_MAX]:
            shutil.rmtree(old)

    def counts(self, _world: World, _rng: random.Random) -> Optional[Verb]:
        return Verb("fsck --counts", ["fsck", "--counts"], nothing)

    def reindex(self, world: World, _rng: random.Random) -> Optional[Verb]:
        # It loses the builds, so there must be something else to lose.
        if world.was_reindexed or not any(ref.releases for _, _, ref in world.refs()):
            return None

        def change(after: World) -> None:
            after.builds, after.next_build, after.was_reindexed = {}, 0, True
            for _, _, ref in after.refs():
                ref.is_held, ref.pending = False, []

        return Verb("fsck --reindex", ["fsck", "--reindex"], change)

    def key(self, world: World, _rng: random.Random) -> Optional[Verb]:
        name = f"key{len(world.keys)}"
        if len(world.keys) >= KEYS_MAX:
            return None
        refusal = f"there is already a key {name}"
        return Verb("key generate", ["key", "generate", name], lambda after: after.keys.add(name), refusal=refusal)

    def repo(self, world: World, _rng: random.Random) -> Optional[Verb]:
        name = f"repo{len(world.repos)}"
        if len(world.repos) >= REPOS_MAX:
            return None

        def change(after: World) -> None:
            after.keys.add(name)
            after.repos[name] = {}

        only_key: Change = lambda after: after.keys.add(name)  # noqa: E731
        return Verb("repo create", ["repo", "create", name], change, [only_key], f"there is already a repo {name}")

    def hold(self, world: World, rng: random.Random) -> Optional[Verb]:
        return self._hold(world, rng, "hold", True)

    def release(self, world: World, rng: random.Random) -> Optional[Verb]:
        return self._hold(world, rng, "release", False)

    def _hold(self, world: World, rng: random.Random, name: str, is_held: bool) -> Optional[Verb]:
        choices = [(repo, ref_name) for repo, ref_name, ref in world.refs() if ref.releases and ref.is_held != is_held]
        if not choices:
            return None
        repo, ref_name = rng.choice(choices)

        def change(after: World) -> None:
            after.ref(repo, ref_name).is_held = is_held

        return Verb(name, [name, f"{repo}:{ref_name}"], change)


def init() -> Verb:
    """Makes a store: the only verb that needs none."""

    def change(after: World) -> None:
        after.keys, after.repos = {"main"}, {"main": {}}

    return Verb("init", ["init"], change, [nothing, lambda after: after.keys.add("main")], "there is already a store")


def edits(number: int, edit: Edit) -> Change:
    """The change that edits a build."""
    return lambda after: after.builds[number].edit(edit)


def builds_in(world: World, *states: str) -> list[int]:
    """The builds in one of these states."""
    return [number for number, build in world.builds.items() if build.state in states]


def shown(releases: list[Release]) -> list[Release]:
    """The releases that are not retired."""
    return [release for release in releases if not release.is_retired]


def merges(world: World, build: Build) -> bool:
    """Whether a build can be merged into what its ref shows."""
    return not conflicts(build.base, build.wanted, world.ref_of(build).content, build.replaced)


def can_be_withdrawn(world: World, number: int) -> bool:
    """Whether what a build brought can be taken out again."""
    build = world.builds[number]
    ref = world.ref_of(build)
    release, before = ref.at(build.seq), ref.before(build.seq)
    if build.is_withdrawn or ref.is_held or release.is_retired or (before and before.is_retired):
        return False
    if release is ref.releases[-1]:
        return True
    # What was there before the first release has no directories: what came later then conflicts with their removal.
    return bool(release.before) and not conflicts(release.content, release.before, ref.content, [])


def contents(world: World) -> dict[str, Content]:
    """All that can be looked at, by SPEC."""
    specs = {
        f"{repo}:{name}@{release.seq}": release.content
        for repo, name, ref in world.refs()
        for release in shown(ref.releases)
    }
    builds = {f"build:{number}": world.builds[number].content for number in builds_in(world, "ready")}
    return {**specs, **builds}


def pick(rng: random.Random, numbers: list[int]) -> Optional[int]:
    """One of them, if there are any."""
    return rng.choice(numbers) if numbers else None


def some_bytes(rng: random.Random) -> bytes:
    """The content of a file: mostly random, at times a text that compresses."""
    size = rng.choice(FILE_BYTES)
    return (b"a line again\n" * (size // 13 + 1))[:size] if rng.random() < 0.2 else rng.randbytes(size)


def leaf_of(kind: str, content: bytes) -> Leaf:
    """The leaf of a file with these bytes, or of a link to them."""
    mark = content.decode() if kind == "link" else hashlib.sha256(content).hexdigest()
    return Leaf(kind, mark, len(content))
