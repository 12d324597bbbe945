"""Evidence packs: everything an auditor asks for in one signed ZIP, built by workers in slices."""

from migrations_app.packs.asking import ask, may_have, require_having, since
from migrations_app.packs.building import build, waiting
from migrations_app.packs.ending import delete_old
from migrations_app.packs.pieces import zip_of
from migrations_app.packs.sealing import keep_public_key, signs
from migrations_app.packs.showing import Shown, kept, keys, progress, shown
from migrations_app.packs.tables import CHOICES

__all__ = [
    "CHOICES",
    "Shown",
    "ask",
    "build",
    "delete_old",
    "keep_public_key",
    "kept",
    "keys",
    "may_have",
    "progress",
    "require_having",
    "shown",
    "signs",
    "since",
    "waiting",
    "zip_of",
]
