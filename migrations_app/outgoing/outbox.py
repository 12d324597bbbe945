"""The outbox: a notice is written with its deliveries, a worker sends them, and nothing is lost.

`tell` belongs into the transaction of what it tells about. A delivery is claimed by a conditional
UPDATE, sent outside any transaction, and its end written down: accepted, to be tried again, parked,
or not set up. It is marked uncertain before it is sent, so that whoever comes after a worker that
died looks first whether it arrived. Messages of one thread go out in their order.
"""

from __future__ import annotations

import functools
import hashlib
import logging
from collections.abc import Iterable
from datetime import timedelta

from celery import current_app
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils.module_loading import import_string
from kombu.exceptions import OperationalError

from inventory import clock, ledger
from inventory.models import Person, Role, Team
from inventory.permissions import Action, require
from inventory.refusals import Refused
from migrations_app.announce.message import Channel, NotSetUp, Receipt, TryLater, Undeliverable
from migrations_app.models import Ask, Batch, Delivery, Departure, Notice
from migrations_app.outgoing import addressees, messages

log = logging.getLogger(__name__)

QUEUE = "notify"
LEASE = timedelta(minutes=5)
# How long after each failed try the next one comes, unless the channel asked for another time.
BACK_OFF = tuple(timedelta(seconds=wait) for wait in (10, 60, 300, 900, 3600, 3 * 3600))
# Only after every wait of these: what a dead worker or its thread held up has not been tried yet.
GIVE_UP = timedelta(hours=24)
# What is older is sent again one by one only: whoever reads old news as new is misled.
SENT_AGAIN_FOR = timedelta(days=14)
# Only the worker that sends loads them.
CHANNELS = {
    Delivery.Channel.SLACK: "migrations_app.announce.slack.Slack",
    Delivery.Channel.JIRA: "migrations_app.announce.jira.Jira",
    Delivery.Channel.EMAIL: "migrations_app.announce.email.Email",
    Delivery.Channel.WEBHOOK: "migrations_app.announce.webhook.Webhook",
}
_WAITS = Delivery.Status.QUEUED


def tell(
    kind: str,
    key: str,
    title: str,
    *,
    team: Team | None = None,
    role: str = "",
    person: Person | None = None,
    text: str = "",
    url: str = "",
    batch: Batch | None = None,
    departures: Iterable[Departure] = (),
    ask: Ask | None = None,
    mail_to: str = "",
    thread: str = "",
    summary: str = "",
    closes: bool = False,
    links: Iterable[dict[str, str]] = (),
) -> Notice:
    """Tell a team, everybody with `role`, or one person; by inbox and by their channels.

    Once per key: a second run tells nobody twice. `ask` gives each address a link of its own to
    the claim page, `mail_to` tells somebody outside, by mail alone. `thread` groups messages that
    belong together, `summary` is its line in a list, `closes` says that this one is its last.
    """
    with transaction.atomic():
        notice, new = Notice.objects.get_or_create(
            key=key,
            defaults={
                "kind": kind,
                "team": team,
                "role": role,
                "person": person,
                "title": title[:200],
                "text": text,
                "url": url,
                "batch": batch,
                "ask": ask,
                "mail_to": mail_to,
                "thread": thread,
                "summary": summary[:200],
                "closes": closes,
                "links": list(links),
                "at": clock.now(),
            },
        )
        if new:
            notice.departures.set(departures)
            _put(notice)
    return notice


def due() -> list[int]:
    """The deliveries whose time has come, each the first of its thread at its address."""
    return list(_sendable().order_by("next_try_at").values_list("pk", flat=True)[:500])


def send(delivery_pk: int) -> Delivery | None:
    """Send one delivery if nobody else does; None where it was not to be sent now."""
    delivery = _claim(delivery_pk)
    if delivery is None:
        return None
    try:
        message = messages.of(delivery)
        channel = _channel(delivery.channel)
        receipt = channel.send(
            message, delivery.address, _first(delivery), uncertain=delivery.uncertain
        )
    except NotSetUp as missing:
        _not_set_up(delivery, missing)
    except TryLater as later:
        _try_later(delivery, later)
    except Undeliverable as refused:
        _park(delivery, refused.why)
    except Exception as broken:
        # What no channel may raise: without an end it would be tried for ever and parked never.
        # Its words may hold a secret, so they stay in the worker's log.
        why = f"Sending broke off with {type(broken).__name__}; the worker's log says where."
        _try_later(delivery, TryLater(why, uncertain=True))
        _nudge_next(delivery)
        raise
    else:
        _accepted(delivery, receipt)
    _nudge_next(delivery)
    return delivery


