"""Who made the users that are young enough for event history to tell, and with what."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import timedelta

from inventory import clock
from inventory.aws import cloudtrail
from inventory.aws.cloudtrail import HISTORY, Creation
from inventory.aws.limiter import Limiter
from inventory.aws.session import AwsFailure
from inventory.models import IamUser
from inventory.reads import listed_by
from inventory.refresh.run import Run

log = logging.getLogger(__name__)

# 500 events: an account that makes more users and keys between two syncs makes them by machine.
_PAGES = 10
# Between what IAM calls the user's time and what CloudTrail calls the event's.
_SAME_MOMENT = timedelta(minutes=5)
# A key made this soon was made by whoever made the user.
_SAME_HAND = timedelta(hours=1)


def note_creators(run: Run) -> None:
    """Fill `created_by` and `created_with` of users younger than event history, once.

    A few calls for all of them, none where nobody is young. It stays when event history forgets.
    Where AWS does not answer it is asked again by the next sync; no verdict rests on it.
    """
    now = clock.now()
    wanted = list(listed_by(run.sync).filter(created_by="", created_at__gt=now - HISTORY))
    if not wanted:
        return
    found: list[IamUser] = []
    try:
        for event_name, within in (("CreateUser", _SAME_MOMENT), ("CreateAccessKey", _SAME_HAND)):
            left = [user for user in wanted if not user.created_by]
            if left:
                found += _fill(left, _creations(run, left, event_name), within)
    except AwsFailure as failed:
        log.info("Who made users in account %s was not told: %s", run.account, failed)
    IamUser.objects.bulk_update(found, ["created_by", "created_with"])


def _creations(run: Run, users: list[IamUser], event_name: str) -> list[Creation]:
    times = [user.created_at for user in users]
    return cloudtrail.creations(
        run.aws,
        event_name,
        since=min(times) - _SAME_MOMENT,
        until=min(max(times) + _SAME_HAND, clock.now()),
        limiter=Limiter.for_lookups(run.account, run.aws.home_region),
        max_pages=_PAGES,
    )


def _fill(users: Iterable[IamUser], told: list[Creation], within: timedelta) -> list[IamUser]:
    """The users of whom `told` speaks, with what it says. Names are reused, so time counts too."""
    filled = []
    for user in users:
        for one in told:
            same = one.user_id == user.user_id or (
                not one.user_id
                and one.user_name.lower() == user.user_name.lower()
                and abs(one.at - user.created_at) <= within
                and one.by.lower() != user.user_name.lower()
            )
            if same:
                user.created_by, user.created_with = one.by[:255], one.with_[:255]
                filled.append(user)
                break
    return filled
