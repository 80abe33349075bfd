"""The checks: whether a store at rest is whole, and holds what the model says.

After every interruption: nothing is damaged, leaked, stray or left behind; what the store lists is what one of the
allowed models says; every snapshot that it lists shows the right files, compared byte by byte when it is seen for the
first time, and by its id and `verify --all` from then on.

Not here: which models are allowed (kill.py).
"""

import hashlib
import os
import re
import shutil
from pathlib import Path

from .program import Failed, Outcome, Program, Violation, require
from .verbs import contents
from .world import Content, Leaf, World, shape

PACK_FILE = re.compile(r"packs/([0-9a-f]{2})/\1[0-9a-f]{62}")
# What a store may hold, by docs/operations.md; files of packs and keys are compared with what is known of them.
BELONGS = re.compile(
    r"bindery\.toml|catalog\.redb|lock|cache/stat-[0-9a-f]{64}|keys/[\w.-]+\.key|packs/[0-9a-f]{2}/[0-9a-f]{64}"
    r"|repos/[\w./-]+/trust/(heads|keyset/\d+|(statements|refs)/[0-9a-f]{64})"
)
AFTER_REINDEX = re.compile(r"catalog\.redb\.old-\d+|unowned/[0-9a-f]{64}")
# A secret that was written when its command was killed; the same command takes it over.
UNFINISHED_KEY = re.compile(r"keys/[\w.-]+\.key\.next")
FAILURE = re.compile(r"^error: cannot [a-z ]+ \S.*: \S", re.MULTILINE)
FAULT_CODES = (1, 8)
# The name of a world whose catalog has just been made from packs and notes.
MADE_ANEW = "made anew"


class Store:
    """A store on disk, and what has been seen in it."""

    def __init__(self, program: Program, root: Path, scratch: Path):
        self.program = program
        self.root = root
        self.scratch = scratch
        self.snapshots: dict[str, str] = {}
        self.blobs: dict[str, str] = {}

    def line(self, *args: str, json: bool = True) -> list[str]:
        """The arguments of a command on this store."""
        return ["-s", str(self.root), *(["--json"] if json else []), *args]

    def ask(self, *args: str) -> dict:
        """The answer of a command that must succeed."""
        outcome = self.program.run(self.line(*args))
        self.program.learn(" ".join(args[:2]), outcome)
        require(outcome.code == 0 and outcome.answer is not None, f"this must succeed: {outcome}")
        return outcome.answer

    @property
    def has_settings(self) -> bool:
        return (self.root / "bindery.toml").exists()

    @property
    def has_catalog(self) -> bool:
        return (self.root / "catalog.redb").exists()

    def pack_bytes(self) -> int:
        """The bytes of all files of packs."""
        return sum(file.stat().st_size for file in self.root.glob("packs/*/*"))

    def check_whole(self) -> None:
        """Nothing is damaged, miscounted, leaked or stray, and the packs are those that the catalog names."""
        checked = self.ask("fsck", "--counts")
        found = {name: checked[name] for name in ("problems", "repaired", "leaks", "strays") if checked[name]}
        require(not found, f"fsck --counts must find nothing, and found {found}")
        files = list(self.root.glob("packs/*/*"))
        odd = [str(file) for file in files if not PACK_FILE.fullmatch(file.relative_to(self.root).as_posix())]
        require(not odd, f"these are no packs: {odd}")
        named, there = (checked["packs"], checked["bytes"]), (len(files), self.pack_bytes())
        require(named == there, f"the catalog names {named} (packs, bytes), packs/ holds {there}")

    def check_files(self, world: World, is_repeated: bool) -> None:
        """Nothing is in the folder that does not belong there."""
        leftovers = os.listdir(self.root / "tmp")
        require(not leftovers, f"tmp/ must be empty, and holds {leftovers}")
        names = [path.relative_to(self.root).as_posix() for path in self.root.rglob("*") if not path.is_dir()]
        kinds = [BELONGS] + [AFTER_REINDEX] * world.was_reindexed + [UNFINISHED_KEY] * (not is_repeated)
        foreign = [name for name in names if not any(kind.fullmatch(name) for kind in kinds)]
        require(not foreign, f"this does not belong into a store: {foreign}")

    def observe(self) -> tuple[dict, dict[str, str]]:
        """What the store lists, in the shape of a model, and the snapshot of each SPEC."""
        repos = [row["repo"] for row in self.ask("repo", "list")["repos"]]
        builds, snapshots = {}, {}
        for row in self.ask("build", "list")["builds"]:
            number, state = row["build"], row["state"]
            seq = row["published"]["seq"] if state == "published" else None
            builds[number] = [row["repo"], row["ref"], state, row["staged"]["operations"], seq]
            if state == "ready":
                snapshots[f"build:{number}"] = row["committed"]["snapshot"]
        refs, releases = {}, {}
        for repo in repos:
            for row in self.ask("refs", "--repo", repo)["refs"]:
                name = f"{repo}:{row['ref']}"
                refs[name] = [row["seq"] or 0, row["held"] is not None, row["pending"]]
                releases[name] = self._releases(name, snapshots) if row["seq"] else {}
        keys = sorted(file.stem for file in self.root.glob("keys/*.key"))
        return {"repos": sorted(repos), "keys": keys, "builds": builds, "refs": refs, "releases": releases}, snapshots

    def _releases(self, name: str, snapshots: dict[str, str]) -> dict[int, bool]:
        rows = self.ask("log", name)["releases"]
        snapshots.update({f"{name}@{row['seq']}": row["snapshot"] for row in rows if not row["retired"]})
        return {row["seq"]: row["retired"] for row in rows}

    def match(self, worlds: list[tuple[str, World]], is_repeated: bool) -> tuple[str, World]:
        """The one of these worlds that the store shows; its contents are checked, too."""
        listed, snapshots = self.observe()
        for name, world in worlds:
            if name == MADE_ANEW:
                take_back_retired(world, listed)
            if shape(world) == listed:
                self.check_files(world, is_repeated)
                self.check_contents(world, snapshots)
                if not is_repeated:
                    self.check_sums(world)
                return name, world
        expected = "; or ".join(f"{name}: {difference(shape(world), listed)}" for name, world in worlds)
        raise Violation(f"the store shows none of the worlds that are allowed: {expected}")

    def check_contents(self, world: World, snapshots: dict[str, str]) -> None:
        """Every snapshot shows what it must."""
        specs = contents(world)
        require(specs.keys() == snapshots.keys(), f"{sorted(specs)} must be shown, and are {sorted(snapshots)}")
        for spec, content in specs.items():
            known = self.snapshots.get(spec)
            if known is None:
                self.check_content(spec, content)
                self.snapshots[spec] = snapshots[spec]
            else:
                require(known == snapshots[spec], f"{spec} was {known} and is {snapshots[spec]}")

    def check_sums(self, world: World) -> None:
        """Every signature and every byte that a ref shows verifies, and the catalog's sums are those of the files."""
        if any(ref.releases for _, _, ref in world.refs()):
            self.ask("verify", "--all")
        stats, there = self.ask("stats"), self.pack_bytes()
        require(stats["stored_bytes"] == there, f"stats says {stats['stored_bytes']} bytes, packs/ has {there}")

    def check_content(self, spec: str, content: Content) -> None:
        """A snapshot lists the right paths, kinds, sizes and ids, and a checkout of it has the right bytes."""
        entries = self.ask("ls", "-r", spec)["entries"]
        listed = {entry["name"]: (entry["kind"], entry["bytes"]) for entry in entries}
        expected = {path: (leaf.kind, leaf.bytes) for path, leaf in content.items()}
        require(listed == expected, f"{spec} lists the wrong files: {difference(expected, listed)}")
        for entry in entries:
            mark = content[entry["name"]].mark
            known = self.blobs.setdefault(entry["id"], mark)
            require(known == mark, f"{spec} has {entry['id']} at {entry['name']}, which is {known} and not {mark}")
        target = self.scratch / "seen"
        shutil.rmtree(target, ignore_errors=True)
        self.ask("checkout", spec, str(target))
        check_tree(target, content)

    def forget_builds(self) -> None:
        """Builds get their numbers anew."""
        self.snapshots = {spec: known for spec, known in self.snapshots.items() if not spec.startswith("build:")}


