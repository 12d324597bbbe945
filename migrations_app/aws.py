"""THE ONE FILE that changes an AWS account: fence, shut, restore and delete.

Each is an ordered table of converging steps. A step plans its calls from what the user holds now,
so the dry run and the run are the same code, a second run does only what is left, and an empty plan
means that the account is where it should be. `Writer` sends: look at the rows, journal, call,
journal.
"""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError

from inventory.aws.failure import AwsFailure, NoSuchUser, failure
from inventory.aws.holdings import UserHoldings, get_user, list_users, virtual_mfa_devices
from inventory.aws.limiter import Limiter
from inventory.aws.session import AwsSession

# One AWS call, its re-sends included, ends before the lease of its change does (60 s).
CALL_DEADLINE = 20.0
# Rule 2: a look at the user's identity serves writes for this long.
IDENTITY_HOLDS = 10.0
# How long a read-back is asked again before the answer counts: IAM is eventually consistent.
PATIENCE = 20.0
# AWS's quota of managed policies per user; at it, the fence goes on as the boundary.
POLICIES_PER_USER = 10
QUARANTINE = "AWSCompromisedKeyQuarantine"
# What STS takes of a session policy, in characters.
SESSION_POLICY_LIMIT = 2048


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """One AWS write as it will be sent. `final` marks what nobody can bring back."""

    step: str
    operation: str
    params: dict[str, Any]
    target: str
    undo: str = ""
    loses: str = ""
    final: bool = False


@dataclass(frozen=True, slots=True)
class Made:
    """What our own changes did to a user since it last had access: the only things undone (rule 9).

    The sets hold credential ids that we made inactive. `fence` is "", "policy" or "boundary".
    """

    access_keys: frozenset[str] = frozenset()
    ssh_keys: frozenset[str] = frozenset()
    service_credentials: frozenset[str] = frozenset()
    certificates: frozenset[str] = frozenset()
    login_profile: bool = False
    policy_fence: bool = False
    boundary_fence: bool = False
    boundary_before: str = ""


Plan = Callable[[UserHoldings, Made], Iterator[PlannedCall]]


@dataclass(frozen=True, slots=True)
class Step:
    """One row of a table: its calls for a user, and the IAM actions that they need."""

    name: str
    actions: tuple[str, ...]
    plan: Plan


def deny_all(holdings: UserHoldings) -> str:
    """The ARN of AWSDenyAll in this user's partition."""
    return f"arn:{holdings.arn.split(':')[1]}:iam::aws:policy/AWSDenyAll"


def fenced(holdings: UserHoldings) -> str:
    """How the user is fenced: "policy", "boundary", or "" for not at all."""
    if deny_all(holdings) in holdings.attached_policies:
        return "policy"
    return "boundary" if holdings.boundary == deny_all(holdings) else ""


def _fence(holdings: UserHoldings, made: Made) -> Iterator[PlannedCall]:
    if fenced(holdings):
        return
    if len(holdings.attached_policies) >= POLICIES_PER_USER:
        yield _boundary_fence(holdings)
        return
    yield PlannedCall(
        "fence",
        "AttachUserPolicy",
        {"UserName": holdings.user_name, "PolicyArn": deny_all(holdings)},
        "AWSDenyAll",
        undo="DetachUserPolicy",
    )


def _boundary_fence(holdings: UserHoldings) -> PlannedCall:
    return PlannedCall(
        "fence",
        "PutUserPermissionsBoundary",
        {"UserName": holdings.user_name, "PermissionsBoundary": deny_all(holdings)},
        "AWSDenyAll as permissions boundary",
        undo="PutUserPermissionsBoundary" if holdings.boundary else "DeleteUserPermissionsBoundary",
    )


