"""Composing a batch: draft, dry run, ask. Nothing here writes to AWS."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import IntegrityError, connection, transaction
from django.db.models import Max, Q, QuerySet

from inventory import clock, ledger, meanwhile
from inventory.aws.failure import AwsFailure, NoSuchUser
from inventory.aws.holdings import read_user
from inventory.aws.session import AwsSession, shared_reader
from inventory.models import Account, Organization, Person
from inventory.permissions import Action, require
from inventory.policy import policy_for
from inventory.refusals import Refused, Stale
from migrations_app import guards, turns
from migrations_app.changes import evidence, nudge, ownership
from migrations_app.changes.ahead import Ahead, look_ahead
from migrations_app.changes.facts import batch_digest, facts_of, frozen_items, planned
from migrations_app.changes.reasons import left_out, refused_for
from migrations_app.changes.situation import account_blockers, situation
from migrations_app.changes.state import elsewhere, locked_batch
from migrations_app.lifecycle import Method, MoveName, State
from migrations_app.models import Batch, Change, Comment, Departure, Plan
from migrations_app.outgoing import announcing

DRY_RUN_HOLDS = timedelta(hours=1)
_NUMBER_LOCK = 0xBA7C
_MOVES = (MoveName.DISABLE, MoveName.DELETE)


def compose(  # noqa: PLR0917
    account: Account,
    move: MoveName | str,
    departures: Iterable[Departure],
    person: Person,
    method: str = Method.FENCE,
    urgent: bool = False,
    reason: str = "",
    form: str = "",
) -> Batch:
    """A new draft of up to the policy's batch size, and the dry run that looks at its users.

    An urgent batch (leaked keys) holds five at most, is shut at once, and needs a reason. `form` is
    the digest of the form that was sent: the batch that the same one made comes back.
    """
    require(person, Action.OPERATE)
    if move not in _MOVES:
        raise Refused("A batch disables or deletes.")
    departures = list(departures)
    if not departures:
        raise Refused("Choose at least one user.", rule="input")
    if urgent:
        _refuse_urgent(MoveName(move), reason)
        method = Method.SHUT
    with transaction.atomic():
        wait_for_other_composings()
        before = made_by(form, person)
        if before is not None:
            return before
        batch = Batch.objects.create(
            number=(Batch.objects.aggregate(last=Max("number"))["last"] or 0) + 1,
            account=Account.objects.select_for_update().get(pk=account.pk),
            move=MoveName(move),
            method=Method(method),
            urgent=urgent,
            reason=reason.strip(),
            composed_by=person,
            composed_at=clock.now(),
            sandbox=account.sandbox,
            form=form,
        )
        _add(batch, departures)
        ledger.append(
            "batch.composed", actor=person, batch=batch.number, move=str(move), urgent=urgent
        )
        _ask_dry_run(batch)
    return batch


def wait_for_other_composings() -> None:
    """Two at once would take the same number. Nobody else composes until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_NUMBER_LOCK])


def made_by(form: str, person: Person) -> Batch | None:
    """The batch that this form of this person made, unless it was discarded since."""
    return Batch.objects.filter(composed_by=person, form=form).first() if form else None


def add_users(batch: Batch, departures: Iterable[Departure], person: Person) -> Batch:
    """Put more users into a draft; Refused beyond the batch size."""
    require(person, Action.OPERATE)
    with transaction.atomic():
        row = _draft(batch)
        # Who stands in it already was looked at, or is.
        if _add(row, departures):
            _ask_dry_run(row)
    return row


def remove_user(batch: Batch, departure: Departure, person: Person) -> Batch:
    """Take a user out of a draft."""
    require(person, Action.OPERATE)
    with transaction.atomic():
        row = _draft(batch)
        row.changes.filter(departure=departure).delete()
        _redigest(row)
    return row


def set_method(batch: Batch, method: str, person: Person) -> Batch:
    """Fence and watch first, or shut at once; the dry run is made again."""
    require(person, Action.OPERATE)
    if method not in list(Method):
        raise Refused("A batch is disabled by fence, or by shut at once.")
    with transaction.atomic():
        row = _draft(batch)
        if row.urgent and method != Method.SHUT:
            raise Refused("An urgent batch is shut at once.")
        if row.method == method:
            return row
        row.method = method
        row.save()
        row.changes.update(method=method)
        _ask_dry_run(row)
    return row


