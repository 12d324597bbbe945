"""The Celery application. Queues `read`, `write`, `restore`, `notify`: each has its own worker.

A task names its queue where it is declared (`@shared_task(queue="write")`); what names none reads.
The message is a nudge and the row is the truth, so nothing here waits for a result.
"""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "iamcleanup.settings")

QUEUES = ("read", "write", "restore", "notify")

app = Celery("iamcleanup")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.autodiscover_tasks(["iamcleanup"], related_name="health")
