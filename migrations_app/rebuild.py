"""What is left after a deletion: a script, from the saved holdings, that re-creates the user.

It is run by an IAM administrator, never by us, and says first what cannot come back. Everything
that AWS or a person named is quoted, and written as --option=value: a user may be called --help.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from shlex import quote

from inventory.aws.holdings import UserHoldings

LOST = (
    "its user id: grants that name the old id do not come back",
    "access key ids and secrets",
    "the console password",
    "virtual MFA seeds and FIDO registrations",
    "passwords and secrets of service-specific credentials",
    "last-used history",
)


def script(holdings: UserHoldings) -> str:
    """A shell script of AWS CLI lines; documents are carried inside as quoted JSON."""
    lines = [
        "#!/bin/sh",
        f"# Re-creates {_comment(holdings.user_name)} of account {holdings.account_id}.",
        "# Lost for ever:",
        *(f"#   - {one}" for one in LOST),
        "set -eu",
        "",
        *_commands(holdings),
    ]
    return "\n".join(lines) + "\n"


def _commands(holdings: UserHoldings) -> Iterator[str]:
    name = quote(holdings.user_name)
    yield f"aws iam create-user --user-name={name} --path={quote(holdings.path)}"
    if holdings.boundary:
        boundary = quote(holdings.boundary)
        yield (
            f"aws iam put-user-permissions-boundary --user-name={name}"
            f" --permissions-boundary={boundary}"
        )
    if holdings.tags:
        tags = [{"Key": key, "Value": value} for key, value in sorted(holdings.tags.items())]
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
        yield (
            f"aws iam upload-ssh-public-key --user-name={name}"
            f" --ssh-public-key-body={quote(key.body)}"
        )
    for certificate in holdings.certificates:
        yield (
            f"aws iam upload-signing-certificate --user-name={name}"
            f" --certificate-body={quote(certificate.body)}"
        )


def _comment(text: str) -> str:
    """Nothing that AWS named may end the comment it stands in."""
    return " ".join(text.split())
