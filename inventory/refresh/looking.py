"""Looking at one user again, live: right before somebody decides, or while it is listened to."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction

from inventory import clock
from inventory.aws.credentials import UserCredentials, key_uses
from inventory.aws.holdings import UserHoldings
from inventory.aws.limiter import Limiter
from inventory.aws.session import AwsFailure, AwsSession
from inventory.models import Credential, IamUser
from inventory.reads import reads_of
from inventory.refresh.credentials import rows_of, save_credentials
from inventory.refresh.judging import Bench, judge
from inventory.refresh.listening import listen_user, listened_to

# A look so young serves again: whoever decides about a whole batch listens once for all of it.
LOOK_SERVES = timedelta(minutes=2)
_WITH_ACCOUNT = IamUser.objects.select_related("account")


def read_last_used(
    user: IamUser, session: AwsSession, holdings: UserHoldings
) -> list[Credential] | None:
    """Save the user's credentials as held now; its access keys with their last use as AWS tells it.

    `holdings` is what `read_user` gave a moment ago. None where a last use could not be read: that
    is not "unused", and nothing is changed but the gap that says so.
    """
    user.refresh_from_db(from_queryset=_WITH_ACCOUNT)
    try:
        uses = key_uses(session, holdings.access_keys, Limiter.for_reads(user.account))
    except AwsFailure as failed:
        with transaction.atomic():
            _hold(user)
            gaps = user.coverage.get("gaps", {})
            if "credentials" not in gaps:
                reads_of(user.account_id).keep_own(user, "credentials")
            gaps = gaps | {"credentials": f"Credentials: {failed}"}
            user.coverage = user.coverage | {"gaps": gaps}
            user.save(update_fields=["coverage"])
        return None
    told = UserCredentials(
        user.user_name,
        uses,
        holdings.has_login_profile,
        holdings.mfa,
        holdings.ssh_keys,
        holdings.certificates,
        services=holdings.service_credentials,
    )
    rows = rows_of(user, told, holdings.service_credentials)
    with transaction.atomic():
        # The user first, as a sync does: in the other order the two would wait for each other.
        _save_holdings(user, holdings)
        save_credentials(rows, [user], services_known=True)
    return [row for row in rows if row.kind == Credential.Kind.ACCESS_KEY]


def look_at_user(
    user: IamUser, session: AwsSession, holdings: UserHoldings, bench: Bench | None = None
) -> bool:
    """Bring all evidence about one user up to now and judge it; whether every source was read.

    Event history is read on from the last look in every Region, unless that is younger than
    `LOOK_SERVES`; credentials are read anew; service last accessed keeps what the last sync read.
    Never raises for AWS: what failed is a gap, and a gap leaves the verdict unknown. Not for a
    fenced or shut user: its events are new only once, and belong to whoever listens to it. `bench`
    as in `judge`.
    """
    now = clock.now()
    keys = read_last_used(user, session, holdings)
    # Whoever made a bench listened for all of its users at that time.
    heard = listened_to(user) if bench else None
    if heard is None or heard <= now - LOOK_SERVES:
        listen_user(user, session, now, fresh=LOOK_SERVES)
        heard = listened_to(user)
    judge([user], bench)
    user.refresh_from_db(from_queryset=_WITH_ACCOUNT)
    # A sync that judges at the same time may write over the gap that says so.
    read = keys is not None and heard is not None and heard > now - LOOK_SERVES
    return read and user.coverage_whole


def _hold(user: IamUser) -> None:
    """Bring up to now what others write too, and keep them from writing until this is written."""
    held = IamUser.objects.select_for_update(no_key=True)
    user.refresh_from_db(fields=["coverage", "password_last_used_at"], from_queryset=held)


def _save_holdings(user: IamUser, holdings: UserHoldings) -> None:
    _hold(user)
    user.user_name, user.arn, user.path = holdings.user_name, holdings.arn, holdings.path
    user.tags = holdings.tags
    user.groups = list(holdings.groups)
    user.attached_policies = list(holdings.attached_policies)
    user.inline_policies = holdings.inline_policies
    user.boundary_arn = holdings.boundary
    user.mfa = [{"serial": one.serial, "kind": one.kind} for one in holdings.mfa]
    user.has_console_password = holdings.has_login_profile
    # What AWS forgets once a password is gone stays known here.
    user.password_last_used_at = holdings.password_last_used_at or user.password_last_used_at
    gaps = {
        key: text for key, text in user.coverage.get("gaps", {}).items() if key != "credentials"
    }
    user.coverage = user.coverage | {"gaps": gaps, "credentials_at": clock.now().isoformat()}
    user.save(
        update_fields=[
            "user_name",
            "arn",
            "path",
            "tags",
            "groups",
            "attached_policies",
            "inline_policies",
            "boundary_arn",
            "mfa",
            "has_console_password",
            "password_last_used_at",
            "coverage",
        ]
    )
