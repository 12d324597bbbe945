"""The stage of the engine's tests: a small simulated account, its rows here, and the whole way.

Users are put into the simulated account and into the database side by side, as a whole sync would
have left them, so that no test waits for one. `Stage` then walks a batch through the same verbs as
the pages do, and plays the workers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from django.core.cache import cache
from django.db import transaction

from demo.aws.account import Simulator
from demo.aws.acts import act
from demo.aws.calls import OPERATIONS
from demo.aws.calls import Call as ApiCall
from demo.aws.faults import Fault
from demo.aws.ids import drawn_id
from demo.aws.state import (
    AccessKey,
    LoginProfile,
    MfaDevice,
    ServiceCredential,
    Upload,
    User,
    VirtualMfa,
)
from inventory import clock
from inventory.aws import identity
from inventory.aws.holdings import UserHoldings, read_user
from inventory.aws.session import AwsSession, open_session
from inventory.models import Credential, IamUser, Team, TrailCoverage
from migrations_app import changes, tripwire
from migrations_app.changes import batches, restoring, running
from migrations_app.changes.sweep import shut_what_is_due, start_if_due, waits_for
from migrations_app.iam_policies import ROLES, policy
from migrations_app.lifecycle import State
from migrations_app.models import Batch, Call, Change, Departure
from migrations_app.outgoing import notices
from tests import cast

REGIONS = ("us-east-1", "eu-west-1")
BOUNDARY = f"arn:aws:iam::{cast.ACCOUNT_ID}:policy/developer-boundary"
_ROLE = f"arn:aws:iam::{cast.ACCOUNT_ID}:role/IamCleanup"
_POLICY = {
    "disable_window": "always",
    "delete_window": "always",
    "notice": "0d",
    "settle": "24h",
}


class Killed(BaseException):
    """What a worker's end looks like from inside: nothing catches it."""


