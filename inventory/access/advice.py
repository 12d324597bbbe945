"""What to do about what AWS said while access was tested. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from inventory.access.checks import Check
from inventory.aws.failure import AwsFailure

_NO_REGION = frozenset(
    {
        "UnrecognizedClientException",
        "InvalidClientTokenId",
        "AuthFailure",
        "OptInRequired",
        "RegionDisabledException",
    }
)
_INVALID = "The workers' own credentials are not valid. Renew them, then test again."
_OF_SESSIONS: Mapping[str, str] = {
    **dict.fromkeys(_NO_REGION, _INVALID),
    "NoCredentials": "Give the workers AWS credentials, best the role of the machine or container.",
    "NoExternalId": "Set that environment variable for every worker, then test again.",
    "WrongAccount": "The role is in another account. Correct the account id, or name a role of it.",
}


def session_advice(failed: AwsFailure, arn: str) -> str:
    """About a role that could not be assumed, or ambient credentials that do not work."""
    if failed.code in _OF_SESSIONS:
        return _OF_SESSIONS[failed.code]
    if failed.denied and "identity-based policy" in failed.message:
        return (
            f"The workers' own identity may not assume {arn or 'it'}: allow sts:AssumeRole on that"
            " ARN in its policy."
        )
    if failed.denied:
        return (
            "AWS says the same of a role that is not there, one that does not trust the workers"
            f" and another external ID. See in this order: {arn} exists in this account; its"
            " trust policy names the principal on this page; it asks for the external ID on this"
            " page; the workers' own policy allows sts:AssumeRole on it."
        )
    return _passing(failed) or "Mend what AWS says, then test again."


def call_advice(failed: AwsFailure, check: Check) -> str:
    """About a request that was refused."""
    said = failed.message.lower()
    if "service control policy" in said or "resource control policy" in said:
        return (
            "A policy of the organization denies it: ask whoever keeps it to leave the reader role"
            " out."
        )
    if "permissions boundary" in said:
        return "The permissions boundary of the role denies it: widen the boundary."
    if failed.code in _NO_REGION and check["region"]:
        return f"{check['region']} is not enabled here: enable it, or leave it out of the Regions."
    if failed.denied and check["text"].startswith("organizations:"):
        return "Of use in the management account only; elsewhere AWS refuses it, and that is fine."
    if failed.denied:
        return (
            "The role's policy lacks it: update the stack, or apply the Terraform again. A key,"
            " bucket or secret may also refuse by a policy of its own."
            if not check["needed"]
            else "The role's policy lacks it: update the stack, or apply the Terraform again."
        )
    return _passing(failed) or "Test again; should that not help, mend what AWS says."


def _passing(failed: AwsFailure) -> str:
    if failed.throttled:
        return "AWS was too busy to say. It is not known; test again in a minute."
    if failed.retryable:
        return "No answer that tells. It is not known; test again in a minute."
    return ""


def cannot_tell(failed: AwsFailure) -> bool:
    """Whether this says nothing about the permission."""
    return failed.throttled or failed.retryable