@dataclass(frozen=True, slots=True)
class _Switch:
    """A kind of credential that AWS can switch between Active and Inactive."""

    step: str
    operation: str
    parameter: str

    def calls(self, name: str, parts: Iterable[Any], to: str) -> Iterator[PlannedCall]:
        back = "Active" if to == "Inactive" else "Inactive"
        for part in parts:
            params = {"UserName": name, self.parameter: part.id, "Status": to}
            yield PlannedCall(self.step, self.operation, params, part.id, undo=f"Status={back}")


_ACCESS_KEYS = _Switch("access keys", "UpdateAccessKey", "AccessKeyId")
_SERVICE_CREDENTIALS = _Switch(
    "service-specific credentials",
    "UpdateServiceSpecificCredential",
    "ServiceSpecificCredentialId",
)
_SSH_KEYS = _Switch("SSH public keys", "UpdateSSHPublicKey", "SSHPublicKeyId")
_CERTIFICATES = _Switch("signing certificates", "UpdateSigningCertificate", "CertificateId")


def _active(parts: Iterable[Any]) -> list[Any]:
    return [part for part in parts if part.status == "Active"]


def _shut_access_keys(holdings: UserHoldings, made: Made) -> Iterator[PlannedCall]:
    return _ACCESS_KEYS.calls(holdings.user_name, _active(holdings.access_keys), "Inactive")


def _shut_login_profile(holdings: UserHoldings, made: Made) -> Iterator[PlannedCall]:
    if holdings.has_login_profile:
        yield PlannedCall(
            "console password",
            "DeleteLoginProfile",
            {"UserName": holdings.user_name},
            "console password",
            undo="an IAM administrator sets a new password",
            loses="the old password does not come back",
        )


def _shut_service_credentials(holdings: UserHoldings, made: Made) -> Iterator[PlannedCall]:
    return _SERVICE_CREDENTIALS.calls(
        holdings.user_name, _active(holdings.service_credentials), "Inactive"
    )


def _shut_ssh_keys(holdings: UserHoldings, made: Made) -> Iterator[PlannedCall]:
    return _SSH_KEYS.calls(holdings.user_name, _active(holdings.ssh_keys), "Inactive")


def _shut_certificates(holdings: UserHoldings, made: Made) -> Iterator[PlannedCall]:
    return _CERTIFICATES.calls(holdings.user_name, _active(holdings.certificates), "Inactive")


FENCE = (Step("fence", ("iam:AttachUserPolicy", "iam:PutUserPermissionsBoundary"), _fence),)
SHUT = (
    Step("access keys", ("iam:UpdateAccessKey",), _shut_access_keys),
    Step("console password", ("iam:DeleteLoginProfile",), _shut_login_profile),
    Step(
        "service-specific credentials",
        ("iam:UpdateServiceSpecificCredential",),
        _shut_service_credentials,
    ),
    Step("SSH public keys", ("iam:UpdateSSHPublicKey",), _shut_ssh_keys),
    Step("signing certificates", ("iam:UpdateSigningCertificate",), _shut_certificates),
)


def _unfence(holdings: UserHoldings, made: Made) -> Iterator[PlannedCall]:
    name = holdings.user_name
    if made.boundary_fence and holdings.boundary == deny_all(holdings):
        if made.boundary_before:
            yield PlannedCall(
                "fence",
                "PutUserPermissionsBoundary",
                {"UserName": name, "PermissionsBoundary": made.boundary_before},
                made.boundary_before,
            )
        else:
            yield PlannedCall(
                "fence", "DeleteUserPermissionsBoundary", {"UserName": name}, "AWSDenyAll"
            )
    if made.policy_fence and deny_all(holdings) in holdings.attached_policies:
        yield PlannedCall(
            "fence",
            "DetachUserPolicy",
            {"UserName": name, "PolicyArn": deny_all(holdings)},
            "AWSDenyAll",
        )


def _inactive(parts: Iterable[Any], ours: frozenset[str]) -> list[Any]:
    return [part for part in parts if part.id in ours and part.status == "Inactive"]


