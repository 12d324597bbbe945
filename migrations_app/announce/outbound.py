"""The door through which messages leave over HTTP: one request, and what became of it.

Each call is checked (`check`), and goes to an address that was checked, not to what its name means
a moment later. How it ends is said in the three words of the outbox, and without the address: what
stands behind the host may be a secret.
"""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.utils import select_proxy
from urllib3.exceptions import HTTPError, NewConnectionError

from inventory import clock
from migrations_app.announce.address import Target, check
from migrations_app.announce.message import TryLater, Undeliverable

__all__ = ["Answer", "as_json", "call", "check", "post_json", "wait_asked"]

# What is read of an answer, in bytes, unless the caller knows better.
MOST = 64 * 1024
LONGEST_WAIT = timedelta(hours=1)
CONNECT_SECONDS = 5.0
# The wait for an answer, where the caller names none.
SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered: any status but those that `call` turns into TryLater or Undeliverable.

    `headers` finds names whatever their case. `body` holds the first `most` bytes.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    host: str = ""

    def json(self) -> Any:
        """The body as JSON; Undeliverable where it is none, since then something else answers."""
        try:
            return json.loads(self.body)
        except ValueError:
            raise Undeliverable(
                f"{self.host} answered with something that is not JSON (status {self.status}). "
                "Check the address: a sign-in page or a proxy may answer in its place."
            ) from None


def post_json(
    url: str,
    body: Any,
    headers: Mapping[str, str] | None = None,
    timeout: float | None = None,
    *,
    direct: bool = False,
) -> Answer:
    """POST `body` as JSON; otherwise like `call`."""
    sent = {"Content-Type": "application/json", **(headers or {})}
    return call("POST", url, as_json(body), sent, timeout, direct=direct)


def as_json(body: Any) -> bytes:
    """The bytes of a JSON body: what is signed, and what is sent."""
    return json.dumps(body).encode()


def call(
    method: str,
    url: str,
    content: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float | None = None,
    *,
    most: int = MOST,
    direct: bool = False,
) -> Answer:
    """One request to `url`, checked, sent once, its redirects not followed.

    Without a proxy the connection goes to one of the addresses that were checked, so a name that
    changes its meaning in between leads nowhere else. With a proxy (HTTPS_PROXY and NO_PROXY, as
    usual; `direct` ignores them) the proxy resolves the name itself: there the check comes first,
    and the proxy's own rules decide. `timeout` is in seconds: for each wait, and for reading the
    whole answer.

    Raises TryLater for 408, 429 and 5xx (`after` from Retry-After, an hour at most), and for
    whatever cuts the connection: `uncertain` unless it never stood. Raises Undeliverable for a
    redirect or a certificate that does not convince.
    """
    target, timeout = check(url), timeout or SECONDS
    request = {
        "method": method,
        "url": url,
        "data": content,
        "headers": {"Accept-Encoding": "identity", "User-Agent": "IAM-Cleanup", **(headers or {})},
        "timeout": (min(CONNECT_SECONDS, timeout), timeout),
        "stream": True,
        "allow_redirects": False,
    }
    with requests.Session() as session:
        usual = session.merge_environment_settings(url, {}, True, None, None)
        # From here on nothing of the environment: requests would add credentials from ~/.netrc.
        session.trust_env = False
        proxies = {} if direct else dict(usual["proxies"])
        request |= {"verify": usual["verify"], "proxies": proxies}
        if select_proxy(url, proxies):
            return _once(session, target, request, most)
        if not target.addresses:
            raise TryLater(f"Only a proxy knows {target.host}, and none is to be used.")
        *others, last = target.addresses
        for address in others:
            try:
                return _once(_pinned(session, target, address), target, request, most)
            except _NeverStood:
                continue
        return _once(_pinned(session, target, last), target, request, most)


