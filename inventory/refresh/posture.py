"""The step `posture`: rows and a few calls become the items of CIS AWS Foundations, with their day.

Nothing here keeps a sync from being whole: what cannot be read is an item that was not looked at.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from django.db import transaction
from django.db.models.fields.json import KeyTransform

from inventory import clock, posture
from inventory.aws import benchmark, organizations
from inventory.aws.session import AwsFailure
from inventory.models import Account, Credential, Organization, PostureDay
from inventory.posture import Facts, Item, KeyFacts, RootFacts, Status, UserFacts
from inventory.reads import listed_by
from inventory.refresh.run import Run

Told = TypeVar("Told")
# They deny and grant nothing: our fence, and what AWS puts on a user whose key leaked.
_DENIES = ("AWSDenyAll", "AWSCompromisedKeyQuarantine")
_COLUMNS = (
    "pk",
    "user_id",
    "user_name",
    "created_at",
    "has_console_password",
    "mfa",
    "password_last_used_at",
    "password_last_changed_at",
    "attached_policies",
    "inline_policies",
    "groups",
    "gaps",
)


def read_posture(run: Run) -> bool:
    """The step `posture`; it ends within a slice, however many users there are."""
    gaps: dict[str, str] = {}
    facts = _facts(run, gaps)
    run.keep()
    _note_manager(run)
    now = clock.now()
    items = posture.judge(facts, now, gaps)
    with transaction.atomic():
        _save(run.account, items, now, whole=_whole(run, facts))
        failed = sum(item.status is Status.FAILED for item in items)
        unseen = sum(item.status is Status.NOT_LOOKED_AT for item in items)
        said = f"{failed} of {len(items)} items failed"
        run.finish("posture", f"{said}, {unseen} not looked at" if unseen else said)
    return True


def _note_manager(run: Run) -> None:
    """Which account manages the organization, as far as this one is told."""
    try:
        manager = organizations.management_account(run.aws)
    except AwsFailure:
        return
    Account.objects.filter(account_id=manager).update(manages_organization=True)
    if run.account.manages_organization and run.account.account_id != manager:
        Account.objects.filter(pk=run.account.pk).update(manages_organization=False)


def _facts(run: Run, gaps: dict[str, str]) -> Facts:
    aws, account = run.aws, run.account
    return Facts(
        users=_users(run, gaps),
        root=_root(run, gaps),
        passwords=_asked(
            lambda: benchmark.password_policy(aws), gaps, "password-length", "password-reuse"
        ),
        trails=_asked(lambda: benchmark.trails(aws), gaps, "trail", "trail-validation"),
        instances=_asked(
            lambda: benchmark.instances(aws, account.enabled_regions), gaps, "instance-roles"
        )
        if account.enabled_regions
        else None,
        sign_ins_read=run.step("trail")["status"] == "done",
        federated_sign_in_at=account.federated_sign_in_at,
    )


def _asked(ask: Callable[[], Told], gaps: dict[str, str], *keys: str) -> Told | None:
    """What AWS answers, or None with its words beside each item that rests on it."""
    try:
        return ask()
    except AwsFailure as failed:
        gaps.update(dict.fromkeys(keys, str(failed)))
        return None


def _root(run: Run, gaps: dict[str, str]) -> RootFacts:
    """Live from the summary; when it was used, from this sync's credential report."""
    told = _asked(
        lambda: benchmark.root(run.aws), gaps, "root-keys", "root-mfa", "root-hardware-mfa"
    )
    root = told or RootFacts()
    if root.has_mfa:
        virtual = _asked(lambda: benchmark.root_has_virtual_mfa(run.aws), gaps, "root-hardware-mfa")
        root = replace(root, has_virtual_mfa=virtual)
    reported: dict[str, Any] = run.account.root_facts
    if run.step("report")["status"] != "done" or not reported:
        gaps["root-unused"] = "There was no credential report to read."
        return root
    used = [reported.get("password_last_used_at"), *reported.get("keys_last_used_at", ())]
    times = [datetime.fromisoformat(at) for at in used if at]
    return replace(root, use_known=True, last_used_at=max(times, default=None))


