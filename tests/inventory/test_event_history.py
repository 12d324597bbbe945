"""The traps of event history (AWS_FACTS.md sections 2 and 10), each met by a sync."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest

from demo.aws.account import Simulator
from demo.aws.acts import act
from demo.aws.births import MAKERS
from demo.aws.calls import Call
from demo.aws.events import Event
from demo.aws.faults import Fault
from inventory import clock, refresh, verdict
from inventory.aws.cloudtrail import TrailEvent, TrailLook
from inventory.aws.session import open_session
from inventory.models import Account, Activity, Credential, IamUser, Sync, TrailCoverage
from inventory.refresh import activity, lookups, subjects, syncing, trail
from inventory.refresh import run as runs
from inventory.refresh.activity import Answer
from inventory.signals import account_synced
from tests import cast
from tests.inventory.syncs import production

pytestmark = pytest.mark.django_db
HOME = "us-east-1"


@pytest.fixture
def account() -> Account:
    """`production` as it is declared, never read yet."""
    return production()


@pytest.fixture(autouse=True)
def _facts_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What departures make of a sync has its own tests."""
    monkeypatch.setattr(account_synced, "receivers", [])


def sync(account: Account) -> Sync:
    """A sync of `account` from asking to its end."""
    asked = refresh.ask_sync(account, None)
    work(asked)
    asked.refresh_from_db()
    return asked


def work(asked: Sync) -> None:
    """Slice after slice, until there is no more to do."""
    while refresh.run_sync(asked.pk):
        pass


def skip(**by: float) -> None:
    shared = clock.clock_file()
    assert shared is not None
    shared.move(timedelta(**by))


def quiet(simulator: Simulator) -> str:
    """A dormant user with an active access key, by the truth."""
    for truth in simulator.truth:
        user = simulator.account.user(truth["user_name"])
        live = any(key.status == "Active" for key in user.keys.values())
        if truth["status"] == "dormant" and live and not truth["traps"]:
            return user.name
    raise AssertionError("Nobody is quiet.")


def row(name: str) -> IamUser:
    return IamUser.objects.get(user_name=name)


def kept(name: str) -> set[tuple[str, str, str]]:
    """Region, action and outcome of what was kept of this user in the last days."""
    lately = clock.now() - timedelta(days=2)
    rows = Activity.objects.filter(user__user_name=name, last_at__gt=lately)
    return set(rows.values_list("region", "action", "outcome"))


def asked(simulator: Simulator, key: str = "Username", region: str = "") -> list[str]:
    """What LookupEvents was asked for, in order."""
    return [
        str(attribute["AttributeValue"])
        for note in list(simulator.calls)
        if note["operation"] == "LookupEvents" and region in ("", note["region"])
        for attribute in note["params"]["LookupAttributes"]
        if attribute["AttributeKey"] == key
    ]


def fault(simulator: Simulator, kind: str, **how: Any) -> None:
    simulator.faults.add(Fault(kind, "LookupEvents", **{"count": None, **how}))


def by_key(
    simulator: Simulator, name: str, operation: str, service: str = "sts", **how: Any
) -> Any:
    """A call with the first active access key of a user."""
    keys = simulator.account.user(name).keys.values()
    key = next(key.id for key in keys if key.status == "Active")
    return simulator.perform(Call(service, operation, HOME, how, access_key_id=key))


