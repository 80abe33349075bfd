"""The rounds: a verb is interrupted, the store is checked, the verb is run again, the store is checked again.

Not here: how a command is interrupted (program.py), what it does (verbs.py), what must hold (checks.py).
"""

import random
import shutil
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from .checks import MADE_ANEW, Store, check_failure, check_tree
from .program import SPACE_CALLS, Call, Failed, Outcome, Program, require
from .verbs import Chooser, Verb, init
from .world import World

ROUNDS_PER_WORLD = 60
# What a new world begins with, so often.
PRELUDE = ("create", "stage", "commit", "publish")
PRELUDE_RELEASES = 3
# How often what is done to a verb, where strace works: else every round is a kill at a moment.
FAULT_ROUNDS, CALL_ROUNDS = 0.2, 0.35
RECOVERY_ROUNDS = 0.4
INIT_ROUNDS = 0.04
# Of the faults, so many go on; of the untouched runs, so many are traced.
LASTING_FAULTS = 0.4
TRACED_RUNS = 0.4
KILLS_PER_LINE = 100

MOMENT, CALL, EIO, ENOSPC, ENDED = "kill at a moment", "kill at a call", "EIO", "ENOSPC", "ended before"
WAYS = (MOMENT, CALL, EIO, ENOSPC, ENDED)
KILLS = (MOMENT, CALL)
RECOVERY = "recovery"
RECOVERING = (["stats"], ["build", "list"], ["fsck", "--counts"])
ABSENT, HALF_DONE, DONE = "absent", "half done", "done"


class Strike(NamedTuple):
    """An interruption: how, at which call, and what became of the command."""

    way: str
    detail: str
    outcome: Outcome


