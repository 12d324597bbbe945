"""Rows of evidence become verdict, category and suggested owner, in a few statements."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime

from django.db.models import Prefetch, QuerySet

from inventory import clock
from inventory.category import Category, category
from inventory.models import (
    Account,
    ArchiveCoverage,
    Credential,
    IamUser,
    Organization,
    Sync,
    Team,
)
from inventory.owners import Suggestion, suggest
from inventory.policy import policy_for
from inventory.refresh.activity import regions_of
from inventory.refresh.signs import Company, company_of, signs_of, team_signs, user_signs
from inventory.signals import Standing
from inventory.verdict import (
    ArchiveLook,
    CredentialFact,
    Evidence,
    Happening,
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
    "judged_at",
    "evidence_at",
    "last_activity_at",
    "last_activity_source",
    "category",
    "category_confidence",
    "category_reasons",
    "suggested_team",
    "suggestion_percent",
    "suggestion_reasons",
)


def of_sync(sync: Sync) -> list[IamUser]:
    """The users that this sync listed, with all rows of evidence."""
    return _with_evidence(
        IamUser.objects.filter(account=sync.account, gone_at=None, coverage__sync=sync.pk)
    )


def judge(users: Iterable[IamUser]) -> int:
    """Judge these users from the rows as they are now and save it; how many were judged."""
    rows = _with_evidence(IamUser.objects.filter(pk__in=[user.pk for user in users]))
    organization, now = Organization.get(), clock.now()
    teams = {
        team.key: team for team in Team.objects.filter(active=True).prefetch_related("members")
    }
    looked_for, company = team_signs(teams.values()), company_of(rows)
    categories = _categories(rows, company)
    for user in rows:
        _fill_category(user, categories[user.pk])
        policy = policy_for(organization, user.account, user.shown_category)
        standing = company.standing.get(user.pk, Standing())
        facts = replace(evidence_of(user, user.account), restored_at=standing.restored_at)
        _fill_verdict(user, facts, verdict(facts, policy.dormant_after, now), now)
        _fill_suggestion(user, suggest(user_signs(user, company), looked_for), teams)
    IamUser.objects.bulk_update(rows, list(_COLUMNS), batch_size=500)
    return len(rows)


def _categories(rows: list[IamUser], company: Company) -> dict[int, Category]:
    """Twice: what is told for certain by a user's own signs speaks for its neighbours."""
    signs = {user.pk: signs_of(user, company) for user in rows}
    alone = {pk: category(replace(one, neighbours={})) for pk, one in signs.items()}
    for user in rows:
        company.categories.pop(user.pk, None)
        if user.category_override or alone[user.pk].confidence == "high":
            company.categories[user.pk] = user.category_override or alone[user.pk].name.value
    return {
        user.pk: category(
            replace(signs[user.pk], neighbours=company.neighbours(user, signs[user.pk].addresses))
        )
        for user in rows
    }


def evidence_of(user: IamUser, account: Account) -> Evidence:
    """The user's rows as the facts that `verdict` judges."""
    coverage = user.coverage
    services = coverage.get("services")
    read = regions_of(account)
    return Evidence(
        created_at=user.created_at,
        regions=tuple(read),
        credentials=tuple(_credentials(user)),
        happenings=tuple(
            Happening(
                first_at=one.first_at,
                last_at=one.last_at,
                service=one.service,
                action=one.action,
                outcome=one.outcome,
                count=one.count,
                region=one.region,
                access_key_id=one.access_key_id,
                source_address=one.source_address,
                user_agent=one.user_agent,
            )
            for one in user.activity.all()
        ),
        looks=tuple(
            RegionLook(one.region, one.read_from, one.read_to, one.error)
            for one in user.trail_coverage.all()
        ),
        services=tuple(ServiceUse(one["service"], _time(one["at"])) for one in services)
        if services is not None
        else None,
        credentials_read_at=_time(coverage.get("credentials_at")),
        services_read_at=_time(coverage.get("services_at")),
        missing=tuple(coverage.get("gaps", {}).values()),
        regions_left_out=tuple(sorted(set(account.enabled_regions) - set(read))),
        archive=_archive(user.account, read),
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


def _with_evidence(users: QuerySet[IamUser]) -> list[IamUser]:
    live = Credential.objects.filter(gone_at=None)
    return list(
        users.select_related("account").prefetch_related(
            Prefetch("credentials", queryset=live),
            "activity",
            "trail_coverage",
            # Drafts are large, and nobody judges by them.
            Prefetch("account__archive_coverage", queryset=ArchiveCoverage.objects.defer("draft")),
        )
    )


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
                "from": look.read_from.isoformat() if look.read_from else None,
                "to": look.read_to.isoformat() if look.read_to else None,
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


def _fill_category(user: IamUser, sorted_as: Category) -> None:
    user.category = sorted_as.name.value
    user.category_confidence = sorted_as.confidence
    user.category_reasons = list(sorted_as.reasons)


def _fill_suggestion(user: IamUser, found: Suggestion | None, teams: dict[str, Team]) -> None:
    user.suggested_team = teams[found.team_key] if found else None
    user.suggestion_percent = found.percent if found else None
    user.suggestion_reasons = list(found.reasons) if found else []


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
