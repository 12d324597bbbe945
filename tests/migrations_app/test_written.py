"""Instructions of a plan as HTML: what is written for people, and names that would be more."""

from __future__ import annotations

from migrations_app.plans import prose
from migrations_app.templatetags.written import instructions


def test_headings_lists_and_commands_are_drawn() -> None:
    page = prose.page(
        "HOW-TO-TEST.md",
        "How to test",
        "Do this **before** the old key goes.",
        "## In the console",
        prose.steps(["Sign in.", f"Open {prose.code('s3')}."]),
        prose.bullets(["one", "two"]),
        prose.fenced(["aws sts get-caller-identity", "# not a heading", "- no item"]),
    )
    assert instructions(page.text) == (
        "<p>Do this <b>before</b> the old key goes.</p>"
        "<h3>In the console</h3>"
        '<ol><li>Sign in.</li><li>Open <code class="mono">s3</code>.</li></ol>'
        "<ul><li>one</li><li>two</li></ul>"
        '<pre class="code" tabindex="0">'
        "aws sts get-caller-identity\n# not a heading\n- no item</pre>"
    )


def test_a_name_made_of_markdown_or_html_is_text() -> None:
    name = "<script>alert(1)</script>`**[x](javascript:1)`"
    page = prose.page("A.md", "A", prose.plain(name), prose.code(name), prose.fenced([name]))
    told = instructions(page.text)
    assert "<script" not in told
    assert "<b>" not in told
    assert "<a" not in told
    assert told.count("&lt;script&gt;alert(1)&lt;/script&gt;`**[x](javascript:1)`") == 3


def test_a_code_block_that_is_not_ended_is_code_to_the_end() -> None:
    assert instructions("# A\n```sh\n<b>") == '<pre class="code" tabindex="0">&lt;b&gt;</pre>'