def send_again(delivery: Delivery, person: Person) -> Delivery:
    """An engineer sends again what was parked, or was not sent because nothing was set up."""
    require(person, Action.OPERATE)
    with transaction.atomic():
        row = Delivery.objects.select_for_update().get(pk=delivery.pk)
        if row.status == Delivery.Status.ACCEPTED:
            raise Refused("The channel has accepted it already.")
        if row.status == _WAITS:
            # A worker may be sending it at this moment.
            raise Refused("It is on its way already, and is tried again by itself.")
        now = clock.now()
        row.status, row.at, row.next_try_at, row.lease_until = _WAITS, now, now, None
        row.save(update_fields=["status", "at", "next_try_at", "lease_until"])
        ledger.append(
            "message.sent-again", actor=person, notice=row.notice.key, channel=row.channel
        )
        _nudge(row.pk)
    return row


def unsent() -> QuerySet[Delivery]:
    """What did not go out of late and still tells something: parked, or its channel not set up."""
    over = Q(notice__ask__withdrawn_at__isnull=False) | Q(notice__ask__answered_at__isnull=False)
    return Delivery.objects.filter(
        status__in=[Delivery.Status.PARKED, Delivery.Status.UNSET],
        notice__at__gte=clock.now() - SENT_AGAIN_FOR,
    ).exclude(over | Q(notice__kind="test"))


def send_all_again(channel: str, person: Person) -> int:
    """An engineer sends again everything `unsent` of a channel that was mended; how many."""
    require(person, Action.OPERATE)
    now = clock.now()
    with transaction.atomic():
        rows = Delivery.objects.filter(pk__in=unsent().filter(channel=channel).values("pk"))
        number = rows.update(status=_WAITS, at=now, next_try_at=now, lease_until=None)
        if not number:
            raise Refused("There is nothing to send again.")
        ledger.append("message.all-sent-again", actor=person, channel=channel, messages=number)
        _nudge()
    return number


def send_test(channel: str, address: str, person: Person) -> Delivery:
    """A test message to one address; how its delivery ends is the answer. Once a minute.

    Whoever asks again so soon gets the same one, and of another person's it is Refused.
    """
    require(person, Action.TEST_CHANNELS)
    now = clock.now()
    address_hash = hashlib.sha256(address.lower().encode()).hexdigest()[:32]
    key = f"test:{channel}:{address_hash}:"
    # Of two at the same instant the key decides, and before them it is the time that passed.
    late = Notice.objects.filter(key__startswith=key, at__gt=now - timedelta(minutes=1))
    last = late.order_by("-at").first()
    with transaction.atomic():
        notice, new = Notice.objects.get_or_create(
            key=last.key if last else f"{key}{now:%Y%m%d%H%M}",
            defaults={
                "kind": "test",
                "person": person,
                "title": "Test message",
                "text": f"{person} tests this channel. Nothing happened to any IAM user.",
                "at": now,
            },
        )
        if not new:
            if (sent := notice.deliveries.first()) and notice.person == person:
                return sent
            raise Refused("A test went there within this minute. Look at its answer first.")
        one = addressees.Address(channel, address)
        row = _put_one(notice, one)
        _nudge(row.pk)
        ledger.append("message.tested", actor=person, channel=channel)
    return row


def _put(notice: Notice) -> None:
    """All ways of a notice, and one nudge: a broker that hangs must not hold up a restore."""
    if [_put_one(notice, one) for one in addressees.of(notice)]:
        _nudge()


def _put_one(notice: Notice, one: addressees.Address) -> Delivery:
    return Delivery.objects.create(
        notice=notice,
        channel=one.channel,
        address=one.address,
        person=one.person,
        key=_key(notice, one),
        thread=_thread(notice, one),
        at=notice.at,
        next_try_at=notice.at,
    )


def _thread(notice: Notice, one: addressees.Address) -> str:
    """What the messages of one thread have in common at one address.

    An issue is one team's, since it names the team's users and ends with them: teams that share a
    project have an issue each of a batch. What a team is asked is its own thread already.
    """
    if one.channel == Delivery.Channel.JIRA and notice.thread and notice.team and not notice.ask:
        return f"{notice.thread}:{notice.team.key}"
    return notice.thread


def _key(notice: Notice, one: addressees.Address) -> str:
    told = "\n".join((notice.key, one.channel, one.address.lower()))
    return hashlib.sha256(told.encode()).hexdigest()


def _sendable() -> QuerySet[Delivery]:
    now = clock.now()
    earlier = Delivery.objects.filter(
        channel=OuterRef("channel"),
        address=OuterRef("address"),
        thread=OuterRef("thread"),
        pk__lt=OuterRef("pk"),
        status=_WAITS,
    ).exclude(thread="")
    return Delivery.objects.filter(
        ~Exists(earlier),
        Q(lease_until=None) | Q(lease_until__lt=now),
        status=_WAITS,
        next_try_at__lte=now,
    )


def _claim(pk: int) -> Delivery | None:
    """Take it, with what earlier tries left; from now on it may have arrived."""
    now = clock.now()
    before = Delivery.objects.filter(pk=pk).values_list("uncertain", "tries").first()
    if before is None:
        return None
    uncertain, tries = before
    taken = (
        _sendable()
        .filter(pk=pk, tries=tries)
        .update(lease_until=now + LEASE, tries=F("tries") + 1, uncertain=True)
    )
    if taken != 1:
        return None
    delivery = Delivery.objects.select_related("notice__batch__account", "person").get(pk=pk)
    delivery.uncertain = uncertain
    return delivery


