"""What owners hear of a batch: before it, at its start, at its end, and when it is called off.

All messages about one batch are one thread; in Jira one issue per team. Each stage is told once,
however often the sweep comes by. Nothing here decides whether a batch may run.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from django.db.models import QuerySet
from django.urls import reverse

from inventory import clock
from inventory.models import Organization, Person, Role, Team
from inventory.policy import Policy, in_words, next_opening, notice_over_at, policy_for
from inventory.templatetags.times import due_text
from migrations_app.lifecycle import Method, MoveName
from migrations_app.models import Batch, Change, Departure, Notice
from migrations_app.outgoing.outbox import tell

# An announcement that nobody opened and no channel took is brought up again once, this much later.
REMIND_AFTER = timedelta(days=1)


def preview(batch: Batch, person: Person, users: Iterable[Departure]) -> tuple[list[str], str]:
    """What the owners of `users` will read if `person` asks now: a title for each, and the text."""
    teams = Counter(one.owner for one in users if one.owner)
    titles = sorted(_title(batch, team, count) for team, count in teams.items())
    return titles, "\n\n".join(_announcement(batch, person))


def asked(batch: Batch) -> None:
    """Tell each owner which of its users go, how and when; starts the notice."""
    for team, departures in _by_owner(batch, [Change.Status.ASKED]).items():
        _tell(
            batch,
            "announce",
            team,
            departures,
            _title(batch, team, len(departures)),
            [*_announcement(batch, batch.asked_by), batch.message],
            key=f"{batch.asked_at:%Y%m%d%H%M%S}:announce",
        )
    tell(
        "approve",
        f"batch:{batch.pk}:{batch.asked_at:%Y%m%d%H%M%S}:approve",
        f"Batch {batch} waits for approval: {_summary(batch)}",
        role=Role.APPROVER,
        text=f"{batch.asked_by} asked.\n\n{batch.message}".strip(),
        url=_url(batch),
        batch=batch,
        thread=thread(batch),
    )


def started(batch: Batch) -> None:
    """Tell each owner that it begins, what to look at, and how to take it back."""
    boards = ", ".join(board["name"] for board in batch.account.dashboards)
    look = f"Look at {boards} now and in the next hours." if boards else ""
    for team, departures in _by_owner(batch, [Change.Status.QUEUED]).items():
        title = f"Batch {batch} has started: {_users(len(departures))} of {team}"
        back = (
            "Deletion is final."
            if batch.move == MoveName.DELETE
            else "If something breaks, restore the user: one click, about a minute, no approval."
        )
        _tell(batch, "started", team, departures, title, [_what_happens(batch), look, back])


def finished(batch: Batch) -> None:
    """Tell each owner how it went with its own users, the failed and the left out by reason."""
    done = _DONE[MoveName(batch.move)]
    ended = [Change.Status.DONE, Change.Status.FAILED, Change.Status.LEFT_OUT]
    ended += [Change.Status.SUPERSEDED, Change.Status.WITHDRAWN]
    for team, departures in _by_owner(batch, ended).items():
        changes = batch.changes.filter(follows=None, departure__in=departures)
        counts = {
            status: changes.filter(status=status).count()
            for status in (Change.Status.DONE, Change.Status.FAILED)
        }
        left_out = len(departures) - sum(counts.values())
        told = [
            f"{one.departure.user}: {one.get_status_display().lower()}. {one.result or one.error}"
            for one in changes.exclude(status=Change.Status.DONE).select_related("departure__user")
        ]
        title = (
            f"Batch {batch} has ended: {counts[Change.Status.DONE]} of {team} {done}, "
            f"{counts[Change.Status.FAILED]} failed, {left_out} left out"
        )
        _tell(batch, "finished", team, departures, title, ["\n".join(told)], closes=True)


def called_off(batch: Batch, why: str) -> None:
    """Tell whoever was told of a batch that it does not come for now: nothing has changed."""
    if batch.asked_at is None:
        return
    for notice in _announcements(batch):
        if notice.team is None:
            continue
        _tell(
            batch,
            "called-off",
            notice.team,
            notice.departures.all(),
            f"Batch {batch} does not come for now",
            [f"{why} Nothing was changed. You hear of it again before it comes."],
            key=f"{batch.asked_at:%Y%m%d%H%M%S}:called-off",
        )


def aborted(batch: Batch, *, restored: bool) -> None:
    """Tell each owner that it stopped for good, and what happens with what was done."""
    waiting = list(Change.Status.values)
    for team, departures in _by_owner(batch, waiting).items():
        changes = batch.changes.filter(follows=None, departure__in=departures)
        done = changes.filter(status=Change.Status.DONE).count()
        stay = "They are being restored." if restored else "They stay as they are now."
        so_far = f"{_users(done)} of {team} had been {_DONE[MoveName(batch.move)]}."
        text = f"{so_far} {stay}" if done else so_far
        title = f"Batch {batch} was aborted"
        _tell(batch, "aborted", team, departures, title, [text], closes=True)


def remind() -> None:
    """Once a day of notice has gone by unheard, tell the team again and Security with it."""
    waiting = Batch.objects.filter(status__in=[Batch.Status.ASKED, Batch.Status.APPROVED])
    for batch in waiting.select_related("account", "asked_by"):
        late = clock.now() - REMIND_AFTER
        for notice in _announcements(batch).filter(reached_at=None, at__lte=late):
            if notice.team is None:
                continue
            _tell(
                batch,
                "announce",
                notice.team,
                notice.departures.all(),
                f"Please open this: {notice.title}",
                ["Nobody of your team has opened this yet, so the batch waits.", notice.text],
                key=f"reminder:{notice.pk}",
            )
            tell(
                "unreached",
                f"unreached:{notice.pk}",
                f"{notice.team} has not been reached about batch {batch}",
                role=Role.ENGINEER,
                text="No channel took the message and no lead opened it. Ask them yourself, or "
                "take their users out.",
                url=_url(batch),
                batch=batch,
                thread=thread(batch),
            )


def tomorrow() -> None:
    """The day before an approved batch may begin, each owner hears so once."""
    now = clock.now()
    soon = Batch.objects.filter(
        status=Batch.Status.APPROVED,
        urgent=False,
        window_from__gt=now,
        window_from__lte=now + timedelta(days=1),
    )
    for batch in soon.select_related("account", "asked_by"):
        if batch.window_from is None:
            continue
        when = _local(batch.window_from, batch)
        for team, departures in _by_owner(batch, [Change.Status.QUEUED]).items():
            title = f"{when}: {_users(len(departures))} of {team} will be {_verb(batch)}"
            stay = "If one of them must stay, dispute it before then."
            key = f"{batch.window_from:%Y%m%d%H%M}:tomorrow"
            _tell(batch, "tomorrow", team, departures, title, [_what_happens(batch), stay], key=key)


def thread(batch: Batch) -> str:
    """What all messages about this batch have in common."""
    return f"batch:{batch.number}"


def thread_of(departure: Departure) -> str:
    """The thread of the batch that this user went off with; "" for one that never did."""
    last = (
        departure.changes.filter(batch__isnull=False, status=Change.Status.DONE)
        .select_related("batch")
        .order_by("-pk")
        .first()
    )
    return thread(last.batch) if last and last.batch else ""


def _tell(  # noqa: PLR0917
    batch: Batch,
    kind: str,
    team: Team,
    departures: Iterable[Departure],
    title: str,
    parts: Iterable[str],
    *,
    key: str = "",
    closes: bool = False,
) -> Notice:
    return tell(
        kind,
        f"batch:{batch.pk}:{key or kind}:{team.pk}",
        title,
        team=team,
        text="\n\n".join(part.strip() for part in parts if part.strip()),
        url=_url(batch),
        batch=batch,
        departures=departures,
        thread=thread(batch),
        summary=f"IAM users of {team}: batch {batch}, {_summary(batch)}",
        closes=closes,
        links=batch.account.dashboards if kind == "started" else (),
    )


def _by_owner(batch: Batch, statuses: Iterable[str]) -> Mapping[Team, list[Departure]]:
    found: dict[Team, list[Departure]] = defaultdict(list)
    rows = batch.changes.filter(status__in=statuses, follows=None)
    for change in rows.select_related("departure__owner", "departure__user"):
        if change.departure.owner:
            found[change.departure.owner].append(change.departure)
    return found


def _announcements(batch: Batch) -> QuerySet[Notice]:
    told = batch.notices.filter(kind="announce", at__gte=batch.asked_at)
    return told.exclude(key__contains=":reminder:").select_related("team").order_by("pk")


def _local(at: datetime, batch: Batch) -> str:
    return due_text(at, batch.account.time_zone, clock.now())


def _summary(batch: Batch) -> str:
    # Who was left out when it was asked for has blockers, and is no part of what was asked.
    asked = batch.changes.filter(follows=None, blockers=[])
    count = asked.exclude(status=Change.Status.WITHDRAWN).count()
    return f"{batch.move} {_users(count)} in {batch.account.name}"


_DONE = {MoveName.DELETE: "deleted", MoveName.DISABLE: "disabled"}


def _verb(batch: Batch) -> str:
    if batch.move == MoveName.DELETE:
        return "deleted"
    return "shut" if batch.method == Method.SHUT else "disabled"


def _title(batch: Batch, team: Team, count: int) -> str:
    return f"{_users(count)} of {team} will be {_verb(batch)}"


def _announcement(batch: Batch, asked_by: Person | None) -> list[str]:
    return [_what_happens(batch), f"{asked_by} asked for it. {_when(batch)}"]


def _what_happens(batch: Batch) -> str:
    if batch.move == MoveName.DELETE:
        return (
            "They were switched off and nobody missed them. Deletion is final: a user can be "
            "re-created with the same policies, but never with the same keys or id."
        )
    whoever = "an engineer" if batch.urgent else "you"
    back = f"{whoever} can restore a user in one click for at least {in_words(_undo_for(batch))}"
    if batch.method == Method.SHUT:
        return (
            "Nothing is deleted: every call is denied, access keys are made inactive and console "
            f"passwords are removed. {back[0].upper()}{back[1:]}; an old password does not come "
            "back."
        )
    return f"Nothing is deleted: every call is denied and logged, and {back}."


def _undo_for(batch: Batch) -> timedelta:
    """The shortest time from switching off to deleting that any user of the batch gets."""
    facts = batch.changes.filter(follows=None).exclude(facts={}).values_list("facts", flat=True)
    lengths = [timedelta(seconds=one["watch"] + one["soak"]) for one in facts]
    return min(lengths, default=_policy(batch).soak)


def _when(batch: Batch) -> str:
    """The day before which it does not begin, as far as it can be told now."""
    if batch.urgent:
        return "Keys may be in foreign hands, so it begins as soon as a second person approves."
    policy, zone = _policy(batch), batch.account.time_zone
    window = policy.delete_window if batch.move == MoveName.DELETE else policy.disable_window
    told = notice_over_at(clock.now(), policy, zone)
    earliest = next_opening(window, policy.freezes, zone, told)[0]
    return f"It begins on {_local(earliest, batch)} at the earliest, once a second person approves."


def _policy(batch: Batch) -> Policy:
    return policy_for(Organization.get(), batch.account)


def _users(count: int) -> str:
    return "1 user" if count == 1 else f"{count} users"


def _url(batch: Batch) -> str:
    return reverse("batch", args=[batch.number])