def wait_asked(headers: Mapping[str, str]) -> timedelta | None:
    """How long Retry-After (seconds or a date) asks to wait, an hour at most; None without one."""
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return min(timedelta(seconds=int(value[:9])), LONGEST_WAIT)
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    # A date in "-0000" comes without a time zone; HTTP's are in UTC.
    left = date.replace(tzinfo=date.tzinfo or UTC) - clock.real_now()
    return max(timedelta(), min(left, LONGEST_WAIT))


class _NeverStood(TryLater):
    """No connection came about, so another address of the host may be tried."""


class _Pinned(HTTPAdapter):
    """Connects to one address, and speaks to it (SNI and certificate) as to the host."""

    def __init__(self, target: Target, address: str) -> None:
        self.target, self.address = target, address
        super().__init__()

    def build_connection_pool_key_attributes(
        self, request: Any, verify: Any, cert: Any = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        host, tls = super().build_connection_pool_key_attributes(request, verify, cert)
        host["host"] = self.address
        if self.target.scheme == "https":
            tls["server_hostname"] = self.target.host
        return host, tls


def _pinned(session: requests.Session, target: Target, address: str) -> requests.Session:
    session.mount(f"{target.scheme}://", _Pinned(target, address))
    # Without it the address would be sent as the host.
    session.headers["Host"] = urlsplit(target.url).netloc
    return session


def _once(
    session: requests.Session, target: Target, request: Mapping[str, Any], most: int
) -> Answer:
    """Send it once; the answer, or what became of it as one of the two errors."""
    seconds = request["timeout"][1]
    try:
        with session.request(**request) as response:
            body = b"".join(_pieces(response, most, seconds))
    except (requests.RequestException, HTTPError, OSError) as error:
        # `from None`: these errors carry the address, and a traceback would show it.
        raise _what_became_of_it(error, target.host) from None
    answer = Answer(response.status_code, response.headers, body, target.host)
    _refuse_status(answer)
    return answer


def _pieces(response: requests.Response, most: int, seconds: float) -> Iterator[bytes]:
    """The body piece by piece: a server that drips it holds nobody longer than `seconds`."""
    until, left = time.monotonic() + seconds, most
    while left and (piece := response.raw.read1(left, decode_content=True)):
        left -= len(piece)
        yield piece
        if time.monotonic() > until:
            raise requests.exceptions.ReadTimeout


def _refuse_status(answer: Answer) -> None:
    host, status = answer.host, answer.status
    if status == 429:
        raise TryLater(f"{host} is busy (status 429).", after=wait_asked(answer.headers))
    if status == 408 or status >= 500:
        raise TryLater(
            f"{host} failed (status {status}).", after=wait_asked(answer.headers), uncertain=True
        )
    if 300 <= status < 400:
        raise Undeliverable(
            f"{host} answers with a redirect (status {status}), and none is followed. "
            "Set the address it leads to, or look whether a sign-in stands in front of it."
        )


def _what_became_of_it(error: Exception, host: str) -> TryLater | Undeliverable:
    causes = list(_causes(error))

    def is_any(*kinds: type[BaseException]) -> bool:
        return any(isinstance(cause, kinds) for cause in causes)

    if is_any(ssl.SSLCertVerificationError):
        return Undeliverable(
            f"The certificate of {host} is not valid for it or comes from nobody known. "
            "For a certificate authority of your own, name its file in REQUESTS_CA_BUNDLE."
        )
    if is_any(requests.exceptions.ProxyError):
        return TryLater(f"The proxy did not reach {host}.")
    if is_any(requests.exceptions.ConnectTimeout, NewConnectionError):
        return _NeverStood(f"{host} cannot be reached.")
    if is_any(requests.exceptions.Timeout, TimeoutError):
        return TryLater(f"{host} did not answer in time.", uncertain=True)
    return TryLater(f"The connection to {host} broke off.", uncertain=True)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and all it wraps: requests and urllib3 keep the reason in different places."""
    yield error
    for cause in (*error.args, getattr(error, "reason", None)):
        if isinstance(cause, BaseException):
            yield from _causes(cause)
