"""Rows of evidence become verdict, category and suggested owner, in a few statements."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from django.core.cache import cache
from django.db import transaction
from django.db.models import Prefetch

from inventory import clock
from inventory.category import Category, category
from inventory.models import (
    Account,
    ArchiveCoverage,
    Credential,
    IamUser,
    Organization,
    Team,
)
from inventory.owners import Suggestion, TeamSigns, suggest
from inventory.policy import policy_for
from inventory.reads import CREDENTIALS, Reads, reads_of
from inventory.refresh.activity import regions_of
from inventory.refresh.bulk import update
from inventory.refresh.doings import Doings, doings_of
from inventory.refresh.run import Run
from inventory.refresh.signs import Company, company_of, signs_of, team_signs, user_signs
from inventory.signals import Standing
from inventory.verdict import (
    ArchiveLook,
    CredentialFact,
    Evidence,
    RegionLook,
    ServiceUse,
    Verdict,
    verdict,
)

_COLUMNS = (
    "verdict",
    "verdict_confidence",
    "verdict_reasons",
    "coverage",
    "coverage_whole",
    "rhythm",
    "next_expected_at",
    "last_activity_at",
    "last_activity_source",
    "category",
    "category_confidence",
    "category_reasons",
    "suggested_team_id",
    "suggestion_percent",
    "suggestion_reasons",
)
_LOOKED_INTO = ("coverage", "verdict_reasons")
_TIMES = ("judged_at", "evidence_at")
# A verdict that stays as it was is dated anew when it is as old as this.
_DATED_EVERY = timedelta(hours=20)
# Wide, and no verdict rests on them.
_UNREAD = ("references", "privilege_facts", "federated_names", "removed_from_code_note")
# So many users are held with their evidence at a time.
AT_ONCE = 200
# For more users than this it is less work to see at once who calls from where in an account.
_FEW = 200
_KEPT_SECONDS = 3600


def judge(users: Iterable[IamUser], bench: Bench | None = None) -> int:
    """Judge these users from the rows as they are now and save it; how many were judged.

    `bench` was made a moment ago for these users among others: who calls from where, and when the
    accounts were read, is taken from there.
    """
    pks = sorted({user.pk for user in users})
    if bench is None:
        bench = bench_for(pks)
    else:
        bench = replace(bench, organization=Organization.get(), now=clock.now())
    for start in range(0, len(pks), AT_ONCE):
        bench.judge(pks[start : start + AT_ONCE])
    return len(pks)


def judge_in_slices(run: Run, key: str, pks: Sequence[int], *, shown: bool) -> bool:
    """Judge these users of the run's account, by ascending pk; False when the slice ended.

    With `shown` that is what the step counts. It remembers up to whom: a killed slice repeats
    `AT_ONCE` users at most, and none is judged in sight of other neighbours than if all had been
    judged at once.
    """
    step = run.step(key)
    left = [pk for pk in pks if pk > step.get("judged_to", 0)]
    done = len(pks) - len(left)
    if not left:
        return True
    asked = run.sync.asked_at.timestamp()
    bench = bench_for(pks, run.keep, cache_key=f"judged-alone:{run.sync.pk}:{asked}:{key}")
    for start in range(0, len(left), AT_ONCE):
        if start and run.time_left() <= 0:
            return False
        some = left[start : start + AT_ONCE]
        bench.judge(some)
        step["judged_to"] = some[-1]
        done += len(some)
        if shown:
            step.update(done=done, total=len(pks))
        run.keep()
    return True


@dataclass(slots=True)
class Bench:
    """What verdicts of many users share. Made by `bench_for`."""

    organization: Organization
    teams: Mapping[str, Team]
    looked_for: list[TeamSigns]
    company: Company
    accounts: Mapping[int, Account]
    reads: Mapping[int, Reads]
    now: datetime

    def judge(self, pks: Sequence[int]) -> None:
        """Judge these users and write what changed, in a few statements.

        They are held from before their evidence is read until the verdict is written: of two who
        judge at once the later sees all that the earlier saw, and no gap noted between is lost.
        """
        with transaction.atomic():
            users, did = self._users(pks, held=True), doings_of(pks, self.now)
            before = {user.pk: _said(user) for user in users}
            times = {user.pk: (user.evidence_at, user.judged_at) for user in users}
            for user in users:
                self._judge(user, did[user.pk])
            changed = [user for user in users if _said(user) != before[user.pk]]
            update(changed, [*_COLUMNS, *_TIMES])
            told = {user.pk for user in changed}
            others = [user for user in users if user.pk not in told]
            update([user for user in others if _is_overtaken(user, *times[user.pk])], _TIMES)

    def _judge(self, user: IamUser, did: Doings) -> None:
        _fill_category(user, category(signs_of(user, did, self.company)))
        policy = policy_for(self.organization, user.account, user.shown_category)
        standing = self.company.standing.get(user.pk, Standing())
        read_at = self.reads[user.account_id].at(user, CREDENTIALS)
        facts = evidence_of(user, user.account, did, read_at)
        facts = replace(facts, restored_at=standing.restored_at)
        _fill_verdict(user, facts, verdict(facts, policy.dormant_after, self.now), self.now)
        found = suggest(user_signs(user, did, self.company), self.looked_for)
        _fill_suggestion(user, found, self.teams)

    def _users(self, pks: Sequence[int], *, held: bool = False) -> list[IamUser]:
        live = Credential.objects.filter(gone_at=None)
        rows = IamUser.objects.select_for_update(no_key=True) if held else IamUser.objects.all()
        users = list(
            rows.filter(pk__in=pks)
            .defer(*_UNREAD)
            .order_by("pk")
            .prefetch_related(Prefetch("credentials", queryset=live), "trail_coverage")
        )
        for user in users:
            user.account = self.accounts[user.account_id]
        return users

    def sort_alone(self, pks: Sequence[int]) -> dict[int, str]:
        """By pk the category that each user's own signs tell for certain, "" where they do not."""
        users, did = self._users(pks), doings_of(pks, self.now)
        alone = {user.pk: category(signs_of(user, did[user.pk])) for user in users}
        return {pk: one.name.value if one.confidence == "high" else "" for pk, one in alone.items()}


