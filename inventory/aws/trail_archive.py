"""CloudTrail logs in S3: everything an account did, for as long as its trail has kept it.

The files of a trail, or of an organization's trail, lie under
`[prefix/]AWSLogs/[o-id/]ACCOUNT/CloudTrail/REGION/YYYY/MM/DD/` (CloudTrail user guide, "Finding
your CloudTrail log files"); the folder and the name say when a file was delivered, not when its
events happened. Digests and Insights lie beside that folder and are never listed. The reader role
needs s3:ListBucket and s3:GetObject on the bucket, also where its policy is another account's, and
kms:Decrypt on the key where the trail encrypts with one. S3 itself tells the SDK the bucket's
Region.
"""

from __future__ import annotations

import heapq
import re
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError
from botocore.response import StreamingBody

from inventory.aws.failure import AwsFailure, failure
from inventory.aws.log_file import records
from inventory.aws.paging import ask
from inventory.aws.session import AwsSession
from inventory.log_address import log_address

_CHUNK = 65_536
# Files up to this size are fetched ahead, so many at a time: 32 MB at most wait in memory.
_SMALL = 2_000_000
_AHEAD = 16
_THREADS = 8
_TRIES = 3


@dataclass(frozen=True, slots=True)
class LogFile:
    """One object. `name` is time and mark of its delivery: files sort by it, in every folder."""

    key: str
    name: str
    at: datetime
    size: int


Fetched = tuple[LogFile, Callable[[], Iterable[bytes]]]


class TrailLogs:
    """The log files of one account in one bucket.

    `address` is as `log_address` reads it. Where both the account's own trail and the
    organization's deliver there, both are read: the same event has the same id in both.
    """

    def __init__(self, session: AwsSession, address: str) -> None:
        self._session, self._account_id = session, session.account_id
        declared = log_address(address)
        self.bucket, self._prefix = declared.bucket, declared.prefix
        self._folders: tuple[str, ...] | None = (declared.folder,) if declared.folder else None

    def folders(self) -> tuple[str, ...]:
        """The account's folders, up to and with `CloudTrail/`. Raises AwsFailure; "NoLogs"."""
        if self._folders is None:
            root = f"{self._prefix}AWSLogs/"
            below = [
                str(one["Prefix"])
                for page in self._pages(Prefix=root, Delimiter="/")
                for one in page.get("CommonPrefixes", ())
            ]
            owners = [
                name for name in below if re.fullmatch(r"o-[a-z0-9]{10,32}/", name[len(root) :])
            ]
            roots = [f"{owner}{self._account_id}/CloudTrail/" for owner in [root, *owners]]
            self._folders = tuple(name for name in roots if self._holds_something(name))
        if not self._folders:
            message = (
                f"There are no CloudTrail logs of account {self._account_id} under "
                f"s3://{self.bucket}/{self._prefix}AWSLogs/."
            )
            raise AwsFailure("NoLogs", message, operation="ListObjectsV2")
        return self._folders

    def files(self, region: str, after: str, until: datetime) -> Iterator[LogFile]:
        """The files of a Region delivered after `after` and by `until`, oldest first.

        `after` is the name of a file, or the beginning of one such as `20260304T`. AwsFailure.
        """
        listings = [self._listed(folder, region, after, until) for folder in self.folders()]
        yield from heapq.merge(*listings, key=lambda file: file.name)

    def fetched(self, files: Iterable[LogFile]) -> Generator[Fetched, None, None]:
        """Each file with a way to its bytes, which may raise AwsFailure; in their order.

        Small ones are fetched ahead by several threads; a large one only when its bytes are asked
        for, piece by piece.
        """
        waiting: deque[tuple[LogFile, Future[bytes] | None]] = deque()
        pool = ThreadPoolExecutor(_THREADS)
        try:
            for file in files:
                small = file.size <= _SMALL
                waiting.append((file, pool.submit(self._whole, file) if small else None))
                if len(waiting) >= _AHEAD:
                    yield self._way(*waiting.popleft())
            while waiting:
                yield self._way(*waiting.popleft())
        finally:
            pool.shutdown(cancel_futures=True)

    def _way(self, file: LogFile, future: Future[bytes] | None) -> Fetched:
        if future is None:
            return file, lambda: self._pieces(file)
        return file, lambda: (future.result(),)

    def _whole(self, file: LogFile) -> bytes:
        for tried in range(1, _TRIES + 1):
            try:
                return b"".join(self._pieces(file))
            except AwsFailure as failed:
                if not failed.retryable or tried == _TRIES:
                    raise
                time.sleep(0.2 * tried)
        raise AssertionError("unreachable")

    def _pieces(self, file: LogFile) -> Iterator[bytes]:
        told = ask(self._s3().get_object, "GetObject", Bucket=self.bucket, Key=file.key)
        body: StreamingBody = told["Body"]
        try:
            while piece := body.read(_CHUNK):
                yield piece
        except BotoCoreError as error:
            raise failure(error, "GetObject") from error
        finally:
            body.close()

    def _listed(self, folder: str, region: str, after: str, until: datetime) -> Iterator[LogFile]:
        prefix = f"{folder}{region}/"
        stem = f"{self._account_id}_CloudTrail_{region}_"
        shape = re.compile(
            rf"{re.escape(prefix)}\d{{4}}/\d\d/\d\d/{stem}((\d{{8}}T\d{{4}}Z)_\w{{1,100}})\.json\.gz"
        )
        day = f"{after[:4]}/{after[4:6]}/{after[6:8]}"
        for page in self._pages(Prefix=prefix, StartAfter=f"{prefix}{day}/{stem}{after}"):
            for one in page.get("Contents", ()):
                match = shape.fullmatch(str(one["Key"]))
                if match is None or match[1] <= after:
                    continue
                at = datetime.strptime(match[2] + "+0000", "%Y%m%dT%H%MZ%z")
                if at > until:
                    return
                yield LogFile(match[0], match[1], at, int(one["Size"]))

    def _holds_something(self, folder: str) -> bool:
        page = next(self._pages(Prefix=folder, MaxKeys=1))
        return bool(page.get("Contents"))

    def _pages(self, **how: Any) -> Iterator[dict[str, Any]]:
        """Every page of ListObjectsV2, or AwsFailure."""
        while True:
            call = self._s3().list_objects_v2
            page: dict[str, Any] = ask(call, "ListObjectsV2", Bucket=self.bucket, **how)
            yield page
            if not page.get("IsTruncated"):
                return
            how["ContinuationToken"] = page["NextContinuationToken"]

    def _s3(self) -> Any:
        return self._session.client("s3")


def read(pieces: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """The records of one file. UnreadableLog; AwsFailure from the bytes themselves."""
    return records(pieces)


def user_id_of(record: dict[str, Any]) -> str:
    """The user id of the IAM user behind a record, of a federated session its issuer's; or ""."""
    identity = record.get("userIdentity")
    if not isinstance(identity, dict):
        return ""
    if identity.get("type") == "IAMUser":
        return str(identity.get("principalId") or "")
    if identity.get("type") == "FederatedUser":
        context = identity.get("sessionContext")
        issuer = context.get("sessionIssuer") if isinstance(context, dict) else None
        return str(issuer.get("principalId") or "") if isinstance(issuer, dict) else ""
    return ""