def discard(batch: Batch, person: Person) -> None:
    """Throw a draft away; nothing of it ever ran."""
    require(person, Action.OPERATE)
    with transaction.atomic():
        row = _draft(batch)
        row.changes.update(status=Change.Status.WITHDRAWN, finished_at=clock.now())
        row.status, row.finished_at = Batch.Status.WITHDRAWN, clock.now()
        # Whoever goes back to the form that made it and sends it again wants another.
        row.form = ""
        row.save()
        ledger.append("batch.discarded", actor=person, batch=row.number)


def ask_dry_run(batch: Batch, person: Person) -> Batch:
    """Look at the live account again; the look that is under way, if there is one already.

    One that is lost is asked for again by the sweep.
    """
    require(person, Action.OPERATE)
    with transaction.atomic():
        row = _draft(batch)
        if row.dry_run_asked_at is None:
            _ask_dry_run(row)
    return row


def dry_run(batch_pk: int) -> None:
    """Read every user of a draft live, plan the exact calls, and judge. For a worker.

    Errors of AWS land on the row of the user, or on the batch when the account cannot be read.
    """
    batch = Batch.objects.select_related("account").get(pk=batch_pk)
    if batch.status != Batch.Status.DRAFT:
        return
    asked_at = batch.dry_run_asked_at
    try:
        session = shared_reader(batch.account)
    except AwsFailure as refused:
        Batch.objects.filter(pk=batch.pk).update(
            dry_run_error=f"AWS refused the read role: {refused}", dry_run_asked_at=None
        )
        return
    changes = list(
        batch.changes.select_related("departure__user__account", "departure__owner").order_by("pk")
    )
    ahead = look_ahead(batch, [change.pk for change in changes])
    for change in changes:
        _dry_run_one(change, session, ahead if ahead and ahead.holds else None)
    with transaction.atomic():
        row = Batch.objects.select_for_update().get(pk=batch.pk)
        # Somebody changed the draft meanwhile: the dry run that this asked for is still to come.
        if row.status == Batch.Status.DRAFT and row.dry_run_asked_at == asked_at:
            row.dry_run_at, row.dry_run_error = clock.now(), ""
            row.dry_run_asked_at = None
            _redigest(row)


def ask(batch: Batch, person: Person, message: str = "", digest: str | None = None) -> Batch:
    """Freeze the draft and ask for a second person's approval.

    With `digest`, Stale unless the draft is still what the person was shown.

    Users with a blocker are left out, each with its reason. Owners are told, which starts the
    notice. Refused while the account itself is blocked, or the dry run is older than an hour.
    """
    require(person, Action.OPERATE)
    with transaction.atomic():
        row = _draft(batch)
        now = clock.now()
        if digest is not None and digest != row.digest:
            raise Stale(meanwhile.of_batch(row.number), rule="digest")
        if row.dry_run_at is None or row.dry_run_asked_at is not None:
            raise Refused("The dry run has not finished yet.", rule="dry-run")
        if now - row.dry_run_at > DRY_RUN_HOLDS:
            raise Refused(
                "The dry run is older than an hour. Run it again before you ask.", rule="dry-run"
            )
        blocked = account_blockers(row.account, row.move, row.urgent)
        if blocked:
            raise refused_for(blocked)
        asked = _freeze(row)
        if not asked:
            raise Refused(
                "No user of this batch may go now; the reasons stand beside each.",
                because=left_out(row.changes.select_related("departure__user")),
            )
        row.asked_by, row.asked_at, row.status = person, now, Batch.Status.ASKED
        row.message = message.strip()
        _redigest(row)
        row.save()
        announcing.asked(row)
        ledger.append(
            "batch.asked",
            actor=person,
            batch=row.number,
            digest=row.digest,
            users=[change.departure.user.user_id for change in asked],
        )
    return row


