"""One fact beside the category that tells users apart, and why a last use is not known. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta

from inventory.callers import kind_of
from inventory.models import Credential, IamUser
from inventory.rhythm import RARE

_SMTP = "ses-smtp-user."
_REPOSITORIES = ("repo", "repository", "github", "gitlab", "pipeline", "project-url")
_SERVICES = {
    "bedrock.amazonaws.com": "Bedrock API key",
    "codecommit.amazonaws.com": "Git password",
    "cassandra.amazonaws.com": "Keyspaces password",
    "logs.amazonaws.com": "CloudWatch API key",
    "cloudwatch.amazonaws.com": "CloudWatch API key",
}
# Where what calls says nothing of what it is for.
_PLAIN_CLIENTS = frozenset(
    {"Another client", "AWS itself", "Browser", "Command line, Linux", "Program"}
)
_EDGE = timedelta(days=3)
_LONGEST = 40


@dataclass(frozen=True, slots=True)
class Client:
    """What calls most, and in which Region if it is one."""

    agent: str
    region: str


@dataclass(frozen=True, slots=True)
class Held:
    """One active credential: its kind, and its service if it has one."""

    kind: str
    service: str


def telling_fact(user: IamUser, client: Client | None, held: Collection[Held]) -> str:
    """What stands below the name, beside the category; "" where nothing tells more than that."""
    if any("AWSCompromisedKeyQuarantine" in arn for arn in user.attached_policies):
        return "quarantined by AWS"
    found = (
        _seen_at_the_edge(user)
        or _special(user, held)
        or _called_by(client, _repository(user.tags))
        or (f"path {user.path}" if user.path != "/" else "")
        or (client.region if client and not user.has_console_password else "")
        or (f"group {user.groups[0]}" if user.groups else "")
        or (f"made by {user.created_by}" if user.created_by else "")
    )
    return found[: 2 * _LONGEST]


def why_unknown(user: IamUser, held: Collection[Held]) -> str:
    """Why nobody can say when it was last used, in a few words."""
    missing = user.coverage.get("missing", ())
    unread = sum(str(text).startswith("CloudTrail in ") for text in missing)
    regions = f"{unread} {'Region' if unread == 1 else 'Regions'} not read" if unread else ""
    reasons = (
        ("not judged yet", user.judged_at is None),
        ("SMTP is not logged", user.user_name.startswith(_SMTP)),
        ("credentials not read", "credentials" in user.coverage.get("gaps", {})),
        (regions, bool(regions)),
        (untraced := _untraced(user, held), bool(untraced)),
        ("too young to judge", bool(user.coverage.get("blockers"))),
    )
    return next((text for text, holds in reasons if holds), "not read whole")


def _untraced(user: IamUser, held: Collection[Held]) -> str:
    """That AWS logs the use of none of its credentials; "" where it does."""
    kinds = {one.kind for one in held}
    if not kinds or Credential.Kind.ACCESS_KEY in kinds or user.has_console_password:
        return ""
    return f"{_UNTRACED.get(min(kinds), 'its use')} is not logged"


_UNTRACED = {
    Credential.Kind.SSH_KEY.value: "SSH",
    Credential.Kind.SIGNING_CERTIFICATE.value: "signing",
    Credential.Kind.SERVICE_SPECIFIC.value: "its credential",
}


def _seen_at_the_edge(user: IamUser) -> str:
    """That a rare job ran when its period closed; "" for other days."""
    if user.rhythm not in RARE or user.last_activity_at is None:
        return ""
    ran = user.last_activity_at
    near = (ran + _EDGE).day <= _EDGE.days or ran.day <= _EDGE.days
    # The month that closed, seen from a day shortly before or after its end.
    closed = (ran - _EDGE).month
    months, words = _CLOSES[user.rhythm]
    return f"last seen at {words}" if near and closed % months == 0 else ""


# Months of a period, and what its end is called.
_CLOSES = {
    "monthly": (1, "month end"),
    "quarterly": (3, "quarter end"),
    "yearly": (12, "the end of the year"),
}


def _special(user: IamUser, held: Collection[Held]) -> str:
    """A credential that says more than an access key would."""
    if user.user_name.startswith(_SMTP):
        return "SMTP credentials"
    for one in held:
        if one.kind == Credential.Kind.SERVICE_SPECIFIC:
            return _SERVICES.get(one.service, one.service.partition(".")[0])
    kinds = {one.kind for one in held}
    if Credential.Kind.ACCESS_KEY in kinds:
        return ""
    if Credential.Kind.SSH_KEY in kinds:
        return "SSH key"
    return "signing certificate" if Credential.Kind.SIGNING_CERTIFICATE in kinds else ""


def _called_by(client: Client | None, repository: str) -> str:
    kind = kind_of(client.agent)[0] if client else ""
    if kind in _PLAIN_CLIENTS:
        kind = ""
    where = repository or (client.region if client and kind else "")
    return ", ".join(filter(None, (kind, where)))


def _repository(tags: Mapping[str, str]) -> str:
    """The last part of a repository's name, from the tags that people use for it."""
    for key, value in tags.items():
        if key.lower() in _REPOSITORIES and value.strip():
            return value.rstrip("/").removesuffix(".git").rpartition("/")[2][:_LONGEST]
    return ""
