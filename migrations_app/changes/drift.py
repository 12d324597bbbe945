"""The watch over groups of Identity Center: what a look found, the plans that wait, its acceptance.

A finding stays open until a look sees it mended or a person finds it right as it is. Until then the
look before it is what later ones are compared with, so nobody who lost access is forgotten.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import transaction
from django.urls import reverse

from inventory import clock, ledger
from inventory.models import Alert, CenterLook, Person, Role
from inventory.permissions import Action, require
from inventory.refusals import Refused
from migrations_app.models import Drift, Plan
from migrations_app.outgoing.outbox import tell
from migrations_app.plans.drift import Comparison, Finding, Kind, baseline, compare
from migrations_app.replacement import center
from migrations_app.replacement.proving import way_of

_BLIND = "identity-center-compared"


def watch(look: CenterLook) -> None:
    """Compare a whole look with the one before, tell what broke, and let plans wait or go on."""
    before = center.compared_with(look)
    if before is None:
        before = _begin_with(look)
    was, now = center.snapshot(before), center.snapshot(look)
    if was.identity_store_id != now.identity_store_id:
        _blind(look, "It is another Identity Center than before. From here on this one is watched.")
        before, was = _begin_with(look), now
    told = compare(was, now)
    if told.not_looked_at:
        _blind(look, told.not_looked_at)
        return
    if before.pk != look.pk:
        Alert.objects.filter(kind=_BLIND, closed_at=None).update(closed_at=clock.now())
    accepted = _accepted(told)
    _keep([one for one in told.findings if one.key not in accepted])
    if baseline(was, now, accepted) is now:
        _begin_with(look)
    if look.changed or before.pk == look.pk:
        # Permission sets and people may fit otherwise now.
        Plan.objects.filter(target=Plan.Target.IDENTITY_CENTER).update(figures_at=None)
    hold_plans()


def _begin_with(look: CenterLook) -> CenterLook:
    """Later looks are compared with this one; what was found right before it is so no more."""
    Drift.objects.filter(accepted=True).exclude(kind=Kind.DEAD).update(accepted=False)
    CenterLook.objects.filter(account=look.account_id, held=True).update(held=False)
    look.held = True
    look.save(update_fields=["held"])
    return look


def _accepted(told: Comparison) -> set[str]:
    """Findings that a person found right already: nobody more has lost anything more since."""
    rows = {row.key: row for row in Drift.objects.filter(accepted=True)}
    return {
        one.key
        for one in told.findings
        if one.key in rows and _losses(_columns(one)["lost"]) <= _losses(rows[one.key].lost)
    }


def _losses(lost: Iterable[dict[str, Any]]) -> set[tuple[str, ...]]:
    return {(one["user_id"], *access) for one in lost for access in one["access"]}


def _keep(findings: Iterable[Finding]) -> None:
    """The rows of what is found, and the end of those that are not any more."""
    now = clock.now()
    still = {one.key: one for one in findings}
    held = {row.key: row for row in Drift.objects.filter(closed_at=None)}
    for key, finding in still.items():
        row = held.get(key)
        if row is None:
            _found(Drift(key=key, found_at=now, **_columns(finding)))
        else:
            _again(row, finding)
    for key, row in held.items():
        if key not in still:
            _close(row)
            ledger.append("drift.mended", target=row.group_name, reason=row.headline)


def _columns(finding: Finding) -> dict[str, Any]:
    group, new = finding.group, finding.new
    return {
        "kind": finding.kind.value,
        "group_id": group.id,
        "group_name": group.name,
        "external_id": group.external_id[:200],
        "new_group_id": new.id if new and new.id != group.id else "",
        "new_external_id": new.external_id[:200] if new and new.id != group.id else "",
        "happened_at": new.created_at if new and new.id != group.id else None,
        "headline": finding.happened,
        "meaning": finding.meaning,
        "felt": finding.felt,
        "breaks": finding.breaks,
        "lost": [
            {
                "user_id": one.person.user_id,
                "name": one.person.name,
                "access": [[each.account_id, each.permission_set] for each in one.access],
            }
            for one in finding.lost
        ],
    }


def _found(row: Drift) -> None:
    row.save()
    title, text = row.headline[:200], _text(row)
    Alert.objects.get_or_create(
        key=row.alert_key,
        closed_at=None,
        defaults={"kind": "drift", "title": title, "text": text, "raised_at": row.found_at},
    )
    ledger.append("drift.found", target=row.group_name, reason=row.headline)
    url = reverse("identity-center")
    tell("drift", f"drift:{row.pk}", title, role=Role.ENGINEER, text=text, url=url)


def _again(row: Drift, finding: Finding) -> None:
    """It is there still, perhaps with other people."""
    columns = _columns(finding)
    if all(getattr(row, name) == value for name, value in columns.items()):
        return
    for name, value in columns.items():
        setattr(row, name, value)
    row.save()
    opened = Alert.objects.filter(key=row.alert_key, closed_at=None)
    opened.update(title=row.headline[:200], text=_text(row))


def _text(row: Drift) -> str:
    told = " ".join(filter(None, (row.meaning, row.felt)))
    who = f"\n\nWithout access: {', '.join(row.names)}." if row.lost else ""
    return f"{told}{who}"


def _close(row: Drift) -> None:
    row.closed_at = clock.now()
    row.save()
    Alert.objects.filter(key=row.alert_key, closed_at=None).update(closed_at=row.closed_at)


def _blind(look: CenterLook, why: str) -> None:
    Alert.objects.get_or_create(
        key=_BLIND,
        closed_at=None,
        defaults={
            "kind": _BLIND,
            "title": "Groups of Identity Center could not be compared",
            "text": why,
            "account": look.account,
            "raised_at": clock.now(),
        },
    )


def hold_plans() -> int:
    """Plans whose way in goes through a broken group wait; the others go on. How many wait."""
    broken = list(Drift.objects.filter(closed_at=None, breaks=True))
    if not broken and not Plan.objects.exclude(held_by=None).exists():
        return 0
    plans = (
        Plan.objects.filter(target=Plan.Target.IDENTITY_CENTER)
        .select_related("departure__user__account")
        .defer("generated_files")
        if broken
        else ()
    )
    waiting: dict[int, list[int]] = {}
    for plan in plans:
        if (row := _in_the_way(plan, broken)) is not None:
            waiting.setdefault(row.pk, []).append(plan.pk)
    wait = [pk for pks in waiting.values() for pk in pks]
    Plan.objects.exclude(held_by=None).exclude(pk__in=wait).update(held_by=None, held_reason="")
    for row in broken:
        reason = f"{row.headline}."
        Plan.objects.filter(pk__in=waiting.get(row.pk, ())).update(held_by=row, held_reason=reason)
    return len(wait)


def _in_the_way(plan: Plan, broken: Sequence[Drift]) -> Drift | None:
    """What keeps this plan's person from getting in: its group, or what the person lost."""
    group, person = plan.figures.get("group", ""), plan.figures.get("person", "")
    access = [plan.departure.user.account.account_id, way_of(plan).name]
    for row in broken:
        if group and group.casefold() == row.group_name.casefold():
            return row
        if any(one["user_id"] == person and access in one["access"] for one in row.lost):
            return row
    return None


def accept(row: Drift, person: Person, note: str) -> None:
    """It is right as it is: nobody has to get that access back. Raises NotAllowed, Refused."""
    require(person, Action.OPERATE)
    if not note.strip():
        raise Refused("Say why it is right as it is.")
    with transaction.atomic():
        mine = Drift.objects.select_for_update().get(pk=row.pk)
        if mine.closed_at is not None:
            raise Refused("It is closed already.")
        mine.accepted, mine.accepted_by, mine.note = True, person, note.strip()
        _close(mine)
        ledger.append("drift.accepted", actor=person, target=mine.group_name, note=mine.note)
        if (look := center.latest()) is not None:
            watch(look)
        else:
            hold_plans()
