"""The same few people, teams, accounts and IAM users in every test, as plain functions.

Sara leads Payments, Priya leads Platform, Jonas and Mei of Security are engineers and approvers,
Vera only looks and Ada is admin. Everything is written straight to the database: no verb runs, so
a test of a verb starts from exactly the row it names.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any

from inventory import clock
from inventory.aws.holdings import (
    AccessKey,
    Certificate,
    MfaDevice,
    ServiceCredential,
    SshKey,
    UserHoldings,
)
from inventory.models import (
    Account,
    Activity,
    Credential,
    IamUser,
    Organization,
    Person,
    Role,
    Team,
)
from migrations_app.lifecycle import State
from migrations_app.models import Batch, Change, Delivery, Departure, Hit, HitCaller, Notice, Plan

ACCOUNT_ID = "123456789012"
FENCE = "arn:aws:iam::aws:policy/AWSDenyAll"
_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Cast:
    """Everybody and every team, for tests that need most of them."""

    account: Account
    payments: Team
    platform: Team
    security: Team
    sara: Person
    priya: Person
    jonas: Person
    mei: Person
    vera: Person
    ada: Person


def cast() -> Cast:
    """The whole cast with the account `production` and Security as custodian."""
    payments, platform, security = team("payments"), team("platform"), team("security")
    everybody = Cast(
        account=account(),
        payments=payments,
        platform=platform,
        security=security,
        sara=person("sara", "Sara Lindqvist", [Role.LEAD], payments),
        priya=person("priya", "Priya Nair", [Role.LEAD], platform),
        jonas=person("jonas", "Jonas Weber", [Role.ENGINEER, Role.APPROVER], security),
        mei=person("mei", "Mei Tanaka", [Role.ENGINEER, Role.APPROVER], security),
        vera=person("vera", "Vera Nowak", [Role.VIEWER]),
        ada=person("ada", "Ada Berg", [Role.ADMIN]),
    )
    for one, lead in ((payments, everybody.sara), (platform, everybody.priya)):
        one.lead = lead
        one.save()
    security.lead = everybody.jonas
    security.save()
    organization(security)
    return everybody


def organization(custodian: Team | None = None) -> Organization:
    """The declared organization with nothing but a custodian and default policy."""
    return Organization.objects.update_or_create(
        pk=1, defaults={"custodian": custodian, "applied_at": clock.now()}
    )[0]


def account(account_id: str = ACCOUNT_ID, name: str = "production", **columns: Any) -> Account:
    """An account read whole a quarter of an hour ago."""
    columns.setdefault("enabled_regions", ["us-east-1", "eu-west-1"])
    columns.setdefault("last_whole_at", clock.now() - timedelta(minutes=15))
    return Account.objects.get_or_create(account_id=account_id, defaults={"name": name, **columns})[
        0
    ]


def team(key: str, name: str = "", **columns: Any) -> Team:
    """The team with this key, made where it is not there yet."""
    return Team.objects.get_or_create(
        key=key, defaults={"name": name or key.capitalize(), **columns}
    )[0]


def person(
    username: str, name: str = "", roles: list[Role] | None = None, *teams: Team, **columns: Any
) -> Person:
    """A person who signs in with these roles as a member of these teams."""
    one = Person.objects.create_user(
        username,
        email=f"{username}@acme.example",
        name=name or username.capitalize(),
        roles=[role.value for role in roles or []],
        **columns,
    )
    one.teams.set(teams)
    return one


def iam_user(user_name: str, of: Account | None = None, **columns: Any) -> IamUser:
    """An IAM user of `of` (default: `production`) that looks like a quiet CI user with evidence."""
    of = of or account()
    now = clock.now()
    columns.setdefault("user_id", f"AIDA{next(_numbers):016d}")
    columns.setdefault("arn", f"arn:aws:iam::{of.account_id}:user/{user_name}")
    columns.setdefault("created_at", datetime(2022, 2, 3, 9, 0, tzinfo=UTC))
    columns.setdefault("first_seen_at", now - timedelta(days=30))
    columns.setdefault("last_seen_at", now)
    columns.setdefault("category", "ci-cd")
    columns.setdefault("category_confidence", "high")
    columns.setdefault("verdict", "dormant")
    columns.setdefault("verdict_confidence", "high")
    columns.setdefault("coverage_whole", True)
    columns.setdefault("judged_at", now)
    columns.setdefault("evidence_at", now)
    columns.setdefault("privilege", "read")
    return IamUser.objects.create(account=of, user_name=user_name, **columns)


def departure(
    user: IamUser | str,
    state: State | str = State.DISCOVERED,
    owner: Team | None = None,
    **columns: Any,
) -> Departure:
    """A departure in `state`; beyond `discovered` it is owned by `owner`, or else by Security.

    A fenced or shut one gets a clock that started a day ago, with the reference lengths.
    """
    row = iam_user(user) if isinstance(user, str) else user
    now = clock.now()
    state = State(state)
    if owner is None and state is not State.DISCOVERED:
        owner = team("security")
    if state in (State.DISABLED, State.SOAKING):
        columns.setdefault("fence", "policy")
        columns.setdefault("fenced_at", now - timedelta(days=1))
        columns.setdefault("clock_started_at", now - timedelta(days=1))
        columns.setdefault("watch", timedelta(days=7))
        columns.setdefault("soak", timedelta(days=14))
    if state is State.DELETED:
        columns.setdefault("deleted_at", now)
    columns.setdefault("state_since", now - timedelta(days=1))
    columns.setdefault("owner_since", now - timedelta(days=1) if owner else None)
    return Departure.objects.create(user=row, state=state.value, owner=owner, **columns)


def access_key(
    user: IamUser, key_id: str = "", status: str = "Active", **columns: Any
) -> Credential:
    """An access key of `user`, two years old."""
    columns.setdefault("created_at", clock.now() - timedelta(days=730))
    return Credential.objects.create(
        user=user,
        kind=Credential.Kind.ACCESS_KEY,
        credential_id=key_id or f"AKIA{next(_numbers):016d}",
        status=status,
        **columns,
    )


def activity(user: IamUser, day: date, count: int = 1, **columns: Any) -> Activity:
    """`count` calls of `user` at noon of `day` (UTC), by default of S3 ListBuckets."""
    at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    columns.setdefault("region", "us-east-1")
    columns.setdefault("service", "s3")
    columns.setdefault("action", "ListBuckets")
    columns.setdefault("outcome", "ok")
    return Activity.objects.create(
        user=user, day=day, count=count, first_at=at, last_at=at, **columns
    )


def hit(of: Departure, what: str = "s3:ListBuckets was denied", **columns: Any) -> Hit:
    """An open hit on a fenced or shut user, three minutes old."""
    at = clock.now() - timedelta(minutes=3)
    columns.setdefault("kind", Hit.Kind.HIT)
    columns.setdefault("source", "trail")
    columns.setdefault("first_at", at)
    columns.setdefault("last_at", at)
    columns.setdefault("noticed_at", at)
    return Hit.objects.create(departure=of, what=what, **columns)


def caller(of: Hit, name: str = "198.51.100.24", **columns: Any) -> HitCaller:
    """One of those who call, from that address with a key of its own."""
    columns.setdefault("source", "trail")
    columns.setdefault("what", of.what)
    columns.setdefault("first_at", of.first_at)
    columns.setdefault("last_at", of.last_at)
    columns.setdefault(
        "details",
        {"where": name, "region": "eu-west-1", "with": "aws-cli/2.31", "key": "AKIAIOSFODNN7OTHER"},
    )
    return HitCaller.objects.create(hit=of, caller=name, **columns)


def batch(of: Account, by: Person, move: str = "disable", **columns: Any) -> Batch:
    """A draft batch with the next free number."""
    last = Batch.objects.order_by("-number").values_list("number", flat=True).first() or 0
    columns.setdefault("number", last + 1)
    columns.setdefault("composed_at", clock.now())
    return Batch.objects.create(account=of, composed_by=by, move=move, **columns)


def change(of: Departure, move: str = "disable", **columns: Any) -> Change:
    """A change of one user, a draft unless `status` says otherwise."""
    columns.setdefault("requested_at", clock.now())
    return Change.objects.create(departure=of, move=move, **columns)


def plan(of: Departure, target: str = "github-oidc", **columns: Any) -> Plan:
    """A draft plan for one user."""
    columns.setdefault("drafted_at", clock.now())
    return Plan.objects.create(departure=of, target=target, **columns)


def notice(to: Team | None, title: str = "7 IAM users look like yours", **columns: Any) -> Notice:
    """A notice in a team's inbox, or with `role` in the inbox of everybody who has that role."""
    columns.setdefault("kind", "announce")
    columns.setdefault("key", f"notice-{next(_numbers)}")
    columns.setdefault("at", clock.now())
    return Notice.objects.create(team=to, title=title, **columns)


