"""People get few permission sets: existing ones that do, else drafted ones that nobody gains by."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import hcl2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migrations_app.plans import identity_center_files as made
from migrations_app.plans import statements
from migrations_app.plans.directory import Directory, DirectoryGroup, DirectoryUser
from migrations_app.plans.facts import Origin, PlanFacts, Receiver, Unlogged, Used
from migrations_app.plans.granted import statements as parsed
from migrations_app.plans.identity_center import Proposal, SetPlan, propose
from migrations_app.plans.permission_sets import PermissionSet
from tests.hcl_text import formatted
from tests.migrations_app.plans.people import ACCOUNT, ADMIN, NOW, allow, call, person
from tests.migrations_app.plans.test_hcl import value_of

ECS = (call("ecs", "UpdateService"), call("ecs", "DescribeServices"))
SQS = (call("sqs", "CreateQueue"), call("sqs", "ListQueues"))
LOOK = (call("ec2", "DescribeInstances"), call("cloudformation", "DescribeStacks"))
NINA = DirectoryUser("n", "nina", "Nina Haas", "Nina", "Haas")
TOM = DirectoryUser("t", "tom", "Tom Okafor", "Tom", "Okafor")


def human(name: str, *calls: Used, policy: object = ADMIN, team: str = "payments") -> PlanFacts:
    return person(name, policy, used=calls, team_key=team, category="human-console")


def existing(name: str, *documents: object) -> PermissionSet:
    granted = tuple(one for each in documents for one in parsed(each, Origin(name)))
    return PermissionSet(name, f"arn:aws:sso:::permissionSet/ssoins-1/{name}", granted)


def the_set(people: list[PlanFacts], sets: list[PermissionSet] | None = None,
            directory: Directory | None = None) -> SetPlan:  # fmt: skip
    (one,) = propose(people, sets or [], directory or Directory()).sets
    return one


def test_an_existing_set_that_does_comes_first_with_what_it_allows_more() -> None:
    tight = existing("Deployer", allow("ecs:Update*", "ecs:Describe*"))
    wide = existing("Developer", allow("ecs:*", "ec2:Describe*"))
    one = the_set([human("nina", *ECS)], [wide, tight])
    assert (one.name, one.arn) == ("Deployer", tight.arn)
    fits = one.people[0].fits
    assert [fit.name for fit in fits] == ["Deployer", "Developer"]
    assert fits[0].more < fits[1].more
    assert "more than are needed" in fits[0].words


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (ADMIN, "It makes an administrator."),
        (allow("ecs:Describe*"), "It lacks 1 action that was used."),
        (
            {"Statement": {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}},
            "It keeps most of the writing that is not needed.",
        ),
    ],
)
def test_an_existing_set_that_does_not_do_is_compared_and_not_taken(
    document: object, why: str
) -> None:
    one = the_set([human("nina", *ECS)], [existing("Old", document)])
    assert one.arn == ""
    assert [fit.why_not for fit in one.people[0].fits] == [why]


def test_no_set_gives_writing_that_somebody_did_not_have() -> None:
    narrow = human("nina", *ECS, policy=allow("ecs:UpdateService", "ecs:Describe*"))
    one = the_set([narrow], [existing("Developer", allow("ecs:*"))])
    assert one.people[0].fits[0].why_not == "It allows writing that was not allowed before."


def test_a_set_that_could_not_be_read_is_not_taken() -> None:
    unread = replace(existing("X", allow("ecs:*")), unread=(Origin("y", "managed"),))
    assert the_set([human("nina", *ECS)], [unread]).arn == ""


def test_people_who_do_alike_share_one_set_and_others_do_not() -> None:
    proposal = propose(
        [human("a", *ECS), human("b", ECS[0]), human("c", *SQS), human("d", *ECS)],
        [],
        Directory(),
    )
    shared = {tuple(p.facts.user_name for p in one.people) for one in proposal.sets}
    assert shared == {("a", "b", "d"), ("c",)}
    assert proposal.sets[0].tightens.startswith(
        "3 of its 3 people had every action there is. Together they used 2"
    )


def test_nobody_gains_by_sharing() -> None:
    orders, other = (f"arn:aws:sqs:eu-west-1:{ACCOUNT}:{name}" for name in ("orders", "other"))
    for mine, theirs in (
        (allow("sqs:*", on=orders), allow("sqs:*", on=other)),
        (allow("sqs:*"), allow("sqs:CreateQueue", "sqs:ListQueues", on=other)),
        (allow("sqs:*"), allow("sqs:*", Condition={"Bool": {"aws:SecureTransport": "true"}})),
    ):
        people = [human("a", *SQS, policy=mine), human("b", *SQS, policy=theirs)]
        assert len(propose(people, [], Directory()).sets) == 2


def test_a_deny_or_a_boundary_of_one_is_not_put_on_another() -> None:
    deny = {"Statement": {"Effect": "Deny", "Action": "ecs:*", "Resource": "arn:aws:ecs:x"}}
    denied = person("b", ADMIN, deny, used=ECS, team_key="payments")
    bounded = replace(human("c", *ECS), boundary="arn:aws:iam::1:policy/dev/b")
    proposal = propose([human("a", *ECS), denied, bounded], [], Directory())
    assert len(proposal.sets) == 3


def test_a_group_of_just_these_people_gets_it() -> None:
    groups = (
        DirectoryGroup("g1", "everybody", ("n", "t", "x")),
        DirectoryGroup("g2", "payments", ("t", "n")),
    )
    directory = Directory((NINA, TOM), groups)
    one = the_set([human("nina", *ECS), human("tom", *ECS)], directory=directory)
    assert (one.group.name, one.group.id) == ("payments", "g2")


def test_a_group_with_somebody_else_in_it_does_not() -> None:
    directory = Directory((NINA, TOM), (DirectoryGroup("g1", "everybody", ("n", "t", "x")),))
    one = the_set([human("nina", *ECS), human("tom", *ECS)], directory=directory)
    assert one.group.id == ""
    assert one.group.members == ("nina", "tom")


def test_a_group_that_has_the_existing_set_already_stays() -> None:
    tight = existing("Deployer", allow("ecs:Update*", "ecs:Describe*"))
    directory = Directory(
        (NINA,),
        (DirectoryGroup("g1", "developers", ("n", "x")),),
        ((tight.arn, ACCOUNT, "g1"),),
    )
    one = the_set([human("nina", *ECS)], [tight], directory)
    assert (one.group.name, one.group.has) == ("developers", True)
    draft = made.draft(one, one.people[0])
    text = {each.path: each.text for each in draft.files}
    assert "aws_ssoadmin_account_assignment" not in text["main.tf"]
    assert "create-account-assignment" not in text["create.sh"]
    assert draft.notes[0].startswith("The group developers has Deployer in this account already")
    assert draft.to == Receiver(
        "Deployer", "developers", "n", "By user name.", signs_in_as="nina", has=True
    )


def test_a_set_that_somebody_has_already_comes_before_a_tighter_one() -> None:
    tight = existing("Deployer", allow("ecs:Update*", "ecs:Describe*"))
    wide = existing("Developer", allow("ecs:*", "ec2:Describe*"))
    directory = Directory(
        (NINA, TOM),
        (DirectoryGroup("g1", "developers", ("n", "x")),),
        ((wide.arn, ACCOUNT, "g1"),),
    )
    people = [human("nina", *ECS), human("tom", *ECS)]
    sets = propose(people, [tight, wide], directory).sets
    told = {one.people[0].facts.user_name: (one.name, one.group.has) for one in sets}
    assert told == {"nina": ("Developer", True), "tom": ("Deployer", False)}
    elsewhere = replace(directory, assignments=((wide.arn, "210987654321", "g1"),))
    assert the_set([people[0]], [tight, wide], elsewhere).name == "Deployer"


def test_who_is_nobody_is_said_and_still_gets_a_plan() -> None:
    proposal = propose([human("ghost", *ECS)], [], Directory((NINA,)))
    assert [one.facts.user_name for one in proposal.unmatched] == ["ghost"]
    assert proposal.sets[0].warnings[0].startswith("Nobody in Identity Center is found for ghost")
    assert proposal.unmatched[0].match.why.startswith("Nobody there has its e-mail")


def test_who_used_nothing_gets_no_set() -> None:
    proposal = propose([human("idle")], [], Directory())
    assert proposal.sets == ()
    assert [one.facts.user_name for one in proposal.idle] == ["idle"]


def test_names_stay_within_32_signs_and_meet_nobody() -> None:
    team = "a team with a very long name & signs ${x}"
    people = [human("a", *ECS, team=team), human("b", *SQS, team=team)]
    names = [one.name for one in propose(people, [], Directory()).sets]
    assert len({name.lower() for name in names}) == 2
    assert all(len(name) <= 32 and name.isalnum() for name in names)
    taken = propose([human("a", *ECS)], [existing("paymentsaccess")], Directory())
    assert taken.sets[0].name == "PaymentsAccess2"


def test_a_policy_over_the_inline_limit_goes_on_in_managed_ones() -> None:
    buckets = [f"arn:aws:s3:::bucket-{number:04}-{'x' * 40}" for number in range(250)]
    documents = [allow("s3:GetBucketAcl", on=each) for each in buckets]
    granted = tuple(
        one for each, told in enumerate(documents) for one in parsed(told, Origin(f"p{each}"))
    )
    facts = replace(human("a"), granted=granted, used=(call("s3", "GetBucketAcl"),))
    one = the_set([facts])
    assert statements.size(one.inline) <= statements.INLINE
    assert one.managed
    assert all(statements.size(part) <= statements.MANAGED for part in one.managed)
    kept = [*one.inline, *(each for part in one.managed for each in part)]
    assert {each for statement in kept for each in statement.resources} == set(buckets)


def test_the_files_are_read_by_real_parsers_and_left_by_the_formatter() -> None:
    bounded = replace(human("nina", *ECS, *LOOK), boundary=f"arn:aws:iam::{ACCOUNT}:policy/d/b")
    one = the_set([bounded], directory=Directory((NINA,)))
    draft = made.draft(one, one.people[0])
    by_path = {each.path: each for each in draft.files}
    assert {"main.tf", "create.sh", "inline-policy.json", "README.md", "HOW-TO-TEST.md",
            "HOW-TO-ROLL-BACK.md", "PULL-REQUEST.md"} <= by_path.keys()  # fmt: skip
    text = by_path["main.tf"].text
    assert formatted(text) == text
    told = hcl2.loads(text)
    resources = {kind.strip('"'): body for each in told["resource"] for kind, body in each.items()}
    (permission_set,) = resources["aws_ssoadmin_permission_set"].values()
    assert value_of(permission_set["session_duration"]) == "PT4H"
    assert value_of(permission_set["name"]) == one.name
    assert {"aws_ssoadmin_permission_set_inline_policy", "aws_ssoadmin_account_assignment",
            "aws_ssoadmin_permissions_boundary_attachment"} <= resources.keys()  # fmt: skip
    inline = json.loads(by_path["inline-policy.json"].text)
    assert inline == statements.document(one.inline)
    assert draft.granted_actions > 10_000
    assert draft.used_actions == ("cloudformation:DescribeStacks", "ec2:DescribeInstances",
                                  "ecs:DescribeServices", "ecs:UpdateService")  # fmt: skip


def test_what_somebody_gets_only_because_a_set_is_shared_is_said() -> None:
    one = the_set([human("a", *ECS), human("b", ECS[0])])
    notes = {each.facts.user_name: made.draft(one, each).notes for each in one.people}
    shared = "The set is shared by 2 people and allows 1 action that this one does not need."
    assert any(note.startswith(shared) for note in notes["b"])
    assert not any(note.startswith("The set is shared") for note in notes["a"])
    files = [made.draft(one, each).files for each in one.people]
    main = [next(file for file in each if file.path == "main.tf") for each in files]
    assert main[0] == main[1]


def test_an_existing_set_is_only_given() -> None:
    tight = existing("Deployer", allow("ecs:Update*", "ecs:Describe*"))
    one = the_set([human("nina", *ECS)], [tight])
    text = {each.path: each.text for each in made.draft(one, one.people[0]).files}["main.tf"]
    told = hcl2.loads(text)
    assert [next(iter(each)) for each in told["resource"]] == ['"aws_ssoadmin_account_assignment"']


def crowd() -> list[PlanFacts]:
    """87 people: half have the administrator's policy because the template had it."""
    chosen = random.Random(6)
    kinds = [ECS, SQS, LOOK, (*ECS, *LOOK), (*LOOK, call("s3", "ListBuckets")),
             (call("iam", "ListUsers"), call("cloudtrail", "LookupEvents"))]  # fmt: skip
    teams = ["payments", "platform", "data", "security"]
    found = []
    for number in range(87):
        calls = chosen.choice(kinds)
        calls = tuple(chosen.sample(calls, chosen.randint(1, len(calls))))
        document = ADMIN if number % 2 else allow("ecs:*", "sqs:*", "ec2:Describe*", "s3:*",
            "cloudformation:*", "iam:List*", "cloudtrail:*")  # fmt: skip
        found.append(human(f"p{number:02}", *calls, policy=document, team=chosen.choice(teams)))
    return found


