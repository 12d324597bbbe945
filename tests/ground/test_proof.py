"""The proof page says what was measured; its reasons and removals are about code that is there."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.migrations_app.cells import counting
from tests.proof import page
from tests.proof.mutation import Mutating, Results
from tests.proof.operators import mutants
from tests.proof.removing import without
from tests.proof.rules import NAMES, REMOVALS, Removal
from tests.proof.swap import Module
from tests.proof.targets import TARGETS


def test_the_page_is_what_the_kept_results_say() -> None:
    assert page.PAGE.read_text(encoding="utf-8") == page.page(), "Run: python -m tests.proof page"


def test_what_was_not_measured_is_said_to_be_not_run(tmp_path: Path) -> None:
    told = page.page(tmp_path)
    assert told.count("not run") >= len(TARGETS) + len(REMOVALS)
    assert "100.0%" not in told


def test_a_module_that_was_measured_by_half_is_not_counted(tmp_path: Path) -> None:
    result = {
        "source": "0", "measured_at": "", "commit": "", "seconds": 1, "seed": 1, "sample": 0,
        "total": 2, "mutants": {"a": {"outcome": "killed"}},
    }  # fmt: skip
    (tmp_path / "mutation").mkdir()
    (tmp_path / "mutation" / "guards.json").write_text(json.dumps(result))
    assert page.measured("guards", tmp_path) is None
    result["mutants"] = {"a": {"outcome": "killed"}, "b": {"outcome": "survived"}}
    (tmp_path / "mutation" / "guards.json").write_text(json.dumps(result))
    found = page.measured("guards", tmp_path)
    assert found
    assert found.share == 0.5


def test_cells_are_told_with_their_day_and_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IAMCLEANUP_PROOF_DIR", str(tmp_path))
    for test, at in (("one", "2026-11-01T10:00+00:00"), ("two", "2026-11-02T10:00+00:00")):
        monkeypatch.setattr(counting, "commit", lambda test=test: f"c-{test}")
        monkeypatch.setattr(counting, "now", lambda at=at: at)
        with counting.counted(test) as count:
            count.ended("fault in fence")
    told = page.page(tmp_path)
    assert "| fault in fence | 2 | 2 | 0 | 0 |" in told
    assert "measured_at 2026-11-01T10:00+00:00, commit c-one c-two" in told


@pytest.mark.parametrize(
    ("asked", "before", "tries"),
    [(30, 0, 0), (30, 60, 60), (60, 30, 60), (0, 30, 0), (30, None, 30)],
)
def test_a_smaller_sample_takes_nothing_back(asked: int, before: int | None, tries: int) -> None:
    target = TARGETS["changes/plans"]
    work = Mutating([target], sample=asked, until=0.0, again=False)
    known = (
        Results(target) if before is None else Results(target, sample=before, outcomes={"a": {}})
    )
    assert work._sample(known) == tries
    assert work._sample(Results(TARGETS["guards"], sample=before or 0)) == 0


def test_every_reason_is_about_a_mutant_that_there_is() -> None:
    for module, key in page.reasons():
        known = {mutant.key for mutant in mutants(ast.parse(TARGETS[module].source))}
        assert key in known, f"{module}: {key} is gone; take its reason out of survivors.toml."


def test_each_of_the_twenty_rules_is_taken_out_somewhere() -> None:
    assert {removal.rule for removal in REMOVALS} == set(NAMES) == set(range(1, 21))
    assert len({removal.key for removal in REMOVALS}) == len(REMOVALS)


@pytest.mark.parametrize("removal", REMOVALS, ids=lambda removal: removal.key)
def test_a_removal_takes_out_what_is_there(removal: Removal) -> None:
    assert removal.tests
    assert removal.sql or without(removal)


def in_a_process(*words: str) -> subprocess.CompletedProcess[str]:
    """`python -m tests.proof`, on a database that no other test process has."""
    base, _, name = os.environ["DATABASE_URL"].rpartition("/")
    return subprocess.run(
        [sys.executable, "-m", "tests.proof", *words],
        env={**os.environ, "DATABASE_URL": f"{base}/proof_{name}"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_rules_that_need_no_database_are_missed_when_they_are_taken_out() -> None:
    told = in_a_process("rules", "--quick")
    assert told.returncode == 0, told.stdout + told.stderr


SOURCE = """
LIMIT = 3


def small(number, others):
    if number < LIMIT and others:
        return number
    return 0
"""


def test_mutants_are_wrong_in_one_place_each_and_leave_the_tree_as_it_was() -> None:
    tree = ast.parse(SOURCE)
    whole = ast.unparse(tree)
    seen = set()
    for mutant in mutants(tree):
        mutant.put()
        seen.add(ast.unparse(tree))
        mutant.undo()
        assert ast.unparse(tree) == whole
    assert whole not in seen
    assert any("number <= LIMIT" in text for text in seen)
    assert any("LIMIT = 4" in text for text in seen)
    assert any("number < LIMIT or others" in text for text in seen)


def test_a_mutant_lives_in_the_functions_that_others_hold_already(tmp_path: Path) -> None:
    import importlib.util

    file = tmp_path / "mutated_here.py"
    file.write_text(SOURCE)
    spec = importlib.util.spec_from_file_location("mutated_here", file)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    held = module.small
    tree = ast.parse(SOURCE)
    there = Module(module, tree)
    (wider,) = [one for one in mutants(tree) if "number <= LIMIT" in one.key]
    assert held(3, True) == 0
    there.become(wider)
    assert held(3, True) == 3
