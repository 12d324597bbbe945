"""Identity Center as plans and the watch over its groups see it: rows of looks become values.

People and permission sets are those of the last look. Groups and what they are given are those of
the look that later ones are compared with: while a group is broken, plans go on through what it
was, and wait.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.utils.dateparse import parse_datetime

from inventory.models import CenterLook, PolicyText
from inventory.refresh import declared_center
from migrations_app.plans.directory import Directory, DirectoryGroup, DirectoryUser
from migrations_app.plans.drafting import Center
from migrations_app.plans.drift import GROUP, Assignment, Group, Member, Snapshot
from migrations_app.plans.facts import Granted, Origin
from migrations_app.plans.granted import statements
from migrations_app.plans.permission_sets import PermissionSet

Row = Mapping[str, Any]


def latest() -> CenterLook | None:
    """The last whole look, where Identity Center is declared at present."""
    declared = declared_center()
    if declared is None:
        return None
    return CenterLook.objects.whole().filter(account=declared[0]).first()


def compared_with(look: CenterLook) -> CenterLook | None:
    """The look that this one is compared with."""
    return CenterLook.objects.filter(account=look.account_id, held=True).first()


def snapshot(look: CenterLook) -> Snapshot:
    """Groups and assignments, to be compared."""
    names = {row["id"]: row["user_name"] for row in look.people}
    sets = {row["arn"]: row["name"] for row in look.permission_sets}
    return Snapshot(
        taken_at=look.taken_at or look.asked_at,
        groups=tuple(_group(row, names) for row in look.groups),
        assignments=tuple(
            Assignment(
                row["account_id"],
                sets.get(row["set_arn"], row["set_arn"]),
                row["set_arn"],
                row["principal_id"],
                row["principal_type"],
            )
            for row in look.assignments
        ),
        instance_arn=look.instance_arn,
        identity_store_id=look.identity_store_id,
        people=tuple(Member(one, name) for one, name in names.items()),
    )


def _group(row: Row, names: Mapping[str, str]) -> Group:
    members = tuple(Member(one, names.get(one, one)) for one in row["members"])
    made = parse_datetime(row.get("created_at") or "")
    return Group(row["id"], row["name"], row["external_id"], members, made)


def known() -> Center | None:
    """What plans for people are drafted with; None where Identity Center was never read."""
    look = latest()
    if look is None:
        return None
    return Center(existing=existing(look), directory=_directory(look, compared_with(look) or look))


def existing(look: CenterLook) -> tuple[PermissionSet, ...]:
    """The permission sets with every statement that could be read."""
    own = _own_policies(look.permission_sets)
    return tuple(_permission_set(row, look.policies, own) for row in look.permission_sets)


def _permission_set(row: Row, of_aws: Row, own: Mapping[tuple[str, str], object]) -> PermissionSet:
    told = list(_policies(row, of_aws, own))
    granted: list[Granted] = []
    for origin, document in told:
        granted += statements(document, origin)
    unread = [origin for origin, document in told if document is None]
    return PermissionSet(row["name"], row["arn"], tuple(granted), tuple(unread))


def _policies(
    row: Row, of_aws: Row, own: Mapping[tuple[str, str], object]
) -> Iterator[tuple[Origin, object]]:
    """Each policy with its document; None where there is none to read."""
    if row["inline"] is not None or row["inline_unread"]:
        yield Origin(row["name"]), row["inline"]
    for arn in row["managed"]:
        yield Origin(arn.rpartition("/")[2], "aws-managed", arn), of_aws.get(arn)
    for path, name in row["customer_managed"]:
        yield Origin(name, "managed"), own.get((path, name))
    if row["boundary"]:
        # What a boundary leaves of a set is not worked out.
        yield Origin(f"{row['boundary'].rpartition('/')[2]}, its boundary,", "managed"), None


def _own_policies(rows: Iterable[Row]) -> dict[tuple[str, str], object]:
    """Customer managed policies, where every account that was read has the same one."""
    wanted = {(path, name) for row in rows for path, name in row["customer_managed"]}
    if not wanted:
        return {}
    found: defaultdict[tuple[str, str], list[object]] = defaultdict(list)
    held = PolicyText.objects.filter(name__in={name for _, name in wanted}).exclude(arn="")
    for arn, document in held.values_list("arn", "document"):
        path, _, name = f"/{arn.partition(':policy/')[2]}".rpartition("/")
        found[f"{path}/", name].append(document)
    return {
        one: found[one][0]
        for one in wanted
        if found[one] and all(each == found[one][0] for each in found[one])
    }


def _directory(look: CenterLook, before: CenterLook) -> Directory:
    return Directory(
        users=tuple(_user(row) for row in look.people),
        groups=tuple(
            DirectoryGroup(row["id"], row["name"], tuple(row["members"]), bool(row["external_id"]))
            for row in before.groups
        ),
        assignments=tuple(
            (row["set_arn"], row["account_id"], row["principal_id"])
            for row in before.assignments
            if row["principal_type"] == GROUP
        ),
        instance_arn=look.instance_arn,
        identity_store_id=look.identity_store_id,
    )


def _user(row: Row) -> DirectoryUser:
    return DirectoryUser(
        id=row["id"],
        user_name=row["user_name"],
        display_name=row["display_name"],
        given_name=row["given_name"],
        family_name=row["family_name"],
        emails=tuple(row["emails"]),
        active=row["active"],
    )
