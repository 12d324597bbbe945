"""Plans: how people and workloads get access once their IAM user is gone."""

from __future__ import annotations

import re
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from inventory import clock
from inventory.models import Person
from inventory.permissions import Action, may, require
from inventory.refusals import Refused
from migrations_app import keyset
from migrations_app.changes import plans as verbs
from migrations_app.forms.batches import CommentForm
from migrations_app.forms.plans import TargetForm, choices_form
from migrations_app.lifecycle import State
from migrations_app.models import Plan
from migrations_app.plans.reading import in_terraform
from migrations_app.replacement import center_page, plan_drafts, plan_list
from migrations_app.replacement.plan_drafts import Made
from migrations_app.replacement.plan_page import PlanPage, page_of
from migrations_app.shell import chosen_account_id
from migrations_app.views.answers import cleaned, done, is_fragment, person_of, rendered

# More plans at once are a matter of minutes; whoever wants them all goes account by account.
MOST_FILES_OF = 300


@require_GET
def plans(request: HttpRequest) -> HttpResponse:
    """Users who still have access and need another, with the way out that is planned for each."""
    person = person_of(request)
    require(person, Action.SEE)
    filters = plan_list.filters_of(request.GET)
    account = chosen_account_id(request)
    rows = plan_list.chosen(plan_list.plans_of(account), filters)
    of_team = plan_list.counted(account, filters.team)
    numbers = plan_list.by_status(of_team)
    total = rows.count() if filters.q else plan_list.number_of(of_team, filters)
    pager = keyset.page_of(plan_list.in_order(rows), request.GET, total)
    everybodys = plan_list.files_of(person) is None
    context = {
        "rows": plan_list.shown(plan_list.whole(pager.rows), person, clock.now()),
        "tiles": plan_list.tiles(of_team, filters),
        "filters": filters,
        "numbers": numbers,
        "total": numbers.total(),
        "on_hold": numbers[plan_list.HOLD],
        "exempt": numbers[plan_list.EXEMPT],
        "held": plan_list.held(of_team),
        "drifts": center_page.notes(),
        "may_look": may(person, Action.SYNC),
        "pager": pager,
        "teams": plan_list.teams(),
        "query": filters.query(),
        "statuses": [
            *Plan.Status.choices,
            (plan_list.HOLD, "On hold"),
            (plan_list.EXEMPT, "Exempt"),
        ],
        "downloads": may(person, Action.SEE_SENSITIVE)
        and (bool(pager.total) if everybodys else plan_list.with_files(rows, person).exists()),
        "everybodys": everybodys,
    }
    return rendered(request, "migrations_app/plans.html", context)


@require_GET
def download_all(request: HttpRequest) -> HttpResponse:
    """The files of all plans that the filters leave and the person may see, as one ZIP."""
    person = person_of(request)
    require(person, Action.SEE_SENSITIVE)
    filters = plan_list.filters_of(request.GET)
    rows = plan_list.chosen(plan_list.plans_of(chosen_account_id(request)), filters)
    parts = plan_list.in_order(plan_list.with_files(rows, person))
    wanted = plan_list.whole(keyset.page_of(parts, QueryDict(), 0, MOST_FILES_OF + 1).rows)
    if not wanted:
        raise Refused("None of these plans has files that you may see.")
    if len(wanted) > MOST_FILES_OF:
        raise Refused(
            f"More than {MOST_FILES_OF} plans at once are too many. Choose an account, a target or "
            "a team."
        )
    return _zip(plan_drafts.together(plan_drafts.made(wanted)), "plans")


@require_GET
def plan(request: HttpRequest, pk: int) -> HttpResponse:
    """One plan: what replaces the user, how far it is proven, its files, and what to choose.

    htmx gets the files that are read first, of which one is open, for the user's page.
    """
    person = person_of(request)
    require(person, Action.SEE)
    row = _plan(pk)
    if is_fragment(request):
        return _panel(request, row, person)
    return _shown(request, row, person)


def _panel(request: HttpRequest, row: Plan, person: Person) -> HttpResponse:
    require(person, Action.SEE_SENSITIVE, row.departure.owner)
    [made] = plan_drafts.made([row])
    tabs = page_of(row, made, clock.now()).tabs
    chosen = next((one for one in tabs if one.of == request.GET.get("file")), None)
    context = {
        "plan": row,
        "tabs": tabs,
        "open": chosen or (tabs[0] if tabs else None),
        "by_hand": chosen is not None,
    }
    return rendered(request, "migrations_app/plan_panel.html", context)


