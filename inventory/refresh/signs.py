"""Rows become what category and owner are told by, users of one account beside each other."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import cast

from django.db.models import Count

from inventory.category import Signs
from inventory.models import Activity, Credential, IamUser, Team
from inventory.owners import Shared, TeamSigns, UserSigns
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


def company_of(users: list[IamUser]) -> Company:
    """What is known of everybody who calls from where `users` do; a handful of statements."""
    accounts = {user.account_id for user in users}
    standing: dict[int, Standing] = {}
    for _, answer in standing_asked.send(sender=IamUser, accounts=accounts):
        standing |= cast("dict[int, Standing]", answer)
    company = Company(
        by_address=_callers("source_address", users, accounts),
        by_agent=_callers("user_agent", users, accounts),
        standing=standing,
    )
    met = set().union(*company.by_address.values(), *company.by_agent.values(), standing)
    named: dict[tuple[int, str], str] = {}
    for one in IamUser.objects.filter(pk__in=met).only(
        "account_id", "user_name", "category", "category_confidence", "category_override"
    ):
        if one.category_override or one.category_confidence == "high":
            company.categories[one.pk] = one.shown_category
        if one.pk in standing and standing[one.pk].team_key:
            named[one.account_id, one.user_name.lower()] = standing[one.pk].team_key
    company.teams_by_name = named
    return company


def _callers(
    column: str, users: list[IamUser], accounts: set[int]
) -> dict[tuple[int, str], set[int]]:
    """Who called, by account and the value of `column`, for the values that `users` show."""
    values = {getattr(one, column) for user in users for one in user.activity.all()} - {""}
    rows = (
        Activity.objects.filter(user__account__in=accounts, **{f"{column}__in": values})
        .exclude(outcome="failed-sign-in")
        .order_by()
        .values_list("user__account", column, "user")
        .annotate(Count("pk"))
    )
    found: dict[tuple[int, str], set[int]] = defaultdict(set)
    for account, value, user, _ in rows:
        found[account, value].add(user)
    return found


def signs_of(user: IamUser, company: Company) -> Signs:
    """What the user's category is told by. `company` holds the categories of its neighbours."""
    agents: Counter[str] = Counter()
    addresses: Counter[str] = Counter()
    actions: Counter[str] = Counter()
    moments = []
    signed_in = user.password_last_used_at is not None
    for one in user.activity.all():
        if one.outcome == "failed-sign-in":
            continue
        agents[one.user_agent] += one.count
        addresses[one.source_address] += one.count
        actions[f"{one.service}:{one.action}"] += one.count
        moments.append(one.first_at)
        signed_in |= one.action == "ConsoleLogin"
    held = [one for one in user.credentials.all() if one.status == "Active"]
    return Signs(
        user_name=user.user_name,
        path=user.path,
        tags=user.tags,
        groups=tuple(user.groups),
        has_console_password=user.has_console_password,
        has_mfa=bool(user.mfa),
        signed_in=signed_in,
        access_keys=sum(
            1 for one in user.credentials.all() if one.kind == Credential.Kind.ACCESS_KEY
        ),
        user_agents=agents,
        policies=(*user.attached_policies, *user.inline_policies),
        addresses=addresses,
        actions=actions,
        moments=tuple(moments),
        neighbours=company.neighbours(user, addresses),
        credentials=tuple({one.kind for one in held if one.kind != Credential.Kind.ACCESS_KEY}),
    )


def user_signs(user: IamUser, company: Company) -> UserSigns:
    """What the user's owner is suggested by."""
    addresses, agents = set(), set()
    for one in user.activity.all():
        if one.outcome != "failed-sign-in":
            addresses.add(one.source_address)
            agents.add(one.user_agent)
    creator = (user.account_id, user.created_by.rpartition("/")[2].lower())
    return UserSigns(
        user_name=user.user_name,
        path=user.path,
        tags=user.tags,
        groups=tuple(user.groups),
        created_by=user.created_by,
        creator_team=company.teams_by_name.get(creator, ""),
        user_agents=tuple(sorted(agents)),
        addresses=company.shared(user, company.by_address, sorted(addresses)),
        shared_agents=company.shared(user, company.by_agent, sorted(agents)),
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
