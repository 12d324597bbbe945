"""An IAM user is matched to one person or to nobody, and never by a guess between two."""

from __future__ import annotations

import pytest

from migrations_app.plans.directory import DirectoryUser, match
from tests.migrations_app.plans.people import person

NINA = DirectoryUser("1", "nina.haas@acme.example", "Nina Haas", "Nina", "Haas",
                     ("nina.haas@acme.example",))  # fmt: skip
TOM = DirectoryUser("2", "tokafor", "Tom Okafor", "Tom", "Okafor", ("tom@acme.example",))
NIKO = DirectoryUser("3", "niko.haas@acme.example", "Niko Haas", "Niko", "Haas")
MULLER = DirectoryUser("4", "jm", "José Müller Ortega", "José", "Müller Ortega")
GONE = DirectoryUser("5", "gone", "Ana Gone", "Ana", "Gone", (), active=False)
EVERYBODY = (NINA, TOM, NIKO, MULLER, GONE)


@pytest.mark.parametrize(
    ("user_name", "tags", "found", "how"),
    [
        ("x17", {"Email": "Tom@ACME.example"}, TOM, "e-mail"),
        ("nina.haas@acme.example", {}, NINA, "e-mail"),
        ("tokafor", {}, TOM, "user name"),
        ("tom", {}, TOM, "user name"),
        ("nina.haas", {}, NINA, "user name"),
        ("haas-nina", {}, NINA, "name"),
        ("nina_haas-admin", {}, NINA, "name"),
        ("ninahaas", {}, NINA, "name"),
        ("t.okafor", {}, TOM, "name"),
        ("okafort", {}, TOM, "name"),
        ("jose.muller.ortega", {}, MULLER, "name"),
    ],
)
def test_a_person_is_found(
    user_name: str, tags: dict[str, str], found: DirectoryUser, how: str
) -> None:
    told = match(person(user_name, tags=tuple(tags.items())), EVERYBODY)
    assert told.user == found
    assert told.why == f"By {how}."


@pytest.mark.parametrize(
    ("user_name", "tags", "why"),
    [
        ("n.haas", {}, "Its name fits 2 people: Nina Haas"),
        ("nhaas", {}, "Its name fits 2 people"),
        ("ana.gone", {}, "Ana Gone fits by name, and is disabled there."),
        ("haas", {}, "Nobody there"),
        ("nina", {}, "Nobody there"),
        ("deploy-bot", {}, "Nobody there"),
        ("x17", {"owner": "tom@acme.example"}, "Nobody there"),
        ("", {"email": ""}, "Nobody there"),
    ],
)
def test_nobody_is_taken_in_doubt_and_it_says_why(
    user_name: str, tags: dict[str, str], why: str
) -> None:
    told = match(person(user_name, tags=tuple(tags.items())), EVERYBODY)
    assert told.user is None
    assert told.why.startswith(why)


def test_a_mail_that_two_people_have_is_not_decided_by_their_name() -> None:
    shared = "team@acme.example"
    both = [DirectoryUser(str(n), f"u{n}", emails=(shared,)) for n in (1, 2)]
    told = match(person("u1", tags=(("mail", shared),)), both)
    assert told.user is None
    assert "e-mail fits 2 people" in told.why
