"""The files of a permission set: Terraform, JSON, commands, and the words around them. Pure.

Groups are looked up, never made: the identity provider owns them, and one made here would not be
the one that it pushes.
"""

from __future__ import annotations

from collections.abc import Iterator

from migrations_app.plans import files, hcl, policy_hcl, statements
from migrations_app.plans.facts import Draft, GeneratedFile, PlanFacts, Receiver
from migrations_app.plans.hcl import Attribute, Block, Comment, Expression, Item, resource
from migrations_app.plans.identity_center import PersonPlan, SetPlan
from migrations_app.plans.prose import bullets, code, fenced, header, page, plain, steps, word
from migrations_app.plans.statements import json_text

TARGET = "identity-center"
SESSION = "PT4H"
_INSTANCE = Expression("tolist(data.aws_ssoadmin_instances.this.arns)[0]")
_STORE = Expression("tolist(data.aws_ssoadmin_instances.this.identity_store_ids)[0]")


def draft(one: SetPlan, person: PersonPlan) -> Draft:
    """The plan of one person: the set that it shares, and what concerns it alone."""
    facts = person.facts
    made = Draft(
        target=TARGET,
        title=f"{one.name} for {facts.user_name}",
        files=(
            *_set_files(one),
            _test(one, person),
            _roll_back(one, facts),
            _pull_request(one),
        ),
        notes=tuple(_notes(one, person)),
        warnings=_warnings(one, person),
        to=Receiver(
            permission_set=one.name,
            group=one.group.name,
            person=person.match.user.id if person.match.user else "",
            why=person.match.why,
            has=one.group.has,
            signs_in_as=person.match.user.user_name if person.match.user else "",
        ),
    )
    return files.complete(made, facts, person.policy)


def _warnings(one: SetPlan, person: PersonPlan) -> tuple[str, ...]:
    own = one.warnings
    if person.match.user is None:
        return (f"Nobody to give it to: {person.match.why}", *own)
    return own


def _notes(one: SetPlan, person: PersonPlan) -> Iterator[str]:
    if one.group.has:
        yield (
            f"The group {one.group.name} has {one.name} in this account already, and this person is"
            " in it. Nothing is to be applied: sign in through the access portal and use it."
        )
    yield one.tightens
    allowed = {each for part in (one.inline, *one.managed) for each in _allowed(part)}
    if more := allowed - set(person.policy.actions):
        yield (
            f"The set is shared by {len(one.people)} people and allows {len(more)} "
            f"action{'' if len(more) == 1 else 's'} that this one does not need. Nothing of it "
            "was not allowed before."
        )
    if person.match.user is not None:
        user = person.match.user
        yield f"In Identity Center this is {user.words} ({user.user_name}). {person.match.why}"
    for fit in person.fits:
        yield f"{fit.name}: {fit.why_not or 'It would do.'} {fit.words}"
    if one.arn:
        yield "On which resources that set allows it, and under which conditions, was not weighed."


def _allowed(part: tuple[statements.Statement, ...]) -> Iterator[str]:
    for one in part:
        if one.effect == "Allow":
            yield from one.actions


def _set_files(one: SetPlan) -> Iterator[GeneratedFile]:
    head = [*header(one.people[0].facts)[1:], one.tightens]
    yield GeneratedFile("main.tf", hcl.document(_terraform(one), head), "hcl")
    if one.inline:
        yield _json("inline-policy.json", one.inline)
    for number, part in enumerate(one.managed, start=1):
        yield _json(f"managed-policy-{number}.json", part)
    yield GeneratedFile("create.sh", _script(one), "shell")


def _json(path: str, part: tuple[statements.Statement, ...]) -> GeneratedFile:
    return GeneratedFile(path, statements.written(statements.document(part)), "json")


