"""The way back from a batch as a script: whose lines are in it, and whose are not."""

from __future__ import annotations

from typing import Any

import pytest

from inventory import clock, ledger
from migrations_app.changes import undo
from migrations_app.changes.facts import facts_of
from migrations_app.lifecycle import MoveName, State
from migrations_app.models import Batch, Change, Departure, Holdings
from tests import cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def everybody() -> cast.Cast:
    return cast.cast()


def batch(everybody: cast.Cast, **columns: Any) -> Batch:
    return cast.batch(everybody.account, everybody.jonas, number=41, **columns)


def asked(row: Batch, name: str, status: str = "queued", **columns: Any) -> Change:
    """A change that bears its facts, and the calls of a shut at once."""
    of = cast.departure(name, State.OWNER_ASSIGNED)
    facts = facts_of(of, cast.everything_held(name), MoveName.DISABLE, "shut")
    columns = {"facts": facts, "digest": ledger.digest(facts)} | columns
    return cast.change(of, row.move, batch=row, status=status, **columns)


def test_a_disable_is_taken_back_user_by_user(everybody: cast.Cast) -> None:
    row = batch(everybody)
    asked(row, "one")
    asked(row, "two", "asked")
    asked(row, "left", "left-out")
    asked(row, "unseen", facts={})
    lines = undo.script(row).splitlines()
    assert lines[0] == "#!/bin/sh"
    assert lines[1].startswith("# Undo of batch ")
    assert cast.ACCOUNT_ID in lines[1]
    assert "set -u" in lines
    heads = [line for line in lines if line.startswith(("# one", "# two", "# left", "# unseen"))]
    assert heads == [f"# {name} (AIDAEVERYTHINGHELD00)" for name in ("one", "two")]
    assert sum("update-access-key" in line for line in lines) == 2
    assert undo.script(row).endswith("\n")


def test_keys_that_leaked_stay_inactive_and_the_rest_comes_back(everybody: cast.Cast) -> None:
    row = batch(everybody, urgent=True, reason="leaked")
    change = asked(row, "one")
    script = undo.script(row)
    assert "Its access keys leaked" in script
    assert "update-access-key" not in script
    assert "update-ssh-public-key" in script
    calls = [one for one in change.facts["calls"] if one["operation"] != "UpdateAccessKey"]
    Change.objects.update(facts=change.facts | {"calls": calls})
    assert "leaked" not in undo.script(row)


def test_a_name_that_breaks_its_line_stays_a_comment(everybody: cast.Cast) -> None:
    row = batch(everybody)
    change = asked(row, "one")
    Change.objects.update(facts=change.facts | {"user_name": "one\nrm -rf /"})
    assert "\nrm -rf" not in undo.script(row)


def test_a_deletion_creates_anew_who_was_saved(everybody: cast.Cast) -> None:
    row = batch(everybody, move="delete")
    for name, kept in (("one", True), ("never-saved", False)):
        change = asked(row, name)
        if kept:
            Holdings.objects.create(
                departure=change.departure,
                change=change,
                taken_at=clock.now(),
                document=cast.everything_held(name).document(),
            )
    script = undo.script(row)
    assert "deletes users of account" in script
    assert "create-user" in script
    assert "never-saved" not in script
    assert Departure.objects.count() == 2
