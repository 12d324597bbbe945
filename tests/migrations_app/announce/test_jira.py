"""Jira against a real HTTP server that speaks it strictly: what stands there in the end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from migrations_app.announce.jira import Jira as Channel
from migrations_app.announce.jira import rendered
from migrations_app.announce.message import Line, NotSetUp, Receipt, Undeliverable
from tests.migrations_app.announce.jira_document import texts
from tests.migrations_app.announce.jira_server import (
    EMAIL,
    TOKEN,
    Fault,
    Jira,
    running,
    status,
    transition,
)
from tests.migrations_app.announce.threads import CLOSED, FIRST, HUNDREDS, LATER, send


@pytest.fixture
def jira(settings: Any) -> Jira:
    settings.IAMCLEANUP_PRIVATE_HOSTS = ["127.0.0.1"]
    return Jira()


@pytest.fixture
def channel(jira: Jira) -> Iterator[Channel]:
    with running(jira) as url:
        yield Channel(url, EMAIL, TOKEN)


def said(document: Any) -> str:
    return "\n".join(texts(document))


# --- What stands in Jira --------------------------------------------------------------------------


def test_the_first_message_is_an_issue_with_everything_in_it(jira: Jira, channel: Channel) -> None:
    receipt = send(channel)
    assert receipt.facts == {"issue": "ACME-1", "comment": ""}
    fields = jira.issues["ACME-1"]["fields"]
    assert fields["summary"] == FIRST.summary
    assert fields["issuetype"] == {"name": "Task"}
    assert fields["labels"][0] == "iam-cleanup"
    assert len(fields["labels"][1]) == len("iam-cleanup-") + 16
    text = said(fields["description"])
    for part in (FIRST.title, *FIRST.paragraphs, "ci-deploy", "last used 3 Jan", "billing"):
        assert part in text
    links = json.dumps(fields["description"])
    for url in ("users/1/", "batches/10/", "grafana.example/d/1"):
        assert url in links
    assert jira.comments("ACME-1") == []


def test_a_later_message_is_a_comment_and_renews_summary_and_description(
    jira: Jira, channel: Channel
) -> None:
    first = send(channel)
    receipt = send(channel, replace(LATER, users=(Line("billing", "production", "done"),)), first)
    (comment,) = jira.comments("ACME-1")
    assert receipt.facts == {"issue": "ACME-1", "comment": comment["id"]}
    assert "It has begun" in said(comment["body"])
    fields = jira.issues["ACME-1"]["fields"]
    assert fields["summary"] == LATER.summary
    assert "billing" in said(fields["description"])
    assert "ci-deploy" not in said(fields["description"])


@pytest.mark.parametrize("summary", ["", "ci-deploy was called at 14:21"])
def test_a_message_about_one_moment_leaves_the_issue_as_it_is(
    jira: Jira, channel: Channel, summary: str
) -> None:
    first = send(channel)
    before = dict(jira.issues["ACME-1"]["fields"])
    hit = replace(LATER, title="ci-deploy was called at 14:21", users=FIRST.users[:1])
    send(channel, replace(hit, summary=summary), first)
    assert jira.issues["ACME-1"]["fields"] == before
    assert len(jira.comments("ACME-1")) == 1


def test_a_summary_without_a_list_renames_the_issue_and_leaves_its_list(
    jira: Jira, channel: Channel
) -> None:
    first = send(channel)
    before = dict(jira.issues["ACME-1"]["fields"])
    send(channel, replace(LATER, key="other", users=()), first)
    after = jira.issues["ACME-1"]["fields"]
    assert after["summary"] == LATER.summary
    assert after["description"] == before["description"]


def test_threads_and_projects_have_issues_of_their_own(jira: Jira, channel: Channel) -> None:
    jira.lags = False
    jira.projects["OPS"] = {"issues": 0, "types": {"Task"}}
    issues = [
        send(channel, message, to=to).facts["issue"]
        for message, to in [
            (FIRST, "ACME"),
            (replace(FIRST, key="b", thread="batch:11"), "ACME"),
            (FIRST, "OPS"),
            (replace(FIRST, key="c", thread=""), "ACME"),
            (replace(FIRST, key="d", thread=""), "ACME"),
        ]
    ]
    assert issues == ["ACME-1", "ACME-2", "OPS-1", "ACME-3", "ACME-4"]


def test_a_long_list_goes_on_in_comments_and_nobody_is_left_out(
    jira: Jira, channel: Channel
) -> None:
    first = send(channel, replace(FIRST, users=HUNDREDS))
    send(channel, replace(LATER, users=HUNDREDS), first)
    description = said(jira.issues["ACME-1"]["fields"]["description"])
    comments = jira.comments("ACME-1")
    assert "goes on in the comments" in description
    rest, again = comments[:2], comments[2:]
    assert len(rest) == 2
    assert len(again) == 3
    for bodies in ([*rest, None], again):
        text = f"{description}\n" if None in bodies else ""
        text += "\n".join(said(comment["body"]) for comment in bodies if comment)
        assert [n for n in range(206) if f"\nuser{n}\n" not in f"\n{text}\n"] == []


def test_the_summary_fits_on_one_line(jira: Jira, channel: Channel) -> None:
    send(channel, replace(FIRST, summary="a\r\nb\u2028" + "c" * 300))
    summary = jira.issues["ACME-1"]["fields"]["summary"]
    assert summary.startswith("a b ccc")
    assert len(summary) == 255


def test_an_issue_whose_receipt_was_lost_is_found_and_not_made_twice(
    jira: Jira, channel: Channel
) -> None:
    jira.lags = False
    send(channel)
    receipt = send(channel, LATER)
    assert receipt.facts["issue"] == "ACME-1"
    assert len(jira.issues) == len(jira.comments("ACME-1")) == 1


def test_a_deleted_issue_is_followed_by_one_new_one(jira: Jira, channel: Channel) -> None:
    jira.lags = False
    first = send(channel)
    del jira.issues["ACME-1"]
    for key in ("a", "b", "c"):
        send(channel, replace(LATER, key=key), first)
    assert list(jira.issues) == ["ACME-2"]
    assert len(jira.comments("ACME-2")) == 2


def test_what_is_sent_can_be_read_without_jira() -> None:
    text = rendered(FIRST)
    assert text.startswith("Summary: Disable 7 users on Wed 12 Mar\n\n7 IAM users will be disabled")
    assert "- ci-deploy <https://cleanup.example/users/1/> (production): last used 3 Jan" in text


# --- The end of a thread --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("done", "ways", "ends_as"),
    [
        ("finish", [], "Done"),  # the transition, whatever its case
        ("Done", [], "Done"),  # the status it leads to
        ("Erledigt", [], "Done"),  # neither, but one way leads to an end
    ],
)
def test_the_last_message_closes_the_issue(
    jira: Jira, channel: Channel, done: str, ways: list[Any], ends_as: str
) -> None:
    first = send(channel)
    receipt = send(replace(channel, done=done), CLOSED, first)
    assert jira.issues["ACME-1"]["status"]["name"] == ends_as
    assert "not_closed" not in receipt.facts
    again = send(replace(channel, done=done), CLOSED, first)
    assert again == receipt
    assert len(jira.comments("ACME-1")) == 1


def test_an_issue_that_a_person_closed_stays_as_it_is(jira: Jira, channel: Channel) -> None:
    first = send(channel)
    jira.issues["ACME-1"]["status"] = status("Won't do", "done")
    receipt = send(channel, CLOSED, first)
    assert "not_closed" not in receipt.facts
    assert jira.issues["ACME-1"]["status"]["name"] == "Won't do"


def test_without_a_way_to_the_end_the_message_is_there_and_the_receipt_names_the_ways(
    jira: Jira, channel: Channel
) -> None:
    jira.transitions = [
        transition("1", "Drop", "Won't do", "done"),
        transition("2", "Same as", "Duplicate", "done"),
    ]
    receipt = send(channel, CLOSED, send(channel))
    assert "There are: Drop, Same as." in receipt.facts["not_closed"]
    assert "IAMCLEANUP_JIRA_DONE" in receipt.facts["not_closed"]
    assert len(jira.comments("ACME-1")) == 1
    assert jira.issues["ACME-1"]["status"]["name"] == "To Do"


def test_a_transition_that_jira_refuses_is_told_in_its_words(jira: Jira, channel: Channel) -> None:
    jira.transitions = [transition("1", "Done", "Done", "done", refuses=True)]
    receipt = send(channel, CLOSED, send(channel))
    assert "Resolution is required" in receipt.facts["not_closed"]


def test_without_the_right_to_edit_the_message_is_there_and_the_receipt_says_so(
    jira: Jira, channel: Channel
) -> None:
    first = send(channel)
    jira.may_edit = False
    receipt = send(channel, LATER, first)
    assert "permission to edit" in receipt.facts["not_updated"]
    assert len(jira.comments("ACME-1")) == 1


# --- What Jira will never take --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"token": "wrong"}, "IAMCLEANUP_JIRA_TOKEN"),
        ({"issue_type": "Bug"}, "Specify a valid issue type. Check the project key"),
    ],
)
def test_a_refusal_has_jiras_words_and_what_to_do(
    channel: Channel, change: dict[str, str], words: str
) -> None:
    with pytest.raises(Undeliverable, match=words) as told:
        send(replace(channel, **change))
    assert TOKEN not in told.value.why
    assert TOKEN not in repr(channel)


def test_an_unknown_project_is_named(channel: Channel) -> None:
    with pytest.raises(Undeliverable, match="'NOPE' does not exist for the field 'project'"):
        send(channel, to="NOPE")


def test_a_missing_field_on_the_screen_is_named(jira: Jira, channel: Channel) -> None:
    jira.fields_on_screen -= {"labels"}
    with pytest.raises(Undeliverable, match="Field 'labels' cannot be set"):
        send(channel)


@pytest.mark.parametrize("status_", ["400", "401", "403", "404", "409", "410"])
def test_a_refusal_is_parked_at_each_call(jira: Jira, channel: Channel, status_: str) -> None:
    for where in ("POST search/jql", "POST issue"):
        jira.faults = [Fault(where, status_)]
        with pytest.raises(Undeliverable, match="Broken as told"):
            send(channel)
    assert jira.issues == {}


@pytest.mark.parametrize(
    "address", ["", "acme", 'ACME" OR project = "OPS', "ACME/../x", "ACME-1", "A" * 300, "ACMÉ"]
)
def test_what_is_no_project_key_is_never_sent(jira: Jira, channel: Channel, address: str) -> None:
    with pytest.raises(Undeliverable, match="not the key of a Jira project"):
        send(channel, to=address)
    assert jira.calls == []


def test_something_else_that_answers_is_named(jira: Jira, channel: Channel) -> None:
    jira.answer = lambda *_: (200, {"hello": "world"})  # type: ignore[method-assign]
    with pytest.raises(Undeliverable, match="not as Jira Cloud does"):
        send(channel)


def test_a_receipt_of_something_else_is_no_issue(jira: Jira, channel: Channel) -> None:
    receipt = send(channel, FIRST, Receipt({"issue": "../../evil", "ts": 1}))
    assert receipt.facts["issue"] == "ACME-1"
    assert not any("evil" in call for call in jira.calls)


# --- The environment ------------------------------------------------------------------------------


def test_the_channel_is_what_the_environment_says(settings: Any) -> None:
    settings.IAMCLEANUP_JIRA_URL = "https://acme.atlassian.net"
    settings.IAMCLEANUP_JIRA_EMAIL = EMAIL
    settings.IAMCLEANUP_JIRA_TOKEN = TOKEN
    assert Channel.from_environment() == Channel("https://acme.atlassian.net", EMAIL, TOKEN)


@pytest.mark.parametrize("missing", ["URL", "EMAIL", "TOKEN"])
def test_what_is_missing_is_named(settings: Any, missing: str) -> None:
    settings.IAMCLEANUP_JIRA_URL = "https://acme.atlassian.net"
    settings.IAMCLEANUP_JIRA_EMAIL = EMAIL
    settings.IAMCLEANUP_JIRA_TOKEN = TOKEN
    setattr(settings, f"IAMCLEANUP_JIRA_{missing}", "")
    with pytest.raises(NotSetUp, match=f"IAMCLEANUP_JIRA_{missing} is not set"):
        Channel.from_environment()


def test_another_host_of_the_own_network_is_not_called(settings: Any) -> None:
    settings.IAMCLEANUP_PRIVATE_HOSTS = []
    with pytest.raises(Undeliverable, match=r"127\.0\.0\.1"):
        send(Channel("https://127.0.0.1:1", EMAIL, TOKEN))
