"""The one IAM user that stays: is it ready to be used, and would anybody hear of it. Pure.

A break-glass user that was never used looks like a dormant one; what tells them apart is this
daily check. What was not looked at is said so and never passes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

TAG = ("iam-retire", "never")
SEEN_WITHIN = timedelta(hours=24)
DRILL_EVERY = timedelta(days=90)
# Where the global sign-in page may send an IAM user (CloudTrail, AWS console sign-in events).
SIGN_IN_REGIONS = ("ap-southeast-2", "eu-north-1", "us-east-1", "us-east-2")

_ASK_MANAGEMENT = "Declare the management account with a reader role, which alone is told of them."


class Status(StrEnum):
    DONE = "done"
    FAILED = "failed"
    ATTENTION = "attention"
    NOT_LOOKED_AT = "not-looked-at"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the card. `fix` says what to do, "" where there is nothing to do."""

    key: str
    text: str
    status: Status
    fix: str = ""


@dataclass(frozen=True, slots=True)
class BreakGlass:
    """All that is known of it. None stands for what was not looked at.

    `declared`: how many the organization declares; `others`: who else bears its path or tag.
    `other_id`: another user that bears its name now. `mfa`: kinds (fido, hardware, virtual).
    `denied`: whether the shipped roles are denied every write to it; `denied_above`: whether the
    organization denies it to everybody; `management`: no policy of one acts in the account.
    `alarm_regions`: where rules would tell of its use. `enabled_regions`: the account's.
    `used_for`: what somebody said of the last use. `gaps`: by key of a check why it was not looked
    at, in AWS's words.
    """

    account_id: str
    user_name: str
    arn: str = ""
    user_id: str = ""
    declared: int = 1
    others: tuple[str, ...] = ()
    other_id: str = ""
    seen_at: datetime | None = None
    gone: bool = False
    mfa: tuple[str, ...] | None = None
    access_keys: int | None = None
    console_password: bool | None = None
    attached_policies: tuple[str, ...] | None = None
    tags: tuple[tuple[str, str], ...] | None = None
    denied: bool | None = None
    denied_above: bool | None = None
    management: bool = False
    enabled_regions: tuple[str, ...] | None = None
    alarm_regions: tuple[str, ...] | None = None
    runbook: str = ""
    runbook_version: str = ""
    seal: str = ""
    sealed_at: datetime | None = None
    last_drill_at: datetime | None = None
    drill_minutes: int | None = None
    drill_every: timedelta = DRILL_EVERY
    last_used_at: datetime | None = None
    used_for: str = ""
    drills: tuple[tuple[datetime, datetime], ...] = field(default=())
    gaps: tuple[tuple[str, str], ...] = field(default=())

    @property
    def next_drill_at(self) -> datetime | None:
        """When the next drill is due; None where there was none."""
        return self.last_drill_at + self.drill_every if self.last_drill_at else None


def check(facts: BreakGlass, now: datetime) -> tuple[Check, ...]:
    """Every line, in the order of the card."""
    found = (
        _declared(facts),
        _exists(facts, now),
        _mfa(facts),
        _keys(facts),
        _password(facts),
        _policy(facts),
        _tagged(facts),
        _denied(facts),
        _denied_above(facts),
        _alarm(facts),
        _runbook(facts),
        _drill(facts, now),
        _used(facts, now),
    )
    gaps = dict(facts.gaps)
    return tuple(
        replace(one, fix=f"{gaps[one.key]} {one.fix}")
        if one.status is Status.NOT_LOOKED_AT and one.key in gaps
        else one
        for one in found
    )


def ready(checks: tuple[Check, ...]) -> bool:
    """Whether nothing failed and nothing was left out of the look."""
    bad = (Status.FAILED, Status.NOT_LOOKED_AT)
    return not any(one.status in bad for one in checks)


def regions(enabled: tuple[str, ...]) -> tuple[str, ...]:
    """Every Region in which a sign-in or a call of it can be recorded."""
    return tuple(sorted({*enabled, *SIGN_IN_REGIONS}))


