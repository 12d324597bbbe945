"""Whatever shape a record has: this user's event, somebody else's, or said to be unreadable."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from inventory.aws import cloudtrail
from inventory.aws.cloudtrail import Wanted
from inventory.aws.failure import AwsFailure
from inventory.aws.limiter import Limiter
from inventory.aws.session import AwsSession
from inventory.aws.trail_events import actor, as_creation, as_event
from inventory.refresh.activity import federated_name

ME, OTHER = "AIDAMINE", "AIDAOTHER"
NOW = datetime(2026, 3, 4, 10, tzinfo=UTC)

_text = st.text(max_size=12) | st.sampled_from(
    [ME, OTHER, "IAMUser", "FederatedUser", "AssumedRole", "Root", "a\x00b", "\ud800", "Failure",
     "signin.amazonaws.com", "AccessDenied", "2026-03-04T09:00:00Z", "0001-01-01T00:00:00+14:00"]
)  # fmt: skip
_scalars = st.none() | st.booleans() | st.integers() | st.floats() | _text
_anything = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_text, inner, max_size=3),
    max_leaves=8,
)
_issuer = st.fixed_dictionaries({}, optional={"principalId": _text})
_identity = st.fixed_dictionaries(
    {},
    optional={
        "type": _text | _anything,
        "principalId": _text | _anything,
        "userName": _anything,
        "accessKeyId": _anything,
        "sessionContext": st.fixed_dictionaries({}, optional={"sessionIssuer": _issuer})
        | _anything,
    },
)
_records = st.fixed_dictionaries(
    {},
    optional={
        "userIdentity": _identity | _anything,
        "eventTime": st.just("2026-03-04T09:00:00Z") | _anything,
        "eventSource": _text | _anything,
        "eventName": _text | _anything,
        "eventID": _anything,
        "awsRegion": _anything,
        "sourceIPAddress": _anything,
        "userAgent": _anything,
        "errorCode": _anything,
        "errorMessage": _anything,
        "requestParameters": _anything,
        "responseElements": _anything,
    },
)


# On a busy machine making such records may be slow; what is tested is not how fast.
_patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def _belongs(record: Any) -> bool:
    """By the plain words of AWS: its own id, or that of the federated session's issuer."""
    identity = record["userIdentity"]
    if identity.get("type") == "IAMUser":
        return bool(identity.get("principalId") == ME)
    issuer = identity["sessionContext"]["sessionIssuer"]
    return bool(identity.get("type") == "FederatedUser" and issuer["principalId"] == ME)


@_patient
@given(_records | _anything)
def test_any_record_is_the_users_or_nobodys_or_unreadable(record: Any) -> None:
    try:
        event = as_event(record, ME)
    except AwsFailure:
        # Said, and so a gap; every other exception fails this test.
        return
    if event is None:
        return
    assert _belongs(record)
    assert event.at.tzinfo is not None
    for shown in (event.service, event.action, event.source_address, event.user_agent):
        assert "\x00" not in shown
        shown.encode()
    federated_name(event)


@_patient
@given(_records | _anything)
@example({"userIdentity": {"type": []}})
def test_any_record_tells_who_made_a_user_or_nothing(record: Any) -> None:
    creation = as_creation(record, NOW)
    if creation is not None:
        assert creation.user_name
        assert creation.by
        creation.by.encode()


class _History:
    """A session whose event history holds these pages of raw events."""

    home_region = "us-east-1"

    def __init__(self, pages: Iterable[list[dict[str, Any]]]) -> None:
        self._pages = list(pages)
        self.asked = 0

    def client(self, *_: str) -> _History:
        return self

    def lookup_events(self, **request: Any) -> dict[str, Any]:
        number = int(request.get("NextToken", 0))
        self.asked += 1
        more = {"NextToken": str(number + 1)} if number + 1 < len(self._pages) else {}
        return {"Events": self._pages[number] if self._pages else [], **more}


def _look(history: _History, **how: Any) -> cloudtrail.TrailLook:
    wanted: dict[str, Any] = {
        "user_id": ME,
        "since": NOW - timedelta(days=90),
        "until": NOW,
        "max_pages": 40,
        "names": ("sara",),
    }
    session: AwsSession = history  # type: ignore[assignment]
    return cloudtrail.look(session, "us-east-1", Wanted(**wanted | how), Limiter("test", 1e6))


def _shown(record: Any, at: datetime = NOW - timedelta(hours=1)) -> dict[str, Any]:
    return {"EventTime": at, "CloudTrailEvent": json.dumps(record)}


def _own(at: datetime, **more: Any) -> dict[str, Any]:
    return {
        "eventID": f"e-{at:%H%M%S}",
        "eventTime": at.isoformat(),
        "eventSource": "s3.amazonaws.com",
        "eventName": "ListBuckets",
        "userIdentity": {"type": "IAMUser", "principalId": ME, "userName": "sara"},
        **more,
    }


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Limiter, "wait", lambda self, *, first=False: None)


