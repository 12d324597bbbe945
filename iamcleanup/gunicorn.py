"""How gunicorn serves the web process: `gunicorn -c python:iamcleanup.gunicorn iamcleanup.wsgi`."""

from __future__ import annotations

import os
from typing import Any

bind = os.environ.get("IAMCLEANUP_BIND", "127.0.0.1:8000")
worker_class = "gthread"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = 8
# Pages poll and answer quickly; nothing here waits for AWS.
timeout = 30
graceful_timeout = 20
# A poll every two seconds would otherwise fill the log; errors are logged by the product.
accesslog = None
# gunicorn opens a control socket in the home folder unless told not to.
control_socket_disable = True


def on_starting(server: Any) -> None:
    """Refuse a demo on an address that `--bind` put in place of the checked one (rule 20)."""
    from iamcleanup import play  # noqa: PLC0415 - gunicorn's main process stays small

    if os.environ.get("IAMCLEANUP_DEMO"):
        for address in server.cfg.address:
            shown = f"unix:{address}" if isinstance(address, str) else f"{address[0]}:{address[1]}"
            play.refuse(play.bind_refusals(shown))


def post_worker_init(worker: Any) -> None:
    """The application is loaded, and its first request has not come yet."""
    from django.urls import get_resolver  # noqa: PLC0415 - gunicorn's main process stays small

    from iamcleanup import garbage  # noqa: PLC0415

    # Addresses with all their views are read with the first request otherwise.
    _ = get_resolver().url_patterns
    garbage.leave_the_start_alone()
