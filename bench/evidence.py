"""One simulated account read once, and what the product says of it held against the truth.

AWS's limits are set aside. Beside the product stands what a shell script sees: no CloudTrail event
under that name in us-east-1 is unused.
"""

from __future__ import annotations

import io
import random
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from django.core.management import call_command
from django.db.models import QuerySet

from bench.case import ORGANIZATION, Table, in_a_hurry
from demo.aws.account import Simulator
from demo.aws.inprocess import simulated
from inventory import clock, refresh
from inventory.aws import identity
from inventory.models import Account, IamUser, Person, Sync, Team
from migrations_app import changes
from migrations_app.models import Departure

HISTORY = timedelta(days=90)
# A young user is never judged silent; the break-glass user's drill is use.
_EXPECTED = {"young": "unknown", "break-glass": "active"}
# What the AWS CLI takes for its own in `AttributeKey=Username,AttributeValue=NAME`: a comma
# anywhere, an equals sign or a quote at the beginning of the value.
_ENDS_A_VALUE = ","
_NO_BEGINNING = ("=", "[", "{", "'", '"')


@dataclass
class Suggested:
    """How good the suggested owners are: right and wrong by percent, and how many got one."""

    users: int = 0
    right: int = 0
    wrong: int = 0
    by_percent: dict[str, list[int]] = field(default_factory=dict)

    @property
    def precision(self) -> float:
        return self.right / max(1, self.right + self.wrong)

    @property
    def coverage(self) -> float:
        return (self.right + self.wrong) / max(1, self.users)


@dataclass
class Script:
    """What "no event under this name" says of the same users, asked in some Regions.

    `silent_called_active`: of the dormant and never used ones, and of the young user.
    """

    regions: int = 1
    active_called_silent: int = 0
    silent_called_active: int = 0
    could_not_ask: list[str] = field(default_factory=list)


@dataclass
class Measured:
    """What one account showed. Tables count (truth, product)."""

    seed: int
    users: int
    verdicts: Table = field(default_factory=Counter)
    categories: Table = field(default_factory=Counter)
    wrong_verdicts: list[str] = field(default_factory=list)
    wrong_categories: Counter[str] = field(default_factory=Counter)
    confidences: Counter[str] = field(default_factory=Counter)
    first: Suggested = field(default_factory=Suggested)
    claimed: Suggested = field(default_factory=Suggested)
    scripts: list[Script] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    @property
    def categories_right(self) -> float:
        return sum(n for (true, said), n in self.categories.items() if true == said) / self.users

    @property
    def wrong_with_low_confidence(self) -> int:
        return self.wrong_categories["low"]


def measure(seed: int, size: int) -> Measured:
    """Read a fresh account of `size` users once and count. The database must be empty."""
    simulator = Simulator(seed, size, clock.now, lookup_rate=0)
    found = Measured(seed, size)
    with simulated(simulator), in_a_hurry():
        call_command("organization", "apply", str(ORGANIZATION), stdout=io.StringIO())
        identity.report("evidence")
        began = time.monotonic()
        sync = _synced()
        found.seconds = time.monotonic() - began
    found.calls = Counter(sync.calls["made"])
    _judgements(found, simulator)
    found.first = _suggestions(simulator, IamUser.objects.all())
    found.scripts = [
        _script(simulator, simulator.regions[:1]),
        _script(simulator, simulator.regions),
    ]
    _claim_some(simulator)
    refresh.judge(IamUser.objects.all())
    found.claimed = _suggestions(simulator, IamUser.objects.filter(departure__state="discovered"))
    return found


def _synced() -> Sync:
    account = Account.objects.get()
    sync = refresh.ask_sync(account, Person.objects.get(username="jonas"))
    while refresh.run_sync(sync.pk):
        pass
    sync.refresh_from_db()
    if sync.status != Sync.Status.WHOLE:
        raise RuntimeError(f"The account was not read whole: {sync.error}")
    return sync


def _judgements(found: Measured, simulator: Simulator) -> None:
    users = {user.user_id: user for user in IamUser.objects.all()}
    for truth in simulator.truth:
        user = users[truth["user_id"]]
        found.verdicts[truth["status"], user.verdict] += 1
        if user.verdict != _EXPECTED.get(truth["status"], truth["status"]):
            found.wrong_verdicts.append(user.user_name)
        found.categories[truth["category"], user.category] += 1
        found.confidences[user.category_confidence] += 1
        if user.category != truth["category"]:
            found.wrong_categories[user.category_confidence] += 1


def _suggestions(simulator: Simulator, users: QuerySet[IamUser]) -> Suggested:
    truths = {truth["user_id"]: truth["team"] for truth in simulator.truth}
    found = Suggested()
    for user in users.select_related("suggested_team"):
        found.users += 1
        if user.suggested_team is None:
            continue
        right = user.suggested_team.key == truths[user.user_id]
        found.right += right
        found.wrong += not right
        low = (user.suggestion_percent or 0) // 20 * 20
        bucket = f"{low} to {low + 19} %"
        counts = found.by_percent.setdefault(bucket, [0, 0])
        counts[0] += right
        counts[1] += 1
    return found


def _claim_some(simulator: Simulator) -> None:
    """A third of the users are given to the team that really answers for them."""
    pick = random.Random(f"{simulator.truth[0]['user_id']}-claims")
    engineer = Person.objects.get(username="jonas")
    teams = {team.key: team for team in Team.objects.all()}
    rows = {
        row.user.user_id: row
        for row in Departure.objects.filter(protection="").select_related("user")
    }
    for truth in simulator.truth:
        if truth["user_id"] in rows and pick.random() < 1 / 3:
            changes.assign(rows[truth["user_id"]], teams[truth["team"]], engineer)


def _script(simulator: Simulator, regions: Iterable[str]) -> Script:
    since = clock.now() - HISTORY
    trail = simulator.trail(simulator.account.id).regions
    asked = [trail[region] for region in regions]
    seen = {event.username for region in asked for event in region.events if event.at >= since}
    found = Script(regions=len(asked))
    for truth in simulator.truth:
        name = truth["user_name"]
        if _ENDS_A_VALUE in name or name.startswith(_NO_BEGINNING):
            found.could_not_ask.append(name)
        elif truth["status"] == "active":
            found.active_called_silent += name not in seen
        elif truth["status"] != "break-glass":
            found.silent_called_active += name in seen
    return found
