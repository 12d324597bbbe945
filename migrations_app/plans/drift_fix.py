"""How to give people back what a group lost: Terraform, commands for what is dead, and steps. Pure.

Assignments name the group by its display name, so that the files stay right when it is made anew
once more. Nothing here is applied by the product.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from shlex import quote

from migrations_app.plans import hcl
from migrations_app.plans.drift import Assignment, Finding, Group, Kind, Snapshot
from migrations_app.plans.facts import GeneratedFile


@dataclass(frozen=True, slots=True)
class Fix:
    """Files to read and apply, and what to do by hand, in order."""

    files: tuple[GeneratedFile, ...]
    steps: tuple[str, ...]


def fix(finding: Finding, now: Snapshot) -> Fix:
    """What mends one finding."""
    files = []
    if finding.assignments:
        files.append(GeneratedFile("assignments.tf", _terraform(finding, now), "hcl"))
    if finding.dead:
        script = _clean_up(finding, now)
        files.append(GeneratedFile("remove-dead-assignments.sh", script, "shell"))
    return Fix(tuple(sorted(files)), tuple(_steps(finding)))


def _terraform(finding: Finding, now: Snapshot) -> str:
    name = finding.group.name
    told = filter(None, (f"{finding.happened}.", finding.meaning, finding.felt))
    header = (*told, "Gives back what was assigned. Read it first.")
    label = hcl.name_of("group", name)
    wanted = hcl.attributes(attribute_path="DisplayName", attribute_value=name)
    unique = hcl.Block("unique_attribute", (), wanted)
    group = hcl.Block(
        "data",
        ("aws_identitystore_group", label),
        (
            *hcl.attributes(identity_store_id=now.identity_store_id),
            hcl.Block("alternate_identifier", (), (unique,)),
        ),
    )
    principal = hcl.Expression(f"data.aws_identitystore_group.{label}.group_id")
    if finding.kind is Kind.PERSON:
        # A person keeps the id that an assignment needs.
        blocks = [_assignment(one, name, one.principal_id, now) for one in finding.assignments]
        return hcl.document(blocks, header)
    blocks = [_assignment(one, name, principal, now) for one in finding.assignments]
    return hcl.document([group, *blocks], header)


def _assignment(
    one: Assignment, name: str, principal: hcl.Expression | str, now: Snapshot
) -> hcl.Block:
    return hcl.resource(
        "aws_ssoadmin_account_assignment",
        hcl.name_of(name, one.permission_set, one.account_id),
        *hcl.attributes(
            instance_arn=now.instance_arn,
            permission_set_arn=one.permission_set_arn,
            principal_id=principal,
            principal_type=one.principal_type,
            target_id=one.account_id,
            target_type="AWS_ACCOUNT",
        ),
    )


def _clean_up(finding: Finding, now: Snapshot) -> str:
    lines = [
        "#!/usr/bin/env bash",
        "# Removes assignments of a group that is no longer there. They give nobody anything.",
        "# Run it where Identity Center is managed, after the new assignments work.",
        "set -euo pipefail",
        "",
    ]
    for one in finding.dead:
        lines += [
            "aws sso-admin delete-account-assignment \\",
            f"  --instance-arn={quote(now.instance_arn)} \\",
            f"  --permission-set-arn={quote(one.permission_set_arn)} \\",
            f"  --principal-type=GROUP --principal-id={quote(one.principal_id)} \\",
            f"  --target-type=AWS_ACCOUNT --target-id={quote(one.account_id)}",
        ]
    return "\n".join(lines) + "\n"


def _steps(finding: Finding) -> Iterator[str]:
    name = finding.group.name or finding.group.id
    if finding.kind is Kind.RECREATED:
        yield from _recreated(finding, name)
    if finding.kind is Kind.GONE:
        yield f"In the identity provider, see who removed {name} and whether that was meant."
        yield f"If it was not, push the group {name} again and wait until its members are there."
    if finding.kind is Kind.EMPTIED:
        yield f"In the identity provider, push the memberships of {name} again."
        yield (
            "Use one group for assigning the application and another for pushing, since one"
            " group for both is emptied by races."
        )
    for one in finding.assignments:
        yield (
            f"In Identity Center, AWS accounts, {one.account_id}: assign {name} the permission set"
            f" {one.permission_set}. Or apply assignments.tf."
        )
    for one in finding.dead:
        told = f"the assignment of {one.permission_set} to an unknown group"
        yield f"In Identity Center, AWS accounts, {one.account_id}: remove {told}."
    if finding.lost:
        names = ", ".join(loss.person.name for loss in finding.lost)
        yield f"Tell these people to sign in again, and ask one whether it works: {names}."
    yield "Then look again here: the finding closes when nobody is without what they had."


def _recreated(finding: Finding, name: str) -> Iterator[str]:
    new = finding.new
    old_ids, new_ids = _ids(finding.group), _ids(new) if new else ""
    yield f"See in the identity provider's log who deleted {name}: {old_ids} became {new_ids}."
    if new is not None and finding.group.members and not new.members:
        yield f"Push the memberships of {name}: the new group has no members."
    yield (
        "Where the group is linked by its id (group push, application assignment), link it to the"
        " new one by hand: a push that is bound to the old id does not come back by itself."
    )


def _ids(group: Group) -> str:
    return f"{group.external_id} ({group.id})" if group.external_id else group.id
