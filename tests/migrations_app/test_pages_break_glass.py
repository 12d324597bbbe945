"""The break-glass page: checks with their times, what people record, files, and the strip."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client

from inventory import clock
from inventory.models import Alert, IamUser, Organization
from migrations_app.changes import break_glass as verbs
from migrations_app.changes.break_glass import Use
from migrations_app.models import BreakGlassRecord, BreakGlassUse
from migrations_app.plans.break_glass import Check, Status
from tests import cast
from tests.migrations_app.browsing import at_most

pytestmark = pytest.mark.django_db
PAGE = "/settings/break-glass/"


@pytest.fixture
def people() -> cast.Cast:
    everybody = cast.cast()
    Organization.objects.update(
        break_glass_account=cast.ACCOUNT_ID,
        break_glass_user="break-glass",
        runbook="RB-7",
        drill_every="90d",
    )
    cast.iam_user("break-glass", everybody.account, path="/breakglass/")
    return everybody


@pytest.fixture
def engineer(client: Client, people: cast.Cast) -> Client:
    client.force_login(people.jonas)
    return client


def used() -> None:
    user = IamUser.objects.get(user_name="break-glass")
    use = Use(clock.now(), "signin:ConsoleLogin", "eu-north-1", "203.0.113.99", "<b>Mozilla")
    verbs.note_uses(user, [use])


def text(client: Client, path: str = PAGE) -> str:
    return client.get(path).content.decode()


def test_the_page_asks_twelve_times_at_most(engineer: Client) -> None:
    used()
    text(engineer)
    with at_most(12):
        text(engineer)


def test_each_check_stands_with_what_to_do(engineer: Client) -> None:
    checks = [
        Check("keys", "No access keys", Status.DONE),
        Check("alarm", "Alarms on its use: not looked at", Status.NOT_LOOKED_AT, "<i>Denied</i>"),
    ]
    verbs.keep_checks(checks, None, None)
    page = text(engineer)
    assert "No access keys" in page
    assert "1 of 2 checks does not hold" in page
    assert "&lt;i&gt;Denied&lt;/i&gt;" in page
    assert "tried <time" in page


def test_before_anybody_looked_nothing_is_said_to_hold(engineer: Client) -> None:
    page = text(engineer)
    assert "Nobody looked yet" in page
    assert "Holds" not in page


def test_a_drill_and_a_seal_are_recorded_in_the_browser(engineer: Client) -> None:
    now = clock.now().replace(second=0, microsecond=0)
    began, ended = now - timedelta(hours=2), now - timedelta(hours=1)
    told = {"at": f"{began:%Y-%m-%dT%H:%M}", "until_at": f"{ended:%Y-%m-%d %H:%M}", "minutes": "4"}
    assert engineer.post(f"{PAGE}drill/", told).status_code == 302
    sealed = {"sealed_at": f"{ended:%Y-%m-%dT%H:%M}", "version": "v3", "seal": "A-0417"}
    assert engineer.post(f"{PAGE}seal/", sealed).status_code == 302
    drill, seal = BreakGlassRecord.objects.order_by("kind")
    assert (drill.minutes, drill.at, drill.until_at) == (4, began, ended)
    assert (seal.version, seal.seal, seal.at) == ("v3", "A-0417", ended)
    page = text(engineer)
    assert "sign-in in 4 min" in page
    assert "version v3, seal A-0417" in page
    assert "Next drill due" in page


def test_what_cannot_be_understood_is_named_at_its_field(engineer: Client) -> None:
    answer = engineer.post(f"{PAGE}drill/", {"at": "yesterday", "until_at": ""})
    assert answer.status_code == 422
    assert "Write day and time in UTC" in answer.content.decode()
    assert "Say when, in UTC." in answer.content.decode()
    answer = engineer.post(f"{PAGE}seal/", {"sealed_at": "2025-03-06T14:22"})
    assert answer.status_code == 422
    assert "Say what stands on the seal." in answer.content.decode()
    assert not BreakGlassRecord.objects.exists()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("runbook.html", "<h2>In the envelope</h2>"),
        ("runbook.md", "## Sign in"),
        ("alarm.tf", "aws_cloudwatch_event_rule"),
        ("guard.tf", "SERVICE_CONTROL_POLICY"),
    ],
)
def test_runbook_alarm_and_guard_are_files_to_take_along(
    engineer: Client, name: str, says: str
) -> None:
    answer = engineer.get(f"{PAGE}files/{name}")
    assert answer["Content-Disposition"] == f'attachment; filename="break-glass-{name}"'
    assert says in answer.content.decode()
    assert engineer.get(f"{PAGE}files/other").status_code == 404


def test_a_use_stands_on_every_page_until_somebody_says_what_it_was(
    engineer: Client, people: cast.Cast
) -> None:
    used()
    for path in ("/", "/users/", "/inbox/", "/claim/platform/", PAGE):
        assert "The break-glass user break-glass was used on" in text(engineer, path)
    viewer = Client()
    viewer.force_login(people.vera)
    page = text(viewer, "/alerts/")
    assert "Nobody has said yet what it was." in page
    assert "203.0.113.99" not in page
    page = text(engineer)
    assert "203.0.113.99" in page
    assert "&lt;b&gt;Mozilla" in page
    alert = Alert.objects.get()
    assert engineer.post(f"/alerts/{alert.pk}/close/").status_code == 422
    assert engineer.post(f"{PAGE}explain/", {"reason": ""}).status_code == 422
    engineer.post(f"{PAGE}explain/", {"reason": "Okta was down"})
    assert "was used on" not in text(engineer, "/")
    assert BreakGlassUse.objects.get().reason == "Okta was down"
    assert "Okta was down" in text(engineer)


def test_an_approver_reads_and_records_nothing(client: Client, people: cast.Cast) -> None:
    people.mei.roles = ["approver"]
    people.mei.save()
    client.force_login(people.mei)
    used()
    page = text(client)
    assert "Record the drill" not in page
    assert "Close the alert" not in page
    assert client.post(f"{PAGE}explain/", {"reason": "me"}).status_code == 403