def comment(batch: Batch, person: Person, text: str, change: Change | None = None) -> Comment:
    """Say something about a batch, or about one user in it; the last word there is not repeated."""
    require(person, Action.SEE)
    if not text.strip():
        raise Refused("Write something first.")
    told = {"batch": batch, "change": change, "person": person, "text": text.strip()}
    with transaction.atomic():
        turns.take(person)
        last = Comment.objects.filter(batch=batch, change=change).order_by("-at", "-pk").first()
        if last is not None and turns.is_again(last, told):
            return last
        said = Comment.objects.create(**told, at=clock.now())
        # That it was said, and by whom: what was said can be let go of.
        about = change.departure.user if change else None
        ledger.append("batch.commented", actor=person, batch=batch.number, user=about)
    return said


def eligible(account: Account, move: MoveName | str) -> QuerySet[Departure]:
    """Departures that the table lets make this move, not yet judged; longest unused first.

    Of users in use those whose plan counts, and whose old credentials rest as the policy asks for.
    """
    # By the row that the lists find users by: those of an account lie all over their own table.
    rows = (
        Departure.objects.unprotected()
        .filter(listed__account=account, listed__gone=False)
        .select_related("user__account", "owner")
        .exclude(changes__status__in=[*Change.OPEN, Change.Status.DRAFT])
    )
    if MoveName(move) is MoveName.DELETE:
        return rows.filter(listed__state=State.SOAKING).order_by("clock_started_at", "pk")
    replaced = Plan.objects.counted().filter(_resting(account), departure__listed__account=account)
    quiet = Q(listed__verdict__in=sorted(guards.QUIET_VERDICTS))
    found = quiet | Q(pk__in=replaced.values("departure"))
    return rows.filter(found, listed__state=State.OWNER_ASSIGNED).order_by(
        "user__last_activity_at", "pk"
    )


def _resting(account: Account) -> Q:
    """Plans of those whose old credentials rest as rule 6 asks for; a category may ask for other
    times."""
    organization, now = Organization.get(), clock.now()
    rests = _resting_since(now - policy_for(organization, account).quiet)
    for category in sorted(organization.policy.get("by_category", {})):
        shown = Q(departure__listed__category=category)
        length = policy_for(organization, account, category).quiet
        rests = (~shown & rests) | (shown & _resting_since(now - length))
    return rests


def _resting_since(at: datetime) -> Q:
    """Read whole, and neither used nor made since; as `guards.quiet_since` counts it."""
    made = Q(departure__user__created_at=None) | Q(departure__user__created_at__lte=at)
    return made & Q(departure__user__last_activity_at__lte=at, departure__user__coverage_whole=True)


def words_for(batch: Batch) -> str:
    """What the approver of a delete types."""
    count = batch.changes.filter(status=Change.Status.ASKED).count()
    return f"delete {count} user{'' if count == 1 else 's'}"


def _draft(batch: Batch) -> Batch:
    row = locked_batch(batch)
    if row.status != Batch.Status.DRAFT:
        raise elsewhere(row, ", no longer a draft")
    return row


def _refuse_urgent(move: MoveName, reason: str) -> None:
    if move is not MoveName.DISABLE:
        raise Refused("Only a disable can be urgent.", rule="urgent")
    if not reason.strip():
        raise Refused("Say why it is urgent.", rule="urgent")


def _add(batch: Batch, departures: Iterable[Departure]) -> bool:
    """Whether anybody is new in it."""
    known = set(batch.changes.values_list("departure_id", flat=True))
    new = [row for row in departures if row.pk not in known]
    wrong = [row for row in new if row.user.account_id != batch.account_id]
    if wrong:
        raise Refused(f"{wrong[0].user} is in another account than batch {batch}.")
    size = policy_for(Organization.get(), batch.account).batch_size
    limit = guards.URGENT_USERS if batch.urgent else size
    if len(known) + len(new) > limit:
        raise Refused(
            f"A batch takes {limit} users, so {limit - len(known)} more fit into this one. "
            f"Leave {len(known) + len(new) - limit} for another.",
            rule="urgent" if batch.urgent else "batch-size",
        )
    if batch.urgent:
        # Rule 6c: leaked keys do not wait for a claim; the custodian answers for them.
        unclaimed = [row for row in new if row.state == State.DISCOVERED and not row.protection]
        ownership.adopt(unclaimed, batch.composed_by, leaked=True)
    Change.objects.bulk_create(
        Change(
            departure=row,
            batch=batch,
            move=batch.move,
            method=batch.method,
            requested_by=batch.composed_by,
            requested_at=clock.now(),
        )
        for row in new
    )
    return bool(new)


