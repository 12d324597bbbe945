"""From a seed to a world: the ground all share, what happens on it, and the shortest failure.

A seed fully determines its world: emphasis, time zone, every action and its dice. Real time stands
still but for a millisecond at each look, so that a second run sees the same.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta

from demo.aws.account import Simulator
from demo.aws.ids import drawn_id
from demo.aws.rhythm import Rhythm
from demo.aws.state import AccessKey, LoginProfile, MfaDevice, Upload, User, VirtualMfa
from inventory import clock
from inventory.models import IamUser, LedgerEntry
from migrations_app import changes
from migrations_app.changes import running
from migrations_app.lifecycle import State
from migrations_app.models import Change
from tests.migrations_app.conftest import Pace
from tests.migrations_app.stage import BOUNDARY, Stage, one_key, ten_policies
from tests.migrations_app.worlds import batches, clocks, foreign, people, workers
from tests.migrations_app.worlds.comparing import compare
from tests.migrations_app.worlds.held import FENCE
from tests.migrations_app.worlds.model import Model
from tests.migrations_app.worlds.world import Broken, World, enter, watched

Action = Callable[[World, random.Random], object]
STARTS = datetime(2027, 3, 1, 9, 0, tzinfo=UTC)
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Pacific/Auckland", "Asia/Kolkata")
_FOREIGN = (
    "arn:aws:iam::aws:policy/SecurityAudit", "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
)  # fmt: skip
LENGTH = (14, 24)
# How often a failing world is lived again, to shorten it.
TRIES = 30
SETTLING = 40

# How often each is tried where nothing is emphasized.
ALWAYS: dict[str, float] = {
    "compose": 1, "look_again": 1, "ask": 2, "approve": 3, "whole_batch": 2, "urgent_batch": 1,
    "good_batch": 7, "ripen": 7, "undo": 2,
    "change_draft": 1, "void": 1, "pause": 1, "resume": 4, "abort": 1, "retry": 4, "skip": 1,
    "take_over": 1, "restore": 2, "restore_batch": 0.5, "protect": 1, "unprotect": 2, "pull": 0.7,
    "lift": 6, "close_hit": 4, "extend": 1, "dispute": 1, "own": 1, "roles": 1, "half_deleted": 3,
    "write_worker": 12, "late_worker": 1, "restore_worker": 6, "listen": 3, "sweep": 4,
    "minutes": 2, "sync": 0.15, "hours": 3, "days": 2, "to_the_due_day": 4,
    "to_the_night_of_the_clocks": 0.4,
    "freeze": 0.3, "strike": 1, "lasting": 0.3, "no_fault": 3, "by_hand": 1, "delete_by_hand": 0.2,
    "recreate": 0.3, "call": 1.5, "foreign_deny": 0.3,
}  # fmt: skip
_MODULES = (people, workers, clocks, foreign, batches)
ACTIONS: dict[str, Action] = {
    name: next(getattr(one, name) for one in _MODULES if hasattr(one, name)) for name in ALWAYS
}


@dataclass(frozen=True)
class Emphasis:
    """What a group of seeds has more of."""

    more: dict[str, float] = field(default_factory=dict)
    deaths: float = 0.06
    meanwhile: float = 0.06
    deeds: tuple[Action, ...] = ()
    strikes: tuple[str, str] | None = None


EMPHASES: dict[str, Emphasis] = {
    "faults": Emphasis({"strike": 8, "lasting": 6, "no_fault": 2}),
    "deaths": Emphasis(deaths=0.5),
    "foreign hands": Emphasis(
        {"by_hand": 8, "call": 4, "delete_by_hand": 10, "sync": 10}, meanwhile=0.25
    ),
    "re-creation": Emphasis({"recreate": 16, "delete_by_hand": 20, "sync": 30, "by_hand": 2}),
    "clocks and rails": Emphasis(
        {
            "hours": 3,
            "days": 2,
            "to_the_night_of_the_clocks": 8,
            "freeze": 8,
            "roles": 3,
            "extend": 3,
            "dispute": 3,
        }
    ),
    "people's races": Emphasis(
        {
            "protect": 3,
            "unprotect": 2,
            "pull": 3,
            "pause": 3,
            "abort": 2,
            "own": 5,
            "void": 3,
            "change_draft": 4,
            "take_over": 3,
            "skip": 3,
            "compose": 4,
            "roles": 2,
        },
        meanwhile=0.4,
    ),
    "restores": Emphasis({"restore": 6, "restore_batch": 6, "restore_worker": 2}, deaths=0.15),
    "urgent batches": Emphasis({"urgent_batch": 10, "call": 2}, deaths=0.1, meanwhile=0.1),
}


@dataclass
class Tally:
    """What all worlds of a run did, to be shown and asserted."""

    tried: Counter[str] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)
    steps: Counter[str] = field(default_factory=Counter)
    actions: Counter[str] = field(default_factory=Counter)
    transitions: Counter[str] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)


class StillTime:
    """Real time for worlds: each look is a millisecond later than the one before."""

    def __init__(self) -> None:
        self.at = STARTS

    def __call__(self) -> datetime:
        self.at += timedelta(milliseconds=1)
        return self.at


@dataclass
class Ground:
    """Five users on their way, made once by the product's own verbs; every world begins here."""

    stage: Stage
    pace: Pace
    time: StillTime
    laid: World

    @contextmanager
    def world(self, seed: int) -> Iterator[World]:
        """A world of its own on this ground; afterwards everything is as it was."""
        simulator, rng = self.stage.simulator, random.Random(f"{seed}-world")
        trail = simulator.trail(simulator.account.id)
        last = trail.next_seq()
        offset = clock.clock_file()
        assert offset is not None
        kept, ahead = self.time.at, offset.path.read_text()
        broken: Exception | None = None
        with self.stage.undone():
            simulator.ids._random.seed(f"{seed}-ids")
            simulator.faults._random.seed(seed)
            simulator._remembered.clear()
            simulator.calls.clear()
            stage = Stage(simulator, self.stage.people)
            world = World(stage, self.pace, deepcopy(self.laid.model))
            world.journalled, world.restored = set(self.laid.journalled), set()
            world.since = LedgerEntry.objects.count()
            _place(world, rng)
            with watched(world):
                try:
                    yield world
                except Exception as failed:  # noqa: BLE001, the ground is put in order first
                    broken = failed
        for region in trail.regions.values():
            region.forget({event.seq for event in region.events if event.seq > last})
        self.time.at = kept
        offset.path.write_text(ahead)
        offset._stamp = None
        if broken is not None:
            raise broken


