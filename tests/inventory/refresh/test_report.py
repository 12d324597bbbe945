"""The credential report is optional: whatever AWS does with it, a sync goes on and says so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from demo.aws.account import Simulator
from demo.aws.state import AccessKey
from inventory import clock
from inventory.models import Account, Alert, Role, Sync
from inventory.reads import REPORT, read_at
from inventory.refresh import report
from inventory.signals import account_synced
from tests import cast
from tests.inventory.syncs import do, fault, move, production, row, step, sync

pytestmark = pytest.mark.django_db


@pytest.fixture
def account() -> Account:
    return production()


@pytest.fixture(autouse=True)
def _facts_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What departures make of a sync has its own tests."""
    monkeypatch.setattr(account_synced, "receivers", [])


def open_alerts() -> set[str]:
    return set(Alert.objects.filter(closed_at=None).values_list("key", flat=True))


def test_a_report_is_asked_for_once_and_waited_for(simulator: Simulator, account: Account) -> None:
    done = sync(account)
    assert done.status == Sync.Status.WHOLE
    assert simulator.counts["GenerateCredentialReport"] == 1
    assert done.report_generated_at is not None


def test_a_report_of_the_last_four_hours_is_used_with_its_own_time(
    simulator: Simulator, account: Account
) -> None:
    first = sync(account).report_generated_at
    assert first is not None
    move(hours=3)
    again = sync(account)
    assert again.report_generated_at == first
    assert simulator.counts["GenerateCredentialReport"] == 1
    assert read_at(row("lena.koch"), REPORT) == first
    move(hours=2)
    newer = sync(account).report_generated_at
    assert newer is not None
    assert newer > first
    assert simulator.counts["GenerateCredentialReport"] == 2


@pytest.mark.parametrize("kind", ["limit-exceeded", "throttling", "error", "access-denied"])
def test_a_blocked_report_is_said_and_everything_else_is_read(
    simulator: Simulator, account: Account, kind: str
) -> None:
    fault(simulator, kind, "GenerateCredentialReport")
    done = sync(account)
    assert done.status == Sync.Status.WHOLE
    assert done.error.startswith("Credential report: GenerateCredentialReport: ")
    assert step(done, "report")["detail"].startswith("GenerateCredentialReport: ")
    assert [one["key"] for one in done.steps if one["status"] == "failed"] == ["report"]
    assert done.report_generated_at is None
    assert row("marta.ruiz").verdict == "dormant"
    # Root is read live as well.
    assert account.root_facts["mfa_active"] is True


