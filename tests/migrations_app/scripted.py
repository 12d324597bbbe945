"""IAM as a script of answers, and time as a number: every outcome of a send can be written down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, cast

from botocore.exceptions import ClientError, ConnectTimeoutError

from inventory.aws.limiter import Limiter
from inventory.aws.session import AwsSession
from migrations_app.aws import Answer, PlannedCall, Writer
from tests.migrations_app.test_aws_plan import ADA

NAME, USER_ID = "ada", "AIDAADA"


class Still:
    """Time that passes only for whoever sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 3))
        self.now += seconds


def refused(code: str, status: int = 400, message: str = "No.") -> ClientError:
    told: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status, "RequestId": "r-no"},
    }
    return ClientError(told, "Any")


LOST = ConnectTimeoutError(endpoint_url="https://iam.amazonaws.com")
OK = {"ResponseMetadata": {"RequestId": "r-1", "HTTPStatusCode": 200}}
GONE = refused("NoSuchEntity", 404)


@dataclass
class Scripted:
    """IAM that answers as it was told, the last answer for ever; and the journal of it all."""

    answers: dict[str, list[Any]]
    said: list[str] = field(default_factory=list)
    told: list[Answer] = field(default_factory=list)
    sent: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    closed: bool = False

    def client(self, service: str) -> Scripted:
        assert service == "iam"
        return self

    def __getattr__(self, method: str) -> Callable[..., Any]:
        def called(**params: Any) -> Any:
            self.said.append(method)
            self.sent.append((method, params))
            script = self.answers.get(method, [OK])
            answer = script.pop(0) if len(script) > 1 else script[0]
            if isinstance(answer, Exception):
                raise answer
            return answer

        return called

    def wait(self, *, first: bool) -> None:
        self.said.append("first" if first else "wait")

    def before(self, call: PlannedCall, attempt: int) -> int:
        if self.closed:
            raise RuntimeError("The emergency stop is pulled.")
        self.said.append(f"before {attempt}")
        return 70 + attempt

    def after(self, line: int, answer: Answer) -> None:
        self.said.append(f"after {line} {answer.outcome}")
        self.told.append(answer)

    def looked(self, operation: str, target: str, outcome: str) -> None:
        self.said.append(f"looked {operation} {target}: {outcome}")


def user(user_id: str = USER_ID) -> dict[str, Any]:
    return {"User": {"UserId": user_id, "Arn": ADA.arn, "UserName": NAME}}


def writing(
    first: bool = False, answers: dict[str, Any] | None = None, **more: Any
) -> tuple[Writer, Scripted]:
    """A writer for ada, and the script of what AWS answers to each method."""
    script = {"get_user": [user()], **(answers or {}), **more}
    scripted = Scripted(
        {name: list(told) if isinstance(told, list) else [told] for name, told in script.items()}
    )
    writer = Writer(cast(AwsSession, scripted), scripted, NAME, USER_ID, cast(Limiter, scripted))
    return replace(writer, first=True) if first else writer, scripted
