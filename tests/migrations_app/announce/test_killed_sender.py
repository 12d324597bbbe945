"""A real worker is killed between the channel's answer and our record of it, for each channel.

How many messages arrive is what the channel can tell apart: Slack and Jira are asked whether it is
there already, a mail comes twice with one Message-ID, a webhook twice with one webhook-id.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
import redis
from celery import current_app
from django.conf import settings

from demo.processes import Child
from inventory import clock
from migrations_app.models import Delivery
from migrations_app.outgoing import notices
from tests import cast
from tests.migrations_app.announce import jira_server, slack_server, smtp_server
from tests.migrations_app.announce.deaths import ARMED
from tests.migrations_app.announce.fault_table import said
from tests.migrations_app.announce.test_webhook import NEW, Receiver
from tests.processes import eventually
from tests.services import TestDatabase

pytestmark = [pytest.mark.worker, pytest.mark.django_db(transaction=True)]


@dataclass
class Place:
    """One channel's server: what the worker must know of it, and what has arrived there."""

    channel: str
    address: str
    arrived: Callable[[], list[str]]
    environ: dict[str, str] = field(default_factory=dict)


def _slack(stack: ExitStack) -> Place:
    slack = slack_server.SlackServer()
    stack.enter_context(slack.server.running())
    environ = {
        "IAMCLEANUP_SLACK_TOKEN": slack_server.TOKEN,
        "IAMCLEANUP_SLACK_URL": slack.api,
        "IAMCLEANUP_PRIVATE_HOSTS": "127.0.0.1",
    }
    return Place("slack", "#payments", slack.keys, environ)


def _jira(stack: ExitStack) -> Place:
    jira = jira_server.Jira()
    environ = {
        "IAMCLEANUP_JIRA_URL": stack.enter_context(jira_server.running(jira)),
        "IAMCLEANUP_JIRA_EMAIL": jira_server.EMAIL,
        "IAMCLEANUP_JIRA_TOKEN": jira_server.TOKEN,
        "IAMCLEANUP_PRIVATE_HOSTS": "127.0.0.1",
    }
    return Place("jira", "ACME", lambda: list(jira.issues), environ)


def _mail(stack: ExitStack) -> Place:
    server = stack.enter_context(smtp_server.running())
    environ = {
        "IAMCLEANUP_MAIL_URL": f"smtp://127.0.0.1:{server.port}",
        "IAMCLEANUP_MAIL_FROM": "cleanup@acme.example",
        "IAMCLEANUP_PRIVATE_HOSTS": "127.0.0.1",
    }

    def ids() -> list[str]:
        return [one.mail["Message-ID"] for one in server.taken]

    return Place("email", "sara@acme.example", ids, environ)


def _webhook(stack: ExitStack) -> Place:
    receiver = Receiver(NEW)
    stack.enter_context(receiver.server.running())
    environ = {
        "IAMCLEANUP_WEBHOOK_URL": f"{receiver.server.url}/the-secret-path",
        "IAMCLEANUP_WEBHOOK_SECRET": NEW,
        "IAMCLEANUP_PRIVATE_HOSTS": "127.0.0.1",
    }
    return Place("webhook", "payments", lambda: receiver.arrived, environ)


# Each channel's server, and its column in the fault table of the page.
PLACES = {
    "slack": (_slack, "Slack"),
    "jira": (_jira, "Jira, issues"),
    "email": (_mail, "E-mail"),
    "webhook": (_webhook, "Webhook, calls"),
}


@pytest.fixture(params=list(PLACES))
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with ExitStack() as stack:
        yield PLACES[request.param][0](stack)


@pytest.fixture
def sender(
    place: Place, tmp_path: Path, test_database: TestDatabase, _clean_redis: None
) -> Iterator[Callable[[], Child]]:
    """Starts the worker that sends, as often as it is called."""
    started: list[Child] = []

    def start() -> Child:
        child = Child(
            name="notify worker",
            command=[
                *(sys.executable, "-m", "celery", "-A", "iamcleanup", "worker", "-Q", "notify"),
                *("-n", "notify@test", "-P", "solo", "--loglevel", "INFO"),
                *("--without-gossip", "--without-mingle", "--without-heartbeat"),
                *("-I", "tests.migrations_app.announce.deaths"),
            ],
            log=tmp_path / f"notify-{len(started)}.log",
            environ={**os.environ, "DATABASE_URL": test_database.url, **place.environ},
            death_signal=signal.SIGKILL,
        )
        child.start()
        child.wait_until(lambda: "ready." in child.log.read_text(errors="replace"), 90)
        started.append(child)
        return child

    yield start
    for child in started:
        child.ask_to_stop()
        child.end(10)


def test_a_worker_killed_before_it_wrote_down_what_was_sent_loses_nothing(
    place: Place, sender: Callable[[], Child], request: pytest.FixtureRequest
) -> None:
    team = cast.cast().payments
    team.slack, team.jira_project = "#payments", "ACME"
    team.save()
    redis.Redis.from_url(settings.REDIS_URL).set(ARMED, "1")
    first = sender()
    settings.IAMCLEANUP_WEBHOOK_URL = place.environ.get("IAMCLEANUP_WEBHOOK_URL", "")
    notice = notices.tell("announce", "key", "3 users will go", team=team, thread="batch:1")
    settings.IAMCLEANUP_WEBHOOK_URL = ""
    # The other channels are not set up for this worker, so that only this one can die of it.
    eventually(lambda: not first.running, 60)
    delivery = notice.deliveries.get(channel=place.channel)
    assert (delivery.status, delivery.address) == (Delivery.Status.QUEUED, place.address)
    assert delivery.uncertain
    assert len(place.arrived()) == 1

    sender()
    file = clock.clock_file()
    assert file is not None
    file.move(timedelta(minutes=6))
    current_app.send_task("migrations_app.tasks.send_messages", queue="notify")

    def ended() -> bool:
        delivery.refresh_from_db()
        return delivery.status == Delivery.Status.ACCEPTED

    eventually(ended, 60)
    arrived = place.arrived()
    assert len(arrived) == said("killed", PLACES[place.channel][1])
    assert len(set(arrived)) == 1
