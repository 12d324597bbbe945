"""The demo's past, step by step: each step looks at the rows and does what they still lack."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet

from demo import progress, ways
from demo.aws.control import Control
from demo.quiet import quietest
from demo.story import EARLY, GONE, LATER, WATCHED, Story, second_question, wait_for
from inventory import clock, refresh
from inventory.aws.holdings import read_user
from inventory.aws.session import open_session
from inventory.models import Account, Activity, Organization, Person, Sync
from inventory.policy import policy_for
from inventory.refusals import Refused
from inventory.rights.privilege import ADMIN_LEVELS
from migrations_app import changes, tripwire
from migrations_app.lifecycle import State
from migrations_app.models import Batch, Campaign, Change, Departure, Hit
from migrations_app.outgoing import notices

_CANDIDATES = 30
_TRIES = 3
_LONGEST_NOTICE = timedelta(days=5)
_SETTLED = timedelta(minutes=2)
_RARE = ("monthly", "quarterly", "yearly")


class Past:
    """The account, its engineer and its approver, and what they did in the last thirty days."""

    def __init__(self) -> None:
        self.account = Account.objects.get()
        self.engineer = Person.objects.get(username="jonas")
        self.approver = Person.objects.get(username="mei")

    def play(self) -> None:
        """Do what is not done yet, in order."""
        self._sync_once("The account is read for the first time")
        ways.seal(self.account, self.engineer)
        if not self._known(EARLY):
            self._take(EARLY, self._candidates(live=False)[: EARLY.users])
        self._finish(EARLY, "Two users are shut")
        if not self._known(WATCHED):
            self._move_to(second_question(clock.real_now()), "Two weeks pass")
            self._ask_for_the_later_ones()
            self._begin_new_ways()
        self._finish(LATER, "Four users are shut")
        self._finish(GONE, "A user is deleted")
        self._finish(WATCHED, "Two users are fenced")
        self._move_to(clock.real_now(), "The last days pass")
        self._let_one_be_missed()
        self._begin_new_ways()
        self._sync_up_to_now()
        progress.tell("New ways in are used")
        ways.go_on(self.account, self._control())
        self._ask_teams()

    def _begin_new_ways(self) -> None:
        """Some teams still need theirs, and get in another way by now."""
        progress.tell("Some get a new way in")
        ways.begin(self.account, self.engineer, self._control())

    def _control(self) -> Control:
        return Control(os.environ["AWS_ENDPOINT_URL"])

    def _ask_teams(self) -> None:
        """Each team is asked today about what looks like its users."""
        if not Campaign.objects.exists():
            progress.tell("The teams are asked")
            # Somebody at play may have claimed everything meanwhile.
            with suppress(Refused):
                changes.start_campaign(self.engineer, message="Two minutes, please.")

    def _ask_for_the_later_ones(self) -> None:
        """Delete one of the first two, shut four more, fence the two that are quiet for longest."""
        self._listen()
        if not self._known(GONE):
            self._ask(self._compose(GONE, changes.eligible(self.account, "delete")[:1]))
        rows = self._candidates(live=True)
        if not self._known(LATER):
            self._take(LATER, rows[WATCHED.users :][: LATER.users])
        left = [row for row in rows if not row.changes.exists()]
        self._take(WATCHED, left[: WATCHED.users])

    def _sync_once(self, what: str) -> None:
        """Wait for the first sync, which was asked for before the workers started."""
        progress.tell(what)
        self._wait_for_sync()
        if self.account.last_whole_at is None:
            refresh.ask_sync(self.account, None)
            self._wait_for_sync()

    def _sync_up_to_now(self) -> None:
        progress.tell("The evidence is brought up to now")
        # One that began earlier read what was true then.
        self._wait_for_sync()
        refresh.ask_sync(self.account, None)
        self._wait_for_sync()

    def _wait_for_sync(self) -> None:
        wait_for(
            "The sync",
            lambda: not self.account.syncs.filter(status__in=Sync.OPEN).exists(),
            seconds=1200,
        )
        self.account.refresh_from_db()

    def _candidates(self, *, live: bool) -> list[Departure]:
        """Users in regular use whose team has a lead, the one quiet for longest first.

        `live`: their evidence is old, so the most promising ones are looked at anew.
        """
        rows = list(
            Departure.objects.unprotected()
            .filter(
                state=State.DISCOVERED,
                user__account=self.account,
                user__gone_at=None,
                user__verdict="active",
                user__suggested_team__lead__is_active=True,
                user__references=[],
                user__created_at__lt=clock.now() - self._policy_dormant_after(),
            )
            .exclude(user__privilege__in=ADMIN_LEVELS)
            .exclude(user__rhythm__in=_RARE)
            .select_related("user__account", "user__suggested_team__lead")
        )
        ranked = self._quietest(rows)
        if not live:
            return ranked
        # Whoever paused for longest before does so again; only those are asked about.
        progress.tell("Who is quiet is looked at")
        session = open_session(self.account, "reader")
        chosen = sorted(ranked, key=self._days_of_use)[:_CANDIDATES]
        for row in chosen:
            holdings = read_user(session, row.user.user_name)
            refresh.look_at_user(row.user, session, holdings)
            row.user.refresh_from_db()
        return self._quietest([row for row in chosen if row.user.verdict == "active"])

    def _policy_dormant_after(self) -> timedelta:
        return policy_for(Organization.get(), self.account).dormant_after

    def _days_of_use(self, row: Departure) -> int:
        return Activity.objects.filter(user=row.user, outcome="ok").values("day").distinct().count()

    def _quietest(self, rows: Iterable[Departure]) -> list[Departure]:
        return quietest(
            {
                row: (
                    Activity.objects.filter(user=row.user, outcome="ok").values_list(
                        "day", flat=True
                    ),
                    row.user.last_activity_at,
                )
                for row in rows
                if row.user.last_activity_at is not None
            }
        )

    def _take(self, story: Story, rows: list[Departure]) -> None:
        """The leads say "it can go", the engineer overrules the verdict and composes."""
        progress.tell(f"{len(rows)} users can go, say their teams")
        with transaction.atomic():
            chosen = []
            for row in rows:
                team = row.user.suggested_team
                assert team is not None
                assert team.lead is not None
                claimed = changes.claim(row, team, team.lead, "can-go")
                note = f"{team.lead} says that it can go"
                chosen.append(changes.overrule(claimed, self.engineer, note))
            batch = self._compose(story, chosen)
        self._ask(batch)

    def _compose(self, story: Story, rows: Iterable[Departure]) -> Batch:
        return changes.compose(
            self.account, story.move, rows, self.engineer, story.method, reason=story.reason
        )

    def _ask(self, batch: Batch) -> None:
        """Dry run by a worker; asked by the engineer, opened by the leads, approved by another."""

        def looked() -> bool:
            batch.refresh_from_db()
            return batch.dry_run_at is not None

        wait_for(f"The dry run of batch {batch}", looked)
        changes.ask(batch, self.engineer, f"{batch.reason}.")
        self._approve(batch)

    def _approve(self, batch: Batch) -> None:
        for notice in batch.notices.filter(kind="announce").select_related("team"):
            for lead in notice.team.leads() if notice.team else ():
                notices.open_notice(notice, lead)
        for change in batch.changes.filter(status=Change.Status.ASKED):
            changes.view(change, self.approver)
        batch.refresh_from_db()
        changes.approve(batch, self.approver, batch.digest, words=changes.words_for(batch))

    def _finish(self, story: Story, what: str) -> None:
        """Take a story to its end; whoever called meanwhile and was left out is replaced."""
        for _ in range(_TRIES):
            for batch in self._batches(story).exclude(status__in=Batch.ENDED):
                self._run(batch, what)
            done = Change.objects.filter(
                batch__in=self._batches(story), follows=None, status=Change.Status.DONE
            )
            missing = story.users - done.count()
            if missing <= 0 or clock.now() + _LONGEST_NOTICE > clock.real_now():
                return
            self._take(story, self._candidates(live=True)[:missing])

    def _run(self, batch: Batch, what: str) -> None:
        """Take a batch from wherever it stands to its end."""
        if batch.status == Batch.Status.DRAFT:
            # Stopped in the middle: what was looked at may be too old by now.
            self._ask(changes.ask_dry_run(batch, self.engineer))
        if batch.status == Batch.Status.ASKED:
            self._approve(batch)
        batch.refresh_from_db()
        if batch.status == Batch.Status.APPROVED:
            self._move_to(self._starts_at(batch), what)
            self._listen()
        progress.tell(what)

        def ended() -> bool:
            batch.refresh_from_db()
            return batch.status in Batch.ENDED

        wait_for(what, ended)

    def _starts_at(self, batch: Batch) -> datetime:
        """When notice and settle are over."""
        policy = policy_for(Organization.get(), self.account)
        over = notices.notice_over(batch, policy) or clock.now()
        if batch.move == "delete":
            return over + _SETTLED
        before = (
            Batch.objects.filter(move="disable", finished_at__isnull=False)
            .order_by("-finished_at")
            .values_list("finished_at", flat=True)
            .first()
        )
        settled = before + policy.settle if before else over
        return max(over, settled) + _SETTLED

    def _let_one_be_missed(self) -> None:
        """One of the two that are watched calls; an attempt of the other one means nothing."""
        watched = Departure.objects.filter(
            state=State.DISABLED, changes__batch__in=self._batches(WATCHED)
        )
        *others, called = watched.select_related("user__account").order_by("changes__pk")
        progress.tell("The watch listens")
        self._listen()
        if not called.hits.filter(kind=Hit.Kind.HIT, closed="").exists():
            act = "sign-in" if called.user.has_console_password else "call"
            self._control().act(
                act, user=called.user.user_name, agent="aws-cli/2.15.30 Python/3.11.8"
            )
            self._listen()
        for hit in Hit.objects.filter(departure__in=others, kind=Hit.Kind.HIT, closed=""):
            changes.dismiss(hit, self.engineer, "A browser profile nobody uses any more")

    def _listen(self) -> None:
        tripwire.listen(self.account)

    def _move_to(self, at: datetime, what: str) -> None:
        """Move the demo's clock to `at`, forward only."""
        file = clock.clock_file()
        ahead = at - clock.now()
        if file is not None and ahead > timedelta():
            progress.tell(what)
            file.move(ahead)

    def _known(self, story: Story) -> bool:
        return self._batches(story).exists()

    def _batches(self, story: Story) -> QuerySet[Batch]:
        return Batch.objects.filter(reason=story.reason).order_by("number")