def bench_for(
    pks: Sequence[int], between: Callable[[], None] = lambda: None, cache_key: str = ""
) -> Bench:
    """The bench for verdicts of these users: what their own signs tell for certain speaks for
    their neighbours.

    `between` is called now and then while all of them are looked through. Under `cache_key` is
    kept what that gave, so that the next slice need not do it again.
    """
    users = IamUser.objects.filter(pk__in=pks).order_by()
    rows = list(users.values_list("pk", "account_id", "category_override"))
    overrides = {pk: override for pk, _, override in rows}
    numbers = {account for _, account, _ in rows}
    # Drafts are large, and nobody judges by them.
    archives = Prefetch("archive_coverage", queryset=ArchiveCoverage.objects.defer("draft"))
    teams = Team.objects.filter(active=True).prefetch_related("members")
    by_key = {team.key: team for team in teams}
    bench = Bench(
        organization=Organization.get(),
        teams=by_key,
        looked_for=team_signs(by_key.values()),
        company=company_of(numbers, pks if len(pks) <= _FEW else None),
        accounts=Account.objects.prefetch_related(archives).in_bulk(numbers),
        reads={number: reads_of(number) for number in numbers},
        now=clock.now(),
    )
    alone: dict[int, str] | None = cache.get(cache_key) if cache_key else None
    if alone is None or not overrides.keys() <= alone.keys():
        alone = {}
        for start in range(0, len(pks), AT_ONCE):
            alone |= bench.sort_alone(pks[start : start + AT_ONCE])
            between()
        if cache_key:
            cache.set(cache_key, alone, timeout=_KEPT_SECONDS)
    for pk, override in overrides.items():
        bench.company.categories.pop(pk, None)
        if told := override or alone.get(pk, ""):
            bench.company.categories[pk] = told
    return bench


def evidence_of(
    user: IamUser, account: Account, did: Doings, credentials_read_at: datetime | None
) -> Evidence:
    """The user's rows as the facts that `verdict` judges."""
    coverage = user.coverage
    services = coverage.get("services")
    read = regions_of(account)
    return Evidence(
        created_at=user.created_at,
        regions=tuple(read),
        credentials=tuple(_credentials(user)),
        happenings=did.happenings,
        looks=tuple(
            RegionLook(one.region, one.read_from, one.read_to, one.error)
            for one in user.trail_coverage.all()
        ),
        services=tuple(ServiceUse(one["service"], _time(one["at"])) for one in services)
        if services is not None
        else None,
        credentials_read_at=credentials_read_at,
        services_read_at=_time(coverage.get("services_at")),
        missing=tuple(coverage.get("gaps", {}).values()),
        regions_left_out=tuple(sorted(set(account.enabled_regions) - set(read))),
        archive=_archive(account, read),
    )


