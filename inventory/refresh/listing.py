"""The users of an account become rows; a listing that lost too many is not believed (rule 5)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from inventory import clock, ledger
from inventory.aws import account_details, holdings, regions
from inventory.aws.account_details import AccountDetails
from inventory.aws.credential_report import Report
from inventory.aws.holdings import ListedUser
from inventory.aws.session import AwsFailure
from inventory.models import Account, Alert, IamUser, Person
from inventory.observations import earlier_names
from inventory.permissions import Action, require
from inventory.principals import Directory, Known
from inventory.references import (
    MOST_DEAD,
    WITH_USERS,
    Reference,
    arranged,
    dead_in,
    of_account,
)
from inventory.refresh.report import reported
from inventory.refresh.report_notes import account_notes, cells
from inventory.refresh.run import Halted, Run

_KIND = "listing"
# How the reason begins by which this file knows its own hold.
_HELD = "AWS listed "
_ALARM_COUNT = 3
_ALARM_PERCENT = 10
_BETWEEN = "Policies and groups: IAM's account details do not show this user yet."
_DETAIL_COLUMNS = (
    "tags",
    "groups",
    "attached_policies",
    "inline_policies",
    "boundary_arn",
    "privilege",
    "privilege_facts",
    "references",
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A complete listing beside the users that should exist."""

    missing: tuple[int, ...]  # pks of IamUser
    expected: int
    listed: int
    digest: str

    @property
    def alarming(self) -> bool:
        """None at all, or more than 10 % and more than 3 missing."""
        if self.expected and not self.listed:
            return True
        lost = len(self.missing)
        return lost > _ALARM_COUNT and lost * 100 > self.expected * _ALARM_PERCENT


def compare(account: Account, user_ids: Iterable[str]) -> Comparison:
    """What a listing of `user_ids` says of the users that `account` should have.

    Those proven deleted are off the rows (`gone_at`) already.
    """
    listed = set(user_ids)
    present = dict(account.users.present().values_list("user_id", "pk"))
    missing = tuple(pk for user_id, pk in sorted(present.items()) if user_id not in listed)
    return Comparison(missing, len(present), len(listed), ledger.digest(sorted(listed)))


def read_users(run: Run) -> bool:
    """The step `users`. Raises AwsFailure (no complete listing) and Halted (not believed)."""
    listed = holdings.list_users(run.aws)
    comparison = compare(run.account, (user.user_id for user in listed))
    _judge_listing(run.account, comparison)
    run.keep()
    gaps: dict[str, str] = {}
    details: AccountDetails | None = None
    try:
        details = account_details.read(run.aws)
    except AwsFailure as failed:
        gaps["policies"] = f"Policies and groups: {failed}"
    try:
        run.account.enabled_regions = list(regions.enabled(run.aws))
        run.account.save(update_fields=["enabled_regions"])
    except AwsFailure as failed:
        gaps["regions"] = f"Enabled Regions: {failed}"
    run.keep()
    report = reported(run)
    _keep_notes(run.account, report, listed)
    _save(run, listed, details, report, gaps)
    run.sync.users_seen = len(listed)
    run.sync.changes["missing"] = list(comparison.missing)
    run.sync.changes["admin_roles"] = list(details.admin_roles) if details else []
    run.sync.changes["full_admin"] = details.full_admin if details else None
    run.advance("users", len(listed), len(listed))
    if gaps:
        run.fail("users", " ".join(gaps.values()))
    else:
        differ = len(run.account.report_notes)
        noted = f", {differ} not as in the credential report" if differ else ""
        run.finish("users", f"{len(listed)} users{noted}")
    return True


def accept_listing(account: Account, person: Person, digest: str) -> None:
    """An engineer says that the listing with this digest is true; the next sync takes it.

    Raises NotAllowed.
    """
    require(person, Action.OPERATE)
    with transaction.atomic():
        account.accepted_listing = digest
        account.save(update_fields=["accepted_listing"])
        ledger.append(
            "listing accepted", actor=person, account_id=account.account_id, listing=digest
        )


