"""What a sync means for departures: our own doing, names that changed hands, who vanished."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from demo.aws.acts import act
from inventory import clock, refresh
from inventory.aws import last_accessed
from inventory.models import Account, Alert, IamUser, Observation, ProtectedEntry, Sync
from inventory.refresh import report
from migrations_app import changes
from migrations_app.lifecycle import State
from migrations_app.models import Departure, Hit, Notice
from migrations_app.user_page import profile
from tests.migrations_app.stage import Stage, everything, keys_of

pytestmark = pytest.mark.django_db
READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"
DENY = "arn:aws:iam::aws:policy/AWSDenyAll"


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS takes its time for reports; here nobody waits."""
    hasty = SimpleNamespace(sleep=lambda _: None, monotonic=time.monotonic)
    for module in (report, last_accessed):
        monkeypatch.setattr(module, "time", hasty)


def sync(stage: Stage) -> Sync:
    """A whole sync with everything that departures make of it."""
    stage.skip(hours=6)
    asked = refresh.ask_sync(stage.people.account, None)
    while refresh.run_sync(asked.pk):
        pass
    asked.refresh_from_db()
    return asked


def foreign(of: Sync) -> list[tuple[str, str]]:
    rows = Observation.objects.filter(sync=of).foreign().order_by("pk")
    return [(row.kind, row.user.user_name if row.user else "") for row in rows]


def explained(of: Sync) -> dict[str, str]:
    """What was our own doing, and which batch or restore did it."""
    rows = Observation.objects.filter(sync=of).exclude(explained="")
    return {row.kind: row.explained for row in rows}


def alerts(kind: str) -> list[Alert]:
    return list(Alert.objects.filter(kind=kind, closed_at=None))


def vanished(departure: Departure) -> tuple[str, bool]:
    departure.refresh_from_db()
    return departure.state, departure.deleted_outside


# ── Our own doing ────────────────────────────────────────────────────────────────────────────────


def test_a_fence_of_ours_is_no_foreign_hand(stage: Stage) -> None:
    departure = stage.user()
    sync(stage)
    batch = stage.fenced(departure)
    found = sync(stage)
    assert foreign(found) == []
    assert explained(found) == {"policy-attached": f"batch #{batch.number}"}
    assert not any(line.who == "A sync" for line in profile.history(departure.user)[0])


def test_a_shut_and_a_restore_of_ours_are_no_foreign_hand(stage: Stage) -> None:
    departure = stage.user("full.house", give=everything)
    sync(stage)
    batch = stage.shut(departure)
    found = sync(stage)
    assert foreign(found) == []
    assert explained(found) == dict.fromkeys(
        (
            "policy-attached",
            "key-inactive",
            "credential-inactive",
            "password-removed",
        ),
        f"batch #{batch.number}",
    )
    stage.restored(departure)
    found = sync(stage)
    assert foreign(found) == []
    assert explained(found) == dict.fromkeys(
        ("policy-detached", "key-active", "credential-active"), "a restore"
    )


def test_a_delete_of_ours_is_no_foreign_hand(stage: Stage) -> None:
    departure = stage.user()
    sync(stage)
    stage.ready_to_delete(departure)
    batch = stage.ran("delete", [departure])
    found = sync(stage)
    assert foreign(found) == []
    assert explained(found)["gone"] == f"batch #{batch.number}"
    assert foreign(sync(stage)) == []


def test_what_somebody_else_does_beside_a_change_of_ours_is_told(stage: Stage) -> None:
    departure = stage.user()
    name = departure.user.user_name
    sync(stage)
    stage.fenced(departure)
    stage.administrator("AttachUserPolicy", UserName=name, PolicyArn=READ_ONLY)
    found = sync(stage)
    assert ("policy-attached", name) in foreign(found)
    assert explained(found).keys() == {"policy-attached"}
    told = [line.text for line in profile.history(departure.user)[0]]
    assert "saw policy ReadOnlyAccess attached" in told


def test_a_fence_that_somebody_else_took_off_later_is_told_and_is_one_hit_only(
    stage: Stage,
) -> None:
    departure = stage.user()
    name = departure.user.user_name
    sync(stage)
    stage.fenced(departure)
    sync(stage)
    stage.administrator("DetachUserPolicy", UserName=name, PolicyArn=DENY)
    stage.listen()
    assert foreign(sync(stage)) == [("policy-detached", name)]
    assert Hit.objects.filter(departure=departure, source="fence").count() == 1
    assert not Alert.objects.filter(user=departure.user).exists()


