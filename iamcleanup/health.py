"""Is it alive, is it ready, and what does it count: /healthz, /readyz and /metrics."""

from __future__ import annotations

import logging
from typing import Any

import redis
from celery import Task, shared_task
from celery.signals import beat_init, before_task_publish, task_prerun
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import Error as DatabaseError
from django.db import connection
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.crypto import constant_time_compare
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest

from iamcleanup.celery import QUEUES
from inventory.aws import identity
from inventory.aws.failure import AwsFailure
from inventory.clock import real_now
from inventory.models import LedgerEntry
from migrations_app.lifecycle import State
from migrations_app.models import Departure, EmergencyStop, Hit

log = logging.getLogger(__name__)

HEARD_FROM = "iamcleanup:heard"
# Beat ticks every 15 s and a task works a minute at most.
LATELY_SECONDS = 120


def redis_client() -> redis.Redis[bytes]:
    """A client of the Redis that broker, limiter and cache share. It gives up after 3 s."""
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=3, socket_connect_timeout=3)


def note(who: str) -> None:
    """Write down that `who` (a queue or `beat`) was heard from now."""
    redis_client().hset(HEARD_FROM, who, int(real_now().timestamp()))


@shared_task(name="iamcleanup.health.beat_tick", bind=True)
def beat_tick(task: Task[..., Any]) -> None:
    """That it is started tells that beat and this queue's worker live; and whose it still is."""
    try:
        identity.see_reported(task.request.hostname or "")
    except AwsFailure as failed:
        log.warning("This worker cannot tell whose credentials it runs on: %s", failed)


@task_prerun.connect
def _note_worker(task: Task[..., Any], **_: object) -> None:
    queue = (task.request.delivery_info or {}).get("routing_key")
    if queue in QUEUES:
        note(queue)


@beat_init.connect
def _note_beat_when_it_publishes(**_: object) -> None:
    before_task_publish.connect(_note_beat, weak=False)


def _note_beat(**_: object) -> None:
    note("beat")


def seconds_since_heard() -> dict[str, int | None]:
    """For every queue's worker and for beat: seconds since it was heard from, None for never."""
    heard: dict[bytes, bytes] = redis_client().hgetall(HEARD_FROM)
    now = int(real_now().timestamp())
    return {
        who: now - int(heard[who.encode()]) if who.encode() in heard else None
        for who in (*QUEUES, "beat")
    }


def _database_fault() -> str | None:
    try:
        with connection.cursor() as cursor:
            # Recovery and default_transaction_read_only both show here.
            cursor.execute("SHOW transaction_read_only")
            if cursor.fetchone() == ("on",):
                return "read-only"
    except DatabaseError as fault:
        return type(fault).__name__
    return None


@login_not_required
def healthz(request: HttpRequest) -> HttpResponse:
    """Alive: this process answers."""
    return HttpResponse("ok\n", content_type="text/plain")


@login_not_required
def readyz(request: HttpRequest) -> JsonResponse:
    """Ready: 200 when database, broker, every queue's worker and beat are there, else 503."""
    parts = {"database": _database_fault() or "ok"}
    try:
        heard = seconds_since_heard()
    except redis.RedisError as fault:
        parts["broker"] = type(fault).__name__
    else:
        parts["broker"] = "ok"
        for who, seconds in heard.items():
            name = who if who == "beat" else f"{who} worker"
            if seconds is None:
                parts[name] = "never heard from"
            elif seconds > LATELY_SECONDS:
                parts[name] = f"not heard from for {seconds} s"
            else:
                parts[name] = "ok"
    ready = set(parts.values()) == {"ok"}
    return JsonResponse({"ready": ready, **parts}, status=200 if ready else 503)


def _may_scrape(request: HttpRequest) -> bool:
    token = settings.IAMCLEANUP_METRICS_TOKEN
    if not token:
        return bool(settings.PLAY)
    return constant_time_compare(request.headers.get("Authorization", ""), f"Bearer {token}")


@login_not_required
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus metrics; 404 without the token of IAMCLEANUP_METRICS_TOKEN."""
    if not _may_scrape(request):
        raise Http404
    registry = CollectorRegistry()
    length = Gauge("iamcleanup_queue_length", "Messages waiting", ["queue"], registry=registry)
    silence = Gauge(
        "iamcleanup_heard_seconds", "Seconds since heard from", ["who"], registry=registry
    )
    broker = redis_client()
    for queue in QUEUES:
        length.labels(queue).set(broker.llen(queue))
    for who, seconds in seconds_since_heard().items():
        if seconds is not None:
            silence.labels(who).set(seconds)
    _count(registry)
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _count(registry: CollectorRegistry) -> None:
    """Users by state, open hits, the emergency stop, and the head of the ledger (rule 15)."""
    users = Gauge("iamcleanup_users", "IAM users by state", ["state"], registry=registry)
    counted = dict(
        Departure.objects.values_list("state").annotate(count=Count("pk")).order_by("state")
    )
    for state in State:
        users.labels(state.value).set(counted.get(state.value, 0))
    Gauge("iamcleanup_open_hits", "Hits that nobody closed", registry=registry).set(
        Hit.objects.filter(kind=Hit.Kind.HIT, closed="").count()
    )
    Gauge("iamcleanup_stopped", "1 while the emergency stop is pulled", registry=registry).set(
        EmergencyStop.objects.filter(lifted_at=None).count()
    )
    head = LedgerEntry.objects.order_by("-seq").first()
    if head is not None:
        Gauge("iamcleanup_ledger_head", "Last entry", ["hash"], registry=registry).labels(
            head.hash
        ).set(head.seq)