@dataclass
class Stage:
    """One simulated account, its rows, the cast, and the way through the verbs."""

    simulator: Simulator
    people: cast.Cast
    readers: list[AwsSession] = field(default_factory=list)

    # ── Who is there ─────────────────────────────────────────────────────────────────────────────

    def user(
        self,
        name: str = "ci-pay-old",
        state: State = State.OWNER_ASSIGNED,
        owner: Team | None = None,
        *,
        give: Callable[[Stage, User], None] | None = None,
        path: str = "/",
        **columns: Any,
    ) -> Departure:
        """A dormant user with one key and one policy, or what `give` gives; owned by Payments."""
        account = self.simulator.account
        made_at = self.simulator.now() - timedelta(days=800)
        user = User(
            name=name,
            id=drawn_id("AIDA", 17, name, made_at),
            path=path,
            arn=account.arn(f"user{path}{name}"),
            created_at=made_at,
        )
        account.add_user(user)
        (give or one_key)(self, user)
        return self.enrolled(user, state, owner, **columns)

    def enrolled(
        self,
        user: User,
        state: State = State.OWNER_ASSIGNED,
        owner: Team | None = None,
        **columns: Any,
    ) -> Departure:
        """The rows that a whole sync makes of a user of the simulated account."""
        now = clock.now()
        row = cast.iam_user(
            user.name,
            self.people.account,
            user_id=user.id,
            arn=user.arn,
            path=user.path,
            created_at=user.created_at,
            attached_policies=list(user.attached),
            mfa=[{"serial": serial, "kind": "virtual"} for serial in user.mfa],
            has_console_password=user.login is not None,
            coverage={
                "credentials_at": now.isoformat(),
                "services_at": now.isoformat(),
                "services": [],
            },
            **columns,
        )
        for key in user.keys.values():
            cast.access_key(row, key.id, key.status, created_at=key.created_at)
        for region in REGIONS:
            TrailCoverage.objects.create(
                user=row,
                region=region,
                read_from=now - timedelta(days=90),
                read_to=now,
                looked_at=now,
            )
        if state is State.OWNER_ASSIGNED:
            owner = owner or self.people.payments
        return cast.departure(row, state, owner)

    def in_aws(self, departure: Departure) -> User:
        """The user as the simulated account has it; NoSuchEntity."""
        return self.simulator.account.user(departure.user.user_name)

    def holdings(self, departure: Departure) -> UserHoldings:
        """What AWS shows of the user now."""
        return read_user(self.reader(), departure.user.user_name)

    def reader(self) -> AwsSession:
        if not self.readers:
            self.readers.append(open_session(self.people.account, "reader"))
        return self.readers[0]

    # ── What somebody does in AWS ────────────────────────────────────────────────────────────────

    def act(self, kind: str, departure: Departure, **how: Any) -> None:
        """Let the user, or an outsider who knows its name, do something now."""
        act(self.simulator, {"act": kind, "user": departure.user.user_name, **how})

    def administrator(self, operation: str, **params: Any) -> Any:
        """A foreign hand makes an IAM call."""
        body = {"act": "api", "operation": operation, "params": params}
        return act(self.simulator, body)["result"]

    def fault(self, kind: str, operation: str, **how: Any) -> None:
        self.simulator.faults.add(Fault(kind, operation, **how))

    def writes(self, *names: str) -> list[dict[str, Any]]:
        """The IAM writes of the product that the account received, also refused ones."""
        return [
            note
            for note in self.simulator.calls
            if OPERATIONS[note["service"], note["operation"]].writes
            # A fault may strike before AWS looks who is asking.
            and (not note["arn"] or "/iam-cleanup-" in note["arn"])
            and (not names or note["params"].get("UserName") in names)
        ]

    # ── The way through the verbs ────────────────────────────────────────────────────────────────

    def draft(self, move: str, rows: Iterable[Departure], **how: Any) -> Batch:
        """Composed by Jonas and looked at by a worker."""
        for row in (rows := list(rows)):
            row.refresh_from_db()
        batch = changes.compose(self.people.account, move, rows, self.people.jonas, **how)
        batches.dry_run(batch.pk)
        batch.refresh_from_db()
        return batch

    def asked(self, move: str, rows: Iterable[Departure], **how: Any) -> Batch:
        """Asked by Jonas, opened by every owner's lead, every user viewed by Mei."""
        batch = changes.ask(self.draft(move, rows, **how), self.people.jonas)
        self.open(batch)
        self.see(batch)
        return batch

    def open(self, batch: Batch) -> None:
        for notice in batch.notices.filter(kind="announce").exclude(team=None):
            for lead in notice.team.leads() if notice.team else ():
                notices.open_notice(notice, lead)

    def see(self, batch: Batch) -> None:
        for change in batch.changes.filter(status=Change.Status.ASKED):
            changes.view(change, self.people.mei)

    def approved(self, move: str, rows: Iterable[Departure], **how: Any) -> Batch:
        """Approved by Mei."""
        batch = self.asked(move, rows, **how)
        return changes.approve(
            batch,
            self.people.mei,
            batch.digest,
            changes.words_for(batch),
            {"lock-out": "federated sign-in is drilled", "no-federation": "it comes next week"},
        )

    def started(self, move: str, rows: Iterable[Departure], **how: Any) -> Batch:
        """Started by the sweep; no worker has it yet."""
        batch = self.approved(move, rows, **how)
        assert waits_for(batch) == []
        assert start_if_due(batch)
        batch.refresh_from_db()
        return batch

    def ran(self, move: str, rows: Iterable[Departure], **how: Any) -> Batch:
        """Worked on until nothing is left to do."""
        return self.work(self.started(move, rows, **how))

    def work(self, batch: Batch) -> Batch:
        """The write worker, until the batch is done or held; no wait between tries is real."""
        for _ in range(10):
            running.run_batch(batch.pk)
            self.no_waiting()
            if not batch.changes.filter(status__in=["queued", "running"]).exists():
                break
        batch.refresh_from_db()
        return batch

    def no_waiting(self) -> None:
        """As if the pause before the next try, and the lease of a dead worker, had passed."""
        past = clock.real_now() - timedelta(seconds=1)
        Change.objects.exclude(try_after=None).update(try_after=past)
        Change.objects.exclude(lease_until=None).update(lease_until=past)

    def fenced(self, *rows: Departure) -> Batch:
        """Fenced, read back, and listening past the five minutes in which nothing counts."""
        return self.ran("disable", rows)

    def shut(self, *rows: Departure) -> Batch:
        return self.ran("disable", rows, method="shut")

    def ready_to_delete(self, *rows: Departure) -> None:
        """Shut, soaked and listened to up to now."""
        self.shut(*rows)
        self.skip(days=15)
        self.listen()

    def shut_by_itself(self) -> list[Change]:
        """The automatic shut of whoever is due, as queued by the sweep."""
        shut_what_is_due()
        return list(Change.objects.filter(move="soak", status="queued"))

    def restored(self, departure: Departure, **how: Any) -> Change:
        """Asked for by Jonas and done by the restore worker."""
        departure.refresh_from_db()
        change = changes.restore(departure, self.people.jonas, **how)
        self.work_restore(change)
        return change

    def work_restore(self, change: Change) -> None:
        for _ in range(10):
            running.run_restore(change.pk)
            self.no_waiting()
            change.refresh_from_db()
            if change.status != Change.Status.QUEUED:
                return

    def listen(self) -> None:
        tripwire.listen(self.people.account)

    def skip(self, **by: float) -> datetime:
        """Move the clock of product and account together; the break-glass user is seen again."""
        moved = clock.clock_file()
        assert moved is not None
        moved.move(timedelta(**by))
        IamUser.objects.filter(user_name="break-glass").update(last_seen_at=clock.now())
        return clock.now()

    # ── Trying things ────────────────────────────────────────────────────────────────────────────

    @contextmanager
    def undone(self) -> Iterator[None]:
        """Try something: rows, account, faults and pace are afterwards as they were before."""
        kept = self.simulator.keep()
        try:
            with transaction.atomic():
                yield
                transaction.set_rollback(True)
        finally:
            self.simulator.put_back(kept)
            # What the listener remembers having seen must be forgotten with the rows.
            users = IamUser.objects.values_list("pk", flat=True)
            cache.delete_many([f"trail:{pk}:{region}" for pk in users for region in REGIONS])

    def left(self, departure: Departure) -> dict[str, Any]:
        """Everything by which two ends can be compared: the user in AWS, its devices, its row."""
        departure.refresh_from_db()
        account = self.simulator.account
        user = account.users.get(departure.user.user_name.lower())
        made = restoring.made_by_us(departure)
        return {
            "user": replace(deepcopy(user), password_last_used=None) if user else None,
            "virtual MFA": sorted(account.virtual_mfa),
            "users": sorted(account.users),
            "state": departure.state,
            "fence": departure.fence,
            "made": made if departure.state != State.DELETED else None,
        }


