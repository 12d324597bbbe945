"""A view of the Users page that somebody keeps, for themselves or for everybody."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models.functions import Lower

NAME_LENGTH = 40


class SavedView(models.Model):
    """Filters and order under a name, as a query string that `filters.Filters` made."""

    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="saved_views"
    )
    name = models.CharField(max_length=NAME_LENGTH)
    query = models.TextField()
    shared = models.BooleanField(default=False)
    saved_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["name", "pk"]
        constraints: ClassVar = [
            models.UniqueConstraint("person", Lower("name"), name="saved_view_once_per_person"),
        ]

    def __str__(self) -> str:
        return self.name
