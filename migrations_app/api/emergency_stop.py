"""The emergency stop: anybody of Security halts every forward write, another person lifts it."""

from __future__ import annotations

from datetime import datetime

from django.http import HttpRequest
from ninja import Router, Schema

from inventory.models import Scope
from migrations_app import changes
from migrations_app.api.door import acts, person_of
from migrations_app.api.fields import Asked, Reason
from migrations_app.models import EmergencyStop

router = Router(tags=["Emergency stop"])


class WithReason(Asked):
    """Why, for everybody who reads the log."""

    reason: Reason


class Stop(Schema):
    """One emergency stop; in force while nobody lifted it."""

    pulled_by: str
    pulled_at: datetime
    reason: str
    lifted_by: str
    lifted_at: datetime | None


@acts(router, "emergency-stop", Scope.STOP, answer=Stop, name="emergency-stop")
def pull(request: HttpRequest, said: WithReason) -> Stop:
    """Pull the emergency stop

    Halts every forward write in all accounts within one call. Restores go on.
    """
    return _told(changes.pull(person_of(request), said.reason))


@acts(router, "emergency-stop/lift", Scope.STOP, answer=Stop, name="emergency-stop-lift")
def lift(request: HttpRequest, said: WithReason) -> Stop:
    """Lift the emergency stop

    Another person than the one who pulled it. Each batch is then resumed by hand.
    """
    return _told(changes.lift(person_of(request), said.reason))


def _told(stop: EmergencyStop) -> Stop:
    return Stop(
        pulled_by=str(stop.pulled_by or ""),
        pulled_at=stop.pulled_at,
        reason=stop.reason,
        lifted_by=str(stop.lifted_by or ""),
        lifted_at=stop.lifted_at,
    )
