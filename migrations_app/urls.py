"""Addresses of change: overview, users, claims, plans; batches, soak, hits and the stop."""

from __future__ import annotations

from django.urls import URLPattern, path

from migrations_app.views import (
    alerts,
    claims,
    inbox,
    overview,
    ownership,
    plans,
    search,
    user,
    users,
)

_USER = "users/<str:account>/<str:user_id>/"

urlpatterns: list[URLPattern] = [
    path("", overview.overview, name="overview"),
    path("syncs/start/", overview.sync_start, name="sync-start"),
    path("syncs/<str:account>/", overview.sync_status, name="sync-status"),
    path("users/", users.users, name="users"),
    path("users.csv", users.users_csv, name="users-csv"),
    path("users.json", users.users_json, name="users-json"),
    path("users/bulk/", users.bulk, name="users-bulk"),
    path(_USER, user.user, name="user"),
    path(f"{_USER}evidence.json", user.evidence, name="user-evidence"),
    path(f"{_USER}assign/", ownership.assign, name="user-assign"),
    path(f"{_USER}release/", ownership.release, name="user-release"),
    path(f"{_USER}hand-over/", ownership.hand_over, name="user-hand-over"),
    path(f"{_USER}dispute/", ownership.dispute, name="user-dispute"),
    path(f"{_USER}end-dispute/", ownership.end_dispute, name="user-end-dispute"),
    path(f"{_USER}confirm-claim/", ownership.confirm_claim, name="user-confirm-claim"),
    path(f"{_USER}decline-claim/", ownership.decline_claim, name="user-decline-claim"),
    path(f"{_USER}protect/", ownership.protect, name="user-protect"),
    path(f"{_USER}unprotect/", ownership.unprotect, name="user-unprotect"),
    path(f"{_USER}overrule/", ownership.overrule, name="user-overrule"),
    path(f"{_USER}confirm-plan/", ownership.confirm_plan, name="user-confirm-plan"),
    path("claim/", claims.claim_mine, name="claim-mine"),
    path("claim/<slug:team>/", claims.claim, name="claim"),
    path("claim/<slug:team>/<int:pk>/", claims.answer, name="claim-answer"),
    path("claims/", claims.claims, name="claims"),
    path("inbox/", inbox.inbox, name="inbox"),
    path("inbox/<int:pk>/", inbox.notice, name="notice"),
    path("alerts/", alerts.alerts, name="alerts"),
    path("alerts/<int:pk>/close/", alerts.close, name="alert-close"),
    path("search/", search.search, name="search"),
    path("plans/", plans.plans, name="plans"),
    path("plans/<int:pk>/", plans.plan, name="plan"),
]