def _users(run: Run, gaps: dict[str, str]) -> list[UserFacts]:
    """The users that this sync listed; two statements, and no row of what they did."""
    users = (
        listed_by(run.sync).annotate(gaps=KeyTransform("gaps", "coverage")).order_by("user_name")
    )
    keys: dict[int, list[KeyFacts]] = defaultdict(list)
    active = Credential.objects.filter(
        user__account=run.account,
        kind=Credential.Kind.ACCESS_KEY,
        status="Active",
        gone_at=None,
    )
    for pk, made, used in active.values_list("user_id", "created_at", "last_used_at"):
        keys[pk].append(KeyFacts(made, used))
    guarded = _protected(run.account)
    everything = run.sync.changes.get("full_admin")
    words: dict[str, str] = {}
    found = []
    # One by one: the policies of thousands would fill the memory.
    for values in users.values_list(*_COLUMNS).iterator(chunk_size=500):
        row = dict(zip(_COLUMNS, values, strict=True))
        words = (row["gaps"] or {}) | words
        found.append(_user(row, keys[row["pk"]], guarded, everything))
    _note_gaps(words, gaps)
    return found


def _note_gaps(words: Mapping[str, str], gaps: dict[str, str]) -> None:
    """Beside each item what kept it from being looked at, in the words of the first user."""
    for part, keys in (
        ("credentials", ("user-mfa", "unused-45", "one-key", "key-age", "federation")),
        ("policies", ("groups-only", "no-full-admin")),
    ):
        if part in words:
            gaps.update(dict.fromkeys(keys, words[part]))


def _user(
    row: dict[str, Any],
    keys: list[KeyFacts],
    guarded: frozenset[str],
    everything: dict[str, list[str]] | None,
) -> UserFacts:
    missing = row["gaps"] or {}
    attached = [arn for arn in row["attached_policies"] if not _denies(arn)]
    full_admin = None
    if everything is not None:
        full_admin = (
            bool(set(row["attached_policies"]) & set(everything["policies"]))
            or bool(set(row["groups"]) & set(everything["groups"]))
            or any(map(posture.allows_everything, row["inline_policies"].values()))
        )
    return UserFacts(
        user_id=row["user_id"],
        created_at=row["created_at"],
        has_console_password=row["has_console_password"],
        has_mfa=bool(row["mfa"]),
        password_last_used_at=row["password_last_used_at"],
        password_last_changed_at=row["password_last_changed_at"],
        active_keys=tuple(keys),
        direct_policies=bool(attached or row["inline_policies"]),
        full_admin=full_admin,
        protected=row["user_id"] in guarded or row["user_name"].lower() in guarded,
        credentials_read="credentials" not in missing,
        policies_read="policies" not in missing,
    )


def _denies(arn: str) -> bool:
    return arn.partition(":iam::aws:policy/")[2].startswith(_DENIES)


def _protected(account: Account) -> frozenset[str]:
    """User ids, and names in lower case, that the declaration protects."""
    entries = account.protected_entries.values_list("user_name", "bound_user_id")
    found = {word for name, user_id in entries for word in (name.lower(), user_id) if word}
    organization = Organization.get()
    if organization.break_glass_account == account.account_id:
        found.add(organization.break_glass_user.lower())
    return frozenset(found)


def _whole(run: Run, facts: Facts) -> bool:
    """Whether everything before this step was read, so that it can be the state before."""
    keys = [step["key"] for step in run.sync.steps]
    steps = run.sync.steps[: keys.index("posture")]
    read = all(user.credentials_read and user.policies_read for user in facts.users)
    return read and all(step["status"] == "done" for step in steps)


def _save(account: Account, items: list[Item], now: datetime, *, whole: bool) -> None:
    rows = [item.as_row() for item in items]
    told: dict[str, Any] = {"at": now, "benchmark": posture.BENCHMARK, "items": rows}
    PostureDay.objects.update_or_create(account=account, day=now.date(), first=False, defaults=told)
    dated = [row | {"at": now.isoformat()} for row in rows]
    first = PostureDay.objects.filter(account=account, first=True).first()
    if first is None:
        if whole:
            PostureDay.objects.create(
                account=account, day=now.date(), first=True, **told | {"items": dated}
            )
        return
    filled = _filled(first.items, dated)
    if filled != first.items:
        first.items = filled
        first.save(update_fields=["items"])


def _filled(before: list[dict[str, Any]], now: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What was found first stays; what nobody could look at then is told by the first who could."""
    told = {row["key"]: row for row in before if row["status"] != Status.NOT_LOOKED_AT.value}
    return [told.get(row["key"], row) for row in now]
