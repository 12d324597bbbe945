"""The list of plans as its page shows it: who may see what, the filters, the numbers, the rows."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.db.models import (
    BooleanField,
    Case,
    Count,
    Exists,
    ExpressionWrapper,
    OuterRef,
    Q,
    QuerySet,
    When,
)
from django.http import QueryDict

from inventory import clock
from inventory.hashing import digest
from inventory.models import LedgerEntry, Organization, Person, Team
from inventory.permissions import Action, may
from inventory.policy import Policy, policy_for
from inventory.remembered import remembered
from inventory.templatetags.times import day_text
from migrations_app.keyset import Part
from migrations_app.models import Plan
from migrations_app.replacement.planning import (
    Quiet,
    kept_with_a_key,
    names_of,
    needing,
    quiet,
)
from migrations_app.replacement.proving import way_of, weeks_access

Target, Status = Plan.Target, Plan.Status
HOLD, EXEMPT = "on-hold", "exempt"
# By target the icon of the sprite, a short name, and what the way in is, in a few words.
LOOKS: Mapping[str, tuple[str, str, str]] = {
    Target.IDENTITY_CENTER: ("users-group", "Identity Center", "permission sets, by group"),
    Target.GITHUB_OIDC: ("brand-github", "GitHub OIDC", "role per repository"),
    Target.EKS: ("box", "EKS", "Pod Identity or IRSA"),
    Target.INSTANCE_PROFILE: ("server", "Instance profile", "role on EC2"),
    Target.CROSS_ACCOUNT_ROLE: ("arrows-exchange", "Vendor's role", "with an external ID"),
    Target.SECRETS_MANAGER: ("key", "Secrets Manager", "rotated key, last resort"),
    Target.OTHER: ("route", "Other", "a plan in words"),
}
# What changes without an entry in the ledger: a verdict, and what CloudTrail shows of a plan.
KEPT_SECONDS = 15
_PRIVILEGES = {
    "admin": "was Admin",
    "can-become-admin": "could become admin",
    "write": "was Write",
    "read": "was Read",
}


@dataclass(frozen=True, slots=True)
class Filters:
    """What was chosen; empty where nothing was."""

    target: str = ""
    status: str = ""
    team: str = ""
    q: str = ""

    @property
    def chosen(self) -> bool:
        return bool(self.target or self.status or self.team or self.q)

    def query(self, **changed: str) -> str:
        """As it stands in an address."""
        told = QueryDict(mutable=True)
        for name in ("target", "status", "team", "q"):
            if value := changed.get(name, getattr(self, name)):
                told[name] = value
        return told.urlencode()


def filters_of(asked: Mapping[str, str]) -> Filters:
    """What is not known is taken for not chosen."""
    target, status = asked.get("target", ""), asked.get("status", "")
    return Filters(
        target=target if target in Target.values else "",
        status=status if status in (*Status.values, HOLD, EXEMPT) else "",
        team=asked.get("team", "")[:50],
        q=asked.get("q", "").strip()[:64],
    )


def plans_of(account: str) -> QuerySet[Plan]:
    """Plans that somebody waits for, and agreed exceptions; of all accounts if none is chosen."""
    rows = Plan.objects.filter(needing() | kept_with_a_key())
    return rows.filter(departure__listed__account__account_id=account) if account else rows


def chosen(rows: QuerySet[Plan], filters: Filters) -> QuerySet[Plan]:
    """The rows that these filters leave."""
    if filters.team:
        rows = rows.filter(departure__owner__key=filters.team)
    if filters.q:
        named = Q(departure__user__user_name__icontains=filters.q)
        rows = rows.filter(
            named
            | Q(departure__owner__name__icontains=filters.q)
            | Q(figures__name__icontains=filters.q)
            | Q(figures__group__icontains=filters.q)
            | Q(choices__role_name__icontains=filters.q)
            | Q(choices__permission_set__icontains=filters.q)
        )
    if filters.target:
        rows = rows.filter(target=filters.target)
    if filters.status == EXEMPT:
        rows = rows.exclude(departure__protection="")
    elif filters.status == HOLD:
        rows = rows.filter(departure__protection="").exclude(held_reason="")
    elif filters.status:
        rows = rows.filter(status=filters.status, held_reason="", departure__protection="")
    return rows


def in_order(rows: QuerySet[Plan]) -> list[Part]:
    """Those that wait for somebody first: on hold, then by how far they are, then by name.

    No more is read of them than the order needs; `whole` reads the others.
    """
    far = Case(
        When(~Q(held_reason=""), then=0),
        When(status=Status.CONFIRMED, then=1),
        When(status=Status.TESTED, then=2),
        default=3,
    )
    narrow = rows.select_related("departure__listed").only("departure__listed__user_name")
    return [Part(narrow.annotate(far=far), ("far", "departure__listed__user_name", "pk"))]


def whole(rows: Iterable[Plan]) -> list[Plan]:
    """These plans in their order, with all that lists and files show of them; one query."""
    pks = [row.pk for row in rows]
    found = (
        Plan.objects.select_related("departure__user__account", "departure__owner", "confirmed_by")
        .defer("generated_files")
        .in_bulk(pks)
    )
    return [found[pk] for pk in pks if pk in found]


@dataclass(frozen=True, slots=True)
class Counted:
    """How many plans are the same in this."""

    target: str
    status: str
    exempt: bool
    held_reason: str
    held_by_drift: bool
    number: int

    @property
    def state(self) -> str:
        """One on hold counts as that alone, and so does a key that is to stay."""
        return EXEMPT if self.exempt else HOLD if self.held_reason else self.status


def counted(account: str, team: str) -> list[Counted]:
    """All plans of an account ("" for all) and a team, as they stood some seconds ago at most, and
    not before the ledger's last entry; two queries at most."""
    head = LedgerEntry.objects.order_by("-seq").values_list("hash", flat=True).first()
    rows = chosen(plans_of(account), Filters(team=team))
    key = f"plans:{digest([head, account, team])}"
    return remembered(key, KEPT_SECONDS, lambda: _counted(rows))


