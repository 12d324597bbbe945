"""Jira Cloud: one issue per thread and project, kept up to date, with a comment per message.

Nothing is written twice. A comment carries the key of its message as a property; comments are read
from the issue itself, so a comment whose answer was lost is found. An issue carries a label made
from its thread and is looked for before one is made. Search is documented to lag by seconds to
minutes, and its way around that (`reconcileIssues`) wants the id that a lost answer kept from us;
so after an uncertain try the issues with the numbers around the newest one known are read by key,
which is not a search. What remains: more than 50 issues made in the project while the search lags,
or an attempt that Jira ends only after we looked. Then there are two issues; the older one, which
the search gives first, is the one that goes on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from django.conf import settings

from migrations_app.announce import adf
from migrations_app.announce.identity import fingerprint
from migrations_app.announce.jira_site import Issue, NoSuchIssue, Site
from migrations_app.announce.message import Message, NotSetUp, Receipt, Undeliverable
from migrations_app.announce.plain import shortened, visible

SUMMARY_LIMIT = 255
LABEL = "iam-cleanup"
_PROJECT = re.compile(r"[A-Z][A-Z0-9_]{1,254}")
_ISSUE = re.compile(r"[A-Z][A-Z0-9_]{1,254}-[0-9]{1,12}")


@dataclass(frozen=True, slots=True)
class Jira:
    """Issues in the projects of one Jira, written by one of its accounts."""

    url: str
    email: str
    token: str = field(repr=False)
    issue_type: str = "Task"
    done: str = "Done"

    @classmethod
    def from_environment(cls) -> Jira:
        """Reads IAMCLEANUP_JIRA_URL, _EMAIL, _TOKEN, _ISSUE_TYPE and _DONE."""
        for name in ("IAMCLEANUP_JIRA_URL", "IAMCLEANUP_JIRA_EMAIL", "IAMCLEANUP_JIRA_TOKEN"):
            if not getattr(settings, name):
                raise NotSetUp(f"{name} is not set, so nothing can be written to Jira.")
        return cls(
            settings.IAMCLEANUP_JIRA_URL,
            settings.IAMCLEANUP_JIRA_EMAIL,
            settings.IAMCLEANUP_JIRA_TOKEN,
            settings.IAMCLEANUP_JIRA_ISSUE_TYPE,
            settings.IAMCLEANUP_JIRA_DONE,
        )

    def send(
        self, message: Message, address: str, first: Receipt | None, *, uncertain: bool
    ) -> Receipt:
        """Write it to the issue of its thread in the project `address`.

        The first message of a thread is the description, later ones are comments. A later message
        with a `summary` other than its title tells the state of the whole thread: it renames the
        issue, and with `users` it replaces the description. One without tells of a moment, such as
        a hit on one of the users, and changes neither. The receipt has `issue` and `comment`.

        The comment is the message. Where Jira takes it and then refuses to change or close the
        issue, the message has arrived: the receipt says `not_updated` or `not_closed` and why. A
        person who sent it again would change nothing, and "not told" would be false.
        """
        if not _PROJECT.fullmatch(address):
            raise Undeliverable(
                f"“{shortened(visible(address), 80)}” is not the key of a Jira project. Correct it "
                "at the team: it is the part before the number in ACME-12."
            )
        site = Site(self.url, self.email, self.token, touched=uncertain)
        try:
            return self._write(site, message, address, first, uncertain=uncertain)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Undeliverable(
                f"{self.url} answers, but not as Jira Cloud does ({type(error).__name__}). Check "
                "IAMCLEANUP_JIRA_URL."
            ) from error

    def _write(
        self, site: Site, message: Message, project: str, first: Receipt | None, *, uncertain: bool
    ) -> Receipt:
        issue, there = self._issue(site, message, project, first, uncertain=uncertain)
        facts: dict[str, str] = {"issue": issue.key, "comment": ""}
        if issue.made_by == message.key:
            self._comment(site, issue, message, there, start=1)
        else:
            facts["comment"] = self._comment(site, issue, message, there, start=0)
            facts |= _update(site, issue, message)
        if message.closed:
            facts |= self._close(site, issue)
        return Receipt(facts)

    def _issue(
        self, site: Site, message: Message, project: str, first: Receipt | None, *, uncertain: bool
    ) -> tuple[Issue, dict[str, str]]:
        """The issue of the thread, made if there is none, and our comments on it.

        Every try looks, not only an uncertain one: it costs one call, and the issue is also there
        when the receipt of its first message was lost here.
        """
        known = str(first.facts.get("issue", "")) if first else ""
        if _ISSUE.fullmatch(known):
            try:
                return Issue(known), site.comments(known)
            except NoSuchIssue:
                pass  # Somebody deleted it. The people must be told all the same.
        label = _label(message, project)
        if found := self._find(site, project, label, uncertain=uncertain):
            return found, site.comments(found.key)
        return site.create(self._fields(message, project, label), message.key), {}

    def _find(self, site: Site, project: str, label: str, *, uncertain: bool) -> Issue | None:
        within = f'project = "{project}"'
        for issue in site.search(f'{within} AND labels = "{label}" ORDER BY created ASC', 1):
            return issue
        if not uncertain:
            return None
        newest = site.search(f"{within} ORDER BY key DESC", 1)
        number = int(newest[0].key.rpartition("-")[2]) if newest else 50
        around = [f"{project}-{n}" for n in range(max(1, number - 49), number + 51)]
        return next((issue for issue in site.fetch(around) if label in issue.labels), None)

    def _fields(self, message: Message, project: str, label: str) -> dict[str, object]:
        return {
            "project": {"key": project},
            "issuetype": {"name": self.issue_type},
            "summary": _summary(message),
            "description": adf.description(message),
            "labels": [LABEL, label],
        }

    def _comment(
        self, site: Site, issue: Issue, message: Message, there: dict[str, str], start: int
    ) -> str:
        """Adds those parts of the message, from `start` on, that are not there; the first's id."""
        ids = []
        for number, document in enumerate(adf.documents(message)[start:], start):
            key = f"{message.key}#{number}" if number else message.key
            ids.append(there.get(key) or site.comment(issue.key, document, key))
        return ids[0] if ids else ""

    def _close(self, site: Site, issue: Issue) -> dict[str, str]:
        """Take the configured way to the end, or the only one there is."""
        try:
            name, is_done = site.status(issue.key)
            if is_done or name.casefold() == self.done.casefold():
                return {}
            ways = site.transitions(issue.key)
            way = self._way(ways)
            if not way:
                names = ", ".join(visible(name) for _, name, _, _ in ways) or "none"
                return {
                    "not_closed": shortened(
                        f"No transition is called or leads to “{self.done}”. There are: {names}. "
                        "Set IAMCLEANUP_JIRA_DONE to one of them.",
                        500,
                    )
                }
            site.transit(issue.key, way)
        except Undeliverable as error:
            return {"not_closed": error.why}
        return {}

    def _way(self, ways: list[tuple[str, str, str, bool]]) -> str:
        wanted = self.done.casefold()
        by_name = [id_ for id_, name, _, _ in ways if name.casefold() == wanted]
        by_status = [id_ for id_, _, to, _ in ways if to.casefold() == wanted]
        # Of several ends one may be "Won't do" or "Duplicate", which would be a lie.
        ends = [id_ for id_, _, _, is_done in ways if is_done]
        return next(iter(by_name or by_status or (ends if len(ends) == 1 else [])), "")


def rendered(message: Message) -> str:
    """What is sent, as readable text: the summary, then each document."""
    texts = "\n\n".join(adf.as_text(document) for document in adf.documents(message))
    return f"Summary: {_summary(message)}\n\n{texts}\n"


def _update(site: Site, issue: Issue, message: Message) -> dict[str, str]:
    if message.summary in {"", message.title}:
        return {}
    fields: dict[str, object] = {"summary": _summary(message)}
    if message.users:
        fields["description"] = adf.description(message)
    try:
        site.edit(issue.key, fields)
    except Undeliverable as error:
        return {"not_updated": error.why}
    return {}


def _summary(message: Message) -> str:
    return shortened(visible(message.summary or message.title), SUMMARY_LIMIT) or "IAM Cleanup"


def _label(message: Message, project: str) -> str:
    thread = message.thread or message.key
    return f"{LABEL}-{fingerprint('thread', thread, project)[:16]}"
