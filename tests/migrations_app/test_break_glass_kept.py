"""What is kept and told of uses of the break-glass user, of drills and seals. Without AWS."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest

from inventory import clock, ledger
from inventory.models import Alert, IamUser, LedgerEntry
from inventory.refusals import NotAllowed, Refused, Stale
from migrations_app.changes import break_glass as verbs
from migrations_app.changes import nudge
from migrations_app.changes.break_glass import Use
from migrations_app.models import BreakGlassRecord, BreakGlassUse, Notice
from tests import cast
from tests.migrations_app.at_once import both

pytestmark = pytest.mark.django_db
PAGE = "/settings/break-glass/"


@pytest.fixture
def glass(everybody: cast.Cast) -> IamUser:
    return cast.iam_user("glass", everybody.account, path="/breakglass/")


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """How often the watch was asked to look now."""
    asked: list[bool] = []
    monkeypatch.setattr(nudge, "break_glass", lambda: asked.append(True))
    return asked


def use(at: datetime, what: str = "signin:ConsoleLogin", **columns: str) -> Use:
    return Use(at, what, **{"region": "eu-north-1", "source_address": "203.0.113.9", **columns})


def opened(key: str) -> Alert:
    return Alert.objects.get(key=key, closed_at=None)


# ── Uses ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_use_is_kept_once_with_all_that_is_known_of_it(glass: IamUser) -> None:
    at = clock.now() - timedelta(minutes=5)
    one = use(at, "x" * 300, user_agent="Mozilla")
    assert [row.at for row in verbs.note_uses(glass, [one])] == [at]
    assert verbs.note_uses(glass, [one]) == []
    row = BreakGlassUse.objects.get()
    assert (row.user, row.at, row.what, row.region) == (glass, at, "x" * 220, "eu-north-1")
    assert (row.source_address, row.user_agent, row.reason) == ("203.0.113.9", "Mozilla", "")
    assert row.seen_at > at


def test_the_same_moment_from_elsewhere_or_in_another_region_is_another_use(
    glass: IamUser,
) -> None:
    at = clock.now()
    uses = [
        use(at),
        use(at, source_address="203.0.113.10"),
        use(at, region="us-east-1"),
        use(at, "iam:CreateUser"),
        use(at - timedelta(seconds=1)),
    ]
    assert len(verbs.note_uses(glass, uses)) == 5


def test_uses_are_one_alert_that_names_the_last(glass: IamUser) -> None:
    last = clock.now().replace(microsecond=0) - timedelta(minutes=2)
    verbs.note_uses(glass, [use(last), use(last - timedelta(hours=2), "iam:CreateUser")])
    alert = opened("break-glass-used")
    assert alert.title == f"The break-glass user glass was used on {last:%d %b, %H:%M} UTC"
    assert alert.text.splitlines() == [
        f"{last:%d %b %H:%M} UTC: signin:ConsoleLogin, eu-north-1",
        f"{last - timedelta(hours=2):%d %b %H:%M} UTC: iam:CreateUser, eu-north-1",
    ]
    assert (alert.kind, alert.account, alert.user) == ("break-glass-used", glass.account, glass)
    data = LedgerEntry.objects.get(kind="break-glass.used")
    assert (data.data["note"], data.data["users"]) == ("iam:CreateUser", 2)
    assert data.user_id == glass.user_id


def test_of_many_uses_five_are_told_and_the_others_counted(glass: IamUser) -> None:
    at = clock.now() - timedelta(hours=1)
    verbs.note_uses(glass, [use(at + timedelta(minutes=n)) for n in range(5)])
    assert "more" not in opened("break-glass-used").text
    for until, told in ((6, "And 1 more."), (8, "And 3 more.")):
        verbs.note_uses(glass, [use(at + timedelta(minutes=n)) for n in range(5, until)])
        lines = opened("break-glass-used").text.splitlines()
        assert len(lines) == 6
        assert lines[-1] == told


def test_what_was_explained_or_is_anothers_is_not_told_again(glass: IamUser) -> None:
    other, at = cast.iam_user("other-glass"), clock.now() - timedelta(hours=1)
    verbs.note_uses(other, [use(at, "s3:ListBuckets")])
    verbs.note_uses(glass, [use(at, "iam:GetUser")])
    BreakGlassUse.objects.filter(user=glass).update(reason="Okta was down")
    verbs.note_uses(glass, [use(at, "iam:ListUsers")])
    text = opened("break-glass-used").text
    assert "iam:ListUsers" in text
    assert "iam:GetUser" not in text
    assert "s3:ListBuckets" not in text


def test_a_further_use_changes_the_open_alert_and_is_told_once_an_hour(
    glass: IamUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = clock.now().replace(minute=10)
    monkeypatch.setattr(clock, "now", lambda: now)
    verbs.note_uses(glass, [use(now - timedelta(minutes=9))])
    assert sorted(Notice.objects.values_list("role", flat=True)) == ["admin", "engineer"]
    first, alert = Notice.objects.get(role="engineer"), opened("break-glass-used")
    assert (first.kind, first.title, first.url) == ("break-glass", alert.title, PAGE)
    assert first.text.startswith(alert.text)
    assert "somebody has both factors" in first.text

    for minutes, what in ((5, "iam:CreateUser"), (2, "iam:DeleteUser")):
        verbs.note_uses(glass, [use(now - timedelta(minutes=minutes), what)])
        assert what in opened("break-glass-used").text
    assert opened("break-glass-used").title != alert.title
    assert Notice.objects.count() == 4
    later = now + timedelta(hours=1)
    monkeypatch.setattr(clock, "now", lambda: later)
    verbs.note_uses(glass, [use(later)])
    assert Notice.objects.count() == 6
    assert Alert.objects.count() == 1


def test_a_drill_and_a_seal_that_are_sent_twice_are_recorded_once(everybody: cast.Cast) -> None:
    ended = clock.now() - timedelta(hours=1)
    began = ended - timedelta(minutes=30)
    for note in ("", " "):
        verbs.record_drill(everybody.ada, began, ended, minutes=4, note=note)
        verbs.record_seal(everybody.ada, ended, version="v3", seal="A-1", place="safe", note=note)
    kinds = BreakGlassRecord.objects.order_by("kind").values_list("kind", flat=True)
    assert list(kinds) == ["drill", "seal"]
    entries = LedgerEntry.objects.filter(kind__in=["break-glass.drill", "break-glass.seal"])
    assert entries.count() == 2

    verbs.record_drill(everybody.ada, began, ended, minutes=5)
    verbs.record_drill(everybody.mei, began, ended, minutes=4)
    verbs.record_seal(everybody.ada, ended, version="v3", seal="A-2", place="safe")
    assert BreakGlassRecord.objects.count() == 5


@pytest.mark.django_db(transaction=True)
def test_of_two_at_the_same_instant_one_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    ada, at = cast.cast().ada, clock.now() - timedelta(hours=1)
    act = partial(verbs.record_seal, ada, at, version="v3", seal="A-1")
    first, second = both(monkeypatch, ledger, "append", act)
    assert first == second == BreakGlassRecord.objects.get()


def test_a_use_within_one_of_the_drills_is_explained_by_it(
    glass: IamUser, everybody: cast.Cast
) -> None:
    began = clock.now() - timedelta(hours=2)
    ended = began + timedelta(minutes=30)
    for start in (began - timedelta(days=3), began):
        verbs.record_drill(everybody.ada, start, start + timedelta(minutes=30))
    verbs.record_seal(everybody.ada, began, version="v1", seal="A-1")
    assert verbs.note_uses(glass, [use(began), use(ended)]) == []
    assert not Alert.objects.exists()
    assert set(BreakGlassUse.objects.values_list("reason", flat=True)) == {"A drill."}
    tick = timedelta(microseconds=1)
    assert len(verbs.note_uses(glass, [use(began - tick), use(ended + tick)])) == 2
    assert not LedgerEntry.objects.filter(kind="break-glass.used", data__users=0).exists()


def test_whoever_explains_closes_the_alert_for_every_open_use(
    glass: IamUser, everybody: cast.Cast, looks: list[bool]
) -> None:
    other, at = cast.iam_user("other-glass"), clock.now() - timedelta(hours=1)
    verbs.note_uses(glass, [use(at), use(at, "iam:GetUser")])
    verbs.note_uses(other, [use(at)])
    BreakGlassUse.objects.filter(what="iam:GetUser").update(reason="A drill.")
    with pytest.raises(Refused, match="Say who used it"):
        verbs.explain_uses(everybody.ada, "  ")

    another = Alert.objects.create(key="x", kind="x", title="x", raised_at=clock.now())

    assert verbs.explain_uses(everybody.ada, " Okta was down ") == 2

    another.refresh_from_db()
    assert another.closed_at is None

    told = {(row.user, row.reason, row.reason_by) for row in BreakGlassUse.objects.all()}
    assert told == {
        (glass, "Okta was down", everybody.ada),
        (other, "Okta was down", everybody.ada),
        (glass, "A drill.", None),
    }
    assert BreakGlassUse.objects.exclude(reason_at=None).count() == 2
    alert = Alert.objects.get(key="break-glass-used")
    assert (alert.closed_by, alert.closed_at is None) == (everybody.ada, False)
    rows = LedgerEntry.objects.filter(kind="break-glass.explained")
    assert {row.user_id for row in rows} == {glass.user_id, other.user_id}
    assert {row.data["reason"] for row in rows} == {"Okta was down"}
    assert looks == [True]
    with pytest.raises(Stale):
        verbs.explain_uses(everybody.ada, "Again")


def test_an_alert_without_uses_and_uses_without_an_alert_are_explained_too(
    glass: IamUser, everybody: cast.Cast
) -> None:
    verbs.note_uses(glass, [use(clock.now())])
    Alert.objects.update(closed_at=clock.now())
    assert verbs.explain_uses(everybody.ada, "Okta was down") == 1
    Alert.objects.update(closed_at=None)
    assert verbs.explain_uses(everybody.ada, "Okta was down") == 0
    assert not Alert.objects.filter(closed_at=None).exists()


# ── Records ──────────────────────────────────────────────────────────────────────────────────────


def test_a_seal_is_kept_as_it_was_told(everybody: cast.Cast, looks: list[bool]) -> None:
    at = clock.now()
    told = {"version": " v3 ", "seal": " A-1 ", "place": " safe 2 ", "note": " by two "}

    record = verbs.record_seal(everybody.ada, at, **told)

    record.refresh_from_db()
    assert (record.kind, record.at, record.until_at) == ("seal", at, None)
    kept = (record.version, record.seal, record.place, record.note)
    assert kept == ("v3", "A-1", "safe 2", "by two")
    assert (record.recorded_by, record.recorded_at >= at) == (everybody.ada, True)
    data = LedgerEntry.objects.get(kind="break-glass.seal").data
    assert (data["at"], data["until"]) == (at.isoformat(), "")
    assert tuple(data[name] for name in told) == kept
    assert looks == [True]


def test_a_drill_is_kept_as_it_was_told(everybody: cast.Cast, looks: list[bool]) -> None:
    ended = clock.now() - timedelta(hours=1)
    began = ended - timedelta(hours=24)

    record = verbs.record_drill(everybody.ada, began, ended, minutes=4, note=" well ")

    record.refresh_from_db()
    assert (record.kind, record.at, record.until_at) == ("drill", began, ended)
    assert (record.minutes, record.note) == (4, "well")
    data = LedgerEntry.objects.get(kind="break-glass.drill").data
    assert (data["at"], data["until"]) == (began.isoformat(), ended.isoformat())
    assert looks == [True]


@pytest.mark.parametrize("told", [{"version": "v1", "seal": " "}, {"version": " ", "seal": "A"}])
def test_a_seal_without_a_version_or_a_seal_is_none(
    everybody: cast.Cast, told: dict[str, str]
) -> None:
    with pytest.raises(Refused, match="which version"):
        verbs.record_seal(everybody.ada, clock.now(), **told)


def test_what_happens_at_this_moment_has_happened_and_later_has_not(
    everybody: cast.Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now)
    assert verbs.record_seal(everybody.ada, now, version="v1", seal="A-1").pk
    later = now + timedelta(microseconds=1)
    with pytest.raises(Refused, match="once it has happened"):
        verbs.record_seal(everybody.ada, later, version="v1", seal="A-1")
    assert BreakGlassRecord.objects.count() == 1


def test_a_drill_of_a_day_and_a_moment_is_too_long(everybody: cast.Cast) -> None:
    ended = clock.now() - timedelta(hours=1)
    longest = timedelta(hours=24)
    with pytest.raises(Refused, match="a day at most"):
        verbs.record_drill(everybody.ada, ended - longest - timedelta(seconds=1), ended)
    assert verbs.record_drill(everybody.ada, ended - longest, ended).pk
    with pytest.raises(Refused, match="ends after"):
        verbs.record_drill(everybody.ada, ended, ended)


def test_a_drill_that_explains_all_closes_the_alert_and_one_that_does_not_leaves_it(
    glass: IamUser, everybody: cast.Cast
) -> None:
    began = clock.now() - timedelta(hours=3)
    verbs.note_uses(glass, [use(began), use(began + timedelta(hours=2))])
    BreakGlassUse.objects.create(
        user=glass, at=began, what="explained", seen_at=began, reason="Okta was down"
    )
    verbs.record_drill(everybody.ada, began, began + timedelta(hours=1))
    assert opened("break-glass-used").pk
    (one,) = BreakGlassUse.objects.filter(reason="A drill.")
    assert (one.at, one.reason_by, one.reason_at is None) == (began, everybody.ada, False)

    verbs.record_drill(everybody.mei, began + timedelta(hours=1), began + timedelta(hours=2))

    alert = Alert.objects.get()
    assert (alert.closed_by, alert.closed_at is None) == (everybody.mei, False)
    assert BreakGlassUse.objects.filter(reason="Okta was down").exists()


def test_a_drill_closes_no_other_alert_and_none_again(glass: IamUser, everybody: cast.Cast) -> None:
    long_ago = clock.now() - timedelta(days=9)
    Alert.objects.create(key="break-glass", kind="x", title="x", raised_at=long_ago)
    Alert.objects.create(
        key="break-glass-used", kind="x", title="x", raised_at=long_ago, closed_at=long_ago
    )
    verbs.record_drill(everybody.ada, long_ago, long_ago + timedelta(hours=1))
    assert opened("break-glass").pk
    assert Alert.objects.get(key="break-glass-used").closed_at == long_ago


@pytest.mark.parametrize("who", ["sara", "vera"])
def test_only_who_guards_explains_and_records(everybody: cast.Cast, who: str) -> None:
    person, now = getattr(everybody, who), clock.now()
    tries: list[Any] = [
        lambda: verbs.explain_uses(person, "It was me"),
        lambda: verbs.record_seal(person, now, version="v1", seal="A-1"),
        lambda: verbs.record_drill(person, now - timedelta(hours=1), now),
    ]
    for one in tries:
        with pytest.raises(NotAllowed):
            one()
    assert not BreakGlassRecord.objects.exists()