def _restore_credentials(holdings: UserHoldings, made: Made) -> Iterator[PlannedCall]:
    for switch, parts, ours in (
        (_ACCESS_KEYS, holdings.access_keys, made.access_keys),
        (_SERVICE_CREDENTIALS, holdings.service_credentials, made.service_credentials),
        (_SSH_KEYS, holdings.ssh_keys, made.ssh_keys),
        (_CERTIFICATES, holdings.certificates, made.certificates),
    ):
        yield from switch.calls(holdings.user_name, _inactive(parts, ours), "Active")


RESTORE = (
    Step(
        "fence",
        (
            "iam:DetachUserPolicy",
            "iam:PutUserPermissionsBoundary",
            "iam:DeleteUserPermissionsBoundary",
        ),
        _unfence,
    ),
    Step(
        "credentials",
        (
            "iam:UpdateAccessKey",
            "iam:UpdateServiceSpecificCredential",
            "iam:UpdateSSHPublicKey",
            "iam:UpdateSigningCertificate",
        ),
        _restore_credentials,
    ),
)


def _each(
    step: str, operation: str, parameter: str, values: Iterable[str], holdings: UserHoldings
) -> Iterator[PlannedCall]:
    for value in values:
        yield PlannedCall(
            step,
            operation,
            {"UserName": holdings.user_name, parameter: value},
            value,
            undo="never",
            final=True,
        )


def _ids(parts: Iterable[Any]) -> list[str]:
    return [part.id for part in parts]


def _delete_access_keys(holdings: UserHoldings, made: Made) -> Iterator[PlannedCall]:
    keys = _ids(holdings.access_keys)
    return _each("access keys", "DeleteAccessKey", "AccessKeyId", keys, holdings)


def _delete_login_profile(holdings: UserHoldings, made: Made) -> Iterator[PlannedCall]:
    return (replace(call, undo="never", final=True) for call in _shut_login_profile(holdings, made))


def _delete_service_credentials(holdings: UserHoldings, made: Made) -> Iterator[PlannedCall]:
    return _each(
        "service-specific credentials",
        "DeleteServiceSpecificCredential",
        "ServiceSpecificCredentialId",
        _ids(holdings.service_credentials),
        holdings,
    )


def _delete_ssh_keys(holdings: UserHoldings, made: Made) -> Iterator[PlannedCall]:
    keys = _ids(holdings.ssh_keys)
    return _each("SSH public keys", "DeleteSSHPublicKey", "SSHPublicKeyId", keys, holdings)


def _delete_certificates(holdings: UserHoldings, made: Made) -> Iterator[PlannedCall]:
    ids = _ids(holdings.certificates)
    return _each("signing certificates", "DeleteSigningCertificate", "CertificateId", ids, holdings)


def _delete_mfa(holdings: UserHoldings, made: Made) -> Iterator[PlannedCall]:
    serials = [device.serial for device in holdings.mfa]
    yield from _each("MFA devices", "DeactivateMFADevice", "SerialNumber", serials, holdings)
    # Hardware and FIDO devices are things of their own: AWS knows no deletion of them.
    for device in holdings.mfa:
        if device.kind == "virtual":
            yield PlannedCall(
                "MFA devices",
                "DeleteVirtualMFADevice",
                {"SerialNumber": device.serial},
                device.serial,
                undo="never",
                final=True,
            )


def _remove_from_groups(holdings: UserHoldings, made: Made) -> Iterator[PlannedCall]:
    return _each("groups", "RemoveUserFromGroup", "GroupName", holdings.groups, holdings)


def _delete_inline_policies(holdings: UserHoldings, made: Made) -> Iterator[PlannedCall]:
    names = sorted(holdings.inline_policies)
    return _each("inline policies", "DeleteUserPolicy", "PolicyName", names, holdings)


def _detach_policies(holdings: UserHoldings, made: Made) -> Iterator[PlannedCall]:
    # The fence goes last: until then every call of the user stays denied.
    fence = deny_all(holdings)
    policies = sorted(holdings.attached_policies, key=lambda arn: (arn == fence, arn))
    return _each("managed policies", "DetachUserPolicy", "PolicyArn", policies, holdings)


