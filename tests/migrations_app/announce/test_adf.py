"""Messages as documents of Jira: within its limits, and nothing but text and our own links."""

from __future__ import annotations

import json

from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from migrations_app.announce import adf
from migrations_app.announce.jira import rendered
from migrations_app.announce.message import Line, Link, Message
from tests.migrations_app.announce.jira_document import check_document, texts

ODD = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from("\r\n\t\0\x1b\u202e\u200b\u2028{}[]|~@*_#:/<>\"'\\\ud800😀"),
    ),
    max_size=300,
)


@hypothesis_settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(odd=ODD, many=st.integers(0, 400))
@example("[~accountid:5b10a2844c20165700ede21g] {code}x{code} [evil|https://evil.example]", 1)
@example('{"type": "mention", "attrs": {"id": "1"}}', 1)
@example("https://evil.example @all :smile: #x", 1)
@example("😀" * 50_000, 2)
@example("", 1)
def test_no_text_makes_a_node_or_a_link_that_is_not_ours(odd: str, many: int) -> None:
    ours = "https://cleanup.example/users/1/"
    message = Message(
        key="k",
        kind="k",
        title=odd,
        paragraphs=(odd,),
        users=(Line(odd, odd, odd, odd), Line("x", "y", odd, ours)) * many,
        button=Link(odd, odd),
        links=(Link(odd, ours),),
        summary=odd,
    )
    documents = [*adf.documents(message), adf.description(message)]
    for document in documents:
        check_document(document, "description")
        assert len(json.dumps(document)) <= adf.LIMIT
    kept = json.dumps(documents)
    links = {part.split('"')[0] for part in kept.split('"href": "')[1:]}
    assert links <= {ours, odd}
    if "://" not in odd:
        assert links <= {ours}
    shown = "".join(text for document in documents for text in texts(document))
    assert not set("\0\x1b\u202e\u200b\u2028\r\n\t") & set(shown)
    summary = rendered(message).partition("\n")[0].removeprefix("Summary: ")
    assert 1 <= len(summary) <= 255
    assert not set("\0\x1b\u202e\u200b\u2028\r\t") & set(summary)
