"""What is looked at once for many users of a batch, before each of them is worked on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

import structlog

from inventory import clock, refresh
from inventory.aws import account_wide
from inventory.aws.account_wide import AccountWide
from inventory.aws.failure import AwsFailure
from inventory.aws.limiter import Limiter
from inventory.aws.session import AwsSession, Identity, own_identity, shared_reader
from inventory.models import Account, Credential, IamUser
from migrations_app.lifecycle import MoveName, State
from migrations_app.models import Batch, Departure

log = structlog.get_logger(__name__)

_SOON = timedelta(hours=1)
# From this many users on a look at the whole account costs fewer calls than one at each.
_WORTH_IT = 3


@dataclass(frozen=True, slots=True)
class Ahead:
    """A look a moment ago that serves many users: at the account, and at what their verdicts share.

    `own` is whose the base credentials of this process are. `bench` is None where no verdict is
    judged again.
    """

    wide: AccountWide
    own: Identity
    bench: refresh.Bench | None = None

    @property
    def holds(self) -> bool:
        """Whether it may still stand for a look at one user."""
        return self.wide.holds


def look_ahead(batch: Batch, changes: Sequence[int]) -> Ahead | None:
    """Look at whatever serves all of these changes of the batch; None if each looks for itself.

    Event history is brought up to now for those whose verdict is judged again. What AWS refuses
    here is no failure: the look at each user asks again, and tells.
    """
    if len(changes) < _WORTH_IT:
        return None
    account, users = batch.account, list[IamUser]()
    try:
        reader = shared_reader(account)
        if batch.move == MoveName.DISABLE and not batch.urgent:
            # Who is fenced already is listened to elsewhere: its events are new only once.
            judged = Departure.objects.filter(changes__in=changes, state=State.OWNER_ASSIGNED)
            users = list(IamUser.objects.filter(departure__in=judged).order_by("pk"))
            refresh.listen_users(account, users, reader, clock.now(), fresh=refresh.LOOK_SERVES)
        services, limiter = _services(account), Limiter.for_reads(account)
        with ThreadPoolExecutor(2) as pool:
            own = pool.submit(own_identity)
            wide = pool.submit(account_wide.look, reader, services, limiter)
            # From the rows alone, while AWS answers.
            bench = refresh.bench_for([user.pk for user in users]) if users else None
        return Ahead(wide.result(), own.result(), bench)
    except AwsFailure as refused:
        log.warning("the whole account could not be looked at", error=str(refused))
        return None


def read_ahead(account: Account, session: AwsSession, goes_on: Callable[[], bool]) -> None:
    """Read event history on for whoever an approved batch may disable within the hour.

    When the batch begins, minutes are left to be read instead of the days of its notice, and one
    lookup in each Region tells them for everybody. Nobody further is asked for once `goes_on` says
    no: each is asked again when its turn comes.
    """
    now = clock.now()
    soon = Batch.objects.filter(
        account=account,
        move=MoveName.DISABLE,
        status=Batch.Status.APPROVED,
        window_from__lte=now + _SOON,
    )
    departures = Departure.objects.filter(changes__batch__in=soon, state=State.OWNER_ASSIGNED)
    users = list(IamUser.objects.filter(departure__in=departures).order_by("pk"))
    for _ in refresh.hear(account, users, session, now, fresh=_SOON / 4, goes_on=goes_on):
        continue


def _services(account: Account) -> list[str]:
    """The services for which somebody here holds credentials of their own."""
    held = Credential.objects.filter(
        user__account=account, kind=Credential.Kind.SERVICE_SPECIFIC, gone_at=None
    ).exclude(service="")
    return list(held.order_by().values_list("service", flat=True).distinct())