def _place(world: World, rng: random.Random) -> None:
    """The account's time zone and windows, as this seed has them."""
    account = world.people.account
    account.refresh_from_db()
    world.model.zone = account.time_zone = rng.choice(ZONES)
    if rng.random() < 0.3:
        days = rng.choice((range(5), range(7), (1, 2, 3)))
        names = [("mon", "tue", "wed", "thu", "fri", "sat", "sun")[day] for day in days]
        window = {"days": names, "from": "08:30", "to": "17:00"}
        account.policy = account.policy | {"disable_window": window, "delete_window": window}
        world.model.days = frozenset(days)
        world.model.opens, world.model.closes = time(8, 30), time(17)
    account.save()


def lay(stage: Stage, pace: Pace, still: StillTime) -> Ground:
    """Two fresh users, one at the policy quota, one watched, one soaking; nobody else but ours."""
    simulator = stage.simulator
    for name in [name for name in simulator.account.users if name != "break-glass"]:
        simulator.account.by_user_id.pop(simulator.account.users.pop(name).id)
    simulator._rhythm = Rhythm(0)
    _only_what_is_needed(simulator)
    world = World(stage, pace, Model(approvers={"jonas", "mei"}))
    people_, users = stage.people, []
    users.append(stage.user("ci-one"))
    users.append(stage.user("full.house", give=house))
    users.append(stage.user("ten.policies", owner=people_.platform, give=ten_policies))
    users.append(stage.user("watched", give=house))
    users.append(stage.user("soaking", owner=people_.platform))
    users.append(stage.user("nobodys", State.DISCOVERED))
    for row in users:
        enter(world, row)
    with watched(world):
        world.stage.skip(hours=1)
        _disable(world, "soaking", "shut")
        clocks.skip_on(world, days=3)
        _disable(world, "watched", "fence")
        clocks.skip_on(world, days=2)
        workers.listen(world, random.Random(0))
        compare(world)
    return Ground(stage, pace, still, world)


def _only_what_is_needed(simulator: Simulator) -> None:
    """Policies that nobody here holds only make each sync longer."""
    account = simulator.account
    holders = (*account.users.values(), *account.groups.values(), *account.roles.values())
    held = {arn for one in holders for arn in one.attached} | {BOUNDARY, FENCE, *_FOREIGN}
    quota = [arn for arn in sorted(account.policies) if "Admin" not in arn][:16]
    for arn in [arn for arn in account.policies if arn not in {*held, *quota}]:
        del account.policies[arn]


def _disable(world: World, name: str, method: str) -> None:
    """Through the verbs, with the model listening."""
    row = next(row for row in world.departures() if row.user.user_name == name)
    dice = _Chosen(row, method)
    batches.whole_batch(world, dice)
    world.work("sweeps", changes.sweep)
    workers.write_worker(world, dice)


class _Chosen(random.Random):
    """Dice that fall as the ground needs them: this user, this method, nothing else happens."""

    def __init__(self, row: object, method: str) -> None:
        super().__init__(0)
        self.row, self.method = row, method

    def random(self) -> float:
        return 0.7

    def sample(  # type: ignore[override]
        self, population: Sequence[object], k: int, **_: object
    ) -> list[object]:
        return [self.row]

    def choice(self, seq: Sequence[object]) -> object:  # type: ignore[override]
        return self.method if self.method in seq else seq[0]


