"""What every page shows around its own content: who reads, which account, what waits, what runs.

A context processor hands one lazy `Shell` to every template; a fragment that draws no shell asks
the database nothing for it, a page asks once (`migrations_app.shell_look`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, QueryDict
from django_htmx.middleware import HtmxDetails

from inventory import clock
from inventory.models import Account, Person
from inventory.permissions import Action, may
from migrations_app import shell_look
from migrations_app.batch_run import Progress
from migrations_app.models import Batch
from migrations_app.shell_look import Look, RunningBatch, ShellAccount, Stopped, Strips

CHOSEN = "account"
# What the account switcher sends besides: it alone changes what the next pages are about.
SWITCH = "switch"


def chosen_account_id(request: HttpRequest) -> str:
    """The account looked at, empty for all: of `?account=` for one page, else the session's, which
    only the switcher sets. A link to one account's batch or users must not turn all later pages.

    One that is not there chooses nothing: every page would else say that nobody is left.
    """
    kept = str(request.session.get(CHOSEN, ""))
    asked = request.GET.get(CHOSEN)
    if asked is None:
        asked = _of_the_page(request, kept)
    if asked == kept or (asked and not _is_there(asked)):
        return kept
    if SWITCH in request.GET:
        request.session[CHOSEN] = asked
    return asked


def _of_the_page(request: HttpRequest, kept: str) -> str:
    """What a fragment is about: the same as the page that asks for it."""
    page = HtmxDetails(request).current_url or ""
    return QueryDict(urlsplit(page).query).get(CHOSEN, kept)


def _is_there(account_id: str) -> bool:
    return Account.objects.filter(account_id=account_id).exists()


class Shell:
    """The facts of the shell, asked for when a template first needs one of them.

    `strips_only` is for a fragment that draws nothing but the strips. `progress` are the numbers
    that the page of a batch shows, so that its strip says the same.
    """

    def __init__(
        self,
        request: HttpRequest,
        person: Person,
        *,
        strips_only: bool = False,
        progress: tuple[Batch, Progress] | None = None,
    ) -> None:
        self.person = person
        self._chosen = chosen_account_id(request)
        self._strips_only = strips_only
        self._progress = progress

    @cached_property
    def _look(self) -> Look:
        return shell_look.look(self.person, self._chosen)

    @cached_property
    def _strips(self) -> Strips:
        return shell_look.strips(self.person) if self._strips_only else self._look.strips

    @property
    def role_line(self) -> str:
        """ "Security engineer, Approver"."""
        labels = dict(Person._meta.get_field("roles").base_field.choices or [])
        return ", ".join(str(labels.get(role, role)) for role in self.person.roles)

    @property
    def accounts(self) -> list[ShellAccount]:
        return self._look.accounts

    @cached_property
    def not_whole(self) -> int:
        """How many of the accounts looked at their last sync could not read whole."""
        rows = [self.account] if self.account else self.accounts
        return sum(row.sync_failed for row in rows)

    @cached_property
    def account(self) -> ShellAccount | None:
        """The chosen account, or the only one; None for all."""
        return self._look.account(self._chosen)

    @cached_property
    def synced_at(self) -> datetime | None:
        """When the account (or the one that waits longest) was last read whole."""
        rows = [self.account] if self.account else self.accounts
        times = [row.synced_at for row in rows if row.synced_at is not None]
        return min(times) if times and len(times) == len(rows) else None

    @property
    def counts(self) -> Mapping[str, int]:
        """The quiet numbers of the sidebar for the account looked at; none counts past 1,000."""
        return self._look.counts

    @property
    def to_look_at(self) -> int:
        """Open hits and alerts of all accounts: what the page of alerts holds."""
        return self.counts["calls"] + self.counts["alerts"]

    @property
    def running_batch(self) -> RunningBatch | None:
        """The batch that is being written to AWS right now."""
        running = self._strips.running
        if running and self._progress and self._progress[0].number == running.number:
            told = self._progress[1]
            return replace(running, done=told.done, total=told.total, failed=told.failed)
        return running

    @property
    def running_mark(self) -> str:
        """Changes when what the strip of the running batch says does."""
        one = self.running_batch
        return (
            f"{one.number}.{one.done}.{one.failed}.{int(bool(self.emergency_stop))}" if one else ""
        )

    @property
    def break_glass_used(self) -> str:
        """What was told of a use of the break-glass user that nobody explained yet; "" for none."""
        return self._strips.break_glass_used

    @property
    def may_see_settings(self) -> bool:
        return may(self.person, Action.SEE_SETTINGS)

    @property
    def emergency_stop(self) -> Stopped | None:
        return self._strips.stopped

    @property
    def sandbox(self) -> bool:
        return any(row.sandbox for row in self.accounts)

    @property
    def demo(self) -> bool:
        return bool(settings.IAMCLEANUP_DEMO)

    @property
    def demo_now(self) -> datetime | None:
        return clock.now() if self.demo else None

    @property
    def closed_pages(self) -> frozenset[str]:
        """Pages of the sidebar that would only answer "not yours" to this person."""
        pages = {"/claims/": Action.CLAIM, "/settings/accounts/": Action.SEE_SETTINGS}
        return frozenset(page for page, act in pages.items() if not may(self.person, act))

    @property
    def may_stop(self) -> bool:
        return may(self.person, Action.STOP)


def context(request: HttpRequest) -> dict[str, Shell | None]:
    """`shell` for every template; None while nobody is signed in."""
    person = getattr(request, "user", None)
    if not isinstance(person, Person) or not person.is_active:
        return {"shell": None}
    return {"shell": Shell(request, person)}
