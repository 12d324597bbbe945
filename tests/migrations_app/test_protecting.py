"""Protection: declared, by hand and of the product itself; it always wins over a way out."""

from __future__ import annotations

from datetime import timedelta

import pytest

from inventory import clock
from inventory.aws import identity
from inventory.aws.session import Identity
from inventory.models import Account, ProtectedEntry
from inventory.refusals import NotAllowed, Refused
from migrations_app import changes
from migrations_app.changes import protecting
from migrations_app.lifecycle import Protection, State
from migrations_app.models import Change, Departure
from tests import cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def everybody() -> cast.Cast:
    return cast.cast()


def entry(everybody: cast.Cast, name: str, **columns: object) -> ProtectedEntry:
    columns.setdefault("kind", "exempt")
    return ProtectedEntry.objects.create(account=everybody.account, user_name=name, **columns)


def hold(everybody: cast.Cast) -> str:
    return Account.objects.get(pk=everybody.account.pk).hold_reason


def test_a_declared_user_is_protected_as_soon_as_it_is_seen(everybody: cast.Cast) -> None:
    row = cast.departure("Break-Glass")
    bound = entry(everybody, "break-glass", kind="break-glass")
    assert protecting.bind_protection(everybody.account) == []
    row.refresh_from_db()
    bound.refresh_from_db()
    assert row.protection == Protection.BREAK_GLASS
    assert bound.bound_user_id == row.user.user_id


def test_both_the_name_and_the_bound_id_protect(everybody: cast.Cast) -> None:
    named, renamed = cast.departure("keeper"), cast.departure("was-keeper")
    entry(everybody, "keeper", bound_user_id=renamed.user.user_id)
    problems = protecting.bind_protection(everybody.account)
    named.refresh_from_db()
    renamed.refresh_from_db()
    assert named.protection == renamed.protection == Protection.EXEMPT
    assert "another user now" in problems[0]
    assert hold(everybody) == problems[0]


def test_before_the_first_whole_look_an_entry_holds_nothing(everybody: cast.Cast) -> None:
    everybody.account.last_whole_at = None
    everybody.account.save()
    entry(everybody, "nobody")
    assert protecting.bind_protection(everybody.account) == []


def test_a_hold_ends_when_the_entry_matches_again(everybody: cast.Cast) -> None:
    cast.departure("somebody-else")
    entry(everybody, "keeper")
    protecting.bind_protection(everybody.account)
    assert "matches nobody" in hold(everybody)
    cast.departure("keeper")
    protecting.bind_protection(everybody.account)
    assert hold(everybody) == ""


def test_a_hold_for_another_reason_is_left_alone(everybody: cast.Cast) -> None:
    Account.objects.update(hold_reason="The listing lost 40 users.")
    protecting.bind_protection(everybody.account)
    assert hold(everybody) == "The listing lost 40 users."