def test_a_key_of_a_shut_user_turned_active_again_is_told_and_is_one_hit_only(
    stage: Stage,
) -> None:
    departure = stage.user()
    (key,) = [*stage.holdings(departure).access_keys]
    sync(stage)
    stage.shut(departure)
    sync(stage)
    stage.administrator(
        "UpdateAccessKey",
        UserName=departure.user.user_name,
        AccessKeyId=key.id,
        Status="Active",
    )
    stage.listen()
    assert foreign(sync(stage)) == [("key-active", departure.user.user_name)]
    assert keys_of(departure.user) == [key.id]
    assert Hit.objects.filter(departure=departure, kind=Hit.Kind.HIT, closed="").count() == 1
    assert not Alert.objects.filter(user=departure.user).exists()


def test_a_write_that_aws_refused_explains_nothing(stage: Stage) -> None:
    departure = stage.user()
    name = departure.user.user_name
    sync(stage)
    stage.fault("access-denied", "AttachUserPolicy", match={"UserName": name})
    stage.ran("disable", [departure])
    stage.simulator.faults.clear()
    stage.administrator("AttachUserPolicy", UserName=name, PolicyArn=DENY)
    assert ("policy-attached", name) in foreign(sync(stage))


# ── Names that changed hands ─────────────────────────────────────────────────────────────────────


def test_a_namesake_with_a_new_id_is_an_alert_once(stage: Stage) -> None:
    departure = stage.user("ci-one")
    sync(stage)
    stage.simulator.account.users.pop("ci-one")
    stage.administrator("CreateUser", UserName="CI-One")
    sync(stage)
    (alert,) = alerts("namesake")
    assert alert.user is not None
    assert alert.user.user_id != departure.user.user_id
    assert departure.user.user_id in alert.text
    Alert.objects.update(closed_at=clock.now())
    sync(stage)
    assert alerts("namesake") == []


def test_a_namesake_of_one_deleted_here_is_told_as_having_come_back(stage: Stage) -> None:
    departure = stage.user("ci-one")
    sync(stage)
    stage.ready_to_delete(departure)
    stage.ran("delete", [departure])
    stage.administrator("CreateUser", UserName="Ci-One")
    found = sync(stage)
    assert ("namesake", "Ci-One") in foreign(found)
    assert [alert.title for alert in alerts("came-back")] == [
        "Ci-One is there again, as another user"
    ]
    assert alerts("namesake") == []


def test_a_deleted_user_that_terraform_makes_again_is_told_with_who_made_it(stage: Stage) -> None:
    departure = stage.user("ci-one")
    sync(stage)
    stage.ready_to_delete(departure)
    stage.ran("delete", [departure])
    body = {"act": "api", "operation": "CreateUser", "params": {"UserName": "ci-one"}}
    agent = "APN/1.0 HashiCorp/1.0 Terraform/1.9.8 aws-sdk-go-v2/1.32"
    act(stage.simulator, {**body, "agent": agent})
    sync(stage)
    (alert,) = alerts("came-back")
    assert agent in alert.text
    assert "still declared in code" in alert.text
    assert vanished(departure) == (State.DELETED, False)
    (again,) = Departure.objects.filter(user__user_name="ci-one").exclude(pk=departure.pk)
    assert (again.state, again.owner) == (State.DISCOVERED, None)
    told = Notice.objects.filter(kind="came-back")
    assert {(one.team, one.role) for one in told} == {
        (stage.people.payments, ""),
        (None, "engineer"),
    }
    sync(stage)
    assert [one.pk for one in alerts("came-back")] == [alert.pk]


def test_the_same_id_seen_alive_after_it_was_proven_gone_is_an_alarm(stage: Stage) -> None:
    departure = stage.user("ci-one")
    kept = stage.in_aws(departure)
    stage.ready_to_delete(departure)
    stage.ran("delete", [departure])
    stage.simulator.account.add_user(kept)
    sync(stage)
    (alert,) = alerts("alive-after-deleted")
    assert alert.user == departure.user
    assert kept.id in alert.text
    assert vanished(departure) == (State.DELETED, False)
    assert Notice.objects.filter(kind="alive", role="engineer").exists()
    sync(stage)
    assert len(alerts("alive-after-deleted")) == 1


def test_a_listing_alone_that_still_shows_a_deleted_user_is_no_alarm(stage: Stage) -> None:
    departure = stage.user("ci-one")
    sync(stage)
    stage.simulator.account.users.pop("ci-one")
    sync(stage)
    assert vanished(departure) == (State.DELETED, True)
    assert changes.still_alive(stage.people.account, [departure.user_id]) == []
    assert alerts("alive-after-deleted") == []


def test_a_namesake_of_a_protected_entry_holds_the_account_instead(stage: Stage) -> None:
    departure = stage.user("vendor-scanner")
    ProtectedEntry.objects.create(
        account=stage.people.account, user_name="vendor-scanner", kind="exempt"
    )
    sync(stage)
    stage.simulator.account.users.pop("vendor-scanner")
    stage.administrator("CreateUser", UserName="vendor-scanner")
    sync(stage)
    held = Account.objects.get(pk=stage.people.account.pk).hold_reason
    assert "vendor-scanner is another user now" in held
    assert alerts("namesake") == []
    assert departure.user.user_id not in held


