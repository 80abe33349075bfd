"""The model: what a store must hold, by what was acknowledged.

A content maps paths to leaves. Nothing here knows how Bindery stores anything: what a build does to a content, and a
merge, are a few lines each. Empty directories are not part of a content.

Not here: which commands there are (verbs.py), and how a store is compared with its model (checks.py).
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple, Optional


class Leaf(NamedTuple):
    """A file or link: its kind, and the SHA-256 hash of its bytes or where it points to."""

    kind: str
    mark: str
    bytes: int


Content = dict[str, Leaf]


class Edit(NamedTuple):
    """What one command changes in a build: a directory that is replaced whole, what is staged, what is removed."""

    replaced: Optional[str]
    staged: Content
    removed: list[str]


@dataclass
class Release:
    """A release of a ref. Releases with the same `origin` are one snapshot; `before` is what the ref showed before."""

    seq: int
    origin: int
    content: Content
    before: Content
    build: Optional[int] = None
    is_retired: bool = False


@dataclass
class Ref:
    """A ref, its releases oldest first, and the builds that are imported and not visible."""

    releases: list[Release] = field(default_factory=list)
    is_held: bool = False
    pending: list[int] = field(default_factory=list)

    @property
    def content(self) -> Content:
        return self.releases[-1].content if self.releases else {}

    @property
    def seq(self) -> int:
        return self.releases[-1].seq if self.releases else 0

    def at(self, seq: int) -> Release:
        """The release of this number."""
        return next(release for release in self.releases if release.seq == seq)

    def before(self, seq: int) -> Optional[Release]:
        """The release before that of this number."""
        return next((release for release in reversed(self.releases) if release.seq < seq), None)


@dataclass
class Build:
    """A build: `base` is what its ref showed when it was made, `wanted` that with its edits."""

    repo: str
    ref: str
    base: Content
    wanted: Content
    state: str = "open"
    operations: int = 0
    seq: Optional[int] = None
    content: Optional[Content] = None
    edits: list[Edit] = field(default_factory=list)
    is_withdrawn: bool = False

    def edit(self, edit: Edit) -> None:
        """Changes it as a command does."""
        is_replaced = lambda path: edit.replaced and path.startswith(f"{edit.replaced}/")  # noqa: E731
        kept = {path: leaf for path, leaf in self.wanted.items() if not is_replaced(path)}
        wanted = {**kept, **edit.staged}
        self.wanted = {path: leaf for path, leaf in wanted.items() if path not in edit.removed}
        self.edits.append(edit)
        self.operations += len(edit.removed) or 1

    @property
    def replaced(self) -> list[str]:
        """The directories that are replaced whole."""
        return [edit.replaced for edit in self.edits if edit.replaced]


@dataclass
class World:
    """What a store must hold: refs by repo and name, builds by id, names of keys."""

    repos: dict[str, dict[str, Ref]] = field(default_factory=dict)
    builds: dict[int, Build] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)
    next_build: int = 1
    was_reindexed: bool = False
    # A number is given to one statement at most, so an attempt that fails may use one up: how many, at most, and how
    # many are taken to be used up.
    spent: Counter = field(default_factory=Counter)
    skipped: int = 0

    def ref(self, repo: str, name: str) -> Ref:
        """A ref, also one that shows nothing yet."""
        return self.repos[repo].get(name, Ref())

    def release(
        self, repo: str, name: str, content: Content, origin: Optional[int] = None, build: Optional[int] = None
    ) -> Ref:
        """Makes the next release of a ref."""
        ref = self.repos[repo].setdefault(name, Ref())
        seq = ref.seq + 1 + self.skipped
        ref.releases.append(Release(seq, origin or seq, content, ref.content, build))
        self.skipped = self.spent[repo, name] = 0
        return ref

    def ref_of(self, build: Build) -> Ref:
        return self.ref(build.repo, build.ref)

    def refs(self) -> list[tuple[str, str, Ref]]:
        return [(repo, name, ref) for repo, refs in self.repos.items() for name, ref in refs.items()]


def merged(base: Content, side: Content, other: Content) -> Content:
    """What changed from `base` to `side`, done to `other`."""
    paths = base.keys() | side.keys() | other.keys()
    chosen = {path: other.get(path) if side.get(path) == base.get(path) else side.get(path) for path in paths}
    return {path: leaf for path, leaf in chosen.items() if leaf}


def conflicts(base: Content, side: Content, other: Content, replaced: list[str]) -> bool:
    """Whether both sides changed a path to different things, or the other one changed what `side` replaces whole."""
    for path in base.keys() | side.keys() | other.keys():
        before, here, there = base.get(path), side.get(path), other.get(path)
        is_claimed = any(path.startswith(f"{at}/") for at in replaced)
        if there != before and (is_claimed or here not in (before, there)):
            return True
    return False


def shape(world: World) -> dict:
    """All of a world that can be compared with what a store lists; contents are compared apart."""
    return {
        "repos": sorted(world.repos),
        "keys": sorted(world.keys),
        "builds": {
            number: [build.repo, build.ref, build.state, build.operations, build.seq]
            for number, build in world.builds.items()
        },
        "refs": {f"{repo}:{name}": [ref.seq, ref.is_held, ref.pending] for repo, name, ref in world.refs()},
        "releases": {
            f"{repo}:{name}": {release.seq: release.is_retired for release in ref.releases}
            for repo, name, ref in world.refs()
        },
    }
