"""Pictures of the messages that docs/messages keeps, each drawn from what arrived.

    python -m bench.messages docs/messages

The mail is shown as a browser shows its HTML part. Slack and Jira cannot be asked here, so their
blocks and nodes are drawn plainly, with nothing that the payload does not say.
"""

from __future__ import annotations

import email
import email.policy
import json
import shutil
import sys
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

Node = Mapping[str, Any]

_LOOK = """<!DOCTYPE html><meta charset="utf-8"><style>
body { margin: 0; padding: 20px; color: #1d1c1d;
  font: 15px/1.45 Inter, "Segoe UI", Roboto, sans-serif }
h1 { font-size: 18px; margin: 0 0 8px } p { margin: 0 0 10px }
ul { margin: 6px 0; padding-left: 22px } a { color: #0b57b8 }
code { font: 13px ui-monospace, monospace; background: #f1f2f4; padding: 1px 4px }
.who { color: #616061; font-size: 13px } .who b { color: #1d1c1d; font-size: 15px }
.button { display: inline-block; background: #007a5a; color: #fff; border-radius: 4px;
  padding: 7px 14px; font-weight: 600; text-decoration: none; margin: 4px 0 10px }
.label { background: #e9ebee; border-radius: 3px; padding: 1px 6px; font-size: 13px }
</style>"""


def slack(sent: Node) -> str:
    """A posting of Slack as a page: its blocks, in their order."""
    who = f'<p class="who"><b>IAM Cleanup</b> APP, in {escape(sent["channel"])}</p>'
    return _LOOK + who + "".join(_block(block) for block in sent["blocks"])


def _block(block: Node) -> str:
    if block["type"] == "header":
        return f"<h1>{escape(block['text']['text'])}</h1>"
    if block["type"] == "actions":
        return "".join(
            f'<a class="button" href="{escape(one["url"])}">{escape(one["text"]["text"])}</a>'
            for one in block["elements"]
        )
    return "".join(
        f"<ul>{''.join(f'<li>{_section(item)}</li>' for item in part['elements'])}</ul>"
        if part["type"] == "rich_text_list"
        else f"<p>{_section(part)}</p>"
        for part in block["elements"]
    )


def _section(part: Node) -> str:
    return "".join(_element(one) for one in part["elements"])


def _element(one: Node) -> str:
    text = escape(one["text"]).replace("\n", "<br>")
    text = f"<b>{text}</b>" if one.get("style", {}).get("bold") else text
    return f'<a href="{escape(one["url"])}">{text}</a>' if one["type"] == "link" else text


def jira(sent: Node) -> str:
    """An issue of Jira as a page: summary, labels and description."""
    fields = sent["fields"]
    labels = " ".join(f'<span class="label">{escape(one)}</span>' for one in fields["labels"])
    kind = escape(f"{fields['project']['key']}, {fields['issuetype']['name']}")
    head = f'<p class="who">{kind}</p><h1>{escape(fields["summary"])}</h1><p>{labels}</p>'
    return _LOOK + head + _node(fields["description"])


def _node(node: Node) -> str:
    if node["type"] == "text":
        text = escape(node["text"])
        for mark in node.get("marks", ()):
            tag = {"strong": "b", "code": "code"}.get(mark["type"])
            text = f"<{tag}>{text}</{tag}>" if tag else text
            if mark["type"] == "link":
                text = f'<a href="{escape(mark["attrs"]["href"])}">{text}</a>'
        return text
    inner = "".join(_node(one) for one in node.get("content", ()))
    tag = {"paragraph": "p", "bulletList": "ul", "listItem": "li"}.get(node["type"], "div")
    return f"<{tag}>{inner}</{tag}>"


def mail(kept: bytes) -> str:
    """The HTML part of a mail, as it is."""
    part = email.message_from_bytes(kept, policy=email.policy.default).get_body(("html",))
    if part is None:
        sys.exit("The mail has no HTML part.")
    return str(part.get_content())


def main(folder: Path) -> None:
    """Draw each kept message of `folder` beside it."""
    drawn: dict[str, Callable[[], str]] = {
        "slack": lambda: slack(json.loads((folder / "slack.json").read_text())),
        "jira": lambda: jira(json.loads((folder / "jira.json").read_text())),
        "mail": lambda: mail((folder / "mail.eml").read_bytes()),
    }
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        for name, page in drawn.items():
            _take(browser, page(), folder / f"{name}.png", 640)
        _take(browser, drawn["mail"](), folder / "mail-phone.png", 390)
        browser.close()


def _take(browser: Browser, html: str, path: Path, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 300}, offline=True)
    page = context.new_page()
    page.set_content(html)
    page.screenshot(path=path, full_page=True)
    context.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