def _delete_user(holdings: UserHoldings, made: Made) -> Iterator[PlannedCall]:
    yield PlannedCall(
        "user",
        "DeleteUser",
        {"UserName": holdings.user_name},
        holdings.arn,
        undo="never",
        final=True,
    )


# DESIGN.md section 7, in this order. A permissions boundary is left alone: DeleteUser does not
# need it removed.
DELETE = (
    Step("access keys", ("iam:DeleteAccessKey",), _delete_access_keys),
    Step("console password", ("iam:DeleteLoginProfile",), _delete_login_profile),
    Step(
        "service-specific credentials",
        ("iam:DeleteServiceSpecificCredential",),
        _delete_service_credentials,
    ),
    Step("SSH public keys", ("iam:DeleteSSHPublicKey",), _delete_ssh_keys),
    Step("signing certificates", ("iam:DeleteSigningCertificate",), _delete_certificates),
    Step("MFA devices", ("iam:DeactivateMFADevice", "iam:DeleteVirtualMFADevice"), _delete_mfa),
    Step("groups", ("iam:RemoveUserFromGroup",), _remove_from_groups),
    Step("inline policies", ("iam:DeleteUserPolicy",), _delete_inline_policies),
    Step("managed policies", ("iam:DetachUserPolicy",), _detach_policies),
    Step("user", ("iam:DeleteUser",), _delete_user),
)


def plan(
    steps: Iterable[Step], holdings: UserHoldings, made: Made | None = None
) -> list[PlannedCall]:
    """The exact calls, in order, that bring this user where `steps` lead; none when it is there."""
    return [call for step in steps for call in step.plan(holdings, made or Made())]


