"""What can refuse a request: every code with the rule of the house it belongs to, in one sentence.

The numbers are those of the twenty rules of the design; a code without one is the API's own or a
matter of course.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """`number` among the rules of the house, or None; what the code means."""

    number: int | None
    text: str


RULES: Mapping[str, Rule] = {
    # Who asks.
    "token": Rule(None, "No personal token was sent, or none that may still be used."),
    "scope": Rule(None, "The token does not have the scope for this."),
    "role": Rule(None, "The person has no role that may do this."),
    "team": Rule(None, "The IAM user belongs to another team."),
    "rate": Rule(None, "The token asked too often; Retry-After says how long to wait."),
    # What is asked.
    "input": Rule(None, "An input is missing or wrong; fields or the reasons say which."),
    "not-found": Rule(None, "There is no such thing."),
    "method": Rule(None, "The address does not take this method."),
    "idempotency-key": Rule(None, "The Idempotency-Key is missing, in use, or of another request."),
    "stale": Rule(4, "It changed since it was looked at, or is no longer in that status."),
    "refused": Rule(None, "The verb refused; the reasons say why."),
    "broken": Rule(None, "A bug of ours. Nothing was changed."),
    # Two people.
    "four-eyes": Rule(4, "Whoever asked for a batch does not approve it."),
    "digest": Rule(4, "The digest is not that of the batch as it is now."),
    "viewed": Rule(4, "Not every user was looked at as it is now."),
    "warnings": Rule(4, "A warning was not acknowledged."),
    "words": Rule(4, "A delete is approved with the typed words."),
    "requester": Rule(4, "Only whoever asked, or approved, takes a batch back."),
    "api-approves-deletes": Rule(
        4, "A delete is approved in the browser unless IAMCLEANUP_API_APPROVES_DELETES is set."
    ),
    # Protection and identity.
    "protected": Rule(3, "The user is protected."),
    "break-glass": Rule(3, "The break-glass user was not seen within 24 hours, or has no MFA."),
    "namesake": Rule(2, "Under this name there is another user now."),
    "gone": Rule(7, "The user is no longer in AWS."),
    "self-unknown": Rule(3, "It cannot be told which identity the product runs as."),
    # Evidence.
    "unreadable": Rule(5, "AWS refused to show the user."),
    "not-looked-at": Rule(5, "The dry run has not looked at the user."),
    "unknown": Rule(5, "It cannot be told whether the user is in use."),
    "coverage": Rule(5, "Not every source was read."),
    "listening": Rule(5, "CloudTrail was not read whole since the fence."),
    "last-used": Rule(5, "The last-used dates were not read since the time was over."),
    "evidence": Rule(12, "The evidence is too old."),
    "evidence-age": Rule(12, "The evidence is too old."),
    "dry-run": Rule(12, "The dry run has not finished, or is older than an hour."),
    # Who may be fenced.
    "in-use": Rule(6, "The user is in use."),
    "young": Rule(6, "The user is younger than the dormancy window."),
    "needed": Rule(6, "The owner still needs it, and no replacement is confirmed."),
    "plan-held": Rule(6, "The plan that would replace the user is on hold."),
    "not-quiet": Rule(6, "The old credentials were not quiet long enough."),
    "disputed": Rule(6, "The user is disputed."),
    "contest": Rule(6, "A claim waits for Security."),
    "hand-over": Rule(6, "The user is being handed over."),
    "quarantine": Rule(6, "A delete takes off a compromised-key policy, which needs a reason."),
    "quarantined": Rule(6, "AWS put a compromised-key policy on the user."),
    "ownerless": Rule(6, "Nobody answers for the user."),
    "reason": Rule(6, "A reason is needed."),
    # The lifecycle.
    "state": Rule(None, "The user is not in a state from which this is possible."),
    "busy": Rule(11, "The user is in another change already."),
    "restored": Rule(None, "The user was restored lately, and its owner has not answered since."),
    "early": Rule(None, "The watch or soak is not over."),
    "hit": Rule(12, "The user was called, and the hit is open."),
    "reference": Rule(None, "Something still names the user and would break."),
    "references": Rule(None, "Who still names the users was not acknowledged."),
    "users": Rule(None, "A user of the batch may not go."),
    # Rails.
    "batch-size": Rule(12, "The batch would be larger than the policy allows."),
    "urgent": Rule(12, "An urgent batch disables five users at most, at once, for a reason."),
    "stopped": Rule(12, "The emergency stop is pulled."),
    "another-person": Rule(12, "Whoever pulled the emergency stop does not lift it."),
    "reconcile": Rule(12, "The database was restored, and was not held against AWS since."),
    "open-hit": Rule(12, "A user of the account was called, and the hit is open."),
    "settle": Rule(12, "An earlier batch in the account is too young."),
    "window": Rule(12, "The window is closed, or the account frozen."),
    "hold": Rule(12, "The account is held; see Settings, Accounts."),
    "read-only": Rule(1, "The account has no role for this."),
    "unreachable": Rule(13, "The owner has neither a lead nor a channel."),
    "compromised": Rule(14, "What was shut as compromised is restored by an engineer only."),
    "no-return": Rule(18, "The user is past the point of no return."),
    "lock-out": Rule(19, "No identity with admin rights would be left."),
    "no-federation": Rule(19, "People would have no federated way in."),
    "own-token": Rule(None, "Tokens are made and revoked by their own person."),
    "no-email": Rule(None, "The issuer named no e-mail address, so the person is not known."),
    "email-not-verified": Rule(None, "The issuer did not verify the e-mail address."),
    "another-subject": Rule(None, "The person is bound to another account of the issuer."),
    "no-group": Rule(None, "The person is in no group that may use this."),
    "pack-open": Rule(None, "The person's last evidence pack is still being built."),
}
