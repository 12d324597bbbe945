"""Listening to users in every Region without a gap: what they still attempt."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from inventory.aws import cloudtrail
from inventory.aws.cloudtrail import TrailEvent, TrailLook, Wanted
from inventory.aws.limiter import Limiter
from inventory.aws.session import AwsFailure, AwsSession
from inventory.models import Account, IamUser, TrailCoverage
from inventory.refresh import gaps
from inventory.refresh.activity import (
    Answer,
    alive_after,
    federated_name,
    keep,
    regions_of,
    since,
)
from inventory.refresh.regional import Told, ask_all

# 10,000 events since the last look: more is not one user at work, and is told as a gap.
_PAGES = 200


def listen_user(
    user: IamUser, session: AwsSession, until: datetime, *, fresh: timedelta = timedelta()
) -> list[TrailEvent]:
    """`listen_users` for one user: its events that were not seen before, oldest first."""
    return listen_users(user.account, [user], session, until, fresh=fresh)[user.pk]


def listen_users(
    account: Account,
    users: Iterable[IamUser],
    session: AwsSession,
    until: datetime,
    *,
    fresh: timedelta = timedelta(),
) -> dict[int, list[TrailEvent]]:
    """Read the events of these users up to `until` in every Region; by pk those not seen before.

    Failed sign-ins and denied calls are among them, and what was done under earlier names and in
    GetFederationToken sessions. Coverage and activity are saved. A Region that could not be read
    for a user, or not without a gap, keeps its old coverage with AWS's words as `error`; the others
    count. What could not be read between two looks is a gap, and tried again. Where a user was read
    less than `fresh` ago it is not asked for again.
    """
    rows = list(users)
    found: dict[int, list[TrailEvent]] = {user.pk: [] for user in rows}
    for pk, events in hear(account, rows, session, until, fresh=fresh):
        found[pk] += events
    return {pk: sorted(events, key=lambda event: event.at) for pk, events in found.items()}


def hear(
    account: Account,
    users: Sequence[IamUser],
    session: AwsSession,
    until: datetime,
    *,
    fresh: timedelta = timedelta(),
    goes_on: Callable[[], bool] = lambda: True,
) -> Iterator[tuple[int, list[TrailEvent]]]:
    """What `listen_users` finds, user by user in the order given, each as soon as it is saved.

    After `goes_on` says no, nobody further is asked for; what was read by then counts.
    """
    round_ = _round(account, users, session, until, fresh)
    told: dict[int, dict[str, Told]] = defaultdict(dict)
    for some in ask_all(account, session, round_.wanted, goes_on):
        for one in some:
            told[one.user][one.region] = one
        # A session is used in other Regions than the one in which it began: all of them first.
        whole = {
            pk: told.pop(pk) for pk in {one.user for one in some} if round_.is_whole(pk, told[pk])
        }
        yield from _save(round_, whole)
    yield from _save(round_, told)
    if goes_on():
        yield from gaps.try_again(account, round_.users, session, until)


@dataclass(frozen=True, slots=True)
class _Round:
    """Whom one round asks for, by Region and pk."""

    account: Account
    session: AwsSession
    until: datetime
    users: Mapping[int, IamUser]
    wanted: Mapping[str, Mapping[int, Wanted]]
    before: Mapping[tuple[int, str], TrailCoverage]

    def is_whole(self, pk: int, told: Mapping[str, Told]) -> bool:
        return all(region in told for region, users in self.wanted.items() if pk in users)


def _round(
    account: Account,
    users: Sequence[IamUser],
    session: AwsSession,
    until: datetime,
    fresh: timedelta,
) -> _Round:
    # Whole listening means every enabled Region, also one that the file does not name for syncs.
    regions = list(account.enabled_regions) or regions_of(account)
    rows = {
        (row.user_id, row.region): row
        for row in TrailCoverage.objects.filter(user__in=users, region__in=regions)
    }
    wanted: dict[str, dict[int, Wanted]] = {region: {} for region in regions}
    for region in regions:
        for user in users:
            row = rows.get((user.pk, region))
            read_to = row.read_to if row and row.read_from else None
            if row and read_to and not row.error and read_to > until - fresh:
                continue
            wanted[region][user.pk] = _wanted(user, read_to, until)
    return _Round(account, session, until, {user.pk: user for user in users}, wanted, rows)


def _wanted(user: IamUser, read_to: datetime | None, until: datetime) -> Wanted:
    start = since(read_to, until)
    names = (user.user_name, *user.earlier_names, *alive_after(user.federated_names, start))
    return Wanted(user.user_id, start, until, _PAGES, names=tuple(dict.fromkeys(names)))


def _save(
    round_: _Round, told: Mapping[int, Mapping[str, Told]]
) -> Iterator[tuple[int, list[TrailEvent]]]:
    """Write down what was told about these users; by pk what was not seen before."""
    answers = [answer for pk, regions in told.items() for answer in _answers(round_, pk, regions)]
    found: dict[int, list[TrailEvent]] = {pk: [] for pk in told}
    for answer, events in zip(answers, keep(answers) if answers else (), strict=True):
        found[answer.user] += events
    yield from found.items()


def _answers(round_: _Round, pk: int, told: Mapping[str, Told]) -> list[Answer]:
    user = round_.users[pk]
    answers = {region: _heard(round_, user, region, one.look) for region, one in told.items()}
    began = _began(user, told)
    for region, more in _look(round_, _further(round_, user, told, began)).items():
        answers[region] = (
            _joined(answers[region], more)
            if region in answers
            else replace(_answer(pk, region, more), covers=False)
        )
    return list(answers.values())


def _further(
    round_: _Round, user: IamUser, told: Mapping[str, Told], began: Mapping[str, datetime]
) -> dict[str, Wanted]:
    """Where sessions that began have to be asked for: nothing of them was heard there."""
    if not began:
        return {}
    names = tuple(sorted(began))
    after = Wanted(user.user_id, min(began.values()), round_.until, _PAGES, names=names)
    return {
        region: replace(users[user.pk], names=names) if region in told else after
        for region, users in round_.wanted.items()
        if region not in told or not told[region].sessions
    }


def _look(round_: _Round, wanted: Mapping[str, Wanted]) -> dict[str, TrailLook | AwsFailure]:
    """Every Region at once; AWS's refusal in place of what one did not tell."""

    def look(region: str) -> TrailLook | AwsFailure:
        limiter = Limiter.for_lookups(round_.account, region)
        try:
            return cloudtrail.look(round_.session, region, wanted[region], limiter)
        except AwsFailure as failed:
            return failed

    with ThreadPoolExecutor(max(1, len(wanted))) as pool:
        return dict(zip(wanted, pool.map(look, wanted), strict=True))