def union(live: UserHoldings, saved: UserHoldings) -> UserHoldings:
    """What a deletion must remove: what is listed now and what was saved before (rule 10)."""

    def both(now: tuple[Any, ...], before: tuple[Any, ...], key: str) -> tuple[Any, ...]:
        known = {getattr(part, key) for part in now}
        return (*now, *(part for part in before if getattr(part, key) not in known))

    return replace(
        live,
        access_keys=both(live.access_keys, saved.access_keys, "id"),
        service_credentials=both(live.service_credentials, saved.service_credentials, "id"),
        ssh_keys=both(live.ssh_keys, saved.ssh_keys, "id"),
        certificates=both(live.certificates, saved.certificates, "id"),
        mfa=both(live.mfa, saved.mfa, "serial"),
        groups=tuple(sorted({*live.groups, *saved.groups})),
        inline_policies={**saved.inline_policies, **live.inline_policies},
        attached_policies=tuple(sorted({*live.attached_policies, *saved.attached_policies})),
    )


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one send. `outcome`: ok, already-gone, refused, retry or unknown."""

    outcome: str
    code: str = ""
    message: str = ""
    request_id: str = ""
    http_status: int = 0


class Journal(Protocol):
    """Where every send is written down, and what may still halt the run before it."""

    def before(self, call: PlannedCall, attempt: int) -> int:
        """Write the line of a send, committed; its number.

        Raises, and then nothing may be sent, unless the next write may go: stop, protection and
        lease are read anew.
        """

    def after(self, line: int, answer: Answer) -> None:
        """Write the answer into the line."""

    def looked(self, operation: str, target: str, outcome: str) -> None:
        """Note a look at the account: identity, read-back, proof."""


class NotTheSameUser(AwsFailure):
    """The name is borne by another `user_id` now, or by nobody (rule 2)."""


@dataclass(slots=True)
class Writer:
    """Sends planned calls for one user, one at a time, each under the journal's eyes."""

    session: AwsSession
    journal: Journal
    user_name: str
    user_id: str
    limiter: Limiter
    first: bool = False
    # When GetUser last showed this `user_id`, on the process's monotonic clock.
    identity_at: float = float("-inf")

    def same_user(self) -> None:
        """Rule 2. NotTheSameUser when the name no longer bears this `user_id`."""
        try:
            user_id, _, _ = get_user(self.session, self.user_name)
        except NoSuchUser as gone:
            self.journal.looked("GetUser", self.user_name, "NoSuchEntity")
            raise NotTheSameUser(
                "NoSuchUser", f"{self.user_name} is not there any more.", operation="GetUser"
            ) from gone
        if user_id != self.user_id:
            self.journal.looked("GetUser", self.user_name, f"another user: {user_id}")
            message = f"{self.user_name} is another user now: {user_id}, not {self.user_id}."
            raise NotTheSameUser("NamesakeFound", message, operation="GetUser")
        self.journal.looked("GetUser", self.user_name, f"same {user_id}")
        self.identity_at = time.monotonic()

    def send(self, call: PlannedCall) -> Answer:
        """Send one call until it is done. Raises AwsFailure in AWS's own words, or as the gate.

        "Already gone" is success. A connection that broke leaves the outcome unknown; the same call
        is then sent again, journalled again, because every call here converges.
        """
        ends = time.monotonic() + CALL_DEADLINE
        attempt, pause = 0, 0.2
        while True:
            attempt += 1
            self.limiter.wait(first=self.first)
            if call.operation == "DeleteUser" or self._identity_is_old():
                try:
                    self.same_user()
                except NotTheSameUser as gone:
                    # A DeleteUser whose answer was lost may well be why nobody is there.
                    if call.operation == "DeleteUser" and attempt > 1 and gone.code == "NoSuchUser":
                        return Answer("already-gone", "NoSuchEntity", gone.message)
                    raise
            line = self.journal.before(call, attempt)
            answer, refused = self._ask(call)
            try:
                if refused is not None and self._already_gone(call, refused):
                    answer, refused = replace(answer, outcome="already-gone"), None
            finally:
                # Also when looking whether it is gone fails: this line has its answer.
                self.journal.after(line, answer)
            if refused is None:
                return answer
            if answer.outcome == "refused" or time.monotonic() + pause > ends:
                raise refused
            time.sleep(pause)
            pause = min(pause * 2, 5.0)
            self.identity_at = float("-inf") if pause > 1 else self.identity_at

    def run(self, steps: Iterable[Step], holdings: UserHoldings, made: Made | None = None) -> None:
        """Send the calls of `steps` in order; at the quota the fence falls back to the boundary."""
        for step in steps:
            for call in step.plan(holdings, made or Made()):
                try:
                    self.send(call)
                except AwsFailure as refused:
                    if call.operation == "AttachUserPolicy" and _quota_reached(refused):
                        self.send(_boundary_fence(holdings))
                    else:
                        raise

    def _identity_is_old(self) -> bool:
        return time.monotonic() - self.identity_at > IDENTITY_HOLDS

    def _ask(self, call: PlannedCall) -> tuple[Answer, AwsFailure | None]:
        client = self.session.client("iam")
        try:
            told = getattr(client, xform_name(call.operation))(**call.params)
        except (ClientError, BotoCoreError) as error:
            refused = failure(error, call.operation)
            if refused.code == "Connection":
                outcome = "unknown"
            elif refused.retryable and not _quota_reached(refused):
                outcome = "unknown" if refused.http_status >= 500 else "retry"
            else:
                outcome = "refused"
            return (
                Answer(
                    outcome,
                    refused.code,
                    refused.message,
                    refused.request_id,
                    refused.http_status,
                ),
                refused,
            )
        meta = told["ResponseMetadata"]
        return Answer("ok", "", "", meta.get("RequestId", ""), meta["HTTPStatusCode"]), None

    def _already_gone(self, call: PlannedCall, refused: AwsFailure) -> bool:
        """NoSuchEntity about a part is "already gone"; about the user it never is (rule 7)."""
        if refused.code != "NoSuchEntity":
            return False
        if call.operation == "DeleteUser":
            return True
        if call.step == "fence" and call.operation.startswith(("Attach", "Put")):
            return False
        if call.operation == "DeleteVirtualMFADevice":
            # Nothing else would notice: DeleteUser does not need it gone, and it would stay behind
            # under the name of a user that is deleted.
            return call.params["SerialNumber"] not in virtual_mfa_devices(self.session)
        self.same_user()
        return True


