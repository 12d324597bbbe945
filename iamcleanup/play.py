"""Rule 20: play cannot reach production.

Demo mode signs people in with one click and moves the clock. So it starts only where it cannot
hurt: with a simulated AWS on this machine, a database the demo itself made, and a web address
only this machine can reach. Every process asks here on its way up, and says why it refuses.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

import psycopg
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse, HttpResponseForbidden

# Written by the demo as the comment of the database it creates. A comment belongs to the cluster,
# not to the data: restoring a dump of production into that database does not carry one along.
DEMO_MARKER = "made by iamcleanup demo"

WEB_CREDENTIALS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)


class RefusesToStart(ImproperlyConfigured):
    """This process would be unsafe; the message says why and what to do."""


def is_loopback(host: str) -> bool:
    """Whether `host` (a name or an address, no port) can only be this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def endpoint_refusals(environ: Mapping[str, str]) -> list[str]:
    """Why boto3, reading this environment, could reach something else than the simulator."""
    endpoint = environ.get("AWS_ENDPOINT_URL", "")
    found = []
    if not is_loopback(urlsplit(endpoint).hostname or ""):
        shown = f"is {endpoint}" if endpoint else "is not set"
        found.append(
            f"AWS_ENDPOINT_URL {shown}, but demo mode works only against a simulated account on "
            "this machine. Start it with `make demo`, or unset IAMCLEANUP_DEMO."
        )
    for name, value in sorted(environ.items()):
        # boto3 prefers AWS_ENDPOINT_URL_IAM to AWS_ENDPOINT_URL.
        service = name.startswith("AWS_ENDPOINT_URL_")
        if service and not is_loopback(urlsplit(value).hostname or ""):
            found.append(f"{name} is {value}, which is not on this machine. Unset it.")
    if environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true":
        found.append("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS leads past the simulator. Unset it.")
    return found


def bind_refusals(bind: str) -> list[str]:
    """Why a demo must not listen on `bind` (`host:port`, `[::1]:port` or `unix:/path`)."""
    if bind.startswith("unix:") or is_loopback(bind.rpartition(":")[0]):
        return []
    return [
        f"The demo would listen on {bind}, where others could sign in with one click. "
        "Listen on 127.0.0.1, and use a tunnel to reach it from elsewhere."
    ]


def database_refusals(database_url: str) -> list[str]:
    """Why the demo must not use this database: it did not make it, or it cannot be asked."""
    question = "SELECT shobj_description(oid, 'pg_database') FROM pg_database"
    question += " WHERE datname = current_database()"
    with psycopg.connect(database_url, connect_timeout=5) as connection:
        row = connection.execute(question).fetchone()
    if row == (DEMO_MARKER,):
        return []
    return [
        "The database of DATABASE_URL was not made by the demo. Start it with `make demo`, which "
        "makes its own, or unset IAMCLEANUP_DEMO."
    ]


def clock_refusals(environ: Mapping[str, str], *, play: bool) -> list[str]:
    """Why the clock must not be moved: only the demo and the tests may."""
    if play or not environ.get("IAMCLEANUP_CLOCK_FILE"):
        return []
    return [
        "IAMCLEANUP_CLOCK_FILE moves the clock that soaks are measured with, which only the demo "
        "may do. Unset it."
    ]


def production_refusals(environ: Mapping[str, str]) -> list[str]:
    """Why a process that is neither demo nor test must not start with this environment."""
    needed = {
        "SECRET_KEY": "50 random characters; all processes of one installation share it",
        "ALLOWED_HOSTS": "the host names people use, separated by commas",
        "DATABASE_URL": "postgres://user:password@host:5432/name",
        "CELERY_BROKER_URL": "redis://host:6379/0",
    }
    found = [
        f"{name} is not set. It is {meaning}." for name, meaning in needed.items()
        if not environ.get(name)
    ]  # fmt: skip
    if 0 < len(environ.get("SECRET_KEY", "")) < 40:
        found.append("SECRET_KEY is shorter than 40 characters. Use 50 random ones.")
    if "*" in environ.get("ALLOWED_HOSTS", "").split(","):
        found.append("ALLOWED_HOSTS allows every host. Name those people use.")
    if environ.get("DEBUG", "").lower() in {"1", "true", "yes", "on"}:
        found.append("DEBUG shows settings and data to strangers. Unset it.")
    return found


def sign_in_refusals(environ: Mapping[str, str], *, local: bool, play: bool) -> list[str]:
    """Why nobody could sign in as this environment says, or not safely."""
    issuer = urlsplit(environ.get("OIDC_ISSUER", ""))
    if not issuer.geturl():
        return [] if local else [
            "IAMCLEANUP_LOCAL_SIGN_IN is off and OIDC_ISSUER is not set, so nobody could sign in. "
            "Set one of them."
        ]  # fmt: skip
    found = []
    here = play and is_loopback(issuer.hostname or "")
    plain = not (issuer.query or issuer.fragment) and bool(issuer.hostname)
    if not plain or (issuer.scheme != "https" and not here):
        found.append(
            f"OIDC_ISSUER is {issuer.geturl()}. It is an https address without a query, as the "
            "provider's own configuration writes it."
        )
    if not environ.get("OIDC_CLIENT_ID"):
        found.append("OIDC_ISSUER is set, but OIDC_CLIENT_ID is not. The provider gives it.")
    return found


def refuse(reasons: list[str]) -> None:
    """Raise RefusesToStart with all the reasons, one a line; nothing when there are none."""
    if reasons:
        raise RefusesToStart("Refused to start.\n" + "\n".join(f"- {why}" for why in reasons))


def refuse_credentials_in_the_web_process(environ: Mapping[str, str]) -> None:
    """Raise RefusesToStart if AWS credentials lie in the environment of a web process (rule 1)."""
    refuse(
        [
            f"{name} is set for the web process, which must not be able to reach AWS. "
            "Give it to the workers only."
            for name in WEB_CREDENTIALS
            if environ.get(name)
        ]
    )


class OnlyThisMachine:
    """Middleware of demo mode: answers nobody but this machine, whatever the server listens on."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        address = request.META.get("REMOTE_ADDR", "")
        # A unix socket has no address; who may open it is a matter of file modes.
        if address and not is_loopback(address):
            return HttpResponseForbidden("The demo answers only the machine it runs on.")
        return self.get_response(request)