def _ask_dry_run(batch: Batch) -> None:
    batch.dry_run_asked_at, batch.dry_run_at, batch.digest = clock.now(), None, ""
    batch.save()
    nudge.dry_run(batch.pk)


def _dry_run_one(change: Change, session: AwsSession, ahead: Ahead | None) -> None:
    departure, move = change.departure, MoveName(change.move)
    user = departure.user
    try:
        holdings = read_user(session, user.user_name, ahead.wide if ahead else None)
    except NoSuchUser:
        _block(change, "gone", f"{user} is not in AWS under this name. Sync the account.")
        return
    except AwsFailure as refused:
        _block(change, "unreadable", f"{user} could not be read: {refused}")
        return
    if holdings.user_id != user.user_id:
        _block(change, "namesake", f"{user} is another user now ({holdings.user_id}).")
        return
    if move is MoveName.DELETE:
        looked_at, whole = evidence.listened(departure)
    else:
        bench = ahead.bench if ahead else None
        whole, looked_at = evidence.look(departure, session, holdings, bench), clock.now()
    facts = facts_of(departure, holdings, move, change.method)
    change.facts = facts
    change.digest = ledger.digest(facts)
    change.judged = evidence.judged(departure, whole, looked_at)
    before = change.warnings
    calls = planned(holdings, move, change.method)
    change.warnings = evidence.warnings(departure, holdings, calls, move)
    if change.warnings != before:
        # Viewed is the tick for a warning: it does not count for one that nobody was shown.
        change.viewed.all().delete()
    change.blockers = _blockers(change)
    _save_dry_run(change)


def _save_dry_run(change: Change) -> None:
    """Save what was found, unless the batch was asked for meanwhile: that is frozen."""
    Change.objects.filter(pk=change.pk, batch__status=Batch.Status.DRAFT).update(
        facts=change.facts,
        digest=change.digest,
        judged=change.judged,
        warnings=change.warnings,
        blockers=change.blockers,
    )


def _blockers(change: Change) -> list[dict[str, str]]:
    one = situation(change.departure, besides=[change])
    urgent = bool(change.batch and change.batch.urgent)
    found = guards.blockers(one, MoveName(change.move), clock.now(), urgent=urgent)
    return [_as_values(blocker.code, blocker.text, blocker.fix) for blocker in found]


def _block(change: Change, code: str, text: str) -> None:
    change.facts, change.digest, change.judged = {}, "", {}
    change.blockers = [_as_values(code, text)]
    change.warnings = []
    _save_dry_run(change)


def _as_values(code: str, text: str, fix: str = "") -> dict[str, str]:
    return {"code": code, "text": text, "fix": fix}


def _freeze(batch: Batch) -> list[Change]:
    """Leave out who is blocked, and mark the others asked; the database refuses a second batch."""
    asked = []
    for change in batch.changes.select_related("departure__user__account", "departure__owner"):
        if change.digest:
            change.blockers = _blockers(change)
        elif not change.blockers:
            change.blockers = [_as_values("not-looked-at", "It was not looked at yet.")]
        if change.blockers:
            change.status, change.finished_at = Change.Status.LEFT_OUT, clock.now()
            change.result = change.blockers[0]["text"]
        else:
            change.status = Change.Status.ASKED
            asked.append(change)
        try:
            with transaction.atomic():
                change.save()
        except IntegrityError:
            asked.pop()
            change.status, change.finished_at = Change.Status.LEFT_OUT, clock.now()
            change.result = f"{change.departure.user} is in another batch already."
            change.blockers = [_as_values("busy", change.result)]
            change.save()
    return asked


def _redigest(batch: Batch) -> None:
    items = frozen_items(batch)
    batch.digest = batch_digest(batch, items) if items else ""
    batch.save()
