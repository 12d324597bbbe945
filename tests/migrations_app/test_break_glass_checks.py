"""What is kept and told of the daily checks of the break-glass user. Without AWS."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from inventory import clock
from inventory.models import Alert, IamUser, LedgerEntry
from migrations_app.changes import break_glass as verbs
from migrations_app.models import BreakGlassCheck, Notice
from migrations_app.plans.break_glass import Check, Status
from tests import cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def glass(everybody: cast.Cast) -> IamUser:
    return cast.iam_user("glass", everybody.account, path="/breakglass/")


def keep(glass: IamUser, **statuses: str) -> dict[str, BreakGlassCheck]:
    """Keep these checks, each with words of its own."""
    checks = [Check(key, f"{key} is {told}", Status(told), f"Mend {key}.")
              for key, told in statuses.items()]  # fmt: skip
    verbs.keep_checks(checks, glass.account, glass)
    return {row.key: row for row in BreakGlassCheck.objects.all()}


def opened(key: str) -> Alert:
    return Alert.objects.get(key=key, closed_at=None)


def skip(**by: float) -> None:
    file = clock.clock_file()
    assert file is not None
    file.move(timedelta(**by))


def test_each_check_is_kept_in_its_place_and_one_that_is_no_more_is_dropped(
    glass: IamUser,
) -> None:
    rows = keep(glass, tag="done", keys="failed", mfa="done")
    assert [(row.place, row.status, row.text, row.fix) for row in rows.values()] == [
        (0, "done", "tag is done", "Mend tag."),
        (1, "failed", "keys is failed", "Mend keys."),
        (2, "done", "mfa is done", "Mend mfa."),
    ]
    assert [*keep(glass, mfa="done", tag="done")] == ["mfa", "tag"]


def test_a_check_tells_since_when_it_is_so_and_when_it_was_looked_at(glass: IamUser) -> None:
    first = keep(glass, tag="done")["tag"]
    assert first.since_at == first.looked_at
    skip(hours=1)
    same = keep(glass, tag="done")["tag"]
    assert same.since_at == first.since_at
    assert same.looked_at > first.looked_at
    skip(hours=1)
    other = keep(glass, tag="failed")["tag"]
    assert other.since_at == other.looked_at > same.looked_at


def test_only_a_change_of_a_check_is_recorded_with_what_it_was(glass: IamUser) -> None:
    for told in ("done", "done", "failed", "failed", "done"):
        keep(glass, tag=told)
    rows = LedgerEntry.objects.filter(kind="break-glass.check").order_by("seq")
    assert [(row.data["was"], row.data["status"]) for row in rows] == [
        ("", "done"),
        ("done", "failed"),
        ("failed", "done"),
    ]
    assert rows[0].data["note"] == "tag is done"
    assert {row.user_id for row in rows} == {glass.user_id}


def test_words_that_are_too_long_are_cut(glass: IamUser) -> None:
    verbs.keep_checks([Check("tag", "x" * 600, Status.FAILED)], None, None)
    assert BreakGlassCheck.objects.get().text == "x" * 500
    assert len(opened("break-glass").title) == 200


def test_one_bad_check_is_the_title_and_several_are_counted(glass: IamUser) -> None:
    keep(glass, tag="failed", keys="done")
    alert = opened("break-glass")
    assert alert.title == "The break-glass user needs you: tag is failed"
    assert alert.text == "tag is failed. Mend tag."
    assert (alert.kind, alert.account, alert.user) == ("break-glass", glass.account, glass)
    notice = Notice.objects.get()
    assert (notice.title, notice.text, notice.url) == (
        alert.title,
        alert.text,
        "/settings/break-glass/",
    )
    assert (notice.kind, notice.role) == ("break-glass", "engineer")

    keep(glass, tag="failed", keys="not-looked-at")

    alert.refresh_from_db()
    assert alert.title == "The break-glass user needs you: 2 checks do not hold"
    assert alert.text == "tag is failed. Mend tag.\nkeys is not-looked-at. Mend keys."
    assert Notice.objects.count() == 1


def test_the_alert_closes_with_the_last_bad_check_and_comes_again_with_the_next(
    glass: IamUser,
) -> None:
    keep(glass, tag="failed", keys="failed")
    keep(glass, tag="done", keys="failed")
    assert opened("break-glass").pk
    other = Alert.objects.create(key="x", kind="x", title="x", raised_at=clock.now())
    keep(glass, tag="done", keys="done")
    other.refresh_from_db()
    assert other.closed_at is None
    first = Alert.objects.get(key="break-glass")
    assert first.closed_at is not None
    skip(minutes=1)
    keep(glass, tag="failed", keys="done")
    assert opened("break-glass") != first
    assert Notice.objects.count() == 2


def test_what_was_closed_by_hand_is_not_called_again_by_the_same_bad_check(
    glass: IamUser,
) -> None:
    keep(glass, tag="failed", guard="done")
    Alert.objects.update(closed_at=clock.now())
    # Bad in another way is bad still, and what needs a look is not bad.
    keep(glass, tag="not-looked-at", guard="attention")
    assert not Alert.objects.filter(closed_at=None).exists()
    # And nothing that is closed is written anew.
    assert Alert.objects.get().text == "tag is failed. Mend tag."


def test_attention_is_nothing_bad(glass: IamUser) -> None:
    keep(glass, guard="attention")
    assert not Alert.objects.exists()


def test_two_looks_at_once_wait_for_each_other(glass: IamUser) -> None:
    keep(glass, tag="done")
    with CaptureQueriesContext(connection) as asked:
        keep(glass, tag="failed")
    assert any("FOR UPDATE" in one["sql"] and "breakglasscheck" in one["sql"] for one in asked)