def _judge_listing(account: Account, comparison: Comparison) -> None:
    """Hold the account for a listing that lost too many; raises Halted.

    What an engineer accepted is believed for as long as AWS lists just that: any other listing, a
    good one too, ends it.
    """
    with transaction.atomic():
        # An engineer may accept, or another hold begin, while this sync reads.
        columns = ("accepted_listing", "hold_reason", "hold_since")
        account.refresh_from_db(
            fields=columns, from_queryset=Account.objects.select_for_update(no_key=True)
        )
        accepted = comparison.digest == account.accepted_listing
        account.accepted_listing = comparison.digest if accepted else ""
        alarm = _alarm(account, comparison) if comparison.alarming and not accepted else ""
        if not alarm:
            _believe(account)
        account.save(update_fields=columns)
    if alarm:
        raise Halted(alarm)


def _alarm(account: Account, comparison: Comparison) -> str:
    now = clock.now()
    text = (
        f"{_HELD}{comparison.listed} users of {account}, but {comparison.expected} should"
        f" exist and {len(comparison.missing)} are missing. Nothing was changed, and no forward"
        f" change begins here until an engineer accepts this listing."
        f" (listing {comparison.digest})"
    )
    # Whatever else holds the account goes on holding it once this listing is accepted.
    others = _without_ours(account.hold_reason)
    account.hold_since = account.hold_since or now
    account.hold_reason = f"{text}\n{others}".strip()
    # A later listing that lost others is another alarm, of which the open alert has to tell.
    told = {
        "title": f"{len(comparison.missing)} users are missing in {account.name}",
        "text": text,
    }
    Alert.objects.update_or_create(
        key=_key(account),
        closed_at=None,
        defaults=told,
        create_defaults={**told, "kind": _KIND, "account": account, "raised_at": now},
    )
    return text


def _believe(account: Account) -> None:
    """Let go of our own hold; others are lifted by whoever put them on."""
    Alert.objects.filter(key=_key(account), closed_at=None).update(closed_at=clock.now())
    others = _without_ours(account.hold_reason)
    account.hold_reason, account.hold_since = others, account.hold_since if others else None


def _key(account: Account) -> str:
    return f"{_KIND}:{account.account_id}"


def _without_ours(reason: str) -> str:
    return "\n".join(line for line in reason.splitlines() if not line.startswith(_HELD))


def _save(
    run: Run,
    listed: list[ListedUser],
    details: AccountDetails | None,
    report: Report | None,
    gaps: dict[str, str],
) -> None:
    now = clock.now()
    known = {user.user_id: user for user in run.account.users.all()}
    names = {user.user_name.lower(): user for user in known.values() if user.gone_at is None}
    references: dict[str, list[Reference]] = {}
    if details:
        directory = _directory(listed, details)
        references = of_account(details.trusts, details.policies, directory, now)
        _note_dead(run.account, dead_in(details.trusts, directory))
    rows: list[IamUser] = []
    renamed: list[int] = []
    namesakes: list[str] = []
    for one in listed:
        row = known.get(one.user_id)
        if row and row.gone_at:
            # Proven gone: the listing lags behind.
            continue
        if row is None:
            row = IamUser(account=run.account, user_id=one.user_id, first_seen_at=now, coverage={})
            if one.user_name.lower() in names:
                namesakes.append(one.user_id)
        elif row.user_name != one.user_name:
            renamed.append(row.pk)
            row.earlier_names = earlier_names(row.earlier_names, row.user_name, one.user_name)
        _fill(row, one, report)
        if details:
            _fill_details(row, details, references.get(row.user_id, ()))
        row.last_seen_at = now
        row.coverage |= {"sync": run.sync.pk, "gaps": dict(gaps), "listed_at": now.isoformat()}
        if details and row.user_id not in details.users:
            row.coverage["gaps"] = gaps | {"policies": _BETWEEN}
        _keep_reported(row, report)
        rows.append(row)
    new_ids = {row.user_id for row in rows if row.user_id not in known}
    with transaction.atomic():
        _write(rows, new_ids)
        new = IamUser.objects.filter(account=run.account, user_id__in=new_ids)
        run.sync.changes |= {
            "new_users": list(new.values_list("pk", flat=True)),
            "namesakes": list(new.filter(user_id__in=namesakes).values_list("pk", flat=True)),
            "renamed": renamed,
        }
        run.keep()


