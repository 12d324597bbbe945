"""The verbs on the break-glass user: its checks are kept, uses are told, drills and seals recorded.

Nothing here touches AWS. What a look found is kept line by line; a line that turns bad is an alert,
and so is each use that no drill explains, until somebody says what it was.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.urls import reverse

from inventory import clock, ledger
from inventory.models import Account, Alert, IamUser, Person, Role
from inventory.permissions import Action, require
from inventory.refusals import Refused, Stale
from migrations_app import turns
from migrations_app.changes import nudge
from migrations_app.models import BreakGlassCheck, BreakGlassRecord, BreakGlassUse
from migrations_app.outgoing import notices
from migrations_app.plans.break_glass import Check

USED = "break-glass-used"
CHECKS = "break-glass"
DRILLED = "A drill."
_MOST_TOLD = 5


@dataclass(frozen=True, slots=True)
class Use:
    """Something the break-glass user did, as CloudTrail or IAM tells it."""

    at: datetime
    what: str
    region: str = ""
    source_address: str = ""
    user_agent: str = ""


def keep_checks(checks: Iterable[Check], account: Account | None, user: IamUser | None) -> None:
    """Keep what a look found; alert to what turned bad, close the alert when all is well."""
    now = clock.now()
    with transaction.atomic():
        before = {row.key: row for row in BreakGlassCheck.objects.select_for_update()}
        turned, rows = [], []
        for place, one in enumerate(checks):
            row = before.pop(one.key, None)
            if row is None:
                row = BreakGlassCheck(key=one.key, since_at=now)
            was_bad = row.is_bad
            if row.status != one.status.value:
                row.since_at = now
                ledger.append(
                    "break-glass.check",
                    user=user,
                    note=one.text,
                    was=row.status,
                    status=one.status.value,
                )
            row.place, row.status = place, one.status.value
            row.text, row.fix, row.looked_at = one.text[:500], one.fix, now
            row.save()
            rows.append(row)
            if row.is_bad and not was_bad:
                turned.append(row)
        BreakGlassCheck.objects.filter(key__in=before).delete()
        _alert([row for row in rows if row.is_bad], turned, account, user)


def _alert(
    bad: list[BreakGlassCheck],
    turned: list[BreakGlassCheck],
    account: Account | None,
    user: IamUser | None,
) -> None:
    open_ones = Alert.objects.filter(key=CHECKS, closed_at=None)
    if not bad:
        open_ones.update(closed_at=clock.now())
        return
    lines = "\n".join(f"{row.text}. {row.fix}".strip() for row in bad)
    title = (
        f"The break-glass user needs you: {bad[0].text}"
        if len(bad) == 1
        else f"The break-glass user needs you: {len(bad)} checks do not hold"
    )
    told = {"title": title[:200], "text": lines}
    if open_ones.update(**told) or not turned:
        return
    now = clock.now()
    Alert.objects.create(key=CHECKS, kind=CHECKS, account=account, user=user, raised_at=now, **told)
    notices.tell(
        "break-glass",
        f"break-glass:{now:%Y%m%d%H%M%S}",
        title,
        role=Role.ENGINEER,
        text=lines,
        url=reverse("settings-break-glass"),
    )


def note_uses(user: IamUser, uses: Iterable[Use]) -> list[BreakGlassUse]:
    """Keep uses that were not seen before; those that no drill explains are an alert on every page.

    Whoever reads twice tells nobody twice.
    """
    drills = list(BreakGlassRecord.objects.filter(kind=BreakGlassRecord.Kind.DRILL))
    now, told = clock.now(), []
    with transaction.atomic():
        for one in uses:
            row, new = BreakGlassUse.objects.get_or_create(
                user=user,
                at=one.at,
                what=one.what[:220],
                region=one.region,
                source_address=one.source_address,
                defaults={
                    "user_agent": one.user_agent,
                    "seen_at": now,
                    "reason": DRILLED if any(_within(one.at, drill) for drill in drills) else "",
                },
            )
            if new and not row.reason:
                told.append(row)
        if told:
            _tell_used(user, told)
            ledger.append("break-glass.used", user=user, note=told[-1].what, users=len(told))
    return told


def _within(at: datetime, drill: BreakGlassRecord) -> bool:
    return drill.until_at is not None and drill.at <= at <= drill.until_at


def _tell_used(user: IamUser, told: list[BreakGlassUse]) -> None:
    """Everybody who operates hears of it at once; the strip stands on every page."""
    last = max(told, key=lambda row: row.at)
    title = f"The break-glass user {user} was used on {last.at:%d %b, %H:%M} UTC"
    open_ones = BreakGlassUse.objects.filter(user=user, reason="").order_by("-at")
    lines = [
        f"{row.at:%d %b %H:%M} UTC: {row.what}, {row.region}" for row in open_ones[:_MOST_TOLD]
    ]
    more = open_ones.count() - len(lines)
    text = "\n".join([*lines, *([f"And {more} more."] if more > 0 else [])])
    alert, new = Alert.objects.get_or_create(
        key=USED,
        closed_at=None,
        defaults={
            "kind": USED,
            "title": title[:200],
            "text": text,
            "account": user.account,
            "user": user,
            "raised_at": clock.now(),
        },
    )
    if not new:
        Alert.objects.filter(pk=alert.pk).update(title=title[:200], text=text)
    # Of an alert that is open already once an hour, as of further callers of a hit.
    stage = "" if new else f":{clock.now():%Y%m%d%H}"
    for role in (Role.ENGINEER, Role.ADMIN):
        notices.tell(
            "break-glass",
            f"{USED}:{alert.pk}{stage}:{role}",
            title,
            role=role,
            text=f"{text}\n\nIf it was none of you, call Security: somebody has both factors.",
            url=reverse("settings-break-glass"),
        )


def explain_uses(person: Person, reason: str) -> int:
    """Say what the open uses were, which closes their alert; how many. They stay in the record."""
    require(person, Action.GUARD)
    if not reason.strip():
        raise Refused("Say who used it, and for what.")
    with transaction.atomic():
        closed = Alert.objects.filter(key=USED, closed_at=None).update(
            closed_at=clock.now(), closed_by=person
        )
        uses = list(BreakGlassUse.objects.filter(reason="").select_related("user__account"))
        if not closed and not uses:
            raise Stale("Nothing is open any more: somebody said what it was.")
        BreakGlassUse.objects.filter(pk__in=[row.pk for row in uses]).update(
            reason=reason.strip(), reason_by=person, reason_at=clock.now()
        )
        for user in {row.user for row in uses}:
            ledger.append("break-glass.explained", actor=person, user=user, reason=reason.strip())
        nudge.break_glass()
    return len(uses)


def record_seal(
    person: Person, at: datetime, *, version: str, seal: str, place: str = "", note: str = ""
) -> BreakGlassRecord:
    """An envelope was sealed with this version of the runbook."""
    require(person, Action.GUARD)
    if not version.strip() or not seal.strip():
        raise Refused("Say which version of the runbook is in it, and what stands on the seal.")
    return _record(
        person,
        BreakGlassRecord(
            kind=BreakGlassRecord.Kind.SEAL,
            at=at,
            version=version.strip(),
            seal=seal.strip(),
            place=place.strip(),
            note=note.strip(),
        ),
    )


def record_drill(
    person: Person, at: datetime, until_at: datetime, *, minutes: int | None = None, note: str = ""
) -> BreakGlassRecord:
    """A drill took place; uses within it are explained by it, and their alert closes if all are."""
    require(person, Action.GUARD)
    if until_at <= at:
        raise Refused("A drill ends after it begins.")
    if (until_at - at).total_seconds() > 24 * 3600:
        raise Refused("A drill lasts a day at most; what else was done needs a reason of its own.")
    with transaction.atomic():
        record = _record(
            person,
            BreakGlassRecord(
                kind=BreakGlassRecord.Kind.DRILL,
                at=at,
                until_at=until_at,
                minutes=minutes,
                note=note.strip(),
            ),
        )
        BreakGlassUse.objects.filter(reason="", at__range=(at, until_at)).update(
            reason=DRILLED, reason_by=person, reason_at=clock.now()
        )
        if not BreakGlassUse.objects.filter(reason="").exists():
            Alert.objects.filter(key=USED, closed_at=None).update(
                closed_at=clock.now(), closed_by=person
            )
    return record


def _before(person: Person, record: BreakGlassRecord) -> BreakGlassRecord | None:
    """The same drill or seal where this person recorded it before."""
    told = ("kind", "at", "until_at", "minutes", "version", "seal", "place", "note")
    same = {name: getattr(record, name) for name in told}
    return BreakGlassRecord.objects.filter(recorded_by=person, **same).first()


def _record(person: Person, record: BreakGlassRecord) -> BreakGlassRecord:
    if record.at > clock.now():
        raise Refused("Record it once it has happened.")
    with transaction.atomic():
        turns.take(person)
        if (before := _before(person, record)) is not None:
            return before
        record.recorded_at, record.recorded_by = clock.now(), person
        record.save()
        ledger.append(
            f"break-glass.{record.kind}",
            actor=person,
            at=record.at.isoformat(),
            until=record.until_at.isoformat() if record.until_at else "",
            version=record.version,
            seal=record.seal,
            place=record.place,
            note=record.note,
        )
        # The checks follow what was recorded.
        nudge.break_glass()
    return record
