"""What a machine checks of a batch before a person approves it, and who of it was looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from inventory import clock
from inventory.models import Organization, Person
from inventory.permissions import Action, require
from inventory.policy import Policy, policy_for
from migrations_app.changes.evidence import NAMED, quarantines
from migrations_app.changes.situation import Ground, account_blockers, blockers_for, lock_out
from migrations_app.guards import Blocker
from migrations_app.lifecycle import MoveName
from migrations_app.models import Batch, Change, Viewed

OWN_BATCH = "You asked for this batch, so somebody else approves it."


@dataclass(frozen=True, slots=True)
class Check:
    """One machine check before an approval; a failed one says what to do."""

    code: str
    ok: bool
    text: str
    fix: str = ""
    overridable: bool = False


def view(change: Change, person: Person) -> Viewed:
    """The approver looked at this user as it is now; counts until its facts change."""
    require(person, Action.APPROVE)
    seen, _ = Viewed.objects.update_or_create(
        change=change, person=person, defaults={"digest": change.digest, "at": clock.now()}
    )
    return seen


@dataclass(frozen=True, slots=True)
class Loaded:
    """What whoever asks for the checks loaded of the batch a moment ago: its changes with their
    users, which of them (pks) the person viewed as they are now, and the organization."""

    rows: Sequence[Change]
    seen: Collection[int]
    organization: Organization


def checks(batch: Batch, person: Person, loaded: Loaded | None = None) -> list[Check]:
    """What must hold before `person` may approve; asked again on approval, and at the run."""
    loaded = loaded or _loaded(batch, person)
    changes = [change for change in loaded.rows if change.status == Change.Status.ASKED]
    seen = [change for change in changes if change.pk in loaded.seen]
    ground = Ground.of(loaded.organization)
    asked_by = str(batch.asked_by) if batch.asked_by else "Nobody"
    own = person.pk in (batch.asked_by_id, batch.composed_by_id)
    found = [
        Check(
            "four-eyes",
            not own,
            OWN_BATCH if own else f"Four eyes: {asked_by} asked, you decide",
        )
    ]
    found += [
        _check(one) for one in account_blockers(batch.account, batch.move, batch.urgent, ground)
    ]
    judged = blockers_for(
        [change.departure for change in changes],
        batch.move,
        batch.urgent,
        besides=changes,
        organization=ground.organization,
    )
    blocked = [reasons[0] for reasons in judged.values() if reasons]
    found += _by_code(blocked)
    if not blocked:
        found.append(Check("users", True, _all_may_go(batch, len(changes))))
    locked_out = lock_out(batch.account, [change.departure for change in changes], ground)
    found += [Check(one.code, False, one.text, one.fix, overridable=True) for one in locked_out]
    found.append(_evidence_age(policy_for(ground.organization, batch.account), changes))
    if batch.move == MoveName.DELETE:
        found += _named_elsewhere(changes, loaded.seen)
        found += _quarantined(changes)
    unseen = len(changes) - len(seen)
    found.append(
        Check(
            "viewed",
            unseen == 0,
            "Every user viewed"
            if unseen == 0
            else f"{unseen} user{'' if unseen == 1 else 's'} not viewed yet",
            "" if unseen == 0 else "Open each user and tick Viewed.",
        )
    )
    return found


def _loaded(batch: Batch, person: Person) -> Loaded:
    rows = batch.changes.filter(status=Change.Status.ASKED)
    changes = list(rows.select_related("departure__user__account", "departure__owner"))
    return Loaded(changes, seen_by(changes, person), Organization.get())


def seen_by(changes: Iterable[Change], person: Person) -> frozenset[int]:
    """Which of these changes (pks) this person viewed as they are now.

    A mark on an earlier version of the item does not count: its digest is another one.
    """
    digests = {change.pk: change.digest for change in changes}
    viewed = Viewed.objects.filter(change__in=digests, person=person)
    marks = viewed.values_list("change", "digest")
    return frozenset(pk for pk, digest in marks if digests[pk] == digest)


def policy_of_batch(batch: Batch) -> Policy:
    return policy_for(Organization.get(), batch.account)


def _check(one: Blocker) -> Check:
    return Check(one.code, False, one.text, one.fix)


def _by_code(blocked: list[Blocker]) -> list[Check]:
    """One failed check per kind, with the first user's sentence and how many more there are."""
    first: dict[str, Blocker] = {}
    for one in blocked:
        first.setdefault(one.code, one)
    counts = Counter(one.code for one in blocked)
    return [
        Check(
            code,
            False,
            one.text if counts[code] == 1 else f"{one.text} So it is for {counts[code] - 1} more.",
            one.fix,
        )
        for code, one in first.items()
    ]


def _all_may_go(batch: Batch, count: int) -> str:
    if batch.move == MoveName.DELETE:
        return f"Soak complete, no open hit, for {count} of {count}"
    return f"{count} of {count} may be disabled by the evidence"


def _named_elsewhere(changes: list[Change], seen: Collection[int]) -> list[Check]:
    """Whoever is still named somewhere, or was not looked for everywhere, is ticked as viewed."""
    named = [change for change in changes if any(one["code"] in NAMED for one in change.warnings)]
    if not named:
        return []
    open_ones = [change for change in named if change.pk not in seen]
    if not open_ones:
        count = len(named)
        return [Check("references", True, f"Who still names {count} of them was ticked")]
    user = open_ones[0].departure.user
    more = f" and {len(open_ones) - 1} more" if len(open_ones) > 1 else ""
    text = f"Not read yet who still names {user}{more}"
    return [Check("references", False, text, "Read its warnings, then tick Viewed.")]


def _quarantined(changes: list[Change]) -> list[Check]:
    """AWS says not to remove these policies, so taking one off is a line of its own to approve."""
    found = []
    for change in changes:
        attached = change.facts.get("holdings", {}).get("managed policies", [])
        for name in quarantines(attached):
            text = f"Detaches {name}, which AWS put on {change.departure.user}"
            fix = "Close the support case first; say which it was."
            code = f"quarantine:{change.departure.user.user_id}"
            found.append(Check(code, False, text, fix, overridable=True))
    return found


def _evidence_age(policy: Policy, changes: list[Change]) -> Check:
    limit = policy.evidence_max_age
    looked = [
        datetime.fromisoformat(change.judged["looked_at"])
        for change in changes
        if change.judged.get("looked_at")
    ]
    if not looked or len(looked) < len(changes):
        return Check("evidence", False, "Not every user was looked at.", "Send it back.")
    age = clock.now() - min(looked)
    hours = int(age.total_seconds() // 3600)
    minutes = int(age.total_seconds() // 60)
    if hours > 1:
        old = f"{hours} hours"
    elif minutes:
        old = f"{minutes} minute{'' if minutes == 1 else 's'}"
    else:
        old = "less than a minute"
    text = f"Evidence is {old} old"
    fix = "" if age <= limit else "Send it back, so that its dry run is made again."
    return Check("evidence", age <= limit, text, fix)