# ── 7: vanish ────────────────────────────────────────────────────────────────────────────────────


def test_a_user_that_listing_and_get_user_lack_is_recorded_as_deleted_outside(
    stage: Stage,
) -> None:
    departure = stage.user()
    sync(stage)
    stage.simulator.account.users.pop(departure.user.user_name)
    found = sync(stage)
    assert vanished(departure) == (State.DELETED, True)
    assert foreign(found) == [("gone", departure.user.user_name)]
    # The ledger tells of it; a sync's word beside that would say it twice.
    assert profile.history(departure.user)[0][0].text == "recorded that it was deleted outside"
    assert foreign(sync(stage)) == []


@pytest.mark.parametrize("operation", ["ListUsers", "GetUser"])
@pytest.mark.parametrize("kind", ["throttling", "access-denied"])
def test_a_user_is_not_vanished_while_either_look_fails(
    stage: Stage, operation: str, kind: str
) -> None:
    departure = stage.user()
    sync(stage)
    stage.simulator.account.users.pop(departure.user.user_name)
    stage.fault(kind, operation, count=None)
    assert changes.prove_missing(stage.people.account, [departure.user_id]) == 0
    assert vanished(departure) == (State.OWNER_ASSIGNED, False)


def test_a_listing_that_broke_off_vanishes_nobody(stage: Stage) -> None:
    departure = stage.user()
    sync(stage)
    stage.simulator.account.users.pop(departure.user.user_name)
    stage.simulator.page_limit = 5
    stage.fault("error", "ListUsers", skip=1, count=None)
    assert changes.prove_missing(stage.people.account, [departure.user_id]) == 0
    assert vanished(departure) == (State.OWNER_ASSIGNED, False)


def test_a_user_that_the_listing_still_holds_is_not_vanished(stage: Stage) -> None:
    departure = stage.user()
    sync(stage)
    stage.fault("no-such-entity", "GetUser", count=None)
    assert changes.prove_missing(stage.people.account, [departure.user_id]) == 0
    assert vanished(departure) == (State.OWNER_ASSIGNED, False)


def test_a_renamed_user_is_not_vanished(stage: Stage) -> None:
    departure = stage.user()
    sync(stage)
    stage.administrator(
        "UpdateUser", UserName=departure.user.user_name, NewUserName="somebody.else"
    )
    # As if the listing that missed it was read before the rename and GetUser after it.
    assert changes.prove_missing(stage.people.account, [departure.user_id]) == 0
    sync(stage)
    assert vanished(departure) == (State.OWNER_ASSIGNED, False)
    assert IamUser.objects.get(pk=departure.user_id).user_name == "somebody.else"


def test_a_namesake_proves_that_the_earlier_user_is_gone(stage: Stage) -> None:
    departure = stage.user("ci-one")
    sync(stage)
    stage.simulator.account.users.pop("ci-one")
    stage.administrator("CreateUser", UserName="ci-one")
    sync(stage)
    assert vanished(departure) == (State.DELETED, True)


def test_a_vanished_protected_user_is_an_alarm(stage: Stage) -> None:
    departure = stage.user("sealed")
    sync(stage)
    Departure.objects.filter(pk=departure.pk).update(protection="exempt")
    stage.simulator.account.users.pop("sealed")
    sync(stage)
    assert vanished(departure) == (State.DELETED, True)
    assert [alert.user for alert in alerts("protected-vanished")] == [departure.user]


def test_a_listing_that_lags_brings_nobody_back(stage: Stage) -> None:
    departure = stage.user()
    sync(stage)
    kept = stage.simulator.account.users.pop(departure.user.user_name)
    sync(stage)
    stage.simulator.account.add_user(kept)
    found = sync(stage)
    assert foreign(found) == []
    assert vanished(departure) == (State.DELETED, True)
    assert IamUser.objects.get(pk=departure.user_id).gone_at is not None


def test_an_account_that_an_engineer_accepted_as_empty_loses_its_users(stage: Stage) -> None:
    stage.user()
    sync(stage)
    stage.simulator.account.users.clear()
    assert sync(stage).status == Sync.Status.FAILED
    assert not Departure.objects.filter(state=State.DELETED).exists()
    account = Account.objects.get(pk=stage.people.account.pk)
    digest = account.hold_reason.partition("(listing ")[2].partition(")")[0]
    refresh.accept_listing(account, stage.people.jonas, digest)
    sync(stage)
    assert not Departure.objects.exclude(state=State.DELETED).exists()
