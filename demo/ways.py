"""New ways in for some users of the demo's past: drafted, tested, confirmed, or asked for.

People do what they do in the product by its verbs; what happens in AWS, the simulated account does.
Each step looks at the rows and does what they still lack.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from demo.aws.control import Control
from inventory import clock
from inventory.models import Account, Credential, Organization, Person
from inventory.refusals import Refused
from inventory.rights.privilege import ADMIN_LEVELS
from migrations_app import changes
from migrations_app.changes import break_glass
from migrations_app.changes import plans as verbs
from migrations_app.lifecycle import State
from migrations_app.models import BreakGlassRecord, Departure, Plan
from migrations_app.replacement import proving

_TRUST = '{"Version": "2012-10-17", "Statement": []}'
_VENDOR = "arn:aws:iam::834469178297:root"
_UNTIL = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Way:
    """Who shows it and how far it gets. `assumed`: the event and whoever assumes the role."""

    target: Plan.Target
    category: str
    choices: dict[str, Any]
    assumed: tuple[str, str] = ("", "")
    confirmed: bool = False


WAYS = (
    Way(
        Plan.Target.GITHUB_OIDC,
        "ci-cd",
        {"repository": "acme/shop", "branches": ["main"]},
        ("AssumeRoleWithWebIdentity", "repo:acme/shop:ref:refs/heads/main"),
        confirmed=True,
    ),
    Way(
        Plan.Target.EKS,
        "ci-cd",
        {"cluster": "production", "namespace": "monitoring", "service_account": "lag-exporter"},
        ("AssumeRole", "pods.eks.amazonaws.com"),
    ),
    Way(Plan.Target.INSTANCE_PROFILE, "ci-cd", {}),
    Way(
        Plan.Target.CROSS_ACCOUNT_ROLE,
        "third-party",
        {"vendor": "Fivetran", "vendor_account": "834469178297"},
        ("AssumeRole", _VENDOR),
        confirmed=True,
    ),
    Way(Plan.Target.SECRETS_MANAGER, "third-party", {"reason": "The vendor cannot assume roles."}),
    Way(Plan.Target.IDENTITY_CENTER, "human-programmatic", {}),
)


def seal(account: Account, engineer: Person) -> None:
    """The envelope was sealed, and the last sign-in of the break-glass user was a drill."""
    if BreakGlassRecord.objects.exists():
        return
    user = account.users.get(user_name__iexact=Organization.get().break_glass_user)
    last = user.activity.exclude(outcome="failed-sign-in").order_by("-last_at").first()
    at = last.last_at if last else clock.now() - timedelta(days=30)
    before = at - timedelta(days=6)
    break_glass.record_seal(engineer, before, version="3", seal="A-0417", place="safe 2")
    began, ended = at - timedelta(minutes=10), at + timedelta(minutes=20)
    break_glass.record_drill(engineer, began, ended, minutes=4)


def begin(account: Account, engineer: Person, control: Control) -> None:
    """Teams say that some are still needed; their ways are chosen, and some roles are made."""
    taken: set[int] = set()
    for way in WAYS:
        if _chosen(account, way).exists():
            continue
        row = next((row for row in _candidates(account, way.category) if row.pk not in taken), None)
        if row is None:
            continue
        taken.add(row.pk)
        with suppress(Refused):
            _begin(row, way, engineer, control)


def go_on(account: Account, control: Control) -> None:
    """The new ways are used once more, what CloudTrail shows is read, and owners say it works."""
    plans = [(way, plan) for way in WAYS for plan in _chosen(account, way)[:1]]
    for way, plan in plans:
        _assume(plan, way, control)
    # Drafts by now may not be read further than event history shows it, minutes later.
    proving.look(account)
    for way, plan in plans:
        owner = plan.departure.owner
        if way.confirmed and plan.status != Plan.Status.CONFIRMED and owner and owner.lead:
            with suppress(Refused):
                changes.confirm_plan(plan.departure, owner.lead, "It runs green with the role.")


def _candidates(account: Account, category: str) -> Iterable[Departure]:
    """Users in use whose team has a lead, that nobody has planned anything for."""
    return (
        Departure.objects.unprotected()
        .filter(
            state=State.DISCOVERED,
            user__account=account,
            user__gone_at=None,
            user__verdict="active",
            user__category=category,
            user__suggested_team__lead__is_active=True,
            plan__isnull=False,
        )
        .exclude(user__privilege__in=ADMIN_LEVELS)
        .select_related("user__account", "user__suggested_team__lead", "plan")
        .order_by("-user__last_activity_at", "pk")
    )


def _chosen(account: Account, way: Way) -> Any:
    """The plans that this way was chosen for: its choices stand in them."""
    rows = Plan.objects.filter(
        target=way.target, departure__user__account=account, departure__answer="needed"
    )
    return rows.select_related("departure__user__account", "departure__owner__lead").order_by("pk")


def _begin(row: Departure, way: Way, engineer: Person, control: Control) -> None:
    team = row.user.suggested_team
    assert team is not None
    assert team.lead is not None
    changes.claim(row, team, team.lead, "needed")
    plan = verbs.choose_way(Plan.objects.get(departure=row), engineer, way.target)
    choices = dict(way.choices)
    if way.target == Plan.Target.SECRETS_MANAGER:
        choices["until"] = (clock.now() + _UNTIL).date().isoformat()
    if choices:
        plan = verbs.choose(plan, engineer, choices)
    if not way.assumed[0]:
        return
    params = {"RoleName": proving.way_of(plan).name, "AssumeRolePolicyDocument": _TRUST}
    control.act("api", operation="CreateRole", params=params)
    _assume(plan, way, control)
    if way.confirmed:
        # Its team switched the old keys off by itself: from now on it is quiet.
        keys = row.user.credentials.filter(kind=Credential.Kind.ACCESS_KEY, gone_at=None)
        for key in keys.values_list("credential_id", flat=True):
            off = {"UserName": row.user.user_name, "AccessKeyId": key, "Status": "Inactive"}
            control.act("api", operation="UpdateAccessKey", params=off)


def _assume(plan: Plan, way: Way, control: Control) -> None:
    event, who = way.assumed
    if event:
        session = plan.departure.user.user_name[:32]
        name = proving.way_of(plan).name
        control.act("assumed", role=name, event=event, who=who, session=session)
