"""Two teams that claim the same user, and users offered to another team."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from inventory import clock
from inventory.models import LedgerEntry, Person, Team
from inventory.policy import add_working_days
from inventory.refusals import NotAllowed, Refused
from migrations_app import changes
from migrations_app.changes import handing_over
from migrations_app.changes.state import locked
from migrations_app.claims import claiming
from migrations_app.lifecycle import MoveName, State
from migrations_app.models import Departure, Notice
from tests import cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def everybody() -> cast.Cast:
    return cast.cast()


def owned(everybody: cast.Cast, state: State = State.OWNER_ASSIGNED) -> Departure:
    return cast.departure("ci-pay-old", state, everybody.payments)


def contested(everybody: cast.Cast, state: State = State.OWNER_ASSIGNED) -> Departure:
    """Owned by Payments, and Platform says that it is theirs."""
    return changes.claim(owned(everybody, state), everybody.platform, everybody.priya, "needed")


def codes(row: Departure, move: MoveName) -> set[str]:
    return {one.code for one in changes.blockers_for([row], move)[row.pk]}


def kept(row: Departure) -> tuple[str, Team | None, Person | None]:
    """The last answer: what, for whom and by whom."""
    last = row.answers.latest("pk")
    return last.said, last.team, last.person


def entry(kind: str) -> dict[str, object]:
    return dict(LedgerEntry.objects.get(kind=kind).data)


def told(kind: str) -> set[str]:
    rows = Notice.objects.filter(kind=kind)
    return {notice.team.key if notice.team else notice.role for notice in rows}


# ── Contests ─────────────────────────────────────────────────────────────────────────────────────


def test_a_second_claim_is_kept_beside_the_first(everybody: cast.Cast) -> None:
    row = contested(everybody)

    assert (row.owner, row.contested_by_team) == (everybody.payments, everybody.platform)
    assert row.contested_by == everybody.priya
    assert row.answers.get(team=everybody.platform).said == "needed"
    assert told("contest") == {"payments", "platform", "engineer"}
    assert entry("claim.contested") == {"team": "platform", "first": "payments", "said": "needed"}


def test_a_claim_that_waits_is_not_overwritten_by_another(everybody: cast.Cast) -> None:
    row = cast.departure("ci-x")
    row = changes.claim(row, everybody.payments, everybody.sara, "can-go")

    row = changes.claim(row, everybody.platform, everybody.priya, "needed")

    assert (row.claim_pending_team, row.contested_by_team) == (
        everybody.payments,
        everybody.platform,
    )
    assert row.answer == "can-go"
    with pytest.raises(Refused, match="Choose one of the two"):
        changes.confirm_claim(row, everybody.jonas)


@pytest.mark.parametrize(
    ("state", "move"),
    [
        (State.OWNER_ASSIGNED, MoveName.DISABLE),
        (State.DISABLED, MoveName.SOAK),
        (State.SOAKING, MoveName.DELETE),
    ],
)
def test_a_contest_holds_every_forward_move(
    everybody: cast.Cast, state: State, move: MoveName
) -> None:
    row = contested(everybody, state)
    assert "contest" in codes(row, move)

    row = changes.settle(row, everybody.payments, everybody.jonas)

    assert "contest" not in codes(row, move)


@pytest.mark.parametrize("state", [State.OWNER_ASSIGNED, State.DISABLED, State.SOAKING])
@pytest.mark.parametrize("winner", ["payments", "platform"])
def test_security_settles_by_choosing_the_team(
    everybody: cast.Cast, winner: str, state: State
) -> None:
    team = getattr(everybody, winner)

    row = changes.settle(contested(everybody, state), team, everybody.jonas, "Seen in their repo")

    assert (row.owner, row.contested_by_team, row.state) == (team, None, state)
    assert row.answer == ("needed" if winner == "platform" else "")
    assert told("contest-settled") == {"payments", "platform"}
    entry = LedgerEntry.objects.get(kind="contest.settled")
    assert entry.data["team"] == winner


def test_the_team_that_waited_first_may_win_too(everybody: cast.Cast) -> None:
    row = changes.claim(cast.departure("ci-x"), everybody.payments, everybody.sara, "can-go")
    row = changes.claim(row, everybody.platform, everybody.priya, "needed")

    row = changes.settle(row, everybody.payments, everybody.jonas)

    assert (row.owner, row.answer, row.claim_pending_team, row.contested_by_team) == (
        everybody.payments,
        "can-go",
        None,
        None,
    )


def test_whoever_lost_a_contest_does_not_claim_it_again(everybody: cast.Cast) -> None:
    row = contested(everybody)
    row = changes.settle(row, everybody.payments, everybody.jonas)
    with pytest.raises(Refused, match="Security settled that"):
        changes.claim(row, everybody.platform, everybody.priya)
    row = changes.hand_over(row, everybody.platform, everybody.sara)
    row = changes.accept_hand_over(row, everybody.priya)
    assert row.owner == everybody.platform


def test_what_security_claims_for_a_team_again_that_team_may_speak_of(
    everybody: cast.Cast,
) -> None:
    row = changes.settle(contested(everybody), everybody.payments, everybody.jonas)
    row = changes.claim(row, everybody.platform, everybody.jonas)
    row = changes.claim(row, everybody.platform, everybody.priya, "can-go")
    assert (row.contested_by_team, kept(row)) == (
        everybody.platform,
        ("can-go", everybody.platform, everybody.priya),
    )


def test_why_security_left_it_where_it_was_is_in_the_ledger(everybody: cast.Cast) -> None:
    changes.settle(contested(everybody), everybody.payments, everybody.jonas, "In their repo")
    assert entry("contest.settled") == {"team": "payments", "note": "In their repo"}


@pytest.mark.parametrize(
    ("reason", "note"), [("In their repo", "In their repo"), ("", "contest settled")]
)
def test_why_security_gave_it_to_the_other_is_in_the_ledger(
    everybody: cast.Cast, reason: str, note: str
) -> None:
    changes.settle(contested(everybody), everybody.platform, everybody.jonas, reason)
    assert entry("move.assign")["note"] == note


def test_the_winners_own_word_stands_whatever_the_other_said_since(everybody: cast.Cast) -> None:
    row = changes.claim(contested(everybody), everybody.payments, everybody.sara, "can-go")
    assert changes.settle(row, everybody.platform, everybody.jonas).answer == "needed"


def test_only_an_engineer_settles_and_only_between_the_two(everybody: cast.Cast) -> None:
    row = contested(everybody)
    for person in (everybody.sara, everybody.priya, everybody.ada):
        with pytest.raises(NotAllowed):
            changes.settle(row, everybody.payments, person)
    with pytest.raises(Refused, match="Choose Payments or Platform"):
        changes.settle(row, everybody.security, everybody.jonas)
    row = changes.settle(row, everybody.payments, everybody.jonas)
    with pytest.raises(Refused, match="nothing to settle"):
        changes.settle(row, everybody.payments, everybody.jonas)


def test_a_third_team_waits_until_it_is_settled(everybody: cast.Cast) -> None:
    row = contested(everybody)
    with pytest.raises(Refused, match="Payments and Platform both claim"):
        changes.claim(row, everybody.security, everybody.jonas)


def test_claiming_again_tells_nobody_again(everybody: cast.Cast) -> None:
    row = contested(everybody)
    since = row.contested_at
    row = changes.claim(row, everybody.platform, everybody.priya, "can-go")
    assert row.contested_at == since
    assert Notice.objects.filter(kind="contest").count() == 3


def test_the_owner_may_answer_while_it_is_contested(everybody: cast.Cast) -> None:
    row = changes.claim(contested(everybody), everybody.payments, everybody.sara, "can-go")
    assert (row.answer, row.contested_by_team) == ("can-go", everybody.platform)


def test_the_second_team_may_take_its_claim_back(everybody: cast.Cast) -> None:
    row = changes.undo_answer(contested(everybody), everybody.priya, everybody.platform)
    assert (row.owner, row.contested_by_team) == (everybody.payments, None)


def test_when_the_owner_lets_go_the_other_claim_is_the_one_that_waits(
    everybody: cast.Cast,
) -> None:
    row = changes.not_ours(contested(everybody), everybody.payments, everybody.sara)
    assert (row.owner, row.claim_pending_team, row.answer, row.contested_by_team) == (
        None,
        everybody.platform,
        "needed",
        None,
    )


def test_when_security_declines_the_first_claim_the_other_waits(everybody: cast.Cast) -> None:
    row = changes.claim(cast.departure("ci-x"), everybody.payments, everybody.sara)
    row = changes.claim(row, everybody.platform, everybody.priya, "can-go")
    row = changes.decline_claim(row, everybody.jonas)
    assert (row.claim_pending_team, row.contested_by_team) == (everybody.platform, None)


def test_the_claim_that_moves_up_says_what_it_said_though_its_team_spoke_since(
    everybody: cast.Cast,
) -> None:
    row = changes.claim(cast.departure("ci-x"), everybody.payments, everybody.sara)
    row = changes.claim(row, everybody.platform, everybody.priya, "can-go")
    until = clock.now().date() + timedelta(days=3)
    row = changes.dispute(row, everybody.priya, "Not this week", until, everybody.platform)

    row = changes.decline_claim(row, everybody.jonas)

    assert (row.claim_pending_team, row.answer) == (everybody.platform, "can-go")


def test_whoever_claims_what_it_was_offered_and_takes_it_ends_the_contest(
    everybody: cast.Cast,
) -> None:
    row = changes.hand_over(owned(everybody), everybody.platform, everybody.sara)
    row = changes.claim(row, everybody.platform, everybody.priya)
    assert row.contested_by_team == everybody.platform

    row = changes.accept_hand_over(row, everybody.priya)

    assert (row.owner, row.contested_by_team, row.contested_at) == (everybody.platform, None, None)


def test_an_engineer_who_assigns_it_settles_it(everybody: cast.Cast) -> None:
    row = changes.assign(contested(everybody), everybody.security, everybody.jonas)
    assert (row.owner, row.contested_by_team) == (everybody.security, None)


def test_a_contested_user_is_not_handed_on(everybody: cast.Cast) -> None:
    with pytest.raises(Refused, match="Security settles that first"):
        changes.hand_over(contested(everybody), everybody.security, everybody.sara)


def test_both_claim_pages_show_the_contest_and_its_end(everybody: cast.Cast) -> None:
    def lines() -> list[list[str]]:
        return [
            [card.contest or card.answer for card in claiming.page_of(team, clock.now()).cards]
            for team in (everybody.payments, everybody.platform)
        ]

    row = cast.departure(cast.iam_user("ci-x", suggested_team=everybody.payments))
    row = changes.claim(row, everybody.payments, everybody.sara, "needed")
    row = changes.claim(row, everybody.platform, everybody.priya, "can-go")
    assert lines() == [["Platform"], ["Payments"]]

    changes.settle(row, everybody.platform, everybody.jonas)

    (mine,), (theirs,) = lines()
    assert mine == "Security settled it: it belongs to Platform."
    assert theirs.startswith("Yours, can go.")


# ── Hand-overs ───────────────────────────────────────────────────────────────────────────────────


def skip(**by: float) -> None:
    file = clock.clock_file()
    assert file is not None
    file.move(timedelta(**by))


def test_an_offer_comes_back_by_itself_after_five_working_days(everybody: cast.Cast) -> None:
    row = changes.hand_over(owned(everybody), everybody.platform, everybody.sara)
    assert row.handed_at is not None
    due = add_working_days(row.handed_at, 5, everybody.account.time_zone)
    assert handing_over.comes_back_at(row) == due
    skip(seconds=int((due - clock.now()).total_seconds()) - 60)
    assert handing_over.give_back_what_nobody_took() == 0
    skip(minutes=2)

    assert handing_over.give_back_what_nobody_took() == 1
    assert handing_over.give_back_what_nobody_took() == 0

    row.refresh_from_db()
    assert (row.owner, row.handed_to) == (everybody.payments, None)
    assert handing_over.comes_back_at(row) is None
    (notice,) = Notice.objects.filter(kind="hand-over-back")
    assert notice.team == everybody.payments
    assert "did not take it in time" in notice.text
    (card,) = claiming.page_of(everybody.payments, clock.now()).cards
    assert card.status == "question"
    assert kept(row) == ("came-back", everybody.platform, None)


def test_whoever_takes_it_at_that_moment_keeps_it_and_holds_up_no_other(
    everybody: cast.Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (
        changes.hand_over(
            cast.departure(name, State.OWNER_ASSIGNED, everybody.payments),
            everybody.platform,
            everybody.sara,
        )
        for name in ("ci-1", "ci-2")
    )
    skip(days=10)
    takes = [everybody.priya]

    def and_somebody_takes_the_second(row: Departure) -> Departure:
        if takes:
            changes.accept_hand_over(second, takes.pop())
        return locked(row)

    monkeypatch.setattr(handing_over, "locked", and_somebody_takes_the_second)
    assert handing_over.give_back_what_nobody_took() == 1

    owners = Departure.objects.filter(handed_to=None).values_list("pk", "owner__key")
    assert dict(owners) == {first.pk: "payments", second.pk: "platform"}


@pytest.mark.parametrize("verb", [changes.accept_hand_over, changes.decline_hand_over])
def test_what_nobody_offered_is_neither_taken_nor_sent_back(
    everybody: cast.Cast, verb: Callable[[Departure, Person], Departure]
) -> None:
    row = owned(everybody)
    with pytest.raises(Refused, match="Nobody offered ci-pay-old"):
        verb(row, everybody.jonas)
    assert not row.answers.exists()


def test_every_word_about_an_offer_is_kept(everybody: cast.Cast) -> None:
    row = changes.hand_over(owned(everybody), everybody.platform, everybody.sara)
    assert entry("hand-over.asked") == {"to": "platform"}
    assert kept(row) == ("hand-over", everybody.payments, everybody.sara)
    row = changes.decline_hand_over(row, everybody.priya)
    assert kept(row) == ("not-ours", everybody.platform, everybody.priya)
    row = changes.hand_over(row, everybody.platform, everybody.sara)
    row = changes.accept_hand_over(row, everybody.priya)
    assert kept(row) == ("ours", everybody.platform, everybody.priya)


def test_both_sides_of_an_offer_are_told(everybody: cast.Cast) -> None:
    row = changes.hand_over(owned(everybody), everybody.platform, everybody.sara)
    assert told("hand-over") == {"platform"}
    row = changes.decline_hand_over(row, everybody.priya)
    assert told("hand-over-back") == {"payments"}
    row = changes.hand_over(row, everybody.platform, everybody.sara)
    changes.accept_hand_over(row, everybody.priya)
    assert told("hand-over-taken") == {"payments"}


def test_what_nobody_has_yet_is_offered_by_whoever_was_asked(everybody: cast.Cast) -> None:
    row = cast.departure(cast.iam_user("ci-x", suggested_team=everybody.payments))

    row = changes.hand_over(row, everybody.platform, everybody.sara)
    row = changes.accept_hand_over(row, everybody.priya)

    # Nobody suggested it to Platform, so its claim waits like any other.
    assert (row.owner, row.claim_pending_team) == (None, everybody.platform)
    assert entry("claim.pending") == {"team": "platform", "said": "ours"}
    assert told("hand-over-taken") == {"payments"}
    row = changes.confirm_claim(row, everybody.jonas)
    assert row.owner == everybody.platform


def test_what_an_engineer_takes_waits_for_no_other_engineer(everybody: cast.Cast) -> None:
    row = cast.departure(cast.iam_user("ci-x", suggested_team=everybody.payments))
    row = changes.hand_over(row, everybody.security, everybody.sara)
    row = changes.accept_hand_over(row, everybody.jonas)
    assert (row.owner, row.claim_pending_team) == (everybody.security, None)


def test_an_answer_is_taken_back_by_the_team_that_gave_it(everybody: cast.Cast) -> None:
    row = cast.departure(cast.iam_user("ci-x", suggested_team=everybody.payments))
    row = changes.not_ours(row, everybody.payments, everybody.sara, everybody.platform)
    row = changes.not_ours(row, everybody.platform, everybody.priya)

    row = changes.undo_answer(row, everybody.sara, everybody.payments)

    last = row.answers.first()
    assert last is not None
    assert (last.said, last.team) == ("undo", everybody.payments)
    with pytest.raises(NotAllowed):
        changes.undo_answer(row, everybody.sara, everybody.platform)
