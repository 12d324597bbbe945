"""Every call of every change × every way in which AWS may fail to answer it as it should.

A fault strikes one call of a run, once. `expected` says for each cell which of the three ends it
must come to: done as the undisturbed run is, failed loudly and mended by a person, or refused.
"""

from __future__ import annotations

from typing import Any

import pytest

from demo.aws.calls import OPERATIONS
from demo.aws.faults import Fault
from inventory.models import Alert
from migrations_app.models import Batch, Change
from tests.migrations_app.cells.counting import counted
from tests.migrations_app.cells.scenes import SCENES, Scene, Usual, scene, usual
from tests.migrations_app.stage import Stage, written

pytestmark = pytest.mark.django_db
# The SDK itself asks again, where only a reader asks.
SENT_AGAIN = ("throttling", "error", "reset", "time-out")
SETTLING = (
    "temporarily-unmodifiable",
    "concurrent-modification",
    "limit-exceeded",
    "delete-conflict",
)
FINAL = ("access-denied", "no-such-entity")
ODD_READS = ("stale", "short-pages")
LOST_ANSWERS = ("error-after", "reset-after")
KINDS = (*SENT_AGAIN, *SETTLING, *FINAL, *ODD_READS, *LOST_ANSWERS)
EVIDENCE = ("GetAccessKeyLastUsed", "LookupEvents")
# "Not there" about one of these is an answer, and nothing in the run can tell that it is wrong.
PARTS = ("GetLoginProfile", "GetSSHPublicKey", "GetUserPolicy")
GROUPS = {
    "the SDK sends again": SENT_AGAIN,
    "settling": SETTLING,
    "final": FINAL,
    "odd reads and lost answers": (*ODD_READS, *LOST_ANSWERS),
}
# With each commit every second kind for each scene; each kind meets half of the scenes.
SELECTED = {
    name: [kind for place, kind in enumerate(KINDS) if (place + number) % 2 == 0]
    for number, name in enumerate(SCENES)
}
Note = dict[str, Any]


def writes(note: Note) -> bool:
    return OPERATIONS[note["service"], note["operation"]].writes


def concerns(kind: str, note: Note) -> bool:
    """Only a read can be stale or come in pages; only of a write can the answer alone be lost."""
    return kind not in (LOST_ANSWERS if not writes(note) else ODD_READS)


def expected(run: Usual, number: int, kind: str) -> str:
    """The end that a cell must come to: done, loud or refused."""
    note = run.calls[number]
    operation = note["operation"]
    if operation in EVIDENCE and kind not in ODD_READS:
        # Unknown is never unused: whoever could not be looked at is left out.
        asked_again = kind in SENT_AGAIN and operation != "LookupEvents"
        return "done" if asked_again else "refused"
    if kind == "stale" and operation in PARTS and number < run.looked and operation in run.missing:
        # A password of before the shut is one that nobody approved, whoever looks at it.
        return "refused"
    # Whose credentials these are is asked again until it is told. A role that may not be assumed is
    # a failure like any other that AWS has the last word in.
    if kind not in FINAL or operation == "GetCallerIdentity":
        return "done"
    if kind == "access-denied":
        return "loud"
    return _told_that_it_is_not_there(run, number, operation)


def _told_that_it_is_not_there(run: Usual, number: int, operation: str) -> str:
    early = number < run.looked
    if writes(run.calls[number]):
        # A listing is asked whether a virtual device is gone: nothing else would show it.
        return "loud" if operation in ("AttachUserPolicy", "DeleteVirtualMFADevice") else "done"
    if operation in PARTS:
        return "refused" if early and operation not in run.missing else "done"
    if operation == "GetUser":
        # A first look that ListUsers contradicts is asked again, and a proof of deletion is true.
        return "done" if early or number > run.gone else "loud"
    return "loud"


