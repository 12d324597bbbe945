"""The plans of the reference case: for whom, what of their rights goes, and whether files parse.

Twice: as the evidence alone drafts them, and after the owners said what it cannot tell (repository,
cluster, vendor's account). Every file of both is read by a parser of its own language.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from statistics import median
from typing import Any
from unittest.mock import patch

from django.db.models import QuerySet

from inventory import clock
from inventory.models import Account, Person
from migrations_app.changes import plans as verbs
from migrations_app.forms.plans import choices_form
from migrations_app.models import Departure, Plan
from migrations_app.plans import policy
from migrations_app.plans.granted import EVERYTHING
from migrations_app.replacement import center, plan_drafts, proving
from migrations_app.replacement.plan_drafts import Made
from migrations_app.replacement.planning import needing

Target = Plan.Target
_AN_HOUR = 3600.0
_ROTATED = 2
_PLACELESS = "AWS takes no resource for it."
_WORKFLOW = """\
name: deploy
on:
  push:
    branches: [main]
jobs:
  deploy:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: aws-actions/configure-aws-credentials@v2 # with the stored key
        with:
          aws-access-key-id: ${{ secrets.AWS_ACCESS_KEY_ID }}
          aws-secret-access-key: ${{ secrets.AWS_SECRET_ACCESS_KEY }}
          aws-region: eu-central-1
      - run: make deploy
"""
_ANSWERS: dict[str, dict[str, Any]] = {
    Target.GITHUB_OIDC: {
        "repository": "acme/shop",
        "branches": "main",
        "environments": "production",
        "owner_id": "9919",
        "repository_id": "1296269",
        "secrets": "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY",
        "workflow_path": ".github/workflows/deploy.yml",
        "workflow": _WORKFLOW,
    },
    Target.EKS: {"cluster": "platform", "namespace": "jobs", "service_account": "runner"},
    Target.INSTANCE_PROFILE: {"instances": "i-0abc1234def567890"},
    Target.CROSS_ACCOUNT_ROLE: {"vendor": "The vendor", "vendor_account": "834469178297"},
    Target.OTHER: {"place": "outside"},
}


@dataclass
class Way:
    """The plans of one target: shares of the granted actions that go, from 0 to 1."""

    plans: int = 0
    dropped: list[float] = field(default_factory=list)
    used: list[int] = field(default_factory=list)
    granted: list[int] = field(default_factory=list)


@dataclass
class Plans:
    """`ways` by target; `files` by language, those of both rounds; `broken`: what no parser takes.

    Of `allowing` statements `scoped` name resources and `placeless` are about actions that take
    none; the others are as wide as before and say why, but for those `unexplained`. `without`:
    users that get no plan at all. `sets`: (name, whether it exists, people).
    """

    in_use: int = 0
    without: int = 0
    ways: dict[str, Way] = field(default_factory=dict)
    answered: Counter[str] = field(default_factory=Counter)
    files: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    allowing: int = 0
    scoped: int = 0
    placeless: int = 0
    unexplained: int = 0
    sets: list[tuple[str, bool, int]] = field(default_factory=list)
    unmatched: int = 0

    @property
    def dropped(self) -> float:
        """The median over all plans."""
        return median(share for way in self.ways.values() for share in way.dropped)


def measure(account: Account, engineers: tuple[Person, Person]) -> Plans:
    """Draft what the evidence says of everybody in use, then with answers; count and parse."""
    # As many slices as it takes, in one.
    with patch.object(proving, "SLICE", _AN_HOUR):
        proving.read_what_they_do(account)
    found = Plans()
    wanted = Plan.objects.filter(needing(), departure__user__account=account)
    rows = _rows(wanted)
    found.in_use = len(rows)
    found.without = Departure.objects.filter(user__account=account, plan=None).count()
    drafted = plan_drafts.made(rows, clock.now())
    for one in drafted:
        _count(found, one)
    _sets(found, drafted)
    _parse(found, drafted)
    _answer(rows, *engineers)
    again = plan_drafts.made(_rows(Plan.objects.filter(pk__in=[row.pk for row in rows])))
    found.answered = Counter(one.plan.get_target_display() for one in again)
    _parse(found, again)
    return found


def _rows(wanted: QuerySet[Plan]) -> list[Plan]:
    told = wanted.select_related("departure__user__account", "departure__owner")
    return list(told.order_by("departure__user__user_name"))


def _count(found: Plans, one: Made) -> None:
    needs = policy.draft(one.facts)
    way = found.ways.setdefault(one.plan.get_target_display(), Way())
    way.plans += 1
    way.dropped.append(needs.dropped_share)
    way.used.append(len(needs.used))
    way.granted.append(needs.granted)
    for statement in needs.statements:
        if statement.effect != "Allow":
            continue
        found.allowing += 1
        everywhere = EVERYTHING in statement.resources
        placeless = everywhere and all(why.endswith(_PLACELESS) for why in statement.why)
        found.scoped += not everywhere
        found.placeless += placeless and bool(statement.why)
        found.unexplained += everywhere and not statement.why


def _sets(found: Plans, drafted: Iterable[Made]) -> None:
    people = [one for one in drafted if one.draft.to]
    known = center.known()
    existing = {one.name for one in known.existing} if known else set()
    told = Counter(one.draft.to.permission_set for one in people if one.draft.to)
    found.sets = sorted(
        ((name, name in existing, number) for name, number in told.items() if name),
        key=lambda one: (-one[2], one[0]),
    )
    found.unmatched = sum(not one.draft.to.person for one in people if one.draft.to)


def _answer(rows: Iterable[Plan], engineer: Person, second: Person) -> None:
    """What owners say; two vendors cannot assume roles, and a second engineer agrees."""
    rotated = 0
    for row in rows:
        if row.target == Target.CROSS_ACCOUNT_ROLE and rotated < _ROTATED:
            rotated += 1
            until = (clock.now() + timedelta(days=180)).date().isoformat()
            answers = {"reason": "It cannot assume roles.", "until": until}
            kept = verbs.choose_way(row, engineer, Target.SECRETS_MANAGER)
            verbs.agree_to_key(verbs.choose(kept, engineer, _checked(kept, answers)), second)
        elif answers := _ANSWERS.get(row.target, {}):
            verbs.choose(row, engineer, _checked(row, answers))


def _checked(row: Plan, answers: dict[str, Any]) -> dict[str, Any]:
    """As the form of the page takes them."""
    form = choices_form(row.target, answers)
    if not form.is_valid():
        raise RuntimeError(f"{row.target}: {form.errors}")
    return form.kept()


def _parse(found: Plans, drafted: Iterable[Made]) -> None:
    """Each text once: people who share a set share its files."""
    from tests.migrations_app.plans import parsing  # noqa: PLC0415

    met: set[tuple[str, str]] = set()
    for one in drafted:
        found.files.update(each.language for each in one.draft.files)
        for each in one.draft.files:
            if (each.language, each.text) in met:
                continue
            met.add((each.language, each.text))
            try:
                # What the formatter makes of it costs a process for each file, and has its tests.
                if each.language == "hcl":
                    parsing.hcl(each.text)
                else:
                    parsing.check((each,))
            except Exception as error:  # noqa: BLE001 - whatever a parser says of it
                found.broken.append(f"{one.plan.target} {each.path}: {error}")
