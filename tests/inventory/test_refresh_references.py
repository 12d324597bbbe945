"""Who names the users, read once a day from every service and Region; a gap is never an answer."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, NamedTuple

import pytest

from demo.aws.account import Simulator
from demo.aws.faults import Fault
from demo.aws.resources import statement
from demo.aws.state import AccessEntry, Resource, User
from inventory import clock, refresh
from inventory.aws import paging, resource_policies
from inventory.aws.failure import AwsFailure
from inventory.aws.session import open_session
from inventory.models import Account, IamUser, LedgerEntry, Role, Sync
from inventory.referrers.declared import signs_digest
from inventory.refresh import references as step
from inventory.refresh import run as runs
from inventory.refresh import syncing
from inventory.refresh.removed_from_code import record_removed_from_code
from inventory.refusals import NotAllowed, Refused, Stale
from inventory.signals import account_synced
from tests import cast
from tests.inventory.syncs import production, sync

pytestmark = pytest.mark.django_db
REGION = "eu-west-1"
ADMIN = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"


class Service(NamedTuple):
    """A kind of resource: the calls that list and read it, AWS's code of a refusal."""

    kind: str
    listing: str
    reading: str
    code: str

    @property
    def plural(self) -> str:
        return "EKS clusters" if self.kind == "cluster" else f"{self.kind}s"


SERVICES = [
    Service("bucket", "ListBuckets", "GetBucketPolicy", "AccessDenied"),
    Service("queue", "ListQueues", "GetQueueAttributes", "AccessDeniedException"),
    Service("topic", "ListTopics", "GetTopicAttributes", "AuthorizationError"),
    Service("key", "ListKeys", "GetKeyPolicy", "AccessDeniedException"),
    Service("secret", "ListSecrets", "GetResourcePolicy", "AccessDeniedException"),
    Service("cluster", "ListClusters", "ListAccessEntries", "AccessDeniedException"),
]


