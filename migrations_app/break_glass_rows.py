"""The break-glass user as rows know it: who it is, what people recorded, what the file declares."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from django.db.models import Q

from inventory.models import Account, IamUser, Organization, Person, ProtectedEntry, Role
from inventory.policy import parse_duration
from migrations_app.models import BreakGlassRecord, BreakGlassUse
from migrations_app.plans.break_glass import DRILL_EVERY, TAG, BreakGlass

_PATH = "/breakglass/"


def declared(organization: Organization | None = None) -> tuple[Account | None, IamUser | None]:
    """The account that the organization declares, and the user as it was seen last."""
    organization = organization or Organization.get()
    account = Account.objects.filter(account_id=organization.break_glass_account).first()
    if account is None:
        return None, None
    bound = _bound_id(account)
    named = Q(user_name__iexact=organization.break_glass_user)
    rows = account.users.filter(Q(user_id=bound) if bound else named).select_related("account")
    return account, rows.order_by("gone_at").first()


def known() -> BreakGlass:
    """What is known of it without asking AWS: enough for its runbook, alarm and guard."""
    organization = Organization.get()
    return of(organization, *declared(organization))


def of(organization: Organization, account: Account | None, user: IamUser | None) -> BreakGlass:
    """The same, of what `declared` gave."""
    facts = recorded(user, organization)
    return replace(facts, enabled_regions=tuple(account.enabled_regions)) if account else facts


def told() -> tuple[str, ...]:
    """Whom the alarm writes to: the custodian team, else everybody who operates."""
    custodian = Organization.get().custodian
    if custodian is not None and custodian.email:
        return (custodian.email,)
    people = Person.objects.filter(is_active=True, roles__contains=[Role.ENGINEER])
    return tuple(people.exclude(email="").values_list("email", flat=True))


def recorded(user: IamUser | None, organization: Organization | None = None) -> BreakGlass:
    """What the file declares and people recorded, with this user where it was seen."""
    organization = organization or Organization.get()
    every = parse_duration(organization.drill_every) if organization.drill_every else DRILL_EVERY
    facts = BreakGlass(
        account_id=organization.break_glass_account,
        user_name=organization.break_glass_user,
        arn=user.arn if user else "",
        user_id=user.user_id if user else "",
        declared=int(bool(organization.break_glass_user)),
        others=tuple(sorted(_others(user))),
        runbook=organization.runbook,
        drill_every=every,
    )
    return _recorded(facts, user)


def _bound_id(account: Account) -> str:
    entry = account.protected_entries.filter(kind=ProtectedEntry.Kind.BREAK_GLASS).first()
    return entry.bound_user_id if entry else ""


def _others(user: IamUser | None) -> Iterator[str]:
    """Users that bear the path or the tag by which the guards know it, and are not it.

    The condition is that of an index, word for word.
    """
    marked = Q(path__startswith=_PATH) | Q(**{f"tags__{TAG[0]}": TAG[1]})
    rows = IamUser.objects.present().filter(marked).select_related("account")
    for row in rows.exclude(pk=user.pk) if user else rows:
        yield f"{row.user_name} in {row.account.name}"


def _place_of(sealed: BreakGlassRecord) -> str:
    """Where the envelope lies, and the number on it where one was written down."""
    return ", ".join(filter(None, (sealed.place, sealed.seal and f"seal {sealed.seal}")))


def _recorded(facts: BreakGlass, user: IamUser | None) -> BreakGlass:
    """With drills, seal and uses, as people recorded them here."""
    rows = list(BreakGlassRecord.objects.all())
    drills = [row for row in rows if row.kind == BreakGlassRecord.Kind.DRILL and row.until_at]
    seals = [row for row in rows if row.kind == BreakGlassRecord.Kind.SEAL]
    used = BreakGlassUse.objects.filter(user=user).order_by("reason", "-at") if user else []
    last = next((row for row in used if not row.reason), None) or max(
        used, key=lambda row: row.at, default=None
    )
    return replace(
        facts,
        last_drill_at=drills[0].at if drills else None,
        drill_minutes=drills[0].minutes if drills else None,
        drills=tuple((row.at, row.until_at) for row in drills if row.until_at),
        runbook_version=seals[0].version if seals else "",
        seal=_place_of(seals[0]) if seals else "",
        sealed_at=seals[0].at if seals else None,
        last_used_at=last.at if last else None,
        used_for=last.reason if last else "",
    )
