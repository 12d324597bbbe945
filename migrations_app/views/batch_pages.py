"""The page of one batch, by its status: draft, review or run; and the parts htmx asks for."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from django.db.models import Case, QuerySet, Value, When
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.html import format_html
from django_htmx.http import HttpResponseClientRefresh

from inventory import clock
from inventory.models import Account, Organization, Person, Role
from inventory.permissions import Action, may
from inventory.policy import policy_for
from inventory.rights.privilege import ADMIN_LEVELS
from migrations_app import batch_plan, batch_run, changes
from migrations_app.batch_adding import MENDED
from migrations_app.changes.batches import DRY_RUN_HOLDS
from migrations_app.guards import URGENT_USERS
from migrations_app.lifecycle import MoveName
from migrations_app.models import Batch, Change, Comment, Departure
from migrations_app.outgoing import announcing
from migrations_app.shell import Shell
from migrations_app.users.paging import is_one_of
from migrations_app.views.answers import is_fragment, person_of, rendered

NO_CHANGE = 204
STOP_POLLING = 286
MOST_CANDIDATES = 60


def batch_by(number: int) -> Batch:
    """The batch with this number; 404 where there is none."""
    rows = Batch.objects.select_related("account", "composed_by", "asked_by", "approved_by")
    return get_object_or_404(rows, number=number)


def address(batch: Batch) -> str:
    return reverse("batch", args=[batch.number])


def page(request: HttpRequest, batch: Batch) -> HttpResponse:
    """The batch as it stands now."""
    if batch.status == Batch.Status.DRAFT:
        return draft_page(request, batch)
    if batch.started_at is None:
        return review_page(request, batch)
    if is_fragment(request) and request.GET.get("status") == Batch.Status.APPROVED:
        # The review page, still open, has no place for the parts of a run.
        return HttpResponseClientRefresh()
    return run_page(request, batch)


@dataclass(frozen=True, slots=True)
class Item:
    """One user of a batch on the draft or the review page."""

    change: Change
    calls: list[batch_plan.PlannedCall]
    viewed: bool = False
    comments: tuple[Comment, ...] = ()

    @property
    def departure(self) -> Departure:
        return self.change.departure


def draft_page(request: HttpRequest, batch: Batch) -> HttpResponse:
    """Compose: users with their exact calls, who is left out and why, the plan, and asking."""
    person, now = person_of(request), clock.now()
    rows = batch_run.changes_of(batch)
    kept = [row for row in rows if row.status == Change.Status.DRAFT and not row.blockers]
    left_out = [row for row in rows if row not in kept]
    looking = dry_run_is_open(batch)
    looked = sum(1 for row in rows if row.digest)
    mark = f"{looked}-{len(rows)}-{int(looking)}"
    if is_fragment(request) and request.method == "GET" and request.GET.get("mark") == mark:
        return HttpResponse(status=NO_CHANGE)
    organization = Organization.get()
    policy = policy_for(organization, batch.account)
    may_edit = may(person, Action.OPERATE)
    fresh = batch.dry_run_at is not None and now - batch.dry_run_at <= DRY_RUN_HOLDS
    size = URGENT_USERS if batch.urgent else policy.batch_size
    room = max(size - len(rows), 0)
    spare = candidates(batch, rows) if may_edit and room and not looking else []
    context = {
        "batch": batch,
        "items": [Item(row, batch_plan.planned_calls(row)) for row in kept],
        "left_out": left_out,
        "plan": batch_plan.plan_of(batch, kept, now, organization),
        "comments": [row for row in comments_of(batch) if row.change_id is None],
        "size": size,
        "room": room,
        "to_add": spare[:room],
        "looking": looking,
        "looked": looked,
        "total": len(rows),
        "mark": mark,
        "fresh": fresh and not looking,
        "may_edit": may_edit,
        "candidates": spare,
        "approvers": approvers_but(person),
        "preview": announcing.preview(batch, person, [row.departure for row in kept])
        if may_edit
        else ([], ""),
        "oob": is_fragment(request),
    }
    status = 200 if looking or request.method != "GET" or not is_fragment(request) else STOP_POLLING
    return rendered(request, "migrations_app/batch_draft.html", context, part="live", status=status)


def dry_run_is_open(batch: Batch) -> bool:
    """Whether a dry run was asked for and has neither finished nor broken off."""
    return batch.dry_run_asked_at is not None


def candidates(batch: Batch, rows: Sequence[Change]) -> list[Departure]:
    """Users that may still be added, in the suggested order."""
    taken = [row.departure_id for row in rows]
    eligible = changes.eligible(batch.account, MoveName(batch.move)).exclude(pk__in=taken)
    found = suggested(eligible, batch.account, MOST_CANDIDATES)
    blocked = changes.blockers_for(found, batch.move, urgent=batch.urgent)
    return [row for row in found if all(one.code in MENDED for one in blocked[row.pk])]


# Documents of a user that neither the guards judge nor a list of candidates shows.
_UNREAD = tuple(
    f"user__{name}"
    for name in (
        *("tags", "groups", "inline_policies", "mfa", "privilege_facts", "earlier_names"),
        *("federated_names", "category_reasons", "verdict_reasons", "suggestion_reasons"),
        *("coverage", "removed_from_code_signs"),
    )
)


def suggested(eligible: QuerySet[Departure], account: Account, number: int) -> list[Departure]:
    """So many of them, who are all in this account: admins first, then whoever has been quiet the
    longest.

    They are looked for before anything as wide as a user is read.
    """
    admin_first = Case(When(listed__privilege__in=ADMIN_LEVELS, then=Value(0)), default=Value(1))
    order = (admin_first, "listed__last_used_at", "listed__user_name", "pk")
    found = eligible.select_related(None).order_by(*order).values("pk")[:number]
    rows = Departure.objects.select_related("user", "owner").defer(*_UNREAD)
    made = list(rows.filter(is_one_of(found)).order_by(*order))
    for row in made:
        row.user.account = account
    return made


def review_page(request: HttpRequest, batch: Batch) -> HttpResponse:
    """Review, like a code review: look at these first, one diff per user, the decision."""
    person, now = person_of(request), clock.now()
    if is_fragment(request) and request.method == "GET":
        # An approved batch starts by itself: the page is loaded anew when it has.
        same = request.GET.get("status") == batch.status
        return HttpResponse(status=NO_CHANGE) if same else HttpResponseClientRefresh()
    rows = batch_run.changes_of(batch)
    kept = [row for row in rows if row.status in (Change.Status.ASKED, Change.Status.QUEUED)]
    if batch.status == Batch.Status.WITHDRAWN:
        kept = rows
    comments = list(comments_of(batch))
    seen, organization = changes.seen_by(kept, person), Organization.get()
    items = review_items(kept, comments, seen)
    approver = may(person, Action.APPROVE)
    asked = batch.status == Batch.Status.ASKED
    own = batch.asked_by_id == person.pk
    deciding = asked and (approver or own)
    loaded = changes.Loaded(rows, seen, organization)
    checks = changes.checks(batch, person, loaded) if deciding else []
    unmet = [check for check in checks if not (check.ok or check.overridable)]
    plan = batch_plan.plan_of(batch, kept, now, organization)
    context = {
        "batch": batch,
        "items": items,
        "left_out": [row for row in rows if row not in kept],
        "warned": warnings_of(items),
        "plan": plan,
        "opens_now": batch.urgent or plan.opens_at <= now,
        "viewed": sum(1 for item in items if item.viewed),
        "deciding": deciding,
        "own": own,
        "may_approve": asked and approver and not own,
        "may_withdraw": may_withdraw(batch, person),
        "may_comment": approver or may(person, Action.OPERATE),
        "checks": checks,
        "overridable": [check for check in checks if check.overridable and not check.ok],
        "ready": not unmet,
        "not_ready": unmet[0].text if unmet else "",
        "words": changes.words_for(batch) if asked and batch.move == MoveName.DELETE else "",
        "comments": [row for row in comments if row.change_id is None],
        "waits": changes.waits_for(batch) if batch.status == Batch.Status.APPROVED else [],
        "may_take_over": may_take_over(batch, person),
        "oob": is_fragment(request),
    }
    return rendered(request, "migrations_app/batch_review.html", context, part="viewed_now")


def review_items(
    rows: Sequence[Change], comments: Iterable[Comment], seen: Collection[int]
) -> list[Item]:
    """The users with their diff, what was said about each, and whether it is one of `seen`."""
    said = defaultdict(list)
    for comment in comments:
        said[comment.change_id].append(comment)
    return [
        Item(
            change=row,
            calls=batch_plan.planned_calls(row),
            viewed=row.pk in seen,
            comments=tuple(said[row.pk]),
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class Warned:
    """One warning, and the users of whom it is said in the same words."""

    code: str
    text: str
    items: list[Item]


def warnings_of(items: Sequence[Item]) -> list[Warned]:
    """What the approver looks at first: each sentence once, in the order of the users."""
    found: dict[tuple[str, str], list[Item]] = defaultdict(list)
    for item in items:
        for warning in item.change.warnings:
            found[warning["code"], warning["text"]].append(item)
    return [Warned(code, text, of) for (code, text), of in found.items()]


def comments_of(batch: Batch) -> QuerySet[Comment]:
    return batch.comments.select_related("person").order_by("at")


def may_withdraw(batch: Batch, person: Person) -> bool:
    """Until it runs, whoever asked or approved may take a batch back."""
    if batch.status not in (Batch.Status.ASKED, Batch.Status.APPROVED):
        return False
    return may(person, Action.WITHDRAW) and person.pk in (batch.asked_by_id, batch.approved_by_id)


def may_take_over(batch: Batch, person: Person) -> bool:
    """Whether the approver has lost the role meanwhile, so that this one may answer for it."""
    by = batch.approved_by
    if by is None or by.has_role(Role.APPROVER) or batch.asked_by_id == person.pk:
        return False
    return may(person, Action.APPROVE)


def approvers_but(person: Person) -> list[Person]:
    """Everybody who may approve, without the person who asks."""
    rows = Person.objects.filter(is_active=True, roles__contains=[Role.APPROVER])
    return list(rows.exclude(pk=person.pk))


def run_page(request: HttpRequest, batch: Batch) -> HttpResponse:
    """The live run, and the same page afterwards."""
    person, now = person_of(request), clock.now()
    rows = batch_run.rows_of(batch, batch_run.changes_of(batch))
    progress = batch_run.progress_of(batch, rows, now)
    polled = is_fragment(request) and request.method == "GET"
    since = _number(request.GET.get("since"))
    # Whoever does not follow reads the calls in peace; at the end they are all there.
    follows = "asks" not in request.GET or "follow" in request.GET or progress.ended
    missed = polled and follows and since < progress.last_call
    if polled and request.GET.get("mark") == progress.mark and not missed:
        return HttpResponse(status=STOP_POLLING if progress.ended else NO_CHANGE)
    waiting = [_number(pk) for pk in request.GET.get("open", "").split(",") if pk]
    if polled and not follows:
        progress = replace(progress, last_call=since, open_calls=tuple(waiting))
    operates = may(person, Action.OPERATE)
    restorable = sum(1 for row in rows if row.restorable)
    actions_changed = request.GET.get("status") != batch.status
    appeared = bool(restorable) != bool(_number(request.GET.get("off")))
    context = {
        "shell": Shell(request, person, progress=(batch, progress)),
        "batch": batch,
        "rows": rows,
        "progress": progress,
        "halted": batch.resume_needed and changes.halted().filter(pk=batch.pk).exists(),
        "calls": batch_run.call_lines(batch, since) if follows else [],
        "answered": _answered(batch, waiting) if polled else [],
        "may_operate": operates,
        "may_restore": operates or may(person, Action.APPROVE),
        **_restore_words(batch, restorable),
        "may_take_over": may_take_over(batch, person),
        "may_see_script": operates or may(person, Action.APPROVE) or may(person, Action.ADMINISTER),
        "is_delete": batch.move == MoveName.DELETE,
        "actions_changed": actions_changed,
        "broke_changed": progress.ended or actions_changed or appeared,
        "oob": polled,
    }
    status = STOP_POLLING if polled and progress.ended else 200
    answer = rendered(request, "migrations_app/batch_run.html", context, part="live", status=status)
    if polled and (line := milestone(request.GET.get("was", ""), batch, progress)):
        answer["HX-Trigger"] = json.dumps({"announce": line})
    return answer


def _restore_words(batch: Batch, count: int) -> dict[str, object]:
    # The number in the label is kept up to date by itself, as the dialog behind it may be open.
    number = "all" if count == 1 else f"all {count}"
    return {
        "restorable": count,
        "restore_count": number,
        "restore_label": format_html(
            '<span>Restore <span id="restore-count">{}</span></span>', number
        ),
        "restore_title": f"Restore the users of batch #{batch.number}?",
    }


def _answered(batch: Batch, waiting: Sequence[int]) -> list[batch_run.CallLine]:
    """Lines the page shows as sent that were answered since."""
    if not waiting:
        return []
    found = batch_run.call_lines(batch, after=2**62, also=waiting)
    return [line for line in found if line.answer != "sent"]


def milestone(was: str, batch: Batch, progress: batch_run.Progress) -> str:
    """A line for screen readers at each quarter, each failure and the end; else nothing."""
    before, _, failed_before = was.partition(".")
    if progress.ended:
        return f"Batch {batch.number} has ended. {progress.done} of {progress.total} users done."
    if progress.failed > _number(failed_before):
        return f"{progress.failed} of {progress.total} users failed."
    total = max(progress.total, 1)
    if progress.done * 4 // total > _number(before) * 4 // total:
        return f"{progress.done} of {progress.total} users done."
    return ""


def _number(text: str | None) -> int:
    """A number from a query string; what is none counts as 0, for it only asks for more."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else 0
