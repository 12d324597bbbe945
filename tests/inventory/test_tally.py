"""A day is summed up in bounded memory, and goes on in the next slice as if there were none."""

from __future__ import annotations

import json
import zlib
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from inventory.aws.cloudtrail import TrailEvent
from inventory.refresh.tally import MOST_KINDS, OTHER, OTHER_AGENT, DayTally, Seen, pack, unpack
from inventory.rights.named import MOST_RESOURCES

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
EVENT = TrailEvent(
    event_id="e-1",
    at=NOON,
    region="us-east-1",
    service="s3",
    action="ListBuckets",
    access_key_id="AKIA1",
    source_address="203.0.113.7",
    user_agent="aws-cli/2.15",
    error_code="",
    kind="use",
    principal_id="AIDA1",
)


def test_an_event_that_is_delivered_twice_counts_once() -> None:
    tally = DayTally()
    for _ in range(2):
        tally.add(1, EVENT)
    tally.add(1, replace(EVENT, event_id="e-2", at=NOON + timedelta(hours=1)))
    ((one,),) = [list(kinds.values()) for kinds in tally.users.values()]
    assert (one.count, one.first_at, one.last_at) == (2, NOON, NOON + timedelta(hours=1))


def test_more_kinds_than_are_told_apart_become_other_and_lose_no_call() -> None:
    tally = DayTally()
    for number in range(MOST_KINDS + 500):
        event = replace(EVENT, event_id=f"e-{number}", source_address=f"203.0.113.{number}")
        tally.add(1, event)
    kinds = tally.users[1]
    assert len(kinds) == MOST_KINDS + 1
    assert sum(one.count for one in kinds.values()) == MOST_KINDS + 500
    assert kinds["s3", "ListBuckets", "AKIA1", OTHER, OTHER_AGENT, "ok"].count == 500


def test_endless_temporary_keys_become_other_and_lasting_ones_stay() -> None:
    tally = DayTally()
    for number in range(MOST_KINDS * 3):
        key = f"ASIA{number}" if number % 3 else f"AKIA{number % 2}"
        tally.add(1, replace(EVENT, event_id=f"e-{number}", access_key_id=key))
    assert len(tally.users[1]) <= MOST_KINDS + 3
    assert {kind[2][:4] for kind in tally.users[1]} == {"ASIA", "AKIA", OTHER[:4]}


def test_what_a_day_knows_survives_the_end_of_a_slice() -> None:
    tally, day = DayTally(), date(2026, 3, 4)
    for number in range(1000):
        tally.add(number % 7, replace(EVENT, event_id=f"e-{number}"))
    again = unpack(pack({day: tally}))[day]
    assert again.users == tally.users
    again.add(1, replace(EVENT, event_id="e-999"))
    assert again.users == tally.users
    again.add(1, replace(EVENT, event_id="e-1000"))
    assert again.users != tally.users
    assert unpack(None) == {}


def test_a_kind_names_resources_as_long_as_each_of_its_events_does() -> None:
    tally, day, names = DayTally(), date(2026, 3, 4), iter(range(1000))

    def met(*arns: str, action: str = "GetBucketAcl") -> list[str] | None:
        event = replace(EVENT, event_id=f"n-{next(names)}", action=action, resources=arns)
        tally.add(1, event)
        return next(one.resources for kind, one in tally.users[1].items() if kind[1] == action)

    assert met("arn:aws:s3:::b") == ["arn:aws:s3:::b"]
    assert met("arn:aws:s3:::a", "arn:aws:s3:::b") == ["arn:aws:s3:::a", "arn:aws:s3:::b"]
    again = unpack(pack({day: tally}))[day]
    assert again.users == tally.users
    assert met() is None
    assert met("arn:aws:s3:::a") is None
    # So many are no few places.
    for number in range(MOST_RESOURCES):
        assert met(f"arn:aws:s3:::{number}", action="GetBucketPolicy")
    assert met("arn:aws:s3:::one-more", action="GetBucketPolicy") is None


def test_a_draft_of_an_earlier_version_goes_on_without_resources() -> None:
    tally, day = DayTally(), date(2026, 3, 4)
    tally.add(1, replace(EVENT, resources=("arn:aws:s3:::b",)))
    told = json.loads(zlib.decompress(pack({day: tally})))
    told[day.isoformat()]["sums"] = [one[:-1] for one in told[day.isoformat()]["sums"]]
    again = unpack(zlib.compress(json.dumps(told).encode()))[day]
    ((one,),) = [list(kinds.values()) for kinds in again.users.values()]
    assert (one.count, one.resources) == (1, None)


def test_seen_knows_every_id_it_met_and_no_other() -> None:
    seen = Seen()
    assert all(seen.add(f"id-{number}") for number in range(20_000))
    assert not any(seen.add(f"id-{number}") for number in range(20_000))
    assert len(seen.packed()) < 20_000 * 33


def test_text_from_aws_fits_its_columns() -> None:
    tally = DayTally()
    tally.add(1, replace(EVENT, action="a" * 300, user_agent="\x00evil\x00" + "z" * 400))
    ((_, action, _, _, agent, _),) = tally.users[1]
    assert len(action) == 100
    assert len(agent) == 255
    assert agent.startswith("evil")