class TestTrap3NoEventsReadAsUnused:
    def test_a_call_in_another_region_than_home_is_use(
        self, simulator: Simulator, account: Account
    ) -> None:
        name = quiet(simulator)
        act(simulator, {"act": "call", "user": name, "region": "us-west-2"})
        skip(minutes=20)
        sync(account)
        assert kept(name) == {("us-west-2", "DescribeInstances", "ok")}
        assert row(name).verdict == "active"

    def test_data_plane_use_is_use_and_is_confirmed_by_asking_for_the_key(
        self, simulator: Simulator, account: Account
    ) -> None:
        name = quiet(simulator)
        how = {"service": "dynamodb", "event": "GetItem", "region": "eu-west-1"}
        act(simulator, {"act": "data", "user": name, **how})
        skip(minutes=20)
        sync(account)
        (key,) = Credential.objects.filter(user__user_name=name, last_used_service="dynamodb")
        assert asked(simulator, "AccessKeyId", "eu-west-1").count(key.credential_id) == 1
        assert key.credential_id not in asked(simulator, "AccessKeyId", HOME)
        assert kept(name) == set()
        assert row(name).verdict == "active"
        assert any("data plane only" in one["text"] for one in row(name).verdict_reasons)

    def test_what_names_do_not_show_is_found_by_the_key(
        self, simulator: Simulator, account: Account
    ) -> None:
        name = quiet(simulator)
        act(simulator, {"act": "call", "user": name, "region": "eu-west-1"})
        skip(minutes=20)
        # A name that nobody told us of: a rename between two syncs.
        history = simulator.trail(account.account_id).regions["eu-west-1"]
        for event in history.events:
            if event.username == name:
                event.username = "born-otherwise"
        history.forget(set())
        sync(account)
        assert kept(name) == {("eu-west-1", "DescribeInstances", "ok")}

    def test_federation_token_sessions_are_its_issuers_use_in_every_region(
        self, simulator: Simulator, account: Account
    ) -> None:
        name = quiet(simulator)
        act(simulator, {"act": "federation", "user": name, "region": "eu-central-1"})
        skip(minutes=20)
        sync(account)
        assert kept(name) == {
            (HOME, "GetFederationToken", "ok"),
            ("eu-central-1", "ListBuckets", "ok"),
        }
        assert set(row(name).federated_names) == {"portal-visitor"}
        # From now on the name is among those asked for.
        act(simulator, {"act": "federation", "user": name, "region": "us-west-2"})
        skip(hours=24)
        sync(account)
        assert ("us-west-2", "ListBuckets", "ok") in kept(name)

    def test_a_sync_that_comes_again_counts_federated_calls_once(
        self, simulator: Simulator, account: Account
    ) -> None:
        name = quiet(simulator)
        act(simulator, {"act": "federation", "user": name, "region": "eu-central-1"})
        skip(minutes=20)
        for _ in range(3):
            sync(account)
            skip(hours=18)
        counts = Activity.objects.filter(user__user_name=name, action="ListBuckets")
        assert list(counts.values_list("count", flat=True)) == [1]

    def test_a_denied_federation_token_begins_no_session(
        self, simulator: Simulator, account: Account
    ) -> None:
        name = quiet(simulator)
        params = {"UserName": name, "PolicyArn": "arn:aws:iam::aws:policy/AWSDenyAll"}
        act(simulator, {"act": "api", "operation": "AttachUserPolicy", "params": params})
        act(simulator, {"act": "federation", "user": name})
        skip(minutes=20)
        sync(account)
        assert kept(name) == {(HOME, "GetFederationToken", "denied")}
        assert row(name).federated_names == {}
        assert "portal-visitor" not in asked(simulator)

    def test_session_token_sessions_count(self, simulator: Simulator, account: Account) -> None:
        name = quiet(simulator)
        given = by_key(simulator, name, "GetSessionToken")["Credentials"]
        simulator.perform(
            Call("sts", "GetCallerIdentity", HOME, {}, given["AccessKeyId"], given["SessionToken"])
        )
        skip(minutes=20)
        sync(account)
        rows = Activity.objects.filter(user__user_name=name, action="GetCallerIdentity")
        assert [one.access_key_id for one in rows] == [given["AccessKeyId"]]

    def test_events_before_a_rename_are_found_under_the_earlier_name(
        self, simulator: Simulator, account: Account
    ) -> None:
        name = quiet(simulator)
        sync(account)
        act(simulator, {"act": "call", "user": name, "region": "eu-west-1"})
        params = {"UserName": name, "NewUserName": "renamed"}
        act(simulator, {"act": "api", "operation": "UpdateUser", "params": params})
        IamUser.objects.filter(user_name=name).update(earlier_names=[name])
        skip(minutes=20)
        sync(account)
        assert ("eu-west-1", "DescribeInstances", "ok") in kept("renamed")

    def test_a_throttled_region_is_not_covered(
        self, simulator: Simulator, account: Account
    ) -> None:
        fault(simulator, "throttling", region="eu-west-1")
        done = sync(account)
        assert done.status == Sync.Status.PARTIAL
        user = row(quiet(simulator))
        assert user.verdict == "unknown"
        assert any("eu-west-1: LookupEvents: Throttling" in one for one in user.coverage["missing"])


