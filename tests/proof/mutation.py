"""Mutation testing: for each mutant a fork, and in it the tests that run its line, quickest first.

Results are kept by module and by the digest of its source, so a run can be stopped and goes on, and
a module that did not change is not measured again.
"""

from __future__ import annotations

import ast
import importlib
import json
import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.proof.coverage_map import Coverage
from tests.proof.kept import commit, now
from tests.proof.operators import Mutant, mutants
from tests.proof.swap import Module
from tests.proof.targets import TARGETS, Target
from tests.proof.warm import Warm

# At most so many tests, and seconds of tests, are tried on one mutant; one that survives them
# counts as surviving, so the share of killed ones is a lower bound.
MOST_TESTS = 150
BUDGET = 40.0
SEED = 20261125
ALIVE = ("survived", "not covered")


@dataclass(slots=True)
class Results:
    """What is known of the mutants of one module."""

    target: Target
    seconds: float = 0.0
    measured_at: str = ""
    commit: str = ""
    sample: int = 0
    total: int = 0
    outcomes: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, target: Target) -> Results:
        """The kept results of this very source; empty ones where it changed."""
        try:
            kept = json.loads(target.results.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return cls(target)
        if kept["source"] != target.digest:
            return cls(target)
        return cls(
            target,
            kept["seconds"],
            kept["measured_at"],
            kept["commit"],
            kept["sample"],
            kept["total"],
            kept["mutants"],
        )

    def write(self) -> None:
        self.target.results.parent.mkdir(parents=True, exist_ok=True)
        kept = {
            "module": self.target.module,
            "source": self.target.digest,
            "measured_at": self.measured_at,
            "commit": self.commit,
            "seconds": round(self.seconds, 1),
            "seed": SEED,
            "total": self.total,
            "sample": self.sample,
            "mutants": self.outcomes,
        }
        text = json.dumps(kept, indent=0, ensure_ascii=False)
        self.target.results.write_text(f"{text}\n", encoding="utf-8")


def chosen(target: Target, all_of_it: list[Mutant], sample: int) -> list[Mutant]:
    """The mutants to try: all, or a seeded sample in which each kind has its share.

    A larger sample holds the smaller one, so that it can be widened.
    """
    if not sample or sample >= len(all_of_it):
        return all_of_it
    dice = random.Random(f"{SEED} {target.name}")
    kinds: dict[str, list[Mutant]] = {}
    for mutant in all_of_it:
        kinds.setdefault(mutant.kind, []).append(mutant)
    ranked: list[tuple[float, str, str]] = []
    for kind, same in sorted(kinds.items()):
        dice.shuffle(same)
        ranked += [((n + dice.random()) / len(same), kind, one.key) for n, one in enumerate(same)]
    keys = {key for _, _, key in sorted(ranked)[:sample]}
    return [mutant for mutant in all_of_it if mutant.key in keys]


class Mutating:
    """One run over some modules, until `until` (of the monotonic clock)."""

    def __init__(
        self, targets: Iterable[Target], *, sample: int, until: float, again: bool
    ) -> None:
        self.targets, self.sample, self.until, self.again = list(targets), sample, until, again
        self.coverage = Coverage()
        self.finished = False
        self.commit = commit()
        self._deaf: dict[tuple[str, int, str], bool] = {}
        self._killers: Counter[str] = Counter()

    def __call__(self, warm: Warm) -> None:
        if not self.coverage.record(warm, self.until):
            print("The recording of what tests run goes on in the next piece.")
            return
        if self.coverage.red:
            print("Red without any mutant, and left out:", *sorted(self.coverage.red), sep="\n  ")
        done = [self._module(warm, target) for target in self.targets]
        self.finished = all(done)

    def _module(self, warm: Warm, target: Target) -> bool:
        tree = ast.parse(target.source)
        everything = mutants(tree)
        results = Results.of(target)
        results.total = len(everything)
        picked = chosen(target, everything, self._sample(results))
        results.sample = len(picked) if len(picked) < len(everything) else 0
        known = {mutant.key for mutant in picked}
        results.outcomes = {k: v for k, v in results.outcomes.items() if k in known}
        module = Module(importlib.import_module(target.module), tree)
        for mutant in picked:
            before = results.outcomes.get(mutant.key)
            if before and (before["outcome"] not in ALIVE or not self.again):
                continue
            if time.monotonic() > self.until:
                return False
            self._try(warm, module, mutant, results)
        results.write()
        self._tell(results)
        return True

    def _sample(self, results: Results) -> int:
        """How many to try, 0 for all; never fewer than were tried of this very source before."""
        if results.target.part != "changes" or (results.outcomes and not results.sample):
            return 0
        return self.sample and max(self.sample, results.sample)

    def _try(self, warm: Warm, module: Module, mutant: Mutant, results: Results) -> None:
        tests = self._order(results.target, mutant)
        trial = warm.try_out(lambda: module.become(mutant), tests)
        while trial.outcome == "killed" and self._says_nothing(warm, module, mutant, trial.by):
            tests.remove(trial.by)
            trial = warm.try_out(lambda: module.become(mutant), tests)
        if trial.outcome == "killed":
            self._killers[trial.by] += 1
        results.outcomes[mutant.key] = {
            "outcome": trial.outcome if tests else "not covered",
            "by": trial.by,
            "ran": trial.ran,
        }
        results.seconds += trial.seconds
        results.measured_at = now()
        results.commit = self.commit
        results.write()

    def _says_nothing(self, warm: Warm, module: Module, mutant: Mutant, test: str) -> bool:
        """Whether the test fails as well when the statement is run anew without the change."""
        if mutant.site.inside or test not in warm.items:
            return False
        place = (module.file, mutant.site.statement, test)
        if place not in self._deaf:
            self._deaf[place] = (
                warm.try_out(lambda: module.stay(mutant), [test]).outcome != "survived"
            )
        return self._deaf[place]

    def _order(self, target: Target, mutant: Mutant) -> list[str]:
        """The tests to ask, those first that killed before and are quick; within the budget.

        A case comes by what it takes together with the quicker ones of its test: they mostly fail
        together, yet all cases of a quick test come before a slow one.
        """
        lines = [mutant.line] if mutant.site.inside else mutant.site.used_at
        tests = {name for line in lines for name in self.coverage.tests(target.name, line)}
        lineless = set() if mutant.site.inside else self.coverage.lineless()
        tests = (tests or set(self.coverage.all_tests(target.name))) | lineless
        together: defaultdict[str, float] = defaultdict(float)
        ranked = []
        seconds = self.coverage.seconds
        for name in sorted(tests, key=lambda name: (seconds[name], name)):
            if name.partition("::")[0] in target.tests:
                function = name.partition("[")[0]
                together[function] += seconds[name]
                known = self._killers[name] > 0 and seconds[name] < 1.0
                ranked.append((not known, name not in lineless, together[function], name))
        budget = BUDGET
        taken: list[str] = []
        for *_, name in sorted(ranked):
            budget -= seconds[name]
            if taken and (budget < 0 or len(taken) == MOST_TESTS):
                break
            taken.append(name)
        return taken

    def _tell(self, results: Results) -> None:
        counts = Counter(one["outcome"] for one in results.outcomes.values())
        print(results.target.name, dict(counts), f"{results.seconds:.0f} s")


def mutate(names: list[str], *, sample: int, minutes: float, again: bool) -> int:
    """Measure; 0 when it is complete, 75 when time ran out and the next call goes on."""
    work = Mutating(
        [TARGETS[name] for name in names],
        sample=sample,
        until=time.monotonic() + minutes * 60,
        again=again,
    )
    warm = Warm(work)
    files = sorted({file for target in work.targets for file in target.tests})
    options = [
        "-q",
        "-n0",
        "-p",
        "no:cacheprovider",
        "-m",
        "not browser and not worker and not slow",
    ]
    code = pytest.main([*options, "--hypothesis-seed=0", *files], plugins=[warm])
    if warm.fault:
        raise warm.fault
    return int(code) or (0 if work.finished else 75)
