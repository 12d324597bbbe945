"""What an approval binds to: the facts of one user's change as canonical values, and their digest.

Hashed are identity, owner, protection, lengths, holdings and the ordered calls. Verdict, last use,
counts, tags and report times are judged anew at run time instead (rule 4).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from inventory import ledger
from inventory.aws.holdings import UserHoldings
from migrations_app import aws
from migrations_app.changes.situation import policy_of
from migrations_app.lifecycle import Method, MoveName
from migrations_app.models import Batch, Departure


def held(holdings: UserHoldings) -> dict[str, Any]:
    """The holdings as they are hashed: kinds, ids and statuses, sorted; documents as hashes."""
    return {
        "access keys": sorted([key.id, key.status] for key in holdings.access_keys),
        "console password": holdings.has_login_profile,
        "service-specific credentials": sorted(
            [one.id, one.service, one.status] for one in holdings.service_credentials
        ),
        "SSH public keys": sorted([key.id, key.status] for key in holdings.ssh_keys),
        "signing certificates": sorted([one.id, one.status] for one in holdings.certificates),
        "MFA devices": sorted(device.serial for device in holdings.mfa),
        "groups": sorted(holdings.groups),
        "inline policies": {
            name: ledger.digest(document)
            for name, document in sorted(holdings.inline_policies.items())
        },
        "managed policies": sorted(holdings.attached_policies),
        "boundary": holdings.boundary,
    }


def differences(approved: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """The kinds of holdings that are not what was approved; empty when they are equal."""
    return [kind for kind in approved if approved[kind] != now.get(kind)]


def planned(
    holdings: UserHoldings, move: MoveName, method: str
) -> list[tuple[aws.PlannedCall, str]]:
    """Every call of a change, in order, with when it is sent: "now", or "shut" after the watch."""
    if move is MoveName.DELETE:
        return [(call, "now") for call in aws.plan(aws.DELETE, holdings)]
    if move is MoveName.SOAK:
        return [(call, "now") for call in aws.plan(aws.SHUT, holdings)]
    shut = "now" if method == Method.SHUT else "shut"
    return [(call, "now") for call in aws.plan(aws.FENCE, holdings)] + [
        (call, shut) for call in aws.plan(aws.SHUT, holdings)
    ]


def call_as_values(call: aws.PlannedCall, when: str) -> dict[str, Any]:
    return {
        "step": call.step,
        "operation": call.operation,
        "target": call.target,
        "params": call.params,
        "undo": call.undo,
        "loses": call.loses,
        "final": call.final,
        "when": when,
    }


def facts_of(
    departure: Departure, holdings: UserHoldings, move: MoveName, method: str
) -> dict[str, Any]:
    """The facts of one item of a batch, all JSON values; see the module's docstring."""
    policy = policy_of(departure)
    watch = policy.watch if method == Method.FENCE else policy.watch * 0
    return {
        "account": holdings.account_id,
        "user_id": holdings.user_id,
        "user_name": holdings.user_name,
        "path": holdings.path,
        "move": str(move),
        "method": str(method),
        "owner": departure.owner.key if departure.owner else "",
        "protection": departure.protection,
        "watch": watch.total_seconds(),
        "soak": policy.soak.total_seconds(),
        "holdings": held(holdings),
        "calls": [call_as_values(*pair) for pair in planned(holdings, move, method)],
    }


def batch_digest(batch: Batch, items: list[str]) -> str:
    """The digest that an approval carries: the batch's own facts and every item's digest."""
    return ledger.digest(
        {
            "account": batch.account.account_id,
            "move": batch.move,
            "method": batch.method,
            "urgent": batch.urgent,
            "items": sorted(items),
        }
    )


def frozen_items(batch: Batch) -> list[str]:
    """The digests of the items that were asked for, whatever became of each since."""
    return list(
        batch.changes.filter(follows=None, blockers=[])
        .exclude(digest="")
        .values_list("digest", flat=True)
    )


def without_our_fence(holdings: UserHoldings, by: str) -> UserHoldings:
    """The holdings as they would be without the fence we put on; `by` as in Departure.fence."""
    if by != "policy":
        return holdings
    fence = aws.deny_all(holdings)
    kept = tuple(arn for arn in holdings.attached_policies if arn != fence)
    return replace(holdings, attached_policies=kept)