@pytest.fixture
def account(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Account:
    """`production` with no resources yet; a sync reads its users and who names them, no more."""
    monkeypatch.setattr(account_synced, "receivers", [])
    wanted = {key: work for key, work in syncing._WORK.items() if key in ("users", "references")}
    monkeypatch.setattr(syncing, "_WORK", wanted)
    simulator.account.resources = []
    return production()


def a_day_later() -> None:
    shared = clock.clock_file()
    assert shared is not None
    shared.move(timedelta(hours=25))


def someone(simulator: Simulator) -> User:
    """A user whom nothing declares and no role trusts."""
    return next(
        user
        for name, user in sorted(simulator.account.users.items())
        if name.startswith("vendor-") and "=" not in name
    )


def resource(
    simulator: Simulator, kind: str, name: str, named: User | None, region: str = REGION
) -> Resource:
    """A resource of the simulated account whose policy, or entry, names a user."""
    arns = {"bucket": f"arn:aws:s3:::{name}", "key": f"arn:aws:kms:{region}::key/{name}"}
    arn = arns.get(kind, f"arn:aws:{kind}:{region}:{cast.ACCOUNT_ID}:{name}")
    made = Resource(kind, name, arn, region)
    if kind == "cluster":
        made.entries = {named.arn: AccessEntry(named.arn, (ADMIN,))} if named else {}
    elif named or kind == "key":
        who = named.id if named else simulator.account.arn("root")
        made.policy = statement("Allow", "kms:*" if kind == "key" else "*", who)
    simulator.account.resources.append(made)
    return made


def named_by(user: User) -> list[tuple[str, str]]:
    rows = IamUser.objects.get(user_id=user.id).references
    return [(row["kind"], row["name"]) for row in rows]


def fault(simulator: Simulator, kind: str, operation: str, **how: Any) -> None:
    simulator.faults.add(Fault(kind, operation, count=None, **how))


def missing(account: Account) -> tuple[str, ...]:
    user = IamUser.objects.filter(account=account).select_related("account").first()
    assert user is not None
    return refresh.looked_for(user).missing


def step_of(of: Sync) -> dict[str, Any]:
    return next(one for one in of.steps if one["key"] == "references")


@pytest.mark.parametrize("service", SERVICES, ids=[one.kind for one in SERVICES])
def test_a_user_is_found_in_every_service(
    simulator: Simulator, account: Account, service: Service
) -> None:
    user = someone(simulator)
    resource(simulator, service.kind, "ours", user)
    resource(simulator, service.kind, "theirs", None)
    done = sync(account)
    assert (done.status, done.error) == (Sync.Status.WHOLE, "")
    assert named_by(user) == [(service.kind, "ours")]
    (row,) = IamUser.objects.get(user_id=user.id).references
    assert (row["blocks"], row["region"]) == (service.kind in ("key", "cluster"), REGION)
    assert missing(account) == ()


@pytest.mark.parametrize("service", SERVICES, ids=[one.kind for one in SERVICES])
def test_a_denied_listing_is_not_looked_at_and_keeps_what_was_found(
    simulator: Simulator, account: Account, service: Service
) -> None:
    user = someone(simulator)
    resource(simulator, service.kind, "ours", user)
    sync(account)
    a_day_later()
    fault(simulator, "access-denied", service.listing)
    done = sync(account)
    assert done.status == Sync.Status.WHOLE
    noun = service.plural
    where = "" if service.kind == "bucket" else " in 4 Regions"
    assert missing(account) == (f"{noun}{where} ({service.code})",)
    assert f"not looked at: {noun}{where} ({service.code})" in step_of(done)["detail"]
    assert named_by(user) == [(service.kind, "ours")]


@pytest.mark.parametrize("service", SERVICES, ids=[one.kind for one in SERVICES])
def test_denied_reading_is_not_looked_at_either(
    simulator: Simulator, account: Account, service: Service
) -> None:
    user = someone(simulator)
    resource(simulator, service.kind, "ours", user)
    fault(simulator, "access-denied", service.reading)
    sync(account)
    noun = service.plural
    where = "" if service.kind == "bucket" else f" in {REGION}"
    assert missing(account) == (f"{noun}{where} ({service.code})",)
    assert named_by(user) == []


@pytest.mark.parametrize("service", SERVICES, ids=[one.kind for one in SERVICES])
def test_throttled_to_the_end_is_read_at_the_next_sync(
    simulator: Simulator, account: Account, service: Service
) -> None:
    user = someone(simulator)
    resource(simulator, service.kind, "ours", user)
    fault(simulator, "throttling", service.reading)
    assert sync(account).status == Sync.Status.WHOLE
    assert named_by(user) == []
    assert len(missing(account)) == 1
    simulator.faults.clear()
    sync(account)
    assert named_by(user) == [(service.kind, "ours")]
    assert missing(account) == ()


@pytest.mark.parametrize("service", SERVICES, ids=[one.kind for one in SERVICES])
def test_every_page_of_a_listing_is_read(
    simulator: Simulator, account: Account, service: Service
) -> None:
    user = someone(simulator)
    for number in range(5):
        resource(simulator, service.kind, f"ours-{number}", user)
    fault(simulator, "short-pages", service.listing, size=1)
    sync(account)
    assert named_by(user) == [(service.kind, f"ours-{number}") for number in range(5)]


def test_a_region_that_is_denied_hides_no_other(simulator: Simulator, account: Account) -> None:
    user = someone(simulator)
    resource(simulator, "secret", "here", user)
    resource(simulator, "secret", "there", user, "us-west-2")
    fault(simulator, "access-denied", "*", region=REGION)
    sync(account)
    assert named_by(user) == [("secret", "there")]
    assert missing(account) == tuple(
        f"{one.plural} in {REGION} ({one.code})" for one in SERVICES if one.kind != "bucket"
    )


def test_one_bucket_that_refuses_is_counted_and_keeps_what_was_found(
    simulator: Simulator, account: Account
) -> None:
    user = someone(simulator)
    for name in ("shy", "open", "edited"):
        resource(simulator, "bucket", name, user)
    sync(account)
    a_day_later()
    next(one for one in simulator.account.resources if one.name == "edited").policy = None
    fault(simulator, "access-denied", "GetBucketPolicy", match={"Bucket": "shy"})
    sync(account)
    assert missing(account) == ("1 of 4 buckets (AccessDenied)",)
    assert named_by(user) == [("bucket", "open"), ("bucket", "shy")]


def test_a_second_sync_within_the_day_asks_no_resource_and_writes_no_reference(
    simulator: Simulator, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = someone(simulator)
    for kind, *_ in SERVICES:
        resource(simulator, kind, "ours", user)
    sync(account)
    before = account.references_read
    simulator.counts.clear()
    written: list[int] = []
    monkeypatch.setattr(step, "update", lambda rows, _: written.append(len(rows)))
    account_rows = list(IamUser.objects.values_list("references", flat=True))
    run = runs.claim(refresh.ask_sync(account, None).pk)
    assert run is not None
    run.session = open_session(account, "reader")
    assert step.read_references(run)
    assert not {name for one in SERVICES for name in one[1:3]} & set(simulator.counts)
    assert written == [0]
    assert account.references_read == before
    assert list(IamUser.objects.values_list("references", flat=True)) == account_rows


def test_the_next_day_what_was_edited_away_is_gone(simulator: Simulator, account: Account) -> None:
    user = someone(simulator)
    for kind, *_ in SERVICES:
        resource(simulator, kind, "ours", user)
    sync(account)
    assert len(named_by(user)) == 6
    simulator.account.resources = []
    sync(account)
    assert len(named_by(user)) == 6
    a_day_later()
    sync(account)
    assert named_by(user) == []


def test_calls_grow_with_resources_and_never_with_users(
    simulator: Simulator, account: Account
) -> None:
    for number in range(9):
        resource(simulator, "bucket", f"b{number}", someone(simulator))
    sync(account)
    # The bucket of the trail is the tenth.
    assert simulator.counts["GetBucketPolicy"] == 10
    assert simulator.counts["ListBuckets"] == 1
    assert simulator.counts["ListQueues"] == 4


def test_the_smallest_slices_end_the_same(
    simulator: Simulator, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = someone(simulator)
    for number in range(3):
        for kind, *_ in SERVICES:
            resource(simulator, kind, f"ours-{number}", user)
    sync(account)
    at_once = named_by(user)
    Account.objects.update(references_read={})
    account.refresh_from_db()
    IamUser.objects.update(references=[])
    monkeypatch.setattr(step, "_CHUNK", 1)
    monkeypatch.setattr(runs, "SLICE_SECONDS", 0.0)
    assert sync(account).status == Sync.Status.WHOLE
    assert named_by(user) == at_once
    assert missing(account) == ()


def test_a_worker_killed_within_a_listing_is_followed_from_where_it_was(
    simulator: Simulator, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = someone(simulator)
    for number in range(4):
        resource(simulator, "bucket", f"ours-{number}", user)
    monkeypatch.setattr(step, "_CHUNK", 2)
    really, asked = resource_policies.read_many, []

    def dies_once(*args: Any) -> Any:
        asked.append(len(args[2]))
        if len(asked) == 2:
            raise KeyboardInterrupt
        return really(*args)

    monkeypatch.setattr(resource_policies, "read_many", dies_once)
    open_one = refresh.ask_sync(account, None)
    with pytest.raises(KeyboardInterrupt):
        refresh.run_sync(open_one.pk)
    Sync.objects.update(lease_until=clock.real_now() - timedelta(seconds=1))
    assert sync(account).status == Sync.Status.WHOLE
    assert named_by(user) == [("bucket", f"ours-{number}") for number in range(4)]
    # Five buckets with the trail's own; the first two were not asked again.
    assert asked == [2, 2, 2, 1]


def test_ids_of_users_that_are_gone_are_collected(simulator: Simulator, account: Account) -> None:
    gone = resource(simulator, "bucket", "old", None)
    gone.policy = statement("Allow", "s3:*", ["AIDALEFTLONGAGO00003"])
    done = sync(account)
    assert account.dead_references == [
        {
            "kind": "bucket",
            "name": "old",
            "region": REGION,
            "user_id": "AIDALEFTLONGAGO00003",
        }
    ]
    assert "1 names a user that is gone" in step_of(done)["detail"]


def test_a_dead_id_in_a_trust_policy_is_collected_and_forgotten_with_it(
    simulator: Simulator, account: Account
) -> None:
    role = simulator.account.role("ci-runner")
    role.trust = statement("Allow", "sts:AssumeRole", ["AIDALEFTLONGAGO00003"])
    sync(account)
    assert [(one["kind"], one["name"]) for one in account.dead_references] == [
        ("role-trust", "ci-runner")
    ]
    role.trust = statement("Allow", "sts:AssumeRole", simulator.account.arn("root"))
    sync(account)
    assert account.dead_references == []


def test_a_bucket_in_a_region_that_is_not_enabled_is_not_looked_at(
    simulator: Simulator, account: Account
) -> None:
    resource(simulator, "bucket", "far", someone(simulator), "ap-east-1")
    sync(account)
    assert missing(account) == ("1 of 2 buckets (UnrecognizedClientException)",)


def test_half_a_listing_is_not_looked_at_and_keeps_what_was_found(
    simulator: Simulator, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = someone(simulator)
    resource(simulator, "queue", "ours", user)
    sync(account)
    a_day_later()
    really = paging.token_listing

    def half(call: Any, operation: str, *more: Any, **arguments: Any) -> list[Any]:
        if operation == "ListQueues":
            raise AwsFailure("HalfRead", "the same page twice", retryable=True)
        return really(call, operation, *more, **arguments)

    monkeypatch.setattr(resource_policies, "token_listing", half)
    sync(account)
    assert missing(account) == ("queues in 4 Regions (HalfRead)",)
    assert named_by(user) == [("queue", "ours")]


def test_a_cluster_that_keeps_its_entries_itself_is_not_looked_at(
    simulator: Simulator, account: Account
) -> None:
    resource(simulator, "cluster", "old", None).entries_in_config_map = True
    sync(account)
    assert missing(account) == (
        f"1 of 1 EKS cluster in {REGION} (entries in aws-auth, which AWS does not show)",
    )


def test_a_role_is_read_with_the_users_and_resources_stay(
    simulator: Simulator, account: Account
) -> None:
    user = someone(simulator)
    resource(simulator, "queue", "ours", user)
    sync(account)
    simulator.account.role("ci-runner").trust = statement("Allow", "sts:AssumeRole", [user.arn])
    sync(account)
    assert set(named_by(user)) == {("queue", "ours"), ("role-trust", "ci-runner")}
    simulator.account.role("ci-runner").trust = statement("Allow", "sts:AssumeRole", ["1" * 12])
    sync(account)
    assert named_by(user) == [("queue", "ours")]


def test_roles_that_cannot_be_read_are_not_looked_at(
    simulator: Simulator, account: Account
) -> None:
    fault(simulator, "access-denied", "GetAccountAuthorizationDetails")
    sync(account)
    assert missing(account)[0].startswith("roles and policies (Policies and groups: ")


def test_without_enabled_regions_nothing_regional_counts_as_read(
    simulator: Simulator, account: Account
) -> None:
    fault(simulator, "access-denied", "DescribeRegions")
    sync(account)
    assert "queues (the enabled Regions are not known)" in missing(account)


# ── Removed from code ────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def declared(simulator: Simulator, account: Account) -> IamUser:
    user = someone(simulator)
    user.tags["ManagedBy"] = "Terraform"
    sync(account)
    return IamUser.objects.get(user_id=user.id)


def blocks(user: IamUser) -> list[bool]:
    user.refresh_from_db()
    return [row["blocks"] for row in user.references]


def test_what_a_person_recorded_survives_the_next_sync_and_lapses_with_other_signs(
    simulator: Simulator, account: Account, declared: IamUser
) -> None:
    jonas = cast.person("jonas", roles=[Role.ENGINEER])
    assert blocks(declared) == [True]
    seen = signs_digest(declared.tags, declared.created_with)
    record_removed_from_code(declared, jonas, "infra!212", seen)
    assert blocks(declared) == [False]
    assert LedgerEntry.objects.filter(kind="references.removed-from-code").count() == 1
    sync(account)
    assert blocks(declared) == [False]
    simulator.account.user(declared.user_name).tags["ManagedBy"] = "Terraform v2"
    sync(account)
    assert blocks(declared) == [True]


def test_only_an_engineer_records_it_with_a_note_for_what_is_shown(declared: IamUser) -> None:
    seen = signs_digest(declared.tags, declared.created_with)
    jonas = cast.person("jonas", roles=[Role.ENGINEER])
    with pytest.raises(NotAllowed):
        record_removed_from_code(declared, cast.person("vera", roles=[Role.VIEWER]), "x", seen)
    with pytest.raises(Refused, match="Say where"):
        record_removed_from_code(declared, jonas, "  ", seen)
    with pytest.raises(Stale, match="changed meanwhile"):
        record_removed_from_code(declared, jonas, "infra!212", "another")
    other = IamUser.objects.exclude(pk=declared.pk).filter(tags={}).first()
    assert other is not None
    with pytest.raises(Refused, match="nothing to record"):
        record_removed_from_code(other, jonas, "infra!212", "")
    assert blocks(declared) == [True]


def test_who_made_it_counts_as_a_sign_when_it_becomes_known(
    simulator: Simulator, account: Account
) -> None:
    user = someone(simulator)
    sync(account)
    IamUser.objects.filter(user_id=user.id).update(created_with="Terraform/1.9.5")
    sync(account)
    assert named_by(user) == [("declared", "Terraform")]
