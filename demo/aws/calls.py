"""One API call on its way through the simulated account, and the table of what can be called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from .errors import invalid
from .state import Account, Role, User

if TYPE_CHECKING:
    from .account import Simulator

Params = dict[str, Any]


@dataclass
class Call:
    """A request as it came over the wire: already parsed, not yet authenticated."""

    service: str
    operation: str
    region: str
    params: Params
    access_key_id: str = ""
    session_token: str = ""
    user_agent: str = ""
    source_ip: str = "127.0.0.1"
    request_id: str = ""


@dataclass
class Caller:
    """Who signed a call: an IAM user, a session of one, or a role session."""

    account: Account
    arn: str
    principal_id: str
    access_key_id: str
    user: User | None = None
    role: Role | None = None
    session_name: str = ""
    session_policy: dict[str, Any] | None = None
    source_identity: str = ""
    federated: bool = False
    issued_at: datetime | None = None


@dataclass
class Context:
    """What an operation may look at: the account, who asks, when, and where new ids come from."""

    simulator: Simulator
    account: Account
    caller: Caller
    call: Call
    now: datetime
    page_limit: int = 1000
    shaped_by: frozenset[str] = frozenset()

    @property
    def params(self) -> Params:
        return self.call.params

    def new_id(self, prefix: str, length: int = 17) -> str:
        """A new id of AWS's alphabet, e.g. `AIDA` and 17 characters; kept for the next start."""
        return self.simulator.ids.new(prefix, length)

    def user(self) -> User:
        """The user named by `UserName`, or the calling one when none is named.

        NoSuchEntity; ValidationError when a role session names none.
        """
        name = self.params.get("UserName")
        if name is not None:
            return self.account.user(str(name))
        if self.caller.user is None:
            raise invalid("Must specify userName when calling with non-User credentials")
        return self.caller.user


Handler = Callable[[Context], dict[str, Any] | None]


@dataclass(frozen=True)
class Operation:
    handler: Handler
    writes: bool = False


OPERATIONS: dict[tuple[str, str], Operation] = {}


def operation(service: str, name: str, *, writes: bool = False) -> Callable[[Handler], Handler]:
    """Enter a function in the table of operations. `writes`: it is logged and replayed."""

    def enter(handler: Handler) -> Handler:
        OPERATIONS[service, name] = Operation(handler, writes)
        return handler

    return enter