def _bears(count: int) -> str:
    return "bears" if count == 1 else "bear"


def _declared(facts: BreakGlass) -> Check:
    if facts.others:
        told = f"{', '.join(facts.others)} {_bears(len(facts.others))} its path or tag too"
        fix = "Take it off there: whoever bears it is spared by every deny."
        return Check("one", told, Status.FAILED, fix)
    if facts.declared == 1:
        return Check("one", "Exactly one in the organization", Status.DONE)
    told = "None is declared" if not facts.declared else f"{facts.declared} are declared"
    return Check("one", told, Status.FAILED, "Declare exactly one in iamcleanup.yaml.")


def _exists(facts: BreakGlass, now: datetime) -> Check:
    if facts.gone:
        fix = "Make it again by the runbook, and see in CloudTrail who deleted it."
        return Check("exists", "It is gone from AWS", Status.FAILED, fix)
    if facts.other_id:
        told = f"Another user bears its name now, {facts.other_id}"
        fix = "See in CloudTrail who made it, and bind the declared one in its account's settings."
        return Check("exists", told, Status.FAILED, fix)
    if facts.seen_at is None:
        return Check("exists", "Not seen in AWS yet", Status.NOT_LOOKED_AT, "Look again.")
    if now - facts.seen_at > SEEN_WITHIN:
        return Check("exists", "Not seen for 24 hours", Status.FAILED, "Look again.")
    return Check("exists", "Seen in AWS within 24 hours", Status.DONE)


def _mfa(facts: BreakGlass) -> Check:
    if facts.mfa is None:
        return _not_looked("mfa", "MFA devices")
    strong = [kind for kind in facts.mfa if kind in ("fido", "hardware")]
    if len(strong) > 1:
        return Check("mfa", f"{len(strong)} FIDO or hardware MFA devices", Status.DONE)
    if strong:
        fix = "Register a second one and keep it in another place."
        return Check("mfa", "One FIDO or hardware MFA device", Status.ATTENTION, fix)
    told = "Only an app as MFA" if facts.mfa else "No MFA"
    return Check("mfa", told, Status.FAILED, "Register a FIDO key; an app is lost with its phone.")


def _keys(facts: BreakGlass) -> Check:
    if facts.access_keys is None:
        return _not_looked("keys", "Access keys")
    if not facts.access_keys:
        return Check("keys", "No access keys", Status.DONE)
    told = f"{facts.access_keys} access key{'s' if facts.access_keys > 1 else ''}"
    fix = "Delete them: a key needs no MFA, so whoever finds it is in."
    return Check("keys", told, Status.FAILED, fix)


def _password(facts: BreakGlass) -> Check:
    if facts.console_password is None:
        return _not_looked("password", "Console password")
    if facts.console_password:
        return Check("password", "Has a console password", Status.DONE)
    fix = "Set one by the runbook: without it nobody can sign in."
    return Check("password", "No console password", Status.FAILED, fix)


def _policy(facts: BreakGlass) -> Check:
    if facts.attached_policies is None:
        return _not_looked("policy", "Attached policies")
    if facts.attached_policies:
        return Check("policy", "Its policy is attached directly", Status.DONE)
    fix = "Attach it to the user: a group can be emptied, and a deny on the user does not stop it."
    return Check("policy", "No policy is attached directly", Status.FAILED, fix)


def _tagged(facts: BreakGlass) -> Check:
    if facts.tags is None:
        return _not_looked("tag", "Tags")
    name, value = TAG
    if (name, value) in facts.tags:
        return Check("tag", f"Tagged {name} = {value}", Status.DONE)
    return Check("tag", f"Not tagged {name} = {value}", Status.FAILED, "Tag it by hand.")


def _denied(facts: BreakGlass) -> Check:
    if facts.denied is None:
        return _not_looked("deny", "Policies that deny changing it")
    if facts.denied:
        return Check("deny", "Our roles are denied changing it", Status.DONE)
    fix = "Apply the role policies of manage.py iam_policy actor and deleter again."
    return Check("deny", "Our roles are not denied changing it", Status.FAILED, fix)


