"""The documented calls of Jira Cloud (REST v3) that an issue takes, and what its answers mean.

A call that writes marks the site as touched: from then on a fault is uncertain, so the next try
looks at what is there before it writes again.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from migrations_app.announce import outbound
from migrations_app.announce.adf import Node
from migrations_app.announce.message import TryLater, Undeliverable
from migrations_app.announce.plain import shortened, visible

PROPERTY = "iam-cleanup"
# Pages of comments and issues are long; what is longer still is no answer of Jira.
MOST = 16 * 1024 * 1024
# Seconds for one message. The outbox lends it for longer, so no other worker sends it meanwhile.
PATIENCE = 180


@dataclass(frozen=True, slots=True)
class Issue:
    """An issue as far as it matters here. `made_by` is the key of the message that made it."""

    key: str
    labels: tuple[str, ...] = ()
    made_by: str = ""


class NoSuchIssue(Exception):
    """Deleted, or hidden from us."""


@dataclass(slots=True)
class Site:
    """One Jira, for the length of one try to write one message.

    `touched`: something of the message may stand there, from this try or an earlier one. It stays
    so until a try ends well, however many fail before they could look.
    """

    url: str
    email: str
    token: str = field(repr=False)
    touched: bool
    until: float = field(default_factory=lambda: time.monotonic() + PATIENCE)

    def search(self, jql: str, limit: int) -> list[Issue]:
        """Issues in the order the query asks for. Those of the last minutes may be missing."""
        body = {"jql": jql, "fields": ["labels"], "properties": [PROPERTY], "maxResults": limit}
        return _issues(self._read("POST", "search/jql", body))

    def fetch(self, keys: list[str]) -> list[Issue]:
        """Those of at most 100 issues that exist and that we may see; read from the issues
        themselves, not from the search index."""
        body = {"issueIdsOrKeys": keys, "fields": ["labels"], "properties": [PROPERTY]}
        return _issues(self._read("POST", "issue/bulkfetch", body))

    def create(self, fields: Mapping[str, Any], made_by: str) -> Issue:
        body = {"fields": fields, "properties": [{"key": PROPERTY, "value": {"key": made_by}}]}
        return Issue(str(self._write("POST", "issue", body)["key"]), made_by=made_by)

    def comments(self, issue: str) -> dict[str, str]:
        """The ids of our comments, by the key each was written with. NoSuchIssue."""
        return dict(self._comments(issue))

    def comment(self, issue: str, body: Node, key: str) -> str:
        """Adds a comment that carries `key`; its id."""
        properties = [{"key": PROPERTY, "value": {"key": key}}]
        written = {"body": body, "properties": properties}
        return str(self._write("POST", f"issue/{issue}/comment", written)["id"])

    def edit(self, issue: str, fields: Mapping[str, Any]) -> None:
        self._write("PUT", f"issue/{issue}", {"fields": fields})

    def status(self, issue: str) -> tuple[str, bool]:
        """The name of its status, and whether Jira counts it as done."""
        status = self._read("GET", f"issue/{issue}?fields=status")["fields"]["status"]
        return str(status["name"]), _is_done(status)

    def transitions(self, issue: str) -> list[tuple[str, str, str, bool]]:
        """What can be done with it now: id, name, status it leads to, whether that is done."""
        found = self._read("GET", f"issue/{issue}/transitions")["transitions"]
        return [(t["id"], t["name"], t["to"]["name"], _is_done(t["to"])) for t in found]

    def transit(self, issue: str, transition: str) -> None:
        self._write("POST", f"issue/{issue}/transitions", {"transition": {"id": transition}})

    def _comments(self, issue: str) -> Iterator[tuple[str, str]]:
        start, total = 0, 1
        while start < total:
            asked = {"startAt": start, "maxResults": 100, "expand": "properties"}
            page = self._read("GET", f"issue/{issue}/comment?{urlencode(asked)}", missing=True)
            for comment in page["comments"]:
                for given in comment.get("properties", ()):
                    if given["key"] == PROPERTY:
                        yield str(_key_in(given["value"])), str(comment["id"])
            start, total = start + max(1, len(page["comments"])), int(page["total"])

    def _read(self, method: str, path: str, body: Any = None, *, missing: bool = False) -> Any:
        try:
            return self._call(method, path, body, missing=missing)
        except TryLater as error:
            # A lost answer to a question changes nothing; what was written before it does.
            raise TryLater(error.why, after=error.after, uncertain=self.touched) from error

    def _write(self, method: str, path: str, body: Any) -> Any:
        try:
            answer = self._call(method, path, body)
        except TryLater as error:
            uncertain = error.uncertain or self.touched
            raise TryLater(error.why, after=error.after, uncertain=uncertain) from error
        self.touched = True
        return answer

    def _call(self, method: str, path: str, body: Any, *, missing: bool = False) -> Any:
        if time.monotonic() > self.until:
            raise TryLater("Jira answers slowly; the rest is sent later.", uncertain=self.touched)
        sign_in = base64.b64encode(f"{self.email}:{self.token}".encode()).decode()
        headers = {"Authorization": f"Basic {sign_in}", "Accept": "application/json"}
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(body).encode()
        url = f"{self.url}/rest/api/3/{path}"
        answer = outbound.call(method, url, content, headers, timeout=20, most=MOST)
        if missing and answer.status == 404:
            raise NoSuchIssue
        if answer.status >= 400:
            raise Undeliverable(self._refusal(answer))
        return answer.json() if answer.body else {}

    def _refusal(self, answer: outbound.Answer) -> str:
        said = _words(answer)
        what_to_do = {
            401: "Check IAMCLEANUP_JIRA_EMAIL and IAMCLEANUP_JIRA_TOKEN; tokens expire.",
            403: f"Let {self.email} browse the project, create and edit issues, add comments and "
            "move issues.",
            404: f"Check IAMCLEANUP_JIRA_URL, and that {self.email} may see the project.",
        }.get(
            answer.status,
            "Check the project key, IAMCLEANUP_JIRA_ISSUE_TYPE, and that summary, description and "
            "labels are on the screens of that issue type.",
        )
        return f"Jira refuses (status {answer.status}){said}. {what_to_do}"


def _issues(answer: Any) -> list[Issue]:
    return [
        Issue(
            str(found["key"]),
            tuple(found["fields"].get("labels") or ()),
            str(_key_in(found.get("properties", {}).get(PROPERTY))),
        )
        for found in answer["issues"]
    ]


def _key_in(value: Any) -> Any:
    return value.get("key", "") if isinstance(value, dict) else ""


def _is_done(status: Any) -> bool:
    return bool(status.get("statusCategory", {}).get("key") == "done")


def _words(answer: outbound.Answer) -> str:
    """Jira's own words, or "" where something else than Jira answered."""
    try:
        told = json.loads(answer.body)
        said = [*told.get("errorMessages", ()), *told.get("errors", {}).values()]
    except (ValueError, AttributeError):
        return ""
    text = visible(" ".join(str(line) for line in said)).rstrip(".")
    return f": {shortened(text, 300)}" if text else ""