def _counted(rows: QuerySet[Plan]) -> list[Counted]:
    exempt = ~Q(departure__protection="")
    drift = Q(held_by__isnull=False)
    told = (
        rows.order_by()
        .annotate(exempt=ExpressionWrapper(exempt, BooleanField()))
        .annotate(drift=ExpressionWrapper(drift, BooleanField()))
        .values_list("target", "status", "exempt", "held_reason", "drift")
        .annotate(Count("pk"))
    )
    return [Counted(*one) for one in told]


def number_of(found: Iterable[Counted], filters: Filters) -> int:
    """How many of these a target and a status leave."""
    return sum(
        one.number
        for one in found
        if filters.target in ("", one.target) and filters.status in ("", one.state)
    )


@dataclass(frozen=True, slots=True)
class Tile:
    """One target with its numbers."""

    target: Plan.Target
    icon: str
    name: str
    what: str
    count: int
    parts: tuple[tuple[str, str, int], ...]
    query: str
    chosen: bool


def tiles(found: Iterable[Counted], filters: Filters) -> list[Tile]:
    """Every target that somebody needs."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for one in found:
        counts[one.target][EXEMPT if one.exempt else one.status] += one.number
    made = []
    for target in Target:
        if of := counts.get(target.value):
            icon, name, what = LOOKS[target]
            parts = (
                ("done", "confirmed", of[Status.CONFIRMED.value]),
                ("discovered", "tested", of[Status.TESTED.value]),
                ("draft", "draft", of[Status.DRAFT.value]),
                *([("protected", "exempt", of[EXEMPT])] if of[EXEMPT] else []),
            )
            here = target.value == filters.target
            to = filters.query(target="" if here else target.value)
            made.append(Tile(target, icon, name, what, of.total(), parts, to, here))
    return made


def by_status(found: Iterable[Counted]) -> Counter[str]:
    """How many are where."""
    numbers: Counter[str] = Counter()
    for one in found:
        numbers[one.state] += one.number
    return numbers


def held(found: Iterable[Counted]) -> list[tuple[str, int]]:
    """Why plans are on hold, and how many for each reason; broken groups are told by themselves."""
    numbers: Counter[str] = Counter()
    for one in found:
        if one.held_reason and not one.held_by_drift:
            numbers[one.held_reason] += one.number
    return sorted(numbers.items(), key=lambda one: (-one[1], one[0]))


def teams() -> QuerySet[Team]:
    """Those that somebody's plan may be chosen by."""
    planned = Plan.objects.filter(departure__owner=OuterRef("pk"))
    return Team.objects.filter(Exists(planned)).order_by("name")


@dataclass(frozen=True, slots=True)
class Row:
    """One plan of the list."""

    plan: Plan
    name: str
    figures: str
    week: tuple[int, ...]
    quiet: Quiet | None
    downloads: bool
    approved_by: str


def shown(rows: Sequence[Plan], person: Person, now: datetime) -> list[Row]:
    """These plans as rows; two queries, one for whose files the person may have, and one
    for who agreed that keys stay."""
    week = weeks_access(rows, now.date())
    quiets = quiets_of(rows, now)
    teams = files_of(person)
    names = names_of(rows)
    return [
        Row(
            plan=row,
            name=way_of(row).name,
            figures=figures(row),
            week=week.get(row.pk, (0,) * 7),
            quiet=quiets[row.pk],
            downloads=teams is None or row.departure.owner_id in teams,
            approved_by=names.get(row.choice("approved_by"), ""),
        )
        for row in rows
    ]


def figures(plan: Plan) -> str:
    """`14 actions, was Admin`; for a key that stays, until when."""
    if plan.target == Target.SECRETS_MANAGER:
        if not (until := plan.choice("until")):
            return "needs a reason"
        now, last = clock.now(), date.fromisoformat(str(until))
        over, day = last <= now.date(), day_text(last, now, weekday=False)
        return f"exception ended {day}" if over else f"exception to {day}"
    if "used" not in plan.figures:
        return "not drafted yet"
    used = plan.figures["used"]
    was = _PRIVILEGES.get(plan.departure.user.privilege, "")
    told = f"{used} action{'' if used == 1 else 's'}"
    if group := plan.figures.get("group"):
        told = f"group {group}, {told}"
    return f"{told}, {was}" if was else told


def quiets_of(rows: Iterable[Plan], now: datetime) -> dict[int, Quiet | None]:
    """How quiet the old credentials are; None while the new way in was not seen in use."""
    organization = Organization.get()
    policies: dict[tuple[int, str], Policy] = {}
    found: dict[int, Quiet | None] = {}
    for row in rows:
        user = row.departure.user
        key = (user.account_id, user.shown_category)
        if key not in policies:
            policies[key] = policy_for(organization, user.account, user.shown_category)
        begun = row.status != Status.DRAFT
        length = policies[key].quiet
        told = quiet(user.last_activity_at, user.created_at, length, now)
        found[row.pk] = told if begun and told.days else None
    return found


def files_of(person: Person) -> set[int] | None:
    """Of which teams' users the person may see policies and so files; None: of everybody's."""
    if may(person, Action.SEE_SENSITIVE, None):
        return None
    return {team.pk for team in person.leading()}


def with_files(rows: QuerySet[Plan], person: Person) -> QuerySet[Plan]:
    """Those of which the person may have the files."""
    teams = files_of(person)
    return rows if teams is None else rows.filter(departure__owner__in=teams)
