"""The pack to read: one HTML file that needs nothing else and prints well."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import Count
from django.template.loader import render_to_string

from inventory.models import IamUser
from migrations_app.lifecycle import State
from migrations_app.models import Departure, EvidencePack
from migrations_app.packs import record, standing, tables
from migrations_app.packs.scope import Scope
from migrations_app.policy_words import LABELS

# Beyond this a report is no reading any more; the tables beside it hold all of them.
MOST_DELETIONS = 1000
MOST_APPROVALS = 500
MOST_POLICIES = 60
_VERDICTS = {
    "active": "In use",
    "dormant": "Dormant",
    "never-used": "Never used",
    "unknown": "Cannot tell",
}


def html(pack: EvidencePack, scope: Scope) -> str:
    """The report, from the same questions as the tables."""
    hidden = scope.names.hidden_row
    chosen = {table.key for table in tables.chosen(pack.contents)}
    rows, _, _ = record.deletions(scope, None, MOST_DELETIONS)
    approvals, _, _ = record.approvals(scope, None, MOST_APPROVALS)
    policies, _, _ = standing.policies(scope, None, MOST_POLICIES)
    context = {
        "pack": pack,
        "scope": scope,
        "asked_by": scope.names.of(scope.person),
        "chosen": chosen,
        "totals": {row["key"]: row["total"] for row in pack.tables},
        "states": _by_state(scope),
        "verdicts": _by_verdict(scope),
        "deletions": [hidden(row) for row in rows] if "deletions" in chosen else [],
        "approvals": [hidden(row) for row in approvals] if "approvals" in chosen else [],
        "policies": _policies(policies) if "policy" in chosen else [],
    }
    return render_to_string("packs/report.html", context)


def _by_state(scope: Scope) -> list[tuple[str, int]]:
    """As the Overview counts: who is meant to stay stands apart."""
    rows = Departure.objects.all()
    if scope.account:
        rows = rows.filter(user__account=scope.account)
    going = rows.unprotected() | rows.filter(state=State.DELETED)
    found = dict(going.order_by().values_list("state").annotate(Count("pk")))
    counts = [(state.label, found.get(state.value, 0)) for state in State]
    return [*counts, ("Protected", rows.count() - sum(found.values()))]


def _by_verdict(scope: Scope) -> list[tuple[str, int]]:
    rows = IamUser.objects.present()
    if scope.account:
        rows = rows.filter(account=scope.account)
    found = dict(rows.order_by().values_list("verdict").annotate(Count("pk")))
    return [(label, found.get(verdict, 0)) for verdict, label in _VERDICTS.items()]


def _policies(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each as its heading and its values, in the words of the settings."""
    return [
        {
            "of": f"{row['account']} ({row['account_id']})",
            "category": row["category"],
            "values": [
                (LABELS[name][0] if name in LABELS else name.replace("_", " "), _said(value))
                for name, value in row.items()
                if name not in ("account_id", "account", "category")
            ],
        }
        for row in rows
    ]


def _said(value: Any) -> str:
    return ", ".join(value) or "none" if isinstance(value, list) else str(value)
