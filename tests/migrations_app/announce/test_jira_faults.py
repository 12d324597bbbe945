"""Jira broken at each call: one issue and one comment, whatever breaks and however often."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from migrations_app.announce import adf, jira_site, outbound
from migrations_app.announce.jira import Jira as Channel
from migrations_app.announce.message import Message, Receipt, TryLater
from migrations_app.outgoing import outbox
from tests.migrations_app.announce.fault_table import said
from tests.migrations_app.announce.jira_server import EMAIL, TOKEN, Fault, Jira, running
from tests.migrations_app.announce.threads import CLOSED, FIRST, HUNDREDS, LATER, send


@pytest.fixture
def jira(settings: Any) -> Jira:
    settings.IAMCLEANUP_PRIVATE_HOSTS = ["127.0.0.1"]
    return Jira()


@pytest.fixture
def channel(jira: Jira) -> Iterator[Channel]:
    with running(jira) as url:
        yield Channel(url, EMAIL, TOKEN)


def until_sent(channel: Channel, message: Message, first: Receipt | None = None) -> Receipt:
    """As the outbox does: again, with what the last try told."""
    uncertain = False
    for _ in range(9):
        try:
            return channel.send(message, "ACME", first, uncertain=uncertain)
        except TryLater as error:
            uncertain = error.uncertain
    raise AssertionError("still not sent after nine tries")


CREATE, COMMENT, COMMENTS = "POST issue", "POST issue/.*/comment", "GET issue/.*/comment"
EDIT, TRANSIT, SEARCH = "PUT issue/.*", "POST issue/.*/transitions", "POST search/jql"
# As the fault table of the page calls them.
BREAKS = {
    "429": Fault(".*", "429", "7"),
    "503": Fault(".*", "503", "30"),
    "500": Fault(".*", "500"),
    "500 after": Fault(".*", "500", done=True),
    "closed before": Fault(".*", "close"),
    "closed after": Fault(".*", "lost"),
    "slow": Fault(".*", "slow"),
}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real call with a shorter wait: the server is slow by 0.6 s."""
    really = outbound.call

    def call(*args: Any, **given: Any) -> outbound.Answer:
        return really(*args, **(given | {"timeout": 0.3}))

    monkeypatch.setattr(outbound, "call", call)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("where", [SEARCH, CREATE, COMMENT])
@pytest.mark.parametrize("fault", BREAKS)
def test_an_issue_is_made_once_whatever_breaks(
    jira: Jira, channel: Channel, fault: str, where: str
) -> None:
    jira.faults = [replace(BREAKS[fault], where=where)]
    receipt = until_sent(channel, replace(FIRST, users=HUNDREDS))
    assert jira.faults == []
    assert list(jira.issues) == [receipt.facts["issue"]]
    assert len(jira.issues) == said(fault, "Jira, issues")
    assert len(jira.comments("ACME-1")) == 2


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("where", [COMMENTS, COMMENT, EDIT, "GET issue/[^/]*", TRANSIT])
@pytest.mark.parametrize("fault", BREAKS)
def test_a_comment_is_written_once_whatever_breaks(
    jira: Jira, channel: Channel, fault: str, where: str
) -> None:
    first = send(channel)
    jira.faults = [replace(BREAKS[fault], where=where)]
    until_sent(channel, CLOSED, first)
    assert jira.faults == []
    assert len(jira.comments("ACME-1")) == said(fault, "Jira, comments") == 1
    assert jira.issues["ACME-1"]["status"]["name"] == "Done"
    assert jira.issues["ACME-1"]["fields"]["summary"] == CLOSED.summary


@pytest.mark.parametrize(
    ("fault", "after", "uncertain"),
    [
        (Fault(CREATE, "429", "7"), 7, False),
        (Fault(CREATE, "503", "30"), 30, True),
        (Fault(CREATE, "500"), None, True),
        (Fault(CREATE, "lost"), None, True),
        (Fault(SEARCH, "lost"), None, False),
        (Fault(SEARCH, "500"), None, False),
        # The issue is there by then.
        (Fault(COMMENT, "429", "7"), 7, True),
    ],
)
def test_what_is_told_to_the_outbox(
    jira: Jira, channel: Channel, fault: Fault, after: int | None, uncertain: bool
) -> None:
    jira.faults = [fault]
    with pytest.raises(TryLater) as told:
        send(channel, replace(FIRST, users=HUNDREDS))
    assert told.value.after == (timedelta(seconds=after) if after else None)
    assert told.value.uncertain is uncertain


def test_no_message_takes_longer_than_the_outbox_lends_it_for(
    channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One call may take its time to connect, to wait and to read beyond that.
    assert timedelta(seconds=jira_site.PATIENCE + 60) < outbox.LEASE
    monkeypatch.setattr(jira_site, "PATIENCE", -1)
    with pytest.raises(TryLater, match="slowly") as told:
        send(channel)
    assert told.value.uncertain is False


def test_several_faults_in_a_row_cost_time_only(jira: Jira, channel: Channel) -> None:
    jira.faults = [
        Fault(CREATE, "lost"),
        Fault(SEARCH, "429"),
        Fault("POST issue/bulkfetch", "500"),
        Fault(COMMENT, "lost"),
        Fault(COMMENTS, "close"),
    ]
    until_sent(channel, replace(FIRST, users=HUNDREDS))
    assert len(jira.issues) == 1
    assert len(jira.comments("ACME-1")) == 2


def test_a_lost_issue_is_found_among_the_fifty_around_the_newest_known(
    jira: Jira, channel: Channel
) -> None:
    other = {"project": {"key": "ACME"}, "issuetype": {"name": "Task"}, "summary": "x"}
    jira.lags = False
    for _ in range(60):
        jira.create({"fields": other})
    jira.lags = True
    jira.faults = [Fault(CREATE, "lost")]
    with pytest.raises(TryLater):
        send(channel)
    for _ in range(48):
        jira.create({"fields": other})
    channel.send(FIRST, "ACME", None, uncertain=True)
    assert len(jira.issues) == 60 + 1 + 48


def test_beyond_fifty_unindexed_issues_there_are_two_and_the_older_goes_on(
    jira: Jira, channel: Channel
) -> None:
    """What remains possible, as the module says."""
    other = {"project": {"key": "ACME"}, "issuetype": {"name": "Task"}, "summary": "x"}
    jira.create({"fields": other})
    jira.indexed.add("ACME-1")
    for _ in range(60):
        jira.create({"fields": other})
    jira.faults = [Fault(CREATE, "lost")]
    with pytest.raises(TryLater):
        send(channel)
    receipt = channel.send(FIRST, "ACME", None, uncertain=True)
    assert receipt.facts["issue"] == "ACME-63"
    jira.indexed.update(jira.issues)
    assert send(channel, LATER).facts["issue"] == "ACME-62"


def test_a_comment_after_hundreds_of_others_is_found(jira: Jira, channel: Channel) -> None:
    first = send(channel)
    for n in range(230):
        jira.add_comment("ACME-1", {"body": adf.documents(replace(LATER, title=str(n)))[0]})
    send(channel, LATER, first)
    channel.send(LATER, "ACME", first, uncertain=True)
    assert len(jira.comments("ACME-1")) == 231
