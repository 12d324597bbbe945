"""What is measured: pages and fragments as a person comes upon them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from django.db.models import Count

from inventory.models import Account, Credential, IamUser, LedgerEntry
from migrations_app.keyset import PAGE
from migrations_app.models import Batch, Departure, Hit, Listed
from migrations_app.users import facets, filters
from migrations_app.users.paging import SORTS

YARDSTICK = "/yardstick/migrations_app/departure/"
# The last page of "Everything" with 100,000 users.
FAR = 2000


@dataclass(frozen=True, slots=True)
class Case:
    """One request. `group` is the screen; `bound`: whether it is one of the four that are bound;
    `target` is the part of the page that a fragment takes the place of, where the answer differs.
    """

    group: str
    name: str
    path: str
    fragment: bool = False
    bound: bool = False
    target: str = ""

    @property
    def title(self) -> str:
        return f"{self.group}: {self.name}"


def cases() -> list[Case]:
    """Everything that is measured on the crowd that Django is connected to."""
    return [*_users(), *_screens(), *_others(), *_yardstick()]


def _users() -> Iterator[Case]:
    def page(name: str, query: str, *, fragment: bool = False) -> Case:
        return Case("Users", name, f"/users/?{query}", fragment=fragment, bound=True)

    yield page("as opened", "")
    yield page("as opened, fragment", "", fragment=True)
    for view in filters.VIEWS:
        yield page(f"view {view}", f"view={view}")
    for sort in SORTS:
        yield page(f"everything by {sort}", f"view=everything&sort={sort}")
        yield page(f"dormant by {sort}, fragment", f"view=dormant&sort={sort}", fragment=True)
    for name in facets.FACETS:
        yield replace(
            page(f"facet {name} opened, fragment", f"open={name}", fragment=True), target="filters"
        )
    for query in ("used=older&open=used", "category=ci-cd&open=category"):
        yield page(f"{query}, fragment", query, fragment=True)
    for query in (
        "state=soaking",
        "category=ci-cd&verdict=dormant",
        "owner=team-001&view=everything",
        "privilege=admin&mfa=no&sort=last-used",
    ):
        yield page(query, query)
    user = _middle()
    key = Credential.objects.filter(user=user).first() or Credential.objects.order_by("pk")[0]
    for name, typed in (
        ("a name", user.user_name[:-2]),
        ("three letters", "dep"),
        ("a user id", user.user_id),
        ("a key id", key.credential_id),
        ("what nobody is called", "no-such-thing"),
    ):
        yield page(f"search for {name}", f"view=everything&q={typed}")
        yield page(f"search for {name}, fragment", f"view=everything&q={typed}", fragment=True)
    for size, account in zip(("largest", "smallest"), _accounts(), strict=True):
        yield page(f"{size} account", f"account={account}")
        yield page(f"{size} account by last use", f"account={account}&sort=last-used")
    yield page("all accounts again", "account=")


def _screens() -> Iterator[Case]:
    for name, user in (("ordinary", _middle()), ("busiest", _busiest())):
        path = f"/users/{user.account.account_id}/{user.user_id}/"
        yield Case("User", name, path, bound=True)
    yield Case("Overview", "all accounts", "/", bound=True)
    for part in ("lifecycle", "needs"):
        yield Case("Overview", f"{part}, fragment", f"/?part={part}", fragment=True, bound=True)
    yield Case("Overview", "largest account", f"/?account={_accounts()[0]}", bound=True)
    yield Case("Soak board", "all accounts", "/soak/?account=", bound=True)
    yield Case("Soak board", "fragment", "/soak/", fragment=True, bound=True)
    yield Case("Soak board", "as a list", "/soak/?layout=list&account=", bound=True)
    yield Case("Shell", "strip of the running batch", "/live/", fragment=True)


def _others() -> Iterator[Case]:
    newest = LedgerEntry.objects.order_by("-seq").values_list("seq", flat=True)[0]
    yield Case("Log", "everything", "/log/")
    yield Case("Log", "one kind", "/log/?kind=move.delete")
    yield Case("Log", "one user", f"/log/?user={_middle().user_name}")
    for tab in ("deletions", "restores", "approvals", "messages"):
        yield Case("Log", tab, f"/log/{tab}/")
    yield Case("Batches", "list", "/batches/")
    for status in ("draft", "asked", "running", "done"):
        batch = Batch.objects.filter(status=status).order_by("-number").first()
        if batch:
            yield Case("Batches", f"a batch that is {status}", f"/batches/{batch.number}/")
    yield Case("Plans", "list", "/plans/")
    yield Case("Claims", "for Security", "/claims/")
    yield Case("Claims", "of one team", "/claim/team-001/")
    yield Case("Claims", "which team", "/claim/")
    yield Case("Inbox", "list", "/inbox/")
    yield Case("Alerts", "list", "/alerts/")
    yield Case("Hit", "one", f"/hits/{Hit.objects.filter(kind='hit', closed='')[0].pk}/")
    yield Case("Search", "a part of names", "/search/?q=deploy")
    yield Case("Stop", "page", "/stop/")
    for name in ("accounts", "break-glass", "teams", "people", "notifications", "tokens", "policy"):
        yield Case("Settings", name, f"/settings/{name}/")
    if newest > FAR * PAGE:
        yield Case("Log", "page 2,000", f"/log/?before={newest - (FAR - 1) * PAGE + 1}")
        yield from _far()
    yield Case("Batches", "compose", f"/batches/new/?once=b&account={_accounts()[0]}")


def _far() -> Iterator[Case]:
    """Page 2,000 of the Users page, in two of its orders."""
    for sort, columns in (("name", ("user_name",)), ("suggested", ("urgency", "user_name"))):
        order = (*columns, "pk")
        row = Listed.objects.order_by(*order).values_list(*order)[(FAR - 1) * PAGE - 1]
        place = "~".join(str(value) for value in row)
        path = f"/users/?view=everything&sort={sort}&after={place}&from={(FAR - 1) * PAGE + 1}"
        yield Case("Users", f"everything by {sort}, page 2,000", path, bound=True)


def _yardstick() -> Iterator[Case]:
    for name, query in (
        ("as opened", ""),
        ("by last use", "o=6"),
        ("state=soaking", "state__exact=soaking"),
        ("search for a name", f"q={_middle().user_name[:-2]}"),
        ("page 2,000", f"p={FAR}"),
    ):
        yield Case("Django admin", name, f"{YARDSTICK}?{query}")


def _middle() -> IamUser:
    """A user in use with an owner, among the first thousand."""
    departures = Departure.objects.filter(state="owner-assigned", user__verdict="active")
    row = departures.select_related("user__account").order_by("pk")[7]
    return row.user


def _busiest() -> IamUser:
    """The user with the most rows of activity."""
    return (
        IamUser.objects.select_related("account")
        .alias(rows=Count("activity"))
        .order_by("-rows", "pk")[0]
    )


def _accounts() -> list[str]:
    """The account with most users, and the one with fewest."""
    accounts = Account.objects.annotate(size=Count("users")).order_by("-size")
    ordered = list(accounts.values_list("account_id", flat=True))
    return [ordered[0], ordered[-1]]