class Killer:
    """Plays rounds, and counts them."""

    def __init__(self, program: Program, scratch: Path, seed: int):
        self.program, self.scratch, self.seed = program, scratch, seed
        self.kept = scratch / "kept"
        self.home = scratch / "world"
        self.calls: dict[str, list[Call]] = {}
        self.counts: dict[str, Counter] = {}
        self.kills = self.rounds = self.passed = self.worlds = 0
        self.what = f"seed {seed}"
        self.begin_store(self.home / "store")

    def run(self, kills: int) -> None:
        """Plays rounds until so many kills have hit."""
        told = 0
        while self.kills < kills:
            if self.rounds % ROUNDS_PER_WORLD == 0:
                self.begin_world()
            self.play()
            self.passed += 1
            if self.kills // KILLS_PER_LINE > told:
                told = self.kills // KILLS_PER_LINE
                print(f"{self.kills} kills in {self.rounds} rounds", flush=True)

    def run_every_call(self) -> None:
        """Kills checkouts at every call that changes files: no simulated disk can hold what they write."""
        rng = random.Random(f"{self.seed} every call")
        self.begin_world()
        for name, is_over in (("checkout, new", False), ("checkout, over", True)):
            earlier, verb = self.chooser.checkouts_of_two(self.world)
            if is_over:
                self.do(earlier)
            _, calls = self.program.trace(self.store.line(*verb.args))
            print(f"{name}: {len(calls)} calls", flush=True)
            for call in calls:
                self.rounds += 1
                self.chooser.forget_old_checkouts()
                earlier, verb = self.chooser.checkouts_of_two(self.world)
                if is_over:
                    self.do(earlier)
                self.what = f"{name} ({' '.join(verb.args)})"
                bytes_before = self.store.pack_bytes()
                strike = self.kill(name, verb.key, self.store.line(*verb.args), [call], rng)
                self.follow(verb, strike, bytes_before, rng)
                self.passed += 1

    def summary(self) -> list[str]:
        """A table of what was done to which verb."""
        widths = [len(way) for way in WAYS]
        lines = [f"{'':20}" + "".join(f"{way:>{width + 2}}" for way, width in zip(WAYS, widths))]
        total: Counter = sum(self.counts.values(), Counter())
        for name, counts in [*sorted(self.counts.items()), ("all", total)]:
            cells = "".join(f"{counts[way]:>{width + 2}}" for way, width in zip(WAYS, widths))
            lines.append(f"{name:20}{cells}")
        return [*lines, f"{self.kills} kills, {total[EIO] + total[ENOSPC]} faults, {self.worlds} stores"]

    # Worlds

    def begin_store(self, root: Path) -> None:
        """Takes another store in hand, which is not there yet."""
        self.store, self.world = Store(self.program, root, self.scratch), World()

    def begin_world(self) -> None:
        """Makes a new store with a few releases, untouched."""
        self.worlds += 1
        self.what = f"seed {self.seed}, the beginning of store {self.worlds}"
        shutil.rmtree(self.home, ignore_errors=True)
        for name in ("sources", "checkouts"):
            (self.home / name).mkdir(parents=True)
        self.chooser = Chooser(self.home / "sources", self.home / "checkouts")
        self.begin_store(self.home / "store")
        self.do(init())
        rng = random.Random(f"{self.seed} store {self.worlds}")
        for _ in range(PRELUDE_RELEASES):
            for name in PRELUDE:
                self.do(self.chooser.make(name, self.world, rng))

    def do(self, verb: Verb) -> None:
        """Runs a verb, untouched and unchecked."""
        outcome = self.program.run(self.store.line(*verb.args))
        require(outcome.code == 0, f"this must succeed: {outcome}")
        self.program.learn(verb.key, outcome)
        self.world = verb.done(self.world)

    # Rounds

    def play(self) -> None:
        """Plays one round."""
        self.rounds += 1
        rng = random.Random(f"{self.seed} round {self.rounds}")
        if rng.random() < INIT_ROUNDS:
            self.play_init(rng)
            return
        self.chooser.forget_old_checkouts()
        hits = Counter({name: sum(counts.values()) - counts[ENDED] for name, counts in self.counts.items()})
        verb = self.chooser.choose(self.world, rng, hits)
        self.interrupt(verb, rng)
        if self.world.was_reindexed and not self.world.next_build:
            self.learn_next_build(rng)

    def play_init(self, rng: random.Random) -> None:
        """Plays a round of the verb that needs a folder of its own."""
        store, world = self.store, self.world
        root = self.scratch / "fresh"
        shutil.rmtree(root, ignore_errors=True)
        self.begin_store(root)
        self.interrupt(init(), rng)
        self.store, self.world = store, world

    def learn_next_build(self, rng: random.Random) -> None:
        """Makes a build: which number is next after a reindex depends on which builds were published."""
        self.store.forget_builds()
        verb = self.chooser.make("create", self.world, rng)
        self.world.next_build = self.store.ask(*verb.args)["build"]
        self.world = verb.done(self.world)

    def interrupt(self, verb: Verb, rng: random.Random) -> None:
        """Interrupts a verb, checks the store, runs the verb again, checks the store."""
        self.what = f"seed {self.seed}, round {self.rounds}, {verb.name} ({' '.join(verb.args)})"
        bytes_before = self.store.pack_bytes()
        self.follow(verb, self.strike(verb, rng), bytes_before, rng)

    def follow(self, verb: Verb, strike: Strike, bytes_before: int, rng: random.Random) -> None:
        """Checks the store after an interruption, runs the verb again, checks the store."""
        self.what += f", {strike.way} {strike.detail}, {strike.outcome}"
        self.keep()
        if strike.way in KILLS and not self.is_unusable(verb) and rng.random() < RECOVERY_ROUNDS:
            self.kill_recovery(rng)
        state = self.find_state(verb, strike.outcome)
        if strike.outcome.code == 0:
            self.check_result(verb, strike.outcome, bytes_before)
        self.what += f", found {state}"
        self.repeat(verb, state, rng)

    def find_state(self, verb: Verb, outcome: Outcome) -> str:
        """Checks the store after an interruption; says how far the verb got."""
        if self.is_unusable(verb):
            require(not outcome.was_acknowledged, "it was acknowledged, and there is no store that can be used")
            self.check_unusable(verb)
            return ABSENT
        done = MADE_ANEW if verb.name == "fsck --reindex" else DONE
        worlds = [(done, world) for world in verb.done_somehow(self.world)]
        if not outcome.was_acknowledged:
            half_done = [(HALF_DONE, world) for world in verb.half_done(self.world)]
            worlds = [(ABSENT, self.world), *half_done, *worlds]
        self.store.check_whole()
        state, self.world = self.store.match(worlds, is_repeated=False)
        if verb.ref and state in (ABSENT, HALF_DONE):
            self.world.spent[verb.ref] += 1
        return state

    def is_unusable(self, verb: Verb) -> bool:
        """Whether an interrupted init or reindex has left no whole store, which the same command then makes."""
        is_begun = verb.name == "init" and not self.store.has_settings
        return is_begun or (verb.name == "fsck --reindex" and not self.store.has_catalog)

    def check_unusable(self, verb: Verb) -> None:
        """A store that is not whole is refused by name, and nothing is changed in it."""
        what = "no store at" if verb.name == "init" else "catalog.redb"
        outcome = self.program.run(self.store.line("stats"))
        require(outcome.code == 3 and what in outcome.stderr, f"this must be refused with {what!r}: {outcome}")

    def repeat(self, verb: Verb, state: str, rng: random.Random) -> None:
        """Runs a verb again: it succeeds, or says that it is done already."""
        args, bytes_before = self.store.line(*verb.args), self.store.pack_bytes()
        is_refused = state == DONE and verb.refusal is not None
        if self.program.strace and state == ABSENT and rng.random() < TRACED_RUNS:
            outcome, self.calls[verb.key] = self.program.trace(args)
        else:
            outcome = self.program.run(args)
            if state == ABSENT:
                self.program.learn(verb.key, outcome)
        if is_refused:
            is_right = outcome.code == 5 and verb.refusal in outcome.stderr
            require(is_right, f"run again, it must be refused with {verb.refusal!r}: {outcome}")
            return
        require(outcome.code == 0, f"run again, it must succeed: {outcome}")
        self.store.check_whole()
        done = MADE_ANEW if verb.name == "fsck --reindex" else DONE
        worlds = [(done, world) for world in verb.done_somehow(self.world)]
        _, self.world = self.store.match(worlds, is_repeated=True)
        if not (state == DONE and verb.name == "build purge"):
            self.check_result(verb, outcome, bytes_before)

    def check_result(self, verb: Verb, outcome: Outcome, bytes_before: int) -> None:
        """A receipt is what the file system got back; a checkout has the right files, and nothing lies beside it."""
        if verb.name in ("build purge", "retire") and outcome.answer:
            freed, receipt = bytes_before - self.store.pack_bytes(), outcome.answer["bytes"]
            require(freed == receipt, f"the receipt says {receipt} bytes, the file system got back {freed}")
        if verb.target is not None and verb.content is not None:
            check_tree(verb.target, verb.content)
            odd = [path.name for path in verb.target.parent.iterdir() if not path.name.isdigit()]
            require(not odd, f"this was left beside the checkout: {odd}")

    def keep(self) -> None:
        """Keeps a copy of the store as an interruption left it, for whoever has to find out."""
        shutil.rmtree(self.kept, ignore_errors=True)
        if self.store.root.exists():
            shutil.copytree(self.store.root, self.kept)

    # Interruptions

    def strike(self, verb: Verb, rng: random.Random) -> Strike:
        """Interrupts a verb in one of the ways."""
        calls = self.calls.get(verb.key, [])
        draw = rng.random() if self.program.strace and calls else 1.0
        if draw < FAULT_ROUNDS:
            return self.fail(verb, [call for call in calls if not call.is_output], rng)
        args = self.store.line(*verb.args)
        return self.kill(verb.name, verb.key, args, calls if draw < FAULT_ROUNDS + CALL_ROUNDS else [], rng)

    def kill(self, name: str, key: str, args: list[str], calls: list[Call], rng: random.Random) -> Strike:
        """Kills a command at one of these calls, or at a moment if there are none."""
        if calls:
            call = some_call(calls, rng)
            strike = Strike(CALL, f"{call.name} {call.number}", self.program.kill_at(args, call))
        else:
            seconds = self.program.some_moment(key, rng)
            strike = Strike(MOMENT, f"after {seconds:.4f} s", self.program.kill_after(args, seconds))
        if not strike.outcome.was_killed:
            require(strike.outcome.code == 0, f"this must succeed or be killed: {strike.outcome}")
            strike = Strike(ENDED, strike.detail, strike.outcome)
        self.count(name, strike.way)
        return strike

    def kill_recovery(self, rng: random.Random) -> None:
        """Kills the command that recovers from a kill."""
        args = rng.choice(RECOVERING)
        calls = self.calls.get("fsck --counts", []) if rng.random() < CALL_ROUNDS else []
        strike = self.kill(RECOVERY, " ".join(args), self.store.line(*args), calls, rng)
        self.what += f", then {strike.way} {strike.detail} in {' '.join(args)}"

    def fail(self, verb: Verb, calls: list[Call], rng: random.Random) -> Strike:
        """Lets a system call of a command fail, or all of its name from then on."""
        way = rng.choice((EIO, ENOSPC))
        call = some_call([call for call in calls if way == EIO or call.name in SPACE_CALLS], rng)
        is_lasting = rng.random() < LASTING_FAULTS
        outcome, failed = self.program.fail_at(self.store.line(*verb.args, json=False), call, way, is_lasting)
        detail = f"at {call.name} {call.number}{' and all later ones' if is_lasting else ''}"
        strike = Strike(ENDED if failed is Failed.NOTHING else way, detail, outcome)
        self.count(verb.name, strike.way)
        if outcome.code != 0:
            self.what += f", {way} {detail}"
            require(failed is not Failed.NOTHING, f"this must succeed: {outcome}")
            check_failure(outcome, failed)
        return strike

    def count(self, name: str, way: str) -> None:
        """Counts what was done to a verb."""
        self.counts.setdefault(name, Counter())[way] += 1
        self.kills += way in KILLS


def some_call(calls: list[Call], rng: random.Random) -> Call:
    """One of these calls; names that are seldom are chosen as often as those that are not, half of the time."""
    if rng.random() < 0.5:
        name = rng.choice(sorted({call.name for call in calls}))
        calls = [call for call in calls if call.name == name]
    return rng.choice(calls)
