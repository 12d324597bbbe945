"""The break-glass user is looked at in AWS, and whatever is wrong or happens is an alert."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from demo.aws.event_rules import EventRule
from demo.aws.faults import Fault
from demo.aws.state import AccessKey
from inventory import clock
from inventory.models import Alert, IamUser, LedgerEntry, Organization, Sync
from inventory.refusals import NotAllowed, Refused, Stale
from migrations_app import break_glass_rows, break_glass_watch
from migrations_app.changes import break_glass as verbs
from migrations_app.iam_policies import policy
from migrations_app.models import BreakGlassCheck, BreakGlassRecord, BreakGlassUse, Notice
from migrations_app.plans.break_glass_files import keeping
from tests import cast
from tests.migrations_app.stage import Stage

ALL = [
    "one", "exists", "mfa", "keys", "password", "policy", "tag", "deny", "guard", "alarm",
    "runbook", "drill", "use",
]  # fmt: skip


@pytest.fixture
def sealed(stage: Stage) -> Stage:
    """Sealed and drilled, with a runbook that the organization names."""
    Organization.objects.update(runbook="RB-7", drill_every="90d")
    now = clock.now()
    Sync.objects.create(account=stage.people.account, asked_at=now, status=Sync.Status.WHOLE)
    jonas = stage.people.jonas
    verbs.record_seal(jonas, now - timedelta(days=9), version="v3", seal="A-0417", place="safe 2")
    began = now - timedelta(days=8)
    verbs.record_drill(jonas, began, began + timedelta(minutes=30), minutes=4)
    return stage


def looked() -> dict[str, BreakGlassCheck]:
    break_glass_watch.look()
    return {row.key: row for row in BreakGlassCheck.objects.all()}


def keeper() -> IamUser:
    return IamUser.objects.get(user_name="break-glass")


def bad(rows: dict[str, BreakGlassCheck]) -> set[str]:
    return {key for key, row in rows.items() if row.is_bad}


def test_a_user_as_it_should_be_passes_every_check_with_its_time(sealed: Stage) -> None:
    rows = looked()
    assert list(rows) == ALL
    assert bad(rows) == set()
    assert {row.looked_at for row in rows.values()} == {rows["one"].looked_at}
    # The simulated account is in no organization, whose policy could protect it.
    assert rows["guard"].status == "attention"
    assert not Alert.objects.filter(key=verbs.CHECKS).exists()


def test_what_turns_bad_is_one_alert_that_closes_when_it_is_mended(sealed: Stage) -> None:
    looked()
    user = sealed.simulator.account.user("break-glass")
    key = AccessKey("AKIAFOUNDINADRAWER00", sealed.simulator.now())
    user.keys[key.id] = key
    user.tags.clear()
    rows = looked()
    assert bad(rows) == {"keys", "tag"}
    looked()
    alert = Alert.objects.get(key=verbs.CHECKS)
    assert "2 checks do not hold" in alert.title
    assert "1 access key. Delete them" in alert.text
    assert Notice.objects.filter(kind="break-glass").count() == 1
    user.keys.clear()
    user.tags["iam-retire"] = "never"
    assert bad(looked()) == set()
    alert.refresh_from_db()
    assert alert.closed_at is not None
    told = LedgerEntry.objects.filter(kind="break-glass.check", data__note="No access keys")
    assert [row.data["was"] for row in told.order_by("seq")] == ["", "failed"]


def test_an_alert_that_somebody_closed_comes_again_only_with_something_new(sealed: Stage) -> None:
    user = sealed.simulator.account.user("break-glass")
    user.tags.clear()
    looked()
    Alert.objects.update(closed_at=clock.now(), closed_by=sealed.people.ada)
    looked()
    assert not Alert.objects.filter(key=verbs.CHECKS, closed_at=None).exists()
    user.attached.clear()
    looked()
    again = Alert.objects.get(key=verbs.CHECKS, closed_at=None)
    assert "No policy is attached directly" in again.text


@pytest.mark.parametrize(
    ("operation", "keys"),
    [
        ("ListRules", {"alarm"}),
        ("GetAccountAuthorizationDetails", {"deny"}),
        ("ListMFADevices", {"exists", "mfa", "keys", "password", "policy", "tag"}),
    ],
)
def test_what_aws_refuses_is_not_looked_at_and_says_so(
    sealed: Stage, operation: str, keys: set[str]
) -> None:
    sealed.fault("access-denied", operation, count=None)
    rows = looked()
    assert {key for key, row in rows.items() if row.status == "not-looked-at"} == keys
    assert operation in rows[min(keys)].fix
    sealed.simulator.faults.clear()
    assert bad(looked()) == set()


def test_without_the_reader_role_nothing_passes_that_was_not_seen(sealed: Stage) -> None:
    looked()
    sealed.fault("access-denied", "AssumeRole", count=None)
    rows = looked()
    assert bad(rows) == {*ALL} - {"one", "runbook", "drill", "use"}


def test_a_region_without_a_rule_or_with_one_that_nobody_hears_is_named(sealed: Stage) -> None:
    rules = sealed.simulator.account.rules
    by_region = {rule.region: rule for rule in rules}
    by_region["eu-north-1"].targets.clear()
    by_region["us-east-2"].state = "DISABLED"
    rules.remove(by_region["eu-west-1"])
    row = looked()["alarm"]
    assert (row.status, row.text) == (
        "failed",
        "No alarm in 3 Regions: eu-north-1, eu-west-1, us-east-2",
    )
    assert "Terraform" in row.fix


def test_rules_about_others_are_not_asked_for_their_targets(sealed: Stage) -> None:
    many = [EventRule(f"r{n}", "us-east-1", {"source": ["aws.s3"]}) for n in range(250)]
    sealed.simulator.account.rules += many
    assert looked()["alarm"].status == "done"
    assert sealed.simulator.counts["ListTargetsByRule"] == 5


def test_a_role_of_ours_that_may_change_it_is_told(sealed: Stage) -> None:
    role = sealed.simulator.account.role("IamCleanupDeleter")
    document = policy("deleter", cast.ACCOUNT_ID)
    document["Statement"] = [one for one in document["Statement"] if one["Effect"] == "Allow"]
    role.inline = {"iam-cleanup": document}
    assert looked()["deny"].status == "failed"
    del sealed.simulator.account.roles["iamcleanupdeleter"]
    row = looked()["deny"]
    assert (row.status, "IamCleanupDeleter" in row.fix) == ("not-looked-at", True)


def test_the_organizations_deny_is_read_from_its_management_account(sealed: Stage) -> None:
    from demo.aws.organizations import Member
    from demo.aws.organizations import Organization as AwsOrganization

    simulator = sealed.simulator
    simulator.add_account("210987654321", "management", 9, 3)
    members = [Member(cast.ACCOUNT_ID, "production")]
    simulator.organization = AwsOrganization("210987654321", members)
    row = looked()["guard"]
    assert row.status == "not-looked-at"
    assert "management account" in row.fix
    account = sealed.people.account
    arn = "arn:aws:iam::210987654321:role/IamCleanupReader"
    cast.account("210987654321", "management", reader_role=arn, external_id=account.external_id)
    assert looked()["guard"].status == "failed"
    simulator.account.scps.append(keeping(break_glass_rows.known()))
    assert looked()["guard"].status == "done"


def test_another_user_under_its_name_is_no_break_glass_user(sealed: Stage) -> None:
    row = keeper()
    row.user_id = "AIDATHEONETHATWASTHERE"
    row.save()
    rows = looked()
    assert rows["exists"].status == "failed"
    assert "Another user bears its name" in rows["exists"].text
    assert rows["mfa"].status == "not-looked-at"


def test_one_that_is_gone_fails_loudly(sealed: Stage) -> None:
    del sealed.simulator.account.users["break-glass"]
    assert looked()["exists"].text == "It is gone from AWS"


def test_a_second_user_under_its_path_is_told(sealed: Stage) -> None:
    cast.iam_user("old-glass", sealed.people.account, path="/breakglass/")
    row = looked()["one"]
    assert (row.status, row.text) == (
        "failed",
        "old-glass in production bears its path or tag too",
    )


def test_a_sealed_envelope_and_a_drill_are_asked_for(stage: Stage) -> None:
    Organization.objects.update(runbook="RB-7")
    rows = looked()
    assert bad(rows) == {"runbook", "drill"}


# ── Uses ──────────────────────────────────────────────────────────────────────────────────────────


def used(stage: Stage, act: str = "sign-in", **how: Any) -> list[BreakGlassUse]:
    from demo.aws.acts import act as happen

    happen(stage.simulator, {"act": act, "user": "break-glass", **how})
    stage.skip(minutes=10)
    return break_glass_watch.listen()


def test_any_use_is_one_alert_until_somebody_says_what_it_was(sealed: Stage) -> None:
    assert used(sealed)
    alert = Alert.objects.get(key=verbs.USED)
    assert alert.title.startswith("The break-glass user break-glass was used on ")
    assert break_glass_watch.listen() == []
    assert Alert.objects.count() == 1
    assert set(Notice.objects.values_list("role", flat=True)) == {"engineer", "admin"}
    with pytest.raises(Refused, match="Say who"):
        verbs.explain_uses(sealed.people.jonas, " ")
    with pytest.raises(NotAllowed):
        verbs.explain_uses(sealed.people.sara, "It was me")
    verbs.explain_uses(sealed.people.jonas, "Okta was down, ticket 4711")
    alert.refresh_from_db()
    assert alert.closed_by == sealed.people.jonas
    entry = LedgerEntry.objects.get(kind="break-glass.explained")
    assert entry.data["reason"] == "Okta was down, ticket 4711"
    with pytest.raises(Stale):
        verbs.explain_uses(sealed.people.jonas, "Again")
    assert break_glass_watch.listen() == []
    rows = looked()
    assert "Okta was down" in rows["use"].text


def test_a_use_after_one_was_explained_is_another_alert(sealed: Stage) -> None:
    used(sealed)
    verbs.explain_uses(sealed.people.jonas, "Okta was down")
    assert used(sealed)
    assert Alert.objects.filter(key=verbs.USED, closed_at=None).count() == 1


def test_a_drill_recorded_afterwards_answers_the_alarm(sealed: Stage) -> None:
    began = clock.now() - timedelta(minutes=1)
    used(sealed)
    verbs.record_drill(sealed.people.ada, began, clock.now(), minutes=2)
    assert not Alert.objects.filter(key=verbs.USED, closed_at=None).exists()
    assert set(BreakGlassUse.objects.values_list("reason", flat=True)) == {verbs.DRILLED}


def test_a_drill_that_was_not_the_use_leaves_the_alarm(sealed: Stage) -> None:
    began = clock.now() - timedelta(hours=3)
    used(sealed)
    verbs.record_drill(sealed.people.ada, began, began + timedelta(hours=1))
    assert Alert.objects.filter(key=verbs.USED, closed_at=None).exists()


def test_whoever_knows_the_name_cannot_raise_the_alarm(sealed: Stage) -> None:
    assert used(sealed, "failed-sign-in") == []
    assert not Alert.objects.exists()


@pytest.mark.parametrize(
    ("hours", "message"), [(-1, "ends after"), (0, "ends after"), (25, "a day at most")]
)
def test_a_drill_has_a_sound_length(stage: Stage, hours: int, message: str) -> None:
    began = clock.now() - timedelta(days=3)
    with pytest.raises(Refused, match=message):
        verbs.record_drill(stage.people.ada, began, began + timedelta(hours=hours))


def test_nobody_records_what_has_not_happened(stage: Stage) -> None:
    later = clock.now() + timedelta(hours=1)
    with pytest.raises(Refused, match="once it has happened"):
        verbs.record_seal(stage.people.ada, later, version="v1", seal="A-1")
    with pytest.raises(Refused, match="which version"):
        verbs.record_seal(stage.people.ada, clock.now(), version="", seal="A-1")
    with pytest.raises(NotAllowed):
        verbs.record_seal(stage.people.vera, clock.now(), version="v1", seal="A-1")
    assert not BreakGlassRecord.objects.exists()


# ── The daily look ────────────────────────────────────────────────────────────────────────────────


def test_it_is_looked_at_once_a_day_and_when_somebody_asks(sealed: Stage) -> None:
    assert break_glass_watch.is_due(clock.now())
    break_glass_watch.watch()
    first = BreakGlassCheck.objects.get(key="exists").looked_at
    sealed.skip(minutes=20)
    break_glass_watch.watch()
    assert BreakGlassCheck.objects.get(key="exists").looked_at == first
    break_glass_watch.watch(look_now=True)
    assert BreakGlassCheck.objects.get(key="exists").looked_at > first
    assert break_glass_watch.is_due(clock.now() + timedelta(days=1, minutes=1))


def test_before_an_organization_is_declared_nobody_looks(db: None) -> None:
    assert break_glass_watch.watch() == []
    assert not BreakGlassCheck.objects.exists()


def test_before_its_account_was_read_nobody_is_alarmed(sealed: Stage) -> None:
    Sync.objects.update(status=Sync.Status.RUNNING)
    break_glass_watch.watch(look_now=True)
    assert not BreakGlassCheck.objects.exists()


def test_an_account_that_cannot_be_opened_is_still_looked_at(sealed: Stage) -> None:
    sealed.simulator.faults.add(Fault("access-denied", "AssumeRole", count=None))
    break_glass_watch.watch()
    assert BreakGlassCheck.objects.get(key="exists").status == "not-looked-at"