def test_the_user_that_the_product_runs_as_is_protected(
    everybody: cast.Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = cast.departure("iam-cleanup-worker")
    said = Identity(row.user.arn, row.user.user_id, cast.ACCOUNT_ID)
    monkeypatch.setattr(identity, "own_identity", lambda: said)
    identity.report("a worker")
    protecting.bind_protection(everybody.account)
    row.refresh_from_db()
    assert row.protection == Protection.SELF


@pytest.mark.parametrize("who", ["sara", "vera"])
def test_who_may_not_protect(everybody: cast.Cast, who: str) -> None:
    row = cast.departure("ci-x", State.OWNER_ASSIGNED)
    with pytest.raises(NotAllowed):
        changes.protect(row, getattr(everybody, who), "It must stay")


def test_protection_needs_a_reason_an_owner_and_a_future_end(everybody: cast.Cast) -> None:
    row = cast.departure("ci-x", State.OWNER_ASSIGNED)
    with pytest.raises(Refused, match="Say why"):
        changes.protect(row, everybody.ada, " ")
    with pytest.raises(Refused, match="in the future"):
        changes.protect(row, everybody.ada, "It must stay", clock.now().date())
    with pytest.raises(Refused, match="Nobody answers"):
        changes.protect(cast.departure("ci-y"), everybody.ada, "It must stay")


@pytest.mark.parametrize("kind", [Protection.BREAK_GLASS, Protection.SELF])
def test_nobody_turns_a_stronger_protection_into_one_that_ends(
    everybody: cast.Cast, kind: Protection
) -> None:
    row = cast.departure("keeper", State.OWNER_ASSIGNED, protection=kind)
    with pytest.raises(Refused, match="protected already"):
        changes.protect(row, everybody.ada, "It must stay", clock.now().date() + timedelta(days=1))
    row.refresh_from_db()
    assert (row.protection, row.protection_until) == (kind, None)


@pytest.mark.parametrize("state", [State.DISABLED, State.SOAKING])
def test_protecting_a_user_that_is_off_opens_a_restore(everybody: cast.Cast, state: State) -> None:
    row = cast.departure("ci-x", state, everybody.payments)
    row = changes.protect(row, everybody.jonas, "It must stay")
    restore = row.changes.get(move="restore")
    assert row.protection == Protection.EXEMPT
    assert (restore.status, restore.requested_by) == (Change.Status.QUEUED, None)


def test_protecting_takes_a_user_out_of_every_batch_it_waits_in(everybody: cast.Cast) -> None:
    row = cast.departure("ci-x", State.OWNER_ASSIGNED)
    batch = cast.batch(everybody.account, everybody.jonas)
    waiting = cast.change(row, "disable", batch=batch, status="asked")
    changes.protect(row, everybody.ada, "It must stay")
    waiting.refresh_from_db()
    assert waiting.status == Change.Status.LEFT_OUT


def test_only_an_admin_unprotects_and_only_what_was_protected_by_hand(
    everybody: cast.Cast,
) -> None:
    row = cast.departure("keeper", State.OWNER_ASSIGNED)
    row = changes.protect(row, everybody.jonas, "It must stay")
    with pytest.raises(NotAllowed):
        changes.unprotect(row, everybody.jonas, "It may go")
    entry(everybody, "KEEPER")
    with pytest.raises(Refused, match="organization file"):
        changes.unprotect(row, everybody.ada, "It may go")
    ProtectedEntry.objects.all().delete()
    assert changes.unprotect(row, everybody.ada, "It may go").protection == ""


def test_a_break_glass_user_is_never_unprotected_by_hand(everybody: cast.Cast) -> None:
    row = cast.departure("break-glass", State.OWNER_ASSIGNED, protection="break-glass")
    with pytest.raises(Refused, match="not exempt by hand"):
        changes.unprotect(row, everybody.ada, "It may go")


def test_an_exemption_ends_after_its_last_day_and_moves_nothing(everybody: cast.Cast) -> None:
    today = clock.now().date()
    over, last_day = (
        cast.departure(
            f"ci-{days}",
            State.OWNER_ASSIGNED,
            protection="exempt",
            protection_until=today - timedelta(days=days),
        )
        for days in (1, 0)
    )
    assert protecting.end_exemptions() == 1
    over.refresh_from_db()
    last_day.refresh_from_db()
    assert (over.protection, over.state) == ("", State.OWNER_ASSIGNED)
    assert last_day.protection == "exempt"


def test_a_declared_exemption_that_is_over_protects_nobody(everybody: cast.Cast) -> None:
    row = cast.departure("keeper", State.OWNER_ASSIGNED)
    entry(everybody, "keeper", until=clock.now().date() - timedelta(days=1))
    protecting.bind_protection(everybody.account)
    assert Departure.objects.get(pk=row.pk).protection == ""


def test_a_protected_user_is_in_no_list_to_choose_from(everybody: cast.Cast) -> None:
    cast.departure("ci-x", State.OWNER_ASSIGNED, protection="exempt")
    kept = cast.departure("ci-y", State.OWNER_ASSIGNED)
    assert list(changes.eligible(everybody.account, "disable")) == [kept]


def test_protecting_never_shortens_a_protection(everybody: cast.Cast) -> None:
    row = cast.departure("vendor-scan", State.OWNER_ASSIGNED)
    row = changes.protect(row, everybody.jonas, "the vendor cannot assume roles")
    with pytest.raises(Refused, match="exempt for longer"):
        changes.protect(row, everybody.mei, "only a while", clock.now().date() + timedelta(days=3))


def test_an_entry_that_is_right_already_is_not_bound_to_somebody_else(
    everybody: cast.Cast,
) -> None:
    row, other = cast.departure("keeper"), cast.departure("somebody")
    bound = entry(everybody, "keeper", bound_user_id=row.user.user_id)
    with pytest.raises(Refused, match="already"):
        changes.bind_entry(bound, other.user, everybody.jonas)
