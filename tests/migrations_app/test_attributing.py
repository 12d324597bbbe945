"""Which of the changes a sync saw are our own doing, told by the journal and by nothing else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from inventory import clock
from inventory.models import Observation
from inventory.observations import Kind
from migrations_app.changes.attribution import explain
from migrations_app.lifecycle import State
from migrations_app.models import Call, Change, Departure
from tests import cast

pytestmark = pytest.mark.django_db

INACTIVE, ACTIVE = {"Status": "Inactive"}, {"Status": "Active"}
SWITCHES = [
    ("UpdateAccessKey", "AccessKeyId"),
    ("UpdateServiceSpecificCredential", "ServiceSpecificCredentialId"),
    ("UpdateSSHPublicKey", "SSHPublicKeyId"),
    ("UpdateSigningCertificate", "CertificateId"),
]
OURS: list[tuple[Kind, str, dict[str, str]]] = [
    *((Kind.KEY_INACTIVE, operation, {name: "it", **INACTIVE}) for operation, name in SWITCHES),
    *(
        (Kind.CREDENTIAL_INACTIVE, operation, {name: "it", **INACTIVE})
        for operation, name in SWITCHES
    ),
    *((Kind.KEY_ACTIVE, operation, {name: "it", **ACTIVE}) for operation, name in SWITCHES),
    *((Kind.CREDENTIAL_ACTIVE, operation, {name: "it", **ACTIVE}) for operation, name in SWITCHES),
    (Kind.KEY_GONE, "DeleteAccessKey", {"AccessKeyId": "it"}),
    (
        Kind.CREDENTIAL_GONE,
        "DeleteServiceSpecificCredential",
        {"ServiceSpecificCredentialId": "it"},
    ),
    (Kind.CREDENTIAL_GONE, "DeleteSSHPublicKey", {"SSHPublicKeyId": "it"}),
    (Kind.CREDENTIAL_GONE, "DeleteSigningCertificate", {"CertificateId": "it"}),
    (Kind.MFA_REMOVED, "DeactivateMFADevice", {"SerialNumber": "it"}),
    (Kind.POLICY_ATTACHED, "AttachUserPolicy", {"PolicyArn": "it"}),
    (Kind.POLICY_DETACHED, "DetachUserPolicy", {"PolicyArn": "it"}),
    (Kind.INLINE_DELETED, "DeleteUserPolicy", {"PolicyName": "it"}),
    (Kind.GROUP_LEFT, "RemoveUserFromGroup", {"GroupName": "it"}),
    (Kind.BOUNDARY_SET, "PutUserPermissionsBoundary", {"PermissionsBoundary": "it"}),
    (Kind.BOUNDARY_CHANGED, "PutUserPermissionsBoundary", {"PermissionsBoundary": "it"}),
]
# Their calls name nothing but the user.
WHOLE = [
    (Kind.PASSWORD_REMOVED, "DeleteLoginProfile"),
    (Kind.BOUNDARY_REMOVED, "DeleteUserPermissionsBoundary"),
    (Kind.GONE, "DeleteUser"),
]


@pytest.fixture
def theirs() -> Departure:
    return cast.departure("ci-pay-old", State.OWNER_ASSIGNED)


def sent(change: Change, operation: str, params: dict[str, Any], **columns: Any) -> Call:
    columns.setdefault("kind", Call.Kind.WRITE)
    columns.setdefault("sent_at", clock.now() - timedelta(minutes=30))
    columns.setdefault("outcome", "ok")
    return Call.objects.create(
        change=change,
        seq=change.calls.count() + 1,
        operation=operation,
        params={"UserName": "ci-pay-old", **params},
        **columns,
    )


def seen(of: Departure, kind: str, what: str = "it", **columns: Any) -> Observation:
    """What a sync saw now, and an hour ago not yet."""
    columns.setdefault("since_at", clock.now() - timedelta(hours=1))
    return Observation(
        account=of.user.account,
        user=of.user,
        kind=kind,
        params={"what": what},
        seen_at=clock.now(),
        **columns,
    )


def told(*observations: Observation) -> list[str]:
    explain(observations)
    return [one.explained for one in observations]


@pytest.mark.parametrize(("kind", "operation", "params"), OURS)
def test_what_a_call_of_ours_did_to_this_very_thing_is_ours(
    theirs: Departure, kind: Kind, operation: str, params: dict[str, str]
) -> None:
    sent(cast.change(theirs, "restore"), operation, params)
    assert told(seen(theirs, kind), seen(theirs, kind, "another")) == ["a restore", ""]


@pytest.mark.parametrize(("kind", "operation"), WHOLE)
def test_what_names_only_the_user_is_ours_by_the_call(
    theirs: Departure, kind: Kind, operation: str
) -> None:
    sent(cast.change(theirs), operation, {})
    assert told(seen(theirs, kind, "anything")) == ["a disable"]


@pytest.mark.parametrize(
    ("kind", "status"), [(Kind.KEY_INACTIVE, "Active"), (Kind.CREDENTIAL_ACTIVE, "Inactive")]
)
def test_a_switch_the_other_way_is_not_ours(theirs: Departure, kind: Kind, status: str) -> None:
    sent(cast.change(theirs), "UpdateAccessKey", {"AccessKeyId": "it", "Status": status})
    assert told(seen(theirs, kind)) == [""]


def test_another_operation_on_the_same_thing_is_not_ours(theirs: Departure) -> None:
    sent(cast.change(theirs), "DetachUserPolicy", {"PolicyArn": "it"})
    assert told(seen(theirs, Kind.POLICY_ATTACHED)) == [""]


@pytest.mark.parametrize(
    ("outcome", "ours"), [("ok", True), ("", True), ("refused", False), ("retry", False)]
)
def test_what_aws_refused_explains_nothing_and_what_has_no_answer_may_have_been_done(
    theirs: Departure, outcome: str, ours: bool
) -> None:
    sent(cast.change(theirs), "AttachUserPolicy", {"PolicyArn": "it"}, outcome=outcome)
    assert bool(told(seen(theirs, Kind.POLICY_ATTACHED))[0]) is ours


def test_a_look_explains_nothing(theirs: Departure) -> None:
    sent(cast.change(theirs), "AttachUserPolicy", {"PolicyArn": "it"}, kind=Call.Kind.LOOK)
    assert told(seen(theirs, Kind.POLICY_ATTACHED)) == [""]


def test_a_call_counts_between_the_two_syncs_both_moments_included(theirs: Departure) -> None:
    change, now = cast.change(theirs), clock.now()
    sent(change, "AttachUserPolicy", {"PolicyArn": "it"}, sent_at=now)
    for since, until, ours in (
        (now, now + timedelta(hours=1), True),
        (now - timedelta(hours=1), now, True),
        (now + timedelta(microseconds=1), now + timedelta(hours=1), False),
        (now - timedelta(hours=1), now - timedelta(microseconds=1), False),
    ):
        one = seen(theirs, Kind.POLICY_ATTACHED, since_at=since)
        one.seen_at = until
        # Beside one that was seen for longer, so that the call is looked at in any case.
        long = seen(theirs, Kind.GONE, since_at=now - timedelta(days=9))
        assert bool(told(one, long)[0]) is ours


def test_what_was_seen_for_longer_is_explained_beside_what_was_seen_a_moment_ago(
    theirs: Departure,
) -> None:
    sent(cast.change(theirs), "AttachUserPolicy", {"PolicyArn": "it"})
    just = seen(theirs, Kind.GONE, since_at=clock.now() - timedelta(minutes=1))
    assert told(seen(theirs, Kind.POLICY_ATTACHED), just) == ["a disable", ""]


def test_the_call_of_one_user_explains_nothing_of_another(theirs: Departure) -> None:
    other = cast.departure("other", State.OWNER_ASSIGNED)
    sent(cast.change(theirs), "DeleteLoginProfile", {})
    assert told(seen(other, Kind.PASSWORD_REMOVED), seen(theirs, Kind.PASSWORD_REMOVED)) == [
        "",
        "a disable",
    ]


def test_of_a_long_journal_only_what_may_explain_it_is_read(theirs: Departure) -> None:
    with CaptureQueriesContext(connection) as asked:
        assert told(seen(theirs, Kind.PASSWORD_REMOVED)) == [""]
    (only,) = asked.captured_queries
    assert '"migrations_app_call"."sent_at" >=' in only["sql"]
    assert '"user_id" IN' in only["sql"]


def test_a_batch_is_named_by_its_number(theirs: Departure) -> None:
    batch = cast.batch(theirs.user.account, cast.person("jonas"), number=41)
    sent(cast.change(theirs, batch=batch), "DeleteLoginProfile", {})
    assert told(seen(theirs, Kind.PASSWORD_REMOVED)) == ["batch #41"]


def test_what_concerns_no_user_or_has_no_beginning_or_is_never_our_doing_is_left_alone(
    theirs: Departure,
) -> None:
    sent(cast.change(theirs), "DeleteLoginProfile", {})
    of_root = seen(theirs, Kind.PASSWORD_REMOVED)
    of_root.user = None
    first = seen(theirs, Kind.PASSWORD_REMOVED, since_at=None)
    assert told(of_root, first, seen(theirs, Kind.TAGS_CHANGED)) == ["", "", ""]
    assert told(of_root, first, seen(theirs, Kind.PASSWORD_REMOVED)) == ["", "", "a disable"]
