"""What is left after a deletion: a script, from the saved holdings, that re-creates the user.

It is run by an IAM administrator, never by us, and says first what cannot come back. Everything
that AWS or a person named is quoted, and written as --option=value: a user may be called --help.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from shlex import quote

from inventory.aws.holdings import Certificate, SshKey, UserHoldings

# AWS CLI reads such a value from there instead of taking it (paramfile).
_FETCHED = re.compile(r"(?i)^(file|fileb|https?)://")


def lost(holdings: UserHoldings) -> list[str]:
    """What no file brings back, for this user, in sentences. Ids of keys are cut."""
    found = [
        f"Its user ID {holdings.user_id}: whoever names it by that ID, in a bucket, a key or a "
        "role, no longer means it."
    ]
    keys = [f"{key.id[:4]}…{key.id[-4:]}" for key in holdings.access_keys]
    if keys:
        found.append(
            f"Access keys {', '.join(keys)} with their secrets, and SES passwords of them."
        )
    if holdings.has_login_profile:
        found.append("The console password.")
    virtual = sum(device.kind == "virtual" for device in holdings.mfa)
    if virtual:
        found.append("The seeds of its virtual MFA devices: they are set up anew.")
    if len(holdings.mfa) > virtual:
        found.append("The registration of its MFA hardware: the devices are registered anew.")
    services = sorted({one.service for one in holdings.service_credentials})
    if services:
        found.append(f"Passwords and API keys for {', '.join(services)}.")
    if holdings.ssh_keys or holdings.certificates:
        found.append("The ids of its SSH keys and certificates: the same keys get new ids.")
    return [*found, "When and for what it was last used."]


def comes_back(holdings: UserHoldings) -> list[str]:
    """What the files bring back, counted, in sentences."""
    counted = (
        (len(holdings.groups), "group"),
        (len(holdings.attached_policies), "managed policy"),
        (len(holdings.inline_policies), "inline policy"),
        (len(given_tags(holdings)), "tag"),
        (len(holdings.ssh_keys), "SSH public key"),
        (len(holdings.certificates), "signing certificate"),
    )
    found = [f"The user {holdings.user_name} under {holdings.path}, with a new user ID."]
    if holdings.boundary:
        found.append(f"Its permissions boundary {holdings.boundary.rpartition('/')[2]}.")
    plural = {"managed policy": "managed policies", "inline policy": "inline policies"}
    for count, what in counted:
        if count:
            found.append(f"{count} {what if count == 1 else plural.get(what, f'{what}s')}.")
    return found


def given_tags(holdings: UserHoldings) -> dict[str, str]:
    """Its tags by key, without those of AWS's own services: nobody else may put on `aws:…`."""
    tags = sorted(holdings.tags.items())
    return {key: value for key, value in tags if not key.lower().startswith("aws:")}


def script(holdings: UserHoldings) -> str:
    """A shell script of AWS CLI lines; documents are carried inside as quoted JSON."""
    return "\n".join(["#!/bin/sh", *_block(holdings)]) + "\n"


def scripts(users: Iterable[UserHoldings], about: str) -> str:
    """One script for many users; each in a shell of its own, so that one does not stop the rest."""
    lines = ["#!/bin/sh", f"# {one_line(about)}"]
    for holdings in users:
        lines += ["", "(", *_block(holdings), ")"]
    return "\n".join(lines) + "\n"


def _block(holdings: UserHoldings) -> list[str]:
    return [
        f"# Re-creates {one_line(holdings.user_name)} of account {holdings.account_id}.",
        "# Lost for ever:",
        *(f"#   - {one_line(one)}" for one in lost(holdings)),
        "set -eu",
        *_commands(holdings),
    ]


def _commands(holdings: UserHoldings) -> Iterator[str]:
    name = quote(holdings.user_name)
    yield f"aws iam create-user --user-name={name} --path={quote(holdings.path)}"
    if holdings.boundary:
        boundary = quote(holdings.boundary)
        yield (
            f"aws iam put-user-permissions-boundary --user-name={name}"
            f" --permissions-boundary={boundary}"
        )
    if given := given_tags(holdings):
        tags = [{"Key": key, "Value": value} for key, value in given.items()]
        yield f"aws iam tag-user --user-name={name} --tags={quote(json.dumps(tags))}"
    for group in holdings.groups:
        yield f"aws iam add-user-to-group --user-name={name} --group-name={quote(group)}"
    for policy, document in sorted(holdings.inline_policies.items()):
        yield (
            f"aws iam put-user-policy --user-name={name} --policy-name={quote(policy)}"
            f" --policy-document={quote(json.dumps(document))}"
        )
    for arn in holdings.attached_policies:
        yield f"aws iam attach-user-policy --user-name={name} --policy-arn={quote(arn)}"
    for key in holdings.ssh_keys:
        yield from _uploaded(name, "ssh-public-key", key, "SSHPublicKey.SSHPublicKeyId")
    for certificate in holdings.certificates:
        told = "Certificate.CertificateId"
        yield from _uploaded(name, "signing-certificate", certificate, told)


def _uploaded(name: str, what: str, part: SshKey | Certificate, told: str) -> Iterator[str]:
    """Upload a key or certificate, which makes it Active, and switch it off where it was off."""
    if _FETCHED.match(part.body):
        yield f"# {one_line(part.id)} is left out: its body is no {what}."
        return
    body, option = ("ssh-public-key-body", "ssh-public-key-id")
    if what != "ssh-public-key":
        body, option = ("certificate-body", "certificate-id")
    upload = f"aws iam upload-{what} --user-name={name} --{body}={quote(part.body)}"
    if part.status == "Active":
        yield upload
        return
    yield f"id=$({upload} --query={told} --output=text)"
    yield f'aws iam update-{what} --user-name={name} --{option}="$id" --status=Inactive'


def one_line(text: str) -> str:
    """Nothing that AWS named may end the comment it stands in."""
    return " ".join(text.split())
