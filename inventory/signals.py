"""What the facts tell whoever listens; `inventory` itself knows nothing of departures."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.dispatch import Signal

from inventory.owners import Word


@dataclass(frozen=True, slots=True)
class Standing:
    """What people said or did about an IAM user: the key of the team that answers for it, when it
    was last restored, and what teams said of whose it is."""

    team_key: str = ""
    restored_at: datetime | None = None
    words: tuple[Word, ...] = ()


# Sent after each sync that listed the users, outside any transaction. sender: the Sync class.
# sync: the Sync row. missing: pks of IamUser rows that the complete listing did not hold (each
# still has to be proven gone). changes: {"new_users": [pk], "namesakes": [pk], "renamed": [pk],
# "new_keys": [credential pk], "reactivated": [credential pk]}.
account_synced = Signal()

# Sent inside the transaction that makes a look at Identity Center whole. sender: the CenterLook
# class. look: the row, with all that it holds.
center_read = Signal()

# Sent when a sync is over, however it ended. sender: the Sync class. sync: the Sync row.
sync_ended = Signal()

# Sent while users are judged. sender: the IamUser class. accounts: pks. A receiver answers a
# mapping of IamUser pks to their Standing, for users of these accounts about which there is one.
standing_asked = Signal()

# Sent inside the transaction that writes what a sync saw change. sender: the Sync class. sync: the
# Sync row. observations: unsaved Observation rows; who knows whose doing one was (its own) writes
# that into `explained`.
changes_observed = Signal()
