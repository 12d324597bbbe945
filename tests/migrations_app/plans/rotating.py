"""A small AWS for the rotation function: IAM keys and one secret, with faults on demand."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any
from unittest import mock

from migrations_app.plans.rotation_source import SOURCE

STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")
USER_ID = "AIDAEXAMPLE"
NAME = "iam-user/x"


class Fault(Exception):
    """An error of AWS, with its code."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.response = {"Error": {"Code": code}}


@dataclass
class World:
    """Keys by id, versions by token, and every call in its order."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    keys: dict[str, dict[str, Any]] = field(default_factory=dict)
    used: dict[str, datetime] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=lambda: {"v0": "{}"})
    stages: dict[str, list[str]] = field(default_factory=lambda: {"v0": ["AWSCURRENT"]})
    rotated: datetime | None = None
    calls: list[str] = field(default_factory=list)
    fail_at: int | None = None
    lose_answer: bool = False
    unknown_for: int = 0
    whose: str = USER_ID

    def __post_init__(self) -> None:
        self.exceptions = type("exceptions", (), {"ResourceNotFoundException": KeyError})

    def client(self, name: str, **given: str) -> Any:
        if name == "sts":
            return _Sts(self, given["aws_access_key_id"])
        return self

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if self.fail_at == len(self.calls):
            raise Fault("InternalFailure")

    def add_key(self, number: int, status: str = "Active", age: int = 90) -> str:
        made = f"AKIA{number:04}"
        created = self.now - timedelta(days=age)
        self.keys[made] = {"AccessKeyId": made, "Status": status, "CreateDate": created}
        return made

    def begin(self, token: str) -> None:
        """As Secrets Manager does when a rotation begins; a token seen before stays."""
        if token not in self.stages:
            self.stages[token] = ["AWSPENDING"]

    def current(self) -> dict[str, str]:
        token = next(one for one, held in self.stages.items() if "AWSCURRENT" in held)
        told: dict[str, str] = json.loads(self.versions[token])
        return told

    # What IAM does.

    def list_access_keys(self, UserName: str) -> dict[str, Any]:
        self._call("list_access_keys")
        return {"AccessKeyMetadata": [dict(one) for one in self.keys.values()]}

    def create_access_key(self, UserName: str) -> dict[str, Any]:
        self._call("create_access_key")
        if len(self.keys) == 2:
            raise Fault("LimitExceeded")
        made = self.add_key(1000 + len(self.calls), age=0)
        return {"AccessKey": {**self.keys[made], "SecretAccessKey": f"secret-of-{made}"}}

    def delete_access_key(self, UserName: str, AccessKeyId: str) -> None:
        self._call("delete_access_key")
        del self.keys[AccessKeyId]

    def update_access_key(self, UserName: str, AccessKeyId: str, Status: str) -> None:
        self._call("update_access_key")
        self.keys[AccessKeyId]["Status"] = Status

    def get_access_key_last_used(self, AccessKeyId: str) -> dict[str, Any]:
        self._call("get_access_key_last_used")
        used = self.used.get(AccessKeyId)
        return {"AccessKeyLastUsed": {"LastUsedDate": used} if used else {}}

    # What Secrets Manager does.

    def describe_secret(self, SecretId: str) -> dict[str, Any]:
        self._call("describe_secret")
        told: dict[str, Any] = {"Name": NAME, "ARN": f"arn:{NAME}"}
        stages = {one: list(held) for one, held in self.stages.items()}
        told["VersionIdsToStages"] = stages
        return told | ({"LastRotatedDate": self.rotated} if self.rotated else {})

    def get_secret_value(
        self, SecretId: str, VersionStage: str, VersionId: str | None = None
    ) -> dict[str, Any]:
        self._call("get_secret_value")
        for token, held in self.stages.items():
            if VersionStage in held and VersionId in (None, token) and token in self.versions:
                return {"SecretString": self.versions[token]}
        raise KeyError(VersionStage)

    def put_secret_value(
        self, SecretId: str, ClientRequestToken: str, SecretString: str, VersionStages: list[str]
    ) -> None:
        self._call("put_secret_value")
        if self.versions.get(ClientRequestToken, SecretString) != SecretString:
            raise Fault("ResourceExistsException")
        self.versions[ClientRequestToken] = SecretString
        for token, held in self.stages.items():
            if token != ClientRequestToken and "AWSPENDING" in held:
                held.remove("AWSPENDING")
        self.stages.setdefault(ClientRequestToken, list(VersionStages))

    def update_secret_version_stage(
        self,
        SecretId: str,
        VersionStage: str,
        MoveToVersionId: str,
        RemoveFromVersionId: str | None = None,
    ) -> None:
        self._call("update_secret_version_stage")
        if RemoveFromVersionId is not None:
            self.stages[RemoveFromVersionId] = ["AWSPREVIOUS"]
        # The label of what is pending stays where it is, on what is current now.
        self.stages[MoveToVersionId] = sorted({*self.stages[MoveToVersionId], "AWSCURRENT"})
        self.rotated = self.now


@dataclass
class _Sts:
    world: World
    key: str

    def get_caller_identity(self) -> dict[str, str]:
        self.world._call("get_caller_identity")
        if self.world.unknown_for:
            self.world.unknown_for -= 1
            raise Fault("InvalidClientTokenId")
        if self.world.keys.get(self.key, {}).get("Status") != "Active":
            raise Fault("InvalidClientTokenId")
        self.world.used[self.key] = self.world.now
        return {"UserId": self.world.whose}


@contextmanager
def function(world: World) -> Iterator[Any]:
    """The generated source, run as a module against this world."""
    boto3 = ModuleType("boto3")
    boto3.client = world.client  # type: ignore[attr-defined]
    held = {"USER_NAME": "x", "USER_ID": USER_ID, "SECRET_ID": NAME, "PAUSE_SECONDS": "0"}
    module = ModuleType("rotate_access_key")
    with mock.patch.dict(sys.modules, {"boto3": boto3}), mock.patch.dict("os.environ", held):
        exec(compile(SOURCE, "rotate_access_key.py", "exec"), module.__dict__)
        yield module


def rotate(world: World, token: str) -> None:
    """All four steps, as Secrets Manager calls them."""
    world.begin(token)
    with function(world) as module:
        for step in STEPS:
            module.handler({"SecretId": NAME, "ClientRequestToken": token, "Step": step}, None)


def retire(world: World) -> None:
    with function(world) as module:
        module.handler({"Retire": True}, None)
