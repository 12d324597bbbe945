"""One plan as its page shows it: the four steps, what was seen, the files, what changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime

from django.utils.dateparse import parse_datetime

from inventory.models import Organization
from inventory.policy import policy_for
from migrations_app.models import Plan
from migrations_app.plans.facts import GeneratedFile, Widened
from migrations_app.plans.secrets_manager import day_of
from migrations_app.replacement import plan_drafts, plan_list, proving
from migrations_app.replacement.plan_drafts import Made
from migrations_app.replacement.planning import Quiet, names_of, quiet

# Told beside the files as what to do, and first.
_INSTRUCTIONS = {"HOW-TO-TEST.md": "How to test", "HOW-TO-ROLL-BACK.md": "How to roll back"}
_FIRST = ("main.tf", "PLAN.md", "workflows.diff")
_TABS = (
    ("missing", "What is missing", ("WHAT-IS-MISSING.md", "QUESTIONS-TO-THE-VENDOR.md")),
    ("words", "In words", ("PLAN.md",)),
    ("terraform", "Terraform", ("main.tf",)),
    ("workflow", "Workflow", ("workflows.diff", "workflow-example.yml", "service-account.yml")),
    (
        "policy",
        "Policy",
        (
            "policy.json",
            "policy-1.json",
            "inline-policy.json",
            "managed-policy-1.json",
            "policy-with-reasons.tf",
        ),
    ),
    ("back", "How to roll back", ("HOW-TO-ROLL-BACK.md",)),
)
_MOST_ACTIONS = 40


@dataclass(frozen=True, slots=True)
class Access:
    """How often the new way in was used, since when and lately."""

    role: str
    who: str
    count: int
    first_at: datetime | None
    last_at: datetime | None


@dataclass(frozen=True, slots=True)
class Wide:
    """Actions that are kept for one reason, though no event shows them; the first ones named."""

    reason: str
    actions: tuple[str, ...]
    more: int


@dataclass(frozen=True, slots=True)
class Tab:
    """One of the few files that are read first; `of` is what its address says."""

    of: str
    title: str
    file: GeneratedFile


@dataclass(frozen=True, slots=True)
class PlanPage:
    """What stands on the page; `made` is None for whom the files are not."""

    name: str
    icon: str
    figures: str
    access: Access | None
    week: tuple[int, ...]
    quiet: Quiet
    sentence: str
    made: Made | None
    files: tuple[GeneratedFile, ...] = ()
    instructions: tuple[tuple[str, GeneratedFile], ...] = ()
    widened: tuple[Wide, ...] = ()
    changed: tuple[tuple[str, str], ...] = ()
    # Who asked that a key stays, and who agreed, by name.
    asked_by: str = ""
    approved_by: str = ""

    @property
    def tabs(self) -> tuple[Tab, ...]:
        """What is read first of the files, as far as this plan has them."""
        told = [*self.files, *(one for _, one in self.instructions)]
        found = [(of, title, _first(told, paths)) for of, title, paths in _TABS]
        used = len(self.made.draft.used_actions) if self.made else 0
        actions = f", {used} action{'' if used == 1 else 's'}"
        return tuple(
            Tab(of, title + (actions if of == "policy" else ""), one)
            for of, title, one in found
            if one is not None
        )

    @property
    def in_use(self) -> bool:
        return self.access is not None


def page_of(
    plan: Plan, made: Made | None, now: datetime, organization: Organization | None = None
) -> PlanPage:
    """Everything about one plan at `now`, under the policy of the (present) organization."""
    user = plan.departure.user
    policy = policy_for(organization or Organization.get(), user.account, user.shown_category)
    rest = quiet(user.last_activity_at, user.created_at, policy.quiet, now)
    access = _access(plan)
    files = sorted(made.draft.files, key=_place) if made else []
    names = names_of([plan])
    return PlanPage(
        name=proving.way_of(plan).name,
        icon=plan_list.LOOKS[Plan.Target(plan.target)][0],
        figures=plan_list.figures(plan),
        access=access,
        week=proving.weeks_access([plan], now.date()).get(plan.pk, (0,) * 7),
        quiet=rest,
        sentence=_of_a_key(plan, now) if plan.replaces_nothing else _sentence(access, rest),
        made=made,
        files=tuple(one for one in files if one.path not in _INSTRUCTIONS),
        instructions=tuple(
            (title, one)
            for path, title in _INSTRUCTIONS.items()
            for one in files
            if one.path == path
        ),
        widened=tuple(_wide(made.draft.widened)) if made else (),
        changed=plan_drafts.changed_since_kept(made) if made else (),
        asked_by=names.get(plan.choice("asked_by"), ""),
        approved_by=names.get(plan.choice("approved_by"), ""),
    )


def _access(plan: Plan) -> Access | None:
    seen = plan.seen
    if not seen:
        return None
    return Access(
        role=str(seen.get("role", "")),
        who=str(seen.get("session") or seen.get("who", "")),
        count=int(seen.get("count", 0)),
        first_at=parse_datetime(str(seen.get("first_at", ""))),
        last_at=parse_datetime(str(seen.get("last_at", ""))),
    )


def _sentence(access: Access | None, rest: Quiet) -> str:
    """`New access 318 times, old credentials quiet 7 of 14 days.`"""
    old = f"old credentials quiet {rest.days} of {rest.of} days."
    if access is None:
        return f"New access not seen yet, {old}"
    times = "once" if access.count == 1 else f"{access.count:,} times"
    return f"New access {times}, {old}"


def _of_a_key(plan: Plan, now: datetime) -> str:
    """How far the exception is by which a key stays."""
    until = str(plan.choice("until"))
    if not until:
        return "Its key is to stay: say why, and until when."
    day = day_of(date.fromisoformat(until))
    if until <= now.date().isoformat():
        return f"Its key was to stay until {day}. Agree to a later day, or choose another way."
    if plan.departure.protection:
        return f"Its key stays and rotates, until {day}."
    return f"Its key is to stay until {day}, once a second engineer agrees."


def _wide(widened: Iterable[Widened]) -> Iterator[Wide]:
    by_reason: dict[str, list[str]] = {}
    for one in widened:
        by_reason.setdefault(one.reason, []).append(one.action)
    for reason, actions in by_reason.items():
        shown = tuple(actions[:_MOST_ACTIONS])
        yield Wide(reason, shown, len(actions) - len(shown))


def _first(files: Iterable[GeneratedFile], paths: Iterable[str]) -> GeneratedFile | None:
    """The file with the first of these paths that there is."""
    by_path = {one.path: one for one in files}
    return next((by_path[path] for path in paths if path in by_path), None)


def _place(one: GeneratedFile) -> tuple[int, str]:
    order = _FIRST.index(one.path) if one.path in _FIRST else len(_FIRST)
    return order, one.path
