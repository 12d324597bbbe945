"""The saved holdings as a Terraform file that re-creates the user, for whoever keeps IAM in code.

Terraform reads `${` and `%{` in strings as templates, and IAM policies are full of `${aws:…}`, so
every text is escaped here (HCL native syntax, "Template Expressions"). Nothing that AWS or a person
named can end a string, a comment or a heredoc, or become an expression.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from inventory.aws.holdings import UserHoldings
from migrations_app.rebuild import lost, one_line

_TEMPLATE = re.compile(r"([$%]+)\{")
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_USER = "aws_iam_user.this.name"


def document(holdings: UserHoldings) -> str:
    """A `.tf` file: the user, its groups, policies, boundary, tags, SSH keys and certificates."""
    lines = [
        f"# Re-creates {one_line(holdings.user_name)} of account {holdings.account_id}.",
        "# Lost for ever:",
        *(f"#   - {one_line(one)}" for one in lost(holdings)),
    ]
    for kind, name, body in _resources(holdings):
        lines += ["", f'resource "{kind}" "{name}" {{', *(f"  {line}" for line in body), "}"]
    return "\n".join(lines) + "\n"


def text(value: str) -> str:
    """A value as a quoted HCL string that means exactly `value`."""
    return f'"{_neutral("".join(_character(one) for one in value))}"'


def policy(value: dict[str, Any]) -> list[str]:
    """A policy as a heredoc of JSON; JSON has no line that could end it."""
    lines = _neutral(json.dumps(value, indent=2)).split("\n")
    return ["<<-POLICY", *lines, "POLICY"]


def _resources(holdings: UserHoldings) -> Iterator[tuple[str, str, list[str]]]:
    yield "aws_iam_user", "this", _user(holdings)
    if holdings.groups:
        groups = f"groups = [{', '.join(text(group) for group in holdings.groups)}]"
        yield "aws_iam_user_group_membership", "this", [f"user   = {_USER}", groups]
    for number, (name, value) in enumerate(sorted(holdings.inline_policies.items()), start=1):
        head, *rest = policy(value)
        body = [f"user   = {_USER}", f"name   = {text(name)}", f"policy = {head}"]
        yield "aws_iam_user_policy", f"inline_{number}", [*body, *rest]
    for number, arn in enumerate(holdings.attached_policies, start=1):
        body = [f"user       = {_USER}", f"policy_arn = {text(arn)}"]
        yield "aws_iam_user_policy_attachment", f"managed_{number}", body
    for number, key in enumerate(holdings.ssh_keys, start=1):
        body = [f"username   = {_USER}", 'encoding   = "SSH"', f"public_key = {text(key.body)}"]
        yield "aws_iam_user_ssh_key", f"ssh_{number}", [*body, f"status     = {text(key.status)}"]
    for number, one in enumerate(holdings.certificates, start=1):
        body = [f"user_name        = {_USER}", f"certificate_body = {text(one.body)}"]
        status = f"status           = {text(one.status)}"
        yield "aws_iam_signing_certificate", f"certificate_{number}", [*body, status]


def _user(holdings: UserHoldings) -> list[str]:
    body = [f"name = {text(holdings.user_name)}", f"path = {text(holdings.path)}"]
    if holdings.boundary:
        body.append(f"permissions_boundary = {text(holdings.boundary)}")
    if holdings.tags:
        tags = [f"  {text(key)} = {text(held)}" for key, held in sorted(holdings.tags.items())]
        body += ["tags = {", *tags, "}"]
    return body


def _character(one: str) -> str:
    if one in _ESCAPES:
        return _ESCAPES[one]
    if one.isprintable():
        return one
    # Also what turns the direction of writing round: a reviewer must see what is there.
    return f"\\u{ord(one):04x}" if ord(one) < 0x10000 else f"\\U{ord(one):08x}"


def _neutral(value: str) -> str:
    """Without templates: `${` is written `$${`; more signs before it by their number."""

    def escaped(found: re.Match[str]) -> str:
        before, last = found[1][:-1], found[1][-1]
        return "".join(f"\\u{ord(one):04x}" for one in before) + f"{last}{last}{{"

    return _TEMPLATE.sub(escaped, value)
