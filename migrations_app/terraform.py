"""The saved holdings as a Terraform file that re-creates the user, for who keeps IAM in code."""

from __future__ import annotations

from collections.abc import Iterator

from inventory.aws.holdings import UserHoldings
from migrations_app.plans import hcl
from migrations_app.plans.hcl import Block, Expression, Json, attributes, resource
from migrations_app.rebuild import given_tags, lost

_USER = Expression("aws_iam_user.this.name")


def document(holdings: UserHoldings) -> str:
    """A `.tf` file: the user, its groups, policies, boundary, tags, SSH keys and certificates."""
    header = [
        f"Re-creates {holdings.user_name} of account {holdings.account_id}.",
        "Lost for ever:",
        *(f"- {one}" for one in lost(holdings)),
    ]
    return hcl.document(_resources(holdings), header)


def _resources(holdings: UserHoldings) -> Iterator[Block]:
    yield resource(
        "aws_iam_user",
        "this",
        *attributes(
            name=holdings.user_name,
            path=holdings.path,
            permissions_boundary=holdings.boundary or None,
            tags=given_tags(holdings) or None,
        ),
    )
    if holdings.groups:
        body = attributes(user=_USER, groups=list(holdings.groups))
        yield resource("aws_iam_user_group_membership", "this", *body)
    for number, (name, value) in enumerate(sorted(holdings.inline_policies.items()), start=1):
        body = attributes(user=_USER, name=name, policy=Json(value))
        yield resource("aws_iam_user_policy", f"inline_{number}", *body)
    for number, arn in enumerate(holdings.attached_policies, start=1):
        body = attributes(user=_USER, policy_arn=arn)
        yield resource("aws_iam_user_policy_attachment", f"managed_{number}", *body)
    for number, key in enumerate(holdings.ssh_keys, start=1):
        body = attributes(username=_USER, encoding="SSH", public_key=key.body, status=key.status)
        yield resource("aws_iam_user_ssh_key", f"ssh_{number}", *body)
    for number, one in enumerate(holdings.certificates, start=1):
        body = attributes(user_name=_USER, certificate_body=one.body, status=one.status)
        yield resource("aws_iam_signing_certificate", f"certificate_{number}", *body)
