"""Acts that a test or the demo lets somebody do now: a user, an outsider, an administrator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .authentication import ADMIN_CREDENTIALS
from .calls import Call
from .errors import no_such_entity
from .group_acts import give_back, recreate
from .rhythm import DAY, Habit
from .state import User

if TYPE_CHECKING:
    from .account import Simulator

_DEFAULTS = {
    "call": ("api", "ec2", "DescribeInstances"),
    "data": ("data", "s3", "GetObject"),
    "sign-in": ("console", "ec2", "DescribeInstances"),
    "failed-sign-in": ("knock", "signin", "ConsoleLogin"),
    "federation": ("federation", "s3", "ListBuckets"),
    "git": ("git", "codecommit", "GitPull"),
    "token": ("token", "bedrock", "ListFoundationModels"),
}
"""What each act is when nothing else is said: habit kind, service, event."""


def act(simulator: Simulator, body: dict[str, Any]) -> dict[str, Any]:
    """Do what `body` says, at the account's present time.

    `{"act": "call", "user": NAME, "service", "event", "region", "ip", "agent", "key"}` and the
    other names of `_DEFAULTS` let a user (or an outsider who knows its name) do something;
    `{"act": "api", "operation": "CreateAccessKey", "params": {…}}` is an administrator's call;
    `{"act": "session", "role": NAME, "session": NAME, …}` a call by a role session;
    `{"act": "assumed", "role": NAME, "event", "who", "session"}` the begin of such a session;
    `{"act": "delete-in-console", "user": NAME}` what the IAM console does behind one click;
    `{"act": "recreate-group", "group": NAME}` what unlinking a group in the identity provider and
    pushing it again does, `{"act": "give-back", "group": NAME}` what an engineer does about it.
    Gives `happened`: False when AWS refused at the door and nothing shows anywhere. KeyError for
    an unknown act, NoSuchEntity for an unknown user.
    """
    kind = str(body["act"])
    if kind == "delete-in-console":
        return {"happened": True, "calls": _delete_in_console(simulator, str(body["user"]))}
    if kind == "api":
        return {"happened": True, "result": _as_administrator(simulator, body)}
    if kind in ("recreate-group", "give-back"):
        deed = recreate if kind == "recreate-group" else give_back
        group = str(body["group"])
        return {
            "happened": True,
            **deed(simulator, group, lambda o: _as_administrator(simulator, o)),
        }
    return {"happened": simulator.act(_habit(simulator, kind, body))}


def _as_administrator(simulator: Simulator, body: dict[str, Any]) -> dict[str, Any]:
    return simulator.perform(
        Call(
            service=str(body.get("service", "iam")),
            operation=str(body["operation"]),
            region=str(body.get("region", "us-east-1")),
            params=dict(body.get("params", {})),
            access_key_id=ADMIN_CREDENTIALS["AWS_ACCESS_KEY_ID"],
            user_agent=str(body.get("agent", "aws-cli/2.31.2")),
            source_ip=str(body.get("ip", "203.0.113.250")),
        )
    )


def _delete_in_console(simulator: Simulator, name: str) -> int:
    """Everything of a user and the user itself, by an administrator; how many calls it took."""
    user = simulator.account.user(name)
    calls: list[tuple[str, dict[str, str]]] = []
    calls += [("DeleteAccessKey", {"AccessKeyId": key}) for key in user.keys]
    calls += [("DeleteLoginProfile", {})] if user.login else []
    calls += [
        ("DeleteServiceSpecificCredential", {"ServiceSpecificCredentialId": each})
        for each in user.service_credentials
    ]
    calls += [("DeleteSSHPublicKey", {"SSHPublicKeyId": key}) for key in user.ssh_keys]
    calls += [("DeleteSigningCertificate", {"CertificateId": each}) for each in user.certificates]
    calls += [("DeactivateMFADevice", {"SerialNumber": serial}) for serial in user.mfa]
    calls += [("RemoveUserFromGroup", {"GroupName": group}) for group in user.groups]
    calls += [("DeleteUserPolicy", {"PolicyName": policy}) for policy in user.inline]
    calls += [("DetachUserPolicy", {"PolicyArn": policy}) for policy in user.attached]
    calls.append(("DeleteUser", {}))
    for operation, params in calls:
        named = {"UserName": user.name, **params}
        _as_administrator(simulator, {"operation": operation, "params": named})
    return len(calls)


def _habit(simulator: Simulator, kind: str, body: dict[str, Any]) -> Habit:
    if kind == "session":
        habit, service, event = "session", "ec2", "DescribeInstances"
        actor, key = str(body["role"]), str(body["session"])
    elif kind == "assumed":
        habit, service, event = "assumed", "sts", "AssumeRole"
        actor, key = str(body["role"]), f"{body.get('session', 'session')} {body['who']}"
    else:
        habit, service, event = _DEFAULTS[kind]
        user = simulator.account.users.get(str(body["user"]).lower())
        if user is None:
            raise no_such_entity(f"The user with name {body['user']} cannot be found.")
        actor, key = user.id, str(body.get("key") or _first_credential(habit, user))
    return Habit(
        kind=habit,
        actor=actor,
        key=key,
        service=str(body.get("service", service)),
        event=str(body.get("event", event)),
        region=str(body.get("region", "us-east-1")),
        every=DAY,
        first=simulator.now(),
        ip=str(body.get("ip", "203.0.113.99")),
        agent=str(body.get("agent", "aws-cli/2.31.2")),
    )


def _first_credential(habit: str, user: User) -> str:
    """The credential such an act is done with: the first active key, or the first there is."""
    if habit == "git":
        return next(iter(user.ssh_keys), "")
    if habit == "token":
        return next(iter(user.service_credentials), "")
    active = [key.id for key in user.keys.values() if key.status == "Active"]
    return next(iter(active or user.keys), "")