class TestTrap4WhoseEventItIs:
    def test_a_role_session_of_its_name_is_somebody_else(
        self, simulator: Simulator, account: Account
    ) -> None:
        name = quiet(simulator)
        act(simulator, {"act": "session", "role": "ci-runner", "session": name})
        skip(minutes=20)
        sync(account)
        assert kept(name) == set()
        assert row(name).verdict == "dormant"

    def test_failed_sign_ins_stay_apart(self, simulator: Simulator, account: Account) -> None:
        name = next(
            truth["user_name"]
            for truth in simulator.truth
            if truth["status"] == "dormant" and simulator.account.user(truth["user_name"]).login
        )
        act(simulator, {"act": "failed-sign-in", "user": name})
        skip(minutes=20)
        sync(account)
        assert (HOME, "ConsoleLogin", "failed-sign-in") in kept(name)
        assert row(name).verdict == "dormant"

    def test_an_earlier_user_of_the_same_name_is_somebody_else(
        self, simulator: Simulator, account: Account
    ) -> None:
        name = quiet(simulator)
        act(simulator, {"act": "call", "user": name})
        act(simulator, {"act": "delete-in-console", "user": name})
        act(simulator, {"act": "api", "operation": "CreateUser", "params": {"UserName": name}})
        skip(minutes=20)
        sync(account)
        assert kept(name) == set()
        assert row(name).verdict == "unknown"

    def test_a_denied_call_is_use(self, simulator: Simulator, account: Account) -> None:
        name = quiet(simulator)
        params = {"UserName": name, "PolicyArn": "arn:aws:iam::aws:policy/AWSDenyAll"}
        act(simulator, {"act": "api", "operation": "AttachUserPolicy", "params": params})
        act(simulator, {"act": "call", "user": name})
        skip(minutes=20)
        sync(account)
        assert kept(name) == {(HOME, "DescribeInstances", "denied")}
        assert row(name).verdict == "active"