def one_key(stage: Stage, user: User) -> None:
    """An access key never used, and the right to look at S3."""
    key = AccessKey(drawn_id("AKIA", 16, user.id, 0), user.created_at)
    user.keys[key.id] = key
    stage.simulator.account.key_owner[key.id] = user.id
    user.attached = ["arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"]


def everything(stage: Stage, user: User) -> None:
    """Every kind of holding there is, some of it inactive, with a boundary of its own."""
    account, made_at = stage.simulator.account, user.created_at
    for number, status in enumerate(("Active", "Inactive", "Active")):
        key = AccessKey(drawn_id("AKIA", 16, user.id, number), made_at, status)
        user.keys[key.id] = key
        account.key_owner[key.id] = user.id
    user.login = LoginProfile(made_at)
    for number, status in enumerate(("Active", "Inactive")):
        ssh = f"APKA{drawn_id('', 16, user.id, 'ssh', number)}"
        user.ssh_keys[ssh] = Upload(ssh, f"ssh-rsa AAAA{number} laptop", made_at, status)
        certificate = drawn_id("", 24, user.id, "certificate", number)
        user.certificates[certificate] = Upload(
            certificate, f"-----BEGIN CERTIFICATE-----\n{number}", made_at, status
        )
    for service, status in (
        ("codecommit.amazonaws.com", "Active"),
        ("bedrock.amazonaws.com", "Active"),
        ("cassandra.amazonaws.com", "Inactive"),
    ):
        given = drawn_id("ACCA", 16, user.id, service)
        user.service_credentials[given] = ServiceCredential(
            given, service, f"{user.name}-at-{account.id}", made_at, status
        )
    virtual = account.arn(f"mfa/{user.name}")
    for serial in (virtual, account.arn(f"u2f/user/{user.name}/yubikey-A"), "GAHT12345678"):
        user.mfa[serial] = MfaDevice(serial, made_at)
    account.virtual_mfa[virtual] = VirtualMfa(virtual, user.id, made_at)
    user.groups = ["developers", "ops"]
    user.inline = {"reads": _allows("s3:GetObject"), "writes": _allows("s3:PutObject")}
    user.attached = [
        "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess",
        f"arn:aws:iam::{account.id}:policy/payments-deploy",
    ]
    user.boundary = BOUNDARY
    user.tags = {"team": "payments", "--help": ";rm -rf /"}


