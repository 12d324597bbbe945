"""One user looked at again, live: before somebody decides, and right before a worker acts."""

from __future__ import annotations

from inventory import clock
from inventory.aws import credentials as live
from inventory.aws.credentials import UserCredentials
from inventory.aws.holdings import UserHoldings
from inventory.aws.limiter import Limiter
from inventory.aws.session import AwsSession
from inventory.models import Credential, IamUser
from inventory.refresh.judging import judge
from inventory.refresh.listening import listen_user, listened_to


def look_at_user(user: IamUser, session: AwsSession, holdings: UserHoldings) -> bool:
    """Bring the evidence about one user up to now and judge it; whether every source was read.

    `holdings` were read just now. Not for a fenced or shut user: its events belong to whoever
    listens to it, and are new only once.
    """
    now = clock.now()
    read = read_last_used(user, session, holdings)
    user.refresh_from_db()
    user.has_console_password = holdings.has_login_profile
    user.password_last_used_at = holdings.password_last_used_at
    user.mfa = [{"serial": one.serial, "kind": one.kind} for one in holdings.mfa]
    user.groups = list(holdings.groups)
    user.attached_policies = list(holdings.attached_policies)
    user.inline_policies = holdings.inline_policies
    user.boundary_arn = holdings.boundary
    user.tags = holdings.tags
    gaps = dict(user.coverage.get("gaps", {}))
    if read is None:
        gaps["credentials"] = "The last-used dates could not be read."
    else:
        gaps.pop("credentials", None)
        user.coverage["credentials_at"] = now.isoformat()
    user.coverage["gaps"] = gaps
    user.save()
    listen_user(user, session, now)
    judge([user])
    user.refresh_from_db()
    heard = listened_to(user)
    return user.coverage_whole and heard is not None and heard >= now


def read_last_used(
    user: IamUser, session: AwsSession, holdings: UserHoldings
) -> list[Credential] | None:
    """The user's access keys with their last-used dates as AWS tells them now, saved.

    None when one of them could not be read: that is not "unused".
    """
    limiter = Limiter.for_reads(user.account)
    told = dict(live.read_many(session, [holdings.user_name], limiter))[holdings.user_name]
    if not isinstance(told, UserCredentials):
        return None
    rows = []
    for use in told.keys:
        row, _ = Credential.objects.update_or_create(
            user=user,
            kind=Credential.Kind.ACCESS_KEY,
            credential_id=use.key.id,
            defaults={
                "status": use.key.status,
                "created_at": use.key.created_at,
                "gone_at": None,
                **(
                    {
                        "last_used_at": use.last_used_at,
                        "last_used_service": use.service,
                        "last_used_region": use.region,
                    }
                    if use.last_used_at
                    else {}
                ),
            },
        )
        rows.append(row)
    return rows
