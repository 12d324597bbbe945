"""How an account is connected in the browser: prepared, tested, then read; the file adopts it."""

from migrations_app.connecting.files import FILES, FileName, written
from migrations_app.connecting.steps import (
    Wanted,
    ask_test,
    connect,
    discard,
    disconnect,
    prepare,
    prepare_changes,
    proven,
)
from migrations_app.connecting.trust import allowance, principals
from migrations_app.connecting.yaml_lines import yaml_lines

__all__ = [
    "FILES",
    "FileName",
    "Wanted",
    "allowance",
    "ask_test",
    "connect",
    "discard",
    "disconnect",
    "prepare",
    "prepare_changes",
    "principals",
    "proven",
    "written",
    "yaml_lines",
]