_raw = st.builds(_shown, _records | _anything) | st.fixed_dictionaries(
    {},
    optional={
        "EventTime": st.just(NOW - timedelta(days=3)),
        "CloudTrailEvent": st.text(max_size=20),
    },
)


@pytest.mark.usefixtures("_no_waiting")
class TestPages:
    @_patient
    @given(st.lists(st.lists(_raw, max_size=4), max_size=4))
    def test_any_pages_are_read_or_said_to_be_unreadable(
        self, pages: list[list[dict[str, Any]]]
    ) -> None:
        found = _look(_History(pages))
        for event in found.events:
            assert ME in json.dumps(pages, default=str)
            assert event.kind in {"use", "denied", "failed-sign-in"}
        assert found.complete == (not found.unreadable)
        assert NOW - timedelta(days=90) <= found.read_from <= found.read_to == NOW

    def test_an_unreadable_event_hides_no_other_and_nothing_before_it_counts_as_read(self) -> None:
        newer, broken, older = (NOW - timedelta(days=days) for days in (1, 2, 3))
        page = [
            _shown(_own(newer), newer),
            {"EventTime": broken, "CloudTrailEvent": "{"},
            _shown(_own(older), older),
        ]
        found = _look(_History([page]))
        assert [event.at for event in found.events] == [newer, older]
        assert found.read_from == broken
        assert not found.complete
        assert "cannot be read" in found.unreadable

    def test_an_unreadable_event_without_a_time_leaves_nothing_covered(self) -> None:
        found = _look(_History([[{"CloudTrailEvent": "[]"}]]))
        assert found.read_from == found.read_to

    @pytest.mark.parametrize("text", ["[" * 100_000, "1" * 10_000, "null", '"x"', ""])
    def test_json_that_is_no_record_is_unreadable(self, text: str) -> None:
        found = _look(_History([[{"EventTime": NOW, "CloudTrailEvent": text}]]))
        assert found.unreadable

    def test_a_token_that_comes_again_ends_the_look_as_half_read(self) -> None:
        history = _History([[], []])
        history.lookup_events = lambda **_: {"Events": [], "NextToken": "0"}  # type: ignore[method-assign]
        with pytest.raises(AwsFailure) as failed:
            _look(history)
        assert failed.value.code == "HalfRead"

    def test_a_use_that_settles_it_ends_the_look_on_that_page(self) -> None:
        days = [NOW - timedelta(days=day) for day in (1, 2, 3)]
        history = _History([[_shown(_own(at), at)] for at in days])
        found = _look(history, enough_after=NOW - timedelta(days=90))
        assert history.asked == 1
        assert found.read_from == days[0]
        assert not found.complete

    def test_a_use_older_than_the_window_settles_nothing(self) -> None:
        days = [NOW - timedelta(days=day) for day in (50, 60)]
        history = _History([[_shown(_own(at), at)] for at in days])
        assert _look(history, enough_after=NOW - timedelta(days=45)).complete
        assert history.asked == 2

    def test_a_failed_sign_in_settles_nothing(self) -> None:
        at = NOW - timedelta(days=1)
        knock = _own(at, eventSource="signin.amazonaws.com", errorMessage="Failed authentication")
        history = _History([[_shown(knock, at)], []])
        assert _look(history, enough_after=NOW - timedelta(days=90)).complete
        assert history.asked == 2

    def test_each_name_is_asked_for_and_an_event_of_two_counts_once(self) -> None:
        at = NOW - timedelta(days=1)
        history = _History([[_shown(_own(at), at)]])
        found = _look(history, names=("sara", "sara.old", "sara"), keys=("AKIA1",))
        assert history.asked == 3
        assert len(found.events) == 1


@pytest.mark.parametrize(
    ("identity", "name"),
    [
        ({"type": "IAMUser", "userName": "alex.admin"}, "alex.admin"),
        ({"type": "AssumedRole", "principalId": "AROA1:sara@acme.example"}, "sara@acme.example"),
        ({"type": "FederatedUser", "principalId": "123456789012:visitor"}, "visitor"),
        ({"type": "Root", "principalId": "123456789012"}, "root"),
        ({"type": "AWSService", "invokedBy": "cloudformation.amazonaws.com"},
         "cloudformation.amazonaws.com"),
        ({}, ""),
    ],
)  # fmt: skip
def test_a_maker_is_called_as_a_person_would(identity: dict[str, Any], name: str) -> None:
    assert actor(identity) == name


def test_a_refused_creation_made_nothing() -> None:
    record = {
        "userIdentity": {"type": "IAMUser", "userName": "alex"},
        "requestParameters": {"userName": "new"},
    }
    assert as_creation(record, NOW) is not None
    assert as_creation({**record, "errorCode": "EntityAlreadyExistsException"}, NOW) is None


def test_a_hidden_sign_in_name_is_nobodys() -> None:
    identity = {"type": "IAMUser", "userName": "HIDDEN_DUE_TO_SECURITY_REASONS"}
    assert as_event({"userIdentity": identity}, ME) is None
