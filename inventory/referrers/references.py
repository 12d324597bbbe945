"""Who still names an IAM user, and whether that blocks its deletion. Pure.

Blocks: the only principal of a role in use, the only administrator of a KMS key, or the last one
left of several users who are; a cluster admin entry; a declaration in code whose next apply makes
the user again (DESIGN.md section 5). Everything else is a warning that the approver sees. A row is
what `IamUser.references` holds.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from inventory.referrers import principals
from inventory.referrers.principals import Directory, Document, Mention

# Read with the users, each time; the others once a day, per kind and Region.
ROLE_TRUST, ROLE_MENTION, IDENTITY_POLICY = "role-trust", "role-mention", "identity-policy"
BUCKET, QUEUE, TOPIC, KEY, SECRET, CLUSTER = "bucket", "queue", "topic", "key", "secret", "cluster"
WITH_USERS = frozenset({ROLE_TRUST, ROLE_MENTION, IDENTITY_POLICY})
RESOURCES = (BUCKET, QUEUE, TOPIC, KEY, SECRET, CLUSTER)
_IN_USE = timedelta(days=90)
_LONGEST = 300
# As many policies with dead ids as are kept of an account.
MOST_DEAD = 200
_NOUNS = {
    ROLE_TRUST: "Role trust policy",
    ROLE_MENTION: "Role trust policy",
    IDENTITY_POLICY: "Identity policy",
    BUCKET: "Bucket policy",
    QUEUE: "Queue policy",
    TOPIC: "Topic policy",
    KEY: "Key policy",
    SECRET: "Secret policy",
    CLUSTER: "Cluster access entry",
}
_CLUSTER_ADMIN = "AmazonEKSClusterAdminPolicy"
_MASTERS = "system:masters"
_LAST_ASSUMED = re.compile(r", (last assumed \d\d \w+ \d{4}|not assumed in 400 days)$")


@dataclass(frozen=True, slots=True)
class Reference:
    """One thing that names a user: which, in what words, and what to do about it first.

    `shared_with`: ids of the other users who, with this one, are all that it names; once they are
    gone, it blocks.
    """

    kind: str
    name: str
    text: str
    blocks: bool = False
    fix: str = ""
    region: str = ""
    shared_with: tuple[str, ...] = ()

    def row(self) -> dict[str, Any]:
        """As a value for a JSON column: lengths cut, NUL characters gone."""
        told = asdict(self) | {"shared_with": list(self.shared_with)}
        return {
            key: _clean(value) if isinstance(value, str) else value for key, value in told.items()
        }


@dataclass(frozen=True, slots=True)
class TrustedBy:
    """A role with its trust policy; `last_used_at` reaches 400 days back."""

    role_name: str
    document: Document
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class HeldPolicy:
    """An identity policy of the account: a managed one, or an inline one as `holder/policy`.

    `holder_id` is the user that alone has it, or "": what a user says of itself ends with it.
    """

    name: str
    document: Document
    holder_id: str = ""


@dataclass(frozen=True, slots=True)
class AccessEntry:
    """A user's way into an EKS cluster: its access policies by name, its Kubernetes groups."""

    principal_arn: str
    policies: tuple[str, ...]
    groups: tuple[str, ...]


def of_account(
    roles: Iterable[TrustedBy],
    policies: Iterable[HeldPolicy],
    directory: Directory,
    now: datetime,
) -> dict[str, list[Reference]]:
    """By user id, who names it among the account's own roles and policies."""
    found: defaultdict[str, list[Reference]] = defaultdict(list)
    for role in roles:
        allowed = principals.allowed(role.document, directory)
        others = frozenset() if any(directory.find(one) != one for one in allowed) else allowed
        for user_id, mention in principals.mentions(role.document, directory).items():
            beside = others - {user_id} if user_id in others else frozenset()
            found[user_id].append(_trust(role, mention, allowed == {user_id}, beside, now))
    for policy in policies:
        for user_id, mention in principals.mentions(policy.document, directory).items():
            if user_id == policy.holder_id:
                continue
            text = f"{_NOUNS[IDENTITY_POLICY]}, {_how(mention)}"
            found[user_id].append(Reference(IDENTITY_POLICY, policy.name, text))
    return found


def dead_in(roles: Iterable[TrustedBy], directory: Directory) -> list[dict[str, str]]:
    """Trust policies that still hold the bare id of a deleted user: the next edit fails on it."""
    return [
        {"kind": ROLE_TRUST, "name": role.role_name, "region": "", "user_id": user_id}
        for role in roles
        for user_id in principals.dead(role.document, directory)
    ]


