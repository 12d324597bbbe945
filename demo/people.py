"""What the demo adds to the pages: its people at the sign-in, and how far its past is played."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest
from django.urls import reverse

from demo import progress

CAST = {
    "sara": ("Sara Lindqvist", "Team lead, Payments"),
    "jonas": ("Jonas Weber", "Security engineer"),
    "mei": ("Mei Tanaka", "Approver"),
    "vera": ("Vera Nowak", "Viewer"),
    "ada": ("Ada Berg", "Admin"),
    # A batch waits until a lead of each owner opened the message, so every lead can come in.
    "omar": ("Omar Farouk", "Second approver"),
    "priya": ("Priya Nair", "Team lead, Platform"),
    "tom": ("Tom Okafor", "Team lead, Data"),
    "nils": ("Nils Berg", "Team lead, Infrastructure"),
    "elena": ("Elena Rossi", "Team lead, Finance"),
    "hugo": ("Hugo Marin", "Team lead, Marketing"),
    "yara": ("Yara Haddad", "Team lead, Observability"),
}


@dataclass(frozen=True, slots=True)
class CastMember:
    """One button of the sign-in page."""

    username: str
    name: str
    role_line: str


def context(request: HttpRequest) -> dict[str, object]:
    """`demo_cast` and `demo_cast_url` for the sign-in page, `demo_ageing` for all others.

    A context processor of demo mode.
    """
    if getattr(request, "user", None) is not None and request.user.is_authenticated:
        return {"demo_ageing": progress.line()}
    members = [CastMember(username, *words) for username, words in CAST.items()]
    return {"demo_cast": members, "demo_cast_url": reverse("demo:sign-in")}
