"""What only the demo offers: sign-in with one click, a skipped day, and deeds of others in AWS.

Their addresses exist only in demo mode, which starts only where it cannot hurt (rule 20); the views
ask again, so that a wrong wiring shows as a missing page.
"""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.dateparse import parse_datetime
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from demo import progress
from demo.aws.control import Control
from demo.aws.identity_center import STORY_GROUP
from demo.people import CAST
from inventory import refresh
from inventory.clock import clock_file, now
from inventory.models import Connection, Person
from inventory.permissions import Action, require
from inventory.refusals import Refused
from migrations_app import connecting

ONE_DAY = timedelta(days=1)
_DEEDS = {
    "recreate-group": f"{STORY_GROUP} was deleted and pushed again with its {{people}} people. "
    "Identity Center is read now.",
    "give-back": "{assignments} assignments were made for the new group. Identity Center is read "
    "now.",
}


@login_not_required
@require_POST
def sign_in(request: HttpRequest) -> HttpResponse:
    """Sign in as one of the demo's people, and go where the link pointed."""
    _only_in_the_demo()
    username = request.POST.get("username", "")
    if username not in CAST:
        raise Http404
    person = Person.objects.filter(username=username, is_active=True).first()
    if person is None:
        raise Refused(f"{username} is not in the demo's organization. Run make demo-reset.")
    login(request, person, backend=settings.AUTHENTICATION_BACKENDS[0])
    return redirect(_next(request))


@require_POST
def skip(request: HttpRequest) -> HttpResponse:
    """Move the one clock of product and simulator one day ahead."""
    _only_in_the_demo()
    clock = clock_file()
    if clock is None:
        raise Refused("This demo has no clock of its own. Start it with make demo.")
    if progress.line():
        raise Refused("The demo's last thirty days are still being played. It takes some minutes.")
    if _seen_before(request.POST.get("seen", "")):
        messages.success(request, "It is a day later already.")
        return redirect(_next(request))
    clock.move(ONE_DAY)
    messages.success(request, "It is one day later. What became due happens within seconds.")
    return redirect(_next(request))


@require_POST
def group(request: HttpRequest) -> HttpResponse:
    """Play the identity provider, which deletes and re-creates a group, or the engineer's fix."""
    _only_in_the_demo()
    deed = request.POST.get("deed", "")
    if deed not in _DEEDS:
        raise Http404
    if progress.line():
        raise Refused("The demo's last thirty days are still being played. It takes some minutes.")
    control = Control(settings.AWS_ENDPOINT_URL)
    told = control.act(deed, group=STORY_GROUP)
    refresh.ask_look(None)
    messages.success(request, _DEEDS[deed].format(**told))
    return redirect(_next(request))


@require_POST
def stack(request: HttpRequest) -> HttpResponse:
    """Make the roles of an account that is being connected, as its administrator would in AWS."""
    _only_in_the_demo()
    require(request.user, Action.ADMINISTER)
    row = get_object_or_404(Connection, account_id=request.POST.get("account", ""))
    template = connecting.written("cloudformation.json", row, connecting.principals())
    try:
        made = Control(settings.AWS_ENDPOINT_URL).create_stack(row.account_id, template)
    except (OSError, ValueError) as error:
        raise Refused(f"The simulated account did not take the template: {error}") from error
    messages.success(request, f"Made in the simulated account: {', '.join(made)}")
    return redirect(_next(request))


def _seen_before(text: str) -> bool:
    """Whether a day was skipped since the page was drawn: a button that was pressed twice."""
    try:
        seen = parse_datetime(text)
    except ValueError:
        return False
    return seen is not None and seen.tzinfo is not None and now() - seen >= ONE_DAY


def _only_in_the_demo() -> None:
    if not settings.IAMCLEANUP_DEMO:
        raise Http404


def _next(request: HttpRequest) -> str:
    """Where the form wanted to go, if that is a page of ours."""
    target = request.POST.get("next", "")
    ours = url_has_allowed_host_and_scheme(target, {request.get_host()}, request.is_secure())
    return target if ours else "/"
