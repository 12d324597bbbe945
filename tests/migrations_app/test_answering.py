"""One answer of a team, by the word that the page and the API send: each does what it says."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest

from inventory import clock
from inventory.models import Person, Role
from inventory.refusals import NotAllowed, Refused, Stale
from migrations_app import changes
from migrations_app.lifecycle import State
from migrations_app.models import Departure, GivenAnswer
from tests import cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def everybody() -> cast.Cast:
    return cast.cast()


@pytest.fixture
def theirs(everybody: cast.Cast) -> Departure:
    """A user of Payments."""
    return cast.departure("ci-pay-old", State.OWNER_ASSIGNED, everybody.payments)


def now(departure: Departure) -> Departure:
    return Departure.objects.get(pk=departure.pk)


def test_not_ours_lets_go_and_keeps_whose_it_is_said_to_be(
    everybody: cast.Cast, theirs: Departure
) -> None:
    changes.answer(
        theirs, everybody.payments, everybody.sara, "not-ours", whose=everybody.platform, reason="x"
    )
    assert (now(theirs).state, now(theirs).owner) == (State.DISCOVERED, None)
    assert theirs.answers.get().whose == everybody.platform


def test_a_dispute_holds_until_the_day_that_was_said_and_needs_one(
    everybody: cast.Cast, theirs: Departure
) -> None:
    until = clock.now().date() + timedelta(days=9)
    with pytest.raises(Refused, match="until when") as refused:
        changes.answer(theirs, everybody.payments, everybody.sara, "dispute", reason="audit")
    assert refused.value.rule == "input"
    changes.answer(
        theirs, everybody.payments, everybody.sara, "dispute", reason="audit", until=until
    )
    assert now(theirs).disputed_until == until


def test_an_answer_about_several_that_is_sent_twice_is_done(everybody: cast.Cast) -> None:
    rows = [
        cast.departure(name, State.OWNER_ASSIGNED, everybody.payments) for name in ("one", "two")
    ]
    versions = {row.pk: row.version for row in rows}
    several = partial(
        changes.answer_many, rows, everybody.payments, everybody.sara, versions=versions
    )
    for _ in range(2):
        assert several("can-go") == changes.Answered(2, ())
    assert GivenAnswer.objects.count() == 2
    ended = several("needed")
    assert (ended.done, len(ended.refused)) == (0, 2)
    assert several("can-go", reason="asked again").done == 0
    cast.person("tim", "Tim", [Role.LEAD], everybody.payments)
    assert (
        changes.answer_many(
            rows, everybody.payments, Person.objects.get(username="tim"), "can-go", versions
        ).done
        == 0
    )


def test_a_hand_over_offers_it_to_the_team_that_was_named_and_needs_one(
    everybody: cast.Cast, theirs: Departure
) -> None:
    with pytest.raises(Refused, match="Choose the team") as refused:
        changes.answer(theirs, everybody.payments, everybody.sara, "hand-over")
    assert refused.value.rule == "input"
    changes.answer(
        theirs, everybody.payments, everybody.sara, "hand-over", whose=everybody.platform
    )
    assert now(theirs).handed_to == everybody.platform


@pytest.mark.parametrize(("said", "owner"), [("accept", "platform"), ("decline", "payments")])
def test_the_team_that_was_asked_takes_it_or_sends_it_back(
    everybody: cast.Cast, theirs: Departure, said: str, owner: str
) -> None:
    offered = changes.hand_over(theirs, everybody.platform, everybody.sara)
    changes.answer(offered, everybody.platform, everybody.priya, said)
    after = now(theirs)
    assert after.owner is not None
    assert (after.owner.key, after.handed_to) == (owner, None)


def test_an_answer_is_taken_back(everybody: cast.Cast) -> None:
    found = cast.departure(cast.iam_user("ci-pay-old", suggested_team=everybody.payments))
    changes.answer(found, everybody.payments, everybody.sara, "can-go", reason="it moved")
    assert (now(found).owner, now(found).answer) == (everybody.payments, "can-go")
    changes.answer(now(found), everybody.payments, everybody.sara, "undo")
    assert (now(found).owner, now(found).answer) == (None, "")


def test_nobody_answers_in_the_name_of_another_team(
    everybody: cast.Cast, theirs: Departure
) -> None:
    claimed = changes.claim(theirs, everybody.payments, everybody.sara, "needed")
    with pytest.raises(NotAllowed):
        changes.answer(claimed, everybody.platform, everybody.sara, "undo")
    assert now(theirs).answer == "needed"


def test_an_answer_to_what_the_person_did_not_see_is_stale(
    everybody: cast.Cast, theirs: Departure
) -> None:
    seen = theirs.version
    changes.claim(now(theirs), everybody.payments, everybody.jonas, "unsure")
    with pytest.raises(Stale):
        changes.answer(now(theirs), everybody.payments, everybody.sara, "can-go", version=seen)
    changes.answer(
        theirs, everybody.payments, everybody.sara, "can-go", version=now(theirs).version
    )
    assert now(theirs).answer == "can-go"


# ── Several at once ──────────────────────────────────────────────────────────────────────────────


def test_one_answer_about_several_counts_who_took_it_and_names_who_did_not(
    everybody: cast.Cast,
) -> None:
    rows = [
        cast.departure(name, State.OWNER_ASSIGNED, everybody.payments)
        for name in ("ci-1", "ci-2", "ci-3")
    ]
    versions = {row.pk: row.version for row in rows}
    changes.claim(rows[1], everybody.payments, everybody.jonas, "unsure")

    told = changes.answer_many(
        map(now, rows), everybody.payments, everybody.sara, "can-go", versions, reason="it moved"
    )

    assert told.done == 2
    (why,) = told.refused
    assert why.startswith("ci-2 was changed meanwhile by Jonas Weber")
    assert [now(row).answer for row in rows] == ["can-go", "unsure", "can-go"]
    assert rows[0].answers.get().note == "it moved"


def test_a_reason_that_names_nobody_is_told_with_the_name(
    everybody: cast.Cast, theirs: Departure
) -> None:
    told = changes.answer_many([theirs], everybody.payments, everybody.sara, "hand-over", {})
    assert told.done == 0
    assert told.refused == ("ci-pay-old: Choose the team to hand it to.",)


def test_whoever_may_not_answer_is_refused_whole(everybody: cast.Cast, theirs: Departure) -> None:
    for rows in ([], [theirs]):
        with pytest.raises(NotAllowed):
            changes.answer_many(rows, everybody.payments, everybody.priya, "can-go", {})
    # One of another team, in the middle of it, ends it too.
    offered = changes.hand_over(theirs, everybody.platform, everybody.sara)
    with pytest.raises(NotAllowed):
        changes.answer_many([offered], everybody.payments, everybody.sara, "accept", {})
