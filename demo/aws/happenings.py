"""What one occurrence of a habit does to the account: last-used dates, sign-ins, trail events.

The same code serves the rhythm, the account's past and a foreign hand's acts, so that what a test
provokes looks exactly like what the account does by itself.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from .authentication import role_session
from .calls import Caller
from .evaluation import explicitly_denied
from .events import Event, assuming, identity_of, shown_username
from .ids import drawn_id
from .rhythm import Habit
from .state import AccessKey, Account, Use, User
from .work import at_work

if TYPE_CHECKING:
    from .account import Simulator

KEY_GRANULARITY = timedelta(minutes=15)
PASSWORD_GRANULARITY = timedelta(minutes=5)
_NO_REGION = {"s3", "iam", "cloudfront", "sts"}
_UNAUTHORIZED = {"ec2": "Client.UnauthorizedOperation"}
_PLAIN = {"iam", "sts", "s3", "sqs", "ses", "cloudformation", "monitoring", "rds"}
_NEVER_DENIED = {"GetCallerIdentity", "GetSessionToken"}


def use_key(user: User, key: AccessKey, at: datetime, service: str, region: str) -> None:
    """Move a key's last-used date: the first use in each 15 minutes (AWS_FACTS.md 1.12)."""
    shown_region = "N/A" if service in _NO_REGION and service != "sts" else region
    if key.last_used is None or at - key.last_used.at >= KEY_GRANULARITY:
        key.last_used = Use(at.replace(second=0), service, shown_region)
    used = user.services.get(service)
    if used is None or at > used.at:
        user.services[service] = Use(at, service, region)


def use_password(user: User, at: datetime) -> None:
    """Move a user's PasswordLastUsed, in steps of five minutes."""
    last = user.password_last_used
    if last is None or at - last >= PASSWORD_GRANULARITY:
        user.password_last_used = at.replace(second=0)


def denial(service: str, action: str, arn: str, words: str) -> tuple[str, str]:
    """Error code and message of a denied call, in the spelling of that service (2.12)."""
    code = _UNAUTHORIZED.get(service) or (
        "AccessDenied" if service in _PLAIN else "AccessDeniedException"
    )
    return code, f"User: {arn} is not authorized to perform: {action} on resource: * {words}"


