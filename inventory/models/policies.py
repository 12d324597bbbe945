"""The documents of policies that IAM users have through groups and attachments.

What a user holds inline stands beside the user. These are shared, so each is kept once for its
account; whoever drafts a replacement has to know every statement, with its resources.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from inventory.models.accounts import Account


class PolicyText(models.Model):
    """One policy as AWS last told it: a managed one by `arn`, or an inline one of `group`."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="policy_texts")
    arn = models.CharField(max_length=2048, blank=True)
    group = models.CharField(max_length=128, blank=True)
    name = models.CharField(max_length=128)
    # Whatever JSON AWS gave; None where it gave none.
    document = models.JSONField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["account", "arn", "group", "name"], name="policy_text_once_per_account"
            ),
        ]

    def __str__(self) -> str:
        return self.name