def _terraform(one: SetPlan) -> Iterator[Item]:
    name = hcl.name_of(one.name)
    yield Block("data", ("aws_ssoadmin_instances", "this"))
    if one.arn:
        body = hcl.attributes(instance_arn=_INSTANCE, name=one.name)
        yield Block("data", ("aws_ssoadmin_permission_set", name), body)
        arn = Expression(f"data.aws_ssoadmin_permission_set.{name}.arn")
    else:
        yield from _permission_set(one, name)
        arn = Expression(f"aws_ssoadmin_permission_set.{name}.arn")
    if not one.group.id:
        yield Comment(f"Make this group where groups are made, with: {_members(one)}.")
    yield Block("data", ("aws_identitystore_group", name), (
        Attribute("identity_store_id", _STORE),
        Block("alternate_identifier", (), (
            Block("unique_attribute", (), hcl.attributes(
                attribute_path="DisplayName", attribute_value=one.group.name,
            )),
        )),
    ))  # fmt: skip
    if one.group.has:
        yield Comment("The group has this set in this account already: there is nothing to apply.")
        return
    yield resource(
        "aws_ssoadmin_account_assignment",
        name,
        *hcl.attributes(
            instance_arn=_INSTANCE,
            permission_set_arn=arn,
            principal_id=Expression(f"data.aws_identitystore_group.{name}.group_id"),
            principal_type="GROUP",
            target_id=one.account_id,
            target_type="AWS_ACCOUNT",
        ),
    )


def _permission_set(one: SetPlan, name: str) -> Iterator[Item]:
    yield resource(
        "aws_ssoadmin_permission_set",
        name,
        *hcl.attributes(
            name=one.name,
            description=_description(one),
            instance_arn=_INSTANCE,
            session_duration=SESSION,
        ),
    )
    arn = Expression(f"aws_ssoadmin_permission_set.{name}.arn")
    if one.inline:
        yield policy_hcl.block(name, one.inline)
        body = hcl.attributes(
            instance_arn=_INSTANCE,
            permission_set_arn=arn,
            inline_policy=policy_hcl.reference(name),
        )
        yield resource("aws_ssoadmin_permission_set_inline_policy", name, *body)
    for number, part in enumerate(one.managed, start=1):
        label = f"{name}_{number}"
        yield policy_hcl.block(label, part)
        yield Comment(f"In account {one.account_id}: a managed policy stands where it is used.")
        body = hcl.attributes(name=_managed(one, number), policy=policy_hcl.reference(label))
        yield resource("aws_iam_policy", label, *body)
        named = hcl.attributes(name=Expression(f"aws_iam_policy.{label}.name"), path="/")
        yield resource(
            "aws_ssoadmin_customer_managed_policy_attachment",
            label,
            *hcl.attributes(instance_arn=_INSTANCE, permission_set_arn=arn),
            Block("customer_managed_policy_reference", (), named),
        )
    if one.boundary:
        yield resource(
            "aws_ssoadmin_permissions_boundary_attachment",
            name,
            *hcl.attributes(instance_arn=_INSTANCE, permission_set_arn=arn),
            Block("permissions_boundary", (), (_boundary(one.boundary),)),
        )


def _boundary(arn: str) -> Item:
    if ":aws:policy/" in arn:
        return Attribute("managed_policy_arn", arn)
    path, _, name = arn.partition(":policy/")[2].rpartition("/")
    body = hcl.attributes(name=name, path=f"/{path}/" if path else "/")
    return Block("customer_managed_policy_reference", (), body)


def _managed(one: SetPlan, number: int) -> str:
    return f"{one.name}-{number}"


def _members(one: SetPlan) -> str:
    return ", ".join(one.group.members) or "nobody yet"


def _description(one: SetPlan) -> str:
    number = len(one.people)
    return f"Replaces {number} IAM user{'' if number == 1 else 's'} of account {one.account_id}."


def _script(one: SetPlan) -> str:
    """The same with the AWS CLI, run with the rights of Identity Center's account."""
    head = ["#!/usr/bin/env bash", *(hcl.comment(line) for line in header(one.people[0].facts)[1:])]
    head += ["# Run it in the folder of the JSON files, in Identity Center's own account."]
    lines = [*head, "set -euo pipefail", "", *_found(one)]
    lines += _made(one) if not one.arn else [f"set={word(one.arn)}"]
    if one.group.has:
        told = f"The group {one.group.name} has {one.name} already: there is nothing to do."
        return "\n".join([*head, hcl.comment(told)]) + "\n"
    assign = (
        'aws sso-admin create-account-assignment --instance-arn="$instance"'
        ' --permission-set-arn="$set" --principal-type=GROUP --principal-id="$group"'
        f" --target-type=AWS_ACCOUNT --target-id={word(one.account_id)}"
    )
    return "\n".join([*lines, assign]) + "\n"