def _fill(row: IamUser, one: ListedUser, report: Report | None) -> None:
    row.user_name, row.arn, row.path = one.user_name, one.arn, one.path
    row.created_at = one.created_at
    # What AWS forgets once a password is gone stays known here.
    # A report row of an earlier user of this name is not this user's evidence.
    said = report.of(one.arn, one.created_at) if report else None
    known = [row.password_last_used_at, one.password_last_used_at]
    if said:
        row.password_last_changed_at = said.password_last_changed_at
        known.append(said.password_last_used_at)
    row.password_last_used_at = max((at for at in known if at), default=None)


def _keep_reported(row: IamUser, report: Report | None) -> None:
    """Beside the user, what the report says of its credentials and of what time."""
    said = report.of(row.arn, row.created_at) if report else None
    for key in ("report_at", "report"):
        row.coverage.pop(key, None)
    if report and said:
        row.coverage |= {"report_at": report.generated_at.isoformat(), "report": cells(said)}


def _keep_notes(account: Account, report: Report | None, listed: list[ListedUser]) -> None:
    notes = [note.document() for note in account_notes(report, listed)] if report else []
    if notes != account.report_notes:
        account.report_notes = notes
        account.save(update_fields=["report_notes"])


def _directory(listed: list[ListedUser], details: AccountDetails) -> Directory:
    return Directory(
        Known(
            one.user_id,
            one.arn,
            one.user_name,
            details.users[one.user_id].tags if one.user_id in details.users else {},
        )
        for one in listed
    )


def _note_dead(account: Account, found: list[dict[str, str]]) -> None:
    """Replace what trust policies said before; the step `references` knows of the others."""
    others = [one for one in account.dead_references if one["kind"] not in WITH_USERS]
    if (now := [*found, *others][:MOST_DEAD]) != account.dead_references:
        account.dead_references = now
        account.save(update_fields=["dead_references"])


def _fill_details(row: IamUser, details: AccountDetails, named: Iterable[Reference]) -> None:
    found = details.users.get(row.user_id)
    if found is None:
        # A gap says so, and the next sync has it.
        return
    row.coverage["details_at"] = clock.now().isoformat()
    row.tags = found.tags
    row.groups = list(found.groups)
    row.attached_policies = list(found.attached_policies)
    row.inline_policies = found.inline_policies
    row.boundary_arn = found.boundary
    row.privilege = found.privilege.level
    row.privilege_facts = found.privilege.facts | {"at": clock.now().isoformat()}
    others = [one for one in row.references if one["kind"] not in WITH_USERS]
    row.references = arranged([*(one.row() for one in named), *others])


def _write(rows: list[IamUser], new_ids: set[str]) -> None:
    """Few statements, however many users."""
    columns: list[Any] = [
        "user_name",
        "arn",
        "path",
        "earlier_names",
        "created_at",
        "last_seen_at",
        "password_last_used_at",
        "password_last_changed_at",
        "coverage",
        *_DETAIL_COLUMNS,
    ]
    new = [row for row in rows if row.user_id in new_ids]
    old = [row for row in rows if row.user_id not in new_ids]
    IamUser.objects.bulk_update(old, columns, batch_size=500)
    IamUser.objects.bulk_create(new, batch_size=500)
