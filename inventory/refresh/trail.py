"""The steps `trail` and `describe`: event history in every Region, Regions side by side.

Asked first, whole and in every sync are the users in doubt: those that nothing else shows in use
within the dormancy window. Who is plainly in use is only described, after the verdicts are written
and about once a day. A fenced or shut user is left to whoever listens to it, as long as somebody
does: what a sync read would not be new to the listener any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

from django.db.models import F

from inventory import clock
from inventory.aws import cloudtrail
from inventory.aws.cloudtrail import FAILED_SIGN_IN, HISTORY, TrailLook, Wanted
from inventory.aws.limiter import Limiter
from inventory.aws.session import AwsFailure
from inventory.models import IamUser, TrailCoverage
from inventory.reads import listed_by
from inventory.refresh.activity import Answer, regions_of, since
from inventory.refresh.creators import note_creators
from inventory.refresh.judging import judge_in_slices
from inventory.refresh.lookups import Interrupted, Lookup, Read, ask_all, refusals
from inventory.refresh.run import Run
from inventory.refresh.subjects import FENCE, Subject, subjects_of

__all__ = ["FENCE", "describe_users", "read_trail"]

# Of a user in doubt so many pages of 50 in each Region and sync; the next sync reads on below.
_PAGES = 40
# Of a user in use the page that shows it, in the newest three: role sessions of its name fill some.
_PAGES_IN_USE = 3
_NAMES_IN_USE = 3
# As many as a listener reads.
_PAGES_FENCED = 200
# A Region speaks for now for 24 hours and syncs are six hours apart: described after this long, a
# user's coverage never lapses.
DESCRIBED_FOR = timedelta(hours=17)
_FEDERATED_WITHIN = timedelta(days=30)
_FEDERATED_AT_ONCE = 5
GOING_ON = "Reading is still going on."
UNHEARD = "It did more since it was last listened to than a sync reads."
Plan = dict[str, list[Lookup]]
Due = Callable[[Subject, Read | None], bool]


def read_trail(run: Run) -> bool:
    """The step `trail`: the users in doubt; False when the slice ended before all were read."""
    regions = regions_of(run.account)
    if not regions:
        run.fail("trail", "No enabled Region is known, so event history could not be asked.")
        return True
    started_at = run.sync.started_at or clock.now()

    def due(subject: Subject, before: Read | None) -> bool:
        if before is None or before.error == GOING_ON:
            return True
        return before.looked_at < started_at and not _is_listened_to(subject, before)

    subjects = subjects_of(run.sync)
    _note_woken(run, subjects)
    doubtful = [one for one in subjects if not one.in_use]
    pending = _pending(run, doubtful, regions, due)
    now = clock.now()
    if not ask_all(
        run,
        "trail",
        pending,
        lambda region, lookup, limiter, goes_on: _ask_in_doubt(
            run, region, lookup, limiter, goes_on
        ),
        total=len(doubtful) * len(regions),
        enough_after={one.pk: now - one.window for one in doubtful},
    ):
        return False
    _note_federated(run, regions)
    note_creators(run)
    _conclude(run, "trail", f"{len(doubtful)} users in doubt", doubtful, regions)
    return True


def describe_users(run: Run) -> bool:
    """The step `describe`: what the users in use do; False when the slice ended before the end.

    Also what was done under the federated names that came up. Whoever was asked for is judged.
    """
    regions = regions_of(run.account)
    if not regions:
        run.fail("describe", "No enabled Region is known, so event history could not be asked.")
        return True
    started_at = run.sync.started_at or clock.now()
    woken = set(run.step("describe").get("woken", ()))

    def due(subject: Subject, before: Read | None) -> bool:
        if before is None or before.error == GOING_ON:
            return True
        if before.looked_at >= started_at or _is_listened_to(subject, before):
            return False
        if before.error or before.read_to is None or subject.pk in woken:
            return True
        return before.read_to < started_at - DESCRIBED_FOR

    subjects = subjects_of(run.sync)
    in_use = [one for one in subjects if one.in_use]
    pending = _pending(run, in_use, regions, due)
    if not ask_all(
        run,
        "describe",
        pending,
        lambda region, lookup, limiter, goes_on: _ask_in_use(run, region, lookup, limiter, goes_on),
        total=len(in_use) * len(regions),
    ):
        return False
    if not (_ask_federated(run, regions) and _judge(run)):
        return False
    _conclude(run, "describe", f"{len(in_use)} users in use", in_use, regions)
    return True


def _note_woken(run: Run, subjects: Iterable[Subject]) -> None:
    """Who came into use since the last verdict is described at once, however lately it was read.

    Noted now, because the step `judge` writes the new verdicts before.
    """
    step = run.step("describe")
    step["woken"] = sorted({*step.get("woken", ()), *(one.pk for one in subjects if one.woke)})


def _pending(run: Run, subjects: Iterable[Subject], regions: Iterable[str], due: Due) -> Plan:
    """Who still has to be looked up where, in the order given."""
    rows = TrailCoverage.objects.filter(
        user__account=run.account, user__gone_at=None, region__in=list(regions)
    ).values_list("user_id", "region", "read_from", "read_to", "looked_at", "error")
    read = {(row[0], row[1]): Read(*row[2:]) for row in rows.iterator()}
    return {
        region: [
            Lookup(subject, before)
            for subject in subjects
            if due(subject, before := read.get((subject.pk, region)))
        ]
        for region in regions
    }


def _is_listened_to(subject: Subject, before: Read) -> bool:
    # Where nobody listens, as under a foreign fence, a sync reads before the look is too old.
    lately = before.looked_at > clock.now() - DESCRIBED_FOR
    return subject.fenced and not before.error and lately


def _ask_in_doubt(
    run: Run, region: str, lookup: Lookup, limiter: Limiter, goes_on: Callable[[], bool]
) -> Answer:
    """On from the last look to now; then further back, if the window is not read whole yet."""
    subject, before, until = lookup.subject, lookup.before, clock.now()
    read_to = before.read_to if before else None
    start = since(read_to, until)
    wanted = Wanted(
        subject.user_id,
        start,
        until,
        _PAGES,
        names=subject.names_after(start),
        enough_after=until - subject.window,
    )
    wanted = _without_gap(wanted, subject, before)
    first = cloudtrail.look(run.aws, region, wanted, limiter, goes_on)
    if first.interrupted:
        # A part that does not reach back to the last look would only tear a gap.
        if read_to is not None or first.read_from >= until:
            raise Interrupted
        return Answer(subject.pk, region, (first,), GOING_ON)
    if _tears(subject, before, first):
        return _torn(subject, region, first)
    looks = [first]
    back_to = until - min(subject.window, HISTORY)
    reached = _reached(first, before)
    if before and reached > back_to and not _shows_use(first) and first.pages < _PAGES:
        further = replace(wanted, since=back_to, until=reached, names=subject.names_after(back_to))
        looks.append(cloudtrail.look(run.aws, region, further, limiter, goes_on))
    looks += _by_key(run, region, subject, looks, limiter)
    error = next((one.unreadable for one in looks if one.unreadable), "")
    going_on = any(one.interrupted for one in looks)
    return Answer(subject.pk, region, tuple(looks), GOING_ON if going_on else error)


def _without_gap(wanted: Wanted, subject: Subject, before: Read | None) -> Wanted:
    """A fenced user has to be heard whole, so what nobody listened to is read to its end."""
    if not subject.fenced or before is None or before.read_to is None:
        return wanted
    names = subject.names_after(wanted.since)
    return replace(wanted, max_pages=_PAGES_FENCED, names=names, enough_after=None)


def _tears(subject: Subject, before: Read | None, first: TrailLook) -> bool:
    """Whether coverage would begin anew after the fence of a user that has to be heard whole."""
    read_to = before.read_to if before else None
    return subject.fenced and read_to is not None and first.read_from > read_to


def _torn(subject: Subject, region: str, first: TrailLook) -> Answer:
    """What was found counts, and whoever listens reads on from where it stopped."""
    return Answer(subject.pk, region, (first,), first.unreadable or UNHEARD, covers=False)


def _reached(first: TrailLook, before: Read | None) -> datetime:
    """How far back a Region is read without a gap, after this look."""
    if before and before.read_from and before.read_to and first.read_from <= before.read_to:
        return min(first.read_from, before.read_from)
    return first.read_from


def _shows_use(look: TrailLook) -> bool:
    return any(event.kind != FAILED_SIGN_IN for event in look.events)


def _by_key(
    run: Run, region: str, subject: Subject, looks: Iterable[TrailLook], limiter: Limiter
) -> list[TrailLook]:
    """What keys did whose last use was here lately, though nothing under its names shows use here.

    Nothing found confirms that such a key is used for the data plane only.
    """
    if region in subject.seen_in or any(_shows_use(one) for one in looks):
        return []
    start = min(one.read_from for one in looks)
    until = max(one.read_to for one in looks)
    keys = tuple(key.key_id for key in subject.keys if key.region == region and key.at > start)
    if not keys:
        return []
    wanted = Wanted(
        subject.user_id,
        start,
        until,
        1,
        keys=keys,
        enough_after=start,
    )
    found = cloudtrail.look(run.aws, region, wanted, limiter)
    # It speaks of these keys alone, and so covers no time.
    return [replace(found, read_from=until)]


def _ask_in_use(
    run: Run, region: str, lookup: Lookup, limiter: Limiter, goes_on: Callable[[], bool]
) -> Answer:
    """The newest page that shows the user is enough to describe it."""
    subject, until = lookup.subject, clock.now()
    start = since(lookup.before.read_to if lookup.before else None, until)
    wanted = Wanted(
        subject.user_id,
        start,
        until,
        _PAGES_IN_USE,
        names=subject.names_after(start, _NAMES_IN_USE),
        enough_after=start - timedelta(days=1),
    )
    wanted = _without_gap(wanted, subject, lookup.before)
    first = cloudtrail.look(run.aws, region, wanted, limiter, goes_on)
    if first.interrupted:
        raise Interrupted
    if _tears(subject, lookup.before, first):
        return _torn(subject, region, first)
    looks = [first, *_by_key(run, region, subject, [first], limiter)]
    error = next((one.unreadable for one in looks if one.unreadable), "")
    return Answer(subject.pk, region, tuple(looks), error)


def _ask_federated(run: Run, regions: list[str]) -> bool:
    """What sessions did that GetFederationToken began before their names were known.

    From now on every look asks for those names too. False when the slice ended.
    """
    tried: list[int] = run.step("describe").setdefault("federated", [])
    subjects = [
        one for one in subjects_of(run.sync) if one.pk not in tried and _unasked(one.federated)
    ]
    for start in range(0, len(subjects), _FEDERATED_AT_ONCE):
        if start and run.time_left() <= 0:
            return False
        some = subjects[start : start + _FEDERATED_AT_ONCE]
        lookups = [Lookup(subject) for subject in some]
        done = ask_all(
            run,
            "describe",
            dict.fromkeys(regions, lookups),
            lambda region, lookup, limiter, _: _ask_names(run, region, lookup.subject, limiter),
            total=len(lookups) * len(regions),
        )
        if not done and run.time_left() <= 0:
            return False
        tried.extend(one.pk for one in some)
        _mark_asked(some)
        run.keep()
    return True


def _unasked(names: Mapping[str, Mapping[str, object]]) -> dict[str, datetime]:
    """Federated names that were not asked for yet, and from when on their sessions acted."""
    return {
        name: datetime.fromisoformat(str(told["from"]))
        for name, told in names.items()
        if not told["asked"]
    }


def _ask_names(run: Run, region: str, subject: Subject, limiter: Limiter) -> Answer:
    names = _unasked(subject.federated)
    newest = sorted(names, key=lambda name: names[name], reverse=True)[:_NAMES_IN_USE]
    wanted = Wanted(
        subject.user_id,
        min(names.values()),
        clock.now(),
        _PAGES_IN_USE,
        names=tuple(newest),
        enough_after=min(names.values()) - timedelta(days=1),
    )
    found = cloudtrail.look(run.aws, region, wanted, limiter)
    return Answer(subject.pk, region, (found,), found.unreadable, covers=False)


def _mark_asked(subjects: Iterable[Subject]) -> None:
    """Whose Regions all answered is not asked for these names again."""
    pks = [one.pk for one in subjects]
    gaps = TrailCoverage.objects.filter(user__in=pks).exclude(error="").values("user")
    users = list(IamUser.objects.filter(pk__in=pks).exclude(pk__in=gaps))
    for user in users:
        for told in user.federated_names.values():
            told["asked"] = True
    IamUser.objects.bulk_update(users, ["federated_names"])


def _judge(run: Run) -> bool:
    """Judge whoever was looked up since its verdict was written; False when the slice ended."""
    step = run.step("describe")
    if "news" not in step:
        listed = listed_by(run.sync)
        news = listed.filter(trail_coverage__looked_at__gt=F("judged_at"))
        step["news"] = sorted(
            {*news.order_by().values_list("pk", flat=True).distinct(), *step["federated"]}
        )
        run.keep()
    return judge_in_slices(run, "describe", step["news"], shown=False)


def _conclude(
    run: Run, step: str, detail: str, subjects: list[Subject], regions: list[str]
) -> None:
    broken = TrailCoverage.objects.filter(
        user__in=[one.pk for one in subjects], region__in=regions
    ).exclude(error="")
    words = broken.values_list("region", "error").order_by("region").first()
    if words:
        count = broken.values("user").distinct().count()
        run.fail(step, f"{count} of {len(subjects)} users: {words[0]}: {words[1]}")
    else:
        run.finish(step, f"{detail}, {len(regions)} Regions")


def _note_federated(run: Run, regions: list[str]) -> None:
    """When people last signed in without an IAM user, and when one of them as an administrator."""
    until = clock.now()

    def signed_in(region: str) -> list[tuple[datetime, str]]:
        try:
            return cloudtrail.federated_sign_ins(
                run.aws,
                region,
                since=until - _FEDERATED_WITHIN,
                until=until,
                limiter=Limiter.for_lookups(run.account, region),
            )
        except AwsFailure:
            # That Region is shown as not covered already; this is no evidence about a user.
            return []

    regions = [region for region in regions if region not in refusals(run)]
    with ThreadPoolExecutor(max(1, len(regions))) as pool:
        found = [one for some in pool.map(signed_in, regions) for one in some]
    if not found:
        return
    run.account.federated_sign_in_at = max(at for at, _ in found)
    run.account.save(update_fields=["federated_sign_in_at"])
    admins = set(run.sync.changes.get("admin_roles", []))
    as_admin = [at for at, role in found if role in admins]
    if as_admin:
        run.sync.changes["federated_admin_at"] = max(as_admin).isoformat()