def read_back(
    look: Callable[[], UserHoldings], there: Callable[[UserHoldings], bool], what: str
) -> UserHoldings:
    """Look until `there` holds; NotProven (may be tried again) when patience ends.

    Reads after a write may be stale for seconds in IAM, so one wrong answer proves nothing.
    """
    ends, pause = time.monotonic() + PATIENCE, 0.2
    while True:
        holdings = look()
        if there(holdings):
            return holdings
        if time.monotonic() + pause > ends:
            raise AwsFailure("NotProven", f"AWS does not show yet that {what}.", retryable=True)
        time.sleep(pause)
        pause = min(pause * 2, 4.0)


@dataclass(frozen=True, slots=True)
class Proof:
    """Rule 7: how it is known that the user is gone."""

    get_user: str
    by: str  # DeleteUser | ListUsers


def prove_deleted(session: AwsSession, name: str, user_id: str, *, answered: bool) -> Proof:
    """GetUser says NoSuchEntity or another id, and DeleteUser was answered or ListUsers lacks it.

    Raises NotProven, to be tried again, while AWS still shows the user.
    """
    ends, pause = time.monotonic() + PATIENCE, 0.2
    while True:
        told = gone_by_get_user(session, name, user_id)
        if told:
            if answered:
                return Proof(told, "DeleteUser")
            listed = list_users(session)
            # A listing of nobody proves nothing.
            if listed and all(user.user_id != user_id for user in listed):
                return Proof(told, "ListUsers")
        if time.monotonic() + pause > ends:
            message = f"AWS still shows {name} ({user_id})."
            raise AwsFailure("NotProven", message, operation="GetUser", retryable=True)
        time.sleep(pause)
        pause = min(pause * 2, 4.0)


def gone_by_get_user(session: AwsSession, name: str, user_id: str) -> str:
    """ "NoSuchEntity" or "another user: …" when GetUser shows that the user is gone; else ""."""
    try:
        seen, _, _ = get_user(session, name)
    except NoSuchUser:
        return "NoSuchEntity"
    return "" if seen == user_id else f"another user: {seen}"


def session_policy(steps: Iterable[Step], holdings: UserHoldings) -> dict[str, Any]:
    """A session policy for these steps and this user alone: its ARN, groups, virtual MFA devices.

    RemoveUserFromGroup acts on the group's ARN and DeleteVirtualMFADevice on the device's (Service
    Authorization Reference); everything else on the user's. AWSDenyAll is the only policy that may
    be attached, or detached short of a deletion, and the only boundary that may be put on or taken
    off; `RESTORE` may put back `holdings.boundary`, the saved one. STS takes 2,048 characters:
    where long paths need more, groups, devices and last the user's path are widened, in that order;
    the name never is.
    """
    prefix, _, path_and_name = holdings.arn.partition(":user/")
    user = holdings.arn
    groups = [f"{prefix}:group/{path}{n}" for n in holdings.groups for path in ("", "*/")]
    devices = [device.serial for device in holdings.mfa if device.kind == "virtual"]
    any_path = f"{prefix}:user/*/{path_and_name.rpartition('/')[2]}"
    policy: dict[str, Any] = {}
    for scope in (
        (user, groups, devices),
        (user, [f"{prefix}:group/*"], devices),
        (user, [f"{prefix}:group/*"], [f"{prefix}:mfa/*"]),
        (any_path, [f"{prefix}:group/*"], [f"{prefix}:mfa/*"]),
    ):
        policy = _narrowed(steps, holdings, *scope)
        if len(json.dumps(policy, separators=(",", ":"))) <= SESSION_POLICY_LIMIT:
            break
    return policy


