"""The web process under an ASGI server; the same promises as `wsgi`."""

from __future__ import annotations

import os

from django.core.asgi import get_asgi_application

from iamcleanup import play

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "iamcleanup.settings")
play.refuse_credentials_in_the_web_process(os.environ)

application = get_asgi_application()