def test_an_older_report_is_used_while_making_one_is_blocked(
    simulator: Simulator, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    from demo.aws import report as simulated

    first = sync(account).report_generated_at
    assert first is not None
    # AWS goes on handing out the old one.
    monkeypatch.setattr(simulated, "VALID_FOR", timedelta(days=30))
    fault(simulator, "limit-exceeded", "GenerateCredentialReport")
    move(hours=6)
    done = sync(account)
    assert done.report_generated_at == first
    assert "LimitExceeded" in step(done, "report")["detail"]
    assert f"The report of {first:%d %b %H:%M} UTC is used." in step(done, "report")["detail"]
    move(hours=20)
    assert sync(account).report_generated_at is None


@pytest.mark.parametrize("kind", ["error", "access-denied"])
def test_a_report_that_cannot_be_fetched_is_said(
    simulator: Simulator, account: Account, kind: str
) -> None:
    fault(simulator, kind, "GetCredentialReport")
    done = sync(account)
    assert done.status == Sync.Status.WHOLE
    assert "GetCredentialReport: " in step(done, "report")["detail"]
    assert step(done, "judge")["status"] == "done"


def test_a_report_that_never_comes_is_waited_for_and_then_done_without(
    simulator: Simulator, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    from demo.aws import report as simulated

    monkeypatch.setattr(simulated, "POLLS", 10**9)
    monkeypatch.setattr(report, "PATIENCE", timedelta(0))
    done = sync(account)
    assert "did not finish the credential report in 5 minutes" in done.error
    assert row("marta.ruiz").verdict == "dormant"


def test_two_syncs_in_a_row_and_another_tool_make_one_report(
    simulator: Simulator, account: Account
) -> None:
    do(simulator, "GenerateCredentialReport")
    made_at = simulator.account.report.started_at  # type: ignore[union-attr]
    assert sync(account).report_generated_at == made_at
    assert simulator.counts["GenerateCredentialReport"] == 1


def test_a_sync_in_the_smallest_slices_waits_for_its_report(
    simulator: Simulator, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    from inventory.refresh import run

    monkeypatch.setattr(run, "SLICE_SECONDS", 0.0)
    done = sync(account)
    assert done.status == Sync.Status.WHOLE
    assert done.report_generated_at is not None


def test_root_without_mfa_and_with_keys_is_alarmed_once_and_closed_when_mended(
    simulator: Simulator, account: Account
) -> None:
    sync(account)
    assert not open_alerts()
    root = simulator.account.root
    root.mfa, root.keys = False, [AccessKey("AKIAROOT", datetime(2019, 1, 1, tzinfo=UTC))]
    move(hours=5)
    sync(account)
    sync(account)
    assert open_alerts() == {f"root-keys:{account.account_id}", f"root-mfa:{account.account_id}"}
    assert Alert.objects.count() == 2
    assert (
        Alert.objects.get(key__startswith="root-keys").title
        == "Root of production has an access key"
    )
    root.mfa, root.keys = True, []
    # Live reads mend it, although the report of an hour ago says otherwise.
    move(hours=1)
    sync(account)
    assert not open_alerts()
    assert Alert.objects.filter(closed_by=None).count() == 2


def test_root_used_lately_is_alarmed_and_forgotten_after_a_month(
    simulator: Simulator, account: Account
) -> None:
    simulator.account.root.password_last_used = clock.now().replace(microsecond=0)
    sync(account)
    alert = Alert.objects.get(closed_at=None)
    assert alert.key == f"root-used:{account.account_id}"
    assert "was used on" in alert.title
    move(days=31)
    sync(account)
    assert not open_alerts()


def test_an_alert_that_a_person_closed_comes_back_after_a_month_and_not_with_each_sync(
    simulator: Simulator, account: Account
) -> None:
    jonas = cast.person("jonas", "Jonas", [Role.ENGINEER])
    simulator.account.root.mfa = False
    sync(account)
    Alert.objects.update(closed_at=clock.now(), closed_by=jonas)
    sync(account)
    assert not open_alerts()
    move(days=31)
    sync(account)
    assert open_alerts() == {f"root-mfa:{account.account_id}"}


def test_a_root_that_could_not_be_read_mends_no_alert(
    simulator: Simulator, account: Account
) -> None:
    simulator.account.root.mfa = False
    sync(account)
    simulator.account.root.mfa = True
    fault(simulator, "access-denied", "GetAccountSummary")
    fault(simulator, "access-denied", "GetCredentialReport")
    done = sync(account)
    assert "Root, live: GetAccountSummary: AccessDenied" in done.error
    assert open_alerts() == {f"root-mfa:{account.account_id}"}


def test_a_user_named_like_root_is_a_user_and_root_is_none(
    simulator: Simulator, account: Account
) -> None:
    do(simulator, "CreateUser", UserName="root")
    do(simulator, "CreateUser", UserName="root_account")
    sync(account)
    assert row("root").arn.endswith(":user/root")
    assert not account.users.filter(user_name__contains="<").exists()
    assert account.users.count() == len(simulator.truth) + 2


def test_users_that_only_one_of_report_and_listing_knows_are_told_with_the_reason(
    simulator: Simulator, account: Account
) -> None:
    sync(account)
    assert account.report_notes == []
    move(minutes=30)
    do(simulator, "CreateUser", UserName="made.since")
    do(simulator, "UpdateUser", UserName="admin2", NewUserName="admin3")
    simulator.account.by_user_id.pop(simulator.account.users.pop("old-deploy").id)
    done = sync(account)
    notes = {note["text"].partition(" ")[0]: note for note in account.report_notes}
    assert "was made after the credential report" in notes["made.since"]["text"]
    assert "was admin2 in the credential report" in notes["admin3"]["text"]
    assert "AWS lists it no more" in notes["old-deploy"]["text"]
    assert all(note["explained"] for note in notes.values())
    assert "3 not as in the credential report" in step(done, "users")["detail"]
    assert done.status == Sync.Status.WHOLE


def test_an_old_user_that_the_report_leaves_out_is_not_explained_away(
    simulator: Simulator, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    from demo.aws import report as simulated

    really = simulated.report_content

    def without_lena(of: object) -> bytes:
        lines = really(of).split(b"\n")  # type: ignore[arg-type]
        return b"\n".join(line for line in lines if not line.startswith(b"lena.koch,"))

    monkeypatch.setattr(simulated, "report_content", without_lena)
    sync(account)
    (note,) = account.report_notes
    assert note["text"].startswith("lena.koch is older than the credential report of")
    assert not note["explained"]
    assert "report" not in row("lena.koch").coverage


def test_a_row_of_an_earlier_user_of_the_name_is_not_evidence_about_the_new_one(
    simulator: Simulator, account: Account
) -> None:
    sync(account)
    before = row("marta.ruiz")
    assert before.coverage["report"]["password"] is True
    move(minutes=30)
    simulator.account.by_user_id.pop(simulator.account.users.pop("marta.ruiz").id)
    do(simulator, "CreateUser", UserName="marta.ruiz")
    sync(account)
    new = account.users.exclude(pk=before.pk).get(user_name="marta.ruiz")
    assert "report" not in new.coverage
    assert new.password_last_used_at is None
    assert "another user of that name, deleted since" in account.report_notes[0]["text"]
