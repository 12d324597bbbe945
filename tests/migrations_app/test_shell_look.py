"""What the shell draws: asked once for a page, fresh where it must be, never past a thousand."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import redis
from django.core.cache import cache

from inventory import clock, ledger
from inventory.models import Account, Alert
from migrations_app import shell_look
from migrations_app.lifecycle import State
from migrations_app.models import EmergencyStop
from tests import cast
from tests.migrations_app.browsing import HTMX, at_most, browser

pytestmark = pytest.mark.django_db


@pytest.fixture
def everybody() -> cast.Cast:
    return cast.cast()


def counts(everybody: cast.Cast, account: str = "") -> dict[str, int]:
    return dict(shell_look.look(everybody.jonas, account).counts)


def test_the_shell_is_asked_once_and_its_counts_are_kept(everybody: cast.Cast) -> None:
    cast.account("210987654321", "playground")
    for number in range(3):
        cast.departure(f"user-{number}")
    first = counts(everybody)

    with at_most(1):
        again = counts(everybody)

    assert again == first
    assert first["users"] == 3


def test_what_the_ledger_tells_is_counted_at_once(everybody: cast.Cast) -> None:
    cast.departure("a")
    counts(everybody)

    cast.departure("b")
    ledger.append("user.discovered")

    assert counts(everybody)["users"] == 2


def test_a_stop_a_hit_and_an_alert_show_without_any_entry(everybody: cast.Cast) -> None:
    fenced = cast.departure("a", State.DISABLED)
    assert (counts(everybody)["hits"], counts(everybody)["alerts"]) == (0, 0)

    cast.hit(fenced)
    Alert.objects.create(key="a", kind="a", title="a", raised_at=clock.now())
    EmergencyStop.objects.create(pulled_by=everybody.mei, pulled_at=clock.now(), reason="a drill")

    assert (counts(everybody)["hits"], counts(everybody)["alerts"]) == (1, 1)
    assert counts(everybody)["calls"] == 1
    stopped = shell_look.look(everybody.jonas, "").strips.stopped
    assert stopped is not None
    assert (stopped.pulled_by, stopped.reason) == ("Mei Tanaka", "a drill")


def test_hits_are_those_of_the_account_looked_at(everybody: cast.Cast) -> None:
    other = cast.account("210987654321", "playground")
    cast.hit(cast.departure(cast.iam_user("there", of=other), State.DISABLED))

    assert counts(everybody, cast.ACCOUNT_ID)["hits"] == 0
    assert counts(everybody, cast.ACCOUNT_ID)["calls"] == 1
    assert counts(everybody, "210987654321")["hits"] == 1
    assert counts(everybody)["hits"] == 1


def test_an_account_that_is_not_there_means_all_of_them(everybody: cast.Cast) -> None:
    cast.account("210987654321", "playground")
    cast.departure("a")

    assert counts(everybody, "999999999999")["users"] == 1


def test_the_only_active_account_is_counted_alone(everybody: cast.Cast) -> None:
    other = cast.account("210987654321", "given up")
    cast.departure(cast.iam_user("there", of=other))
    Account.objects.filter(pk=other.pk).update(active=False)

    assert counts(everybody)["users"] == 0


def test_no_count_goes_past_what_is_shown(
    everybody: cast.Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shell_look, "MOST", 2)
    for number in range(3):
        cast.departure(f"user-{number}")

    assert counts(everybody)["users"] == 2


def test_messages_of_last_season_wait_for_nobody(everybody: cast.Cast) -> None:
    cast.notice(everybody.security)
    cast.notice(everybody.security, at=clock.now() - timedelta(days=91))

    assert counts(everybody)["inbox"] == 1


def test_a_page_is_shown_while_redis_is_away(
    everybody: cast.Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: Any, **__: Any) -> None:
        raise redis.ConnectionError

    monkeypatch.setattr(type(cache._connections["default"]), "get", gone)  # type: ignore[attr-defined]
    cast.departure("a")

    answer = browser(everybody.vera).get("/inbox/")

    assert answer.status_code == 200
    assert answer.context["shell"].counts["users"] == 1


def test_the_strip_alone_asks_for_nothing_else(everybody: cast.Cast) -> None:
    vera = browser(everybody.vera)

    # The session, the person, the strips.
    with at_most(3):
        vera.get("/live/", headers=HTMX)