def _narrowed(
    steps: Iterable[Step],
    holdings: UserHoldings,
    user: str,
    groups: list[str],
    devices: list[str],
) -> dict[str, Any]:
    actions = {action for step in steps for action in step.actions}
    restoring, deleting = _BOUNDARY_OFF in actions, "iam:DeleteUser" in actions
    fence = deny_all(holdings)
    # Each action that can give something has a statement of its own, with a condition that must
    # hold: one shared by several would have to pass where a key is missing.
    conditions: dict[str, dict[str, Any]] = {
        "iam:AttachUserPolicy": {"ArnEquals": {"iam:PolicyARN": fence}},
        "iam:PutUserPermissionsBoundary": {
            "StringEquals": {"iam:PermissionsBoundary": holdings.boundary if restoring else fence}
        },
        # The boundary that the user has at that moment.
        _BOUNDARY_OFF: {"StringEquals": {"iam:PermissionsBoundary": fence}},
    }
    if not deleting:
        conditions["iam:DetachUserPolicy"] = {"ArnEquals": {"iam:PolicyARN": fence}}
    on_user = sorted(actions - _ON_OTHERS - conditions.keys())
    statements: list[dict[str, Any]] = [
        {"Effect": "Allow", "Action": ["iam:Get*", "iam:List*"], "Resource": "*"},
    ]
    if on_user:
        statements.append({"Effect": "Allow", "Action": on_user, "Resource": user})
    for action in sorted(actions & conditions.keys()):
        if restoring and action == "iam:PutUserPermissionsBoundary" and not holdings.boundary:
            continue
        allowed = {"Effect": "Allow", "Action": action, "Resource": user}
        statements.append({**allowed, "Condition": conditions[action]})
    for action, resources in (
        ("iam:RemoveUserFromGroup", groups),
        ("iam:DeleteVirtualMFADevice", devices),
    ):
        if action in actions and resources:
            statements.append({"Effect": "Allow", "Action": action, "Resource": resources})
    return {"Version": "2012-10-17", "Statement": statements}


_ON_OTHERS = frozenset({"iam:RemoveUserFromGroup", "iam:DeleteVirtualMFADevice"})
_BOUNDARY_OFF = "iam:DeleteUserPermissionsBoundary"


def undo_lines(operation: str, params: dict[str, Any], *, boundary: str) -> list[str]:
    """AWS CLI lines that take one fence or shut call back by hand; [] where nothing can.

    `boundary` is the one the user had before. Every value is quoted, and written as --option=value,
    because a user may be called --help.
    """
    name = shlex.quote(params.get("UserName", ""))
    if operation == "AttachUserPolicy":
        return [f"aws iam detach-user-policy --user-name={name} --policy-arn={params['PolicyArn']}"]
    if operation == "PutUserPermissionsBoundary":
        if boundary:
            return [
                f"aws iam put-user-permissions-boundary --user-name={name}"
                f" --permissions-boundary={shlex.quote(boundary)}"
            ]
        return [f"aws iam delete-user-permissions-boundary --user-name={name}"]
    if operation == "DeleteLoginProfile":
        command = password_command(" ".join(params["UserName"].split()))
        return [f"# The old password does not come back: {command}"]
    if operation.startswith("Update"):
        parameter = next(key for key in params if key not in ("UserName", "Status"))
        option, verb = (xform_name(word, "-") for word in (parameter, operation))
        value = shlex.quote(params[parameter])
        return [f"aws iam {verb} --user-name={name} --{option}={value} --status=Active"]
    return []


def password_command(user_name: str) -> str:
    """What an IAM administrator runs to give a restored user a new password; we never do."""
    name = shlex.quote(user_name)
    return (
        f"aws iam create-login-profile --user-name={name}"
        " --password-reset-required --password='<a temporary password>'"
    )


def _quota_reached(refused: AwsFailure) -> bool:
    return refused.code == "LimitExceeded" and "quota" in refused.message.lower()
