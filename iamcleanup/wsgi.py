"""The web process. It holds no AWS credentials (rule 1), so it refuses to start when given some."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

from iamcleanup import play

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "iamcleanup.settings")
play.refuse_credentials_in_the_web_process(os.environ)

application = get_wsgi_application()
