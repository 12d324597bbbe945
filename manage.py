#!/usr/bin/env python
"""The command line of IAM Cleanup. `manage.py demo` is the one command that needs no settings."""

import os
import sys


def main() -> None:
    """Run a management command; `demo` hands over to the supervisor."""
    if sys.argv[1:2] == ["demo"]:
        os.execv(sys.executable, [sys.executable, "-m", "demo", *sys.argv[2:]])
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "iamcleanup.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
