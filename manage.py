#!/usr/bin/env python
"""The command line of IAM Cleanup.

`demo` and `ledger verify-pack` need no settings: who checks a pack has nothing but the pack.
"""

import os
import sys


def main() -> None:
    """Run a management command; `demo` and `ledger verify-pack` are programs of their own."""
    if sys.argv[1:2] == ["demo"]:
        os.execv(sys.executable, [sys.executable, "-m", "demo", *sys.argv[2:]])
    if sys.argv[1:3] == ["ledger", "verify-pack"]:
        from inventory.pack.__main__ import main as verify_pack

        sys.exit(verify_pack(sys.argv[3:]))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "iamcleanup.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