def _heard(round_: _Round, user: IamUser, region: str, told: TrailLook | AwsFailure) -> Answer:
    """The answer of a Region; what lies between it and the last look is kept as a gap."""
    before = round_.before.get((user.pk, region))
    if isinstance(told, AwsFailure) or before is None or before.read_from is None:
        return _answer(user.pk, region, told)
    short = "" if told.complete or told.unreadable else _too_many(told)
    why = told.unreadable or short or "AWS keeps event history for 90 days."
    gaps.note(user, before, round_.wanted[region][user.pk], told, why)
    return Answer(user.pk, region, (told,), told.unreadable or short)


def _answer(pk: int, region: str, told: TrailLook | AwsFailure) -> Answer:
    if isinstance(told, AwsFailure):
        return Answer(pk, region, error=str(told))
    if told.complete or told.unreadable:
        # Beside an event that nobody can read, those that can be read are heard.
        return Answer(pk, region, (told,), told.unreadable)
    return Answer(pk, region, error=_too_many(told))


def _joined(answer: Answer, told: TrailLook | AwsFailure) -> Answer:
    """The answer of a Region with what further names showed there; a gap stays one."""
    if isinstance(told, AwsFailure):
        return replace(answer, looks=(), error=answer.error or str(told))
    if not answer.looks:
        return answer
    if not told.complete and not told.unreadable:
        return replace(answer, looks=(), error=_too_many(told))
    (first,) = answer.looks
    heard = replace(first, read_from=max(first.read_from, told.read_from))
    also = replace(told, read_from=told.read_to)
    return replace(answer, looks=(heard, also), error=answer.error or told.unreadable)


def _too_many(told: TrailLook) -> str:
    return f"Events before {told.read_from:%d %b %H:%M} could not be read: too many."


def _began(user: IamUser, told: Mapping[str, Told]) -> dict[str, datetime]:
    """By name the sessions that began in what was heard and were not asked for, and when."""
    known = {"", user.user_name, *user.earlier_names, *user.federated_names}
    return {
        name: event.at
        for one in told.values()
        if isinstance(one.look, TrailLook)
        for event in sorted(one.look.events, key=lambda event: event.at, reverse=True)
        if (name := federated_name(event)) not in known
    }


def listened_to(
    user: IamUser, regions: Iterable[str] | None = None, *, since: datetime | None = None
) -> datetime | None:
    """Until when every Region was read without a gap; None if one was not.

    `regions` defaults to those that event history is read in. None too where the last look failed
    or, with `since`, where a Region was not read back to then.
    """
    wanted = list(regions) if regions is not None else regions_of(user.account)
    rows = {row.region: row for row in TrailCoverage.objects.filter(user=user, region__in=wanted)}
    if not wanted or len(rows) < len(set(wanted)):
        return None
    ends = []
    for row in rows.values():
        if row.error or row.read_from is None or row.read_to is None:
            return None
        if since is not None and row.read_from > since:
            return None
        ends.append(row.read_to)
    return min(ends)