def ten_policies(stage: Stage, user: User) -> None:
    """At the quota: no room for the fence beside them, and a boundary of its own."""
    one_key(stage, user)
    harmless = [
        arn
        for arn in sorted(stage.simulator.account.policies)
        if not any(word in arn for word in ("AWSDenyAll", "Quarantine", "Administrator"))
    ]
    user.attached = harmless[:10]
    user.boundary = BOUNDARY


def _allows(action: str) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def set_stage(simulator: Simulator) -> Stage:
    """The cast, the account with its three roles, its break-glass user, and a worker that spoke."""
    people = cast.cast()
    account = people.account
    account.reader_role = f"{_ROLE}Reader"
    account.actor_role = f"{_ROLE}Actor"
    account.deleter_role = f"{_ROLE}Deleter"
    account.external_id = "env:PRODUCTION_EXTERNAL_ID"
    account.enabled_regions = list(REGIONS)
    account.write_rate = 10_000
    account.policy = dict(_POLICY)
    account.admin_seen_at = account.federated_sign_in_at = clock.now()
    account.save()
    people.account.refresh_from_db()
    stage = Stage(simulator, people)
    keeper = stage.enrolled(
        simulator.account.user("break-glass"), State.OWNER_ASSIGNED, people.security
    )
    Departure.objects.filter(pk=keeper.pk).update(protection="break-glass")
    organization = cast.organization(people.security)
    organization.break_glass_account = cast.ACCOUNT_ID
    organization.break_glass_user = "break-glass"
    organization.save()
    identity.report("a worker")
    least_privilege(stage)
    return stage


def least_privilege(stage: Stage) -> None:
    """The three roles may do what the shipped policies say and nothing else, in every scene."""
    for name in ROLES:
        role = stage.simulator.account.role(f"IamCleanup{name.capitalize()}")
        role.inline, role.attached = {"shipped": policy(name, cast.ACCOUNT_ID)}, []


def lines(change: Change) -> list[Call]:
    """The journal of a change, in order."""
    return list(change.calls.order_by("seq"))


def written(change: Change) -> list[Call]:
    """Only its writes."""
    return [line for line in lines(change) if line.kind == Call.Kind.WRITE]


def of_user(departure: Departure, move: str) -> Change:
    """The last change of this kind."""
    change = departure.changes.filter(move=move).order_by("-pk").first()
    assert change is not None
    return change


def is_write(call: ApiCall) -> bool:
    return call.service == "iam" and OPERATIONS[call.service, call.operation].writes


def keys_of(user: IamUser) -> list[str]:
    """The access keys of a user, as rows."""
    rows = Credential.objects.filter(user=user, kind=Credential.Kind.ACCESS_KEY)
    return list(rows.order_by("credential_id").values_list("credential_id", flat=True))
