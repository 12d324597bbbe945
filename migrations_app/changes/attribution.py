"""Our own doing among what a sync saw change, so that it does not read as a foreign hand.

The journal knows every write that was sent. One that AWS refused explains nothing; one without an
answer may have been carried out, so it does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from inventory.models import Observation
from inventory.observations import Kind
from migrations_app.models import Call


@dataclass(frozen=True, slots=True)
class _By:
    """The calls that do this; `status` where they switch; `whole`: they name nothing but a user."""

    operations: frozenset[str]
    status: str
    whole: bool


def _by(*operations: str, status: str = "", whole: bool = False) -> _By:
    return _By(frozenset(operations), status, whole)


_SWITCHES = (
    "UpdateAccessKey",
    "UpdateServiceSpecificCredential",
    "UpdateSSHPublicKey",
    "UpdateSigningCertificate",
)
_OURS: Mapping[str, _By] = {
    Kind.KEY_INACTIVE: _by(*_SWITCHES, status="Inactive"),
    Kind.CREDENTIAL_INACTIVE: _by(*_SWITCHES, status="Inactive"),
    Kind.KEY_ACTIVE: _by(*_SWITCHES, status="Active"),
    Kind.CREDENTIAL_ACTIVE: _by(*_SWITCHES, status="Active"),
    Kind.KEY_GONE: _by("DeleteAccessKey"),
    Kind.CREDENTIAL_GONE: _by(
        "DeleteServiceSpecificCredential", "DeleteSSHPublicKey", "DeleteSigningCertificate"
    ),
    Kind.PASSWORD_REMOVED: _by("DeleteLoginProfile", whole=True),
    Kind.MFA_REMOVED: _by("DeactivateMFADevice"),
    Kind.POLICY_ATTACHED: _by("AttachUserPolicy"),
    Kind.POLICY_DETACHED: _by("DetachUserPolicy"),
    Kind.INLINE_DELETED: _by("DeleteUserPolicy"),
    Kind.GROUP_LEFT: _by("RemoveUserFromGroup"),
    Kind.BOUNDARY_SET: _by("PutUserPermissionsBoundary"),
    Kind.BOUNDARY_CHANGED: _by("PutUserPermissionsBoundary"),
    Kind.BOUNDARY_REMOVED: _by("DeleteUserPermissionsBoundary", whole=True),
    Kind.GONE: _by("DeleteUser", whole=True),
}


def explain(observations: Iterable[Observation]) -> None:
    """Write into `explained` which batch or restore did it; two statements, nothing is saved."""
    asked = [
        (one, one.user_id, one.since_at)
        for one in observations
        if one.kind in _OURS and one.user_id and one.since_at
    ]
    if not asked:
        return
    sent: dict[int, list[Call]] = defaultdict(list)
    for call in (
        Call.objects.filter(
            kind=Call.Kind.WRITE,
            sent_at__gte=min(since for _, _, since in asked),
            change__departure__user__in={user for _, user, _ in asked},
        )
        .exclude(outcome__in=Call.NOT_APPLIED)
        .select_related("change__batch", "change__departure")
    ):
        sent[call.change.departure.user_id].append(call)
    for one, user, since in asked:
        for call in sent[user]:
            if since <= call.sent_at <= one.seen_at and _did(call, one):
                batch = call.change.batch
                one.explained = f"batch #{batch.number}" if batch else f"a {call.change.move}"


def _did(call: Call, one: Observation) -> bool:
    by = _OURS[one.kind]
    if call.operation not in by.operations:
        return False
    if by.status and call.params.get("Status") != by.status:
        return False
    return by.whole or one.params["what"] in call.params.values()
