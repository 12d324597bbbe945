"""What a sync means for departures; `inventory` tells by signal, because it knows nothing of us."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from inventory.models import CenterLook, IamUser, Observation, Organization, Sync
from inventory.signals import (
    Standing,
    account_synced,
    center_read,
    changes_observed,
    standing_asked,
    sync_ended,
)
from migrations_app import account_news


def connect() -> None:
    """Listen to what `inventory.signals` sends."""
    account_synced.connect(after_sync, dispatch_uid="migrations_app.after_sync")
    center_read.connect(after_center, dispatch_uid="migrations_app.after_center")
    changes_observed.connect(after_look, dispatch_uid="migrations_app.after_look")
    sync_ended.connect(account_news.after_end, dispatch_uid="migrations_app.account_news")
    standing_asked.connect(standing, dispatch_uid="migrations_app.standing")


def standing(
    sender: type[IamUser], *, accounts: Iterable[int], **kwargs: Any
) -> dict[int, Standing]:
    """Which team answers for which IAM user, when it was restored, and what teams said of it.

    What an engineer only adopted for the custodian says nothing of whose it is.
    """
    # Deferred, because apps are still loading when the signal is connected.
    from migrations_app import words  # noqa: PLC0415
    from migrations_app.models import Departure, GivenAnswer  # noqa: PLC0415

    said = words.about_users(accounts)

    custodian = Organization.get().custodian_id
    adopted = {
        int(user)
        for user in GivenAnswer.objects.filter(
            said="adopt", team=custodian, departure__user__account__in=accounts
        ).values_list("departure__user", flat=True)
    }
    rows = Departure.objects.filter(user__account__in=accounts).values_list(
        "user", "owner", "owner__key", "restored_at"
    )
    found = {}
    for told, owner, key, restored_at in rows:
        user = int(told)
        meaningless = owner == custodian and user in adopted
        heard = said.get(user, ())
        if owner or restored_at or heard:
            team = "" if meaningless else key or ""
            found[user] = Standing(team, restored_at, heard)
    return found


def after_sync(sender: type[Sync], *, sync: Sync, missing: list[int], **kwargs: Any) -> None:
    """Enrol who is new, bind protection, prove who is missing, draft plans, see who came back."""
    # Deferred, because apps are still loading when the signal is connected.
    from migrations_app import changes  # noqa: PLC0415

    account = sync.account
    changes.enroll(account)
    changes.bind_protection(account)
    changes.prove_missing(account, missing)
    changes.draft_plans(account)
    changes.came_back(account)
    changes.still_alive(account, sync.changes.get("gone_but_listed", []))
    changes.stay_clean(account, sync.started_at or sync.asked_at)


def after_center(sender: type[CenterLook], *, look: CenterLook, **kwargs: Any) -> None:
    """Compare the groups of Identity Center with what they were."""
    from migrations_app import changes  # noqa: PLC0415

    changes.watch_groups(look)


def after_look(sender: type[Sync], *, observations: list[Observation], **kwargs: Any) -> None:
    """Tell what was our own doing from a foreign hand, and alert to a name that changed hands."""
    from migrations_app import changes  # noqa: PLC0415

    changes.explain(observations)
    changes.namesakes(observations)