def take_back_retired(world: World, listed: dict) -> None:
    """After a reindex, a retired release of which nothing is lost yet can be shown again: that is documented."""
    for repo, name, ref in world.refs():
        rows = listed["releases"].get(f"{repo}:{name}", {})
        for release in ref.releases:
            release.is_retired = release.is_retired and rows.get(release.seq, True)


def difference(expected: dict, found: dict, at: str = "") -> str:
    """What is expected and found where two structures differ, in words."""
    words = []
    for key in sorted(expected.keys() | found.keys(), key=str):
        here, there = expected.get(key), found.get(key)
        if isinstance(here, dict) and isinstance(there, dict):
            words.append(difference(here, there, f"{at}{key} "))
        elif here != there:
            words.append(f"{at}{key} must be {here}, and is {there}")
    return ", ".join(filter(None, words))[:1500]


def read_tree(root: Path) -> Content:
    """The files and links in a directory, but for what marks it as a checkout."""
    found = {}
    for path in root.rglob("*"):
        name = path.relative_to(root).as_posix()
        if path.is_symlink():
            target = os.readlink(path)
            found[name] = Leaf("link", target, len(target))
        elif path.is_file() and name != ".bindery":
            content = path.read_bytes()
            kind = "executable" if path.stat().st_mode & 0o100 else "file"
            found[name] = Leaf(kind, hashlib.sha256(content).hexdigest(), len(content))
    return found


def check_tree(root: Path, content: Content) -> None:
    """A directory has the right files, and no others."""
    found = read_tree(root)
    require(found == content, f"{root} has the wrong files: {difference(content, found)}")


def check_failure(outcome: Outcome, failed: Failed) -> None:
    """A command whose disk failed says what it could not do, and to what; unless it could not say anything."""
    require("panicked" not in outcome.stderr, f"a fault must not be a panic: {outcome}")
    require(outcome.code in FAULT_CODES, f"a fault must give one of the exit codes {FAULT_CODES}: {outcome}")
    is_said = failed is Failed.OUTPUT or FAILURE.search(outcome.stderr)
    require(is_said, f"the error must say what failed on what: {outcome}")