def house(stage: Stage, user: User) -> None:
    """Most kinds of holdings, some inactive; few enough to be quick."""
    one_key(stage, user)
    made_at, account = user.created_at, stage.simulator.account
    key = AccessKey(drawn_id("AKIA", 16, user.id, 1), made_at, "Inactive")
    user.keys[key.id] = key
    account.key_owner[key.id] = user.id
    user.login = LoginProfile(made_at)
    ssh = f"APKA{drawn_id('', 16, user.id, 'ssh')}"
    user.ssh_keys[ssh] = Upload(ssh, "ssh-rsa AAAA laptop", made_at)
    serial = account.arn(f"mfa/{user.name}")
    user.mfa[serial] = MfaDevice(serial, made_at)
    account.virtual_mfa[serial] = VirtualMfa(serial, user.id, made_at)
    user.groups = ["developers"]


# ── One seed ─────────────────────────────────────────────────────────────────────────────────────


def emphasis_of(seed: int) -> str:
    return list(EMPHASES)[seed % len(EMPHASES)]


def run(ground: Ground, seed: int, tally: Tally, emphasis: Emphasis | None = None) -> None:
    """One seed; Broken, with its shortest reproduction, where engine and model do not agree."""
    what = emphasis_of(seed)
    tally.tried[what] += 1
    life = _Life(ground, seed, emphasis or EMPHASES[emphasis_of(seed)])
    try:
        life.live(tally)
        tally.held[what] += 1
    except Exception as failed:
        words = "" if emphasis else life.shortest()
        raise Broken(f"{failed}\n{words}") from failed
    finally:
        tally.steps[what] += len(life.steps)


@dataclass
class _Life:
    """The actions of one seed, as they were drawn."""

    ground: Ground
    seed: int
    emphasis: Emphasis
    steps: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def live(self, tally: Tally, only: Sequence[int] | None = None) -> None:
        """Draw and do actions; with `only`, exactly those that were drawn at these places."""
        length = random.Random(f"{self.seed}-length").randint(*LENGTH)
        with self.ground.world(self.seed) as world:
            self.told = world.told
            world.shares = {"deaths": self.emphasis.deaths, "meanwhile": self.emphasis.meanwhile}
            world.meanwhile, world.strikes = self.emphasis.deeds, self.emphasis.strikes
            for place in range(length) if only is None else only:
                if only is None:
                    self._draw(world, place, tally)
                else:
                    name = self.steps[place]
                    world.says(f"-- {place} {name}")
                    ACTIONS[name](world, self._dice(place, name))
                compare(world)
            settle(world)
            world.end()
            tally.transitions += world.transitions()
            tally.done += world.done

    def _draw(self, world: World, place: int, tally: Tally) -> None:
        """The first action in a weighted order for which there is something to do."""
        order = random.Random(f"{self.seed}-{place}")
        left = {name: each * self.emphasis.more.get(name, 1) for name, each in ALWAYS.items()}
        while True:
            name = order.choices(list(left), list(left.values()))[0]
            del left[name]
            world.says(f"-- {place} {name}")
            self.steps.append(name)
            if ACTIONS[name](world, self._dice(place, name)) is not None:
                tally.actions[name] += 1
                return
            self.steps.pop()
            world.told.pop()

    def _dice(self, place: int, name: str) -> random.Random:
        return random.Random(f"{self.seed}-{place}-{name}")

    def _fails(self, places: Sequence[int]) -> bool:
        try:
            self.live(Tally(), places)
        except Exception:  # noqa: BLE001, as above
            return True
        return False

    def shortest(self) -> str:
        """The one line that reproduces it, and what happened in the shortest world that fails."""
        kept, size, tries = list(range(len(self.steps))), max(len(self.steps) // 2, 1), TRIES
        while size and tries:
            place = 0
            while place < len(kept) and tries:
                fewer = kept[:place] + kept[place + size :]
                tries -= 1
                if self._fails(fewer):
                    kept = fewer
                else:
                    place += size
            size //= 2
        again = self._fails(kept)
        story = "\n".join(self.told if again else ["It does not fail again."])
        return f"""
    python -m pytest tests/migrations_app/worlds --seed={self.seed}

Emphasis: {emphasis_of(self.seed)}. {len(kept)} of {len(self.steps)} steps are enough:
{story}"""


def settle(world: World) -> None:
    """Faults end and workers come back: every restore that was asked for is done, or loud."""
    world.stage.simulator.faults.clear()
    world.shares = {"deaths": 0.0, "meanwhile": 0.0}
    dice = random.Random(0)
    for change in Change.objects.filter(move="restore", status="failed"):
        changes.retry(change, world.people.jonas)
    # One at a time by chance, and each is read back twice: enough for everybody.
    for _ in range(SETTLING):
        clocks.skip_on(world, minutes=1)
        if workers.restore_worker(world, dice) is None:
            break
    compare(world)
    for change in Change.objects.filter(move="restore", status__in=("queued", "running")):
        user = world.user(change.departure)
        if not user.gone and world.bears_its_name(user) and change.attempts < running.MOST_CLAIMS:
            raise Broken(f"Rule 14: {change} never ends: {change.result} {change.error}")
    IamUser.objects.filter(user_name="break-glass").get()