@require_GET
def download(request: HttpRequest, pk: int) -> HttpResponse:
    """The files of one plan as they are now, or one of them by its path."""
    row = _plan(pk)
    require(person_of(request), Action.SEE_SENSITIVE, row.departure.owner)
    [made] = plan_drafts.made([row])
    path = request.GET.get("file")
    if path is None:
        return _zip(plan_drafts.archive(made), row.departure.user.user_name)
    one = next((each for each in made.draft.files if each.path == path), None)
    if one is None:
        raise Http404("No such file of this plan.")
    answer = HttpResponse(one.text, content_type="text/plain; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{path.rpartition("/")[2]}"'
    return answer


@require_POST
def choose(request: HttpRequest, pk: int) -> HttpResponse:
    """What the evidence does not tell."""
    row, person = _to_change(request, pk)
    managed = in_terraform(row.departure.user)
    form = choices_form(row.target, request.POST, in_terraform=managed)
    if not form.is_valid():
        return _shown(request, row, person, form=form, status=422)
    verbs.choose(row, person, form.kept())
    return done(request, _address(row), "Kept. The files follow it.")


@require_POST
def comment(request: HttpRequest, pk: int) -> HttpResponse:
    """Say something about the plan."""
    row = _plan(pk)
    person = person_of(request)
    require(person, Action.SEE_SENSITIVE, row.departure.owner)
    verbs.comment(row, person, cleaned(CommentForm(request.POST))["text"])
    return done(request, f"{_address(row)}#comments", "Comment added.")


@require_POST
def choose_way(request: HttpRequest, pk: int) -> HttpResponse:
    """Another way out."""
    row, person = _to_change(request, pk)
    verbs.choose_way(row, person, cleaned(TargetForm(request.POST))["target"])
    return done(request, _address(row), "Another way is drafted now.")


@require_POST
def keep(request: HttpRequest, pk: int) -> HttpResponse:
    """The files of now are those that later ones are compared with."""
    row, person = _to_change(request, pk)
    [made] = plan_drafts.made([row])
    verbs.keep_files(made, person)
    return done(request, _address(row), "Kept this version. Later changes are shown against it.")


@require_POST
def agree(request: HttpRequest, pk: int) -> HttpResponse:
    """A second engineer agrees that a key stays until a day."""
    person = person_of(request)
    require(person, Action.OPERATE)
    row = _plan(pk)
    verbs.agree_to_key(row, person)
    return done(request, _address(row), f"{row.departure.user} is exempt until that day.")


def _shown(
    request: HttpRequest, row: Plan, person: Person, *, form: Any = None, status: int = 200
) -> HttpResponse:
    owner = row.departure.owner
    sensitive = may(person, Action.SEE_SENSITIVE, owner)
    made: Made | None = plan_drafts.made([row])[0] if sensitive else None
    page: PlanPage = page_of(row, made, clock.now())
    may_change = may(person, Action.CLAIM, owner) and row.departure.state != State.DELETED
    context = {
        "page": page,
        "plan": row,
        "row": row.departure,
        "user": row.departure.user,
        "version_field": {"version": row.departure.version},
        "sensitive": sensitive,
        "comments": row.comments.select_related("person") if sensitive else [],
        "form": form
        or choices_form(
            row.target, initial=row.choices, in_terraform=in_terraform(row.departure.user)
        ),
        "may_change": may_change,
        "may_confirm": owner is not None and may_change and row.may_be_confirmed,
        "may_agree": row.target == Plan.Target.SECRETS_MANAGER
        and bool(row.choice("until"))
        and not row.choice("approved_by")
        and row.choice("asked_by") != person.username
        and may(person, Action.OPERATE),
        "targets": Plan.Target.choices,
    }
    return rendered(request, "migrations_app/plan.html", context, status=status)


def _plan(pk: int) -> Plan:
    rows = Plan.objects.select_related(
        "departure__user__account", "departure__owner", "confirmed_by", "generated_by", "held_by"
    )
    return get_object_or_404(rows, pk=pk)


def _to_change(request: HttpRequest, pk: int) -> tuple[Plan, Person]:
    row, person = _plan(pk), person_of(request)
    require(person, Action.CLAIM, row.departure.owner)
    return row, person


def _address(row: Plan) -> str:
    return reverse("plan", args=[row.pk])


def _zip(content: bytes, name: str) -> HttpResponse:
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-") or "plan"
    answer = HttpResponse(content, content_type="application/zip")
    answer["Content-Disposition"] = f'attachment; filename="{safe}.zip"'
    return answer
