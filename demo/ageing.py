"""Plays the demo's last thirty days, so that a fresh demo shows a house at work.

Run by the supervisor as `python -m demo.ageing`, beside the running product and with its verbs
alone: eight users outside the dormant ones are claimed with "it can go", overruled, batched, asked
for, approved and run by the real workers while the clock moves up to real time. Two are watched at
the end, one of them with an open hit; four soak, one may be deleted, one is. Stopped at any point
and started again, it goes on from the rows.
"""

from __future__ import annotations

import os

import django

from demo import progress


def main() -> None:
    """Play what is not played yet, then mark it as done."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "iamcleanup.settings")
    django.setup()
    from demo.past import Past  # noqa: PLC0415 - its models need the line above

    if progress.line():
        Past().play()
        progress.tell("")


if __name__ == "__main__":
    main()