class TestTrap7Pages:
    @pytest.fixture
    def crowded(self, simulator: Simulator) -> str:
        """A dormant user whose name 20 role sessions bear: four pages of five."""
        name = quiet(simulator)
        for _ in range(20):
            act(simulator, {"act": "session", "role": "ci-runner", "session": name})
            skip(minutes=5)
        skip(minutes=20)
        fault(simulator, "short-pages", size=5, region=HOME)
        return name

    def test_a_bounded_look_is_said_and_the_next_sync_reads_on_below(
        self, simulator: Simulator, account: Account, crowded: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(trail, "_PAGES", 2)
        sync(account)
        assert row(crowded).verdict == "unknown"
        assert any("read back to" in one for one in row(crowded).coverage["missing"])
        for _ in range(3):
            skip(hours=1)
            sync(account)
        assert row(crowded).verdict == "dormant"

    def test_a_slice_that_ends_among_its_pages_goes_on_from_there(
        self, simulator: Simulator, account: Account, crowded: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(runs, "SLICE_SECONDS", 0.0)
        assert sync(account).status == Sync.Status.WHOLE
        assert row(crowded).verdict == "dormant"
        assert not TrailCoverage.objects.exclude(error="").exists()


class TestTrap20TheLimitIsShared:
    def test_passing_throttles_are_waited_out(self, simulator: Simulator, account: Account) -> None:
        fault(simulator, "throttling", region="eu-west-1", count=5)
        assert sync(account).status == Sync.Status.WHOLE

    def test_a_region_that_throttles_to_the_end_is_left_alone(
        self, simulator: Simulator, account: Account
    ) -> None:
        fault(simulator, "throttling", region="eu-west-1")
        sync(account)
        # Two users, eight tries each; not eight for every user.
        assert len(asked(simulator, region="eu-west-1")) == 16


class TestTrap24AClosedRegion:
    @pytest.mark.parametrize(
        ("kind", "words", "how"),
        [
            ("region-disabled", "UnrecognizedClientException", {}),
            ("not-permitted", "OperationNotPermittedException", {}),
            ("access-denied", "AccessDeniedException", {}),
            ("access-denied", "service control policy",
             {"message": "with an explicit deny in a service control policy"}),
        ],
    )  # fmt: skip
    def test_is_not_covered_and_asked_once(
        self, simulator: Simulator, account: Account, kind: str, words: str, how: dict[str, Any]
    ) -> None:
        fault(simulator, kind, region="us-west-2", **how)
        done = sync(account)
        assert done.status == Sync.Status.PARTIAL
        assert words in done.error
        user = row(quiet(simulator))
        assert user.verdict == "unknown"
        assert any("us-west-2: LookupEvents: " in one and words in one
                   for one in user.coverage["missing"])  # fmt: skip
        assert len(asked(simulator, region="us-west-2")) == 1
        assert "active" in set(IamUser.objects.values_list("verdict", flat=True))

    def test_that_opens_is_covered_by_the_next_sync(
        self, simulator: Simulator, account: Account
    ) -> None:
        fault(simulator, "region-disabled", region="us-west-2")
        sync(account)
        simulator.faults.clear()
        assert sync(account).status == Sync.Status.WHOLE
        assert row(quiet(simulator)).verdict == "dormant"


class TestUnreadableEvents:
    @pytest.fixture
    def broken(self, simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> str:
        """A dormant user with one event under its name that is no JSON."""
        name = quiet(simulator)
        act(simulator, {"act": "session", "role": "ci-runner", "session": name})
        skip(minutes=20)
        shown = Event.shown

        def broken(event: Event) -> dict[str, Any]:
            told = shown(event)
            return told | {"CloudTrailEvent": "{"} if event.username == name else told

        monkeypatch.setattr(Event, "shown", broken)
        return name

    def test_leave_their_user_unknown_and_say_so(
        self, simulator: Simulator, account: Account, broken: str
    ) -> None:
        done = sync(account)
        assert done.status == Sync.Status.PARTIAL
        assert row(broken).verdict == "unknown"
        assert any("cannot be read" in one for one in row(broken).coverage["missing"])
        others = {t["user_name"] for t in simulator.truth if t["status"] == "dormant"} - {broken}
        assert {row(name).verdict for name in others} == {"dormant"}

    def test_are_not_forgotten_by_the_next_sync(
        self, simulator: Simulator, account: Account, broken: str
    ) -> None:
        sync(account)
        skip(hours=6)
        sync(account)
        assert row(broken).verdict == "unknown"

    def test_hide_no_use_beside_them(
        self, simulator: Simulator, account: Account, broken: str
    ) -> None:
        act(simulator, {"act": "call", "user": broken, "region": "eu-west-1"})
        skip(minutes=20)
        sync(account)
        assert row(broken).verdict == "active"


def test_text_of_a_caller_reaches_the_rows_without_nul_and_cut(
    simulator: Simulator, account: Account
) -> None:
    name = quiet(simulator)
    agent = "evil\x00agent" + "x" * 3000
    act(simulator, {"act": "call", "user": name, "agent": agent})
    skip(minutes=20)
    sync(account)
    (one,) = Activity.objects.filter(user__user_name=name, action="DescribeInstances")
    assert one.user_agent.startswith("evilagentx")
    assert len(one.user_agent) == 255


class TestWhoIsAskedFirst:
    def test_users_in_doubt_before_all_others_in_every_region(
        self, simulator: Simulator, account: Account
    ) -> None:
        doubtful = {
            truth["user_name"]
            for truth in simulator.truth
            if truth["status"] in ("dormant", "never-used")
        }
        sync(account)
        for region in simulator.regions:
            names = asked(simulator, region=region)
            last = max(at for at, name in enumerate(names) if name in doubtful)
            assert len(set(names[: last + 1]) - doubtful) <= 5
            assert set(names) >= {truth["user_name"] for truth in simulator.truth}

    def test_verdicts_of_the_doubtful_stand_before_the_others_are_described(
        self, simulator: Simulator, account: Account, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: dict[str, str] = {}

        def describe(run: runs.Run) -> bool:
            seen.update(IamUser.objects.values_list("user_name", "verdict"))
            return trail.describe_users(run)

        monkeypatch.setitem(syncing._WORK, "describe", describe)
        sync(account)
        after = dict(IamUser.objects.values_list("user_name", "verdict"))
        assert "dormant" in after.values()
        assert seen == after

    def test_the_next_sync_asks_about_those_in_doubt_only(
        self, simulator: Simulator, account: Account
    ) -> None:
        sync(account)
        active = set(IamUser.objects.filter(verdict="active").values_list("user_name", flat=True))
        simulator.calls.clear()
        skip(hours=6)
        sync(account)
        assert asked(simulator)
        assert not active & set(asked(simulator))

    def test_a_user_that_came_into_use_is_described_at_once(
        self, simulator: Simulator, account: Account
    ) -> None:
        name = quiet(simulator)
        sync(account)
        act(simulator, {"act": "call", "user": name, "region": "eu-west-1"})
        skip(hours=6)
        sync(account)
        assert kept(name) == {("eu-west-1", "DescribeInstances", "ok")}
        simulator.calls.clear()
        skip(hours=6)
        sync(account)
        assert name not in asked(simulator)

    def test_coverage_of_the_others_never_lapses(
        self, simulator: Simulator, account: Account
    ) -> None:
        for _ in range(5):
            assert sync(account).status == Sync.Status.WHOLE
            assert not IamUser.objects.filter(verdict="active", coverage_whole=False).exists()
            skip(hours=6)

    def test_a_description_is_renewed_before_its_look_is_too_old_to_speak(self) -> None:
        assert trail.DESCRIBED_FOR + syncing.SYNC_EVERY < verdict._LOOK_AGE

    def test_one_use_settles_it_for_the_regions_that_were_not_asked_yet(
        self, account: Account, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run, now = _held(account), clock.now()
        user = cast.iam_user("ci-quick", account)
        mine = lookups.Lookup(_subject(user))
        another = lookups.Lookup(_subject(cast.iam_user("ci-first", account)))
        heard: list[tuple[str, int]] = []
        written = threading.Event()

        def ask(region: str, lookup: lookups.Lookup, *_: Any) -> Answer:
            heard.append((region, lookup.subject.pk))
            if region == "b":
                assert written.wait(10)
                return Answer(lookup.subject.pk, region)
            look = TrailLook((_event(user, now),), now, now, False, 1)
            return Answer(user.pk, region, (look,))

        monkeypatch.setattr(lookups, "keep", lambda _: written.set())
        settled = {user.pk: now - timedelta(days=90)}
        assert lookups.ask_all(
            run, "trail", {"a": [mine], "b": [another, mine]}, ask, total=3, enough_after=settled
        )
        assert sorted(heard) == [("a", user.pk), ("b", another.subject.pk)]
        assert run.step("trail")["done"] == 3

    def test_a_region_that_was_left_half_read_when_another_showed_use_is_described(
        self, simulator: Simulator, account: Account
    ) -> None:
        sync(account)
        name = next(one.user_name for one in IamUser.objects.filter(verdict="active"))
        skip(hours=6)
        asked = refresh.ask_sync(account, None)
        run = runs.claim(asked.pk)
        assert run is not None
        TrailCoverage.objects.filter(user__user_name=name, region=HOME).update(
            error=trail.GOING_ON, looked_at=clock.now()
        )
        run.release()
        work(asked)
        asked.refresh_from_db()
        assert asked.status == Sync.Status.WHOLE, asked.error
        assert row(name).coverage_whole


class TestAFencedUserThatNobodyListensTo:
    """A sync reads it then, and tears no gap for whoever listens again."""

    @pytest.fixture
    def fenced(self, simulator: Simulator, account: Account) -> str:
        """Used until its fence, whose name 20 role sessions bear since."""
        sync(account)
        name = next(
            one.user_name
            for one in IamUser.objects.filter(verdict="active")
            if any(
                key.status == "Active"
                for key in simulator.account.user(one.user_name).keys.values()
            )
        )
        params = {"UserName": name, "PolicyArn": cast.FENCE}
        act(simulator, {"act": "api", "operation": "AttachUserPolicy", "params": params})
        skip(hours=25)
        for _ in range(20):
            act(simulator, {"act": "session", "role": "ci-runner", "session": name})
            skip(minutes=5)
        by_key(simulator, name, "GetCallerIdentity")
        skip(minutes=20)
        fault(simulator, "short-pages", size=5, region=HOME)
        return name

    def test_is_read_on_without_a_gap(
        self, simulator: Simulator, account: Account, fenced: str
    ) -> None:
        before = TrailCoverage.objects.get(user__user_name=fenced, region=HOME)
        assert sync(account).status == Sync.Status.WHOLE
        assert refresh.listened_to(row(fenced), [HOME], since=before.read_to) is not None
        assert row(fenced).coverage_whole

    def test_keeps_its_coverage_where_it_did_more_than_can_be_read(
        self,
        simulator: Simulator,
        account: Account,
        fenced: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(trail, "_PAGES_FENCED", 2)
        before = TrailCoverage.objects.get(user__user_name=fenced, region=HOME)
        sync(account)
        after = TrailCoverage.objects.get(user__user_name=fenced, region=HOME)
        assert (after.read_from, after.read_to) == (before.read_from, before.read_to)
        assert after.error == trail.UNHEARD
        assert not row(fenced).coverage_whole
        assert (HOME, "GetCallerIdentity", "ok") in kept(fenced)
        refresh.listen_user(row(fenced), open_session(account, "reader"), clock.now())
        assert refresh.listened_to(row(fenced), [HOME], since=before.read_to) is not None


def _held(account: Account) -> runs.Run:
    run = runs.claim(refresh.ask_sync(account, None).pk)
    assert run is not None
    return run


def _subject(user: IamUser) -> subjects.Subject:
    return subjects.Subject(
        pk=user.pk,
        user_id=user.user_id,
        names=(user.user_name,),
        federated={},
        keys=(),
        fenced=False,
        window=timedelta(days=90),
        last_used_at=None,
        in_use=False,
        woke=False,
        seen_in=frozenset(),
    )


def _event(user: IamUser, at: Any, **more: Any) -> TrailEvent:
    told: dict[str, Any] = {
        "event_id": f"e-{user.pk}-{at:%H%M%S%f}",
        "at": at,
        "region": HOME,
        "service": "ec2",
        "action": "DescribeInstances",
        "access_key_id": "AKIA1",
        "source_address": "203.0.113.7",
        "user_agent": "aws-cli",
        "error_code": "",
        "kind": "use",
        "principal_id": user.user_id,
    }
    return TrailEvent(**told | more)


def test_a_fault_of_ours_in_a_region_ends_the_sync_and_not_in_a_circle(
    simulator: Simulator, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Answer:
        raise ZeroDivisionError

    monkeypatch.setattr(trail, "_ask_in_doubt", broken)
    asked = refresh.ask_sync(account, None)
    for _ in range(20):
        work(asked)
    asked.refresh_from_db()
    assert (asked.status, "ZeroDivisionError" in asked.error) == (Sync.Status.FAILED, True)


def test_a_worker_killed_while_writing_loses_nothing_and_counts_nothing_twice(
    simulator: Simulator, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync(account)
    whole = _everything()
    IamUser.objects.all().delete()
    written: list[int] = []
    real = activity.keep

    def killed(answers: list[Answer]) -> Any:
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(len(answers))
        return real(answers)

    monkeypatch.setattr(lookups, "_MOST_AT_ONCE", 5)
    monkeypatch.setattr(lookups, "keep", killed)
    asked = refresh.ask_sync(account, None)
    with pytest.raises(KeyboardInterrupt):
        work(asked)
    monkeypatch.setattr(lookups, "keep", real)
    Sync.objects.update(lease_until=None)
    work(asked)
    assert written
    assert _everything() == whole


def _everything() -> list[tuple[Any, ...]]:
    columns = ("user__user_name", "day", "region", "action", "access_key_id", "outcome", "count")
    return list(Activity.objects.order_by(*columns).values_list(*columns))


@pytest.mark.parametrize("many", [10, 150])
def test_answers_are_written_by_the_same_few_statements_however_many_they_are(
    account: Account, django_assert_max_num_queries: Any, many: int
) -> None:
    now = clock.now()
    users = [cast.iam_user(f"ci-{number}", account) for number in range(many)]
    answers = [
        Answer(
            user.pk,
            HOME,
            (TrailLook((_event(user, now - timedelta(hours=1)),), now, now, True, 1),),
        )
        for user in users
    ]
    with django_assert_max_num_queries(8):
        activity.keep(answers)
    assert TrailCoverage.objects.count() == Activity.objects.count() == many


class TestCoverageNeverClaimsMoreThanWasRead:
    @pytest.fixture
    def user(self, account: Account) -> IamUser:
        return cast.iam_user("ci-deploy", account)

    def keep(self, user: IamUser, *spans: tuple[int, int]) -> tuple[int, int]:
        """Looks that read these hours ago to these hours ago; what the row says then."""
        now = clock.now()
        for start, end in spans:
            look = TrailLook((), now - timedelta(hours=start), now - timedelta(hours=end), True, 1)
            activity.keep([Answer(user.pk, HOME, (look,))])
        told = TrailCoverage.objects.get(user=user)
        assert told.read_from
        assert told.read_to
        hour = timedelta(hours=1)
        return round((now - told.read_from) / hour), round((now - told.read_to) / hour)

    @pytest.mark.parametrize(
        ("spans", "says"),
        [
            ([(90, 10), (11, 0)], (90, 0)),
            ([(90, 10), (5, 0)], (5, 0)),
            ([(20, 0), (90, 20)], (90, 0)),
            ([(20, 0), (90, 30)], (20, 0)),
            ([(90, 0), (40, 30)], (90, 0)),
        ],
    )
    def test_spans_join_only_where_they_touch(
        self, user: IamUser, spans: list[tuple[int, int]], says: tuple[int, int]
    ) -> None:
        assert self.keep(user, *spans) == says

    def test_a_failure_keeps_what_was_read(self, user: IamUser) -> None:
        self.keep(user, (90, 10))
        activity.keep([Answer(user.pk, HOME, error="LookupEvents: AccessDenied\x00: no")])
        told = TrailCoverage.objects.get(user=user)
        assert told.error == "LookupEvents: AccessDenied: no"
        assert told.read_from is not None


class TestWhoMadeTheUser:
    def test_is_told_for_the_young_by_few_calls_and_asked_for_once(
        self, simulator: Simulator, account: Account
    ) -> None:
        sync(account)
        young = [
            user
            for user in simulator.account.users.values()
            if user.created_at > clock.now() - timedelta(days=90)
        ]
        makers = {(session, agent) for _, session, agent in MAKERS}
        assert young
        for user in young:
            told = IamUser.objects.get(user_id=user.id)
            assert (told.created_by, told.created_with) in makers
        assert not IamUser.objects.filter(created_at__lt=clock.now() - timedelta(days=90)).exclude(
            created_by=""
        )
        assert asked(simulator, "EventName").count("CreateUser") == 1
        sync(account)
        assert asked(simulator, "EventName").count("CreateUser") == 1

    def test_stays_when_event_history_forgets(self, simulator: Simulator, account: Account) -> None:
        sync(account)
        made = IamUser.objects.exclude(created_by="").values_list("pk", "created_by")
        before = list(made.order_by("pk"))
        skip(days=95)
        sync(account)
        assert before
        assert list(made.order_by("pk")) == before

    def test_an_iam_user_that_made_another_is_named(
        self, simulator: Simulator, account: Account
    ) -> None:
        name = quiet(simulator)
        policy = "arn:aws:iam::aws:policy/AdministratorAccess"
        simulator.account.user(name).attached.append(policy)
        by_key(simulator, name, "CreateUser", "iam", UserName="made.by.key")
        skip(minutes=20)
        sync(account)
        assert row("made.by.key").created_by == name

    def test_where_the_creation_is_missing_the_key_made_at_once_tells(
        self, simulator: Simulator, account: Account
    ) -> None:
        act(simulator, {"act": "api", "operation": "CreateUser", "params": {"UserName": "new"}})
        params = {"UserName": "new"}
        act(simulator, {"act": "api", "operation": "CreateAccessKey", "params": params})
        history = simulator.trail(account.account_id).regions[HOME]
        history.forget({e.seq for e in history.events if e.name == "CreateUser"})
        skip(minutes=20)
        sync(account)
        assert row("new").created_by == "olivia.hart@acme.example"

    def test_a_denied_region_tells_nobody_and_breaks_nothing_else(
        self, simulator: Simulator, account: Account
    ) -> None:
        fault(simulator, "access-denied", region=HOME)
        assert sync(account).status == Sync.Status.PARTIAL
        assert not IamUser.objects.exclude(created_by="").exists()
        simulator.faults.clear()
        sync(account)
        assert IamUser.objects.exclude(created_by="").exists()


class TestListening:
    @pytest.fixture
    def heard(self, simulator: Simulator, account: Account) -> IamUser:
        """A dormant user that was read once, and is listened to from here on."""
        sync(account)
        return row(quiet(simulator))

    def test_a_federated_session_is_heard_in_the_region_where_it_acts(
        self, simulator: Simulator, heard: IamUser
    ) -> None:
        act(simulator, {"act": "federation", "user": heard.user_name, "region": "eu-central-1"})
        skip(minutes=20)
        found = refresh.listen_user(heard, open_session(heard.account, "reader"), clock.now())
        assert {(one.region, one.action) for one in found} == {
            (HOME, "GetFederationToken"),
            ("eu-central-1", "ListBuckets"),
        }
        again = refresh.listen_user(
            row(heard.user_name), open_session(heard.account, "reader"), clock.now()
        )
        assert again == []

    def test_an_event_that_cannot_be_read_is_a_gap(
        self, simulator: Simulator, heard: IamUser, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        act(simulator, {"act": "session", "role": "ci-runner", "session": heard.user_name})
        skip(minutes=20)
        shown = Event.shown
        monkeypatch.setattr(Event, "shown", lambda event: shown(event) | {"CloudTrailEvent": "7"})
        refresh.listen_user(heard, open_session(heard.account, "reader"), clock.now())
        assert refresh.listened_to(heard) is None


def test_a_days_row_names_resources_as_long_as_every_event_did() -> None:
    user = cast.iam_user("deploy-bot")
    now = clock.now().replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=2)

    def kept(*named: tuple[str, ...]) -> list[str] | None:
        events = tuple(
            TrailEvent(
                event_id=f"{len(named)}-{number}",
                at=now + timedelta(minutes=number),
                region=HOME,
                service="s3",
                action=f"GetBucketAcl{len(named)}",
                access_key_id="",
                source_address="",
                user_agent="",
                error_code="",
                kind="use",
                principal_id=user.user_id,
                resources=resources,
            )
            for number, resources in enumerate(named)
        )
        look = TrailLook(events, now - timedelta(days=1), now + timedelta(hours=1), True, 1)
        activity.keep([Answer(user.pk, HOME, (look,))])
        row = Activity.objects.get(user=user, action=f"GetBucketAcl{len(named)}")
        found: list[str] | None = row.resources
        return found

    assert kept(("arn:aws:s3:::b",)) == ["arn:aws:s3:::b"]
    assert kept(("arn:aws:s3:::b",), ("arn:aws:s3:::a",)) == ["arn:aws:s3:::a", "arn:aws:s3:::b"]
    assert kept(("arn:aws:s3:::b",), (), ("arn:aws:s3:::a",)) is None
    assert kept(*((f"arn:aws:s3:::b{number}",) for number in range(21))) is None
