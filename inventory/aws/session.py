"""Sessions in an AWS account: whose credentials, how long, which clients.

Base credentials are the ambient ones (environment, instance profile). Per account a role is assumed
with its external id, and the account that answers must be the declared one. Without a reader role
the ambient credentials read; nothing is ever written with them.
"""

from __future__ import annotations

import functools
import json
import logging
import os
import re
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Literal, cast, overload

import botocore.session
from botocore.config import Config
from botocore.credentials import ReadOnlyCredentials, RefreshableCredentials
from botocore.exceptions import BotoCoreError, ClientError
from botocore.loaders import create_loader
from botocore.model import OperationModel

from inventory import clock
from inventory.aws import narrowed
from inventory.aws.failure import AwsFailure, NoSuchUser, failure
from inventory.models import Account

if TYPE_CHECKING:
    from types_boto3_cloudtrail import CloudTrailClient
    from types_boto3_ec2 import EC2Client
    from types_boto3_iam import IAMClient
    from types_boto3_sts import STSClient
    from types_boto3_sts.type_defs import AssumeRoleRequestTypeDef, AssumeRoleResponseTypeDef

__all__ = [
    "AwsFailure",
    "AwsSession",
    "Identity",
    "NoSuchUser",
    "Role",
    "failure",
    "forget_sessions",
    "open_session",
    "own_identity",
    "region_for",
    "shared_reader",
]

log = logging.getLogger(__name__)

