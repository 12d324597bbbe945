"""The Overview: how far, how fast, what needs me; and starting and watching a sync."""

from __future__ import annotations

import hashlib
from datetime import date, datetime
from itertools import pairwise
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from inventory import at_once, clock, refresh
from inventory.models import Account, Person, Sync, Team
from inventory.permissions import Action, may, require
from inventory.timelines import burn_down
from migrations_app import account_news, observed
from migrations_app.observed import Group
from migrations_app.progress import headcount, needs
from migrations_app.progress import overview as questions
from migrations_app.progress.forecast import forecast, too_early
from migrations_app.progress.needs import Need
from migrations_app.shell import chosen_account_id
from migrations_app.sync_progress import progress_of
from migrations_app.users import posture
from migrations_app.views.answers import done, is_fragment, person_of, rendered

TEMPLATE = "migrations_app/overview.html"
PARTS = ("needs", "lifecycle", "burn-down", "mix")
_LARGEST_ID = 2**63 - 1


@require_GET
def overview(request: HttpRequest) -> HttpResponse:
    """The whole page, or one of its parts (`?part=`): two refresh themselves, two are charts.

    Who has the part already (`?mark=`) gets 204.
    """
    person = person_of(request)
    require(person, Action.SEE)
    now, chosen = clock.now(), chosen_account_id(request)
    part = request.GET.get("part", "") if is_fragment(request) else ""
    part = part if part in PARTS else ""
    accounts = [row for row in headcount.kept(now) if chosen in ("", row.account_id)]
    teams = person.leading() if part in ("", "needs") else []
    situation = questions.situation(accounts)
    told = at_once.ask(
        Person.objects.filter(pk=person.pk),
        _questions(person, teams, accounts, chosen, part, now),
    )
    context: dict[str, Any] = {
        "may_sync": may(person, Action.SYNC),
        "may_operate": may(person, Action.OPERATE),
        "as_table": request.GET.get("as") == "table",
        "situation": situation,
        "lifecycle_mark": _mark(situation.stages),
        "may_connect": may(person, Action.ADMINISTER),
    }
    if part in ("", "needs"):
        # As many as the pages that the lines lead to show, which are about the chosen account too.
        counted = questions.totals(headcount.read(accounts))
        dispute = headcount.first_dispute(accounts)
        waiting = needs.needs_of(person, teams, told, counted, dispute)
        context |= _needs(person, waiting, told["week"], observed.week(chosen, now))
    if part in ("", "burn-down"):
        context |= _progress(accounts, told["history"], now.date(), situation)
    if not part:
        lines = questions.syncs(accounts, told["syncs"])
        context |= {
            "syncs": lines,
            "first_syncs": [line for line in lines if line.first],
            "risks": questions.risks(accounts),
            "root": questions.root_tile(accounts, now),
            "posture": posture.card(told["posture"]),
        }
    if part and request.GET.get("mark") == context.get(f"{part}_mark"):
        return HttpResponse(status=204)
    return rendered(request, TEMPLATE, context, part=part)


def _questions(  # noqa: PLR0917
    person: Person,
    teams: list[Team],
    accounts: list[Account],
    chosen: str,
    part: str,
    now: datetime,
) -> dict[str, Any]:
    """What the page, or this part of it, asks in one statement."""
    wanted: dict[str, Any] = {}
    if part in ("", "needs"):
        wanted |= needs.questions(person, teams, now)
        wanted["week"] = questions.this_week(chosen, now)
    if part in ("", "burn-down"):
        wanted["history"] = headcount.history(accounts, now.date())
    if not part:
        wanted["syncs"] = questions.last_syncs(accounts)
        wanted["posture"] = posture.days(chosen)
    return wanted


@require_POST
def sync_start(request: HttpRequest) -> HttpResponse:
    """Ask for a sync of one account, or of all; a sync that is under way is joined."""
    person = person_of(request)
    require(person, Action.SYNC)
    accounts = Account.objects.filter(active=True)
    if wanted := request.POST.get("account", ""):
        accounts = accounts.filter(account_id=wanted)
    rows = list(accounts)
    if not rows:
        return done(request, reverse("overview"), "There is no such account to sync.")
    for row in rows:
        refresh.ask_sync(row, person)
    names = ", ".join(row.name for row in rows)
    return done(request, reverse("overview"), f"Asked AWS about {names}. Nothing is changed there.")


@require_GET
def sync_status(request: HttpRequest, account: str) -> HttpResponse:
    """How far the last sync of one account is, or that of `?sync=`; polled each 2 s to its end."""
    person = person_of(request)
    require(person, Action.SEE)
    row = get_object_or_404(Account, account_id=account)
    syncs = Sync.objects.filter(account=row)
    if (wanted := request.GET.get("sync", "")).isdecimal():
        syncs = syncs.filter(pk=min(int(wanted[:19]), _LARGEST_ID))
    sync = syncs.first()
    running = sync is not None and sync.status in Sync.OPEN
    context = {
        "account": row,
        "sync": sync,
        "running": running,
        "progress": progress_of(sync, clock.now()) if sync else None,
        "told": sync is not None and account_news.tells(sync, person),
        "seen": observed.of_sync(sync) if sync and not running else [],
    }
    status = 200 if running or not request.headers.get("HX-Request") else 286
    answer = rendered(request, "migrations_app/sync.html", context, part="progress", status=status)
    if status == 286:
        answer["HX-Refresh"] = "true"
    return answer


def _needs(
    person: Person, waiting: list[Need], week: list[dict[str, Any]], changed: list[Group]
) -> dict[str, Any]:
    """What needs the person; what happened this week where nothing does."""
    seen = (waiting, week, [(group.kind, group.text) for group in changed])
    return {
        "needs": waiting,
        "role_line": _role_line(person.roles),
        "week": {row["move"]: row["number"] for row in week}
        | {"shut": sum(row["number"] if row["move"] == "soak" else row["shut"] for row in week)},
        "changed": changed,
        "needs_mark": _mark(seen),
    }


def _mark(shown: object) -> str:
    """Changes when what is shown does."""
    return hashlib.sha256(repr(shown).encode()).hexdigest()[:16]


def _progress(
    accounts: list[Account], before: list[dict[str, Any]], today: date, now: questions.Situation
) -> dict[str, Any]:
    """The burn-down and the forecast; nothing to draw before the first user was seen."""
    days = questions.burn_down(before, today, now)
    if not days:
        return {"burn_down": None, "forecast": None, "too_early": True, "none_gone": True}
    left = [(row.day, row.left) for row in days]
    access = [(row.day, row.with_access) for row in days]
    ahead = forecast(left, today, questions.may_go(accounts, today, now))
    return {
        "burn_down": burn_down(_steps(left), _steps(access), today, ahead),
        "forecast": ahead,
        "too_early": too_early(left, today),
        "none_gone": all(now >= was for (_, was), (_, now) in pairwise(left)),
    }


def _steps(points: list[tuple[date, int]]) -> list[tuple[date, int]]:
    """Only the first point and those where the count changed."""
    before = [None, *(count for _, count in points)]
    return [point for point, was in zip(points, before, strict=False) if point[1] != was]


def _role_line(roles: list[str]) -> str:
    return "for you" if not roles else f"for you as {', '.join(roles)}"