def _archive(account: Account, regions: list[str]) -> tuple[ArchiveLook, ...]:
    """How far the declared longer history was read; read once for all users of an account."""
    declared = account.trail_archive
    if not declared:
        return ()
    source = "CloudTrail logs in S3" if declared.get("s3") else "CloudTrail Lake"
    rows = {row.region: row for row in account.archive_coverage.all()}
    looks = []
    for region in regions:
        row = rows.get(region)
        if row is None or (row.looked_at is None and not row.error):
            began = row.read_to if row else None
            text = f"read to {began:%d %b %Y} so far." if began else "not read yet."
            looks.append(ArchiveLook(region, source, None, None, text))
            continue
        days = tuple(sorted(map(date.fromisoformat, row.gaps)))
        looks.append(ArchiveLook(region, source, row.read_from, row.read_to, row.error, days))
    return tuple(looks)


def _credentials(user: IamUser) -> list[CredentialFact]:
    found = [
        CredentialFact(
            kind=one.kind,
            id=one.credential_id,
            active=one.status == "Active",
            created_at=one.created_at,
            last_used_at=one.last_used_at,
            last_used_service=one.last_used_service,
            traced=one.kind == Credential.Kind.ACCESS_KEY,
        )
        for one in user.credentials.all()
    ]
    if user.has_console_password or user.password_last_used_at:
        found.append(
            CredentialFact(
                kind="console-password",
                id="",
                active=user.has_console_password,
                created_at=user.password_last_changed_at or user.password_created_at,
                last_used_at=user.password_last_used_at,
            )
        )
    return found


def _fill_verdict(user: IamUser, facts: Evidence, judged: Verdict, now: datetime) -> None:
    user.verdict = judged.value.value
    user.verdict_confidence = judged.confidence
    user.verdict_reasons = [
        {
            "text": one.text,
            "source": one.source,
            "at": one.at.isoformat() if one.at else None,
            **({"blocks": True} if one.blocks else {}),
        }
        for one in judged.reasons
    ]
    user.coverage |= {
        "regions": [
            {
                "region": look.region,
                "error": look.error,
            }
            for look in facts.looks
        ],
        "missing": list(judged.coverage.missing),
        "blind": list(judged.coverage.blind),
        "blockers": list(judged.blockers),
        "rhythm_proven": judged.rhythm_proven,
        "days": judged.coverage.days,
        "sources": list(judged.coverage.sources),
        "confidence_reason": judged.confidence_reason,
    }
    user.coverage_whole = judged.coverage.whole
    user.rhythm, user.next_expected_at = judged.rhythm, judged.next_expected_at
    user.last_activity_at = judged.last_activity_at
    user.last_activity_source = judged.last_activity_source
    user.judged_at = now
    if judged.coverage.whole:
        # As old as the oldest look that it rests on.
        times = [look.read_to for look in facts.looks if look.region in facts.regions]
        times.append(facts.credentials_read_at)
        user.evidence_at = min(at for at in times if at is not None)


def _said(user: IamUser) -> list[object]:
    """What a verdict says: a look that found nothing new moves its times within the day, not it."""
    reasons = [one | {"at": (one.get("at") or "")[:10]} for one in user.verdict_reasons]
    columns = [getattr(user, column) for column in _COLUMNS if column not in _LOOKED_INTO]
    return [*columns, dict(user.coverage), reasons]


def _is_overtaken(user: IamUser, evidence_at: datetime | None, judged_at: datetime | None) -> bool:
    """Whether the times of a verdict that stays have to be written."""
    if judged_at is None or user.judged_at is None or user.evidence_at != evidence_at:
        return True
    looks = user.trail_coverage.all()
    overtaken = any(look.looked_at > judged_at for look in looks)
    return overtaken or judged_at <= user.judged_at - _DATED_EVERY


def _fill_category(user: IamUser, sorted_as: Category) -> None:
    user.category = sorted_as.name.value
    user.category_confidence = sorted_as.confidence
    user.category_reasons = list(sorted_as.reasons)


def _fill_suggestion(user: IamUser, found: Suggestion | None, teams: Mapping[str, Team]) -> None:
    user.suggested_team = teams[found.team_key] if found else None
    user.suggestion_percent = found.percent if found else None
    user.suggestion_reasons = list(found.reasons) if found else []


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
