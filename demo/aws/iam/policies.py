"""Inline policies (put, delete) and managed policies (attach, detach) of every principal."""

from __future__ import annotations

from typing import Any

from demo.aws.calls import Context, operation
from demo.aws.errors import conflict, exists, limit, no_such_entity
from demo.aws.paging import page
from demo.aws.state import Policy, Principal

from .documents import attached_policies, read_document, shown_document

KINDS = ("User", "Group", "Role")
MANAGED_PER_PRINCIPAL = 10
_INLINE_CHARACTERS = {"User": 2048, "Group": 5120, "Role": 10240}


def _principal(context: Context, kind: str) -> Principal:
    if kind == "User":
        return context.user()
    name = str(context.params[f"{kind}Name"])
    return context.account.group(name) if kind == "Group" else context.account.role(name)


def _enter(kind: str) -> None:
    """The seven operations on policies, for one kind of principal."""

    @operation("iam", f"Attach{kind}Policy", writes=True)
    def attach(context: Context) -> None:
        principal = _principal(context, kind)
        arn = context.account.policy(str(context.params["PolicyArn"])).arn
        if arn in principal.attached:
            return
        if len(principal.attached) >= MANAGED_PER_PRINCIPAL:
            raise limit(f"PoliciesPer{kind}", MANAGED_PER_PRINCIPAL)
        principal.attached.append(arn)

    @operation("iam", f"Detach{kind}Policy", writes=True)
    def detach(context: Context) -> None:
        principal, arn = _principal(context, kind), str(context.params["PolicyArn"])
        if arn not in principal.attached:
            raise no_such_entity(f"Policy {arn} was not found.")
        principal.attached.remove(arn)

    @operation("iam", f"ListAttached{kind}Policies")
    def list_attached(context: Context) -> dict[str, Any]:
        rows = attached_policies(_principal(context, kind))
        return page(
            context, "AttachedPolicies", rows, lambda row: row["PolicyArn"], lambda row: row
        )

    @operation("iam", f"Put{kind}Policy", writes=True)
    def put(context: Context) -> None:
        principal = _principal(context, kind)
        document = read_document(context.params["PolicyDocument"])
        inline = principal.inline | {str(context.params["PolicyName"]): document}
        size = sum(len(str(each).replace(" ", "")) for each in inline.values())
        if size > _INLINE_CHARACTERS[kind]:
            raise limit(f"Maximum policy size of {_INLINE_CHARACTERS[kind]} bytes", 1)
        principal.inline = inline

    @operation("iam", f"Get{kind}Policy")
    def get(context: Context) -> dict[str, Any]:
        principal, name = _principal(context, kind), str(context.params["PolicyName"])
        if name not in principal.inline:
            raise no_such_entity(f"The {kind.lower()} policy with name {name} cannot be found.")
        return {
            f"{kind}Name": principal.name,
            "PolicyName": name,
            "PolicyDocument": shown_document(principal.inline[name]),
        }

    @operation("iam", f"Delete{kind}Policy", writes=True)
    def delete(context: Context) -> None:
        principal, name = _principal(context, kind), str(context.params["PolicyName"])
        if name not in principal.inline:
            raise no_such_entity(f"The {kind.lower()} policy with name {name} cannot be found.")
        del principal.inline[name]

    @operation("iam", f"List{kind}Policies")
    def list_inline(context: Context) -> dict[str, Any]:
        names = _principal(context, kind).inline
        return page(context, "PolicyNames", names, lambda name: name, lambda name: name)


for _kind in KINDS:
    _enter(_kind)


def attachments(context: Context, arn: str) -> int:
    """How many principals hold the policy."""
    account = context.account
    holders: list[Principal] = [*account.users.values(), *account.groups.values()]
    holders += account.roles.values()
    return sum(arn in holder.attached for holder in holders)


def _shown(context: Context, policy: Policy) -> dict[str, Any]:
    return {
        "PolicyName": policy.name,
        "PolicyId": policy.id,
        "Arn": policy.arn,
        "Path": policy.path,
        "DefaultVersionId": policy.version,
        "AttachmentCount": attachments(context, policy.arn),
        "PermissionsBoundaryUsageCount": 0,
        "IsAttachable": True,
        "CreateDate": policy.created_at,
        "UpdateDate": policy.created_at,
    }


@operation("iam", "CreatePolicy", writes=True)
def create_policy(context: Context) -> dict[str, Any]:
    name, path = str(context.params["PolicyName"]), str(context.params.get("Path", "/"))
    arn = context.account.arn(f"policy{path}{name}")
    if arn in context.account.policies:
        raise exists(f"A policy called {name} already exists. Duplicate names are not allowed.")
    document = read_document(context.params["PolicyDocument"])
    policy = Policy(name, context.new_id("ANPA"), path, arn, context.now, document)
    context.account.policies[arn] = policy
    return {"Policy": _shown(context, policy)}


@operation("iam", "DeletePolicy", writes=True)
def delete_policy(context: Context) -> None:
    policy = context.account.policy(str(context.params["PolicyArn"]))
    if attachments(context, policy.arn):
        raise conflict("Cannot delete a policy attached to entities.")
    del context.account.policies[policy.arn]


@operation("iam", "GetPolicy")
def get_policy(context: Context) -> dict[str, Any]:
    policy = context.account.policy(str(context.params["PolicyArn"]))
    return {"Policy": _shown(context, policy)}


@operation("iam", "GetPolicyVersion")
def get_policy_version(context: Context) -> dict[str, Any]:
    policy = context.account.policy(str(context.params["PolicyArn"]))
    if context.params["VersionId"] != policy.version:
        raise no_such_entity(f"Policy {policy.arn} version does not exist.")
    return {
        "PolicyVersion": {
            "Document": shown_document(policy.document),
            "VersionId": policy.version,
            "IsDefaultVersion": True,
            "CreateDate": policy.created_at,
        }
    }


@operation("iam", "ListPolicies")
def list_policies(context: Context) -> dict[str, Any]:
    """By `Scope` All, AWS or Local, and `OnlyAttached`."""
    scope = str(context.params.get("Scope", "All"))
    attached_only = bool(context.params.get("OnlyAttached", False))
    rows = [
        policy
        for policy in context.account.policies.values()
        if (scope == "All" or (scope == "AWS") == policy.aws_managed)
        and not (attached_only and attachments(context, policy.arn) == 0)
    ]
    return page(
        context, "Policies", rows, lambda policy: policy.arn, lambda policy: _shown(context, policy)
    )


@operation("iam", "ListEntitiesForPolicy")
def list_entities_for_policy(context: Context) -> dict[str, Any]:
    """Users, groups and roles that hold a managed policy, in one page."""
    arn, account = str(context.params["PolicyArn"]), context.account
    answer: dict[str, Any] = {"IsTruncated": False}
    for kind, holders in (
        ("User", list(account.users.values())),
        ("Group", list(account.groups.values())),
        ("Role", list(account.roles.values())),
    ):
        answer[f"Policy{kind}s"] = [
            {f"{kind}Name": holder.name, f"{kind}Id": holder.id}
            for holder in holders
            if arn in holder.attached
        ]
    return answer
