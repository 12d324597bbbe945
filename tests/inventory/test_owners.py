"""The suggested team is the likeliest, with its reasons; where two are as likely, none."""

from __future__ import annotations

from inventory.owners import TeamSigns, UserSigns, suggest

PAYMENTS = TeamSigns(
    "payments",
    "Payments",
    {
        "tags": {"team": ["payments", "pay"]},
        "names": ["^pay-", "-payments$"],
        "repositories": ["acme/payments"],
    },
    ("sara", "sara@acme.example"),
)
PLATFORM = TeamSigns("platform", "Platform", {"names": ["^plat-"]}, ("priya",))
TEAMS = (PAYMENTS, PLATFORM)


def test_a_declared_tag_suggests_its_team() -> None:
    found = suggest(UserSigns("x", tags={"Team": "Pay"}), TEAMS)
    assert found is not None
    assert (found.team_key, found.percent, found.reasons) == ("payments", 90, ("Tag Team=Pay",))


def test_a_name_alone_suggests_with_less_certainty() -> None:
    found = suggest(UserSigns("pay-export"), TEAMS)
    assert found is not None
    assert (found.team_key, found.percent) == ("payments", 72)


def test_signs_for_one_team_add_up() -> None:
    user = UserSigns("pay-export", tags={"repo": "github.com/acme/payments"})
    found = suggest(user, TEAMS)
    assert found is not None
    assert found.percent > 90
    assert len(found.reasons) == 2


def test_whoever_made_it_suggests_their_team() -> None:
    found = suggest(UserSigns("x", created_by="priya"), TEAMS)
    assert found is not None
    assert found.team_key == "platform"


def test_an_owner_tag_with_an_address_suggests_that_persons_team() -> None:
    found = suggest(UserSigns("x", tags={"owner": "Sara@acme.example"}), TEAMS)
    assert found is not None
    assert found.team_key == "payments"


def test_the_team_with_more_signs_wins() -> None:
    found = suggest(UserSigns("plat-x", tags={"team": "payments"}), TEAMS)
    assert found is not None
    assert found.team_key == "payments"


def test_two_equal_teams_suggest_nobody() -> None:
    twins = (TeamSigns("a", "A", {"names": ["x"]}), TeamSigns("b", "B", {"names": ["x"]}))
    assert suggest(UserSigns("x1"), twins) is None


def test_no_sign_suggests_nobody() -> None:
    assert suggest(UserSigns("svc-old2", tags={"note": "payments?"}), TEAMS) is None