def of_resource(
    kind: str, name: str, region: str, document: Document, directory: Directory
) -> dict[str, Reference]:
    """By user id, how the policy of one resource names it."""
    found = {}
    for user_id, mention in principals.mentions(document, directory).items():
        fix = "Let somebody else in first." if mention.how == principals.ALL_BUT else ""
        text = f"{_NOUNS[kind]}, {_how(mention)}"
        found[user_id] = Reference(kind, name, text, fix=fix, region=region)
    theirs = principals.only_administrators(document, directory) if kind == KEY else frozenset()
    for user in theirs:
        alone = len(theirs) == 1
        said = (
            "its only administrator" if alone else f"one of its only {len(theirs)} administrators"
        )
        found[user] = Reference(
            kind,
            name,
            f"{_NOUNS[KEY]}, {said}",
            blocks=alone,
            fix="Name another administrator in the key policy first, or the key is orphaned.",
            region=region,
            shared_with=tuple(sorted(theirs - {user})),
        )
    return found


def of_access_entry(cluster: str, region: str, entry: AccessEntry) -> Reference:
    """The entry of one user in one EKS cluster."""
    admin = _CLUSTER_ADMIN in entry.policies or _MASTERS in entry.groups
    rights = "cluster admin" if admin else ", ".join((*entry.policies, *entry.groups))
    text = f"{_NOUNS[CLUSTER]}, {rights or 'without a policy'}"
    fix = "Give its access to a role, then delete the access entry." if admin else ""
    return Reference(CLUSTER, cluster, text, blocks=admin, fix=fix, region=region)


def arranged(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows in the order of the page, what blocks first; each resource once."""
    once = {(row["kind"], row["name"], row.get("region", "")): dict(row) for row in rows}
    return [once[place] for place in sorted(once, key=lambda at: (not once[at]["blocks"], at))]


def sentence(row: Mapping[str, Any], user_name: str) -> str:
    """A reference that blocks, as the whole sentence that a refused deletion says."""
    said = {
        ROLE_TRUST: "Role {name} trusts nobody but {user}, and is in use.",
        KEY: "{user} is the only administrator of KMS key {name}.",
        CLUSTER: "{user} is a cluster admin of {name}.",
        "cloudformation": "{user} is still declared in the CloudFormation stack {name}.",
        "declared": "{user} is still declared in {name}: the next apply makes it again.",
    }.get(str(row.get("kind")), "{name} still names {user}.")
    return said.format(name=row.get("name", ""), user=user_name)


def holds_alone(row: Mapping[str, Any], present: Collection[str]) -> bool:
    """Whether it breaks with this user, for the user ids that are `present` in the account."""
    shared = row.get("shared_with") or ()
    return bool(row.get("blocks")) or (bool(shared) and not any(one in present for one in shared))


def undated(text: str) -> str:
    """The words of a reference without the day on which its role was assumed last.

    A role that others assume daily bears another day tomorrow, and names the user no more for it.
    """
    return _LAST_ASSUMED.sub("", text)


def _trust(
    role: TrustedBy, mention: Mention, alone: bool, beside: frozenset[str], now: datetime
) -> Reference:
    named = mention.allows and mention.how in (principals.PRINCIPAL, principals.PINNED)
    used = role.last_used_at
    said = "its only principal" if named and alone else _how(mention)
    last = f"last assumed {used:%d %b %Y}" if used else "not assumed in 400 days"
    in_use = named and used is not None and used > now - _IN_USE
    blocks, beside = in_use and alone, beside if in_use else frozenset()
    return Reference(
        # Whoever is matched by a pattern or a tag is not the one that a role was made for.
        ROLE_TRUST if named else ROLE_MENTION,
        role.role_name,
        f"{_NOUNS[ROLE_TRUST]}, {said}, {last}",
        blocks=blocks,
        fix="Name another principal in the trust policy first, or delete the role."
        if blocks or beside
        else "",
        shared_with=tuple(sorted(beside)),
    )


def _how(mention: Mention) -> str:
    match mention.how:
        case principals.ALL_BUT:
            return "keeps out everybody but it"
        case principals.PRINCIPAL:
            return "will hold a dead AIDA… ID" if mention.allows else "denies it by name"
        case principals.RESOURCE:
            return "names it as a resource; a new user of that name matches again"
        case principals.PATTERN:
            return f"matches it by {mention.by}"
        case principals.TAG:
            return f"by its tag {mention.by}"
        case _:
            again = "" if mention.by == "aws:userid" else "; a new user of that name matches again"
            return f"names it in a condition on {mention.by}{again}"


def _clean(text: str) -> str:
    text = text.replace("\x00", "")
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
