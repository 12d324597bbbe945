"""The users of an account become rows; a listing that lost too many is not believed (rule 5)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from inventory import clock, ledger
from inventory.aws import account_details, holdings, regions
from inventory.aws.account_details import AccountDetails
from inventory.aws.credential_report import Report
from inventory.aws.holdings import ListedUser
from inventory.aws.session import AwsFailure
from inventory.models import Account, Alert, IamUser, Person, ReadPass
from inventory.observations import earlier_names
from inventory.permissions import Action, require
from inventory.reads import BY_GAP, LISTED, REPORT, Reads, mark_all, reads_of
from inventory.referrers.principals import Directory, Known
from inventory.referrers.references import (
    MOST_DEAD,
    WITH_USERS,
    Reference,
    arranged,
    dead_in,
    of_account,
)
from inventory.refresh import policy_texts
from inventory.refresh.bulk import Before, update
from inventory.refresh.report import reported
from inventory.refresh.report_notes import account_notes, cells
from inventory.refresh.run import Halted, Run

_KIND = "listing"
# How the reason begins by which this file knows its own hold.
_HELD = "AWS listed "
_ALARM_COUNT = 3
_ALARM_PERCENT = 10
_BETWEEN = "Policies and groups: IAM's account details do not show this user yet."
_MISSING = "Credentials: AWS did not list this user."
# So many rows are held at a time.
_AT_ONCE = 200
_COLUMNS = (
    "user_name",
    "arn",
    "path",
    "earlier_names",
    "created_at",
    "missing_since",
    "password_last_used_at",
    "password_last_changed_at",
    "coverage",
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
    # Before the time of this listing is noted, which does not speak for them.
    _note_missing(run.account, comparison.missing)
    _save(run, listed, details, report, gaps)
    if details:
        policy_texts.keep(run.account, details.shared)
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

    Of a listing that is accepted already nothing more is recorded. Raises NotAllowed.
    """
    require(person, Action.OPERATE)
    with transaction.atomic():
        account.refresh_from_db(
            fields=["accepted_listing"],
            from_queryset=Account.objects.select_for_update(no_key=True),
        )
        if account.accepted_listing == digest:
            return
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
    rows = run.account.users.values_list("user_id", "pk", "user_name", "gone_at")
    known = {user_id: (pk, name, gone_at) for user_id, pk, name, gone_at in rows.iterator()}
    names = {name.lower() for _, name, gone_at in known.values() if gone_at is None}
    references: dict[str, list[Reference]] = {}
    if details:
        directory = _directory(listed, details)
        references = of_account(details.trusts, details.policies, directory, now)
        _note_dead(run.account, dead_in(details.trusts, directory))
    # Proven gone: the listing lags behind.
    gone = {user_id: pk for user_id, (pk, _, gone_at) in known.items() if gone_at is not None}
    there = [one for one in listed if one.user_id not in gone]
    lagging = [gone[one.user_id] for one in listed if one.user_id in gone]
    new = [one for one in there if one.user_id not in known]
    renamed = [
        known[one.user_id][0]
        for one in there
        if one.user_id in known and known[one.user_id][1] != one.user_name
    ]
    namesakes = {one.user_id for one in new if one.user_name.lower() in names}
    look = _Look(run.account, now, details, references, report, gaps, reads_of(run.account))
    with transaction.atomic():
        for start in range(0, len(there), _AT_ONCE):
            look.save(there[start : start + _AT_ONCE])
        pks = dict(
            run.account.users.filter(user_id__in=[one.user_id for one in there]).values_list(
                "user_id", "pk"
            )
        )
        _mark(run, pks.values(), now, details, report)
        run.sync.changes |= {
            "new_users": [pks[one.user_id] for one in new],
            "namesakes": [pks[user_id] for user_id in sorted(namesakes)],
            "renamed": renamed,
            "gone_but_listed": lagging,
        }
        run.keep()


