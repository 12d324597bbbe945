"""Rows of change, by noun: departures, changes and their journal, campaigns, notices."""

from migrations_app.models.campaign import Ask, AskOpening, Campaign
from migrations_app.models.change import (
    Batch,
    Call,
    Change,
    Comment,
    Holdings,
    Viewed,
)
from migrations_app.models.departure import (
    Answer,
    Departure,
    GivenAnswer,
    Hit,
    HitCaller,
)
from migrations_app.models.drift import Drift
from migrations_app.models.headcount import DayCount, DayTotal, HeadCount
from migrations_app.models.idempotency import KeptAnswer
from migrations_app.models.listed import Listed
from migrations_app.models.notice import Delivery, Notice, Opening, PendingDeclaration
from migrations_app.models.owner_import import OwnerImport
from migrations_app.models.pack import EvidencePack, PackKey, PackPart
from migrations_app.models.plan import Plan, PlanAccess, PlanComment
from migrations_app.models.remaining import (
    BreakGlassCheck,
    BreakGlassRecord,
    BreakGlassUse,
    CleanAccount,
)
from migrations_app.models.saved_view import SavedView
from migrations_app.models.stop import DatabaseHome, EmergencyStop

__all__ = [
    "Answer",
    "Ask",
    "AskOpening",
    "Batch",
    "BreakGlassCheck",
    "BreakGlassRecord",
    "BreakGlassUse",
    "Call",
    "Campaign",
    "Change",
    "CleanAccount",
    "Comment",
    "DatabaseHome",
    "DayCount",
    "DayTotal",
    "Delivery",
    "Departure",
    "Drift",
    "EmergencyStop",
    "EvidencePack",
    "GivenAnswer",
    "HeadCount",
    "Hit",
    "HitCaller",
    "Holdings",
    "KeptAnswer",
    "Listed",
    "Notice",
    "Opening",
    "OwnerImport",
    "PackKey",
    "PackPart",
    "PendingDeclaration",
    "Plan",
    "PlanAccess",
    "PlanComment",
    "SavedView",
    "Viewed",
]