def delivery(of: Notice, channel: str = "slack", **columns: Any) -> Delivery:
    """One way of a notice, accepted by the channel unless `status` says otherwise."""
    columns.setdefault("address", "#payments")
    columns.setdefault("key", f"delivery-{next(_numbers)}")
    columns.setdefault("at", of.at)
    columns.setdefault("status", Delivery.Status.ACCEPTED)
    if columns["status"] == Delivery.Status.ACCEPTED:
        columns.setdefault("accepted_at", of.at)
    return Delivery.objects.create(notice=of, channel=channel, **columns)


def everything_held(name: str = "full.holder") -> UserHoldings:
    """Holdings with one of every kind that AWS knows, as a live reading would give them."""
    made = datetime(2024, 3, 1, tzinfo=UTC)
    arn = f"arn:aws:iam::{ACCOUNT_ID}"
    return UserHoldings(
        account_id=ACCOUNT_ID,
        user_id="AIDAEVERYTHINGHELD00",
        user_name=name,
        arn=f"{arn}:user/{name}",
        path="/",
        created_at=made,
        password_last_used_at=None,
        tags={"team": "payments"},
        boundary="",
        access_keys=(
            AccessKey("AKIAACTIVE0000000000", "Active", made),
            AccessKey("AKIAINACTIVE00000000", "Inactive", made),
        ),
        has_login_profile=True,
        service_credentials=(
            ServiceCredential(
                "ACCABEDROCK000000000", "bedrock.amazonaws.com", "Active", made, None
            ),
        ),
        ssh_keys=(SshKey("APKASSH0000000000000", "Active", "ssh-rsa AAAA", made),),
        certificates=(Certificate("CERTIFICATE000000000", "Active", "-----BEGIN", made),),
        mfa=(
            MfaDevice(f"{arn}:mfa/{name}", "virtual", made),
            MfaDevice(f"{arn}:u2f/user/{name}/key-1", "fido", made),
            MfaDevice("GAHT12345678", "hardware", made),
        ),
        groups=("developers",),
        inline_policies={"legacy": {"Version": "2012-10-17", "Statement": []}},
        attached_policies=("arn:aws:iam::aws:policy/ReadOnlyAccess", FENCE),
    )
