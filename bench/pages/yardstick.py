"""The yardstick: Django's own change list over the table that the Users page shows.

Its columns, filters and search are those that both have; nobody signs in as staff here, so the
admin asks no permissions.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import path

from iamcleanup.urls import urlpatterns as product
from migrations_app.models import Departure


class Open(admin.AdminSite):
    def has_permission(self, request: HttpRequest) -> bool:
        return True


class ChangeList(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["user", "account", "state", "owner", "verdict", "last_activity"]
    list_filter = ["state", "protection", "user__verdict", "user__account"]
    list_select_related = ["user__account", "owner"]
    search_fields = ["user__user_name", "user__user_id"]
    ordering = ["user__user_name", "pk"]
    list_per_page = 50

    def account(self, row: Departure) -> str:
        return row.user.account.name

    def verdict(self, row: Departure) -> str:
        return row.user.verdict

    def last_activity(self, row: Departure) -> Any:
        return row.user.last_activity_at

    def has_module_permission(self, request: HttpRequest) -> bool:
        return True

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True

    has_add_permission = has_change_permission = has_delete_permission = has_view_permission


site = Open()
site.register(Departure, ChangeList)
urlpatterns = [path("yardstick/", site.urls), *product]