class Happenings:
    """Lets things happen in one account of a simulator."""

    def __init__(self, simulator: Simulator, account: Account) -> None:
        self._simulator = simulator
        self._account = account
        self._kinds = {
            "api": self._api,
            "data": self._data,
            "console": self._console,
            "knock": self._knock,
            "federation": self._federation,
            "git": self._git,
            "token": self._token,
            "made": self._made,
        }

    def happen(self, at: datetime, habit: Habit) -> bool:
        """Let it happen at `at`; False when AWS refused it at the door and nothing shows."""
        if habit.kind == "session":
            return self._session(at, habit)
        if habit.kind == "ghost":
            return self._ghost(at, habit)
        if habit.kind == "assumed":
            return self._assumed(at, habit)
        user = self._account.by_user_id.get(habit.actor)
        if user is None:
            return False
        return self._kinds[habit.kind](at, at_work(habit, at, self._account, user), user)

    def _active_key(self, habit: Habit, user: User) -> AccessKey | None:
        key = user.keys.get(habit.key)
        return key if key is not None and key.status == "Active" else None

    def _api(self, at: datetime, habit: Habit, user: User) -> bool:
        key = self._active_key(habit, user)
        if key is None:
            return False
        use_key(user, key, at, habit.service, habit.region)
        self._record(at, habit, Caller(self._account, user.arn, user.id, key.id, user=user))
        return True

    def _data(self, at: datetime, habit: Habit, user: User) -> bool:
        key = self._active_key(habit, user)
        if key is not None:
            use_key(user, key, at, habit.service, habit.region)
        return key is not None

    def _console(self, at: datetime, habit: Habit, user: User) -> bool:
        if user.login is None:
            return False
        use_password(user, at)
        signed_in = Caller(self._account, user.arn, user.id, "", user=user)
        self._add(
            at, habit, signed_in, "signin.amazonaws.com", "ConsoleLogin",
            answer={"ConsoleLogin": "Success"}, kind="AwsConsoleSignIn",
        )  # fmt: skip
        temporary = drawn_id("ASIA", 16, user.id, at.isoformat())
        inside = Caller(self._account, user.arn, user.id, temporary, user=user)
        self._record(at, habit, inside)
        return True

    def _knock(self, at: datetime, habit: Habit, user: User) -> bool:
        if user.login is None:
            return False
        outside = Caller(self._account, user.arn, user.id, "", user=user)
        self._add(
            at, habit, outside, "signin.amazonaws.com", "ConsoleLogin",
            error=("", "Failed authentication"), answer={"ConsoleLogin": "Failure"},
            kind="AwsConsoleSignIn",
        )  # fmt: skip
        return True

    def _federation(self, at: datetime, habit: Habit, user: User) -> bool:
        key = self._active_key(habit, user)
        if key is None:
            return False
        use_key(user, key, at, "sts", "us-east-1")
        caller = Caller(self._account, user.arn, user.id, key.id, user=user)
        words = explicitly_denied(self._account, user, "sts:GetFederationToken")
        action = "sts:GetFederationToken"
        error = denial("sts", action, user.arn, words) if words else None
        temporary = drawn_id("ASIA", 16, user.id, at.isoformat())
        arn = f"arn:aws:sts::{self._account.id}:federated-user/portal-visitor"
        principal = f"{self._account.id}:portal-visitor"
        answer = {
            "credentials": {"accessKeyId": temporary, "sessionToken": "simulated"},
            "federatedUser": {"federatedUserId": principal, "arn": arn},
            "packedPolicySize": 2,
        }
        self._add(
            at, habit, caller, "sts.amazonaws.com", "GetFederationToken", error=error,
            params={"name": "portal-visitor", "durationSeconds": 43200},
            answer=answer if error is None else None,
        )  # fmt: skip
        if error is None:
            visitor = Caller(self._account, arn, principal, temporary, user=user)
            visitor.session_name, visitor.federated = "portal-visitor", True
            self._record(at, habit, visitor)
        return True

    def _git(self, at: datetime, habit: Habit, user: User) -> bool:
        held = user.ssh_keys.get(habit.key)
        if held is None or held.status != "Active":
            return False
        self._record(at, habit, Caller(self._account, user.arn, user.id, "", user=user))
        user.services["codecommit"] = Use(at, "codecommit", habit.region)
        return True

    def _token(self, at: datetime, habit: Habit, user: User) -> bool:
        held = user.service_credentials.get(habit.key)
        if held is None or held.status != "Active":
            return False
        if held.expires_at is not None and held.expires_at <= at:
            return False
        self._record(at, habit, Caller(self._account, user.arn, user.id, "", user=user))
        user.services[habit.service] = Use(at, habit.service, habit.region)
        return True

    def _made(self, at: datetime, habit: Habit, user: User) -> bool:
        """The user, its password or a key of it was made by a role session."""
        name, _, session = habit.key.partition("/")
        role = self._account.roles[name.lower()]
        caller = role_session(self._account, role.name, session, drawn_id("ASIA", 16, session, at))
        # As CloudTrail writes times inside of answers.
        created = f"{at:%b} {at.day}, {at:%Y, %I:%M:%S %p}"
        key_id = next((key.id for key in user.keys.values() if key.created_at == at), "")
        answers: dict[str, dict[str, Any]] = {
            "CreateUser": {
                "user": {
                    "path": user.path, "userName": user.name, "userId": user.id, "arn": user.arn,
                    "createDate": created,
                }
            },
            "CreateLoginProfile": {"loginProfile": {"userName": user.name, "createDate": created}},
            "CreateAccessKey": {
                "accessKey": {
                    "userName": user.name, "status": "Active", "createDate": created,
                    "accessKeyId": key_id,
                }
            },
        }  # fmt: skip
        self._add(
            at, habit, caller, "iam.amazonaws.com", habit.event, params={"userName": user.name},
            answer=answers[habit.event], resources=(("AWS::IAM::User", user.name),),
        )  # fmt: skip
        return True

    def _ghost(self, at: datetime, habit: Habit) -> bool:
        """A call by a user that is gone by now: its events keep the name and the old id."""
        arn = self._account.arn(f"user/{habit.key}")
        gone = User(habit.key, habit.actor, "/", arn, habit.first)
        key_id = drawn_id("AKIA", 16, habit.actor, "key")
        self._record(at, habit, Caller(self._account, arn, gone.id, key_id, user=gone))
        return True

    def _session(self, at: datetime, habit: Habit) -> bool:
        role = self._account.roles.get(habit.actor.lower())
        if role is None:
            return False
        arn = f"arn:aws:sts::{self._account.id}:assumed-role/{role.name}/{habit.key}"
        temporary = drawn_id("ASIA", 16, role.id, habit.key, at.date().isoformat())
        caller = Caller(self._account, arn, f"{role.id}:{habit.key}", temporary, role=role)
        caller.session_name = habit.key
        role.last_used = Use(at, habit.service, habit.region)
        if habit.event == "ConsoleLogin":
            self._add(
                at, habit, caller, "signin.amazonaws.com", "ConsoleLogin",
                answer={"ConsoleLogin": "Success"}, kind="AwsConsoleSignIn",
            )  # fmt: skip
        else:
            self._record(at, habit, caller)
        return True

    def _assumed(self, at: datetime, habit: Habit) -> bool:
        """A role is assumed: by a service, a principal, a web identity or through SAML."""
        role = self._account.roles.get(habit.actor.lower())
        if role is None:
            return False
        session, _, who = habit.key.partition(" ")
        role.last_used = Use(at, "sts", habit.region)
        temporary = drawn_id("ASIA", 16, role.id, session, at.isoformat())
        trail = self._simulator.trail(self._account.id)
        trail.add(
            Event(
                seq=trail.next_seq(),
                at=at,
                region=habit.region,
                source="sts.amazonaws.com",
                name=habit.event,
                username=session,
                access_key_id="",
                identity=assuming(habit.event, who),
                ip=habit.ip,
                agent=habit.agent,
                read_only=True,
                error=None,
                params={"roleArn": role.arn, "roleSessionName": session},
                answer={"credentials": {"accessKeyId": temporary}},
                resources=(("AWS::IAM::AccessKey", temporary), ("AWS::IAM::Role", role.arn)),
                account_id=self._account.id,
            )
        )
        return True

    def _record(self, at: datetime, habit: Habit, caller: Caller) -> None:
        action = f"{habit.service}:{habit.event}"
        words = ""
        if caller.user is not None and habit.event not in _NEVER_DENIED:
            words = explicitly_denied(self._account, caller.user, action)
        error = denial(habit.service, action, caller.arn, words) if words else None
        source = f"{habit.service}.amazonaws.com"
        params = dict(habit.about) or None
        self._add(at, habit, caller, source, habit.event, error=error, params=params)

    def _add(
        self,
        at: datetime,
        habit: Habit,
        caller: Caller,
        source: str,
        name: str,
        *,
        error: tuple[str, str] | None = None,
        params: dict[str, Any] | None = None,
        answer: dict[str, Any] | None = None,
        resources: tuple[tuple[str, str], ...] = (),
        kind: str = "AwsApiCall",
    ) -> None:
        trail = self._simulator.trail(self._account.id)
        everywhere = habit.service in ("iam", "cloudfront") or source.startswith("sts.")
        trail.add(
            Event(
                seq=trail.next_seq(),
                at=at,
                region="us-east-1" if everywhere and kind == "AwsApiCall" else habit.region,
                source=source,
                name=name,
                username=shown_username(caller),
                access_key_id=caller.access_key_id,
                identity=identity_of(caller),
                ip=habit.ip,
                agent=habit.agent,
                read_only=habit.read_only and name != "ConsoleLogin",
                error=error,
                params=params,
                answer=answer,
                resources=resources,
                account_id=self._account.id,
                kind=kind,
            )
        )