def test_87_people_get_few_sets_in_any_order() -> None:
    people = crowd()
    proposal = propose(people, [], Directory())
    assert sum(len(one.people) for one in proposal.sets) == 87
    assert len(proposal.sets) <= 12
    assert sum(one.policy.had_everything for one in proposal.people) == 43
    shuffled = random.Random(1).sample(people, len(people))
    assert propose(shuffled, [], Directory()) == proposal


HOSTILE = st.text(min_size=1, max_size=20) | st.sampled_from(
    ["${x}", "--help", 'a"; rm -rf /', "$(id)", "`id`", "../../x", "%{ if }", "<script>", "=1+1"]
)


@settings(max_examples=25)
@given(HOSTILE, HOSTILE)
def test_whatever_a_user_is_called_the_files_hold(name: str, team: str) -> None:
    facts = replace(human("x", *ECS, team=team), user_name=name, user_id="AIDAX")
    facts = replace(facts, unlogged=(Unlogged("sqs", NOW),), account_name=team)
    proposal: Proposal = propose([facts], [], Directory())
    draft = made.draft(proposal.sets[0], proposal.people[0])
    for one in draft.files:
        assert all(each.isprintable() or each == "\n" for each in one.text), one.path
        if one.language == "hcl" and "${" not in name + team and "%{" not in name + team:
            hcl2.loads(one.text)
        if one.language == "json":
            json.loads(one.text)
    assert draft == made.draft(proposal.sets[0], proposal.people[0])
