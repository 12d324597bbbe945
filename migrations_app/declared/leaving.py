"""Teams, people and accounts that a declaration no longer holds: who answers for what they leave.

A team that owns users, and a person with open requests, leave only with a `successor`. An account
leaves only when nothing in it is switched off and no batch is open there.
"""

from __future__ import annotations

from django.db.models import Q

from inventory import clock
from inventory.models import Account, Person, Role, Team
from inventory.organization import Declaration
from inventory.refusals import Refused
from migrations_app.changes import state
from migrations_app.lifecycle import State
from migrations_app.models import Batch, Departure, GivenAnswer

# Before approval a request can change hands; afterwards it is history, and any engineer may act.
_CHANGES_HANDS = (Batch.Status.DRAFT, Batch.Status.ASKED)


def check(declared: Declaration) -> None:
    """Refused, with every reason, if users or requests would be left with nobody."""
    reasons = [*_teams(declared), *_people(declared), *_accounts(declared)]
    if reasons:
        raise Refused.of(reasons)


def _owned(team: Team) -> int:
    return Departure.objects.filter(owner=team).exclude(state=State.DELETED).count()


def _requests(person: Person) -> int:
    asked = Q(asked_by=person) | Q(asked_by=None, composed_by=person)
    return Batch.objects.filter(asked, status__in=Batch.OPEN).count()


def _teams(declared: Declaration) -> list[str]:
    leaving = Team.objects.filter(active=True).exclude(key__in=declared.staying_teams)
    named = {team.key for team in declared.teams if team.successor}
    return [
        f"Team {team} owns {owned} users. Keep it, or write {{key: {team.key}, successor: TEAM}}."
        for team in leaving
        if team.key not in named and (owned := _owned(team))
    ]


def _people(declared: Declaration) -> list[str]:
    leaving = Person.objects.filter(is_active=True, declared=True).exclude(
        username__in=declared.staying_people
    )
    successors = {person.username: person.successor for person in declared.people}
    reasons = []
    for person in leaving:
        requests = _requests(person)
        successor = successors.get(person.username, "")
        if requests and not successor:
            reasons.append(
                f"{person} has {requests} open requests. Keep them, or write "
                f"{{username: {person.username}, successor: PERSON}}."
            )
        elif requests and Role.ENGINEER not in declared.staying_people[successor].roles:
            reasons.append(f"{successor} takes over batches, so they must be an engineer.")
    return reasons


def _accounts(declared: Declaration) -> list[str]:
    staying = [account.account_id for account in declared.accounts]
    reasons = []
    for account in Account.objects.filter(active=True).exclude(account_id__in=staying):
        off = Departure.objects.filter(user__account=account).switched_off().count()
        batches = account.batches.filter(status__in=Batch.OPEN).count()
        if off or batches:
            reasons.append(
                f"{account} has {off} users switched off and {batches} open batches. "
                "Restore or finish them before it leaves."
            )
    return reasons


def hand_over(declared: Declaration, actor: Person | None) -> None:
    """Give what the leaving answer for to their successors, in the caller's transaction."""
    for team in declared.teams:
        row = Team.objects.filter(key=team.key, active=True).first() if team.successor else None
        if row:
            successor = Team.objects.filter(key=team.successor).first() or Team.objects.create(
                key=team.successor, name=declared.staying_teams[team.successor].name
            )
            _hand_over_users(row, successor, actor)
    for person in declared.people:
        if person.successor:
            _hand_over_requests(person.username, person.successor)


def _hand_over_users(team: Team, successor: Team, actor: Person | None) -> None:
    owned = Departure.objects.filter(owner=team).exclude(state=State.DELETED)
    for departure in owned.select_related("user__account", "owner"):
        state.note(
            departure,
            "owner.succeeded",
            actor=actor,
            data={"from": team.key, "to": successor.key},
            owner=successor,
            owner_since=clock.now(),
        )
        GivenAnswer.objects.create(
            departure=departure,
            team=successor,
            person=actor,
            at=clock.now(),
            said="hand-over",
            note=f"{team} left; {successor} is its successor.",
        )


def _hand_over_requests(username: str, successor: str) -> None:
    heir = Person.objects.filter(username=successor).first() or Person.objects.create_user(
        successor
    )
    mine = Batch.objects.filter(status__in=_CHANGES_HANDS)
    mine.filter(composed_by__username=username).update(composed_by=heir)
    mine.filter(asked_by__username=username).update(asked_by=heir)
