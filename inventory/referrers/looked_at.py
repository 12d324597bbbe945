"""Where references were looked for and where not, as a page and an approver read it. Pure.

Not readable is "not looked at": it is shown and ticked, and blocks nothing (DESIGN.md section 5).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from inventory.referrers.references import BUCKET, CLUSTER, KEY, QUEUE, RESOURCES, SECRET, TOPIC

# Looked for once a day; what is twice as old counts as not looked at any more.
READ_EVERY = timedelta(hours=24)
STALE_AFTER = 2 * READ_EVERY
# Under which a kind without Regions is kept.
EVERYWHERE = ""
_MOST_REGIONS = 3
_NOUNS = {
    BUCKET: ("bucket", "buckets"),
    QUEUE: ("queue", "queues"),
    TOPIC: ("topic", "topics"),
    KEY: ("key", "keys"),
    SECRET: ("secret", "secrets"),
    CLUSTER: ("EKS cluster", "EKS clusters"),
}


@dataclass(frozen=True, slots=True)
class Scope:
    """One kind of resource in one Region: how many were read, how many not, and why not.

    `error` is AWS's code of a listing or reading that stopped the scope, or of the first resource
    that was refused; `at` is None where nothing was ever read whole.
    """

    kind: str
    region: str
    at: datetime | None = None
    count: int = 0
    unread: int = 0
    error: str = ""
    words: str = ""
    broken: bool = False

    def row(self) -> dict[str, Any]:
        """As kept in `Account.references_read`."""
        return {
            "at": self.at.isoformat() if self.at else None,
            "count": self.count,
            "unread": self.unread,
            "error": self.error,
            "words": self.words,
            "broken": self.broken,
        }

    def due(self, now: datetime) -> bool:
        """Once a day; what stopped half-way is tried again at the next sync."""
        return self.broken or self.at is None or now - self.at >= READ_EVERY


@dataclass(frozen=True, slots=True)
class LookedAt:
    """`found` and each of `missing` complete "Looked at: …" and "Not looked at: …"."""

    found: str = ""
    missing: tuple[str, ...] = ()


def wanted(regions: Iterable[str]) -> list[tuple[str, str]]:
    """Every scope that an account with these Regions has; buckets are listed once for all."""
    known = sorted(regions)
    return [(BUCKET, EVERYWHERE)] + [
        (kind, region) for region in known for kind in RESOURCES if kind != BUCKET
    ]


def scopes(kept: Mapping[str, Any], asked: Iterable[tuple[str, str]]) -> list[Scope]:
    """The scopes that are asked about, as `Account.references_read` has them."""
    found = []
    for kind, region in asked:
        row = kept.get(kind, {}).get(region, {})
        at = row.get("at")
        found.append(
            Scope(
                kind,
                region,
                datetime.fromisoformat(at) if at else None,
                int(row.get("count", 0)),
                int(row.get("unread", 0)),
                str(row.get("error", "")),
                str(row.get("words", "")),
                bool(row.get("broken", False)),
            )
        )
    return found


def looked_at(
    every: Iterable[Scope], now: datetime, *, roles_gap: str = "", left_out: Iterable[str] = ()
) -> LookedAt:
    """What was and what was not looked at. `roles_gap`: why policies of the account could not be
    read; `left_out`: enabled Regions that the declaration leaves out.
    """
    by_kind: defaultdict[str, list[Scope]] = defaultdict(list)
    for scope in every:
        by_kind[scope.kind].append(scope)
    found = [] if roles_gap else ["roles and policies"]
    missing = [f"roles and policies ({roles_gap})"] if roles_gap else []
    for kind in RESOURCES:
        rows = by_kind.get(kind, [])
        read = [one for one in rows if _was_read(one, now)]
        if read:
            found.append(_counted(sum(one.count for one in read), kind))
        missing += _not_read(kind, rows, now)
    if skipped := sorted(left_out):
        missing.append(f"{_in(skipped)} (left out in the declaration)")
    return LookedAt(_joined(found), tuple(missing))


def _was_read(one: Scope, now: datetime) -> bool:
    return one.at is not None and not one.broken and now - one.at < STALE_AFTER


def _not_read(kind: str, rows: list[Scope], now: datetime) -> list[str]:
    """By reason, the Regions of a kind that were not read, and single resources refused."""
    if not rows:
        return [f"{_NOUNS[kind][1]} (the enabled Regions are not known)"]
    reasons: defaultdict[str, list[str]] = defaultdict(list)
    single = []
    for one in rows:
        if not _was_read(one, now):
            why = _why(one) if one.broken else "not read yet" if one.at is None else "too long ago"
            reasons[why].append(one.region)
        elif one.unread:
            where = f" in {one.region}" if one.region else ""
            all_of = one.count + one.unread
            single.append(f"{one.unread} of {_counted(all_of, kind)}{where} ({_why(one)})")
    whole = []
    for why, regions in reasons.items():
        where = "" if regions == [EVERYWHERE] else f" in {_in(regions)}"
        whole.append(f"{_NOUNS[kind][1]}{where} ({why})")
    return whole + single


def _why(one: Scope) -> str:
    # The one refusal that is no fault: Kubernetes keeps those entries, and AWS cannot show them.
    in_map = one.kind == CLUSTER and one.error == "InvalidRequestException"
    return "entries in aws-auth, which AWS does not show" if in_map else one.error


def _counted(count: int, kind: str) -> str:
    return f"{count} {_NOUNS[kind][count != 1]}"


def _in(regions: list[str]) -> str:
    return f"{len(regions)} Regions" if len(regions) > _MOST_REGIONS else _joined(regions)


def _joined(words: list[str]) -> str:
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"
