"""The Celery application. Queues `read`, `write`, `restore`, `notify`: each has its own worker.

A task names its queue where it is declared (`@shared_task(queue="write")`); what names none reads.
The message is a nudge and the row is the truth, so nothing here waits for a result.
"""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from celery.signals import worker_process_init

from iamcleanup import garbage

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "iamcleanup.settings")

QUEUES = ("read", "write", "restore", "notify")

app = Celery("iamcleanup")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.autodiscover_tasks(["iamcleanup"], related_name="health")


@worker_process_init.connect
def _work_without_looking_for_garbage(**_: Any) -> None:
    """Tasks, models and the SDK stay for the life of a worker process."""
    garbage.leave_the_start_alone()
