"""The step `references`: who else names the users of an account, and what declares them.

Resources are read once a day, each once for all users: what is found is looked up in one directory
of users. A scope (a kind in a Region) that could not be read keeps what was found before; it is
"not looked at", and no step that failed. What declares a user is judged at every sync.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import transaction

from inventory import clock
from inventory.aws import resource_policies
from inventory.aws.failure import AwsFailure
from inventory.aws.resource_policies import Resource, Told
from inventory.models import IamUser
from inventory.referrers import principals
from inventory.referrers.declared import KINDS as DECLARED_KINDS
from inventory.referrers.declared import of_origin
from inventory.referrers.looked_at import LookedAt, Scope, looked_at, scopes, wanted
from inventory.referrers.principals import Directory, Known
from inventory.referrers.references import (
    BUCKET,
    MOST_DEAD,
    Reference,
    arranged,
    of_access_entry,
    of_resource,
)
from inventory.refresh.activity import regions_of
from inventory.refresh.bulk import update
from inventory.refresh.run import Run

_CHUNK = 40
_COLUMNS = (
    "user_id",
    "arn",
    "user_name",
    # Its manager looks at it in every row.
    "account",
    "tags",
    "created_with",
    "references",
    "removed_from_code_signs",
)


def read_references(run: Run) -> bool:
    """The step `references`; False when the slice ended before all were read."""
    users = {user.user_id: user for user in run.account.users.present().only(*_COLUMNS)}
    directory = Directory(
        Known(user.user_id, user.arn, user.user_name, user.tags) for user in users.values()
    )
    asked = wanted(regions_of(run.account))
    state = run.sync.changes.setdefault("references", {"tried": []})
    now = clock.now()
    due = [
        one
        for one in scopes(run.account.references_read, asked)
        if one.due(now) and [one.kind, one.region] not in state["tried"]
    ]
    for number, scope in enumerate(due):
        if number and run.time_left() <= 0:
            return False
        run.advance("references", len(asked) - len(due) + number, len(asked))
        looked = _Look(run, scope, users, directory)
        if not looked.read():
            return False
    _write(users.values(), {user_id: with_origin(user) for user_id, user in users.items()})
    del run.sync.changes["references"]
    run.advance("references", len(asked), len(asked))
    run.finish("references", _detail(run, asked))
    return True


class _Look:
    """The reading of one scope, over as many slices as it takes; its findings wait in the sync."""

    def __init__(
        self, run: Run, scope: Scope, users: Mapping[str, IamUser], directory: Directory
    ) -> None:
        self._run, self._scope = run, scope
        self._users, self._directory = users, directory
        self._known = {_place(row) for user in users.values() for row in user.references}
        self._state = run.sync.changes["references"]
        at = [scope.kind, scope.region]
        if self._state.get("at") != at:
            self._state |= {"at": at, "after": "", "count": 0, "unread": 0, "error": ""}
            self._state |= {"words": "", "found": [], "dead": [], "kept": []}

    def read(self) -> bool:
        """False when the slice ended before the scope did."""
        run, state = self._run, self._state
        try:
            every = resource_policies.listed(run.aws, self._scope.kind, self._scope.region)
        except AwsFailure as failed:
            self._end(failed)
            return True
        pending = [one for one in every if one.id > state["after"]]
        for start in range(0, len(pending), _CHUNK):
            chunk = pending[start : start + _CHUNK]
            answers = resource_policies.read_many(
                run.aws, run.account, chunk, lambda arn: self._directory.find(arn) is not None
            )
            if stopped := self._take(answers):
                self._end(stopped)
                return True
            state["after"] = chunk[-1].id
            run.keep()
            if start + _CHUNK < len(pending) and run.time_left() <= 0:
                return False
        self._end(None)
        return True

    def _take(self, answers: list[tuple[Resource, Told | AwsFailure]]) -> AwsFailure | None:
        """Keep what these resources say; the failure that ends the scope, if one does."""
        state = self._state
        failures = []
        for resource, told in answers:
            if isinstance(told, AwsFailure):
                failures.append(told)
                state["unread"] += 1
                if (place := (resource.kind, resource.name, resource.region)) in self._known:
                    state["kept"].append(list(place))
                continue
            state["count"] += 1
            self._note(resource, told)
        for failed in failures:
            if failed.retryable:
                return failed
        if failures:
            state["error"] = state["error"] or failures[0].code
            state["words"] = state["words"] or str(failures[0])
        # Thousands more would be refused as well.
        refused_all = len(failures) == len(answers) and not state["count"]
        return failures[0] if refused_all and failures[0].denied else None

    def _note(self, resource: Resource, told: Told) -> None:
        found: list[tuple[str, Reference]] = []
        if told.document is not None:
            found += of_resource(
                resource.kind, resource.name, resource.region, told.document, self._directory
            ).items()
            for user_id in principals.dead(told.document, self._directory):
                self._state["dead"].append(
                    {
                        "kind": resource.kind,
                        "name": resource.name,
                        "region": resource.region,
                        "user_id": user_id,
                    }
                )
        for entry in told.entries:
            if user := self._directory.find(entry.principal_arn):
                found.append((user, of_access_entry(resource.name, resource.region, entry)))
        self._state["found"] += [[user_id, one.row()] for user_id, one in found]

    def _end(self, failed: AwsFailure | None) -> None:
        """Put the findings of this scope in the place of its earlier ones, and say how it went."""
        run, state, scope = self._run, self._state, self._scope
        ended = Scope(
            scope.kind,
            scope.region,
            scope.at if failed else clock.now(),
            state["count"],
            state["unread"],
            failed.code if failed else state["error"],
            str(failed) if failed else state["words"],
            broken=failed is not None,
        )
        new: dict[str, list[dict[str, Any]]] = {}
        for user_id, row in state["found"]:
            new.setdefault(user_id, []).append(row)
        unread = {tuple(one) for one in state["kept"]}
        rows = {
            user_id: arranged(
                [
                    *(one for one in user.references if self._stays(one, failed, unread)),
                    *new.get(user_id, ()),
                ]
            )
            for user_id, user in self._users.items()
            if user_id in new or any(self._is_ours(one) for one in user.references)
        }
        state["tried"].append([scope.kind, scope.region])
        dead = state["dead"]
        state.pop("at")
        with transaction.atomic():
            _write([self._users[user_id] for user_id in rows], rows)
            self._keep_scope(ended, dead, broken=failed is not None)
            run.keep()

    def _stays(
        self, row: Mapping[str, Any], failed: AwsFailure | None, unread: set[tuple[str, ...]]
    ) -> bool:
        """What was known before stays where this look did not see it again."""
        if not self._is_ours(row):
            return True
        return failed is not None or _place(row) in unread

    def _is_ours(self, row: Mapping[str, Any]) -> bool:
        if row["kind"] != self._scope.kind:
            return False
        return self._scope.kind == BUCKET or bool(row.get("region", "") == self._scope.region)

    def _keep_scope(self, ended: Scope, dead: list[dict[str, str]], *, broken: bool) -> None:
        account = self._run.account
        kept = account.references_read
        account.references_read = kept | {
            ended.kind: kept.get(ended.kind, {}) | {ended.region: ended.row()}
        }
        if not broken:
            others = [one for one in account.dead_references if not self._is_ours(one)]
            account.dead_references = [*others, *dead][:MOST_DEAD]
        account.save(update_fields=["references_read", "dead_references"])


def _place(row: Mapping[str, Any]) -> tuple[str, str, str]:
    return (row["kind"], row["name"], row.get("region", ""))


def looked_for(user: IamUser) -> LookedAt:
    """Where references to this user were looked for, as the last sync left it."""
    account = user.account
    read = regions_of(account)
    return looked_at(
        scopes(account.references_read, wanted(read)),
        clock.now(),
        roles_gap=user.coverage.get("gaps", {}).get("policies", ""),
        left_out=set(account.enabled_regions) - set(read),
    )


def with_origin(user: IamUser) -> list[dict[str, Any]]:
    """The user's references with what declares it judged anew."""
    others = [one for one in user.references if one["kind"] not in DECLARED_KINDS]
    made = of_origin(user.user_name, user.tags, user.created_with, user.removed_from_code_signs)
    return arranged([*others, *(one.row() for one in made)])


def _write(users: Iterable[IamUser], rows: Mapping[str, list[dict[str, Any]]]) -> None:
    """Only who has other references than before."""
    changed = []
    for user in users:
        if user.references != rows[user.user_id]:
            user.references = rows[user.user_id]
            changed.append(user)
    update(changed, ["references"])


def _detail(run: Run, asked: list[tuple[str, str]]) -> str:
    told = looked_at(scopes(run.account.references_read, asked), clock.now())
    dead = len(run.account.dead_references)
    said = [told.found]
    if told.missing:
        said.append(f"not looked at: {', '.join(told.missing)}")
    if dead:
        said.append(f"{dead} {'names' if dead == 1 else 'name'} a user that is gone")
    return "; ".join(said)
