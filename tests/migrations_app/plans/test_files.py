"""A ZIP of plans has the same bytes for the same facts, and no path that leaves its folder."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrations_app.plans import drafting, files, policy, policy_hcl
from migrations_app.plans.facts import Draft, GeneratedFile
from migrations_app.plans.files import Folder
from tests.hcl_text import formatted
from tests.migrations_app.plans.people import deploy_bot

CHOSEN = {"repository": "acme/shop", "branches": ["main"]}
MAIN = GeneratedFile("main.tf", "a = 1\n", "hcl")


def drafted() -> Draft:
    facts = deploy_bot()
    return files.complete(Draft("github-oidc", "A role", (MAIN,)), facts, policy.draft(facts))


def test_a_draft_is_completed_with_what_every_plan_has() -> None:
    whole = drafted()
    by_path = {one.path: one.text for one in whole.files}
    assert {"README.md", "main.tf", "policy-reasons.json", "policy-with-reasons.tf"} == set(by_path)
    assert "Used 5 of 20," in by_path["README.md"]
    assert "Look at these first" in by_path["README.md"]
    text = by_path["policy-with-reasons.tf"]
    assert "90 days of CloudTrail to 6 Mar 2025" in text
    assert formatted(text) == text
    assert (len(whole.used_actions), whole.granted_actions) == (
        5,
        policy.draft(deploy_bot()).granted,
    )


def test_reasons_that_stand_in_the_targets_terraform_are_not_told_twice() -> None:
    facts = deploy_bot()
    needs = policy.draft(facts)
    [drawn] = drafting.drafts([drafting.Wanted("github-oidc", facts, CHOSEN)])
    assert "policy-with-reasons.tf" not in {one.path for one in drawn.files}
    main = next(one.text for one in drawn.files if one.path == "main.tf")
    for statement in needs.statements:
        assert policy_hcl.lines(statement) in main
    # A key that stays has a role for its rotation, which is another policy.
    [kept] = drafting.drafts([drafting.Wanted("secrets-manager", facts, {})])
    assert "policy-with-reasons.tf" in {one.path for one in kept.files}


def test_the_day_of_generation_and_of_evidence_is_no_change() -> None:
    facts = deploy_bot()
    later = replace(
        facts,
        generated_at=facts.generated_at + timedelta(days=11),
        evidence_from=facts.evidence_from + timedelta(days=9),
        evidence_to=facts.evidence_to + timedelta(days=11),
    )
    for target in ("github-oidc", "eks", "secrets-manager", "other"):
        wanted = [drafting.Wanted(target, one, {}) for one in (facts, later)]
        before, after = drafting.drafts(wanted)
        assert before.files != after.files
        assert files.differences(before.files, after.files) == ()


def test_what_a_target_wrote_itself_stays() -> None:
    facts = deploy_bot()
    own = GeneratedFile("README.md", "mine", "markdown")
    whole = files.complete(Draft("x", "t", (own,)), facts, policy.draft(facts))
    assert [one.text for one in whole.files if one.path == "README.md"] == ["mine"]


def test_the_same_facts_give_the_same_bytes() -> None:
    one, other = Folder(deploy_bot(), drafted()), Folder(deploy_bot(), drafted())
    second = replace(other, facts=replace(other.facts, user_id="AIDAB", user_name="b"))
    held = files.archive(files.together([one, second]))
    assert files.archive(reversed(files.together([second, one]))) == held
    with zipfile.ZipFile(io.BytesIO(held)) as told:
        assert told.testzip() is None
        assert {entry.date_time for entry in told.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        names = told.namelist()
    assert names[0].startswith("123456789012/")
    assert "README.md" in names
    assert len(names) == 1 + 2 * len(one.draft.files)


def test_a_script_can_be_run_and_nothing_else() -> None:
    held = files.archive([GeneratedFile("a.sh", "#!/bin/sh\n", "shell"), MAIN])
    with zipfile.ZipFile(io.BytesIO(held)) as told:
        modes = {one.filename: one.external_attr >> 16 & 0o777 for one in told.infolist()}
    assert modes == {"a.sh": 0o755, "main.tf": 0o644}


@pytest.mark.parametrize(
    "paths", [("../x",), ("/x",), ("a\\b",), ("a//b",), ("",), ("a/../b",), ("a", "A")]
)
def test_a_path_that_is_not_safe_is_refused(paths: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="cannot stand in the ZIP"):
        files.archive([GeneratedFile(one, "", "text") for one in paths])


@given(st.text(max_size=70), st.text(max_size=12))
def test_whatever_a_user_is_called_its_folder_is_safe(name: str, account: str) -> None:
    facts = replace(deploy_bot(), user_name=name, account_id=account)
    held = [replace(MAIN, path=f"{files.folder_of(facts)}/.github/workflows/deploy.yml")]
    with zipfile.ZipFile(io.BytesIO(files.archive(held))) as told:
        assert len(told.namelist()) == 1


def test_a_user_of_the_same_name_made_later_has_another_folder() -> None:
    again = replace(deploy_bot(), user_id="AIDAOTHER")
    assert files.folder_of(again) != files.folder_of(deploy_bot())


def test_regenerating_shows_what_changed_and_only_that() -> None:
    before = (MAIN, GeneratedFile("old", "x\n", "text"), GeneratedFile("same", "s\n", "text"))
    after = (replace(MAIN, text="a = 2\n"), GeneratedFile("same", "s\n", "text"))
    found = dict(files.differences(before, after))
    assert list(found) == ["main.tf", "old"]
    assert "-a = 1\n+a = 2\n" in found["main.tf"]
    assert "+++ /dev/null" in found["old"]
    assert files.differences(before, before) == ()