USER_AGENT = "iam-cleanup/0.1.0"
Role = Literal["reader", "actor", "deleter"]
# Chained roles last an hour at most, so everybody asks for that.
_LIFETIME = timedelta(hours=1)
_POLICY_LIMIT = 2048
# Parsing them takes seconds, EC2's alone one; they never change while a process lives.
_MODELS = create_loader()
# A client may be used by many threads; making one may not.
_making = threading.RLock()
_readers: dict[tuple[str, str, str], AwsSession] = {}
_HOME_REGIONS = {"aws": "us-east-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}


@dataclass(frozen=True, slots=True)
class Identity:
    """What GetCallerIdentity says. For an IAM user, `user_id` is its AIDA id."""

    arn: str
    user_id: str
    account_id: str


class AwsSession:
    """Credentials in one account, with cached clients; safe to share between threads."""

    def __init__(
        self,
        account_id: str,
        role: Role,
        session: botocore.session.Session | None,
        home: str,
        keys: ReadOnlyCredentials | None = None,
    ) -> None:
        """With `keys`, and no botocore session, it shares its clients with others (`narrowed`)."""
        self.account_id = account_id
        self.role = role
        self.home_region = home
        self.partition = partition_of(home)
        self._session = session
        self._keys = keys
        self._clients: dict[tuple[str, str], Any] = {}
        self._counts: Counter[str] = Counter()
        self._paces: dict[str, Callable[..., None]] = {}
        # How far AWS's clock was ahead of ours when it last answered; None before the first answer.
        self.ahead: timedelta | None = None

    @overload
    def client(self, service: Literal["iam"], region: str | None = None) -> IAMClient: ...
    @overload
    def client(
        self, service: Literal["cloudtrail"], region: str | None = None
    ) -> CloudTrailClient: ...
    @overload
    def client(self, service: Literal["ec2"], region: str | None = None) -> EC2Client: ...
    @overload
    def client(self, service: Literal["sts"], region: str | None = None) -> STSClient: ...
    @overload
    def client(self, service: str, region: str | None = None) -> Any: ...

    def client(self, service: str, region: str | None = None) -> Any:
        """The client of `service` in `region`; the partition's home Region if none is given."""
        key = (service, region or self.home_region)
        with _making:
            if key not in self._clients:
                self._clients[key] = self._shared(*key) if self._keys else self._own(*key)
            return self._clients[key]

    def _own(self, service: str, region: str) -> Any:
        assert self._session  # noqa: S101 (one without has keys, for the type)
        config = _config(self.role, service)
        made: Any = self._session.create_client(
            service,
            region_name=region,
            config=config,
        )
        made.meta.events.register("before-call", self._count)
        made.meta.events.register("after-call", self._compare_clocks)
        if service in self._paces:
            made.meta.events.register("before-call", self._paces[service])
        return made

    def _shared(self, service: str, region: str) -> narrowed.NarrowedClient:
        assert self._keys  # noqa: S101 (asked by the caller, for the type)
        pace = self._paces.get(service)

        def before(**told: Any) -> None:
            self._count(**told)
            if pace:
                pace(**told)

        caller = narrowed.Caller(self._keys, before, self._compare_clocks)
        # Whoever writes may share: to make a client takes half a second, and they do not differ.
        role: Role = "reader" if self.role == "reader" else "actor"
        return narrowed.NarrowedClient(_shared_client(role, service, region), caller)

    def pace(self, service: str, wait: Callable[[], object]) -> None:
        """Call `wait` before each call of `service`; before its first client is asked for."""

        def before(**_: Any) -> None:
            wait()

        self._paces[service] = before

    def take_counts(self) -> Counter[str]:
        """Calls by operation since this was last asked; re-sends by the SDK count as one."""
        taken, self._counts = self._counts, Counter()
        return taken

    def _count(self, **told: Any) -> None:
        model: OperationModel = told["model"]
        self._counts[model.name] += 1

    def _compare_clocks(self, **told: Any) -> None:
        stamp = told["http_response"].headers.get("Date")
        if stamp:
            self.ahead = parsedate_to_datetime(stamp) - clock.now()

    def identity(self) -> Identity:
        """Who AWS says this session is. Raises AwsFailure."""
        return _identity(self.client("sts"))


def open_session(
    account: Account,
    role: Role,
    *,
    source_identity: str = "",
    session_policy: dict[str, Any] | None = None,
) -> AwsSession:
    """A session in `account` as its declared `role`.

    `source_identity` is the person behind the writes (any text; what STS does not take is replaced)
    and `session_policy` narrows the role further, at most 2,048 characters of JSON. Raises
    AwsFailure: "NoRole" (none declared for a writer), "NoExternalId" (its environment variable is
    not set), "PolicyTooLong", "WrongAccount", or AWS's own.
    """
    declared: dict[Role, str] = {
        "reader": account.reader_role,
        "actor": account.actor_role,
        "deleter": account.deleter_role,
    }
    arn = declared[role]
    if not arn and role != "reader":
        message = f"No {role} role is declared for account {account.account_id}."
        raise AwsFailure("NoRole", message, operation="AssumeRole")
    home = region_for(arn.split(":")[1] if arn.startswith("arn:") else "aws")
    if not arn:
        opened = AwsSession(account.account_id, role, _core(), home)
        _check_account(opened.identity().account_id, account)
        return opened
    request = _assume_request(account, role, arn, source_identity, session_policy)
    given = _assume(request, home)
    # Who answers for the role is in its answer: one call less than to ask GetCallerIdentity.
    _check_account(given["AssumedRoleUser"]["Arn"].split(":")[4], account)
    if session_policy is not None:
        # One user's change, over long before the credentials are.
        keys = narrowed.keys_of(given["Credentials"])
        return AwsSession(account.account_id, role, None, home, keys)
    return AwsSession(account.account_id, role, _renewing(request, given, home), home)


def shared_reader(account: Account) -> AwsSession:
    """The reader session of this process in that account, opened once and renewed by itself.

    For many short looks, from several threads. Raises AwsFailure as `open_session`.
    """
    key = (account.account_id, account.reader_role, account.external_id)
    with _making:
        kept = _readers.get(key)
    if kept is None:
        kept = open_session(account, "reader")
        with _making:
            _readers[key] = kept
    return kept


def forget_sessions() -> None:
    """Open every session anew from here on: the credentials they rest on do not hold any more."""
    with _making:
        _readers.clear()
        _base_sts.cache_clear()
        _shared_client.cache_clear()


def own_identity() -> Identity:
    """Whose the base credentials are, before any AssumeRole. Raises AwsFailure."""
    return _identity(_base_sts(os.environ.get("AWS_REGION") or region_for("aws")))


def region_for(partition: str) -> str:
    """The Region in which the partition's IAM endpoint and its home endpoints are reached."""
    return _HOME_REGIONS.get(partition, "us-east-1")


def partition_of(home: str) -> str:
    """The partition whose home Region this is."""
    return next((name for name, region in _HOME_REGIONS.items() if region == home), "aws")


def _core() -> botocore.session.Session:
    """A session of its own that shares the parsed API models with all others of this process."""
    core = botocore.session.Session()
    core.register_component("data_loader", _MODELS)
    return core


@functools.cache
def _shared_client(role: Role, service: str, region: str) -> Any:
    """One client of its kind for all narrowed sessions of this process."""
    core = _core()
    core.register_component("credential_provider", narrowed.Provider())
    made: Any = core.create_client(
        service,
        region_name=region,
        config=_config(role, service),
    )
    narrowed.listen(made)
    return made


def _config(role: str, service: str) -> Config:
    # A write is never sent again by the SDK: each re-send is journalled by whoever writes. A
    # LookupEvents is never either: each send must pass the limiter that all workers share.
    once = role != "reader" or service == "cloudtrail"
    return Config(
        connect_timeout=3,
        read_timeout=10,
        retries={"mode": "standard", "total_max_attempts": 1 if once else 6},
        # A worker takes a whole batch at a time; whoever finds no connection kept makes a new one.
        max_pool_connections=32,
        user_agent_extra=USER_AGENT,
    )


@functools.cache
def _base_sts(region: str) -> STSClient:
    config = _config("reader", "sts")
    with _making:
        return cast("STSClient", _core().create_client("sts", region_name=region, config=config))


def _identity(sts: STSClient) -> Identity:
    try:
        told = sts.get_caller_identity()
    except (ClientError, BotoCoreError) as error:
        raise failure(error, "GetCallerIdentity") from error
    return Identity(told["Arn"], told["UserId"], told["Account"])


def _check_account(seen: str, account: Account) -> None:
    """An id in a file is a claim; these credentials must really be in that account."""
    if seen != account.account_id:
        message = f"These credentials belong to account {seen}, not to {account.account_id}."
        raise AwsFailure("WrongAccount", message, operation="GetCallerIdentity")


def _assume_request(
    account: Account,
    role: Role,
    arn: str,
    source_identity: str,
    policy: dict[str, Any] | None,
) -> AssumeRoleRequestTypeDef:
    # The session name is constant: a service-last-accessed job can be read only by the very role
    # session that started it.
    request: AssumeRoleRequestTypeDef = {
        "RoleArn": arn,
        "RoleSessionName": f"iam-cleanup-{role}",
        "DurationSeconds": int(_LIFETIME.total_seconds()),
    }
    if account.external_id:
        request["ExternalId"] = _external_id(account)
    if source_identity:
        request["SourceIdentity"] = _as_source_identity(source_identity)
    if policy is not None:
        text = json.dumps(policy, separators=(",", ":"))
        if len(text) > _POLICY_LIMIT:
            message = f"The session policy has {len(text)} characters; STS takes {_POLICY_LIMIT}."
            raise AwsFailure("PolicyTooLong", message, operation="AssumeRole")
        request["Policy"] = text
    return request


def _external_id(account: Account) -> str:
    if not account.external_id.startswith("env:"):
        return account.external_id
    name = account.external_id.removeprefix("env:")
    value = os.environ.get(name, "")
    if not value:
        message = (
            f"The external id of account {account.account_id} is read from the environment variable"
            f" {name}, and that is not set here."
        )
        raise AwsFailure("NoExternalId", message, operation="AssumeRole")
    return value


def _as_source_identity(person: str) -> str:
    allowed = re.sub(r"[^\w+=,.@-]", "-", person, flags=re.ASCII)[:64]
    return allowed if len(allowed) >= 2 else f"{allowed}--"


def _renewing(
    request: AssumeRoleRequestTypeDef, given: AssumeRoleResponseTypeDef, home: str
) -> botocore.session.Session:
    """A session whose credentials, `given` first, renew themselves by assuming the role again."""

    def renew() -> dict[str, str]:
        # The end is counted on our own clock: it moves with the simulated account, and a machine
        # whose clock is wrong still renews in time.
        ends_at = clock.now() + _LIFETIME
        told = _assume(request, home)["Credentials"]
        return {
            "access_key": told["AccessKeyId"],
            "secret_key": told["SecretAccessKey"],
            "token": told["SessionToken"],
            "expiry_time": ends_at.isoformat(),
        }

    first = given["Credentials"]
    credentials = RefreshableCredentials(
        first["AccessKeyId"],
        first["SecretAccessKey"],
        first["SessionToken"],
        clock.now() + _LIFETIME,
        refresh_using=renew,
        method="assume-role",
        time_fetcher=clock.now,
    )
    core = _core()
    core.register_component("credential_provider", _Given(credentials))
    return core


def _assume(request: AssumeRoleRequestTypeDef, home: str) -> AssumeRoleResponseTypeDef:
    sts = _base_sts(home)
    try:
        try:
            return sts.assume_role(**request)
        except ClientError as error:
            if "SourceIdentity" not in request or "SetSourceIdentity" not in str(error):
                raise
            log.warning("Role %s does not allow a source identity.", request["RoleArn"])
            # From here on also for renewals: the trust policy does not take it.
            del request["SourceIdentity"]
            return sts.assume_role(**request)
    except (ClientError, BotoCoreError) as error:
        raise failure(error, "AssumeRole") from error


class _Given:
    """Hands botocore credentials that are known already, in place of its chain of providers."""

    def __init__(self, credentials: RefreshableCredentials) -> None:
        self._credentials = credentials

    def load_credentials(self) -> RefreshableCredentials:
        return self._credentials
