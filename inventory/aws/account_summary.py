"""What IAM says of the account as a whole, live: here, of root only.

Nothing else can be read of root: it is no IAM user, and no call lists its keys or devices.
"""

from __future__ import annotations

from dataclasses import dataclass

from inventory.aws.failure import AwsFailure
from inventory.aws.paging import ask
from inventory.aws.session import AwsSession


@dataclass(frozen=True, slots=True)
class RootNow:
    """Whether root has MFA, and whether it has access keys, active or not."""

    has_mfa: bool
    has_keys: bool


def root_now(session: AwsSession) -> RootNow:
    """From GetAccountSummary. Raises AwsFailure, "HalfRead" where a figure is missing."""
    told = ask(session.client("iam").get_account_summary, "GetAccountSummary")["SummaryMap"]
    try:
        return RootNow(bool(told["AccountMFAEnabled"]), bool(told["AccountAccessKeysPresent"]))
    except KeyError as missing:
        message = f"The account summary does not tell {missing.args[0]}."
        raise AwsFailure("HalfRead", message, operation="GetAccountSummary") from missing
