"""What strangers write into a mail never becomes a header, a recipient, an element or a link."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from django.core.mail.message import sanitize_address
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from migrations_app.announce.email import is_address
from migrations_app.announce.message import Line, Link, Message, Receipt, Undeliverable
from tests.migrations_app.announce.mails import MESSAGE, PRIYA, channel, defuseless, send
from tests.migrations_app.announce.smtp_server import running as smtp_running

ODD = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from("\r\n\t\0\x1b\u202e\u200b\u2028\u2029\x85,;:<>@\"'&=?./\\\ud800"),
    ),
    max_size=80,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(odd=ODD)
@example("x\r\nBcc: eve@evil.example\r\n\r\nhello")
@example("=?utf-8?B?DQpCY2M6IGV2ZUBldmlsLmV4YW1wbGU=?=")
@example("</title><script>alert(1)</script><a href=//evil.example>")
@example(".\r\nMAIL FROM:<eve@evil.example>\r\n")
@example("x" * 2000)
def test_no_text_makes_a_header_a_recipient_or_an_element(odd: str) -> None:
    message = Message(
        key=odd,
        kind=odd,
        title=odd,
        paragraphs=(odd,),
        users=(Line(odd, odd, odd, odd),),
        button=Link(odd, odd),
        links=(Link(odd, odd),),
        to=odd,
    )
    receipt = Receipt({"message_id": odd})
    with smtp_running() as server:
        channel(server).send(message, PRIYA, receipt, uncertain=False)
        (taken,) = server.taken
    assert taken.recipients == [PRIYA]
    assert [name for name in taken.mail if name not in HEADERS] == []
    assert len(set(taken.mail)) == len(list(taken.mail))
    assert taken.mail.get_content_type() == "multipart/alternative"
    assert len(list(taken.mail.iter_parts())) == 2
    markup = taken.part("html")
    assert set(re.findall(r"<(?!/)([a-z0-9!]+)", markup, re.IGNORECASE)) <= ELEMENTS
    assert re.findall(r"href=\"(?!https?://)", markup) == []
    assert not set(UNSEEN) & set(taken.part("plain") + markup + str(taken.mail["Subject"]))


HEADERS = {
    "Content-Type",
    "MIME-Version",
    "Subject",
    "From",
    "To",
    "Message-ID",
    "Date",
    "Auto-Submitted",
    "X-Auto-Response-Suppress",
    "X-IAM-Cleanup-Kind",
}
ELEMENTS = {"!DOCTYPE", "html", "head", "meta", "title", "style", "body", "div", "h1", "p", "a"}
ELEMENTS |= {"ul", "li", "b", "i", "br", "span"}
UNSEEN = "\0\x1b\u202a\u202b\u202d\u202e\u2066\u200b\u200c\u200d\u200f\u2028\ufeff"

# What clients look for: a scheme, a host with a known end, an address, a share.
LINKED: list[Callable[[str], list[str]]] = [
    re.compile(r"\b[a-z][a-z0-9+.-]*:/", re.IGNORECASE).findall,
    re.compile(r"[^\s.@\u2060]\.[^\s.@\u2060]").findall,
    re.compile(r"[^\s\u2060]@[^\s\u2060]").findall,
    re.compile(r"\\\\").findall,
]


@pytest.mark.parametrize(
    "name",
    [
        "www.evil.example",
        "http://evil.example/x",
        "HTTPS://EVIL.EXAMPLE",
        "evil.com",
        "ci+eve@evil.com",
        "ftp://evil.com/a.b",
        "evil\u3002com",
        r"\\evil\share",
        "a..b.com",
    ],
)
def test_a_name_that_looks_like_a_link_stays_a_name(name: str) -> None:
    message = Message(
        key="k", kind="k", title=name, paragraphs=(name,), users=(Line(name, name, name),), to=name
    )
    with smtp_running() as server:
        send(channel(server), message)
    text, markup = server.taken[0].part("plain"), server.taken[0].part("html")
    body = markup.partition("<body>")[2]
    words = html.unescape(re.sub(r"<[^>]*>", "\n", body))
    # In HTML each end of a host is a text of its own as well.
    assert name not in text
    assert name not in words
    for linked in LINKED:
        assert linked(text.replace("by itself. Nobody", "")) == []
        assert linked(words) == []
    assert "<a " not in body
    assert defuseless(text).count(name) >= 5
    assert defuseless(body).count(name) >= 5


def test_what_cannot_be_seen_is_written_out() -> None:
    name = "adm\u202enimda\u200b"
    with smtp_running() as server:
        send(channel(server), replace(MESSAGE, title=name, users=(Line(name, "production"),)))
    (taken,) = server.taken
    for text in (taken.part("plain"), taken.part("html"), str(taken.mail["Subject"])):
        assert "adm[U+202E]nimda[U+200B]" in text


def test_a_title_that_looks_encoded_is_not_decoded() -> None:
    title = "=?utf-8?B?DQpCY2M6IGV2ZUBldmlsLmV4YW1wbGU=?="
    with smtp_running() as server:
        send(channel(server), replace(MESSAGE, title=title))
    subject = str(server.taken[0].mail["Subject"])
    assert subject.replace("\u2060", "").strip() == title


def test_a_link_that_is_no_web_address_is_text() -> None:
    message = replace(MESSAGE, button=Link("Go", "javascript:alert(1)"), links=())
    with smtp_running() as server:
        send(channel(server), message)
    (taken,) = server.taken
    assert "javascript" not in taken.part("html") + taken.part("plain")


@pytest.mark.parametrize(
    "address",
    [
        "",
        "priya",
        "priya@example.com,eve@evil.example",
        "priya@example.com\r\nBcc: eve@evil.example",
        "Priya <priya@example.com>",
        '"a\x01b"@example.com',
        "pri\u202eya@example.com",
        "\u212a@example.com",
        "priya@example.com ",
        "priya@exa\u200bmple.com",
    ],
)
def test_what_is_not_one_plain_address_is_parked(address: str) -> None:
    with smtp_running() as server, pytest.raises(Undeliverable, match="not an e-mail address"):
        send(channel(server), to=address)
    assert server.state.connections == 0


@settings(max_examples=100, deadline=None)
@given(st.one_of(st.emails(), ODD))
def test_an_address_that_passes_is_one_line_with_one_at(address: str) -> None:
    if is_address(address):
        assert address.count("@") == 1
        assert not re.search(r"[\s,;<>\"\x00-\x1f]", address)
        assert re.fullmatch(r"[!-~]+", sanitize_address(address, "utf-8"))


def test_an_international_domain_is_written_as_it_travels() -> None:
    with smtp_running() as server:
        send(channel(server), to="priya@bücher.example")
    assert server.taken[0].recipients == ["priya@xn--bcher-kva.example"]
