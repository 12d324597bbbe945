"""Where CloudTrail logs are kept, as a person writes it: a bucket, a trail's prefix, or the folder.

`s3://bucket`, `s3://bucket/prefix` and the whole folder as the console shows it,
`s3://bucket/[prefix/]AWSLogs/[o-id/]ACCOUNT/CloudTrail/`, are all understood.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_SHAPE = re.compile(
    r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(?P<path>[\w!.*'()/-]{0,300}))?",
    re.ASCII,
)
_FOLDER = re.compile(
    r"(?P<prefix>(?:.+/)?)AWSLogs/(?:o-[a-z0-9]+/)?(?P<account>\d{12})/CloudTrail/?", re.ASCII
)


@dataclass(frozen=True, slots=True)
class LogAddress:
    """`prefix` ends with a slash or is empty; `folder` is "" where AWS is to be asked for it."""

    bucket: str
    prefix: str
    folder: str
    account_id: str


def log_address(text: str) -> LogAddress:
    """The parts of an address. ValueError, in words for whoever wrote it."""
    match = _SHAPE.fullmatch(text)
    if match is None:
        raise ValueError(f"“{text}” is no S3 address like s3://bucket/prefix.")
    path = (match["path"] or "").strip("/")
    folder = _FOLDER.fullmatch(path)
    if folder:
        return LogAddress(match["bucket"], folder["prefix"], f"{path}/", folder["account"])
    if "AWSLogs" in path.split("/"):
        raise ValueError(
            f"“{text}” ends below AWSLogs, but not with ACCOUNT/CloudTrail: "
            "name the bucket and the trail's prefix, or the whole folder."
        )
    return LogAddress(match["bucket"], f"{path}/" if path else "", "", "")
