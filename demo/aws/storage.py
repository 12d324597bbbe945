"""The S3 bucket with the trail's log files; `log_files.py` says which there are.

They reach further back than Event history does.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from xml.sax.saxutils import escape

from .calls import Context, operation
from .errors import AwsError


def bucket_name(account_id: str) -> str:
    return f"acme-cloudtrail-{account_id}"


_SIZE = 20_000
"""What a listing says of every object: the bytes are made only when they are asked for."""


def _check(context: Context) -> None:
    if context.params["Bucket"] != bucket_name(context.account.id):
        raise AwsError("NoSuchBucket", "The specified bucket does not exist", 404)


@operation("s3", "ListBuckets")
def list_buckets(context: Context) -> dict[str, Any]:
    """With `max-buckets` a page with each bucket's Region, else all of them without."""
    query: dict[str, str] = context.params["Query"]
    regions = {one.name: one.region for one in context.account.resources if one.kind == "bucket"}
    regions[bucket_name(context.account.id)] = "us-east-1"
    names = sorted(name for name in regions if name > query.get("continuation-token", ""))
    paged = "max-buckets" in query
    size = min(int(query["max-buckets"]), context.page_limit) if paged else len(names)
    rows = "".join(
        f"<Bucket><Name>{name}</Name><CreationDate>2021-01-01T00:00:00Z</CreationDate>"
        + (f"<BucketRegion>{regions[name]}</BucketRegion>" if paged else "")
        + "</Bucket>"
        for name in names[:size]
    )
    more = len(names) > size
    token = f"<ContinuationToken>{names[size - 1]}</ContinuationToken>" if more else ""
    return {
        "Body": f"<ListAllMyBucketsResult><Buckets>{rows}</Buckets>{token}</ListAllMyBucketsResult>"
    }


@operation("s3", "HeadBucket")
def head_bucket(context: Context) -> dict[str, Any]:
    _check(context)
    return {"Body": ""}


@operation("s3", "GetBucketLocation")
def get_bucket_location(context: Context) -> dict[str, Any]:
    _check(context)
    return {"Body": "<LocationConstraint></LocationConstraint>"}


@operation("s3", "ListObjectsV2")
def list_objects_v2(context: Context) -> dict[str, Any]:
    """By prefix, delimiter, start-after and continuation token; pages of up to 1,000."""
    _check(context)
    query: dict[str, str] = context.params["Query"]
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    after = query.get("continuation-token") or query.get("start-after", "")
    size = min(int(query.get("max-keys", "1000")), 1000, context.page_limit)
    shown: list[tuple[str, str]] = []
    files = context.simulator.log_files(context.account.id)
    for key in (key for key in files.keys(context.now) if key.startswith(prefix)):
        common = _common_prefix(key, prefix, delimiter)
        entry = ("common", common) if common else ("key", key)
        if entry[1] > after and entry not in shown[-1:]:
            shown.append(entry)
    part, more = shown[:size], len(shown) > size
    rows = "".join(
        f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>"
        if kind == "common"
        else f"<Contents><Key>{escape(name)}</Key><Size>{_SIZE}</Size>"
        f"<LastModified>{_modified(name)}</LastModified></Contents>"
        for kind, name in part
    )
    token = f"<NextContinuationToken>{part[-1][1]}</NextContinuationToken>" if more else ""
    return {
        "Body": f"<ListBucketResult><Name>{bucket_name(context.account.id)}</Name>"
        f"<Prefix>{escape(prefix)}</Prefix><KeyCount>{len(part)}</KeyCount>"
        f"<MaxKeys>{size}</MaxKeys><IsTruncated>{str(more).lower()}</IsTruncated>"
        f"{token}{rows}</ListBucketResult>"
    }


def _common_prefix(key: str, prefix: str, delimiter: str) -> str:
    """The folder a key is shown as, or nothing when it is shown itself."""
    rest = key[len(prefix) :]
    if not delimiter or delimiter not in rest:
        return ""
    return prefix + rest.split(delimiter, 1)[0] + delimiter


def _modified(key: str) -> str:
    stamp = key.removesuffix(".json.gz").rsplit("/", 1)[-1].rsplit("_", 2)
    try:
        written = datetime.strptime(stamp[1] + "+0000", "%Y%m%dT%H%MZ%z") + timedelta(minutes=1)
    except (ValueError, IndexError):
        return "2021-01-01T00:00:00.000Z"
    return written.strftime("%Y-%m-%dT%H:%M:%S.000Z")


@operation("s3", "GetObject")
def get_object(context: Context) -> dict[str, Any]:
    """NoSuchKey for a file that was not delivered."""
    _check(context)
    files = context.simulator.log_files(context.account.id)
    body = files.body(context.params["Key"], context.now)
    if body is None:
        raise AwsError("NoSuchKey", "The specified key does not exist.", 404)
    return {"Body": body, "Type": "application/x-gzip"}
