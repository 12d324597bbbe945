"""What the facts tell whoever listens; `inventory` itself knows nothing of departures."""

from __future__ import annotations

from django.dispatch import Signal

# Sent after each sync that listed the users, outside any transaction. sender: the Sync class.
# sync: the Sync row. missing: pks of IamUser rows that the complete listing did not hold (each
# still has to be proven gone). changes: {"new_users": [pk], "namesakes": [pk], "renamed": [pk],
# "new_keys": [credential pk], "reactivated": [credential pk]}.
account_synced = Signal()
