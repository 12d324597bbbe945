"""/healthz, /readyz and /metrics tell the truth, also about what is down."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from iamcleanup import health
from iamcleanup.celery import QUEUES
from inventory import clock, ledger
from tests import cast
from tests.processes import Workers, eventually

pytestmark = pytest.mark.django_db
NOBODY = "redis://127.0.0.1:1/0"


def ready(client: Client) -> tuple[int, dict[str, Any]]:
    answer = client.get("/readyz")
    return answer.status_code, answer.json()


def test_alive_needs_no_sign_in_and_no_broker(client: Client, settings: Settings) -> None:
    settings.REDIS_URL = NOBODY
    assert client.get("/healthz").content == b"ok\n"


def test_not_ready_before_workers_and_beat_were_heard_from(client: Client) -> None:
    status, parts = ready(client)
    assert status == 503
    assert parts == {
        "ready": False,
        "database": "ok",
        "broker": "ok",
        "read worker": "never heard from",
        "write worker": "never heard from",
        "restore worker": "never heard from",
        "notify worker": "never heard from",
        "beat": "never heard from",
    }


def test_ready_when_everybody_was_heard_from(client: Client) -> None:
    for who in (*QUEUES, "beat"):
        health.note(who)
    assert ready(client)[0] == 200


def test_not_ready_when_one_worker_fell_silent(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for who in (*QUEUES, "beat"):
        health.note(who)
    long_ago = int(clock.real_now().timestamp()) - 500
    health.redis_client().hset(health.HEARD_FROM, "restore", long_ago)
    status, parts = ready(client)
    assert status == 503
    assert parts["restore worker"].startswith("not heard from for 50")


def test_not_ready_without_the_broker(client: Client, settings: Settings) -> None:
    settings.REDIS_URL = NOBODY
    status, parts = ready(client)
    assert (status, parts["broker"]) == (503, "ConnectionError")


def test_metrics_are_closed_in_production_without_a_token(
    client: Client, settings: Settings
) -> None:
    settings.PLAY = False
    assert client.get("/metrics").status_code == 404


@pytest.mark.parametrize(("sent", "status"), [("Bearer right", 200), ("Bearer wrong", 404)])
def test_metrics_open_to_the_token_only(
    client: Client, settings: Settings, sent: str, status: int
) -> None:
    settings.IAMCLEANUP_METRICS_TOKEN = "right"
    assert client.get("/metrics", headers={"Authorization": sent}).status_code == status


def test_metrics_count_what_waits_in_each_queue(client: Client) -> None:
    health.redis_client().rpush("write", "one", "two")
    assert 'iamcleanup_queue_length{queue="write"} 2.0' in client.get("/metrics").content.decode()


@pytest.mark.worker
def test_real_workers_are_heard_from_when_beat_ticks(workers: Workers) -> None:
    for queue in QUEUES:
        health.beat_tick.apply_async(queue=queue)
    eventually(lambda: all(health.seconds_since_heard()[queue] is not None for queue in QUEUES))


@pytest.mark.worker
def test_a_worker_that_was_killed_and_started_again_works(workers: Workers) -> None:
    workers.kill("restore")
    workers.start("restore")
    health.beat_tick.apply_async(queue="restore")
    eventually(lambda: health.seconds_since_heard()["restore"] is not None)


def test_metrics_tell_users_by_state_and_the_head_of_the_ledger(client: Client) -> None:
    cast.departure(cast.iam_user("ci-build"))
    entry = ledger.append("test.entry")
    told = client.get("/metrics").content.decode()
    assert 'iamcleanup_users{state="discovered"} 1.0' in told
    assert f'iamcleanup_ledger_head{{hash="{entry.hash}"}} 1.0' in told
