"""Plans of rows become drafts with files, and what lists show of them is kept beside the plan.

Reading facts and drafting are done for many at once: people who do alike share a permission set, so
whoever drafts one person's plan needs the facts of all of the account.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import F, Q

from inventory import clock
from inventory.models import Account
from inventory.rights import known_actions
from migrations_app.lifecycle import HAS_ACCESS, Protection
from migrations_app.models import Departure, Plan
from migrations_app.plans import drafting, files
from migrations_app.plans.drafting import Wanted
from migrations_app.plans.facts import Draft, GeneratedFile, PlanFacts
from migrations_app.plans.reading import facts_of
from migrations_app.replacement import center
from migrations_app.replacement.planning import names_of

Target = Plan.Target


@dataclass(frozen=True, slots=True)
class Made:
    """One plan with what it was drafted from."""

    plan: Plan
    facts: PlanFacts
    draft: Draft

    @property
    def digest(self) -> str:
        return drafting.digest(self.draft.files)


def made(plans: Iterable[Plan], now: datetime | None = None) -> list[Made]:
    """Drafts for these plans, in order; their `departure__user__account` and owner come with them.

    A few statements, six more where people are among them, and one where keys are to stay.
    """
    rows = list(plans)
    now = now or clock.now()
    facts = facts_of((row.departure for row in rows), now)
    accounts = {
        row.departure.user.account_id for row in rows if row.target == Target.IDENTITY_CENTER
    }
    known = {row.departure_id for row in rows}
    others = [one for one in _people(accounts) if one.pk not in known] if accounts else []
    people = list(facts_of(others, now).values()) if others else []
    names = names_of(rows)
    wanted = [
        Wanted(row.target, facts[row.departure_id], row.choices | _named(row, names))
        for row in rows
    ]
    drafts = drafting.drafts(wanted, people, center.known() if accounts else None)
    return [
        Made(row, facts[row.departure_id], draft) for row, draft in zip(rows, drafts, strict=True)
    ]


def _named(plan: Plan, names: Mapping[str, str]) -> dict[str, str]:
    told = {"asked_name": plan.choice("asked_by"), "approved_name": plan.choice("approved_by")}
    return {name: names[username] for name, username in told.items() if username}


def _people(accounts: Iterable[int]) -> Iterable[Departure]:
    """Everybody of these accounts who is to get a permission set."""
    return Departure.objects.filter(
        user__account__in=accounts,
        plan__target=Target.IDENTITY_CENTER,
        state__in=HAS_ACCESS,
        protection=Protection.NONE,
    ).select_related("user__account", "owner")


def changed_since_kept(one: Made) -> tuple[tuple[str, str], ...]:
    """For each file that differs from the version kept last: its path and a unified diff.

    The date in the headers alone is no difference.
    """
    plan = one.plan
    if plan.generated_at is None:
        return ()
    [again] = made([plan], plan.generated_at)
    kept = [GeneratedFile(path, text, "text") for path, text in plan.generated_files.items()]
    return files.differences(kept, again.draft.files)


def archive(one: Made) -> bytes:
    """One plan's files as a ZIP."""
    return files.archive(one.draft.files)


def together(several: Sequence[Made]) -> bytes:
    """The files of many, each plan in its own folder, with one README above them."""
    folders = [files.Folder(one.facts, one.draft) for one in several]
    return files.archive(files.together(folders))


def refresh_figures(account: Account) -> int:
    """Draft anew what was judged since; how many plans have new figures."""
    stale = Q(figures_at=None) | Q(departure__user__judged_at__gt=F("figures_at"))
    rows = list(
        Plan.objects.filter(
            stale,
            departure__user__account=account,
            departure__state__in=HAS_ACCESS,
            departure__protection=Protection.NONE,
        )
        .select_related("departure__user__account", "departure__owner")
        .defer("generated_files")
    )
    now = clock.now()
    for one in made(rows, now):
        one.plan.figures = figures(one)
        one.plan.figures_at = now
    Plan.objects.bulk_update(rows, ["figures", "figures_at"], batch_size=500)
    return len(rows)


def figures(one: Made) -> dict[str, object]:
    """What lists show of a draft."""
    draft, to = one.draft, one.draft.to
    told: dict[str, object] = {
        "used": len(draft.used_actions),
        "granted": draft.granted_actions,
        "files": len(draft.files),
        "name": to.permission_set if to else "",
    }
    if to:
        told |= {"group": to.group, "person": to.person, "has": to.has}
        told |= {"signs_in_as": to.signs_in_as}
        # What people who share a set used of it is told of all of them together.
        told |= {"actions": list(draft.used_actions)}
        told |= {"everything": draft.granted_actions >= known_actions.everything()}
        told |= {} if to.person else {"unmatched": to.why}
    return told