def _found(one: SetPlan) -> Iterator[str]:
    listed = "aws sso-admin list-instances --output=text --query"
    yield f"instance=$({listed}='Instances[0].InstanceArn')"
    yield f"store=$({listed}='Instances[0].IdentityStoreId')"
    path = '{"UniqueAttribute":{"AttributePath":"DisplayName","AttributeValue":'
    text = f"{path}{json_text(one.group.name)}}}}}"
    yield (
        'group=$(aws identitystore get-group-id --identity-store-id="$store"'
        f" --alternate-identifier={word(text)} --query=GroupId --output=text)"
    )


def _made(one: SetPlan) -> Iterator[str]:
    yield (
        'set=$(aws sso-admin create-permission-set --instance-arn="$instance"'
        f" --name={word(one.name)} --description={word(_description(one))}"
        f" --session-duration={SESSION} --query=PermissionSet.PermissionSetArn --output=text)"
    )
    on = '--instance-arn="$instance" --permission-set-arn="$set"'
    if one.inline:
        yield (
            f"aws sso-admin put-inline-policy-to-permission-set {on}"
            " --inline-policy=file://inline-policy.json"
        )
    for number, _ in enumerate(one.managed, start=1):
        name = word(_managed(one, number))
        yield f"# In account {one.account_id}, not here:"
        yield (
            f"# aws iam create-policy --policy-name={name}"
            f" --policy-document=file://managed-policy-{number}.json"
        )
        yield (
            f"aws sso-admin attach-customer-managed-policy-reference-to-permission-set {on}"
            f" --customer-managed-policy-reference=Name={name},Path=/"
        )
    if one.boundary:
        boundary = word(_boundary_json(one.boundary))
        yield (
            f"aws sso-admin put-permissions-boundary-to-permission-set {on}"
            f" --permissions-boundary={boundary}"
        )


def _boundary_json(arn: str) -> str:
    if ":aws:policy/" in arn:
        return f'{{"ManagedPolicyArn":{json_text(arn)}}}'
    path, _, name = arn.partition(":policy/")[2].rpartition("/")
    told = f'"Name":{json_text(name)},"Path":{json_text(f"/{path}/" if path else "/")}'
    return f'{{"CustomerManagedPolicyReference":{{{told}}}}}'


def _test(one: SetPlan, person: PersonPlan) -> GeneratedFile:
    used = person.policy.used[:8]
    return page(
        "HOW-TO-TEST.md",
        f"Test {one.name}",
        steps(
            [
                f"{plain(_who(person))} opens the access portal and sees"
                f" {code(person.facts.account_name)} with {code(one.name)}.",
                f"On the command line: {code('aws configure sso')}, then"
                f" {code('aws sts get-caller-identity')} names"
                f" {code(f'AWSReservedSSO_{one.name}_…')}.",
                "A day's work goes through with it, without the IAM user's key or password.",
                "The plan turns to Tested by itself once CloudTrail shows the new sign-in.",
            ]
        ),
        "What was used and should go on working:" if used else "",
        bullets([code(action) for action in used]),
    )


def _who(person: PersonPlan) -> str:
    return person.match.user.words if person.match.user else person.facts.user_name


def _roll_back(one: SetPlan, facts: PlanFacts) -> GeneratedFile:
    taken = [
        "aws sso-admin delete-account-assignment --instance-arn=INSTANCE --permission-set-arn=SET"
        " --principal-type=GROUP --principal-id=GROUP --target-type=AWS_ACCOUNT"
        f" --target-id={word(one.account_id)}"
    ]
    if not one.arn:
        taken.append(
            "aws sso-admin delete-permission-set --instance-arn=INSTANCE --permission-set-arn=SET"
        )
    return page(
        "HOW-TO-ROLL-BACK.md",
        f"Go back from {one.name}",
        f"The IAM user {code(facts.user_name)} works as before until it is disabled. To go back,"
        " sign in with it. If it is disabled already, restore it first.",
        "Take the assignment back by reverting the pull request, or with:",
        fenced(taken),
    )


def _pull_request(one: SetPlan) -> GeneratedFile:
    people = [
        f"{code(each.facts.user_name)}: {plain(_who(each))}. {plain(each.tightens)}"
        for each in one.people
    ]
    return page(
        "PULL-REQUEST.md",
        f"Give {one.name} instead of IAM users",
        plain(one.tightens),
        bullets(people),
        f"{'Had already by' if one.group.has else 'Given to'} the group {code(one.group.name)}"
        + ("." if one.group.id else f", which is to be made with: {plain(_members(one))}."),
        bullets([plain(each) for each in one.warnings]),
    )