def _denied_above(facts: BreakGlass) -> Check:
    """An administrator of the account could lift any other deny."""
    if facts.management:
        told = "No organization policy acts in its account"
        fix = "Keep administrators few there, and rely on the alarm."
        return Check("guard", told, Status.ATTENTION, fix)
    if facts.denied_above is None:
        return _not_looked("guard", "The organization's policies", _ASK_MANAGEMENT)
    if facts.denied_above:
        return Check("guard", "The organization denies changing it", Status.DONE)
    fix = "Apply the guard Terraform in the management account."
    return Check("guard", "The organization does not deny changing it", Status.FAILED, fix)


def _alarm(facts: BreakGlass) -> Check:
    if facts.alarm_regions is None or facts.enabled_regions is None:
        return _not_looked("alarm", "Alarms on its use")
    silent = sorted({*regions(facts.enabled_regions)} - {*facts.alarm_regions})
    if not silent:
        return Check("alarm", "Its use alarms in every Region", Status.DONE)
    landing = [one for one in silent if one in SIGN_IN_REGIONS]
    told = f"No alarm in {len(silent)} Region{'s' if len(silent) > 1 else ''}: {', '.join(silent)}"
    status = Status.FAILED if landing else Status.ATTENTION
    return Check("alarm", told, status, "Apply the alarm Terraform in them.")


def _runbook(facts: BreakGlass) -> Check:
    if not facts.runbook:
        fix = "Name one under break_glass in iamcleanup.yaml, print it and seal it."
        return Check("runbook", "No runbook is named", Status.FAILED, fix)
    if facts.sealed_at is None:
        fix = "Print it, seal it with the password, and record version and seal here."
        return Check("runbook", f"Runbook {facts.runbook} was never sealed", Status.FAILED, fix)
    told = f"Runbook {facts.runbook}, version {facts.runbook_version}"
    text = f"{told}, sealed {_day(facts.sealed_at)}, {facts.seal}"
    return Check("runbook", text, Status.DONE)


def _drill(facts: BreakGlass, now: datetime) -> Check:
    fix = "Do one by the runbook: sign in, look, sign out, seal it again. Record it here."
    last = facts.last_drill_at
    if last is None:
        return Check("drill", "Never drilled", Status.FAILED, fix)
    told = f"Last drill {_day(last)}"
    if facts.drill_minutes is not None:
        told += f", sign-in in {facts.drill_minutes} min"
    if now - last > facts.drill_every:
        told += f"; one every {facts.drill_every.days} days is meant"
        return Check("drill", told, Status.FAILED, fix)
    return Check("drill", told, Status.DONE)


def _day(at: datetime) -> str:
    return f"{at.day} {at:%b %Y}"


def _used(facts: BreakGlass, now: datetime) -> Check:
    """A use outside of a drill is told, for as long as it may need looking into."""
    used = facts.last_used_at
    if used is None:
        return Check("use", "No use is known", Status.DONE)
    ago = (now - used).days
    if any(start <= used <= end for start, end in facts.drills):
        return Check("use", f"Last used {ago} days ago, in a drill", Status.DONE)
    if facts.used_for:
        return Check("use", f"Last used {ago} days ago: {facts.used_for}", Status.DONE)
    told = f"Used {ago} days ago, in no drill"
    status = Status.FAILED if now - used < timedelta(days=30) else Status.ATTENTION
    return Check("use", told, status, "See in CloudTrail what it did, then seal it again.")


def _not_looked(key: str, what: str, fix: str = "Mend what kept it, then look again.") -> Check:
    return Check(key, f"{what}: not looked at", Status.NOT_LOOKED_AT, fix)


def failures(checks: tuple[Check, ...]) -> Iterator[str]:
    """What the daily message says, one sentence for each."""
    for one in checks:
        if one.status in (Status.FAILED, Status.NOT_LOOKED_AT):
            yield f"{one.text}. {one.fix}".strip()
