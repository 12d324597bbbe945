"""The verbs on a plan: choose the way, say what evidence does not, keep the files, agree to a key.

What was seen in CloudTrail belongs to one way in. Another role or permission set begins as a draft
again, and the owner's word about the one before counts no longer.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import date
from typing import Any

from django.db import transaction

from inventory import clock, ledger
from inventory.models import Person
from inventory.permissions import Action, require
from inventory.refusals import NotAllowed, Refused
from migrations_app import turns
from migrations_app.changes.protecting import protect
from migrations_app.lifecycle import State
from migrations_app.models import Departure, Plan, PlanComment
from migrations_app.plans.way_in import way_in
from migrations_app.replacement.plan_drafts import Made
from migrations_app.replacement.planning import names_of

Target = Plan.Target


def comment(plan: Plan, person: Person, text: str) -> PlanComment:
    """Say something about a plan, to whoever sees its files; the last word is not repeated."""
    require(person, Action.SEE_SENSITIVE, plan.departure.owner)
    if not text.strip():
        raise Refused("Write something first.")
    told = {"plan": plan, "person": person, "text": text.strip()}
    with transaction.atomic():
        turns.take(person)
        last = PlanComment.objects.filter(plan=plan).order_by("-at", "-pk").first()
        if last is not None and turns.is_again(last, told):
            return last
        said = PlanComment.objects.create(**told, at=clock.now())
        # That it was said, and by whom: what was said can be let go of.
        ledger.append("plan.commented", actor=person, user=plan.departure.user)
    return said


def choose_way(plan: Plan, person: Person, target: str) -> Plan:
    """Another way out, without any of the choices that were made for the one before."""
    with transaction.atomic():
        row = _locked(plan, person)
        if row.target != target:
            row.target, row.choices = target, {}
            row.reason = f"{person} chose it."
            row.held_by, row.held_reason = None, ""
            _begin_anew(row)
            ledger.append("plan.target", actor=person, user=row.departure.user, target=target)
        return row


def choose(plan: Plan, person: Person, choices: Mapping[str, Any]) -> Plan:
    """What a person knows and the evidence does not; `choices` as the target's form keeps them."""
    with transaction.atomic():
        row = _locked(plan, person)
        told = dict(choices)
        if row.target == Target.CROSS_ACCOUNT_ROLE and not told.get("external_id"):
            # The same plan keeps the same one: the vendor has been given it.
            told["external_id"] = row.choices.get("external_id") or secrets.token_urlsafe(24)
        if row.target == Target.SECRETS_MANAGER:
            told["asked_by"] = person.username
        if told == row.choices:
            return row
        name = row.departure.user.user_name
        other = way_in(row.target, name, told) != way_in(row.target, name, row.choices)
        row.choices = told
        if other:
            _begin_anew(row)
        row.figures_at = None
        row.save()
        ledger.append(
            "plan.chosen",
            actor=person,
            user=row.departure.user,
            target=row.target,
            choices=sorted(told),
        )
        return row


def keep_files(made: Made, person: Person) -> Plan:
    """These are the files that later ones are compared with."""
    with transaction.atomic():
        row = _locked(made.plan, person)
        if (row.target, row.choices) != (made.plan.target, made.plan.choices):
            raise Refused("The plan was changed meanwhile. Look at its files again.")
        if row.generated_digest == made.digest:
            return row
        row.generated_at, row.generated_by = made.facts.generated_at, person
        row.generated_digest = made.digest
        row.generated_files = {one.path: one.text for one in made.draft.files}
        row.save(
            update_fields=[
                "generated_at",
                "generated_by",
                "generated_digest",
                "generated_files",
            ]
        )
        ledger.append(
            "plan.files-kept", actor=person, user=row.departure.user, digest=row.generated_digest
        )
        return row


def agree_to_key(plan: Plan, person: Person) -> Departure:
    """A second engineer agrees that a key stays and rotates: its user is exempt until that day."""
    require(person, Action.OPERATE)
    with transaction.atomic():
        row = _locked(plan, person)
        if row.target != Target.SECRETS_MANAGER or not row.choices.get("until"):
            raise Refused("Say first why it cannot use a role, and until when.")
        if row.choices.get("asked_by") == person.username:
            raise NotAllowed("You asked for this exception, so somebody else agrees to it.")
        if row.choices.get("approved_by"):
            raise Refused(f"{names_of([row])[row.choices['approved_by']]} agreed already.")
        row.choices = row.choices | {"approved_by": person.username}
        row.figures_at = None
        row.save(update_fields=["choices", "figures_at"])
        ledger.append(
            "plan.exception",
            actor=person,
            user=row.departure.user,
            reason=row.choices["reason"],
            until=row.choices["until"],
            asked_by=row.choices.get("asked_by", ""),
        )
        until = date.fromisoformat(row.choices["until"])
        return protect(row.departure, person, row.choices["reason"], until)


def _begin_anew(plan: Plan) -> None:
    """Nothing is known of this way in yet."""
    plan.access.all().delete()
    plan.status, plan.drafted_at = Plan.Status.DRAFT, clock.now()
    plan.tested_at, plan.seen = None, {}
    plan.access_read_to, plan.access_error = None, ""
    plan.confirmed_at, plan.confirmed_by, plan.note = None, None, ""
    plan.figures, plan.figures_at = {}, None
    plan.save()


def _locked(plan: Plan, person: Person) -> Plan:
    row = (
        Plan.objects.select_for_update(of=("self",))
        .select_related("departure__user__account", "departure__owner")
        .get(pk=plan.pk)
    )
    require(person, Action.CLAIM, row.departure.owner)
    if row.departure.state == State.DELETED:
        raise Refused(f"{row.departure.user} is deleted; nothing has to replace it any more.")
    return row