def _mark(
    run: Run,
    pks: Collection[int],
    now: datetime,
    details: AccountDetails | None,
    report: Report | None,
) -> None:
    """Once for all of them, when they were read; whoever was not has a gap or is missing."""
    part = ReadPass.Part
    mark_all(run.account, part.LISTING, run.sync, pks, now)
    if details:
        mark_all(run.account, part.DETAILS, run.sync, pks, now)
    if report:
        mark_all(run.account, part.REPORT, run.sync, pks, report.generated_at)


def _note_missing(account: Account, missing: Iterable[int]) -> None:
    """Of whoever AWS did not list nothing is read by this sync; what was known of it stays."""
    reads = reads_of(account)
    rows = list(account.users.filter(pk__in=list(missing), missing_since=None))
    for row in rows:
        row.last_seen_at = reads.at(row, LISTED) or row.last_seen_at
        for gap in BY_GAP:
            reads.keep_own(row, gap)
        if reported_at := reads.at(row, REPORT):
            row.coverage["report_at"] = reported_at.isoformat()
        # Once it is listed again, others' times must not speak for it before it is read.
        row.coverage["gaps"] = {"credentials": _MISSING} | row.coverage.get("gaps", {})
        row.missing_since = clock.now()
    update(rows, ["last_seen_at", "coverage", "missing_since"])


@dataclass(frozen=True, slots=True)
class _Look:
    """What one look at an account gave, to be written for some hundred users at a time."""

    account: Account
    now: datetime
    details: AccountDetails | None
    references: Mapping[str, list[Reference]]
    report: Report | None
    gaps: Mapping[str, str]
    reads: Reads

    def save(self, listed: list[ListedUser]) -> None:
        """Write what is new or changed, in a few statements."""
        ids = [one.user_id for one in listed]
        held = self.account.users.filter(user_id__in=ids).order_by("pk")
        known = {row.user_id: row for row in held.select_for_update(no_key=True)}
        before = Before(known.values(), _COLUMNS)
        new: list[IamUser] = []
        for one in listed:
            row = known.get(one.user_id)
            if row is None:
                row = IamUser(
                    account=self.account,
                    user_id=one.user_id,
                    first_seen_at=self.now,
                    last_seen_at=self.now,
                    coverage={},
                )
                new.append(row)
            elif row.user_name != one.user_name:
                row.earlier_names = earlier_names(row.earlier_names, row.user_name, one.user_name)
            self._fill(row, one)
        update(before.changed(known.values()), _COLUMNS)
        IamUser.objects.bulk_create(new, batch_size=_AT_ONCE)

    def _fill(self, row: IamUser, one: ListedUser) -> None:
        _fill(row, one, self.report)
        row.missing_since = None
        # Until their own step reads again, gaps of later steps hold: somebody may judge before.
        own = {key: text for key in ("credentials", "services") if (text := _gap(row, key))}
        gaps = own | dict(self.gaps)
        if self.details:
            if row.user_id not in self.details.users:
                gaps["policies"] = _BETWEEN
            _fill_details(row, self.details, self.references.get(row.user_id, ()))
        if "policies" in gaps and not _gap(row, "policies"):
            self.reads.keep_own(row, "policies")
        row.coverage["gaps"] = gaps
        _keep_reported(row, self.report)


def _gap(row: IamUser, key: str) -> str:
    return str(row.coverage.get("gaps", {}).get(key, ""))


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
    """Beside the user, what the report says of its credentials."""
    said = report.of(row.arn, row.created_at) if report else None
    for key in ("report_at", "report"):
        row.coverage.pop(key, None)
    if said:
        row.coverage["report"] = cells(said)


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
            details.users.tags(one.user_id),
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
    if row.user_id not in details.users:
        # A gap says so, and the next sync has it.
        return
    found = details.users[row.user_id]
    row.tags = found.tags
    row.groups = list(found.groups)
    row.attached_policies = list(found.attached_policies)
    row.inline_policies = found.inline_policies
    row.boundary_arn = found.boundary
    row.privilege = found.privilege.level
    row.privilege_facts = found.privilege.facts
    others = [one for one in row.references if one["kind"] not in WITH_USERS]
    row.references = arranged([*(one.row() for one in named), *others])
