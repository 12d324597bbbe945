"""IAM users: the list with the filters of its page, and one user with everything that is known."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Query, Router, Schema
from pydantic import Field

from inventory import clock
from inventory.permissions import Action, may
from inventory.reads import reads_of
from inventory.referrers.references import sentence
from migrations_app import changes, exports
from migrations_app.api.door import person_of, reads
from migrations_app.api.fields import (
    AccountId,
    Cursor,
    Limit,
    Page,
    Text,
    UserId,
    blockers_of,
    next_address,
    place_of,
)
from migrations_app.api.problems import Blocker
from migrations_app.lifecycle import MoveName, State
from migrations_app.models import Change, Departure, Hit
from migrations_app.user_page import profile_activity
from migrations_app.user_page.held import held
from migrations_app.users import facets, listing
from migrations_app.users.filters import Filters

router = Router(tags=["Users"])
View = Literal[
    "everything",
    "left",
    "dormant",
    "unused-45",
    "no-owner",
    "admin",
    "ready",
    "old-keys",
    "no-mfa",
    "never-used",
]
_Values = Annotated[list[Text], Field(max_length=20)]


class UserFilters(Schema):
    """The filters of the Users page; several values of one mean any of them."""

    view: View = "everything"
    q: Text = Field("", description="A name, user id, key id or tag.")
    account: Text = ""
    state: _Values = []
    category: _Values = []
    owner: _Values = Field([], description="Keys of teams; nobody for none.")
    verdict: _Values = []
    privilege: _Values = []
    access: _Values = Field([], description="yes or no.")
    mfa: _Values = []
    key: _Values = []
    used: _Values = []
    target: _Values = Field([], description="Targets of plans; none for no plan.")
    accounts: _Values = Field([], description="Several account ids at once.")
    protection: _Values = Field([], description="none for not protected.")
    disputed: _Values = Field([], description="yes or no.")
    batch: _Values = Field([], description="Numbers of batches.")
    reads: _Values = []
    named: _Values = []
    cursor: Cursor = ""
    limit: Limit = 50

    def as_listed(self) -> Filters:
        """The same filters as the page has them."""
        chosen = {name: tuple(getattr(self, name)) for name in facets.FACETS if getattr(self, name)}
        return Filters(
            view=self.view, q=self.q.strip(), account=self.account.strip(), chosen=chosen
        )


class UserRow(Schema):
    """One IAM user, as the export tells it. Ids of credentials are cut for whom they are not."""

    account_id: str
    user_name: str
    user_id: str
    arn: str
    path: str
    created_at: datetime | None
    category: str
    verdict: str
    reasons: list[str]
    last_activity_at: datetime | None
    last_activity_source: str
    state: str
    owner: str = Field(description="The key of the team that answers for it; empty for nobody.")
    protection: str
    has_console_password: bool
    access_keys: list[str]
    mfa: list[str]
    coverage: dict[str, Any]


class UserPage(Page):
    """Some IAM users, in the order in which they were first seen."""

    items: list[UserRow]


class HeldCredential(Schema):
    """One credential."""

    kind: str
    id: str
    status: str
    created_at: datetime | None
    last_used_at: datetime | None
    expires_at: datetime | None


class Clock(Schema):
    """How long the user stays as it is."""

    state_since: datetime
    fenced_at: datetime | None
    clock_started_at: datetime | None
    due_at: datetime | None
    not_before: datetime | None


class Reference(Schema):
    """Somebody or something that still names the user."""

    text: str
    blocks: bool


class Called(Schema):
    """Calls in its name by one kind of caller: with what, and from where."""

    kind: str
    agents: list[str]
    addresses: list[str]
    calls: int
    first_at: datetime
    last_at: datetime


class Sensitive(Schema):
    """Only for whom it may be shown: policy documents, source addresses, saved holdings."""

    inline_policies: dict[str, Any]
    called_from: list[Called]
    holdings: dict[str, Any] | None = Field(description="As saved before our first write.")


class Blocked(Schema):
    """Why a batch could not take the user now; empty lists mean that it could."""

    disable: list[Blocker]
    delete: list[Blocker]


class User(UserRow):
    """One IAM user with everything that is known of it."""

    version: int = Field(description="Send it back with an answer; then nothing is overwritten.")
    answer: str
    disputed_until: date | None
    batch: int | None = Field(description="The open batch it is in.")
    clock: Clock
    open_hits: list[int]
    groups: list[str]
    attached_policies: list[str]
    privilege: str
    credentials: list[HeldCredential]
    references: list[Reference]
    blockers: Blocked
    sensitive: Sensitive | None


@reads(router, "users", UserPage, "users")
def users(request: HttpRequest, filters: Query[UserFilters]) -> UserPage:
    """List IAM users

    Every IAM user ever seen, the deleted ones too, unless view says otherwise.
    """
    person = person_of(request)
    sees = listing.sees_addresses(person)
    found = listing.select(filters.as_listed(), clock.now(), sees).order_by("pk")
    found = found.filter(pk__gt=place_of(filters.cursor))
    ids = list(found.values_list("pk", flat=True)[: filters.limit + 1])
    shown = ids[: filters.limit]
    rows = Departure.objects.filter(pk__in=shown).order_by("pk")
    return UserPage(
        items=[UserRow(**row) for row in exports.user_rows(rows, whole_ids=sees)],
        next=next_address(request, shown[-1] if len(ids) > len(shown) else None),
    )


@reads(router, "users/{account}/{user_id}", User, "user")
def user(request: HttpRequest, account: AccountId, user_id: UserId) -> User:
    """Look at one IAM user

    Evidence, credentials, who refers to it, its clock, and why a batch could not take it now.
    """
    person = person_of(request)
    row = departure_of(account, user_id)
    # As on its page: whom it is suggested to may look into it as well.
    sensitive = may(person, Action.SEE_SENSITIVE, row.owner or row.user.suggested_team)
    whole_ids = sensitive or listing.sees_addresses(person)
    (told,) = exports.user_rows(Departure.objects.filter(pk=row.pk), whole_ids=whole_ids)
    return User(
        **told,
        version=row.version,
        answer=row.answer,
        disputed_until=row.disputed_until,
        batch=_batch_of(row),
        clock=Clock(
            state_since=row.state_since,
            fenced_at=row.fenced_at,
            clock_started_at=row.clock_started_at,
            due_at=row.due_at,
            not_before=row.not_before,
        ),
        open_hits=[hit.pk for hit in row.hits.filter(kind=Hit.Kind.HIT, closed="").order_by("pk")],
        groups=list(row.user.groups),
        attached_policies=list(row.user.attached_policies),
        privilege=row.user.privilege,
        credentials=_credentials(row, sensitive),
        references=[
            Reference(text=sentence(one, row.user.user_name), blocks=bool(one.get("blocks")))
            for one in row.user.references
        ],
        blockers=_blockers(row),
        sensitive=_sensitive(row) if sensitive else None,
    )


def _batch_of(row: Departure) -> int | None:
    statuses = [*Change.OPEN, Change.Status.DRAFT]
    change = row.changes.filter(status__in=statuses, batch__isnull=False).order_by("-pk").first()
    return change.batch.number if change and change.batch else None


def _blockers(row: Departure) -> Blocked:
    if row.state == State.DELETED:
        gone = Blocker(code="state", text=f"{row.user} is deleted.")
        return Blocked(disable=[gone], delete=[gone])
    own = list(row.changes.filter(status__in=Change.OPEN))
    why = {
        move: blockers_of(changes.blockers_for([row], move, besides=own)[row.pk])
        for move in (MoveName.DISABLE, MoveName.DELETE)
    }
    return Blocked.model_validate(
        {"disable": why[MoveName.DISABLE], "delete": why[MoveName.DELETE]}
    )


def _credentials(row: Departure, sensitive: bool) -> list[HeldCredential]:
    user = row.user
    known = list(user.credentials.filter(gone_at=None))
    lines = held(user, known, reads_of(user.account_id), sensitive, clock.now()).rows
    return [
        HeldCredential(
            kind=line.kind,
            id=line.id,
            status=line.status,
            created_at=line.created_at,
            last_used_at=line.last_used_at,
            expires_at=line.expires_at,
        )
        for line in lines
    ]


def _sensitive(row: Departure) -> Sensitive:
    saved = row.holdings.order_by("taken_at").first()
    return Sensitive(
        inline_policies=row.user.inline_policies,
        called_from=[
            Called(
                kind=one.kind,
                agents=list(one.agents),
                addresses=list(one.addresses),
                calls=one.calls,
                first_at=one.first_at,
                last_at=one.last_at,
            )
            for one in profile_activity.called_from(row.user)
        ],
        holdings=saved.document if saved else None,
    )


def departure_of(account: str, user_id: str) -> Departure:
    """The departure of one IAM user, for a verb; 404 where there is none."""
    rows = Departure.objects.select_related("user__account", "user__suggested_team", "owner")
    return get_object_or_404(rows, user__account__account_id=account, user__user_id=user_id)
