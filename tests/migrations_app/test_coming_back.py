"""Who came back, who is alive though gone, who took a name, and who is proven missing."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from inventory import clock, ledger
from inventory.aws.failure import AwsFailure
from inventory.models import Alert, IamUser, LedgerEntry, Observation, ProtectedEntry
from inventory.observations import Kind
from migrations_app.changes import enrolling
from migrations_app.lifecycle import State
from migrations_app.models import Call, Departure, Notice, Plan
from tests import cast

pytestmark = pytest.mark.django_db

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def everybody() -> cast.Cast:
    return cast.cast()


@pytest.fixture
def deleted(everybody: cast.Cast) -> Departure:
    """Deleted here yesterday."""
    return cast.departure(
        "ci-pay-old", State.DELETED, everybody.payments, deleted_at=clock.now() - DAY
    )


# ── Back again ───────────────────────────────────────────────────────────────────────────────────


def back(everybody: cast.Cast) -> list[str]:
    return [user.user_name for user in enrolling.came_back(everybody.account)]


def test_who_bears_the_name_of_one_deleted_here_is_told_once(
    everybody: cast.Cast, deleted: Departure
) -> None:
    IamUser.objects.filter(pk=deleted.user_id).update(gone_at=clock.now())
    outside = cast.departure("out", State.DELETED, deleted_outside=True)
    IamUser.objects.filter(pk=outside.user_id).update(gone_at=clock.now())
    again = cast.iam_user("CI-pay-OLD")
    cast.iam_user("out")
    cast.iam_user("ci-pay-old", cast.account("210987654321", "other"))
    assert back(everybody) == ["CI-pay-OLD"]
    assert back(everybody) == ["CI-pay-OLD"]
    alert = Alert.objects.get()
    assert (alert.kind, alert.user, alert.account) == ("came-back", again, everybody.account)
    assert alert.title == "CI-pay-OLD is there again, as another user"
    assert Notice.objects.filter(kind="came-back", team=everybody.payments).count() == 1


def test_who_made_it_is_told_as_soon_as_it_is_known_while_the_alert_is_open(
    everybody: cast.Cast, deleted: Departure
) -> None:
    IamUser.objects.filter(pk=deleted.user_id).update(gone_at=clock.now())
    again = cast.iam_user("ci-pay-old")
    back(everybody)
    assert "look in Terraform and CloudFormation" in Alert.objects.get().text
    IamUser.objects.filter(pk=again.pk).update(created_by="role/ci", created_with="")
    back(everybody)
    assert "by role/ci. Something" in Alert.objects.get().text
    Alert.objects.update(closed_at=clock.now())
    IamUser.objects.filter(pk=again.pk).update(created_with="aws-cli")
    back(everybody)
    assert "aws-cli" not in Alert.objects.get().text


@pytest.mark.parametrize(
    ("made_with", "declared"),
    [
        ("Terraform/1.9", True),
        ("OpenTofu/1.8", True),
        ("cloudformation.amazonaws.com", True),
        ("pulumi/3", True),
        ("Pulumi/3", True),
        ("aws-cdk/2", True),
        ("aws-cli/2", False),
    ],
)
def test_what_is_declared_in_code_is_made_again_by_each_apply(
    deleted: Departure, *, made_with: str, declared: bool
) -> None:
    user = cast.iam_user("ci-pay-old", created_by="role/ci", created_with=made_with)
    text = enrolling._who_made(user, deleted)
    assert ("still declared in code" in text) is declared
    assert f"by role/ci with {made_with}" in text


# ── Alive ────────────────────────────────────────────────────────────────────────────────────────


def shows(monkeypatch: pytest.MonkeyPatch, *, gone: str | Exception, listed: Any = ()) -> list[str]:
    """What GetUser and ListUsers say; with which role they were asked."""
    roles: list[str] = []

    def session(account: Any, role: str) -> None:
        roles.append(role)

    def get(_: None, name: str, user_id: str) -> str:
        if isinstance(gone, Exception):
            raise gone
        return gone

    rows = [SimpleNamespace(user_id=one) for one in listed]
    monkeypatch.setattr(enrolling, "open_session", session)
    monkeypatch.setattr(enrolling, "gone_by_get_user", get)
    monkeypatch.setattr(enrolling, "list_users", lambda _: rows)
    return roles


REFUSED = AwsFailure("AccessDenied", "No.", operation="GetUser")


def test_who_is_alive_under_the_same_id_is_an_alarm_once(
    everybody: cast.Cast, deleted: Departure, monkeypatch: pytest.MonkeyPatch
) -> None:
    roles = shows(monkeypatch, gone="")
    for _ in range(2):
        assert enrolling.still_alive(everybody.account, [deleted.user_id]) == [deleted.user]
    alert = Alert.objects.get()
    assert (alert.kind, alert.user) == ("alive-after-deleted", deleted.user)
    assert (alert.account, set(roles)) == (everybody.account, {"reader"})
    assert LedgerEntry.objects.get(kind="user.alive").user_id == deleted.user.user_id
    assert Notice.objects.filter(kind="alive", team=everybody.payments).count() == 1


def test_who_is_gone_after_all_or_cannot_be_asked_or_was_deleted_just_now_is_no_alarm(
    everybody: cast.Cast, deleted: Departure, monkeypatch: pytest.MonkeyPatch
) -> None:
    off = cast.departure("off", State.SOAKING)
    shows(monkeypatch, gone="")
    assert enrolling.still_alive(everybody.account, [off.user_id]) == []
    assert enrolling.still_alive(everybody.account, []) == []
    for answer in ("NoSuchEntity", REFUSED):
        shows(monkeypatch, gone=answer)
        assert enrolling.still_alive(everybody.account, [deleted.user_id]) == []
    shows(monkeypatch, gone="")
    Departure.objects.filter(pk=deleted.pk).update(deleted_at=clock.now() - 59 * HOUR / 60)
    assert enrolling.still_alive(everybody.account, [deleted.user_id]) == []
    Departure.objects.filter(pk=deleted.pk).update(deleted_at=clock.now() - 61 * HOUR / 60)
    assert enrolling.still_alive(everybody.account, [deleted.user_id]) == [deleted.user]


# ── Namesakes ────────────────────────────────────────────────────────────────────────────────────


def took(everybody: cast.Cast, user: IamUser | None, kind: str = Kind.NAMESAKE) -> Observation:
    return Observation(
        account=everybody.account, user=user, kind=kind, params={"other": "AIDAOLD"},
        seen_at=clock.now(),
    )  # fmt: skip


def test_who_took_the_name_of_another_is_told_once(everybody: cast.Cast) -> None:
    user = cast.iam_user("Deploy")
    seen = took(everybody, user)
    nobody, else_ = took(everybody, None), took(everybody, user, Kind.GONE)
    for _ in range(2):
        enrolling.namesakes([nobody, else_, seen])
    alert = Alert.objects.get()
    assert (alert.kind, alert.user, alert.account) == ("namesake", user, everybody.account)
    assert (alert.raised_at, alert.key) == (seen.seen_at, f"namesake:{user.pk}:deploy")
    assert "belonged to AIDAOLD" in alert.text


def test_not_of_one_deleted_here_nor_of_a_declared_protection(
    everybody: cast.Cast, deleted: Departure
) -> None:
    ProtectedEntry.objects.create(
        account=everybody.account, user_name="keeper", kind="exempt", reason="x"
    )
    found = [cast.iam_user("CI-PAY-OLD"), cast.iam_user("KEEPER")]
    enrolling.namesakes([took(everybody, user) for user in found])
    assert not Alert.objects.exists()


# ── Missing ──────────────────────────────────────────────────────────────────────────────────────


def missing(everybody: cast.Cast, *rows: Departure) -> int:
    return enrolling.prove_missing(everybody.account, [row.user_id for row in rows])


def test_who_both_looks_lack_is_recorded_as_deleted_outside(
    everybody: cast.Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, other = (cast.departure(name, State.OWNER_ASSIGNED) for name in ("one", "two"))
    shows(monkeypatch, gone="NoSuchEntity", listed=["AIDAKEEPER", other.user.user_id])
    assert missing(everybody, row, other) == 1
    assert missing(everybody, row, other) == 0
    found = {one.pk: one.state for one in Departure.objects.all()}
    assert found == {row.pk: State.DELETED, other.pk: State.OWNER_ASSIGNED}


@pytest.mark.parametrize(
    ("gone", "listed"), [("", ["AIDAKEEPER"]), (REFUSED, ["AIDAKEEPER"]), ("NoSuchEntity", [])]
)
def test_one_look_that_shows_it_or_fails_or_lists_nobody_proves_nothing(
    everybody: cast.Cast, monkeypatch: pytest.MonkeyPatch, *, gone: Any, listed: list[str]
) -> None:
    row = cast.departure("one", State.OWNER_ASSIGNED)
    shows(monkeypatch, gone=gone, listed=listed)
    assert missing(everybody, row) == 0
    assert Departure.objects.get().state == State.OWNER_ASSIGNED
    if gone == "NoSuchEntity":
        everybody.account.accepted_listing = ledger.digest([])
        assert missing(everybody, row) == 1


def test_what_our_own_delete_user_may_have_done_is_its_changes_to_prove(
    everybody: cast.Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = cast.departure("one", State.SOAKING)
    change = cast.change(row, "delete", status="running")
    Call.objects.create(
        change=change, seq=1, kind="write", operation="DeleteUser", sent_at=clock.now()
    )
    roles = shows(monkeypatch, gone="NoSuchEntity", listed=["AIDAKEEPER"])
    assert (missing(everybody, row), roles) == (0, [])
    Call.objects.update(operation="DeleteAccessKey")
    assert (missing(everybody, row), roles) == (1, ["reader"])


# ── Plans ────────────────────────────────────────────────────────────────────────────────────────


def test_a_plan_is_drafted_for_whoever_has_none_and_goes(everybody: cast.Cast) -> None:
    row = cast.departure("one", State.OWNER_ASSIGNED)
    cast.plan(cast.departure("planned", State.OWNER_ASSIGNED))
    cast.departure("kept", State.OWNER_ASSIGNED, protection="exempt")
    cast.departure("gone", State.DELETED)
    cast.departure(cast.iam_user("far", cast.account("210987654321", "other")))
    assert enrolling.draft_plans(everybody.account) == 1
    plan = Plan.objects.get(departure=row)
    assert (plan.status, plan.drafted_at is not None, plan.reason != "") == ("draft", True, True)


def test_clients_are_told_by_user_each_once_in_order() -> None:
    one, two = cast.iam_user("one"), cast.iam_user("two")
    today = clock.now().date()
    for user, agent, region in (
        (one, "terraform", "us-east-1"),
        (one, "aws-cli", "us-east-1"),
        (one, "aws-cli", "eu-west-1"),
        (two, "boto3", "us-east-1"),
    ):
        cast.activity(user, today, user_agent=agent, region=region)
    assert enrolling._agents([one.pk]) == {one.pk: ("aws-cli", "terraform")}
