"""E-mail against a real mail server: what arrives, and how often."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from inventory import clock
from migrations_app.announce import smtp
from migrations_app.announce.email import Email, rendered
from migrations_app.announce.message import Line, NotSetUp, Receipt, TryLater, Undeliverable
from migrations_app.outgoing import outbox
from tests.migrations_app.announce import fault_table
from tests.migrations_app.announce.mails import FROM, MESSAGE, PRIYA, channel, defuseless, send
from tests.migrations_app.announce.smtp_server import PASSWORD, USER, certificate
from tests.migrations_app.announce.smtp_server import running as smtp_running

# --- What arrives -----------------------------------------------------------------------------


def test_the_person_gets_one_mail_with_the_whole_message_in_text_and_html() -> None:
    users = tuple(Line(f"user{n}", "production", f"never used {n}") for n in range(206))
    with smtp_running() as server:
        send(channel(server), replace(MESSAGE, users=users))
        (taken,) = server.taken
    assert (taken.sender, taken.recipients) == (FROM, [PRIYA])
    assert taken.mail["To"] == PRIYA
    assert taken.mail["From"] == f"IAM Cleanup <{FROM}>"
    assert taken.mail["Subject"] == MESSAGE.title
    for kind in ("plain", "html"):
        text = taken.part(kind)
        assert [n for n in range(206) if f"user{n}" not in text or f"used {n}" not in text] == []
        for said in ("Hello Priya", *MESSAGE.paragraphs, "Answer now"):
            assert defuseless(text).find(said) >= 0, said
        assert "https://cleanup.example/c/abc/" in text
        assert "https://grafana.example/d/1" in text


def test_the_html_part_stays_below_what_gmail_cuts_off() -> None:
    url = "https://cleanup.example/users/123456789012/AIDAEXAMPLEEXAMPLE01/"
    users = tuple(Line(f"ci.deploy.user{n}", "production", "x" * 60, url) for n in range(206))
    with smtp_running() as server:
        send(channel(server), replace(MESSAGE, users=users))
    assert len(server.taken[0].part("html").encode()) < 102_000


def test_machines_can_tell_what_the_mail_is() -> None:
    with smtp_running() as server:
        send(channel(server))
    mail = server.taken[0].mail
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["X-IAM-Cleanup-Kind"] == "claim"


def test_the_date_is_that_of_our_clock(moved_clock: Any) -> None:
    with smtp_running() as server:
        send(channel(server))
    dated = server.taken[0].mail["Date"].datetime
    assert abs((clock.now() - dated).total_seconds()) < 60
    assert (dated - clock.real_now()).days >= 29


@pytest.fixture
def moved_clock() -> None:
    import os
    from datetime import timedelta

    clock.ClockFile(Path(os.environ[clock.CLOCK_FILE_VARIABLE])).move(timedelta(days=30))


def test_each_try_has_the_same_message_id_and_another_message_another() -> None:
    with smtp_running() as server:
        receipts = [send(channel(server)), send(channel(server))]
        other = send(channel(server), replace(MESSAGE, key="another"))
    ids = [taken.mail["Message-ID"] for taken in server.taken]
    assert ids[0] == ids[1] == receipts[0].facts["message_id"] == receipts[1].facts["message_id"]
    assert ids[2] == other.facts["message_id"] != ids[0]
    assert ids[0].endswith("@sender.example>")


def test_a_later_message_of_the_thread_answers_the_first() -> None:
    with smtp_running() as server:
        first = send(channel(server))
        channel(server).send(replace(MESSAGE, key="reminder"), PRIYA, first, uncertain=False)
    later = server.taken[1].mail
    assert later["In-Reply-To"] == later["References"] == first.facts["message_id"]
    assert server.taken[0].mail["In-Reply-To"] is None


@pytest.mark.parametrize("facts", [{}, {"message_id": "<a@b>\r\nBcc: x@evil.example"}, {"ts": 1}])
def test_a_receipt_of_something_else_starts_no_thread(facts: dict[str, Any]) -> None:
    with smtp_running() as server:
        channel(server).send(MESSAGE, PRIYA, Receipt(facts), uncertain=False)
    assert server.taken[0].mail["In-Reply-To"] is None
    assert server.taken[0].mail["Bcc"] is None


def test_what_is_sent_can_be_read_without_a_mail_client() -> None:
    text = defuseless(rendered(MESSAGE))
    assert text.startswith(f"Subject: {MESSAGE.title}\n\nHello Priya,\n")
    assert "- ci-deploy (production): last used 3 Jan\n  https://cleanup.example/users/1/" in text


# --- How often, whatever breaks -----------------------------------------------------------------

# Fault of the first try -> how it ends, and how many mails are there when the second went well.
FAULTS = [
    ("greeting: 421 busy", TryLater, False, 1),
    ("greeting: 554 you are on a list", Undeliverable, None, 0),
    ("greeting: close", TryLater, False, 1),
    ("greeting: silent", TryLater, False, 1),
    ("mail: 451 later", TryLater, False, 1),
    ("mail: 553 not your address", Undeliverable, None, 0),
    ("rcpt: 450 greylisted", TryLater, False, 1),
    ("rcpt: 421 going down", TryLater, False, 1),
    ("rcpt: 550 5.1.1 nobody of that name", Undeliverable, None, 0),
    ("rcpt: 553 bad name", Undeliverable, None, 0),
    ("rcpt: close", TryLater, False, 1),
    ("data: 451 later", TryLater, False, 1),
    ("data: 554 no", Undeliverable, None, 0),
    ("data: close", TryLater, False, 1),
    # Gone in the middle, while our last byte was on its way: we cannot know that it was not read.
    ("before the end: close", TryLater, True, 1),
    ("end: 452 full", TryLater, False, 1),
    ("end: 554 looks like spam", Undeliverable, None, 0),
    # The mail is taken, its answer is lost: no server can be asked, so there are two.
    ("end: close", TryLater, True, 2),
    ("end: silent", TryLater, True, 2),
    # Taken and said so: how it says good-bye does not matter.
    ("quit: close", None, None, 1),
    ("quit: silent", None, None, 1),
]


@pytest.mark.parametrize(("fault", "ending", "uncertain", "arrived"), FAULTS)
def test_a_fault_costs_time_and_at_most_a_second_mail_with_the_same_message_id(
    fault: str, ending: type[Exception] | None, uncertain: bool | None, arrived: int
) -> None:
    with smtp_running(fault) as server:
        there = channel(server, wait=0.3 if "silent" in fault else 5)
        if ending is None:
            send(there)
        else:
            with pytest.raises(ending) as told:
                send(there)
            if isinstance(told.value, TryLater):
                assert told.value.uncertain is uncertain
                there.send(MESSAGE, PRIYA, None, uncertain=told.value.uncertain)
        assert len(server.taken) == arrived
    assert len({taken.mail["Message-ID"] for taken in server.taken}) <= 1


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("429", "rcpt: 450 greylisted"),
        ("500", "greeting: 421 busy"),
        ("closed before", "data: close"),
        ("closed after", "end: close"),
        ("slow", "end: silent"),
    ],
)
def test_the_page_says_how_many_mails_were_counted(line: str, fault: str) -> None:
    counted = {what: arrived for what, _, _, arrived in FAULTS}
    assert fault_table.said(line, "E-mail") == counted[fault]


def test_a_server_that_looks_long_at_a_mail_gets_no_second_one() -> None:
    with smtp_running("end: slow") as server:
        send(channel(server, wait=0.2, wait_for_the_end=5))
        assert len(server.taken) == 1


def test_a_server_that_takes_longer_than_the_outbox_lends_a_mail_for_has_not_got_it() -> None:
    usual = smtp.Server("127.0.0.1", 25)
    longest = usual.patience + usual.wait + usual.wait_for_the_end + usual.wait
    assert timedelta(seconds=longest) < outbox.LEASE
    with smtp_running() as server:
        with pytest.raises(TryLater, match="too slowly") as told:
            send(channel(server, patience=-1))
        assert told.value.uncertain is False
        assert server.taken == []
        send(channel(server))
        assert len(server.taken) == 1


def test_a_server_that_is_not_there_is_tried_later() -> None:
    with smtp_running() as server:
        gone = channel(server)
    with pytest.raises(TryLater, match="cannot be reached") as told:
        send(gone)
    assert not told.value.uncertain


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("rcpt: 550 5.1.1 nobody of that name", f"{PRIYA}: 550 5.1.1 nobody of that name"),
        ("mail: 553 not your address", "IAMCLEANUP_MAIL_FROM"),
        ("end: 554 looks like spam", "554 looks like spam"),
    ],
)
def test_a_refusal_repeats_the_servers_words_and_says_what_to_do(fault: str, words: str) -> None:
    with smtp_running(fault) as server, pytest.raises(Undeliverable, match=re.escape(words)):
        send(channel(server))


def test_a_servers_words_are_shortened_and_shown_whole() -> None:
    with (
        smtp_running("rcpt: 550 \u202eevil" + "x" * 300) as server,
        pytest.raises(Undeliverable) as told,
    ):
        send(channel(server))
    assert "[U+202E]evil" in told.value.why
    assert len(told.value.why) < 400


# --- Signing in and encryption ------------------------------------------------------------------


def test_over_starttls_and_signed_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tls, authority = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", authority)
    with smtp_running(tls=tls, sign_in=True) as server:
        there = smtp.Server("localhost", server.port, USER, PASSWORD, "starttls", 5, 5)
        send(Email(there, FROM))
    assert server.taken[0].encrypted


def test_over_tls_from_the_first_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tls, authority = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", authority)
    with smtp_running("end: close", tls=tls, encrypted=True) as server:
        there = Email(smtp.Server("localhost", server.port, security="ssl", wait=5), FROM)
        with pytest.raises(TryLater) as told:
            send(there)
        assert told.value.uncertain
        send(there)
        assert len(server.taken) == 2


def test_a_certificate_nobody_vouches_for_stops_the_mail(tmp_path: Path) -> None:
    tls, _ = certificate(tmp_path)
    with (
        smtp_running(tls=tls) as server,
        pytest.raises(Undeliverable, match=r"certificate of localhost is not trusted"),
    ):
        send(Email(smtp.Server("localhost", server.port, security="starttls", wait=5), FROM))
    assert server.taken == []


def test_nothing_is_sent_unencrypted_where_starttls_is_asked() -> None:
    with smtp_running() as server, pytest.raises(Undeliverable, match="offers no STARTTLS"):
        send(channel(server, security="starttls"))
    assert server.taken == []


@pytest.mark.parametrize(
    ("fault", "password", "ending", "words"),
    [
        ("", "wrong", Undeliverable, "535 5.7.8 wrong password"),
        ("auth: 454 try again", PASSWORD, TryLater, "454 try again"),
    ],
)
def test_a_refused_sign_in_is_parked_and_a_passing_one_tried_later(
    fault: str, password: str, ending: type[Exception], words: str
) -> None:
    with smtp_running(fault, sign_in=True) as server, pytest.raises(ending, match=words) as told:
        send(channel(server, user=USER, password=password))
    assert password not in str(told.value).replace("wrong password", "")


def test_a_server_that_knows_no_sign_in_is_named() -> None:
    with smtp_running() as server, pytest.raises(Undeliverable, match="refuses our sign-in"):
        send(channel(server, user=USER, password=PASSWORD))


def test_a_server_that_wants_a_sign_in_we_do_not_have_is_named() -> None:
    with smtp_running(sign_in=True) as server, pytest.raises(Undeliverable, match="530"):
        send(channel(server))


# --- The environment ----------------------------------------------------------------------------


def test_the_channel_is_what_the_environment_says(settings: Any) -> None:
    settings.IAMCLEANUP_MAIL_URL = "smtp+tls://me%40example.com:p%3Ass@mail.example.com"
    settings.IAMCLEANUP_MAIL_FROM = "Cleanup <cleanup@example.com>"
    there = Email.from_environment()
    assert there.sender == "cleanup@example.com"
    assert there.sender_name == "Cleanup"
    assert there.server == smtp.Server(
        "mail.example.com", 587, "me@example.com", "p:ss", "starttls"
    )
    assert "p:ss" not in repr(there)


@pytest.mark.parametrize(
    ("url", "sender", "words"),
    [
        ("", "a@example.com", "IAMCLEANUP_MAIL_URL is not set"),
        ("smtp://h", "", "IAMCLEANUP_MAIL_FROM is not set"),
        ("smtp://h", "nobody", "IAMCLEANUP_MAIL_FROM is not"),
        ("consolemail://", "a@example.com", "must begin with"),
        ("https://h", "a@example.com", "must begin with"),
        ("smtp+tls://", "a@example.com", "names no host"),
        ("smtp+tls://h:secret", "a@example.com", "names no host"),
        ("smtp+tls://a..b", "a@example.com", "names no host"),
        ("smtp+tls://user@h", "a@example.com", "without a password"),
        ("smtp+tls://user:s%C3%A9cret@h", "a@example.com", "must be ASCII"),
        ("smtp://user:secret@h", "a@example.com", "unencrypted"),
    ],
)
def test_what_is_missing_is_named_and_no_secret_with_it(
    settings: Any, url: str, sender: str, words: str
) -> None:
    settings.IAMCLEANUP_MAIL_URL, settings.IAMCLEANUP_MAIL_FROM = url, sender
    with pytest.raises(NotSetUp, match=words) as told:
        Email.from_environment()
    assert "cret" not in told.value.why
