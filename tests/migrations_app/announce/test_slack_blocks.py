"""How a message looks in Slack: within its limits, whole, and inert whatever a name holds."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from migrations_app.announce.message import Line, Link, Message
from migrations_app.announce.slack_blocks import parts, readable, rendered
from tests.migrations_app.announce.sending import PAGE, message, users
from tests.migrations_app.announce.slack_server import check_message, texts

HOSTILE = [
    "<!channel>", "<!here|here>", "@here", "@channel", "<@U012ABCDEF>", "<#C0123|general>",
    "<!subteam^S0123>", "*bold*", "`code`", "```", "<https://evil.example|click>",
    "https://evil.example/", "&lt;!channel&gt;", "a\u202eb", "a\u200bb", "x\ny", ":tada:", "\x00",
    "</script>", "\ud800", "﷽" * 80,
]  # fmt: skip
anything = st.text(max_size=200) | st.sampled_from(HOSTILE)
ours = st.sampled_from([PAGE, "https://dashboards.example.com/1", ""])
anybody = st.builds(Line, anything, anything, anything, ours)
messages = st.builds(
    Message,
    key=st.just("k1"),
    kind=st.just("announce"),
    title=anything,
    paragraphs=st.lists(anything | st.text(min_size=2000, max_size=4000), max_size=4).map(tuple),
    users=st.lists(anybody, max_size=60).map(tuple),
    button=st.none() | st.builds(Link, anything, ours),
    links=st.lists(st.builds(Link, anything, ours), max_size=5).map(tuple),
)
generated = settings(max_examples=60, deadline=None)


@generated
@given(messages)
def test_slack_takes_whatever_a_text_holds(one: Message) -> None:
    for part in parts(one):
        check_message({"text": part.text, "blocks": json.loads(json.dumps(part.blocks))})


@generated
@given(messages)
def test_no_text_from_aws_or_a_person_is_more_than_text(one: Message) -> None:
    for part in parts(one):
        assert not set("<>&") & set(_without_entities(part.text))
        for element in texts({"blocks": part.blocks}):
            assert element["type"] in ("text", "link", "button", "header")
            if element["type"] in ("link", "button"):
                assert element["url"] in (PAGE, "https://dashboards.example.com/1")
            else:
                assert set(element) <= {"type", "text", "style"}


def _without_entities(text: str) -> str:
    for entity in ("&amp;", "&lt;", "&gt;"):
        text = text.replace(entity, "")
    return text


def test_every_user_of_a_long_list_is_there_once_and_in_order() -> None:
    found = [
        element["text"]
        for part in parts(message(users=users(206)))
        for element in texts({"blocks": part.blocks})
        if element["type"] == "link" and element["text"].startswith("svc-")
    ]
    assert found == [f"svc-{number:04}" for number in range(206)]


def test_twenty_users_fit_into_one_message_and_more_go_on_in_the_thread() -> None:
    assert len(parts(message(users=users(20)))) == 1
    first, second = parts(message(users=users(21)))
    assert (first.key, second.key) == ("k1:1", "k1:2")
    assert "(2 of 2)" in readable(second.blocks)


def test_where_a_part_ends_does_not_hang_on_what_is_said_of_a_user() -> None:
    """The next try leaves out the parts that have arrived, and words may have changed since."""
    before = users(50)
    after = tuple(Line(one.name, one.account, "Disabled", one.url) for one in before)
    assert [_names(part.blocks) for part in parts(message(users=before))] == [
        _names(part.blocks) for part in parts(message(users=after))
    ]


def _names(blocks: object) -> list[str]:
    links = [one for one in texts({"blocks": blocks}) if one["type"] == "link"]
    return [link["text"] for link in links]


def test_the_button_stands_before_a_long_list() -> None:
    blocks = parts(message(users=users(206)))[0].blocks
    kinds = [block["type"] for block in blocks]
    assert kinds.index("actions") < len(kinds) - 1
    assert blocks[-1]["elements"][0]["type"] == "rich_text_list"


def test_a_long_title_a_long_text_and_a_long_note_are_cut_nowhere() -> None:
    title, text, note = "t" * 400, "word " * 3000, "n" * 5000
    one = message(title=title, paragraphs=(text,), users=(Line("svc", "prod", note),))
    for part in parts(one):
        check_message({"text": part.text, "blocks": list(part.blocks)})
    whole = "".join(element["text"] for part in parts(one) for element in _plain(part.blocks))
    assert title in whole
    assert whole.count("word") == 3000
    assert whole.count("n" * 100) >= 49


def _plain(blocks: object) -> list[dict[str, str]]:
    return [
        {"text": one["text"]} for one in texts({"blocks": blocks}) if isinstance(one["text"], str)
    ]


def test_what_is_read_is_what_is_sent() -> None:
    assert rendered(message(users=users(1))).splitlines() == [
        "3 users of Payments will be disabled",
        "Nothing is deleted.",
        "Approved by Mei Tanaka.",
        f"[Open the batch] {PAGE}",
        "Errors in payments-prod <https://dashboards.example.com/1>",
        "• svc-0000 <https://cleanup.example.com/users/123456789012/AIDA00000000000000000/>"
        " · payments-prod · Owner assigned, last used 3 Jan 2026",
    ]


def test_what_cannot_be_seen_is_written_out() -> None:
    shown = rendered(message(users=(Line("a\u202eb", "prod\u200b", "x\ry"),)))
    assert "a[U+202E]b · prod[U+200B] · x y" in shown


def test_the_line_for_notifications_stays_within_what_slack_advises() -> None:
    one = parts(message(paragraphs=("<&>" * 500, *["x" * 90] * 60)))[0]
    assert len(one.text) <= 4000
    assert one.text.endswith("…")
