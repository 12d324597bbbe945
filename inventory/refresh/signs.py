"""Rows become what category and owner are told by, users of one account beside each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import cast

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Count

from inventory.category import Signs
from inventory.models import Activity, Credential, IamUser, Team
from inventory.owners import Shared, TeamSigns, UserSigns
from inventory.refresh.doings import Doings
from inventory.signals import Standing, standing_asked

# Behind an address of more users than this nobody is anybody's neighbour.
_MOST_NEIGHBOURS = 60
# What more users than this share tells nothing of an owner, and is not worth counting.
_MOST_SHARING = 200


@dataclass(slots=True)
class Company:
    """Who calls from where and with what, and what is known of each: by pk of IamUser."""

    by_address: Mapping[tuple[int, str], set[int]] = field(default_factory=dict)
    by_agent: Mapping[tuple[int, str], set[int]] = field(default_factory=dict)
    standing: Mapping[int, Standing] = field(default_factory=dict)
    categories: dict[int, str] = field(default_factory=dict)
    teams_by_name: Mapping[tuple[int, str], str] = field(default_factory=dict)

    def neighbours(self, user: IamUser, addresses: Iterable[str]) -> Counter[str]:
        """How many others at these addresses are of which category."""
        others: set[int] = set()
        for address in addresses:
            beside = self.by_address.get((user.account_id, address), set())
            if len(beside) <= _MOST_NEIGHBOURS:
                others |= beside
        return Counter(self.categories[pk] for pk in others - {user.pk} if self.categories.get(pk))

    def shared(
        self, user: IamUser, places: Mapping[tuple[int, str], set[int]], what: Iterable[str]
    ) -> tuple[Shared, ...]:
        """Each place of few users with the teams that answer for the others there."""
        found = []
        for place in what:
            beside = places.get((user.account_id, place), set())
            if len(beside) > _MOST_SHARING:
                continue
            others = beside - {user.pk}
            owned = Counter(
                known.team_key
                for pk in others
                if (known := self.standing.get(pk)) and known.team_key
            )
            if owned:
                found.append(Shared(place, len(others) + 1, owned))
        return tuple(found)


def company_of(accounts: Collection[int], few: Collection[int] | None = None) -> Company:
    """What is known of everybody who calls from where others of these accounts do.

    A handful of statements. With `few` (pks of users) only places at which one of them was seen:
    that spares a look at all that was ever done in an account.
    """
    standing: dict[int, Standing] = {}
    for _, answer in standing_asked.send(sender=IamUser, accounts=set(accounts)):
        standing |= cast("dict[int, Standing]", answer)
    company = Company(
        by_address=_callers("source_address", accounts, few),
        by_agent=_callers("user_agent", accounts, few),
        standing=standing,
    )
    met = set().union(*company.by_address.values(), *company.by_agent.values(), standing)
    named: dict[tuple[int, str], str] = {}
    rows = (
        IamUser.objects.filter(pk__in=met)
        .order_by("user_name", "pk")
        .values_list(
            "pk", "account_id", "user_name", "category", "category_confidence", "category_override"
        )
    )
    for pk, account, name, sorted_as, confidence, override in rows:
        if override or confidence == "high":
            company.categories[pk] = override or sorted_as
        if pk in standing and standing[pk].team_key:
            named[account, name.lower()] = standing[pk].team_key
    company.teams_by_name = named
    return company


def _callers(
    column: str, accounts: Collection[int], few: Collection[int] | None
) -> dict[tuple[int, str], set[int]]:
    """Who called, by account and the value of `column`, where few enough do to tell something."""
    used = Activity.objects.exclude(outcome="failed-sign-in").order_by()
    rows = used.filter(user__account__in=list(accounts)).exclude(**{column: ""})
    if few is not None:
        seen = used.filter(user__in=list(few)).values(column)
        rows = rows.filter(**{f"{column}__in": seen})
    shared = (
        rows.values_list("user__account", column)
        .annotate(pks=ArrayAgg("user", distinct=True), callers=Count("user", distinct=True))
        .filter(callers__gt=1, callers__lte=_MOST_SHARING)
    )
    return {(account, value): set(pks) for account, value, pks, _ in shared.iterator()}


def signs_of(user: IamUser, did: Doings, company: Company | None = None) -> Signs:
    """What the user's category is told by; its neighbours' categories are those in `company`."""
    held = [one for one in user.credentials.all() if one.status == "Active"]
    return Signs(
        user_name=user.user_name,
        path=user.path,
        tags=user.tags,
        groups=tuple(user.groups),
        has_console_password=user.has_console_password,
        has_mfa=bool(user.mfa),
        signed_in=user.password_last_used_at is not None or did.signed_in,
        access_keys=sum(
            1 for one in user.credentials.all() if one.kind == Credential.Kind.ACCESS_KEY
        ),
        user_agents=did.agents,
        policies=(*user.attached_policies, *user.inline_policies),
        addresses=did.addresses,
        actions=did.actions,
        moments=tuple(did.moments),
        neighbours=company.neighbours(user, did.addresses) if company else {},
        credentials=tuple({one.kind for one in held if one.kind != Credential.Kind.ACCESS_KEY}),
    )


def user_signs(user: IamUser, did: Doings, company: Company) -> UserSigns:
    """What the user's owner is suggested by."""
    creator = (user.account_id, user.created_by.rpartition("/")[2].lower())
    return UserSigns(
        user_name=user.user_name,
        path=user.path,
        tags=user.tags,
        groups=tuple(user.groups),
        created_by=user.created_by,
        creator_team=company.teams_by_name.get(creator, ""),
        user_agents=tuple(sorted(did.agents)),
        addresses=company.shared(user, company.by_address, sorted(did.addresses)),
        shared_agents=company.shared(user, company.by_agent, sorted(did.agents)),
        words=company.standing.get(user.pk, Standing()).words,
    )


def team_signs(teams: Iterable[Team]) -> list[TeamSigns]:
    """Teams as they are looked for; `members` had better be prefetched."""
    return [
        TeamSigns(
            key=team.key,
            name=team.name,
            match=team.match,
            people=tuple(
                word
                for person in team.members.all()
                for word in (person.username, person.email, person.email.partition("@")[0])
            ),
        )
        for team in teams
    ]
