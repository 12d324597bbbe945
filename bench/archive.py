"""One IAM user with very many events in CloudTrail logs in S3: memory, speed, rows.

    .venv/bin/python -m bench.archive

writes docs/bench/archive.md. Each case runs in a process of its own, on a database made for it; the
bucket is played in that process, and its gzip files are made while they are read.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from bench.ground import ACCOUNT, DOCS, ROOT, product

REPORT = DOCS / "bench" / "archive.md"
COMMAND = ".venv/bin/python -m bench.archive"
NOW = datetime(2026, 6, 1, 9, 0, tzinfo=UTC)
REGION = "us-east-1"
USER = "AIDABUSYUSER000000000"
FOLDER = f"AWSLogs/{ACCOUNT}/CloudTrail/{REGION}/"
FILE = 5_000
_DAY = timedelta(days=1)
_ACTIONS = ("DescribeInstances", "DescribeVolumes", "ListBuckets", "GetCallerIdentity")
CASES = {
    "200,000 events": (200_000, 20, FILE),
    "2,000,000 events": (2_000_000, 20, FILE),
    "2,000,000 events of one day in one file": (2_000_000, 1, 2_000_000),
}


@dataclass
class Measured:
    """What one case took: `peak` is the process's largest resident set, `before` the one before.

    `seconds` are of one core, so that what else the machine does is left out.
    """

    events: int
    rows: int
    counted: int
    seconds: float
    before_mb: float
    peak_mb: float
    files: int


class Bucket:
    """Stands in for an S3 client: `events` spread evenly over `days`, `in_file` to a file."""

    def __init__(self, events: int, days: int, in_file: int) -> None:
        self._first = NOW.replace(hour=0) - (days + 130) * _DAY
        self._files: dict[str, tuple[datetime, int, int]] = {}
        a_day = events // days
        for day in range(days):
            begin = self._first + day * _DAY
            for part, start in enumerate(range(0, a_day, in_file)):
                at = begin + (part + 1) * (_DAY / (a_day // in_file + 2))
                self._add(at, day * a_day + start, min(in_file, a_day - start), begin)
        # What proves that the last day is over, and that the first one was not the trail's first.
        self._add(self._first - _DAY, 0, 0, self._first)
        self._add(self._first + (days + 1) * _DAY, 0, 0, self._first)

    def _add(self, at: datetime, first: int, count: int, day: datetime) -> None:
        name = f"{ACCOUNT}_CloudTrail_{REGION}_{at:%Y%m%dT%H%MZ}_{first:016d}.json.gz"
        self._files[f"{FOLDER}{at:%Y/%m/%d}/{name}"] = (day, first, count)

    def list_objects_v2(self, **how: Any) -> dict[str, Any]:
        """Pages of 1,000, as S3 gives them."""
        after = how.get("ContinuationToken") or how.get("StartAfter", "")
        keys = sorted(key for key in self._files if key.startswith(how["Prefix"]) and key > after)
        page = keys[: how.get("MaxKeys", 1000)]
        sizes = {key: self._files[key][2] * 60 for key in page}
        told: dict[str, Any] = {"Contents": [{"Key": k, "Size": sizes[k]} for k in page]}
        if len(page) < len(keys):
            told |= {"IsTruncated": True, "NextContinuationToken": page[-1]}
        return told

    def get_object(self, **how: Any) -> dict[str, Any]:
        return {"Body": _Body(_zipped(*self._files[how["Key"]]))}


class _Body:
    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces

    def read(self, _: int) -> bytes:
        return next(self._pieces, b"")

    def close(self) -> None:
        """Nothing is open."""


def _zipped(day: datetime, first: int, count: int) -> Iterator[bytes]:
    """A log file in pieces, so that not even this side holds it whole."""
    zipped = zlib.compressobj(1, wbits=31)
    yield zipped.compress(b'{"Records":[')
    for start in range(0, count, 500):
        numbers = range(first + start, first + min(start + 500, count))
        text = ",".join(_record(day, number) for number in numbers)
        piece = zipped.compress((("," if start else "") + text).encode())
        if piece:
            yield piece
    yield zipped.compress(b"]}") + zipped.flush()


def _record(day: datetime, number: int) -> str:
    second = number * 7 % 86_399
    at = f"{day:%Y-%m-%d}T{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}Z"
    return (
        f'{{"eventVersion":"1.11","userIdentity":{{"type":"IAMUser","principalId":"{USER}",'
        f'"arn":"arn:aws:iam::{ACCOUNT}:user/busy","accountId":"{ACCOUNT}",'
        f'"accessKeyId":"AKIABUSYUSER00000000","userName":"busy"}},"eventTime":"{at}",'
        f'"eventSource":"ec2.amazonaws.com","eventName":"{_ACTIONS[number % 4]}",'
        f'"awsRegion":"{REGION}","sourceIPAddress":"198.51.100.{number % 40}",'
        f'"userAgent":"Boto3/1.34.51 md/Botocore#1.34.51 ua/2.0 os/linux#5.15",'
        f'"requestParameters":{{"maxResults":100}},"responseElements":null,'
        f'"eventID":"00000000-0000-4000-8000-{number:012d}","readOnly":true,'
        f'"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"{ACCOUNT}",'
        f'"eventCategory":"Management"}}'
    )


class _Session:
    """Stands in for a session whose S3 is the bucket above."""

    account_id = ACCOUNT

    def __init__(self, bucket: Bucket) -> None:
        self.client: Callable[[str], Bucket] = lambda _: bucket


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(events: int, days: int, in_file: int) -> Measured:
    """Read a bucket with that many events into a fresh database."""
    from django.db.models import Sum  # noqa: PLC0415

    from inventory.aws.session import AwsSession  # noqa: PLC0415
    from inventory.aws.trail_archive import TrailLogs  # noqa: PLC0415
    from inventory.models import Account, Activity, ArchiveCoverage, IamUser  # noqa: PLC0415
    from inventory.refresh.archive_files import RegionReader  # noqa: PLC0415

    account = Account.objects.create(account_id=ACCOUNT, name="production")
    made = {"created_at": NOW, "first_seen_at": NOW, "last_seen_at": NOW, "arn": "arn"}
    user = IamUser.objects.create(account=account, user_id=USER, user_name="busy", **made)
    address = f"s3://logs/AWSLogs/{ACCOUNT}/CloudTrail/"
    row = ArchiveCoverage.objects.create(account=account, region=REGION, archive=address)
    bucket = Bucket(events, days, in_file)
    logs = TrailLogs(cast(AwsSession, _Session(bucket)), address)
    reader = RegionReader(row, logs, {USER: user.pk}, lambda: 60.0)
    before, began = _peak_mb(), time.process_time()
    reader.read_on()
    seconds = time.process_time() - began
    row.refresh_from_db()
    assert not row.gaps, row.gaps
    return Measured(
        events=events,
        rows=Activity.objects.count(),
        counted=Activity.objects.aggregate(all=Sum("count"))["all"] or 0,
        seconds=seconds,
        before_mb=before,
        peak_mb=_peak_mb(),
        files=len(bucket._files),
    )


def report(measured: dict[str, Measured]) -> str:
    """The page."""
    few, many = measured["200,000 events"], measured["2,000,000 events"]
    lines = [
        "# A user with very many events in CloudTrail logs",
        "",
        f"Generated on {datetime.now(UTC):%Y-%m-%d} by `{COMMAND}`; do not edit.",
        "",
        "One IAM user, gzip log files made while they are read, everything in one process with its",
        "own database. Peak memory is the largest resident set of that process, Python, Django and",
        "the making of the files included; “before” is what it was when reading began.",
        "",
        "| case | files | events a second of one core | rows written | calls counted | before "
        "| peak | grown |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {name} | {one.files:,} | {one.events / one.seconds:,.0f} | {one.rows:,} | "
        f"{one.counted:,} | {one.before_mb:.0f} MB | {one.peak_mb:.0f} MB | "
        f"{one.peak_mb - one.before_mb:.0f} MB |"
        for name, one in measured.items()
    ]
    lines += [
        "",
        f"Ten times the events take {many.peak_mb - few.peak_mb:.0f} MB more at the peak. What",
        "grows is the table that counts each event once, 16 to 32 bytes for each event of one day;",
        "the last case has all of them in one day.",
        "",
    ]
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Measure one case when told its numbers, else all of them, and write the page."""
    if arguments:
        events, days, in_file = map(int, arguments)
        with product("archive", NOW):
            print(json.dumps(asdict(measure(events, days, in_file))))
        return 0
    measured = {}
    for name, case in CASES.items():
        command = [sys.executable, "-m", "bench.archive", *map(str, case)]
        told = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
        measured[name] = Measured(**json.loads(told.stdout.splitlines()[-1]))
        print(name, measured[name])
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(report(measured))
    return int(any(one.counted != one.events for one in measured.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
