"""A longer history is read once, forward, and never counted beside event history."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator
from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from demo.aws.account import Simulator
from demo.aws.faults import Fault
from demo.aws.lake import MOST_AT_ONCE, STORE, Query, store_arn
from demo.aws.log_files import LATER, ORGANIZATION, LogFiles
from demo.aws.storage import bucket_name
from inventory import clock, refresh
from inventory.aws import trail_archive, trail_lake
from inventory.aws.failure import AwsFailure
from inventory.aws.trail_lake import LakeRow, LakeStore
from inventory.models import Account, Activity, ArchiveCoverage, IamUser, Sync
from inventory.refresh import archive, archive_days, archive_files, archive_lake
from inventory.refresh import run as runs
from inventory.signals import account_synced
from tests import cast

pytestmark = pytest.mark.django_db
ROLE = f"arn:aws:iam::{cast.ACCOUNT_ID}:role/IamCleanup"
BUCKET = f"s3://{bucket_name(cast.ACCOUNT_ID)}"
EVERYTHING = (
    "user__user_id", "day", "region", "service", "action", "access_key_id", "source_address",
    "user_agent", "outcome", "count", "first_at", "last_at",
)  # fmt: skip


@pytest.fixture
def account() -> Account:
    """Two Regions of `production` with its trail's bucket declared."""
    return cast.account(
        reader_role=f"{ROLE}Reader",
        external_id="env:PRODUCTION_EXTERNAL_ID",
        enabled_regions=[],
        regions=["us-east-1", "eu-west-1"],
        last_whole_at=None,
        trail_archive={"s3": BUCKET},
    )


@pytest.fixture(autouse=True)
def _between_two_deliveries() -> None:
    """No file comes and no day ends while a test runs: the next sync would find one more."""
    soon = clock.now() + timedelta(minutes=15)
    window = soon.replace(hour=soon.hour // 6 * 6, minute=0, second=0, microsecond=0)
    until = window + LATER + timedelta(seconds=1) - clock.now()
    if until > timedelta():
        move(seconds=until.total_seconds())


@pytest.fixture(autouse=True)
def _facts_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account_synced, "receivers", [])
    hasty = SimpleNamespace(sleep=lambda _: None, monotonic=time.monotonic)
    for module in (trail_archive, trail_lake):
        monkeypatch.setattr(module, "time", hasty)


@pytest.fixture
def files(simulator: Simulator) -> LogFiles:
    return simulator.log_files(simulator.account.id)


def sync(account: Account) -> Sync:
    asked = refresh.ask_sync(account, None)
    while refresh.run_sync(asked.pk):
        pass
    asked.refresh_from_db()
    return asked


def step(of: Sync, key: str = "archive") -> dict[str, Any]:
    return next(one for one in of.steps if one["key"] == key)


def rows() -> list[tuple[Any, ...]]:
    return sorted(Activity.objects.values_list(*EVERYTHING))


def true_events(simulator: Simulator) -> Iterator[Any]:
    """Every event of an IAM user in the last 400 days, by the simulated account's own books."""
    users = set(IamUser.objects.values_list("user_id", flat=True))
    for trail in simulator.trail(simulator.account.id).regions.values():
        for event in trail.events:
            issuer = event.identity.get("sessionContext", {}).get("sessionIssuer", {})
            owner = issuer if event.identity["type"] == "FederatedUser" else event.identity
            if owner.get("principalId") in users and event.at > clock.now() - archive_days.DEPTH:
                yield event


def move(**by: float) -> None:
    shared = clock.clock_file()
    assert shared is not None
    shared.move(timedelta(**by))


def test_every_event_of_400_days_counts_exactly_once(
    simulator: Simulator, account: Account
) -> None:
    Account.objects.update(regions=[])
    done = sync(account)
    assert (done.status, done.error) == (Sync.Status.WHOLE, "")
    assert step(done)["status"] == "done"
    owned = {row.region: row for row in ArchiveCoverage.objects.all()}
    assert len(owned) == 4
    counted = 0
    for row in Activity.objects.all():
        counted += row.count if owned[row.region].owns(row.day) else 0
    true = [one for one in true_events(simulator) if owned[one.region].owns(one.at.date())]
    assert counted == len({one.id for one in true}) > 500
    assert not any(row.gaps or row.error for row in owned.values())


