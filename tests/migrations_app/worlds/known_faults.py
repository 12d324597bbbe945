"""Faults put into the engine on purpose: worlds that do not find them prove nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from django.db.models import Max

from migrations_app import aws, guards
from migrations_app.changes import batches, forward, journal, restoring, running, situation
from migrations_app.changes.journal import RowJournal
from migrations_app.models import Batch, Call, Change, Departure
from tests.migrations_app.worlds import clocks, foreign, people, workers
from tests.migrations_app.worlds.driver import Emphasis

_BUSY: dict[str, float] = {"good_batch": 4, "ripen": 3, "write_worker": 2}


@dataclass(frozen=True)
class KnownFault:
    """How the engine is broken, and of what the worlds that look for it have more."""

    put: Callable[[pytest.MonkeyPatch], None]
    words: str
    emphasis: Emphasis = field(default_factory=Emphasis)
    seeds: int = 20


class _NoStop:
    """An emergency stop that nobody can see."""

    class objects:
        @staticmethod
        def filter(**_: Any) -> Any:
            return Batch.objects.none()


def _not_asked(patch: pytest.MonkeyPatch, what: str, answer: str) -> None:
    """The last look before each write does not ask for this."""
    assert what in journal._MEANWHILE
    patch.setattr(journal, "_MEANWHILE", journal._MEANWHILE.replace(what, answer))


def _protection_ignored(patch: pytest.MonkeyPatch) -> None:
    # Protecting asks for a restore as well, which the same look would see.
    patch.setattr(RowJournal, "gate", RowJournal.hold)


def _stop_ignored(patch: pytest.MonkeyPatch) -> None:
    for module in (running, situation):
        patch.setattr(module, "EmergencyStop", _NoStop)
    pulled = "EXISTS (SELECT FROM migrations_app_emergencystop WHERE lifted_at IS NULL)"
    _not_asked(patch, pulled, "false")


def _lease_ignored(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(RowJournal, "hold", lambda self, lease=None: None)
    patch.setattr(RowJournal, "_believe", staticmethod(lambda held: None))
    for method in ("_line", "keep_looks"):
        patch.setattr(RowJournal, method, _numbered_anew(getattr(RowJournal, method)))


def _numbered_anew(really: Callable[..., Any]) -> Callable[..., Any]:
    """No change has a number twice in its journal, which alone would hold a second worker."""

    def numbered(self: RowJournal, **columns: object) -> Any:
        last = self.change.calls.aggregate(last=Max("seq"))["last"] or 0
        for seq, look in enumerate(self._looks, last + 1):
            look.seq = seq
        self._last = last + len(self._looks)
        return really(self, **columns)

    return numbered


def _line_dropped(patch: pytest.MonkeyPatch) -> None:
    really = RowJournal.before

    def before(self: RowJournal, call: aws.PlannedCall, attempt: int) -> int:
        line = really(self, call, attempt)
        Call.objects.filter(pk=line, operation="DeleteLoginProfile").delete()
        return line

    patch.setattr(RowJournal, "before", before)


def _identity_not_compared(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(aws.Writer, "same_user", lambda self: None)
    patch.setattr(forward, "_not_this_user", lambda change, why: forward.LeftOut(why))


def _all_keys_activated(patch: pytest.MonkeyPatch) -> None:
    really = restoring.made_by_us

    def made(departure: Departure, by: Change | None = None) -> aws.Made:
        saved = departure.holdings.first()
        keys = [key["id"] for key in saved.document["access_keys"]] if saved else []
        return replace(really(departure, by), access_keys=frozenset(keys))

    patch.setattr(restoring, "made_by_us", made)


def _foreign_fence_detached(patch: pytest.MonkeyPatch) -> None:
    really = restoring.made_by_us

    def made(departure: Departure, by: Change | None = None) -> aws.Made:
        return replace(really(departure, by), policy_fence=True)

    patch.setattr(restoring, "made_by_us", made)


def _no_proof(patch: pytest.MonkeyPatch) -> None:
    proof = aws.Proof("NoSuchEntity", "DeleteUser")
    patch.setattr(aws, "prove_deleted", lambda *_, **__: proof)


def _hit_ignored(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(guards, "_objections", lambda s, now: iter(()))


def _approval_survives(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(batches, "_draft", lambda batch: Batch.objects.select_related("account").get(
        pk=batch.pk))  # fmt: skip


KNOWN: dict[str, KnownFault] = {
    "the gate ignores protection": KnownFault(
        _protection_ignored,
        "Rule 3",
        Emphasis(_BUSY, deaths=0, meanwhile=1, deeds=(people.protect,)),
    ),
    "the emergency stop is ignored": KnownFault(
        _stop_ignored, "Rule 12", Emphasis(_BUSY, deaths=0, meanwhile=1, deeds=(people.pull,))
    ),
    "the lease is ignored": KnownFault(
        _lease_ignored,
        "and has ended",
        Emphasis(_BUSY, deaths=0, meanwhile=1, deeds=(workers.rival,)),
    ),
    "a journal line is dropped": KnownFault(_line_dropped, "Rule 10", Emphasis(_BUSY, deaths=0)),
    "the identity is not compared": KnownFault(
        _identity_not_compared,
        "Rule 2",
        Emphasis(_BUSY, deaths=0, meanwhile=1, deeds=(foreign.recreate,)),
    ),
    "a restore activates all keys": KnownFault(
        _all_keys_activated, "Rule 9", Emphasis({"undo": 20})
    ),
    "a foreign deny is detached": KnownFault(
        _foreign_fence_detached,
        "Rule 9",
        Emphasis({"foreign_deny": 30, "undo": 15, "good_batch": 3}),
    ),
    "deleted is recorded without proof": KnownFault(
        _no_proof,
        "Rule 7",
        Emphasis(
            {"ripen": 10, "approve": 3, "undo": 0.1, "restore": 0.1, "protect": 0.1},
            deaths=0,
            meanwhile=1,
            deeds=(clocks.strike,),
            strikes=("no-such-entity", "DeleteUser"),
        ),
    ),
    "shut in spite of an open hit": KnownFault(
        _hit_ignored,
        "open hit",
        Emphasis({"call": 40, "ripen": 4, "close_hit": 0.1}, deaths=0, meanwhile=0),
    ),
    "an approval survives a changed batch": KnownFault(
        _approval_survives,
        "was allowed",
        Emphasis({"change_draft": 60, "whole_batch": 8, "good_batch": 0.1, "ripen": 0.1}, deaths=0),
    ),
}
