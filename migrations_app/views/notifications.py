"""Settings, notifications: everybody's own choice, and for Security how each channel stands."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from inventory.models import Mail, Person
from inventory.permissions import Action, may, require
from migrations_app import told, ways
from migrations_app.forms.people import MailForm
from migrations_app.models import Delivery
from migrations_app.outgoing import outbox
from migrations_app.views.answers import cleaned, done, is_fragment, person_of, rendered

PARKED = 50


@require_http_methods(["GET", "HEAD", "POST"])
def notifications(request: HttpRequest) -> HttpResponse:
    """What the person gets by e-mail; a POST keeps another choice."""
    person = person_of(request)
    require(person, Action.OWN_CHOICES)
    if request.method == "POST":
        person.mail = cleaned(MailForm(request.POST))["mail"]
        person.save(update_fields=["mail"])
        label = Mail(person.mail).label.lower()
        return done(request, reverse("settings-notifications"), f"Saved. By e-mail: {label}.")
    test = _test(request, person)
    waits = test is not None and test.status == Delivery.Status.QUEUED and not test.problem
    if waits and is_fragment(request):
        return HttpResponse(status=204)
    context: dict[str, Any] = {
        "page": "notifications",
        "choices": Mail.choices,
        "leads": person.leading(),
        "test": test,
        "test_waits": waits,
        "test_said": ways.said(test) if test else "",
        "sees_channels": may(person, Action.SEE_SETTINGS),
        "may_test": may(person, Action.TEST_CHANNELS),
        "may_send_again": may(person, Action.OPERATE),
    }
    if context["sees_channels"] and not is_fragment(request):
        parked = told.parked()
        context |= {
            "channels": ways.channels(person),
            "parked": parked[:PARKED],
            "parked_total": parked.count(),
        }
    status = 286 if is_fragment(request) else 200
    template = "migrations_app/settings_notifications.html"
    return rendered(request, template, context, part="test", status=status)


@require_POST
def test(request: HttpRequest) -> HttpResponse:
    """A test message to a declared address or to oneself; the worker sends, the page tells."""
    person = person_of(request)
    require(person, Action.TEST_CHANNELS)
    place = ways.destination(request.POST.get("to", ""), person)
    delivery = outbox.send_test(place.channel, place.address, person)
    return redirect(f"{reverse('settings-notifications')}?test={delivery.pk}#test")


@require_POST
def send_again(request: HttpRequest) -> HttpResponse:
    """Everything that did not go out through one channel of late goes out once more."""
    channel = request.POST.get("channel", "")
    number = outbox.send_all_again(channel, person_of(request))
    messages = "1 message goes" if number == 1 else f"{number} messages go"
    return done(request, reverse("settings-notifications"), f"{messages} out once more.")


def _test(request: HttpRequest, person: Person) -> Delivery | None:
    """The person's own test that the address names."""
    wanted = request.GET.get("test", "")
    if not wanted.isdecimal() or len(wanted) > 18:
        return None
    rows = Delivery.objects.filter(pk=int(wanted), notice__kind="test", notice__person=person)
    return rows.select_related("notice").first()