def test_the_evening_that_lies_in_the_next_days_folder_belongs_to_its_day(
    simulator: Simulator, account: Account
) -> None:
    sync(account)
    owned = {row.region: row for row in ArchiveCoverage.objects.all()}
    late = [
        one
        for one in true_events(simulator)
        if one.at.hour >= 18 and one.region in owned and owned[one.region].owns(one.at.date())
    ]
    assert late
    for one in late:
        assert Activity.objects.filter(
            region=one.region, day=one.at.date(), first_at__lte=one.at, last_at__gte=one.at
        ).exists()


def test_a_second_sync_writes_nothing_and_fetches_only_what_is_new(
    simulator: Simulator, account: Account
) -> None:
    sync(account)
    before = {row.pk: row.count for row in Activity.objects.all()}
    fetched = simulator.counts["GetObject"]
    sync(account)
    assert {row.pk: row.count for row in Activity.objects.all()} == before
    assert simulator.counts["GetObject"] == fetched
    move(days=1)
    sync(account)
    new = simulator.counts["GetObject"] - fetched
    assert 0 < new < 40


def test_slices_of_one_file_and_a_kill_between_them_end_like_one_whole_run(
    simulator: Simulator, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync(account)
    at_once = rows()
    covered = sorted(ArchiveCoverage.objects.values_list("region", "read_from", "read_to"))
    Activity.objects.all().delete()
    ArchiveCoverage.objects.all().delete()
    IamUser.objects.all().delete()
    really_take, taken = archive_files.RegionReader._take, 0

    def take(self: Any, *args: Any) -> None:
        nonlocal taken
        taken += 1
        if taken % 97 == 0:
            raise KeyboardInterrupt
        really_take(self, *args)

    monkeypatch.setattr(archive_files.RegionReader, "_take", take)
    monkeypatch.setattr(archive_files, "_MOST_DAYS", 3)
    asked = refresh.ask_sync(account, None)
    while True:
        try:
            if not refresh.run_sync(asked.pk):
                break
        except KeyboardInterrupt:
            # A killed worker: its lease ends, and nobody has told anybody anything.
            Sync.objects.update(lease_until=None, calls={})
    assert taken > 200
    assert rows() == at_once
    assert sorted(ArchiveCoverage.objects.values_list("region", "read_from", "read_to")) == covered


def test_slices_go_on_in_the_middle_of_a_day(
    simulator: Simulator, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_days, "DEPTH", timedelta(days=9))
    account.regions = ["us-east-1"]
    account.save()
    sync(account)
    at_once = rows()
    IamUser.objects.all().delete()
    ArchiveCoverage.objects.all().delete()
    monkeypatch.setattr(runs, "SLICE_SECONDS", 0.0)
    fetched = simulator.counts["GetObject"]
    assert sync(account).status == Sync.Status.WHOLE
    assert simulator.counts["GetObject"] > fetched
    assert rows() == at_once


def test_event_history_adds_nothing_to_a_day_that_the_archive_owns(
    simulator: Simulator, account: Account
) -> None:
    sync(account)
    before = rows()
    # Somebody asks event history about everybody anew, from the beginning.
    for user in IamUser.objects.all():
        user.trail_coverage.all().delete()
    account.refresh_from_db()
    owned = {row.region: row for row in ArchiveCoverage.objects.all()}
    from django.core.cache import cache

    cache.clear()
    sync(account)
    after = rows()
    ours = [row for row in after if owned[row[2]].owns(row[1])]
    assert ours == [row for row in before if owned[row[2]].owns(row[1])]


@pytest.mark.parametrize("organization", [True, False])
@pytest.mark.parametrize("prefix", ["", "trails/production/"])
def test_plain_and_organization_trails_with_and_without_prefix_are_read(
    simulator: Simulator, account: Account, files: LogFiles, organization: bool, prefix: str
) -> None:
    files.organization, files.prefix = organization, prefix
    account.trail_archive = {"s3": f"{BUCKET}/{prefix}"}
    account.save()
    assert sync(account).status == Sync.Status.WHOLE
    assert not ArchiveCoverage.objects.filter(read_to=None).exists()
    assert Activity.objects.filter(day__lt=clock.now() - timedelta(days=100)).exists()


def test_the_whole_folder_may_be_declared(
    simulator: Simulator, account: Account, files: LogFiles
) -> None:
    account.trail_archive = {"s3": f"{BUCKET}/AWSLogs/{ORGANIZATION}/{cast.ACCOUNT_ID}/CloudTrail/"}
    account.save()
    assert sync(account).status == Sync.Status.WHOLE
    assert not ArchiveCoverage.objects.filter(read_to=None).exists()


def test_digests_and_other_accounts_files_are_never_fetched(
    simulator: Simulator, account: Account
) -> None:
    sync(account)
    keys = {note["params"]["Key"] for note in simulator.calls if note["operation"] == "GetObject"}
    assert keys
    assert all(f"/{cast.ACCOUNT_ID}/CloudTrail/" in key for key in keys)


def some_file(files: LogFiles, region: str, days_ago: int) -> tuple[str, date]:
    """A file of about that day, delivered at 12:05: it holds that morning."""
    day = (clock.now() - timedelta(days=days_ago)).date()
    for ahead in range(60):
        wanted = day + timedelta(days=ahead)
        if key := file_of(files, region, wanted):
            return key, wanted
    raise AssertionError("no such file")


def file_of(files: LogFiles, region: str, day: date) -> str:
    """The file delivered at 12:05, which tells of that morning; "" if there is none."""
    name = f"{cast.ACCOUNT_ID}_CloudTrail_{region}_{day:%Y%m%d}T1205Z"
    return next((key for key in files.keys(clock.now()) if name in key), "")


def told_by_event_history(account: Account, region: str) -> list[Activity]:
    """What a sync finds that knows of no archive, newest first: not every user is read far back."""
    Account.objects.update(trail_archive={})
    sync(account)
    Account.objects.update(trail_archive=account.trail_archive)
    return list(Activity.objects.filter(region=region).order_by("-day", "pk"))


SPOILED = {
    "cut off": lambda body: body[: len(body) // 2],
    "no gzip": lambda body: b"not a gzip file",
    "corrupt": lambda body: gzip.compress(gzip.decompress(body)[:-40] + b'{"oops'),
    "no log": lambda body: gzip.compress(b'{"digest": []}'),
    "empty": lambda body: b"",
}


@pytest.mark.parametrize("how", list(SPOILED))
def test_a_file_that_cannot_be_read_is_a_gap_of_its_day_and_of_no_other(
    simulator: Simulator, account: Account, files: LogFiles, how: str
) -> None:
    simulator.advance()
    told = told_by_event_history(account, "us-east-1")
    lately = (clock.now() - timedelta(days=10)).date()
    key, day = next(
        (key, row.day)
        for row in told
        if row.day < lately
        and row.first_at.hour in range(6, 12)
        and (key := file_of(files, "us-east-1", row.day))
    )
    before = [row for row in rows() if row[1:3] == (day, "us-east-1")]
    files.spoiled[key] = SPOILED[how]
    done = sync(account)
    assert done.status == Sync.Status.WHOLE
    assert "1 day is not whole" in step(done)["detail"]
    row = ArchiveCoverage.objects.get(region="us-east-1")
    assert list(row.gaps) == [day.isoformat()]
    assert "log file" in row.gaps[day.isoformat()]["text"].lower().replace("a file", "a log file")
    assert not row.owns(day)
    assert row.owns(day - timedelta(days=1))
    assert row.owns(day + timedelta(days=1))
    # Event history still speaks for that day.
    assert [row for row in rows() if row[1:3] == (day, "us-east-1")] == before != []


def test_a_denied_file_is_a_gap_that_a_later_sync_closes(
    simulator: Simulator, account: Account, files: LogFiles
) -> None:
    simulator.advance()
    key, day = some_file(files, "eu-west-1", 50)
    words = "The ciphertext refers to a customer master key that you may not use."
    simulator.faults.add(
        Fault("access-denied", "GetObject", count=None, match={"Key": key}, message=words)
    )
    sync(account)
    row = ArchiveCoverage.objects.get(region="eu-west-1")
    assert words in row.gaps[day.isoformat()]["text"]
    assert not row.owns(day)
    simulator.faults.clear()
    sync(account)
    row.refresh_from_db()
    assert row.gaps == {}
    assert row.owns(day)


def test_what_old_days_that_are_not_owned_told_is_kept_as_use(
    simulator: Simulator, account: Account
) -> None:
    sync(account)
    owned = {row.region: row for row in ArchiveCoverage.objects.all()}
    old = Activity.objects.filter(day__lt=(clock.now() - timedelta(days=100)).date())
    assert [row for row in old if not owned[row.region].owns(row.day)]


def test_a_bucket_that_is_denied_fails_the_step_and_nothing_else(
    simulator: Simulator, account: Account
) -> None:
    simulator.faults.add(Fault("access-denied", "ListObjectsV2", count=None))
    done = sync(account)
    assert done.status == Sync.Status.PARTIAL
    assert step(done)["status"] == "failed"
    assert "ListObjectsV2: AccessDenied" in step(done)["detail"]
    assert step(done, "judge")["status"] == "done"
    assert not ArchiveCoverage.objects.exclude(read_to=None).exists()


def test_files_that_are_all_denied_are_asked_for_a_few_times_only(
    simulator: Simulator, account: Account
) -> None:
    simulator.faults.add(Fault("access-denied", "GetObject", count=None))
    done = sync(account)
    assert "GetObject: AccessDenied" in step(done)["detail"]
    assert simulator.counts["GetObject"] < 4 * 40
    simulator.faults.clear()
    assert sync(account).status == Sync.Status.WHOLE
    assert not any(row.gaps for row in ArchiveCoverage.objects.all())


def test_an_address_without_logs_of_the_account_is_said(
    simulator: Simulator, account: Account
) -> None:
    account.trail_archive = {"s3": f"{BUCKET}/elsewhere"}
    account.save()
    assert "no CloudTrail logs of account 123456789012 under" in step(sync(account))["detail"]


def test_a_passing_fault_is_waited_out(simulator: Simulator, account: Account) -> None:
    simulator.faults.add(Fault("error", "GetObject", count=30, probability=0.3))
    simulator.faults.add(Fault("reset", "GetObject", count=10, probability=0.2))
    assert sync(account).status == Sync.Status.WHOLE
    assert not any(row.gaps for row in ArchiveCoverage.objects.all())


def test_short_pages_of_a_listing_are_all_read(simulator: Simulator, account: Account) -> None:
    simulator.faults.add(Fault("short-pages", "ListObjectsV2", count=None, size=7))
    sync(account)
    cut = rows()
    Activity.objects.all().delete()
    ArchiveCoverage.objects.all().delete()
    IamUser.objects.all().delete()
    simulator.faults.clear()
    sync(account)
    assert cut == rows()


def test_days_before_the_first_file_and_behind_the_last_are_not_owned(
    simulator: Simulator, account: Account, files: LogFiles
) -> None:
    sync(account)
    for row in ArchiveCoverage.objects.all():
        assert row.read_from is not None
        assert row.read_to is not None
        stamps = sorted(
            key.rsplit("_", 2)[1][:8]
            for key in files.keys(clock.now())
            if f"{cast.ACCOUNT_ID}_CloudTrail_{row.region}_" in key
        )
        oldest = f"{archive_days.start_of(clock.now()):%Y%m%d}"
        first = next(stamp for stamp in stamps if stamp >= oldest)
        assert f"{row.read_from:%Y%m%d}" > first
        assert f"{row.read_to:%Y%m%d}" < stamps[-1]


def test_an_archive_that_lacks_what_event_history_knows_does_not_own_that_day(
    simulator: Simulator, account: Account, files: LogFiles
) -> None:
    """As with a trail that logs writes only."""
    simulator.advance()
    sync_without = Account.objects.filter(pk=account.pk)
    sync_without.update(trail_archive={})
    account.refresh_from_db()
    sync(account)
    known = Activity.objects.filter(region="us-east-1").order_by("-day")
    day = known.filter(day__lt=(clock.now() - timedelta(days=5)).date()).first()
    assert day is not None
    for stamp in (f"{day.day:%Y%m%d}", f"{day.day + timedelta(days=1):%Y%m%d}T0005Z"):
        for key in files.keys(clock.now()):
            if f"{cast.ACCOUNT_ID}_CloudTrail_us-east-1_{stamp}" in key:
                files.spoiled[key] = lambda body: gzip.compress(b'{"Records": []}')
    sync_without.update(trail_archive={"s3": BUCKET})
    account.refresh_from_db()
    sync(account)
    row = ArchiveCoverage.objects.get(region="us-east-1")
    assert row.gaps[day.day.isoformat()]["text"] == archive_days.LACKS
    assert Activity.objects.filter(pk=day.pk, count=day.count).exists()


def test_a_sync_ends_when_its_minutes_for_the_archive_are_over(
    simulator: Simulator, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "BUDGET", timedelta(seconds=-1))
    done = sync(account)
    assert "goes on with the next sync" in step(done)["detail"]
    assert step(done, "judge")["status"] == "done"


def test_an_event_that_came_late_makes_its_day_be_read_again(
    simulator: Simulator, account: Account, files: LogFiles
) -> None:
    simulator.advance()
    key, day = some_file(files, "us-east-1", 40)
    user = next(iter(simulator.account.users.values()))
    late = {
        "eventID": "late-1",
        "eventTime": f"{day - timedelta(days=1)}T02:00:00Z",
        "eventSource": "ec2.amazonaws.com",
        "eventName": "StopInstances",
        "awsRegion": "us-east-1",
        "userIdentity": {"type": "IAMUser", "principalId": user.id},
    }
    files.spoiled[key] = lambda body: gzip.compress(json.dumps({"Records": [late]}).encode())
    sync(account)
    row = ArchiveCoverage.objects.get(region="us-east-1")
    assert row.owns(day - timedelta(days=1))
    assert Activity.objects.get(action="StopInstances").day == day - timedelta(days=1)


def test_another_declared_archive_is_read_from_its_beginning(
    simulator: Simulator, account: Account, files: LogFiles
) -> None:
    sync(account)
    files.prefix = "new/"
    account.trail_archive = {"s3": f"{BUCKET}/new"}
    account.save()
    before = rows()
    fetched = simulator.counts["GetObject"]
    sync(account)
    assert simulator.counts["GetObject"] >= 2 * fetched
    assert set(ArchiveCoverage.objects.values_list("archive", flat=True)) == {f"{BUCKET}/new"}
    assert rows() == before


def declare_lake(account: Account) -> None:
    account.trail_archive = {"lake": store_arn(account.account_id)}
    account.save()


def test_lake_tells_the_same_as_the_logs_in_s3(simulator: Simulator, account: Account) -> None:
    sync(account)
    owned = {row.region: row for row in ArchiveCoverage.objects.all()}
    from_logs = rows()
    Activity.objects.all().delete()
    IamUser.objects.all().delete()
    declare_lake(account)
    done = sync(account)
    assert (done.status, done.error) == (Sync.Status.WHOLE, "")
    both = {row.region: row for row in ArchiveCoverage.objects.all()}
    assert all(row.archive.startswith("arn:") for row in both.values())

    def of_both(told: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        return [one for one in told if owned[one[2]].owns(one[1]) and both[one[2]].owns(one[1])]

    assert len(of_both(from_logs)) > 100
    assert of_both(rows()) == of_both(from_logs)


def test_a_second_sync_asks_lake_about_new_days_only(
    simulator: Simulator, account: Account
) -> None:
    declare_lake(account)
    sync(account)
    before, asked = rows(), simulator.counts["StartQuery"]
    sync(account)
    assert rows() == before
    # Whether there is anything new, once in each Region.
    assert simulator.counts["StartQuery"] - asked == 2


def test_lake_answers_in_many_pages(simulator: Simulator, account: Account) -> None:
    declare_lake(account)
    simulator.faults.add(Fault("short-pages", "GetQueryResults", count=None, size=3))
    sync(account)
    in_pages = rows()
    IamUser.objects.all().delete()
    ArchiveCoverage.objects.all().delete()
    simulator.faults.clear()
    sync(account)
    assert rows() == in_pages


@pytest.mark.parametrize("ending", ["FAILED", "TIMED_OUT", "CANCELLED"])
def test_a_lake_query_that_does_not_end_well_is_a_gap_and_asked_again(
    simulator: Simulator, account: Account, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare_lake(account)
    lake = simulator.lake(simulator.account.id)
    really_uses = LakeStore.uses
    day = (clock.now() - timedelta(days=30)).date()

    def uses(self: LakeStore, region: str, first: date, last: date) -> Iterator[LakeRow]:
        lake.ends_as = ending if first <= day <= last else "FINISHED"
        try:
            yield from really_uses(self, region, first, last)
        finally:
            lake.ends_as = "FINISHED"

    with monkeypatch.context() as patch:
        patch.setattr(archive_lake, "_DAYS_A_QUERY", 5)
        patch.setattr(LakeStore, "uses", uses)
        sync(account)
    row = ArchiveCoverage.objects.get(region="us-east-1")
    assert f"Query{ending}" in row.gaps[day.isoformat()]["text"]
    assert len(row.gaps) == 5
    assert not row.owns(day)
    assert row.owns(day + timedelta(days=6))
    sync(account)
    row.refresh_from_db()
    assert row.gaps == {}
    assert row.owns(day)


@pytest.mark.parametrize(
    ("status", "says"),
    [("", "event data store is not there"), ("PENDING_DELETION", "event data store is not active")],
)
def test_an_account_that_has_no_lake_is_told_so(
    simulator: Simulator, account: Account, status: str, says: str
) -> None:
    declare_lake(account)
    simulator.lake(simulator.account.id).status = status
    done = sync(account)
    assert done.status == Sync.Status.PARTIAL
    assert f"CloudTrail Lake was not read: the {says}" in step(done)["detail"]


def test_a_lake_query_that_never_ends_is_given_up(
    simulator: Simulator, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare_lake(account)
    simulator.lake(simulator.account.id).held = True
    monkeypatch.setattr(trail_lake, "_PATIENCE_SECONDS", 0.5)
    done = sync(account)
    assert "QueryTooSlow" in step(done)["detail"]


def test_ten_queries_of_others_and_passing_faults_are_waited_out(
    simulator: Simulator, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare_lake(account)
    lake = simulator.lake(simulator.account.id)
    for number in range(MOST_AT_ONCE):
        lake.queries[str(number)] = Query(str(number), "", clock.now())
    waited = 0

    def sleep(_: float) -> None:
        nonlocal waited
        waited += 1
        lake.queries.pop("0", None)

    monkeypatch.setattr(trail_lake, "time", SimpleNamespace(sleep=sleep, monotonic=time.monotonic))
    simulator.faults.add(Fault("throttling", "DescribeQuery", count=3))
    simulator.faults.add(Fault("error", "GetQueryResults", count=2))
    assert sync(account).status == Sync.Status.WHOLE
    assert waited > 6


def test_nothing_but_known_shapes_stands_in_a_lake_query() -> None:
    day = (date(2026, 1, 1), date(2026, 1, 2))
    good = (trail_lake._USES, "123456789012", "eu-west-1", day, STORE)
    assert len(trail_lake.statement(*good)) < trail_lake.LONGEST_STATEMENT
    for place, bad in ((1, "1' OR '1'='1"), (2, "eu'--"), (4, f"{STORE}; DROP")):
        parts: list[Any] = list(good)
        parts[place] = bad
        with pytest.raises(AwsFailure, match="does not belong into a query"):
            trail_lake.statement(*parts)


@pytest.mark.parametrize("declared", ["s3", "lake", ""])
def test_quarterly_and_yearly_jobs_are_recognised_from_the_archive_only(
    simulator: Simulator, account: Account, declared: str
) -> None:
    """Six weeks later both jobs ran once more; the run before lies beyond event history."""
    move(days=43)
    if declared == "lake":
        declare_lake(account)
    if not declared:
        Account.objects.update(trail_archive={})
    sync(account)
    for rhythm, name in (("quarterly", "fin-quarter-close"), ("yearly", "fin-year-end")):
        user = IamUser.objects.get(user_name=name)
        days = (clock.now() - timedelta(days=90)).date()
        assert user.activity.filter(day__lt=days).exists() == bool(declared)
        said = f"Runs {rhythm}." in {reason["text"] for reason in user.verdict_reasons}
        assert (user.rhythm == rhythm and said) == bool(declared), name
        assert user.verdict == "active"


def test_reasons_name_the_archive_for_what_event_history_has_forgotten(
    simulator: Simulator, account: Account
) -> None:
    sync(account)
    reasons = IamUser.objects.get(user_name="fin-year-end").verdict_reasons
    assert [one for one in reasons if one["source"] == "CloudTrail logs in S3"]
    blind = IamUser.objects.get(user_name="fin-year-end").coverage["blind"]
    assert any("CloudTrail logs in S3: read back to" in text for text in blind)