def _channel(name: str) -> Channel:
    if not messages.leads_somewhere():
        raise NotSetUp("IAMCLEANUP_URL is not set, so the links in messages would lead nowhere.")
    channel: Channel = import_string(CHANNELS[Delivery.Channel(name)]).from_environment()
    return channel


def _first(delivery: Delivery) -> Receipt | None:
    """What the first message of this thread at this address was answered with."""
    if not delivery.thread:
        return None
    first = (
        Delivery.objects.filter(
            channel=delivery.channel,
            address=delivery.address,
            thread=delivery.thread,
            status=Delivery.Status.ACCEPTED,
        )
        .order_by("pk")
        .first()
    )
    return Receipt(first.receipt) if first else None


def _end(delivery: Delivery, **columns: object) -> None:
    columns |= {"lease_until": None}
    for name, value in columns.items():
        setattr(delivery, name, value)
    delivery.rendered = delivery.rendered or _rendered(delivery)
    delivery.save(update_fields=[*columns, "rendered"])


def _rendered(delivery: Delivery) -> str:
    """What went out, for the record; that it cannot be shown must not undo that it was sent."""
    try:
        return messages.rendered(delivery)
    except Exception:
        log.exception("%s cannot be shown as text.", delivery)
        return ""


def _accepted(delivery: Delivery, receipt: Receipt) -> None:
    now = clock.now()
    with transaction.atomic():
        _end(
            delivery,
            status=Delivery.Status.ACCEPTED,
            accepted_at=now,
            receipt=dict(receipt.facts),
            problem="",
            uncertain=False,
        )
        if delivery.notice.team_id and _is_the_teams(delivery, receipt):
            # Rule 13: a channel that accepted the message has reached the team.
            Notice.objects.filter(pk=delivery.notice_id, reached_at=None).update(reached_at=now)


def _is_the_teams(delivery: Delivery, receipt: Receipt) -> bool:
    """Whether it went to the team's own address: a webhook's place is the same for every team."""
    return delivery.channel != Delivery.Channel.WEBHOOK and not receipt.facts.get("webhook")


def _try_later(delivery: Delivery, later: TryLater) -> None:
    now = clock.now()
    if now - delivery.at > GIVE_UP and delivery.tries > len(BACK_OFF):
        _park(delivery, f"Given up after {delivery.tries} tries. The last: {later.why}")
        return
    wait = later.after or BACK_OFF[min(delivery.tries, len(BACK_OFF)) - 1]
    uncertain = delivery.uncertain or later.uncertain
    _end(delivery, next_try_at=now + wait, problem=later.why, uncertain=uncertain)
    log.warning("%s was not sent: %s", delivery, later.why)


def _park(delivery: Delivery, why: str) -> None:
    """It will not arrive as it is: engineers are told in the inbox, and can send it again."""
    with transaction.atomic():
        _end(delivery, status=Delivery.Status.PARKED, problem=why, uncertain=delivery.uncertain)
        Notice.objects.get_or_create(
            key=f"parked:{delivery.pk}:{delivery.tries}",
            defaults={
                "kind": "parked",
                "role": Role.ENGINEER,
                "title": f"Not delivered: {delivery.notice.title}"[:200],
                "text": f"{delivery} did not take it. {why}",
                "at": clock.now(),
            },
        )
    log.warning("%s is parked: %s", delivery, why)


def _not_set_up(delivery: Delivery, missing: NotSetUp) -> None:
    shown = Delivery.Status.REHEARSED if settings.IAMCLEANUP_DEMO else Delivery.Status.UNSET
    _end(delivery, status=shown, problem=missing.why, uncertain=False)


def _nudge_next(delivery: Delivery) -> None:
    """The next message of the thread has waited for this one."""
    if not delivery.thread or delivery.status == _WAITS:
        return
    waiting = Delivery.objects.filter(
        channel=delivery.channel,
        address=delivery.address,
        thread=delivery.thread,
        status=_WAITS,
    )
    following = waiting.order_by("pk").values_list("pk", flat=True).first()
    if following:
        _nudge(following)


def _nudge(pk: int | None = None) -> None:
    transaction.on_commit(functools.partial(_send_nudge, pk))


def _send_nudge(pk: int | None) -> None:
    """Tell the worker that one delivery waits, or without `pk` that some do.

    A lost nudge costs time only: the sweep finds them.
    """
    task, about = ("send_messages", []) if pk is None else ("send_message", [pk])
    try:
        current_app.send_task(f"migrations_app.tasks.{task}", args=about, queue=QUEUE, retry=False)
    except OperationalError as error:
        log.warning("The broker took no nudge for a message (%s); the sweep will.", error)