def disturb(disturbed: Scene, run: Usual, number: int, kind: str) -> str:
    """Let the fault strike; the end that the change comes to by itself, looked at closely."""
    stage, change = disturbed.stage, disturbed.change
    fault = Fault(kind, "*", skip=number)
    stage.simulator.faults.add(fault)
    sent = len(stage.writes())
    for _ in range(6):
        stage.no_waiting()
        disturbed.work()
        change.refresh_from_db()
        if change.status in (*Change.ENDED, Change.Status.FAILED):
            break
    assert fault.struck == 1, "the fault struck nothing"
    told = written(change)
    assert len(told) == len(stage.writes()) - sent, "AWS was asked for what no line tells of"
    assert all(line.outcome for line in told), "a line has no answer"
    assert disturbed.gapless()
    if change.status == Change.Status.DONE:
        see_done(disturbed, run, by_fall_back=kind == "limit-exceeded")
        return "done"
    if change.status == Change.Status.LEFT_OUT:
        assert change.result
        assert not told, "left out after a write"
        return "refused"
    assert change.status == Change.Status.FAILED, change.status
    see_loud(disturbed, fault)
    stage.simulator.faults.clear()
    assert disturbed.finish().status == Change.Status.DONE, f"not mended: {change.error}"
    see_done(disturbed, run)
    return "loud"


def see_done(disturbed: Scene, run: Usual, *, by_fall_back: bool = False) -> None:
    stage, departure = disturbed.stage, disturbed.departure
    found = stage.left(departure)
    if by_fall_back and found["fence"] == "boundary":
        # A quota that only AWS knows of: the fence is the boundary then.
        assert found["user"].boundary.endswith("AWSDenyAll")
        assert found["state"] == run.left["state"]
        return
    differs = {key: (found[key], run.left[key]) for key in found if found[key] != run.left[key]}
    assert not differs, differs


def see_loud(disturbed: Scene, fault: Fault) -> None:
    """Failed with AWS's words and an alert; the batch holds where nobody else would succeed."""
    change = disturbed.change
    assert change.error
    assert change.error_code
    if fault.kind == "access-denied":
        assert "not authorized" in change.error
    assert Alert.objects.filter(kind="failed", user=disturbed.departure.user).exists()
    if change.batch and change.follows_id is None:
        change.batch.refresh_from_db()
        paused = change.batch.status == Batch.Status.PAUSED
        assert paused == (fault.kind == "access-denied"), change.batch.status


def see_cells(disturbed: Scene, run: Usual, cells: list[tuple[int, str]], name: str) -> None:
    """Each cell is a call, by its number, and a kind of fault."""
    with counted(f"{name} {disturbed.name} {cells}") as count:
        for number, kind in cells:
            cell = f"{disturbed.name}, {run.call(number)}, {kind}"
            with count.cell(cell), disturbed.stage.undone():
                end = disturb(disturbed, run, number, kind)
                wanted = expected(run, number, kind)
                why = f"{disturbed.change.result} {disturbed.change.error}"
                assert end == wanted, f"{end} instead of {wanted}: {why}"
                count.ended(f"{name} {disturbed.name}: {kind}", end)


def concerned(run: Usual, kind: str, *services: str) -> list[int]:
    return [
        number
        for number, note in enumerate(run.calls)
        if concerns(kind, note) and (not services or note["service"] in services)
    ]


@pytest.mark.parametrize("name", SCENES)
@pytest.mark.usefixtures("_kept_sessions")
def test_a_fault_ends_as_expected(stage: Stage, name: str) -> None:
    disturbed = scene(stage, name)
    run = usual(disturbed)
    cells = []
    for kind in SELECTED[name]:
        numbers = concerned(run, kind)
        cells.append((numbers[KINDS.index(kind) * len(numbers) // len(KINDS)], kind))
    see_cells(disturbed, run, cells, "fault in")


@pytest.mark.slow
@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("name", SCENES)
@pytest.mark.usefixtures("_kept_sessions")
def test_a_fault_at_every_call_ends_as_expected(stage: Stage, name: str, group: str) -> None:
    disturbed = scene(stage, name)
    run = usual(disturbed)
    cells = [(number, kind) for kind in GROUPS[group] for number in concerned(run, kind)]
    see_cells(disturbed, run, cells, "fault in")


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENES)
def test_a_fault_while_signing_in_ends_as_expected(stage: Stage, name: str) -> None:
    disturbed = scene(stage, name)
    run = usual(disturbed)
    kinds = (*SENT_AGAIN, *SETTLING, *FINAL)
    cells = [(number, kind) for kind in kinds for number in concerned(run, kind, "sts")]
    see_cells(disturbed, run, cells, "fault while signing in for")
