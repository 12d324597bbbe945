"""The table of who may do what, written out once more so that a change of it is seen."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser

from inventory.models import Role
from inventory.permissions import MATRIX, Action, may, require
from inventory.refusals import NotAllowed
from tests import cast

pytestmark = pytest.mark.django_db

V, L, E, A, D = Role.VIEWER, Role.LEAD, Role.ENGINEER, Role.APPROVER, Role.ADMIN
# DESIGN, section 8: who may do it for a user of somebody else's team.
ANYWHERE: dict[Action, set[Role]] = {
    Action.SEE: {V, L, E, A, D},
    Action.OWN_CHOICES: {V, L, E, A, D},
    Action.SEE_SENSITIVE: {E, A, D},
    Action.CLAIM: {E},
    Action.RESTORE: {E, A},
    Action.OPERATE: {E},
    Action.SYNC: {E, D},
    Action.APPROVE: {A},
    Action.WITHDRAW: {E, A},
    Action.STOP: {E, A, D},
    Action.PROTECT: {E, A, D},
    Action.CLOSE_ALERT: {E, D},
    Action.GUARD: {E, D},
    Action.SEE_SETTINGS: {E, A, D},
    Action.TEST_CHANNELS: {E, D},
    Action.ADMINISTER: {D},
    Action.CONFIRM_LOOSENING: {A, D},
}
FOR_THE_OWN_TEAM = {Action.SEE_SENSITIVE, Action.CLAIM, Action.RESTORE}


def test_every_action_stands_in_both_tables() -> None:
    assert set(ANYWHERE) == set(MATRIX) == set(Action)


@pytest.mark.parametrize("role", list(Role))
def test_a_role_may_do_exactly_what_its_column_says(role: Role) -> None:
    person = cast.person("somebody", "", [role])
    foreign = cast.team("platform")
    allowed = {action for action in Action if may(person, action, foreign)}
    assert allowed == {action for action, roles in ANYWHERE.items() if role in roles}


def test_a_lead_may_do_more_for_the_own_team() -> None:
    payments = cast.team("payments")
    sara = cast.person("sara", "", [Role.LEAD], payments)
    allowed = {action for action in Action if may(sara, action, payments)}
    assert allowed == {Action.SEE, Action.OWN_CHOICES} | FOR_THE_OWN_TEAM


def test_a_member_without_the_role_leads_nothing() -> None:
    payments = cast.team("payments")
    member = cast.person("member", "", [Role.VIEWER], payments)
    assert not may(member, Action.CLAIM, payments)


def test_whoever_a_team_names_as_its_lead_is_its_lead() -> None:
    named = cast.person("named", "", [Role.VIEWER])
    payments = cast.team("payments", lead=named)
    assert may(named, Action.RESTORE, payments)
    assert not may(named, Action.RESTORE, cast.team("platform"))


def test_roles_add_up() -> None:
    both = cast.person("both", "", [Role.ENGINEER, Role.APPROVER])
    assert may(both, Action.OPERATE)
    assert may(both, Action.APPROVE)


def test_admin_alone_touches_no_iam_user() -> None:
    ada = cast.person("ada", "", [Role.ADMIN])
    touching = {Action.CLAIM, Action.RESTORE, Action.OPERATE, Action.APPROVE, Action.WITHDRAW}
    assert not any(may(ada, action, cast.team("payments")) for action in touching)


@pytest.mark.parametrize("action", list(Action))
def test_whoever_is_switched_off_or_a_stranger_may_do_nothing(action: Action) -> None:
    off = cast.person("off", "", list(Role), is_active=False)
    assert not may(off, action)
    assert not may(AnonymousUser(), action)
    assert not may(None, action)


def test_a_person_without_a_role_may_do_nothing() -> None:
    nobody = cast.person("nobody")
    assert not any(may(nobody, action) for action in Action)


def test_a_refusal_names_whom_to_ask() -> None:
    everybody = cast.cast()
    with pytest.raises(NotAllowed, match=r"another team\. Ask Priya Nair"):
        require(everybody.sara, Action.CLAIM, everybody.platform)
    with pytest.raises(NotAllowed, match="need the role approver"):
        require(everybody.sara, Action.APPROVE)
    roles = "To see the settings, you need the role security engineer, approver or admin."
    with pytest.raises(NotAllowed, match=roles):
        require(everybody.vera, Action.SEE_SETTINGS)
