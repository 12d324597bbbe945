"""Who may do what: the one table of DESIGN.md section 8. Asked in the view and again in the verb.

`ANY` means in every team, `OWN` only for IAM users that the person's own team owns (or is asked
about). Roles add up: the widest of a person's roles counts. Four eyes (an approver is never the
requester) is no permission but a guard, and stands with the verbs.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, StrEnum

from inventory.models import Person, Role, Team
from inventory.refusals import NotAllowed


class Action(StrEnum):
    """Everything a person can do here that needs permission."""

    SEE = "see users, evidence and the log"
    SEE_SENSITIVE = "see policy documents, source addresses and holdings"
    CLAIM = "claim, release, dispute, hand over or confirm a plan"
    RESTORE = "restore, extend or say that the caller is fixed"
    OPERATE = "dismiss, overrule, adopt, compose, ask, skip, pause, resume, abort or try again"
    SYNC = "start a sync"
    APPROVE = "approve or send back"
    WITHDRAW = "withdraw"
    STOP = "pull or lift the emergency stop"
    PROTECT = "protect"
    CLOSE_ALERT = "close an alert"
    GUARD = "record what was done with the break-glass user, or that an account stays clean"
    SEE_SETTINGS = "see the settings"
    TEST_CHANNELS = "send a test message"
    ADMINISTER = "unprotect, or change policy, accounts and people"
    CONFIRM_LOOSENING = "confirm a loosened declaration"
    OWN_CHOICES = "change own choices"


class Reach(StrEnum):
    OWN = "own"
    ANY = "any"


class Anywhere(Enum):
    """Asked for no team in particular: right for a page, wrong for an act on one user."""

    ANYWHERE = "anywhere"


ANYWHERE = Anywhere.ANYWHERE


_EVERYBODY = dict.fromkeys(Role, Reach.ANY)

MATRIX: Mapping[Action, Mapping[Role, Reach]] = {
    Action.SEE: _EVERYBODY,
    Action.OWN_CHOICES: _EVERYBODY,
    Action.SEE_SENSITIVE: {
        Role.LEAD: Reach.OWN,
        Role.ENGINEER: Reach.ANY,
        Role.APPROVER: Reach.ANY,
        Role.ADMIN: Reach.ANY,
    },
    Action.CLAIM: {Role.LEAD: Reach.OWN, Role.ENGINEER: Reach.ANY},
    Action.RESTORE: {
        Role.LEAD: Reach.OWN,
        Role.ENGINEER: Reach.ANY,
        Role.APPROVER: Reach.ANY,
    },
    Action.OPERATE: {Role.ENGINEER: Reach.ANY},
    Action.SYNC: {Role.ENGINEER: Reach.ANY, Role.ADMIN: Reach.ANY},
    Action.APPROVE: {Role.APPROVER: Reach.ANY},
    # The requester, or the approver who approved; which of them, the verb decides.
    Action.WITHDRAW: {Role.ENGINEER: Reach.ANY, Role.APPROVER: Reach.ANY},
    Action.STOP: {Role.ENGINEER: Reach.ANY, Role.APPROVER: Reach.ANY, Role.ADMIN: Reach.ANY},
    Action.PROTECT: {Role.ENGINEER: Reach.ANY, Role.APPROVER: Reach.ANY, Role.ADMIN: Reach.ANY},
    Action.CLOSE_ALERT: {Role.ENGINEER: Reach.ANY, Role.ADMIN: Reach.ANY},
    Action.GUARD: {Role.ENGINEER: Reach.ANY, Role.ADMIN: Reach.ANY},
    Action.SEE_SETTINGS: {
        Role.ENGINEER: Reach.ANY,
        Role.APPROVER: Reach.ANY,
        Role.ADMIN: Reach.ANY,
    },
    Action.TEST_CHANNELS: {Role.ENGINEER: Reach.ANY, Role.ADMIN: Reach.ANY},
    Action.ADMINISTER: {Role.ADMIN: Reach.ANY},
    Action.CONFIRM_LOOSENING: {Role.APPROVER: Reach.ANY, Role.ADMIN: Reach.ANY},
}


def may(person: object, action: Action, team: Team | Anywhere | None = ANYWHERE) -> bool:
    """Whether `person` may do `action`, for IAM users of `team` where the reach is only the own.

    ANYWHERE asks whether the person leads any team at all: right for a page that then shows nothing
    but the own team's users. None is nobody's user: no team's lead may act on it as its lead.
    """
    if not isinstance(person, Person) or not person.is_active:
        return False
    reaches = {reach for role, reach in MATRIX[action].items() if role in person.roles}
    # Whoever a team names as its lead is its lead, whatever other roles they hold.
    if MATRIX[action].get(Role.LEAD) is Reach.OWN:
        reaches.add(Reach.OWN)
    if Reach.ANY in reaches:
        return True
    if Reach.OWN not in reaches:
        return False
    return person.leads_any() if isinstance(team, Anywhere) else person.leads_team(team)


def require(person: object, action: Action, team: Team | Anywhere | None = ANYWHERE) -> None:
    """NotAllowed, naming who can help, unless `person` may do `action`; `team` as for `may`."""
    if may(person, action, team):
        return
    if not isinstance(team, Anywhere) and may(person, action):
        lead = team.lead if team else None
        if team is None:
            raise NotAllowed(
                "Nobody answers for this user yet. Claim it, or ask Security.", rule="team"
            )
        whom = f" Ask {lead} for access." if lead else " Ask Security for access."
        raise NotAllowed(f"This belongs to another team.{whom}", rule="team")
    *more, last = (role.label.lower() for role in MATRIX[action])
    roles = f"{', '.join(more)} or {last}" if more else last
    raise NotAllowed(f"To {action.value}, you need the role {roles}. Ask an admin for it.")
