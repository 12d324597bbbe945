"""One line of a test of access after the other: what is asked of AWS, and how its answer reads."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from functools import cached_property

from inventory.access.advice import call_advice, cannot_tell, session_advice
from inventory.access.checks import NOT_ASSUMED, Check, Kind, regional
from inventory.aws import regions, role_documents
from inventory.aws.limiter import Limiter
from inventory.aws.probes import Ground, Untried, lookup, probe
from inventory.aws.role_documents import RoleDocuments
from inventory.aws.session import AwsFailure, AwsSession, Role, open_session
from inventory.models import AccessTest, Account
from inventory.rights.role_grants import gives_access, granted

# Of one Region that is asked at the pace of all; more often it is not the pace.
_TRIES = 3
_ROLES: Mapping[str, Role] = {"reader": "reader", "actor": "actor", "deleter": "deleter"}


class Eyes:
    """What looks at the roles of one test; sessions are opened when they are first needed."""

    def __init__(self, test: AccessTest) -> None:
        self.test = test
        self.account = Account(
            account_id=test.account_id,
            name=test.account_id,
            reader_role=test.roles.get("reader", ""),
            actor_role=test.roles.get("actor", ""),
            deleter_role=test.roles.get("deleter", ""),
            external_id=test.external_id,
        )
        self._kinds: dict[Kind, Callable[[Check], None]] = {
            "assume": self._assume,
            "without-id": self._without_id,
            "wrong-id": self._with_another_id,
            "call": self._call,
            "region": self._region,
            "policy": self._policy,
            "names": self._names,
            "too-much": self._too_much,
        }

    def look(self, check: Check) -> None:
        """Fill in the status of one line, and what AWS said where it is not as it should be."""
        try:
            self._kinds[check["kind"]](check)
        except Untried as nothing:
            check["status"], check["said"] = "untried", str(nothing)
        except AwsFailure as failed:
            unknown = cannot_tell(failed) or not check["needed"]
            check["status"] = "attention" if unknown else "failed"
            check["said"] = failed.words
            check["advice"] = call_advice(failed, check)

    @cached_property
    def _opened(self) -> AwsSession | AwsFailure:
        try:
            return open_session(self.account, "reader")
        except AwsFailure as failed:
            return failed

    @property
    def _reader(self) -> AwsSession:
        """The reader's session. Untried where there is none: the first line says why."""
        if isinstance(self._opened, AwsFailure):
            raise Untried(NOT_ASSUMED)
        return self._opened

    @cached_property
    def _enabled(self) -> tuple[str, ...]:
        return regions.enabled(self._reader)

    @cached_property
    def _ground(self) -> Ground:
        try:
            enabled = self._enabled
        except AwsFailure:
            enabled = ()
        wanted = [one for one in self.test.regions if one in enabled] or list(enabled)
        home = self._reader.home_region
        return Ground(self._reader, wanted[0] if wanted and home not in wanted else home)

    @cached_property
    def _documents(self) -> Mapping[str, RoleDocuments]:
        arns = frozenset(arn for arn in self.test.roles.values() if arn)
        return role_documents.read(self._reader, arns)

    def _assume(self, check: Check) -> None:
        role = _ROLES[check["role"]]
        try:
            failed = self._opened if role == "reader" else None
            if isinstance(failed, AwsFailure):
                raise failed
            if role != "reader":
                open_session(self.account, role)
        except AwsFailure as refused:
            check["status"] = "attention" if cannot_tell(refused) else "failed"
            check["said"] = refused.words
            check["advice"] = session_advice(refused, self.test.roles.get(check["role"], ""))
        else:
            check["status"] = "done"

    def _without_id(self, check: Check) -> None:
        if not self.test.external_id:
            check["status"], check["needed"] = "attention", False
            check["said"] = "No external ID is declared for this account."
            check["advice"] = "Declare one, and let the trust policy ask for it."
            return
        self._as_stranger(check, "")

    def _with_another_id(self, check: Check) -> None:
        self._as_stranger(check, f"ic-{secrets.token_hex(16)}")

    def _as_stranger(self, check: Check, external_id: str) -> None:
        """AWS must refuse whoever does not bring the external id of this account."""
        if not self.test.external_id:
            raise Untried("No external ID is declared for this account.")
        stranger = Account(
            account_id=self.account.account_id,
            reader_role=self.account.reader_role,
            actor_role=self.account.actor_role,
            deleter_role=self.account.deleter_role,
            external_id=external_id,
        )
        try:
            open_session(stranger, _ROLES[check["role"]])
        except AwsFailure as refused:
            if not refused.denied:
                raise
            check["status"] = "done"
        else:
            check["status"] = "failed"
            check["said"] = "AWS let us in with " + ("another one." if external_id else "none.")
            check["advice"] = (
                "Whoever can make the workers' identity act could use this role for somebody else."
                " Add the condition StringEquals sts:ExternalId to its trust policy."
            )

    def _call(self, check: Check) -> None:
        probe(check["text"], self._ground)
        if check["text"] == "ec2:DescribeRegions":
            self._plan_regions()
        check["status"] = "done"

    def _plan_regions(self) -> None:
        """The lines of the Regions, once it is known which there are."""
        known = {one["region"] for one in self.test.checks if one["kind"] == "region"}
        wanted = set(self.test.regions or self._enabled) - known
        place = next(
            number for number, one in enumerate(self.test.checks) if one["text"].startswith("ec2:")
        )
        self.test.checks[place + 1 : place + 1] = regional(wanted)

    def _region(self, check: Check) -> None:
        region = check["region"]
        if region not in self._enabled:
            check["status"], check["said"] = "failed", f"{region} is not enabled in this account."
            check["advice"] = "Enable it, or leave it out of the Regions."
            return
        limiter = Limiter.for_lookups(self.account, region)
        for left in reversed(range(_TRIES)):
            limiter.wait()
            try:
                lookup(self._reader, region)
                break
            except AwsFailure as failed:
                if not failed.throttled or not left:
                    raise
        check["status"] = "done"

    def _role(self, check: Check) -> RoleDocuments:
        arn = self.test.roles[check["role"]]
        try:
            found = self._documents.get(arn)
        except AwsFailure as failed:
            raise Untried("Its policies could not be read; this shows at first use.") from failed
        if found is None:
            raise Untried("The role is not there, as far as the reader sees.")
        return found

    def _policy(self, check: Check) -> None:
        role = self._role(check)
        if granted(role.policies, check["text"]):
            check["status"] = "done"
            if role.boundary:
                check["said"] = "A permissions boundary was not weighed; this shows at first use."
            return
        if role.unread:
            raise Untried("One of its policies could not be read; this shows at first use.")
        check["status"], check["said"] = "failed", "None of its policies allows it."
        check["advice"] = "Update the stack, or apply the Terraform again."

    def _names(self, check: Check) -> None:
        if granted([self._role(check).trust], "sts:SetSourceIdentity"):
            check["status"] = "done"
            return
        check["status"] = "attention"
        check["said"] = "Its trust policy does not allow sts:SetSourceIdentity."
        check["advice"] = "Allow it there, so that CloudTrail names the approver of each change."

    def _too_much(self, check: Check) -> None:
        found = gives_access(self._role(check).policies)
        if not found:
            check["status"] = "done"
            return
        check["status"] = "failed" if check["needed"] else "attention"
        check["said"] = f"It may do {', '.join(found[:3])}."
        check["advice"] = "Take that away: no role of this product needs it."
