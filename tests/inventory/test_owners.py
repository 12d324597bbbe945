"""The suggested team is the likeliest, with its reasons; where two are as likely, none."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory.owners import Shared, TeamSigns, UserSigns, Word, suggest

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


def shared(users: int, **owned: int) -> Shared:
    return Shared("203.0.113.7", users, owned)


def test_an_address_that_only_one_team_uses_suggests_it() -> None:
    found = suggest(UserSigns("x", addresses=(shared(5, payments=4),)), TEAMS)
    assert found is not None
    assert (found.team_key, found.percent) == ("payments", 64)
    assert found.reasons == ("4 users of Payments call from the same address",)


@pytest.mark.parametrize(
    "place",
    [shared(60, payments=4), shared(9, payments=3, platform=3), shared(12, payments=1)],
    ids=["an office", "two teams", "one claim of many"],
)
def test_an_address_that_tells_nobody_apart_suggests_nobody(place: Shared) -> None:
    assert suggest(UserSigns("x", addresses=(place,)), TEAMS) is None


def test_many_shared_addresses_are_one_sign() -> None:
    one = suggest(UserSigns("x", addresses=(shared(5, payments=4),)), TEAMS)
    many = suggest(UserSigns("x", addresses=(shared(5, payments=4),) * 9), TEAMS)
    assert one == many


def test_a_shared_client_says_less_than_a_shared_address() -> None:
    client = Shared("acme-sync/2", 9, {"payments": 8})
    found = suggest(UserSigns("x", shared_agents=(client,)), TEAMS)
    assert found is not None
    assert found.percent == 53
    assert found.reasons == ("8 users of Payments call with the same client",)


def test_a_repository_in_a_user_agent_suggests_its_team() -> None:
    agents = ("GitHub-Actions/acme/payments/.github/workflows/deploy.yml",)
    found = suggest(UserSigns("x", user_agents=agents), TEAMS)
    assert found is not None
    assert (found.team_key, found.percent) == ("payments", 80)


def test_a_session_of_a_person_that_made_it_suggests_their_team() -> None:
    found = suggest(UserSigns("x", created_by="AWSReservedSSO_Admin/sara@acme.example"), TEAMS)
    assert found is not None
    assert found.reasons == ("Made by sara@acme.example",)


def test_an_owned_user_that_made_it_suggests_its_owner() -> None:
    found = suggest(UserSigns("x", created_by="ci-terraform", creator_team="platform"), TEAMS)
    assert found is not None
    assert found.reasons == ("Made by ci-terraform, which Platform answers for",)


def test_a_mail_domain_that_one_team_has_suggests_it_and_a_common_one_does_not() -> None:
    agency = TeamSigns("agency", "Agency", {}, ("kim@agency.example",))
    tagged = UserSigns("x", tags={"contact": "lee@agency.example"})
    found = suggest(tagged, (*TEAMS, agency))
    assert found is not None
    assert found.team_key == "agency"
    other = TeamSigns("web", "Web", {}, ("ada@agency.example",))
    assert suggest(tagged, (*TEAMS, agency, other)) is None


def test_a_group_that_names_the_team_suggests_it() -> None:
    found = suggest(UserSigns("x", groups=("Payments-developers",)), TEAMS)
    assert found is not None
    assert (found.team_key, found.percent) == ("payments", 50)


def test_what_speaks_for_another_team_takes_from_the_percent() -> None:
    alone = suggest(UserSigns("x", tags={"team": "payments"}), TEAMS)
    doubted = suggest(UserSigns("plat-x", tags={"team": "payments"}), TEAMS)
    assert alone is not None
    assert doubted is not None
    assert doubted.percent < alone.percent


# ── What people said ─────────────────────────────────────────────────────────────────────────────

DAY = date(2025, 1, 27)


def test_a_team_that_said_no_is_not_suggested_again() -> None:
    user = UserSigns("pay-x", tags={"team": "pay"}, words=(Word("payments", "not-ours", DAY),))
    assert suggest(user, TEAMS) is None


def test_the_next_likely_team_is_suggested_and_says_who_said_no() -> None:
    words = (Word("payments", "not-ours", DAY),)
    found = suggest(UserSigns("plat-x", tags={"team": "pay"}, words=words), TEAMS)
    assert found is not None
    assert found.team_key == "platform"
    assert found.reasons[-1] == "Payments said on 27 Jan 2025 that it is not theirs"


def test_the_team_that_was_named_rises_and_says_who_named_it() -> None:
    words = (Word("payments", "not-ours", DAY), Word("platform", "named", DAY, "Payments"))
    found = suggest(UserSigns("pay-x", words=words), TEAMS)
    assert found is not None
    assert (found.team_key, found.percent) == ("platform", 75)
    assert found.reasons[0] == "Payments said on 27 Jan 2025 that it is Platform’s"


def test_a_team_that_claims_it_rises() -> None:
    alone = suggest(UserSigns("pay-x"), TEAMS)
    claimed = suggest(UserSigns("pay-x", words=(Word("payments", "ours", DAY),)), TEAMS)
    assert alone is not None
    assert claimed is not None
    assert claimed.percent > alone.percent
    assert "Payments claimed it on 27 Jan 2025" in claimed.reasons


def test_a_team_that_let_it_go_falls() -> None:
    word = Word("payments", "released", DAY)
    alone = suggest(UserSigns("x", tags={"team": "pay"}), TEAMS)
    freed = suggest(UserSigns("x", tags={"team": "pay"}, words=(word,)), TEAMS)
    assert alone is not None
    assert freed is not None
    assert freed.percent < alone.percent
    assert "Payments had it and let it go on 27 Jan 2025" in freed.reasons


@given(
    st.lists(
        st.builds(
            Word,
            st.sampled_from(["payments", "platform", "gone"]),
            st.sampled_from(["ours", "not-ours", "released", "named"]),
            st.just(DAY),
            st.just("Data"),
        ),
        max_size=6,
    )
)
def test_whatever_was_said_no_team_that_said_no_is_suggested(words: list[Word]) -> None:
    found = suggest(UserSigns("pay-plat-", tags={"team": "pay"}, words=tuple(words)), TEAMS)
    denied = {word.team_key for word in words if word.said == "not-ours"}
    assert found is None or (found.team_key not in denied and 1 <= found.percent <= 99)
