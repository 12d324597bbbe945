"""Looking at the break-glass user: the checks once a day, its uses every quarter of an hour.

Read with the reader role and never written to. Whatever AWS does not tell is kept as not looked at,
with AWS's words; it never passes for good.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

import structlog

from inventory import clock, refresh
from inventory.aws import account_details, break_glass
from inventory.aws.break_glass import OrganizationPolicies, Rule
from inventory.aws.failure import AwsFailure, NoSuchUser
from inventory.aws.holdings import UserHoldings, read_user
from inventory.aws.limiter import Limiter
from inventory.aws.session import AwsSession, open_session
from inventory.models import Account, IamUser, Organization, Sync
from migrations_app.break_glass_rows import declared, recorded
from migrations_app.changes.break_glass import Use, keep_checks, note_uses
from migrations_app.models import BreakGlassCheck, BreakGlassUse
from migrations_app.plans import guarded, heard
from migrations_app.plans.break_glass import (
    BreakGlass,
    check,
    regions,
)

log = structlog.get_logger(__name__)

LOOK_EVERY = timedelta(days=1)
# What was done before the product knew the user, and longer ago than this, is no news.
_NEWS = timedelta(days=30)
# A sign-in moves the password's date a moment after its event.
_SAME_MOMENT = timedelta(minutes=15)
Told = TypeVar("Told")


@dataclass(slots=True)
class _Asked:
    """What AWS answered, and by key of a check why it did not."""

    gaps: dict[str, str] = field(default_factory=dict)

    def ask(self, call: Callable[[], Told], *keys: str) -> Told | None:
        try:
            return call()
        except AwsFailure as failed:
            self.gaps.update(dict.fromkeys(keys, f"{failed.words}."))
            return None


def watch(*, look_now: bool = False) -> list[BreakGlassUse]:
    """Listen, and look where a look is due or asked for; uses that are news.

    What AWS refuses is kept with the checks, and keeps nobody from looking. Nothing is done before
    an organization is declared and its account was read for the first time.
    """
    account, _ = declared()
    if not Account.objects.exists() or (account is not None and _never_read(account)):
        return []
    try:
        used = listen()
    except AwsFailure as failed:
        log.warning("break-glass user not listened to", error=str(failed))
        used = []
    if look_now or used or is_due(clock.now()):
        look()
    return used


def _never_read(account: Account) -> bool:
    """Whether no sync of it has ended yet: who it is and where to look is not known."""
    return not account.syncs.exclude(status__in=Sync.OPEN).exists()


def is_due(now: datetime) -> bool:
    """Whether the last look is a day old, or none was made since the organization changed."""
    last = BreakGlassCheck.objects.order_by("looked_at").values_list("looked_at", flat=True).first()
    applied = Organization.get().applied_at
    return last is None or last <= now - LOOK_EVERY or (applied is not None and last < applied)


def look() -> BreakGlass:
    """Look at everything now, and keep the outcome of each check with its time."""
    account, user = declared()
    facts = facts_of(account, user, clock.now())
    keep_checks(check(facts, clock.now()), account, user)
    return facts


def listen() -> list[BreakGlassUse]:
    """Read what the user did since the last look, in every Region; uses that are news.

    Raises AwsFailure where the account cannot be opened.
    """
    account, user = declared()
    if account is None or user is None or user.gone_at is not None:
        return []
    session = open_session(account, "reader")
    refresh.listen_users(account, [user], session, clock.now())
    return note_uses(user, uses_of(user))


def uses_of(user: IamUser) -> Iterator[Use]:
    """What evidence holds of its uses lately. A failed sign-in is none: anybody can cause it."""
    since = clock.now() - _NEWS
    rows = list(
        user.activity.exclude(outcome="failed-sign-in")
        .filter(last_at__gt=since)
        .order_by("last_at")
    )
    for row in rows:
        denied = ", denied" if row.outcome != "ok" else ""
        what = f"{row.service.removesuffix('.amazonaws.com')}:{row.action}{denied}"
        yield Use(row.last_at, what, row.region, row.source_address, row.user_agent)
    signed_in = user.password_last_used_at
    if signed_in and signed_in > since:
        near = any(abs(row.last_at - signed_in) <= _SAME_MOMENT for row in rows)
        spanned = any(row.first_at <= signed_in <= row.last_at for row in rows)
        if not near and not spanned:
            yield Use(signed_in, "console password used, without an event")


def facts_of(account: Account | None, user: IamUser | None, now: datetime) -> BreakGlass:
    """All that can be known of it now; None stands for what was not looked at."""
    facts = recorded(user)
    if account is None or not facts.declared:
        return facts
    asked = _Asked()
    session = asked.ask(lambda: open_session(account, "reader"), *_ALL)
    if session is None:
        return replace(facts, gaps=tuple(asked.gaps.items()))
    session.pace("iam", Limiter.for_reads(account).wait)
    facts = _user(facts, account, session, asked, now)
    facts = _guards(facts, account, session, asked)
    facts = _alarms(facts, account, session, asked)
    return replace(facts, gaps=tuple(asked.gaps.items()))


_OF_USER = ("exists", "mfa", "keys", "password", "policy", "tag")
_ALL = (*_OF_USER, "deny", "guard", "alarm")


def _user(
    facts: BreakGlass, account: Account, session: AwsSession, asked: _Asked, now: datetime
) -> BreakGlass:
    """With what it holds, read live."""

    def read() -> UserHoldings | None:
        try:
            return read_user(session, facts.user_name)
        except NoSuchUser:
            return None

    held = asked.ask(read, *_OF_USER)
    if held is None:
        return facts if "exists" in asked.gaps else replace(facts, gone=True)
    if facts.user_id and held.user_id != facts.user_id:
        return replace(facts, other_id=held.user_id)
    return _held(facts, held, now)


def _held(facts: BreakGlass, held: UserHoldings, now: datetime) -> BreakGlass:
    return replace(
        facts,
        arn=held.arn,
        user_id=held.user_id,
        seen_at=now,
        mfa=tuple(device.kind for device in held.mfa),
        access_keys=len(held.access_keys),
        console_password=held.has_login_profile,
        attached_policies=(*held.attached_policies, *held.inline_policies),
        tags=tuple(held.tags.items()),
    )


def _guards(facts: BreakGlass, account: Account, session: AwsSession, asked: _Asked) -> BreakGlass:
    """With whether the roles we write with, and everybody, are denied changing it."""
    if not facts.arn:
        return facts
    tags = dict(facts.tags or ())
    arns = {
        arn.rpartition("/")[2]: arn for arn in (account.actor_role, account.deleter_role) if arn
    }
    told = asked.ask(lambda: account_details.role_policies(session, arns), "deny")
    if told is not None and not arns:
        # An account that is only read: no role of ours could change it.
        facts = replace(facts, denied=True)
    elif told is not None:
        missing = sorted(arns.keys() - told.keys())
        if missing:
            asked.gaps["deny"] = f"AWS does not show the role {', '.join(missing)}."
        else:
            every = (guarded.denied(told[name], facts.arn, tags, arn) for name, arn in arns.items())
            facts = replace(facts, denied=all(every))
    above = _above(account, session, asked)
    if above is None:
        return facts
    anybody = f"{facts.arn.rpartition(':')[0]}:role/anybody"
    return replace(
        facts,
        management=above.out_of_reach,
        denied_above=guarded.denied(above.documents, facts.arn, tags, anybody),
    )


def _above(account: Account, session: AwsSession, asked: _Asked) -> OrganizationPolicies | None:
    """The organization's policies, from whichever declared account is told of them."""
    told = asked.ask(
        lambda: break_glass.organization_policies(session, account.account_id), "guard"
    )
    for other in Account.objects.filter(active=True).exclude(pk=account.pk):
        if told is not None:
            break
        told = _Asked().ask(partial(_told_to, other, account.account_id))
    if told is not None:
        asked.gaps.pop("guard", None)
    return told


def _told_to(other: Account, account_id: str) -> OrganizationPolicies:
    return break_glass.organization_policies(open_session(other, "reader"), account_id)


def _alarms(facts: BreakGlass, account: Account, session: AwsSession, asked: _Asked) -> BreakGlass:
    """With the Regions in which a rule with a target would hear a sign-in and a call."""
    if not facts.arn or not account.enabled_regions:
        return facts
    enabled = tuple(account.enabled_regions)
    found: list[str] = []
    for region in regions(enabled):
        told = asked.ask(partial(_rules, facts, session, region), "alarm")
        if told is None:
            asked.gaps["alarm"] = f"{region}: {asked.gaps['alarm']}"
            return facts
        patterns = [rule.pattern for rule in told if rule.targets]
        if heard.everything_heard(patterns, facts, region):
            found.append(region)
    return replace(facts, enabled_regions=enabled, alarm_regions=tuple(found))


def _rules(facts: BreakGlass, session: AwsSession, region: str) -> tuple[Rule, ...]:
    def wanted(pattern: str) -> bool:
        return heard.hears_a_use(pattern, facts, region)

    return break_glass.rules(session, region, wanted)
